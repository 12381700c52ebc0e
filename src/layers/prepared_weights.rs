//! Weights in a form of their own.

use super::Pass;
use crate::context::{Context, Numerics};

/// Forms of the weights that the passes of a [`Layer`](super::Layer) read in their place: forward, or, backward,
/// the input gradient. A form follows from the weights alone. It is written once a step of training, and once for all
/// evaluations and predictions between two changes of the weights, whatever parts the tasks of the layer have;
/// [`Context::prepared`] gives it to the pass.
pub trait PreparedWeights {
    /// Floats of the form that a pass reads, given the shapes of the inputs and who reads it; 0 for none.
    fn floats(
        &self,
        pass: Pass,
        inputs: &[&[usize]],
        numerics: Numerics,
        readers: FormReaders,
    ) -> usize;

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

/// Who reads a form of weights between two changes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormReaders {
    /// Parts of tasks, estimated from shapes: of all chunks of a batch, and of all nodes that share the weights.
    pub parts: usize,
    /// Items that one part works on.
    pub items: usize,
}
