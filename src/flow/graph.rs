//! Graphs of tasks: what there is to do, and who waits for whom. They say nothing of what a task computes.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// A range of one of a graph's flat arrays.
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

/// Stands for no task, slot or value.
pub(crate) const NONE: u32 = u32::MAX;

/// One unit that the scheduler orders: it fires when a message has come to each of its ports.
///
/// It takes a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(crate) struct Task {
    /// What it does: nodes and phases, in [`TaskGraph::work`].
    pub(crate) work: Span,
    /// Into how many parts it is divided, which may run at the same time.
    pub(crate) parts: u32,
    /// How many parts the tasks before it have.
    pub(crate) first_part: u32,
    /// Messages that it waits for; its ports are the slots `first_slot..first_slot + in_degree`.
    pub(crate) in_degree: u32,
    pub(crate) first_slot: u32,
    /// The messages that it sends, in [`TaskGraph::edges`].
    pub(crate) successors: Span,
    /// Where the work comes in chunks one after another: the chunk that it belongs to; the number of
    /// chunks, if it goes over all.
    pub(crate) chunk: u32,
    /// The items that it works on, where there are any.
    pub(crate) items: Span,
    /// Whether nobody has said what it costs.
    pub(crate) unknown_cost: bool,
    /// Whether its parts are ranges of these, as those of other such tasks.
    pub(crate) by_items: bool,
    /// The buffers that it reads or writes, in [`BufferUse::list`].
    pub(crate) buffers: Span,
    /// Those that must exist before its parts run.
    pub(crate) acquires: Span,
}

/// One message: who gets it, by which port, and what travels, as the graph's client numbers it ([`NONE`]: a
/// mere signal).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) task: u32,
    pub(crate) slot: u32,
    pub(crate) value: u32,
}

/// A node's share in a task: the node and what the task does for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) node: u32,
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
    pub(crate) touched: Vec<Span>,
    /// What the spans point into.
    pub(crate) list: Vec<u32>,
    /// By piece of data: how much it holds.
    pub(crate) sizes: Vec<usize>,
}

