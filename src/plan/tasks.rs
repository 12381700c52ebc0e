//! Groups of calls become tasks: their parts, messages, slots, and who holds which buffer.

use std::sync::Arc;

use super::PlanOptions;
use super::calls::{CallDraft, Calls, Write, parts};
use super::fusion::Group;
use super::group_order::{parts_alone, topological};
use super::storages::Storages;
use super::values::Values;
use crate::context::{Call, Mode, Operand, PHASES, Phase, Place, Target, TensorLayout, Value};
use crate::flow::graph::{Edge, NONE, Span, Task, TaskGraph, Work};
use crate::graph::Graph;
use crate::layers::Split;
use crate::optimizers::Optimizer;
use crate::plan::Plan;

#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) graph: &'a Arc<Graph>,
    pub(super) mode: Mode,
    pub(super) batch: usize,
    pub(super) optimizer: &'a Arc<dyn Optimizer>,
    pub(super) options: PlanOptions,
}

pub(super) fn assemble(
    request: Request<'_>,
    mut values: Values,
    calls: &Calls,
    groups: &[Group],
) -> Plan {
    for flat in &calls.flat {
        values.add_flat(flat.floats, flat.contributions, flat.kept);
    }
    let mut storages = Storages::assign(&values);
    let (order, alone) = topological(calls, groups);
    let mut position = vec![NONE; groups.len()];
    for (place, &group) in order.iter().enumerate() {
        position[group as usize] = place as u32;
    }
    let mut task_of = vec![NONE; calls.list.len()];
    for (group, members) in groups.iter().enumerate() {
        for &call in &members.calls {
            task_of[call as usize] = position[group];
        }
    }
    let mut writer = Writer {
        graph: request.graph,
        flow: TaskGraph::new(request.graph.name(), PHASES),
        operands: Vec::new(),
        targets: Vec::new(),
        list: Vec::with_capacity(calls.list.len()),
        calls,
        task_of: &task_of,
        sent: Vec::new(),
        slot_of: vec![(NONE, NONE); values.drafts.len()],
        sender_of: vec![NONE; groups.len()],
    };
    for &group in &order {
        let alone = alone[group as usize];
        writer.add_task(&groups[group as usize], alone, &values, &mut storages, request.options);
    }
    let Writer { mut flow, operands, targets, list, sent, .. } = writer;
    flow.nodes = request.graph.nodes.iter().map(|node| node.name.clone()).collect();
    flow.variant = vec![request.mode as u64, request.batch as u64];
    let parameters = request.graph.parameters.iter();
    flow.state.sizes = parameters.map(|parameter| parameter.spec.count()).collect();
    flow.connect(sent);
    let arena_floats = storages.place();
    storages.describe(&mut flow.buffers);
    let micro_batches = match (request.mode, request.options.micro_batches) {
        (Mode::Training, Some(_)) => values.chunks.len(),
        _ => 1,
    };
    let kept_gradients = kept(&values, &values.gradients);
    let parameter_gradients = parameter_gradients(request.graph, &values, calls);
    let drafts = values.drafts.iter().map(|draft| Value {
        // Values of the whole batch that no call uses have no storage.
        storage: storages.of_root[draft.root as usize],
        offset: draft.offset,
        item_rows: draft.item_rows,
        cols: draft.cols,
        stride: draft.stride,
        floats: draft.floats,
        contributions: draft.contributions,
    });
    let layout = TensorLayout {
        mode: request.mode,
        batch: request.batch,
        values: drafts.collect(),
        storages: storages.list,
        operands,
        shapes: request.graph.nodes.iter().map(|node| node.shape.clone()).collect(),
        arena_floats,
    };
    Plan {
        flow: Arc::new(flow),
        graph: Arc::clone(request.graph),
        layout: Arc::new(layout),
        micro_batches,
        optimizer: Arc::clone(request.optimizer),
        targets,
        calls: list,
        kept_gradients,
        parameter_gradients,
        activations: values.activations,
        regularization: calls.regularization.clone(),
        flops: calls.list.iter().map(|call| call.flops).sum(),
    }
}

