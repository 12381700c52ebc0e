//! What would be if a node took less time, or the machine had more of something.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::calibration::{Calibration, calibrate, cores};
use super::node_groups::NodeGroups;
use super::{
    MOST_WORKERS, Machine, Options, Overhead, PartCosts, Slowdown, Subject, Workload, overhead_of,
    simulate,
};
use crate::error::{Result, refuse};
use crate::flow::TaskGraph;
use crate::flow::policy::policy;
use crate::flow::trace::{Trace, TracedTask};
use crate::measure::{Conditions, CoreWatch};
use crate::model::Model;
use crate::setters::setters;
use crate::topology::Pinning;

/// For each of the groups asked for, so many are simulated at most.
const TRIES: usize = 5;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WhatIfOptions {
    /// The policy.
    pub policy: String,
    /// By how much less time nodes take, as a share.
    pub less: f64,
    /// How many groups of nodes are looked for: those that save the most.
    pub top: usize,
    /// How every simulation goes about it.
    pub simulation: Options,
}

impl WhatIfOptions {
    /// What the 20 groups would save that save the most if they took a fifth less time, under the policy of this name.
    pub fn new(policy: impl Into<String>) -> Self {
        Self { policy: policy.into(), less: 0.2, top: 20, simulation: Options::drawn(0) }
    }

    setters! {
        policy: impl Into<String>,
        less: f64,
        top: usize,
        simulation: Options,
    }
}

/// What a step takes, and what changes would save.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WhatIf {
    /// The network, or the graph of the trace.
    pub name: String,
    /// Workers.
    pub workers: usize,
    /// The policy.
    pub policy: String,
    /// Milliseconds that a step took: recorded, or measured, where that was possible.
    pub measured_ms: Option<f64>,
    /// Milliseconds that it takes in the simulator, which all savings are of.
    pub simulated_ms: f64,
    /// T1, in milliseconds.
    pub work_ms: f64,
    /// T∞, in milliseconds.
    pub critical_path_ms: f64,
    /// T1 / T∞.
    pub parallelism: f64,
    /// What scheduling adds to every message on the way from one worker to another, in milliseconds.
    pub burden_ms: f64,
    /// T1 over the longest way where every message takes the burden.
    pub burdened_parallelism: f64,
    /// By how much less time nodes take, as a share.
    pub less: f64,
    /// The groups of nodes that were simulated, those that save the most first.
    pub nodes: Vec<NodeSaving>,
    /// Groups that were not simulated, since they have less of T1 than all that were.
    pub left_out: usize,
    /// The largest share of T1 that one of those has.
    pub left_out_share: f64,
    /// What other changes would save, those that save the most first.
    pub resources: Vec<ResourceSaving>,
}

/// What a node that takes less time would save, with those that share a task with it: they take less time together.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeSaving {
    /// The node, with those that are computed in the same tasks; none of a task that belongs to no node.
    pub nodes: Vec<String>,
    /// The share of T1 that their tasks have.
    pub work_share: f64,
    /// Milliseconds that a step would be shorter; below 0, longer, which is an anomaly of the policy.
    pub saved_ms: f64,
}

/// What a change of the machine would save.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ResourceSaving {
    /// The change.
    pub change: String,
    /// Milliseconds that a step would be shorter.
    pub saved_ms: f64,
}

/// The longest way through `graph` in seconds where every message takes `burden` more (He, Leiserson and Leiserson, The
/// Cilkview scalability analyzer, SPAA 2010).
fn burdened_span(graph: &TaskGraph, costs: &PartCosts, burden: f64) -> f64 {
    let longest = |task: usize| {
        let parts = costs.of_task(task).iter().map(|part| part.mean);
        let waits = graph.task(task).messages > 0;
        parts.fold(0.0, f64::max) + if waits { burden } else { 0.0 }
    };
    let seconds: Vec<f64> = (0..graph.task_count()).map(longest).collect();
    graph.critical_path(&seconds).1
}

/// What a message costs at least on its way to a part on another worker: the sender's part and message, the queue, word of
/// it, and the lock.
fn burden(overhead: &Overhead) -> f64 {
    overhead.part + overhead.message + overhead.queued + 2.0 * overhead.handover
}

