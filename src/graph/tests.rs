//! Blocks and shared parameters.

use super::{Block, Graph, GraphBuilder, NodeName};
use crate::error::Result;
use crate::layers::{Add, Conv2d, Dense, Relu};

fn branch(units: usize) -> Block {
    Block::new("branch", move |net, inputs| {
        let dense = net.layer("dense", Dense::new(units), [&inputs[0]]);
        [net.layer("relu", Relu, [&dense])]
    })
}

fn message(result: Result<Graph>) -> String {
    result.unwrap_err().to_string()
}

/// A network of two inputs of these sizes, and what `add` adds.
fn build(sizes: [usize; 2], add: impl Fn(&mut GraphBuilder, &[NodeName; 2])) -> Result<Graph> {
    let mut net = GraphBuilder::new("net");
    let inputs = [net.input("x", [sizes[0]]), net.input("y", [sizes[1]])];
    add(&mut net, &inputs);
    net.output(&inputs[0]).output(&inputs[1]);
    net.build()
}

#[test]
fn every_use_has_names_and_parameters_of_its_own() {
    let graph = build([3, 3], |net, [x, y]| {
        for (name, input) in [("a", x), ("b", y)] {
            let ends = net.block(name, &branch(2), [input]);
            net.output(&ends[0]);
        }
    });
    let graph = graph.unwrap();
    let names: Vec<&str> = graph.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["a/dense.weight", "a/dense.bias", "b/dense.weight", "b/dense.bias"]);
    assert_eq!(graph.outputs().len(), 4);
    assert!((0..graph.nodes().len()).all(|id| graph.shares(id).is_none()));
}

#[test]
fn blocks_have_several_inputs_and_outputs_and_hold_others() {
    let inner = branch(4);
    let cross = Block::new("cross", move |net, inputs| {
        let left = net.block("left", &inner, [&inputs[0]]);
        let right = net.shared_block("right", &inner, [&inputs[1]], "left");
        let sum = net.layer("sum", Add, [&left[0], &right[0]]);
        // The name of an input may come again inside.
        let own = net.layer("x", Dense::new(1), [&inputs[0]]);
        vec![sum, own]
    });
    let graph = build([3, 3], |net, [x, y]| {
        let first = net.block("first", &cross, [x, y]);
        let second = net.shared_block("second", &cross, [y, x], "first");
        let elsewhere = net.clone().layer("none", Relu, [x]);
        net.output(elsewhere);
        for end in first.iter().chain(&second) {
            net.output(end);
        }
    });
    // The output of a copy of the builder is not a node of this one.
    assert!(message(graph).contains("`none` is not a node"));
    let graph = build([3, 3], |net, [x, y]| {
        let first = net.block("first", &cross, [x, y]);
        let second = net.shared_block("second", &cross, [y, x], "first");
        for end in first.iter().chain(&second) {
            net.output(end);
        }
    });
    let graph = graph.unwrap();
    let owner = |name: &str| {
        let owner = graph.shares(graph.id(name).unwrap());
        owner.map(|owner| graph.nodes()[owner].name.as_str())
    };
    assert_eq!(owner("first/left/dense"), None);
    for name in ["first/right/dense", "second/left/dense", "second/right/dense"] {
        assert_eq!(owner(name), Some("first/left/dense"), "{name}");
    }
    assert_eq!(owner("second/x"), Some("first/x"));
    assert_eq!(owner("second/left/relu"), None);
    assert_eq!(graph.parameters().len(), 4);
    assert_eq!(graph.parameter_count(), 3 * 4 + 4 + 3 + 1);
    assert_eq!(graph.node("first/x").unwrap().inputs, [graph.id("x").unwrap()]);
}

#[test]
fn an_owner_may_come_after_those_who_share() {
    let graph = build([3, 3], |net, [x, y]| {
        let (second, third) = (net.clone().input("second", [1]), net.clone().input("third", [1]));
        net.layer_sharing("first", Dense::new(2), [x], &second);
        net.layer_sharing("second", Dense::new(2), [y], &third);
        net.layer("third", Dense::new(2), [y]);
        net.output("first").output("second").output("third");
    });
    let graph = graph.unwrap();
    let names: Vec<&str> = graph.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["third.weight", "third.bias"]);
    assert_eq!(graph.parameters()[0].node, graph.id("third").unwrap());
    assert_eq!(graph.node("first").unwrap().parameters, [0, 1]);
    assert_eq!(graph.node("second").unwrap().parameters, [0, 1]);
}

#[test]
fn parameters_that_do_not_fit_are_refused_by_both_names_and_shapes() {
    let error = message(build([3, 5], |net, [x, y]| {
        net.block("a", &branch(2), [x]);
        net.shared_block("b", &branch(2), [y], "a");
    }));
    assert!(error.starts_with("node `b/dense`: it shares the parameters of `a/dense`"), "{error}");
    assert!(error.contains("needs weight 5 x 2, bias 2 where that has weight 3 x 2"), "{error}");
    let error = message(build([3, 3], |net, [x, y]| {
        let first = net.layer("first", Dense::new(2), [x]);
        net.layer_sharing("second", Relu, [y], &first);
    }));
    assert!(error.contains("needs none where that has weight 3 x 2, bias 2"), "{error}");
    let error = message(build([3, 3], |net, [x, y]| {
        net.layer_sharing("second", Dense::new(2), [y], x);
    }));
    assert!(error.contains("parameters of `x`, but one of the two is not a layer"), "{error}");
    let error = message(build([3, 3], |net, [_, y]| {
        net.block("a", &branch(2), [y]);
        net.shared_block("b", &branch(2), [y], "c");
    }));
    assert!(error.contains("parameters of `c/dense`, which is not a node"), "{error}");
    assert!(error.contains("did you mean `a/dense`?"), "{error}");
    let error = message(build([3, 3], |net, [x, y]| {
        let second = net.clone().input("second", [1]);
        let first = net.layer_sharing("first", Dense::new(2), [x], &second);
        net.layer_sharing("second", Dense::new(2), [y], &first);
    }));
    assert!(error.contains("node `first`: it shares the parameters of `second`"), "{error}");
    assert!(error.contains("leads around"), "{error}");
}

#[test]
fn strides_may_differ_where_weights_are_shared() {
    let mut net = GraphBuilder::new("strides");
    let x = net.input("x", [9, 9, 2]);
    let first = net.layer("first", Conv2d::new(4, 3), [&x]);
    let second = net.layer_sharing("second", Conv2d::new(4, 3).stride(2), [&x], &first);
    net.output(&first).output(&second);
    let graph = net.build().unwrap();
    assert_eq!(graph.node("second").unwrap().shape, [4, 4, 4]);
    assert_eq!(graph.parameters().len(), 2);
}
