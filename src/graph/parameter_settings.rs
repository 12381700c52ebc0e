//! How an optimizer moves each parameter of a graph.

use super::Graph;
use crate::error::{Error, Result};
use crate::layers::ParameterKind;
use crate::optimizers::Optimizer;
use crate::patterns;

/// How an optimizer moves one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ParameterSettings {
    /// The number of its group in [`Optimizer::groups`], if it belongs to one.
    pub group: Option<usize>,
    /// By what the optimizer's learning rate is multiplied for it: the factor of its layer times that of its group.
    pub learning_rate_factor: f32,
    /// Its weight decay; none where the optimizer knows no decay.
    pub weight_decay: Option<f64>,
}

impl Graph {
    /// How an optimizer moves each parameter, in the order of [`Graph::parameters`]: what its layer says, and the
    /// first of the optimizer's groups whose pattern fits its name. Statistics, which no optimizer moves, belong to
    /// no group.
    ///
    /// # Errors
    /// If the pattern of a group fits no parameter, or only such as belong to groups before it.
    pub fn parameter_settings(&self, optimizer: &dyn Optimizer) -> Result<Vec<ParameterSettings>> {
        let groups = optimizer.groups();
        let learned = |index: usize| self.parameters[index].spec.kind == ParameterKind::Learned;
        let mut used = vec![false; groups.len()];
        let mut all = Vec::with_capacity(self.parameters.len());
        for (index, parameter) in self.parameters.iter().enumerate() {
            let fits = || groups.iter().position(|group| group.fits(&parameter.name));
            let number = if learned(index) { fits() } else { None };
            let group = number.map(|number| &groups[number]);
            if let Some(number) = number {
                used[number] = true;
            }
            let own = group.and_then(|group| group.learning_rate_factor).unwrap_or(1.0);
            let decay = optimizer.weight_decay_of(parameter.spec.shape.len());
            all.push(ParameterSettings {
                group: number,
                learning_rate_factor: parameter.learning_rate_factor * own,
                weight_decay: decay
                    .map(|decay| group.and_then(|it| it.weight_decay).unwrap_or(decay)),
            });
        }
        let Some(unused) = used.iter().position(|used| !used) else { return Ok(all) };
        let pattern = &groups[unused].pattern;
        let names = (0..self.parameters.len()).filter(|&index| learned(index));
        let names = names.map(|index| self.parameters[index].name.as_str());
        let taken = names.clone().any(|name| groups[unused].fits(name));
        let (problem, remedy) = if taken {
            (
                "fits only parameters of groups before it",
                "the first group that fits holds: place this one before those".to_owned(),
            )
        } else {
            ("fits no parameter", patterns::suggest(pattern, names))
        };
        Err(Error::Training {
            problem: format!(
                "optimizer `{}`: the `group` of `{}` {problem}",
                optimizer.kind(),
                pattern.escape_debug()
            ),
            remedy,
        })
    }
}
