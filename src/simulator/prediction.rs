//! What a network would take on machines of several sizes, beside what it takes here.

use std::time::Duration;

use serde::Serialize;

use super::calibration::{Calibration, calibrate, cores};
use super::measurement::fitted;
use super::{Losses, Machine, Options, PartCost, PartCosts, Simulation, Subject, losses, simulate};
use crate::error::Result;
use crate::flow::policy::policy;
use crate::measure::{Conditions, CoreWatch};
use crate::model::Model;
use crate::plan::Plan;
use crate::setters::setters;
use crate::topology::Pinning;

/// Predictions for one network.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Prediction {
    /// The network.
    pub model: String,
    /// Items in a batch.
    pub batch: usize,
    /// Tasks of a step, and parts of all of them.
    pub tasks: usize,
    /// Parts of all tasks of a step.
    pub parts: usize,
    /// Milliseconds of a step on one worker by the first policy, measured.
    pub alone_ms: f64,
    /// Milliseconds of all parts one after another, by the first policy: T1.
    pub work_ms: f64,
    /// Milliseconds of the longest way through the tasks, longest parts only: T∞.
    pub critical_path_ms: f64,
    /// The machine, as measured.
    pub machine: Machine,
    /// Networks that were disturbed whenever they were measured: those of the calibration are left out of
    /// it where enough others were not.
    pub disturbed: Vec<String>,
    /// By number of workers and policy.
    pub rows: Vec<Row>,
    /// The state of the cores: before, while networks were measured that count, and after.
    pub conditions: Conditions,
}

/// One prediction.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// Workers.
    pub workers: usize,
    /// The policy.
    pub policy: String,
    /// Predicted milliseconds of a step.
    pub predicted_ms: f64,
    /// How many times as fast as one worker of speed 1 with this policy.
    pub speedup: f64,
    /// The speedup over the sum of the workers' speeds.
    pub efficiency: f64,
    /// The share of the workers' time in which they have no part.
    pub idle_share: f64,
    /// The most MiB of recycled buffers in use at one time.
    pub peak_live_mib: f64,
    /// The most speedup that the policy's work and critical path allow: min(P, T1 / T∞), where P is the sum of the
    /// speeds.
    pub bound: f64,
    /// The least speedup of any list schedule without overhead on equal workers (Graham 1969).
    pub list_schedule_speedup: Option<f64>,
    /// Measured milliseconds of a step, where this machine has the cores.
    pub measured_ms: Option<f64>,
    /// By which share of the measured time the prediction misses it.
    pub error: Option<f64>,
    /// Where the time over the ideal goes, if that was asked for.
    pub losses: Option<Losses>,
}

/// What is to be predicted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The speeds of the workers of each machine.
    pub machines: Vec<Vec<f64>>,
    /// Policies.
    pub policies: Vec<String>,
    /// How long the network's steps are measured, all executors together.
    pub limit: Duration,
    /// For the costs of parts, which are drawn from their mean and variance.
    pub seed: u64,
    /// Whether to say for every row where the time over the ideal goes.
    pub losses: bool,
    /// Where the workers run that are measured.
    pub pinning: Pinning,
}

impl Request {
    setters! {
        seed: u64,
        losses: bool,
        pinning: Pinning,
    }

    /// A prediction for machines of workers of these speeds, by each policy, from measurements of about `limit`;
    /// drawn with seed 0.
    pub fn new(machines: Vec<Vec<f64>>, policies: Vec<String>, limit: Duration) -> Self {
        Self { machines, policies, limit, seed: 0, losses: false, pinning: Pinning::None }
    }

    /// The rows that can be measured here too: number of workers and policy.
    fn measurable(&self) -> Vec<(usize, &str)> {
        let here = self.machines.iter().filter(|speeds| measurable(speeds));
        let policies = || self.policies.iter().map(String::as_str);
        here.flat_map(|speeds| policies().map(|policy| (speeds.len(), policy))).collect()
    }
}

/// Whether workers of these speeds exist here.
fn measurable(speeds: &[f64]) -> bool {
    speeds.len() <= cores() && speeds.iter().all(|speed| *speed == 1.0)
}

