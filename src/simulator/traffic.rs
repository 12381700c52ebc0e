//! Which bytes a part reads, and which of them another worker wrote last.

use std::ops::Range;

use crate::context::{Call, ParameterIndex, Phase};
use crate::flow::TaskGraph;
use crate::flow::graph::Task;
use crate::flow::index::{TaskIndex, ValueIndex};
use crate::plan::{Plan, TaskSplit};

/// Bits of a word of workers.
const WORD: usize = u64::BITS as usize;

/// What every part of a graph of tasks reads that others wrote.
#[derive(Debug)]
pub struct Traffic {
    /// By task: what it reads of others, by writer.
    reads: Vec<Vec<Read>>,
    /// By task: bytes that one of its parts writes.
    writes: Vec<f64>,
    /// By task: where its parts begin among all parts.
    first: Vec<usize>,
    /// By task: what it covers, all its parts together.
    extents: Vec<Range<f64>>,
}

/// Bytes that a task reads and another task wrote, in this step or, for parameters, in the one before.
#[derive(Clone, Copy, Debug)]
struct Read {
    writer: TaskIndex,
    bytes: f64,
    share: Share,
    /// Whether they are parameters.
    weights: bool,
}

/// What a part fetches from other workers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fetched {
    /// Parts whose results it reads.
    pub(super) parts: f64,
    /// Bytes of their activations and gradients.
    pub(super) values: f64,
    /// Bytes of parameters, and of what the optimizer keeps beside them.
    pub(super) weights: f64,
}

/// Which of a writer's bytes one part of the reader reads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Share {
    /// Those of its own items or rows.
    Same,
    /// An equal share of what each part wrote.
    Slice,
    /// All.
    All,
}

impl Traffic {
    /// Of the tensors, weights and gradients of a network.
    pub(super) fn of_plan(plan: &Plan) -> Self {
        let extents = plan.tasks.iter().map(extent).collect();
        let mut reads = reads(plan);
        for reads in &mut reads {
            reads.sort_by_key(|read| read.writer);
        }
        Self { reads, writes: writes(plan), extents, ..Self::none(plan) }
    }

    /// No part reads anything.
    pub(super) fn none(graph: &TaskGraph) -> Self {
        let tasks = graph.tasks.iter();
        let first = tasks.map(|task| task.place(0)).chain([graph.part_count()]);
        Self {
            reads: vec![Vec::new(); graph.task_count()],
            writes: vec![0.0; graph.task_count()],
            first: first.collect(),
            extents: vec![0.0..1.0; graph.task_count()],
        }
    }

    /// Every part reads each message to its task whole; `bytes` are those of the graph's messages.
    pub(super) fn of_messages(graph: &TaskGraph, bytes: &[u32]) -> Self {
        let mut traffic = Self::none(graph);
        for writer in graph.indices() {
            let bytes = &bytes[graph.tasks[writer].successors.range()];
            for (edge, &bytes) in graph.edges_of(writer).iter().zip(bytes) {
                let bytes = f64::from(bytes);
                let read = Read { writer, bytes, share: Share::All, weights: false };
                traffic.reads[edge.task].push(read);
            }
        }
        traffic
    }

    /// How many parts a task has.
    fn parts(&self, task: TaskIndex) -> u32 {
        (self.first[task.index() + 1] - self.first[task]) as u32
    }

    /// What a part covers.
    fn extent(&self, task: TaskIndex, part: u32) -> Range<f64> {
        let parts = f64::from(self.parts(task));
        let (start, end) = (f64::from(part) / parts, f64::from(part + 1) / parts);
        let Range { start: first, end: last } = self.extents[task];
        first + start * (last - first)..first + end * (last - first)
    }

    /// Nobody holds anything yet.
    pub(super) fn copies(&self, workers: usize) -> Copies {
        let words = workers.div_ceil(WORD);
        let parts = self.first.last().copied().unwrap_or(0);
        Copies { words, holders: vec![0; parts * words], written: vec![false; parts] }
    }

    /// What part `part` of `task` fetches from other workers when `worker` runs it. From then on, the worker
    /// holds copies.
    pub(super) fn fetch(
        &self,
        copies: &mut Copies,
        task: TaskIndex,
        part: u32,
        worker: usize,
    ) -> Fetched {
        let mut fetched = Fetched::default();
        for read in &self.reads[task] {
            let writer = read.writer;
            let parts = self.parts(writer);
            let each = read.bytes / f64::from(parts);
            for number in 0..parts {
                let share = self.share(read, number, task, part);
                if share > 0.0 && copies.read(self.first[writer] + number as usize, worker) {
                    fetched.parts += 1.0;
                    let bytes =
                        if read.weights { &mut fetched.weights } else { &mut fetched.values };
                    *bytes += share * each;
                }
            }
        }
        fetched
    }

