//! What executors do with a run, part by part: fire, end, send, and report.

#![allow(clippy::inline_always)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::{BROKEN, COMMITTED, Delivery, Word, describe_panic};
use super::graph::{Edge, TaskGraph};
use super::inbox::sink_done;
use super::index::{EdgeIndex, TaskIndex};
use super::message::Slot;
use super::observer::{MessageEvent, Observer, PartEvent, WorkerChange};
use super::policy::ReadyPart;
use super::program::Program;
use super::queue::Queue;
use super::sync::Primitives;
use super::worker::Worker;
use crate::error::Result;

/// What ended with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The part alone.
    Part,
    /// Its task.
    Task,
    /// The run.
    Run,
}

/// A run as workers see it: a [`Program`] with whatever messages it has.
pub(super) trait Work<P: Primitives>: Send + Sync {
    fn graph(&self) -> &Arc<TaskGraph>;

    /// Begins a run by so many workers.
    fn begin(&self, delivery: Delivery, workers: usize);

    /// Whether its tasks may wait for something that is not a core.
    fn may_wait(&self) -> bool;

    /// Runs `part`, and what `worker` may go on with without another look into the queue.
    fn work_on(&self, part: ReadyPart, worker: &mut Worker<P>, queue: &Queue<P>);

    /// Runs all tasks in order on this thread.
    fn run_in_order(&self);

    /// The life of an actor during one run: it waits on its channel until it has fired all its tasks.
    fn act(&self, actor: usize);

    fn outcome(&self) -> Result<()>;

    /// Whether anybody wants to know what happens to workers.
    fn are_workers_observed(&self) -> bool;

    /// Tells the observer what happens to a worker now.
    fn tell_of_worker(&self, worker: usize, change: WorkerChange);

    fn waiting(&self) -> Vec<String>;

    /// Whether parts that ran may have changed what outlives the run.
    fn is_committed(&self) -> bool;

    /// Readies everything for the next run after a stall.
    fn reset(&self);
}

impl<T: Program> Work<T::Primitives> for T {
    fn graph(&self) -> &Arc<TaskGraph> {
        &self.core().graph
    }

    fn begin(&self, delivery: Delivery, workers: usize) {
        self.core().begin(delivery, workers);
    }

    fn may_wait(&self) -> bool {
        Program::may_wait(self)
    }

    fn work_on(
        &self,
        part: ReadyPart,
        worker: &mut Worker<T::Primitives>,
        queue: &Queue<T::Primitives>,
    ) {
        worker.go_on(self, part, queue);
    }

    fn run_in_order(&self) {
        let core = self.core();
        let observed = core.is_observed();
        for task in core.graph.indices() {
            let parts = core.graph.tasks[task].parts;
            let mut ended = 0;
            for part in 0..parts {
                ended = run_part(self, ReadyPart { task, part }, 0);
                core.part_done(task);
            }
            let last = ReadyPart { task, part: parts - 1 };
            let bad = end(self, last, 0);
            for edge in core.graph.edges_of(task) {
                let receiver = edge.task;
                if bad {
                    core.tasks[receiver].skip();
                }
                if observed {
                    // The last one that a task waits for has the last word.
                    core.ready_at[receiver].store(ended, Ordering::Relaxed);
                }
            }
        }
    }

    fn act(&self, actor: usize) {
        let core = self.core();
        let Some(actors) = core.actors.get() else { return };
        let fire = |task: TaskIndex| {
            for part in 0..core.graph.tasks[task].parts {
                run_part(self, ReadyPart { task, part }, actor);
                core.part_done(task);
            }
            let bad = end(self, ReadyPart { task, part: 0 }, actor);
            for number in core.graph.tasks[task].successors.range().map(EdgeIndex::new) {
                let edge = &core.graph.edges[number];
                let word = word(self, edge, bad);
                let inbox = &actors.inboxes[actors.owner[edge.task]].0;
                // Its receiving end lives as long as this one.
                let _ = inbox.send((number, word));
            }
        };
        let tasks = &actors.tasks[actor];
        let mut left = tasks.len();
        let waits_for_nothing = |task: &&TaskIndex| core.graph.tasks[**task].in_degree == 0;
        for &task in tasks.iter().filter(waits_for_nothing) {
            fire(task);
            left -= 1;
        }
        while left > 0 {
            let Ok((number, word)) = actors.inboxes[actor].1.recv() else { return };
            let edge = &core.graph.edges[number];
            if core.deliver(edge, word) {
                if core.is_observed() {
                    core.ready_at[edge.task].store(core.clock.now(), Ordering::Relaxed);
                }
                fire(edge.task);
                left -= 1;
            }
        }
    }

    fn outcome(&self) -> Result<()> {
        self.core().outcome()
    }

    fn are_workers_observed(&self) -> bool {
        self.core().are_workers_observed()
    }

    fn tell_of_worker(&self, worker: usize, change: WorkerChange) {
        self.core().tell_of_worker(worker, change);
    }

    fn waiting(&self) -> Vec<String> {
        self.core().waiting()
    }

    fn is_committed(&self) -> bool {
        self.core().is_committed()
    }

    fn reset(&self) {
        self.core().reset();
        self.forget();
    }
}

