//! The smallest grain of tasks at which an executor is still efficient.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::flow::Closures;
use super::{Kernel, Pattern};
use crate::error::{Error, Result};
use crate::flow::Executor;
use crate::measure::{Conditions, CoreWatch};
use crate::memory;
use crate::setters::setters;
use crate::statistics::median;

/// How long a task of the largest grain takes alone, at least.
const LARGEST: Duration = Duration::from_micros(200);

/// Runs of a grain at least.
const LEAST_RUNS: usize = 3;

/// How [`metg`] measures.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetgOptions {
    /// What tasks do.
    pub kernel: Kernel,
    /// The efficiency, from 0 to 1, that the grain is sought for.
    pub efficiency: f64,
    /// How long runs of each grain are repeated; there are three at least.
    pub limit: Duration,
}

impl MetgOptions {
    setters! {
        kernel: Kernel,
        efficiency: f64,
        limit: Duration,
    }
}

impl Default for MetgOptions {
    /// Tasks that compute, an efficiency of one half, a tenth of a second for each grain.
    fn default() -> Self {
        let limit = Duration::from_millis(100);
        Self { kernel: Kernel::Compute, efficiency: 0.5, limit }
    }
}

/// What runs took whose tasks have one grain.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GrainRow {
    /// Iterations of a task in the mean.
    pub iterations: u64,
    /// The grain: nanoseconds of a run by the clock, times cores, over tasks; the median of the runs.
    pub grain_ns: f64,
    /// Iterations a second over the peak.
    pub efficiency: f64,
    /// How many runs there were.
    pub runs: usize,
}

/// How efficient an executor is by the grain of tasks.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Metg {
    /// The pattern as it was asked for.
    pub pattern: String,
    /// How many tasks a run has.
    pub tasks: usize,
    /// How many edges.
    pub edges: usize,
    /// What tasks do.
    pub kernel: &'static str,
    /// The executor.
    pub executor: String,
    /// Its policy, if it has one.
    pub policy: Option<String>,
    /// Its threads.
    pub workers: usize,
    /// The cores that these can use at once.
    pub cores: usize,
    /// The most iterations a second of all cores together: those of independent tasks of the largest grain, on the same
    /// executor.
    pub peak: f64,
    /// The largest grain first.
    pub rows: Vec<GrainRow>,
    /// The efficiency that was asked for.
    pub efficiency: f64,
    /// The smallest grain with this efficiency, in nanoseconds, by interpolation between rows; none if it was reached with no
    /// grain, or with the smallest one still.
    pub metg_ns: Option<f64>,
    /// The grain of empty tasks in nanoseconds: what a task costs beside its work.
    pub empty_ns: f64,
    /// The state of the cores meanwhile.
    pub conditions: Conditions,
}

