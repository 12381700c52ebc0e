//! Recurrent cells and attention.

use std::collections::{BTreeMap, BTreeSet};

use caudal::Tensor;
use caudal::blocks;
use caudal::context::Mode;
use caudal::graph::{GraphBuilder, NodeName};
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};
use serde::Deserialize;

use super::Array;
use crate::probe::{WeightedSum, borrowed};

/// How far a number may be from its oracle, in parts of the largest of its tensor: the sums of many
/// layers, rounded at each.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Case {
    name: String,
    kind: String,
    attributes: String,
    inputs: Vec<Array>,
    parameters: BTreeMap<String, Array>,
    outputs: Vec<Array>,
    output_grads: Vec<Array>,
    input_grads: Vec<Array>,
    parameter_grads: BTreeMap<String, Array>,
}

impl Case {
    fn compare(&self, plan: PlanOptions) {
        let what = format!("{} with {plan:?}", self.name);
        let batch = self.inputs[0].shape[0];
        let mut net = GraphBuilder::new(self.name.as_str());
        let mut data: Vec<(String, Tensor)> = Vec::new();
        let mut inputs: Vec<NodeName> = Vec::new();
        for (number, array) in self.inputs.iter().enumerate() {
            let name = format!("x{number}");
            data.push((name.clone(), array.tensor()));
            inputs.push(net.input(name, &array.shape[1..]));
        }
        let spec = blocks::find(&self.kind).unwrap();
        let block = (spec.parse)(self.attributes.parse().unwrap()).unwrap();
        let outputs = net.block("case", &block, &inputs);
        assert_eq!(outputs.len(), self.outputs.len(), "{what}");
        for (number, (output, gradient)) in outputs.iter().zip(&self.output_grads).enumerate() {
            net.output(output);
            let factors = net.target(format!("factors{number}"), &gradient.shape[1..]);
            data.push((factors.to_string(), gradient.tensor()));
            // The plan divides the weight by the batch, which leaves 1.
            let name = format!("sum{number}");
            net.weighted_loss(name, WeightedSum, batch as f32, [output, &factors]);
        }
        let options = NetworkOptions::default().plan(plan);
        let mut network = Network::new(net.build().unwrap(), Sgd::default(), options).unwrap();
        assert_eq!(network.graph().parameters().len(), self.parameters.len(), "{what}");
        for (name, values) in &self.parameters {
            network.set_weights(&format!("case/{name}"), &values.tensor()).unwrap();
        }
        let found = network.predict(&borrowed(&data)).unwrap();
        for (number, (found, expected)) in found.iter().zip(&self.outputs).enumerate() {
            assert_eq!(found.shape(), expected.shape, "{what}");
            let values: Vec<f32> = found.iter().copied().collect();
            expected.assert(&format!("{what}: output {number}"), &values, TOLERANCE);
        }
        network.train_batch(&borrowed(&data)).unwrap();
        let graph = network.graph().clone();
        let run = network.run(Mode::Training, batch).unwrap();
        assert_eq!(graph.inputs().len(), self.input_grads.len(), "{what}");
        for (id, expected) in graph.inputs().into_iter().zip(&self.input_grads) {
            let found = run.input_gradient(id).unwrap();
            expected.assert(&format!("{what}: {}", graph.nodes()[id].name), &found, TOLERANCE);
        }
        // The gradient of the keys' bias is 0, since it moves all scores of a query alike: what is left
        // of it is rounding, to be measured by the gradients of the others.
        let largest = |array: &Array| array.values.iter().fold(0f64, |most, it| most.max(it.abs()));
        let of_all = self.parameter_grads.values().map(largest).fold(0.0, f64::max);
        for (index, parameter) in graph.parameters().iter().enumerate() {
            let expected = &self.parameter_grads[parameter.name.strip_prefix("case/").unwrap()];
            let found = run.parameter_gradient(index).unwrap();
            assert_eq!(found.shape(), expected.shape, "{what}: {}", parameter.name);
            let values: Vec<f32> = found.iter().copied().collect();
            let tolerance = TOLERANCE * of_all / largest(expected).max(1e-3);
            expected.assert(&format!("{what}: {}", parameter.name), &values, tolerance);
        }
    }
}

#[test]
fn every_block_agrees_with_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("blocks.json")).unwrap();
    assert!(cases.len() >= 12, "{}", cases.len());
    for case in &cases {
        let plain = PlanOptions::plain();
        let plain = plain.updates(false).keep_gradients(true);
        for plan in [PlanOptions::gradients(), plain] {
            case.compare(plan);
        }
    }
    assert!(cases.iter().any(|case| case.attributes.contains("causal")));
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}
