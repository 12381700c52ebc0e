//! How much faster several workers are, and how much faster they could be.
//!
//! The same run, on the same batch, is executed by each executor in turn, in alternating blocks, and
//! the medians are compared. The bound follows from measured times of the parts, taken while the
//! sequential executor runs them:
//!
//! - the work T1 is the sum over all parts of all tasks;
//! - the critical path T∞ is the longest way through the graph of tasks, where a task counts as long
//!   as its longest part, since its parts may run at the same time;
//! - P workers can't be faster than min(P, T1 / T∞) times one worker, up to what caches change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::median;
use crate::error::Result;
use crate::executor::trace::Recorder;
use crate::executor::{Executor, Observer, Phase, Plan, Run, Sequential};

/// Steps of a block that are not timed, since the caches and the workers' sleep are the last
/// executor's.
const UNTIMED: usize = 1;
/// Steps of a block that are timed.
const TIMED: usize = 3;
/// The fewest and the most blocks of each executor.
const BLOCKS: (usize, usize) = (2, 100);
/// The fewest and the most steps during which parts are timed.
const OBSERVED: (usize, usize) = (3, 25);

/// What several executors took for the same steps.
#[derive(Clone, Debug, Serialize)]
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
    /// Timed steps of every executor.
    pub steps: usize,
    /// By executor, in the order in which they were given.
    pub rows: Vec<Row>,
    /// Where the time of a sequential step goes, largest first.
    pub phases: Vec<PhaseTime>,
}

/// What one executor took.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub executor: &'static str,
    /// Its threads.
    pub workers: usize,
    /// Its policy, if it has one.
    pub policy: Option<String>,
    /// Milliseconds of a step: the median.
    pub step_ms: f64,
    /// How many times as fast as the first executor.
    pub speedup: f64,
    /// min(workers, T1 / T∞).
    pub bound: f64,
}

/// The tasks of one phase, or, where tasks were fused, of one run of phases.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseTime {
    /// The phase, or several joined by `+`.
    pub phase: String,
    /// Tasks of a step.
    pub tasks: usize,
    /// Milliseconds of all their parts.
    pub ms: f64,
    /// Their share of the work.
    pub share: f64,
}

/// Seconds of every part of every task: the median over `steps` steps of the sequential executor.
///
/// # Errors
/// If a node fails.
pub fn part_seconds(run: &mut Run, steps: usize) -> Result<Vec<Vec<f64>>> {
    let recorder = Arc::new(Recorder::new());
    let plan = Arc::clone(run.plan());
    let mut executor = Sequential::new();
    run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
    let ran = (0..steps.max(1)).try_for_each(|_| executor.execute(run));
    run.observe(None);
    ran?;
    let mut seconds: Vec<Vec<Vec<f64>>> =
        (0..plan.task_count()).map(|task| vec![Vec::new(); plan.task(task).parts]).collect();
    for event in recorder.events() {
        seconds[event.task][event.part].push((event.end - event.start) as f64 * 1e-9);
    }
    let medians = seconds.into_iter().map(|task| {
        let parts = task.into_iter();
        parts.map(|mut part| if part.is_empty() { 0.0 } else { median(&mut part) }).collect()
    });
    Ok(medians.collect())
}

