//! What no schedule gets below.

use serde::Serialize;

use super::{Communication, Instance, WeightedEdge};

/// Lower bounds of the makespan of any schedule of an instance, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Bounds {
    /// The work over the speed of all workers together; on unrelated machines, the least seconds of all tasks over the
    /// number of workers: T1 / P.
    pub work: f64,
    /// The longest way through the tasks and their releases, each task on the worker that is best at it: T∞.
    pub critical_path: f64,
    /// The longest way where a task that shares the worker of some that it waits for comes after all of these, one
    /// after another, and where it does not, after their messages by the best link of the platform.
    pub communication: f64,
    /// What has to be done within any span of time, by that longest way, and is too much for all workers (Fernandez and
    /// Bussell: Bounds on the number of processors and time for multiprocessor optimal schedules, IEEE TC C-22(8), 1973).
    pub fernandez_bussell: f64,
}

impl Bounds {
    /// The bounds of an instance.
    pub fn new(instance: &Instance<'_>) -> Self {
        let times = EarliestTimes::new(instance);
        Self {
            work: work(instance),
            critical_path: critical_path(instance, &times.least),
            communication: times.length(),
            fernandez_bussell: fernandez_bussell(instance, &times),
        }
    }

    /// The largest of them.
    pub fn largest(&self) -> f64 {
        let Self { work, critical_path, communication, fernandez_bussell } = *self;
        work.max(critical_path).max(communication).max(fernandez_bussell)
    }
}

fn work(instance: &Instance<'_>) -> f64 {
    let graph = instance.graph();
    if graph.workers_with_costs().is_none() {
        return graph.work() / instance.platform().speeds().iter().sum::<f64>();
    }
    let tasks = 0..graph.task_count();
    let least = tasks.map(|task| least(instance, task) * graph.tasks()[task].workers as f64);
    least.sum::<f64>() / instance.workers() as f64
}

/// What a task takes on the workers that are best at it, as many as it needs.
fn least(instance: &Instance<'_>, task: usize) -> f64 {
    let needed = instance.graph().tasks()[task].workers;
    if needed == 1 {
        return instance.least_seconds(task);
    }
    let mut seconds: Vec<f64> =
        (0..instance.workers()).map(|worker| instance.seconds(task, worker)).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[needed - 1]
}

fn critical_path(instance: &Instance<'_>, least: &[f64]) -> f64 {
    let starts = instance.downward(|task| least[task], |_| 0.0);
    starts.iter().zip(least).map(|(start, seconds)| start + seconds).fold(0.0, f64::max)
}

/// By task, what no schedule gets below: its own time, the time until it starts, and the time from its end to the end
/// of all.
#[derive(Debug)]
pub(super) struct EarliestTimes {
    pub(super) least: Vec<f64>,
    pub(super) starts: Vec<f64>,
    pub(super) tails: Vec<f64>,
}

impl EarliestTimes {
    pub(super) fn new(instance: &Instance<'_>) -> Self {
        let graph = instance.graph();
        let count = graph.task_count();
        let least: Vec<f64> = (0..count).map(|task| least(instance, task)).collect();
        let (mut starts, mut tails) = (vec![0.0; count], vec![0.0; count]);
        let (latency, seconds_a_byte) = instance.platform().best_link();
        let message = |edge: &WeightedEdge| match edge.communication {
            // One worker has nobody to send to.
            _ if instance.workers() == 1 => f64::INFINITY,
            Communication::Seconds(seconds) => seconds,
            Communication::Bytes(bytes) => latency + bytes * seconds_a_byte,
        };
        let mut before = Vec::new();
        for &task in graph.topological_order() {
            let incoming = graph.incoming(task).map(|edge| {
                let other = edge.from;
                Before { from: starts[other], takes: least[other], message: message(edge) }
            });
            before.clear();
            before.extend(incoming);
            starts[task] = earliest(&mut before).max(graph.tasks()[task].release);
        }
        // Backwards in time, a task waits for those that wait for it.
        for &task in graph.topological_order().iter().rev() {
            let outgoing = graph.outgoing(task).iter().map(|edge| {
                let other = edge.to;
                Before { from: tails[other], takes: least[other], message: message(edge) }
            });
            before.clear();
            before.extend(outgoing);
            tails[task] = earliest(&mut before);
        }
        Self { least, starts, tails }
    }

