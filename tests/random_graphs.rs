//! Random networks: every executor gives the same bits, and every plan keeps the laws of plans.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use caudal::executor::policy::POLICIES;
use caudal::executor::{
    Actors, Executor, Mode, Phase, Plan, PlanOptions, Pool, Run, Sequential, TaskInfo,
};
use caudal::graph::{Graph, NodeId, Role};
use caudal::layers::{LAYERS, ParameterKind, Pass};
use caudal::optimizers::{NormClip, Optimizer, Sgd};
use caudal::train::{Network, NetworkOptions};

use crate::support_graphs::{Batch, Family, Specimen, borrowed, specimen};
use crate::watchdog::watch;

const STEPS: usize = 20;

/// 0 to 149 are dense, 150 to 219 have images, the rest has all kinds of layers.
const SEEDS: u64 = 290;

fn family(seed: u64) -> Family {
    match seed {
        0..150 => Family::Dense,
        150..220 => Family::Images,
        _ => Family::Mixed,
    }
}

fn options(seed: u64) -> PlanOptions {
    let grain = [1e-7, 1e-6, 5e-6][seed as usize % 3];
    PlanOptions { grain, ..PlanOptions::default() }
}

fn optimizer(seed: u64) -> Sgd {
    let sgd = Sgd::new(0.0005);
    let sgd = if seed.is_multiple_of(2) { sgd.momentum(0.9) } else { sgd };
    match seed % 3 {
        0 => sgd,
        1 => sgd.clip_norm(0.2),
        _ => sgd.clip_global_norm(0.5),
    }
}

/// An executor that several networks use one after another.
#[derive(Clone)]
struct Shared(Arc<Mutex<Box<dyn Executor>>>);

impl Shared {
    fn new(executor: impl Executor + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(executor))))
    }
}

impl Executor for Shared {
    fn name(&self) -> &'static str {
        "shared"
    }

    fn workers(&self) -> usize {
        0
    }

    fn execute(&mut self, run: &mut Run) -> caudal::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).execute(run)
    }
}

/// What must agree to the last bit: every loss of every step, and all weights at the end.
#[derive(PartialEq)]
struct Trained {
    losses: Vec<Vec<u64>>,
    weights: Vec<(String, Vec<u32>)>,
}

fn train(
    seed: u64,
    specimen: &Specimen,
    batches: &[Batch],
    plan: PlanOptions,
    executor: Box<dyn Executor>,
) -> Trained {
    let options = NetworkOptions {
        seed,
        executor: "sequential".to_owned(),
        plan,
        ..NetworkOptions::default()
    };
    let mut network = Network::new(specimen.graph.clone(), optimizer(seed), options).unwrap();
    network.set_executor(executor);
    let losses = batches.iter().map(|batch| {
        let report = network.train_batch(&borrowed(batch)).unwrap();
        let values = report.losses.iter().chain(&report.regularization).chain(&report.metrics);
        let values = values.map(|named| named.value);
        values.chain([report.loss]).map(f64::to_bits).collect()
    });
    let losses = losses.collect();
    let weights = specimen.graph.parameters().iter().map(|parameter| {
        let weights = network.weights(&parameter.name).unwrap();
        (parameter.name.clone(), weights.iter().map(|weight| weight.to_bits()).collect())
    });
    Trained { losses, weights: weights.collect() }
}

/// Says where two trainings part.
fn assert_same(trained: &Trained, expected: &Trained, what: &str) {
    for (step, (losses, expected)) in trained.losses.iter().zip(&expected.losses).enumerate() {
        assert_eq!(losses, expected, "{what}: losses and metrics of step {step}");
    }
    for (weights, expected) in trained.weights.iter().zip(&expected.weights) {
        assert!(weights == expected, "{what}: `{}` differs in bits", weights.0);
    }
    assert!(trained == expected, "{what}");
}

