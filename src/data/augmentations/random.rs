//! Random numbers for one augmentation of one item.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::random::{hash, key};

/// Random numbers for one augmentation of one item: they follow from the seed, the epoch, the place of the item in the
/// epoch's order, the node, and the place of the augmentation among those of the node.
#[derive(Debug)]
pub struct ItemRandom(ChaCha8Rng);

impl ItemRandom {
    /// Keyed by what it is for and by counters.
    pub(crate) fn new(purpose: &str, counters: &[u64]) -> Self {
        let parts = [&[hash(purpose)], counters].concat();
        Self(ChaCha8Rng::seed_from_u64(key(&parts)))
    }

    /// A number from 0 to below 1, each as likely.
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// A whole number from 0 to `most`, each as likely.
    pub fn up_to(&mut self, most: usize) -> usize {
        self.0.random_range(0..=most)
    }

    /// A number of the normal distribution with mean 0 and deviation 1, by Box and Muller (1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
