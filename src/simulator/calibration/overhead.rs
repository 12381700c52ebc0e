//! What the pool's scheduling costs here.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::super::least_squares::{Observation, fit};
use super::super::{Overhead, PartCosts};
use super::{clock, cores};
use crate::error::Result;
use crate::flow::trace::Recorder;
use crate::flow::{Executor, Observer, Pool, SPINS};
use crate::measure::{Handover, SHAPES, pool_cores, tiny_nodes, tiny_run};
use crate::statistics::median;
use crate::topology::Pinning;

/// Nodes of the graphs whose nodes do next to nothing.
const NODES: usize = 1000;
/// How often each is run.
const RUNS: usize = 200;
/// How often a sleeper is woken.
const WAKES: usize = 60;

/// Measures the pool's overheads, in about a quarter of a second. What takes two workers counts as
/// nothing where there is but one core. The handover is that between the cores of pinned workers.
///
/// # Errors
/// If threads can't be started.
pub fn overhead(pinning: Pinning) -> Result<Overhead> {
    let [part, message, queued] = alone()?;
    let two = cores() > 1;
    let (notify, wake) = if two { sleeper() } else { (0.0, 0.0) };
    let handover = Handover::among(&pool_cores(2, pinning));
    Ok(Overhead {
        part,
        message,
        queued,
        handover: handover.map_or(0.0, |it| it.median_ns * 1e-9),
        notify,
        wake,
        spin: spin(),
    })
}

/// A part, a message and a part that goes through the queue, on one worker: what graphs of tiny nodes
/// take beside their nodes.
fn alone() -> Result<[f64; 3]> {
    let mut pool = Pool::new(1, "fifo")?;
    let clock = clock();
    let mut observations = Vec::new();
    for shape in SHAPES {
        let graph = Arc::new(tiny_nodes(shape.name, NODES)?);
        let mut run = tiny_run(&graph)?;
        let recorder = Arc::new(Recorder::new());
        let mut times = Vec::with_capacity(RUNS);
        pool.execute(&mut run)?;
        for _ in 0..RUNS {
            let began = Instant::now();
            pool.execute(&mut run)?;
            times.push(began.elapsed().as_secs_f64());
        }
        run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
        for _ in 0..RUNS / 10 {
            pool.execute(&mut run)?;
        }
        run.observe(None);
        let plan = run.plan();
        let costs = PartCosts::measured(plan, &recorder.events(), clock);
        // In a chain, each node is gone on with; elsewhere almost all wait their turn.
        let chain = plan.message_count() < plan.task_count();
        let queued = if chain { 0.0 } else { plan.task_count() as f64 };
        observations.push(Observation {
            features: [plan.task_count() as f64, plan.message_count() as f64, queued],
            outcome: median(&mut times) - costs.work(),
        });
    }
    Ok(fit(&observations))
}

/// What waking a parked thread costs the one who wakes it, and how long it takes to be awake.
fn sleeper() -> (f64, f64) {
    /// Long enough for the sleeper to be asleep, and for its core to have nothing to do.
    const PAUSE: Duration = Duration::from_micros(300);
    let (rounds, wake) = (Mutex::new(0), Condvar::new());
    let awake = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = rounds.lock();
            while *round < WAKES {
                wake.wait(&mut round);
                awake.store(true, Ordering::Release);
            }
        });
        let (mut notifying, mut waking) = (Vec::new(), Vec::new());
        for _ in 0..WAKES {
            std::thread::sleep(PAUSE);
            awake.store(false, Ordering::Release);
            *rounds.lock() += 1;
            let began = Instant::now();
            wake.notify_one();
            let notified = began.elapsed();
            // A notification that comes before the sleeper sleeps wakes nobody.
            while !awake.load(Ordering::Acquire) && began.elapsed() < 10 * PAUSE {
                spin_loop();
            }
            notifying.push(notified.as_secs_f64());
            waking.push(began.elapsed().saturating_sub(notified).as_secs_f64());
        }
        // Whoever missed its notification is told again.
        *rounds.lock() = WAKES;
        wake.notify_all();
        (median(&mut notifying), median(&mut waking))
    })
}

/// How long a worker looks for work before it parks.
fn spin() -> f64 {
    let waiting = AtomicUsize::new(0);
    let mut times: Vec<f64> = (0..11)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..SPINS {
                // What a worker does: it looks, between two looks at the clock.
                std::hint::black_box((
                    began.elapsed(),
                    waiting.load(Ordering::Relaxed),
                    began.elapsed(),
                ));
                spin_loop();
            }
            began.elapsed().as_secs_f64()
        })
        .collect();
    median(&mut times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_overhead_is_a_number_and_scheduling_is_not_free() {
        let overhead = overhead(Pinning::None).unwrap();
        let Overhead { part, message, queued, handover, notify, wake, spin } = overhead;
        let all = [part, message, queued, handover, notify, wake, spin];
        assert!(all.iter().all(|seconds| seconds.is_finite() && *seconds >= 0.0), "{overhead:?}");
        assert!(part + message + queued > 0.0 && spin > 0.0, "{overhead:?}");
    }
}
