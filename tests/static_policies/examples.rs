//! Examples: from the papers where these have them, and worked by hand.

use caudal::scheduling::{
    Communication, Instance, PartialSchedule, Peft, Platform, Schedule, WeightedGraph,
    WeightedTask, formats,
};

use super::naive::{self, Matrices};
use super::scheduled;

/// Tasks by their seconds on each worker, and edges by seconds.
fn graph(costs: &[&[f64]], edges: &[(usize, usize, f64)]) -> WeightedGraph {
    let mut graph = WeightedGraph::builder("example");
    for (number, costs) in costs.iter().enumerate() {
        graph.task(WeightedTask::unrelated(format!("t{number}"), costs.to_vec())).unwrap();
    }
    for &(from, to, seconds) in edges {
        graph.edge(from, to, Communication::Seconds(seconds)).unwrap();
    }
    graph.build().unwrap()
}

/// By task: worker, start and end.
fn placed(schedule: &Schedule) -> Vec<(usize, f64, f64)> {
    schedule.placements().iter().map(|it| (it.worker, it.start, it.finish)).collect()
}

/// The example of Arabnejad and Barbosa 2014 (their figure 1).
#[test]
fn peft_makes_the_published_schedule() {
    let costs: [&[f64]; 10] = [
        &[22.0, 21.0, 36.0],
        &[22.0, 18.0, 18.0],
        &[32.0, 27.0, 43.0],
        &[7.0, 10.0, 4.0],
        &[29.0, 27.0, 35.0],
        &[26.0, 17.0, 24.0],
        &[14.0, 25.0, 30.0],
        &[29.0, 23.0, 36.0],
        &[15.0, 21.0, 8.0],
        &[13.0, 16.0, 33.0],
    ];
    let edges = [
        (0, 1, 17.0),
        (0, 2, 31.0),
        (0, 3, 29.0),
        (0, 4, 13.0),
        (0, 5, 7.0),
        (1, 7, 3.0),
        (1, 8, 30.0),
        (2, 6, 16.0),
        (3, 7, 11.0),
        (3, 8, 7.0),
        (4, 8, 57.0),
        (5, 7, 5.0),
        (6, 9, 9.0),
        (7, 9, 42.0),
        (8, 9, 7.0),
    ];
    let graph = graph(&costs, &edges);
    let platform = Platform::equal(3).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let table = [
        [64.0, 68.0, 86.0],
        [42.0, 39.0, 42.0],
        [27.0, 41.0, 43.0],
        [42.0, 39.0, 50.0],
        [28.0, 37.0, 28.0],
        [42.0, 39.0, 44.0],
        [13.0, 16.0, 22.0],
        [13.0, 16.0, 33.0],
        [13.0, 16.0, 20.0],
        [0.0, 0.0, 0.0],
    ];
    assert_eq!(Peft::optimistic_costs(&instance), table);
    let figure = [
        (0, 0.0, 22.0),
        (0, 29.0, 51.0),
        (0, 51.0, 83.0),
        (0, 22.0, 29.0),
        (2, 35.0, 70.0),
        (1, 29.0, 46.0),
        (0, 83.0, 97.0),
        (1, 54.0, 77.0),
        (2, 81.0, 89.0),
        (1, 106.0, 122.0),
    ];
    assert_eq!(placed(&scheduled(&instance, "peft")), figure);
    // What the paper gives for the others.
    assert_eq!(scheduled(&instance, "heft").makespan(), 133.0);
    assert_eq!(scheduled(&instance, "lookahead").makespan(), 127.0);
}

