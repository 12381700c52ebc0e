//! Every layer, loss and metric alone.

use std::collections::{BTreeMap, BTreeSet};

use caudal::Tensor;
use caudal::context::Mode;
use caudal::graph::{GraphBuilder, NodeName};
use caudal::layers::LAYERS;
use caudal::losses::{LOSSES, TargetValues};
use caudal::metrics::METRICS;
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};
use serde::Deserialize;

use super::{Array, add_node};
use crate::probe::{WeightedSum, borrowed};

/// How far a number may be from its oracle, in parts of the largest of its tensor.
const TOLERANCE: f64 = 1e-6;

/// The same of convolutions, whose windows may be taken in tiles: tiles of 6 x 6 lose a few bits more.
const TOLERANCE_IN_TILES: f64 = 4e-6;

#[derive(Deserialize)]
struct Case {
    name: String,
    kind: String,
    attributes: String,
    inputs: Vec<Array>,
    parameters: BTreeMap<String, Array>,
    output: Array,
    output_grad: Option<Array>,
    input_grads: Vec<Array>,
    parameter_grads: BTreeMap<String, Array>,
}

#[derive(Clone, Copy, PartialEq)]
enum Table {
    Layers,
    Losses,
    Metrics,
}

impl Case {
    fn tolerance(&self) -> f64 {
        if self.kind == "conv2d" { TOLERANCE_IN_TILES } else { TOLERANCE }
    }

    fn table(&self) -> Table {
        if LAYERS.iter().any(|spec| spec.kind == self.kind) {
            Table::Layers
        } else if LOSSES.iter().any(|spec| spec.kind == self.kind) {
            Table::Losses
        } else {
            assert!(METRICS.iter().any(|spec| spec.kind == self.kind), "{}", self.kind);
            Table::Metrics
        }
    }

    /// Whether input number `input` holds class indices.
    fn is_label(&self, input: usize) -> bool {
        let item = |array: &Array| array.shape[1..].to_vec();
        input == 1
            && match self.table() {
                Table::Layers => false,
                Table::Metrics => true,
                Table::Losses => {
                    let spec = LOSSES.iter().find(|spec| spec.kind == self.kind).unwrap();
                    let shapes: Vec<Vec<usize>> = self.inputs.iter().map(item).collect();
                    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
                    let loss = (spec.parse)(self.attributes.parse().unwrap()).unwrap();
                    matches!(loss.target_values(&shapes), TargetValues::Classes(_))
                }
            }
    }

    /// For layers without a gradient.
    fn compare_output(&self, net: GraphBuilder, data: &[(String, Tensor)]) {
        let graph = net.build().unwrap();
        let mut network = Network::new(graph, Sgd::default(), NetworkOptions::default()).unwrap();
        let output = network.predict(&borrowed(data)).unwrap().remove(0);
        assert_eq!(output.shape(), self.output.shape, "{}", self.name);
        let values: Vec<f32> = output.iter().copied().collect();
        self.output.assert(&self.name, &values, TOLERANCE);
        assert!(self.input_grads.is_empty(), "{}", self.name);
    }

    fn compare(&self, plan: PlanOptions) {
        let what = format!("{} with {plan:?}", self.name);
        let batch = self.inputs[0].shape[0];
        let mut net = GraphBuilder::new(self.name.as_str());
        let mut data = Vec::new();
        let mut inputs: Vec<NodeName> = Vec::new();
        for (number, array) in self.inputs.iter().enumerate() {
            let (name, shape) = (format!("x{number}"), &array.shape[1..]);
            data.push((name.clone(), array.tensor()));
            let label = self.is_label(number);
            inputs.push(if label { net.target(name, shape) } else { net.input(name, shape) });
        }
        let attributes = self.attributes.parse().unwrap();
        let node = add_node(&mut net, "case", &self.kind, attributes, &inputs);
        match self.table() {
            Table::Layers => {
                net.output(&node);
                let Some(gradient) = &self.output_grad else {
                    return self.compare_output(net, &data);
                };
                let factors = net.target("factors", &gradient.shape[1..]);
                data.push(("factors".into(), gradient.tensor()));
                // The plan divides the weight by the batch, which leaves 1.
                net.weighted_loss("sum", WeightedSum, batch as f32, [&node, &factors]);
            }
            Table::Losses => assert_eq!(self.output_grad.as_ref().unwrap().values, [1.0]),
            Table::Metrics => {
                net.output(&inputs[0]);
            }
        }
        let options = NetworkOptions::default().plan(plan);
        let mut network = Network::new(net.build().unwrap(), Sgd::default(), options).unwrap();
        for (name, values) in &self.parameters {
            network.set_weights(&format!("case.{name}"), &values.tensor()).unwrap();
        }

        match self.table() {
            Table::Layers => {
                let output = network.predict(&borrowed(&data)).unwrap().remove(0);
                assert_eq!(output.shape(), self.output.shape, "{what}");
                let values: Vec<f32> = output.iter().copied().collect();
                self.output.assert(&what, &values, self.tolerance());
            }
            Table::Losses => {
                let report = network.evaluate_batch(&borrowed(&data)).unwrap();
                self.output.assert(&what, &[report.loss as f32], TOLERANCE);
            }
            Table::Metrics => {
                let report = network.evaluate_batch(&borrowed(&data)).unwrap();
                self.output.assert(&what, &[report.metric("case").unwrap() as f32], TOLERANCE);
                assert!(self.input_grads.is_empty(), "{what}");
                return;
            }
        }

        network.train_batch(&borrowed(&data)).unwrap();
        let graph = network.graph().clone();
        let run = network.run(Mode::Training, batch).unwrap();
        // Indices have no gradient.
        let found: Vec<(usize, Vec<f32>)> = graph
            .inputs()
            .into_iter()
            .filter_map(|id| Some((id, run.input_gradient(id)?)))
            .collect();
        assert_eq!(found.len(), self.input_grads.len(), "{what}");
        for ((id, found), expected) in found.into_iter().zip(&self.input_grads) {
            expected.assert(
                &format!("{what}: {}", graph.nodes()[id].name),
                &found,
                self.tolerance(),
            );
        }
        assert_eq!(graph.parameters().len(), self.parameter_grads.len(), "{what}");
        for (index, parameter) in graph.parameters().iter().enumerate() {
            let expected = &self.parameter_grads[parameter.name.strip_prefix("case.").unwrap()];
            let found = run.parameter_gradient(index).unwrap();
            assert_eq!(found.shape(), expected.shape, "{what}: {}", parameter.name);
            let values: Vec<f32> = found.iter().copied().collect();
            expected.assert(&format!("{what}: {}", parameter.name), &values, self.tolerance());
        }
    }
}

#[test]
fn every_case_agrees_with_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("layers.json")).unwrap();
    assert!(cases.len() >= 188, "{}", cases.len());
    for case in &cases {
        let plain = PlanOptions::plain();
        let plain = plain.updates(false).keep_gradients(true);
        for plan in [PlanOptions::gradients(), plain, PlanOptions::gradients().grain(1e-9)] {
            case.compare(plan);
        }
    }
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind.as_str()).collect();
    assert!(kinds.len() >= 40, "{kinds:?}");
}
