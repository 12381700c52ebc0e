//! A learning rate that follows from how epochs ended.

use super::callbacks::{Better, Watch};
use super::network::Network;
use super::report::Report;
use crate::error::Result;
use crate::optimizers::schedules::PlateauState;

/// What decides the learning rate beside the optimizer.
#[derive(Debug)]
pub(super) struct RateState {
    /// How far the optimizer's plateau has come.
    pub(super) plateau: PlateauState,
    /// What it had left of the learning rate in the last step.
    pub(super) last_factor: f32,
}

impl Default for RateState {
    fn default() -> Self {
        Self { plateau: PlateauState::default(), last_factor: 1.0 }
    }
}

impl RateState {
    /// By what the plateau multiplies the learning rate.
    pub(super) fn factor(&self) -> f32 {
        self.plateau.factor as f32
    }
}

impl Network {
    /// The learning rate of the next step: the optimizer's by its schedule, times what a plateau has left of it.
    pub fn learning_rate(&self) -> f32 {
        self.optimizer().learning_rate(self.step()) * self.rate.factor()
    }

    /// The learning rate of the step before.
    pub fn last_learning_rate(&self) -> f32 {
        self.optimizer().learning_rate(self.step().saturating_sub(1)) * self.rate.last_factor
    }

    /// How far a [`Plateau`](crate::optimizers::schedules::Plateau) of the optimizer has come.
    pub fn plateau(&self) -> PlateauState {
        self.rate.plateau
    }

    /// Whether a higher value is better of what the optimizer's plateau watches, if it has one.
    ///
    /// # Errors
    /// If there is no such loss or metric.
    pub(super) fn plateau_watch(&self) -> Result<Option<Better>> {
        let Some(plateau) = self.optimizer().plateau() else { return Ok(None) };
        Ok(Some(Watch::of(self.graph(), &plateau.watch)?.better()))
    }

    /// Lets the optimizer's plateau see how a whole epoch ended.
    pub(super) fn see_epoch(&mut self, report: &Report) -> Result<()> {
        let Some(better) = self.plateau_watch()? else { return Ok(()) };
        let optimizer = self.optimizer().clone();
        let Some(plateau) = optimizer.plateau() else { return Ok(()) };
        let before = self.rate.plateau;
        let mut state = before;
        state.observe(plateau, report.value(&plateau.watch)?, better == Better::Higher);
        self.rate.plateau = state;
        if state.factor.to_bits() != before.factor.to_bits() {
            // Steps from before can't be taken again as they were.
            self.note_change();
        }
        Ok(())
    }
}
