//! How much slower parts run beside others here.

use super::super::least_squares::{Observation, fit_robustly};
use super::super::traffic::Traffic;
use super::super::{Measurement, Slowdown};
use crate::bench::median;
use crate::executor::PartEvent;

/// What a part met in one step.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    seconds: f64,
    fetched: f64,
    beside: f64,
    traffic: f64,
}

/// Fits a slowdown to the traces of `measurements`, each of two workers: how much longer parts took
/// there than alone, by what they fetched and by what ran beside them. Every network counts the same.
pub fn slowdown(measurements: &[Measurement]) -> Slowdown {
    let observations: Vec<_> = measurements.iter().flat_map(observe).collect();
    let [transfer, shared, bandwidth] = fit_robustly(&observations);
    Slowdown { transfer, shared, bandwidth }
}

/// The parts of one network, over all traces of it.
fn observe(measurement: &Measurement) -> Vec<Observation<3>> {
    let plan = &measurement.plan;
    let work = measurement.costs.work();
    let clock = super::clock();
    let traffic = Traffic::new(plan);
    let workers = measurement.traces.iter().flatten().map(|event| event.worker + 1).max();
    let mut copies = traffic.copies(workers.unwrap_or(1));
    let parts = plan.tasks.iter().map(|task| vec![Vec::new(); task.parts as usize]);
    let mut met: Vec<Vec<Vec<Met>>> = parts.collect();
    for (step, trace) in measurement.traces.iter().enumerate() {
        let rate = |event: &PartEvent| {
            let alone = measurement.costs.of_task(event.task)[event.part].mean;
            if alone > 0.0 { traffic.touched[event.task] / alone * 1e-9 } else { 0.0 }
        };
        let beside = beside(trace, rate);
        for (event, (beside, others)) in trace.iter().zip(beside) {
            let (task, part) = (event.task, event.part as u32);
            let fetched = traffic.fetch(plan, &mut copies, task, part, event.worker);
            traffic.write(&mut copies, task, part, event.worker);
            // In the first step, nothing is known of the one before.
            if step > 0 {
                met[task][event.part].push(Met {
                    seconds: ((event.end - event.start) as f64 * 1e-9 - clock).max(0.0),
                    fetched,
                    beside,
                    traffic: rate(event) * others,
                });
            }
        }
    }
    let mut observations = Vec::new();
    for (task, parts) in met.iter().enumerate() {
        for (part, met) in parts.iter().enumerate() {
            let alone = measurement.costs.of_task(task)[part].mean;
            if met.is_empty() || alone <= 0.0 {
                continue;
            }
            let middle = |of: fn(&Met) -> f64| median(&mut met.iter().map(of).collect::<Vec<_>>());
            let mean = |of: fn(&Met) -> f64| met.iter().map(of).sum::<f64>() / met.len() as f64;
            // Beside others, a part takes longer by a share of the time that it takes alone.
            let took = middle(|it| it.seconds);
            let share = alone / took.max(alone);
            observations.push(Observation {
                features: [
                    mean(|it| it.fetched),
                    mean(|it| it.beside) * share,
                    mean(|it| it.traffic) * share,
                ],
                outcome: took - alone,
                weight: 1.0 / (alone * work),
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
        let event = |worker, start, end| PartEvent { task: 0, part: 0, worker, ready: 0, start, end };
        let trace = [event(0, 0, 100), event(1, 40, 70), event(1, 80, 130), event(0, 100, 120)];
        let nanoseconds: Vec<_> =
            beside(&trace, |_| 2.0).iter().map(|(a, b)| ((a * 1e9).round(), (b * 1e9).round())).collect();
        assert_eq!(nanoseconds, [(50.0, 100.0), (30.0, 60.0), (40.0, 80.0), (20.0, 40.0)]);
    }
}
