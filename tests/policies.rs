//! Every policy with every number of workers: the same bits, each task once, no lost wake-up; and what
//! each of them promises beyond that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use caudal::context::Mode;
use caudal::flow::policy::{POLICIES, ReadyPart, policy};
use caudal::flow::{Executor, Observer, PartEvent, Pool, Sequential, TaskIndex};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Dense, Relu, Scale};
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};
use caudal::train::{Network, NetworkOptions};

use crate::protocol::{run_of, tiny, trained};
use crate::support_graphs::{Family, Specimen, borrowed, specimen};
use crate::watchdog::{Scenario, watch};

/// Every policy, and every kind of argument.
const TEXTS: [&str; 12] = [
    "critical-path",
    "critical-path:phases",
    "fifo",
    "lifo",
    "memory",
    "memory:0B",
    "memory:1GiB",
    "random",
    "random:18446744073709551615",
    "static",
    "static:fallback",
    "steal",
];

#[test]
fn no_policy_is_left_out() {
    for spec in POLICIES {
        assert!(TEXTS.contains(&spec.name), "{}", spec.name);
        let with_argument =
            TEXTS.iter().filter(|text| text.starts_with(&format!("{}:", spec.name)));
        assert_eq!(with_argument.count() > 0, !spec.arguments.is_empty(), "{}", spec.name);
    }
}

/// How often each part ran.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<(usize, usize), u32>>);

impl Observer for Counts {
    fn part(&self, event: PartEvent) {
        *self.0.lock().unwrap().entry((event.task, event.part)).or_default() += 1;
    }
}

const STEPS: usize = 4;

/// Trains on a specimen; asserts that every part ran once a step, and gives the weights.
fn train(seed: u64, specimen: &Specimen, executor: Box<dyn Executor>, what: &str) -> String {
    let plan = PlanOptions::default().grain(1e-7);
    let options = NetworkOptions::default().plan(plan);
    let mut network = Network::new(specimen.graph.clone(), Sgd::new(0.0005), options).unwrap();
    network.set_executor(executor);
    let counts = Arc::new(Counts::default());
    let run = network.run(Mode::Training, specimen.items).unwrap();
    run.observe(Some(Arc::clone(&counts) as Arc<dyn Observer>));
    let plan = Arc::clone(run.plan());
    for batch in &specimen.batches(seed, STEPS) {
        network.train_batch(&borrowed(batch)).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let counts = counts.0.lock().unwrap();
    let parts: usize = (0..plan.task_count()).map(|task| plan.task(task).parts).sum();
    assert_eq!(counts.len(), parts, "{what}");
    assert!(counts.values().all(|&times| times == STEPS as u32), "{what}: {counts:?}");
    network.weights_sha256()
}

#[test]
fn every_policy_gives_the_same_bits_with_1_to_16_workers() {
    watch(|scenario| {
        for (seed, family) in [(3, Family::Dense), (17, Family::Dense), (160, Family::Images)] {
            let specimen = specimen(seed, family);
            let expected = train(seed, &specimen, Box::new(Sequential::new()), "sequential");
            for text in TEXTS {
                for workers in 1..=16 {
                    let what = format!("seed {seed}, {text}, {workers} workers");
                    scenario.enter(&what);
                    let pool = Pool::new(workers, text).unwrap();
                    assert_eq!(train(seed, &specimen, Box::new(pool), &what), expected, "{what}");
                }
            }
        }
    });
}

struct Fired(Vec<AtomicU32>);

impl Observer for Fired {
    fn part(&self, event: PartEvent) {
        self.0[event.task].fetch_add(1, Ordering::Relaxed);
    }
}

/// `runs` runs of a few tasks each, over all policies and up to 16 workers; each task fires once in
/// each of them.
fn small_runs(scenario: &Scenario, runs: u32) -> u32 {
    const WORKERS: [usize; 5] = [1, 2, 3, 5, 16];
    let rounds = runs.div_ceil((TEXTS.len() * WORKERS.len() * 3) as u32);
    let mut total = 0;
    for text in TEXTS {
        for workers in WORKERS {
            let mut pool = Pool::new(workers, text).unwrap();
            let plain = PlanOptions::plain();
            let mut all = [
                run_of(&tiny(2), Mode::Prediction, plain),
                run_of(&tiny(5), Mode::Prediction, plain),
                run_of(&trained(), Mode::Training, plain),
            ];
            let fired = all.each_mut().map(|run| {
                let tasks = run.plan().task_count();
                let fired = Arc::new(Fired((0..tasks).map(|_| AtomicU32::new(0)).collect()));
                run.observe(Some(Arc::clone(&fired) as Arc<dyn Observer>));
                fired
            });
            for round in 1..=rounds {
                if round % 64 == 1 {
                    scenario.enter(format!("{text}, {workers} workers, round {round}"));
                }
                for (run, fired) in all.iter_mut().zip(&fired) {
                    pool.execute(run).unwrap_or_else(|error| panic!("{text}, {workers}: {error}"));
                    total += 1;
                    for (task, times) in fired.0.iter().enumerate() {
                        let times = times.load(Ordering::Relaxed);
                        assert_eq!(times, round, "{text}, {workers} workers: task {task}");
                    }
                }
            }
        }
    }
    total
}

#[test]
fn no_wake_up_is_lost_in_twenty_thousand_small_runs() {
    assert!(watch(|scenario| small_runs(scenario, 20_000)) >= 20_000);
}

#[test]
#[ignore = "takes a minute or more: cargo test --test tests million -- --ignored"]
fn no_wake_up_is_lost_in_a_million_small_runs() {
    assert!(watch(|scenario| small_runs(scenario, 1_000_000)) >= 1_000_000);
}

#[test]
fn wrong_arguments_are_refused_with_the_right_ones() {
    for (text, problem) in [
        ("random:x", "expected a whole number up to 18446744073709551615, got `x`"),
        ("random:-1", "got `-1`"),
        ("random:", "got ``"),
        ("fifo:2", "nothing may follow its name; write `fifo`"),
        ("memory:64", "expected a size such as 48MiB (or B, KiB, GiB), got `64`"),
        ("static:steal", "got `steal`; write `static` or `static:fallback`"),
        ("critical-path:x", "write `critical-path` or `critical-path:step` or"),
        ("luck:7", "unknown policy `luck`; known are: critical-path, fifo"),
    ] {
        let error = policy(text).unwrap_err().to_string();
        assert!(
            error.contains(problem) && error.contains(text.split(':').next().unwrap()),
            "{error}"
        );
    }
    let pool = Pool::new(1, "random:7").unwrap();
    assert_eq!(pool.policy(), Some("random:7"));
}

/// Branches of a wide layer and a narrow one each, which are added up.
fn bottles(branches: usize) -> Arc<Graph> {
    let mut net = GraphBuilder::new("bottles");
    let x = net.input("x", [8]);
    let ends: Vec<_> = (0..branches)
        .map(|branch| {
            let wide = net.layer(format!("wide{branch}"), Dense::new(2048), [&x]);
            net.layer(format!("narrow{branch}"), Dense::new(2), [&wide])
        })
        .collect();
    let sum = net.layer("sum", Add, &ends);
    net.output(&sum);
    Arc::new(net.build().unwrap())
}

fn bottles_run(branches: usize, options: PlanOptions) -> Run {
    let graph = bottles(branches);
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let plan = Plan::compile(&graph, Mode::Prediction, 16, &optimizer, options).unwrap();
    let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 0).unwrap();
    let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
    run.bind(graph.id("x").unwrap(), &[0.5; 16 * 8]).unwrap();
    run
}

