//! The order in which an epoch goes through the items.

use std::sync::Arc;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Dataset;
use super::strata::Strata;
use super::weights::Weights;
use crate::error::Result;

/// How an epoch orders the items. Cloning one shares what it holds.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Order {
    /// As the data set holds them.
    Sequential,
    /// Shuffled anew in every epoch.
    #[default]
    Shuffled,
    /// Shuffled anew in every epoch, such that every batch represents all items as well as its size
    /// allows: by the classes of these columns, or, with no column named, of all targets that hold
    /// class indices. Of every combination of classes, a batch has its share, rounded up or down, and
    /// over the epoch every item comes once.
    Stratified(Arc<[String]>),
    /// As many items as there are, drawn with replacement: an item's chance is its weight over the sum
    /// of all weights.
    Weighted(Arc<[f64]>),
}

impl Order {
    /// [`Order::Stratified`] over the columns called `names`.
    pub fn stratified<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::Stratified(names.into_iter().map(Into::into).collect())
    }

    /// [`Order::Weighted`] with a weight for every item.
    pub fn weighted(weights: impl Into<Arc<[f64]>>) -> Self {
        Self::Weighted(weights.into())
    }
}

/// Which items every epoch goes through, in which order.
///
/// An epoch's order depends on the data, the batch size, the seed and the epoch's number alone, so it
/// can be had again without those before it.
///
/// ```
/// use caudal::data::{Column, Dataset, Order, Sampler, batches};
/// use ndarray::ArcArray;
///
/// // 100 people: 50 positive and 50 negative, 50 men and 50 women.
/// let column = |name: &str, class: fn(usize) -> usize| {
///     let values = (0..100).map(|item| class(item) as f32).collect();
///     Column::new(name, ArcArray::from_shape_vec(vec![100], values).unwrap())
/// };
/// let (positive, woman) = (column("positive", |item| item % 2), column("woman", |item| item / 50));
/// let people = Dataset::new("people", vec![column("x", |item| item)], vec![positive, woman])?;
///
/// let order = Order::stratified(["positive", "woman"]);
/// let epoch = Sampler::new(&people, &order, 4, 7)?.epoch(0);
/// for batch in batches(&epoch, 4) {
///     let mut kinds: Vec<_> = batch.iter().map(|item| (item % 2, item / 50)).collect();
///     kinds.sort();
///     assert_eq!(kinds, [(0, 0), (0, 1), (1, 0), (1, 1)]);
/// }
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    items: usize,
    seed: u64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Sequential,
    Shuffled,
    Stratified(Strata),
    Weighted(Weights),
}

impl Sampler {
    /// The order of `data` in batches of `batch_size`, which only stratified ones depend on.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if a column to stratify by does not exist or holds no
    /// class indices, or if weights are not one number for every item, finite, not negative, and not
    /// all 0.
    pub fn new(data: &Dataset, order: &Order, batch_size: usize, seed: u64) -> Result<Self> {
        let kind = match order {
            Order::Sequential => Kind::Sequential,
            Order::Shuffled => Kind::Shuffled,
            Order::Stratified(names) => Kind::Stratified(Strata::new(data, names, batch_size)?),
            Order::Weighted(weights) => Kind::Weighted(Weights::new(data, weights)?),
        };
        Ok(Self { items: data.len(), seed, kind })
    }

    /// How many items an epoch has.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The items of epoch number `epoch`, in order.
    pub fn epoch(&self, epoch: u64) -> Vec<usize> {
        let mut items = Vec::new();
        self.epoch_into(epoch, &mut items);
        items
    }

    /// [`Sampler::epoch`] into a vector that is used again: what it held is replaced.
    pub fn epoch_into(&self, epoch: u64, into: &mut Vec<usize>) {
        into.clear();
        match &self.kind {
            Kind::Sequential => into.extend(0..self.items),
            Kind::Shuffled => {
                into.extend(0..self.items);
                shuffle(into, &mut generator(*b"shuffle ", self.seed, epoch));
            }
            Kind::Stratified(strata) => {
                strata.order(&mut generator(*b"stratify", self.seed, epoch), into);
            }
            Kind::Weighted(weights) => {
                weights.draw(self.items, &mut generator(*b"weighted", self.seed, epoch), into);
            }
        }
    }
}

