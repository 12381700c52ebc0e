//! Groups of steps become tasks: their parts, messages, slots, and who holds which buffer.

use std::sync::Arc;

use super::PlanOptions;
use super::fusion::Group;
use super::order::{parts_alone, topological};
use super::steps::{StepDraft, Steps, Write, parts};
use super::storages::Storages;
use super::values::Values;
use crate::executor::plan::{
    Edge, Mode, NONE, Operand, Phase, Place, Plan, Span, Step, Target, Task, TaskSplit, Value,
};
use crate::graph::Graph;
use crate::layers::Split;
use crate::optimizers::Optimizer;

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
    steps: &Steps,
    groups: &[Group],
) -> Plan {
    for flat in &steps.flat {
        values.add_flat(flat.floats, flat.contributions, flat.kept);
    }
    let mut storages = Storages::assign(&values);
    let (order, alone) = topological(steps, groups);
    let mut position = vec![NONE; groups.len()];
    for (place, &group) in order.iter().enumerate() {
        position[group as usize] = place as u32;
    }
    let mut task_of = vec![NONE; steps.list.len()];
    for (group, members) in groups.iter().enumerate() {
        for &step in &members.steps {
            task_of[step as usize] = position[group];
        }
    }
    let mut plan = Plan {
        id: Plan::next_id(),
        graph: Arc::clone(request.graph),
        mode: request.mode,
        batch: request.batch,
        micro_batches: match (request.mode, request.options.micro_batches) {
            (Mode::Training, Some(_)) => values.chunks.len(),
            _ => 1,
        },
        optimizer: Arc::clone(request.optimizer),
        values: Vec::new(),
        storages: Vec::new(),
        operands: Vec::new(),
        targets: Vec::new(),
        steps: Vec::new(),
        tasks: Vec::with_capacity(groups.len()),
        edges: Vec::new(),
        held: Vec::new(),
        slots: 0,
        arena_floats: 0,
        sources: Vec::new(),
        sinks: 0,
        costs: Vec::with_capacity(groups.len()),
        activations: values.activations.clone(),
        kept_gradients: kept(&values, &values.gradients),
        parameter_gradients: parameter_gradients(request.graph, &values, steps),
        regularization: steps.regularization.clone(),
        flops: steps.list.iter().map(|step| step.flops).sum(),
    };
    let mut writer = Writer {
        plan: &mut plan,
        steps,
        task_of: &task_of,
        sent: Vec::new(),
        slot_of: vec![(NONE, NONE); values.drafts.len()],
        sender_of: vec![NONE; groups.len()],
    };
    for &group in &order {
        let alone = alone[group as usize];
        writer.add_task(&groups[group as usize], alone, &values, &mut storages, request.options);
    }
    let sent = writer.sent;
    add_edges(&mut plan, sent);
    storages.place(&mut plan);
    plan.values = values
        .drafts
        .iter()
        .map(|draft| Value {
            // Values of the whole batch that no step uses have no storage.
            storage: storages.of_root[draft.root as usize],
            offset: draft.offset,
            item_rows: draft.item_rows,
            cols: draft.cols,
            stride: draft.stride,
            floats: draft.floats,
            contributions: draft.contributions,
        })
        .collect();
    plan
}

/// The values whose storage is kept; [`NONE`] for others.
fn kept(values: &Values, all: &[u32]) -> Vec<u32> {
    let is_kept = |value: u32| {
        value != NONE && values.drafts[values.drafts[value as usize].root as usize].kept
    };
    all.iter().map(|&value| if is_kept(value) { value } else { NONE }).collect()
}

fn parameter_gradients(graph: &Graph, values: &Values, steps: &Steps) -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new(); graph.parameters.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        for (&parameter, &value) in node.parameters.iter().zip(&steps.parameter_gradients[id]) {
            if value != NONE && values.drafts[value as usize].kept {
                all[parameter].push(value);
            }
        }
    }
    all
}

/// A message before edges are sorted by sender.
struct Sent {
    from: u32,
    edge: Edge,
}

