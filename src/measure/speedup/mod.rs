//! How much faster several workers are, how much faster they could be, and where the rest went.
//!
//! The same run, on the same batch, is executed by each executor in turn, in alternating blocks, and
//! the medians are compared. The bounds follow from measured times of the parts, taken while the
//! sequential executor runs them:
//!
//! - the work T1 is the sum over all parts of all tasks;
//! - the critical path T∞ is the longest way through the graph of tasks, where a task counts as long
//!   as its longest part, since its parts may run at the same time;
//! - P workers can't be faster than min(P, T1 / T∞) times one worker, up to what caches change;
//! - P workers that never idle while a part is ready take at most T1 / P + (1 - 1 / P) T∞ (Graham
//!   1969), whatever their policy.

mod ideas;
mod lost_time;
mod stages;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

pub use crate::context::Stage;
pub use ideas::{Idea, ideas};
pub use lost_time::{LostTime, lost_time};
pub use stages::{PathTask, PhaseTime, StageTime, StageWork};

use crate::error::Result;
use crate::flow::trace::{Execution, Recorder};
use crate::flow::{Executor, Observer, Sequential};
use crate::measure::{Conditions, CoreWatch, settle, time_block};
use crate::run::Run;
use crate::statistics::{median, quantile};
use crate::topology::Pinning;

/// The fewest and the most blocks of each executor.
const BLOCKS: (usize, usize) = (2, 100);
/// The fewest and the most steps during which parts are timed.
const OBSERVED: (usize, usize) = (3, 25);

/// What several executors took for the same steps.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Speedup {
    /// Items in a batch.
    pub batch: usize,
    /// Tasks of a step.
    pub tasks: usize,
    /// Parts of all tasks of a step.
    pub parts: usize,
    /// Milliseconds of all parts one after another: T1.
    pub work_ms: f64,
    /// Milliseconds of the longest way through the tasks, longest parts only: T∞.
    pub critical_path_ms: f64,
    /// The tasks along that way, first to last.
    pub critical_path: Vec<PathTask>,
    /// Timed steps of every executor.
    pub steps: usize,
    /// By executor, in the order in which they were given.
    pub rows: Vec<Row>,
    /// Forward, backward and updates, each on its own.
    pub stages: Vec<StageWork>,
    /// Where the time of a sequential step goes, largest first.
    pub phases: Vec<PhaseTime>,
    /// Seconds of every part of every task when it runs alone: the median.
    #[serde(skip)]
    pub part_seconds: Vec<Vec<f64>>,
    /// The state of the cores: before, after every block of steps of all executors, and after.
    pub conditions: Conditions,
}

/// What one executor took.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// Its name.
    pub executor: &'static str,
    /// Its threads.
    pub workers: usize,
    /// Its policy, if it has one.
    pub policy: Option<String>,
    /// Milliseconds of a step: the median.
    pub step_ms: f64,
    /// Milliseconds that a quarter of the steps stay below, and that a quarter pass.
    pub quartiles_ms: [f64; 2],
    /// How many times as fast as the first executor.
    pub speedup: f64,
    /// min(workers, T1 / T∞).
    pub bound: f64,
    /// The speedup that workers without needless idling reach at least (Graham's bound).
    pub graham: f64,
    /// Speedup over workers.
    pub efficiency: f64,
    /// Where the workers' time went. Not for a thread a node, which is no worker.
    pub lost: Option<LostTime>,
    /// Forward, backward and updates while all of them run.
    pub stages: Vec<StageTime>,
    /// A step of about the median length, as it ran.
    #[serde(skip)]
    pub execution: Execution,
}

/// Calls `step` for each of some candidates in turn, in blocks, for about `limit`; gives back the
/// seconds of every timed call by candidate. After each block of all of them, `watch` looks at the cores; it pauses
/// for candidates with more threads than there are cores.
fn in_turn<C>(
    candidates: &mut [C],
    limit: Duration,
    watch: &mut CoreWatch,
    is_crowded: impl Fn(&C) -> bool,
    mut step: impl FnMut(&mut C) -> Result<()>,
) -> Result<Vec<Vec<f64>>> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); candidates.len()];
    let began = Instant::now();
    for block in 0..BLOCKS.1 {
        if block >= BLOCKS.0 && began.elapsed() > limit {
            break;
        }
        for (candidate, times) in candidates.iter_mut().zip(&mut times) {
            if is_crowded(candidate) {
                watch.pause();
            }
            settle(|| step(candidate))?;
            time_block(|| step(candidate), times)?;
            watch.resume();
        }
        watch.look();
    }
    Ok(times)
}

