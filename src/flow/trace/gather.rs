//! What a file says of a trace, piece by piece, and whether that can be.

use std::collections::{BTreeMap, HashSet};

use super::Execution;
use super::read::{Trace, TracedTask, wrong};
use super::recorder::task_seconds;
use crate::error::{Result, refuse};
use crate::flow::graph::{Edge, PhaseSpec, TaskGraph, Work};
use crate::flow::index::{MOST, NodeIndex, SlotIndex, TaskIndex};
use crate::flow::observer::{MessageEvent, PartEvent, WorkerChange, WorkerEvent};

/// The most workers, and the latest nanosecond, that a trace may have.
const MOST_WORKERS: usize = 1 << 14;
const LATEST: u64 = 1 << 60;

/// Nanoseconds by which clocks of two threads may differ.
const CLOCKS: u64 = 1_000_000;

static PHASES: &[PhaseSpec] = &[PhaseSpec { name: "task", stage: 0 }];

/// What has been read so far.
pub(super) struct Gathered {
    origin: String,
    /// What places in the file are: lines, or events.
    unit: &'static str,
    name: String,
    /// By number, with the place of the first row.
    tasks: BTreeMap<usize, (usize, TracedTask)>,
    /// How many parts ran, in all executions.
    rows: BTreeMap<usize, usize>,
    executions: BTreeMap<u64, Draft>,
}

/// An execution, as far as it is known.
#[derive(Default)]
struct Draft {
    span: Option<(u64, u64)>,
    /// With their places.
    events: Vec<(usize, PartEvent)>,
    messages: Vec<(usize, MessageEvent)>,
    workers: Vec<(usize, WorkerEvent)>,
}

fn check_worker(worker: usize) -> Result<(), String> {
    if worker < MOST_WORKERS {
        return Ok(());
    }
    Err(format!("worker {worker} is beyond the {MOST_WORKERS} that a trace may have"))
}

fn check_time(time: u64) -> Result<(), String> {
    if time <= LATEST { Ok(()) } else { Err(format!("{time} ns are more than 36 years")) }
}

impl Gathered {
    /// Nothing yet, from a file whose places are called so; `name` stands where the file names no graph.
    pub(super) fn new(origin: &str, unit: &'static str, name: String) -> Self {
        let (tasks, rows, executions) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { origin: origin.to_owned(), unit, name, tasks, rows, executions }
    }

    /// An execution that began and ended at these times.
    pub(super) fn execution(
        &mut self,
        number: u64,
        graph: Option<String>,
        (began, ended): (u64, u64),
    ) -> Result<(), String> {
        check_time(ended)?;
        if began > ended {
            return Err(format!("the execution ends at {ended} ns, before it begins at {began}"));
        }
        if let Some(graph) = graph {
            self.name = graph;
        }
        match self.executions.entry(number).or_default().span.replace((began, ended)) {
            None => Ok(()),
            Some(_) => Err(format!("execution {number} is there twice")),
        }
    }

    /// A part that ran.
    pub(super) fn part(
        &mut self,
        place: usize,
        execution: u64,
        task: TracedTask,
        event: PartEvent,
    ) -> Result<(), String> {
        let PartEvent { task: number, part, worker, ready, start, end } = event;
        check_worker(worker)?;
        check_time(end)?;
        if end < start {
            return Err(format!("the part ends at {end} ns, before it starts at {start}"));
        }
        if start < ready {
            return Err(format!("the part starts at {start} ns, before it is ready at {ready}"));
        }
        if part >= task.parts {
            return Err(format!(
                "it is part {part} of {}, and parts are counted from 0",
                task.parts
            ));
        }
        if let Some(later) = task.after.iter().find(|&&before| before >= number) {
            return Err(format!(
                "task {number} waits for task {later}, and tasks stand behind those that they wait for"
            ));
        }
        match self.tasks.get(&number) {
            None => drop(self.tasks.insert(number, (place, task))),
            Some((first, known)) if *known != task => {
                return Err(format!("task {number} is another than in {} {first}", self.unit));
            }
            Some(_) => {}
        }
        *self.rows.entry(number).or_default() += 1;
        self.executions.entry(execution).or_default().events.push((place, event));
        Ok(())
    }

    /// A message that was sent.
    pub(super) fn message(
        &mut self,
        place: usize,
        execution: u64,
        event: MessageEvent,
    ) -> Result<(), String> {
        check_worker(event.worker)?;
        check_time(event.time)?;
        self.executions.entry(execution).or_default().messages.push((place, event));
        Ok(())
    }

    /// What happened to a worker.
    pub(super) fn worker(
        &mut self,
        place: usize,
        execution: u64,
        event: WorkerEvent,
    ) -> Result<(), String> {
        check_worker(event.worker)?;
        if let WorkerChange::Notified { by: other } | WorkerChange::Stole { from: other, .. } =
            event.change
        {
            check_worker(other)?;
        }
        check_time(event.time)?;
        self.executions.entry(execution).or_default().workers.push((place, event));
        Ok(())
    }

    fn wrong(&self, place: usize, problem: impl Into<String>) -> crate::Error {
        wrong(&self.origin, &format!("{} {place}", self.unit), problem)
    }

