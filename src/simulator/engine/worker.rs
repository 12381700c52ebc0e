//! A simulated worker: what it does, and since when.

use crate::flow::policy::ReadyPart;
use crate::flow::{Pace, TaskIndex};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    /// Looks at the count of ready parts; parks when `spin` has passed.
    Idle,
    /// Has seen or been told of a part, and is on its way to the lock.
    Looking,
    /// Sends, publishes or takes.
    Scheduling,
    /// Runs a part.
    Running,
}

#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) state: State,
    /// When it last ran out of work.
    pub(super) idle_since: f64,
    /// When it began to schedule.
    pub(super) scheduling_since: f64,
    /// The change after which the policy had nothing for it.
    pub(super) refused_at: Option<usize>,
    /// Until when it has the lock that it asked for last.
    pub(super) locked_until: f64,
    pub(super) part: ReadyPart,
    /// Seconds that the part still takes alone.
    pub(super) left: f64,
    pub(super) started: f64,
    /// Tasks that it has made ready and not published.
    pub(super) ready: Vec<TaskIndex>,
    pub(super) taken: Vec<ReadyPart>,
    pub(super) pace: Pace,
    pub(super) busy: f64,
    pub(super) scheduling: f64,
}

impl Worker {
    /// One that sleeps until it is needed, as after a pause.
    pub(super) fn asleep() -> Self {
        Self {
            state: State::Idle,
            idle_since: f64::NEG_INFINITY,
            scheduling_since: 0.0,
            refused_at: None,
            locked_until: 0.0,
            part: ReadyPart { task: TaskIndex::new(0), part: 0 },
            left: 0.0,
            started: 0.0,
            ready: Vec::new(),
            taken: Vec::new(),
            pace: Pace::default(),
            busy: 0.0,
            scheduling: 0.0,
        }
    }
}
