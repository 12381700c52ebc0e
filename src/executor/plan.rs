//! A graph compiled for one batch shape: immutable, shared by all runs and executors.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::graph::{Graph, NodeId};
use crate::optimizers::Optimizer;

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Forward, backward and updates.
    Training,
    /// Forward with losses and metrics.
    Evaluation,
    /// Forward up to the outputs, without targets, losses and metrics.
    Prediction,
}

/// What a task does for its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Summarises blocks of the batch that the activation depends on as a whole.
    Summarize,
    /// Brings these summaries together.
    Combine,
    /// Computes the activation.
    Forward,
    /// Brings weights into the form that the input gradient, or the forward step, reads.
    Prepare,
    /// Computes what the size of a parameter costs.
    Regularize,
    /// Adds the gradients from several uses of one output.
    Accumulate,
    /// Summarises blocks of the batch on which the gradients depend as a whole.
    SummarizeGrad,
    /// Brings these summaries together.
    CombineGrad,
    /// Computes the gradients of the inputs.
    InputGrad,
    /// Computes the gradients of the parameters.
    ParamGrad,
    /// Completes the gradient of a parameter, and computes its norm, for clipping.
    GradNorm,
    /// Waits for every task that can fail; after it, parameters move.
    Commit,
    /// Moves a parameter.
    Update,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 13] = [
        Self::Summarize,
        Self::Combine,
        Self::Forward,
        Self::Prepare,
        Self::Regularize,
        Self::Accumulate,
        Self::SummarizeGrad,
        Self::CombineGrad,
        Self::InputGrad,
        Self::ParamGrad,
        Self::GradNorm,
        Self::Commit,
        Self::Update,
    ];

    /// The phase's name in errors, traces and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summarize => "summarize",
            Self::Combine => "combine",
            Self::Forward => "forward",
            Self::Prepare => "prepare",
            Self::Regularize => "regularize",
            Self::Accumulate => "accumulate",
            Self::SummarizeGrad => "summarize_grad",
            Self::CombineGrad => "combine_grad",
            Self::InputGrad => "input_grad",
            Self::ParamGrad => "param_grad",
            Self::GradNorm => "grad_norm",
            Self::Commit => "commit",
            Self::Update => "update",
        }
    }
}

/// A range of one of the plan's flat arrays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

pub(crate) const NONE: u32 = u32::MAX;

/// A value that a step reads: through the message in `slot`, or, where the same task made it, from
/// its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    pub(crate) value: u32,
    pub(crate) slot: u32,
    /// The step's output already holds it.
    pub(crate) placed: bool,
}

impl Operand {
    pub(crate) const ABSENT: Self = Self { value: NONE, slot: NONE, placed: false };
}

/// A value that a step writes, for input or parameter number `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) value: u32,
    pub(crate) index: u32,
    /// For parameter gradients summed over items: the contribution of the task's first part.
    pub(crate) contribution: u32,
    /// It lies where the step's gradient of the output lies.
    pub(crate) in_place: bool,
    /// It is a view of what is there already: nothing to compute.
    pub(crate) view: bool,
}

/// One call of a layer, or one sum or update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) phase: Phase,
    pub(crate) node: u32,
    /// For updates, norms and regularizers: the parameter.
    pub(crate) parameter: u32,
    /// The activations of the inputs; for accumulate, norm and update, the gradients to add, in order;
    /// for combine, the summaries of the blocks; for the commit, the norms of all gradients that are
    /// clipped together.
    pub(crate) inputs: Span,
    pub(crate) output: Operand,
    pub(crate) output_grad: Operand,
    pub(crate) prepared: Operand,
    /// What the forward and the backward pass know of the whole batch.
    pub(crate) summaries: [Operand; 2],
    /// For updates: the norms, or the scale, of a gradient that a norm step has completed.
    pub(crate) norm: Operand,
    pub(crate) writes: Span,
}

/// How a value lies in its storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) storage: u32,
    /// Floats from the storage's start.
    pub(crate) offset: usize,
    /// Matrix rows of one item; 0 for values that have no batch axis.
    pub(crate) item_rows: usize,
    pub(crate) cols: usize,
    pub(crate) stride: usize,
    /// For values without a batch axis: floats of one contribution.
    pub(crate) floats: usize,
    /// For values without a batch axis: how many contributions lie one after another, to be added.
    pub(crate) contributions: u32,
}

/// Where a storage's floats come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A fixed offset in the run's arena: small values, and those that outlive the run.
    Arena(usize),
    /// A recycled buffer, held from the first write to the last read.
    Recycled,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage {
    pub(crate) place: Place,
    pub(crate) floats: usize,
    /// Tasks that hold it before it is released; 0 for storages that are never released.
    pub(crate) holders: u32,
}

/// One message: who gets it, in which slot, and which value travels ([`NONE`]: a mere signal).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) task: u32,
    pub(crate) slot: u32,
    pub(crate) value: u32,
}

/// One unit that the scheduler orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) steps: Span,
    pub(crate) parts: u32,
    /// How many parts the tasks before it have.
    pub(crate) first_part: u32,
    /// What the parts divide.
    pub(crate) split: TaskSplit,
    /// The chunk of the batch that it belongs to; the number of chunks, if it goes over all.
    pub(crate) chunk: u32,
    /// The first item of the batch that it works on, and how many there are.
    pub(crate) first_item: u32,
    pub(crate) items: u32,
    /// Messages it waits for; its slots are `first_slot..first_slot + in_degree`.
    pub(crate) in_degree: u32,
    pub(crate) first_slot: u32,
    pub(crate) successors: Span,
    /// Recycled storages that it reads or writes.
    pub(crate) holds: Span,
    /// Recycled storages that it writes first: they must exist before its parts run.
    pub(crate) acquires: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskSplit {
    /// Items of the batch.
    Items,
    /// Rows of each parameter, or blocks of items.
    Rows,
}

