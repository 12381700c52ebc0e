//! Policies that decide while tasks run, and tasks that take another time than was planned.

use caudal::Error;
use caudal::flow::TaskGraphBuilder;
use caudal::flow::policy::{POLICIES, Policy, ReadyPart, policy};
use caudal::scheduling::{
    Communication, Instance, Link, Platform, WeightedGraph, WeightedTask, run_policy, static_policy,
};
use caudal::simulator::{Machine, Options, PartCosts, simulate};

use super::random_graph;

#[test]
fn every_policy_keeps_the_rules() {
    for seed in 0..60 {
        let workers = 1 + seed as usize % 4;
        let graph = random_graph(seed, 1 + seed as usize % 23, workers);
        let platform = Platform::with_speeds((0..workers).map(|it| 1.0 + it as f64).collect());
        let platform = platform.unwrap();
        let platform = platform.between(|from, to| Link::new(from as f64 * 0.5, 1.0 + to as f64));
        let platform = platform.unwrap();
        let instance = Instance::new(&graph, &platform).unwrap();
        for spec in POLICIES {
            let run = || {
                let mut policy = policy(spec.name).unwrap();
                // The order of parts that `static` keeps knows nothing of workers that wait for each other.
                match run_policy(&instance, policy.as_mut(), &instance) {
                    Ok(schedule) => Some(schedule),
                    Err(Error::Stalled(_)) if spec.name == "static" => None,
                    Err(error) => panic!("{}: {error}", spec.name),
                }
            };
            let schedule = run();
            assert_eq!(schedule, run(), "{}: the same again", spec.name);
            if let Some(schedule) = schedule {
                schedule.check(&instance).unwrap();
            }
        }
    }
}

