//! Every policy once more, written from its description with loops over matrices: nothing of the library's but the
//! seconds of tasks and messages, and the order in which tasks that are equal go.

#![allow(clippy::needless_range_loop)] // loops over numbers, as the papers have them

mod lists;
mod pairs;

use caudal::scheduling::Instance;

use lists::{cpop, lookahead, mcp, peft};
use pairs::{bil, dls, dmda, etf, hlfet, min_min, random, sufferage};

/// Where a task is: its worker, the others that it keeps busy, its start and its end.
pub(super) type Place = (usize, Vec<usize>, f64, f64);

/// What a graph takes on a machine.
pub(super) struct Matrices {
    count: usize,
    workers: usize,
    /// By task, then by worker.
    seconds: Vec<Vec<f64>>,
    mean_seconds: Vec<f64>,
    /// From, to, seconds by both workers, mean seconds.
    edges: Vec<(usize, usize, Vec<Vec<f64>>, f64)>,
    release: Vec<f64>,
    needs: Vec<usize>,
    /// By task: the place among those that are equal.
    rank_of_equals: Vec<usize>,
}

/// A schedule that grows.
#[derive(Clone)]
struct Plan {
    places: Vec<Option<Place>>,
}

impl Matrices {
    pub(super) fn new(instance: &Instance<'_>) -> Self {
        let graph = instance.graph();
        let (count, workers) = (graph.task_count(), instance.workers());
        let mut own = Self {
            count,
            workers,
            seconds: vec![vec![0.0; workers]; count],
            mean_seconds: vec![0.0; count],
            edges: Vec::new(),
            release: graph.tasks().iter().map(|task| task.release).collect(),
            needs: graph.tasks().iter().map(|task| task.workers).collect(),
            rank_of_equals: vec![0; count],
        };
        for task in 0..count {
            for worker in 0..workers {
                own.seconds[task][worker] = instance.seconds(task, worker);
                own.mean_seconds[task] += own.seconds[task][worker];
            }
            own.mean_seconds[task] /= workers as f64;
        }
        for edge in graph.edges() {
            let mut between = vec![vec![0.0; workers]; workers];
            for from in 0..workers {
                for to in 0..workers {
                    between[from][to] = instance.transfer_seconds(edge, from, to);
                }
            }
            own.edges.push((edge.from, edge.to, between, instance.mean_transfer(edge)));
        }
        for (place, &task) in graph.topological_order().iter().enumerate() {
            own.rank_of_equals[task] = place;
        }
        own
    }

    /// The longest way from each task to the end: every edge again and again, until nothing changes any more.
    fn longest_ways(&self, seconds: &[f64], with_messages: bool) -> Vec<f64> {
        let mut longest = seconds.to_vec();
        for _ in 0..self.count {
            for (from, to, _, mean) in &self.edges {
                let message = if with_messages { *mean } else { 0.0 };
                let way = seconds[*from] + (message + longest[*to]);
                if way > longest[*from] {
                    longest[*from] = way;
                }
            }
        }
        longest
    }

    fn arrival(&self, plan: &Plan, task: usize, worker: usize) -> f64 {
        let mut arrival = self.release[task];
        for (from, to, between, _) in &self.edges {
            if *to != task {
                continue;
            }
            if let Some((sender, _, _, finish)) = &plan.places[*from] {
                arrival = arrival.max(finish + between[*sender][worker]);
            }
        }
        arrival
    }

    fn behind(&self, plan: &Plan, task: usize, worker: usize) -> Place {
        let mut others: Vec<usize> = Vec::new();
        while others.len() + 1 < self.needs[task] {
            let mut next = None;
            for other in 0..self.workers {
                if other == worker || others.contains(&other) {
                    continue;
                }
                if next.is_none_or(|best| plan.end_of(other) < plan.end_of(best)) {
                    next = Some(other);
                }
            }
            others.push(next.unwrap());
        }
        let mut start = self.arrival(plan, task, worker).max(plan.end_of(worker));
        let mut takes = self.seconds[task][worker];
        for &other in &others {
            start = start.max(plan.end_of(other));
            takes = takes.max(self.seconds[task][other]);
        }
        (worker, others, start, start + takes)
    }

