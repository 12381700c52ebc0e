//! Back to the step at which a gradient was not finite.
//!
//! A loss is known before parameters move, a gradient is not: by the time that one is seen, others have
//! moved. So a training keeps a copy of its parameters from a while ago, from which it takes the steps up to
//! that one again: they give the same bits. What is then known is exact, and the network is left as it was
//! before the step.

use std::time::{Duration, Instant};

use super::feed::{Batch, Gatherer};
use super::fit::FitOptions;
use super::network::Network;
use crate::context::Mode;
use crate::data::{Column, Sampler};
use crate::error::{Error, Result};
use crate::graph::NodeId;

/// A copy is made after no more steps than this.
const MOST_STEPS: u64 = 128;

/// A copy is made after this many times the time that the last one took.
const APART: u32 = 1000;

/// A copy of the parameters, and all that the steps after it need.
pub(super) struct Rewind {
    columns: Vec<(NodeId, Column)>,
    sampler: Sampler,
    parameters: Vec<Vec<f32>>,
    /// The network's steps and changes at the copy, and the steps of the training.
    step: u64,
    changes: u64,
    taken: u64,
    made: Instant,
    took: Duration,
}

impl Rewind {
    /// Keeps copies of `network`, if it looks for what is not finite.
    pub(super) fn new(
        network: &Network,
        columns: &[(NodeId, Column)],
        sampler: &Sampler,
    ) -> Option<Self> {
        network.options().check_finite.then(|| Self {
            columns: columns.to_vec(),
            sampler: sampler.clone(),
            parameters: Vec::new(),
            step: 0,
            changes: 0,
            taken: 0,
            made: Instant::now(),
            took: Duration::ZERO,
        })
    }

    /// Makes a copy before step number `taken` of the training if it is time for one.
    pub(super) fn before_step(&mut self, network: &Network, taken: u64) {
        let same = !self.parameters.is_empty()
            && network.changes() == self.changes
            && network.step() - self.step.min(network.step()) == taken - self.taken
            && taken - self.taken < MOST_STEPS
            && self.made.elapsed() < self.took * APART;
        if same {
            return;
        }
        let began = Instant::now();
        network.parameters().snapshot_into(&mut self.parameters);
        (self.step, self.changes, self.taken) = (network.step(), network.changes(), taken);
        self.made = Instant::now();
        self.took = began.elapsed();
    }

    /// After step number `taken` broke and left parameters moved: brings the network back to where it was
    /// before that step, and finds out what the step was about.
    pub(super) fn go_back(
        &self,
        network: &mut Network,
        options: &FitOptions<'_>,
        taken: u64,
    ) -> Result<Error> {
        network.parameters().restore(&self.parameters);
        network.set_step(self.step);
        let start = options.start + self.taken;
        let again = FitOptions { start, ..options.clone() };
        let mut gatherer = Gatherer::new(self.columns.clone(), self.sampler.clone(), &again);
        let mut batch = Some(Batch::default());
        for number in self.taken..=taken {
            let next = gatherer.gather(batch.take().unwrap_or_default()).transpose()?;
            let Some(next) = next else { break };
            let items = next.gathered.items();
            if number == taken {
                network.bind_training(items, next.gathered.by_node())?;
                return Ok(network.search_not_finite(items));
            }
            network.execute(Mode::Training, items, next.gathered.by_node())?;
            batch = Some(next);
        }
        Err(Error::Training {
            problem: "a gradient was not finite, but not when its step was taken again".to_owned(),
            remedy: "take no part in the steps from a callback".to_owned(),
        })
    }
}
