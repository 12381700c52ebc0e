//! How the learning rate changes from step to step: the [`LearningRateSchedule`] trait and the [`SCHEDULES`]
//! table.
//!
//! To add a schedule, write one file that holds everything about it, its `SPEC` included, and add
//! two lines here.

mod constant;
mod cosine;
mod cosine_restarts;
mod exponential;
mod inverse_time;
mod one_cycle;
mod pace;
mod plateau;
mod polynomial;
mod step;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use constant::Constant;
pub use cosine::Cosine;
pub use cosine_restarts::CosineRestarts;
pub use exponential::Exponential;
pub use inverse_time::InverseTime;
pub use one_cycle::OneCycle;
pub use pace::Pace;
pub use plateau::{Plateau, PlateauState};
pub use polynomial::Polynomial;
pub use step::Step;

use crate::attributes::from_attributes;
use crate::error::{Error, Result};

/// Every schedule kind, in the order of the documentation.
pub const SCHEDULES: &[&ScheduleSpec] = &[
    &constant::SPEC,
    &inverse_time::SPEC,
    &step::SPEC,
    &exponential::SPEC,
    &polynomial::SPEC,
    &cosine::SPEC,
    &cosine_restarts::SPEC,
    &one_cycle::SPEC,
    &plateau::SPEC,
];

/// One row of the [`SCHEDULES`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct ScheduleSpec {
    /// The kind as written in model files.
    pub kind: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its attributes in model files beside `warm_up`, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads the attributes of a model file.
    pub parse: fn(toml::Table) -> Result<Arc<dyn LearningRateSchedule>, String>,
    /// Configurations over which the law tests run.
    pub samples: &'static [&'static str],
}

/// Looks a kind up in the table.
pub fn find(kind: &str) -> Result<&'static ScheduleSpec> {
    SCHEDULES
        .iter()
        .find(|spec| spec.kind == kind)
        .copied()
        .ok_or_else(|| Error::unknown("schedule", kind, SCHEDULES.iter().map(|spec| spec.kind)))
}

/// Reads `T` from the attributes of a model file; for the `parse` of a row.
fn parse<T: LearningRateSchedule + DeserializeOwned + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn LearningRateSchedule>, String> {
    let schedule = from_attributes::<T>(attributes)?;
    schedule.check()?;
    Ok(Arc::new(schedule))
}

/// How the learning rate changes from step to step. See [`Pace`] for warm-up steps.
pub trait LearningRateSchedule: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them.
    fn attributes(&self) -> toml::Table;

    /// Says why the settings can't work.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// By what the optimizer's learning rate is multiplied in a step, counted from 0 at the end of
    /// the warm-up.
    fn factor(&self, step: u64) -> f64;

    /// For a schedule that goes by what epochs show, not by steps alone: by which rule.
    fn plateau(&self) -> Option<&Plateau> {
        None
    }
}

/// Refuses what is not a whole number of at least 1.
fn check_steps(name: &str, steps: u64) -> Result<(), String> {
    if steps == 0 { Err(format!("`{name}` is 0, not at least 1")) } else { Ok(()) }
}

/// Refuses what is not in 0..=1.
fn check_share(name: &str, share: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(format!("`{name}` is {share}, not in 0 <= {name} <= 1"))
}
