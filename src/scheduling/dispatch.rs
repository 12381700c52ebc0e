//! Workers that a policy of the pool gives tasks: what runs in virtual and in real time share.

use std::sync::Arc;

use super::{Communication, Instance, Platform, WeightedEdge, WeightedGraph};
use crate::error::{Error, Result};
use crate::flow::policy::{Policy, ReadyPart, Setting, TaskCosts};
use crate::flow::{TaskGraph, TaskGraphBuilder, TaskIndex};

/// The tasks as policies know them, in topological order.
pub(super) fn task_graph(instance: &Instance<'_>) -> Result<TaskGraph> {
    let graph = instance.graph();
    let mut tasks = TaskGraphBuilder::new(graph.name());
    let mut numbers = vec![0; graph.task_count()];
    for &task in graph.topological_order() {
        let before: Vec<usize> = graph.incoming(task).map(|edge| numbers[edge.from]).collect();
        let seconds = instance.mean_seconds(task);
        numbers[task] = tasks.task(&graph.tasks()[task].name, seconds, &before)?;
    }
    tasks.build()
}

/// What policies may know of an instance, by their numbers of tasks.
pub(super) fn setting(instance: &Instance<'_>) -> Setting {
    let costs = Known { graph: instance.graph().clone(), platform: instance.platform().clone() };
    Setting::with_speeds(instance.platform().speeds()).with_costs(Arc::new(costs))
}

#[derive(Debug)]
struct Known {
    graph: WeightedGraph,
    platform: Platform,
}

impl Known {
    fn instance(&self) -> Instance<'_> {
        Instance::known(&self.graph, &self.platform)
    }

    /// The edge between two tasks; one without bytes where there is none.
    fn edge(&self, from: usize, to: usize) -> WeightedEdge {
        let order = self.graph.topological_order();
        let (from, to) = (order[from], order[to]);
        let edges = self.graph.outgoing(from);
        let found = edges.binary_search_by_key(&to, |edge| edge.to);
        found.map_or(WeightedEdge::new(from, to, Communication::Seconds(0.0)), |at| edges[at])
    }
}

impl TaskCosts for Known {
    fn seconds(&self, task: usize, worker: usize) -> f64 {
        self.instance().seconds(self.graph.topological_order()[task], worker)
    }

    fn bytes(&self, from: usize, to: usize) -> f64 {
        self.edge(from, to).communication.bytes()
    }

    fn message_seconds(&self, from: usize, to: usize, sender: usize, receiver: usize) -> f64 {
        self.instance().transfer_seconds(&self.edge(from, to), sender, receiver)
    }

    fn mean_message_seconds(&self, from: usize, to: usize) -> f64 {
        self.instance().mean_transfer(&self.edge(from, to))
    }
}

/// A task that workers begin now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Assigned {
    pub(super) task: usize,
    /// Who runs it, and gets its messages.
    pub(super) worker: usize,
    /// Who else is kept busy.
    pub(super) others: Vec<usize>,
}

/// Which workers are free, and which tasks the policy has.
#[derive(Clone, Debug)]
pub(super) struct Dispatch {
    /// By its number for the policy: the task.
    order: Vec<usize>,
    /// By task: its number for the policy, and how many workers it needs.
    numbers: Vec<usize>,
    needed: Vec<usize>,
    /// By task: whether the policy has it.
    is_ready: Vec<bool>,
    idle: Vec<bool>,
    /// A task that waits until as many workers are free as it needs.
    waiting: Option<usize>,
    /// Seconds since the beginning, for policies that watch the clock.
    pub(super) now: f64,
}

/// Tells a policy that watches the clock the time.
fn tell(policy: &mut dyn Policy, now: f64) {
    if policy.watches_clock() {
        policy.now(now);
    }
}

impl Dispatch {
    /// All workers are free, and no task is ready.
    pub(super) fn new(graph: &WeightedGraph, workers: usize) -> Self {
        let order = graph.topological_order().to_vec();
        let mut numbers = vec![0; order.len()];
        order.iter().enumerate().for_each(|(number, &task)| numbers[task] = number);
        Self {
            is_ready: vec![false; order.len()],
            needed: graph.tasks().iter().map(|task| task.workers).collect(),
            idle: vec![true; workers],
            waiting: None,
            now: 0.0,
            order,
            numbers,
        }
    }

    /// Hands the policy a task that `worker` has made ready.
    pub(super) fn push(&mut self, policy: &mut dyn Policy, task: usize, worker: usize) {
        self.is_ready[task] = true;
        tell(policy, self.now);
        policy.push(part(self.numbers[task]), worker);
    }

    /// A task has ended, and these workers are free. Policies that supervise are told.
    pub(super) fn end(&mut self, policy: &mut dyn Policy, ended: &Assigned) {
        self.idle[ended.worker] = true;
        ended.others.iter().for_each(|&other| self.idle[other] = true);
        if policy.supervises() {
            tell(policy, self.now);
            policy.done(part(self.numbers[ended.task]), ended.worker);
        }
    }

    /// Workers without a task take one, as long as the policy has any for them.
    pub(super) fn serve(
        &mut self,
        policy: &mut dyn Policy,
        assigned: &mut Vec<Assigned>,
    ) -> Result<()> {
        loop {
            let mut took = false;
            for worker in 0..self.idle.len() {
                took |= self.take(policy, worker, assigned)?;
            }
            if !took {
                return Ok(());
            }
        }
    }

    /// A worker that is free takes a task. Says whether it did.
    pub(super) fn take(
        &mut self,
        policy: &mut dyn Policy,
        worker: usize,
        assigned: &mut Vec<Assigned>,
    ) -> Result<bool> {
        if !self.idle[worker] {
            return Ok(false);
        }
        if let Some(task) = self.waiting {
            return Ok(self.start(task, worker, assigned));
        }
        tell(policy, self.now);
        let Some(ReadyPart { task: number, part: 0 }) = policy.pop(worker) else {
            return Ok(false);
        };
        let task = self.order.get(number.index()).copied();
        let Some(task) = task.filter(|&task| std::mem::take(&mut self.is_ready[task])) else {
            return Err(Error::Policy {
                policy: policy.name().to_owned(),
                problem: format!("it gave task {}, which is not ready", number.index()),
                remedy: "give each part once, after it was pushed".to_owned(),
            });
        };
        Ok(self.start(task, worker, assigned))
    }

    /// Starts a task if there are workers enough; otherwise it waits for them.
    fn start(&mut self, task: usize, worker: usize, assigned: &mut Vec<Assigned>) -> bool {
        let needed = self.needed[task];
        let others = (0..self.idle.len()).filter(|&other| other != worker && self.idle[other]);
        let others: Vec<usize> = others.take(needed - 1).collect();
        if others.len() + 1 < needed {
            let waits_already = self.waiting.replace(task).is_some();
            return !waits_already;
        }
        self.waiting = None;
        self.idle[worker] = false;
        for &other in &others {
            self.idle[other] = false;
        }
        assigned.push(Assigned { task, worker, others });
        true
    }
}

fn part(number: usize) -> ReadyPart {
    ReadyPart { task: TaskIndex::new(number), part: 0 }
}