    /// The bytes that a part reads, in this step, of what another wrote.
    pub(super) fn bytes_between(&self, from: (TaskIndex, u32), to: (TaskIndex, u32)) -> f64 {
        let ((writer, number), (task, part)) = (from, to);
        let each = |read: &Read| {
            read.bytes / f64::from(self.parts(writer)) * self.share(read, number, task, part)
        };
        let reads = &self.reads[task];
        let reads = &reads[reads.partition_point(|read| read.writer < writer)..];
        let of_writer = reads.iter().take_while(|read| read.writer == writer);
        of_writer.filter(|read| !read.weights).map(each).sum()
    }

    /// Which share of the bytes of a writer's part a part reads.
    fn share(&self, read: &Read, number: u32, task: TaskIndex, part: u32) -> f64 {
        match read.share {
            Share::All => 1.0,
            Share::Slice => 1.0 / f64::from(self.parts(task)),
            Share::Same => common(&self.extent(read.writer, number), &self.extent(task, part)),
        }
    }

    /// `worker` alone holds what the part wrote. Gives the bytes that others held before, in the places
    /// to which it writes.
    pub(super) fn write(
        &self,
        copies: &mut Copies,
        task: TaskIndex,
        part: u32,
        worker: usize,
    ) -> f64 {
        let is_held = copies.write(self.first[task] + part as usize, worker);
        if is_held { self.writes[task] } else { 0.0 }
    }
}

/// Which workers hold what each part wrote last.
#[derive(Debug)]
pub(super) struct Copies {
    words: usize,
    holders: Vec<u64>,
    written: Vec<bool>,
}

impl Copies {
    /// Whether what the part wrote must come from another worker.
    fn read(&mut self, part: usize, worker: usize) -> bool {
        let word = &mut self.holders[part * self.words + worker / WORD];
        let bit = 1 << (worker % WORD);
        let held = *word & bit != 0;
        *word |= bit;
        self.written[part] && !held
    }

    /// Says whether others held it.
    fn write(&mut self, part: usize, worker: usize) -> bool {
        let words = &mut self.holders[part * self.words..(part + 1) * self.words];
        words[worker / WORD] &= !(1 << (worker % WORD));
        let by_others = words.iter().any(|word| *word != 0);
        words.fill(0);
        words[worker / WORD] = 1 << (worker % WORD);
        self.written[part] = true;
        by_others
    }
}

/// What all parts of a task cover: items of the batch, or a share of all rows.
fn extent(task: &Task) -> Range<f64> {
    let first = task.items.start() as f64;
    if task.by_items { first..first + task.items.len() as f64 } else { 0.0..1.0 }
}

/// How much of `of` lies in `within`.
fn common(of: &Range<f64>, within: &Range<f64>) -> f64 {
    let length = of.end.min(within.end) - of.start.max(within.start);
    let whole = of.end - of.start;
    if whole > 0.0 { (length / whole).max(0.0) } else { 0.0 }
}

/// Bytes of a value, all contributions together.
fn bytes(plan: &Plan, value: ValueIndex, items: usize) -> f64 {
    let described = &plan.layout.values[value];
    let floats = if described.item_rows == 0 {
        described.floats * described.contributions as usize
    } else {
        items * described.item_rows * described.cols
    };
    (floats * size_of::<f32>()) as f64
}

/// The parameters whose weights a call reads.
fn weights_of<'a>(plan: &'a Plan, call: &'a Call) -> &'a [usize] {
    match call.phase {
        Phase::Summarize | Phase::Forward | Phase::Prepare | Phase::InputGrad => {
            &plan.graph.nodes[call.node].parameters
        }
        Phase::Regularize | Phase::Update => {
            let node = &plan.graph.nodes[call.node].parameters;
            let own = node.iter().position(|&it| Some(ParameterIndex::new(it)) == call.parameter);
            own.map_or(&[], |place| &node[place..=place])
        }
        _ => &[],
    }
}

fn floats(plan: &Plan, parameter: ParameterIndex) -> usize {
    plan.graph.parameters[parameter].spec.floats()
}

fn writes(plan: &Plan) -> Vec<f64> {
    let of_task = |task: TaskIndex| {
        let mut sum = 0.0;
        for call in plan.calls_of(task) {
            let targets = call.writes.of(&plan.targets).iter();
            let items = plan.tasks[task].items.len();
            sum += targets.map(|target| bytes(plan, target.value, items)).sum::<f64>();
            if call.phase == Phase::Update
                && let Some(parameter) = call.parameter
            {
                let arrays = 1 + plan.optimizer.state().len();
                sum += (arrays * floats(plan, parameter) * size_of::<f32>()) as f64;
            }
        }
        sum / f64::from(plan.tasks[task].parts)
    };
    plan.indices().map(of_task).collect()
}

