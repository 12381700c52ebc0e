//! Graphs of tasks in Rust libraries: `--library rayon-scope`, `rayon-inline`, `rayon-join`, `dagx` or `dagrs`;
//! and `loop`, which visits the nodes in order on one thread.

#[path = "../../common.rs"]
mod common;
mod dagrs;
mod dagx;
mod rayon;

use std::process::ExitCode;

use common::{Graph, Library, Lists, Settings, measure, visit};

fn line() -> Result<String, String> {
    let settings = Settings::from_arguments()?;
    let graph = Graph::new(&settings.shape, settings.nodes, settings.width)?;
    match &*settings.library {
        "loop" => {
            let library = Library { name: "loop", version: "", reuses: true };
            measure(&settings, &library, &graph, || (), |()| (0..graph.nodes()).for_each(visit))
        }
        "rayon-scope" => rayon::scope(&settings, &graph, false),
        "rayon-inline" => rayon::scope(&settings, &graph, true),
        "rayon-join" => rayon::join(&settings, &graph),
        "dagx" => dagx::line(&settings, &graph),
        "dagrs" => dagrs::line(&settings, &graph),
        other => Err(format!(
            "--library: loop, rayon-scope, rayon-inline, rayon-join, dagx or dagrs, not {other}"
        )),
    }
}

fn main() -> ExitCode {
    match line() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("task-graphs: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Version of a dependency in the lock file.
fn version(package: &str) -> &'static str {
    include_str!("../Cargo.lock")
        .split("[[package]]")
        .find_map(|entry| entry.trim().strip_prefix(&format!("name = \"{package}\"\nversion = \"")))
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("unknown")
}

/// Every node's successors.
fn successors(graph: &Graph) -> Lists {
    let (nodes, before) = (graph.nodes(), &graph.predecessors);
    let mut starts = vec![0; nodes + 1];
    for &number in &before.numbers {
        starts[number + 1] += 1;
    }
    for node in 0..nodes {
        starts[node + 1] += starts[node];
    }
    let (mut ends, mut numbers) = (starts.clone(), vec![0; before.numbers.len()]);
    for node in 0..nodes {
        for &number in before.of(node) {
            numbers[ends[number]] = node;
            ends[number] += 1;
        }
    }
    Lists { starts, numbers }
}
