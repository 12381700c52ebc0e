//! Bounds and proven optima, beside all schedules that there are.

use std::time::Duration;

use caudal::scheduling::{
    Bounds, Instance, Link, MOST_OPTIMAL_TASKS, Platform, STATIC_POLICIES, WeightedGraph,
    WeightedTask, formats, optimum, static_policy,
};

use super::{drawn, file, random_graph};

const LONG: Duration = Duration::from_secs(60);

/// The shortest makespan over every order and every choice of workers, each task as early as that allows.
fn of_all(instance: &Instance<'_>, placed: &mut Vec<Option<(usize, f64)>>, free: &[f64]) -> f64 {
    let graph = instance.graph();
    let mut best = f64::INFINITY;
    if placed.iter().all(Option::is_some) {
        return free.iter().copied().fold(0.0, f64::max);
    }
    for task in 0..graph.task_count() {
        let ready = graph.incoming(task).all(|edge| placed[edge.from].is_some());
        if placed[task].is_some() || !ready {
            continue;
        }
        for worker in 0..instance.workers() {
            let mut start = free[worker].max(graph.tasks()[task].release);
            for edge in graph.incoming(task) {
                let (from, finish) = placed[edge.from].unwrap();
                start = start.max(finish + instance.transfer_seconds(edge, from, worker));
            }
            let finish = start + instance.seconds(task, worker);
            let mut later = free.to_vec();
            later[worker] = finish;
            placed[task] = Some((worker, finish));
            best = best.min(of_all(instance, placed, &later));
            placed[task] = None;
        }
    }
    best
}

/// Machines of one to three workers: equal or not, with links or without.
fn platform(seed: u64) -> Platform {
    let workers = 1 + seed as usize % 3;
    let platform = match seed % 4 {
        0 | 1 => Platform::equal(workers),
        _ => Platform::with_speeds((0..workers).map(|it| 1.0 + it as f64).collect()),
    };
    let platform = platform.unwrap();
    match seed % 5 {
        0 => platform,
        1 | 2 => platform.clique(Link::new(0.5, 1.0)).unwrap(),
        _ => platform.between(|from, to| Link::new(from as f64, 0.5 + to as f64)).unwrap(),
    }
}

/// The same graph with a cost for each of three workers.
fn unrelated(graph: &WeightedGraph, seed: u64) -> WeightedGraph {
    let mut other = WeightedGraph::builder(graph.name());
    for (number, task) in graph.tasks().iter().enumerate() {
        let cost = |worker| (drawn(seed << 40 | (number as u64) << 8 | worker) * 9.0).floor();
        let costs = (0..3).map(cost).collect();
        other.task(WeightedTask::unrelated(&task.name, costs).release(task.release)).unwrap();
    }
    for edge in graph.edges() {
        other.edge(edge.from, edge.to, edge.communication).unwrap();
    }
    other.build().unwrap()
}

#[test]
fn the_optimum_is_the_shortest_of_all_schedules_of_a_hundred_random_graphs() {
    let mut shorter = 0;
    for seed in 0..120 {
        let mut graph = random_graph(seed, 2 + seed as usize % 5, 1);
        if seed % 4 == 1 {
            graph = unrelated(&graph, seed);
        }
        let platform = platform(seed);
        let instance = Instance::new(&graph, &platform).unwrap();
        let count = graph.task_count();
        let shortest = of_all(&instance, &mut vec![None; count], &vec![0.0; instance.workers()]);
        let found = optimum(&instance, None, LONG).unwrap();
        found.schedule.check(&instance).unwrap();
        assert!(found.proven, "{seed}");
        let makespan = found.schedule.makespan();
        assert!((makespan - shortest).abs() <= 1e-9, "{seed}: {makespan}, and {shortest}");
        let bounds = Bounds::new(&instance);
        assert!(bounds.largest() <= shortest + 1e-9, "{seed}: {bounds:?}, and {shortest}");
        assert!(bounds.communication >= bounds.critical_path - 1e-9, "{seed}: {bounds:?}");
        assert!(bounds.fernandez_bussell >= bounds.communication - 1e-9, "{seed}: {bounds:?}");
        for spec in STATIC_POLICIES {
            let other = static_policy(spec.name).unwrap().schedule(&instance).unwrap().makespan();
            assert!(other >= shortest - 1e-9, "{seed}: {}: {other}, and {shortest}", spec.name);
            shorter += usize::from(other > shortest + 1e-9);
        }
    }
    assert!(shorter > 20, "policies are too good for this to be a test: {shorter}");
}

#[test]
fn the_optimum_of_the_published_example_is_below_what_heft_finds() {
    let graph = formats::read(file("topcuoglu.toml")).unwrap();
    let platform = Platform::equal(3).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let found = optimum(&instance, None, LONG).unwrap();
    found.schedule.check(&instance).unwrap();
    assert!(found.proven);
    let makespan = found.schedule.makespan();
    assert!((54.0..80.0).contains(&makespan), "{makespan}");
    assert_eq!(found.bound, makespan);
}

#[test]
fn without_time_nothing_is_proven_that_the_bounds_do_not_show() {
    let graph = random_graph(7, 20, 1);
    let platform = Platform::with_speeds(vec![1.0, 1.5]).unwrap();
    let platform = platform.clique(Link::new(0.3, 1.0)).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let found = optimum(&instance, None, Duration::ZERO).unwrap();
    assert!(!found.proven && found.bound < found.schedule.makespan(), "{found:?}");
    let chain = random_graph(0, 1, 1);
    let instance = Instance::new(&chain, &platform).unwrap();
    assert!(optimum(&instance, None, Duration::ZERO).unwrap().proven);
}

#[test]
fn what_is_too_large_is_refused() {
    let platform = Platform::equal(2).unwrap();
    let large = random_graph(1, MOST_OPTIMAL_TASKS + 1, 1);
    let error = optimum(&Instance::new(&large, &platform).unwrap(), None, LONG).unwrap_err();
    assert!(error.to_string().contains("it has 31 tasks, more than 30"), "{error}");
    let mut wide = WeightedGraph::builder("wide");
    wide.task(WeightedTask::new("a", 1.0).workers(2_usize)).unwrap();
    let wide = wide.build().unwrap();
    let error = optimum(&Instance::new(&wide, &platform).unwrap(), None, LONG).unwrap_err();
    assert!(error.to_string().contains("task `a` needs 2 workers"), "{error}");
}