fn compare(seeds: std::ops::Range<u64>) {
    watch(move |scenario| {
        let mut executors = vec![("actors".to_owned(), Shared::new(Actors::new()))];
        for policy in POLICIES {
            for workers in [1, 2, 3, 4, 8] {
                let pool = Pool::new(workers, policy.name).unwrap();
                executors.push((format!("{} x {workers}", policy.name), Shared::new(pool)));
            }
        }
        for seed in seeds {
            let specimen = specimen(seed, family(seed));
            let batches = specimen.batches(seed, STEPS);
            let plan = options(seed);
            let run = |plan, executor| train(seed, &specimen, &batches, plan, executor);
            let expected = run(plan, Box::new(Sequential::new()));
            let finite = |bits: &u64| f64::from_bits(*bits).is_finite();
            assert!(expected.losses.iter().flatten().all(finite), "seed {seed} diverges");
            assert!(
                expected.losses.iter().any(|losses| *losses != expected.losses[0]),
                "seed {seed} learns nothing"
            );
            for (name, executor) in &executors {
                let what = format!("seed {seed} with {name}");
                scenario.enter(&what);
                assert_same(&run(plan, Box::new(executor.clone())), &expected, &what);
            }
            if seed % 4 > 0 {
                continue;
            }
            // Neither fusion nor placement changes any number; parts may, since they decide how
            // convolutions sum over items, but not between executors.
            let (_, pool) = &executors[2 + seed as usize % 9];
            let whole = PlanOptions { parts: false, ..plan };
            let whole_expected = run(whole, Box::new(Sequential::new()));
            let number = divisible(&specimen.graph).then_some(3);
            let divided = PlanOptions { micro_batches: number, ..plan };
            let divided_expected = run(divided, Box::new(Sequential::new()));
            for (name, plan, expected) in [
                ("no fusion", PlanOptions { fusion: false, ..plan }, &expected),
                ("not in place", PlanOptions { in_place: false, ..plan }, &expected),
                ("whole", whole, &whole_expected),
                ("plain", PlanOptions::plain(), &whole_expected),
                ("in micro-batches", divided, &divided_expected),
            ] {
                let what = format!("seed {seed}, {name}");
                scenario.enter(&what);
                assert_same(&run(plan, Box::new(Sequential::new())), expected, &what);
                assert_same(&run(plan, Box::new(pool.clone())), expected, &what);
            }
        }
    });
}

/// Whether no layer looks at a batch as a whole.
fn divisible(graph: &Graph) -> bool {
    (0..graph.nodes().len())
        .all(|id| graph.nodes()[id].role.kind() != "batch_norm" || !graph.trains(id))
}

// Quarters, so that the test runner can spread them over cores.
#[test]
fn random_networks_train_alike_1() {
    compare(0..SEEDS / 4);
}

#[test]
fn random_networks_train_alike_2() {
    compare(SEEDS / 4..SEEDS / 2);
}

#[test]
fn random_networks_train_alike_3() {
    compare(SEEDS / 2..SEEDS * 3 / 4);
}

#[test]
fn random_networks_train_alike_4() {
    compare(SEEDS * 3 / 4..SEEDS);
}

