//! Graphs as pictures.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;

use super::canvas::{ARROW, TIPS, curve, escape};
use super::layout::{Layout, NODE_HEIGHT};
use super::{describe_optimizer, describe_parameters};
use crate::graph::{Graph, NodeId, Role};
use crate::optimizers::Optimizer;
use crate::plan::Plan;
use crate::tensor::describe_shape;

/// A graph as a self-contained SVG picture, from top to bottom: every node with its name, its kind, the
/// shape of one item and the number of its parameters, or the node whose parameters it shares, and a
/// curve for every input. Inputs, targets, losses and metrics have colours of their own, outputs a
/// thicker border. The line below is the optimizer with its settings, if there is one.
///
/// ```
/// let model = caudal::presets::find("article-dag")?.model()?;
/// let picture = caudal::report::svg(&model.graph, Some(model.training.optimizer.as_ref()));
/// assert!(picture.starts_with("<svg xmlns="));
/// assert!(picture.contains(">650 parameters</text>"));
/// assert!(picture.contains(">optimizer sgd, learning_rate = "));
/// # Ok::<(), caudal::Error>(())
/// ```
pub fn svg(graph: &Graph, optimizer: Option<&dyn Optimizer>) -> String {
    draw(graph, optimizer, None)
}

/// As [`svg`], but nodes are coloured by what they cost, and those on the critical path have a red
/// border. The cost stands in the place of the parameters.
pub fn svg_with_costs(graph: &Graph, costs: &NodeCosts) -> String {
    draw(graph, None, Some(costs))
}

/// What the nodes of a graph cost.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeCosts {
    /// Seconds of each node.
    seconds: Vec<f64>,
    /// The other nodes whose calls are made in tasks that count for each node.
    others: Vec<BTreeSet<NodeId>>,
    /// The first node of a task that makes calls of each node, if no task counts for the node itself.
    first: Vec<Option<NodeId>>,
    /// Whether a task of the node lies on the critical path.
    critical: Vec<bool>,
}

impl NodeCosts {
    /// From the seconds of every part of every task of a plan, and those of the longest part of each.
    /// A task of several nodes counts for the first.
    pub fn of(plan: &Plan, part_seconds: &[Vec<f64>], longest: &[f64]) -> Self {
        let nodes = plan.graph().nodes().len();
        let mut costs = Self {
            seconds: vec![0.0; nodes],
            others: vec![BTreeSet::new(); nodes],
            first: vec![None; nodes],
            critical: vec![false; nodes],
        };
        let mut counts = vec![false; nodes];
        for (task, parts) in plan.indices().zip(part_seconds) {
            let first = plan.node_of(task).index();
            costs.seconds[first] += parts.iter().sum::<f64>();
            counts[first] = true;
            for (name, _) in plan.task(task.index()).calls {
                if let Ok(id) = plan.graph().id(name)
                    && id != first
                {
                    costs.others[first].insert(id);
                    costs.first[id].get_or_insert(first);
                }
            }
        }
        for (first, counts) in costs.first.iter_mut().zip(counts) {
            first.take_if(|_| counts);
        }
        for task in plan.critical_path(longest).0 {
            for (name, _) in plan.task(task).calls {
                if let Ok(id) = plan.graph().id(name) {
                    costs.critical[id] = true;
                }
            }
        }
        costs
    }

    /// What the node's box says of its cost, and whose it is as well.
    fn line(&self, graph: &Graph, id: NodeId) -> String {
        let name = |id: NodeId| graph.nodes()[id].name.as_str();
        if let Some(first) = self.first[id] {
            return format!("in the tasks of {}", name(first));
        }
        let time = format!("{:.1} µs", self.seconds[id] * 1e6);
        let mut others = self.others[id].iter();
        match (others.next(), others.len()) {
            (None, _) => time,
            (Some(&other), 0) => format!("{time} with {}", name(other)),
            (Some(&other), more) => format!("{time} with {} and {more} more", name(other)),
        }
    }

    /// White for nothing, the redder the nearer to the most.
    fn fill(&self, id: NodeId) -> String {
        let most = self.seconds.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let share = (self.seconds[id] / most).sqrt();
        let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
        format!("#{:02x}{:02x}{:02x}", mix(255.0, 244.0), mix(255.0, 120.0), mix(255.0, 80.0))
    }
}

