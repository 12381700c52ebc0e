//! Weights in a form of their own.

use super::Pass;
use crate::context::{Context, Numerics};

/// Forms of the weights that the passes of a [`Layer`](super::Layer) read in their place: forward, or, backward,
/// the input gradient. A form follows from the weights alone. It is written once a step of training, and once for all
/// evaluations and predictions between two changes of the weights, whatever parts the tasks of the layer have;
/// [`Context::prepared`] gives it to the pass.
pub trait PreparedWeights {
    /// Floats of the form that a pass reads, given the shapes of the inputs; 0 for none.
    fn floats(&self, pass: Pass, inputs: &[&[usize]], numerics: Numerics) -> usize;

    /// Writes the form that a pass reads.
    ///
    /// # Errors
    /// Whatever keeps it from that; the step then fails in this node.
    fn prepare(
        &self,
        context: &Context<'_>,
        pass: Pass,
        prepared: &mut [f32],
    ) -> Result<(), String>;
}
