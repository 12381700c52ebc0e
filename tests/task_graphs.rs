//! Graphs of tasks on machines: policies, beside what the literature says of them, bounds and optima.

mod commands;
mod executed;
mod optima;
mod own;
mod patterns;
mod running;

use caudal::scheduling::{
    Communication, Instance, Platform, STATIC_POLICIES, Schedule, WeightedGraph, WeightedTask,
    formats, static_policy,
};

fn file(name: &str) -> String {
    format!("{}/tests/task_graphs/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn scheduled(graph: &WeightedGraph, platform: &Platform, policy: &str) -> Schedule {
    let instance = Instance::new(graph, platform).unwrap();
    let schedule = static_policy(policy).unwrap().schedule(&instance).unwrap();
    schedule.check(&instance).unwrap();
    schedule
}

#[test]
fn heft_and_cpop_make_the_published_schedules() {
    let graph = formats::read(file("topcuoglu.toml")).unwrap();
    let platform = Platform::equal(3).unwrap();
    let heft = scheduled(&graph, &platform, "heft");
    assert_eq!(heft.makespan(), 80.0);
    // Figure 3 (a): who runs what from when to when.
    let placed = |number: usize| {
        let it = &heft.placements()[number - 1];
        (it.worker + 1, it.start, it.finish)
    };
    let figure = [
        (3, 0.0, 9.0),
        (1, 27.0, 40.0),
        (3, 9.0, 28.0),
        (2, 18.0, 26.0),
        (3, 28.0, 38.0),
        (2, 26.0, 42.0),
        (3, 38.0, 49.0),
        (1, 57.0, 62.0),
        (2, 56.0, 68.0),
        (2, 73.0, 80.0),
    ];
    let own: Vec<_> = (1..=10).map(placed).collect();
    assert_eq!(own, figure);
    assert_eq!(scheduled(&graph, &platform, "cpop").makespan(), 86.0);
    // The upward ranks of table 2 there, to its three digits.
    let instance = Instance::new(&graph, &platform).unwrap();
    let ranks: Vec<f64> =
        instance.upward_ranks().iter().map(|it| (it * 1e3).round() / 1e3).collect();
    let table = [108.0, 77.0, 80.0, 80.0, 69.0, 63.333, 42.667, 35.667, 44.333, 14.667];
    assert_eq!(ranks, table);
}

#[test]
fn policies_are_ordered_by_name_and_named_so() {
    let names: Vec<&str> = STATIC_POLICIES.iter().map(|spec| spec.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for spec in STATIC_POLICIES {
        assert_eq!(static_policy(spec.name).unwrap().name(), spec.name);
        assert!(!spec.summary.is_empty() && spec.source.contains(char::is_numeric), "{spec:?}");
    }
    let error = static_policy("hefd").unwrap_err().to_string();
    assert!(error.contains("did you mean `heft`?"), "{error}");
}

#[test]
fn the_page_has_every_policy_and_format() {
    let page = include_str!("../docs/task-graphs.md");
    for spec in STATIC_POLICIES {
        let row = format!("| `{}` | {} |", spec.name, spec.summary);
        assert!(page.contains(&row), "docs/task-graphs.md lacks {row}");
    }
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    for spec in formats::FORMATS {
        let of_format =
            |row: &&&str| spec.endings.iter().all(|ending| row.contains(&format!("`.{ending}`")));
        assert_eq!(rows.iter().filter(of_format).count(), 1, "{}", spec.name);
    }
}

/// A number from 0 up to 1 that follows from a key.
fn drawn(key: u64) -> f64 {
    let mut x = key.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A graph of `count` tasks whose costs, edges, bytes, releases and numbers of workers follow from a seed.
fn random_graph(seed: u64, count: usize, most_workers: usize) -> WeightedGraph {
    let mut graph = WeightedGraph::builder(format!("random {seed}"));
    let mut draws = 0;
    let mut draw = || {
        draws += 1;
        drawn(seed << 32 | draws)
    };
    for task in 0..count {
        let cost = (draw() * 9.0).floor();
        let release = if draw() < 0.2 { (draw() * 10.0).floor() } else { 0.0 };
        let workers = if draw() < 0.2 { 1 + (draw() * most_workers as f64) as usize } else { 1 };
        let task = WeightedTask::new(format!("t{task}"), cost).release(release).workers(workers);
        graph.task(task).unwrap();
    }
    for to in 0..count {
        for from in 0..to {
            if draw() < 0.3 {
                let bytes = Communication::Bytes((draw() * 5.0).floor());
                // Numbers of tasks need not be in order.
                graph.edge(count - 1 - from, count - 1 - to, bytes).unwrap();
            }
        }
    }
    graph.build().unwrap()
}

#[test]
fn every_policy_keeps_the_rules_on_random_graphs() {
    use caudal::scheduling::Link;
    for seed in 0..60 {
        let workers = 1 + seed as usize % 4;
        let graph = random_graph(seed, 1 + seed as usize % 17, workers);
        let speeds = (0..workers).map(|worker| 1.0 + worker as f64 / 2.0).collect();
        let platform = Platform::with_speeds(speeds).unwrap();
        let platform = platform.between(|from, to| Link::new(from as f64 * 0.5, 1.0 + to as f64));
        let platform = platform.unwrap();
        for spec in STATIC_POLICIES {
            let schedule = scheduled(&graph, &platform, spec.name);
            assert_eq!(schedule, scheduled(&graph, &platform, spec.name), "the same again");
            let instance = Instance::new(&graph, &platform).unwrap();
            let metrics = schedule.metrics(&instance);
            assert!(metrics.slr >= 1.0 - 1e-9, "{} {seed}: {metrics:?}", spec.name);
            assert!(metrics.utilisation <= 1.0 + 1e-9, "{} {seed}: {metrics:?}", spec.name);
        }
    }
}

#[test]
fn what_breaks_a_rule_is_named() {
    let mut graph = WeightedGraph::builder("two");
    let a = graph.task(WeightedTask::new("a", 2.0)).unwrap();
    let b = graph.task(WeightedTask::new("b", 1.0).release(1.0)).unwrap();
    graph.task(WeightedTask::new("c", 1.0)).unwrap();
    graph.edge(a, b, Communication::Seconds(3.0)).unwrap();
    let graph = graph.build().unwrap();
    let platform = Platform::equal(2).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let check = |placed: [(usize, f64, f64); 3]| {
        use caudal::scheduling::Placement;
        let placed = placed.into_iter().enumerate();
        let placed =
            placed.map(|(task, (worker, start, end))| Placement::new(task, worker, start, end));
        Schedule::new(placed.collect()).check(&instance).map_err(|error| error.to_string())
    };
    check([(0, 0.0, 2.0), (1, 5.0, 6.0), (1, 0.0, 1.0)]).unwrap();
    check([(0, 0.0, 2.0), (0, 2.0, 3.0), (0, 3.0, 4.0)]).unwrap();
    let wrong = [
        ([(0, 0.0, 2.0), (1, 4.0, 5.0), (1, 0.0, 1.0)], "the message of `a` comes at 5"),
        ([(0, 0.0, 2.0), (0, 1.0, 2.0), (1, 0.0, 1.0)], "the message of `a` comes at 2"),
        ([(0, 0.0, 2.0), (1, 0.5, 1.5), (1, 0.0, 1.0)], "is released at 1"),
        ([(0, 0.0, 2.0), (0, 2.0, 3.0), (0, 1.0, 2.0)], "worker 0 has `a` until 2 and `c` from 1"),
        ([(0, 0.0, 1.0), (0, 2.0, 3.0), (1, 0.0, 1.0)], "placed from 0 to 1, and takes 2"),
        ([(0, 0.0, f64::NAN), (0, 2.0, 3.0), (1, 0.0, 1.0)], "and takes 2"),
        ([(2, 0.0, 2.0), (0, 2.0, 3.0), (1, 0.0, 1.0)], "on worker 2, which is not there"),
    ];
    for (placed, expected) in wrong {
        let error = check(placed).unwrap_err();
        assert!(error.contains(expected), "{error}: {expected}");
    }
    let error = Schedule::new(Vec::new()).check(&instance).unwrap_err().to_string();
    assert!(error.contains("0 of 3 tasks are placed"), "{error}");
}
