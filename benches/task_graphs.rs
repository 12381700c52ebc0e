//! Graphs of closures, with the flags and the line of the programs in `benches/peers/task_graphs`, whose
//! `compare.py` runs it beside other libraries: `--shape`, `--nodes`, `--width`, `--work-ns`, `--kernel`, `--iterations`,
//! `--imbalance`, `--threads`, `--seconds`.
//! `--library caudal-values` passes numbers on, every node the sum of its inputs and one, where `caudal`, the
//! default, only orders the nodes.

#[path = "peers/task_graphs/common.rs"]
mod common;

use std::process::ExitCode;
use std::sync::Arc;

use caudal::flow::{Executor, FlowBuilder, FlowRun, Pool, Shared, Signal, Sink};
use caudal::task_bench::{PATTERNS, Pattern};
use common::{Graph, Library, SHAPES, Settings, measure, patterns, visit};

/// What runs again and again; dropping it drops the graph.
struct Built {
    run: FlowRun,
    /// The ends of a graph that passes numbers on, and what must come out.
    ends: Vec<(Sink<Arc<u64>>, u64)>,
}

/// Nodes in order, without values.
fn ordered(graph: &Graph) -> caudal::Result<Built> {
    let mut flow = FlowBuilder::new("task graph");
    let mut nodes: Vec<Signal> = Vec::with_capacity(graph.nodes());
    let mut before = Vec::new();
    for node in 0..graph.nodes() {
        before.clear();
        before.extend(graph.predecessors.of(node).iter().map(|&p| nodes[p]));
        nodes.push(flow.after(format!("n{node}"), &before, move || visit(node)));
    }
    Ok(Built { run: flow.build()?.run(), ends: Vec::new() })
}

/// Every node gives one more than the sum of its inputs, wrapping.
fn with_values(graph: &Graph) -> caudal::Result<Built> {
    let mut flow = FlowBuilder::new("task graph");
    let mut read = vec![false; graph.nodes()];
    let mut expected: Vec<u64> = Vec::with_capacity(graph.nodes());
    let mut nodes: Vec<Shared<u64>> = Vec::with_capacity(graph.nodes());
    for node in 0..graph.nodes() {
        let name = format!("n{node}");
        let before = graph.predecessors.of(node);
        for &p in before {
            read[p] = true;
        }
        expected.push(before.iter().fold(1, |sum, &p| sum.wrapping_add(expected[p])));
        let output = match *before {
            [] => flow.node(name, (), move |()| {
                visit(node);
                1
            }),
            [a] => flow.node(name, nodes[a], move |a: Arc<u64>| {
                visit(node);
                a.wrapping_add(1)
            }),
            [a, b] => flow.node(name, (nodes[a], nodes[b]), move |(a, b): (Arc<u64>, Arc<u64>)| {
                visit(node);
                a.wrapping_add(*b).wrapping_add(1)
            }),
            _ => {
                let inputs: Vec<_> = before.iter().map(|&p| nodes[p]).collect();
                flow.node(name, inputs, move |inputs: Vec<Arc<u64>>| {
                    visit(node);
                    inputs.iter().fold(1_u64, |sum, input| sum.wrapping_add(**input))
                })
            }
        };
        nodes.push(flow.share(output));
    }
    let ends = (0..graph.nodes())
        .filter(|&node| !read[node])
        .map(|node| (flow.sink(format!("end{node}"), nodes[node]), expected[node]))
        .collect();
    Ok(Built { run: flow.build()?.run(), ends })
}

fn line(settings: &Settings) -> Result<String, String> {
    let graph = Graph::new(&settings.shape, settings.nodes, settings.width)?;
    let (name, values) = match &*settings.library {
        "" | "caudal" => ("caudal", false),
        "caudal-values" => ("caudal-values", true),
        other => return Err(format!("--library: caudal or caudal-values, not {other}")),
    };
    let mut pool = Pool::new(settings.threads, "fifo").map_err(|error| error.to_string())?;
    let library = Library { name, version: env!("CARGO_PKG_VERSION"), reuses: true };
    let build = || {
        let built = if values { with_values(&graph) } else { ordered(&graph) };
        built.expect("the graph of a shape is a graph")
    };
    measure(settings, &library, &graph, build, |built| {
        pool.execute(&mut built.run).expect("no node fails");
        for (end, expected) in &built.ends {
            assert_eq!(built.run.take(end).expect("every end has a value").as_ref(), expected);
        }
    })
}

/// Every shape and pattern, with and without values, as short as can be.
fn test() -> Result<(), String> {
    for shape in SHAPES.into_iter().chain(patterns::PATTERNS) {
        for library in ["caudal", "caudal-values"] {
            let settings = Settings {
                shape: shape.to_owned(),
                nodes: 100,
                work_ns: 1,
                threads: 2,
                seconds: 0.0,
                library: library.to_owned(),
                test: true,
                ..Settings::default()
            };
            line(&settings).map_err(|error| format!("{library}, {shape}: {error}"))?;
            println!("{library}, {shape}: ok");
        }
    }
    same_patterns()
}

/// The patterns here are those of the library.
fn same_patterns() -> Result<(), String> {
    assert!(PATTERNS.iter().map(|spec| spec.name).eq(patterns::PATTERNS));
    for spec in PATTERNS {
        for (width, steps) in [(1, 20), (2, 9), (8, 12), (13, 5)] {
            let text = format!("{}:width={width},steps={steps},imbalance=0.5", spec.name);
            let pattern = Pattern::parse(&text).map_err(|error| error.to_string())?;
            let graph = pattern.graph().map_err(|error| error.to_string())?;
            let tasks = patterns::tasks(spec.name, width, steps);
            assert_eq!(tasks.len(), graph.task_count(), "{text}");
            for (task, (place, before)) in tasks.iter().enumerate() {
                let same: Vec<usize> = graph.incoming(task).map(|edge| edge.from).collect();
                assert_eq!(
                    (before, patterns::share(0.5, *place)),
                    (&same, graph.tasks()[task].cost)
                );
            }
            println!("{text}: the same");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let done = Settings::from_arguments().and_then(|settings| {
        if settings.test { test() } else { line(&settings).map(|line| println!("{line}")) }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("task_graphs: {error}");
            ExitCode::FAILURE
        }
    }
}
