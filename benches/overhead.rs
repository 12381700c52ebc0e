//! What the scheduler costs: graphs of nodes that do next to nothing and pass a real tensor on. Divide a
//! time by the number of nodes; criterion does so as its throughput.

use std::sync::Arc;
use std::time::Duration;

use caudal::context::Mode;
use caudal::flow::executor;
use caudal::measure::{SHAPES, tiny_nodes};
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};
use criterion::{BenchmarkId, Criterion, Throughput};

/// Nodes of a graph.
const NODES: usize = 1000;

fn overhead(criterion: &mut Criterion) -> caudal::Result<()> {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    for spec in SHAPES {
        let graph = Arc::new(tiny_nodes(spec.name, NODES)?);
        let mut group = criterion.benchmark_group(spec.name);
        group.throughput(Throughput::Elements(NODES as u64));
        for (name, workers, policy) in [
            ("sequential", 1, "fifo"),
            ("pool", 1, "fifo"),
            ("pool", 1, "critical-path"),
            ("pool", 2, "fifo"),
            ("pool", 2, "critical-path"),
        ] {
            let mut executor = executor(name, workers, policy)?;
            let options = PlanOptions::plain();
            let plan = Plan::compile(&graph, Mode::Prediction, 1, &optimizer, options)?;
            let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 0)?;
            let mut run = Run::new(Arc::new(plan), Arc::new(parameters))?;
            let id = BenchmarkId::new(format!("{name}-{policy}"), workers);
            group.bench_function(id, |bencher| {
                bencher.iter(|| executor.execute(&mut run).expect("a run of tiny nodes"));
            });
        }
        group.finish();
    }
    Ok(())
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
        .configure_from_args();
    overhead(&mut criterion).expect("the graphs compile");
    criterion.final_summary();
}
