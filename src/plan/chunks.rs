//! Into how many chunks a batch is divided.
//!
//! A call goes over all activations twice, forward and backward, and on large images they do not fit
//! into any cache: then the cores wait for memory. So the batch is worked on in chunks: the tasks of
//! each are planned separately, from the input to the parameter gradients, and are run chunk after
//! chunk as far as there are enough of them for all workers. Parameter gradients of all chunks are
//! added in chunk order before one update. Layers that look at a whole batch rule this out.
//!
//! Micro-batches are chunks whose number the user sets. They share nothing but the weights, and their
//! gradients are those of runs one after another: also the parameter gradients that chunks leave to the
//! whole batch are computed for each of them.

use super::PlanOptions;
use crate::context::Mode;
use crate::error::{Error, Result};
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
) -> Result<usize> {
    if mode != Mode::Training {
        return Ok(1);
    }
    if options.micro_batches == Some(0) {
        return Err(Error::Training {
            problem: format!("graph `{}`: a batch is divided into no micro-batch", graph.name()),
            remedy: "use at least one micro-batch, or leave their number open".to_owned(),
        });
    }
    let mut floats = 0usize;
    for (id, node) in graph.nodes.iter().enumerate() {
        let Role::Layer(layer) = &node.role else { continue };
        if !included[id] {
            continue;
        }
        let shapes = graph.input_shapes(node);
        let whole = layer.whole_batch();
        let as_a_whole = whole.is_some_and(|it| it.summary_floats(&shapes, Pass::Forward) > 0)
            && graph.trains(id);
        if layer.split() != Split::Items || as_a_whole {
            return match options.micro_batches {
                Some(2..) => Err(Error::node(
                    &node.name,
                    format!(
                        "`{}` looks at a batch as a whole, which can't be divided into \
                         micro-batches",
                        layer.kind()
                    ),
                    "train it without micro-batches, give it `trainable = false`, or replace it by \
                     a layer that looks at each item alone, such as `layer_norm`",
                )),
                _ => Ok(1),
            };
        }
        if layer.view(&shapes) == View::Computed && !layer.in_place() {
            floats += node.shape.iter().product::<usize>();
        }
    }
    if let Some(micro_batches) = options.micro_batches {
        return Ok(micro_batches.min(batch));
    }
    let bytes = floats.saturating_mul(batch).saturating_mul(size_of::<f32>());
    Ok(bytes.div_ceil(options.chunk_bytes.max(1)).clamp(1, (batch / SMALLEST_CHUNK).max(1)))
}
