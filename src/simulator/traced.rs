//! What a recorded trace tells of the machine that ran it.

use super::Overhead;
use crate::flow::trace::{Sleep, Trace};
use crate::statistics::median;

/// What scheduling cost while a trace was recorded, as far as its times tell:
///
/// - a part: the median time from the end of a part to the start of the next on its worker, where that one was ready;
///   messages and the queue are part of it;
/// - a handover: half of what passes beyond that from the end of a part to the start of one that it made ready on a worker
///   that was idle and awake, for that one sees that there is a part, and then has the lock;
/// - waking: the median time from a call to the moment at which who slept is awake;
/// - looking: the median time from the end of a worker's last part to its sleep; without end where none slept.
///
/// What the trace does not tell of is 0.
pub fn overhead_of(trace: &Trace) -> Overhead {
    let (mut gaps, mut handovers) = (Vec::new(), Vec::new());
    let (mut wakes, mut spins) = (Vec::new(), Vec::new());
    let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 * 1e-9;
    for execution in trace.executions() {
        let sleeps = execution.sleeps();
        let slept = |worker: usize, from: u64, to: u64| {
            // One after another: the last that began before `to` decides.
            let list: &[Sleep] = &sleeps[worker];
            let before = list.partition_point(|sleep| sleep.from < to);
            list[..before].last().is_some_and(|sleep| from < sleep.to)
        };
        let mut free: Vec<Option<u64>> = vec![None; execution.worker_count()];
        for event in &execution.events {
            match free[event.worker].replace(event.end) {
                Some(end) if event.ready <= end => gaps.push(seconds(end, event.start)),
                Some(_) if !slept(event.worker, event.ready, event.start) => {
                    handovers.push(seconds(event.ready, event.start));
                }
                _ => {}
            }
        }
        let mut ends = vec![Vec::new(); execution.worker_count()];
        for event in &execution.events {
            ends[event.worker].push(event.end);
        }
        let end_before = |worker: usize, time: u64| {
            // A worker's parts end in the order in which they start.
            let list: &[u64] = &ends[worker];
            list[..list.partition_point(|&end| end <= time)].last().copied()
        };
        for (worker, list) in sleeps.iter().enumerate() {
            for Sleep { from, called, to, .. } in list {
                wakes.extend(called.map(|called| seconds(called, *to)));
                spins.extend(end_before(worker, *from).map(|end| seconds(end, *from)));
            }
        }
    }
    let middle = |mut times: Vec<f64>| if times.is_empty() { 0.0 } else { median(&mut times) };
    let spin = if spins.is_empty() { f64::INFINITY } else { middle(spins) };
    let part = middle(gaps);
    let handover = ((middle(handovers) - part) / 2.0).max(0.0);
    Overhead { spin, ..Overhead::default() }.part(part).handover(handover).wake(middle(wakes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::trace::read;

    #[test]
    fn costs_of_scheduling_are_as_the_times_of_a_trace_tell() {
        // Microseconds. Worker 0 goes on after 2 each time; worker 1 sleeps 10 after its part, is called at 50 and awake
        // at 57; later it is awake, and starts 6 after its part is ready.
        let part = |task: usize, worker: usize, times: [u64; 3]| {
            let [ready, start, end] = times.map(|time| 1000 * time);
            format!(
                "{{\"event\":\"part\",\"execution\":0,\"task\":{task},\"node\":\"n\",\"phase\":\"f\",\"part\":0,\
                 \"parts\":1,\"worker\":{worker},\"ready_ns\":{ready},\"start_ns\":{start},\"end_ns\":{end}}}"
            )
        };
        let change = |name: &str, time: u64| {
            let time = 1000 * time;
            format!(
                "{{\"event\":\"{name}\",\"execution\":0,\"worker\":1,\"start_ns\":{time},\"other\":0}}"
            )
        };
        let rows = [
            part(0, 0, [0, 0, 20]),
            part(1, 0, [20, 22, 50]),
            part(2, 0, [50, 52, 80]),
            part(3, 1, [0, 2, 12]),
            part(4, 1, [50, 60, 70]),
            part(5, 1, [80, 86, 90]),
            change("awake", 0),
            change("parked", 22),
            change("notified", 50),
            change("awake", 57),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.jsonl");
        std::fs::write(&path, rows.join("\n")).unwrap();
        let it = overhead_of(&read(&path).unwrap());
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} and {b}: {it:?}");
        near(it.part, 2e-6);
        near(it.handover, 2e-6);
        near(it.wake, 7e-6);
        near(it.spin, 10e-6);
        near(it.notify + it.message + it.queued, 0.0);
    }
}