/// A diamond: a before b and c, both before d. Seconds on workers 0 and 1, and of messages between them:
///
/// ```text
///      a    b    c    d        a-b 1   a-c 2   b-d 3   c-d 1
///     2 3  4 2  3 5  2 2
/// ```
///
/// In the mean a takes 2.5, b 3, c 4, d 2.
#[test]
fn a_diamond_by_hand() {
    let costs: [&[f64]; 4] = [&[2.0, 3.0], &[4.0, 2.0], &[3.0, 5.0], &[2.0, 2.0]];
    let graph = graph(&costs, &[(0, 1, 1.0), (0, 2, 2.0), (1, 3, 3.0), (2, 3, 1.0)]);
    let platform = Platform::equal(2).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    // a on 0 until 2; c there until 5; b, whose message is on 1 at 3, there until 5; d on 0 at 8 = 5 + 3, on 1 at
    // 6 = 5 + 1, so there.
    let short = [(0, 0.0, 2.0), (1, 3.0, 5.0), (0, 2.0, 5.0), (1, 6.0, 8.0)];
    let expected = [
        // BIL of d (2, 2), b (6, 4), c (5, 7), a (2 + 5, 3 + 7). a: BIM (7, 10), so 0. Two are ready, and the second
        // least BIM of b (8, 7) is 8, of c (7, 11) is 11: c first, on 0; then b, BIM (11, 7), on 1; d, BIM (10, 8).
        ("bil", short),
        // Levels 8.5, 5, 6, 2. a: 8.5 + 0.5 on 0, 8.5 − 0.5 on 1. b: 5 − 2 − 1, 5 − 3 + 1; c: 6 − 2 + 1 = 5, 6 − 4 − 1:
        // c on 0. b: 5 − 5 − 1, 3: on 1. d: 2 − 8, 2 − 6: on 1.
        ("dls", short),
        // a ends at 2 on 0, at 3 on 1. b and c are ready at 2, b goes first: at 6 on 0, at 5 on 1. c: at 5 on 0, at 10
        // on 1. d: at 10, at 8.
        ("dmda", short),
        // a starts at 0 on both, and ends first on 0. b and c start at 2 on 0, c has level 6 and b 5: c on 0. b: at 5
        // on 0, at 3 on 1. d: at 8, at 6.
        ("etf", short),
        // Ranks 11.5, 8, 7, 2. a: at 2 on 0, so there; b: at 6 on 0, at 5 on 1; c: at 5 on 0; d: at 8 on 1.
        ("heft", short),
        // Levels 8.5, 5, 6, 2: a, c, b, d, each where it starts first: at 0 on both and ends first on 0; 2 on 0; 3 on
        // 1; 6 on 1.
        ("hlfet", short),
        // Ranks as for heft. a on 0: b until 5 on 1, c until 5 on 0; on 1: b until 5 on 1, c until 8 on 0. So 0. b on
        // 0: d until 8; on 1: d until 7. So 1. c on 0: d until 8; on 1: until 12. So 0.
        ("lookahead", short),
        // The best ends of b and c are 5 on 1 and 5 on 0: b, of the lower number, first.
        ("maxmin", short),
        ("minmin", short),
        // Ranks as for heft, so latest starts 0, 3.5, 4.5, 9.5: a, b, c, d. a on 0, where it ends first. b starts at 2
        // on 0, at 3 on 1. So 0, until 6. c: at 6 on 0, at 4 on 1. So 1, until 9. d: at 10 = 9 + 1, at 9 = 6 + 3.
        ("mcp", [(0, 0.0, 2.0), (0, 2.0, 6.0), (1, 4.0, 9.0), (1, 9.0, 11.0)]),
        // OCT of d (0, 0), b and c (2, 2), a: (max(min(6, 4 + 1), min(5, 7 + 2)), max(min(4, 6 + 1), min(7, 5 + 2))) =
        // (5, 7). a: 2 + 5, 3 + 7. b: 6 + 2, 5 + 2: on 1. c: 5 + 2, 10 + 2: on 0. d: 10, 8.
        ("peft", short),
        // One is ready: a, on 0. Then b asks for 1 (6, 5: loses 1), c for 0 (5, 9: loses 4); both get it. d on 1.
        ("sufferage", short),
    ];
    for (policy, places) in expected {
        assert_eq!(placed(&scheduled(&instance, policy)), places, "{policy}");
    }
}

/// Three independent tasks a, b, c on two workers: 2 4, 3 6, 8 9.
#[test]
fn independent_tasks_by_hand() {
    let graph = graph(&[&[2.0, 4.0], &[3.0, 6.0], &[8.0, 9.0]], &[]);
    let platform = Platform::equal(2).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let expected = [
        // Best ends 2, 3, 8, all on 0: a. Then b 5 on 0, c 9 on 1: b. Then c: 13, 9.
        ("minmin", [(0, 0.0, 2.0), (0, 2.0, 5.0), (1, 0.0, 9.0)]),
        // Best ends 2, 3, 8: c, on 0. Then a 4, b 6, both on 1: b. Then a: 10 on both, so 0.
        ("maxmin", [(0, 8.0, 10.0), (1, 0.0, 6.0), (0, 0.0, 8.0)]),
        // All ask for 0 and would lose 2, 3, 1: b gets it. Then a (5, 4) and c (11, 9) ask for 1 and would lose 1, 2:
        // c. Then a (5, 13).
        ("sufferage", [(0, 3.0, 5.0), (0, 0.0, 3.0), (1, 0.0, 9.0)]),
    ];
    for (policy, places) in expected {
        assert_eq!(placed(&scheduled(&instance, policy)), places, "{policy}");
    }
}

