//! What every plan keeps, in whatever way it is compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use caudal::context::{Mode, Numerics, Phase};
use caudal::graph::{Graph, NodeId, Role};
use caudal::layers::ParameterKind;
use caudal::optimizers::{NormClip, Optimizer};
use caudal::plan::{Plan, PlanOptions, TaskInfo};

use super::{SEEDS, family, optimizer, options};
use crate::support_graphs::specimen;

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
            for (place, &(node, phase)) in task.calls.iter().enumerate() {
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

    /// A node has one call of its parameter gradients, or is one of up to eight with the same parameters that have one.
    fn param_grads(&self, id: NodeId, moves: impl Fn(NodeId) -> bool) {
        let nodes = self.graph.nodes();
        let alike = |other: &NodeId| {
            let parameters = &nodes[*other].parameters;
            !parameters.is_empty() && *parameters == nodes[id].parameters
        };
        let users: Vec<NodeId> = (0..nodes.len()).filter(alike).filter(|&it| moves(it)).collect();
        let own = self.of(id, Phase::ParamGrad).len();
        assert!(own <= usize::from(moves(id)), "{}: `{}`", self.what, nodes[id].name);
        let all: usize = users.iter().map(|&user| self.of(user, Phase::ParamGrad).len()).sum();
        let Role::Layer(layer) = &nodes[id].role else { return };
        let shapes: Vec<&[usize]> =
            nodes[id].inputs.iter().map(|&input| &nodes[input].shape[..]).collect();
        let sums = layer.sums_param_grads(&shapes, Numerics::default());
        let expected = if sums { users.len().div_ceil(8) } else { users.len() };
        assert_eq!(all, expected, "{}: `{}` and {users:?}", self.what, nodes[id].name);
    }

    /// Which gradients there are, and that none is missing.
    fn backward(&self, clips: bool) {
        let graph = self.graph;
        let count = graph.nodes().len();
        let differentiable = |id: NodeId, number: usize| match &graph.nodes()[id].role {
            Role::Layer(layer) => layer.differentiable(number),
            Role::Loss { loss, .. } => loss.differentiable(number),
            Role::Input | Role::Target | Role::Metric(_) => false,
            other => panic!("no law knows {other:?}"),
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
                (Phase::Update, learned + statistics),
                (Phase::GradNorm, if clips { learned } else { 0 }),
                (Phase::Summarize, usize::from(statistics > 0)),
                (Phase::SummarizeGrad, usize::from(statistics > 0 && moves)),
                (Phase::Regularize, self.regularizers(id)),
            ] {
                assert_eq!(self.of(id, phase).len(), expected, "{what} {phase:?}");
            }
            self.param_grads(id, |id| reaches[id] && graph.trains(id));
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

/// The nodes of these that depend on numbers of the batch: where no weights move, no task computes the others.
fn without_constants(graph: &Graph, mut nodes: Vec<bool>) -> Vec<bool> {
    let mut constant = vec![false; nodes.len()];
    for &id in graph.topological_order() {
        let node = &graph.nodes()[id];
        if let Role::Layer(layer) = &node.role {
            constant[id] = layer.is_constant() || node.inputs.iter().all(|&input| constant[input]);
        }
        nodes[id] &= !constant[id];
    }
    nodes
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
            ("no fusion", default.fusion(false)),
            ("not in place", default.in_place(false)),
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
            law.forward(&without_constants(&graph, all.clone()));
            for &(id, phase) in law.steps.keys() {
                let expected = [Phase::Forward, Phase::Regularize].contains(&phase);
                assert!(expected, "{}: {phase:?}", law.what);
                assert_eq!(law.of(id, Phase::Regularize).len(), law.regularizers(id));
            }

            let plan = compile(Mode::Prediction);
            let law = Law::new(format!("seed {seed}, {name}, prediction"), &plan);
            law.messages();
            law.forward(&without_constants(&graph, upstream_of_outputs(&graph)));
            for &(id, phase) in law.steps.keys() {
                let role = &graph.nodes()[id].role;
                assert_eq!(phase, Phase::Forward, "{}", law.what);
                assert!(matches!(role, Role::Input | Role::Layer(_)), "{}", law.what);
            }
        }
    }
}
