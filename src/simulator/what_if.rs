//! What would be if a node took less time, or the machine had more of something.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::calibration::{Calibration, calibrate, cores};
use super::{
    Machine, Options, Overhead, PartCosts, Slowdown, Subject, Workload, overhead_of, simulate,
};
use crate::error::Result;
use crate::flow::TaskGraph;
use crate::flow::policy::policy;
use crate::flow::trace::Trace;
use crate::measure::{Conditions, CoreWatch};
use crate::model::Model;
use crate::topology::Pinning;

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
    /// By node, those that save the most first.
    pub nodes: Vec<NodeSaving>,
    /// What other changes would save, those that save the most first.
    pub resources: Vec<ResourceSaving>,
}

/// What a node that takes less time would save.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeSaving {
    /// The node.
    pub node: String,
    /// The share of T1 that its tasks have.
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
    let mut list = vec![("one worker more".to_owned(), machine.clone().speeds(more))];
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

/// What a step by the policy called `name` takes, and what it would take if each of its nodes in turn took less time, by
/// the share `less`, or if the machine had more of something: what Coz (Curtsinger and Berger 2015) calls virtual
/// speedups, by simulation. `node_of` names the node of every task.
///
/// ```
/// use caudal::flow::TaskGraphBuilder;
/// use caudal::simulator::{Machine, Options, PartCosts, what_if};
///
/// let mut tasks = TaskGraphBuilder::new("two ways");
/// tasks.task("short", 1.0, &[])?;
/// tasks.task("long", 2.0, &[])?;
/// let graph = tasks.build()?;
/// let costs = PartCosts::even(&graph, graph.estimated_costs());
/// let nodes = ["short".to_owned(), "long".to_owned()];
/// let it = what_if(&graph, &nodes, &costs, &Machine::ideal(2), "fifo", 0.5, Options::default())?;
/// assert_eq!((it.nodes[0].node.as_str(), it.nodes[0].saved_ms), ("long", 1000.0));
/// assert_eq!(it.nodes[1].saved_ms, 0.0, "the other ends before it in any case");
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// As for [`simulate`], and if there is no such policy.
pub fn what_if(
    work: &(impl Workload + ?Sized),
    node_of: &[String],
    costs: &PartCosts,
    machine: &Machine,
    name: &str,
    less: f64,
    options: Options,
) -> Result<WhatIf> {
    let took = |machine: &Machine, costs: &PartCosts| -> Result<f64> {
        Ok(simulate(work, policy(name)?.as_mut(), machine, costs, options)?.makespan * 1e3)
    };
    let graph = work.task_graph();
    let simulated = took(machine, costs)?;
    let (all, span) = (costs.work(), costs.critical_path(graph));
    let mut of_node: BTreeMap<&str, f64> = BTreeMap::new();
    for (node, seconds) in node_of.iter().zip(costs.task_seconds()) {
        *of_node.entry(node).or_default() += seconds;
    }
    let mut nodes = Vec::new();
    for (node, seconds) in of_node {
        let factor = |task: usize| if node_of[task] == node { 1.0 - less } else { 1.0 };
        let shorter = took(machine, &costs.clone().scaled_by_task(factor))?;
        nodes.push(NodeSaving {
            node: node.to_owned(),
            work_share: if all > 0.0 { seconds / all } else { 0.0 },
            saved_ms: simulated - shorter,
        });
    }
    nodes.sort_by(|a, b| {
        b.saved_ms.total_cmp(&a.saved_ms).then(b.work_share.total_cmp(&a.work_share))
    });
    let mut resources = Vec::new();
    for (change, machine) in changes(machine, less) {
        resources.push(ResourceSaving { change, saved_ms: simulated - took(&machine, costs)? });
    }
    resources.sort_by(|a, b| b.saved_ms.total_cmp(&a.saved_ms));
    let burden = burden(&machine.overhead);
    let over = |span: f64| if span > 0.0 { all / span } else { 1.0 };
    Ok(WhatIf {
        name: graph.name().to_owned(),
        workers: machine.workers(),
        policy: name.to_owned(),
        measured_ms: None,
        simulated_ms: simulated,
        work_ms: all * 1e3,
        critical_path_ms: span * 1e3,
        parallelism: over(span),
        burden_ms: burden * 1e3,
        burdened_parallelism: over(burdened_span(graph, costs, burden)),
        less,
        nodes,
        resources,
    })
}