    /// The longest way over any task.
    pub(super) fn length(&self) -> f64 {
        let ways = self.starts.iter().zip(&self.least).zip(&self.tails);
        ways.map(|((start, seconds), tail)| start + seconds + tail).fold(0.0, f64::max)
    }
}

/// A task before another: when it can start, what it takes, and what its message takes to another worker.
#[derive(Clone, Copy, Debug)]
struct Before {
    from: f64,
    takes: f64,
    message: f64,
}

/// When the task behind all of these can start. It may share the worker of some of them, which then ran there one after
/// another, and gets the messages of the others. The best choice takes those whose messages would come last.
fn earliest(before: &mut [Before]) -> f64 {
    let comes = |it: &Before| it.from + it.takes + it.message;
    before.sort_by(|a, b| comes(b).total_cmp(&comes(a)));
    let mut best = before.first().map_or(0.0, comes);
    // Those on the worker, by when they can start.
    let mut shared: Vec<Before> = Vec::new();
    for (number, it) in before.iter().enumerate() {
        let place = shared.partition_point(|other| other.from <= it.from);
        shared.insert(place, *it);
        let end = shared.iter().fold(0.0, |end: f64, it| end.max(it.from) + it.takes);
        let next = before.get(number + 1).map_or(0.0, comes);
        best = best.min(end.max(next));
        // With more of them it only ends later.
        if end >= best {
            break;
        }
    }
    best
}

/// When a task has to run: between two times, so long, on so many workers.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: f64,
    end: f64,
    takes: f64,
    workers: f64,
}

impl Window {
    /// The least of it that falls into a span of time.
    fn within(&self, begin: f64, end: f64) -> f64 {
        let &Self { start, end: last, takes, workers } = self;
        let least = (start + takes - begin).min(end - (last - takes));
        least.min(takes).min(end - begin).max(0.0) * workers
    }
}

/// About so many sums of the bound are made at most; of larger graphs, not all spans of time are looked at.
const MOST_SUMS: usize = 20_000_000;