/// Records `steps` executions, after some milliseconds of others, and the seconds that each took as seen
/// from outside.
///
/// # Errors
/// If a node fails.
pub fn record(
    run: &mut Run,
    executor: &mut dyn Executor,
    steps: usize,
) -> Result<(Vec<Execution>, Vec<f64>)> {
    let steps = steps.max(1);
    settle(|| executor.execute(run))?;
    let recorder = Recorder::of_executions(run.plan(), steps);
    record_by(recorder, run, executor, steps)
}

/// As [`record`], with messages and what happens to workers.
///
/// # Errors
/// If a node fails.
pub fn record_all(
    run: &mut Run,
    executor: &mut dyn Executor,
    steps: usize,
) -> Result<Vec<Execution>> {
    let steps = steps.max(1);
    settle(|| executor.execute(run))?;
    let recorder = Recorder::of_executions(run.plan(), steps).with_messages().with_worker_events();
    Ok(record_by(recorder, run, executor, steps)?.0)
}

fn record_by(
    recorder: Recorder,
    run: &mut Run,
    executor: &mut dyn Executor,
    steps: usize,
) -> Result<(Vec<Execution>, Vec<f64>)> {
    let recorder = Arc::new(recorder);
    let mut seconds = Vec::with_capacity(steps);
    run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
    let ran = (0..steps).try_for_each(|_| {
        let began = Instant::now();
        executor.execute(run)?;
        seconds.push(began.elapsed().as_secs_f64());
        Ok(())
    });
    run.observe(None);
    ran?;
    Ok((recorder.executions(), seconds))
}

/// Seconds of every part of every task: the median over `steps` steps of the sequential executor.
///
/// # Errors
/// If a node fails.
pub fn part_seconds(run: &mut Run, steps: usize) -> Result<Vec<Vec<f64>>> {
    let (executions, _) = record(run, &mut Sequential::new(), steps)?;
    let plan = run.plan();
    let mut seconds: Vec<Vec<Vec<f64>>> =
        (0..plan.task_count()).map(|task| vec![Vec::new(); plan.task(task).parts]).collect();
    for event in executions.iter().flat_map(|execution| &execution.events) {
        seconds[event.task][event.part].push((event.end - event.start) as f64 * 1e-9);
    }
    let medians = seconds.into_iter().map(|task| {
        let parts = task.into_iter();
        parts.map(|mut part| if part.is_empty() { 0.0 } else { median(&mut part) }).collect()
    });
    Ok(medians.collect())
}

/// The seconds of the longest part of every task.
pub fn longest_parts(part_seconds: &[Vec<f64>]) -> Vec<f64> {
    part_seconds.iter().map(|parts| parts.iter().copied().fold(0.0, f64::max)).collect()
}