#[test]
fn the_generator_covers_what_it_should() {
    let specimens: Vec<Specimen> = (0..SEEDS).map(|seed| specimen(seed, family(seed))).collect();
    let different: HashSet<String> = specimens.iter().map(Specimen::signature).collect();
    assert!(different.len() >= 200, "{} different networks", different.len());
    let graphs: Vec<&Graph> = specimens.iter().map(|specimen| &specimen.graph).collect();
    let sizes = || graphs.iter().map(|graph| graph.nodes().len());
    let (least, most) = (sizes().min().unwrap(), sizes().max().unwrap());
    assert!(least <= 5 && most >= 50, "{least} to {most} nodes");
    let have = |test: &dyn Fn(&Graph) -> bool| graphs.iter().filter(|graph| test(graph)).count();
    let any_node = |graph: &Graph, test: &dyn Fn(&Graph, NodeId) -> bool| {
        (0..graph.nodes().len()).any(|id| test(graph, id))
    };
    let twice = |kind: &'static str| {
        move |graph: &Graph, id: NodeId| {
            let node = &graph.nodes()[id];
            let distinct: HashSet<_> = node.inputs.iter().collect();
            node.role.kind() == kind && distinct.len() < node.inputs.len()
        }
    };
    for kind in ["add", "concat"] {
        assert!(have(&|graph| any_node(graph, &twice(kind))) >= 20, "{kind} of one node twice");
    }
    assert!(have(&|graph| any_node(graph, &|graph, id| graph.consumers(id).len() >= 8)) >= 20);
    assert!(have(&|graph| graph.inputs().len() > 1) >= 40, "several inputs");
    assert!(have(&|graph| graph.losses().len() > 2) >= 40, "several losses");
    assert!(have(&|graph| !graph.metrics().is_empty()) >= 40, "metrics");
    let between = |graph: &Graph, id: NodeId| {
        let node = &graph.nodes()[id];
        let is_layer = |&input: &NodeId| matches!(graph.nodes()[input].role, Role::Layer(_));
        matches!(node.role, Role::Loss { .. }) && node.inputs.iter().all(is_layer)
    };
    assert!(have(&|graph| any_node(graph, &between)) >= 20, "a loss between layers");
    let nested = |graph: &Graph, id: NodeId| {
        let node = &graph.nodes()[id];
        let is_concat = |&input: &NodeId| graph.nodes()[input].role.kind() == "concat";
        node.role.kind() == "concat" && node.inputs.iter().any(is_concat)
    };
    assert!(have(&|graph| any_node(graph, &nested)) >= 20, "nested concats");
    let dead_end = |graph: &Graph, id: NodeId| {
        let to_metric =
            |&(user, _): &(NodeId, usize)| matches!(graph.nodes()[user].role, Role::Metric(_));
        matches!(graph.nodes()[id].role, Role::Layer(_))
            && !graph.nodes()[id].parameters.is_empty()
            && graph.consumers(id).iter().all(to_metric)
    };
    assert!(have(&|graph| any_node(graph, &dead_end)) >= 5, "layers that only a metric needs");
    let parameter = |test: fn(&caudal::graph::Parameter) -> bool| {
        have(&|graph: &Graph| graph.parameters().iter().any(test))
    };
    assert!(parameter(|it| !it.trainable) >= 20, "frozen layers");
    assert!(parameter(|it| it.regularizer.is_some()) >= 20, "regularizers");
    let mixed = &graphs[220..];
    for spec in LAYERS {
        let has = |graph: &&&Graph| graph.nodes().iter().any(|it| it.role.kind() == spec.kind);
        assert!(mixed.iter().filter(has).count() >= 2, "{}", spec.kind);
    }
    let shares = |graph: &Graph, id: NodeId| graph.shares(id).is_some();
    assert!(have(&|graph| any_node(graph, &shares)) >= 10, "shared parameters");
    let divisible = mixed.iter().filter(|graph| divisible(graph)).count();
    assert!((5..=65).contains(&divisible), "{divisible} can be divided into micro-batches");
}

/// A plan seen through [`Plan::task`].
struct Law<'a> {
    what: String,
    plan: &'a Plan,
    graph: &'a Graph,
    tasks: Vec<TaskInfo<'a>>,
    /// By node and phase: the tasks of such steps, with the step's place there.
    steps: BTreeMap<(NodeId, Phase), Vec<(usize, usize)>>,
    /// By task: the tasks before it, as bits.
    before: Vec<Vec<u64>>,
}

