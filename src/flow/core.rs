//! The engine's half of a run: inboxes, counters, failures, and how the run stands.
//!
//! Nothing is rebuilt between runs: whoever completes a task resets its counters and ports, so that all is
//! ready for the next run when the last task is done.

#![allow(clippy::inline_always)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::{Mutex, RwLock};

use super::graph::{Edge, TaskGraph};
use super::inbox::Inbox;
use super::index::{EdgeIndex, NodeIndex, SlotIndex, TaskIndex};
use super::message::{Message, Slot};
use super::observer::{CancelToken, Observer};
use super::stopwatch::Stopwatch;
use super::sync::{Atomic, Channel, Monitor, Native, Primitives};
use crate::error::{Error, Failure, Result};

/// How a run stands; from [`RUNNING`] to one of the others, once.
const RUNNING: u8 = 0;
pub(super) const COMMITTED: u8 = 1;
const CANCELLED: u8 = 2;
pub(super) const BROKEN: u8 = 3;

/// How messages get to the tasks that wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Delivery {
    /// Into a slot for each port.
    Slots,
    /// Through a bounded channel of the task, as deep as it has ports; who fires it takes them out.
    Channels,
    /// Through a channel of the node, which its thread reads.
    Actors,
    /// Tasks run in order. Only messages that carry more than a handle are laid down.
    InOrder,
}

/// What a sender has for a receiver.
pub(super) enum Word<M> {
    /// A message.
    Message(M),
    /// Its message lies there already.
    Laid,
    /// None: the sender failed.
    Failed,
}

/// Word on its way to an actor, with the edge.
pub(super) type Letter<M> = (EdgeIndex, Word<M>);

/// Both ends of an actor's channel.
pub(super) type ActorInbox<M> = (Sender<Letter<M>>, Receiver<Letter<M>>);

/// The channels of nodes that have a thread each.
pub(super) struct Actors<M> {
    /// By actor: its tasks.
    pub(super) tasks: Vec<Vec<TaskIndex>>,
    /// By task: the actor.
    pub(super) owner: Vec<usize>,
    /// By actor: room for all messages that it gets in a run, so that sending never blocks.
    pub(super) inboxes: Vec<ActorInbox<M>>,
}

/// A failure, with what it is sorted by.
pub(crate) struct Failed {
    pub(crate) node: NodeIndex,
    pub(crate) phase: u8,
    pub(crate) failure: Failure,
}

/// What the tasks of a run share.
pub(crate) struct Core<M: Message, P: Primitives = Native> {
    pub(super) graph: Arc<TaskGraph>,
    pub(super) tasks: Vec<Inbox<P>>,
    /// By port: a place for its message.
    pub(super) slots: Vec<M::Slot>,
    /// By task: its channel, made when the first run asks for them.
    channels: OnceLock<Vec<P::Channel<(SlotIndex, M)>>>,
    /// By task: held by the part that takes the messages out of the channel.
    opening: OnceLock<Vec<P::Monitor<()>>>,
    pub(super) actors: OnceLock<Actors<M>>,
    delivery: AtomicU8,
    /// Whether the run has several workers.
    shared: AtomicBool,
    pub(super) sinks_left: P::Counter,
    standing: AtomicU8,
    pub(super) failures: Mutex<Vec<(usize, Failed)>>,
    observed: AtomicBool,
    pub(super) messages_observed: AtomicBool,
    pub(super) workers_observed: AtomicBool,
    pub(super) observer: RwLock<Option<Arc<dyn Observer>>>,
    pub(super) ready_at: Vec<AtomicU64>,
    /// When the execution began, where it is observed.
    began: AtomicU64,
    cancel: CancelToken,
    pub(super) clock: Stopwatch,
}

impl<M: Message, P: Primitives> Core<M, P> {
    /// Everything as it is before the first run of `graph`.
    pub(crate) fn new(graph: Arc<TaskGraph>) -> Self {
        Self {
            tasks: graph.tasks.iter().map(|task| Inbox::new(task.in_degree, task.parts)).collect(),
            slots: (0..graph.slots).map(|_| M::Slot::new()).collect(),
            channels: OnceLock::new(),
            opening: OnceLock::new(),
            actors: OnceLock::new(),
            delivery: AtomicU8::new(Delivery::Slots as u8),
            shared: AtomicBool::new(false),
            sinks_left: P::Counter::new(graph.sinks),
            standing: AtomicU8::new(RUNNING),
            failures: Mutex::new(Vec::new()),
            observed: AtomicBool::new(false),
            messages_observed: AtomicBool::new(false),
            workers_observed: AtomicBool::new(false),
            observer: RwLock::new(None),
            ready_at: graph.tasks.iter().map(|_| AtomicU64::new(0)).collect(),
            began: AtomicU64::new(0),
            cancel: CancelToken::new(),
            clock: Stopwatch::default(),
            graph,
        }
    }

