//! Predicts how a plan runs on machines that are not there: the pool and its policies on virtual
//! workers with a virtual clock.
//!
//! A [`Machine`] says what scheduling and running side by side cost, [`PartCosts`] how long each part takes
//! alone; [`simulate`] puts a plan and a policy, the very objects that the pool uses, on it.
//! [`calibration`] measures both on the machine at hand, [`prediction`] and [`validation`] make tables.
//! `docs/simulator.md` describes the model, and where it errs.

mod buffers;
pub mod calibration;
mod costs;
mod engine;
mod export;
mod least_squares;
mod losses;
mod machine;
mod measurement;
mod node_groups;
pub mod prediction;
mod sittings;
mod traced;
mod traffic;
pub mod validation;
mod what_if;
mod workload;

pub use costs::{PartCost, PartCosts};
pub use export::weighted_graph;
pub use losses::{Loss, Losses, losses};
pub use machine::{Machine, Overhead, Slowdown};
pub use measurement::{Measurement, StepTimes};
pub use sittings::{Sittings, Subject};
pub use traced::overhead_of;
pub use traffic::Traffic;
pub use what_if::{
    NodeSaving, ResourceSaving, WhatIf, WhatIfOptions, what_if, what_if_of_model, what_if_of_trace,
};
pub use workload::Workload;

use crate::error::{Result, refuse, short};
use crate::flow::PartEvent;
use crate::flow::policy::Policy;
use crate::setters::setters;

/// The most workers of a virtual machine.
pub const MOST_WORKERS: usize = 1024;

/// How a simulation goes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Steps before the one that is reported: they decide which worker holds what, and who sleeps.
    pub warm_up: usize,
    /// Steps of which the one of median length is reported; one at least.
    pub steps: usize,
    /// Draws the cost of every part from its mean and variance. Without a seed, a part takes its mean.
    pub seed: Option<u64>,
}

impl Options {
    setters! {
        warm_up: usize,
        steps: usize,
        seed: impl Into<Option<u64>>,
    }

    /// A typical one of several steps with costs drawn by chance. Without chance, a policy may give each
    /// part to another worker than in the step before, or all to the same, forever.
    pub fn drawn(seed: u64) -> Self {
        Self { warm_up: 3, steps: 7, seed: Some(seed) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { warm_up: 1, steps: 1, seed: None }
    }
}

/// What one simulated step came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Simulation {
    /// Seconds from the call to its return.
    pub makespan: f64,
    /// Where the time of each worker went.
    pub workers: Vec<WorkerTime>,
    /// The schedule, by start; times are nanoseconds from the step's beginning.
    pub events: Vec<PartEvent>,
    /// The most bytes of recycled buffers in use at one time.
    pub peak_bytes: usize,
    /// Bytes of recycled buffers in use, whenever they changed: nanoseconds and bytes.
    pub live_bytes: Vec<(u64, usize)>,
}

/// Where the time of one worker went, in seconds; together they make the makespan.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkerTime {
    /// Running parts.
    pub busy: f64,
    /// Sending, publishing and taking parts, and waiting for the lock.
    pub scheduling: f64,
    /// Without a part.
    pub idle: f64,
}

impl Simulation {
    /// The share of all workers' time in which they had no part.
    pub fn idle_share(&self) -> f64 {
        let idle: f64 = self.workers.iter().map(|worker| worker.idle).sum();
        if self.makespan > 0.0 { idle / (self.makespan * self.workers.len() as f64) } else { 0.0 }
    }
}

/// Runs `work` by `policy` on the virtual workers of `machine`, where parts cost what `costs` says.
///
/// The same arguments give the same simulation, as long as the policy has no state of its own.
///
/// # Errors
/// If the machine has no worker, more than [`MOST_WORKERS`] or one without speed, or if the policy
/// loses a part.
pub fn simulate(
    work: &(impl Workload + ?Sized),
    policy: &mut dyn Policy,
    machine: &Machine,
    costs: &PartCosts,
    options: Options,
) -> Result<Simulation> {
    check(machine)?;
    let traffic = work.traffic();
    let mut engine = engine::Engine::new(work.task_graph(), machine, costs, &traffic);
    for step in 0..options.warm_up {
        engine.step(policy, costs.draw(options.seed, step as u64))?;
    }
    let mut reported = vec![engine.step(policy, costs.draw(options.seed, options.warm_up as u64))?];
    for step in 1..options.steps {
        let seconds = costs.draw(options.seed, (options.warm_up + step) as u64);
        reported.push(engine.step(policy, seconds)?);
    }
    reported.sort_by(|a, b| a.makespan.total_cmp(&b.makespan));
    Ok(reported.swap_remove(reported.len() / 2))
}

fn check(machine: &Machine) -> Result<()> {
    let workers = machine.workers();
    let wrong = |problem: String, remedy| Err(refuse("the virtual machine", problem, remedy));
    if workers == 0 || workers > MOST_WORKERS {
        return wrong(format!("it has {workers} workers"), format!("give it 1 to {MOST_WORKERS}"));
    }
    if let Some(speed) = machine.speeds.iter().find(|it| !(it.is_finite() && **it > 0.0)) {
        return wrong(
            format!("a worker has speed {}", short(*speed)),
            "give every worker a speed above 0".to_owned(),
        );
    }
    Ok(())
}