#[test]
fn memory_stays_under_its_cap_where_others_do_not() {
    let one = 16 * 2048 * size_of::<f32>();
    for workers in [1, 2, 4, 16] {
        let peak = |text: &str| {
            let mut run = bottles_run(12, PlanOptions::plain());
            Pool::new(workers, text).unwrap().execute(&mut run).unwrap();
            run.peak_recycled_bytes()
        };
        assert_eq!(peak("memory:128KiB"), one, "{workers} workers: one wide layer at a time");
        assert!(peak("memory:256KiB") <= 2 * one, "{workers} workers");
        // Less than one layer: it goes on all the same, one by one.
        assert_eq!(peak("memory:1B"), one, "{workers} workers");
        let run = bottles_run(12, PlanOptions::plain());
        assert!(peak("memory") <= run.plan().sequential_peak_bytes(), "{workers} workers");
        if workers == 1 {
            assert_eq!(peak("fifo"), 12 * one);
        }
    }
}

/// Who ran what, in the order of starts.
#[derive(Default)]
struct Starts(Mutex<Vec<(u64, usize, usize, usize)>>);

impl Observer for Starts {
    fn part(&self, event: PartEvent) {
        let start = (event.start, event.worker, event.task, event.part);
        self.0.lock().unwrap().push(start);
    }
}

#[test]
fn a_static_schedule_is_followed_in_every_run() {
    watch(|scenario| {
        for workers in [1, 2, 3, 7] {
            let mut expected: Option<BTreeMap<usize, Vec<(usize, usize)>>> = None;
            let mut run = bottles_run(9, PlanOptions::plain().grain(1e-6));
            let mut pool = Pool::new(workers, "static").unwrap();
            for round in 0..50 {
                scenario.enter(format!("{workers} workers, round {round}"));
                let starts = Arc::new(Starts::default());
                run.observe(Some(Arc::clone(&starts) as Arc<dyn Observer>));
                pool.execute(&mut run).unwrap();
                let mut events = std::mem::take(&mut *starts.0.lock().unwrap());
                events.sort_unstable();
                let mut by_worker: BTreeMap<_, Vec<_>> = BTreeMap::new();
                for (_, worker, task, part) in events {
                    by_worker.entry(worker).or_default().push((task, part));
                }
                assert_eq!(by_worker.len(), workers, "all have something to do");
                assert_eq!(expected.get_or_insert_with(|| by_worker.clone()), &by_worker);
            }
        }
    });
}

