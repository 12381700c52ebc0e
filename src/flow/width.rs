//! How many workers a graph keeps at work.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::graph::TaskGraph;
use super::index::TaskIndex;
use super::rules::{share, takes_more};

/// Seconds that pass, as estimates count them, where the queue's lock, word of a part, or what a part reads comes from
/// another core. Estimates of short parts are about twice what they take.
const PASSED: f64 = 1e-6;

/// A number of workers is enough if the run takes no more than this many times as long as with any other.
const NEAR: f64 = 1.02;

/// Graphs of more parts are not tried out: that would take longer than some runs.
const MOST_PARTS: usize = 1 << 14;

impl TaskGraph {
    /// How many of `most` workers have work enough in a run, by estimates: the fewest with whom it takes hardly
    /// longer than with any other number. More would only stand in each other's way. All, where nobody knows
    /// what the tasks take.
    pub(crate) fn useful_workers(&self, most: usize) -> usize {
        let mut known = self.widths.lock();
        if let Some(&(_, useful)) = known.iter().find(|(asked, _)| *asked == most) {
            return useful;
        }
        let useful = self.find_useful_workers(most);
        known.push((most, useful));
        useful
    }

    fn find_useful_workers(&self, most: usize) -> usize {
        let Some(parallelism) = self.parallelism() else { return most };
        // A graph is not as wide everywhere. From a float, as many as there can be.
        let most = most.min((2.0 * parallelism).ceil() as usize).max(1);
        if self.part_count() > MOST_PARTS {
            return most;
        }
        let ranks = self.upward_ranks(&self.costs);
        let tried: Vec<(usize, f64)> = numbers(most)
            .into_iter()
            .map(|workers| (workers, Trial::new(self, &ranks, workers).makespan()))
            .collect();
        let shortest =
            tried.iter().fold(f64::INFINITY, |least, (_, makespan)| least.min(*makespan));
        let enough = tried.iter().find(|(_, makespan)| *makespan <= NEAR * shortest);
        enough.map_or(most, |(workers, _)| *workers)
    }
}

/// The numbers of workers that are tried: powers of two, those in the middle between them, and `most`.
fn numbers(most: usize) -> Vec<usize> {
    let powers = (0..usize::BITS - 1).map(|power| 1_usize << power).take_while(|it| *it < most);
    let between = powers.flat_map(|it| [it, it + it / 2]).filter(|it| *it < most);
    let mut numbers: Vec<usize> = between.chain([most]).collect();
    numbers.dedup();
    numbers
}

/// A number that has an order.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seconds(f64);

impl Eq for Seconds {}

impl PartialOrd for Seconds {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Seconds {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A part that waits or was taken: of which task, and who made that ready.
type Waiting = (TaskIndex, usize);

/// A run by estimates: parts come through one queue, those with the longest way ahead first.
struct Trial<'a> {
    graph: &'a TaskGraph,
    ranks: &'a [f64],
    workers: usize,
    /// Parts that wait, with the ranks of their tasks.
    ready: BinaryHeap<(Seconds, Reverse<Waiting>)>,
    /// By task: messages and parts to come.
    pending: Vec<u32>,
    parts_left: Vec<u32>,
    /// Workers without a part; who came last is the last.
    idle: Vec<usize>,
    /// By worker: parts that it took and has not begun, the next one last.
    taken: Vec<Vec<Waiting>>,
    /// Ends of parts: when, who, and of which task.
    ends: BinaryHeap<Reverse<(Seconds, usize, TaskIndex)>>,
    /// When the queue is free, and who had it last.
    free: f64,
    held_by: usize,
}

impl<'a> Trial<'a> {
    fn new(graph: &'a TaskGraph, ranks: &'a [f64], workers: usize) -> Self {
        let tasks = || graph.tasks.iter();
        Self {
            graph,
            ranks,
            workers,
            ready: BinaryHeap::new(),
            pending: tasks().map(|task| task.in_degree).collect(),
            parts_left: tasks().map(|task| task.parts).collect(),
            idle: (0..workers).rev().collect(),
            taken: vec![Vec::new(); workers],
            ends: BinaryHeap::new(),
            free: 0.0,
            held_by: 0,
        }
    }