/// Executes `run`, whose data is bound, with each of `executors` in turn for about `limit`, and says
/// what they took. The first is what the others are compared with. Those with more threads than there
/// are cores come after the others, one after another: the system takes a while to place few threads
/// well again after so many. If the plan trains, parameters move; hand over a run of a copy if they
/// should not.
///
/// # Errors
/// If a node fails.
pub fn speedup(
    run: &mut Run,
    executors: &mut [Box<dyn Executor>],
    limit: Duration,
) -> Result<Speedup> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let each = limit / executors.len().max(1) as u32;
    let (mut few, mut many): (Vec<_>, Vec<_>) = executors
        .iter_mut()
        .enumerate()
        .partition(|(number, executor)| *number == 0 || executor.workers() <= cores);
    let for_few = each * few.len() as u32;
    let mut watch = self::watch(few.iter().map(|(_, executor)| &**executor));
    let step = |(_, executor): &mut (usize, &mut Box<dyn Executor>)| executor.execute(run);
    let is_crowded = |(_, executor): &(usize, &mut Box<dyn Executor>)| executor.name() == "actors";
    let mut times = in_turn(&mut few, for_few, &mut watch, is_crowded, step)?;
    watch.pause();
    let steps = times.first().map_or(0, Vec::len);
    let baseline = times.first_mut().map_or(f64::NAN, |times| median(times));
    let observed = (limit.as_secs_f64() / 2.0 / baseline) as usize;
    let observed = observed.clamp(OBSERVED.0, OBSERVED.1);
    let plan = Arc::clone(run.plan());
    let part_seconds = part_seconds(run, observed)?;
    let longest = longest_parts(&part_seconds);
    let work = part_seconds.iter().flatten().sum();
    let (path, critical_path) = plan.critical_path(&longest);
    let alone = Alone { part_seconds, work, critical_path, baseline, observed };
    let mut rows = Vec::with_capacity(few.len() + many.len());
    for ((number, executor), times) in few.iter_mut().zip(&mut times) {
        rows.push((*number, alone.row(run, executor.as_mut(), times)?));
    }
    for one in &mut many {
        let step = |(_, it): &mut (usize, &mut Box<dyn Executor>)| it.execute(run);
        let times = in_turn(std::slice::from_mut(one), each, &mut watch, |_| true, step)?;
        watch.pause();
        let (number, executor) = one;
        rows.push((*number, alone.row(run, executor.as_mut(), &mut times.concat())?));
    }
    rows.sort_by_key(|(number, _)| *number);
    Ok(Speedup {
        batch: plan.batch(),
        tasks: plan.task_count(),
        parts: alone.part_seconds.iter().map(Vec::len).sum(),
        work_ms: work * 1e3,
        critical_path_ms: critical_path * 1e3,
        critical_path: stages::path(&plan, &path, &longest),
        steps,
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        stages: stages::alone(&plan, &alone.part_seconds),
        phases: stages::phases(&plan, &alone.part_seconds, work),
        part_seconds: alone.part_seconds,
        conditions: watch.end(),
    })
}

/// Of the cores that the executor with the most workers uses.
fn watch<'a>(executors: impl Iterator<Item = &'a Box<dyn Executor>>) -> CoreWatch {
    let most = executors.map(|it| (it.workers(), it.pinning())).max_by_key(|(workers, _)| *workers);
    let (workers, pinning) = most.unwrap_or((1, Pinning::None));
    CoreWatch::start(workers, pinning)
}

/// What an executor is compared with, in seconds.
struct Alone {
    /// Of every part while nothing runs beside it.
    part_seconds: Vec<Vec<f64>>,
    work: f64,
    critical_path: f64,
    /// Of a step by the first executor.
    baseline: f64,
    /// Steps during which parts are timed.
    observed: usize,
}

impl Alone {
    /// What `executor`, whose steps took `times`, made of the workers' time.
    fn row(&self, run: &mut Run, executor: &mut dyn Executor, times: &mut [f64]) -> Result<Row> {
        let (executions, seconds) = record(run, executor, self.observed)?;
        let plan = run.plan();
        let workers = executor.workers();
        let is_threads = executor.name() == "actors";
        let seconds_a_step = median(times);
        let p = workers as f64;
        let greedy = self.work / p + (1.0 - 1.0 / p) * self.critical_path;
        let speedup = self.baseline / seconds_a_step;
        let lost = lost_time(plan, &self.part_seconds, workers, &executions, &seconds);
        Ok(Row {
            executor: executor.name(),
            workers,
            policy: executor.policy().map(str::to_owned),
            step_ms: seconds_a_step * 1e3,
            quartiles_ms: [0.25, 0.75].map(|share| quantile(times, share) * 1e3),
            speedup,
            bound: p.min(self.work / self.critical_path),
            graham: self.work / greedy,
            efficiency: speedup / p,
            lost: if is_threads { None } else { lost },
            stages: stages::while_running(plan, &executions),
            execution: typical(executions),
        })
    }
}

/// The execution of median length.
fn typical(mut executions: Vec<Execution>) -> Execution {
    executions.sort_by_key(|execution| execution.ended - execution.began);
    let middle = executions.len() / 2;
    if executions.is_empty() { Execution::default() } else { executions.swap_remove(middle) }
}
