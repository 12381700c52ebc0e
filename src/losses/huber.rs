//! Squared near the target, absolute far from it.

use serde::{Deserialize, Serialize};

use super::{Loss, LossSpec, TargetValues, check_same_shape, mean_by_number, slope_by_number};
use crate::attributes::{from_attributes, to_attributes};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "huber",
    summary: "mean of d²/2 where |d| <= delta, else delta · (|d| - delta/2), d = prediction - target",
    attributes: &[("delta", "where the square ends, above 0; default 1")],
    parse,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "delta = 0.5", inputs: &[&[], &[]] },
        Sample { attributes: "delta = 2.0", inputs: &[&[2, 3, 2], &[2, 3, 2]] },
    ],
};

/// The mean over an item's numbers of `d² / 2` where `|d| <= delta`, else of
/// `delta · (|d| - delta / 2)`, with `d = prediction - target` (Huber 1964, equation 2). Both inputs
/// have one shape, and both have a gradient.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Huber {
    #[serde(default = "one")]
    delta: f32,
}

fn one() -> f32 {
    1.0
}

fn parse(attributes: toml::Table) -> Result<std::sync::Arc<dyn Loss>, String> {
    let huber: Huber = from_attributes(attributes)?;
    huber.check_delta()?;
    Ok(std::sync::Arc::new(huber))
}

impl Default for Huber {
    fn default() -> Self {
        Self::new(one())
    }
}

impl Huber {
    /// Squared within `delta` of the target.
    pub fn new(delta: f32) -> Self {
        Self { delta }
    }

    fn check_delta(self) -> Result<(), String> {
        if self.delta.is_finite() && self.delta > 0.0 {
            return Ok(());
        }
        Err(format!("`delta` is {}, not a number above 0", self.delta))
    }
}

impl Loss for Huber {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        self.check_delta().map_err(|problem| Misfit::new(problem, "correct `delta`"))?;
        check_same_shape(inputs)
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        let delta = f64::from(self.delta);
        mean_by_number(context, losses, |p, t| {
            let size = (p - t).abs();
            if size > delta { delta * (size - 0.5 * delta) } else { 0.5 * size * size }
        });
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let scale = if input == 0 { scale } else { -scale };
        let delta = self.delta;
        slope_by_number(context, scale, gradient, |p, t| (p - t).clamp(-delta, delta));
        Ok(())
    }
}
