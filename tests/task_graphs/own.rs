//! Policies of one's own: those that plan ahead by their names, and those that go by machine, clock and bytes.

use std::sync::Arc;

use caudal::flow::policy::{Policy, PolicySpec, ReadyPart, Setting, policy, register};
use caudal::flow::{Executor, FlowBuilder, Pool, TaskGraph};
use caudal::scheduling::{
    self, Communication, ComparisonOptions, ExecutionOptions, Hlfet, Instance, Link, Platform,
    StaticPolicySpec, WeightedGraph, WeightedTask, all_policies, compare, execute_policy,
    run_policy, static_policy,
};
use caudal::simulator::{Machine, Options, PartCosts, simulate};

static OWN: StaticPolicySpec =
    StaticPolicySpec::new("own-plan", "as hlfet, by another name", "no paper", |argument| {
        match argument {
            None | Some("x") => Ok(Box::new(Hlfet)),
            Some(other) => Err(format!("expected `x`, got `{other}`")),
        }
    })
    .arguments(&[("x", "changes nothing")]);

/// None of these may be registered.
static TAKEN: [StaticPolicySpec; 4] = [
    StaticPolicySpec::new("heft", "a name of the table", "", |_| Ok(Box::new(Hlfet))),
    StaticPolicySpec::new("fifo", "a name of the pool", "", |_| Ok(Box::new(Hlfet))),
    StaticPolicySpec::new("", "no name", "", |_| Ok(Box::new(Hlfet))),
    StaticPolicySpec::new("a:b", "with a colon", "", |_| Ok(Box::new(Hlfet))),
];

#[test]
fn a_policy_that_plans_ahead_is_known_by_its_name() {
    scheduling::register(&OWN).unwrap();
    let error = scheduling::register(&OWN).unwrap_err().to_string();
    assert!(error.contains("policy `own-plan`: there is a policy of this name"), "{error}");
    for spec in &TAKEN {
        assert!(scheduling::register(spec).is_err(), "{spec:?}");
    }
    assert!(all_policies().contains(&"own-plan"));
    let graph = super::random_graph(5, 12, 1);
    let platform = Platform::equal(3).unwrap();
    let names = ["hlfet", "own-plan", "own-plan:x", "fifo"];
    let comparison = compare(&graph, &platform, &names, &ComparisonOptions::default()).unwrap();
    let [hlfet, own, with, fifo] = &comparison.rows[..] else { panic!() };
    assert!(own.is_static && !fifo.is_static);
    assert_eq!((&own.schedule, &with.schedule), (&hlfet.schedule, &hlfet.schedule));
    let error = static_policy("own-plan:y").unwrap_err().to_string();
    assert!(error.contains("expected `x`, got `y`"), "{error}");
    let error = static_policy("own-plam").unwrap_err().to_string();
    assert!(error.contains("did you mean `own-plan`?"), "{error}");
}

/// Two of one name. The pool's register knows nothing of policies that plan ahead.
static AHEAD: StaticPolicySpec =
    StaticPolicySpec::new("of-two", "as hlfet", "no paper", |_| Ok(Box::new(Hlfet)));
static OF_POOL: PolicySpec =
    PolicySpec::new("of-two", "as fifo", |_| policy("fifo").map_err(|error| error.to_string()));

#[test]
fn a_name_that_two_policies_have_is_refused() {
    scheduling::register(&AHEAD).unwrap();
    register(&OF_POOL).unwrap();
    let graph = super::random_graph(5, 12, 1);
    let platform = Platform::equal(2).unwrap();
    let refused = compare(&graph, &platform, &["fifo", "of-two"], &ComparisonOptions::default());
    let error = refused.unwrap_err().to_string();
    let problem = "policy `of-two`: one that plans ahead and one of the pool have this name";
    assert!(error.contains(problem), "{error}");
}

/// Gives a worker the ready task that ends first there, but none that would end earlier on another worker, as far as
/// that is known by when their tasks end.
#[derive(Debug, Default)]
struct EarliestFinish {
    setting: Option<Setting>,
    /// By task: those before it, and the worker that ran it.
    before: Vec<Vec<usize>>,
    ran: Vec<usize>,
    seconds: Vec<Vec<f64>>,
    ready: Vec<ReadyPart>,
    /// By worker: when it is free.
    free: Vec<f64>,
    now: f64,
    times: Vec<f64>,
}

