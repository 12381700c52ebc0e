//! The counters of a task's inbox: how many messages are missing, and how many parts have not ended.

use std::sync::atomic::Ordering;

use super::sync::{Atomic, Counter, Native, Primitives};

/// The counters of one task. Its messages wait in slots or in a channel, see [`Core`](super::core::Core).
#[derive(Debug)]
pub(super) struct Inbox<P: Primitives = Native> {
    /// Messages still missing.
    pending: P::Counter,
    /// Parts still running or waiting; unused where there is one part.
    parts_left: P::Counter,
    /// Something that it waits for failed, or the run was cancelled: no part of it runs any more.
    skipped: P::Flag,
    /// Some part of it failed. The other parts run all the same, so that the failure reported, that
    /// of the first failed part, does not depend on which part came first.
    failed: P::Flag,
}

impl<P: Primitives> Inbox<P> {
    pub(super) fn new(messages: u32, parts: u32) -> Self {
        Self {
            pending: P::Counter::new(messages),
            parts_left: P::Counter::new(parts),
            skipped: P::Flag::new(false),
            failed: P::Flag::new(false),
        }
    }

    /// Lets `put` lay a message down, **then** counts it: in the other order the receiver could run
    /// before the message is there. Says whether it was the last one missing.
    #[inline]
    pub(super) fn deliver(&self, put: impl FnOnce()) -> bool {
        P::one_after_the_other(put, || {
            // Release: the slot is written before the count; Acquire: whoever counts to the end sees
            // all slots.
            self.pending.count_down(Ordering::AcqRel) == 1
        })
    }

    /// Counts the end of one of `parts` parts; says whether it was the last.
    #[inline]
    pub(super) fn part_done(&self, parts: u32) -> bool {
        // AcqRel: the last part sees what the others wrote, and hands it on.
        parts == 1 || self.parts_left.count_down(Ordering::AcqRel) == 1
    }

    /// Lets no further part run.
    #[inline]
    pub(super) fn skip(&self) {
        self.skipped.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_skipped(&self) -> bool {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Notes that a part failed.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether the task failed or was skipped.
    #[inline]
    pub(super) fn is_bad(&self) -> bool {
        self.is_skipped() || self.failed.load(Ordering::Relaxed)
    }

    /// Readies the counters for the next run; says whether the task failed or was skipped. It comes
    /// before the task's own messages go out: nobody sends to it again before these are answered.
    #[inline]
    pub(super) fn reset(&self, messages: u32, parts: u32) -> bool {
        self.pending.store(messages, Ordering::Relaxed);
        if parts > 1 {
            self.parts_left.store(parts, Ordering::Relaxed);
        }
        let bad = self.is_bad();
        if bad {
            self.skipped.store(false, Ordering::Relaxed);
            self.failed.store(false, Ordering::Relaxed);
        }
        bad
    }
}

/// Counts the end of a task that sends nothing; says whether it was the run's last.
#[inline]
pub(super) fn sink_done(sinks_left: &impl Counter) -> bool {
    // AcqRel: the last one sees all that the run wrote, and hands it on.
    sinks_left.count_down(Ordering::AcqRel) == 1
}