struct Writer<'a> {
    plan: &'a mut Plan,
    steps: &'a Steps,
    task_of: &'a [u32],
    sent: Vec<Sent>,
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
        let task = self.plan.tasks.len() as u32;
        let first_slot = self.plan.slots as u32;
        let first_step = self.plan.steps.len() as u32;
        for &step in &group.steps {
            self.add_step(&self.steps.list[step as usize], task);
        }
        self.add_signals(group, task);
        let (holds, acquires) = self.add_holds(group, values, storages);
        let contributions = group
            .steps
            .iter()
            .filter(|&&step| self.steps.list[step as usize].phase == Phase::ParamGrad)
            .map(|&step| self.steps.contributions[step as usize])
            .next();
        let first = &self.steps.list[group.steps[0] as usize];
        let parts = match (group.split, contributions) {
            (Split::Whole, _) => 1,
            (Split::Items, Some(contributions)) => contributions,
            _ if alone && self.divides_by_items(group) => {
                parts_alone(group, first.items.len(), options)
            }
            _ => parts(group.seconds, group.units, options),
        };
        let in_degree = self.plan.slots as u32 - first_slot;
        if in_degree == 0 {
            self.plan.sources.push(task);
        }
        self.plan.tasks.push(Task {
            steps: Span { start: first_step, len: group.steps.len() as u32 },
            parts: parts as u32,
            first_part: self.plan.tasks.last().map_or(0, |last| last.first_part + last.parts),
            split: if group.split == Split::Rows { TaskSplit::Rows } else { TaskSplit::Items },
            // What holds others up comes first; without chunks, all is one.
            chunk: match first.phase {
                Phase::Commit => 0,
                _ if values.chunks.len() == 1 => 0,
                _ => first.chunk as u32,
            },
            first_item: first.items.start as u32,
            items: first.items.len() as u32,
            in_degree,
            first_slot,
            successors: Span::default(),
            holds,
            acquires,
        });
        self.plan.costs.push(group.seconds);
    }

    /// Whether each item of the batch is computed by itself.
    fn divides_by_items(&self, group: &Group) -> bool {
        let each = |&step: &u32| {
            let phase = self.steps.list[step as usize].phase;
            matches!(phase, Phase::Forward | Phase::Accumulate | Phase::InputGrad)
        };
        group.split == Split::Items && group.steps.iter().all(each)
    }

    fn add_step(&mut self, draft: &StepDraft, task: u32) {
        let start = self.plan.operands.len() as u32;
        for (number, &value) in draft.inputs.iter().enumerate() {
            let placed = draft.placed.get(number).copied().unwrap_or(false);
            let operand = self.operand(value, task);
            self.plan.operands.push(Operand { placed, ..operand });
        }
        let inputs = Span { start, len: draft.inputs.len() as u32 };
        let output = self.operand(draft.output, task);
        let output_grad = self.operand(draft.output_grad, task);
        let prepared = self.operand(draft.prepared, task);
        let summaries = draft.summaries.map(|value| self.operand(value, task));
        let norm = self.operand(draft.norm, task);
        let start = self.plan.targets.len() as u32;
        self.plan.targets.extend(draft.writes.iter().map(
            |&Write { value, index, contribution, in_place, view }| Target {
                value,
                index,
                contribution,
                in_place,
                view,
            },
        ));
        self.plan.steps.push(Step {
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
    /// from its own step.
    fn operand(&mut self, value: u32, task: u32) -> Operand {
        if value == NONE {
            return Operand::ABSENT;
        }
        let producer = self.steps.producer[value as usize];
        let from = self.task_of.get(producer as usize).copied();
        // From a step of its own task, or, for values of the whole batch, from those of all chunks,
        // for which it waits by signals.
        let Some(from) = from.filter(|&from| from != task) else {
            return Operand { value, slot: NONE, placed: false };
        };
        let known = &mut self.slot_of[value as usize];
        if known.0 != task {
            *known = (task, self.plan.slots as u32);
            self.plan.slots += 1;
            self.sent.push(Sent { from, edge: Edge { task, slot: known.1, value } });
            self.sender_of[from as usize] = task;
        }
        let slot = known.1;
        Operand { value, slot, placed: false }
    }

    /// Signals from tasks that must come before, but send nothing.
    fn add_signals(&mut self, group: &Group, task: u32) {
        for &step in &group.steps {
            for &before in &self.steps.list[step as usize].after {
                let from = self.task_of[before as usize];
                let known = &mut self.sender_of[from as usize];
                if from != task && *known != task {
                    *known = task;
                    let slot = self.plan.slots as u32;
                    self.plan.slots += 1;
                    self.sent.push(Sent { from, edge: Edge { task, slot, value: NONE } });
                }
            }
        }
    }

    /// The recycled storages that the task touches, and those that it writes.
    fn add_holds(
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
        for &step in &group.steps {
            let step = &self.steps.list[step as usize];
            touched.extend(step.reads().filter_map(storage_of));
            written.extend(step.writes.iter().filter_map(|write| storage_of(write.value)));
        }
        touched.extend(&written);
        for list in [&mut touched, &mut written] {
            list.sort_unstable();
            list.dedup();
        }
        for &storage in &touched {
            storages.list[storage as usize].holders += 1;
        }
        let mut add = |list: &[u32]| {
            let start = self.plan.held.len() as u32;
            self.plan.held.extend(list);
            Span { start, len: list.len() as u32 }
        };
        (add(&touched), add(&written))
    }
}

/// Sorts messages by sender and tells every task its own.
fn add_edges(plan: &mut Plan, mut sent: Vec<Sent>) {
    sent.sort_by_key(|sent| (sent.from, sent.edge.task, sent.edge.slot));
    let mut start = 0;
    for task in 0..plan.tasks.len() {
        let len = sent[start..].iter().take_while(|sent| sent.from as usize == task).count();
        plan.tasks[task].successors = Span { start: start as u32, len: len as u32 };
        if len == 0 {
            plan.sinks += 1;
        }
        start += len;
    }
    plan.edges = sent.into_iter().map(|sent| sent.edge).collect();
}
