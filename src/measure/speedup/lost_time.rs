//! Where the time of workers goes.

use serde::Serialize;

use crate::flow::trace::{Execution, ready_parts};
use crate::plan::Plan;

/// The time of all workers during a step, by what they did. All categories together are the number of
/// workers times the length of the step, as means over the steps of middle length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LostTime {
    /// What the parts take when each runs alone: T1.
    pub useful_ms: f64,
    /// What the parts take longer (or, below 0, less) beside others than alone: caches and memory are
    /// shared, and so may be a core.
    pub slower_ms: f64,
    /// Idle while no part was ready.
    pub no_work_ms: f64,
    /// Idle although a part was ready, after a time without: how long waking up takes.
    pub queue_wait_ms: f64,
    /// Between two parts with another one ready: completing a task, sending messages, the queue.
    pub overhead_ms: f64,
    /// The share of the workers' time, as a clock outside the executor has it, that the categories
    /// make up. The rest is the way into the executor and out of it.
    pub accounted: f64,
}

impl LostTime {
    /// Name and milliseconds of every category.
    pub fn categories(&self) -> [(&'static str, f64); 5] {
        [
            ("useful", self.useful_ms),
            ("slower", self.slower_ms),
            ("no work", self.no_work_ms),
            ("waited", self.queue_wait_ms),
            ("between", self.overhead_ms),
        ]
    }

    /// Milliseconds of all categories.
    pub fn total_ms(&self) -> f64 {
        self.categories().iter().map(|(_, ms)| ms).sum()
    }
}

/// Where the time of `workers` workers went in `executions`, each of which took `seconds` as seen from
/// outside, given the seconds of every part that runs alone. Nothing if no execution is whole.
pub fn lost_time(
    plan: &Plan,
    alone: &[Vec<f64>],
    workers: usize,
    executions: &[Execution],
    seconds: &[f64],
) -> Option<LostTime> {
    let mut order: Vec<usize> = (0..executions.len().min(seconds.len())).collect();
    order.sort_by(|&a, &b| seconds[a].total_cmp(&seconds[b]));
    // The middle half.
    let middle = order.len() / 4..order.len() - order.len() / 4;
    let kept = order.get(middle).filter(|kept| !kept.is_empty())?;
    let useful: f64 = alone.iter().flatten().sum();
    let followers = Followers::of(plan);
    let mut sum = LostTime::default();
    let mut outside = 0.0;
    for &number in kept {
        let one = one(&followers, workers, &executions[number]);
        sum.slower_ms += one.slower_ms - useful * 1e3;
        sum.no_work_ms += one.no_work_ms;
        sum.queue_wait_ms += one.queue_wait_ms;
        sum.overhead_ms += one.overhead_ms;
        outside += workers as f64 * seconds[number] * 1e3;
    }
    let count = kept.len() as f64;
    let mut mean = LostTime {
        useful_ms: useful * 1e3,
        slower_ms: sum.slower_ms / count,
        no_work_ms: sum.no_work_ms / count,
        queue_wait_ms: sum.queue_wait_ms / count,
        overhead_ms: sum.overhead_ms / count,
        accounted: 0.0,
    };
    mean.accounted = mean.total_ms() / (outside / count);
    Some(mean)
}

/// Who waits for whom.
struct Followers(Vec<Vec<usize>>);

impl Followers {
    fn of(plan: &Plan) -> Self {
        Self((0..plan.task_count()).map(|task| plan.task(task).successors).collect())
    }

    fn follows(&self, task: usize, before: usize) -> bool {
        self.0[before].binary_search(&task).is_ok()
    }
}

/// One execution; `slower_ms` holds all the time in parts.
fn one(followers: &Followers, workers: usize, execution: &Execution) -> LostTime {
    let ready = ready_parts(execution);
    let mut lost = LostTime::default();
    let ms = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    for worker in 0..workers {
        let mut free_at = execution.began;
        let mut before = None;
        for event in execution.events.iter().filter(|event| event.worker == worker) {
            lost.slower_ms += ms(event.end - event.start);
            let gap = event.start.saturating_sub(free_at);
            // What a worker made ready itself it goes on with, and is never idle.
            if before.is_some_and(|before| followers.follows(event.task, before)) {
                lost.overhead_ms += ms(gap);
            } else {
                add_gap(&mut lost, &ready, free_at, free_at + gap);
            }
            free_at = event.end;
            before = Some(event.task);
        }
        add_gap(&mut lost, &ready, free_at, execution.ended.max(free_at));
    }
    lost
}

/// Time without a part: with nothing ready, with something ready after such a time, or with something
/// ready all along.
fn add_gap(lost: &mut LostTime, ready: &[(u64, usize)], start: u64, end: u64) {
    let mut without = 0;
    let first = ready.partition_point(|&(time, _)| time <= start);
    let mut time = start;
    let mut count = first.checked_sub(1).map_or(0, |before| ready[before].1);
    for &(next, parts) in &ready[first..] {
        if count == 0 {
            without += next.min(end).saturating_sub(time);
        }
        (time, count) = (next, parts);
        if time >= end {
            break;
        }
    }
    if time < end && count == 0 {
        without += end - time;
    }
    let rest = (end - start - without) as f64 / 1e6;
    lost.no_work_ms += without as f64 / 1e6;
    if without > 0 {
        lost.queue_wait_ms += rest;
    } else {
        lost.overhead_ms += rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_told_apart() {
        // Nothing ready from 10 to 20 and from 30 on.
        let ready = [(0, 2), (10, 0), (20, 1), (30, 0)];
        let gap = |start, end| {
            let mut lost = LostTime::default();
            add_gap(&mut lost, &ready, start, end);
            [lost.no_work_ms, lost.queue_wait_ms, lost.overhead_ms].map(|ms| (ms * 1e6).round())
        };
        assert_eq!(gap(2, 8), [0.0, 0.0, 6.0], "ready all along");
        assert_eq!(gap(12, 18), [6.0, 0.0, 0.0], "nothing ready");
        assert_eq!(gap(15, 26), [5.0, 6.0, 0.0], "woken up");
        assert_eq!(gap(5, 40), [20.0, 15.0, 0.0]);
        assert_eq!(gap(32, 45), [13.0, 0.0, 0.0]);
        assert_eq!(gap(7, 7), [0.0, 0.0, 0.0]);
    }
}