#[test]
fn memory_finds_a_cap_below_what_the_plans_own_order_needs() {
    for name in ["nasnet", "digits"] {
        let model = caudal::presets::open(name).unwrap().without_metrics().unwrap();
        let peak = |policy: &str| {
            let (optimizer, options) = (&model.training.optimizer, PlanOptions::default());
            let mut run = caudal::measure::prepare(&model.graph, 32, optimizer, options).unwrap();
            Pool::new(1, policy).unwrap().execute(&mut run).unwrap();
            (run.peak_recycled_bytes(), run.plan().sequential_peak_bytes())
        };
        let (memory, sequential) = peak("memory");
        assert!(memory < sequential, "{name}: {memory} of {sequential}");
        assert!(memory <= peak("fifo").0, "{name}: {memory}");
    }
}

#[test]
fn thieves_take_the_oldest_and_owners_the_newest() {
    let part = |task| ReadyPart { task: TaskIndex::new(task), part: 0 };
    let plan = run_of(&tiny(2), Mode::Prediction, PlanOptions::plain()).plan().clone();
    let mut steal = policy("steal").unwrap();
    steal.begin(&plan, 3).unwrap();
    for (task, worker) in [(0, 0), (1, 0), (2, 0), (3, 2), (4, 2)] {
        steal.push(part(task), worker);
    }
    // Worker 1 looks at 2 before 0, worker 2 at itself.
    let given = [1, 2, 0, 1, 2].map(|worker| steal.pop(worker).unwrap().task.index());
    assert_eq!(given, [3, 4, 2, 0, 1]);
    assert_eq!(steal.pop(0), None);
}

#[test]
fn learned_costs_change_what_comes_first_and_no_bit() {
    let graph = {
        let mut net = GraphBuilder::new("two ways");
        let x = net.input("x", [4]);
        let a = net.layer("a", Relu, [&x]);
        let a = net.layer("a2", Relu, [&a]);
        // What costs the same because it computes the same is learned as equal.
        let b = net.layer("b", Scale::new(-1.0), [&x]);
        let b = net.layer("b2", Scale::new(-1.0), [&b]);
        let sum = net.layer("sum", Add, [&a, &b]);
        net.output(&sum);
        Arc::new(net.build().unwrap())
    };
    for text in ["critical-path", "critical-path:phases", "memory", "static"] {
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let options = PlanOptions::plain();
        let plan = Plan::compile(&graph, Mode::Prediction, 2, &optimizer, options).unwrap();
        let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 0).unwrap();
        let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
        run.bind(graph.id("x").unwrap(), &[-1.0, 2.0, 3.0, -4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
        let mut pool = Pool::new(1, text).unwrap();
        let mut firsts = Vec::new();
        for slow in ["a", "b"] {
            let plan = Arc::clone(run.plan());
            let is_slow = |task| plan.task(task).node.starts_with(slow);
            let seconds = (0..plan.task_count()).map(|task| if is_slow(task) { 1.0 } else { 0.1 });
            pool.learn(&plan, &seconds.collect::<Vec<_>>());
            // A wrong count is not learned, and does no harm.
            pool.learn(&plan, &[1.0]);
            let starts = Arc::new(Starts::default());
            run.observe(Some(Arc::clone(&starts) as Arc<dyn Observer>));
            pool.execute(&mut run).unwrap();
            assert_eq!(run.kept(graph.outputs()[0]).unwrap()[..4], [-1.0, 4.0, 6.0, -4.0]);
            let mut events = std::mem::take(&mut *starts.0.lock().unwrap());
            events.sort_unstable();
            let mut names = events.iter().map(|event| plan.task(event.2).node.to_owned());
            firsts.push(names.find(|name| name != "x").unwrap());
        }
        assert_eq!(firsts, ["a", "b"], "{text}");
    }
}

/// As fifo, by another name.
static REGISTERED: caudal::flow::policy::PolicySpec =
    caudal::flow::policy::PolicySpec::new("registered", "as fifo, by another name", |_| {
        Ok(Box::new(caudal::flow::policy::Fifo::default()))
    });

#[test]
fn a_registered_policy_is_known_by_its_name_and_its_name_is_its_own() {
    use caudal::flow::policy::register;

    assert!(policy("registered").is_err());
    register(&REGISTERED).unwrap();
    assert!(caudal::flow::Pool::new(2, "registered").is_ok());
    let again = register(&REGISTERED).unwrap_err().to_string();
    assert!(again.contains("there is a policy of this name"), "{again}");
    let unknown = policy("nobody").unwrap_err().to_string();
    assert!(unknown.contains("registered"), "{unknown}");
}
