//! The time of one training step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Conditions, CoreWatch, minor_faults, peak_resident_mib};
use crate::context::{Finite, Mode};
use crate::data::synthetic_for;
use crate::error::Result;
use crate::flow::Executor;
use crate::graph::Graph;
use crate::optimizers::Optimizer;
use crate::plan::{Plan, PlanOptions};
use crate::run::{Parameters, Run};
use crate::statistics::median;

/// Steps before the clock starts.
const WARM_UP: u64 = 5;

/// The fewest steps that are timed, however long they take.
const FEWEST: usize = 5;

/// Between two looks at the cores.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// The part of a block that is not timed: caches are another executor's, whose workers still look for
/// work, and the system needs some milliseconds to give a worker that has slept a core of its own.
const UNTIMED: Duration = Duration::from_millis(8);

/// How many steps of a block are timed at least, and for how long.
const TIMED: (usize, Duration) = (3, Duration::from_millis(8));

/// Steps of an executor whose turn begins, untimed.
///
/// # Errors
/// Of `step`.
pub fn settle(mut step: impl FnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    step()?;
    while began.elapsed() < UNTIMED {
        step()?;
    }
    Ok(())
}

/// One block of steps of an executor that takes turns with others and has settled. Adds the seconds of
/// each step.
///
/// # Errors
/// Of `step`.
pub fn time_block(mut step: impl FnMut() -> Result<()>, seconds: &mut Vec<f64>) -> Result<()> {
    let (fewest, limit) = TIMED;
    let (before, began) = (seconds.len(), Instant::now());
    while seconds.len() < before + fewest || began.elapsed() < limit {
        let step_began = Instant::now();
        step()?;
        seconds.push(step_began.elapsed().as_secs_f64());
    }
    Ok(())
}

/// How long steps took, and what they took up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepTime {
    /// Milliseconds of a step: the median.
    pub median_ms: f64,
    /// Milliseconds of the fastest step.
    pub fastest_ms: f64,
    /// Steps timed.
    pub steps: usize,
    /// Floating-point operations of one step, counted from shapes.
    pub flops: f64,
    /// Tasks of one step.
    pub tasks: usize,
    /// Minor page faults a step, where the system counts them.
    pub faults_per_step: Option<f64>,
    /// The most resident memory of the process up to here, in MiB, where the system says so.
    pub peak_resident_mib: Option<f64>,
    /// The state of the cores: before, twice a second, and after.
    pub conditions: Conditions,
}

impl StepTime {
    /// Floating-point operations of the median step, in 10^9 a second.
    pub fn gflops(&self) -> f64 {
        self.flops / self.median_ms / 1e6
    }
}

/// A training run of `graph` with one batch of synthetic data bound.
///
/// # Errors
/// If the graph can't be trained.
pub fn prepare(
    graph: &Arc<Graph>,
    batch: usize,
    optimizer: &Arc<dyn Optimizer>,
    options: PlanOptions,
) -> Result<Run> {
    let plan = Arc::new(Plan::compile(graph, Mode::Training, batch, optimizer, options)?);
    let parameters = Arc::new(Parameters::initialize(graph, optimizer.as_ref(), 0)?);
    let mut run = Run::new(plan, parameters)?;
    // A training looks too.
    run.set_finite(Finite::Look);
    let data = synthetic_for(graph, batch, 0)?;
    for column in data.inputs().iter().chain(data.targets()) {
        let numbers = column.tensor().and_then(|values| values.as_slice()).unwrap_or_default();
        run.bind(graph.id(&column.name)?, numbers)?;
    }
    Ok(run)
}

/// Times training steps (forward, losses, backward, updates) of a prepared run: five steps to warm up,
/// then steps for `limit`. Twice a second it looks how near the cores are to each other.
///
/// # Errors
/// If a node fails.
pub fn time_steps(run: &mut Run, executor: &mut dyn Executor, limit: Duration) -> Result<StepTime> {
    let (workers, pinning) = (executor.workers(), executor.pinning());
    let mut step = 0;
    let mut next = |run: &mut Run| {
        run.set_step(step);
        step += 1;
        executor.execute(run)
    };
    let mut watch = CoreWatch::start(workers, pinning);
    for _ in 0..WARM_UP {
        next(run)?;
    }
    let mut seconds = Vec::with_capacity(1 << 16);
    let mut faults = minor_faults();
    let began = Instant::now();
    let mut looked = began;
    while seconds.len() < FEWEST || began.elapsed() < limit {
        if looked.elapsed() > LOOK {
            let before = minor_faults();
            watch.look();
            // A step wakes the workers again.
            next(run)?;
            let of_look = minor_faults().zip(before).map(|(after, before)| after - before);
            faults = faults.zip(of_look).map(|(faults, of_look)| faults + of_look);
            looked = Instant::now();
        }
        let step_began = Instant::now();
        next(run)?;
        seconds.push(step_began.elapsed().as_secs_f64());
    }
    let faults = minor_faults().zip(faults).map(|(after, before)| after - before);
    Ok(StepTime {
        steps: seconds.len(),
        fastest_ms: seconds.iter().copied().fold(f64::INFINITY, f64::min) * 1e3,
        faults_per_step: faults.map(|faults| faults as f64 / seconds.len() as f64),
        median_ms: median(&mut seconds) * 1e3,
        flops: run.plan().flops(),
        tasks: run.plan().task_count(),
        peak_resident_mib: peak_resident_mib(),
        conditions: watch.end(),
    })
}
