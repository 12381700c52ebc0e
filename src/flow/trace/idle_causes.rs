//! Why workers had no part.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Execution;

/// Where the time of one worker went during an execution, in milliseconds; together they make its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkerUse {
    /// How many parts it ran.
    pub parts: usize,
    /// Running parts.
    pub busy_ms: f64,
    /// Idle, and no part was ready that another idle worker did not start sooner.
    pub no_part_ms: f64,
    /// Idle beside a ready part, for it slept, or was called and not yet awake.
    pub asleep_ms: f64,
    /// Idle beside a ready part, and awake: on its way from one part to the next, through messages, policy and lock, or
    /// leaving short parts to others.
    pub overhead_ms: f64,
}

/// What changes at a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Ready,
    Start(usize),
    End(usize),
    Sleeps(usize),
    Wakes(usize),
}

/// The state of all workers at a moment.
struct State {
    ready: i64,
    /// By worker: how many parts run on it.
    running: Vec<i32>,
    asleep: Vec<bool>,
    /// By worker: when it starts parts, and how many of them are past.
    starts: Vec<Vec<u64>>,
    past: Vec<usize>,
    /// The idle workers, by when they start their next part.
    idle: BTreeSet<(u64, usize)>,
    /// By worker: its key there.
    key: Vec<Option<u64>>,
}

impl State {
    fn change(&mut self, change: Change, touched: &mut Vec<usize>) {
        match change {
            Change::Ready => self.ready += 1,
            Change::Start(worker) => {
                self.ready -= 1;
                self.running[worker] += 1;
                touched.push(worker);
            }
            Change::End(worker) => {
                self.running[worker] -= 1;
                touched.push(worker);
            }
            Change::Sleeps(worker) => self.asleep[worker] = true,
            Change::Wakes(worker) => self.asleep[worker] = false,
        }
    }

    /// Puts a worker among the idle ones, or takes it away.
    fn settle(&mut self, worker: usize, now: u64) {
        if let Some(key) = self.key[worker].take() {
            self.idle.remove(&(key, worker));
        }
        if self.running[worker] == 0 {
            let starts = &self.starts[worker];
            let past = &mut self.past[worker];
            while starts.get(*past).is_some_and(|&start| start <= now) {
                *past += 1;
            }
            let next = starts.get(*past).copied().unwrap_or(u64::MAX);
            self.key[worker] = Some(next);
            self.idle.insert((next, worker));
        }
    }
}

/// By worker: where its time went. While fewer parts are ready than workers are idle, those wait for a part that start
/// theirs last.
pub(super) fn worker_uses(execution: &Execution) -> Vec<WorkerUse> {
    let workers = execution.worker_count();
    let mut changes: Vec<(u64, Change)> = Vec::new();
    let mut starts = vec![Vec::new(); workers];
    let (mut busy, mut parts) = (vec![0; workers], vec![0; workers]);
    for event in &execution.events {
        changes.push((event.ready, Change::Ready));
        changes.push((event.start, Change::Start(event.worker)));
        changes.push((event.end, Change::End(event.worker)));
        starts[event.worker].push(event.start);
        busy[event.worker] += event.end - event.start;
        parts[event.worker] += 1;
    }
    for (worker, sleeps) in execution.sleeps().into_iter().enumerate() {
        for sleep in sleeps {
            changes.push((sleep.from, Change::Sleeps(worker)));
            changes.push((sleep.to, Change::Wakes(worker)));
        }
    }
    changes.sort_unstable();
    for list in &mut starts {
        list.sort_unstable();
    }
    let mut state = State {
        ready: 0,
        running: vec![0; workers],
        asleep: vec![false; workers],
        starts,
        past: vec![0; workers],
        idle: BTreeSet::new(),
        key: vec![None; workers],
    };
    for worker in 0..workers {
        state.settle(worker, 0);
    }
    let (mut asleep, mut overhead) = (vec![0; workers], vec![0; workers]);
    let mut touched = Vec::new();
    let mut at = 0;
    while at < changes.len() {
        let now = changes[at].0;
        while let Some(&(_, change)) = changes.get(at).filter(|(time, _)| *time == now) {
            state.change(change, &mut touched);
            at += 1;
        }
        for worker in touched.drain(..) {
            state.settle(worker, now);
        }
        let next = changes.get(at).map_or(execution.ended, |(time, _)| *time);
        let (from, to) = (now.max(execution.began), next.min(execution.ended));
        let passed = to.saturating_sub(from);
        for &(_, worker) in state.idle.iter().take(state.ready.max(0) as usize) {
            let cause = if state.asleep[worker] { &mut asleep } else { &mut overhead };
            cause[worker] += passed;
        }
    }
    let length = execution.length();
    let ms = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    let of_worker = |worker: usize| {
        let (busy, asleep, overhead) = (busy[worker], asleep[worker], overhead[worker]);
        WorkerUse {
            parts: parts[worker],
            busy_ms: ms(busy),
            no_part_ms: ms(length.saturating_sub(busy + asleep + overhead)),
            asleep_ms: ms(asleep),
            overhead_ms: ms(overhead),
        }
    };
    (0..workers).map(of_worker).collect()
}
