//! How much slower parts run beside others here.

use super::super::Workload;
use super::super::least_squares::{Observation, fit};
use super::super::{Machine, Measurement, Options, Overhead, Slowdown, StepTimes, simulate};
use crate::error::Result;
use crate::flow::policy::policy;
use crate::flow::{PartEvent, TaskIndex};
use crate::statistics::median;

/// Steps of a network that are looked at.
const STEPS: usize = 30;

/// A part that took more than so many times as long as alone, and so many seconds, was interrupted.
const INTERRUPTED: (f64, f64) = (2.0, 10e-6);

/// How often steps are fitted to, and those that are missed left out.
const REPETITIONS: usize = 4;

/// Steps of a network by one policy are left out if the fit misses their work by so many times what it
/// misses the middle ones by, and by more than this share.
const DISTURBED: f64 = 2.5;
const FAR: f64 = 0.03;

/// Handovers that are tried, in seconds; the best is looked for between its neighbours.
const HANDOVERS: [f64; 10] = [0.0, 5e-8, 1e-7, 2e-7, 3e-7, 5e-7, 7e-7, 1e-6, 1.5e-6, 2e-6];

/// Fits the slowdown and the handover of `machine` to measurements of networks on two workers, each of
/// which counts the same with each policy.
///
/// First the slowdown: how much longer parts took there than alone, by what they fetched and by the time
/// that others ran beside them. Steps that this misses by far more than it misses most were disturbed,
/// and are left out of a second fit. Then the handover, with which the simulated steps are closest to the
/// measured ones: a lock that goes from worker to worker takes what it guards along.
///
/// # Errors
/// If a policy refuses a plan.
pub fn fit_to(machine: &Machine, measurements: &[Measurement]) -> Result<Machine> {
    let steps: Vec<(&Measurement, &StepTimes)> =
        measurements.iter().flat_map(|it| it.others.iter().map(move |times| (it, times))).collect();
    let observations: Vec<_> = steps.iter().map(|(it, times)| observe(it, times)).collect();
    let mut kept: Vec<usize> = (0..steps.len()).collect();
    let mut coefficients = [0.0; 5];
    for _ in 0..REPETITIONS {
        let all: Vec<_> = kept.iter().map(|&number| observations[number]).collect();
        coefficients = fit(&all);
        let misses: Vec<f64> = observations.iter().map(|it| it.miss(&coefficients)).collect();
        let mut sizes: Vec<f64> = misses.iter().map(|miss| miss.abs()).collect();
        let limit = FAR.max(DISTURBED * median(&mut sizes));
        kept = (0..steps.len()).filter(|&number| misses[number].abs() <= limit).collect();
    }
    let kept: Vec<_> = kept.into_iter().map(|number| steps[number]).collect();
    let [fetch, transfer, shared, take, weights] = coefficients;
    let slowdown = Slowdown { fetch, transfer, weights, take, shared };
    let with = |handover| {
        let overhead = Overhead { handover, ..machine.overhead };
        machine.clone().overhead(overhead).slowdown(slowdown)
    };
    let mut best = (f64::INFINITY, machine.overhead.handover);
    let mut try_all = |handovers: &[f64]| -> Result<f64> {
        for &handover in handovers {
            let error = error(&with(handover), &kept)?;
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
fn error(machine: &Machine, steps: &[(&Measurement, &StepTimes)]) -> Result<f64> {
    let mut sum = 0.0;
    for (measurement, measured) in steps {
        let costs = measurement.costs_on(machine, &measured.policy)?;
        let machine = machine.with_workers(measured.workers);
        let mut policy = policy(&measured.policy)?;
        let options = Options::drawn(0);
        let plan = &measurement.plan;
        let took = simulate(plan, policy.as_mut(), &machine, &costs, options)?.makespan;
        sum += (took / measured.seconds).ln().powi(2);
    }
    Ok(sum / steps.len().max(1) as f64)
}

/// What the parts of one network met in steps by one policy, and how much longer they took than alone,
/// all together and as shares of what they take alone.
fn observe(measurement: &Measurement, times: &StepTimes) -> Observation<5> {
    let plan = &measurement.plan;
    let costs = &measurement.alone(&times.policy).costs;
    let clock = super::clock();
    let traffic = plan.traffic();
    let workers = times.traces.iter().flatten().map(|event| event.worker + 1).max();
    let mut copies = traffic.copies(workers.unwrap_or(1));
    let (mut sums, mut longer, mut seconds) = ([0.0; 5], 0.0, 0.0);
    for (step, trace) in times.traces.iter().take(STEPS).enumerate() {
        let alone = |event: &PartEvent| costs.of_task(event.task)[event.part].mean;
        for (event, beside) in trace.iter().zip(beside(trace)) {
            let (task, part) = (TaskIndex::new(event.task), event.part as u32);
            let fetched = traffic.fetch(&mut copies, task, part, event.worker);
            let taken = traffic.write(&mut copies, task, part, event.worker);
            let alone = alone(event);
            let took = ((event.end - event.start) as f64 * 1e-9 - clock).max(0.0);
            // In the first step, nothing is known of the one before.
            if step == 0 || alone <= 0.0 || took > INTERRUPTED.0 * alone + INTERRUPTED.1 {
                continue;
            }
            // Beside others, a part takes longer by a share of the time that it takes alone.
            let share = alone / took.max(alone);
            let met = [fetched.parts, fetched.values, beside * share, taken, fetched.weights];
            sums.iter_mut().zip(met).for_each(|(sum, met)| *sum += met);
            longer += took - alone;
            seconds += alone;
        }
    }
    let seconds = if seconds > 0.0 { seconds } else { 1.0 };
    Observation { features: sums.map(|sum| sum / seconds), outcome: longer / seconds }
}

/// For each event: the seconds in which parts ran on other workers.
fn beside(trace: &[PartEvent]) -> Vec<f64> {
    let mut sums = vec![0.0; trace.len()];
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
            sums[number] += common;
            sums[later] += common;
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
        let nanoseconds: Vec<_> = beside(&trace).iter().map(|it| (it * 1e9).round()).collect();
        assert_eq!(nanoseconds, [50.0, 30.0, 40.0, 20.0]);
    }
}