impl EarliestFinish {
    fn finish(&self, task: usize, worker: usize) -> f64 {
        let Some(setting) = &self.setting else { return 0.0 };
        let message = |&from: &usize| setting.message_seconds(from, task, self.ran[from], worker);
        let comes = self.before[task].iter().map(message).fold(0.0, f64::max);
        self.free[worker].max(self.now) + comes + self.seconds[task][worker]
    }
}

impl Policy for EarliestFinish {
    fn name(&self) -> &'static str {
        "earliest-finish"
    }

    fn supervises(&self) -> bool {
        true
    }

    fn watches_clock(&self) -> bool {
        true
    }

    fn now(&mut self, seconds: f64) {
        self.now = seconds;
        self.times.push(seconds);
    }

    fn begin_on(&mut self, graph: &TaskGraph, setting: &Setting) -> caudal::Result<()> {
        let tasks = graph.task_count();
        self.before = vec![Vec::new(); tasks];
        for from in 0..tasks {
            for to in graph.task(from).successors {
                self.before[to].push(from);
            }
        }
        let on = |task| (0..setting.workers()).map(move |it| setting.seconds(graph, task, it));
        self.seconds = (0..tasks).map(|task| on(task).collect()).collect();
        self.free = vec![0.0; setting.workers()];
        self.ran = vec![0; tasks];
        self.setting = Some(setting.clone());
        Ok(())
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.ready.push(part);
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        let best = |task: usize| {
            let ends = (0..self.free.len()).map(|other| self.finish(task, other));
            ends.fold(f64::INFINITY, f64::min)
        };
        let fits = |part: &&ReadyPart| {
            let task = part.task.index();
            self.finish(task, worker) <= best(task)
        };
        let ends = |part: &ReadyPart| self.finish(part.task.index(), worker);
        let chosen = self.ready.iter().filter(fits);
        let part = *chosen.min_by(|a, b| ends(a).total_cmp(&ends(b)))?;
        self.free[worker] = ends(&part);
        self.ready.retain(|other| *other != part);
        self.ran[part.task.index()] = worker;
        Some(part)
    }
}

static EARLIEST: PolicySpec = PolicySpec::new(
    "earliest-finish",
    "the task that ends first on the worker, if it does not end earlier elsewhere",
    |_| Ok(Box::new(EarliestFinish::default())),
);

/// A, then B and C. Worker 0 is twice as fast; a message of 6 bytes takes 1 + 6 / 2 = 4 seconds.
fn fork(bytes: f64) -> (WeightedGraph, Platform) {
    let mut graph = WeightedGraph::builder("fork");
    for (name, cost) in [("a", 2.0), ("b", 4.0), ("c", 6.0)] {
        graph.task(WeightedTask::new(name, cost)).unwrap();
    }
    graph.edge(0, 1, Communication::Bytes(bytes)).unwrap();
    graph.edge(0, 2, Communication::Bytes(bytes)).unwrap();
    let platform = Platform::with_speeds(vec![2.0, 1.0]).unwrap();
    (graph.build().unwrap(), platform.clique(Link::new(1.0, 2.0)).unwrap())
}

#[test]
fn a_policy_that_decides_goes_by_speeds_messages_and_the_clock() {
    let _ = register(&EARLIEST);
    let placed = |bytes: f64, name: &str| {
        let (graph, platform) = fork(bytes);
        let instance = Instance::new(&graph, &platform).unwrap();
        let run = run_policy(&instance, policy(name).unwrap().as_mut(), &instance).unwrap();
        run.check(&instance).unwrap();
        run.placements().iter().map(|it| (it.worker, it.start, it.finish)).collect::<Vec<_>>()
    };
    // A ends at 1 on worker 0. B takes 2 there and 4 on worker 1, which has to wait for its message for 4: B runs on 0
    // until 3, and C would end at 3 + 3 = 6 there and at 1 + 4 + 6 = 11 on worker 1.
    let own = placed(6.0, "earliest-finish");
    assert_eq!(own, [(0, 0.0, 1.0), (0, 1.0, 3.0), (0, 3.0, 6.0)]);
    // Fifo gives C to worker 1, which is idle.
    let fifo = placed(6.0, "fifo");
    assert_eq!(fifo, [(0, 0.0, 1.0), (0, 1.0, 3.0), (1, 5.0, 11.0)]);
    // HEFT in the pool plans as HEFT does.
    assert_eq!(placed(6.0, "static").iter().map(|it| it.2).fold(0.0, f64::max), 6.0);

    let (graph, platform) = fork(6.0);
    let instance = Instance::new(&graph, &platform).unwrap();
    let mut policy = EarliestFinish::default();
    run_policy(&instance, &mut policy, &instance).unwrap();
    assert!(policy.times.is_sorted(), "{:?}", policy.times);
    for time in [0.0, 1.0, 3.0, 6.0] {
        assert!(policy.times.contains(&time) || time == 6.0, "{time}: {:?}", policy.times);
    }
    let setting = policy.setting.unwrap();
    assert_eq!((setting.bytes(0, 2), setting.bytes(1, 2)), (6.0, 0.0));
    assert_eq!(setting.message_seconds(0, 1, 1, 0), 4.0);
    assert_eq!(setting.costs().unwrap().mean_message_seconds(0, 1), 4.0);
    // Executed, it does the same.
    let options = ExecutionOptions::default().unit(5e-3);
    let executed = execute_policy(&instance, "earliest-finish", &options).unwrap();
    let workers: Vec<usize> = executed.schedule.placements().iter().map(|it| it.worker).collect();
    assert_eq!(workers, [0, 0, 0]);
}

