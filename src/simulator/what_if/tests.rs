//! Savings worked out by hand.

use super::*;
use crate::flow::TaskGraphBuilder;

/// `a` (2 s) before `b` (3 s) and `c` (1 s), and `d` (1 s) after both.
fn diamond() -> (TaskGraph, Vec<Vec<String>>, PartCosts) {
    let mut tasks = TaskGraphBuilder::new("diamond");
    let a = tasks.task("a", 2.0, &[]).unwrap();
    let b = tasks.task("b", 3.0, &[a]).unwrap();
    let c = tasks.task("c", 1.0, &[a]).unwrap();
    tasks.task("d", 1.0, &[b, c]).unwrap();
    let graph = tasks.build().unwrap();
    let costs = PartCosts::even(&graph, graph.estimated_costs());
    let nodes = ["a", "b", "c", "d"].map(|name| vec![name.to_owned()]).to_vec();
    (graph, nodes, costs)
}

fn asked(less: f64) -> WhatIfOptions {
    WhatIfOptions::new("fifo").less(less).simulation(Options::default())
}

fn saved(it: &WhatIf, node: &str) -> f64 {
    it.nodes.iter().find(|saving| saving.nodes == [node]).unwrap().saved_ms
}

#[test]
fn savings_are_as_worked_out_by_hand() {
    let (graph, nodes, costs) = diamond();
    let on = |workers: usize, less: f64| {
        let machine = Machine::ideal(workers);
        what_if(&graph, &nodes, &costs, &machine, &asked(less), &mut |_, _| {}).unwrap()
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
    let order: Vec<&str> = two.nodes.iter().map(|it| it.nodes[0].as_str()).collect();
    assert_eq!(order, ["b", "a", "d", "c"]);
    for (ms, it) in [600.0, 400.0, 200.0, 0.0].into_iter().zip(&two.nodes) {
        near(it.saved_ms, ms);
    }
    near(saved(&on(2, 0.8), "b"), 2000.0);
    near(two.parallelism, 7.0 / 6.0);
    let of = |change: &str| two.resources.iter().find(|it| it.change == change).unwrap().saved_ms;
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
    let it = what_if(&graph, &nodes, &costs, &machine, &asked(0.1), &mut |_, _| {}).unwrap();
    assert!((it.burden_ms - 500.0).abs() < 1e-9);
    assert!((it.burdened_parallelism - 7.0 / (6.0 + 2.0 * 0.5)).abs() < 1e-12, "{it:?}");
    assert!(it.burdened_parallelism < it.parallelism);
    let half = it.resources.iter().find(|it| it.change.starts_with("half the overhead"));
    assert!(half.unwrap().saved_ms > 0.0);
}

#[test]
fn only_the_heaviest_groups_are_simulated() {
    let (graph, mut nodes, costs) = diamond();
    let machine = Machine::ideal(1);
    let ask = |nodes: &[Vec<String>], top: usize| {
        let mut told = Vec::new();
        let mut tell = |done, most| told.push((done, most));
        let it = what_if(&graph, nodes, &costs, &machine, &asked(0.5).top(top), &mut tell);
        (it.unwrap(), told)
    };
    // On one worker, `b` saves 1.5 s, and nothing that takes 2 s or less can save more than 1 s.
    let (it, told) = ask(&nodes, 1);
    assert_eq!((it.nodes.len(), it.left_out, told), (1, 3, vec![(0, 4)]));
    assert!((it.left_out_share - 2.0 / 7.0).abs() < 1e-12 && saved(&it, "b") > 1499.0);
    // A task of two nodes is of both.
    nodes[3].push("a".to_owned());
    let (it, _) = ask(&nodes, 4);
    assert_eq!((it.nodes.len(), it.left_out), (3, 0));
    let shared = it.nodes.iter().find(|it| it.nodes.len() == 2).unwrap();
    assert_eq!(shared.nodes, ["a", "d"]);
    assert!((shared.work_share - 3.0 / 7.0).abs() < 1e-12);
}

#[test]
fn the_largest_machine_has_no_worker_more() {
    let (graph, nodes, costs) = diamond();
    let machine = Machine::ideal(MOST_WORKERS);
    let it = what_if(&graph, &nodes, &costs, &machine, &asked(0.1), &mut |_, _| {}).unwrap();
    assert!(it.resources.iter().all(|it| it.change != "one worker more"), "{it:?}");
    let machine = Machine::ideal(MOST_WORKERS + 1);
    let error = what_if(&graph, &nodes, &costs, &machine, &asked(0.1), &mut |_, _| {});
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the virtual machine: it has 1025 workers; give it 1 to 1024");
}