impl<'a> Law<'a> {
    fn new(what: String, plan: &'a Plan) -> Self {
        let graph: &Graph = plan.graph();
        let tasks: Vec<_> = (0..plan.task_count()).map(|task| plan.task(task)).collect();
        let mut steps: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut before = vec![vec![0u64; tasks.len().div_ceil(64)]; tasks.len()];
        for (index, task) in tasks.iter().enumerate() {
            for (place, &(node, phase)) in task.steps.iter().enumerate() {
                let key = (graph.id(node).unwrap(), phase);
                steps.entry(key).or_default().push((index, place));
            }
            for &successor in &task.successors {
                assert!(successor > index, "{what}: task {index} sends back to {successor}");
                let own = before[index].clone();
                let theirs = &mut before[successor];
                theirs.iter_mut().zip(own).for_each(|(word, more)| *word |= more);
                theirs[index / 64] |= 1 << (index % 64);
            }
        }
        Self { what, plan, graph, tasks, steps, before }
    }

    fn of(&self, node: NodeId, phase: Phase) -> &[(usize, usize)] {
        self.steps.get(&(node, phase)).map_or(&[], Vec::as_slice)
    }

    /// Every step of the one kind comes before every step of the other.
    fn assert_before(&self, first: (NodeId, Phase), second: (NodeId, Phase)) {
        for &(early, early_place) in self.of(first.0, first.1) {
            for &(late, late_place) in self.of(second.0, second.1) {
                assert!(
                    self.follows((late, late_place), (early, early_place)),
                    "{}: {:?} of `{}` does not wait for {:?} of `{}`",
                    self.what,
                    second.1,
                    self.graph.nodes()[second.0].name,
                    first.1,
                    self.graph.nodes()[first.0].name
                );
            }
        }
    }

    fn follows(&self, (late, late_place): (usize, usize), early: (usize, usize)) -> bool {
        if early.0 == late {
            return early.1 < late_place;
        }
        self.before[late][early.0 / 64] >> (early.0 % 64) & 1 == 1
    }

    /// The update of its own parameter waits for the norm of a gradient, and for the cost of weights;
    /// plans do not tell which update that is.
    fn assert_updates_follow(&self, id: NodeId, moves: bool) {
        for phase in [Phase::GradNorm, Phase::Regularize] {
            for &early in self.of(id, phase).iter().filter(|_| moves) {
                let mut updates = self.of(id, Phase::Update).iter();
                assert!(updates.any(|&late| self.follows(late, early)), "{}: {phase:?}", self.what);
            }
        }
    }

    fn messages(&self) {
        let mut senders = vec![0; self.tasks.len()];
        for task in &self.tasks {
            task.successors.iter().for_each(|&successor| senders[successor] += 1);
        }
        for (task, senders) in self.tasks.iter().zip(senders) {
            let what = format!("{}: `{}` {:?}", self.what, task.node, task.phase);
            assert!(task.messages >= senders, "{what} has a sender that it does not wait for");
            assert_eq!(task.messages == 0, senders == 0, "{what} waits for nobody's message");
            assert!(task.parts >= 1 && task.cost > 0.0, "{what}");
        }
        let messages: usize = self.tasks.iter().map(|task| task.messages).sum();
        assert_eq!(messages, self.plan.message_count(), "{}", self.what);
    }

    fn forward(&self, included: &[bool]) {
        for (id, node) in self.graph.nodes().iter().enumerate() {
            let count = usize::from(included[id]);
            assert_eq!(self.of(id, Phase::Forward).len(), count, "{}: {}", self.what, node.name);
            for &input in &node.inputs {
                self.assert_before((input, Phase::Forward), (id, Phase::Forward));
            }
        }
    }

    /// How many of a node's parameters have a regularizer.
    fn regularizers(&self, id: NodeId) -> usize {
        let own = self.graph.parameters().iter().filter(|parameter| parameter.node == id);
        own.filter(|parameter| parameter.regularizer.is_some()).count()
    }

