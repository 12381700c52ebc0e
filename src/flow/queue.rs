//! The ready parts of a run, under one lock. `idle.rs` has what workers do who find none.

mod fault;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use fault::ask;
pub(super) use fault::{Fault, call_policy};

use super::graph::TaskGraph;
use super::index::TaskIndex;
use super::observer::WorkerChange;
use super::policy::{Policy, ReadyPart};
use super::program::Program;
use super::ready_set::ReadySet;
use super::rules::{PUBLISHER_WAKES, share, takes_more};
use super::sync::{Atomic, Monitor, Primitives};
use super::work::{Ended, Work, end_part};
use super::worker::CALLER;

/// A policy under a lock, and how many parts it holds.
pub(super) struct Queue<P: Primitives> {
    pub(super) state: Padded<P::Monitor<State<P>>>,
    /// What is looked at without the lock.
    pub(super) seen: Padded<Seen<P>>,
    /// The run is over.
    pub(super) done: Padded<P::Flag>,
    /// How many workers look for parts without the lock.
    pub(super) looking: Padded<P::Counter>,
    /// How often a worker looks for work before it sleeps, where all that are awake have a core.
    pub(super) spins: usize,
    pub(super) workers: usize,
    /// How many cores there are for them.
    pub(super) cores: usize,
    /// Whether the policy is asked for, and told of, every part.
    pub(super) supervised: bool,
    /// Whether it is told the time.
    watches_clock: bool,
    /// What times are counted from.
    pub(super) made: Instant,
}

/// On cache lines of its own, so that who looks at it does not slow who writes beside it.
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

/// How the queue stands, written under the lock.
pub(super) struct Seen<P: Primitives> {
    /// Parts in the policy.
    pub(super) ready_parts: P::Number,
    /// Counts what may change a policy's answer: parts that came, went or ended.
    pub(super) changes: P::Number,
    /// How many workers may be awake.
    pub(super) active: P::Number,
}

/// What the lock protects.
pub(super) struct State<P: Primitives> {
    policy: Box<dyn Policy>,
    /// When the run began, for policies that watch the clock.
    began: Option<Instant>,
    pub(super) run: Option<Arc<dyn Work<P>>>,
    /// The run's tasks.
    graph: Option<Arc<TaskGraph>>,
    /// What the policy holds.
    ready: ReadySet,
    /// Why the policy is asked no more during this run.
    fault: Option<Fault>,
    /// Whether parts are given without it.
    taken_over: bool,
    /// Who sleeps, and has not been woken; the last one to fall asleep is woken first.
    pub(super) sleepers: Vec<usize>,
    /// How many have been woken and do not have the lock yet.
    pub(super) waking: usize,
    /// How many idle workers have found nothing since the change after which they are counted.
    pub(super) refused: usize,
    pub(super) refused_since: usize,
    /// The change after which all sleepers were last woken to look again.
    pub(super) nudged_at: Option<usize>,
    pub(super) stopping: bool,
    /// Whether the run's observer wants to know what happens to workers.
    pub(super) listens: bool,
}

/// What a worker finds when it looks for work.
pub(super) enum Found {
    Part(ReadyPart),
    /// The run is over (for the caller), or the pool is (for the others).
    End,
    /// Everybody is idle, yet the run is not over.
    Stalled,
}

pub(super) type Guard<'a, P> =
    <<P as Primitives>::Monitor<State<P>> as Monitor<State<P>>>::Guard<'a>;

impl<P: Primitives> State<P> {
    /// Calls the policy, unless it did something wrong in this run.
    fn ask<T>(&mut self, call: impl FnOnce(&mut dyn Policy) -> T) -> Option<T> {
        ask(&mut self.policy, self.began, &mut self.fault, call)
    }

