//! What a run's tasks share: inboxes, counters, buffers and failures.
//!
//! Nothing is rebuilt between steps: whoever completes a task resets its counters and slots, so that
//! the run is ready for the next step when the last task is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::context::describe_panic;
use super::inbox::{self, FAILED, Inbox, SIGNAL};
use super::memory::{Hold, Parameters, Recycler};
use super::plan::{Mode, NONE, Operand, Phase, Place, Plan, Value};
use crate::error::{Error, Failure, Result};
use crate::graph::NodeId;
use crate::kernels::Buffer;
use crate::tensor::describe_shape;

use super::run::{CancelToken, Observer, PartEvent};
use super::stopwatch::Stopwatch;

/// How a run stands; from [`RUNNING`] to one of the others, once.
const RUNNING: u8 = 0;
const COMMITTED: u8 = 1;
const CANCELLED: u8 = 2;
const BROKEN: u8 = 3;

pub(super) struct RunState {
    pub(super) plan: Arc<Plan>,
    pub(super) parameters: Arc<Parameters>,
    tasks: Vec<Inbox>,
    /// One place for every message: null until it has come.
    pub(super) slots: Vec<AtomicPtr<f32>>,
    /// Where each storage starts; null while a recycled one is not held.
    bases: Vec<AtomicPtr<f32>>,
    /// The buffer of each recycled storage.
    buffers: Vec<AtomicU32>,
    holders: Vec<AtomicU32>,
    pub(super) recycler: Recycler,
    /// Where the fixed storages live; reached through `bases`.
    _arena: Buffer,
    sinks_left: AtomicU32,
    standing: AtomicU8,
    /// Whether operands come by message; the sequential executor has none.
    by_message: AtomicBool,
    failures: Mutex<Vec<(NodeId, Phase, usize, Failure)>>,
    pub(super) step: AtomicU64,
    pub(super) seed: AtomicU64,
    pub(super) observed: AtomicBool,
    pub(super) observer: RwLock<Option<Arc<dyn Observer>>>,
    ready_at: Vec<AtomicU64>,
    /// When the execution began, where it is observed.
    began: AtomicU64,
    pub(super) cancel: CancelToken,
    clock: Stopwatch,
}

impl std::fmt::Debug for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RunState(of {} tasks)", self.tasks.len())
    }
}

impl RunState {
    /// Everything as it is before the first step.
    pub(super) fn new(plan: Arc<Plan>, parameters: Arc<Parameters>) -> Self {
        let arena = Buffer::zeroed(plan.arena_floats);
        let bases = plan.storages.iter().map(|storage| {
            AtomicPtr::new(match storage.place {
                Place::Arena(offset) => arena.pointer().wrapping_add(offset),
                Place::Recycled => std::ptr::null_mut(),
            })
        });
        Self {
            bases: bases.collect(),
            tasks: plan.tasks.iter().map(|task| Inbox::new(task.in_degree, task.parts)).collect(),
            slots: (0..plan.slots).map(|_| AtomicPtr::default()).collect(),
            buffers: plan.storages.iter().map(|_| AtomicU32::new(NONE)).collect(),
            holders: plan.storages.iter().map(|it| AtomicU32::new(it.holders)).collect(),
            recycler: Recycler::default(),
            _arena: arena,
            sinks_left: AtomicU32::new(plan.sinks),
            standing: AtomicU8::new(RUNNING),
            by_message: AtomicBool::new(true),
            failures: Mutex::new(Vec::new()),
            step: AtomicU64::new(0),
            seed: AtomicU64::new(0),
            observed: AtomicBool::new(false),
            observer: RwLock::new(None),
            ready_at: plan.tasks.iter().map(|_| AtomicU64::new(0)).collect(),
            began: AtomicU64::new(0),
            cancel: CancelToken::new(),
            clock: Stopwatch::default(),
            plan,
            parameters,
        }
    }

