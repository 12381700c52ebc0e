//! What a node costs beside its arithmetic: graphs of tiny nodes that pass a real tensor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::context::Mode;
use crate::error::{Error, Result};
use crate::flow::Executor;
use crate::graph::{Graph, GraphBuilder, NodeName};
use crate::layers::{Add, Relu};
use crate::optimizers::{Optimizer, Sgd};
use crate::plan::{Plan, PlanOptions};
use crate::presets::Wiring;
use crate::run::{Parameters, Run};
use crate::statistics::median;

/// Floats of the tensor that every node passes on.
const FLOATS: usize = 16;

/// Nodes that a run executes at least: small graphs are executed again and again.
const NODES_A_RUN: usize = 100_000;

/// One row of the [`SHAPES`] table.
#[derive(Debug)]
pub struct ShapeSpec {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it looks like, in one line.
    pub summary: &'static str,
    /// The wiring of so many nodes.
    wire: fn(usize) -> Wiring,
}

/// Of random numbers of nodes and edges.
const SEED: u64 = 1;

/// Every shape of graph, between a source, which all read that read no other, and a sink, which adds
/// what no other reads.
pub const SHAPES: &[ShapeSpec] = &[
    ShapeSpec { name: "chain", summary: "each node after the one before", wire: Wiring::chain },
    ShapeSpec { name: "fan", summary: "all side by side", wire: Wiring::fan },
    ShapeSpec {
        name: "layered",
        summary: "layers as wide as the graph is deep; a node adds 2 to 4 of the layer before",
        wire: |nodes| {
            let width = nodes.isqrt();
            // What does not fill a layer widens the first one.
            Wiring::layered(width + nodes % width, width, nodes / width, SEED)
        },
    },
    ShapeSpec {
        name: "binary-tree",
        summary: "from the leaves to the root; a node adds two",
        wire: Wiring::binary_tree,
    },
    ShapeSpec {
        name: "wavefront",
        summary: "a square grid; a node adds the one above and the one to its left",
        wire: |nodes| Wiring::wavefront(nodes, nodes.isqrt()),
    },
    ShapeSpec {
        name: "random-er",
        summary: "wired at random by Erdos and Renyi, with 4 edges a node in the mean",
        wire: |nodes| {
            let others = nodes.saturating_sub(1).max(1) as f64;
            Wiring::erdos_renyi(nodes, (4.0 / others).min(1.0), SEED)
        },
    },
    ShapeSpec {
        name: "random-ba",
        summary: "wired at random by Barabasi and Albert; a node adds two",
        wire: |nodes| Wiring::barabasi_albert(nodes, 2.min(nodes.saturating_sub(1)).max(1), SEED),
    },
    ShapeSpec {
        name: "random-ws",
        summary: "wired at random by Watts and Strogatz, with 4 edges a node, moved three times in four",
        wire: |nodes| {
            let nearest = 4.min(nodes.saturating_sub(1) / 2 * 2);
            Wiring::watts_strogatz(nodes, nearest, 0.75, SEED)
        },
    },
];

/// A graph of `nodes` nodes that do next to nothing, of the shape called `shape`.
///
/// # Errors
/// If there is no such shape, or if there are fewer than 3 nodes.
pub fn tiny_nodes(shape: &str, nodes: usize) -> Result<Graph> {
    let spec = SHAPES
        .iter()
        .find(|spec| spec.name == shape)
        .ok_or_else(|| Error::unknown("shape", shape, SHAPES.iter().map(|spec| spec.name)))?;
    if nodes < 3 {
        return Err(Error::Graph {
            graph: shape.to_owned(),
            problem: format!("{nodes} nodes were asked for"),
            remedy: "ask for at least 3".to_owned(),
        });
    }
    let wiring = (spec.wire)(nodes - 2);
    let mut builder = GraphBuilder::new(shape);
    let source = builder.input("source", [FLOATS]);
    let mut all: Vec<NodeName> = Vec::with_capacity(wiring.len());
    let named = |all: &[NodeName], nodes: &[usize]| -> Vec<NodeName> {
        nodes.iter().map(|&node| all[node].clone()).collect()
    };
    for node in 0..wiring.len() {
        let inputs = named(&all, wiring.inputs(node));
        let inputs = if inputs.is_empty() { vec![source.clone()] } else { inputs };
        all.push(sum(&mut builder, node.to_string(), &inputs));
    }
    let sinks = named(&all, &wiring.sinks());
    let sink = sum(&mut builder, "sink".to_owned(), &sinks);
    builder.output(sink);
    builder.build()
}

