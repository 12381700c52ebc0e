//! An observer that keeps what it is told.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Execution;
use crate::flow::graph::TaskGraph;
use crate::flow::observer::{MessageEvent, Observer, PartEvent, WorkerChange, WorkerEvent};

/// How many logs there are; workers share them evenly.
const LOGS: usize = 64;

/// Events of one piece of a log, and executions that are remembered.
const PIECE: usize = 1024;

/// An [`Observer`] that keeps the last events of every worker.
///
/// Each worker writes to a log of its own (beyond 64 workers, some share), by plain stores into places
/// that nobody else writes: recording takes no lock, and no worker waits for another. A log grows piece
/// by piece to its limit; then its oldest events make room.
///
/// What was recorded is read between the executions of a run.
#[derive(Debug)]
pub struct Recorder {
    logs: Vec<Log>,
    /// By worker: the messages that it sent; none if they are not kept.
    messages: Vec<Log>,
    /// By worker: what happened to it; none if that is not kept.
    workers: Vec<Log>,
    /// How many messages, and changes of a worker, are kept of every worker, if any are.
    rooms: (usize, usize),
    /// When the last executions began and ended.
    executions: Log,
}

/// Events one after another, each in words of its own.
#[derive(Debug)]
#[repr(align(128))] // so that the counters of two logs lie in different cache lines
struct Log {
    count: AtomicUsize,
    pieces: Vec<OnceLock<Box<[Words]>>>,
}

/// Numbers of an event.
const WORDS: usize = 6;

type Words = [AtomicU64; WORDS];

impl Log {
    fn new(events: usize) -> Self {
        let pieces = events.max(1).div_ceil(PIECE);
        Self { count: AtomicUsize::new(0), pieces: (0..pieces).map(|_| OnceLock::new()).collect() }
    }

