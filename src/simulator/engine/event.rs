//! Events of a simulation, in order of time.

use std::cmp::Ordering;

use crate::flow::TaskIndex;

/// What happens at some moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// The worker begins the part that it has.
    Start,
    /// The worker has ended the last part of this task, and has sent its messages.
    Complete(TaskIndex),
    /// The worker goes on with what it took before, or looks for work.
    Next,
    /// The worker has ended a part that is not its task's last, and the policy is to be told.
    Ended,
    /// The worker has the lock: it publishes what it made ready, and takes a part.
    Publish,
    /// The worker, which looks for work, has seen that a part waits.
    Look,
    /// The worker slept, has been woken, and asks for the lock.
    Woken,
    /// The worker has the lock: it takes a part if any waits.
    Take,
    /// The caller has the lock: it publishes the sources.
    Begin,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    pub(super) time: f64,
    /// Events of one moment happen in the order in which they were planned.
    pub(super) number: u64,
    pub(super) worker: usize,
    pub(super) event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    /// The largest is the earliest, for a heap that gives the largest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.time.total_cmp(&self.time).then(other.number.cmp(&self.number))
    }
}
