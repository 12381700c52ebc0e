//! Splitting a data set into a training part and a test part.

use std::collections::BTreeMap;

use super::sampler::{generator, shuffle};
use super::{Column, Dataset, class_index, refuse};
use crate::error::count;
use crate::{Error, Result, describe_shape};

impl Dataset {
    /// Splits off exactly `test_items` items as a test part and returns (training part, test part),
    /// named `NAME train` and `NAME test`.
    ///
    /// Each class of the target column at index `target` gives in proportion to its size, by
    /// largest remainder, where the lower class goes first among equals. Which items of a class go
    /// depends on `seed` alone. Both parts keep the items in the order they had.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if the column does not exist or holds no class indices, or if a part would
    /// be empty.
    pub fn split_stratified(
        &self,
        target: usize,
        test_items: usize,
        seed: u64,
    ) -> Result<(Self, Self)> {
        let origin = format!("data set `{}`", self.name());
        if test_items == 0 || test_items >= self.len() {
            return Err(refuse(
                origin,
                format!("{test_items} of its {} can't be split off", count(self.len(), "item")),
                "leave at least one item in each part",
            ));
        }
        let Some(column) = self.targets().get(target) else {
            return Err(refuse(
                origin,
                format!(
                    "target column {target} was asked for, it has {}",
                    count(self.targets().len(), "target column")
                ),
                "columns are counted from 0",
            ));
        };
        let mut classes = items_by_class(&origin, column)?;
        let shares = apportion(classes.values().map(Vec::len), test_items);
        let mut in_test = vec![false; self.len()];
        for ((&class, items), share) in classes.iter_mut().zip(shares) {
            shuffle(items, &mut generator(*b"split   ", seed, class as u64));
            for &item in &items[..share] {
                in_test[item] = true;
            }
        }
        let (test, train): (Vec<_>, Vec<_>) = (0..self.len()).partition(|&item| in_test[item]);
        Ok((
            self.subset(&train)?.renamed(format!("{} train", self.name())),
            self.subset(&test)?.renamed(format!("{} test", self.name())),
        ))
    }
}

/// The items of each class, ascending.
fn items_by_class(origin: &str, column: &Column) -> Result<BTreeMap<usize, Vec<usize>>> {
    let no_class = |found: String| -> Error {
        refuse(
            origin,
            format!("target `{}` holds no class indices: {found}", column.name),
            "split along a target of shape scalar whose values are whole numbers from 0",
        )
    };
    if !column.item_shape().is_empty() {
        return Err(no_class(format!("its items are {}", describe_shape(column.item_shape()))));
    }
    let mut classes = BTreeMap::<_, Vec<_>>::new();
    for (item, &value) in column.all()?.iter().enumerate() {
        let class =
            class_index(value).ok_or_else(|| no_class(format!("item {item} is {value}")))?;
        classes.entry(class).or_default().push(item);
    }
    Ok(classes)
}

/// Divides `seats`, fewer than the sum of `sizes`, among the sizes by largest remainder. No share
/// passes its size.
pub(super) fn apportion(sizes: impl Iterator<Item = usize> + Clone, seats: usize) -> Vec<usize> {
    let total = sizes.clone().sum::<usize>() as u128;
    let quotas: Vec<u128> = sizes.map(|size| size as u128 * seats as u128).collect();
    let mut shares: Vec<usize> = quotas.iter().map(|quota| (quota / total) as usize).collect();
    let mut ranking: Vec<usize> = (0..quotas.len()).collect();
    ranking.sort_by_key(|&at| std::cmp::Reverse(quotas[at] % total));
    let given = shares.iter().sum::<usize>();
    for at in ranking.into_iter().take(seats - given) {
        shares[at] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use ndarray::Array;
    use proptest::prelude::*;

    use super::*;

    fn labelled(labels: &[usize]) -> Dataset {
        let items = Array::from_iter((0..labels.len()).map(|item| item as f32)).into_dyn();
        let labels = Array::from_iter(labels.iter().map(|&label| label as f32)).into_dyn();
        Dataset::new("d", vec![Column::new("item", items)], vec![Column::new("label", labels)])
            .unwrap()
    }

    fn items(set: &Dataset) -> Vec<usize> {
        set.inputs()[0].tensor().unwrap().iter().map(|&item| item as usize).collect()
    }

    proptest! {
        #[test]
        fn a_split_is_exact_proportional_and_complete(
            labels in prop::collection::vec(0_usize..6, 2..200),
            fraction in 0.0..1.0,
            seed: u64,
        ) {
            let wanted = ((labels.len() as f64 * fraction) as usize).clamp(1, labels.len() - 1);
            let set = labelled(&labels);
            let (train, test) = set.split_stratified(0, wanted, seed).unwrap();
            prop_assert_eq!(test.len(), wanted);
            let again = set.split_stratified(0, wanted, seed).unwrap();
            prop_assert_eq!((&train, &test), (&again.0, &again.1));
            let (train, test) = (items(&train), items(&test));
            prop_assert!(train.is_sorted() && test.is_sorted());
            let mut all = [train, test.clone()].concat();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..labels.len()));
            for class in 0..6 {
                let size = labels.iter().filter(|&&label| label == class).count();
                let got = test.iter().filter(|&&item| labels[item] == class).count();
                let exact = size as f64 * wanted as f64 / labels.len() as f64;
                prop_assert!((got as f64 - exact).abs() < 1.0, "{class}: {got} for {exact}");
            }
        }
    }

    #[test]
    fn remainders_decide_and_the_lower_class_wins_a_tie() {
        assert_eq!(apportion([3, 3, 4].into_iter(), 5), [2, 1, 2]);
        assert_eq!(apportion([10, 1].into_iter(), 1), [1, 0]);
        assert_eq!(apportion([2, 2, 2].into_iter(), 2), [1, 1, 0]);
    }

    #[test]
    fn seeds_choose_different_items() {
        let set = labelled(&[0; 100]);
        let split = |seed| items(&set.split_stratified(0, 50, seed).unwrap().1);
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
    }

    #[test]
    fn parts_are_named() {
        let (train, test) = labelled(&[0, 1, 0]).split_stratified(0, 1, 0).unwrap();
        assert_eq!((train.name(), test.name()), ("d train", "d test"));
    }

    #[test]
    fn impossible_splits_are_refused() {
        let set = labelled(&[0, 1, 0]);
        let refusal = |set: &Dataset, target, wanted| {
            set.split_stratified(target, wanted, 0).unwrap_err().to_string()
        };
        assert!(refusal(&set, 0, 0).contains("0 of its 3 items can't be split off"));
        assert!(refusal(&set, 0, 3).contains("3 of its 3 items can't be split off"));
        assert!(refusal(&set, 1, 1).contains("target column 1 was asked for, it has 1 target"));

        let with = |values: Vec<f32>, shape: &[usize]| {
            let values = Array::from_shape_vec(shape, values).unwrap();
            let items = set.inputs().to_vec();
            Dataset::new("d", items, vec![Column::new("y", values)]).unwrap()
        };
        assert!(refusal(&with(vec![0., 0.5, 1.], &[3]), 0, 1).contains("item 1 is 0.5"));
        assert!(refusal(&with(vec![0., 1., -2.], &[3]), 0, 1).contains("item 2 is -2"));
        assert!(refusal(&with(vec![0.; 6], &[3, 2]), 0, 1).contains("its items are 2"));
    }
}