/// Executes a pattern with tasks of a falling grain, and tells how efficient the executor is with each, and the smallest grain
/// at which it is as efficient as asked: METG, the minimum effective task granularity of Slaughter et al., SC 2020.
///
/// The efficiency is the rate of iterations over the highest: that of independent tasks of the largest grain, some
/// 0.2 ms, on the same executor. So what a pattern's dependencies or an imbalance take away counts as well. The grain halves
/// from row to row until the efficiency of two rows is below half of the one that is sought, or until a task has one iteration.
///
/// ```
/// use std::time::Duration;
/// use caudal::flow::Sequential;
/// use caudal::task_bench::{MetgOptions, Pattern, metg};
///
/// let pattern = Pattern::parse("stencil:width=4,steps=10")?;
/// let options = MetgOptions::default().limit(Duration::ZERO);
/// let measured = metg(&pattern, options, &mut Sequential::new())?;
/// assert!(measured.rows.is_sorted_by(|one, other| one.iterations > other.iterations));
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If the efficiency is not between 0 and 1, if there is not the memory for messages or kernels, or if the executor
/// fails.
pub fn metg(pattern: &Pattern, options: MetgOptions, executor: &mut dyn Executor) -> Result<Metg> {
    let MetgOptions { kernel, efficiency, limit } = options;
    if !(efficiency > 0.0 && efficiency < 1.0) {
        let problem = format!("an efficiency of {efficiency} was asked for");
        return Err(pattern.refuse(problem, "ask for one between 0 and 1"));
    }
    let mut closures = Closures::new(pattern, kernel)?;
    let threads = if executor.name() == "actors" { closures.tasks() } else { executor.workers() };
    check_memory(pattern, kernel, threads)?;
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = threads.min(available);
    let mut watch = CoreWatch::start(cores, executor.pinning());
    let largest = largest_grain(kernel);
    let mut independent = Closures::new(&pattern.independent(), kernel)?;
    let seconds = time(&mut independent, executor, largest, limit)?;
    let fastest = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let peak = independent.all_iterations(largest) / fastest;
    drop(independent);
    let mut row = |iterations: u64, executor: &mut dyn Executor| -> Result<GrainRow> {
        let mut seconds = time(&mut closures, executor, iterations, limit)?;
        let (runs, taken) = (seconds.len(), median(&mut seconds));
        let grain_ns = taken * 1e9 * cores as f64 / closures.tasks() as f64;
        let efficiency = closures.all_iterations(iterations) / taken / peak;
        Ok(GrainRow { iterations, grain_ns, efficiency, runs })
    };
    let (mut rows, mut iterations) = (Vec::new(), largest);
    loop {
        watch.look();
        let measured = row(iterations, executor)?;
        rows.push(measured);
        // One row alone may be disturbed.
        let is_low = |row: &GrainRow| row.efficiency < efficiency / 2.0;
        if iterations == 1 || rows.len() > 1 && rows[rows.len() - 2..].iter().all(is_low) {
            break;
        }
        iterations /= 2;
    }
    let empty_ns = row(0, executor)?.grain_ns;
    Ok(Metg {
        pattern: pattern.title().to_owned(),
        tasks: closures.tasks(),
        edges: closures.edges(),
        kernel: kernel.name(),
        executor: executor.name().to_owned(),
        policy: executor.policy().map(str::to_owned),
        workers: executor.workers(),
        cores,
        peak,
        metg_ns: crossing(&rows, efficiency),
        rows,
        efficiency,
        empty_ns,
        conditions: watch.end(),
    })
}

fn check_memory(pattern: &Pattern, kernel: Kernel, threads: usize) -> Result<()> {
    let all = kernel.bytes_a_thread().saturating_mul(threads);
    memory::check(all).map_err(|why| {
        let amount = memory::amount(all);
        let problem = format!("{threads} threads that change memory need {amount}, {why}");
        pattern.refuse(problem, "ask for fewer workers, or for the kernel compute")
    })
}

/// The iterations of the largest grain: a power of two.
fn largest_grain(kernel: Kernel) -> u64 {
    // The first time, memory is made.
    kernel.run(1);
    let takes_long = |iterations: u64| {
        // Others may disturb one.
        (0..3).all(|_| {
            let began = Instant::now();
            kernel.run(iterations);
            began.elapsed() >= LARGEST
        })
    };
    let mut iterations = 1;
    while !takes_long(iterations) {
        iterations *= 2;
    }
    iterations
}