    /// All of it as a trace.
    pub(super) fn finish(mut self) -> Result<Trace> {
        if self.tasks.is_empty() {
            let remedy = "record a step with --trace, or name a file that was written so";
            return Err(refuse(&self.origin, "the trace has no part", remedy));
        }
        let dense: BTreeMap<usize, usize> =
            self.tasks.keys().enumerate().map(|(place, &number)| (number, place)).collect();
        let mut tasks = Vec::with_capacity(self.tasks.len());
        let mut parts = 0;
        for (number, (place, mut task)) in std::mem::take(&mut self.tasks) {
            let ran = self.rows.get(&number).copied().unwrap_or(0);
            if ran < task.parts {
                let problem =
                    format!("task {number} has {} parts, and {ran} are there", task.parts);
                return Err(self.wrong(place, problem));
            }
            parts += task.parts;
            let mut after = Vec::with_capacity(task.after.len());
            for before in task.after {
                let Some(&known) = dense.get(&before) else {
                    let problem = format!("task {number} waits for task {before}, which never ran");
                    return Err(self.wrong(place, problem));
                };
                after.push(known);
            }
            after.sort_unstable();
            after.dedup();
            task.after = after;
            tasks.push(task);
        }
        let messages: usize = tasks.iter().map(|task| task.after.len()).sum();
        if parts.max(messages) >= MOST {
            let problem = "it has more parts or dependencies than can be told apart";
            return Err(refuse(&self.origin, problem, "record fewer steps"));
        }
        let drafts = std::mem::take(&mut self.executions);
        let executions: Vec<Execution> = drafts
            .into_iter()
            .map(|(number, draft)| self.checked(number, draft, &dense))
            .filter(|it| !matches!(it, Ok(execution) if execution.events.is_empty()))
            .collect::<Result<_>>()?;
        let seconds = task_seconds(tasks.len(), &executions);
        let graph = graph(&self.name, &tasks, &seconds);
        let bytes = bytes(&graph, &executions);
        Ok(Trace { name: self.name, tasks, executions, graph, bytes })
    }

    /// An execution whose tasks are numbered without gaps.
    fn checked(
        &self,
        number: u64,
        draft: Draft,
        dense: &BTreeMap<usize, usize>,
    ) -> Result<Execution> {
        let task = |place: usize, number: usize| {
            let known = dense.get(&number).copied();
            known.ok_or_else(|| self.wrong(place, format!("task {number} never ran")))
        };
        let Draft { span, mut events, messages, workers } = draft;
        events.sort_by_key(|(_, event)| (event.start, event.task, event.part));
        let mut seen = HashSet::new();
        let mut free: BTreeMap<usize, (u64, usize)> = BTreeMap::new();
        for &(place, event) in &events {
            let PartEvent { task, part, worker, .. } = event;
            if !seen.insert((task, part)) {
                let problem = format!("part {part} of task {task} runs twice in one execution");
                return Err(self.wrong(place, problem));
            }
            let before = free.insert(worker, (event.end, place));
            if let Some((end, other)) = before.filter(|(end, _)| *end > event.start) {
                let unit = self.unit;
                let problem = format!(
                    "worker {worker} starts a part at {} ns, while that of {unit} {other} lasts to {end}",
                    event.start
                );
                return Err(self.wrong(place, problem));
            }
        }
        let mut of_tasks = Vec::with_capacity(events.len());
        for (place, event) in events {
            of_tasks.push(PartEvent { task: task(place, event.task)?, ..event });
        }
        let mut sent = Vec::with_capacity(messages.len());
        for (place, event) in messages {
            let (from, to) = (task(place, event.from)?, task(place, event.to)?);
            sent.push(MessageEvent { from, to, ..event });
        }
        sent.sort_by_key(|message| (message.time, message.from, message.to, message.port));
        let mut changed = Vec::with_capacity(workers.len());
        for (place, mut event) in workers {
            if let WorkerChange::Stole { task: number, .. } = &mut event.change {
                *number = task(place, *number)?;
            }
            changed.push(event);
        }
        changed.sort_by_key(|event| event.time);
        let first = of_tasks.iter().map(|event| event.ready).min().unwrap_or(0);
        let last = of_tasks.iter().map(|event| event.end).max().unwrap_or(0);
        let (began, ended) = span.unwrap_or((first, last));
        if first.saturating_add(CLOCKS) < began || last > ended.saturating_add(CLOCKS) {
            let problem = format!(
                "it lasts from {began} to {ended} ns, and its parts from {first} to {last} ns"
            );
            return Err(wrong(&self.origin, &format!("execution {number}"), problem));
        }
        let (began, ended) =
            span.map_or((first, last), |(began, ended)| (began.min(first), ended.max(last)));
        Ok(Execution { began, ended, events: of_tasks, messages: sent, workers: changed })
    }
}

/// The tasks as a graph.
fn graph(name: &str, tasks: &[TracedTask], seconds: &[f64]) -> TaskGraph {
    let mut graph = TaskGraph::new(name, PHASES);
    let mut sent = Vec::new();
    for (number, (task, &seconds)) in tasks.iter().zip(seconds).enumerate() {
        graph.nodes.push(task.label.clone());
        let work = Work { node: NodeIndex::new(number), phase: 0 };
        let added = graph.add_task(work, task.parts as u32, task.after.len(), seconds);
        let slots = graph.tasks[added].slots().map(SlotIndex::new);
        let edges = task.after.iter().zip(slots).map(|(&before, slot)| {
            (TaskIndex::new(before), Edge { task: added, slot, value: None })
        });
        sent.extend(edges);
    }
    graph.connect(sent);
    graph
}

/// The bytes of every message of a graph, from the first execution that tells of some.
fn bytes(graph: &TaskGraph, executions: &[Execution]) -> Vec<u32> {
    let told = executions.iter().find(|execution| !execution.messages.is_empty());
    let mut between: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for message in told.into_iter().flat_map(|execution| &execution.messages) {
        let bytes = between.entry((message.from, message.to)).or_default();
        *bytes = bytes.saturating_add(message.bytes);
    }
    let mut all = Vec::with_capacity(graph.message_count());
    for from in graph.indices() {
        for edge in graph.edges_of(from) {
            let bytes = between.get(&(from.index(), edge.task.index())).copied().unwrap_or(0);
            all.push(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }
    all
}