/// Without messages, releases and wide tasks, this is what the simulator of pools does on a machine that schedules in
/// no time.
#[test]
fn pools_that_schedule_in_no_time_do_the_same() {
    let mut compared = 0;
    for seed in 0..40 {
        let mut graph = WeightedGraph::builder("same");
        let mut tasks = TaskGraphBuilder::new("same");
        let random = random_graph(seed, 2 + seed as usize % 20, 1);
        let mut numbers = vec![0; random.task_count()];
        // Who takes the first task is called otherwise in the pool; so there is one.
        graph.task(WeightedTask::new("first", 1.5)).unwrap();
        tasks.task("first", 1.5, &[]).unwrap();
        for (place, &task) in (1..).zip(random.topological_order()) {
            numbers[task] = place;
            // Of tasks that end together, the pool's order is its own; so no two do.
            let cost = 1.0
                + random.tasks()[task].cost
                + ((place + 2) as f64).sqrt() * 0.01
                + (seed as f64).sqrt();
            graph.task(WeightedTask::new(format!("t{place}"), cost)).unwrap();
            let mut before = vec![0];
            before.extend(random.incoming(task).map(|edge| numbers[edge.from]));
            for &from in &before {
                graph.edge(from, place, Communication::Bytes(0.0)).unwrap();
            }
            tasks.task(format!("t{place}"), cost, &before).unwrap();
        }
        let (graph, tasks) = (graph.build().unwrap(), tasks.build().unwrap());
        for workers in 1..4 {
            let platform = Platform::equal(workers).unwrap();
            let instance = Instance::new(&graph, &platform).unwrap();
            let names = ["fifo", "lifo", "static", "critical-path", "memory", "steal"];
            // The last three go by the numbers of workers.
            for name in &names[..if workers < 3 { 6 } else { 3 }] {
                let own = run_policy(&instance, policy(name).unwrap().as_mut(), &instance).unwrap();
                let costs = PartCosts::even(&tasks, tasks.estimated_costs());
                let options = Options::default().warm_up(0_usize);
                let machine = Machine::ideal(workers);
                let mut policy = policy(name).unwrap();
                let pool = simulate(&tasks, policy.as_mut(), &machine, &costs, options).unwrap();
                let (own, pool) = (own.makespan(), pool.makespan);
                assert!((own - pool).abs() < 1e-9, "{name}, {workers}, {seed}: {own}, and {pool}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 600);
}

#[test]
fn messages_travel_when_the_receiver_is_known() {
    let mut graph = WeightedGraph::builder("fork");
    for name in ["a", "b", "c"] {
        graph.task(WeightedTask::new(name, 1.0)).unwrap();
    }
    graph.edge(0, 1, Communication::Bytes(4.0)).unwrap();
    graph.edge(0, 2, Communication::Bytes(6.0)).unwrap();
    let graph = graph.build().unwrap();
    let platform = Platform::equal(2).unwrap().clique(Link::new(1.0, 2.0)).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let run = |name: &str| {
        let schedule = run_policy(&instance, policy(name).unwrap().as_mut(), &instance).unwrap();
        schedule.placements().iter().map(|it| (it.worker, it.start)).collect::<Vec<_>>()
    };
    assert_eq!(run("fifo"), [(0, 0.0), (0, 1.0), (1, 5.0)]);
    assert_eq!(run("lifo"), [(0, 0.0), (1, 4.0), (0, 1.0)]);
}

#[test]
fn releases_and_wide_tasks_are_waited_for() {
    let mut graph = WeightedGraph::builder("wide");
    graph.task(WeightedTask::new("long", 3.0)).unwrap();
    graph.task(WeightedTask::new("wide", 2.0).workers(2_usize)).unwrap();
    graph.task(WeightedTask::new("small", 1.0)).unwrap();
    graph.task(WeightedTask::new("late", 1.0).release(9.0)).unwrap();
    let graph = graph.build().unwrap();
    let platform = Platform::equal(2).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let fifo = run_policy(&instance, policy("fifo").unwrap().as_mut(), &instance).unwrap();
    let starts: Vec<f64> = fifo.placements().iter().map(|it| it.start).collect();
    assert_eq!(starts, [0.0, 3.0, 5.0, 9.0], "nobody goes before the task that waits");
    fifo.check(&instance).unwrap();
}

/// Gives the first task again and again.
#[derive(Debug, Default)]
struct Again(Option<ReadyPart>);

impl Policy for Again {
    fn name(&self) -> &'static str {
        "again"
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.0.get_or_insert(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.0
    }
}

/// Keeps everything.
#[derive(Debug)]
struct Miser;

impl Policy for Miser {
    fn name(&self) -> &'static str {
        "miser"
    }

    fn push(&mut self, _part: ReadyPart, _worker: usize) {}

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        None
    }
}

#[test]
fn policies_that_lose_or_repeat_tasks_are_found_out() {
    let graph = random_graph(3, 6, 1);
    let platform = Platform::equal(2).unwrap();
    let instance = Instance::new(&graph, &platform).unwrap();
    let error = run_policy(&instance, &mut Again::default(), &instance).unwrap_err().to_string();
    assert!(error.contains("policy `again`: it gave task "), "{error}");
    let error = run_policy(&instance, &mut Miser, &instance).unwrap_err();
    assert!(matches!(&error, Error::Stalled(tasks) if tasks.len() == 6), "{error}");
}

#[test]
fn drawn_times_follow_from_the_seed_and_keep_their_mean() {
    let mut graph = WeightedGraph::builder("many");
    for number in 0..4000 {
        graph.task(WeightedTask::new(number.to_string(), 2.0)).unwrap();
    }
    let graph = graph.build().unwrap();
    let drawn = graph.drawn(1, 0.3);
    assert_eq!(drawn, graph.drawn(1, 0.3));
    assert_ne!(drawn, graph.drawn(2, 0.3));
    assert_eq!(graph.drawn(1, 0.0), graph);
    let costs: Vec<f64> = drawn.tasks().iter().map(|task| task.cost).collect();
    let mean = costs.iter().sum::<f64>() / 4000.0;
    let variance = costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>() / 4000.0;
    assert!((mean - 2.0).abs() < 0.03 && (variance.sqrt() - 0.6).abs() < 0.03, "{mean} {variance}");
}

#[test]
fn a_schedule_keeps_its_order_where_tasks_take_longer() {
    for seed in 0..40 {
        let graph = random_graph(seed, 1 + seed as usize % 20, 3);
        let platform = Platform::with_speeds(vec![1.0, 2.0, 1.0]).unwrap();
        let platform = platform.clique(Link::new(0.1, 3.0)).unwrap();
        let instance = Instance::new(&graph, &platform).unwrap();
        let planned = static_policy("heft").unwrap().schedule(&instance).unwrap();
        assert!(planned.retimed(&instance).makespan() <= planned.makespan() + 1e-9);
        let other = graph.drawn(seed, 0.5);
        let actual = Instance::new(&other, &platform).unwrap();
        let retimed = planned.retimed(&actual);
        retimed.check(&actual).unwrap();
        for (one, two) in planned.by_worker(3).iter().zip(retimed.by_worker(3)) {
            let tasks = |list: &[&caudal::scheduling::Placement]| {
                // Tasks of no time may start together.
                let lasting = list.iter().filter(|it| it.finish > it.start);
                lasting.map(|it| it.task).collect::<Vec<_>>()
            };
            assert_eq!(tasks(one), tasks(&two), "{seed}");
        }
    }
}
