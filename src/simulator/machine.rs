//! What the simulator knows about a machine: workers, overheads, and what running side by side costs.

use serde::Serialize;

use crate::setters::setters;

/// A machine of virtual workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Machine {
    /// By worker: how many times as fast as the worker whose parts were timed.
    pub speeds: Vec<f64>,
    /// What scheduling costs.
    pub overhead: Overhead,
    /// What running side by side costs.
    pub slowdown: Slowdown,
}

/// What the pool's scheduling costs, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Overhead {
    /// A part, beside its arithmetic.
    pub part: f64,
    /// A message: its slot and its counter.
    pub message: f64,
    /// A part handed to the policy and taken out again.
    pub queued: f64,
    /// What one worker wrote last and another reads: the lock of the queue, or word of a new part.
    pub handover: f64,
    /// Waking a parked worker, for the one who wakes it.
    pub notify: f64,
    /// From the notification of a parked worker until it looks for a part.
    pub wake: f64,
    /// How long a worker without a part looks for one before it parks.
    pub spin: f64,
}

/// How much slower parts run beside others.
///
/// A part's time grows by `fetch` for each part of another worker whose results it reads, and by
/// `transfer` for each byte of them, and while other parts run, its speed is divided by 1 + `shared`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Slowdown {
    /// Seconds for each part of another worker whose results are read.
    pub fetch: f64,
    /// Seconds a byte that comes from another worker.
    pub transfer: f64,
    /// Seconds a byte of parameters, and of what the optimizer keeps beside them, that another worker moved.
    pub weights: f64,
    /// Seconds a byte that is written where another worker held what was there.
    pub take: f64,
    /// The share of its time by which a part takes longer as long as any other runs.
    pub shared: f64,
}

impl Overhead {
    setters! {
        part: f64,
        message: f64,
        queued: f64,
        handover: f64,
        notify: f64,
        wake: f64,
        spin: f64,
    }
}

impl Slowdown {
    setters! {
        fetch: f64,
        transfer: f64,
        weights: f64,
        take: f64,
        shared: f64,
    }
}

impl Machine {
    setters! {
        speeds: Vec<f64>,
        overhead: Overhead,
        slowdown: Slowdown,
    }

    /// `workers` equal workers that schedule in no time and do not slow each other down.
    pub fn ideal(workers: usize) -> Self {
        let overhead = Overhead { spin: f64::INFINITY, ..Overhead::default() };
        Self { speeds: vec![1.0; workers], overhead, slowdown: Slowdown::default() }
    }

    /// The same with `workers` equal workers.
    #[must_use]
    pub fn with_workers(&self, workers: usize) -> Self {
        Self { speeds: vec![1.0; workers], ..self.clone() }
    }

    /// Whether scheduling costs nothing there, so that nothing is to be spared.
    pub(crate) fn is_free(&self) -> bool {
        self.overhead.wake == 0.0 && self.overhead.notify == 0.0 && self.overhead.handover == 0.0
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.speeds.len()
    }
}
