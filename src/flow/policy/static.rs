//! A schedule computed ahead.

use std::collections::HashMap;
use std::sync::Arc;

use super::gaps::Gaps;
use super::places::Places;
use super::urgency::{Ranking, Urgency};
use super::{Policy, PolicySpec, ReadyPart, Setting};
use crate::error::Result;
use crate::flow::graph::TaskGraph;
use crate::flow::index::TaskIndex;

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "static",
    summary: "the part that a schedule computed ahead (HEFT) has next for the worker, and no other",
    arguments: &[(
        "fallback",
        "an idle worker takes parts out of turn, from itself and from busy ones",
    )],
    make: |argument| match argument {
        None => Ok(Box::new(Static::default())),
        Some("fallback") => Ok(Box::new(Static::with_fallback())),
        Some(other) => Err(format!("expected `fallback`, got `{other}`")),
    },
};

/// Every worker runs the parts that a schedule computed ahead assigns to it, in the schedule's order,
/// and waits for each.
///
/// The schedule is HEFT's (Topcuoglu, Hariri and Wu 2002): parts in the order of upward ranks, each to the worker and
/// the gap where it ends first, by the speeds of workers and by what is known of tasks and messages on them. Unlike there,
/// messages travel once a worker has taken the task that they are for, and it waits for them, as in the pool. Costs are measured
/// seconds once there are any, and estimated ones before.
#[derive(Debug, Default)]
pub struct Static {
    fallback: bool,
    /// Measured seconds by graph.
    measured: HashMap<u64, Vec<f64>>,
    /// By graph and setting.
    assignments: Vec<(u64, Setting, Arc<Assignment>)>,
    assignment: Arc<Assignment>,
    at_hand: Option<(u64, Setting)>,
    workers: Vec<Worker>,
}

#[derive(Debug, Default)]
struct Worker {
    /// Its ready parts, by their turn.
    ready: Places,
    /// Whose turn it is, where turns are kept.
    next: usize,
    /// Whether it runs a part.
    busy: bool,
}

impl Static {
    /// Lets a worker whose next part is not ready take parts out of turn: of its own, and, if it has
    /// none that is ready, the earliest in the schedule of those that wait for a busy worker.
    pub fn with_fallback() -> Self {
        Self { fallback: true, ..Self::default() }
    }

    /// The worker whose earliest ready part `worker` runs now.
    fn source(&self, worker: usize) -> Option<usize> {
        let own = &self.workers[worker];
        let turn = own.ready.first();
        if !self.fallback {
            return (turn == Some(own.next)).then_some(worker);
        }
        if turn.is_some() {
            return Some(worker);
        }
        let busy = self.workers.iter().enumerate().filter(|(_, other)| other.busy);
        let first = busy.filter_map(|(number, other)| {
            let turn = other.ready.first()?;
            Some((self.assignment.lists[number][turn].when, number))
        });
        first.min().map(|(_, number)| number)
    }
}

impl Policy for Static {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn supervises(&self) -> bool {
        true
    }

    fn begin(&mut self, graph: &TaskGraph, workers: usize) -> Result<()> {
        self.begin_on(graph, &Setting::equal(workers))
    }

    fn begin_on(&mut self, graph: &TaskGraph, setting: &Setting) -> Result<()> {
        let is_at_hand =
            self.at_hand.as_ref().is_some_and(|(id, other)| *id == graph.id && other == setting);
        if !is_at_hand {
            let mut known = self.assignments.iter();
            let known = known.find(|(id, other, _)| *id == graph.id && other == setting);
            self.assignment = if let Some((_, _, assignment)) = known {
                Arc::clone(assignment)
            } else {
                let seconds = self.measured.get(&graph.id);
                let seconds = seconds.map_or(graph.estimated_costs(), Vec::as_slice);
                let made = Arc::new(Assignment::new(graph, seconds, setting));
                self.assignments.push((graph.id, setting.clone(), Arc::clone(&made)));
                made
            };
            self.at_hand = Some((graph.id, setting.clone()));
            self.workers.resize_with(setting.workers(), Worker::default);
        }
        for (worker, list) in self.workers.iter_mut().zip(&self.assignment.lists) {
            worker.ready.clear(list.len());
            (worker.next, worker.busy) = (0, false);
        }
        Ok(())
    }

    fn learn(&mut self, graph: &TaskGraph, seconds: &[f64]) {
        self.measured.insert(graph.id, seconds.to_vec());
        self.assignments.retain(|(id, ..)| *id != graph.id);
        self.at_hand = None;
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        let (worker, turn) = self.assignment.turn(part);
        self.workers[worker].ready.insert(turn);
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        let source = self.source(worker)?;
        let turn = self.workers[source].ready.first()?;
        self.workers[source].ready.remove(turn);
        self.workers[source].next = turn + 1;
        self.workers[worker].busy = true;
        Some(self.assignment.lists[source][turn].part)
    }