/// Machines that differ from `machine` in one thing each, and what that is.
fn changes(machine: &Machine, less: f64) -> Vec<(String, Machine)> {
    let workers = machine.workers();
    let mut more = machine.speeds.clone();
    more.push(1.0);
    let mut list = Vec::new();
    if workers < MOST_WORKERS {
        list.push(("one worker more".to_owned(), machine.clone().speeds(more)));
    }
    if workers > 1 {
        let fewer = machine.speeds[..workers - 1].to_vec();
        list.push(("one worker less".to_owned(), machine.clone().speeds(fewer)));
    }
    let faster: Vec<f64> = machine.speeds.iter().map(|speed| speed / (1.0 - less)).collect();
    let percent = 100.0 * less;
    list.push((
        format!("cores on which all takes {percent} % less"),
        machine.clone().speeds(faster),
    ));
    let Overhead { part, message, queued, handover, notify, wake, spin } = machine.overhead;
    let [part, message, queued, handover, notify, wake] =
        [part, message, queued, handover, notify, wake].map(|seconds| seconds / 2.0);
    let half = Overhead { part, message, queued, handover, notify, wake, spin };
    list.push(("half the overhead of scheduling".to_owned(), machine.clone().overhead(half)));
    let awake = machine.overhead.spin(f64::INFINITY);
    list.push(("workers that never sleep".to_owned(), machine.clone().overhead(awake)));
    let Slowdown { fetch, transfer, weights, take, shared } = machine.slowdown;
    if [fetch, transfer, weights, take].iter().any(|&it| it > 0.0) {
        let [fetch, transfer, weights, take] =
            [fetch, transfer, weights, take].map(|seconds| seconds / 2.0);
        let half = Slowdown { fetch, transfer, weights, take, shared };
        list.push(("half the traffic between caches".to_owned(), machine.clone().slowdown(half)));
    }
    list
}

