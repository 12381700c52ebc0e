//! Very many tiny runs: each task fires once, no wake-up is lost, and no schedule changes a bit.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use caudal::Error;
use caudal::context::MatrixMut;
use caudal::context::{Context, Mode};
use caudal::flow::policy::{POLICIES, Policy, ReadyPart};
use caudal::flow::{Executor, Observer, PartEvent, Pool, Sequential};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Dense, Layer, Misfit, Relu, Tanh};
use caudal::losses::MeanSquaredError;
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};
use caudal::train::{Network, NetworkOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::own_process::number;
use crate::support_graphs::{Family, borrowed, specimen};
use crate::watchdog::{Scenario, watch};

/// A network of a few nodes: a chain, or branches that join.
pub(crate) fn tiny(branches: usize) -> Arc<Graph> {
    let mut net = GraphBuilder::new(format!("tiny {branches}"));
    let x = net.input("x", [2]);
    let mut ends = vec![x];
    for branch in 0..branches {
        ends.push(net.layer(format!("branch{branch}"), Tanh, [&ends[0]]));
    }
    let sum = net.layer("sum", Add, &ends);
    net.output(&sum);
    Arc::new(net.build().unwrap())
}

/// A network that trains, of six nodes.
pub(crate) fn trained() -> Arc<Graph> {
    let mut net = GraphBuilder::new("trained");
    let x = net.input("x", [2]);
    let y = net.target("y", [2]);
    let a = net.layer("a", Dense::new(2), [&x]);
    let b = net.layer("b", Relu, [&a]);
    let c = net.layer("c", Add, [&a, &b]);
    net.loss("loss", MeanSquaredError, [&c, &y]);
    Arc::new(net.build().unwrap())
}

pub(crate) fn run_of(graph: &Arc<Graph>, mode: Mode, options: PlanOptions) -> Run {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.01));
    let plan = Plan::compile(graph, mode, 1, &optimizer, options).unwrap();
    let parameters = Parameters::initialize(graph, optimizer.as_ref(), 1).unwrap();
    let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
    let sources = graph.nodes().iter().enumerate().filter(|(_, node)| node.inputs.is_empty());
    for (id, _) in sources {
        run.bind(id, &[0.5, -0.25]).unwrap();
    }
    run
}

/// How often each task fired.
struct Counts(Vec<AtomicU32>);