/// A task as seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskInfo<'a> {
    /// The node of its first step.
    pub node: &'a str,
    /// All its steps: node and phase.
    pub steps: Vec<(&'a str, Phase)>,
    /// The phase of its first step.
    pub phase: Phase,
    /// Into how many parts it is split.
    pub parts: usize,
    /// How many messages it waits for.
    pub messages: usize,
    /// The tasks that wait for it.
    pub successors: Vec<usize>,
    /// Estimated seconds of all its parts.
    pub cost: f64,
}

/// A graph compiled for one batch shape.
#[derive(Debug)]
pub struct Plan {
    pub(crate) id: u64,
    pub(crate) graph: Arc<Graph>,
    pub(crate) mode: Mode,
    pub(crate) batch: usize,
    /// Micro-batches whose gradients are each complete before they are added; 1 without any.
    pub(crate) micro_batches: usize,
    pub(crate) optimizer: Arc<dyn Optimizer>,
    pub(crate) values: Vec<Value>,
    pub(crate) storages: Vec<Storage>,
    pub(crate) operands: Vec<Operand>,
    pub(crate) targets: Vec<Target>,
    pub(crate) steps: Vec<Step>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) held: Vec<u32>,
    pub(crate) slots: usize,
    pub(crate) arena_floats: usize,
    /// Tasks that wait for nothing.
    pub(crate) sources: Vec<u32>,
    /// How many tasks nobody waits for.
    pub(crate) sinks: u32,
    /// Seconds of a task, estimated from shapes.
    pub(crate) costs: Vec<f64>,
    /// The value of each node's activation, [`NONE`] where the plan leaves the node out.
    pub(crate) activations: Vec<u32>,
    /// The value of each node's gradient where the plan keeps it, else [`NONE`].
    pub(crate) kept_gradients: Vec<u32>,
    /// The values of each parameter's gradient where the plan keeps them.
    pub(crate) parameter_gradients: Vec<Vec<u32>>,
    /// The cost of each parameter's regularizer, in parts; [`NONE`] where there is none.
    pub(crate) regularization: Vec<u32>,
    pub(crate) flops: f64,
}

impl Plan {
    /// A number that no other plan of this process has.
    pub(crate) fn next_id() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// The graph it was compiled from.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// What it is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Items in a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The contributions to gradients of one parameter, in the order in which they are added: for every
    /// micro-batch, those to each of the gradients, as numbers of the contribution within it.
    pub(crate) fn contributions<'a>(
        &'a self,
        gradients: &'a [Operand],
    ) -> impl Iterator<Item = impl Iterator<Item = (Operand, usize)> + 'a> + 'a {
        (0..self.micro_batches).map(move |micro_batch| {
            gradients.iter().flat_map(move |&gradient| {
                let all = self.values[gradient.value as usize].contributions as usize;
                let each = all / self.micro_batches;
                (micro_batch * each..(micro_batch + 1) * each).map(move |it| (gradient, it))
            })
        })
    }

    /// How many tasks it has.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// How many messages one run sends.
    pub fn message_count(&self) -> usize {
        self.edges.len()
    }

    /// Floating-point operations of one run, counted from shapes.
    pub fn flops(&self) -> f64 {
        self.flops
    }

    /// Estimated seconds of every task.
    pub fn estimated_costs(&self) -> &[f64] {
        &self.costs
    }

    /// The task at `index`, described.
    pub fn task(&self, index: usize) -> TaskInfo<'_> {
        let task = &self.tasks[index];
        let steps: Vec<_> = self.steps[task.steps.range()]
            .iter()
            .map(|step| (self.graph.nodes[step.node as usize].name.as_str(), step.phase))
            .collect();
        let mut successors: Vec<usize> =
            self.edges[task.successors.range()].iter().map(|edge| edge.task as usize).collect();
        successors.dedup();
        TaskInfo {
            node: steps[0].0,
            phase: steps[0].1,
            steps,
            parts: task.parts as usize,
            messages: task.in_degree as usize,
            successors,
            cost: self.costs[index],
        }
    }

    /// Estimated seconds of each part of a task.
    pub(crate) fn part_seconds(&self, task: usize) -> f64 {
        self.costs[task] / f64::from(self.tasks[task].parts)
    }

    /// The node of a task's first step.
    pub(crate) fn node_of(&self, task: usize) -> NodeId {
        self.steps[self.tasks[task].steps.start as usize].node as usize
    }

    /// The units of `extent` that a part of a task covers.
    pub(crate) fn part_range(&self, task: usize, part: u32, extent: usize) -> Range<usize> {
        part_range(self.tasks[task].parts as usize, part as usize, extent)
    }
}

/// Part `part` of `parts` over `extent` units: contiguous, and as equal as whole units allow.
pub(crate) fn part_range(parts: usize, part: usize, extent: usize) -> Range<usize> {
    if parts == 1 {
        return 0..extent;
    }
    part * extent / parts..(part + 1) * extent / parts
}
