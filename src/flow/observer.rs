//! What can be seen of a run from outside, and what stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a run to stop; clones belong together.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that has not been used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops runs at the next task. A step whose parameters have begun to move runs to its end.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets runs go on again.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What ran where and when. Times are nanoseconds on a clock of the run's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartEvent {
    /// The task, as in [`TaskGraph::task`](super::TaskGraph::task).
    pub task: usize,
    /// The part.
    pub part: usize,
    /// The worker; the calling thread is 0.
    pub worker: usize,
    /// When the last message had come.
    pub ready: u64,
    /// When the part began.
    pub start: u64,
    /// When the part ended.
    pub end: u64,
}

/// A message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageEvent {
    /// The task that sent it.
    pub from: usize,
    /// The task that gets it.
    pub to: usize,
    /// By which of the receiver's ports, counted from 0.
    pub port: usize,
    /// Bytes of the value that it hands on: 0 for a mere signal, and for word of a failure.
    pub bytes: usize,
    /// The worker that sent it.
    pub worker: usize,
    /// When it was sent: nanoseconds on the run's clock.
    pub time: u64,
}

/// What happened to a worker of a pool, beside the parts that it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerEvent {
    /// The worker; the calling thread is 0.
    pub worker: usize,
    /// What happened to it.
    pub change: WorkerChange,
    /// When: nanoseconds on the run's clock.
    pub time: u64,
}

/// What may happen to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerChange {
    /// It is awake: it was when the execution began, or it has been woken and is about to look for a part.
    Awake,
    /// It sleeps: it did when the execution began, or it has looked for a part and found none.
    Parked,
    /// It sleeps, and another worker has called it: from here on to [`Awake`](Self::Awake) it is on its way.
    Notified {
        /// The worker that called it.
        by: usize,
    },
    /// It takes a part from the queue of another worker, under a policy that has one for each.
    Stole {
        /// The part's task.
        task: usize,
        /// The part.
        part: usize,
        /// The worker in whose queue it was.
        from: usize,
    },
}

/// Is told of every part that ran, and of messages and of what happens to workers if it wants to know of them.
pub trait Observer: Send + Sync {
    /// Called on the worker's thread after the part. A panic fails the part, unless the run has been
    /// committed, as where parameters have begun to move: that step runs to its end.
    fn part(&self, event: PartEvent);

    /// Called on the sender's thread just before it sends a message, if
    /// [`wants_messages`](Self::wants_messages) says so. A panic counts as one of the part that ended last.
    fn message(&self, _event: MessageEvent) {}

    /// Whether it is told of messages. It is asked when it begins to observe.
    fn wants_messages(&self) -> bool {
        false
    }

    /// Called when a worker of a pool parks, is called, wakes, or takes a part from another's queue, if
    /// [`wants_workers`](Self::wants_workers) says so, and for every worker when an execution begins. The pool's lock
    /// is held meanwhile: who is told writes it down, and does nothing with the pool. A panic is ignored.
    fn worker(&self, _event: WorkerEvent) {}

    /// Whether it is told of what happens to workers. It is asked when it begins to observe.
    fn wants_workers(&self) -> bool {
        false
    }

    /// Called on the caller's thread when an execution has ended, with the times at which it began and
    /// ended. A panic is ignored.
    fn executed(&self, _began: u64, _ended: u64) {}
}