/// Cuts an order into batches of `batch_size` items; the last one may be smaller.
///
/// # Panics
///
/// If `batch_size` is 0.
pub fn batches(order: &[usize], batch_size: usize) -> std::slice::Chunks<'_, usize> {
    order.chunks(batch_size)
}

/// Random numbers keyed by what they are for, a seed and a counter. No two keys share a stream, and
/// the streams do not depend on how a library stretches a seed.
pub(super) fn generator(purpose: [u8; 8], seed: u64, counter: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose);
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(counter);
    generator
}

/// A whole number below `bound`, which must not be 0. The bias is at most bound / 2^64.
pub(super) fn below(bound: usize, generator: &mut ChaCha8Rng) -> usize {
    ((u128::from(generator.next_u64()) * bound as u128) >> 64) as usize
}

/// Fisher and Yates's shuffle.
pub(super) fn shuffle(indices: &mut [usize], generator: &mut ChaCha8Rng) {
    for last in (1..indices.len()).rev() {
        indices.swap(last, below(last + 1, generator));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Column;
    use crate::tensor::Tensor;

    fn sampler(items: usize, order: &Order, seed: u64) -> Sampler {
        let x = Column::new("x", Tensor::zeros(vec![items]));
        let data = Dataset::new("d", vec![x], Vec::new()).unwrap();
        Sampler::new(&data, order, 4, seed).unwrap()
    }

    fn epoch_order(items: usize, order: &Order, seed: u64, epoch: u64) -> Vec<usize> {
        sampler(items, order, seed).epoch(epoch)
    }

    proptest! {
        #[test]
        fn every_order_is_a_permutation(items in 1_usize..300, seed: u64, epoch: u64) {
            for order in &[Order::Sequential, Order::Shuffled] {
                let indices = epoch_order(items, order, seed, epoch);
                prop_assert_eq!(&indices, &epoch_order(items, order, seed, epoch));
                let mut sorted = indices;
                sorted.sort_unstable();
                prop_assert!(sorted.into_iter().eq(0..items));
            }
        }

        #[test]
        fn batches_cover_the_order(items in 1_usize..100, batch_size in 1_usize..40) {
            let order = epoch_order(items, &Order::Shuffled, 1, 2);
            prop_assert_eq!(batches(&order, batch_size).len(), items.div_ceil(batch_size));
            prop_assert!(batches(&order, batch_size).flatten().eq(&order));
        }
    }

    #[test]
    fn sequential_order_counts_up() {
        assert_eq!(epoch_order(4, &Order::Sequential, 9, 9), [0, 1, 2, 3]);
    }

    #[test]
    fn seeds_and_epochs_give_different_orders() {
        let first = epoch_order(50, &Order::Shuffled, 1, 0);
        assert_ne!(first, epoch_order(50, &Order::Shuffled, 1, 1));
        assert_ne!(first, epoch_order(50, &Order::Shuffled, 2, 0));
        assert_ne!(first, epoch_order(50, &Order::Shuffled, 0, 1));
    }

    #[test]
    fn the_shuffle_stays_what_it_is() {
        // Saved runs rely on it.
        assert_eq!(epoch_order(8, &Order::Shuffled, 42, 3), [0, 7, 5, 3, 4, 2, 1, 6]);
    }

    #[test]
    fn refilling_allocates_nothing() {
        let mut indices = Vec::with_capacity(20);
        let start = indices.as_ptr();
        let sampler = sampler(20, &Order::Shuffled, 3);
        for epoch in 0..5 {
            sampler.epoch_into(epoch, &mut indices);
            assert_eq!(indices, sampler.epoch(epoch));
        }
        assert_eq!(indices.as_ptr(), start);
    }

    #[test]
    fn all_orders_of_three_are_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..6000 {
            *counts.entry(epoch_order(3, &Order::Shuffled, 5, epoch)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Six standard deviations around 1000.
        assert!(counts.values().all(|count| (827..=1173).contains(count)), "{counts:?}");
    }
}
