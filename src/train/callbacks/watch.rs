//! The value that callbacks go by.

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Role};
use crate::train::EpochEnd;

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
    not_finite: usize,
}

impl Watch {
    /// Watches the value called `name`.
    pub fn new(name: impl Into<String>, better: Better) -> Self {
        Self { name: name.into(), better, min_delta: 0.0, best: None, not_finite: 0 }
    }

    /// Watches a value that is better when it is lower.
    pub fn lower(name: impl Into<String>) -> Self {
        Self::new(name, Better::Lower)
    }

    /// Watches a value that is better when it is higher.
    pub fn higher(name: impl Into<String>) -> Self {
        Self::new(name, Better::Higher)
    }

    /// Watches the value called `name` of a network of `graph`: a loss is better when it is lower, of
    /// a metric its kind says that.
    ///
    /// # Errors
    /// If there is no such loss or metric; says which there are.
    pub fn of(graph: &Graph, name: &str) -> Result<Self> {
        let measured = |node: &&Node| matches!(node.role, Role::Loss { .. } | Role::Metric(_));
        let regularized = || {
            let parameters = graph.parameters().iter();
            let regularized = parameters.filter(|parameter| parameter.regularizer.is_some());
            regularized.map(|parameter| parameter.name.as_str())
        };
        let better = match graph.nodes().iter().filter(measured).find(|node| node.name == name) {
            Some(Node { role: Role::Metric(metric), .. }) if metric.higher_is_better() => {
                Better::Higher
            }
            Some(_) => Better::Lower,
            None if name == "loss" || regularized().any(|other| other == name) => Better::Lower,
            None => {
                let names = graph.nodes().iter().filter(measured).map(|node| node.name.as_str());
                let names = names.chain(regularized()).filter(|&name| name != "loss");
                let known = ["loss"].into_iter().chain(names);
                return Err(Error::unknown("loss or metric", name, known));
            }
        };
        Ok(Self::new(name, better))
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

    /// Which of two values is the better one.
    pub fn better(&self) -> Better {
        self.better
    }

    /// The name of the value.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In how many epochs the value was infinite or no number, and so no improvement.
    pub fn not_finite(&self) -> usize {
        self.not_finite
    }

    /// Only what is better than `best` improves from now on.
    pub(super) fn start_from(&mut self, best: Option<f64>) {
        self.best = best;
        self.not_finite = 0;
    }

    /// Whether the epoch's value is better than all before; it is then the best. What is infinite or not
    /// a number is never better.
    pub(in crate::train) fn improves(&mut self, event: &EpochEnd<'_>) -> Result<bool> {
        let value = event.validation.unwrap_or(event.train).value(&self.name)?;
        self.not_finite += usize::from(!value.is_finite());
        let better = value.is_finite()
            && self.best.is_none_or(|best| match self.better {
                Better::Lower => value < best - self.min_delta,
                Better::Higher => value > best + self.min_delta,
            });
        if better {
            self.best = Some(value);
        }
        Ok(better)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::train::Report;

    #[test]
    fn what_is_not_finite_is_no_improvement() {
        let nan = f64::NAN;
        let infinity = f64::INFINITY;
        for (mut watch, values) in [
            (Watch::lower("loss"), [nan, infinity, 2.0, -infinity, nan, 1.0, 3.0]),
            (Watch::higher("loss"), [nan, -infinity, 1.0, infinity, nan, 2.0, 0.0]),
        ] {
            let improves: Vec<bool> = values
                .map(|loss| {
                    let train = Report {
                        loss,
                        losses: Vec::new(),
                        regularization: Vec::new(),
                        metrics: Vec::new(),
                        tables: Vec::new(),
                        notes: Vec::new(),
                        items: 1,
                    };
                    let (elapsed, left) = (Duration::ZERO, Duration::ZERO);
                    let event = EpochEnd {
                        epoch: 0,
                        epochs: 9,
                        train: &train,
                        validation: None,
                        elapsed,
                        left,
                    };
                    watch.improves(&event).unwrap()
                })
                .into();
            assert_eq!(improves, [false, false, true, false, false, true, false]);
            assert_eq!((watch.not_finite(), watch.name()), (4, "loss"));
        }
    }
}
