//! Laws and anomalies of list schedules, on the simulator.

use caudal::flow::policy::{POLICIES, Policy, ReadyPart, policy};
use caudal::flow::{TaskGraph, TaskGraphBuilder};
use caudal::simulator::{Machine, Options, PartCosts, Simulation, simulate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The first ready task of a list, whichever worker asks.
#[derive(Debug)]
struct List {
    /// Tasks by their numbers in the task graph, the most urgent first.
    order: Vec<usize>,
    /// By task of the tasks: its place in the list.
    places: Vec<usize>,
    waiting: Vec<ReadyPart>,
}

impl List {
    fn new(order: impl IntoIterator<Item = usize>) -> Self {
        Self { order: order.into_iter().collect(), places: Vec::new(), waiting: Vec::new() }
    }
}

impl Policy for List {
    fn name(&self) -> &'static str {
        "list"
    }

    fn begin(&mut self, tasks: &TaskGraph, _workers: usize) -> caudal::Result<()> {
        let place = |task| {
            let number: usize = tasks.task(task).node.parse().unwrap();
            self.order.iter().position(|&other| other == number).unwrap()
        };
        self.places = (0..tasks.task_count()).map(place).collect();
        Ok(())
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.waiting.push(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        let places = self.waiting.iter().map(|part| self.places[part.task]);
        let (first, _) = places.enumerate().min_by_key(|(_, place)| *place)?;
        Some(self.waiting.remove(first))
    }
}

/// Tasks of these seconds; `after` holds pairs of a task and one that waits for it, counted from 1.
fn graph(seconds: &[f64], after: &[(usize, usize)]) -> TaskGraph {
    let mut tasks = TaskGraphBuilder::new("tasks");
    for (number, &seconds) in seconds.iter().enumerate() {
        let before = after.iter().filter(|(_, later)| *later == number + 1);
        let before: Vec<_> = before.map(|(earlier, _)| earlier - 1).collect();
        tasks.task(number.to_string(), seconds, &before).unwrap();
    }
    tasks.build().unwrap()
}

/// What its tasks cost.
fn costs_of(graph: &TaskGraph) -> PartCosts {
    PartCosts::even(graph, graph.estimated_costs())
}

fn run(tasks: &TaskGraph, policy: &mut dyn Policy, machine: &Machine) -> Simulation {
    let costs = costs_of(tasks);
    let simulation = simulate(tasks, policy, machine, &costs, Options::default()).unwrap();
    assert_schedule(tasks, &costs, &simulation, machine);
    simulation
}

/// Asserts that every part ran once, for as long as it takes, after those that it waits for, and that
/// no worker ran two at a time.
fn assert_schedule(
    tasks: &TaskGraph,
    costs: &PartCosts,
    simulation: &Simulation,
    machine: &Machine,
) {
    let mut ended = vec![0; tasks.task_count()];
    let mut times = vec![0; tasks.task_count()];
    let mut free = vec![0; machine.workers()];
    for event in &simulation.events {
        let alone = costs.of_task(event.task)[event.part].mean / machine.speeds[event.worker];
        assert!(((event.end - event.start) as f64 * 1e-9 - alone).abs() < 3e-9, "{event:?}");
        assert!(event.ready <= event.start + 1 && free[event.worker] <= event.start + 1);
        free[event.worker] = event.end;
        ended[event.task] = ended[event.task].max(event.end);
        times[event.task] += 1;
    }
    assert!((0..tasks.task_count()).all(|task| times[task] == tasks.task(task).parts));
    for event in &simulation.events {
        for next in tasks.task(event.task).successors {
            let began = simulation.events.iter().filter(|other| other.task == next);
            assert!(began.map(|other| other.start).min() >= Some(event.end - 1));
        }
    }
    for worker in &simulation.workers {
        let sum = worker.busy + worker.scheduling + worker.idle;
        assert!((sum - simulation.makespan).abs() < 1e-9 * simulation.makespan.max(1.0));
    }
}

/// Graham's example (1969): nine tasks, of which the ninth waits for the first, and the fifth to the
/// eighth for the fourth.
const SECONDS: [f64; 9] = [3.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 9.0];
const AFTER: [(usize, usize); 5] = [(1, 9), (4, 5), (4, 6), (4, 7), (4, 8)];

fn makespan(seconds: &[f64], after: &[(usize, usize)], list: &[usize], workers: usize) -> f64 {
    let list = list.iter().map(|number| number - 1);
    run(&graph(seconds, after), &mut List::new(list), &Machine::ideal(workers)).makespan
}

const LIST: [usize; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

#[test]
fn a_further_worker_makes_it_longer() {
    assert_eq!(makespan(&SECONDS, &AFTER, &LIST, 3), 12.0);
    assert_eq!(makespan(&SECONDS, &AFTER, &LIST, 4), 15.0);
}

#[test]
fn shorter_tasks_make_it_longer() {
    // By one, but the first by a hair less: of two tasks that end at one moment, the pool serves one
    // before the other, and Graham both before anything is taken.
    let mut shorter = SECONDS.map(|seconds| seconds - 1.0);
    shorter[0] += 1e-6;
    assert!((makespan(&shorter, &AFTER, &LIST, 3) - 13.0).abs() < 1e-9);
}

#[test]
fn fewer_dependencies_make_it_longer() {
    let fewer = [(1, 9), (4, 7), (4, 8)];
    assert_eq!(makespan(&SECONDS, &fewer, &LIST, 3), 16.0);
}

#[test]
fn another_list_makes_it_longer() {
    let other = [1, 2, 4, 5, 6, 3, 9, 7, 8];
    assert_eq!(makespan(&SECONDS, &AFTER, &other, 3), 14.0);
}

/// Tasks that wait for some of the twenty before them, with durations from 1 ms to 1 s.
fn random_tasks(random: &mut ChaCha8Rng) -> TaskGraph {
    let mut tasks = TaskGraphBuilder::new("tasks");
    let density = random.random_range(0.0..0.4);
    for number in 0..random.random_range(1..60_usize) {
        let before = number.saturating_sub(20)..number;
        let after: Vec<_> = before.filter(|_| random.random_bool(density)).collect();
        let seconds = 10_f64.powf(random.random_range(-3.0..0.0));
        tasks.task(number.to_string(), seconds, &after).unwrap();
    }
    tasks.build().unwrap()
}

/// Every policy of the table, and lists in random orders.
fn policies(tasks: &TaskGraph, random: &mut ChaCha8Rng) -> Vec<Box<dyn Policy>> {
    let all = POLICIES.iter().map(|spec| policy(spec.name).unwrap());
    // A policy that keeps parts back makes no list schedule.
    let mut policies: Vec<_> = all.filter(|policy| !policy.supervises()).collect();
    for _ in 0..2 {
        let mut order: Vec<_> = (0..tasks.task_count()).collect();
        rand::seq::SliceRandom::shuffle(order.as_mut_slice(), random);
        policies.push(Box::new(List::new(order)));
    }
    policies
}

#[test]
fn list_schedules_keep_their_bounds() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    for _ in 0..60 {
        let tasks = random_tasks(&mut random);
        let costs = costs_of(&tasks);
        let (work, path) = (costs.work(), costs.critical_path(&tasks));
        for mut policy in policies(&tasks, &mut random) {
            for workers in [1, 2, 3, 8, 64] {
                let simulated = run(&tasks, policy.as_mut(), &Machine::ideal(workers));
                let (took, p) = (simulated.makespan, workers as f64);
                let name = policy.name();
                assert!(took >= path.max(work / p) - 1e-9, "{name}: {took} < {path}, {work} / {p}");
                assert!(took <= work / p + (1.0 - 1.0 / p) * path + 1e-9, "{name}: {took}");
                // The optimum is no shorter than either lower bound (Graham 1966).
                assert!(took <= (2.0 - 1.0 / p) * path.max(work / p) + 1e-9 || workers > 1);
                if workers == 1 {
                    assert!((took - work).abs() < 1e-9, "{name}: {took} is not {work}");
                }
                if workers == 64 {
                    assert!((took - path).abs() < 1e-9, "{name}: {took} is not {path}");
                }
            }
        }
    }
}

#[test]
fn overheads_add_up_on_one_worker_and_slow_workers_take_longer() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..20 {
        let tasks = random_tasks(&mut random);
        let costs = costs_of(&tasks);
        let mut machine = Machine::ideal(1);
        (machine.overhead.part, machine.overhead.message) = (0.5, 0.25);
        machine.slowdown.transfer = 1.0;
        let mut policy = policy("fifo").unwrap();
        let mut took = |machine: &Machine| {
            simulate(&tasks, policy.as_mut(), machine, &costs, Options::default()).unwrap().makespan
        };
        let scheduling = tasks.task_count() as f64 * 0.5 + tasks.message_count() as f64 * 0.25;
        assert!((took(&machine) - costs.work() - scheduling).abs() < 1e-9);
        let half = Machine::ideal(1).speeds(vec![0.5]);
        assert!((took(&half) - 2.0 * costs.work()).abs() < 1e-9);
    }
}