/// Executes `run`, whose data is bound, with each of `executors` in turn for about `limit`, and says
/// what they took. The first is what the others are compared with. If the plan trains, parameters
/// move; hand over a run of a copy if they should not.
///
/// # Errors
/// If a node fails.
pub fn speedup(
    run: &mut Run,
    executors: &mut [Box<dyn Executor>],
    limit: Duration,
) -> Result<Speedup> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); executors.len()];
    let began = Instant::now();
    for block in 0..BLOCKS.1 {
        if block >= BLOCKS.0 && began.elapsed() > limit {
            break;
        }
        for (executor, times) in executors.iter_mut().zip(&mut times) {
            for _ in 0..UNTIMED {
                executor.execute(run)?;
            }
            for _ in 0..TIMED {
                let step_began = Instant::now();
                executor.execute(run)?;
                times.push(step_began.elapsed().as_secs_f64());
            }
        }
    }
    let steps = times.first().map_or(0, Vec::len);
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    let baseline = medians.first().copied().unwrap_or(f64::NAN);
    let observed = (limit.as_secs_f64() / 2.0 / baseline) as usize;
    let seconds = part_seconds(run, observed.clamp(OBSERVED.0, OBSERVED.1))?;
    let plan = Arc::clone(run.plan());
    let longest: Vec<f64> =
        seconds.iter().map(|parts| parts.iter().copied().fold(0.0, f64::max)).collect();
    let work: f64 = seconds.iter().flatten().sum();
    let (_, critical_path) = plan.critical_path(&longest);
    let rows = executors.iter().zip(&medians).map(|(executor, &seconds)| Row {
        executor: executor.name(),
        workers: executor.workers(),
        policy: executor.policy().map(str::to_owned),
        step_ms: seconds * 1e3,
        speedup: baseline / seconds,
        bound: (executor.workers() as f64).min(work / critical_path),
    });
    Ok(Speedup {
        batch: plan.batch(),
        tasks: plan.task_count(),
        parts: seconds.iter().map(Vec::len).sum(),
        work_ms: work * 1e3,
        critical_path_ms: critical_path * 1e3,
        steps,
        rows: rows.collect(),
        phases: phases(&plan, &seconds, work),
    })
}

/// The work by phase. A task of several phases counts under all their names together.
fn phases(plan: &Plan, seconds: &[Vec<f64>], work: f64) -> Vec<PhaseTime> {
    let mut by_name: BTreeMap<Vec<Phase>, (usize, f64)> = BTreeMap::new();
    for (task, parts) in seconds.iter().enumerate() {
        let mut phases: Vec<Phase> =
            plan.task(task).steps.into_iter().map(|(_, phase)| phase).collect();
        phases.sort_unstable();
        phases.dedup();
        let (tasks, sum) = by_name.entry(phases).or_default();
        *tasks += 1;
        *sum += parts.iter().sum::<f64>();
    }
    let mut rows: Vec<PhaseTime> = by_name
        .into_iter()
        .map(|(phases, (tasks, seconds))| PhaseTime {
            phase: phases.iter().map(|phase| phase.name()).collect::<Vec<_>>().join("+"),
            tasks,
            ms: seconds * 1e3,
            share: seconds / work,
        })
        .collect();
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tiny_nodes;
    use crate::executor::{Mode, Parameters, PlanOptions, executor};
    use crate::optimizers::{Optimizer, Sgd};

    #[test]
    fn the_bound_lies_between_one_and_the_workers() {
        let graph = Arc::new(tiny_nodes("fan", 50).unwrap());
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let options = PlanOptions::plain();
        let plan = Plan::compile(&graph, Mode::Prediction, 1, &optimizer, options).unwrap();
        let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 0);
        let mut run = Run::new(Arc::new(plan), Arc::new(parameters));
        let mut executors: Vec<_> = [("sequential", 1), ("pool", 2)]
            .map(|(name, workers)| executor(name, workers, "fifo").unwrap())
            .into();
        let speedup = speedup(&mut run, &mut executors, Duration::ZERO).unwrap();
        assert_eq!((speedup.tasks, speedup.parts, speedup.steps), (50, 50, 6));
        assert!(speedup.critical_path_ms <= speedup.work_ms);
        assert!(
            (speedup.rows[0].bound - 1.0).abs() < 1e-9 && speedup.rows[0].executor == "sequential"
        );
        assert!((1.0..=2.0).contains(&speedup.rows[1].bound));
        assert_eq!(speedup.phases.len(), 1);
        assert!((speedup.phases[0].share - 1.0).abs() < 1e-9);
    }
}