fn draw(graph: &Graph, optimizer: Option<&dyn Optimizer>, costs: Option<&NodeCosts>) -> String {
    let (elements, (width, height)) = elements(graph, optimizer, costs);
    let name = escape(graph.name());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{name}\" font-family=\"Helvetica, Arial, sans-serif\" \
         text-anchor=\"middle\">\n<title>{name}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{TIPS}{elements}</svg>\n"
    )
}

/// A graph without the picture around it, and its width and height. Texts stand around their points, and
/// arrows end in [`TIPS`].
pub(super) fn elements(
    graph: &Graph,
    optimizer: Option<&dyn Optimizer>,
    costs: Option<&NodeCosts>,
) -> (String, (f64, f64)) {
    let lines: Vec<Vec<String>> = (0..graph.nodes().len())
        .map(|id| match costs {
            None => lines(graph, id),
            Some(costs) => {
                let mut lines = lines(graph, id);
                lines.truncate(2);
                lines.push(shortened(costs.line(graph, id)));
                lines
            }
        })
        .collect();
    let widths: Vec<f64> = lines.iter().map(|lines| box_width(lines)).collect();
    let layout = Layout::of(graph, &widths);
    let outputs: HashSet<NodeId> = graph.outputs().iter().copied().collect();
    let (mut width, mut height) = layout.size();
    let caption = optimizer.map(describe_optimizer);
    if let Some(caption) = &caption {
        width = width.max(CAPTION_LETTER * caption.chars().count() as f64 + 40.0);
        height += CAPTION_HEIGHT;
    }
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(text, "<g fill=\"none\" stroke=\"{ARROW}\" stroke-width=\"1.2\">");
    for (id, node) in graph.nodes().iter().enumerate() {
        for (slot, points) in layout.edges(id).iter().enumerate() {
            let path = curve(points);
            let critical =
                costs.is_some_and(|costs| costs.critical[id] && costs.critical[node.inputs[slot]]);
            let stroke = if critical { " stroke=\"#c01818\" stroke-width=\"2.4\"" } else { "" };
            let _ = writeln!(text, "<path d=\"{path}\"{stroke} marker-end=\"url(#tip)\"/>");
        }
    }
    text.push_str("</g>\n");
    for (id, lines) in lines.iter().enumerate() {
        let (place, is_output) = ((layout.place(id), widths[id]), outputs.contains(&id));
        draw_node(&mut text, graph, id, lines, place, costs, is_output);
    }
    if let Some(caption) = caption {
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" fill=\"#475067\">{}</text>",
            width / 2.0,
            height - CAPTION_HEIGHT / 2.0,
            escape(&caption)
        );
    }
    (text, (width, height))
}

/// The line below the nodes.
const CAPTION_HEIGHT: f64 = 28.0;
const CAPTION_LETTER: f64 = 6.6;

/// Names have no limit, pictures do: letters of one line.
const LONGEST: usize = 40;

/// Fill, border, and the radius of the corners.
fn look(role: &Role) -> (&'static str, &'static str, f64) {
    match role {
        Role::Input => ("#d9ead3", "#5b8a4a", 20.0),
        Role::Target => ("#fff2cc", "#b08a1e", 20.0),
        Role::Layer(_) => ("#e8eef7", "#5673a5", 6.0),
        Role::Loss { .. } => ("#f4cccc", "#a94442", 0.0),
        Role::Metric(_) => ("#eadcf4", "#7a5a96", 0.0),
    }
}

/// The name, the kind with the shape, and the parameters.
fn lines(graph: &Graph, id: NodeId) -> Vec<String> {
    let node = &graph.nodes()[id];
    let kind = node.role.kind();
    let mut lines = vec![node.name.clone()];
    lines.push(match &node.role {
        Role::Input | Role::Target | Role::Layer(_) if node.shape.is_empty() => {
            format!("{kind}, one number")
        }
        Role::Input | Role::Target | Role::Layer(_) => {
            format!("{kind}, {}", describe_shape(&node.shape))
        }
        Role::Loss { weight, .. } => format!("{kind}, weight {weight}"),
        Role::Metric(_) => kind.to_owned(),
    });
    lines.extend(describe_parameters(graph, id));
    lines.into_iter().map(shortened).collect()
}

