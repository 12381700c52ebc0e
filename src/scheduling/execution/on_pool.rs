//! The policy of a pool that executes: every worker gets the task that is meant for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::board::Board;
use crate::error::Result;
use crate::flow::policy::{Policy, ReadyPart};
use crate::flow::{TaskGraph, TaskIndex};
use crate::scheduling::dispatch::{Assigned, Dispatch};
use crate::scheduling::{Instance, Schedule, WeightedGraph};

/// Who decides which worker runs what next.
#[derive(Debug)]
pub(super) enum Decider {
    /// One of the pool's policies.
    Policy { policy: Box<dyn Policy>, dispatch: Dispatch },
    /// A schedule.
    Planned(Planned),
}

/// A schedule, and how far it has come.
#[derive(Debug)]
pub(super) struct Planned {
    /// By task.
    places: Vec<Assigned>,
    /// By worker: its tasks in their order, and how many of them it has begun.
    lists: Vec<Vec<usize>>,
    next: Vec<usize>,
    idle: Vec<bool>,
    /// By task: whether those that it waits for have ended.
    is_ready: Vec<bool>,
}

impl Decider {
    pub(super) fn planned(instance: &Instance<'_>, schedule: &Schedule) -> Self {
        let planned = schedule.placements();
        let mut order = instance.graph().topological_order().to_vec();
        // Of tasks that start together, those of no time come first, and those that others wait for.
        order.sort_by(|&a, &b| {
            let (one, other) = (&planned[a], &planned[b]);
            one.start.total_cmp(&other.start).then(one.finish.total_cmp(&other.finish))
        });
        let mut lists = vec![Vec::new(); instance.workers()];
        for task in order {
            planned[task].workers().for_each(|worker| lists[worker].push(task));
        }
        let place = |it: &crate::scheduling::Placement| Assigned {
            task: it.task,
            worker: it.worker,
            others: it.others.clone(),
        };
        Self::Planned(Planned {
            places: planned.iter().map(place).collect(),
            next: vec![0; lists.len()],
            idle: vec![true; lists.len()],
            is_ready: vec![false; planned.len()],
            lists,
        })
    }

    fn push(&mut self, task: usize, worker: usize) {
        match self {
            Self::Policy { policy, dispatch } => dispatch.push(policy.as_mut(), task, worker),
            Self::Planned(planned) => planned.is_ready[task] = true,
        }
    }

    fn end(&mut self, ended: &Assigned) {
        match self {
            Self::Policy { policy, dispatch } => dispatch.end(policy.as_mut(), ended),
            Self::Planned(planned) => planned.set_idle(ended.task, true),
        }
    }

    /// The tasks that begin now; the worker that has just ended one is asked first.
    fn serve(&mut self, ended: Option<usize>, assigned: &mut Vec<Assigned>) -> Result<()> {
        match self {
            Self::Policy { policy, dispatch } => {
                if let Some(worker) = ended {
                    dispatch.take(policy.as_mut(), worker, assigned)?;
                }
                dispatch.serve(policy.as_mut(), assigned)
            }
            Self::Planned(planned) => {
                planned.serve(assigned);
                Ok(())
            }
        }
    }
}

impl Planned {
    fn set_idle(&mut self, task: usize, idle: bool) {
        let Assigned { worker, others, .. } = &self.places[task];
        self.idle[*worker] = idle;
        for &other in others {
            self.idle[other] = idle;
        }
    }

    /// Whether a task is the next of a worker that is free.
    fn is_next(&self, task: usize, worker: usize) -> bool {
        self.idle[worker] && self.lists[worker].get(self.next[worker]) == Some(&task)
    }

    fn serve(&mut self, assigned: &mut Vec<Assigned>) {
        for worker in 0..self.lists.len() {
            let Some(&task) = self.lists[worker].get(self.next[worker]) else { continue };
            let place = &self.places[task];
            let all =
                |planned: &Self| place.others.iter().all(|&other| planned.is_next(task, other));
            if place.worker != worker
                || !self.is_ready[task]
                || !self.is_next(task, worker)
                || !all(self)
            {
                continue;
            }
            let place = place.clone();
            self.set_idle(task, false);
            self.next[worker] += 1;
            place.others.iter().for_each(|&other| self.next[other] += 1);
            assigned.push(place);
        }
    }
}