/// Five tasks of 3, 3, 2, 2 and 2 on two workers: by length, each where it ends first, they take 7 (3 + 2 + 2 against
/// 3 + 2), and 6 where the first two share a worker.
#[test]
fn annealing_by_hand() {
    let graph = graph(&[&[3.0; 2], &[3.0; 2], &[2.0; 2], &[2.0; 2], &[2.0; 2]], &[]);
    let platform = Platform::equal(2).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    assert_eq!(scheduled(&instance, "heft").makespan(), 7.0);
    assert_eq!(scheduled(&instance, "annealing").makespan(), 6.0);
}

/// The ten tasks of Topcuoglu, Hariri and Wu 2002: heft and cpop as published, the others as their second versions.
#[test]
fn ten_tasks() {
    let file = format!("{}/tests/task_graphs/topcuoglu.toml", env!("CARGO_MANIFEST_DIR"));
    let graph = formats::read(file).unwrap();
    let platform = Platform::equal(3).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let expected = [
        ("bil", 84.0),
        ("cpop", 86.0),
        ("dls", 91.0),
        ("dmda", 80.0),
        ("etf", 99.0),
        ("heft", 80.0),
        ("hlfet", 79.0),
        ("lookahead", 76.0),
        ("maxmin", 97.0),
        ("mcp", 86.0),
        ("minmin", 76.0),
        ("peft", 85.0),
        ("random-plan", 119.0),
        ("sufferage", 78.0),
    ];
    for (policy, makespan) in expected {
        assert_eq!(scheduled(&instance, policy).makespan(), makespan, "{policy}");
        let places = naive::schedule(policy, &Matrices::new(&instance)).unwrap();
        assert_eq!(places.iter().map(|it| it.3).fold(0.0, f64::max), makespan, "{policy}");
    }
}

/// List scheduling: whenever a worker is free, it takes the first task of the list that waits for nothing.
fn by_list(instance: &Instance<'_>, list: &[usize]) -> f64 {
    let graph = instance.graph();
    let mut partial = PartialSchedule::new(instance);
    for _ in list {
        let open = |task: usize| partial.placement(task).is_none();
        let ready = list
            .iter()
            .copied()
            .filter(|&task| open(task) && graph.incoming(task).all(|edge| !open(edge.from)));
        let workers = 0..instance.workers();
        let fits = ready.flat_map(|task| workers.clone().map(move |it| (task, it)));
        let fits = fits.map(|(task, worker)| partial.fit_behind(task, worker));
        // The first of those that start first.
        let first = fits.reduce(|best, fit| if fit.start < best.start { fit } else { best });
        partial.place(first.unwrap());
    }
    let schedule = partial.finish().unwrap();
    schedule.check(instance).unwrap();
    schedule.makespan()
}

/// Graham: Bounds on multiprocessing timing anomalies, SIAM Journal on Applied Mathematics 17(2), 1969: nine tasks
/// whose list schedule becomes longer by another list, by a further worker, by shorter tasks and by fewer edges.
#[test]
fn grahams_anomalies() {
    let costs = [3.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 9.0];
    let edges = [(1, 9), (4, 5), (4, 6), (4, 7), (4, 8)];
    let list = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let makespan = |workers: usize, shorter: f64, edges: &[(usize, usize)], list: [usize; 9]| {
        let mut graph = WeightedGraph::builder("Graham 1969");
        for (number, cost) in costs.iter().enumerate() {
            graph.task(WeightedTask::new(format!("T{}", number + 1), cost - shorter)).unwrap();
        }
        for &(from, to) in edges {
            graph.edge(from - 1, to - 1, Communication::Seconds(0.0)).unwrap();
        }
        let graph = graph.build().unwrap();
        let platform = Platform::equal(workers).unwrap();
        by_list(&Instance::new(&graph, &platform).unwrap(), &list.map(|number| number - 1))
    };
    assert_eq!(makespan(3, 0.0, &edges, list), 12.0);
    assert_eq!(makespan(3, 0.0, &edges, [1, 2, 4, 5, 6, 3, 9, 7, 8]), 14.0, "another list");
    assert_eq!(makespan(4, 0.0, &edges, list), 15.0, "a worker more");
    assert_eq!(makespan(3, 1.0, &edges, list), 13.0, "every task a second shorter");
    assert_eq!(makespan(3, 0.0, &[edges[0], edges[3], edges[4]], list), 16.0, "two edges fewer");
}