#[test]
fn a_worker_of_half_the_speed_does_half_as_much() {
    let mut tasks = TaskGraphBuilder::new("tasks");
    for number in 0..3000 {
        tasks.task(number.to_string(), 1.0, &[]).unwrap();
    }
    let tasks = tasks.build().unwrap();
    let machine = Machine::ideal(3).speeds(vec![1.0, 1.0, 0.5]);
    let simulated = run(&tasks, &mut List::new(0..3000), &machine);
    assert_eq!(simulated.makespan, 1200.0);
    let parts = |worker| simulated.events.iter().filter(|event| event.worker == worker).count();
    assert_eq!([parts(0), parts(1), parts(2)], [1200, 1200, 600]);
    assert!(simulated.idle_share() < 1e-9);
}

#[test]
fn parts_that_run_side_by_side_are_slower_by_what_the_machine_says() {
    let mut tasks = TaskGraphBuilder::new("tasks");
    tasks.task("0", 2.0, &[]).unwrap();
    tasks.task("1", 1.0, &[]).unwrap();
    let tasks = tasks.build().unwrap();
    let costs = costs_of(&tasks);
    let mut machine = Machine::ideal(2);
    machine.slowdown.shared = 0.5;
    let options = Options::default();
    let simulated = simulate(&tasks, &mut List::new([0, 1]), &machine, &costs, options).unwrap();
    // Both run at two thirds until the shorter one ends after 1.5 s; the other has 1 s left.
    assert!((simulated.makespan - 2.5).abs() < 1e-9, "{}", simulated.makespan);
}