    fn push(&self, words: [u64; WORDS]) {
        let place = self.count.fetch_add(1, Ordering::Relaxed);
        let piece = self.pieces[place / PIECE % self.pieces.len()]
            .get_or_init(|| (0..PIECE).map(|_| Words::default()).collect());
        for (word, value) in piece[place % PIECE].iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Those that are still there, oldest first.
    fn words(&self) -> impl Iterator<Item = [u64; WORDS]> {
        let count = self.count.load(Ordering::Relaxed);
        // The oldest piece makes room as a whole as soon as its first place is taken.
        let room = self.pieces.len() * PIECE;
        let lost = count.saturating_sub(room).next_multiple_of(PIECE);
        (lost..count).filter_map(|place| {
            let piece = self.pieces[place / PIECE % self.pieces.len()].get()?;
            Some(std::array::from_fn(|word| piece[place % PIECE][word].load(Ordering::Relaxed)))
        })
    }

    /// How many events are no longer there.
    fn lost(&self) -> usize {
        let room = self.pieces.len() * PIECE;
        self.count.load(Ordering::Relaxed).saturating_sub(room).next_multiple_of(PIECE)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A recorder of the last million events of every worker.
    pub fn new() -> Self {
        Self::keeping(1 << 20)
    }

    /// A recorder with room for the last `events` events of every worker.
    pub fn keeping(events: usize) -> Self {
        Self {
            logs: logs(events),
            messages: Vec::new(),
            workers: Vec::new(),
            rooms: (events.saturating_mul(4), events.saturating_mul(4)),
            executions: Log::new(64 * PIECE),
        }
    }

    /// Keeps messages too.
    #[must_use]
    pub fn with_messages(mut self) -> Self {
        self.messages = logs(self.rooms.0);
        self
    }

    /// Keeps too what happens to workers.
    #[must_use]
    pub fn with_worker_events(mut self) -> Self {
        self.workers = logs(self.rooms.1);
        self
    }

    /// A recorder with room for all of the last `executions` executions of `graph`.
    pub fn of_executions(graph: &TaskGraph, executions: usize) -> Self {
        let of_all = |events: usize| events.saturating_mul(executions);
        let mut recorder = Self::keeping(of_all(graph.part_count()));
        // A policy that supervises may have every worker called, woken and parked whenever a part comes or goes.
        recorder.rooms = (of_all(graph.message_count()), of_all(6 * graph.part_count()));
        recorder
    }

    /// Every event that is still there, by start time.
    pub fn events(&self) -> Vec<PartEvent> {
        let mut all: Vec<PartEvent> = self.logs.iter().flat_map(Log::words).map(event).collect();
        all.sort_by_key(|event| (event.start, event.task, event.part));
        all
    }

    /// The executions that are there from their first event to their last, in order.
    pub fn executions(&self) -> Vec<Execution> {
        let since = [
            lost_until(&self.logs, |words| event(words).start),
            lost_until(&self.messages, |words| message(words).time),
            lost_until(&self.workers, |words| worker(words).time),
        ];
        let since = since.into_iter().flatten().max();
        let mut executions: Vec<Execution> = self
            .executions
            .words()
            .map(|[began, ended, ..]| Execution { began, ended, ..Execution::default() })
            .filter(|execution| since.is_none_or(|since| execution.began > since))
            .collect();
        for event in self.events() {
            if let Some(execution) = at(&mut executions, event.start) {
                execution.events.push(event);
            }
        }
        let messages = self.messages.iter().flat_map(Log::words);
        let mut messages: Vec<MessageEvent> = messages.map(message).collect();
        messages.sort_by_key(|message| (message.time, message.from, message.to, message.port));
        for message in messages {
            if let Some(execution) = at(&mut executions, message.time) {
                execution.messages.push(message);
            }
        }
        // In the order of time; of one moment, in the order in which each was told.
        let mut workers: Vec<WorkerEvent> =
            self.workers.iter().flat_map(Log::words).map(worker).collect();
        workers.sort_by_key(|event| event.time);
        for event in workers {
            if let Some(execution) = at(&mut executions, event.time) {
                execution.workers.push(event);
            }
        }
        executions
    }

    /// The last `count` of [`Recorder::executions`].
    pub fn last_executions(&self, count: usize) -> Vec<Execution> {
        let mut all = self.executions();
        all.split_off(all.len().saturating_sub(count))
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let logs = self.logs.iter().chain(&self.messages).chain(&self.workers);
        for log in logs.chain([&self.executions]) {
            log.count.store(0, Ordering::Relaxed);
        }
    }

    /// The seconds of every task of `graph`, all its parts together: the median over the executions
    /// recorded, 0 for tasks that never ran.
    pub fn task_seconds(&self, graph: &TaskGraph) -> Vec<f64> {
        task_seconds(graph.task_count(), &self.executions())
    }
}

/// The seconds of every task, all its parts together: the median over some executions, 0 for tasks that never ran.
pub(super) fn task_seconds(tasks: usize, executions: &[Execution]) -> Vec<f64> {
    let mut runs: Vec<Vec<f64>> = vec![Vec::new(); tasks];
    for execution in executions {
        let mut seconds = vec![None; tasks];
        for event in &execution.events {
            let sum: &mut f64 = seconds[event.task].get_or_insert(0.0);
            *sum += (event.end - event.start) as f64 * 1e-9;
        }
        for (run, seconds) in runs.iter_mut().zip(seconds) {
            run.extend(seconds);
        }
    }
    let median = |mut seconds: Vec<f64>| match seconds.len() {
        0 => 0.0,
        _ => crate::statistics::median(&mut seconds),
    };
    runs.into_iter().map(median).collect()
}

/// The execution that was under way at a time.
fn at(executions: &mut [Execution], time: u64) -> Option<&mut Execution> {
    let after = executions.partition_point(|execution| execution.began <= time);
    let of = after.checked_sub(1).map(|last| &mut executions[last]);
    of.filter(|execution| time <= execution.ended)
}

/// A log of so many events for every worker.
fn logs(events: usize) -> Vec<Log> {
    // One piece more, since the oldest makes room as a whole.
    (0..LOGS).map(|_| Log::new(events.saturating_add(PIECE))).collect()
}

/// A log that has lost events has lost all before its first: the latest time until which one of these has.
fn lost_until(logs: &[Log], time: impl Fn([u64; WORDS]) -> u64) -> Option<u64> {
    let lossy = logs.iter().filter(|log| log.lost() > 0);
    lossy.filter_map(|log| log.words().next().map(&time)).max()
}

fn message([from, to, port, bytes, worker, time]: [u64; WORDS]) -> MessageEvent {
    MessageEvent {
        from: from as usize,
        to: to as usize,
        port: port as usize,
        bytes: bytes as usize,
        worker: worker as usize,
        time,
    }
}

fn event([task, part, worker, ready, start, end]: [u64; WORDS]) -> PartEvent {
    PartEvent {
        task: task as usize,
        part: part as usize,
        worker: worker as usize,
        ready,
        start,
        end,
    }
}

fn worker([worker, time, change, a, b, c]: [u64; WORDS]) -> WorkerEvent {
    let [a, b, c] = [a, b, c].map(|number| number as usize);
    let change = match change {
        0 => WorkerChange::Awake,
        1 => WorkerChange::Parked,
        2 => WorkerChange::Notified { by: a },
        _ => WorkerChange::Stole { task: a, part: b, from: c },
    };
    WorkerEvent { worker: worker as usize, change, time }
}

impl Observer for Recorder {
    fn part(&self, event: PartEvent) {
        let PartEvent { task, part, worker, ready, start, end } = event;
        let words = [task as u64, part as u64, worker as u64, ready, start, end];
        self.logs[worker % LOGS].push(words);
    }

    fn message(&self, event: MessageEvent) {
        let MessageEvent { from, to, port, bytes, worker, time } = event;
        let words = [from as u64, to as u64, port as u64, bytes as u64, worker as u64, time];
        if let Some(log) = self.messages.get(worker % LOGS) {
            log.push(words);
        }
    }

    fn wants_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    fn worker(&self, event: WorkerEvent) {
        let (change, a, b, c) = match event.change {
            WorkerChange::Awake => (0, 0, 0, 0),
            WorkerChange::Parked => (1, 0, 0, 0),
            WorkerChange::Notified { by } => (2, by, 0, 0),
            WorkerChange::Stole { task, part, from } => (3, task, part, from),
        };
        if let Some(log) = self.workers.get(event.worker % LOGS) {
            let [a, b, c] = [a, b, c].map(|number| number as u64);
            log.push([event.worker as u64, event.time, change, a, b, c]);
        }
    }

    fn wants_workers(&self) -> bool {
        !self.workers.is_empty()
    }

    fn executed(&self, began: u64, ended: u64) {
        self.executions.push([began, ended, 0, 0, 0, 0]);
    }
}
