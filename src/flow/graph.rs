//! Graphs of tasks: what there is to do, and who waits for whom. They say nothing of what a task computes.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::index::{
    BufferIndex, ChunkIndex, MOST, NodeIndex, SlotIndex, Span, StateIndex, TaskIndex, ValueIndex,
};

/// One unit that the scheduler orders: it fires when a message has come to each of its ports.
///
/// It takes a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Task {
    /// What it does: nodes and phases, in [`TaskGraph::work`].
    pub(crate) work: Span<Work>,
    /// Into how many parts it is divided, which may run at the same time.
    pub(crate) parts: u32,
    /// How many parts the tasks before it have.
    pub(crate) first_part: u32,
    /// Messages that it waits for; its ports are the slots `first_slot..first_slot + in_degree`.
    pub(crate) in_degree: u32,
    pub(crate) first_slot: SlotIndex,
    /// The messages that it sends, in [`TaskGraph::edges`].
    pub(crate) successors: Span<Edge>,
    /// Where the work comes in chunks one after another: the chunk that it belongs to; the number of
    /// chunks, if it goes over all.
    pub(crate) chunk: ChunkIndex,
    /// The items that it works on, where there are any.
    pub(crate) items: Span<Item>,
    /// Whether nobody has said what it costs.
    pub(crate) unknown_cost: bool,
    /// Whether its parts are ranges of these, as those of other such tasks.
    pub(crate) by_items: bool,
    /// The buffers that it reads or writes, in [`BufferUse::list`].
    pub(crate) buffers: Span<BufferIndex>,
    /// Those that must exist before its parts run.
    pub(crate) acquires: Span<BufferIndex>,
}

impl Task {
    /// The slot of its port number `port`.
    #[inline]
    pub(crate) fn slot(&self, port: usize) -> SlotIndex {
        self.first_slot.plus(port as u32)
    }

    /// The number of its port with this slot.
    pub(crate) fn port(&self, slot: SlotIndex) -> usize {
        slot.index() - self.first_slot.index()
    }

    /// The slots of all its ports.
    #[inline]
    pub(crate) fn slots(&self) -> Range<usize> {
        let first = self.first_slot.index();
        first..first + self.in_degree as usize
    }

    /// Where its part number `part` stands among those of all tasks.
    #[inline]
    pub(crate) fn place(&self, part: u32) -> usize {
        self.first_part as usize + part as usize
    }
}

/// One of the things that a run works on alike, such as the examples of a batch. It is counted, and not kept.
#[derive(Debug)]
pub(crate) enum Item {}

/// One message: who gets it, by which port, and what travels; nothing does with a mere signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) task: TaskIndex,
    pub(crate) slot: SlotIndex,
    pub(crate) value: Option<ValueIndex>,
}

/// A node's share in a task: the node and what the task does for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) node: NodeIndex,
    /// Its place in [`TaskGraph::phases`].
    pub(crate) phase: u8,
}

/// Something that tasks do for nodes, such as `forward`.
#[derive(Debug)]
pub(crate) struct PhaseSpec {
    /// Its name in errors, traces and reports.
    pub(crate) name: &'static str,
    /// Phases of a lower stage come before those of a higher one where stages are ranked apart.
    pub(crate) stage: u8,
}

/// Data that outlive a run, such as weights: which task touches which.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateUse {
    /// By task; none if no task touches any.
    pub(crate) touched: Vec<Span<StateIndex>>,
    /// What the spans point into.
    pub(crate) list: Vec<StateIndex>,
    /// By piece of data: how much it holds.
    pub(crate) sizes: Vec<usize>,
}

/// Buffers that are held from the first task that touches them to the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct BufferUse {
    /// What the spans of tasks point into.
    pub(crate) list: Vec<BufferIndex>,
    /// By buffer: its bytes, and how many tasks hold it before it is released; 0 for those that never are.
    pub(crate) bytes: Vec<usize>,
    pub(crate) holders: Vec<u32>,
}

