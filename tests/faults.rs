//! Failing nodes: the step says which, nothing hangs, nothing has moved, and the next step works.

pub(crate) mod faulty;

use std::collections::BTreeSet;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use caudal::context::Mode;
use caudal::flow::policy::{POLICIES, Policy, ReadyPart};
use caudal::flow::{Actors, Executor, Observer, PartEvent, Pool, Sequential};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{
    Add, Concat, Conv2d, Dense, Flatten, GlobalAvgPool, Layer, MaxPool, Relu, Tanh,
};
use caudal::losses::{Loss, MeanSquaredError, SoftmaxCrossEntropy};
use caudal::metrics::{Accuracy, Metric};
use caudal::optimizers::{Moving, Optimizer, Sgd};
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};
use caudal::{Error, Failure, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::faulty::{At, Faulty, Planned, Quiet, Switch, WAYS, Way, lock};
use crate::watchdog::watch;

/// Stochastic gradient descent whose update of parameters of some size fails on demand, after it
/// has moved them.
#[derive(Debug)]
struct FaultyOptimizer {
    inner: Sgd,
    can_fail: bool,
    failing: Mutex<(usize, Option<Way>)>,
    sizes: Mutex<BTreeSet<usize>>,
}

/// An optimizer that is shared with its test.
#[derive(Debug, Clone)]
struct SharedOptimizer(Arc<FaultyOptimizer>);

impl Optimizer for SharedOptimizer {
    fn kind(&self) -> &'static str {
        "sgd"
    }

    fn attributes(&self) -> toml::Table {
        self.0.inner.attributes()
    }

    fn learning_rate(&self, step: u64) -> f32 {
        self.0.inner.learning_rate(step)
    }

    fn state(&self) -> &'static [&'static str] {
        self.0.inner.state()
    }

    fn can_fail(&self) -> bool {
        self.0.can_fail
    }

    fn update(&self, moving: Moving<'_>) -> Result<(), String> {
        let size = moving.weights.len();
        lock(&self.0.sizes).insert(size);
        self.0.inner.update(moving)?;
        let (failing, way) = *lock(&self.0.failing);
        match way.filter(|_| failing == size) {
            None | Some(Way::Late) => Ok(()),
            Some(Way::Error) => Err("planned error".to_owned()),
            Some(Way::Panic) => panic!("planned panic"),
            Some(Way::PanicWithNumber) => panic_any(Planned(8)),
        }
    }
}

fn optimizer(can_fail: bool) -> SharedOptimizer {
    SharedOptimizer(Arc::new(FaultyOptimizer {
        inner: Sgd::new(0.001).momentum(0.9),
        can_fail,
        failing: Mutex::default(),
        sizes: Mutex::default(),
    }))
}

/// Builds graphs of faulty nodes.
struct Builder {
    net: GraphBuilder,
    switch: Arc<Switch>,
}

impl Builder {
    fn new(name: &str, switch: &Arc<Switch>) -> Self {
        Self { net: GraphBuilder::new(name), switch: Arc::clone(switch) }
    }

    fn faulty<T>(&self, node: &str, inner: T) -> Faulty<T> {
        Faulty::new(node, inner, &self.switch)
    }

    fn layer(&mut self, node: &str, layer: impl Layer + 'static, inputs: &[&str]) {
        let layer = self.faulty(node, layer);
        self.net.layer(node, layer, inputs);
    }

    fn loss(&mut self, node: &str, loss: impl Loss + 'static, inputs: &[&str]) {
        let loss = self.faulty(node, loss);
        self.net.loss(node, loss, inputs);
    }

    fn metric(&mut self, node: &str, metric: impl Metric + 'static, inputs: &[&str]) {
        let metric = self.faulty(node, metric);
        self.net.metric(node, metric, inputs);
    }
}

/// Branches that join, with a metric on the way. All parameters differ in size.
fn branching(switch: &Arc<Switch>) -> Graph {
    let mut net = Builder::new("branching", switch);
    net.net.input("x", [12]);
    net.net.target("label", []);
    net.layer("stem", Dense::new(9), &["x"]);
    net.layer("left", Dense::new(33), &["stem"]);
    net.layer("left.tanh", Tanh, &["left"]);
    net.layer("right", Dense::new(17), &["stem"]);
    net.layer("right.relu", Relu, &["right"]);
    net.layer("both", Concat::default(), &["left.tanh", "right.relu", "stem"]);
    net.layer("logits", Dense::new(5), &["both"]);
    net.loss("loss", SoftmaxCrossEntropy, &["logits", "label"]);
    net.metric("accuracy", Accuracy, &["logits", "label"]);
    net.net.build().unwrap()
}