#[test]
fn a_seed_decides_every_draw_and_a_thousand_workers_are_no_problem() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let tasks = random_tasks(&mut random);
    let fixed = costs_of(&tasks);
    let varied = PartCosts::new((0..tasks.task_count()).map(|task| {
        let mut parts = fixed.of_task(task).to_vec();
        for part in &mut parts {
            part.variance = (0.3 * part.mean).powi(2);
        }
        parts
    }));
    let mut policy = policy("critical-path").unwrap();
    let mut took = |seed, workers| {
        let options = Options::default().seed(seed);
        simulate(&tasks, policy.as_mut(), &Machine::ideal(workers), &varied, options).unwrap()
    };
    assert_eq!(took(Some(1), 4), took(Some(1), 4));
    assert_ne!(took(Some(1), 4).makespan, took(Some(2), 4).makespan);
    assert!((took(None, 1).makespan - fixed.work()).abs() < 1e-9);
    assert!((took(None, 1024).makespan - fixed.critical_path(&tasks)).abs() < 1e-9);
}

/// Keeps whatever it is given.
#[derive(Debug)]
struct Lost;
impl Policy for Lost {
    fn name(&self) -> &'static str {
        "lost"
    }
    fn push(&mut self, _part: ReadyPart, _worker: usize) {}
    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        None
    }
}

#[test]
fn impossible_machines_and_tasks_are_refused_and_lost_parts_are_told() {
    let mut tasks = TaskGraphBuilder::new("tasks");
    let first = tasks.task("0", 1.0, &[]).unwrap();
    tasks.task("1", 1.0, &[first]).unwrap();
    assert!(tasks.task("2", f64::NAN, &[]).unwrap_err().to_string().contains("NaN seconds"));
    assert!(tasks.task("2", 1.0, &[9]).unwrap_err().to_string().contains("waits for task 9"));
    assert!(TaskGraphBuilder::new("tasks").build().is_err());
    let tasks = tasks.build().unwrap();
    let costs = costs_of(&tasks);
    let try_on = |machine: &Machine, policy: &mut dyn Policy| {
        simulate(&tasks, policy, machine, &costs, Options::default()).unwrap_err().to_string()
    };
    let fifo = &mut *policy("fifo").unwrap();
    assert!(try_on(&Machine::ideal(0), fifo).contains("give it 1 to 1024"));
    assert!(try_on(&Machine::ideal(1025), fifo).contains("give it 1 to 1024"));
    let stuck = Machine::ideal(2).speeds(vec![1.0, 0.0]);
    assert!(try_on(&stuck, fifo).contains("speed 0"));

    let message = try_on(&Machine::ideal(2), &mut Lost);
    assert!(message.contains("`0` (task) is ready but was never taken"), "{message}");
    assert!(message.contains("`1` (task) lacks 1 message"), "{message}");
}