/// The values whose storage is kept; [`NONE`] for others.
fn kept(values: &Values, all: &[u32]) -> Vec<u32> {
    let is_kept = |value: u32| {
        value != NONE && values.drafts[values.drafts[value as usize].root as usize].kept
    };
    all.iter().map(|&value| if is_kept(value) { value } else { NONE }).collect()
}

fn parameter_gradients(graph: &Graph, values: &Values, calls: &Calls) -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new(); graph.parameters.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        for (&parameter, &value) in node.parameters.iter().zip(&calls.parameter_gradients[id]) {
            if value != NONE && values.drafts[value as usize].kept {
                all[parameter].push(value);
            }
        }
    }
    all
}

struct Writer<'a> {
    graph: &'a Graph,
    flow: TaskGraph,
    operands: Vec<Operand>,
    targets: Vec<Target>,
    list: Vec<Call>,
    calls: &'a Calls,
    task_of: &'a [u32],
    /// Messages, with their senders.
    sent: Vec<(u32, Edge)>,
    /// By value: the task that a message carries it to, and the slot; the latest such task.
    slot_of: Vec<(u32, u32)>,
    /// By task: the latest task that it sends a message to.
    sender_of: Vec<u32>,
}

impl Writer<'_> {
    fn add_task(
        &mut self,
        group: &Group,
        alone: bool,
        values: &Values,
        storages: &mut Storages,
        options: PlanOptions,
    ) {
        let task = self.flow.tasks.len() as u32;
        let first_slot = self.flow.slots as u32;
        let first_call = self.list.len() as u32;
        for &call in &group.calls {
            self.add_call(&self.calls.list[call as usize], task);
        }
        self.add_signals(group, task);
        let (buffers, acquires) = self.add_buffers(group, values, storages);
        let contributions = group
            .calls
            .iter()
            .filter(|&&call| self.calls.list[call as usize].phase == Phase::ParamGrad)
            .map(|&call| self.calls.contributions[call as usize])
            .next();
        let first = &self.calls.list[group.calls[0] as usize];
        let parts = match (group.split, contributions) {
            (Split::Whole, _) => 1,
            (Split::Items, Some(contributions)) => contributions,
            _ if alone && self.divides_by_items(group) => {
                parts_alone(group, first.items.len(), options)
            }
            _ => parts(group.seconds, group.units, options),
        };
        let in_degree = self.flow.slots as u32 - first_slot;
        self.flow.tasks.push(Task {
            work: Span { start: first_call, len: group.calls.len() as u32 },
            parts: parts as u32,
            first_part: self.flow.tasks.last().map_or(0, |last| last.first_part + last.parts),
            in_degree,
            first_slot,
            successors: Span::default(),
            // What holds others up comes first; without chunks, all is one.
            chunk: match first.phase {
                Phase::Commit => 0,
                _ if values.chunks.len() == 1 => 0,
                _ => first.chunk as u32,
            },
            items: Span { start: first.items.start as u32, len: first.items.len() as u32 },
            unknown_cost: false,
            by_items: group.split != Split::Rows,
            buffers,
            acquires,
        });
        let touched = self.add_parameters(group);
        self.flow.state.touched.push(touched);
        self.flow.costs.push(group.seconds);
    }

    /// Whether each item of the batch is computed by itself.
    fn divides_by_items(&self, group: &Group) -> bool {
        let each = |&call: &u32| {
            let phase = self.calls.list[call as usize].phase;
            matches!(phase, Phase::Forward | Phase::Accumulate | Phase::InputGrad)
        };
        group.split == Split::Items && group.calls.iter().all(each)
    }

    fn add_call(&mut self, draft: &CallDraft, task: u32) {
        let start = self.operands.len() as u32;
        for (number, &value) in draft.inputs.iter().enumerate() {
            let placed = draft.placed.get(number).copied().unwrap_or(false);
            let operand = self.operand(value, task);
            self.operands.push(Operand { placed, ..operand });
        }
        let inputs = Span { start, len: draft.inputs.len() as u32 };
        let output = self.operand(draft.output, task);
        let output_grad = self.operand(draft.output_grad, task);
        let prepared = self.operand(draft.prepared, task);
        let summaries = draft.summaries.map(|value| self.operand(value, task));
        let norm = self.operand(draft.norm, task);
        let start = self.targets.len() as u32;
        self.targets.extend(draft.writes.iter().map(
            |&Write { value, index, contribution, in_place, view }| Target {
                value,
                index,
                contribution,
                in_place,
                view,
            },
        ));
        self.flow.work.push(Work { node: draft.node as u32, phase: draft.phase as u8 });
        self.list.push(Call {
            phase: draft.phase,
            node: draft.node as u32,
            parameter: draft.parameter,
            inputs,
            output,
            output_grad,
            prepared,
            summaries,
            norm,
            writes: Span { start, len: draft.writes.len() as u32 },
        });
    }

    /// How the task gets at a value: by a message, one for every value however often it is read, or
    /// from its own call.
    fn operand(&mut self, value: u32, task: u32) -> Operand {
        if value == NONE {
            return Operand::ABSENT;
        }
        let producer = self.calls.producer[value as usize];
        let from = self.task_of.get(producer as usize).copied();
        // From a call of its own task, or, for values of the whole batch, from those of all chunks,
        // for which it waits by signals.
        let Some(from) = from.filter(|&from| from != task) else {
            return Operand { value, slot: NONE, placed: false };
        };
        let known = &mut self.slot_of[value as usize];
        if known.0 != task {
            *known = (task, self.flow.slots as u32);
            self.flow.slots += 1;
            self.sent.push((from, Edge { task, slot: known.1, value }));
            self.sender_of[from as usize] = task;
        }
        let slot = known.1;
        Operand { value, slot, placed: false }
    }

    /// Signals from tasks that must come before, but send nothing.
    fn add_signals(&mut self, group: &Group, task: u32) {
        for &call in &group.calls {
            for &before in &self.calls.list[call as usize].after {
                let from = self.task_of[before as usize];
                let known = &mut self.sender_of[from as usize];
                if from != task && *known != task {
                    *known = task;
                    let slot = self.flow.slots as u32;
                    self.flow.slots += 1;
                    self.sent.push((from, Edge { task, slot, value: NONE }));
                }
            }
        }
    }

    /// The recycled storages that the task touches, and those that it writes.
    fn add_buffers(
        &mut self,
        group: &Group,
        values: &Values,
        storages: &mut Storages,
    ) -> (Span, Span) {
        let storage_of = |value: u32| {
            let storage = storages.of_root[values.drafts[value as usize].root as usize];
            let recycled = storages.list[storage as usize].place == Place::Recycled;
            recycled.then_some(storage)
        };
        let mut touched = Vec::new();
        let mut written = Vec::new();
        for &call in &group.calls {
            let call = &self.calls.list[call as usize];
            touched.extend(call.reads().filter_map(storage_of));
            written.extend(call.writes.iter().filter_map(|write| storage_of(write.value)));
        }
        touched.extend(&written);
        for list in [&mut touched, &mut written] {
            list.sort_unstable();
            list.dedup();
        }
        for &storage in &touched {
            storages.holders[storage as usize] += 1;
        }
        let mut add = |list: &[u32]| {
            let start = self.flow.buffers.list.len() as u32;
            self.flow.buffers.list.extend(list);
            Span { start, len: list.len() as u32 }
        };
        (add(&touched), add(&written))
    }

    /// Adds the parameters that a task reads or moves, each once.
    fn add_parameters(&mut self, group: &Group) -> Span {
        let mut touched = Vec::new();
        for &call in &group.calls {
            let call = &self.calls.list[call as usize];
            match call.phase {
                Phase::Update => touched.push(call.parameter),
                Phase::Commit | Phase::Accumulate => {}
                _ => touched
                    .extend(self.graph.nodes[call.node].parameters.iter().map(|&it| it as u32)),
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let start = self.flow.state.list.len() as u32;
        self.flow.state.list.extend(&touched);
        Span { start, len: touched.len() as u32 }
    }
}