/// A graph of tasks: acyclic, its tasks in topological order, and immutable but for what a run notes of its time.
///
/// A network's [`Plan`](crate::plan::Plan) is one with the calls that its tasks make, a
/// [`Flow`](crate::flow::Flow) one with closures, and `caudal::simulator` runs any of them in virtual time.
/// Policies see this much of what they order.
#[derive(Debug)]
pub struct TaskGraph {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// The nodes' names.
    pub(crate) nodes: Vec<String>,
    pub(crate) phases: &'static [PhaseSpec],
    pub(crate) tasks: Vec<Task>,
    pub(crate) work: Vec<Work>,
    pub(crate) edges: Vec<Edge>,
    /// How many ports all tasks have.
    pub(crate) slots: usize,
    /// Tasks that wait for nothing.
    pub(crate) sources: Vec<TaskIndex>,
    /// How many tasks nobody waits for.
    pub(crate) sinks: u32,
    /// Estimated seconds of each task.
    pub(crate) costs: Vec<f64>,
    pub(crate) state: StateUse,
    pub(crate) buffers: BufferUse,
    /// Seconds of a task whose cost nobody has said, as its last run tells; the bits of a number.
    pub(crate) typical: AtomicU64,
    /// By number of workers that there could be: how many are useful, once somebody asked.
    pub(super) widths: Mutex<Vec<(usize, usize)>>,
    /// What else tells this graph from others with the same tasks.
    pub(crate) variant: Vec<u64>,
}

/// A task as seen from outside.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskInfo<'a> {
    /// The node of the first thing that it does.
    pub node: &'a str,
    /// What it does for that.
    pub phase: &'static str,
    /// All that it does: nodes and phases, in order.
    pub work: Vec<(&'a str, &'static str)>,
    /// Into how many parts it is divided.
    pub parts: usize,
    /// How many messages it waits for.
    pub messages: usize,
    /// The tasks that wait for it.
    pub successors: Vec<usize>,
    /// Estimated seconds of all its parts.
    pub cost: f64,
}