fn shortened(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn box_width(lines: &[String]) -> f64 {
    let letters = |(number, line): (usize, &String)| {
        line.chars().count() as f64 * if number == 0 { 7.6 } else { 6.1 }
    };
    let widest = lines.iter().enumerate().map(letters).fold(60.0, f64::max);
    widest + 20.0
}

fn draw_node(
    text: &mut String,
    graph: &Graph,
    id: NodeId,
    lines: &[String],
    ((x, y), width): ((f64, f64), f64),
    costs: Option<&NodeCosts>,
    is_output: bool,
) {
    let (fill, border, radius) = look(&graph.nodes()[id].role);
    let (fill, border, thick) = match costs {
        None => (fill.to_owned(), border, is_output),
        Some(costs) if costs.critical[id] => (costs.fill(id), "#c01818", true),
        Some(costs) => (costs.fill(id), border, is_output),
    };
    let thickness = if thick { 2.6 } else { 1.2 };
    let dashes = if graph.shares(id).is_some() { " stroke-dasharray=\"5 3\"" } else { "" };
    let _ = writeln!(
        text,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{NODE_HEIGHT:.1}\" \
         rx=\"{radius}\" fill=\"{fill}\" stroke=\"{border}\" stroke-width=\"{thickness}\"{dashes}/>",
        x - width / 2.0,
        y - NODE_HEIGHT / 2.0,
    );
    let mut baseline = y - lines.len() as f64 * 7.5 + 11.0;
    for (number, line) in lines.iter().enumerate() {
        let style = if number == 0 {
            "font-size=\"13\" font-weight=\"bold\" fill=\"#1d2433\""
        } else {
            "font-size=\"11\" fill=\"#475067\""
        };
        let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{baseline:.1}\" {style}>{}</text>", {
            escape(line)
        });
        baseline += 15.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Mode;
    use crate::graph::GraphBuilder;
    use crate::layers::{Add, Dense, Relu};
    use crate::losses::MeanSquaredError;
    use crate::plan::PlanOptions;
    use crate::presets::PRESETS;

    #[test]
    fn names_are_escaped() {
        let mut net = GraphBuilder::new("</title><script>\n&");
        let x = net.input("a<b>&\"c\"", [2]);
        let relu = net.layer("r".repeat(99), Relu, [&x]);
        net.output(&relu);
        let picture = svg(&net.build().unwrap(), None);
        assert!(picture.contains("<title>&lt;/title&gt;&lt;script&gt; &amp;</title>"), "{picture}");
        assert!(picture.contains(">a&lt;b&gt;&amp;&quot;c&quot;</text>"), "{picture}");
        assert!(picture.contains(&format!(">{}…</text>", "r".repeat(40))), "{picture}");
    }

    #[test]
    fn every_input_has_a_curve() {
        let mut net = GraphBuilder::new("double");
        let x = net.input("x", [2]);
        let y = net.target("y", [2]);
        let first = net.layer("first", Dense::new(2), [&x]);
        let second = net.layer_sharing("second", Dense::new(2), [&first], &first);
        let sum = net.layer("sum", Add, [&x, &second, &x]);
        net.loss("loss", MeanSquaredError, [&sum, &y]);
        let picture = svg(&net.build().unwrap(), None);
        assert_eq!(picture.matches("marker-end").count(), 1 + 1 + 3 + 2);
        assert_eq!(picture.matches("parameters of first").count(), 1);
        assert_eq!(picture.matches("stroke-dasharray").count(), 1);
        assert_eq!(picture.matches("stroke-width=\"2.6\"").count(), 1);
    }

    #[test]
    fn presets_have_all_nodes_and_edges() {
        for preset in PRESETS {
            let graph = preset.model().unwrap().graph;
            let picture = svg(&graph, None);
            let edges: usize = graph.nodes().iter().map(|node| node.inputs.len()).sum();
            assert_eq!(picture.matches("marker-end").count(), edges, "{}", preset.name);
            assert_eq!(picture.matches("font-weight").count(), graph.nodes().len());
            assert!(!picture.contains("NaN") && !picture.contains("inf\""), "{}", preset.name);
        }
    }

    #[test]
    fn costs_name_the_nodes_that_they_are_also_of() {
        let model = crate::presets::open("digits").unwrap();
        let (optimizer, options) = (&model.training.optimizer, PlanOptions::default());
        let plan = Plan::compile(&model.graph, Mode::Training, 32, optimizer, options).unwrap();
        let tasks = plan.task_count();
        let costs = NodeCosts::of(&plan, &vec![vec![1e-6]; tasks], &vec![1e-6; tasks]);
        let line = |name: &str| costs.line(plan.graph(), plan.graph().id(name).unwrap());
        // The rectifier joins the convolution, and pooling the concatenation.
        assert!(line("stem").ends_with(" µs with stem.relu"), "{}", line("stem"));
        assert_eq!(line("pool2"), "in the tasks of b2");
    }
}
