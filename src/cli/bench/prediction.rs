//! `caudal bench --mode prediction`: the time of one prediction, by the size of its batch.

use std::time::Duration;

use caudal::measure::{PredictionTime, instruction_set_name, product_peak, time_predictions};
use caudal::model::Model;
use caudal::train::Network;

use super::{Bench, PEAK, field};
use crate::cli::output::{line, note, threads};
use crate::cli::{Stop, conditions};

/// The columns of its lines.
pub(super) fn columns() -> String {
    let own =
        "caudal, workload, batch, workers, milliseconds a prediction (median), peak resident MiB";
    format!("{own}, {}", conditions::FIELDS)
}

/// Times predictions of one workload, batch size after batch size.
pub(super) fn time(bench: &Bench, workload: &str) -> Result<(), Stop> {
    let Model { graph, training, .. } = bench.run.open(Some(workload))?;
    let limit = Duration::from_secs_f64(bench.seconds);
    let mut network = Network::from_parts(graph, training.optimizer, bench.run.network(0)?)?;
    let workers = network.executor().workers();
    let provenance = conditions::provenance().pinning(network.executor().pinning()).seed(0);
    let mut taken = Vec::new();
    bench.header();
    for batch in bench.batches(training.batch_size) {
        let time = || Ok(time_predictions(&mut network, batch, limit)?);
        let took = bench.mixed.steady(time, |took| &took.conditions)?;
        let name = field(workload);
        let peak_mib = took.peak_resident_mib.map_or("-".to_owned(), |mib| format!("{mib:.0}"));
        let fields = conditions::fields(&took.conditions, &provenance)?;
        line(format!("caudal,{name},{batch},{workers},{:.4},{peak_mib},{fields}", took.median_ms))?;
        taken.push((batch, took));
    }
    drop(network);
    let peak = product_peak(workers, PEAK);
    for (batch, took) in taken {
        describe(workload, batch, workers, &took, peak);
    }
    Ok(())
}

fn describe(workload: &str, batch: usize, workers: usize, took: &PredictionTime, peak: f64) {
    note(format_args!(
        "# {workload}, batch of {batch}: {:.1} GFLOP/s of textbook operations, {:.0} % of the {peak:.1} that matrix \
         products reach on {} with {}; {} tasks in {} parts, {} predictions, fastest {:.4} ms",
        took.gflops(),
        100.0 * took.gflops() / peak,
        threads(workers),
        instruction_set_name(),
        took.tasks,
        took.parts,
        took.predictions,
        took.fastest_ms,
    ));
}
