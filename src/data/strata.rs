//! Batches that represent all items.
//!
//! Items with the same classes are a stratum. A batch of b out of N items has b n / N items of a
//! stratum of n, rounded up or down. All batches but the last one are equally large, so which of them
//! round up is easily settled: the last batch chooses first; what is left of a stratum is then between
//! what all others take rounded down and rounded up, and the surplus over the former is dealt to the
//! batches round and round, one stratum after another. No stratum's surplus is longer than a round,
//! and all together fill whole rounds, so every batch gets as many as it lacks, and none twice of one
//! stratum.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use super::sampler::{below, shuffle};
use super::{Column, Dataset, class_index, refuse};
use crate::error::Result;
use crate::tensor::describe_shape;

/// The items of every combination of classes.
#[derive(Clone, Debug)]
pub(super) struct Strata {
    groups: Vec<Vec<usize>>,
    items: usize,
    batch_size: usize,
}

impl Strata {
    /// By the classes of the columns called `names`, or, with none, of all targets that have classes.
    pub(super) fn new(data: &Dataset, names: &[String], batch_size: usize) -> Result<Self> {
        let origin = || format!("data set `{}`", data.name());
        let columns: Vec<&Column> = if names.is_empty() {
            let mut columns = Vec::new();
            for column in data.targets() {
                if column.class_count()?.is_some() {
                    columns.push(column);
                }
            }
            columns
        } else {
            let find = |name: &String| {
                data.column(name).ok_or_else(|| {
                    let columns = data.inputs().iter().chain(data.targets());
                    let known: Vec<_> = columns.map(|column| column.name.as_str()).collect();
                    refuse(
                        origin(),
                        format!("it has no column `{name}` to stratify by"),
                        format!("its columns are {}", known.join(", ")),
                    )
                })
            };
            names.iter().map(find).collect::<Result<_>>()?
        };
        if columns.is_empty() {
            return Err(refuse(
                origin(),
                "no target holds class indices to stratify by",
                "use another order, or a target whose values are whole numbers from 0",
            ));
        }
        let mut strata = BTreeMap::<Vec<usize>, Vec<usize>>::new();
        let mut classes = vec![Vec::new(); data.len()];
        for column in columns {
            let refused = |found: String| {
                refuse(
                    origin(),
                    format!("column `{}` holds no class indices: {found}", column.name),
                    "stratify by columns with one whole number from 0 an item",
                )
            };
            if column.item_size() != 1 {
                return Err(refused(format!(
                    "its items are {}",
                    describe_shape(column.item_shape())
                )));
            }
            for (item, (&value, classes)) in column.all()?.iter().zip(&mut classes).enumerate() {
                let class = class_index(value);
                classes.push(class.ok_or_else(|| refused(format!("item {item} is {value}")))?);
            }
        }
        for (item, classes) in classes.into_iter().enumerate() {
            strata.entry(classes).or_default().push(item);
        }
        let batch_size = batch_size.clamp(1, data.len());
        Ok(Self { groups: strata.into_values().collect(), items: data.len(), batch_size })
    }

    /// Appends every item once.
    pub(super) fn order(&self, generator: &mut ChaCha8Rng, into: &mut Vec<usize>) {
        let mut strata = self.groups.clone();
        for items in &mut strata {
            shuffle(items, generator);
        }
        // Chance decides which strata round up first.
        let mut order: Vec<usize> = (0..strata.len()).collect();
        shuffle(&mut order, generator);
        strata = order.into_iter().map(|stratum| std::mem::take(&mut strata[stratum])).collect();

        let size = self.batch_size;
        let whole = (self.items - 1) / size;
        let last = self.last_batch(&strata, self.items - whole * size, generator);
        let mut batches = vec![Vec::with_capacity(size); whole];
        // Which batch a round begins with should not matter either.
        let mut turns: Vec<usize> = (0..whole).collect();
        shuffle(&mut turns, generator);
        let mut turn = 0;
        let mut rest = Vec::new();
        for (items, in_last) in strata.iter().zip(last) {
            let (in_last, mut items) = items.split_at(in_last);
            rest.extend_from_slice(in_last);
            if whole == 0 {
                continue;
            }
            let share = self.share(size, in_last.len() + items.len()).0;
            for batch in &mut batches {
                let (taken, left) = items.split_at(share);
                batch.extend_from_slice(taken);
                items = left;
            }
            for &item in items {
                batches[turns[turn]].push(item);
                turn = (turn + 1) % whole;
            }
        }
        batches.push(rest);
        for mut batch in batches {
            shuffle(&mut batch, generator);
            into.append(&mut batch);
        }
    }

    /// What a batch of `size` items has of a stratum of `count`: whole items, and the rest in parts of
    /// all items.
    fn share(&self, size: usize, count: usize) -> (usize, u128) {
        let product = size as u128 * count as u128;
        ((product / self.items as u128) as usize, product % self.items as u128)
    }

