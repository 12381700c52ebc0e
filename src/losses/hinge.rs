//! The hinge loss of two classes.

use super::{
    Loss, LossSpec, TargetValues, check_same_shape, mean_by_number, parse_plain, slope_by_number,
};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "hinge",
    summary: "mean of max(0, 1 - y · x) over scores x, with y = 1 where the target is above 0, else -1",
    attributes: &[],
    parse: parse_plain::<Hinge>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 2], &[2, 3, 2]] },
    ],
};

/// The mean over an item's numbers of `max(0, 1 - y · x)` (Rosasco et al. 2004, section 2), where `x`
/// is a score and `y` is 1 where the target is above 0, else -1: targets may be written as -1 and 1
/// or as 0 and 1; a target that is NaN makes the loss NaN. Both inputs have one shape; only the scores have a gradient, `-y` where the loss is
/// above 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hinge;

/// The side that a target is on: 1 or -1, or no number if it is none.
fn side(target: f64) -> f64 {
    match target {
        _ if target.is_nan() => target,
        _ if target > 0.0 => 1.0,
        _ => -1.0,
    }
}

impl Loss for Hinge {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        check_same_shape(inputs)
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        mean_by_number(context, losses, |x, t| {
            let margin = 1.0 - side(t) * x;
            if margin < 0.0 { 0.0 } else { margin }
        });
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        slope_by_number(context, scale, gradient, |x, t| {
            let y = side(f64::from(t)) as f32;
            match y * x {
                product if product.is_nan() => product,
                product if product < 1.0 => -y,
                _ => 0.0,
            }
        });
        Ok(())
    }
}
