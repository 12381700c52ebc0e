//! Graphs compiled for one batch shape and purpose: immutable, shared by all runs and executors.
//!
//! A [`Plan`] is a graph of tasks for the engine ([`TaskGraph`], to which it dereferences) with the calls of layers
//! that each task makes, and the place of every tensor.

mod backward;
mod calls;
mod chunks;
mod compile;
mod division;
mod fusion;
mod gradients;
mod group_order;
mod measured;
mod prepared;
mod spreading;
mod storages;
mod summaries;
mod tasks;
mod updates;
mod values;

use std::ops::{Deref, Range};
use std::sync::Arc;

pub use compile::PlanOptions;
pub(crate) use compile::least_items;

use crate::context::{Call, Mode, Operand, Phase, Target, TensorLayout, part_range};
pub use crate::context::{Convolution, Precision};
use crate::flow::TaskGraph;
use crate::flow::index::{TaskIndex, ValueIndex};
use crate::graph::{Graph, ParameterSettings};
use crate::optimizers::Optimizer;

/// What the parts of a task divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskSplit {
    /// Items of the batch.
    Items,
    /// Rows of each parameter, blocks of items, or the output within each item.
    Rows,
}

/// A task as seen from outside.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskInfo<'a> {
    /// The node of its first call.
    pub node: &'a str,
    /// All its calls: node and phase.
    pub calls: Vec<(&'a str, Phase)>,
    /// The phase of its first call.
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
    pub(crate) flow: Arc<TaskGraph>,
    pub(crate) graph: Arc<Graph>,
    pub(crate) layout: Arc<TensorLayout>,
    /// Micro-batches whose gradients are each complete before they are added; 1 without any.
    pub(crate) micro_batches: usize,
    pub(crate) optimizer: Arc<dyn Optimizer>,
    /// How the optimizer moves each parameter; nothing in plans that move none.
    pub(crate) settings: Vec<ParameterSettings>,
    pub(crate) targets: Vec<Target>,
    /// The calls of all tasks: those of a task stand where its work does in the graph of tasks.
    pub(crate) calls: Vec<Call>,
    /// Calls that no task makes, and whose results last until the weights change: prepared weights, and what does
    /// not depend on the batch's numbers. None in training.
    pub(crate) lasting: Vec<Call>,
    /// The value of each node's activation; none where the plan leaves the node out.
    pub(crate) activations: Vec<Option<ValueIndex>>,
    /// The value of each node's gradient where the plan keeps it, else none.
    pub(crate) kept_gradients: Vec<Option<ValueIndex>>,
    /// The values of each parameter's gradient where the plan keeps them.
    pub(crate) parameter_gradients: Vec<Vec<ValueIndex>>,
    /// The cost of each parameter's regularizer, in parts; none where there is no regularizer.
    pub(crate) regularization: Vec<Option<ValueIndex>>,
    pub(crate) flops: f64,
}

/// The tasks and messages of a plan, as executors, policies, traces and the simulator see them.
impl Deref for Plan {
    type Target = TaskGraph;

    fn deref(&self) -> &TaskGraph {
        &self.flow
    }
}

impl Plan {
    /// The graph it was compiled from.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// What it is for.
    pub fn mode(&self) -> Mode {
        self.layout.mode
    }

    /// Items in a batch.
    pub fn batch(&self) -> usize {
        self.layout.batch
    }

    /// The contributions to gradients of one parameter, in the order in which they are added: for every
    /// micro-batch, those to each of the gradients, as numbers of the contribution within it.
    pub(crate) fn contributions<'a>(
        &'a self,
        gradients: &'a [Operand],
    ) -> impl Iterator<Item = impl Iterator<Item = (Operand, usize)> + 'a> + 'a {
        (0..self.micro_batches).map(move |micro_batch| {
            gradients.iter().flat_map(move |&gradient| {
                let value = &self.layout.values[gradient.value];
                let each = value.contributions as usize / self.micro_batches;
                (micro_batch * each..(micro_batch + 1) * each).map(move |it| (gradient, it))
            })
        })
    }

    /// Floating-point operations of one run, counted from shapes: those of the textbook, also where convolutions are
    /// computed in fewer.
    pub fn flops(&self) -> f64 {
        self.flops
    }

    /// Bytes that a run takes beside the parameters, for activations, gradients and what else calls write, if
    /// tasks run one after another; several workers may take more.
    pub fn run_bytes(&self) -> usize {
        let fixed = self.layout.arena_floats.saturating_mul(size_of::<f32>());
        fixed.saturating_add(self.sequential_peak_bytes())
    }

    /// The task at `index`, described.
    pub fn task(&self, index: usize) -> TaskInfo<'_> {
        let calls: Vec<_> = self
            .calls_of(TaskIndex::new(index))
            .iter()
            .map(|call| (self.graph.nodes[call.node].name.as_str(), call.phase))
            .collect();
        let task = &self.flow.tasks[index];
        TaskInfo {
            node: calls[0].0,
            phase: calls[0].1,
            calls,
            parts: task.parts as usize,
            messages: task.in_degree as usize,
            successors: self.flow.successors(TaskIndex::new(index)),
            cost: self.flow.costs[index],
        }
    }

    /// The calls that a task makes, in order.
    #[inline]
    pub(crate) fn calls_of(&self, task: TaskIndex) -> &[Call] {
        &self.calls[self.flow.tasks[task].work.range()]
    }

    /// What the parts of a task divide.
    #[inline]
    pub(crate) fn split(&self, task: TaskIndex) -> TaskSplit {
        if self.flow.tasks[task].by_items { TaskSplit::Items } else { TaskSplit::Rows }
    }

    /// The units of `extent` that a part of a task covers.
    pub(crate) fn part_range(&self, task: TaskIndex, part: u32, extent: usize) -> Range<usize> {
        part_range(self.flow.tasks[task].parts as usize, part as usize, extent)
    }
}