/// As [`what_if`], from a trace: of the parts' medians, on a machine whose overhead is what the trace
/// [tells](overhead_of), with `workers` workers in place of as many as ran parts: a pool may keep others asleep all the
/// time. What parts took includes what others beside them made them wait for.
///
/// # Errors
/// As for [`what_if`].
pub fn what_if_of_trace(
    trace: &Trace,
    name: &str,
    workers: Option<usize>,
    less: f64,
) -> Result<WhatIf> {
    let graph = trace.graph();
    let executions = trace.executions();
    let events: Vec<_> = executions.iter().flat_map(|it| it.events.iter().copied()).collect();
    let costs = PartCosts::measured(graph, &events, 0.0);
    let own = events.iter().map(|event| event.worker).collect::<BTreeSet<_>>().len();
    let machine = Machine::ideal(workers.unwrap_or(own)).overhead(overhead_of(trace));
    let nodes: Vec<String> = trace.tasks().iter().map(|task| task.node.clone()).collect();
    let mut it = what_if(trace, &nodes, &costs, &machine, name, less, Options::drawn(0))?;
    if workers.is_none_or(|workers| workers == own) {
        let length = |it: &crate::flow::trace::Execution| it.ended.saturating_sub(it.began);
        let mut lengths: Vec<f64> = executions.iter().map(|it| length(it) as f64 / 1e6).collect();
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
    name: &str,
    workers: usize,
    less: f64,
    limit: Duration,
    pinning: Pinning,
) -> Result<(WhatIf, Conditions)> {
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
    let nodes: Vec<String> =
        (0..plan.task_count()).map(|task| plan.task(task).node.to_owned()).collect();
    let machine = machine.with_workers(workers);
    let mut it = what_if(plan, &nodes, &costs, &machine, name, less, Options::drawn(0))?;
    it.name.clone_from(&measurement.name);
    it.measured_ms = measurement.others.first().map(|times| times.seconds * 1e3);
    Ok((it, watch.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::TaskGraphBuilder;

    /// `a` (2 s) before `b` (3 s) and `c` (1 s), and `d` (1 s) after both.
    fn diamond() -> (TaskGraph, Vec<String>, PartCosts) {
        let mut tasks = TaskGraphBuilder::new("diamond");
        let a = tasks.task("a", 2.0, &[]).unwrap();
        let b = tasks.task("b", 3.0, &[a]).unwrap();
        let c = tasks.task("c", 1.0, &[a]).unwrap();
        tasks.task("d", 1.0, &[b, c]).unwrap();
        let graph = tasks.build().unwrap();
        let costs = PartCosts::even(&graph, graph.estimated_costs());
        let nodes = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        (graph, nodes, costs)
    }

    fn saved(it: &WhatIf, node: &str) -> f64 {
        it.nodes.iter().find(|saving| saving.node == node).unwrap().saved_ms
    }

    #[test]
    fn savings_are_as_worked_out_by_hand() {
        let (graph, nodes, costs) = diamond();
        let on = |workers: usize, less: f64| {
            let machine = Machine::ideal(workers);
            what_if(&graph, &nodes, &costs, &machine, "fifo", less, Options::default()).unwrap()
        };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} and {b}");
        // On one worker every node saves its share.
        let one = on(1, 0.2);
        near(one.simulated_ms, 7000.0);
        for (node, ms) in [("a", 400.0), ("b", 600.0), ("c", 200.0), ("d", 200.0)] {
            near(saved(&one, node), ms);
        }
        // On two, `c` runs beside `b`, until `b` takes less than `c`.
        let two = on(2, 0.2);
        near(two.simulated_ms, 6000.0);
        let order: Vec<&str> = two.nodes.iter().map(|it| it.node.as_str()).collect();
        assert_eq!(order, ["b", "a", "d", "c"]);
        for (ms, it) in [600.0, 400.0, 200.0, 0.0].into_iter().zip(&two.nodes) {
            near(it.saved_ms, ms);
        }
        near(saved(&on(2, 0.8), "b"), 2000.0);
        near(two.parallelism, 7.0 / 6.0);
        let of =
            |change: &str| two.resources.iter().find(|it| it.change == change).unwrap().saved_ms;
        near(of("one worker more"), 0.0);
        near(of("one worker less"), -1000.0);
        near(of("cores on which all takes 20 % less"), 1200.0);
        near(of("half the overhead of scheduling"), 0.0);
    }

    #[test]
    fn the_burden_is_added_once_for_every_message_on_the_way() {
        let (graph, nodes, costs) = diamond();
        let overhead = Overhead { spin: f64::INFINITY, ..Overhead::default() };
        let overhead = overhead.part(0.1).message(0.2).queued(0.1).handover(0.05);
        let machine = Machine::ideal(2).overhead(overhead);
        let it =
            what_if(&graph, &nodes, &costs, &machine, "fifo", 0.1, Options::default()).unwrap();
        assert!((it.burden_ms - 500.0).abs() < 1e-9);
        assert!((it.burdened_parallelism - 7.0 / (6.0 + 2.0 * 0.5)).abs() < 1e-12, "{it:?}");
        assert!(it.burdened_parallelism < it.parallelism);
        let half = it.resources.iter().find(|it| it.change.starts_with("half the overhead"));
        assert!(half.unwrap().saved_ms > 0.0);
    }
}
