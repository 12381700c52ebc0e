//! How far predictions are from measurements, over many networks.

use serde::Serialize;

use super::calibration::fit_to;
use super::{Machine, Measurement, Options, simulate};
use crate::error::Result;
use crate::flow::policy::policy;

/// Two measured times differ if they are further apart than this many standard errors of their
/// difference, and by more than this share, in the same direction in every sitting.
const NOISE: (f64, f64) = (3.0, 0.01);

/// Predictions beside measurements.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Validation {
    /// The machine, its slowdown fitted to the networks that calibrate.
    pub machine: Machine,
    /// By network, number of workers and policy.
    pub rows: Vec<Row>,
    /// Networks that are left out, since other processes had the cores while they were measured, or
    /// since the cores were farther apart than at other times.
    pub disturbed: Vec<String>,
    /// Over the networks that calibrated the slowdown.
    pub calibrating: Errors,
    /// Over the networks that were kept out of it.
    pub held_out: Errors,
    /// Of pairs of policies on one network whose measured times differ by more than the noise.
    pub ranking: Ranking,
}

/// One prediction beside its measurement.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The network.
    pub model: String,
    /// Whether it was kept out of the calibration of the slowdown.
    pub held_out: bool,
    /// Workers.
    pub workers: usize,
    /// The policy.
    pub policy: String,
    /// Measured milliseconds of a step on one worker.
    pub alone_ms: f64,
    /// Measured milliseconds.
    pub measured_ms: f64,
    /// Measured milliseconds in each sitting that counts, this one's among them.
    pub sittings_ms: Vec<f64>,
    /// The standard error of the measured median, in milliseconds.
    pub uncertainty_ms: f64,
    /// Predicted milliseconds.
    pub predicted_ms: f64,
    /// By which share of the measured time the prediction misses it.
    pub error: f64,
    /// The same for a machine on which parts do not slow each other down.
    pub error_without_slowdown: f64,
    /// Bytes of recycled buffers: predicted and measured, the most of all measured steps.
    pub peak_bytes: (usize, usize),
}

/// Errors as shares of the measured times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Errors {
    /// How many predictions.
    pub count: usize,
    /// The mean of their sizes.
    pub mean: f64,
    /// Nineteen of twenty are no larger.
    pub percentile_95: f64,
    /// The largest.
    pub largest: f64,
    /// The mean with signs: above 0, predictions are too long.
    pub bias: f64,
}

/// How well predictions order policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ranking {
    /// Pairs whose measured times differ by more than the noise.
    pub pairs: usize,
    /// Those that predictions put in the same order.
    pub as_measured: usize,
    /// Pairs that do not differ by more than the noise, which are not judged.
    pub equal: usize,
}

impl Errors {
    /// Over some errors.
    pub fn over(errors: impl IntoIterator<Item = f64>) -> Self {
        let errors: Vec<f64> = errors.into_iter().collect();
        let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let count = sizes.len();
        let Some(&largest) = sizes.last() else { return Self::default() };
        let place = (count as f64 * 0.95).ceil() as usize;
        Self {
            count,
            mean: sizes.iter().sum::<f64>() / count as f64,
            percentile_95: sizes[place.max(1) - 1],
            largest,
            bias: errors.iter().sum::<f64>() / count as f64,
        }
    }
}

/// Fits `machine` to the measurements `calibrating`, and predicts every measured time
/// of these and of those `held_out` from the costs of the parts on one worker.
///
/// # Errors
/// If a policy refuses a plan.
pub fn validate(
    machine: &Machine,
    calibrating: Vec<Measurement>,
    held_out: Vec<Measurement>,
) -> Result<Validation> {
    let shortest = Measurement::shortest_handover(calibrating.iter().chain(&held_out));
    let is_quiet = |measurement: &Measurement| measurement.is_quiet(shortest);
    let (quiet, disturbed): (Vec<_>, Vec<_>) = calibrating.into_iter().partition(is_quiet);
    let machine = fit_to(machine, &quiet)?;
    let (kept_out, also_disturbed): (Vec<_>, Vec<_>) = held_out.into_iter().partition(is_quiet);
    let mut rows = Vec::new();
    for (measurement, held_out) in
        quiet.iter().map(|it| (it, false)).chain(kept_out.iter().map(|it| (it, true)))
    {
        rows.extend(predict(&machine, measurement, held_out)?);
    }
    let disturbed = disturbed.into_iter().chain(also_disturbed).map(|it| it.name).collect();
    let errors = |held_out: bool| {
        Errors::over(rows.iter().filter(|row| row.held_out == held_out).map(|row| row.error))
    };
    Ok(Validation {
        calibrating: errors(false),
        held_out: errors(true),
        ranking: ranking(&rows),
        disturbed,
        machine,
        rows,
    })
}

