//! Branch and bound over orders of starts.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::super::bounds::EarliestTimes;
use super::super::{Instance, Placement, Schedule};
use crate::random;

/// So many partial schedules are remembered, so as not to go on from the same one twice.
const MOST_REMEMBERED: usize = 1 << 21;

/// Sums of the same numbers in another order differ by less than this share.
const ROUNDING: f64 = 1e-12;

pub(super) struct Search<'a> {
    instance: Instance<'a>,
    times: &'a EarliestTimes,
    /// By worker: the first worker that is equal to it.
    equals: Vec<usize>,
    speed: f64,
    related: bool,
    until: Option<Instant>,
    out_of_time: bool,
    nodes: u64,
    remembered: HashSet<(u64, u64)>,
    upper: f64,
    best: Option<Schedule>,
    // The partial schedule.
    placed: Vec<Option<(usize, f64, f64)>>,
    missing: Vec<usize>,
    /// By worker: when its last task ends, and how many it has.
    free: Vec<f64>,
    used: Vec<usize>,
    work_left: f64,
    left: usize,
}

/// A task that could be next, on one worker.
#[derive(Clone, Copy)]
struct Choice {
    task: usize,
    worker: usize,
    start: f64,
    finish: f64,
    bound: f64,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        instance: &Instance<'a>,
        times: &'a EarliestTimes,
        upper: f64,
        limit: Duration,
    ) -> Self {
        let graph = instance.graph();
        let (count, workers) = (graph.task_count(), instance.workers());
        let related = graph.workers_with_costs().is_none();
        Self {
            instance: *instance,
            times,
            equals: (0..workers).map(|worker| first_equal(instance, worker)).collect(),
            speed: if related { instance.platform().speeds().iter().sum() } else { workers as f64 },
            related,
            until: Instant::now().checked_add(limit),
            out_of_time: false,
            nodes: 0,
            remembered: HashSet::new(),
            upper,
            best: None,
            placed: vec![None; count],
            missing: (0..count).map(|task| graph.incoming(task).len()).collect(),
            free: vec![0.0; workers],
            used: vec![0; workers],
            work_left: if related { graph.work() } else { times.least.iter().sum() },
            left: count,
        }
    }

    pub(super) fn run(&mut self) {
        self.visit(0.0);
    }

    pub(super) fn is_out_of_time(&self) -> bool {
        self.out_of_time
    }

    pub(super) fn nodes(&self) -> u64 {
        self.nodes
    }

    pub(super) fn best(&mut self) -> Option<Schedule> {
        self.best.take()
    }

    /// Whether what has this bound can't be shorter than what was found.
    pub(super) fn is_no_shorter(&self, bound: f64) -> bool {
        bound >= self.upper * (1.0 - ROUNDING)
    }

    /// What is counted as a task's work.
    fn work(&self, task: usize) -> f64 {
        if self.related { self.instance.graph().tasks()[task].cost } else { self.times.least[task] }
    }

    /// Goes on from the partial schedule, whose last task starts at `last`, in every way.
    fn visit(&mut self, last: f64) {
        self.nodes += 1;
        if self.nodes % 1024 == 1 && self.until.is_some_and(|until| Instant::now() >= until) {
            self.out_of_time = true;
        }
        if self.out_of_time {
            return;
        }
        if self.left == 0 {
            self.note();
            return;
        }
        if self.remembered.len() < MOST_REMEMBERED && !self.remembered.insert(self.key(last)) {
            return;
        }
        for choice in self.choices(last) {
            if self.is_no_shorter(choice.bound) {
                // Choices are ordered by their bounds.
                return;
            }
            self.place(choice);
            if !self.is_no_shorter(self.bound(choice.start)) {
                self.visit(choice.start);
            }
            self.take_back(choice);
        }
    }

    /// Notes a whole schedule, if it is the shortest.
    fn note(&mut self) {
        let makespan = self.free.iter().copied().fold(0.0, f64::max);
        if self.is_no_shorter(makespan) {
            return;
        }
        self.upper = makespan;
        let placed = self.placed.iter().enumerate().filter_map(|(task, place)| {
            place.map(|(worker, start, finish)| Placement::new(task, worker, start, finish))
        });
        self.best = Some(Schedule::new(placed.collect()));
    }

    /// All tasks that can be next on each worker, the most promising first.
    fn choices(&self, last: f64) -> Vec<Choice> {
        let mut choices = Vec::new();
        for task in (0..self.placed.len()).filter(|&task| self.is_ready(task)) {
            for worker in 0..self.free.len() {
                if self.is_like_another(worker) {
                    continue;
                }
                let start = self.free[worker].max(self.data_ready(task, worker));
                // Another order of the same starts was tried.
                if start < last {
                    continue;
                }
                let finish = start + self.instance.seconds(task, worker);
                let bound = finish + self.times.tails[task];
                choices.push(Choice { task, worker, start, finish, bound });
            }
        }
        choices.sort_by(|a, b| {
            a.bound.total_cmp(&b.bound).then(a.start.total_cmp(&b.start)).then(a.task.cmp(&b.task))
        });
        choices
    }

    fn is_ready(&self, task: usize) -> bool {
        self.placed[task].is_none() && self.missing[task] == 0
    }

    /// Whether the worker has no task, and an equal one before it has none either.
    fn is_like_another(&self, worker: usize) -> bool {
        self.used[worker] == 0
            && (0..worker).any(|it| self.used[it] == 0 && self.equals[it] == self.equals[worker])
    }

    /// When a task whose predecessors are all placed could start on a worker that were free.
    fn data_ready(&self, task: usize, worker: usize) -> f64 {
        let graph = self.instance.graph();
        let comes = graph.incoming(task).filter_map(|edge| {
            let (from, _, finish) = self.placed[edge.from]?;
            Some(finish + self.instance.transfer_seconds(edge, from, worker))
        });
        comes.fold(graph.tasks()[task].release, f64::max)
    }

    fn place(&mut self, choice: Choice) {
        let Choice { task, worker, start, finish, .. } = choice;
        self.placed[task] = Some((worker, start, finish));
        self.free[worker] = finish;
        self.used[worker] += 1;
        self.left -= 1;
        self.work_left -= self.work(task);
        for edge in self.instance.graph().outgoing(task) {
            self.missing[edge.to] -= 1;
        }
    }

    fn take_back(&mut self, choice: Choice) {
        let Choice { task, worker, .. } = choice;
        self.placed[task] = None;
        let others = self.placed.iter().flatten().filter(|place| place.0 == worker);
        self.free[worker] = others.map(|place| place.2).fold(0.0, f64::max);
        self.used[worker] -= 1;
        self.left += 1;
        self.work_left += self.work(task);
        for edge in self.instance.graph().outgoing(task) {
            self.missing[edge.to] += 1;
        }
    }

    /// What no schedule gets below that begins as the partial one, whose last task starts at `last`.
    fn bound(&self, last: f64) -> f64 {
        let graph = self.instance.graph();
        let speeds = self.instance.platform().speeds();
        let speed = |worker: usize| if self.related { speeds[worker] } else { 1.0 };
        let gone = self.free.iter().enumerate().map(|(it, free)| free.max(last) * speed(it));
        let mut bound = (gone.sum::<f64>() + self.work_left) / self.speed;
        let least_free = self.free.iter().copied().fold(f64::INFINITY, f64::min).max(last);
        let mut starts = [0.0; super::MOST_OPTIMAL_TASKS];
        for &task in graph.topological_order() {
            if let Some((_, _, finish)) = self.placed[task] {
                bound = bound.max(finish);
                continue;
            }
            let start = if self.missing[task] == 0 {
                let workers = 0..self.free.len();
                let on =
                    |worker: usize| self.free[worker].max(self.data_ready(task, worker)).max(last);
                workers.map(on).fold(f64::INFINITY, f64::min)
            } else {
                let before = graph.incoming(task).map(|edge| match self.placed[edge.from] {
                    Some((_, _, finish)) => finish,
                    None => starts[edge.from] + self.times.least[edge.from],
                });
                before.fold(least_free.max(self.times.starts[task]), f64::max)
            };
            starts[task] = start;
            bound = bound.max(start + self.times.least[task] + self.times.tails[task]);
        }
        bound
    }

    /// Tells partial schedules apart from which others can follow. Equal workers may change their places.
    fn key(&self, last: f64) -> (u64, u64) {
        let graph = self.instance.graph();
        let mut of_worker: Vec<Vec<u64>> = self
            .free
            .iter()
            .zip(&self.equals)
            .map(|(free, &equal)| vec![equal as u64, free.to_bits()])
            .collect();
        let mut done = 0u64;
        for (task, place) in self.placed.iter().enumerate() {
            let Some((worker, _, finish)) = *place else { continue };
            done |= 1 << task;
            if graph.outgoing(task).iter().any(|edge| self.placed[edge.to].is_none()) {
                of_worker[worker].extend([task as u64, finish.to_bits()]);
            }
        }
        of_worker.sort_unstable();
        let mut parts = vec![done, last.to_bits()];
        for worker in of_worker {
            parts.push(worker.len() as u64);
            parts.extend(worker);
        }
        let first = random::key(&parts);
        parts.push(1);
        (first, random::key(&parts) ^ first.rotate_left(32))
    }
}

/// The first worker that can change places with this one: as fast at every task, and with equal links to all others.
fn first_equal(instance: &Instance<'_>, worker: usize) -> usize {
    let (graph, platform) = (instance.graph(), instance.platform());
    let is_equal = |other: usize| {
        let mut tasks = 0..graph.task_count();
        let workers = instance.workers();
        let mut third = (0..workers).filter(|&it| it != worker && it != other);
        tasks.all(|task| instance.seconds(task, worker) == instance.seconds(task, other))
            && platform.link(worker, other) == platform.link(other, worker)
            && third.all(|it| {
                platform.link(worker, it) == platform.link(other, it)
                    && platform.link(it, worker) == platform.link(it, other)
            })
    };
    (0..worker).find(|&other| is_equal(other)).unwrap_or(worker)
}
