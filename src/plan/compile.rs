//! From a graph to a plan.
//!
//! 1. `values`: where every activation lies, with `gradients` for theirs, and who needs one at all;
//! 2. `calls`: every call of a layer, in topological order, with what it reads and writes, with
//!    `backward` for the reversed phase, `prepared` for forms of weights, `summaries` for layers that look at a batch
//!    as a whole, and `updates` for what goes over parameters;
//! 3. `division`: which calls of few items are divided within each item; `fusion`: which calls become one task,
//!    with `group_order` for the order of tasks and for those that run alone;
//! 4. `tasks`: parts, messages and slots, with `storages` for the lifetimes of buffers.
//!
//! Nothing here looks at the machine: a plan follows from graph, batch size and options, so that
//! results do not depend on where it runs.

use std::sync::Arc;

use super::{Plan, chunks, division, fusion, tasks, values};
use crate::context::{Convolution, Mode, Numerics, Precision};
use crate::error::{Error, Result, count};
use crate::flow::index::MOST;
use crate::graph::{Graph, NodeId, Role};
use crate::optimizers::Optimizer;
use crate::setters::setters;

/// How a graph is compiled. The defaults are for speed; the others are for study.
///
/// ```
/// use caudal::plan::PlanOptions;
///
/// let options = PlanOptions::default().micro_batches(4).fusion(false);
/// assert_eq!(options.micro_batches, Some(4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // each switches one idea off
#[non_exhaustive]
pub struct PlanOptions {
    /// Splits tasks above [`PlanOptions::grain`] into parts, and shorter ones beside which no other can run.
    pub parts: bool,
    /// Seconds of estimated work that a part should have at least.
    pub grain: f64,
    /// Training plans: works on a batch in chunks with about this many bytes of activations, so that
    /// they stay in the caches; a chunk has at least 8 items.
    pub chunk_bytes: usize,
    /// Training plans, gradient accumulation: divides a batch into this many micro-batches, or as many as it has items,
    /// of which several are in flight together, and adds their gradients in order before one update;
    /// replaces [`PlanOptions::chunk_bytes`]. The bits of the gradients are those of the micro-batches
    /// run one after another, each weighted by its share of the items, where all have as many items.
    /// Refused where a layer that trains looks at a batch as a whole, as `batch_norm` does.
    pub micro_batches: Option<usize>,
    /// Makes one task of calls with one way through, where one of them is small.
    pub fusion: bool,
    /// Lets layers write over inputs that nobody else reads, places inputs inside their concat, and
    /// keeps rows a whole number of pages apart from competing for the cache.
    pub in_place: bool,
    /// How convolutions are computed: all directly, or, with [`Convolution::Auto`], as the graph says
    /// ([`Graph::convolution`]).
    pub convolution: Convolution,
    /// With which numbers products with weights are computed: with 16-bit ones, or, with [`Precision::F32`], as the graph
    /// says ([`Graph::precision`]).
    pub precision: Precision,
    /// Training plans: the gradient of a node's inputs goes on before that of its parameters is done.
    /// Without it, one follows the other and both are awaited, as where one backward task computes them.
    pub split_backward: bool,
    /// Training plans: moves parameters while gradients of others are still computed. Without it,
    /// updates wait for all gradients.
    pub overlap_updates: bool,
    /// Training plans: moves parameters. Without it, gradients are computed and kept.
    pub updates: bool,
    /// Training plans: computes gradients of the input nodes too, and keeps them and those of the
    /// parameters after the run.
    pub keep_gradients: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            parts: true,
            grain: 60e-6,
            chunk_bytes: 6 << 20,
            micro_batches: None,
            fusion: true,
            in_place: true,
            convolution: Convolution::Auto,
            precision: Precision::F32,
            split_backward: true,
            overlap_updates: true,
            updates: true,
            keep_gradients: false,
        }
    }
}

impl PlanOptions {
    setters! {
        parts: bool,
        grain: f64,
        chunk_bytes: usize,
        micro_batches: impl Into<Option<usize>>,
        fusion: bool,
        in_place: bool,
        convolution: Convolution,
        precision: Precision,
        split_backward: bool,
        overlap_updates: bool,
        updates: bool,
        keep_gradients: bool,
    }

    /// One task for every node and phase, as the graph's author sees them.
    pub fn plain() -> Self {
        Self {
            parts: false,
            chunk_bytes: usize::MAX,
            fusion: false,
            in_place: false,
            ..Self::default()
        }
    }

    /// These options, with what the graph says where they say nothing.
    fn above(self, graph: &Graph) -> Self {
        let convolution = match self.convolution {
            Convolution::Auto => graph.convolution(),
            Convolution::Direct => Convolution::Direct,
        };
        let precision = match self.precision {
            Precision::F32 => graph.precision(),
            Precision::Bf16 => Precision::Bf16,
        };
        self.convolution(convolution).precision(precision)
    }

    /// How layers compute.
    pub(super) fn numerics(self) -> Numerics {
        Numerics::default().convolution(self.convolution).precision(self.precision)
    }

    /// Computes gradients of parameters and inputs, keeps them, and moves nothing.
    pub fn gradients() -> Self {
        Self { updates: false, keep_gradients: true, ..Self::default() }
    }
}

