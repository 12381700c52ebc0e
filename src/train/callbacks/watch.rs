//! The value that callbacks go by.

use crate::error::{Error, Result};
use crate::train::{EpochEnd, Report};

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The lower one, as for losses.
    Lower,
    /// The higher one, as for an accuracy.
    Higher,
}

/// A loss or a metric, of the validation data or, if there is none, of the training data.
///
/// `loss` is the weighted sum of all losses; any other name is that of a loss or metric node.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    name: String,
    better: Better,
    min_delta: f64,
    best: Option<f64>,
}

impl Watch {
    /// Watches the value called `name`.
    pub fn new(name: impl Into<String>, better: Better) -> Self {
        Self { name: name.into(), better, min_delta: 0.0, best: None }
    }

    /// Watches a value that is better when it is lower.
    pub fn lower(name: impl Into<String>) -> Self {
        Self::new(name, Better::Lower)
    }

    /// Watches a value that is better when it is higher.
    pub fn higher(name: impl Into<String>) -> Self {
        Self::new(name, Better::Higher)
    }

    /// Takes a value for better only if the difference is larger than this; 0 unless said otherwise.
    #[must_use]
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.min_delta = min_delta;
        self
    }

    /// The best value so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    pub(super) fn forget(&mut self) {
        self.best = None;
    }

    /// Whether the epoch's value is better than all before; it is then the best. What is not a number
    /// is never better.
    pub(super) fn improves(&mut self, event: &EpochEnd<'_>) -> Result<bool> {
        let value = self.value(event.validation.unwrap_or(event.train))?;
        let better = !value.is_nan()
            && self.best.is_none_or(|best| match self.better {
                Better::Lower => value < best - self.min_delta,
                Better::Higher => value > best + self.min_delta,
            });
        if better {
            self.best = Some(value);
        }
        Ok(better)
    }

    fn value(&self, report: &Report) -> Result<f64> {
        if self.name == "loss" {
            return Ok(report.loss);
        }
        let mut named = report.losses.iter().chain(&report.regularization).chain(&report.metrics);
        let found = named.find(|value| value.name == self.name).map(|value| value.value);
        found.ok_or_else(|| {
            let named = report.losses.iter().chain(&report.regularization).chain(&report.metrics);
            let named = named.map(|value| value.name.as_str()).filter(|&name| name != "loss");
            Error::unknown("loss or metric", &self.name, ["loss"].into_iter().chain(named))
        })
    }
}
