//! What every preset must be, and what some can do.

use super::{PRESETS, WORKLOADS, find};
use crate::data::{TargetKind, digits, synthetic};
use crate::graph::{Graph, Role};
use crate::model::Model;
use crate::train::{FitOptions, Network, NetworkOptions};

fn names(graph: &Graph) -> Vec<&str> {
    graph.nodes().iter().map(|node| node.name.as_str()).collect()
}

/// Name and inputs of every layer.
fn edges(graph: &Graph) -> Vec<(String, String)> {
    let layers = graph.nodes().iter().filter(|node| matches!(node.role, Role::Layer(_)));
    layers
        .map(|node| {
            let inputs = node.inputs.iter().map(|&input| graph.nodes()[input].name.as_str());
            (node.name.clone(), inputs.collect::<Vec<_>>().join(" "))
        })
        .collect()
}

fn network(model: &Model) -> Network {
    let options = NetworkOptions { workers: 2, ..NetworkOptions::default() };
    Network::from_parts(model.graph.clone(), model.training.optimizer.clone(), options).unwrap()
}

#[test]
fn names_are_unique_and_known() {
    for (number, spec) in PRESETS.iter().enumerate() {
        assert!(std::ptr::eq(find(spec.name).unwrap(), *spec));
        assert!(PRESETS[..number].iter().all(|earlier| earlier.name != spec.name));
        assert!(!spec.summary.is_empty());
    }
    assert!(WORKLOADS.iter().all(|spec| find(spec.name).is_ok()));
    assert!(find(super::DEFAULT).is_ok());
}

#[test]
fn workloads_are_those_of_other_systems() {
    // Parameters counted by hand from the layers' widths.
    let tower = |features: usize, width: usize| (features + 1) * width + 2 * (width + 1) * width;
    let convolution =
        |channels: usize, filters: usize, size: usize| (channels * size * size + 1) * filters;
    let block = |c: usize, f: [usize; 6]| {
        convolution(c, f[0], 1)
            + convolution(c, f[1], 1)
            + convolution(f[1], f[2], 3)
            + convolution(c, f[3], 1)
            + convolution(f[3], f[4], 5)
            + convolution(c, f[5], 1)
    };
    let inception = convolution(1, 32, 3)
        + block(32, [32, 32, 48, 16, 24, 24])
        + block(128, [48, 48, 64, 16, 32, 32])
        + block(176, [64, 64, 96, 24, 48, 48])
        + (256 + 1) * 10;
    let cnn =
        convolution(1, 32, 3) + convolution(32, 64, 3) + (12 * 12 * 64 + 1) * 128 + (128 + 1) * 10;
    // Nodes: all of the description, and the label.
    let expected = [
        ("towers-small", 16 * tower(64, 64) + (16 * 64 + 1) * 10, 1 + 16 * 6 + 3 + 1, 32),
        ("towers-wide", 4 * tower(784, 512) + (4 * 512 + 1) * 10, 1 + 4 * 6 + 3 + 1, 128),
        ("inception", inception, 3 + 3 * 14 + 5 + 1, 64),
        ("mnist-cnn", cnn, 1 + 4 + 2 + 2 + 2 + 1, 128),
        ("chain-mlp", tower(784, 512) + (512 + 1) * 10, 1 + 6 + 2 + 1, 128),
    ];
    assert_eq!(WORKLOADS.len(), expected.len());
    for (spec, (name, parameters, nodes, batch_size)) in WORKLOADS.iter().zip(expected) {
        let model = spec.workload().unwrap();
        assert_eq!(spec.name, name);
        assert_eq!(model.graph.parameter_count(), parameters, "{name}");
        assert_eq!(model.graph.nodes().len(), nodes, "{name}: {:?}", names(&model.graph));
        assert_eq!(model.training.batch_size, batch_size, "{name}");
        assert!(model.graph.metrics().is_empty());
        let attributes = model.training.optimizer.attributes().to_string();
        assert!(attributes.contains("momentum = 0.8999") || attributes.contains("momentum = 0.9"));
        let rate = if spec.name == "mnist-cnn" { 0.05 } else { 0.01 };
        assert!((model.training.optimizer.learning_rate(0) - rate).abs() < 1e-9);
    }
    let inception = find("inception").unwrap().model().unwrap().graph;
    let edges = edges(&inception);
    let edge = |name: &str, inputs: &str| {
        assert!(edges.contains(&(name.to_owned(), inputs.to_owned())), "{name} {inputs}");
    };
    edge("i1", "i1.1x1.relu i1.3x3.relu i1.5x5.relu i1.poolp.relu");
    edge("i1.3x3r", "pool1");
    edge("i2.pool", "i1");
    edge("i3.5x5", "i3.5x5r.relu");
    edge("gap", "i3");
    assert_eq!(inception.node("i3").unwrap().shape, [7, 7, 256]);
}

#[test]
fn the_article_is_drawn_edge_by_edge() {
    let graph = find("article-dag").unwrap().model().unwrap().graph;
    assert_eq!(names(&graph)[..7], ["A", "B", "C", "D", "E", "F", "G"]);
    let expected = [("B", "A"), ("C", "A"), ("D", "B C"), ("E", "B"), ("F", "C"), ("G", "E D F")];
    let expected = expected.map(|(name, inputs)| (name.to_owned(), inputs.to_owned()));
    assert_eq!(edges(&graph), expected);
    assert_eq!(graph.outputs(), [graph.id("G").unwrap()]);
}

#[test]
fn every_preset_takes_a_step() {
    for spec in PRESETS {
        let model = spec.model().unwrap();
        let node = |id: usize| &model.graph.nodes()[id];
        let input = node(model.graph.inputs()[0]);
        // Images where the numbers make up a square: presets of one axis take them as well.
        let features: usize = input.shape.iter().product();
        let side = if features == 64 { 8 } else { 28 };
        let inputs = [("image".to_owned(), vec![side, side, 1])];
        let targets = [("label".to_owned(), TargetKind::Classes(10))];
        let data = synthetic("noise", &inputs, &targets, 4, 1).unwrap();
        let mut network = network(&model);
        let before = network.weights_sha256();
        let options = FitOptions { batch_size: 4, ..FitOptions::default() };
        let history = network.fit(&data, &options).unwrap();
        assert!(history.train[0].loss.is_finite(), "{}", spec.name);
        assert!(history.train[0].metric("accuracy").is_some(), "{}", spec.name);
        assert_ne!(network.weights_sha256(), before, "{}", spec.name);
    }
}

#[test]
fn the_digits_are_learnt() {
    let (train, test) = digits().unwrap();
    for (name, accuracy) in [("digits", 0.97), ("article-dag", 0.9)] {
        let model = find(name).unwrap().model().unwrap();
        let mut network = network(&model);
        let options = FitOptions {
            epochs: model.training.epochs,
            batch_size: model.training.batch_size,
            ..FitOptions::default()
        };
        network.fit(&train, &options).unwrap();
        let report = network.evaluate(&test, 60).unwrap();
        assert!(report.metric("accuracy").unwrap() >= accuracy, "{name}: {report:?}");
    }
}