    /// Begins an execution, which lasts as long as what it gives back is held.
    pub(super) fn begin(&self, by_message: bool) -> Hold<'_> {
        let hold = self.parameters.hold(self.plan.mode == Mode::Training);
        self.by_message.store(by_message, Ordering::Relaxed);
        self.standing.store(RUNNING, Ordering::Relaxed);
        self.sinks_left.store(self.plan.sinks, Ordering::Relaxed);
        if self.observed.load(Ordering::Relaxed) {
            let now = self.clock.now();
            self.began.store(now, Ordering::Relaxed);
            for &task in &self.plan.sources {
                self.ready_at[task as usize].store(now, Ordering::Relaxed);
            }
        }
        hold
    }

    /// What the run came to, once its last task is done.
    pub(super) fn outcome(&self) -> Result<()> {
        if self.observed.load(Ordering::Relaxed) {
            let (began, ended) = (self.began.load(Ordering::Relaxed), self.clock.now());
            if let Some(observer) = self.observer.read().as_deref() {
                // What ran has run.
                drop(catch_unwind(AssertUnwindSafe(|| observer.executed(began, ended))));
            }
        }
        let mut failures = std::mem::take(&mut *self.failures.lock());
        failures.sort_by_key(|(node, phase, part, _)| (*node, *phase, *part));
        failures.dedup_by_key(|(node, phase, _, _)| (*node, *phase));
        if !failures.is_empty() {
            return Err(Error::Run(failures.into_iter().map(|(_, _, _, it)| it).collect()));
        }
        if self.standing.load(Ordering::Acquire) == CANCELLED {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// The time now, if the run is observed.
    pub(super) fn time(&self) -> u64 {
        if self.observed.load(Ordering::Relaxed) { self.clock.now() } else { 0 }
    }

    /// Where a value's storage starts.
    pub(super) fn base(&self, value: u32) -> *mut f32 {
        let storage = self.plan.values[value as usize].storage;
        self.bases[storage as usize].load(Ordering::Relaxed)
    }

    /// Where an operand's storage starts: what its message says, or, without messages and within
    /// one task, what the run knows.
    pub(super) fn base_of(&self, operand: Operand) -> *mut f32 {
        if operand.slot != NONE && self.by_message.load(Ordering::Relaxed) {
            self.slots[operand.slot as usize].load(Ordering::Relaxed)
        } else {
            self.base(operand.value)
        }
    }

    pub(super) fn value(&self, value: u32) -> &Value {
        &self.plan.values[value as usize]
    }

    /// Runs one part of a ready task, unless something that it waits for failed. Gives back when it
    /// ended, if the run is observed.
    pub(super) fn run_part(&self, task: usize, part: u32, worker: usize) -> u64 {
        if self.tasks[task].is_skipped() {
            return 0;
        }
        if self.is_cancelled() {
            self.tasks[task].skip();
            return 0;
        }
        for &storage in &self.plan.held[self.plan.tasks[task].acquires.range()] {
            self.acquire(storage as usize);
        }
        let observed = self.observed.load(Ordering::Relaxed);
        if !observed {
            self.compute(task, part);
            return 0;
        }
        let ready = self.ready_at[task].load(Ordering::Relaxed);
        let start = self.clock.now().max(ready);
        self.compute(task, part);
        let end = self.clock.now().max(start);
        let event = PartEvent { task, part: part as usize, worker, ready, start, end };
        if let Some(observer) = self.observer.read().as_deref() {
            self.tell(observer, event);
        }
        end
    }

    /// Hands an event to the observer. A panic must not unwind through a worker: the run would never
    /// end.
    fn tell(&self, observer: &dyn Observer, event: PartEvent) {
        let told = catch_unwind(AssertUnwindSafe(|| observer.part(event)));
        if let Err(panic) = told {
            let change = self.standing.compare_exchange(
                RUNNING,
                BROKEN,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            if change == Err(COMMITTED) {
                // The numbers are right; half of a step would not be.
                return;
            }
            let step = self.plan.tasks[event.task].steps.start as usize;
            let cause = format!("the observer {}", describe_panic(panic.as_ref()));
            self.fail(event.task, event.part as u32, step, &cause);
        }
    }

    /// Whether the run stops here because somebody asked for it.
    fn is_cancelled(&self) -> bool {
        if !self.cancel.is_cancelled() {
            return false;
        }
        let change =
            self.standing.compare_exchange(RUNNING, CANCELLED, Ordering::AcqRel, Ordering::Acquire);
        matches!(change, Ok(_) | Err(CANCELLED))
    }

    /// Passes the point after which parameters move.
    pub(super) fn commit(&self, task: usize) {
        let change =
            self.standing.compare_exchange(RUNNING, COMMITTED, Ordering::AcqRel, Ordering::Acquire);
        if change.is_err() {
            self.tasks[task].fail();
        }
    }

    /// Notes a failure of one part.
    pub(super) fn fail(&self, task: usize, part: u32, step: usize, cause: &str) {
        let plan = &self.plan;
        let step = &plan.steps[step];
        let node = &plan.graph.nodes[step.node as usize];
        let change =
            self.standing.compare_exchange(RUNNING, BROKEN, Ordering::AcqRel, Ordering::Acquire);
        // An optimizer that can fail has a copy of the weights taken before the step.
        let expected = step.phase == Phase::Update && plan.optimizer.can_fail();
        let late = if change == Err(COMMITTED) && !expected {
            "; this is declared not to fail in this phase, so parameters may have moved already"
        } else {
            ""
        };
        let shapes: Vec<String> = node
            .inputs
            .iter()
            .map(|&input| &plan.graph.nodes[input].shape)
            .chain([&node.shape])
            .map(|shape| describe_shape(&[&[plan.batch], shape.as_slice()].concat()))
            .collect();
        let (output, inputs) = shapes.split_last().map_or(("", &[][..]), |(o, i)| (o.as_str(), i));
        let failure = Failure {
            node: node.name.clone(),
            phase: step.phase.name(),
            shapes: format!("{} -> {output}", inputs.join(", ")).trim_start().to_owned(),
            cause: format!("{cause}{late}"),
        };
        self.failures.lock().push((step.node as usize, step.phase, part as usize, failure));
        self.tasks[task].fail();
    }

    /// Whether that was the task's last part.
    pub(super) fn part_done(&self, task: usize) -> bool {
        self.tasks[task].part_done(self.plan.tasks[task].parts)
    }

    fn acquire(&self, storage: usize) {
        if !self.bases[storage].load(Ordering::Acquire).is_null() {
            return;
        }
        let (number, start) = self.recycler.take(self.plan.storages[storage].floats);
        // Parts of one task, or inputs of one concat, may want the same storage at once: one of
        // them wins, the others give theirs back.
        let change = self.bases[storage].compare_exchange(
            std::ptr::null_mut(),
            start,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match change {
            Ok(_) => self.buffers[storage].store(number, Ordering::Release),
            Err(_) => self.recycler.give_back(number),
        }
    }

    /// Lets go of what the task held, and readies its counters for the next step.
    fn release(&self, task: usize) -> bool {
        let plan = &self.plan;
        let described = &plan.tasks[task];
        for &storage in &plan.held[described.holds.range()] {
            let storage = storage as usize;
            // AcqRel: whoever comes last sees that all others are done with the numbers.
            if self.holders[storage].fetch_sub(1, Ordering::AcqRel) == 1 {
                self.holders[storage].store(plan.storages[storage].holders, Ordering::Relaxed);
                let base = self.bases[storage].swap(std::ptr::null_mut(), Ordering::AcqRel);
                if !base.is_null() {
                    self.recycler.give_back(self.buffers[storage].load(Ordering::Acquire));
                }
            }
        }
        self.tasks[task].reset(described.in_degree, described.parts)
    }

    /// Ends a task without messages, at time `now` if it is observed: those who wait for it come later in
    /// the order anyway.
    pub(super) fn complete_in_order(&self, task: usize, now: u64) {
        let edges = &self.plan.edges[self.plan.tasks[task].successors.range()];
        if self.release(task) {
            for edge in edges {
                self.tasks[edge.task as usize].skip();
            }
        }
        if self.observed.load(Ordering::Relaxed) {
            // The last one that a task waits for has the last word.
            for edge in edges {
                self.ready_at[edge.task as usize].store(now, Ordering::Relaxed);
            }
        }
    }

    /// Ends a task: hands each of its messages to `send`. Says whether it was the run's last.
    pub(super) fn complete(&self, task: usize, mut send: impl FnMut(Message)) -> bool {
        let described = &self.plan.tasks[task];
        // What the messages carry must be read before buffers go.
        let first = described.first_slot as usize;
        inbox::empty(&self.slots[first..first + described.in_degree as usize]);
        let edges = &self.plan.edges[described.successors.range()];
        let bad = self.release(task);
        for edge in edges {
            let tensor = match edge.value {
                _ if bad => FAILED,
                NONE => SIGNAL,
                // Whoever receives the value holds its storage, so it is still there.
                value => self.base(value),
            };
            send(Message { task: edge.task, slot: edge.slot, tensor });
        }
        edges.is_empty() && inbox::sink_done(&self.sinks_left)
    }

    /// Hands a message to its receiver. Says whether it was the last one missing; an observed task has
    /// been ready since `now`, the end of the part that completed the sender.
    pub(super) fn deliver(&self, message: Message, now: u64) -> bool {
        let slot = &self.slots[message.slot as usize];
        let ready = self.tasks[message.task as usize].deliver(slot, message.tensor);
        if ready && self.observed.load(Ordering::Relaxed) {
            self.ready_at[message.task as usize].store(now, Ordering::Relaxed);
        }
        ready
    }

    /// Readies everything for the next step after a stall, when no task is under way: what
    /// [`RunState::complete`] does task by task where all of them end. Says whether parameters had begun to
    /// move.
    pub(super) fn reset(&self) -> bool {
        let plan = &self.plan;
        for (state, task) in self.tasks.iter().zip(&plan.tasks) {
            state.reset(task.in_degree, task.parts);
        }
        inbox::empty(&self.slots);
        for (storage, described) in plan.storages.iter().enumerate() {
            self.holders[storage].store(described.holders, Ordering::Relaxed);
            if described.place == Place::Recycled {
                let base = self.bases[storage].swap(std::ptr::null_mut(), Ordering::AcqRel);
                if !base.is_null() {
                    self.recycler.give_back(self.buffers[storage].load(Ordering::Acquire));
                }
            }
        }
        self.failures.lock().clear();
        self.standing.load(Ordering::Acquire) == COMMITTED
    }
}

/// A tensor on its way to one task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) task: u32,
    pub(super) slot: u32,
    tensor: *mut f32,
}

// SAFETY: the pointer is a handle to a storage that the receiver's task holds until it is done; what
// may be read or written through it, and when, is the plan's order.
unsafe impl Send for Message {}
