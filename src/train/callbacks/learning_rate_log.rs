//! The learning rate over time.

use crate::error::Result;
use crate::train::{BatchStart, Callback, Network};

/// Collects the learning rate of every step.
#[derive(Clone, Debug, Default)]
pub struct LearningRateLog {
    rates: Vec<(u64, f32)>,
}

impl LearningRateLog {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Each step, counted from 0 as [`Network::step`] does, with its rate.
    pub fn rates(&self) -> &[(u64, f32)] {
        &self.rates
    }
}

impl Callback for LearningRateLog {
    fn before_batch(&mut self, network: &mut Network, _event: &BatchStart) -> Result<()> {
        let step = network.step();
        self.rates.push((step, network.learning_rate()));
        Ok(())
    }
}