/// What a step takes, and what it would take if each of its nodes in turn took less time, or if the machine had more of
/// something: what Coz (Curtsinger and Berger 2015) calls virtual speedups, by simulation. `nodes_of` names the nodes of
/// every task. Nodes that share a task take less time together, for nobody knows how much of the task's time is whose.
///
/// The heaviest groups of nodes are simulated first, until no other can save as much as one of the best
/// [`top`](WhatIfOptions::top), or five times as many have been: a schedule gets no shorter than by what its parts do, but
/// for anomalies of policies. `progress` hears before each of them how many have been simulated, and of how many at most.
///
/// ```
/// use caudal::flow::TaskGraphBuilder;
/// use caudal::simulator::{Machine, PartCosts, WhatIfOptions, what_if};
///
/// let mut tasks = TaskGraphBuilder::new("two ways");
/// tasks.task("short", 1.0, &[])?;
/// tasks.task("long", 2.0, &[])?;
/// let graph = tasks.build()?;
/// let costs = PartCosts::even(&graph, graph.estimated_costs());
/// let nodes = [vec!["short".to_owned()], vec!["long".to_owned()]];
/// let options = WhatIfOptions::new("fifo").less(0.5);
/// let it = what_if(&graph, &nodes, &costs, &Machine::ideal(2), &options, &mut |_, _| {})?;
/// assert_eq!((it.nodes[0].nodes[0].as_str(), it.nodes[0].saved_ms), ("long", 1000.0));
/// assert_eq!(it.nodes[1].saved_ms, 0.0, "the other ends before it in any case");
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// As for [`simulate`], and if there is no such policy.
pub fn what_if(
    work: &(impl Workload + ?Sized),
    nodes_of: &[Vec<String>],
    costs: &PartCosts,
    machine: &Machine,
    options: &WhatIfOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<WhatIf> {
    let WhatIfOptions { policy: name, less, top, simulation } = options;
    let took = |machine: &Machine, costs: &PartCosts| -> Result<f64> {
        Ok(simulate(work, policy(name)?.as_mut(), machine, costs, *simulation)?.makespan * 1e3)
    };
    let graph = work.task_graph();
    let simulated = took(machine, costs)?;
    let (all, span) = (costs.work(), costs.critical_path(graph));
    let share = |seconds: f64| if all > 0.0 { seconds / all } else { 0.0 };
    let tasks = (0..graph.task_count()).map(|task| nodes_of.get(task).cloned().unwrap_or_default());
    let NodeGroups { nodes: names, of_task } = NodeGroups::new(&tasks.collect::<Vec<_>>());
    let mut seconds = vec![0.0; names.len()];
    for (&group, of_task) in of_task.iter().zip(costs.task_seconds()) {
        seconds[group] += of_task;
    }
    let mut heaviest: Vec<usize> = (0..names.len()).collect();
    heaviest.sort_by(|&a, &b| seconds[b].total_cmp(&seconds[a]));
    let most = top.saturating_mul(TRIES).min(names.len());
    let mut nodes: Vec<NodeSaving> = Vec::new();
    for &group in &heaviest[..most] {
        // What a group can save is what it takes less, but for anomalies of the policy.
        let settled = nodes.get(top.saturating_sub(1)).map(|last| last.saved_ms);
        if settled.is_some_and(|least| least >= 1e3 * less * seconds[group]) {
            break;
        }
        progress(nodes.len(), most);
        let factor = |task: usize| if of_task[task] == group { 1.0 - less } else { 1.0 };
        let shorter = took(machine, &costs.clone().scaled_by_task(factor))?;
        nodes.push(NodeSaving {
            nodes: names[group].clone(),
            work_share: share(seconds[group]),
            saved_ms: simulated - shorter,
        });
        nodes.sort_by(|a, b| {
            b.saved_ms.total_cmp(&a.saved_ms).then(b.work_share.total_cmp(&a.work_share))
        });
    }
    let left_out = &heaviest[nodes.len()..];
    let mut resources = Vec::new();
    for (change, machine) in changes(machine, *less) {
        resources.push(ResourceSaving { change, saved_ms: simulated - took(&machine, costs)? });
    }
    resources.sort_by(|a, b| b.saved_ms.total_cmp(&a.saved_ms));
    let burden = burden(&machine.overhead);
    let over = |span: f64| if span > 0.0 { all / span } else { 1.0 };
    Ok(WhatIf {
        name: graph.name().to_owned(),
        workers: machine.workers(),
        policy: name.clone(),
        measured_ms: None,
        simulated_ms: simulated,
        work_ms: all * 1e3,
        critical_path_ms: span * 1e3,
        parallelism: over(span),
        burden_ms: burden * 1e3,
        burdened_parallelism: over(burdened_span(graph, costs, burden)),
        less: *less,
        left_out: left_out.len(),
        left_out_share: left_out.first().map_or(0.0, |&group| share(seconds[group])),
        nodes,
        resources,
    })
}

/// As [`what_if`], from a trace: of the parts' medians, on a machine whose overhead is what the trace
/// [tells](overhead_of), with `workers` workers in place of as many as ran parts: a pool may keep others asleep all the
/// time. What parts took includes what others beside them made them wait for.
///
/// # Errors
/// As for [`what_if`], and if more workers ran parts than can be simulated, and `workers` does not say how many are.
pub fn what_if_of_trace(
    trace: &Trace,
    workers: Option<usize>,
    options: &WhatIfOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<WhatIf> {
    let graph = trace.graph();
    let executions = trace.executions();
    let events: Vec<_> = executions.iter().flat_map(|it| it.events.iter().copied()).collect();
    let costs = PartCosts::measured(graph, &events, 0.0);
    let own = events.iter().map(|event| event.worker).collect::<BTreeSet<_>>().len();
    if workers.is_none() && own > MOST_WORKERS {
        return Err(refuse(
            trace.name(),
            format!("{own} workers ran parts, and the simulator has {MOST_WORKERS} at most"),
            "say how many are simulated",
        ));
    }
    let machine = Machine::ideal(workers.unwrap_or(own)).overhead(overhead_of(trace));
    let nodes: Vec<_> = trace.tasks().iter().map(TracedTask::nodes).collect();
    let mut it = what_if(trace, &nodes, &costs, &machine, options, progress)?;
    if workers.is_none_or(|workers| workers == own) {
        let mut lengths: Vec<f64> = executions.iter().map(|it| it.length() as f64 / 1e6).collect();
        it.measured_ms = Some(crate::statistics::median(&mut lengths));
    }
    Ok(it)
}

/// As [`what_if`], of a training step of `model`, whose parts are measured on one worker for about `limit`, and of this
/// machine, which is measured too, as for a [prediction](super::prediction::predict). With what was seen of the cores.
///
/// # Errors
/// As for [`what_if`], and if the network can't be trained.
pub fn what_if_of_model(
    model: &Model,
    workers: usize,
    limit: Duration,
    pinning: Pinning,
    options: &WhatIfOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(WhatIf, Conditions)> {
    let name = options.policy.as_str();
    let policies = [name];
    let others = if workers <= cores() { vec![(workers, name)] } else { Vec::new() };
    let mut watch = CoreWatch::start(workers.clamp(2, cores().max(2)), pinning);
    let subject = Subject { model, policies: &policies, others, limit, pinning };
    let Calibration { machine, measured, handovers, .. } =
        calibrate(limit / 10, pinning, &[subject])?;
    watch.include_seconds(&handovers);
    // One subject, one measurement.
    let measurement = &measured[0];
    let plan = &measurement.plan;
    let costs = measurement.costs_on(&machine, name)?;
    let of_task = |task| plan.task(task).calls.iter().map(|call| call.0.to_owned()).collect();
    let nodes: Vec<Vec<String>> = (0..plan.task_count()).map(of_task).collect();
    let machine = machine.with_workers(workers);
    let mut it = what_if(plan, &nodes, &costs, &machine, options, progress)?;
    it.name.clone_from(&measurement.name);
    it.measured_ms = measurement.others.first().map(|times| times.seconds * 1e3);
    Ok((it, watch.end()))
}
