//! A network as TensorBoard draws it.

use std::collections::BTreeSet;

use crate::graph::{Graph, Node};
use crate::protobuf::Writer;

/// The version of the format that is written.
const PRODUCER: i64 = 22;

/// A graph as a message `GraphDef`: its nodes with their kinds, inputs, shapes and attributes. Field numbers are from TensorFlow's
/// `graph.proto`, `node_def.proto` and `attr_value.proto`.
pub(super) fn graph_def(graph: &Graph) -> Vec<u8> {
    let names = names(graph);
    let mut message = Writer::default();
    for (node, name) in graph.nodes().iter().zip(&names) {
        message.message(1, |definition| {
            definition.text(1, name);
            definition.text(2, node.role.kind());
            for &input in &node.inputs {
                definition.text(3, &names[input]);
            }
            attributes(definition, node);
        });
    }
    message.message(4, |versions| versions.number(1, PRODUCER));
    message.bytes
}

/// The names of the nodes as TensorFlow allows them: other letters become `_`, and names stay apart.
fn names(graph: &Graph) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let name = |node: &Node| {
        let known = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let name: String = node.name.chars().map(|c| if known(c) { c } else { '_' }).collect();
        // What begins with other letters is no name there.
        let mut name = if name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.') {
            name
        } else {
            format!("n{name}")
        };
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        name
    };
    graph.nodes().iter().map(name).collect()
}

/// The shape of an item, without a size for the batch, and what a model file says of the node.
fn attributes(definition: &mut Writer, node: &Node) {
    let mut attribute = |name: &str, write: &dyn Fn(&mut Writer)| {
        definition.message(5, |entry| {
            entry.text(1, name);
            entry.message(2, |value| write(value));
        });
    };
    attribute("_output_shapes", &|value| {
        value.message(1, |list| {
            list.message(7, |shape| {
                let sizes = node.shape.iter().map(|&size| (size as u64).cast_signed());
                for size in [-1].into_iter().chain(sizes) {
                    shape.message(2, |dimension| dimension.number(1, size));
                }
            });
        });
    });
    for (name, setting) in node.role.attributes() {
        let text = setting.as_str().map_or_else(|| setting.to_string(), str::to_owned);
        attribute(&name, &|value| value.text(2, &text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::layers::Relu;

    #[test]
    fn names_become_such_as_tensorflow_allows() {
        let mut net = GraphBuilder::new("g");
        let one = net.input("a b", [1]);
        let two = net.layer("a\u{e4}b", Relu, [&one]);
        let three = net.layer("^x", Relu, [&two]);
        let four = net.layer("s/t", Relu, [&three]);
        net.output(&four);
        assert_eq!(names(&net.build().unwrap()), ["a_b", "a_b_", "n_x", "s/t"]);
    }
}