/// Runs a part of a ready task, unless something that it waits for failed. Gives back when it ended, if the run
/// is observed.
#[inline(always)] // one call of each for every part of a run
pub(super) fn run_part<T: Program>(program: &T, part: ReadyPart, worker: usize) -> u64 {
    let core = program.core();
    let task = part.task;
    if !core.may_fire(task) {
        return 0;
    }
    core.open(task);
    if !core.is_observed() {
        fire(program, part);
        return 0;
    }
    let ready = core.ready_at[task].load(Ordering::Relaxed);
    let start = core.clock.now().max(ready);
    fire(program, part);
    let end = core.clock.now().max(start);
    let event =
        PartEvent { task: task.index(), part: part.part as usize, worker, ready, start, end };
    tell(program, part, |observer| observer.part(event));
    end
}

/// The end of a part, at time `ended` if it is observed: if it was its task's last, sends the task's messages, and
/// adds the tasks that they make ready to `ready`.
#[inline(always)] // one call of each for every part of a run
pub(super) fn end_part<T: Program>(
    program: &T,
    part: ReadyPart,
    ended: u64,
    worker: usize,
    ready: &mut Vec<TaskIndex>,
) -> Ended {
    let core = program.core();
    let task = part.task;
    if !core.part_done(task) {
        return Ended::Part;
    }
    let edges = core.graph.edges_of(task);
    let bad = end(program, part, worker);
    if edges.is_empty() {
        return if sink_done(&core.sinks_left) { Ended::Run } else { Ended::Task };
    }
    // After its last message, a task touches nothing of the run but the immutable graph.
    let observed = core.is_observed();
    let mut sent = |edge: &Edge, was_last: bool| {
        if was_last {
            if observed {
                core.ready_at[edge.task].store(ended, Ordering::Relaxed);
            }
            ready.push(edge.task);
        }
    };
    if bad || core.delivers(Delivery::Channels) {
        for edge in edges {
            sent(edge, core.deliver(edge, word(program, edge, bad)));
        }
    } else {
        // The usual way, without a look at each message at what is the same for all.
        for edge in edges {
            let (inbox, slot) = (&core.tasks[edge.task], &core.slots[edge.slot]);
            let message = program.message(edge);
            let was_last = inbox.deliver(|| {
                if let Some(message) = message {
                    slot.put(message);
                }
            });
            sent(edge, was_last);
        }
    }
    Ended::Task
}

/// Ends the task of `part`, which ended last: reports the messages that it is about to send, lets go of what it
/// held, and readies its ports and counters for the next run. Says whether it failed or was skipped.
#[inline(always)] // one call of each for every part of a run
fn end<T: Program>(program: &T, part: ReadyPart, worker: usize) -> bool {
    let (core, task) = (program.core(), part.task);
    if core.messages_observed.load(Ordering::Relaxed) {
        // Before the counters are ready again: an observer that panics fails this run, and not the next.
        tell_of_messages(program, part, worker);
    }
    let bad = core.reset_task(task, T::TAKES);
    program.release(task, bad);
    bad
}

/// What a task that has ended has for one of its receivers.
#[inline(always)] // a message costs a few nanoseconds, of which a call would be one
fn word<T: Program>(program: &T, edge: &Edge, failed: bool) -> Word<T::Message> {
    if failed {
        return Word::Failed;
    }
    program.message(edge).map_or(Word::Laid, Word::Message)
}

/// Makes every call of one part; an error or a panic becomes a failure.
#[inline(always)] // one call of each for every part of a run
fn fire<T: Program>(program: &T, part: ReadyPart) {
    let mut at = 0;
    let calls = catch_unwind(AssertUnwindSafe(|| program.fire(part, &mut at)));
    match calls {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => fail(program, part, at, &cause),
        Err(panic) => fail(program, part, at, &describe_panic(panic.as_ref())),
    }
}

/// Notes a failure of one part in its call number `at`.
#[cold]
fn fail<T: Program>(program: &T, part: ReadyPart, at: usize, cause: &str) {
    let core = program.core();
    let late = core.change(BROKEN) == Err(COMMITTED);
    let failed = program.failure(part.task, at, cause, late);
    core.failures.lock().push((part.part as usize, failed));
    core.tasks[part.task].fail();
}

/// Hands something to the observer. A panic must not unwind through a worker: the run would never end.
fn tell<T: Program>(program: &T, part: ReadyPart, report: impl Fn(&dyn Observer)) {
    let core = program.core();
    let observer = core.observer.read();
    let Some(observer) = observer.as_deref() else { return };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| report(observer))) {
        if core.change(BROKEN) == Err(COMMITTED) {
            // What came out is right; half of a step would not be.
            return;
        }
        let cause = format!("the observer {}", describe_panic(panic.as_ref()));
        fail(program, part, 0, &cause);
    }
}

/// Reports the messages that a task is about to send.
fn tell_of_messages<T: Program>(program: &T, part: ReadyPart, worker: usize) {
    let core = program.core();
    let time = core.clock.now();
    let failed = core.tasks[part.task].is_bad();
    for edge in core.graph.edges_of(part.task) {
        let (from, to) = (part.task.index(), edge.task.index());
        let port = core.graph.tasks[edge.task].port(edge.slot);
        let bytes = if failed { 0 } else { program.bytes(edge) };
        let event = MessageEvent { from, to, port, bytes, worker, time };
        tell(program, part, |observer| observer.message(event));
    }
}
