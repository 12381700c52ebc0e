//! The ready parts of a run, and the workers that wait for them.
//!
//! The README in this folder says why no wake-up is lost and how a stall is told from a pause.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::describe_panic;
use super::graph::TaskGraph;
use super::index::TaskIndex;
use super::policy::{Policy, ReadyPart};
use super::program::Program;
use super::ready_set::ReadySet;
use super::rules::{share, takes_more, to_wake};
use super::sync::{Atomic, Monitor, Primitives};
use super::work::{Ended, Work, end_part};
use super::worker::Worker;

/// A policy under a lock, and how many parts it holds.
pub(super) struct Queue<P: Primitives> {
    state: P::Monitor<State<P>>,
    /// Parts in the policy: looked at without the lock.
    ready_parts: P::Number,
    /// Counts what may change a policy's answer: parts that came, went or ended.
    changes: P::Number,
    done: P::Flag,
    /// How often a worker looks for work before it sleeps.
    spins: usize,
    workers: usize,
    /// Whether the policy is asked for, and told of, every part.
    supervised: bool,
}

/// What the lock protects.
struct State<P: Primitives> {
    policy: Box<dyn Policy>,
    run: Option<Arc<dyn Work<P>>>,
    /// The run's tasks.
    graph: Option<Arc<TaskGraph>>,
    /// What the policy holds.
    ready: ReadySet,
    /// Why the policy is asked no more during this run.
    fault: Option<Fault>,
    sleeping: usize,
    /// How many idle workers have found nothing since the change after which they are counted.
    refused: usize,
    refused_since: usize,
    /// The change after which all sleepers were last woken to look again.
    nudged_at: Option<usize>,
    stopping: bool,
}

/// What a policy did wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// It gave a part that it did not hold.
    Gave(ReadyPart),
    /// It panicked, with these words.
    Panicked(String),
}

/// What a worker finds when it looks for work.
pub(super) enum Found {
    Part(ReadyPart),
    /// The run is over (for the caller), or the pool is (for the others).
    End,
    /// Everybody is idle, yet the run is not over.
    Stalled,
}

type Guard<'a, P> = <<P as Primitives>::Monitor<State<P>> as Monitor<State<P>>>::Guard<'a>;

impl<P: Primitives> State<P> {
    /// Calls the policy, unless it did something wrong in this run.
    fn ask<T>(&mut self, call: impl FnOnce(&mut dyn Policy) -> T) -> Option<T> {
        if self.fault.is_some() {
            return None;
        }
        // A panic must not unwind through a worker, or the run would never end.
        match catch_unwind(AssertUnwindSafe(|| call(self.policy.as_mut()))) {
            Ok(answer) => Some(answer),
            Err(panic) => {
                self.fault = Some(Fault::Panicked(describe_panic(panic.as_ref())));
                None
            }
        }
    }

    /// The part that the policy gives to `worker`, if it holds it.
    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        let part = self.ask(|policy| policy.pop(worker)).flatten()?;
        let graph = self.graph.as_deref()?;
        if let Some(task) = graph.tasks.get(part.task.index())
            && part.part < task.parts
            && self.ready.remove(task.place(part.part))
        {
            return Some(part);
        }
        self.fault = Some(Fault::Gave(part));
        None
    }

    /// What a part is estimated at.
    fn seconds(&self, part: ReadyPart) -> f64 {
        self.graph.as_ref().map_or(0.0, |graph| graph.part_seconds(part.task))
    }
}

impl<P: Primitives> Queue<P> {
    pub(super) fn new(policy: Box<dyn Policy>, workers: usize, spins: usize) -> Self {
        let supervised = policy.supervises();
        let state = State {
            policy,
            run: None,
            graph: None,
            ready: ReadySet::default(),
            fault: None,
            sleeping: 0,
            refused: 0,
            refused_since: 0,
            nudged_at: None,
            stopping: false,
        };
        Self {
            state: P::Monitor::new(state),
            ready_parts: P::Number::new(0),
            changes: P::Number::new(0),
            done: P::Flag::new(true),
            spins,
            workers,
            supervised,
        }
    }

    pub(super) fn is_supervised(&self) -> bool {
        self.supervised
    }

    /// Calls the policy while no run is under way.
    pub(super) fn with_policy<T>(&self, call: impl FnOnce(&mut dyn Policy) -> T) -> T {
        call(self.state.lock().policy.as_mut())
    }