impl Plan {
    /// Compiles `graph` for batches of `batch` items.
    ///
    /// # Errors
    /// If the batch is empty or has 2³² - 1 items or more, if training is asked of a graph without a loss or
    /// without a parameter that a loss depends on, if the batch is too small for a layer that looks at it as
    /// a whole, if a group of the optimizer fits no parameter, if a tensor does not fit into memory's addresses, or if there are to be micro-batches, but a
    /// layer looks at a batch as a whole.
    pub fn compile(
        graph: &Arc<Graph>,
        mode: Mode,
        batch: usize,
        optimizer: &Arc<dyn Optimizer>,
        options: PlanOptions,
    ) -> Result<Self> {
        let options = options.above(graph);
        let refuse = |problem: &str, remedy: &str| Error::Training {
            problem: format!("graph `{}`: {problem}", graph.name()),
            remedy: remedy.to_owned(),
        };
        if batch == 0 {
            return Err(refuse("the batch is empty", "use at least one item"));
        }
        if mode == Mode::Training {
            if graph.losses().is_empty() {
                return Err(refuse(
                    "it has no loss to train",
                    "add a loss node and its target, as --loss or `Model::with_losses` does",
                ));
            }
            if graph.parameters().is_empty() && !options.keep_gradients {
                return Err(refuse("it has no parameter to train", "add a layer with weights"));
            }
            let trains = (0..graph.nodes().len()).any(|id| graph.trains(id));
            if !trains && !options.keep_gradients {
                return Err(refuse(
                    "all its layers with weights have `trainable = false`",
                    "let at least one of them train",
                ));
            }
        }
        for node in graph.nodes() {
            let floats: usize = node.shape.iter().product();
            if floats.checked_mul(batch).is_none_or(|floats| floats > 1 << 40) {
                return Err(refuse(
                    &format!("a batch of {batch} does not fit into memory at `{}`", node.name),
                    "use smaller batches",
                ));
            }
        }
        if batch >= MOST {
            let problem = format!("a batch of {batch} has more items than can be told apart");
            return Err(refuse(&problem, "use smaller batches"));
        }
        if mode == Mode::Training {
            refuse_small_batch(graph, batch)?;
        }
        let settings = match mode {
            Mode::Training => graph.parameter_settings(optimizer.as_ref())?,
            _ => Vec::new(),
        };
        let included = included(graph, mode);
        let chunks = chunks::count(graph, mode, batch, &included, options)?;
        let values = values::Values::place(graph, mode, batch, &included, options, chunks);
        let norm_clip = optimizer.norm_clip();
        let mut calls =
            super::calls::Calls::list(graph, mode, batch, &included, &values, options, norm_clip);
        let trains = calls.parameter_gradients.iter().any(|gradients| !gradients.is_empty());
        if mode == Mode::Training && !trains && !options.keep_gradients {
            return Err(refuse(
                "no loss depends on a parameter that trains",
                "connect a loss to a layer with weights and without `trainable = false`, or to one \
                 behind it, with no `stop_gradient` between",
            ));
        }
        division::divide_items(graph, mode, &values, &mut calls, options);
        let groups = fusion::fuse(graph, &values, &calls, options);
        let request = tasks::Request { graph, mode, batch, optimizer, options };
        let plan = tasks::assemble(request, values, &calls, &groups);
        Ok(Self { settings, ..plan })
    }
}

/// The fewest items of a batch that node `id` of a graph can be trained on.
pub(crate) fn least_items(graph: &Graph, id: NodeId) -> usize {
    let node = &graph.nodes()[id];
    let Role::Layer(layer) = &node.role else { return 1 };
    let Some(whole) = layer.whole_batch().filter(|_| graph.trains(id)) else { return 1 };
    let shapes = node.inputs.iter().map(|&input| graph.nodes()[input].shape.as_slice());
    whole.least_items(&shapes.collect::<Vec<_>>())
}

/// Refuses batches that a layer which looks at them as a whole can't be trained on.
fn refuse_small_batch(graph: &Graph, batch: usize) -> Result<()> {
    for (id, node) in graph.nodes().iter().enumerate() {
        let least = least_items(graph, id);
        if batch < least {
            return Err(Error::node(
                &node.name,
                format!(
                    "a training batch of {} leaves `{}` one number a channel, which has no variance",
                    count(batch, "item"),
                    node.role.kind()
                ),
                format!("use at least {least} items a batch, or let the node not train"),
            ));
        }
    }
    Ok(())
}

/// The nodes that a plan of this mode holds.
fn included(graph: &Graph, mode: Mode) -> Vec<bool> {
    if mode != Mode::Prediction {
        return vec![true; graph.nodes.len()];
    }
    let mut included = vec![false; graph.nodes.len()];
    let mut stack = graph.outputs.clone();
    while let Some(id) = stack.pop() {
        if !std::mem::replace(&mut included[id], true) {
            debug_assert!(!matches!(graph.nodes[id].role, Role::Loss { .. } | Role::Metric(_)));
            stack.extend(&graph.nodes[id].inputs);
        }
    }
    included
}
