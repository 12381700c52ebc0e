//! Groups of calls become tasks: their parts, messages, slots, and who holds which buffer.

use std::collections::HashSet;
use std::sync::Arc;

use super::PlanOptions;
use super::calls::{CallDraft, CallIndex, Calls, Write, parts};
use super::fusion::Group;
use super::group_order::{parts_alone, topological};
use super::storages::Storages;
use super::values::Values;
use crate::context::{
    Call, Division, Mode, Operand, PHASES, ParameterIndex, Phase, Place, Target, TensorLayout,
    Value,
};
use crate::flow::graph::{Edge, Task, TaskGraph, Work};
use crate::flow::index::{
    BufferIndex, ChunkIndex, NodeIndex, SlotIndex, Span, TaskIndex, ValueIndex,
};
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
    // Every call is in one.
    let mut task_of = vec![TaskIndex::new(0); calls.list.len()];
    for (task, &group) in TaskIndex::below(order.len()).zip(&order) {
        for &call in &groups[group].calls {
            task_of[call] = task;
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
        slot_of: vec![None; values.drafts.len()],
        sender_of: vec![None; groups.len()],
    };
    for &group in &order {
        writer.add_task(&groups[group], alone[group], &values, &mut storages, request.options);
    }
    let lasting = calls.lasting.iter().map(|call| writer.call(call, None, None)).collect();
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
        storage: storages.of_root[draft.root],
        offset: draft.offset,
        item_rows: draft.item_rows,
        cols: draft.cols,
        stride: draft.stride,
        floats: draft.floats,
        contributions: draft.contributions,
    });
    let layout = TensorLayout {
        mode: request.mode,
        numerics: request.options.numerics(),
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
        settings: Vec::new(),
        targets,
        calls: list,
        lasting,
        kept_gradients,
        parameter_gradients,
        activations: values.activations,
        regularization: calls.regularization.clone(),
        flops: calls.list.iter().map(|call| call.flops).sum(),
    }
}

/// The values whose storage is kept; none for others.
fn kept(values: &Values, all: &[Option<ValueIndex>]) -> Vec<Option<ValueIndex>> {
    let is_kept = |value: &ValueIndex| values.drafts[values.drafts[*value].root].kept;
    all.iter().map(|value| value.filter(is_kept)).collect()
}