    /// The part that the policy gives to `worker`, and, if it is short, up to `share` others into `taken`.
    fn pop(
        &mut self,
        worker: usize,
        share: usize,
        taken: &mut Vec<ReadyPart>,
    ) -> Option<ReadyPart> {
        if self.taken_over {
            return self.take_in_order();
        }
        let graph = self.graph.as_deref()?;
        let (mut first, mut gave) = (None, None);
        let (listens, mut stolen) = (self.listens, Vec::new());
        ask(&mut self.policy, self.began, &mut self.fault, |policy| {
            let mut seconds = 0.0;
            while first.is_none() || takes_more(taken.len(), share, seconds) {
                let Some(part) = policy.pop(worker) else { break };
                let task = graph.tasks.get(part.task.index()).filter(|task| part.part < task.parts);
                if !task.is_some_and(|task| self.ready.remove(task.place(part.part))) {
                    gave = Some(part);
                    break;
                }
                seconds += graph.part_seconds(part.task);
                if listens && let Some(from) = policy.taken_from() {
                    stolen.push((part, from));
                }
                match first {
                    None => first = Some(part),
                    Some(_) => taken.push(part),
                }
            }
        });
        if let Some(part) = gave {
            self.fault = Some(Fault::Gave(part));
        }
        for (ReadyPart { task, part }, from) in stolen {
            let (task, part) = (task.index(), part as usize);
            self.tell(worker, WorkerChange::Stole { task, part, from });
        }
        first
    }
}

impl<P: Primitives> Queue<P> {
    /// A queue for `workers` workers, who have `cores` cores and look `spins` times before they sleep.
    pub(super) fn new(policy: Box<dyn Policy>, workers: usize, cores: usize, spins: usize) -> Self {
        let (supervised, watches_clock) = (policy.supervises(), policy.watches_clock());
        let state = State {
            policy,
            began: None,
            run: None,
            graph: None,
            ready: ReadySet::default(),
            fault: None,
            taken_over: false,
            sleepers: Vec::with_capacity(workers),
            waking: 0,
            refused: 0,
            refused_since: 0,
            nudged_at: None,
            stopping: false,
            listens: false,
        };
        let number = P::Number::new;
        let seen = Seen { ready_parts: number(0), changes: number(0), active: number(workers) };
        Self {
            state: Padded(P::Monitor::new(state, workers)),
            seen: Padded(seen),
            done: Padded(P::Flag::new(true)),
            looking: Padded(P::Counter::new(0)),
            spins,
            workers,
            cores,
            supervised,
            watches_clock,
            made: Instant::now(),
        }
    }

    pub(super) fn is_supervised(&self) -> bool {
        self.supervised
    }

    /// Whether there is one worker, so that ready parts may wait outside the queue.
    pub(super) fn waits_for_nobody(&self) -> bool {
        self.workers == 1
    }

    /// Begins a run, after the policy has agreed to it.
    pub(super) fn begin(&self, run: &Arc<dyn Work<P>>) {
        let mut state = self.state.0.lock();
        self.done.0.store(false, Ordering::Relaxed);
        state.run = Some(Arc::clone(run));
        state.graph = Some(Arc::clone(run.graph()));
        state.ready.clear(run.graph().part_count());
        (state.fault, state.taken_over) = (None, false);
        state.listens = run.are_workers_observed();
        if state.listens {
            state.tell_of_all(self.workers);
        }
        state.began = self.watches_clock.then(Instant::now);
        // A policy that supervises may have parts for certain workers.
        let all = self.supervised || run.may_wait();
        let active = if all {
            self.workers
        } else {
            run.graph().useful_workers(self.workers.min(self.cores))
        };
        self.seen.0.active.store(active, Ordering::Relaxed);
        self.publish(&mut state, run.graph(), &run.graph().sources, 0);
        self.unlock_and_wake(state, CALLER, PUBLISHER_WAKES);
    }