/// Measures this machine and a step of `model` on one worker, predicts the step for every machine and policy
/// of `request`, and measures what this machine can. Each network of the calibration takes a tenth of the
/// time of the model.
///
/// # Errors
/// If the network can't be trained, a policy is unknown or refuses it, or a machine is impossible.
pub fn predict(model: &Model, request: &Request) -> Result<Prediction> {
    let policies: Vec<&str> = request.policies.iter().map(String::as_str).collect();
    let limit = request.limit;
    let pinning = request.pinning;
    let others = request.measurable();
    // What calibrates runs on two.
    let most = others.iter().map(|&(workers, _)| workers).max().unwrap_or(1).max(2);
    let mut watch = CoreWatch::start(most, pinning);
    let subject = Subject { model, policies: &policies, others, limit, pinning };
    let Calibration { machine, measured, disturbed, handovers } =
        calibrate(limit / 10, pinning, &[subject])?;
    watch.include_seconds(&handovers);
    let conditions = watch.end();
    let machine = &machine;
    // One subject, one measurement.
    let measurement = &measured[0];
    let plan = &measurement.plan;
    let mut rows = Vec::new();
    for speeds in &request.machines {
        for policy in &request.policies {
            let costs = measurement.costs_on(machine, policy)?;
            let (work, path) = (costs.work(), costs.critical_path(plan));
            let on = |speeds: Vec<f64>| {
                let machine = machine.clone().speeds(speeds);
                run(plan, &costs, &machine, policy, request.seed)
            };
            let simulated = on(speeds.clone())?;
            let alone = on(vec![1.0])?;
            let speedup = alone.makespan / simulated.makespan;
            let all: f64 = speeds.iter().sum();
            let measured = measurement.others.iter().find(|other| {
                measurable(speeds) && other.workers == speeds.len() && other.policy == *policy
            });
            let workers = speeds.len() as f64;
            let lost = || {
                let machine = machine.clone().speeds(speeds.clone());
                losses(plan, policy, &machine, &costs, Options::drawn(request.seed))
            };
            let equal = speeds.iter().all(|speed| *speed == 1.0);
            rows.push(Row {
                workers: speeds.len(),
                policy: policy.clone(),
                predicted_ms: simulated.makespan * 1e3,
                speedup,
                efficiency: speedup / all,
                idle_share: simulated.idle_share(),
                peak_live_mib: simulated.peak_bytes as f64 / f64::from(1 << 20),
                bound: all.min(work / path),
                list_schedule_speedup: equal
                    .then(|| work / (work / workers + (1.0 - 1.0 / workers) * path)),
                measured_ms: measured.map(|times| times.seconds * 1e3),
                error: measured.map(|times| simulated.makespan / times.seconds - 1.0),
                losses: request.losses.then(lost).transpose()?,
            });
        }
    }
    let first = measurement.alone(policies.first().copied().unwrap_or_default());
    let costs = measurement.costs_on(machine, &first.policy)?;
    Ok(Prediction {
        model: measurement.name.clone(),
        batch: plan.batch(),
        tasks: plan.task_count(),
        parts: (0..plan.task_count()).map(|task| plan.task(task).parts).sum(),
        alone_ms: first.seconds * 1e3,
        work_ms: costs.work() * 1e3,
        critical_path_ms: costs.critical_path(plan) * 1e3,
        machine: machine.clone(),
        disturbed,
        rows,
        conditions,
    })
}

/// Predicted seconds of a step by a policy on machines of `workers` equal workers each, from the seconds
/// of every part, task by task, and of a step on one worker.
///
/// # Errors
/// If the policy is unknown or refuses the plan, or a machine is impossible.
pub fn curve(
    plan: &Plan,
    part_seconds: &[Vec<f64>],
    alone: f64,
    machine: &Machine,
    policy: &str,
    workers: &[usize],
) -> Result<Vec<f64>> {
    let cost = |&mean: &f64| PartCost { mean, variance: 0.0 };
    let costs = PartCosts::new(part_seconds.iter().map(|parts| parts.iter().map(cost).collect()));
    let costs = fitted(&costs, plan, machine, policy, alone)?;
    let on = |&workers: &usize| {
        Ok(run(plan, &costs, &machine.with_workers(workers), policy, 0)?.makespan)
    };
    workers.iter().map(on).collect()
}

fn run(
    plan: &Plan,
    costs: &PartCosts,
    machine: &Machine,
    name: &str,
    seed: u64,
) -> Result<Simulation> {
    simulate(plan, policy(name)?.as_mut(), machine, costs, Options::drawn(seed))
}
