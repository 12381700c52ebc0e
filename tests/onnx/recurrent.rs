//! Recurrent networks: what becomes of their weights, their steps and their states.

use caudal::onnx::{self, Imported};

use super::networks::folder;
use super::written::{compare, data, predicted};

fn opened(name: &str) -> Imported {
    onnx::open(folder().join(name)).unwrap()
}

#[test]
fn all_steps_share_weights_that_learn() {
    for exporter in ["script", "dynamo"] {
        let Imported { model, weights, .. } = opened(&format!("words-{exporter}.onnx"));
        let graph = &model.graph;
        // Four gates over 4 and 5, then 5 and 5 numbers, with one bias each.
        let lstm = 4 * (5 * (4 + 5) + 5) + 4 * (5 * (5 + 5) + 5);
        assert_eq!(graph.parameter_count(), 9 * 4 + lstm + 5 * 3 + 3);
        assert_eq!(weights.len(), graph.parameters().len());
        let with_parameters =
            graph.nodes().iter().enumerate().filter(|(_, node)| !node.parameters.is_empty());
        let (mut own, mut sharing) = (0, 0);
        for (id, node) in with_parameters {
            assert!(graph.trains(id), "{}", node.name);
            if graph.shares(id).is_some() { sharing += 1 } else { own += 1 }
        }
        // Words, eight gates and the head; the gates at the five further steps.
        assert_eq!((own, sharing), (10, 40));
        // The second layer takes the states of the first as they come, and nobody puts them together.
        let joined = graph.nodes().iter().filter(|node| node.role.kind() == "concat").count();
        assert_eq!(joined, 12);
    }
}

#[test]
fn unrolled_networks_are_written_and_read_back() {
    for (name, below) in [
        ("words-script.onnx", Some(9)),
        ("both-ways-script.onnx", None),
        ("stateful-script.onnx", None),
        ("recurrent-dynamo.onnx", None),
        ("grouped-script.onnx", None),
    ] {
        let mut network = super::network(&opened(name));
        assert_eq!(compare(&mut network, below, 1e-6), None, "{name}");
    }
    // What a GRU makes of its input alone may be written in another order, and be called after another step.
    let mut network = super::network(&opened("gated-dynamo.onnx"));
    let again = onnx::from_bytes(&onnx::to_bytes(&network).unwrap(), "again.onnx", None).unwrap();
    let count = network.graph().parameter_count();
    assert_eq!(again.model.graph.parameter_count(), count);
    let data = data(network.graph(), None);
    let (before, after) =
        (predicted(&mut network, &data), predicted(&mut super::network(&again), &data));
    for (a, b) in before[0].iter().zip(&after[0]) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn the_batch_comes_first_whatever_the_file_has_first() {
    let imported = opened("both-ways-script.onnx");
    let graph = &imported.model.graph;
    let axes: Vec<(&str, usize)> =
        imported.batch_axes.iter().map(|(name, axis)| (name.as_str(), *axis)).collect();
    assert_eq!(axes, [("input", 1), ("out0", 1), ("out1", 1), ("out2", 1)]);
    assert_eq!(graph.node("input").unwrap().shape, [5, 3]);
    assert_eq!(graph.node("out0").unwrap().shape, [5, 2 * 4]);
    assert!(opened("words-script.onnx").batch_axes.is_empty());
}