    /// Which gradients there are, and that none is missing.
    fn backward(&self, clips: bool) {
        let graph = self.graph;
        let count = graph.nodes().len();
        let differentiable = |id: NodeId, number: usize| match &graph.nodes()[id].role {
            Role::Layer(layer) => layer.differentiable(number),
            Role::Loss { loss, .. } => loss.differentiable(number),
            Role::Input | Role::Target | Role::Metric(_) => false,
        };
        let (mut upstream, mut reaches) = (vec![false; count], vec![false; count]);
        for &id in graph.topological_order() {
            let mut inputs = graph.nodes()[id].inputs.iter().enumerate();
            upstream[id] = graph.trains(id)
                || inputs.any(|(number, &input)| upstream[input] && differentiable(id, number));
        }
        for &id in graph.topological_order().iter().rev() {
            let used =
                |&(user, number): &(NodeId, usize)| reaches[user] && differentiable(user, number);
            reaches[id] = matches!(graph.nodes()[id].role, Role::Loss { .. })
                || graph.consumers(id).iter().any(used);
        }
        for (id, node) in graph.nodes().iter().enumerate() {
            let what = format!("{}: `{}`", self.what, node.name);
            let inputs = node.inputs.iter().enumerate();
            let mut gradients =
                inputs.filter(|&(number, &input)| upstream[input] && differentiable(id, number));
            let has_input_grad = reaches[id] && gradients.next().is_some();
            let uses = graph
                .consumers(id)
                .iter()
                .filter(|&&(user, number)| reaches[user] && differentiable(user, number))
                .count();
            let moves = reaches[id] && graph.trains(id);
            // Of its own parameters, those which the optimizer moves, be it for others that share them.
            let owned = |&&index: &&usize| {
                let parameter = &graph.parameters()[index];
                let mut nodes = (0..count).filter(|&user| reaches[user]);
                parameter.node == id
                    && parameter.trainable
                    && parameter.spec.kind == ParameterKind::Learned
                    && nodes.any(|user| graph.nodes()[user].parameters.contains(&index))
            };
            let learned = node.parameters.iter().filter(owned).count();
            let statistic = |&&index: &&usize| {
                let parameter = &graph.parameters()[index];
                parameter.trainable && parameter.spec.kind == ParameterKind::Statistic
            };
            let statistics = node.parameters.iter().filter(statistic).count();
            let layer = matches!(node.role, Role::Layer(_));
            for (phase, expected) in [
                (Phase::InputGrad, usize::from(has_input_grad)),
                (Phase::Accumulate, usize::from(layer && upstream[id] && uses > 1)),
                (Phase::ParamGrad, usize::from(moves)),
                (Phase::Update, learned + statistics),
                (Phase::GradNorm, if clips { learned } else { 0 }),
                (Phase::Summarize, usize::from(statistics > 0)),
                (Phase::SummarizeGrad, usize::from(statistics > 0 && moves)),
                (Phase::Regularize, self.regularizers(id)),
            ] {
                assert_eq!(self.of(id, phase).len(), expected, "{what} {phase:?}");
            }
            for reader in [Phase::Forward, Phase::Prepare, Phase::InputGrad, Phase::ParamGrad] {
                for &parameter in &node.parameters {
                    let owner = graph.parameters()[parameter].node;
                    // Those of statistics need not wait, and plans do not tell which they are.
                    if reader == Phase::Forward || statistics == 0 {
                        self.assert_before((id, reader), (owner, Phase::Update));
                    }
                }
            }
            self.assert_updates_follow(id, learned > 0);
            self.assert_before((id, Phase::Summarize), (id, Phase::Combine));
            self.assert_before((id, Phase::Combine), (id, Phase::Forward));
            self.assert_before((id, Phase::SummarizeGrad), (id, Phase::CombineGrad));
            for gradient in [Phase::InputGrad, Phase::ParamGrad] {
                self.assert_before((id, Phase::CombineGrad), (id, gradient));
            }
            for gradient in [Phase::InputGrad, Phase::ParamGrad] {
                if layer {
                    self.assert_before((id, Phase::Forward), (id, gradient));
                }
                self.assert_before((id, Phase::Accumulate), (id, gradient));
                for &(user, number) in graph.consumers(id) {
                    if layer && differentiable(user, number) {
                        self.assert_before((user, Phase::InputGrad), (id, gradient));
                    }
                }
            }
            self.assert_before((id, Phase::Prepare), (id, Phase::InputGrad));
        }
    }