    /// In the first gap that is long enough; gaps of no length are none.
    fn in_gap(&self, plan: &Plan, task: usize, worker: usize) -> Place {
        if self.needs[task] > 1 {
            return self.behind(plan, task, worker);
        }
        let (arrival, takes) = (self.arrival(plan, task, worker), self.seconds[task][worker]);
        let mut busy = plan.busy(worker);
        busy.push((f64::INFINITY, f64::INFINITY));
        busy.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let mut gap_from = 0.0;
        for (from, to) in busy {
            let start = arrival.max(gap_from);
            if gap_from < from && start + takes <= from {
                return (worker, Vec::new(), start, start + takes);
            }
            gap_from = to;
        }
        unreachable!("the last gap has no end");
    }

    fn first_to_end(&self, plan: &Plan, task: usize) -> Place {
        let mut best = self.in_gap(plan, task, 0);
        for worker in 1..self.workers {
            let other = self.in_gap(plan, task, worker);
            if other.3 < best.3 {
                best = other;
            }
        }
        best
    }

    /// Those that are not placed and wait for nothing.
    fn ready(&self, plan: &Plan) -> Vec<usize> {
        let mut ready = Vec::new();
        for task in 0..self.count {
            let waits = self.edges.iter().any(|it| it.1 == task && plan.places[it.0].is_none());
            if plan.places[task].is_none() && !waits {
                ready.push(task);
            }
        }
        ready
    }

    /// Places ready tasks, the one that comes before all others next.
    fn in_turn(
        &self,
        comes_before: impl Fn(usize, usize) -> bool,
        place: impl Fn(&Plan, usize) -> Place,
    ) -> Vec<Place> {
        let mut plan = Plan { places: vec![None; self.count] };
        loop {
            let mut ready = self.ready(&plan);
            ready.sort_by_key(|&task| self.rank_of_equals[task]);
            let Some(&first) = ready.first() else { return plan.finish() };
            let mut next = first;
            for task in ready {
                if comes_before(task, next) {
                    next = task;
                }
            }
            plan.places[next] = Some(place(&plan, next));
        }
    }

    /// Places the ready task on the worker, behind all that it has, that `better` prefers to all others before it.
    fn in_pairs(
        &self,
        better: impl Fn(&[usize], (usize, &Place), (usize, &Place)) -> bool,
    ) -> Vec<Place> {
        let mut plan = Plan { places: vec![None; self.count] };
        loop {
            let ready = self.ready(&plan);
            let mut best: Option<(usize, Place)> = None;
            for &task in &ready {
                for worker in 0..self.workers {
                    let place = self.behind(&plan, task, worker);
                    let is_better = match &best {
                        None => true,
                        Some((other, at)) => better(&ready, (task, &place), (*other, at)),
                    };
                    if is_better {
                        best = Some((task, place));
                    }
                }
            }
            let Some((task, place)) = best else { return plan.finish() };
            plan.places[task] = Some(place);
        }
    }
}

impl Plan {
    fn busy(&self, worker: usize) -> Vec<(f64, f64)> {
        let mut busy = Vec::new();
        for (own, others, start, finish) in self.places.iter().flatten() {
            if *own == worker || others.contains(&worker) {
                busy.push((*start, *finish));
            }
        }
        busy
    }

    fn end_of(&self, worker: usize) -> f64 {
        self.busy(worker).iter().map(|it| it.1).fold(0.0, f64::max)
    }

    fn finish(self) -> Vec<Place> {
        self.places.into_iter().map(Option::unwrap).collect()
    }
}

/// What the policy of a name makes; nothing for one of which there is no second version.
pub(super) fn schedule(policy: &str, it: &Matrices) -> Option<Vec<Place>> {
    Some(match policy {
        "bil" => bil(it),
        "cpop" => cpop(it),
        "dls" => dls(it),
        "dmda" => dmda(it),
        "etf" => etf(it),
        "heft" => {
            let ranks = it.longest_ways(&it.mean_seconds, true);
            it.in_turn(|a, b| ranks[a] > ranks[b], |plan, task| it.first_to_end(plan, task))
        }
        "hlfet" => hlfet(it),
        "lookahead" => lookahead(it),
        "maxmin" => min_min(it, |a, b| a > b),
        "mcp" => mcp(it),
        "minmin" => min_min(it, |a, b| a < b),
        "peft" => peft(it),
        "random-plan" => random(it, 0),
        "sufferage" => sufferage(it),
        _ => return None,
    })
}
