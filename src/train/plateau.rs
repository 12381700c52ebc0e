//! A learning rate that follows from how epochs ended.

use super::callbacks::{Better, Watch};
use super::network::Network;
use super::report::Report;
use crate::error::Result;
use crate::optimizers::schedules::PlateauState;

impl Network {
    /// The learning rate of the next step: the optimizer's by its schedule, times what a plateau has left of it.
    pub fn learning_rate(&self) -> f32 {
        self.optimizer().learning_rate(self.step()) * self.plateau_factor()
    }

    /// The learning rate of the step before.
    pub fn last_learning_rate(&self) -> f32 {
        self.optimizer().learning_rate(self.step().saturating_sub(1)) * self.last_factor()
    }

    /// How far a [`Plateau`](crate::optimizers::schedules::Plateau) of the optimizer has come.
    pub fn plateau(&self) -> PlateauState {
        self.plateau_state()
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
        let before = self.plateau_state();
        let mut state = before;
        state.observe(plateau, report.value(&plateau.watch)?, better == Better::Higher);
        self.set_plateau(state);
        if state.factor.to_bits() != before.factor.to_bits() {
            // Steps from before can't be taken again as they were.
            self.note_change();
        }
        Ok(())
    }
}