    /// The tasks.
    #[inline]
    pub(crate) fn graph(&self) -> &TaskGraph {
        &self.graph
    }

    /// The port's message waits here, once it has come.
    #[inline]
    pub(crate) fn slot(&self, slot: SlotIndex) -> &M::Slot {
        &self.slots[slot]
    }

    /// Whether messages travel so in this run.
    #[inline]
    pub(crate) fn delivers(&self, delivery: Delivery) -> bool {
        self.delivery.load(Ordering::Relaxed) == delivery as u8
    }

    /// What stops a run from another thread.
    pub(crate) fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Reports what happens to `observer`, or to nobody.
    pub(crate) fn observe(&self, observer: Option<Arc<dyn Observer>>) {
        self.observed.store(observer.is_some(), Ordering::Relaxed);
        let messages = observer.as_ref().is_some_and(|it| it.wants_messages());
        self.messages_observed.store(messages, Ordering::Relaxed);
        let workers = observer.as_ref().is_some_and(|it| it.wants_workers());
        self.workers_observed.store(workers, Ordering::Relaxed);
        *self.observer.write() = observer;
    }

    /// Whether anybody observes it.
    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.observed.load(Ordering::Relaxed)
    }

    /// Whether several workers share the run, so that what one has written another may have read.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// Begins a run by so many workers.
    pub(super) fn begin(&self, delivery: Delivery, workers: usize) {
        self.delivery.store(delivery as u8, Ordering::Relaxed);
        self.shared.store(workers > 1, Ordering::Relaxed);
        match delivery {
            Delivery::Channels => {
                self.channels.get_or_init(|| {
                    let tasks = self.graph.tasks.iter();
                    tasks.map(|task| P::Channel::new(task.in_degree as usize)).collect()
                });
                self.opening
                    .get_or_init(|| self.tasks.iter().map(|_| P::Monitor::new((), 0)).collect());
            }
            Delivery::Actors => {
                self.actors.get_or_init(|| Actors::new(&self.graph));
            }
            Delivery::Slots | Delivery::InOrder => {}
        }
        self.standing.store(RUNNING, Ordering::Relaxed);
        self.sinks_left.store(self.graph.sinks, Ordering::Relaxed);
        if self.is_observed() {
            let now = self.clock.now();
            self.began.store(now, Ordering::Relaxed);
            for &task in &self.graph.sources {
                self.ready_at[task].store(now, Ordering::Relaxed);
            }
        }
    }

    /// What the run came to, once its last task is done.
    pub(super) fn outcome(&self) -> Result<()> {
        if self.is_observed() {
            let (began, ended) = (self.began.load(Ordering::Relaxed), self.clock.now());
            if let Some(observer) = self.observer.read().as_deref() {
                // What ran has run.
                drop(catch_unwind(AssertUnwindSafe(|| observer.executed(began, ended))));
            }
        }
        let mut failures = std::mem::take(&mut *self.failures.lock());
        failures.sort_by_key(|(part, it)| (it.node, it.phase, *part));
        // What a node does after a phase that failed may or may not have run, by what shares its task.
        failures.dedup_by_key(|(_, it)| it.node);
        if !failures.is_empty() {
            return Err(Error::Run(failures.into_iter().map(|(_, it)| it.failure).collect()));
        }
        if self.standing.load(Ordering::Acquire) == CANCELLED {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Whether a part of a task may fire: nothing that it waits for failed, and nobody cancelled the run.
    #[inline]
    pub(super) fn may_fire(&self, task: TaskIndex) -> bool {
        if self.tasks[task].is_skipped() {
            return false;
        }
        if self.is_cancelled() {
            self.tasks[task].skip();
            return false;
        }
        true
    }

    /// Whether the run stops here because somebody asked for it.
    #[inline]
    fn is_cancelled(&self) -> bool {
        if !self.cancel.is_cancelled() {
            return false;
        }
        let change = self.change(CANCELLED);
        matches!(change, Ok(_) | Err(CANCELLED))
    }

    pub(super) fn change(&self, to: u8) -> Result<u8, u8> {
        self.standing.compare_exchange(RUNNING, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Passes the point after which the run can't be cancelled, and a failure comes too late to change
    /// nothing. The task fails if the run is broken or cancelled by then.
    pub(crate) fn commit(&self, task: TaskIndex) {
        if self.change(COMMITTED).is_err() {
            self.tasks[task].fail();
        }
    }

    /// Whether parts that ran may have changed what outlives the run.
    pub(super) fn is_committed(&self) -> bool {
        self.standing.load(Ordering::Acquire) == COMMITTED
    }

    /// Takes the messages of a task out of its channel, once for all its parts.
    #[inline(always)] // a look for every part of a run, of which a call would be the larger share
    pub(super) fn open(&self, task: TaskIndex) {
        if self.delivers(Delivery::Channels) {
            self.take_from_channel(task);
        }
    }

    #[inline(never)]
    fn take_from_channel(&self, task: TaskIndex) {
        let (Some(channels), Some(opening)) = (self.channels.get(), self.opening.get()) else {
            return;
        };
        // Another part may be at it: it has all of them when it lets go.
        let _opening = opening[task].lock();
        while let Some((slot, message)) = channels[task].receive() {
            self.slots[slot].put(message);
        }
    }

    /// Lays a message down for its receiver, for whom it counts when the sender's task has ended. Not for
    /// actors.
    #[inline(always)] // a message costs a few nanoseconds, of which a call would be one
    pub(crate) fn lay_down(&self, edge: &Edge, message: M) {
        if self.delivers(Delivery::Channels)
            && let Some(channels) = self.channels.get()
        {
            channels[edge.task].send((edge.slot, message));
        } else {
            self.slots[edge.slot].put(message);
        }
    }

    /// Hands a message to its receiver. Says whether it was the last one missing.
    #[inline]
    pub(super) fn deliver(&self, edge: &Edge, word: Word<M>) -> bool {
        let inbox = &self.tasks[edge.task];
        inbox.deliver(|| match word {
            Word::Message(message) => self.lay_down(edge, message),
            Word::Laid => {}
            Word::Failed => {
                inbox.skip();
                // A message that was laid down before is still there.
                if self.slots[edge.slot].is_empty() {
                    self.slots[edge.slot].put(M::signal());
                }
            }
        })
    }

    /// Whether that was the task's last part.
    #[inline]
    pub(super) fn part_done(&self, task: TaskIndex) -> bool {
        self.tasks[task].part_done(self.graph.tasks[task].parts)
    }

    /// Empties the task's ports, unless who fired it took all messages out, and readies its counters; says
    /// whether it failed or was skipped.
    #[inline(always)] // one call for every task of a run
    pub(super) fn reset_task(&self, task: TaskIndex, takes_all: bool) -> bool {
        let described = &self.graph.tasks[task];
        let bad = self.tasks[task].reset(described.in_degree, described.parts);
        if bad {
            // What nobody took out of the channel must not wait for the next run.
            self.open(task);
        }
        if bad || !takes_all {
            for slot in &self.slots[described.slots()] {
                slot.clear();
            }
        }
        bad
    }

    /// Readies everything for the next run after a stall, when no task is under way.
    pub(super) fn reset(&self) {
        for task in self.graph.indices() {
            self.open(task);
            self.reset_task(task, false);
        }
        self.failures.lock().clear();
    }

    /// The tasks that still wait, with the messages that they lack.
    pub(super) fn waiting(&self) -> Vec<String> {
        for task in self.graph.indices() {
            self.open(task);
        }
        super::stall::waiting(&self.graph, |slot| !self.slots[slot].is_empty())
    }
}

impl<M> Actors<M> {
    fn new(graph: &TaskGraph) -> Self {
        let (tasks, owner) = graph.tasks_by_node();
        let depth = |tasks: &Vec<TaskIndex>| {
            tasks.iter().map(|&task| graph.tasks[task].in_degree as usize).sum()
        };
        let inboxes = tasks.iter().map(|tasks| bounded(depth(tasks))).collect();
        Self { tasks, owner, inboxes }
    }
}

impl TaskGraph {
    /// By node that has tasks: these; and by task the place in that list.
    pub(super) fn tasks_by_node(&self) -> (Vec<Vec<TaskIndex>>, Vec<usize>) {
        let mut place_of = vec![None; self.nodes.len()];
        let mut tasks: Vec<Vec<TaskIndex>> = Vec::new();
        let mut owner = Vec::with_capacity(self.tasks.len());
        for task in self.indices() {
            let place = *place_of[self.node_of(task)].get_or_insert(tasks.len());
            if place == tasks.len() {
                tasks.push(Vec::new());
            }
            tasks[place].push(task);
            owner.push(place);
        }
        (tasks, owner)
    }
}

/// What a panic said.
pub(crate) fn describe_panic(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    match text {
        Some(text) => format!("panicked: {text}"),
        None => "panicked".to_owned(),
    }
}
