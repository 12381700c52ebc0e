//! An observer that keeps what it is told.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Execution;
use crate::executor::plan::Plan;
use crate::executor::run::{Observer, PartEvent};

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
        // One piece more, since the oldest makes room as a whole.
        let logs = (0..LOGS).map(|_| Log::new(events.saturating_add(PIECE)));
        Self { logs: logs.collect(), executions: Log::new(64 * PIECE) }
    }

    /// A recorder with room for all of the last `executions` executions of `plan`.
    pub fn of_executions(plan: &Plan, executions: usize) -> Self {
        let parts: usize = plan.tasks.iter().map(|task| task.parts as usize).sum();
        Self::keeping(parts.saturating_mul(executions))
    }

    /// Every event that is still there, by start time.
    pub fn events(&self) -> Vec<PartEvent> {
        let mut all: Vec<PartEvent> = self.logs.iter().flat_map(Log::words).map(event).collect();
        all.sort_by_key(|event| (event.start, event.task, event.part));
        all
    }

    /// The executions that are there from their first event to their last, in order.
    pub fn executions(&self) -> Vec<Execution> {
        // A log that has lost events has lost all before its first.
        let lossy = self.logs.iter().filter(|log| log.lost() > 0);
        let since =
            lossy.filter_map(|log| log.words().next().map(|words| event(words).start)).max();
        let mut executions: Vec<Execution> = self
            .executions
            .words()
            .map(|[began, ended, ..]| Execution { began, ended, events: Vec::new() })
            .filter(|execution| since.is_none_or(|since| execution.began > since))
            .collect();
        for event in self.events() {
            let after = executions.partition_point(|execution| execution.began <= event.start);
            let of = after.checked_sub(1).map(|last| &mut executions[last]);
            if let Some(execution) = of.filter(|execution| event.start <= execution.ended) {
                execution.events.push(event);
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
        for log in self.logs.iter().chain([&self.executions]) {
            log.count.store(0, Ordering::Relaxed);
        }
    }

    /// The seconds of every task of `plan`, all its parts together: the median over the executions
    /// recorded, 0 for tasks that never ran.
    pub fn task_seconds(&self, plan: &Plan) -> Vec<f64> {
        let mut runs: Vec<Vec<f64>> = vec![Vec::new(); plan.task_count()];
        for execution in self.executions() {
            let mut seconds = vec![None; plan.task_count()];
            for event in execution.events {
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

impl Observer for Recorder {
    fn part(&self, event: PartEvent) {
        let PartEvent { task, part, worker, ready, start, end } = event;
        let words = [task as u64, part as u64, worker as u64, ready, start, end];
        self.logs[worker % LOGS].push(words);
    }

    fn executed(&self, began: u64, ended: u64) {
        self.executions.push([began, ended, 0, 0, 0, 0]);
    }
}
