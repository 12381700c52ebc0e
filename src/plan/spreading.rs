//! Rows that lie apart in memory, so that they do not compete for places in a cache.

use crate::graph::{Graph, Node, Role};
use crate::layers::View;

/// Rows that lie a multiple of this many floats apart, a page, compete for the same places in the
/// first-level cache; a product reads more of them side by side than fit there.
const PAGE: usize = 1024;
/// Floats of a cache line.
const LINE: usize = 16;

/// From one row of `cols` numbers to the next, such that rows do not compete for places in the cache.
pub(super) fn spread(cols: usize) -> usize {
    if cols > 0 && cols.is_multiple_of(PAGE) { cols + LINE } else { cols }
}

/// By node: whether the rows of its output may lie apart: nobody outside the plan reads them, and nobody
/// inside sees them with other axes.
pub(super) fn may_spread(graph: &Graph) -> Vec<bool> {
    let reshapes = |node: &Node| {
        let Role::Layer(layer) = &node.role else { return false };
        let shapes = graph.input_shapes(node);
        layer.view(&shapes) == View::Reshape
    };
    let reshapes: Vec<bool> = graph.nodes.iter().map(reshapes).collect();
    let may_spread = |(id, node): (usize, &Node)| {
        let mut seen = graph.consumers[id].iter();
        matches!(node.role, Role::Layer(_))
            && !reshapes[id]
            && !seen.any(|&(consumer, _)| reshapes[consumer])
    };
    graph.nodes.iter().enumerate().map(may_spread).collect()
}