impl TaskGraph {
    /// A graph without a task.
    pub(crate) fn new(name: impl Into<String>, phases: &'static [PhaseSpec]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: name.into(),
            nodes: Vec::new(),
            phases,
            tasks: Vec::new(),
            work: Vec::new(),
            edges: Vec::new(),
            slots: 0,
            sources: Vec::new(),
            sinks: 0,
            costs: Vec::new(),
            state: StateUse::default(),
            buffers: BufferUse::default(),
            typical: AtomicU64::new(f64::INFINITY.to_bits()),
            widths: Mutex::new(Vec::new()),
            variant: Vec::new(),
        }
    }

    /// Adds a task that does one thing for one node, with so many ports.
    pub(crate) fn add_task(
        &mut self,
        work: Work,
        parts: u32,
        ports: usize,
        seconds: f64,
    ) -> TaskIndex {
        let task = TaskIndex::new(self.tasks.len());
        self.tasks.push(Task {
            work: Span::append(&mut self.work, [work]),
            parts,
            first_part: self.next_part(),
            in_degree: ports as u32,
            first_slot: SlotIndex::new(self.slots),
            successors: Span::EMPTY,
            chunk: ChunkIndex::new(0),
            items: Span::EMPTY,
            unknown_cost: false,
            by_items: false,
            buffers: Span::EMPTY,
            acquires: Span::EMPTY,
        });
        self.slots += ports;
        self.costs.push(seconds);
        task
    }

    /// How many parts the tasks so far have, as the next task keeps it.
    ///
    /// # Panics
    /// If that many can't be told apart.
    pub(crate) fn next_part(&self) -> u32 {
        let parts = self.part_count();
        assert!(parts < MOST, "a graph of {parts} parts has more than can be told apart");
        parts as u32
    }

    /// Tells every task its messages, given with their senders.
    pub(crate) fn connect(&mut self, mut sent: Vec<(TaskIndex, Edge)>) {
        sent.sort_by_key(|(from, edge)| (*from, edge.task, edge.slot));
        let mut start = 0;
        self.sinks = 0;
        for task in self.indices() {
            let len = sent[start..].iter().take_while(|(from, _)| *from == task).count();
            self.tasks[task].successors = Span::new(start..start + len);
            self.sinks += u32::from(len == 0);
            start += len;
        }
        self.edges = sent.into_iter().map(|(_, edge)| edge).collect();
        self.sources = self.indices().filter(|&task| self.tasks[task].in_degree == 0).collect();
    }

    /// All tasks, in order.
    pub(crate) fn indices(&self) -> impl DoubleEndedIterator<Item = TaskIndex> + use<> {
        TaskIndex::below(self.tasks.len())
    }

    /// The chunk of tasks that go over all chunks: as many as there are others.
    pub(crate) fn last_chunk(&self) -> ChunkIndex {
        self.tasks.iter().map(|task| task.chunk).max().unwrap_or(ChunkIndex::new(0))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many tasks it has.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// How many parts all tasks have.
    pub fn part_count(&self) -> usize {
        self.tasks.last().map_or(0, |last| last.first_part as usize + last.parts as usize)
    }

    /// How many messages one run sends.
    pub fn message_count(&self) -> usize {
        self.edges.len()
    }

    /// Estimated seconds of every task.
    pub fn estimated_costs(&self) -> &[f64] {
        &self.costs
    }

    /// The task at `index`, described.
    pub fn task(&self, index: usize) -> TaskInfo<'_> {
        let task = &self.tasks[index];
        let work = task.work.of(&self.work).iter();
        let work: Vec<_> =
            work.map(|work| (self.nodes[work.node].as_str(), self.phase_name(*work))).collect();
        TaskInfo {
            node: work[0].0,
            phase: work[0].1,
            work,
            parts: task.parts as usize,
            messages: task.in_degree as usize,
            successors: self.successors(TaskIndex::new(index)),
            cost: self.costs[index],
        }
    }

    /// The numbers of the tasks that wait for a task, each once.
    pub(crate) fn successors(&self, task: TaskIndex) -> Vec<usize> {
        let mut successors: Vec<usize> =
            self.edges_of(task).iter().map(|edge| edge.task.index()).collect();
        successors.dedup();
        successors
    }

    /// The buffers that a task reads or writes.
    #[inline]
    pub(crate) fn buffers_of(&self, task: TaskIndex) -> &[BufferIndex] {
        self.listed(self.tasks[task].buffers)
    }

    /// The buffers that must exist before a task's parts run.
    #[inline]
    pub(crate) fn acquired_by(&self, task: TaskIndex) -> &[BufferIndex] {
        self.listed(self.tasks[task].acquires)
    }

    #[inline]
    fn listed(&self, buffers: Span<BufferIndex>) -> &[BufferIndex] {
        // Most tasks touch none.
        if buffers.is_empty() { &[] } else { buffers.of(&self.buffers.list) }
    }

    /// The messages that a task sends.
    #[inline]
    pub(crate) fn edges_of(&self, task: TaskIndex) -> &[Edge] {
        self.tasks[task].successors.of(&self.edges)
    }

    /// The first thing that a task does.
    pub(crate) fn first_work(&self, task: TaskIndex) -> Work {
        self.work[self.tasks[task].work.start()]
    }

    fn phase_name(&self, work: Work) -> &'static str {
        self.phases[work.phase as usize].name
    }

    /// The node of the first thing that a task does.
    pub(crate) fn node_of(&self, task: TaskIndex) -> NodeIndex {
        self.first_work(task).node
    }

    /// The stage of the first thing that a task does.
    pub(crate) fn stage(&self, task: TaskIndex) -> u8 {
        self.phases[self.first_work(task).phase as usize].stage
    }

    /// Node and phase of a task, as errors name it.
    pub(crate) fn task_name(&self, task: TaskIndex) -> String {
        let first = self.first_work(task);
        format!("`{}` ({})", self.nodes[first.node], self.phase_name(first))
    }

    /// What a task does: the names of all its nodes with their phases, as `conv + relu, forward`.
    pub fn task_label(&self, task: usize) -> String {
        let mut groups: Vec<(u8, Vec<&str>)> = Vec::new();
        for work in self.tasks[task].work.of(&self.work) {
            let node = self.nodes[work.node].as_str();
            match groups.last_mut() {
                Some((last, nodes)) if *last == work.phase => nodes.push(node),
                _ => groups.push((work.phase, vec![node])),
            }
        }
        let groups: Vec<String> = groups
            .into_iter()
            .map(|(phase, mut nodes)| {
                nodes.dedup();
                format!("{}, {}", nodes.join(" + "), self.phases[phase as usize].name)
            })
            .collect();
        groups.join("; ")
    }

    /// Seconds of each part of a task: estimated, or, where nobody knows, as in the last run.
    #[inline]
    pub(crate) fn part_seconds(&self, task: TaskIndex) -> f64 {
        let described = &self.tasks[task];
        if described.unknown_cost {
            return f64::from_bits(self.typical.load(Ordering::Relaxed));
        }
        self.costs[task] / f64::from(described.parts)
    }

    /// One worker at least has run all tasks in so many seconds.
    pub(crate) fn note_run(&self, seconds: f64) {
        let typical = seconds / self.tasks.len().max(1) as f64;
        self.typical.store(typical.to_bits(), Ordering::Relaxed);
    }
}
