//! Random graphs and machines in which every time is a multiple of 1/64, so that sums have no rounding.

use caudal::scheduling::{
    Communication, Instance, Link, Platform, WeightedGraph, WeightedGraphBuilder, WeightedTask,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Graph and platform that follow from a seed: every kind of graph with every kind of machine, in turn.
pub(super) fn drawn(seed: u64) -> (WeightedGraph, Platform) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let workers = [2, 3, 1, 4][(seed % 4) as usize];
    let platform = machine(&mut random, workers);
    let is_unrelated = random.random_bool(0.5);
    let is_plain = random.random_bool(0.3);
    let count = random.random_range(1..=16);
    let mut graph = WeightedGraph::builder(format!("drawn {seed}"));
    for number in 0..count {
        let name = format!("t{number}");
        let mut cost = || f64::from(random.random_range(0..=24_u8)) / 2.0;
        let mut task = if is_unrelated {
            WeightedTask::unrelated(name, (0..workers).map(|_| cost()).collect())
        } else {
            WeightedTask::new(name, cost())
        };
        if !is_plain && random.random_bool(0.2) {
            task = task.release(f64::from(random.random_range(0..20_u8)));
        }
        if !is_plain && random.random_bool(0.15) {
            task = task.workers(random.random_range(1..=workers));
        }
        graph.task(task).unwrap();
    }
    // Numbers need not be in the order in which tasks can run.
    let mut numbers: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        numbers.swap(place, random.random_range(0..=place));
    }
    for (from, to) in edges(&mut random, count, seed / 4) {
        edge(&mut graph, &mut random, numbers[from], numbers[to]);
    }
    (graph.build().unwrap(), platform)
}

fn edge(graph: &mut WeightedGraphBuilder, random: &mut ChaCha8Rng, from: usize, to: usize) {
    let amount = f64::from(random.random_range(0..=16_u8));
    let communication = if random.random_bool(0.5) {
        Communication::Bytes(amount)
    } else {
        Communication::Seconds(amount / 2.0)
    };
    graph.edge(from, to, communication).unwrap();
}

/// Pairs of which the first is the smaller.
fn edges(random: &mut ChaCha8Rng, count: usize, kind: u64) -> Vec<(usize, usize)> {
    let pairs = (0..count).flat_map(|to| (0..to).map(move |from| (from, to)));
    match kind % 5 {
        // Layers of four, each task after some of those in the layer before.
        0 => pairs.filter(|(from, to)| from / 4 + 1 == to / 4 && random.random_bool(0.6)).collect(),
        // A fork and a join.
        1 => pairs.filter(|&(from, to)| from == 0 || to == count - 1).collect(),
        2 => pairs.filter(|_| random.random_bool(0.25)).collect(),
        3 => Vec::new(),
        // A tree, from its root.
        _ => pairs.filter(|&(from, to)| from == (to - 1) / 2).collect(),
    }
}

fn machine(random: &mut ChaCha8Rng, workers: usize) -> Platform {
    let mut speeds = vec![1.0; workers];
    if random.random_bool(0.7) {
        speeds.fill_with(|| [0.5, 1.0, 2.0, 4.0][random.random_range(0..4)]);
    }
    let platform = Platform::with_speeds(speeds).unwrap();
    let link = |random: &mut ChaCha8Rng| {
        let latency = f64::from(random.random_range(0..4_u8)) / 4.0;
        Link::new(latency, [1.0, 2.0, 4.0][random.random_range(0..3)])
    };
    match random.random_range(0..3) {
        0 => platform,
        1 => platform.clique(link(random)).unwrap(),
        _ => {
            let links: Vec<Link> = (0..workers * workers).map(|_| link(random)).collect();
            platform.between(|from, to| links[from * workers + to]).unwrap()
        }
    }
}

/// Less than this no schedule takes: the longest way over the least seconds of tasks, and all work over all workers.
pub(super) fn lower_bound(instance: &Instance<'_>) -> f64 {
    let graph = instance.graph();
    let starts = instance.downward(|task| instance.least_seconds(task), |_| 0.0);
    let ends = starts.iter().enumerate().map(|(task, start)| start + instance.least_seconds(task));
    let tasks = graph.tasks().iter().enumerate();
    let work = tasks.map(|(task, it)| instance.least_seconds(task) * it.workers as f64);
    ends.fold(work.sum::<f64>() / instance.workers() as f64, f64::max)
}
