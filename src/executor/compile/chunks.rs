//! Into how many chunks a batch is divided.
//!
//! A step goes over all activations twice, forward and backward, and on large images they do not fit
//! into any cache: then the cores wait for memory. So the batch is worked on in chunks: the tasks of
//! each are planned separately, from the input to the parameter gradients, and are run chunk after
//! chunk as far as there are enough of them for all workers. Parameter gradients of all chunks are
//! added in chunk order before one update. Layers that look at a whole batch rule this out.

use super::PlanOptions;
use crate::executor::plan::Mode;
use crate::graph::{Graph, Role};
use crate::layers::{Pass, Split, View};

/// Items that a chunk should have at least: kernels need some rows.
const SMALLEST_CHUNK: usize = 8;

pub(super) fn count(
    graph: &Graph,
    mode: Mode,
    batch: usize,
    included: &[bool],
    options: PlanOptions,
) -> usize {
    if mode != Mode::Training {
        return 1;
    }
    let mut floats = 0usize;
    for (id, node) in graph.nodes.iter().enumerate() {
        let Role::Layer(layer) = &node.role else { continue };
        if !included[id] {
            continue;
        }
        let shapes: Vec<&[usize]> =
            node.inputs.iter().map(|&input| graph.nodes[input].shape.as_slice()).collect();
        let as_a_whole = layer.summary_floats(&shapes, Pass::Forward) > 0 && graph.trains(id);
        if layer.split() != Split::Items || as_a_whole {
            return 1;
        }
        if layer.view(&shapes) == View::Computed && !layer.in_place() {
            floats += node.shape.iter().product::<usize>();
        }
    }
    let bytes = floats.saturating_mul(batch).saturating_mul(size_of::<f32>());
    bytes.div_ceil(options.chunk_bytes.max(1)).clamp(1, (batch / SMALLEST_CHUNK).max(1))
}
