//! How parameters move: the [`Optimizer`] trait and the [`OPTIMIZERS`] table.
//!
//! To add an optimizer, write one file that holds everything about it, its `SPEC` included, and add
//! two lines here.

mod adagrad;
mod adam;
mod adamw;
mod lion;
mod parameter_group;
mod rmsprop;
pub mod schedules;
mod sgd;
mod shared_attributes;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use adamw::AdamW;
pub use lion::Lion;
pub use parameter_group::{Decays, ParameterGroup};
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

use crate::attributes::from_attributes;
use crate::error::{Error, Result};
use crate::kernels::Store;
use crate::setters::setters;

/// Every optimizer kind, in the order of the documentation.
pub const OPTIMIZERS: &[&OptimizerSpec] =
    &[&sgd::SPEC, &adagrad::SPEC, &rmsprop::SPEC, &adam::SPEC, &adamw::SPEC, &lion::SPEC];

/// One row of the [`OPTIMIZERS`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct OptimizerSpec {
    /// The kind as written in model files.
    pub kind: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its attributes in model files, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads the attributes of a model file.
    pub parse: fn(toml::Table) -> Result<Arc<dyn Optimizer>, String>,
    /// Configurations over which the law tests run.
    pub samples: &'static [&'static str],
}

/// Looks a kind up in the table.
pub fn find(kind: &str) -> Result<&'static OptimizerSpec> {
    OPTIMIZERS
        .iter()
        .find(|spec| spec.kind == kind)
        .copied()
        .ok_or_else(|| Error::unknown("optimizer", kind, OPTIMIZERS.iter().map(|spec| spec.kind)))
}

/// Reads `T` from the attributes of a model file; for the `parse` of a row.
fn parse<T: Optimizer + DeserializeOwned + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Optimizer>, String> {
    let optimizer = from_attributes::<T>(attributes)?;
    optimizer.check()?;
    Ok(Arc::new(optimizer))
}

/// A range of one parameter's numbers with what belongs to it, handed to [`Optimizer::update`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Moving<'a> {
    /// The weights, to move.
    pub weights: &'a mut [f32],
    /// The gradient of the loss with respect to them.
    pub gradient: &'a [f32],
    /// One slice for each of [`Optimizer::state`], zeros before the first step.
    pub state: &'a mut [&'a mut [f32]],
    /// How many steps came before this one.
    pub step: u64,
    /// By what the learning rate is multiplied for this parameter.
    pub rate_factor: f32,
    /// The weight decay of this parameter, where something else than the optimizer says it.
    pub weight_decay: Option<f64>,
    /// How the weights are written.
    pub(crate) store: Store,
}

impl<'a> Moving<'a> {
    setters! {
        step: u64,
        rate_factor: f32,
        weight_decay: impl Into<Option<f64>>,
    }

    /// What an optimizer is handed in the first step, to try one by hand.
    ///
    /// ```
    /// use caudal::optimizers::{Moving, Optimizer, Sgd};
    ///
    /// let mut weights = [1.0, 2.0];
    /// Sgd::new(0.5).update(Moving::new(&mut weights, &[1.0, -1.0], &mut []))?;
    /// assert_eq!(weights, [0.5, 2.5]);
    /// # Ok::<(), String>(())
    /// ```
    pub fn new(
        weights: &'a mut [f32],
        gradient: &'a [f32],
        state: &'a mut [&'a mut [f32]],
    ) -> Self {
        Self {
            weights,
            gradient,
            state,
            step: 0,
            rate_factor: 1.0,
            weight_decay: None,
            store: Store::Cached,
        }
    }
}

/// How gradients are scaled down by their Euclidean norm before [`Optimizer::update`] sees them. What
/// is clipped is the whole gradient: that of the losses, summed over the batch and over all nodes that
/// share the parameter, and that of its regularizer.
///
/// A norm above the bound becomes the bound; one below stays as it is. `PyTorch`'s `clip_grad_norm_`
/// adds 1e-6 to the norm before it divides by it, which is not done here.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum NormClip {
    /// Of each parameter for itself.
    Parameter(f32),
    /// Of all parameters that move, taken as one vector.
    Global(f32),
}

impl NormClip {
    /// By what gradients of this norm are multiplied. Norms that are no numbers show.
    pub(crate) fn scale(self, norm: f64) -> f32 {
        let (Self::Parameter(most) | Self::Global(most)) = self;
        let most = f64::from(most);
        if norm <= most { 1.0 } else { (most / norm) as f32 }
    }
}

/// The most state arrays that an optimizer can have.
pub const MOST_STATE: usize = 3;

/// How a parameter moves, given its gradient. All state is passed in, so that every update is a task
/// of its own, and every number is treated alike, so that updates can be split.
pub trait Optimizer: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them.
    fn attributes(&self) -> toml::Table;

    /// Says why the settings can't work.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// The learning rate in use in a step, by its schedule.
    fn learning_rate(&self, step: u64) -> f32;

    /// The rule by which the rate falls when epochs do not improve, if it does so: the network then knows how far it
    /// has fallen, and multiplies [`Moving::rate_factor`] by that.
    fn plateau(&self) -> Option<&schedules::Plateau> {
        None
    }

    /// The names of the arrays, as large as the parameter, that it keeps from step to step; at most
    /// [`MOST_STATE`].
    fn state(&self) -> &'static [&'static str];

    /// How the gradients are scaled before [`Optimizer::update`] sees them.
    fn norm_clip(&self) -> Option<NormClip> {
        None
    }

    /// The weight decay of a parameter with so many axes that belongs to no group with one of its own; none for an
    /// optimizer that knows no decay.
    fn weight_decay_of(&self, _axes: usize) -> Option<f64> {
        None
    }

    /// Whether the network keeps an exponential moving average of every parameter that the optimizer moves, and the
    /// share of it that stays in a step. Evaluation and prediction then use the averages, and training goes on with the
    /// weights; saved networks have both. Statistics, such as those of `batch_norm`, are averages already, and used as
    /// they are.
    ///
    /// At first an average is the weight. After step `t`, counted from 0, `average = keep · average + (1 - keep) ·
    /// weight` with `keep = min(ema_decay, (1 + t) / (10 + t))`, so that early weights are soon forgotten (as
    /// `TensorFlow`'s `ExponentialMovingAverage` with `num_updates`).
    fn ema_decay(&self) -> Option<f64> {
        None
    }

    /// Which parameters have settings of their own. [`Graph::parameter_settings`] says what follows for each, and
    /// [`Moving`] brings that to [`Optimizer::update`].
    ///
    /// [`Graph::parameter_settings`]: crate::graph::Graph::parameter_settings
    fn groups(&self) -> &[ParameterGroup] {
        &[]
    }

    /// Whether an update can end in an error. Before such an optimizer moves anything, the network
    /// keeps a copy of its weights, to restore them if a step fails.
    fn can_fail(&self) -> bool {
        true
    }

    /// Moves the weights one step.
    fn update(&self, moving: Moving<'_>) -> Result<(), String>;
}
