//! A training step, an evaluation or a prediction as a program for the engine.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::context::{Call, Handle, Parameters, Phase, Tensors};
use crate::error::Failure;
use crate::flow::core::{Core, Failed};
use crate::flow::graph::Edge;
use crate::flow::index::TaskIndex;
use crate::flow::policy::ReadyPart;
use crate::flow::program::Program;
use crate::flow::sync::Native;
use crate::graph::Role;
use crate::layers::LAYERS;
use crate::losses::LOSSES;
use crate::metrics::METRICS;
use crate::plan::Plan;
use crate::tensor::describe_shape;

/// What a run's tasks share.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) plan: Arc<Plan>,
    pub(super) tensors: Tensors,
    /// Of which parameters the lasting calls were made last: 0 for none.
    pub(super) lasting_of: AtomicU64,
    /// By parameter: whether a task that reads its weights has several parts. Others stay with one worker, and so do the
    /// parts of their updates.
    pub(super) read_in_parts: Vec<bool>,
    /// Whether somebody else's code is among the nodes, which may wait for anything.
    may_wait: bool,
}

impl Deref for RunState {
    type Target = Tensors;

    fn deref(&self) -> &Tensors {
        &self.tensors
    }
}

impl RunState {
    /// Everything as it is before the first step.
    pub(super) fn new(plan: Arc<Plan>, parameters: Arc<Parameters>) -> Self {
        let tensors = Tensors::new(&plan.flow, &plan.layout, parameters);
        let may_wait = plan.graph.nodes.iter().any(|node| !is_ours(&node.role));
        let read_in_parts = read_in_parts(&plan);
        Self { plan, tensors, lasting_of: AtomicU64::new(0), read_in_parts, may_wait }
    }
}

/// By parameter: whether a task that reads its weights has several parts.
fn read_in_parts(plan: &Plan) -> Vec<bool> {
    let mut divided = vec![false; plan.graph.parameters.len()];
    for task in plan.indices().filter(|&task| plan.tasks[task].parts > 1) {
        for call in plan.calls_of(task) {
            if matches!(call.phase, Phase::Prepare | Phase::Forward | Phase::InputGrad) {
                for &parameter in &plan.graph.nodes[call.node].parameters {
                    divided[parameter] = true;
                }
            }
        }
    }
    divided
}

/// Whether what a node computes is of the tables, and so keeps a core at work.
fn is_ours(role: &Role) -> bool {
    match role {
        Role::Input | Role::Target => true,
        Role::Layer(layer) => LAYERS.iter().any(|known| known.kind == layer.kind()),
        Role::Loss { loss, .. } => LOSSES.iter().any(|known| known.kind == loss.kind()),
        Role::Metric(metric) => METRICS.iter().any(|known| known.kind == metric.kind()),
    }
}

impl Program for RunState {
    type Message = Handle;
    type Primitives = Native;

    /// Every part looks at its handles.
    const TAKES: bool = false;

    fn may_wait(&self) -> bool {
        self.may_wait
    }

    #[inline]
    fn core(&self) -> &Core<Handle> {
        &self.tensors.core
    }

    #[inline]
    fn fire(&self, part: ReadyPart, at: &mut usize) -> Result<(), String> {
        self.acquire(part.task);
        self.make_calls(part, at)
    }

    #[inline]
    fn release(&self, task: TaskIndex, _failed: bool) {
        self.tensors.release(task);
    }

    #[inline]
    fn message(&self, edge: &Edge) -> Option<Handle> {
        // Whoever receives the value holds its storage, so it is still there.
        Some(self.handle(edge.value))
    }

    fn bytes(&self, edge: &Edge) -> usize {
        let Some(value) = edge.value.map(|value| self.value(value)) else { return 0 };
        let floats = if value.item_rows == 0 {
            value.floats * value.contributions as usize
        } else {
            self.layout.batch * value.item_rows * value.cols
        };
        floats * size_of::<f32>()
    }

    fn failure(&self, task: TaskIndex, at: usize, cause: &str, late: bool) -> Failed {
        let plan = &self.plan;
        let call = &plan.calls_of(task)[at];
        // An optimizer that can fail has a copy of the weights taken before the step.
        let expected = call.phase == Phase::Update && plan.optimizer.can_fail();
        let late = if late && !expected {
            "; this is declared not to fail in this phase, so parameters may have moved already"
        } else {
            ""
        };
        let failure = self.describe(call, format!("{cause}{late}"));
        Failed { node: call.node, phase: call.phase as u8, failure }
    }

    fn forget(&self) {
        self.release_all();
    }
}

impl RunState {
    /// The failure of a call, with its shapes.
    pub(super) fn describe(&self, call: &Call, cause: String) -> Failure {
        let plan = &self.plan;
        let node = &plan.graph.nodes[call.node];
        let shapes: Vec<String> = node
            .inputs
            .iter()
            .map(|&input| &plan.graph.nodes[input].shape)
            .chain([&node.shape])
            .map(|shape| describe_shape(&[&[plan.batch()], shape.as_slice()].concat()))
            .collect();
        let (output, inputs) = shapes.split_last().map_or(("", &[][..]), |(o, i)| (o.as_str(), i));
        Failure {
            node: node.name.clone(),
            phase: call.phase.name(),
            shapes: format!("{} -> {output}", inputs.join(", ")).trim_start().to_owned(),
            cause,
        }
    }
}
