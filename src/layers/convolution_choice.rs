//! By what the passes of a convolution are computed.

use crate::context::{Convolution, Phase};
use crate::kernels::{Conv2dShape, Winograd};

/// What a phase is computed by, if not directly.
pub(super) fn winograd(
    shape: &Conv2dShape,
    phase: Phase,
    convolution: Convolution,
) -> Option<Winograd> {
    match (convolution, phase) {
        (Convolution::Direct, _) => None,
        (_, Phase::Forward) => Winograd::forward(shape),
        (_, Phase::InputGrad) => Winograd::input_grad(shape),
        _ => Winograd::weight_grad(shape),
    }
}

/// The multiplications of that for an image; nothing, where a phase is computed directly.
pub(super) fn multiplications(
    shape: &Conv2dShape,
    phase: Phase,
    convolution: Convolution,
) -> Option<f64> {
    let fast = winograd(shape, phase, convolution)?;
    Some(match phase {
        Phase::Forward => fast.forward_multiplications(shape),
        Phase::InputGrad => fast.input_grad_multiplications(shape),
        _ => fast.weight_grad_multiplications(shape),
    })
}
