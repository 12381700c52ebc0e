//! What a node costs beside its arithmetic: graphs of tiny nodes that pass a real tensor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::median;
use crate::error::{Error, Result};
use crate::executor::{Executor, Mode, Parameters, Plan, PlanOptions, Run};
use crate::graph::{Graph, GraphBuilder, NodeName};
use crate::layers::{Add, Relu};
use crate::optimizers::{Optimizer, Sgd};

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
    connect: fn(&mut GraphBuilder, usize) -> NodeName,
}

/// Every shape of graph.
pub const SHAPES: &[ShapeSpec] = &[
    ShapeSpec { name: "chain", summary: "each node after the one before", connect: chain },
    ShapeSpec {
        name: "fan",
        summary: "one source, all others but one side by side, one sink that adds them up",
        connect: fan,
    },
    ShapeSpec {
        name: "layered",
        summary: "layers as wide as the graph is deep; a node adds 2 to 4 of the layer before",
        connect: layered,
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
    let mut builder = GraphBuilder::new(shape);
    let sink = (spec.connect)(&mut builder, nodes);
    builder.output(sink);
    builder.build()
}

fn chain(builder: &mut GraphBuilder, nodes: usize) -> NodeName {
    let mut last = builder.input("0", [FLOATS]);
    for node in 1..nodes {
        last = builder.layer(node.to_string(), Relu, [&last]);
    }
    last
}

fn fan(builder: &mut GraphBuilder, nodes: usize) -> NodeName {
    let source = builder.input("source", [FLOATS]);
    let middles: Vec<_> =
        (0..nodes - 2).map(|middle| builder.layer(middle.to_string(), Relu, [&source])).collect();
    sum(builder, "sink".to_owned(), &middles)
}

fn layered(builder: &mut GraphBuilder, nodes: usize) -> NodeName {
    let source = builder.input("source", [FLOATS]);
    let between = nodes - 2;
    let width = between.isqrt();
    // What does not fill a layer widens the first one.
    let first = width + between % width;
    let mut layer: Vec<_> =
        (0..first).map(|place| builder.layer(format!("0.{place}"), Relu, [&source])).collect();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for number in 1..between / width {
        let next = (0..width).map(|place| {
            // Every node is used by someone, so that no node leads nowhere.
            let mut inputs: Vec<usize> = (place..layer.len()).step_by(width).collect();
            let wanted = random.random_range(2..=4).min(layer.len());
            while inputs.len() < wanted {
                let other = random.random_range(0..layer.len());
                if !inputs.contains(&other) {
                    inputs.push(other);
                }
            }
            let inputs: Vec<_> = inputs.into_iter().map(|input| layer[input].clone()).collect();
            sum(builder, format!("{number}.{place}"), &inputs)
        });
        layer = next.collect();
    }
    sum(builder, "sink".to_owned(), &layer)
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
    let parameters = Arc::new(Parameters::initialize(graph, optimizer.as_ref(), 0));
    let mut run = Run::new(plan, parameters);
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
    use crate::executor::executor;

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
        assert!(message.contains("unknown shape `ring`; known are: chain, fan, layered"));
    }
}