/// Several losses, one between two layers, a node used twice, and a branch for a metric only.
fn losses(switch: &Arc<Switch>) -> Graph {
    let mut net = Builder::new("losses", switch);
    net.net.input("x", [10]);
    net.net.input("y", [7]);
    net.net.target("label", []);
    net.net.target("value", [6]);
    net.layer("a", Dense::new(6), &["x"]);
    net.layer("b", Dense::new(6), &["y"]);
    net.layer("twice", Add, &["a", "a", "b"]);
    net.layer("tanh", Tanh, &["twice"]);
    net.layer("scores", Dense::new(3), &["tanh"]);
    net.layer("aside", Dense::new(3), &["b"]);
    net.loss("entropy", SoftmaxCrossEntropy, &["scores", "label"]);
    net.loss("between", MeanSquaredError, &["a", "b"]);
    net.loss("squares", MeanSquaredError, &["tanh", "value"]);
    net.metric("accuracy", Accuracy, &["aside", "label"]);
    net.net.build().unwrap()
}

/// Convolutions, with weights that are prepared for the input gradient.
fn images(switch: &Arc<Switch>) -> Graph {
    let mut net = Builder::new("images", switch);
    net.net.input("x", [6, 6, 2]);
    net.net.target("label", []);
    net.layer("stem", Conv2d::new(4, 3).same(), &["x"]);
    net.layer("stem.relu", Relu, &["stem"]);
    net.layer("one", Conv2d::new(3, 1), &["stem.relu"]);
    net.layer("three", Conv2d::new(5, 3).same(), &["stem.relu"]);
    net.layer("pool", MaxPool::new(2).stride(1).same(), &["stem.relu"]);
    net.layer("joined", Concat::default(), &["one", "three", "pool"]);
    net.layer("rows", Concat::along(0), &["joined", "joined"]);
    net.layer("mean", GlobalAvgPool, &["rows"]);
    net.layer("flat", Flatten, &["joined"]);
    net.layer("hidden", Dense::new(7), &["flat"]);
    net.layer("all", Concat::default(), &["mean", "hidden"]);
    net.layer("logits", Dense::new(4), &["all"]);
    net.loss("loss", SoftmaxCrossEntropy, &["logits", "label"]);
    net.net.build().unwrap()
}

type MakeGraph = fn(&Arc<Switch>) -> Graph;

const GRAPHS: [(&str, MakeGraph); 3] =
    [("branching", branching), ("losses", losses), ("images", images)];

fn data(graph: &Graph) -> Vec<(String, Tensor)> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let nodes = graph.inputs().into_iter().chain(graph.targets());
    let tensors = nodes.map(|id| {
        let node = &graph.nodes()[id];
        let shape = [&[6], node.shape.as_slice()].concat();
        let values = (0..shape.iter().product()).map(|_| {
            if node.name == "label" {
                random.random_range(0..3) as f32
            } else {
                random.random_range(-1.0..1.0)
            }
        });
        (node.name.clone(), Tensor::from_shape_vec(shape, values.collect()).unwrap())
    });
    tensors.collect()
}

/// A network with its data and what it should be after every step.
struct Subject {
    network: Network,
    batch: Vec<(String, Tensor)>,
    /// Weights and state by step, of a network that never failed.
    states: Arc<Vec<Vec<u32>>>,
}

fn step(network: &mut Network, batch: &[(String, Tensor)]) -> caudal::Result<()> {
    let batch: Vec<_> = batch.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    network.train_batch(&batch).map(|_| ())
}

/// All weights and all of the optimizer's state, as bits.
fn state(network: &Network) -> Vec<u32> {
    let parameters = network.graph().parameters().iter();
    let tensors = parameters.flat_map(|parameter| {
        let velocity = network.optimizer_state(&parameter.name, "velocity").unwrap();
        [network.weights(&parameter.name).unwrap(), velocity]
    });
    tensors.flat_map(|tensor| tensor.iter().map(|it| it.to_bits()).collect::<Vec<_>>()).collect()
}