    /// How many items of each stratum the last batch has. Rests are laid end to end along a line with
    /// a mark at every whole number, shifted by chance: strata with a mark in their rest round up.
    /// A rest is shorter than the distance of two marks.
    fn last_batch(
        &self,
        strata: &[Vec<usize>],
        size: usize,
        generator: &mut ChaCha8Rng,
    ) -> Vec<usize> {
        let mut end = below(self.items, generator) as u128;
        let share = |items: &Vec<usize>| {
            let (share, rest) = self.share(size, items.len());
            let begin = end / self.items as u128;
            end += rest;
            share + usize::from(end / self.items as u128 > begin)
        };
        strata.iter().map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::{Order, Sampler, batches};
    use crate::tensor::Tensor;

    fn labelled(columns: &[Vec<usize>]) -> Dataset {
        let items = columns[0].len();
        let targets = columns.iter().enumerate().map(|(number, classes)| {
            let values = classes.iter().map(|&class| class as f32).collect();
            Column::new(format!("y{number}"), Tensor::from_shape_vec(vec![items], values).unwrap())
        });
        let x = Column::new("x", Tensor::zeros(vec![items, 2]));
        Dataset::new("d", vec![x], targets.collect()).unwrap()
    }

    proptest! {
        #[test]
        fn every_batch_has_its_share_of_every_combination(
            labels in prop::collection::vec((0_usize..4, 0_usize..3, 0_usize..2), 1..250),
            batch_size in 1_usize..60,
            seed: u64,
            epoch: u64,
        ) {
            let columns = [
                labels.iter().map(|label| label.0).collect(),
                labels.iter().map(|label| label.1).collect(),
                labels.iter().map(|label| label.2).collect(),
            ];
            let data = labelled(&columns);
            let order = Order::stratified(["y0", "y1", "y2"]);
            let sampler = Sampler::new(&data, &order, batch_size, seed).unwrap();
            let items = sampler.epoch(epoch);
            prop_assert_eq!(&items, &sampler.epoch(epoch));
            let all = Sampler::new(&data, &Order::Stratified([].into()), batch_size, seed).unwrap();
            prop_assert_eq!(&items, &all.epoch(epoch), "all targets have classes");

            let mut sorted = items.clone();
            sorted.sort_unstable();
            prop_assert!(sorted.into_iter().eq(0..labels.len()));

            let mut totals = BTreeMap::<_, usize>::new();
            for label in &labels {
                *totals.entry(*label).or_default() += 1;
            }
            for batch in batches(&items, batch_size) {
                for (combination, total) in &totals {
                    let here = batch.iter().filter(|&&item| labels[item] == *combination).count();
                    let product = batch.len() * total;
                    let (low, high) = (product / labels.len(), product.div_ceil(labels.len()));
                    prop_assert!((low..=high).contains(&here), "{} of {}..={}", here, low, high);
                }
            }
        }
    }

    #[test]
    fn chance_alone_decides_who_comes_when() {
        // Two of three items are of class 0; the batch that holds the third one is any.
        let data = labelled(&[vec![0, 0, 0, 0, 1, 1]]);
        let sampler = Sampler::new(&data, &Order::stratified(["y0"]), 2, 5).unwrap();
        let mut counts = [[0u32; 6]; 6];
        for epoch in 0..6000 {
            for (place, item) in sampler.epoch(epoch).into_iter().enumerate() {
                counts[item][place] += 1;
            }
        }
        // Six standard deviations around 1000.
        let fair = counts.iter().flatten().all(|count| (827..=1173).contains(count));
        assert!(fair, "{counts:?}");
        assert_ne!(sampler.epoch(0), sampler.epoch(1));
    }

    #[test]
    fn what_has_no_classes_is_refused() {
        let mut data = labelled(&[vec![0, 1]]);
        let refused = |data: &Dataset, name: &str| {
            Sampler::new(data, &Order::stratified([name]), 2, 0).unwrap_err().to_string()
        };
        let error = refused(&data, "z");
        assert!(error.contains("no column `z`") && error.contains("are x, y0"), "{error}");
        let error = refused(&data, "x");
        assert!(error.contains("`x` holds no class indices: its items are 2"), "{error}");
        let half = Column::new("y", Tensor::from_elem(vec![2], 0.5));
        data = Dataset::new("d", data.inputs().to_vec(), vec![half]).unwrap();
        let error = refused(&data, "y");
        assert!(error.contains("item 0 is 0.5"), "{error}");
        let order = Order::Stratified([].into());
        let error = Sampler::new(&data, &order, 2, 0).unwrap_err().to_string();
        assert!(error.contains("no target holds class indices"), "{error}");
    }
}
