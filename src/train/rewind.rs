//! Back to the step at which something was first not finite.
//!
//! A loss is known before parameters move, a gradient is not; and to look at every gradient takes longer than
//! the loss of a training step is worth in small networks. So a training looks at its losses in every step, and
//! at its parameters and the optimizer's state now and then, when it copies them. Where one of these is not
//! finite, it takes the steps from the last copy on again, looking at every gradient: they give the same
//! bits. What is then known is exact, and the network is left as it was before the step.

use std::time::{Duration, Instant};

use super::feed::{Batch, Gatherer, Items};
use super::finite::parameter_not_finite;
use super::fit::FitOptions;
use super::network::Network;
use crate::context::Mode;
use crate::error::{Error, Result};

/// A copy is made after no more steps than this.
const MOST_STEPS: u64 = 128;

/// A copy is made after this many times the time that the last one took.
const APART: u32 = 1000;

/// A copy of the parameters, and all that the steps after it need.
pub(super) struct Rewind {
    from: Items,
    parameters: Vec<Vec<f32>>,
    /// The network's steps and changes at the copy, and the steps of the training.
    step: u64,
    changes: u64,
    taken: u64,
    made: Instant,
    took: Duration,
}

impl Rewind {
    /// Keeps copies of `network`, if it looks for what is not finite, and is finite now: otherwise every
    /// gradient is looked at.
    pub(super) fn new(network: &Network, from: &Items) -> Option<Self> {
        let keeps = network.options().check_finite && network.is_finite();
        keeps.then(|| Self {
            from: from.clone(),
            parameters: Vec::new(),
            step: 0,
            changes: 0,
            taken: 0,
            made: Instant::now(),
            took: Duration::ZERO,
        })
    }

    /// Makes a copy before step number `taken` of the training if it is time for one.
    ///
    /// # Errors
    /// If parameters are no longer finite: says since when.
    pub(super) fn before_step(
        &mut self,
        network: &mut Network,
        options: &FitOptions<'_>,
        taken: u64,
    ) -> Result<()> {
        let changed =
            network.changes() != self.changes || network.step() != self.step + taken - self.taken;
        let is_new = self.parameters.is_empty() || changed;
        let is_old = taken - self.taken >= MOST_STEPS || self.made.elapsed() >= self.took * APART;
        if !is_new && !is_old {
            return Ok(());
        }
        let began = Instant::now();
        if !is_new {
            self.check(network, options, taken)?;
        }
        network.parameters().snapshot_into(&mut self.parameters);
        (self.step, self.changes, self.taken) = (network.step(), network.changes(), taken);
        self.made = Instant::now();
        self.took = began.elapsed();
        Ok(())
    }

    /// Looks at the parameters after `taken` steps.
    ///
    /// # Errors
    /// If they are no longer finite: says since when. The network is then as it was before.
    pub(super) fn check(
        &self,
        network: &mut Network,
        options: &FitOptions<'_>,
        taken: u64,
    ) -> Result<()> {
        // Of what callbacks have changed, nothing is known.
        if network.changes() != self.changes || network.is_finite() {
            return Ok(());
        }
        Err(self.find(network, options, taken)?)
    }

    /// What went wrong first in the steps up to number `taken`, and the network as it was before.
    pub(super) fn find(
        &self,
        network: &mut Network,
        options: &FitOptions<'_>,
        taken: u64,
    ) -> Result<Error> {
        let last = self.replay(network, options, taken + 1, |network, items, batch| {
            let ended = network.execute_watching(items, batch.gathered.by_node());
            match ended {
                Err(error) => Some(error),
                Ok(()) if network.is_finite() => None,
                Ok(()) => Some(parameter_not_finite(network)),
            }
        })?;
        let Some((step, error)) = last else {
            return Err(Error::Training {
                problem: "parameters were not finite, but not when their steps were taken again"
                    .to_owned(),
                remedy: "take no part in the steps from a callback".to_owned(),
            });
        };
        // Parts of that step may have moved something.
        self.replay(network, options, step, |network, items, batch| {
            network.execute(Mode::Training, items, batch.gathered.by_node()).err()
        })?;
        // What a gradient was about is known exactly from what was there before.
        let asked = self.replay_last(network, options, step)?;
        Ok(if matches!(error, Error::NotFinite { .. }) { asked.unwrap_or(error) } else { error })
    }

    /// Takes the steps from the copy on up to number `end` of the training, which is not taken, until `take`
    /// gives an error; gives that with its step.
    fn replay(
        &self,
        network: &mut Network,
        options: &FitOptions<'_>,
        end: u64,
        mut take: impl FnMut(&mut Network, usize, &Batch) -> Option<Error>,
    ) -> Result<Option<(u64, Error)>> {
        network.parameters().restore(&self.parameters);
        network.forget_averages();
        network.set_step(self.step);
        let mut gatherer = self.gatherer(options, self.taken);
        let mut batch = Batch::default();
        for number in self.taken..end {
            let Some(next) = gatherer.gather(batch).transpose()? else { break };
            if let Some(error) = take(network, next.gathered.items(), &next) {
                return Ok(Some((number, error)));
            }
            batch = next;
        }
        Ok(None)
    }

    /// Searches the batch of step number `step`, before which the network is.
    fn replay_last(
        &self,
        network: &mut Network,
        options: &FitOptions<'_>,
        step: u64,
    ) -> Result<Option<Error>> {
        let Some(batch) = self.gatherer(options, step).gather(Batch::default()).transpose()? else {
            return Ok(None);
        };
        network.bind_training(batch.gathered.items(), batch.gathered.by_node())?;
        network.first_not_finite(batch.gathered.items())
    }

    fn gatherer(&self, options: &FitOptions<'_>, taken: u64) -> Gatherer {
        let start = options.start + taken;
        let again = FitOptions { start, ..options.clone() };
        Gatherer::new(self.from.clone(), &again)
    }
}