    /// Whatever can fail comes before the commit, and that before every update; before it come the
    /// norms of gradients that are clipped together.
    fn commit(&self, clip: Option<NormClip>) {
        let mut commits = self.steps.keys().filter(|(_, phase)| *phase == Phase::Commit);
        let commit = *commits.next().unwrap_or_else(|| panic!("{}: no commit", self.what));
        assert!(commits.next().is_none() && self.of(commit.0, commit.1).len() == 1);
        for (id, node) in self.graph.nodes().iter().enumerate() {
            if !matches!(node.role, Role::Input | Role::Target) {
                self.assert_before((id, Phase::Forward), commit);
                self.assert_before((id, Phase::Prepare), commit);
            }
            self.assert_before(commit, (id, Phase::Update));
            if matches!(clip, Some(NormClip::Global(_))) {
                self.assert_before((id, Phase::GradNorm), commit);
            }
        }
    }
}

/// The nodes that lead to an output.
fn upstream_of_outputs(graph: &Graph) -> Vec<bool> {
    let mut included = vec![false; graph.nodes().len()];
    for &output in graph.outputs() {
        included[output] = true;
    }
    for &id in graph.topological_order().iter().rev() {
        if included[id] {
            graph.nodes()[id].inputs.iter().for_each(|&input| included[input] = true);
        }
    }
    included
}

/// Whether it brings weights into the form that the forward step reads.
fn prepares_forward(graph: &Graph, id: NodeId, phase: Phase) -> bool {
    let Role::Layer(layer) = &graph.nodes()[id].role else { return false };
    phase == Phase::Prepare && layer.prepares_for() == Pass::Forward
}

#[test]
fn plans_of_random_networks_keep_the_laws() {
    for seed in 0..SEEDS {
        let specimen = specimen(seed, family(seed));
        let graph = Arc::new(specimen.graph.clone());
        let optimizer: Arc<dyn Optimizer> = Arc::new(optimizer(seed));
        let default = options(seed);
        let all = vec![true; graph.nodes().len()];
        for (name, options) in [
            ("default", default),
            ("no fusion", PlanOptions { fusion: false, ..default }),
            ("not in place", PlanOptions { in_place: false, ..default }),
            ("coarse", PlanOptions::default()),
            ("plain", PlanOptions::plain()),
        ] {
            let compile = |mode| {
                let plan = Plan::compile(&graph, mode, specimen.items, &optimizer, options);
                plan.unwrap()
            };
            let plan = compile(Mode::Training);
            let law = Law::new(format!("seed {seed}, {name}, training"), &plan);
            law.messages();
            law.forward(&all);
            law.backward(optimizer.norm_clip().is_some());
            law.commit(optimizer.norm_clip());

            let plan = compile(Mode::Evaluation);
            let law = Law::new(format!("seed {seed}, {name}, evaluation"), &plan);
            law.messages();
            law.forward(&all);
            for &(id, phase) in law.steps.keys() {
                let expected = [Phase::Forward, Phase::Regularize].contains(&phase)
                    || prepares_forward(&graph, id, phase);
                assert!(expected, "{}: {phase:?}", law.what);
                assert_eq!(law.of(id, Phase::Regularize).len(), law.regularizers(id));
            }

            let plan = compile(Mode::Prediction);
            let law = Law::new(format!("seed {seed}, {name}, prediction"), &plan);
            law.messages();
            law.forward(&upstream_of_outputs(&graph));
            for &(id, phase) in law.steps.keys() {
                let role = &graph.nodes()[id].role;
                let expected = phase == Phase::Forward || prepares_forward(&graph, id, phase);
                assert!(expected, "{}: {phase:?}", law.what);
                assert!(matches!(role, Role::Input | Role::Layer(_)), "{}", law.what);
            }
        }
    }
}