    /// Seconds of the run.
    fn makespan(mut self) -> f64 {
        for &task in &self.graph.sources {
            self.make_ready(task, 0);
        }
        let mut now = 0.0;
        self.hand_out(now, 0);
        while let Some(Reverse((Seconds(end), worker, task))) = self.ends.pop() {
            now = end;
            self.end_part(worker, task);
            match self.taken[worker].pop() {
                Some(part) => self.begin(worker, part, now),
                None => self.idle.push(worker),
            }
            self.hand_out(now, worker);
        }
        now
    }

    fn make_ready(&mut self, task: TaskIndex, by: usize) {
        let waiting = (Seconds(self.ranks[task]), Reverse((task, by)));
        self.ready.extend((0..self.graph.tasks[task].parts).map(|_| waiting));
    }

    fn end_part(&mut self, worker: usize, task: TaskIndex) {
        self.parts_left[task] -= 1;
        if self.parts_left[task] == 0 {
            for edge in self.graph.edges_of(task) {
                self.pending[edge.task] -= 1;
                if self.pending[edge.task] == 0 {
                    self.make_ready(edge.task, worker);
                }
            }
        }
    }

    /// Workers without a part take some: first `publisher`, if it has none, which sees at once that some wait.
    fn hand_out(&mut self, now: f64, publisher: usize) {
        while let Some(&(_, Reverse(first))) = self.ready.peek()
            && let Some(worker) = self.idle.pop()
        {
            self.ready.pop();
            let seen = if worker == publisher { now } else { now + PASSED };
            let fetched = if worker == self.held_by { 0.0 } else { PASSED };
            self.free = self.free.max(seen) + fetched;
            self.held_by = worker;
            let share = share(self.ready.len(), self.workers);
            let mut seconds = self.graph.part_seconds(first.0);
            while takes_more(self.taken[worker].len(), share, seconds)
                && let Some((_, Reverse(part))) = self.ready.pop()
            {
                seconds += self.graph.part_seconds(part.0);
                self.taken[worker].push(part);
            }
            self.taken[worker].reverse();
            self.begin(worker, first, self.free);
        }
    }

    fn begin(&mut self, worker: usize, (task, by): Waiting, now: f64) {
        let fetched = if worker == by { 0.0 } else { PASSED };
        let end = now + fetched + self.graph.part_seconds(task);
        self.ends.push(Reverse((Seconds(end), worker, task)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::TaskGraphBuilder;

    #[test]
    fn numbers_that_are_tried() {
        assert_eq!(numbers(1), [1]);
        assert_eq!(numbers(2), [1, 2]);
        assert_eq!(numbers(6), [1, 2, 3, 4, 6]);
        assert_eq!(numbers(20), [1, 2, 3, 4, 6, 8, 12, 16, 20]);
    }

    /// `branches` tasks of so many seconds side by side, between two that take no time.
    fn fan(branches: usize, seconds: f64) -> TaskGraph {
        let mut builder = TaskGraphBuilder::new("fan");
        let first = builder.task("first", 0.0, &[]).unwrap();
        let ends: Vec<usize> = (0..branches)
            .map(|branch| builder.task(format!("branch {branch}"), seconds, &[first]).unwrap())
            .collect();
        builder.task("last", 0.0, &ends).unwrap();
        builder.build().unwrap()
    }

    #[test]
    fn as_many_workers_as_shorten_the_run() {
        assert_eq!(fan(8, 1e-3).useful_workers(64), 8, "one for each branch");
        assert_eq!(fan(8, 1e-3).useful_workers(3), 3);
        assert_eq!(fan(9, 1e-3).useful_workers(8), 6, "with six as with eight, two rounds");
        assert_eq!(fan(8, 1e-7).useful_workers(64), 1, "less than a handover");
        assert_eq!(fan(1, 1e-3).useful_workers(2), 1);
    }
}