    /// Begins a run, after the policy has agreed to it.
    pub(super) fn begin(&self, run: &Arc<dyn Work<P>>) {
        let mut state = self.state.lock();
        self.done.store(false, Ordering::Relaxed);
        state.run = Some(Arc::clone(run));
        state.graph = Some(Arc::clone(run.graph()));
        state.ready.clear(run.graph().part_count());
        state.fault = None;
        self.publish(&mut state, run.graph(), &run.graph().sources, 0);
        self.unlock_and_wake(state);
    }

    /// Lets go of the run that has ended.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        (state.run, state.graph) = (None, None);
    }

    /// Drops what a policy still holds after a stall, so that the next run begins with nothing. Gives back
    /// what the policy did wrong, if that is known.
    pub(super) fn forget(&self) -> Option<Fault> {
        let mut state = self.state.lock();
        let fault = state.fault.take();
        for _ in 0..state.ready.parts() {
            // Whatever it gives is thrown away.
            if state.ask(|policy| policy.pop(0)).flatten().is_none() {
                break;
            }
        }
        self.ready_parts.store(0, Ordering::Relaxed);
        self.done.store(true, Ordering::Release);
        fault
    }

    /// Ends every worker but the caller.
    pub(super) fn stop(&self) {
        self.state.lock().stopping = true;
        self.state.wake_all();
    }

    /// Whether no part waits, as far as can be seen without the lock.
    pub(super) fn is_empty(&self) -> bool {
        self.ready_parts.load(Ordering::Relaxed) == 0
    }

    /// The run's last task has ended.
    pub(super) fn finish(&self) {
        self.finish_locked(self.state.lock());
    }

    fn finish_locked(&self, state: Guard<'_, P>) {
        self.done.store(true, Ordering::Release);
        let sleeping = state.sleeping;
        drop(state);
        if sleeping > 0 {
            self.state.wake_all();
        }
    }

    /// Publishes the tasks that have become ready, and gives the worker its next part, unless it has
    /// `taken` some.
    pub(super) fn publish_and_take(
        &self,
        worker: usize,
        graph: &TaskGraph,
        ready: &[TaskIndex],
        taken: &mut Vec<ReadyPart>,
    ) -> Option<ReadyPart> {
        let mut state = self.state.lock();
        self.publish(&mut state, graph, ready, worker);
        let next = if taken.is_empty() { self.take(&mut state, worker, taken) } else { None };
        self.unlock_and_wake(state);
        next
    }

    /// The end of `part`, at time `ended`, under a policy that supervises: all in one critical section, for
    /// once the end is counted, others may bring the run to its end and begin the next one, of which the
    /// policy must hear later than of this part.
    pub(super) fn end_supervised<T: Program<Primitives = P>>(
        &self,
        worker: usize,
        part: ReadyPart,
        ended: u64,
        program: &T,
        ready: &mut Vec<TaskIndex>,
    ) -> Option<ReadyPart> {
        let mut state = self.state.lock();
        state.ask(|policy| policy.done(part, worker));
        ready.clear();
        if end_part(program, part, ended, worker, ready) == Ended::Run {
            self.finish_locked(state);
            return None;
        }
        self.publish(&mut state, &program.core().graph, ready, worker);
        let next = self.take(&mut state, worker, &mut Vec::new());
        self.unlock_and_wake(state);
        next
    }

    /// Hands the parts of ready tasks to the policy.
    fn publish(&self, state: &mut State<P>, graph: &TaskGraph, ready: &[TaskIndex], worker: usize) {
        let mut parts = 0;
        for &task in ready {
            let described = &graph.tasks[task];
            let count = described.parts;
            for part in 0..count {
                state.ready.add(described.place(part));
                state.ask(|policy| policy.push(ReadyPart { task, part }, worker));
            }
            parts += count as usize;
        }
        // Under the lock, so that plain reads and writes of the counts do not race.
        self.ready_parts.store(self.ready_parts.load(Ordering::Relaxed) + parts, Ordering::Relaxed);
        self.note_change();
    }

    /// Counts a change, under the lock.
    fn note_change(&self) {
        let changes = self.changes.load(Ordering::Relaxed);
        self.changes.store(changes.wrapping_add(1), Ordering::Relaxed);
    }

    /// Lets go of the lock, and wakes at most one worker for every ready part; or everybody, where
    /// the policy may have the part for one worker only.
    fn unlock_and_wake(&self, state: Guard<'_, P>) {
        let ready = self.ready_parts.load(Ordering::Relaxed);
        let sleeping = state.sleeping;
        drop(state);
        let wake = to_wake(self.supervised, sleeping, ready);
        if self.supervised && wake > 0 {
            self.state.wake_all();
            return;
        }
        for _ in 0..wake {
            self.state.wake_one();
        }
    }

    /// The next part by the policy, and, if it is short, a fair share of others into `taken`.
    fn take(
        &self,
        state: &mut State<P>,
        worker: usize,
        taken: &mut Vec<ReadyPart>,
    ) -> Option<ReadyPart> {
        let ready = self.ready_parts.load(Ordering::Relaxed);
        if ready == 0 {
            return None;
        }
        let first = state.pop(worker)?;
        let mut left = ready - 1;
        if !self.supervised {
            let share = share(left, self.workers);
            let mut seconds = state.seconds(first);
            while takes_more(taken.len(), share, seconds) {
                let Some(part) = state.pop(worker) else { break };
                seconds += state.seconds(part);
                taken.push(part);
            }
            left -= taken.len();
            taken.reverse();
        }
        self.ready_parts.store(left, Ordering::Relaxed);
        self.note_change();
        if self.supervised && left > 0 && state.sleeping > 0 {
            // What a policy has for the others may depend on what this worker does.
            self.state.wake_all();
        }
        Some(first)
    }

    /// As [`Queue::take`], for a worker that may not know the run yet.
    fn take_idle(&self, state: &mut State<P>, worker: &mut Worker<P>) -> Option<ReadyPart> {
        let part = self.take(state, worker.number, &mut worker.taken)?;
        let known = worker.run.as_ref().zip(state.run.as_ref());
        if !known
            .is_some_and(|(known, run)| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(run)))
        {
            worker.run.clone_from(&state.run);
        }
        Some(part)
    }

    /// Looks for a part: spins first, then sleeps.
    pub(super) fn find(&self, worker: &mut Worker<P>) -> Found {
        let mut refused_at = None;
        for _ in 0..self.spins {
            let changes = self.changes.load(Ordering::Relaxed);
            if !self.is_empty() && refused_at != Some(changes) {
                let mut state = self.state.lock();
                if let Some(part) = self.take_idle(&mut state, worker) {
                    return Found::Part(part);
                }
                refused_at = Some(self.changes.load(Ordering::Relaxed));
            }
            if worker.is_caller() && self.done.load(Ordering::Acquire) {
                return Found::End;
            }
            std::hint::spin_loop();
        }
        self.park(worker)
    }

    fn park(&self, worker: &mut Worker<P>) -> Found {
        let mut state = self.state.lock();
        let mut refused_at = None;
        loop {
            if let Some(part) = self.take_idle(&mut state, worker) {
                return Found::Part(part);
            }
            let done = self.done.load(Ordering::Acquire);
            if state.stopping || (worker.is_caller() && done) {
                return Found::End;
            }
            if !done && self.is_stalled(&mut state, &mut refused_at) && worker.is_caller() {
                return Found::Stalled;
            }
            worker.run = None;
            state.sleeping += 1;
            state = self.state.sleep(state);
            state.sleeping -= 1;
        }
    }

    /// Whether nothing will ever happen again: nothing came, went or ended since every worker was
    /// refused, and who is refused runs nothing. `refused_at` is the last change at which the worker
    /// who asks, who has just been refused, was counted.
    fn is_stalled(&self, state: &mut State<P>, refused_at: &mut Option<usize>) -> bool {
        let changes = self.changes.load(Ordering::Relaxed);
        if state.refused_since != changes {
            state.refused_since = changes;
            state.refused = 0;
        }
        let counted = *refused_at != Some(changes);
        if counted {
            *refused_at = Some(changes);
            state.refused += 1;
        }
        let stalled = state.refused == self.workers;
        let nudge = state.sleeping + 1 == self.workers && state.nudged_at != Some(changes);
        if stalled && counted {
            // The caller sleeps, unless it is the one who asks, and has to see this.
            self.state.wake_all();
        } else if !stalled && nudge {
            // The others fell asleep before the last change: they look again, once.
            state.nudged_at = Some(changes);
            self.state.wake_all();
        }
        stalled
    }
}
