//! How much slower parts run beside others here.

use super::super::least_squares::{Observation, fit};
use super::super::traffic::Traffic;
use super::super::{Machine, Measurement, Options, Overhead, Slowdown, simulate};
use crate::error::Result;
use crate::executor::PartEvent;
use crate::executor::policy::policy;

/// Steps of a network that are looked at.
const STEPS: usize = 30;

/// A part that took more than so many times as long as alone, and so many seconds, was interrupted.
const INTERRUPTED: (f64, f64) = (2.0, 10e-6);

/// Handovers that are tried, in seconds; the best is looked for between its neighbours.
const HANDOVERS: [f64; 10] = [0.0, 5e-8, 1e-7, 2e-7, 3e-7, 5e-7, 7e-7, 1e-6, 1.5e-6, 2e-6];

/// Fits the slowdown and the handover of `machine` to measurements of networks on two workers, each of
/// which counts the same.
///
/// First the slowdown: how much longer parts took there than alone, by what they fetched and by what
/// ran beside them. Then the handover, with which the simulated steps are closest to the measured ones:
/// a lock that goes from worker to worker takes what it guards along.
///
/// # Errors
/// If a policy refuses a plan.
pub fn fit_to(machine: &Machine, measurements: &[Measurement]) -> Result<Machine> {
    let observations: Vec<_> = measurements.iter().flat_map(observe).collect();
    let [fetch, transfer, shared, bandwidth] = fit(&observations);
    let slowdown = Slowdown { fetch, transfer, shared, bandwidth };
    let with = |handover| {
        let overhead = Overhead { handover, ..machine.overhead };
        Machine { overhead, slowdown, ..machine.clone() }
    };
    let mut best = (f64::INFINITY, machine.overhead.handover);
    let mut try_all = |handovers: &[f64]| -> Result<f64> {
        for &handover in handovers {
            let error = error(&with(handover), measurements)?;
            if error < best.0 {
                best = (error, handover);
            }
        }
        Ok(best.1)
    };
    let coarse = try_all(&HANDOVERS)?;
    let fine = try_all(&[0.7, 0.8, 0.9, 1.1, 1.2, 1.3].map(|factor| coarse * factor))?;
    Ok(with(fine))
}

/// The mean square of the errors of all predictions.
fn error(machine: &Machine, measurements: &[Measurement]) -> Result<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for measurement in measurements {
        let costs = measurement.costs_on(machine)?;
        for measured in &measurement.others {
            let machine = machine.with_workers(measured.workers);
            let mut policy = policy(&measured.policy)?;
            let options = Options::default();
            let plan = &measurement.plan;
            let took = simulate(plan, policy.as_mut(), &machine, &costs, options)?.makespan;
            sum += (took / measured.seconds).ln().powi(2);
            count += 1.0;
        }
    }
    Ok(if count > 0.0 { sum / count } else { 0.0 })
}

/// The parts of one network, step by step.
fn observe(measurement: &Measurement) -> Vec<Observation<4>> {
    let plan = &measurement.plan;
    let work = measurement.costs.work();
    let clock = super::clock();
    let traffic = Traffic::new(plan);
    let workers = measurement.traces.iter().flatten().map(|event| event.worker + 1).max();
    let mut copies = traffic.copies(workers.unwrap_or(1));
    let steps = measurement.traces.len().min(STEPS);
    let weight = 1.0 / (work * steps as f64);
    let mut observations = Vec::new();
    for (step, trace) in measurement.traces.iter().take(STEPS).enumerate() {
        let alone = |event: &PartEvent| measurement.costs.of_task(event.task)[event.part].mean;
        let rate = |event: &PartEvent| {
            let alone = alone(event);
            if alone > 0.0 { traffic.touched[event.task] / alone * 1e-9 } else { 0.0 }
        };
        for (event, (beside, others)) in trace.iter().zip(beside(trace, rate)) {
            let (task, part) = (event.task, event.part as u32);
            let (fetches, fetched) = traffic.fetch(plan, &mut copies, task, part, event.worker);
            traffic.write(&mut copies, task, part, event.worker);
            let alone = alone(event);
            let took = ((event.end - event.start) as f64 * 1e-9 - clock).max(0.0);
            // In the first step, nothing is known of the one before.
            if step == 0 || alone <= 0.0 || took > INTERRUPTED.0 * alone + INTERRUPTED.1 {
                continue;
            }
            // Beside others, a part takes longer by a share of the time that it takes alone.
            let share = alone / took.max(alone);
            observations.push(Observation {
                features: [fetches, fetched, beside * share, rate(event) * others * share],
                outcome: took - alone,
                weight: weight / alone,
            });
        }
    }
    observations
}

/// For each event: the seconds in which parts ran on other workers, and these seconds times the other
/// parts' rates.
fn beside(trace: &[PartEvent], rate: impl Fn(&PartEvent) -> f64) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0); trace.len()];
    for (number, event) in trace.iter().enumerate() {
        // Events stand in order of their start.
        for (later, other) in trace.iter().enumerate().skip(number + 1) {
            if other.start >= event.end {
                break;
            }
            if other.worker == event.worker {
                continue;
            }
            let common = (event.end.min(other.end) - other.start) as f64 * 1e-9;
            sums[number].0 += common;
            sums[number].1 += common * rate(other);
            sums[later].0 += common;
            sums[later].1 += common * rate(event);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_side_by_side_share_the_time_in_which_both_run() {
        let event =
            |worker, start, end| PartEvent { task: 0, part: 0, worker, ready: 0, start, end };
        let trace = [event(0, 0, 100), event(1, 40, 70), event(1, 80, 130), event(0, 100, 120)];
        let nanoseconds: Vec<_> = beside(&trace, |_| 2.0)
            .iter()
            .map(|(a, b)| ((a * 1e9).round(), (b * 1e9).round()))
            .collect();
        assert_eq!(nanoseconds, [(50.0, 100.0), (30.0, 60.0), (40.0, 80.0), (20.0, 40.0)]);
    }
}