impl Observer for Counts {
    fn part(&self, event: PartEvent) {
        assert_eq!(event.part, 0);
        self.0[event.task].fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs tiny plans over and over, as many as fit into `seconds`; says how many.
fn hammer(scenario: &Scenario, name: &str, workers: usize, policy: &str, seconds: f64) -> u32 {
    let plain = PlanOptions::plain();
    let mut runs: Vec<Run> = [1, 2, 5]
        .into_iter()
        .map(|branches| run_of(&tiny(branches), Mode::Prediction, plain))
        .chain([run_of(&trained(), Mode::Training, plain)])
        .collect();
    let counts: Vec<Arc<Counts>> = runs
        .iter_mut()
        .map(|run| {
            let tasks = run.plan().task_count();
            let counts = Arc::new(Counts((0..tasks).map(|_| AtomicU32::new(0)).collect()));
            run.observe(Some(Arc::clone(&counts) as Arc<dyn Observer>));
            counts
        })
        .collect();
    let mut pool = Pool::new(workers, policy).unwrap();
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut rounds = 0;
    while Instant::now() < end {
        scenario.enter(format!("{name}, round {rounds}"));
        // Now and then everybody has time to fall asleep.
        if rounds % 64 == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
        for _ in 0..16 {
            rounds += 1;
            for (run, counts) in runs.iter_mut().zip(&counts) {
                pool.execute(run).unwrap_or_else(|error| panic!("{name}: {error}"));
                for (task, count) in counts.0.iter().enumerate() {
                    assert_eq!(count.load(Ordering::Relaxed), rounds, "{name}: task {task}");
                }
            }
        }
    }
    rounds * runs.len() as u32
}

#[test]
fn every_task_fires_once_in_every_run() {
    let total = watch(|scenario| {
        let mut total = 0;
        let longer = number("CAUDAL_HAMMER", 1) as f64;
        for policy in POLICIES {
            for (workers, seconds) in [(1, 0.1), (2, 0.5), (4, 0.3), (8, 0.2), (16, 0.2)] {
                let seconds = longer * seconds;
                let name = format!("{workers} workers, {}", policy.name);
                total += hammer(scenario, &name, workers, policy.name, seconds);
            }
        }
        total
    });
    assert!(total > 1000, "{total}");
}

#[test]
fn two_pools_run_beside_each_other() {
    watch(|scenario| {
        std::thread::scope(|scope| {
            for number in 0..2 {
                scope.spawn(move || {
                    let name = format!("pool {number} of two");
                    hammer(scenario, &name, 2 + number, "critical-path", 1.5)
                });
            }
        });
    });
}

/// Waits in its forward task until as many others do. No real layer may: here it shows that every
/// worker is awake.
#[derive(Debug)]
struct Meet(Arc<Barrier>);

impl Layer for Meet {
    fn kind(&self) -> &'static str {
        "meet"
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<caudal::Shape, Misfit> {
        Ok(inputs[0].to_vec())
    }

    fn forward(&self, _: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        self.0.wait();
        output.row_mut(0).fill(1.0);
        Ok(())
    }

    fn input_grad(&self, _: &Context<'_>, _: usize, _: MatrixMut<'_>) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn every_parked_worker_wakes_where_there_is_work_for_all() {
    watch(|scenario| {
        for policy in POLICIES {
            for workers in [2, 3, 4, 8] {
                let meeting = Arc::new(Barrier::new(workers));
                let mut net = GraphBuilder::new("meeting");
                let x = net.input("x", [2]);
                let ends: Vec<_> = (0..workers)
                    .map(|end| net.layer(format!("end{end}"), Meet(Arc::clone(&meeting)), [&x]))
                    .collect();
                let all = net.layer("all", Add, &ends);
                net.output(&all);
                let graph = Arc::new(net.build().unwrap());
                let mut run = run_of(&graph, Mode::Prediction, PlanOptions::plain());
                let mut pool = Pool::new(workers, policy.name).unwrap();
                for round in 0..200 {
                    scenario.enter(format!("{workers} workers, {}, round {round}", policy.name));
                    // Some rounds find the workers parked, and some on their way there.
                    if round % 2 == 0 {
                        std::thread::sleep(Duration::from_micros(round * 5));
                    }
                    pool.execute(&mut run).unwrap();
                    assert_eq!(run.kept(graph.outputs()[0]).unwrap(), [workers as f32; 2]);
                }
            }
        }
    });
}

#[test]
fn pools_come_and_go() {
    watch(|scenario| {
        let mut run = run_of(&tiny(3), Mode::Prediction, PlanOptions::plain());
        for number in 0..500 {
            scenario.enter(format!("pool number {number}"));
            let mut pool = Pool::new(1 + number % 5, "fifo").unwrap();
            for _ in 0..number % 3 {
                pool.execute(&mut run).unwrap();
            }
        }
    });
}

#[test]
fn one_run_goes_from_executor_to_executor() {
    watch(|scenario| {
        let graph = tiny(4);
        let output = graph.outputs()[0];
        let mut run = run_of(&graph, Mode::Prediction, PlanOptions::plain());
        let mut executors: Vec<Box<dyn Executor>> = vec![
            Box::new(Sequential::new()),
            Box::new(Pool::new(2, "fifo").unwrap()),
            Box::new(caudal::flow::Actors::new()),
            Box::new(Pool::new(3, "critical-path").unwrap()),
            Box::new(Pool::new(3, "critical-path").unwrap().with_channels()),
        ];
        executors[0].execute(&mut run).unwrap();
        let expected = run.kept(output).unwrap().to_vec();
        for round in 0..2000 {
            scenario.enter(format!("round {round}"));
            executors[round * 7 % 4].execute(&mut run).unwrap();
            assert_eq!(run.kept(output).unwrap(), expected);
        }
    });
}

/// Any ready part, by chance: what the trait allows at the least.
#[derive(Debug)]
struct Chance {
    waiting: Vec<ReadyPart>,
    random: ChaCha8Rng,
}

impl Chance {
    fn new(seed: u64) -> Box<Self> {
        Box::new(Self { waiting: Vec::new(), random: ChaCha8Rng::seed_from_u64(seed) })
    }
}

impl Policy for Chance {
    fn name(&self) -> &'static str {
        "chance"
    }

    fn begin(&mut self, _graph: &caudal::flow::TaskGraph, _workers: usize) -> caudal::Result<()> {
        assert!(self.waiting.is_empty(), "parts are left over from the run before");
        Ok(())
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        assert!(!self.waiting.contains(&part), "{part:?} is ready twice");
        self.waiting.push(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        if self.waiting.is_empty() {
            return None;
        }
        let any = self.random.random_range(0..self.waiting.len());
        Some(self.waiting.swap_remove(any))
    }
}

#[test]
fn any_order_of_ready_parts_gives_the_same_bits() {
    watch(|scenario| {
        for seed in 0..150 {
            let family = if seed < 90 { Family::Dense } else { Family::Images };
            let specimen = specimen(1000 + seed, family);
            let batches = specimen.batches(seed, 3);
            let train = |executor: Box<dyn Executor>| {
                let plan = PlanOptions::default()
                    .grain(1e-7)
                    .fusion(seed.is_multiple_of(2))
                    .in_place(seed % 3 > 0);
                let options = NetworkOptions::default().plan(plan);
                let mut network =
                    Network::new(specimen.graph.clone(), Sgd::new(0.0005), options).unwrap();
                network.set_executor(executor);
                for batch in &batches {
                    network.train_batch(&borrowed(batch)).unwrap();
                }
                network.weights_sha256()
            };
            let expected = train(Box::new(Sequential::new()));
            for schedule in 0..6 {
                let workers = [1, 2, 4][schedule % 3];
                let what = format!("seed {seed}, schedule {schedule}, {workers} workers");
                scenario.enter(&what);
                let policy = Chance::new(seed * 100 + schedule as u64);
                let pool = Pool::with_policy(workers, policy).unwrap();
                assert_eq!(train(Box::new(pool)), expected, "{what}");
            }
        }
    });
}

/// Loses one part, once.
#[derive(Debug)]
struct Losing {
    waiting: Vec<ReadyPart>,
    before: Arc<Mutex<Option<usize>>>,
}

impl Policy for Losing {
    fn name(&self) -> &'static str {
        "losing"
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        match *before {
            Some(0) => *before = None,
            Some(left) => {
                *before = Some(left - 1);
                self.waiting.push(part);
            }
            None => self.waiting.push(part),
        }
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.waiting.pop()
    }
}

#[test]
fn a_lost_part_stalls_the_run_by_name_and_the_next_run_works() {
    watch(|scenario| {
        for workers in [1, 2, 4] {
            let lose = Arc::new(Mutex::new(None));
            let policy = Losing { waiting: Vec::new(), before: Arc::clone(&lose) };
            let mut pool = Pool::with_policy(workers, Box::new(policy)).unwrap();
            let graph = tiny(3);
            let mut run = run_of(&graph, Mode::Prediction, PlanOptions::plain());
            pool.execute(&mut run).unwrap();
            let expected = run.kept(graph.outputs()[0]).unwrap().to_vec();
            for part in [0, 1, 2, 3] {
                let what = format!("{workers} workers, part {part}");
                scenario.enter(&what);
                *lose.lock().unwrap() = Some(part);
                let Err(Error::Stalled(tasks)) = pool.execute(&mut run) else {
                    panic!("{what}: no stall")
                };
                let named = |text: &str| tasks.iter().any(|task| task.contains(text));
                if part == 0 {
                    assert!(named("without messages"), "{what}: {tasks:?}");
                } else {
                    assert!(named("`branch") && named("never ran"), "{what}: {tasks:?}");
                    assert!(named("`sum` (forward) lacks"), "{what}: {tasks:?}");
                }
                for _ in 0..20 {
                    pool.execute(&mut run).unwrap();
                    assert_eq!(run.kept(graph.outputs()[0]).unwrap(), expected, "{what}");
                }
            }
        }
    });
}
