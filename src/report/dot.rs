//! Graphs for Graphviz.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::{describe_optimizer, describe_parameters};
use crate::graph::{Graph, NodeId, Role};
use crate::optimizers::Optimizer;
use crate::tensor::describe_shape;

/// A graph in Graphviz's language: every node with its kind, the shape of one item and the number of
/// its parameters, or the node whose parameters it shares, and an edge for every input; below
/// them the optimizer with its settings, if there is one.
///
/// ```
/// let model = caudal::presets::find("article-dag")?.model()?;
/// let text = caudal::report::dot(&model.graph, Some(model.training.optimizer.as_ref()));
/// assert!(text.contains("optimizer sgd, learning_rate = "));
/// assert!(text.contains(r#""B" [label="B\ndense, 10\n650 parameters""#));
/// assert!(text.contains(r#""A" -> "B";"#));
/// # Ok::<(), caudal::Error>(())
/// ```
pub fn dot(graph: &Graph, optimizer: Option<&dyn Optimizer>) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(text, "digraph \"{}\" {{", escape(graph.name()));
    text.push_str("    rankdir=TB;\n    node [fontname=\"sans-serif\", fontsize=11];\n");
    if let Some(optimizer) = optimizer {
        let caption = escape(&describe_optimizer(optimizer));
        let _ = writeln!(text, "    label=\"{caption}\"; labelloc=b; fontname=\"sans-serif\";");
    }
    let outputs: HashSet<NodeId> = graph.outputs().iter().copied().collect();
    for (id, node) in graph.nodes().iter().enumerate() {
        let border = if outputs.contains(&id) { ", penwidth=2" } else { "" };
        let _ = writeln!(
            text,
            "    \"{}\" [label=\"{}\", {}{border}];",
            escape(&node.name),
            label(graph, id),
            look(&node.role)
        );
    }
    for node in graph.nodes() {
        let mut edges: HashMap<NodeId, usize> = HashMap::new();
        node.inputs.iter().for_each(|&input| *edges.entry(input).or_default() += 1);
        for (slot, &input) in node.inputs.iter().enumerate() {
            // Several edges between two nodes are told apart by the slots.
            let several = edges[&input] > 1;
            let slot = if several { format!(" [label=\"{slot}\"]") } else { String::new() };
            let source = escape(&graph.nodes()[input].name);
            let _ = writeln!(text, "    \"{source}\" -> \"{}\"{slot};", escape(&node.name));
        }
    }
    text.push_str("}\n");
    text
}

fn look(role: &Role) -> &'static str {
    match role {
        Role::Input => "shape=ellipse, style=filled, fillcolor=\"#d9ead3\"",
        Role::Target => "shape=ellipse, style=\"filled,dashed\", fillcolor=\"#fff2cc\"",
        Role::Layer(_) => "shape=box, style=\"filled,rounded\", fillcolor=\"#e8eef7\"",
        Role::Loss { .. } => "shape=octagon, style=filled, fillcolor=\"#f4cccc\"",
        Role::Metric(_) => "shape=hexagon, style=filled, fillcolor=\"#eadcf4\"",
    }
}

fn label(graph: &Graph, id: NodeId) -> String {
    let node = &graph.nodes()[id];
    let mut text = format!("{}\\n{}", escape(&node.name), escape(node.role.kind()));
    match &node.role {
        Role::Input | Role::Target | Role::Layer(_) if node.shape.is_empty() => {
            text.push_str(", one number");
        }
        Role::Input | Role::Target | Role::Layer(_) => {
            let _ = write!(text, ", {}", describe_shape(&node.shape));
        }
        Role::Loss { weight, .. } => {
            let _ = write!(text, ", weight {weight}");
        }
        Role::Metric(_) => {}
    }
    if let Some(parameters) = describe_parameters(graph, id) {
        let _ = write!(text, "\\n{}", escape(&parameters));
    }
    text
}

/// Text between double quotes: quotes and backslashes are escaped, and line breaks are written as
/// such.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            other if other.is_control() => {
                let _ = write!(escaped, "\\\\u{{{:x}}}", other as u32);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::layers::{Add, Dense, Relu};
    use crate::losses::MeanSquaredError;
    use crate::presets::PRESETS;

    #[test]
    fn names_are_escaped() {
        assert_eq!(escape("a\"b\\c\nd\re\tf"), r#"a\"b\\c\nd\re\\u{9}f"#);
        let mut net = GraphBuilder::new("say \"hi\"\n}");
        let x = net.input("x\"]; y [\\", [2]);
        let relu = net.layer("r -> s", Relu, [&x]);
        net.output(&relu);
        let text = dot(&net.build().unwrap(), None);
        assert!(text.starts_with(r#"digraph "say \"hi\"\n}" {"#), "{text}");
        assert!(text.contains(r#"    "x\"]; y [\\" -> "r -> s";"#), "{text}");
    }

    #[test]
    fn every_slot_has_an_edge() {
        let mut net = GraphBuilder::new("double");
        let x = net.input("x", [2]);
        let y = net.target("y", [2]);
        let dense = net.layer("d", Dense::new(2), [&x]);
        let sum = net.layer("sum", Add, [&x, &dense, &x]);
        net.loss("loss", MeanSquaredError, [&sum, &y]);
        let text = dot(&net.build().unwrap(), None);
        let edges: Vec<&str> = text.lines().filter(|line| line.contains(" -> ")).collect();
        assert_eq!(
            edges,
            [
                r#"    "x" -> "d";"#,
                r#"    "x" -> "sum" [label="0"];"#,
                r#"    "d" -> "sum";"#,
                r#"    "x" -> "sum" [label="2"];"#,
                r#"    "sum" -> "loss";"#,
                r#"    "y" -> "loss";"#,
            ]
        );
        assert!(text.contains(r#""loss" [label="loss\nmean_squared_error, weight 1", shape=oct"#));
        assert!(text.contains(r#""y" [label="y\ntarget, 2", shape=ellipse"#), "{text}");
    }

    #[test]
    fn presets_have_all_nodes_and_edges() {
        for preset in PRESETS {
            let graph = preset.model().unwrap().graph;
            let text = dot(&graph, None);
            let edges: usize = graph.nodes().iter().map(|node| node.inputs.len()).sum();
            assert_eq!(text.matches(" -> ").count(), edges);
            assert_eq!(text.matches("shape=").count(), graph.nodes().len());
        }
    }
}