/// Buffers that are held from the first task that touches them to the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct BufferUse {
    /// What the spans of tasks point into.
    pub(crate) list: Vec<u32>,
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
    pub(crate) sources: Vec<u32>,
    /// How many tasks nobody waits for.
    pub(crate) sinks: u32,
    /// Estimated seconds of each task.
    pub(crate) costs: Vec<f64>,
    pub(crate) state: StateUse,
    pub(crate) buffers: BufferUse,
    /// Seconds of a task whose cost nobody has said, as its last run tells; the bits of a number.
    pub(crate) typical: AtomicU64,
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
            variant: Vec::new(),
        }
    }

    /// Adds a task that does one thing for one node, with so many ports; gives its number.
    pub(crate) fn add_task(&mut self, work: Work, parts: u32, ports: usize, seconds: f64) -> u32 {
        let number = self.tasks.len() as u32;
        self.tasks.push(Task {
            work: Span { start: self.work.len() as u32, len: 1 },
            parts,
            first_part: self.tasks.last().map_or(0, |last| last.first_part + last.parts),
            in_degree: ports as u32,
            first_slot: self.slots as u32,
            ..Task::default()
        });
        self.work.push(work);
        self.slots += ports;
        self.costs.push(seconds);
        number
    }

    /// Tells every task its messages, given with their senders.
    pub(crate) fn connect(&mut self, mut sent: Vec<(u32, Edge)>) {
        sent.sort_by_key(|(from, edge)| (*from, edge.task, edge.slot));
        let mut start = 0;
        self.sinks = 0;
        for task in 0..self.tasks.len() {
            let len = sent[start..].iter().take_while(|(from, _)| *from as usize == task).count();
            self.tasks[task].successors = Span { start: start as u32, len: len as u32 };
            self.sinks += u32::from(len == 0);
            start += len;
        }
        self.edges = sent.into_iter().map(|(_, edge)| edge).collect();
        let numbered = self.tasks.iter().zip(0..);
        self.sources =
            numbered.filter(|(task, _)| task.in_degree == 0).map(|(_, number)| number).collect();
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
        let work: Vec<_> = self.work[task.work.range()]
            .iter()
            .map(|work| (self.nodes[work.node as usize].as_str(), self.phase_name(*work)))
            .collect();
        TaskInfo {
            node: work[0].0,
            phase: work[0].1,
            work,
            parts: task.parts as usize,
            messages: task.in_degree as usize,
            successors: self.successors(index),
            cost: self.costs[index],
        }
    }

    /// The tasks that wait for the one at `index`, each once.
    pub(crate) fn successors(&self, index: usize) -> Vec<usize> {
        let mut successors: Vec<usize> =
            self.edges_of(index).iter().map(|edge| edge.task as usize).collect();
        successors.dedup();
        successors
    }

    /// The buffers that a task reads or writes.
    #[inline]
    pub(crate) fn buffers_of(&self, task: usize) -> &[u32] {
        self.listed(self.tasks[task].buffers)
    }

    /// The buffers that must exist before a task's parts run.
    #[inline]
    pub(crate) fn acquired_by(&self, task: usize) -> &[u32] {
        self.listed(self.tasks[task].acquires)
    }

    #[inline]
    fn listed(&self, buffers: Span) -> &[u32] {
        // Most tasks touch none.
        if buffers.len == 0 { &[] } else { &self.buffers.list[buffers.range()] }
    }

    /// The messages that a task sends.
    #[inline]
    pub(crate) fn edges_of(&self, task: usize) -> &[Edge] {
        &self.edges[self.tasks[task].successors.range()]
    }

    fn phase_name(&self, work: Work) -> &'static str {
        self.phases[work.phase as usize].name
    }

    /// The node of the first thing that a task does.
    pub(crate) fn node_of(&self, task: usize) -> usize {
        self.work[self.tasks[task].work.start as usize].node as usize
    }

    /// The stage of the first thing that a task does.
    pub(crate) fn stage(&self, task: usize) -> u8 {
        let first = self.work[self.tasks[task].work.start as usize];
        self.phases[first.phase as usize].stage
    }

    /// Node and phase of a task, as errors name it.
    pub(crate) fn task_name(&self, task: usize) -> String {
        let first = self.work[self.tasks[task].work.start as usize];
        format!("`{}` ({})", self.nodes[first.node as usize], self.phase_name(first))
    }

    /// What a task does: the names of all its nodes with their phases, as `conv + relu, forward`.
    pub fn task_label(&self, task: usize) -> String {
        let mut groups: Vec<(u8, Vec<&str>)> = Vec::new();
        for work in &self.work[self.tasks[task].work.range()] {
            let node = self.nodes[work.node as usize].as_str();
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
    pub(crate) fn part_seconds(&self, task: usize) -> f64 {
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

    /// What tells whether two graphs have the same tasks: 16 hexadecimal digits of a SHA-256 over the work,
    /// parts and messages of every task. Graphs of equal fingerprints can follow the same schedule.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut numbers = self.variant.clone();
        numbers.push(self.tasks.len() as u64);
        for task in &self.tasks {
            let counts = [task.parts, task.items.start, task.items.len, task.in_degree];
            let lengths = [task.work.len, task.successors.len];
            numbers.extend(counts.into_iter().chain(lengths).map(u64::from));
        }
        numbers.extend(self.edges.iter().map(|edge| u64::from(edge.task)));
        for work in &self.work {
            let name = &self.nodes[work.node as usize];
            numbers.extend([u64::from(work.phase), name.len() as u64]);
            hash.update(name);
        }
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        let digits = hash.finalize();
        digits[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Upward ranks over the given seconds a task: the longest way from a task's start to the end
    /// of the run (Topcuoglu, Hariri and Wu 2002, without communication costs).
    pub fn upward_ranks(&self, costs: &[f64]) -> Vec<f64> {
        self.ranks_within(costs, |_| 0).into_iter().map(|(_, rank)| rank).collect()
    }

    /// By task: its group, and the longest way from its start to the end of that.
    pub(crate) fn ranks_within(
        &self,
        costs: &[f64],
        group: impl Fn(usize) -> u8,
    ) -> Vec<(u8, f64)> {
        let mut ranks = vec![(0, 0.0); self.tasks.len()];
        for task in (0..ranks.len()).rev() {
            let own = group(task);
            let tail = self
                .edges_of(task)
                .iter()
                .map(|edge| ranks[edge.task as usize])
                .filter(|&(theirs, _)| theirs == own)
                .fold(0.0, |longest: f64, (_, rank)| longest.max(rank));
            ranks[task] = (own, costs[task] + tail);
        }
        ranks
    }

    /// The tasks along the longest way through the graph, first to last, and its length in seconds,
    /// given the seconds of every task.
    pub fn critical_path(&self, costs: &[f64]) -> (Vec<usize>, f64) {
        let ranks = self.upward_ranks(costs);
        let longest = |tasks: &mut dyn Iterator<Item = usize>| {
            tasks.fold(None, |best: Option<usize>, task| match best {
                Some(other) if ranks[other] >= ranks[task] => Some(other),
                _ => Some(task),
            })
        };
        let mut path = Vec::new();
        let mut next = longest(&mut self.sources.iter().map(|&task| task as usize));
        let length = next.map_or(0.0, |task| ranks[task]);
        while let Some(task) = next {
            path.push(task);
            next = longest(&mut self.edges_of(task).iter().map(|edge| edge.task as usize));
        }
        (path, length)
    }
}
