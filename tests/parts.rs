//! Into how many parts tasks are divided.

use std::sync::Arc;

use caudal::context::{Mode, Phase};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Concat, Dense};
use caudal::losses::MeanSquaredError;
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};

/// Branches of one dense layer, joined by another.
fn branches(count: usize) -> Arc<Graph> {
    let mut net = GraphBuilder::new("branches");
    let x = net.input("x", [128]);
    let y = net.target("y", [64]);
    let ends: Vec<_> =
        (0..count).map(|it| net.layer(format!("branch{it}"), Dense::new(128), [&x])).collect();
    let all = net.layer("all", Concat::default(), &ends);
    let join = net.layer("join", Dense::new(64), [&all]);
    net.loss("loss", MeanSquaredError, [&join, &y]);
    Arc::new(net.build().unwrap())
}

/// The parts of the task that computes `node` forward, in a batch of `batch`.
fn parts(graph: &Arc<Graph>, node: &str, batch: usize, options: PlanOptions) -> usize {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
    let plan = Plan::compile(graph, Mode::Training, batch, &optimizer, options).unwrap();
    let mut tasks = (0..plan.task_count()).map(|task| plan.task(task));
    let found = tasks.find(|task| task.calls.contains(&(node, Phase::Forward)));
    found.unwrap().parts
}

#[test]
fn a_short_task_is_divided_only_where_nothing_else_can_run() {
    let options = PlanOptions::default().fusion(false);
    // 32 x 128 x 128 takes some 13 microseconds, the join of four as much.
    assert_eq!(parts(&branches(4), "branch2", 32, options), 1);
    assert_eq!(parts(&branches(4), "join", 32, options), 2);
    assert_eq!(parts(&branches(1), "branch0", 32, options), 1, "13 microseconds are not two of 8");
    assert_eq!(parts(&branches(1), "branch0", 64, options), 3);
    // Fewer items than two parts should have.
    assert_eq!(parts(&branches(4), "join", 31, options), 1);
    assert_eq!(parts(&branches(4), "join", 32, options.parts(false)), 1);
}

/// A chain of three layers; with a fourth beside the second, or without.
fn chain(with_another: bool) -> Arc<Graph> {
    let mut net = GraphBuilder::new("chain");
    let x = net.input("x", [512]);
    let y = net.target("y", [64]);
    let first = net.layer("first", Dense::new(64), [&x]);
    let second = net.layer("second", Dense::new(512), [&first]);
    let third = net.layer("third", Dense::new(64), [&second]);
    net.loss("loss", MeanSquaredError, [&third, &y]);
    if with_another {
        let beside = net.layer("beside", Dense::new(64), [&x]);
        net.loss("another loss", MeanSquaredError, [&beside, &y]);
    }
    Arc::new(net.build().unwrap())
}

#[test]
fn a_task_beside_which_another_can_run_is_not_alone() {
    let options = PlanOptions::default().fusion(false);
    for layer in ["first", "second", "third"] {
        assert_eq!(parts(&chain(false), layer, 32, options), 2, "{layer}");
        assert_eq!(parts(&chain(true), layer, 32, options), 1, "{layer}");
    }
}
