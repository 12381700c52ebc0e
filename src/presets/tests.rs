//! What every preset must be, and what some can do.

use super::{PRESETS, WORKLOADS, find, open};
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
    let options = NetworkOptions::default().workers(2);
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

fn graph(text: &str) -> Graph {
    Graph::clone(&open(text).unwrap().graph)
}

/// How many nodes have this kind.
fn kinds(graph: &Graph, kind: &str) -> usize {
    graph.nodes().iter().filter(|node| node.role.kind() == kind).count()
}

#[test]
fn families_are_wired_as_their_arguments_say() {
    let sizes = |text: &str, kind: &str| {
        let graph = graph(text);
        (kinds(&graph, kind), kinds(&graph, "relu"), kinds(&graph, "add"))
    };
    // One dense layer more for the logits; a sum wherever several are read.
    assert_eq!(sizes("chain:depth=7", "dense"), (8, 7, 0));
    assert_eq!(sizes("chain:depth=7,cell=conv", "conv2d"), (7, 7, 0));
    assert_eq!(sizes("fan:branches=7", "dense"), (8, 7, 1));
    assert_eq!(sizes("fan:branches=1", "dense"), (2, 1, 0));
    assert_eq!(sizes("layered:layers=4,branches=5", "dense"), (21, 20, 15 + 1));
    assert_eq!(sizes("binary-tree:levels=4", "dense"), (16, 15, 7));
    assert_eq!(sizes("wavefront:rows=3,columns=5", "dense"), (16, 15, 8));
    assert_eq!(sizes("wavefront:rows=3,columns=5,cell=conv", "conv2d"), (15, 15, 8));
    for random in ["random-er", "random-ba", "random-ws"] {
        let (nodes, relus, _) = sizes(&format!("{random}:nodes=20"), "conv2d");
        assert_eq!((nodes, relus), (20, 20), "{random}");
        assert_eq!(sizes(&format!("{random}:nodes=20,cell=dense"), "dense").0, 21, "{random}");
        let seeds = [1, 2].map(|seed| edges(&graph(&format!("{random}:seed={seed}"))));
        assert_ne!(seeds[0], seeds[1], "{random}");
    }
    // Nodes 5 to 31 have five edges each; what nobody reads is added up, too.
    let inputs = |node: &crate::graph::Node| node.inputs.len();
    let scale_free = graph("random-ba");
    let sums = scale_free.nodes().iter().filter(|node| node.role.kind() == "add").map(inputs);
    let sinks = scale_free.node("sum").unwrap().inputs.len();
    assert_eq!(sums.sum::<usize>(), (32 - 5) * 5 + sinks);
    let image = graph("random-ws:side=12,width=5");
    assert_eq!(image.node("n3.relu").unwrap().shape, [12, 12, 5]);
}

#[test]
fn ensembles_experts_heads_and_cells_are_wired_as_their_arguments_say() {
    let ensemble = graph("ensemble:members=3,depth=2,width=16");
    assert_eq!((ensemble.losses().len(), kinds(&ensemble, "dense")), (3, 9));
    assert_eq!(ensemble.outputs(), [ensemble.id("votes").unwrap()]);
    let experts = graph("experts:experts=3,depth=2,width=16");
    assert_eq!((experts.losses().len(), kinds(&experts, "dense")), (1, 1 + 3 * 2 + 1));
    let inputs = |name: &str| edges(&experts).into_iter().find(|edge| edge.0 == name).unwrap().1;
    assert_eq!(inputs("experts"), "e0.relu1 e1.relu1 e2.relu1");
    assert_eq!(inputs("mixture.row"), "gate.row experts.rows");
    assert_eq!(experts.node("mixture").unwrap().shape, [16]);
    let heads = graph("heads:heads=5,trunk=3,depth=1");
    assert_eq!((heads.losses().len(), kinds(&heads, "dense")), (5, 3 + 5 * 2));
    assert_eq!(heads.targets().len(), 1);
    let cells = graph("nasnet:cells=2,width=6");
    assert_eq!(cells.node("c1").unwrap().shape, [8, 8, 6 * 6]);
    // Seven convolutions a cell, two of them to make widths the same, and five sums of two.
    assert_eq!(kinds(&cells, "conv2d"), 1 + 2 * 7);
    let sums = cells.nodes().iter().filter(|node| node.role.kind() == "add");
    assert!(sums.clone().all(|node| node.inputs.len() == 2));
    assert_eq!(sums.count(), 2 * 5);
    let blocks = graph("inception:blocks=5,width=0.5,side=16");
    assert_eq!(blocks.node("i5").unwrap().shape, [4, 4, 128]);
    assert_eq!(blocks.node("i2").unwrap().shape, [8, 8, 88]);
}

#[test]
fn families_learn() {
    let (train, test) = digits().unwrap();
    let families = PRESETS.iter().filter(|spec| !spec.arguments.is_empty());
    for spec in families.filter(|spec| spec.name != "inception") {
        let model = spec.model().unwrap();
        let mut network = network(&model);
        let options = FitOptions::default().epochs(5).batch_size(32);
        network.fit(&train, &options).unwrap();
        let report = network.evaluate(&test, 60).unwrap();
        let accuracy = report.metrics[0].value;
        assert!(accuracy > 0.5, "{}: {accuracy}", spec.name);
    }
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
        let options = FitOptions::default().batch_size(4);
        let history = network.fit(&data, &options).unwrap();
        assert!(history.train[0].loss.is_finite(), "{}", spec.name);
        assert!(!history.train[0].metrics.is_empty(), "{}", spec.name);
        assert_ne!(network.weights_sha256(), before, "{}", spec.name);
    }
}

#[test]
fn the_digits_are_learnt() {
    let (train, test) = digits().unwrap();
    for (name, accuracy) in [("digits", 0.97), ("article-dag", 0.9)] {
        let model = find(name).unwrap().model().unwrap();
        let mut network = network(&model);
        let options = FitOptions::default()
            .epochs(model.training.epochs)
            .batch_size(model.training.batch_size);
        network.fit(&train, &options).unwrap();
        let report = network.evaluate(&test, 60).unwrap();
        assert!(report.metric("accuracy").unwrap() >= accuracy, "{name}: {report:?}");
    }
}
