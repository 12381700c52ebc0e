//! Whether this machine's cores are free.
//!
//! Other processes, and other virtual machines on one host, take a core away for seconds at a time. A
//! comparison of one worker with several says nothing then. And a host may move virtual cores, so that
//! for seconds or minutes they share no cache, and whatever goes from one to the other takes several
//! times as long.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::calibration::handover;

use crate::kernels::{MatrixMut, MatrixRef, Panels, panel_len, product};
use crate::measure::seconds_without_core;

/// Rows and columns of the matrices: together they fit into the cache of one core.
const SIZE: usize = 160;
/// Products of one probe: about a millisecond. They use all that a core has, so that a second thread
/// on the same core shows.
const PRODUCTS: usize = 12;

/// How much longer the same arithmetic may take on several threads than on one.
const TOLERANCE: f64 = 1.15;

/// The share of the time for which threads may lack a core.
const WITHOUT_CORE: f64 = 0.05;

/// Round trips between two cores of one probe: about a tenth of a millisecond.
const ROUND_TRIPS: usize = 300;

/// Cores are as near to each other as they can be if a handover takes at most so many times as long as
/// the shortest seen. Where they share a cache or do not, it takes 60 or 200 ns.
const NEAR: f64 = 2.0;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Knows how long some arithmetic takes on one free core, and how near cores have been to each other.
#[derive(Debug)]
pub(super) struct Probe {
    threads: usize,
    alone: f64,
    /// Seconds of the last handover and of the shortest.
    last: f64,
    shortest: f64,
}

/// Whether cores with such a handover are about as near as those with the shortest one.
pub(super) fn is_near(handover: f64, shortest: f64) -> bool {
    handover <= NEAR * shortest
}

impl Probe {
    /// Finds out how long the arithmetic takes, for machines of `threads` workers.
    pub(super) fn new(threads: usize) -> Self {
        let alone = (0..9).map(|_| arithmetic()).fold(f64::INFINITY, f64::min);
        let mut probe = Self { threads, alone, last: 0.0, shortest: f64::INFINITY };
        probe.look();
        probe
    }

    /// Seconds of a handover when the cores were last looked at; none on one core.
    pub(super) fn handover(&self) -> f64 {
        self.last
    }

    fn look(&mut self) {
        if self.threads > 1 {
            self.last = handover(ROUND_TRIPS);
        }
        self.shortest = self.shortest.min(self.last);
    }

    /// Waits until the cores are free, but no longer than `patience`. Says whether they are.
    pub(super) fn wait(&mut self, patience: Duration) -> bool {
        let began = Instant::now();
        while !self.cores_are_free() {
            if began.elapsed() > patience {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }

    /// Whether as many threads as there are workers run as fast as one alone, right now, and are as near
    /// to each other as ever.
    pub(super) fn cores_are_free(&mut self) -> bool {
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
        slowest <= self.alone * TOLERANCE && is_near(self.last, self.shortest)
    }
}

/// Watches whether other processes of this system took a core away.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    without_core: Option<f64>,
}

impl Watch {
    /// From now on.
    pub(super) fn start() -> Self {
        Self { without_core: seconds_without_core(), began: Instant::now() }
    }

    /// Whether this process's threads had cores whenever they wanted one; always so where the system
    /// does not say.
    pub(super) fn had_cores(&self) -> bool {
        let passed = self.began.elapsed().as_secs_f64();
        let without = seconds_without_core().zip(self.without_core);
        without.is_none_or(|(after, before)| after - before <= passed * WITHOUT_CORE)
    }
}

/// Seconds of the arithmetic.
fn arithmetic() -> f64 {
    let a = vec![0.5_f32; SIZE * SIZE];
    let b = vec![0.25_f32; panel_len(SIZE, SIZE)];
    let mut c = vec![0.0_f32; SIZE * SIZE];
    let mut multiply = || {
        let c = MatrixMut::dense(&mut c, SIZE, SIZE);
        product(MatrixRef::dense(&a, SIZE, SIZE), Panels::new(&b, SIZE, SIZE), None, c);
    };
    multiply();
    let began = Instant::now();
    (0..PRODUCTS).for_each(|_| multiply());
    let seconds = began.elapsed().as_secs_f64();
    black_box(&c);
    seconds
}
