//! Policies that decide while tasks run: those of the pool, on a platform in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::dispatch::{Assigned, Dispatch, setting, task_graph};
use super::{Instance, Placement, ReadyTasks, Schedule};
use crate::error::{Error, Result};
use crate::flow::policy::Policy;

/// The schedule that a policy of the pool comes to on a platform that schedules in no time: whoever is free asks it for
/// a task at once. Where `actual` gives another instance, tasks take what they take there, and the policy still goes by
/// `instance`.
///
/// A worker that takes a task gets its messages first, all at the same time and from this moment on, since nobody knew
/// before where the task would run. A task that needs several workers waits until so many are free, and nobody takes
/// another meanwhile. The graph gives the policy the mean of what a task takes on each worker; the rest it knows by its
/// [`Setting`](crate::flow::policy::Setting), as far as it asks.
///
/// ```
/// use caudal::flow::policy::policy;
/// use caudal::scheduling::{Instance, Platform, WeightedGraph, WeightedTask, run_policy};
///
/// let mut graph = WeightedGraph::builder("three");
/// for cost in [1.0, 1.0, 2.0] {
///     graph.task(WeightedTask::new(format!("task of {cost}, number {}", graph.task_count()), cost))?;
/// }
/// let (graph, platform) = (graph.build()?, Platform::equal(2)?);
/// let instance = Instance::new(&graph, &platform)?;
/// let makespan = |name: &str| -> caudal::Result<f64> {
///     Ok(run_policy(&instance, policy(name)?.as_mut(), &instance)?.makespan())
/// };
/// assert_eq!((makespan("fifo")?, makespan("critical-path")?), (3.0, 2.0));
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If the policy can't order the graph, gives what is not ready, or keeps a task forever.
pub fn run_policy(
    instance: &Instance<'_>,
    policy: &mut dyn Policy,
    actual: &Instance<'_>,
) -> Result<Schedule> {
    let tasks = task_graph(instance)?;
    policy.begin_on(&tasks, &setting(instance))?;
    let count = instance.graph().task_count();
    let mut run = Run {
        actual: *actual,
        policy,
        dispatch: Dispatch::new(instance.graph(), instance.workers()),
        ready: ReadyTasks::new(actual.graph()),
        placements: vec![None; count],
        events: BinaryHeap::new(),
        now: 0.0,
    };
    for task in run.ready.sources() {
        run.release(task, 0);
    }
    run.serve()?;
    while let Some(Reverse((time, _))) = run.events.peek() {
        let time = *time;
        run.now = f64::from_bits(time);
        run.dispatch.now = run.now;
        run.advance(time)?;
    }
    let stalled: Vec<String> = (0..count)
        .filter(|&task| run.placements[task].is_none())
        .map(|task| format!("`{}`", instance.graph().tasks()[task].name))
        .collect();
    if stalled.is_empty() {
        Ok(Schedule::new(run.placements.into_iter().flatten().collect()))
    } else {
        Err(Error::Stalled(stalled))
    }
}

/// What happens at a time. Of what happens at the same, tasks end first, in the order of their workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    End { worker: usize, task: usize },
    Release { task: usize },
}

struct Run<'a, 'p> {
    actual: Instance<'a>,
    policy: &'p mut dyn Policy,
    dispatch: Dispatch,
    ready: ReadyTasks<'a>,
    placements: Vec<Option<Placement>>,
    /// By time, as the bits of a number that is not below 0, which are ordered as the numbers.
    events: BinaryHeap<Reverse<(u64, Event)>>,
    now: f64,
}

impl Run<'_, '_> {
    /// A task waits for no other any more.
    fn release(&mut self, task: usize, worker: usize) {
        let release = self.actual.graph().tasks()[task].release;
        if release > self.now {
            self.events.push(Reverse((release.to_bits(), Event::Release { task })));
        } else {
            self.dispatch.push(self.policy, task, worker);
        }
    }

    /// All that happens at one time: first everything ends that does, then each worker tells the policy what it made
    /// ready and takes its next task, as the workers of the pool do, and then those take one who had none.
    fn advance(&mut self, time: u64) -> Result<()> {
        let (mut ended, mut released) = (Vec::new(), Vec::new());
        while let Some(&Reverse((at, event))) = self.events.peek()
            && at == time
        {
            self.events.pop();
            match event {
                Event::End { worker, task } => {
                    ended.push((worker, task, self.ready.complete(task)));
                }
                Event::Release { task } => released.push(task),
            }
        }
        for task in released {
            self.dispatch.push(self.policy, task, 0);
        }
        for (worker, task, made_ready) in ended {
            let others = self.placements[task].as_ref().map(|it| it.others.clone());
            let ended = Assigned { task, worker, others: others.unwrap_or_default() };
            self.dispatch.end(self.policy, &ended);
            for task in made_ready {
                self.release(task, worker);
            }
            let mut assigned = Vec::new();
            self.dispatch.take(self.policy, worker, &mut assigned)?;
            self.start(assigned);
        }
        self.serve()
    }

    fn serve(&mut self) -> Result<()> {
        let mut assigned = Vec::new();
        self.dispatch.serve(self.policy, &mut assigned)?;
        self.start(assigned);
        Ok(())
    }

    /// Messages travel from now on, and tasks run when they have come.
    fn start(&mut self, assigned: Vec<Assigned>) {
        for Assigned { task, worker, others } in assigned {
            let come = self.actual.graph().incoming(task).filter_map(|edge| {
                let from = self.placements[edge.from].as_ref()?.worker;
                Some(self.actual.transfer_seconds(edge, from, worker))
            });
            let start = self.now + come.fold(0.0, f64::max);
            let mut placement = Placement::new(task, worker, start, start);
            placement.others = others;
            let seconds = placement.workers().map(|worker| self.actual.seconds(task, worker));
            placement.finish = start + seconds.fold(0.0, f64::max);
            let end = Event::End { worker, task };
            self.events.push(Reverse((placement.finish.to_bits(), end)));
            self.placements[task] = Some(placement);
        }
    }
}