/// Seconds of runs, after one that does not count.
fn time(
    closures: &mut Closures,
    executor: &mut dyn Executor,
    iterations: u64,
    limit: Duration,
) -> Result<Vec<f64>, Error> {
    closures.execute(executor, iterations)?;
    let (mut seconds, start) = (Vec::new(), Instant::now());
    while seconds.len() < LEAST_RUNS || start.elapsed() < limit {
        let began = Instant::now();
        closures.execute(executor, iterations)?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// Where the efficiency falls below the one that is sought, and stays below in the next row, for the first time; the
/// largest grain is the first row.
fn crossing(rows: &[GrainRow], sought: f64) -> Option<f64> {
    let is_below = |row: Option<&GrainRow>| row.is_none_or(|row| row.efficiency < sought);
    let mut places = 0..rows.len();
    let place = places.find(|&at| is_below(rows.get(at)) && is_below(rows.get(at + 1)))?;
    let (above, below) = (&rows[place.checked_sub(1)?], &rows[place]);
    let share = (above.efficiency - sought) / (above.efficiency - below.efficiency);
    let (from, to) = (above.grain_ns.ln(), below.grain_ns.ln());
    Some((from + share * (to - from)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Sequential, executor};

    fn rows(efficiencies: &[f64]) -> Vec<GrainRow> {
        let row = |(number, &efficiency): (usize, &f64)| GrainRow {
            iterations: 1 << (20 - number),
            grain_ns: 1000.0 / f64::from(1 << number),
            efficiency,
            runs: 3,
        };
        efficiencies.iter().enumerate().map(row).collect()
    }

    #[test]
    fn the_grain_is_found_between_rows() {
        let at = |efficiencies: &[f64], sought| crossing(&rows(efficiencies), sought);
        let close = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() / expected - 1.0).abs() < 1e-12, "{found:?} {expected}");
        };
        close(at(&[1.0, 0.5, 0.25], 0.5), 500.0);
        close(at(&[1.0, 0.6, 0.4, 0.1], 0.5), 500.0 / 2.0_f64.sqrt());
        // A row that is disturbed does not count.
        close(at(&[1.0, 0.6, 0.4, 0.3, 0.7, 0.1], 0.5), 500.0 / 2.0_f64.sqrt());
        close(at(&[1.0, 0.4, 1.0, 0.5, 0.25], 0.5), 125.0);
        assert_eq!(at(&[0.4, 0.3], 0.5), None, "a shape that is never efficient");
        assert_eq!(at(&[1.0, 0.9], 0.5), None, "one that always is");
        assert_eq!(at(&[0.4], 0.5), None);
        assert_eq!(at(&[], 0.5), None);
    }

    #[test]
    fn executors_are_measured() {
        let pattern = Pattern::parse("nearest:width=4,steps=5,imbalance=1,bytes=8").unwrap();
        let options = MetgOptions::default().limit(Duration::ZERO);
        for (name, workers, kernel) in [
            ("pool", 2, Kernel::Compute),
            ("actors", 1, Kernel::Compute),
            ("sequential", 1, Kernel::Memory),
        ] {
            let mut executor = executor(name, workers, "fifo").unwrap();
            let measured = metg(&pattern, options.kernel(kernel), executor.as_mut()).unwrap();
            assert_eq!((measured.tasks, measured.executor.as_str()), (20, name));
            assert!(measured.empty_ns > 0.0 && measured.peak > 0.0, "{measured:?}");
            let last = measured.rows.last().unwrap();
            assert!(last.efficiency < 0.25 || last.iterations == 1, "{measured:?}");
            assert!(measured.rows.len() > 1 && measured.rows[0].iterations > 64, "{measured:?}");
            for row in &measured.rows {
                assert!(row.runs == 3 && row.efficiency > 0.0, "{measured:?}");
            }
            let mut halved = measured.rows.windows(2);
            assert!(halved.all(|it| it[0].iterations == 2 * it[1].iterations), "{measured:?}");
        }
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let pattern = Pattern::parse("trivial:width=1,steps=1").unwrap();
        for efficiency in [0.0, 1.0, f64::NAN, -1.0] {
            let options = MetgOptions::default().efficiency(efficiency);
            let error = metg(&pattern, options, &mut Sequential::new()).unwrap_err().to_string();
            assert!(
                error.starts_with("pattern `trivial:width=1,steps=1`: an efficiency"),
                "{error}"
            );
        }
        let error = check_memory(&pattern, Kernel::Memory, 1 << 40).unwrap_err().to_string();
        assert!(error.contains("threads that change memory need"), "{error}");
    }
}
