//! `caudal overhead`: nanoseconds a node in graphs of tiny nodes.

use std::sync::Arc;
use std::time::Instant;

use caudal::flow::executor;
use caudal::measure::{SHAPES, overhead, tiny_nodes};
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::output::{line, note, threads};
use super::{Stop, options};

/// Measures what a node costs beside its arithmetic.
///
/// Nodes pass a tensor of 16 floats; each is one task, in prediction mode. A run executes the graph
/// as often as it takes to pass 100,000 nodes. Prints `caudal,SHAPE,WORKERS,NODES,NANOSECONDS PER
/// NODE` for the fastest run. With no option: every shape at 1,000 and 100,000 nodes with 1 and 2
/// workers.
#[derive(Debug, Args)]
#[command(after_long_help = options::WORDS)]
pub(super) struct Overhead {
    /// Only this shape
    #[arg(long, value_name = "NAME",
        value_parser = PossibleValuesParser::new(SHAPES.iter().map(|shape| shape.name)))]
    shape: Option<String>,
    /// Nodes of the graph [default: 1000, then 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=20_000_000))]
    nodes: Option<u32>,
    /// Threads of the pool, the calling one included [default: 1, then 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: Option<u16>,
    /// Runs, of which the fastest counts
    #[arg(long, value_name = "R", default_value_t = 9,
        value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Which ready node runs next (see `caudal policies`)
    #[arg(long, value_name = "NAME", default_value = "fifo")]
    policy: String,
    /// What runs the plan (see `caudal executors`)
    #[arg(long, value_name = "NAME", default_value = "pool")]
    executor: String,
}

impl Overhead {
    pub(super) fn run(self) -> Result<(), Stop> {
        let mut named = false;
        let workers = self.workers.map_or_else(|| vec![1, 2], |workers| vec![workers]);
        let nodes = self.nodes.map_or_else(|| vec![1_000, 100_000], |nodes| vec![nodes]);
        for workers in workers.into_iter().map(usize::from) {
            let mut executor = executor(&self.executor, workers, &self.policy)?;
            for &nodes in &nodes {
                for shape in SHAPES {
                    if self.shape.as_ref().is_some_and(|only| only != shape.name) {
                        continue;
                    }
                    let began = Instant::now();
                    let graph = Arc::new(tiny_nodes(shape.name, nodes as usize)?);
                    let building = began.elapsed();
                    let taken = overhead(&graph, executor.as_mut(), self.runs.into())?;
                    let (shape, best) = (shape.name, taken.best);
                    if !std::mem::replace(&mut named, true) {
                        note(format_args!(
                            "# columns: caudal, shape, workers, nodes, nanoseconds a node in the \
                             fastest run"
                        ));
                    }
                    line(format!("caudal,{shape},{workers},{nodes},{best:.1}"))?;
                    note(format_args!(
                        "# {shape}, {}, {nodes} nodes, {} messages: median {:.1} ns \
                         a node over {} runs of {} executions; built in {:.3} s, compiled in {:.3} s",
                        threads(workers),
                        taken.messages,
                        taken.median,
                        self.runs,
                        taken.repetitions,
                        building.as_secs_f64(),
                        taken.compiling.as_secs_f64(),
                    ));
                }
            }
        }
        Ok(())
    }
}