#[test]
fn the_pool_and_the_simulator_tell_policies_of_workers_and_time() {
    #[derive(Debug)]
    struct Watch(EarliestFinish, Arc<std::sync::Mutex<Vec<(f64, f64)>>>);
    impl Policy for Watch {
        fn name(&self) -> &'static str {
            "watch"
        }
        fn watches_clock(&self) -> bool {
            true
        }
        fn now(&mut self, seconds: f64) {
            self.1.lock().unwrap().push((seconds, self.0.setting.as_ref().unwrap().speed(1)));
        }
        fn begin_on(&mut self, graph: &TaskGraph, setting: &Setting) -> caudal::Result<()> {
            assert!(setting.costs().is_none() && setting.workers() == 2);
            self.0.begin_on(graph, setting)
        }
        fn push(&mut self, part: ReadyPart, worker: usize) {
            self.0.push(part, worker);
        }
        fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
            self.0.ready.pop()
        }
    }
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let watch = || Watch(EarliestFinish::default(), Arc::clone(&seen));
    let mut flow = FlowBuilder::new("two");
    let first = flow.after("first", &[], || ());
    flow.after("left", &[first], || ());
    flow.after("right", &[first], || ());
    let mut run = flow.build().unwrap().run();
    Pool::with_policy(2, Box::new(watch())).unwrap().execute(&mut run).unwrap();
    let told = std::mem::take(&mut *seen.lock().unwrap());
    assert!(told.len() >= 3 && told.iter().all(|&(time, speed)| time >= 0.0 && speed == 1.0));
    let mut tasks = caudal::flow::TaskGraphBuilder::new("two");
    let first = tasks.task("first", 1.0, &[]).unwrap();
    tasks.task("left", 2.0, &[first]).unwrap();
    tasks.task("right", 2.0, &[first]).unwrap();
    let graph = tasks.build().unwrap();
    let costs = PartCosts::even(&graph, graph.estimated_costs());
    let machine = Machine::ideal(2).speeds(vec![1.0, 4.0]);
    simulate(&graph, &mut watch(), &machine, &costs, Options::default()).unwrap();
    let told = seen.lock().unwrap();
    assert!(told.iter().all(|&(_, speed)| speed == 4.0), "{told:?}");
    assert!(told.iter().any(|&(time, _)| time > 0.2), "{told:?}");
}

/// The policy `static` counts with speeds: the example of four workers on which it took twice as long as it should.
#[test]
fn plans_of_the_pool_count_with_speeds() {
    let mut tasks = caudal::flow::TaskGraphBuilder::new("independent");
    for number in 0..9 {
        tasks.task(format!("t{number}"), 1.0, &[]).unwrap();
    }
    let graph = tasks.build().unwrap();
    let costs = PartCosts::even(&graph, graph.estimated_costs());
    let machine = Machine::ideal(4).speeds(vec![2.0, 1.0, 1.0, 0.5]);
    let mut planned = policy("static").unwrap();
    let took = simulate(&graph, planned.as_mut(), &machine, &costs, Options::default()).unwrap();
    // Nine seconds of work on 4.5 workers: four tasks, two, two and one.
    assert_eq!(took.makespan, 2.0);
}
