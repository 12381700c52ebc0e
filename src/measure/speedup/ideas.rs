//! What each idea of the executor is worth: the same step with one of them switched off.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{OBSERVED, in_turn, longest_parts, part_seconds};
use crate::error::Result;
use crate::flow::Executor;
use crate::graph::Graph;
use crate::measure::{CoreWatch, prepare};
use crate::optimizers::Optimizer;
use crate::plan::PlanOptions;
use crate::run::Run;
use crate::statistics::{median, quantile};

/// A step with one idea switched off, or, first, with all of them.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Idea {
    /// What is switched off.
    pub without: &'static str,
    /// Milliseconds of a step: the median.
    pub step_ms: f64,
    /// Milliseconds that a quarter of the steps stay below, and that a quarter pass.
    pub quartiles_ms: [f64; 2],
    /// How many times as long as with all ideas.
    pub slowdown: f64,
    /// Tasks of a step.
    pub tasks: usize,
    /// Milliseconds of all parts one after another: T1.
    pub work_ms: f64,
    /// Milliseconds of the longest way through the tasks: T∞.
    pub critical_path_ms: f64,
}

/// Switches something off.
type Switch = fn(&mut PlanOptions);

/// What to switch off, and how.
const SWITCHES: &[(&str, Switch)] = &[
    ("nothing", |_| ()),
    ("input and parameter gradients apart", |options| options.split_backward = false),
    ("parts", |options| options.parts = false),
    ("fusion", |options| options.fusion = false),
    ("updates beside gradients", |options| options.overlap_updates = false),
    ("chunks", |options| options.chunk_bytes = usize::MAX),
];

/// Times steps of `graph` on synthetic data with each idea switched off in turn, for about `limit` in
/// all. After each block of steps, `watch` looks at the cores.
///
/// # Errors
/// If the graph can't be trained, or if a node fails.
pub fn ideas(
    graph: &Arc<Graph>,
    batch: usize,
    optimizer: &Arc<dyn Optimizer>,
    executor: &mut dyn Executor,
    limit: Duration,
    watch: &mut CoreWatch,
) -> Result<Vec<Idea>> {
    let mut runs: Vec<Run> = Vec::with_capacity(SWITCHES.len());
    for (_, switch) in SWITCHES {
        let mut options = PlanOptions::default();
        switch(&mut options);
        runs.push(prepare(graph, batch, optimizer, options)?);
    }
    let mut times = in_turn(&mut runs, limit, watch, |_| false, |run| executor.execute(run))?;
    let mut all = f64::NAN;
    let mut ideas = Vec::with_capacity(SWITCHES.len());
    for (((without, _), run), times) in SWITCHES.iter().zip(&mut runs).zip(&mut times) {
        let seconds = median(times);
        if ideas.is_empty() {
            all = seconds;
        }
        let alone = part_seconds(run, OBSERVED.0)?;
        ideas.push(Idea {
            without,
            step_ms: seconds * 1e3,
            quartiles_ms: [0.25, 0.75].map(|share| quantile(times, share) * 1e3),
            slowdown: seconds / all,
            tasks: run.plan().task_count(),
            work_ms: alone.iter().flatten().sum::<f64>() * 1e3,
            critical_path_ms: run.plan().critical_path(&longest_parts(&alone)).1 * 1e3,
        });
    }
    Ok(ideas)
}
