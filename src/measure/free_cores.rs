//! Whether this machine's cores are free.
//!
//! Other processes, and other virtual machines on one host, take a core away for seconds at a time. A
//! comparison of one worker with several says nothing then.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::handover::{Handover, is_near, pool_cores};
use super::peak::square_product;
use super::seconds_without_core;
use crate::topology::Pinning;

/// Rows and columns of the matrices: together they fit into the cache of one core.
const SIZE: usize = 160;
/// Products of one probe: about a millisecond. They use all that a core has, so that a second thread
/// on the same core shows.
const PRODUCTS: usize = 12;

/// How much longer the same arithmetic may take on several threads than on one.
const TOLERANCE: f64 = 1.15;

/// The share of the time for which threads may lack a core.
const WITHOUT_CORE: f64 = 0.05;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Knows how long some arithmetic takes on one free core, and how near cores have been to each other.
#[derive(Debug)]
pub(crate) struct Probe {
    threads: usize,
    /// The cores that they use.
    cores: Vec<usize>,
    alone: f64,
    /// The last handover, and nanoseconds of the shortest.
    last: Option<Handover>,
    shortest: f64,
    /// When it no longer waits; never if there is none.
    until: Option<Instant>,
}

impl Probe {
    /// Finds out how long the arithmetic takes, for machines of `workers` workers, and as many threads as there are
    /// cores for them.
    pub(crate) fn new(workers: usize, pinning: Pinning) -> Self {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let alone = (0..9).map(|_| arithmetic()).fold(f64::INFINITY, f64::min);
        let cores = pool_cores(workers, pinning);
        let threads = workers.min(most).max(1);
        let mut probe =
            Self { threads, cores, alone, last: None, shortest: f64::INFINITY, until: None };
        probe.look();
        probe
    }

    /// The handover when the cores were last looked at; none on one core.
    pub(crate) fn handover(&self) -> Option<&Handover> {
        self.last.as_ref()
    }

    /// Looks how near the cores are.
    pub(crate) fn look(&mut self) {
        self.last = Handover::among(&self.cores);
        if let Some(handover) = &self.last {
            self.shortest = self.shortest.min(handover.median_ns);
        }
    }

    /// Has it no longer wait from then on.
    pub(crate) fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// Whether it no longer waits.
    pub(crate) fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Waits until the cores are free, but no longer than `patience`. Says whether they are.
    pub(crate) fn wait(&mut self, patience: Duration) -> bool {
        let began = Instant::now();
        let left = self.until.map(|until| until.saturating_duration_since(began));
        let patience = left.map_or(patience, |left| left.min(patience));
        while !(self.cores_are_free() && self.cores_are_near()) {
            if began.elapsed() > patience {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }

    /// Whether the cores were as near to each other as ever when they were last looked at.
    pub(crate) fn cores_are_near(&self) -> bool {
        let near = |last: &Handover| is_near(last.median_ns, self.shortest);
        self.last.as_ref().map_or(self.cores.len() < 2, near)
    }

    /// Looks how near the cores are, and whether as many threads as there are workers run as fast as one alone,
    /// right now.
    pub(crate) fn cores_are_free(&mut self) -> bool {
        self.look();
        let barrier = Barrier::new(self.threads);
        let run = || {
            barrier.wait();
            arithmetic()
        };
        let slowest = std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads).map(|_| scope.spawn(run)).collect();
            let own = run();
            let others = others.into_iter().map(|thread| thread.join().unwrap_or(f64::INFINITY));
            others.fold(own, f64::max)
        });
        slowest <= self.alone * TOLERANCE
    }
}

/// Watches whether other processes of this system took a core away.
#[derive(Debug)]
pub(crate) struct Watch {
    began: Instant,
    without_core: Option<f64>,
}

impl Watch {
    /// From now on.
    pub(crate) fn start() -> Self {
        Self { without_core: seconds_without_core(), began: Instant::now() }
    }

    /// Seconds since then, and in how many of them threads wanted a core and had none, added up over the threads;
    /// the latter is none where the system does not say.
    pub(crate) fn seconds(&self) -> (f64, Option<f64>) {
        let without = seconds_without_core().zip(self.without_core);
        // Of threads that have ended, nothing is known any more.
        let without = without.map(|(after, before)| (after - before).max(0.0));
        (self.began.elapsed().as_secs_f64(), without)
    }

    /// Whether this process's threads had cores whenever they wanted one; always so where the system
    /// does not say.
    pub(crate) fn had_cores(&self) -> bool {
        let (passed, without) = self.seconds();
        without.is_none_or(|without| had_cores(without, passed))
    }
}

/// Whether threads had cores whenever they wanted one, if they had none for so many seconds of so many.
pub(crate) fn had_cores(without: f64, passed: f64) -> bool {
    without <= passed * WITHOUT_CORE
}

/// Seconds of the arithmetic.
fn arithmetic() -> f64 {
    let mut multiply = square_product(SIZE);
    multiply();
    let began = Instant::now();
    (0..PRODUCTS).for_each(|_| multiply());
    began.elapsed().as_secs_f64()
}