fn predict(machine: &Machine, measurement: &Measurement, held_out: bool) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for measured in &measurement.others {
        let costs = measurement.costs_on(machine, &measured.policy)?;
        let on = |machine: &Machine| {
            let machine = machine.with_workers(measured.workers);
            let mut policy = policy(&measured.policy)?;
            simulate(&measurement.plan, policy.as_mut(), &machine, &costs, Options::drawn(0))
        };
        let simulated = on(machine)?;
        let apart = on(&machine.clone().slowdown(super::Slowdown::default()))?;
        rows.push(Row {
            model: measurement.name.clone(),
            held_out,
            workers: measured.workers,
            policy: measured.policy.clone(),
            alone_ms: measurement.alone(&measured.policy).seconds * 1e3,
            measured_ms: measured.seconds * 1e3,
            sittings_ms: measured.sittings.iter().map(|seconds| seconds * 1e3).collect(),
            uncertainty_ms: measured.uncertainty * 1e3,
            predicted_ms: simulated.makespan * 1e3,
            error: simulated.makespan / measured.seconds - 1.0,
            error_without_slowdown: apart.makespan / measured.seconds - 1.0,
            peak_bytes: (simulated.peak_bytes, measurement.peak_bytes),
        });
    }
    Ok(rows)
}

fn ranking(rows: &[Row]) -> Ranking {
    let mut ranking = Ranking::default();
    for (number, a) in rows.iter().enumerate() {
        let same = |b: &&Row| b.model == a.model && b.workers == a.workers;
        for b in rows[number + 1..].iter().filter(same) {
            let measured = a.measured_ms - b.measured_ms;
            let uncertainty = a.uncertainty_ms.hypot(b.uncertainty_ms);
            let noise = (NOISE.0 * uncertainty).max(NOISE.1 * a.measured_ms.min(b.measured_ms));
            let mut sittings = a.sittings_ms.iter().zip(&b.sittings_ms);
            let repeats = sittings.all(|(a, b)| measured * (a - b) > 0.0);
            if measured.abs() <= noise || !repeats {
                ranking.equal += 1;
                continue;
            }
            ranking.pairs += 1;
            if measured * (a.predicted_ms - b.predicted_ms) > 0.0 {
                ranking.as_measured += 1;
            }
        }
    }
    ranking
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(policy: &str, measured_ms: f64, predicted_ms: f64) -> Row {
        Row {
            model: "m".to_owned(),
            held_out: false,
            workers: 2,
            policy: policy.to_owned(),
            alone_ms: 2.0,
            measured_ms,
            sittings_ms: vec![measured_ms],
            uncertainty_ms: 0.01,
            predicted_ms,
            error: 0.0,
            error_without_slowdown: 0.0,
            peak_bytes: (0, 0),
        }
    }

    #[test]
    fn pairs_within_the_noise_are_not_judged() {
        let mut rows =
            [row("a", 1.0, 1.1), row("b", 1.02, 1.0), row("c", 1.5, 1.4), row("d", 2.0, 1.3)];
        assert_eq!(ranking(&rows), Ranking { pairs: 5, as_measured: 4, equal: 1 });
        // What one sitting finds and another does not is noise.
        for (row, again) in rows.iter_mut().zip([1.0, 1.0, 1.5, 1.4]) {
            row.sittings_ms.push(again);
        }
        assert_eq!(ranking(&rows), Ranking { pairs: 4, as_measured: 4, equal: 2 });
    }

    #[test]
    fn errors_are_summed_up() {
        let errors = Errors::over((1..=20).map(|it| if it == 20 { -0.4 } else { 0.02 }));
        assert_eq!((errors.count, errors.percentile_95, errors.largest), (20, 0.02, 0.4));
        assert!((errors.mean - 0.039).abs() < 1e-12 && (errors.bias + 0.001).abs() < 1e-12);
        assert_eq!(Errors::over([]), Errors::default());
    }
}