/// What the decider says, as a policy of the pool that supervises.
#[derive(Debug)]
pub(super) struct OnPool {
    decider: Decider,
    board: Arc<Board>,
    /// Seconds of the clock for one of the graph.
    unit: f64,
    /// The numbers of tasks by name.
    names: HashMap<String, usize>,
    /// By number of the pool: the task, and the other way round.
    tasks: Vec<usize>,
    numbers: Vec<TaskIndex>,
    /// By worker: what it has been given and has not fetched, and what it runs.
    given: Vec<Option<Assigned>>,
    runs: Vec<Option<Assigned>>,
    /// Tasks that have become ready since tasks were given, and by whom.
    came: Vec<(usize, usize)>,
    /// Whether anything came or ended since.
    changed: bool,
    /// Who ended a task since.
    ended: Option<usize>,
}

impl OnPool {
    pub(super) fn new(
        graph: &WeightedGraph,
        decider: Decider,
        board: &Arc<Board>,
        unit: f64,
    ) -> Self {
        let names = graph.tasks().iter().enumerate();
        Self {
            decider,
            board: Arc::clone(board),
            unit,
            names: names.map(|(task, described)| (described.name.clone(), task)).collect(),
            tasks: Vec::new(),
            numbers: Vec::new(),
            given: Vec::new(),
            runs: Vec::new(),
            came: Vec::new(),
            changed: false,
            ended: None,
        }
    }
}

impl Policy for OnPool {
    fn name(&self) -> &'static str {
        "executed"
    }

    fn supervises(&self) -> bool {
        true
    }

    fn begin(&mut self, graph: &TaskGraph, workers: usize) -> Result<()> {
        let tasks = 0..graph.task_count();
        self.tasks = tasks.filter_map(|it| self.names.get(graph.task(it).node).copied()).collect();
        self.numbers = vec![TaskIndex::new(0); self.tasks.len()];
        for (number, &task) in self.tasks.iter().enumerate() {
            self.numbers[task] = TaskIndex::new(number);
        }
        self.given = vec![None; workers];
        self.runs = vec![None; workers];
        self.came.clear();
        (self.changed, self.ended) = (false, None);
        self.board.begin();
        Ok(())
    }

    fn watches_clock(&self) -> bool {
        match &self.decider {
            Decider::Policy { policy, .. } => policy.watches_clock(),
            Decider::Planned(_) => false,
        }
    }

    fn now(&mut self, seconds: f64) {
        if let Decider::Policy { dispatch, .. } = &mut self.decider {
            dispatch.now = seconds / self.unit;
        }
    }

    fn push(&mut self, part: ReadyPart, worker: usize) {
        self.came.push((self.tasks[part.task.index()], worker));
        self.changed = true;
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        if std::mem::take(&mut self.changed) {
            // By their numbers, as in virtual time.
            self.came.sort_unstable();
            for (task, maker) in std::mem::take(&mut self.came) {
                self.decider.push(task, maker);
            }
            let mut assigned = Vec::new();
            let ended = self.ended.take().filter(|&ended| ended == worker);
            if let Err(fault) = self.decider.serve(ended, &mut assigned) {
                self.board.refuse(fault);
            }
            for assigned in assigned {
                self.board.give(&assigned);
                let worker = assigned.worker;
                self.given[worker] = Some(assigned);
            }
        }
        let given = self.given[worker].take()?;
        let task = self.numbers[given.task];
        self.runs[worker] = Some(given);
        Some(ReadyPart { task, part: 0 })
    }

    fn done(&mut self, _part: ReadyPart, worker: usize) {
        if let Some(ended) = self.runs[worker].take() {
            self.decider.end(&ended);
        }
        self.changed = true;
        self.ended = Some(worker);
    }
}