impl Subject {
    fn new(
        make: MakeGraph,
        switch: &Arc<Switch>,
        optimizer: &SharedOptimizer,
        plan: PlanOptions,
        executor: Box<dyn Executor>,
        states: &Arc<Vec<Vec<u32>>>,
    ) -> Self {
        let options = NetworkOptions::default().executor("sequential").plan(plan);
        let mut network = Network::new(make(switch), optimizer.clone(), options).unwrap();
        network.set_executor(executor);
        let batch = data(network.graph());
        Self { network, batch, states: Arc::clone(states) }
    }

    /// The states of `steps` steps without a failure, and who is asked to compute what.
    fn undisturbed(
        make: MakeGraph,
        plan: PlanOptions,
        admits: bool,
        steps: usize,
    ) -> (Arc<Vec<Vec<u32>>>, Vec<At>) {
        let switch = Switch::new(admits);
        let none = Arc::new(Vec::new());
        let sequential = Box::new(Sequential::new());
        let mut subject = Self::new(make, &switch, &optimizer(false), plan, sequential, &none);
        let mut states = vec![state(&subject.network)];
        for _ in 0..steps {
            step(&mut subject.network, &subject.batch).unwrap();
            states.push(state(&subject.network));
        }
        let last = states.last().unwrap();
        assert!(last.iter().all(|bits| f32::from_bits(*bits).is_finite()), "diverges");
        assert_ne!(states[steps - 1], *last, "stands still");
        let called = lock(&switch.called).iter().cloned().collect();
        (Arc::new(states), called)
    }

    /// Takes a step that must fail, and checks that nothing moved.
    fn fail(&mut self, what: &str) -> Vec<Failure> {
        let before = self.network.step() as usize;
        let failures = match step(&mut self.network, &self.batch) {
            Err(Error::Run(failures)) => failures,
            other => panic!("{what}: {other:?}"),
        };
        assert_eq!(self.network.step() as usize, before, "{what}");
        assert!(state(&self.network) == self.states[before], "{what}: something moved");
        failures
    }

    /// Takes a step that must succeed, with the bits of one that never failed.
    fn succeed(&mut self, what: &str) {
        step(&mut self.network, &self.batch).unwrap_or_else(|error| panic!("{what}: {error}"));
        let step = self.network.step() as usize;
        assert!(state(&self.network) == self.states[step], "{what}: the next step differs");
    }
}

type MakeExecutor = Box<dyn Fn() -> Box<dyn Executor>>;

fn executors() -> Vec<(String, MakeExecutor)> {
    let mut all: Vec<(String, MakeExecutor)> = vec![
        ("sequential".to_owned(), Box::new(|| Box::new(Sequential::new()))),
        ("actors".to_owned(), Box::new(|| Box::new(Actors::new()))),
    ];
    for policy in POLICIES {
        for workers in [1, 2, 4] {
            let name = policy.name;
            let make = move || Box::new(Pool::new(workers, name).unwrap()) as Box<dyn Executor>;
            all.push((format!("{name} x {workers}"), Box::new(make)));
            let make = move || {
                Box::new(Pool::new(workers, name).unwrap().with_channels()) as Box<dyn Executor>
            };
            all.push((format!("{name} x {workers} over channels"), Box::new(make)));
        }
    }
    all
}

