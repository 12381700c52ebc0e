//! What Caudal writes reads back: the same predictions, and weights of the same bits.

use std::sync::Arc;

use caudal::Tensor;
use caudal::graph::{Graph, GraphBuilder, Role};
use caudal::layers::LAYERS;
use caudal::model::Model;
use caudal::onnx::{self, WRITERS};
use caudal::optimizers::Sgd;
use caudal::presets::PRESETS;
use caudal::train::{Network, NetworkOptions};

/// Numbers for the inputs of a graph; indices below `below` where its layer takes such.
pub(super) fn data(graph: &Graph, below: Option<usize>) -> Vec<(String, Tensor)> {
    let mut data = Vec::new();
    for &id in &graph.inputs() {
        let node = &graph.nodes()[id];
        let shape = [&[3], node.shape.as_slice()].concat();
        let number = |at: usize| match below {
            Some(below) => (at * 7 % below) as f32,
            None => ((at * 37 % 101) as f32 - 50.3) / 20.0,
        };
        let values = (0..shape.iter().product()).map(number).collect();
        data.push((node.name.clone(), Tensor::from_shape_vec(shape, values).unwrap()));
    }
    data
}

pub(super) fn predicted(network: &mut Network, data: &[(String, Tensor)]) -> Vec<Tensor> {
    let batch: Vec<(&str, &Tensor)> = data.iter().map(|(name, it)| (name.as_str(), it)).collect();
    network.predict(&batch).unwrap()
}

/// Weights that are no round numbers, running variances above 0.
fn set_weights(network: &mut Network) {
    for parameter in network.graph().clone().parameters() {
        let shape = parameter.spec.shape.as_slice();
        let number = |at: usize| 0.3 + ((at * 29 % 83) as f32 - 20.0) / 61.0;
        let numbers = (0..parameter.spec.count()).map(number);
        let numbers = if parameter.name.ends_with("variance") {
            numbers.map(|number| number.abs() + 0.1).collect()
        } else {
            numbers.collect()
        };
        let tensor = Tensor::from_shape_vec(shape, numbers).unwrap();
        network.set_weights(&parameter.name, &tensor).unwrap();
    }
}

/// Writes a network, reads it back and compares; says what differs.
pub(super) fn compare(
    network: &mut Network,
    below: Option<usize>,
    tolerance: f32,
) -> Option<String> {
    let graph = network.graph().for_prediction().unwrap();
    let data = data(&graph, below);
    let bytes = onnx::to_bytes(network).unwrap();
    let imported = match onnx::from_bytes(&bytes, "written.onnx", None) {
        Ok(imported) => imported,
        Err(error) => return Some(error.to_string()),
    };
    if !imported.channels_last.is_empty() {
        return Some(format!("{:?} are turned", imported.channels_last));
    }
    let mut again = super::network(&imported);
    for (name, values) in &imported.weights {
        let Ok(before) = network.weights(name) else { continue };
        let mut bits = [&before, values]
            .map(|tensor| tensor.iter().map(|it| it.to_bits()).collect::<Vec<_>>());
        // A convolution with a group for each channel comes back as depthwise, whose weights have other axes.
        if before.shape() != values.shape() {
            for bits in &mut bits {
                bits.sort_unstable();
            }
        }
        if bits[0] != bits[1] || before.ndim() != values.ndim() {
            return Some(format!("weights `{name}` differ"));
        }
    }
    for parameter in graph.parameters() {
        if !imported.weights.contains_key(&parameter.name) {
            return Some(format!(
                "`{}` is missing, of {:?}",
                parameter.name,
                imported.weights.keys()
            ));
        }
    }
    let (before, after) = (predicted(network, &data), predicted(&mut again, &data));
    for (a, b) in before.iter().zip(&after) {
        if a.shape() != b.shape() {
            return Some(format!("shapes {:?} and {:?}", a.shape(), b.shape()));
        }
        let largest = a.iter().fold(1e-30_f32, |max, it| max.max(it.abs()));
        let apart = a.iter().zip(b).fold(0.0_f32, |max, (a, b)| max.max((a - b).abs()));
        if apart.is_nan() || apart > tolerance * largest {
            return Some(format!("predictions differ by {apart} of {largest}"));
        }
    }
    (before.len() != after.len()).then(|| "other outputs".to_owned())
}

#[test]
fn every_layer_is_written_and_reads_back() {
    let kinds: Vec<&str> = LAYERS.iter().map(|spec| spec.kind).collect();
    let written: Vec<&str> = WRITERS.iter().map(|writer| writer.kind).collect();
    assert_eq!(written, kinds, "a row for every layer, in the order of LAYERS");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for spec in LAYERS {
        for sample in spec.samples {
            let layer = (spec.parse)(sample.attributes.parse().unwrap()).unwrap();
            let mut net = GraphBuilder::new("layer");
            let inputs: Vec<_> = sample
                .inputs
                .iter()
                .enumerate()
                .map(|(number, shape)| net.input(format!("x{number}"), *shape))
                .collect();
            let below = layer.indices(0);
            let node = net.shared_layer("specimen", Arc::clone(&layer), &inputs);
            net.output(&node);
            let graph = net.build().unwrap();
            let mut network =
                Network::new(graph, Sgd::default(), NetworkOptions::default()).unwrap();
            set_weights(&mut network);
            count += 1;
            // Nothing of a constant is left to be an output.
            if spec.kind == "fill" {
                let bytes = onnx::to_bytes(&network).unwrap();
                let error = onnx::from_bytes(&bytes, "fill.onnx", None).map(drop).unwrap_err();
                assert!(error.to_string().contains("does not depend on the items"), "{error}");
                continue;
            }
            if let Some(problem) = compare(&mut network, below, 2e-6) {
                wrong.push(format!(
                    "{} {:?} {:?}: {problem}",
                    spec.kind, sample.attributes, sample.inputs
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn presets_are_written_and_read_back_to_the_same_weights() {
    let mut wrong = Vec::new();
    for spec in PRESETS {
        let Model { graph, training, .. } = Model::open(Some(spec.name)).unwrap();
        if graph.parameter_count() > 3_000_000 {
            continue;
        }
        let options = NetworkOptions::default().seed(5);
        let mut network = Network::from_parts(graph, training.optimizer, options).unwrap();
        if let Some(problem) = compare(&mut network, None, 1e-5) {
            wrong.push(format!("{}: {problem}", spec.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn networks_with_layers_of_their_own_kind_are_refused_by_name() {
    use caudal::layers::Custom;
    let mut net = GraphBuilder::new("custom");
    let x = net.input("x", [4]);
    let own = net.layer("own", Custom::new("own", |_, _| Ok(())), [&x]);
    net.output(&own);
    let graph = net.build().unwrap();
    assert!(matches!(graph.node("own").unwrap().role, Role::Layer(_)));
    let network = Network::new(graph, Sgd::default(), NetworkOptions::default()).unwrap();
    let error = onnx::to_bytes(&network).unwrap_err().to_string();
    assert!(error.contains("`own`") && error.contains("no operator"), "{error}");
}
