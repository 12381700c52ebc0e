//! The order in which an epoch goes through the items.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How an epoch orders the items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// As the data set holds them.
    Sequential,
    /// Shuffled anew in every epoch.
    #[default]
    Shuffled,
}

/// The indices `0..items` in the order of one epoch.
///
/// The order depends on the arguments alone, so an epoch can be repeated without those before it.
///
/// ```
/// use caudal::data::{Order, batches, epoch_order};
///
/// let order = epoch_order(10, Order::Shuffled, 7, 0);
/// assert_eq!(order, epoch_order(10, Order::Shuffled, 7, 0));
/// assert_ne!(order, epoch_order(10, Order::Shuffled, 7, 1));
/// let sizes: Vec<_> = batches(&order, 4).map(<[usize]>::len).collect();
/// assert_eq!(sizes, [4, 4, 2]);
/// ```
pub fn epoch_order(items: usize, order: Order, seed: u64, epoch: u64) -> Vec<usize> {
    let mut indices = Vec::new();
    epoch_order_into(items, order, seed, epoch, &mut indices);
    indices
}

/// [`epoch_order`] into a vector that is used again: what it held is replaced, and nothing is
/// allocated when its capacity suffices.
pub fn epoch_order_into(items: usize, order: Order, seed: u64, epoch: u64, into: &mut Vec<usize>) {
    into.clear();
    into.extend(0..items);
    match order {
        Order::Sequential => {}
        Order::Shuffled => shuffle(into, &mut generator(*b"shuffle ", seed, epoch)),
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

    proptest! {
        #[test]
        fn every_order_is_a_permutation(items in 0_usize..300, seed: u64, epoch: u64) {
            for order in [Order::Sequential, Order::Shuffled] {
                let indices = epoch_order(items, order, seed, epoch);
                prop_assert_eq!(&indices, &epoch_order(items, order, seed, epoch));
                let mut sorted = indices;
                sorted.sort_unstable();
                prop_assert!(sorted.into_iter().eq(0..items));
            }
        }

        #[test]
        fn batches_cover_the_order(items in 0_usize..100, batch_size in 1_usize..40) {
            let order = epoch_order(items, Order::Shuffled, 1, 2);
            prop_assert_eq!(batches(&order, batch_size).len(), items.div_ceil(batch_size));
            prop_assert!(batches(&order, batch_size).flatten().eq(&order));
        }
    }

    #[test]
    fn sequential_order_counts_up() {
        assert_eq!(epoch_order(4, Order::Sequential, 9, 9), [0, 1, 2, 3]);
    }

    #[test]
    fn seeds_and_epochs_give_different_orders() {
        let first = epoch_order(50, Order::Shuffled, 1, 0);
        assert_ne!(first, epoch_order(50, Order::Shuffled, 1, 1));
        assert_ne!(first, epoch_order(50, Order::Shuffled, 2, 0));
        assert_ne!(first, epoch_order(50, Order::Shuffled, 0, 1));
    }

    #[test]
    fn the_shuffle_stays_what_it_is() {
        // Saved runs rely on it.
        assert_eq!(epoch_order(8, Order::Shuffled, 42, 3), [0, 7, 5, 3, 4, 2, 1, 6]);
    }

    #[test]
    fn refilling_allocates_nothing() {
        let mut indices = Vec::with_capacity(20);
        let start = indices.as_ptr();
        for epoch in 0..5 {
            epoch_order_into(20, Order::Shuffled, 3, epoch, &mut indices);
            assert_eq!(indices, epoch_order(20, Order::Shuffled, 3, epoch));
        }
        assert_eq!(indices.as_ptr(), start);
    }

    #[test]
    fn all_orders_of_three_are_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..6000 {
            *counts.entry(epoch_order(3, Order::Shuffled, 5, epoch)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Six standard deviations around 1000.
        assert!(counts.values().all(|count| (827..=1173).contains(count)), "{counts:?}");
    }
}
