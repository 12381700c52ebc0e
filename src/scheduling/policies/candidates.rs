//! Tasks that are ready and the workers that could run them: what policies weigh that choose both together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::error::Result;
use crate::scheduling::{Instance, PartialSchedule, ReadyTasks, Schedule, WeightedGraph};

/// A ready task on one of the workers, behind all that the worker has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) task: usize,
    pub(super) worker: usize,
    /// What the task takes on that worker alone.
    pub(super) seconds: f64,
    pub(super) start: f64,
    pub(super) finish: f64,
}

/// A schedule that grows by ready tasks, each behind what its worker has.
pub(super) struct Candidates<'a> {
    instance: Instance<'a>,
    partial: PartialSchedule<'a>,
    waiting: ReadyTasks<'a>,
    /// By ready task: when it could start on each worker that were free, and what it takes there.
    ready: BTreeMap<usize, Vec<(f64, f64)>>,
}

impl<'a> Candidates<'a> {
    /// Those of an instance of which nothing is scheduled.
    pub(super) fn new(instance: &Instance<'a>) -> Self {
        let mut own = Self {
            instance: *instance,
            partial: PartialSchedule::new(instance),
            waiting: ReadyTasks::new(instance.graph()),
            ready: BTreeMap::new(),
        };
        own.add(own.waiting.sources());
        own
    }

    fn add(&mut self, tasks: Vec<usize>) {
        for task in tasks {
            let on = |worker| {
                (self.partial.data_ready(task, worker), self.instance.seconds(task, worker))
            };
            let by_worker = (0..self.instance.workers()).map(on).collect();
            self.ready.insert(task, by_worker);
        }
    }

    /// The ready tasks by their numbers.
    pub(super) fn tasks(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.ready.keys().copied()
    }

    /// A ready task on each worker, by the workers' numbers.
    pub(super) fn of(&self, task: usize) -> impl Iterator<Item = Candidate> + '_ {
        let by_worker = self.ready.get(&task).into_iter().flatten();
        let is_wide = self.instance.graph().tasks()[task].workers > 1;
        by_worker.enumerate().map(move |(worker, &(comes, seconds))| {
            if is_wide {
                let fit = self.partial.fit_behind(task, worker);
                let (start, finish) = (fit.start, fit.finish);
                return Candidate { task, worker, seconds, start, finish };
            }
            let start = comes.max(self.partial.free_from(worker));
            Candidate { task, worker, seconds, start, finish: start + seconds }
        })
    }

    /// Every ready task on every worker, by the tasks' numbers, then by the workers'.
    pub(super) fn all(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.tasks().flat_map(|task| self.of(task))
    }

    /// Every ready task on the worker where it ends first, the first of equals.
    pub(super) fn first_to_end(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.tasks().filter_map(|task| least(self.of(task), |it| [it.finish]))
    }

    /// Schedules a ready task on a worker, behind all that the worker has.
    pub(super) fn place(&mut self, task: usize, worker: usize) {
        self.partial.place(self.partial.fit_behind(task, worker));
        self.ready.remove(&task);
        let ready = self.waiting.complete(task);
        self.add(ready);
    }

    /// Schedules all tasks: again and again the candidate that `choose` names, until none is left.
    pub(super) fn place_all(
        mut self,
        mut choose: impl FnMut(&Self) -> Option<Candidate>,
    ) -> Result<Schedule> {
        while let Some(it) = choose(&self) {
            self.place(it.task, it.worker);
        }
        self.finish()
    }

    /// The schedule of all tasks.
    pub(super) fn finish(self) -> Result<Schedule> {
        self.partial.finish()
    }
}

/// The item with the least key, by its first number, then by the next; the first of equals.
pub(super) fn least<T, const N: usize>(
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> [f64; N],
) -> Option<T> {
    let keyed = items.map(|item| (key(&item), item));
    let first = keyed.reduce(|best, other| if other.0 < best.0 { other } else { best });
    first.map(|(_, item)| item)
}

/// Names every task once, each after those that it waits for: of those that are ready, the first of `order`.
pub(super) fn by_readiness(graph: &WeightedGraph, order: &[usize], mut visit: impl FnMut(usize)) {
    let mut place = vec![0; order.len()];
    for (position, &task) in order.iter().enumerate() {
        place[task] = position;
    }
    let mut waiting = ReadyTasks::new(graph);
    let entry = |task: usize| Reverse(place[task]);
    let mut queue: BinaryHeap<_> = waiting.sources().into_iter().map(entry).collect();
    while let Some(Reverse(position)) = queue.pop() {
        let task = order[position];
        visit(task);
        queue.extend(waiting.complete(task).into_iter().map(entry));
    }
}
