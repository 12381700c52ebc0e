//! Weights in a form of their own.

use super::Pass;
use crate::context::Context;

/// A form of the weights that one pass of a [`Layer`](super::Layer) reads in their place. It is written
/// once a step of training, and once for all evaluations and predictions between two changes of the weights,
/// whatever parts the tasks of the layer have; [`Context::prepared`] gives it to the pass.
pub trait PreparedWeights {
    /// Which pass reads it: forward, or, backward, the input gradient.
    fn read_in(&self) -> Pass;

    /// Floats of that form, given the shapes of the inputs; 0 for none.
    fn floats(&self, inputs: &[&[usize]]) -> usize;

    /// Writes that form.
    ///
    /// # Errors
    /// Whatever keeps it from that; the step then fails in this node.
    fn prepare(&self, context: &Context<'_>, prepared: &mut [f32]) -> Result<(), String>;
}