fn reads(plan: &Plan) -> Vec<Vec<Read>> {
    let mut reads: Vec<Vec<Read>> = vec![Vec::new(); plan.tasks.len()];
    for writer in plan.indices() {
        for edge in plan.edges_of(writer) {
            let Some(value) = edge.value else { continue };
            let by_items = plan.layout.values[value].item_rows > 0;
            let share = match (by_items, plan.split(writer), plan.split(edge.task)) {
                (true, TaskSplit::Items, TaskSplit::Items)
                | (false, TaskSplit::Rows, TaskSplit::Rows) => Share::Same,
                (false, _, TaskSplit::Rows) => Share::Slice,
                _ => Share::All,
            };
            let bytes = bytes(plan, value, plan.tasks[writer].items.len());
            reads[edge.task].push(Read { writer, bytes, share, weights: false });
        }
    }
    // Parameters come from the updates of the step before.
    let mut update_of = vec![None; plan.graph.parameters.len()];
    for task in plan.indices() {
        for call in plan.calls_of(task) {
            if call.phase == Phase::Update
                && let Some(parameter) = call.parameter
            {
                update_of[parameter] = Some(task);
            }
        }
    }
    for (task, reads) in plan.indices().zip(&mut reads) {
        for call in plan.calls_of(task) {
            for &parameter in weights_of(plan, call) {
                let Some(writer) = update_of[parameter] else { continue };
                let floats = floats(plan, ParameterIndex::new(parameter));
                let arrays =
                    if call.phase == Phase::Update { 1 + plan.optimizer.state().len() } else { 1 };
                let bytes = (arrays * floats * size_of::<f32>()) as f64;
                let same = call.phase == Phase::Update && plan.split(task) == TaskSplit::Rows;
                let share = if same { Share::Same } else { Share::All };
                reads.push(Read { writer, bytes, share, weights: true });
            }
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use crate::simulator::Workload;
    use std::sync::Arc;

    use super::*;
    use crate::context::Mode;
    use crate::flow::FlowBuilder;
    use crate::graph::GraphBuilder;
    use crate::layers::{Dense, Tanh};
    use crate::optimizers::{Optimizer, Sgd};
    use crate::plan::PlanOptions;

    #[test]
    fn messages_of_a_flow_are_fetched_by_another_worker() {
        let mut flow = FlowBuilder::new("flow");
        let numbers = flow.node("numbers", (), |()| [1.0_f64; 4]);
        let numbers = flow.share(numbers);
        let parts = flow.split("parts", 2, numbers, |numbers, part| numbers[part.index]);
        flow.sink("result", parts);
        let flow = flow.build().unwrap();
        for traffic in [Workload::traffic(&flow), Workload::traffic(&flow.run())] {
            let mut copies = traffic.copies(2);
            let [numbers, parts] = [0, 1].map(TaskIndex::new);
            traffic.write(&mut copies, numbers, 0, 0);
            assert_eq!(traffic.fetch(&mut copies, parts, 0, 0).values, 0.0, "its own");
            assert_eq!(traffic.fetch(&mut copies, parts, 1, 1).values, 32.0);
        }
    }

    #[test]
    fn what_another_wrote_is_fetched_once_and_taken_back_by_who_writes_there_again() {
        let mut net = GraphBuilder::new("two layers");
        let x = net.input("x", [8]);
        let a = net.layer("a", Dense::new(16), [&x]);
        let b = net.layer("b", Tanh, [&a]);
        net.output(b);
        let graph = Arc::new(net.build().unwrap());
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let options = PlanOptions::plain();
        let plan = Plan::compile(&graph, Mode::Prediction, 4, &optimizer, options).unwrap();
        let task = |node: &str| plan.indices().find(|it| plan.task(it.index()).node == node);
        let [x, a, b] = ["x", "a", "b"].map(|node| task(node).unwrap());
        let traffic = plan.traffic();
        let mut copies = traffic.copies(2);
        let of_x = f64::from(4 * 8 * 4);
        assert_eq!(traffic.write(&mut copies, x, 0, 0), 0.0, "nobody had it");
        let fetch = |copies: &mut Copies, task, worker| {
            let it = traffic.fetch(copies, task, 0, worker);
            (it.parts, it.values, it.weights)
        };
        assert_eq!(fetch(&mut copies, a, 0), (0.0, 0.0, 0.0), "its own");
        assert_eq!(fetch(&mut copies, a, 1), (1.0, of_x, 0.0));
        assert_eq!(fetch(&mut copies, a, 1), (0.0, 0.0, 0.0), "it has a copy");
        assert_eq!(traffic.write(&mut copies, a, 0, 1), 0.0);
        assert_eq!(fetch(&mut copies, b, 0), (1.0, f64::from(4 * 16 * 4), 0.0));
        assert_eq!(traffic.write(&mut copies, x, 0, 0), of_x, "the other has a copy");
        assert_eq!(traffic.write(&mut copies, x, 0, 0), 0.0, "no longer");
        assert_eq!(traffic.write(&mut copies, x, 0, 1), of_x);
    }
}
