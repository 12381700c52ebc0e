//! What a run knows of numbers that are not finite.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;

use super::call::Phase;

/// How closely a run looks at its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finite {
    /// Not at all.
    Off,
    /// At losses before any parameter moves; nothing follows from what is seen.
    Look,
    /// The same; losses that are not finite fail the step.
    Losses,
    /// The same, and at each gradient before it moves a parameter; what is not finite moves nothing.
    Watch,
    /// At everything that every call computes; nothing moves.
    Search,
}

/// Where a number was first found that is not finite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) node: usize,
    pub(crate) phase: Phase,
    /// The parameter whose gradient it is.
    pub(crate) parameter: Option<usize>,
    /// The item of the batch.
    pub(crate) item: Option<usize>,
    pub(crate) number: f32,
    /// The largest sizes of what the call read: of each input, or of the gradient of its output.
    pub(crate) read: Vec<f32>,
}

/// The check of one run.
#[derive(Debug, Default)]
pub(crate) struct FiniteCheck {
    level: AtomicU8,
    broken: AtomicBool,
    found: Mutex<Option<Found>>,
}

impl FiniteCheck {
    pub(crate) fn set(&self, level: Finite) {
        self.level.store(level as u8, Ordering::Relaxed);
        self.broken.store(false, Ordering::Relaxed);
        *self.found.lock() = None;
    }

    #[inline]
    pub(crate) fn is(&self, level: Finite) -> bool {
        self.level.load(Ordering::Relaxed) == level as u8
    }

    /// Notes that a number that counts is not finite.
    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Whether one was noted since the last time.
    pub(crate) fn take_broken(&self) -> bool {
        self.broken.swap(false, Ordering::Relaxed)
    }

    /// Notes where one was found, if it is the first.
    pub(crate) fn note(&self, found: Found) {
        self.found.lock().get_or_insert(found);
    }

    pub(crate) fn has_found(&self) -> bool {
        self.found.lock().is_some()
    }

    pub(crate) fn take_found(&self) -> Option<Found> {
        self.found.lock().take()
    }
}
