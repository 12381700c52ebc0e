//! What layers know of a batch as a whole.

use super::Pass;
use crate::context::Context;

/// What a pass of a [`Layer`](super::Layer) must know about the whole batch before it computes, in
/// training and if its parameters are moved: the moments of the numbers, say.
///
/// [`WholeBatch::summarize`] writes as many floats for each block of items, [`WholeBatch::combine`]
/// brings them together, and [`Context::summary`] gives the result to forward, or, in the backward pass,
/// to both gradients. The batch is then not worked on in chunks.
pub trait WholeBatch {
    /// Floats of what `pass` must know, given the shapes of the inputs; 0 for nothing.
    fn summary_floats(&self, inputs: &[&[usize]], pass: Pass) -> usize;

    /// The fewest items of a batch that it can be trained on, given the shapes of the inputs; batches of
    /// fewer are refused. At the end of an epoch, they join the batch before.
    fn least_items(&self, _inputs: &[&[usize]]) -> usize {
        1
    }

    /// Summarises a block of items. In the backward pass it sees what the parameter gradient reads,
    /// the gradient of the output, and the summary of the forward pass.
    ///
    /// # Errors
    /// Whatever keeps it from that; the step then fails in this node.
    fn summarize(
        &self,
        context: &Context<'_>,
        pass: Pass,
        summary: &mut [f32],
    ) -> Result<(), String>;

    /// Combines the summaries of all blocks, given with the number of items in each, in the order of
    /// the items.
    ///
    /// # Errors
    /// Whatever keeps it from that; the step then fails in this node.
    fn combine(
        &self,
        context: &Context<'_>,
        pass: Pass,
        blocks: &mut dyn Iterator<Item = (usize, &[f32])>,
        summary: &mut [f32],
    ) -> Result<(), String>;

    /// Moves parameter number `parameter`, which is a [`ParameterKind::Statistic`], by what the
    /// forward pass's summary says of the batch. It is called once a training step, after everything
    /// that can fail.
    ///
    /// [`ParameterKind::Statistic`]: super::ParameterKind::Statistic
    fn move_statistic(&self, _context: &Context<'_>, _parameter: usize, _values: &mut [f32]) {}
}