fn parameter_gradients(graph: &Graph, values: &Values, calls: &Calls) -> Vec<Vec<ValueIndex>> {
    let mut all = vec![Vec::new(); graph.parameters.len()];
    let mut known = HashSet::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        for (&parameter, &value) in node.parameters.iter().zip(&calls.parameter_gradients[id]) {
            let kept = value.filter(|&value| values.drafts[value].kept && known.insert(value));
            all[parameter].extend(kept);
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
    task_of: &'a [TaskIndex],
    /// Messages, with their senders.
    sent: Vec<(TaskIndex, Edge)>,
    /// By value: the task that a message carries it to, and the slot; the latest such task.
    slot_of: Vec<Option<(TaskIndex, SlotIndex)>>,
    /// By task: the latest task that it sends a message to.
    sender_of: Vec<Option<TaskIndex>>,
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
        let task = TaskIndex::new(self.flow.tasks.len());
        let first_slot = self.flow.slots;
        let first_call = self.list.len();
        for &call in &group.calls {
            let division = group
                .division
                .map(|(division, _)| Division { same_place: call != group.calls[0], ..division });
            self.add_call(&self.calls.list[call], task, division);
        }
        self.add_signals(group, task);
        let (buffers, acquires) = self.add_buffers(group, values, storages);
        let contributions = group
            .calls
            .iter()
            .filter(|&&call| self.calls.list[call].phase == Phase::ParamGrad)
            .map(|&call| self.calls.contributions[call])
            .next();
        let first = &self.calls.list[group.calls[0]];
        let parts = match (group.division, group.split, contributions) {
            (Some((_, parts)), ..) => parts,
            (None, Split::Whole, _) => 1,
            (None, Split::Items, Some(contributions)) => contributions,
            _ if alone && self.divides_by_items(group) => {
                parts_alone(group, first.items.len(), options)
            }
            _ => parts(group.seconds, group.units, options),
        };
        self.flow.tasks.push(Task {
            work: Span::new(first_call..self.list.len()),
            parts: parts as u32,
            first_part: self.flow.next_part(),
            in_degree: (self.flow.slots - first_slot) as u32,
            first_slot: SlotIndex::new(first_slot),
            successors: Span::EMPTY,
            // What holds others up comes first; without chunks, all is one.
            chunk: ChunkIndex::new(match first.phase {
                Phase::Commit => 0,
                _ if values.chunks.len() == 1 => 0,
                _ => first.chunk,
            }),
            items: Span::new(first.items.clone()),
            unknown_cost: false,
            by_items: group.split != Split::Rows && group.division.is_none(),
            buffers,
            acquires,
        });
        let touched = self.add_parameters(group);
        self.flow.state.touched.push(touched);
        self.flow.costs.push(group.seconds);
    }

    /// Whether each item of the batch is computed by itself.
    fn divides_by_items(&self, group: &Group) -> bool {
        let each = |&call: &CallIndex| {
            let phase = self.calls.list[call].phase;
            matches!(phase, Phase::Forward | Phase::Accumulate | Phase::InputGrad)
        };
        group.split == Split::Items && group.calls.iter().all(each)
    }

    fn add_call(&mut self, draft: &CallDraft, task: TaskIndex, division: Option<Division>) {
        let call = self.call(draft, Some(task), division);
        self.flow.work.push(Work { node: call.node, phase: draft.phase as u8 });
        self.list.push(call);
    }

    /// A call of a task, or a lasting one.
    fn call(
        &mut self,
        draft: &CallDraft,
        task: Option<TaskIndex>,
        division: Option<Division>,
    ) -> Call {
        let start = self.operands.len();
        for (number, &value) in draft.inputs.iter().enumerate() {
            let placed = draft.placed.get(number).copied().unwrap_or(false);
            let operand = self.operand(value, task);
            self.operands.push(Operand { placed, ..operand });
        }
        let inputs = Span::new(start..self.operands.len());
        let mut operand = |value: Option<ValueIndex>| value.map(|value| self.operand(value, task));
        let [output, output_grad] = [draft.output, draft.output_grad].map(&mut operand);
        let prepared = operand(draft.prepared);
        let summaries = draft.summaries.map(&mut operand);
        let norm = operand(draft.norm);
        let start = self.operands.len();
        for &value in &draft.other_users {
            let operand = self.operand(value, task);
            self.operands.push(operand);
        }
        let other_users = Span::new(start..self.operands.len());
        let target = |&Write { value, index, contribution, in_place, view, part }: &Write| Target {
            value,
            index,
            contribution,
            in_place,
            view,
            part,
        };
        let writes = Span::append(&mut self.targets, draft.writes.iter().map(target));
        Call {
            phase: draft.phase,
            node: NodeIndex::new(draft.node),
            parameter: draft.parameter,
            inputs,
            output,
            output_grad,
            other_users,
            prepared,
            summaries,
            norm,
            writes,
            division,
        }
    }

    /// How the task gets at a value: by a message, one for every value however often it is read, or from its own
    /// call; or, where the value lasts, from its place.
    fn operand(&mut self, value: ValueIndex, task: Option<TaskIndex>) -> Operand {
        let from = self.calls.producer[value].map(|producer| self.task_of[producer]);
        // From a call of its own task, or from a lasting one, or, for values of the whole batch, from those of all
        // chunks, for which it waits by signals.
        let other = from.zip(task).filter(|(from, task)| from != task);
        let Some((from, task)) = other else {
            return Operand::without_message(value);
        };
        let known = self.slot_of[value].filter(|&(receiver, _)| receiver == task);
        let slot = known.map_or_else(|| self.send(from, task, Some(value)), |(_, slot)| slot);
        self.slot_of[value] = Some((task, slot));
        Operand { value, slot: Some(slot), placed: false }
    }

    /// A message from one task to another, by a port of its own.
    fn send(&mut self, from: TaskIndex, task: TaskIndex, value: Option<ValueIndex>) -> SlotIndex {
        let slot = SlotIndex::new(self.flow.slots);
        self.flow.slots += 1;
        self.sent.push((from, Edge { task, slot, value }));
        self.sender_of[from] = Some(task);
        slot
    }

    /// Signals from tasks that must come before, but send nothing.
    fn add_signals(&mut self, group: &Group, task: TaskIndex) {
        for &call in &group.calls {
            for &before in &self.calls.list[call].after {
                let from = self.task_of[before];
                if from != task && self.sender_of[from] != Some(task) {
                    self.send(from, task, None);
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
    ) -> (Span<BufferIndex>, Span<BufferIndex>) {
        let recycled = |storage: &BufferIndex| storages.list[*storage].place == Place::Recycled;
        let storage_of =
            |value: ValueIndex| storages.of_root[values.drafts[value].root].filter(recycled);
        let mut touched = Vec::new();
        let mut written = Vec::new();
        for &call in &group.calls {
            let call = &self.calls.list[call];
            touched.extend(call.reads().filter_map(storage_of));
            written.extend(call.writes.iter().filter_map(|write| storage_of(write.value)));
        }
        touched.extend(&written);
        for list in [&mut touched, &mut written] {
            list.sort_unstable();
            list.dedup();
        }
        for &storage in &touched {
            storages.holders[storage] += 1;
        }
        let list = &mut self.flow.buffers.list;
        (Span::append(list, touched), Span::append(list, written))
    }

    /// Adds the parameters that a task reads or moves, each once.
    fn add_parameters(&mut self, group: &Group) -> Span<ParameterIndex> {
        let mut touched = Vec::new();
        for &call in &group.calls {
            let call = &self.calls.list[call];
            match call.phase {
                Phase::Update => touched.extend(call.parameter),
                Phase::Commit | Phase::Accumulate => {}
                _ => {
                    let parameters = self.graph.nodes[call.node].parameters.iter();
                    touched.extend(parameters.map(|&parameter| ParameterIndex::new(parameter)));
                }
            }
        }
        touched.sort_unstable();
        touched.dedup();
        Span::append(&mut self.flow.state.list, touched)
    }
}
