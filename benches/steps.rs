//! One training step of every reference workload, on each executor and number of workers.
//!
//! `cargo bench --bench steps -- inception` runs those whose name holds `inception`.

use std::time::Duration;

use caudal::flow::executor;
use caudal::measure::prepare;
use caudal::plan::PlanOptions;
use caudal::presets::WORKLOADS;
use criterion::{BenchmarkId, Criterion};

/// Executor, workers, policy.
const EXECUTORS: &[(&str, usize, &str)] = &[
    ("sequential", 1, "fifo"),
    ("pool", 1, "critical-path"),
    ("pool", 2, "critical-path"),
    ("pool", 2, "fifo"),
];

fn steps(criterion: &mut Criterion) -> caudal::Result<()> {
    for spec in WORKLOADS {
        let model = spec.workload()?;
        let (graph, batch) = (&model.graph, model.training.batch_size);
        let optimizer = &model.training.optimizer;
        let mut group = criterion.benchmark_group(spec.name);
        for &(name, workers, policy) in EXECUTORS {
            let mut executor = executor(name, workers, policy)?;
            let mut run = prepare(graph, batch, optimizer, PlanOptions::default())?;
            let id = BenchmarkId::new(format!("{name}-{policy}"), workers);
            group.bench_function(id, |bencher| {
                bencher.iter(|| executor.execute(&mut run).expect("a step of a preset"));
            });
        }
        group.finish();
    }
    Ok(())
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(10)
        .configure_from_args();
    steps(&mut criterion).expect("the presets compile");
    criterion.final_summary();
}