    fn done(&mut self, _part: ReadyPart, worker: usize) {
        self.workers[worker].busy = false;
    }
}

/// Who runs what, in which order.
#[derive(Debug, Default)]
struct Assignment {
    /// By worker: its parts by their start.
    lists: Vec<Vec<Scheduled>>,
    urgency: Urgency,
    /// By place in the order: the worker, and the turn in its list.
    turns: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Scheduled {
    part: ReadyPart,
    /// Its rank among all parts by their start.
    when: usize,
}

impl Assignment {
    fn new(graph: &TaskGraph, seconds: &[f64], setting: &Setting) -> Self {
        let workers = setting.workers();
        let urgency = Urgency::new(graph, seconds, Ranking::Step);
        let placed = place(graph, seconds, setting, &by_rank(graph, seconds, setting));
        let mut by_start: Vec<usize> = (0..placed.len()).collect();
        // Parts of no cost start together with what they wait for, which has come before.
        by_start.sort_by(|&a, &b| placed[a].start.total_cmp(&placed[b].start));
        let mut lists = vec![Vec::new(); workers];
        let mut turns = vec![(0, 0); placed.len()];
        for (when, index) in by_start.into_iter().enumerate() {
            let Placed { part, worker, .. } = placed[index];
            turns[urgency.place(part)] = (worker, lists[worker].len());
            lists[worker].push(Scheduled { part, when });
        }
        Self { lists, urgency, turns }
    }

    fn turn(&self, part: ReadyPart) -> (usize, usize) {
        self.turns[self.urgency.place(part)]
    }
}

/// Tasks by their upward rank over these seconds and the mean ones of messages, the largest first; among equals, in the
/// graph's order.
fn by_rank(graph: &TaskGraph, seconds: &[f64], setting: &Setting) -> Vec<TaskIndex> {
    let ranks = graph.ranks_with_messages(seconds, |from, to| {
        setting.costs().map_or(0.0, |costs| costs.mean_message_seconds(from.index(), to.index()))
    });
    let mut tasks: Vec<TaskIndex> = graph.indices().collect();
    tasks.sort_by(|&a, &b| ranks[b].total_cmp(&ranks[a]));
    tasks
}

#[derive(Clone, Copy, Debug)]
struct Placed {
    part: ReadyPart,
    worker: usize,
    start: f64,
}

/// What a task waits for: which task sends it, from which worker, and when that has ended.
#[derive(Clone, Copy, Debug)]
struct Sent {
    from: usize,
    worker: usize,
    end: f64,
}

/// Gives each part of `tasks` in turn to the worker and the gap where it ends first.
fn place(
    graph: &TaskGraph,
    seconds: &[f64],
    setting: &Setting,
    tasks: &[TaskIndex],
) -> Vec<Placed> {
    let mut gaps = vec![Gaps::default(); setting.workers()];
    let mut sent: Vec<Vec<Sent>> = vec![Vec::new(); graph.tasks.len()];
    let mut placed = Vec::new();
    for &task in tasks {
        let (described, number) = (&graph.tasks[task], task.index());
        // Not a number counts as none.
        let alone = seconds[task].max(0.0);
        let ready = sent[task].iter().map(|it| it.end).fold(0.0, f64::max);
        // A worker that has a task gets its messages first, all at the same time.
        let on = |worker: usize| {
            let come = sent[task]
                .iter()
                .map(|it| setting.message_seconds(it.from, number, it.worker, worker));
            let own = setting.seconds_of(alone, number, worker) / f64::from(described.parts);
            come.fold(0.0, f64::max) + own
        };
        let takes: Vec<f64> = (0..setting.workers()).map(on).collect();
        let mut last = Sent { from: number, worker: 0, end: 0.0 };
        for part in 0..described.parts {
            let starts = gaps.iter().zip(&takes).map(|(gaps, &takes)| {
                let start = gaps.earliest(ready, takes);
                (start + takes, start)
            });
            let first = starts.enumerate().min_by(|(_, a), (_, b)| {
                let ((end, start), (other_end, other_start)) = (a, b);
                end.total_cmp(other_end).then(start.total_cmp(other_start))
            });
            let Some((worker, (end, start))) = first else { continue };
            gaps[worker].fill(start, takes[worker]);
            if end >= last.end {
                last = Sent { worker, end, ..last };
            }
            placed.push(Placed { part: ReadyPart { task, part }, worker, start });
        }
        for edge in graph.edges_of(task) {
            sent[edge.task].push(last);
        }
    }
    placed
}
