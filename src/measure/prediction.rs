//! The time of one prediction.

use std::time::{Duration, Instant};

use super::step::LOOK;
use super::{Conditions, CoreWatch, peak_resident_mib};
use crate::context::Mode;
use crate::data::synthetic_for;
use crate::error::Result;
use crate::statistics::median;
use crate::tensor::Tensor;
use crate::train::Network;

/// Predictions before the clock starts.
const WARM_UP: usize = 10;

/// The fewest predictions that are timed, however long they take.
const FEWEST: usize = 5;

/// How long predictions of one batch size took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PredictionTime {
    /// Milliseconds of a prediction: the median.
    pub median_ms: f64,
    /// Milliseconds of the fastest prediction.
    pub fastest_ms: f64,
    /// Predictions timed.
    pub predictions: usize,
    /// Floating-point operations of one prediction, counted from shapes.
    pub flops: f64,
    /// Tasks of one prediction.
    pub tasks: usize,
    /// Parts of all these tasks.
    pub parts: usize,
    /// The most resident memory of the process up to here, in MiB, where the system says so.
    pub peak_resident_mib: Option<f64>,
    /// How the cores were meanwhile.
    pub conditions: Conditions,
}

impl PredictionTime {
    /// Floating-point operations of the median prediction, in 10^9 a second.
    pub fn gflops(&self) -> f64 {
        self.flops / self.median_ms / 1e6
    }
}

/// Times [`Network::predict`] on one batch of `items` synthetic items: ten predictions to warm up, then
/// predictions for `limit`. The time holds all of the call: the copy of the batch, the step, and the tensors
/// that it gives.
///
/// ```
/// use std::time::Duration;
/// use caudal::measure::time_predictions;
/// use caudal::model::Model;
/// use caudal::train::{Network, NetworkOptions};
///
/// let Model { graph, training, .. } = Model::open(Some("towers-small"))?;
/// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
/// let took = time_predictions(&mut network, 1, Duration::from_millis(1))?;
/// assert!(took.fastest_ms <= took.median_ms && took.predictions >= 5);
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If a node fails, or if the graph takes no batch of so many items.
pub fn time_predictions(
    network: &mut Network,
    items: usize,
    limit: Duration,
) -> Result<PredictionTime> {
    let data = synthetic_for(network.graph(), items, 0)?;
    let columns = data.inputs().iter();
    let batch: Vec<(&str, &Tensor)> =
        columns.filter_map(|column| Some((column.name.as_str(), column.tensor()?))).collect();
    let executor = network.executor();
    let mut watch = CoreWatch::start(executor.workers(), executor.pinning());
    for _ in 0..WARM_UP {
        network.predict(&batch)?;
    }
    let mut seconds = Vec::with_capacity(1 << 16);
    let began = Instant::now();
    let mut looked = began;
    while seconds.len() < FEWEST || began.elapsed() < limit {
        if looked.elapsed() > LOOK {
            watch.look();
            // A prediction wakes the workers again.
            network.predict(&batch)?;
            looked = Instant::now();
        }
        let prediction_began = Instant::now();
        drop(network.predict(&batch)?);
        seconds.push(prediction_began.elapsed().as_secs_f64());
    }
    let plan = network.run(Mode::Prediction, items)?.plan();
    Ok(PredictionTime {
        predictions: seconds.len(),
        fastest_ms: seconds.iter().copied().fold(f64::INFINITY, f64::min) * 1e3,
        median_ms: median(&mut seconds) * 1e3,
        flops: plan.flops(),
        tasks: plan.task_count(),
        parts: plan.part_count(),
        peak_resident_mib: peak_resident_mib(),
        conditions: watch.end(),
    })
}
