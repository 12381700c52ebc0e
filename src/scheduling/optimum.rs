//! The best schedule that there is, of small graphs.

mod search;

use std::time::Duration;

use self::search::Search;
use super::bounds::{Bounds, EarliestTimes};
use super::{Cpop, Heft, Instance, Schedule, StaticPolicy};
use crate::error::{Error, Result};

/// The most tasks of a graph of which the best schedule is sought.
pub const MOST_OPTIMAL_TASKS: usize = 30;

/// The best schedule that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Optimum {
    /// The schedule.
    pub schedule: Schedule,
    /// Whether no other is shorter.
    pub proven: bool,
    /// What no schedule gets below, as far as is known: the makespan, where that is proven.
    pub bound: f64,
    /// How many partial schedules were looked at.
    pub nodes: u64,
}

/// The shortest schedule of a graph of at most [`MOST_OPTIMAL_TASKS`] tasks, each on one worker, by branch and bound:
/// all orders in which tasks can start, each on every worker, but for those that a bound shows to be no shorter than one
/// that was found, that differ from others only by the names of equal workers, or that come to where others came. It
/// begins with the schedules of HEFT and CPOP, and with `known`, if there is any. When `limit` has passed, it gives the
/// best that it has, and says that it is not proven.
///
/// # Errors
/// If the graph has more tasks, or one that needs several workers.
pub fn optimum(
    instance: &Instance<'_>,
    known: Option<&Schedule>,
    limit: Duration,
) -> Result<Optimum> {
    let graph = instance.graph();
    let refuse = |problem: String| {
        Err(Error::Graph {
            graph: graph.name().to_owned(),
            problem,
            remedy: "look for the optimum of smaller graphs".to_owned(),
        })
    };
    let count = graph.task_count();
    if count > MOST_OPTIMAL_TASKS {
        return refuse(format!("it has {count} tasks, more than {MOST_OPTIMAL_TASKS}"));
    }
    if let Some(wide) = graph.tasks().iter().find(|task| task.workers > 1) {
        return refuse(format!("task `{}` needs {} workers", wide.name, wide.workers));
    }
    let mut best = Heft.schedule(instance)?;
    let cpop = Cpop.schedule(instance)?;
    for other in std::iter::once(&cpop).chain(known) {
        if other.makespan() < best.makespan() && other.check(instance).is_ok() {
            best = other.clone();
        }
    }
    let bound = Bounds::new(instance).largest();
    let times = EarliestTimes::new(instance);
    let mut search = Search::new(instance, &times, best.makespan(), limit);
    if !search.is_no_shorter(bound) {
        search.run();
    }
    let proven = !search.is_out_of_time();
    if let Some(found) = search.best() {
        best = found;
    }
    let bound = if proven { best.makespan() } else { bound };
    Ok(Optimum { proven, bound, nodes: search.nodes(), schedule: best })
}