/// Tasks that may only run between their earliest start and their latest end, for the whole to be over at the longest
/// way's end, have a least share of their time within each span. If that is more than the workers have there, the end is
/// later by what is too much over all workers.
fn fernandez_bussell(instance: &Instance<'_>, times: &EarliestTimes) -> f64 {
    let graph = instance.graph();
    let length = times.length();
    let wide = graph.tasks().iter().any(|task| task.workers > 1);
    let related = graph.workers_with_costs().is_none() && !wide;
    let speeds = instance.platform().speeds();
    // Work that is counted by what the fastest worker takes for it.
    let workers = if related {
        speeds.iter().sum::<f64>() / speeds.iter().copied().fold(0.0, f64::max)
    } else {
        instance.workers() as f64
    };
    let count = graph.task_count();
    let windows: Vec<Window> = (0..count)
        .map(|task| Window {
            start: times.starts[task],
            end: length - times.tails[task],
            takes: times.least[task],
            workers: graph.tasks()[task].workers as f64,
        })
        .filter(|window| window.takes > 0.0)
        .collect();
    let most = (MOST_SUMS as f64 / count as f64).sqrt().max(2.0) as usize;
    let points = |from: fn(&Window) -> [f64; 2]| {
        let mut points: Vec<f64> = windows.iter().flat_map(from).collect();
        points.sort_by(f64::total_cmp);
        points.dedup();
        let every = points.len().div_ceil(most).max(1);
        // The first and the last are always among them, so that the whole is looked at.
        let last = points.last().copied();
        let mut points: Vec<f64> = points.into_iter().step_by(every).collect();
        points.extend(last.filter(|last| points.last() != Some(last)));
        points
    };
    let begins = points(|it| [it.start, it.end - it.takes]);
    let ends = points(|it| [it.end, it.start + it.takes]);
    let mut late = 0.0f64;
    for &begin in &begins {
        for &end in ends.iter().filter(|&&end| end > begin) {
            let within = windows.iter().map(|window| window.within(begin, end));
            late = late.max(within.sum::<f64>() / workers - (end - begin));
        }
    }
    length + late
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::{Link, Platform, WeightedGraph, WeightedTask};

    /// `a` before `b`, `c` and `d`, all of them before `e`.
    fn fork(message: f64) -> WeightedGraph {
        let mut graph = WeightedGraph::builder("fork");
        for (name, cost) in [("a", 1.0), ("b", 4.0), ("c", 4.0), ("d", 4.0), ("e", 1.0)] {
            graph.task(WeightedTask::new(name, cost)).unwrap();
        }
        for middle in 1..4 {
            graph.edge(0, middle, Communication::Bytes(message)).unwrap();
            graph.edge(middle, 4, Communication::Bytes(message)).unwrap();
        }
        graph.build().unwrap()
    }

    fn bounds(graph: &WeightedGraph, platform: &Platform) -> Bounds {
        Bounds::new(&Instance::new(graph, platform).unwrap())
    }

    #[test]
    fn without_messages() {
        let two = Platform::equal(2).unwrap();
        let found = bounds(&fork(0.0), &two);
        assert_eq!((found.work, found.critical_path, found.communication), (7.0, 6.0, 6.0));
        // Twelve seconds on two workers between the first and the last.
        assert_eq!((found.fernandez_bussell, found.largest()), (8.0, 8.0));
        let fast = Platform::with_speeds(vec![2.0, 1.0]).unwrap();
        let found = bounds(&fork(0.0), &fast);
        assert_eq!((found.work, found.critical_path), (14.0 / 3.0, 3.0));
        // Six seconds of the fast worker on one and a half of them, between half a second and half a second.
        assert_eq!(found.fernandez_bussell, 5.0);
        let one = Platform::equal(1).unwrap();
        assert_eq!(bounds(&fork(3.0), &one).largest(), 14.0);
    }

    #[test]
    fn messages_are_sent_or_what_they_come_from_shares_the_worker() {
        let four = Platform::equal(4).unwrap().clique(Link::new(0.0, 1.0)).unwrap();
        // `b`, `c` and `d` begin at 1 on the worker of `a`; `e` waits for messages, or for two of them in a row.
        assert_eq!(bounds(&fork(1.0), &four).communication, 7.0);
        assert_eq!(bounds(&fork(100.0), &four).communication, 14.0);
        assert_eq!(bounds(&fork(100.0), &four).critical_path, 6.0);
    }

    #[test]
    fn of_large_graphs_the_whole_span_is_looked_at() {
        let mut graph = WeightedGraph::builder("large");
        for number in 0..3000 {
            let cost = 1.0 + (number % 7) as f64;
            graph.task(WeightedTask::new(number.to_string(), cost)).unwrap();
        }
        for number in 0..2990 {
            graph.edge(number, number + 10, Communication::Bytes(0.0)).unwrap();
        }
        let found = bounds(&graph.build().unwrap(), &Platform::equal(3).unwrap());
        assert!(found.fernandez_bussell >= found.work - 1e-9, "{found:?}");
    }

    #[test]
    fn releases_and_wide_tasks_count() {
        let mut graph = WeightedGraph::builder("wide");
        graph.task(WeightedTask::new("late", 2.0).release(5.0)).unwrap();
        graph.task(WeightedTask::new("wide", 3.0).workers(2_usize)).unwrap();
        let graph = graph.build().unwrap();
        let platform = Platform::with_speeds(vec![2.0, 1.0, 0.5]).unwrap();
        let found = bounds(&graph, &platform);
        assert_eq!((found.critical_path, found.work), (6.0, 8.0 / 3.5));
    }
}