fn plans() -> [(&'static str, PlanOptions); 2] {
    let fine = PlanOptions::default().grain(1e-6);
    [("fine", fine), ("plain", PlanOptions::plain())]
}

/// Every node in every phase it has, in every way, with every executor. `admits`: nodes say that
/// their gradients can fail, so these fail too.
fn every_place_fails(admits: bool) {
    let _quiet = Quiet::new();
    let scenarios = watch(move |scenario| {
        let mut scenarios = 0;
        for (graph, make) in GRAPHS {
            for (plan_name, plan) in plans() {
                let (_, mut places) = Subject::undisturbed(make, plan, admits, 1);
                if !admits {
                    places.retain(|(_, phase)| matches!(*phase, "forward" | "prepare"));
                }
                let steps = places.len() * WAYS.len() + 1;
                let (states, _) = Subject::undisturbed(make, plan, admits, steps);
                for (name, executor) in executors() {
                    let switch = Switch::new(admits);
                    let optimizer = optimizer(false);
                    let mut subject =
                        Subject::new(make, &switch, &optimizer, plan, executor(), &states);
                    subject.succeed("the first step");
                    for place in &places {
                        for way in WAYS {
                            let what = format!("{graph}, {plan_name}, {name}: {place:?} {way:?}");
                            scenario.enter(&what);
                            scenarios += 1;
                            switch.arm(std::slice::from_ref(place), way);
                            let failures = subject.fail(&what);
                            switch.disarm();
                            let [failure] = failures.as_slice() else {
                                panic!("{what}: {failures:?}")
                            };
                            let named = (failure.node.clone(), failure.phase);
                            assert_eq!(named, *place, "{what}");
                            assert_eq!(failure.cause, way.cause(), "{what}");
                            assert!(failure.shapes.contains('6'), "{what}: {failure}");
                            subject.succeed(&what);
                        }
                    }
                }
            }
        }
        scenarios
    });
    assert!(scenarios > 500, "{scenarios}");
}

#[test]
fn every_gradient_and_forward_fails_cleanly() {
    every_place_fails(true);
}

#[test]
fn every_forward_fails_cleanly_where_updates_do_not_wait_for_gradients() {
    every_place_fails(false);
}

#[test]
fn independent_failures_are_all_listed_in_node_order() {
    let _quiet = Quiet::new();
    watch(|scenario| {
        let place = |node: &str, phase: &'static str| (node.to_owned(), phase);
        // In the order of the nodes; who only waits for a failed node is not among them.
        let cases: [(MakeGraph, Vec<At>); 5] = [
            (branching, vec![place("left", "forward"), place("right", "forward")]),
            (branching, vec![place("left.tanh", "input_grad"), place("right", "param_grad")]),
            (losses, vec![place("a", "forward"), place("b", "forward")]),
            (losses, vec![place("entropy", "forward"), place("squares", "forward")]),
            (
                images,
                vec![
                    place("one", "prepare"),
                    place("three", "prepare"),
                    place("hidden", "forward"),
                ],
            ),
        ];
        for (plan_name, plan) in plans() {
            for (number, (make, places)) in cases.iter().enumerate() {
                let mut reported = None;
                for (name, executor) in executors() {
                    let (states, _) = Subject::undisturbed(*make, plan, true, 61);
                    let switch = Switch::new(true);
                    let mut subject =
                        Subject::new(*make, &switch, &optimizer(false), plan, executor(), &states);
                    for round in 0..20 {
                        let what = format!("case {number}, {plan_name}, {name}, round {round}");
                        scenario.enter(&what);
                        switch.arm(places, Way::Panic);
                        let failures = subject.fail(&what);
                        switch.disarm();
                        let named: Vec<_> = failures
                            .iter()
                            .map(|failure| (failure.node.clone(), failure.phase))
                            .collect();
                        if plan.fusion {
                            // Nodes in one task fail together.
                            assert!(named.iter().all(|named| places.contains(named)), "{what}");
                        } else {
                            assert_eq!(named, *places, "{what}");
                        }
                        let expected = reported.get_or_insert_with(|| failures.clone());
                        assert_eq!(failures, *expected, "{what}");
                        subject.succeed(&what);
                    }
                }
            }
        }
    });
}

/// The part that became ready last runs first: the last part of a task before its first.
#[derive(Debug, Default)]
struct LastFirst(Vec<ReadyPart>);

impl Policy for LastFirst {
    fn name(&self) -> &'static str {
        "last first"
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.0.push(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.0.pop()
    }
}

/// Labels that are wrong in several parts of a loss.
#[test]
fn the_first_of_several_bad_parts_is_reported_by_all_executors() {
    watch(|scenario| {
        let switch = Switch::new(true);
        let plan = PlanOptions::default().grain(1e-8);
        let (states, _) = Subject::undisturbed(branching, plan, true, 31);
        let mut reported = None;
        let mut executors = executors();
        for workers in [1, 2] {
            let make = move || -> Box<dyn Executor> {
                Box::new(Pool::with_policy(workers, Box::<LastFirst>::default()).unwrap())
            };
            executors.push((format!("last first x {workers}"), Box::new(make)));
        }
        for (name, executor) in executors {
            let mut subject =
                Subject::new(branching, &switch, &optimizer(false), plan, executor(), &states);
            let good = subject.batch.clone();
            for round in 0..30 {
                let what = format!("{name}, round {round}");
                scenario.enter(&what);
                let bad = (0..6).map(|item| 20.0 + item as f32).collect();
                for (name, tensor) in &mut subject.batch {
                    if name == "label" {
                        *tensor = Tensor::from_shape_vec(vec![6], bad).unwrap();
                        break;
                    }
                }
                let failures = subject.fail(&what);
                // Whoever reads the labels: the loss, whose gradient does not wait for its value, and a
                // metric.
                assert!(failures.iter().any(|failure| failure.node == "loss"), "{what}");
                for failure in &failures {
                    assert!(failure.cause.contains("is 20,"), "{what}: {failure}");
                }
                let expected = reported.get_or_insert_with(|| failures.clone());
                assert_eq!(failures, *expected, "{what}");
                subject.batch.clone_from(&good);
                subject.succeed(&what);
            }
        }
    });
}

#[test]
fn a_failing_update_moves_nothing() {
    let _quiet = Quiet::new();
    watch(|scenario| {
        let plan = PlanOptions::default().parts(false);
        for (plan_name, plan) in [("whole", plan), ("plain", PlanOptions::plain())] {
            for admits in [false, true] {
                let (states, _) = Subject::undisturbed(branching, plan, admits, 60);
                for (name, executor) in executors() {
                    let (switch, optimizer) = (Switch::new(admits), optimizer(true));
                    let mut subject =
                        Subject::new(branching, &switch, &optimizer, plan, executor(), &states);
                    subject.succeed("the first step");
                    let sizes: Vec<usize> = lock(&optimizer.0.sizes).iter().copied().collect();
                    assert_eq!(sizes.len(), 8, "one size a parameter: {sizes:?}");
                    let mut nodes = Vec::new();
                    for size in sizes {
                        for way in WAYS {
                            let what = format!("{plan_name}, {name}, {size} floats, {way:?}");
                            scenario.enter(&what);
                            *lock(&optimizer.0.failing) = (size, Some(way));
                            let failures = subject.fail(&what);
                            *lock(&optimizer.0.failing) = (0, None);
                            let [failure] = failures.as_slice() else {
                                panic!("{what}: {failures:?}")
                            };
                            assert_eq!(failure.phase, "update", "{what}");
                            assert_eq!(failure.cause, way.cause(), "{what}");
                            nodes.push(failure.node.clone());
                            subject.succeed(&what);
                        }
                    }
                    nodes.sort();
                    nodes.dedup();
                    assert_eq!(nodes, ["left", "logits", "right", "stem"], "{name}");
                }
            }
        }
    });
}

#[test]
fn a_failing_evaluation_names_its_node_and_can_be_repeated() {
    let _quiet = Quiet::new();
    watch(|scenario| {
        for (name, executor) in executors() {
            let switch = Switch::new(true);
            let (states, _) = Subject::undisturbed(losses, PlanOptions::default(), true, 1);
            let mut subject = Subject::new(
                losses,
                &switch,
                &optimizer(false),
                PlanOptions::default(),
                executor(),
                &states,
            );
            let Subject { network, batch, .. } = &mut subject;
            let batch: Vec<_> =
                batch.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
            let expected = network.evaluate_batch(&batch).unwrap();
            for node in ["a", "tanh", "between", "accuracy"] {
                let what = format!("{name}: {node}");
                scenario.enter(&what);
                switch.arm(&[(node.to_owned(), "forward")], Way::Panic);
                let Err(Error::Run(failures)) = network.evaluate_batch(&batch) else {
                    panic!("{what} does not fail")
                };
                switch.disarm();
                assert_eq!(failures.len(), 1, "{what}");
                assert_eq!(failures[0].node, node, "{what}");
                assert_eq!(network.evaluate_batch(&batch).unwrap(), expected, "{what}");
            }
        }
    });
}

#[test]
fn a_cancelled_step_is_whole_or_not_there() {
    watch(|scenario| {
        for (name, executor) in executors() {
            let plan = PlanOptions::default().grain(1e-6);
            // The optimizer says that it can't fail: no copy is kept that could hide a torn step.
            let (states, _) = Subject::undisturbed(images, plan, false, 160);
            let switch = Switch::new(false);
            let mut subject =
                Subject::new(images, &switch, &optimizer(false), plan, executor(), &states);
            let token = subject.network.run(Mode::Training, 6).unwrap().cancel_token();
            let (go, wait) = std::sync::mpsc::channel::<u64>();
            let (used, was_used) = std::sync::mpsc::channel();
            let canceller = {
                let token = token.clone();
                std::thread::spawn(move || {
                    for nanoseconds in wait {
                        let start = std::time::Instant::now();
                        while start.elapsed() < Duration::from_nanos(nanoseconds) {
                            std::hint::spin_loop();
                        }
                        token.cancel();
                        used.send(()).unwrap();
                    }
                })
            };
            let mut random = ChaCha8Rng::seed_from_u64(11);
            // Moments from the beginning of a step to about its end.
            let start = std::time::Instant::now();
            for _ in 0..10 {
                subject.succeed(&name);
            }
            let most = (start.elapsed() / 10).as_nanos() as u64 + 1;
            for round in 0..150 {
                let what = format!("{name}, round {round}");
                scenario.enter(&what);
                let before = subject.network.step() as usize;
                go.send(random.random_range(0..most)).unwrap();
                let result = step(&mut subject.network, &subject.batch);
                let after = subject.network.step() as usize;
                match result {
                    Ok(()) => assert_eq!(after, before + 1, "{what}"),
                    Err(Error::Cancelled) => assert_eq!(after, before, "{what}"),
                    Err(error) => panic!("{what}: {error}"),
                }
                assert!(
                    state(&subject.network) == subject.states[after],
                    "{what}: neither before nor after"
                );
                was_used.recv().unwrap();
                token.reset();
            }
            drop(go);
            canceller.join().unwrap();
            // Used beforehand, the token stops the run at once, whoever runs it.
            token.cancel();
            assert!(matches!(step(&mut subject.network, &subject.batch), Err(Error::Cancelled)));
            token.reset();
        }
    });
}

/// Panics after one part: the one that so many came before.
struct Panicking(AtomicUsize);

impl Observer for Panicking {
    fn part(&self, _: PartEvent) {
        assert!(self.0.fetch_sub(1, Ordering::Relaxed) != 0, "planned panic");
    }
}

#[test]
fn a_panicking_observer_fails_the_step_or_leaves_it_whole() {
    let _quiet = Quiet::new();
    watch(|scenario| {
        for (plan_name, plan) in plans() {
            let (states, _) = Subject::undisturbed(branching, plan, false, 101);
            for (name, executor) in executors() {
                let switch = Switch::new(false);
                let optimizer = optimizer(false);
                let mut subject =
                    Subject::new(branching, &switch, &optimizer, plan, executor(), &states);
                subject.succeed(&name);
                let parts = {
                    let compiled = subject.network.run(Mode::Training, 6).unwrap().plan();
                    (0..compiled.task_count()).map(|task| compiled.task(task).parts).sum()
                };
                for part in 0..parts {
                    let what = format!("{plan_name}, {name}, after {part} parts");
                    scenario.enter(&what);
                    let observer = Arc::new(Panicking(AtomicUsize::new(part)));
                    let run = subject.network.run(Mode::Training, 6).unwrap();
                    run.observe(Some(observer));
                    match step(&mut subject.network, &subject.batch) {
                        Ok(()) => assert!(part > 0, "{what}"),
                        Err(Error::Run(failures)) => {
                            assert_eq!(failures.len(), 1, "{what}: {failures:?}");
                            assert_eq!(
                                failures[0].cause, "the observer panicked: planned panic",
                                "{what}"
                            );
                        }
                        Err(error) => panic!("{what}: {error}"),
                    }
                    let now = subject.network.step() as usize;
                    assert!(state(&subject.network) == subject.states[now], "{what}: torn");
                    subject.network.run(Mode::Training, 6).unwrap().observe(None);
                    subject.succeed(&what);
                }
            }
        }
    });
}
