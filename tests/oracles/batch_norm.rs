//! Batch normalisation over several steps: its gradients, its running averages, and what it computes
//! with them.

use std::collections::BTreeMap;

use caudal::context::Mode;
use caudal::graph::GraphBuilder;
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};
use serde::Deserialize;

use super::{Array, add_node};
use crate::probe::{WeightedSum, borrowed};

/// In parts of the largest number.
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Case {
    name: String,
    attributes: String,
    learning_rate: f32,
    parameters: BTreeMap<String, Array>,
    steps: Vec<Step>,
    trained: BTreeMap<String, Array>,
    evaluated: Array,
}

#[derive(Deserialize)]
struct Step {
    input: Array,
    factors: Array,
    losses: Array,
    input_grad: Array,
    weight_grad: Array,
    bias_grad: Array,
}

impl Case {
    fn compare(&self, plan: PlanOptions) {
        let what = format!("{} with {plan:?}", self.name);
        let shape = &self.steps[0].input.shape;
        let mut net = GraphBuilder::new(self.name.as_str());
        let input = net.input("x", &shape[1..]);
        let attributes = self.attributes.parse().unwrap();
        let node = add_node(&mut net, "case", "batch_norm", attributes, &[input]);
        net.output(&node);
        let factors = net.target("factors", &shape[1..]);
        // The plan divides the weight by the batch, which leaves 1.
        net.weighted_loss("sum", WeightedSum, shape[0] as f32, [&node, &factors]);
        let options = NetworkOptions::default().plan(plan);
        let optimizer = Sgd::new(self.learning_rate);
        let mut network = Network::new(net.build().unwrap(), optimizer, options).unwrap();
        for (name, values) in &self.parameters {
            network.set_weights(&format!("case.{name}"), &values.tensor()).unwrap();
        }
        for (number, step) in self.steps.iter().enumerate() {
            let what = format!("{what}, step {number}");
            let data =
                [("x".to_owned(), step.input.tensor()), ("factors".into(), step.factors.tensor())];
            network.train_batch(&borrowed(&data)).unwrap();
            let graph = network.graph().clone();
            let run = network.run(Mode::Training, shape[0]).unwrap();
            step.losses.assert(&what, run.kept(graph.id("sum").unwrap()).unwrap(), TOLERANCE);
            let gradient = run.input_gradient(graph.id("x").unwrap()).unwrap();
            step.input_grad.assert(&format!("{what}: input"), &gradient, TOLERANCE);
            for (parameter, expected) in
                [&step.weight_grad, &step.bias_grad].into_iter().enumerate()
            {
                let gradient = run.parameter_gradient(parameter).unwrap();
                let name = &graph.parameters()[parameter].name;
                expected.assert(
                    &format!("{what}: {name}"),
                    gradient.as_slice().unwrap(),
                    TOLERANCE,
                );
            }
        }
        for (name, expected) in &self.trained {
            let values = network.weights(&format!("case.{name}")).unwrap();
            expected.assert(&format!("{what}: {name}"), values.as_slice().unwrap(), TOLERANCE);
        }
        let last = [("x".to_owned(), self.steps.last().unwrap().input.tensor())];
        let output = network.predict(&borrowed(&last)).unwrap().remove(0);
        self.evaluated.assert(&what, output.as_slice().unwrap(), TOLERANCE);
    }
}

#[test]
fn batch_norm_trains_as_in_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("batch_norm.json")).unwrap();
    assert_eq!(cases.len(), 5);
    for case in &cases {
        assert_eq!(case.steps.len(), 5);
        let plain = PlanOptions::plain().keep_gradients(true);
        let kept = PlanOptions::default().keep_gradients(true);
        for plan in [kept, plain, kept.grain(1e-9)] {
            case.compare(plan);
        }
    }
}
