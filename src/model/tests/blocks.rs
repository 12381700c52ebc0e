//! Blocks in model files, and attributes that are misspelt.

use std::fmt::Write;

use super::{assert_round_trip, describe, read, refused};
use crate::blocks::BLOCKS;
use crate::graph::GraphBuilder;
use crate::layers::Sample;

/// A network of one block of `kind`, whose outputs are its outputs.
fn block_file(kind: &str, sample: &Sample) -> String {
    let mut text = String::from("outputs = [\"block\"]\n");
    let names: Vec<String> =
        (0..sample.inputs.len()).map(|number| format!("\"x{number}\"")).collect();
    // Before its inputs, since nodes may stand in any order.
    let _ = writeln!(
        text,
        "[[node]]\nname = \"block\"\nkind = \"{kind}\"\ninputs = [{}]\n{}",
        names.join(", "),
        sample.attributes
    );
    for (name, shape) in names.iter().zip(sample.inputs) {
        let _ = writeln!(text, "[[node]]\nname = {name}\nkind = \"input\"\nshape = {shape:?}");
    }
    text
}

#[test]
fn blocks_of_files_are_those_of_code() {
    for spec in BLOCKS {
        for sample in spec.samples {
            let text = block_file(spec.kind, sample);
            let model = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let mut net = GraphBuilder::new("model");
            let block = (spec.parse)(sample.attributes.parse().unwrap()).unwrap();
            let names: Vec<String> =
                (0..sample.inputs.len()).map(|number| format!("x{number}")).collect();
            for output in net.block("block", &block, &names) {
                net.output(output);
            }
            for (name, shape) in names.iter().zip(sample.inputs) {
                net.input(name.as_str(), *shape);
            }
            let graph = net.build().unwrap();
            assert_eq!(describe(&model.graph), describe(&graph), "{text}");
            assert_round_trip(&model);
        }
    }
}

const SEQUENCE: &str = r#"
outputs = ["last", "second"]

[[node]]
name = "second"
kind = "lstm"
units = 3
inputs = ["s"]
shares = "first"

[[node]]
name = "last"
kind = "dense"
units = 2
inputs = ["first[-1]"]

[[node]]
name = "first"
kind = "lstm"
units = 3
inputs = ["s"]

[[node]]
name = "s"
kind = "steps"
length = 4
inputs = ["sequence"]

[[node]]
name = "sequence"
kind = "input"
shape = [4, 3]
"#;

#[test]
fn outputs_of_blocks_go_where_their_names_say() {
    let model = read(SEQUENCE).unwrap();
    let graph = &model.graph;
    assert_eq!(graph.outputs().len(), 1 + 4);
    let last = graph.node("last").unwrap();
    let by_number = read(&SEQUENCE.replace("first[-1]", "first[3]")).unwrap();
    assert_eq!(describe(&by_number.graph), describe(graph));
    assert!(graph.nodes()[last.inputs[0]].name.starts_with("first/step3/"));
    // One set of four gates for both.
    assert_eq!(graph.parameter_count(), 4 * (3 * (3 + 3) + 3) + 2 * 3 + 2);
    assert_round_trip(&model);
    for (from, to, expected) in [
        (
            "first[-1]",
            "first[4]",
            "m.toml:11: node `last`: block `first` has 4 outputs, and no `first[4]`; \
                                   they are `first[0]` to `first[3]`",
        ),
        ("first[-1]", "first[-5]", "and no `first[-5]`"),
        ("first[-1]", "first[one]", "and no `first[one]`"),
        ("first[-1]", "first", "m.toml:11: node `last`: "),
        (
            "[\"sequence\"]",
            "[\"second\"]",
            "m.toml:23: the graph has a cycle: second -> s -> second",
        ),
        ("shares = \"first\"", "shares = \"last\"", "the parameters of `last`, which is no block"),
        ("shares = \"first\"", "shares = \"second\"", "the graph has a cycle: second -> second"),
        ("length = 4", "length = 9", "m.toml:23: node `s/slice"),
        (
            "units = 3\ninputs = [\"s\"]\nshares",
            "unit = 3\ninputs = [\"s\"]\nshares",
            "unknown attribute `unit`; did you mean `units`?",
        ),
        ("name = \"last\"", "name = \"first\"", "two nodes are called `first`"),
        ("kind = \"steps\"", "kind = \"step\"", "did you mean `steps`?"),
    ] {
        assert!(SEQUENCE.contains(from), "{from}");
        let message = read(&SEQUENCE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nlacks\n{expected}");
    }
}

#[test]
fn misspelt_attributes_name_the_right_ones() {
    for (from, to, expected) in [
        ("weight = 0.3", "wieght = 0.3", "unknown attribute `wieght`; did you mean `weight`?"),
        ("filters = 4", "filter = 4", "unknown attribute `filter`; did you mean `filters`?"),
        ("units = 10", "units = 10\ntrainabel = true", "did you mean `trainable`?"),
        (
            "size = 8",
            "size = 8\ncolour = 3",
            "unknown attribute `colour`; the attributes of `maxpool`",
        ),
        ("learning_rate = 0.02", "learning_rat = 0.02", "did you mean `learning_rate`?"),
        ("weight = 0.3", "weight = \"much\"", "its `weight` is \"much\", not a number"),
    ] {
        let message = refused(from, to);
        assert!(message.contains(expected), "{message}\nlacks\n{expected}");
    }
}
