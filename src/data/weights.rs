//! Drawing items with replacement, by weights.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::{Dataset, refuse};
use crate::error::{Result, count};

/// The running sums of all weights.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    sums: Vec<f64>,
    /// The last item that can be drawn.
    last: usize,
}

impl Weights {
    pub(super) fn new(data: &Dataset, weights: &[f64]) -> Result<Self> {
        let refused = |problem: String| {
            let remedy = "give every item a finite weight of at least 0, and some more than 0";
            refuse(format!("the weights for data set `{}`", data.name()), problem, remedy)
        };
        if weights.len() != data.len() {
            let (weights, items) = (count(weights.len(), "weight"), count(data.len(), "item"));
            return Err(refused(format!("there are {weights} for {items}")));
        }
        if let Some(item) =
            weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0))
        {
            return Err(refused(format!("item {item} has weight {}", weights[item])));
        }
        // With all weights divided by the largest, no sum overflows.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let Some(last) = weights.iter().rposition(|&weight| weight / largest > 0.0) else {
            return Err(refused("all are 0".to_owned()));
        };
        let mut sum = 0.0;
        let add = |&weight: &f64| {
            sum += weight / largest;
            sum
        };
        Ok(Self { sums: weights.iter().map(add).collect(), last })
    }

    /// Appends `draws` items.
    pub(super) fn draw(&self, draws: usize, generator: &mut ChaCha8Rng, into: &mut Vec<usize>) {
        let total = self.sums.last().copied().unwrap_or(0.0);
        into.extend((0..draws).map(|_| {
            let unit = (generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            let target = unit * total;
            // The first item whose sum is beyond the target has added something to it.
            self.sums.partition_point(|&sum| sum <= target).min(self.last)
        }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::data::{Column, Dataset, Order, Sampler};
    use crate::error::Result;
    use crate::tensor::Tensor;

    fn sampler(weights: &[f64], items: usize, seed: u64) -> Result<Sampler> {
        let x = Column::new("x", Tensor::zeros(vec![items]));
        let data = Dataset::new("d", vec![x], Vec::new()).unwrap();
        Sampler::new(&data, &Order::weighted(weights), 4, seed)
    }

    #[test]
    fn items_come_as_often_as_their_weights_say() {
        let weights = [1.0, 0.0, 2.0, 5.0, 0.0];
        let sampler = sampler(&weights, 5, 3).unwrap();
        let mut counts = [0u32; 5];
        for epoch in 0..16_000 {
            for item in sampler.epoch(epoch) {
                counts[item] += 1;
            }
        }
        for (&weight, &drawn) in weights.iter().zip(&counts) {
            let chance = weight / 8.0;
            let expected = 80_000.0 * chance;
            let deviation = (expected * (1.0 - chance)).sqrt();
            let off = (f64::from(drawn) - expected).abs();
            assert!(off <= 5.0 * deviation, "{drawn} for {expected}");
        }
        assert_eq!(sampler.epoch(3), sampler.epoch(3));
        assert_ne!(sampler.epoch(3), sampler.epoch(4));
        assert_ne!(sampler.epoch(3), self::sampler(&weights, 5, 4).unwrap().epoch(3));
    }

    #[test]
    fn weights_that_are_none_are_refused() {
        for (weights, problem) in [
            (vec![1.0; 2], "there are 2 weights for 3 items"),
            (vec![0.0; 3], "all are 0"),
            (vec![1.0, -1.0, 1.0], "item 1 has weight -1"),
            (vec![1.0, 1.0, f64::NAN], "item 2 has weight NaN"),
            (vec![f64::INFINITY, 1.0, 1.0], "item 0 has weight inf"),
        ] {
            let error = sampler(&weights, 3, 0).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("data set `d`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_weighs_nothing_never_comes(
            weights in prop::collection::vec(
                prop_oneof![Just(0.0), 0.0..1.0, Just(f64::MAX), Just(f64::MIN_POSITIVE)],
                1..40,
            ),
            seed: u64,
        ) {
            prop_assume!(weights.iter().any(|&weight| weight > 0.0));
            let items = sampler(&weights, weights.len(), seed).unwrap().epoch(seed);
            prop_assert_eq!(items.len(), weights.len());
            prop_assert!(items.iter().all(|&item| weights[item] > 0.0));
        }
    }
}
