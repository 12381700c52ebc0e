//! An optimizer whose learning rate is the range test's.

use std::sync::Arc;

use super::RangeTestOptions;
use crate::error::{Error, Result};
use crate::optimizers::{Moving, NormClip, Optimizer, ParameterGroup, find};

/// An optimizer at a rate of its own in every step.
#[derive(Debug)]
pub(super) struct Swept {
    inner: Arc<dyn Optimizer>,
    options: RangeTestOptions,
}

impl Swept {
    /// Any optimizer of the table without its schedule; others as they are.
    pub(super) fn new(optimizer: &Arc<dyn Optimizer>, options: RangeTestOptions) -> Result<Self> {
        let mut attributes = optimizer.attributes();
        attributes.remove("schedule");
        let inner = find(optimizer.kind()).ok().and_then(|spec| (spec.parse)(attributes).ok());
        let inner = inner.unwrap_or_else(|| Arc::clone(optimizer));
        let swept = Self { inner, options };
        for step in 0..options.steps as u64 {
            if !swept.factor(step).is_finite() {
                return Err(Error::Training {
                    problem: format!(
                        "optimizer `{}` has no learning rate to replace",
                        optimizer.kind()
                    ),
                    remedy: "give it one above 0".to_owned(),
                });
            }
        }
        Ok(swept)
    }

    fn factor(&self, step: u64) -> f32 {
        self.options.rate(step) / self.inner.learning_rate(step)
    }
}

impl Optimizer for Swept {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn attributes(&self) -> toml::Table {
        self.inner.attributes()
    }

    fn learning_rate(&self, step: u64) -> f32 {
        self.options.rate(step)
    }

    fn state(&self) -> &'static [&'static str] {
        self.inner.state()
    }

    fn norm_clip(&self) -> Option<NormClip> {
        self.inner.norm_clip()
    }

    fn weight_decay_of(&self, axes: usize) -> Option<f64> {
        self.inner.weight_decay_of(axes)
    }

    fn groups(&self) -> &[ParameterGroup] {
        self.inner.groups()
    }

    fn can_fail(&self) -> bool {
        self.inner.can_fail()
    }

    fn update(&self, mut moving: Moving<'_>) -> Result<(), String> {
        moving.rate_factor *= self.factor(moving.step);
        self.inner.update(moving)
    }
}