    /// Lets go of the run that has ended. Says whether the policy did something wrong meanwhile.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state.0.lock();
        (state.run, state.graph, state.listens) = (None, None, false);
        state.fault.is_some()
    }

    /// Ends every worker but the caller.
    pub(super) fn stop(&self) {
        let mut state = self.state.0.lock();
        state.stopping = true;
        self.wake_all(&mut state, CALLER);
    }

    /// Whether no part waits, as far as can be seen without the lock.
    pub(super) fn is_empty(&self) -> bool {
        self.seen.0.ready_parts.load(Ordering::Relaxed) == 0
    }

    /// The run's last task has ended, on `worker`.
    pub(super) fn finish(&self, worker: usize) {
        self.finish_locked(self.state.0.lock(), worker);
    }

    fn finish_locked(&self, mut state: Guard<'_, P>, worker: usize) {
        self.done.0.store(true, Ordering::Release);
        let asleep = state.sleepers.iter().position(|&worker| worker == CALLER);
        if let Some(place) = asleep {
            state.sleepers.remove(place);
            state.waking += 1;
            state.tell(CALLER, WorkerChange::Notified { by: worker });
            drop(state);
            self.state.0.wake(CALLER);
        }
    }

    /// Publishes the tasks that have become ready, and gives the worker its next part, unless it has
    /// `taken` some.
    pub(super) fn publish_and_take(
        &self,
        worker: usize,
        graph: &TaskGraph,
        ready: &mut Vec<TaskIndex>,
        taken: &mut Vec<ReadyPart>,
    ) -> Option<ReadyPart> {
        let mut state = self.state.0.lock();
        self.publish(&mut state, graph, ready, worker);
        ready.clear();
        let next = if taken.is_empty() { self.take(&mut state, worker, taken) } else { None };
        self.unlock_and_wake(state, worker, PUBLISHER_WAKES);
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
        let mut state = self.state.0.lock();
        state.ask(|policy| policy.done(part, worker));
        ready.clear();
        if end_part(program, part, ended, worker, ready) == Ended::Run {
            self.finish_locked(state, worker);
            return None;
        }
        self.publish(&mut state, &program.core().graph, ready, worker);
        let next = self.take(&mut state, worker, &mut Vec::new());
        self.unlock_and_wake(state, worker, PUBLISHER_WAKES);
        next
    }

    /// Hands the parts of ready tasks to the policy.
    fn publish(&self, state: &mut State<P>, graph: &TaskGraph, ready: &[TaskIndex], worker: usize) {
        let mut parts = 0;
        for &task in ready {
            let described = &graph.tasks[task];
            for part in 0..described.parts {
                state.ready.add(described.place(part));
            }
            parts += described.parts as usize;
        }
        state.ask(|policy| {
            for &task in ready {
                for part in 0..graph.tasks[task].parts {
                    policy.push(ReadyPart { task, part }, worker);
                }
            }
        });
        // Under the lock, so that plain reads and writes of the counts do not race.
        let seen = &self.seen.0;
        seen.ready_parts.store(seen.ready_parts.load(Ordering::Relaxed) + parts, Ordering::Relaxed);
        // The end of a part is a change for a policy that supervises, even if nothing came of it.
        self.note_changes(parts.max(1));
    }

    /// Counts changes, under the lock.
    fn note_changes(&self, count: usize) {
        let changes = self.seen.0.changes.load(Ordering::Relaxed);
        self.seen.0.changes.store(changes.wrapping_add(count), Ordering::Relaxed);
    }

    /// The next part by the policy, and, if it is short, a fair share of others into `taken`.
    pub(super) fn take(
        &self,
        state: &mut State<P>,
        worker: usize,
        taken: &mut Vec<ReadyPart>,
    ) -> Option<ReadyPart> {
        let seen = &self.seen.0;
        let ready = seen.ready_parts.load(Ordering::Relaxed);
        if ready == 0 {
            return None;
        }
        let share =
            if self.supervised { 0 } else { share(ready - 1, seen.active.load(Ordering::Relaxed)) };
        let first = state.pop(worker, share, taken)?;
        let left = ready - 1 - taken.len();
        taken.reverse();
        seen.ready_parts.store(left, Ordering::Relaxed);
        self.note_changes(1 + taken.len());
        if self.supervised && left > 0 {
            // What a policy has for the others may depend on what this worker does.
            self.wake_all(state, worker);
        }
        Some(first)
    }
}