/// A node of `inputs`, which adds them if there are several.
fn sum(builder: &mut GraphBuilder, name: String, inputs: &[NodeName]) -> NodeName {
    match inputs {
        [_] => builder.layer(name, Relu, inputs),
        _ => builder.layer(name, Add, inputs),
    }
}

/// How long the nodes of a graph took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Overhead {
    /// Nanoseconds a node in the fastest run.
    pub best: f64,
    /// Nanoseconds a node: the median of the runs.
    pub median: f64,
    /// Messages of one execution of the graph.
    pub messages: usize,
    /// How often a run executed the graph.
    pub repetitions: usize,
    /// How long compiling took.
    pub compiling: Duration,
}

/// A run of prediction over a graph of tiny nodes, one task a node, its input bound.
pub(crate) fn tiny_run(graph: &Arc<Graph>) -> Result<Run> {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let options = PlanOptions::plain();
    let plan = Arc::new(Plan::compile(graph, Mode::Prediction, 1, &optimizer, options)?);
    let parameters = Arc::new(Parameters::initialize(graph, optimizer.as_ref(), 0)?);
    let mut run = Run::new(plan, parameters)?;
    for input in graph.inputs() {
        run.bind(input, &[1.0; FLOATS])?;
    }
    Ok(run)
}

/// Times `runs` runs of prediction over `graph`, one task a node. A run executes the graph as often
/// as it takes to pass 100,000 nodes; one execution comes before the first run.
///
/// # Errors
/// If the graph can't be compiled, or if a node fails.
pub fn overhead(graph: &Arc<Graph>, executor: &mut dyn Executor, runs: usize) -> Result<Overhead> {
    let began = Instant::now();
    let mut run = tiny_run(graph)?;
    let compiling = began.elapsed();
    executor.execute(&mut run)?;
    let nodes = graph.nodes().len();
    let repetitions = NODES_A_RUN.div_ceil(nodes);
    let mut times = Vec::with_capacity(runs.max(1));
    for _ in 0..runs.max(1) {
        let began = Instant::now();
        for _ in 0..repetitions {
            executor.execute(&mut run)?;
        }
        times.push(began.elapsed().as_secs_f64() * 1e9 / (repetitions * nodes) as f64);
    }
    Ok(Overhead {
        best: times.iter().copied().fold(f64::INFINITY, f64::min),
        median: median(&mut times),
        messages: run.plan().message_count(),
        repetitions,
        compiling,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::executor;

    #[test]
    fn every_shape_has_as_many_nodes_as_asked_for_and_runs() {
        for shape in SHAPES {
            for nodes in [3, 4, 7, 100, 1003] {
                let graph = tiny_nodes(shape.name, nodes).unwrap();
                assert_eq!(graph.nodes().len(), nodes, "{}", shape.name);
                let mut pool = executor("pool", 2, "fifo").unwrap();
                let overhead = overhead(&Arc::new(graph), pool.as_mut(), 1).unwrap();
                assert!(overhead.best > 0.0, "{}", shape.name);
            }
        }
    }

    #[test]
    fn too_few_nodes_and_unknown_shapes_are_refused() {
        assert!(tiny_nodes("fan", 2).unwrap_err().to_string().contains("at least 3"));
        let message = tiny_nodes("ring", 9).unwrap_err().to_string();
        assert!(message.contains("unknown shape `ring`; known are: chain, fan, layered,"));
    }
}
