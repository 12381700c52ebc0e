//! Policies that decide while tasks run: those of the pool, on a platform in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Instance, Placement, ReadyTasks, Schedule};
use crate::error::{Error, Result};
use crate::flow::policy::{Policy, ReadyPart};
use crate::flow::{TaskGraph, TaskGraphBuilder, TaskIndex};

/// The schedule that a policy of the pool comes to on a platform that schedules in no time: whoever is free asks it for
/// a task at once. Where `actual` gives another instance, tasks take what they take there, and the policy still goes by
/// `instance`.
///
/// A worker that takes a task gets its messages first, all at the same time and from this moment on, since nobody knew
/// before where the task would run. A task that needs several workers waits until so many are free, and nobody takes
/// another meanwhile. The policy knows the mean of what a task takes on each worker, and neither bytes nor links.
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
    policy.begin(&tasks, instance.workers())?;
    let count = instance.graph().task_count();
    let mut numbers = vec![0; count];
    let order = instance.graph().topological_order();
    order.iter().enumerate().for_each(|(number, &task)| numbers[task] = number);
    let mut run = Run {
        actual: *actual,
        supervised: policy.supervises(),
        policy,
        numbers,
        ready: ReadyTasks::new(actual.graph()),
        is_ready: vec![false; count],
        placements: vec![None; count],
        idle: vec![true; instance.workers()],
        waiting: None,
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

/// The tasks as policies know them, in topological order.
fn task_graph(instance: &Instance<'_>) -> Result<TaskGraph> {
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

/// What happens at a time. Of what happens at the same, tasks end first, in the order of their workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    End { worker: usize, task: usize },
    Release { task: usize },
}

struct Run<'a, 'p> {
    actual: Instance<'a>,
    policy: &'p mut dyn Policy,
    supervised: bool,
    /// By task: its number for the policy.
    numbers: Vec<usize>,
    ready: ReadyTasks<'a>,
    /// By task: whether the policy has it.
    is_ready: Vec<bool>,
    placements: Vec<Option<Placement>>,
    idle: Vec<bool>,
    /// A task that waits until as many workers are free as it needs.
    waiting: Option<usize>,
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
            self.push(task, worker);
        }
    }

    fn push(&mut self, task: usize, worker: usize) {
        self.is_ready[task] = true;
        self.policy.push(part(self.numbers[task]), worker);
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
            self.push(task, 0);
        }
        for (worker, task, made_ready) in ended {
            if let Some(placement) = &self.placements[task] {
                placement.workers().for_each(|worker| self.idle[worker] = true);
            }
            if self.supervised {
                self.policy.done(part(self.numbers[task]), worker);
            }
            for task in made_ready {
                self.release(task, worker);
            }
            self.take(worker)?;
        }
        self.serve()
    }

    /// Workers without a task take one, as long as the policy has any for them.
    fn serve(&mut self) -> Result<()> {
        loop {
            let mut took = false;
            for worker in 0..self.idle.len() {
                took |= self.take(worker)?;
            }
            if !took {
                return Ok(());
            }
        }
    }

    /// A worker that is free takes a task. Says whether it did.
    fn take(&mut self, worker: usize) -> Result<bool> {
        if !self.idle[worker] {
            return Ok(false);
        }
        if let Some(task) = self.waiting {
            return Ok(self.start(task, worker));
        }
        let Some(ReadyPart { task: number, part: 0 }) = self.policy.pop(worker) else {
            return Ok(false);
        };
        let order = self.actual.graph().topological_order();
        let task = order.get(number.index()).copied();
        let Some(task) = task.filter(|&task| std::mem::take(&mut self.is_ready[task])) else {
            return Err(Error::Policy {
                policy: self.policy.name().to_owned(),
                problem: format!("it gave task {}, which is not ready", number.index()),
                remedy: "give each part once, after it was pushed".to_owned(),
            });
        };
        Ok(self.start(task, worker))
    }

    /// Starts a task if there are workers enough; otherwise it waits for them.
    fn start(&mut self, task: usize, worker: usize) -> bool {
        let needed = self.actual.graph().tasks()[task].workers;
        let others = (0..self.idle.len()).filter(|&other| other != worker && self.idle[other]);
        let others: Vec<usize> = others.take(needed - 1).collect();
        if others.len() + 1 < needed {
            let waits_already = self.waiting.replace(task).is_some();
            return !waits_already;
        }
        self.waiting = None;
        let come = self.actual.graph().incoming(task).filter_map(|edge| {
            let from = self.placements[edge.from].as_ref()?.worker;
            Some(self.actual.transfer_seconds(edge, from, worker))
        });
        let start = self.now + come.fold(0.0, f64::max);
        let mut placement = Placement::new(task, worker, start, start);
        placement.others = others;
        let seconds = placement.workers().map(|worker| self.actual.seconds(task, worker));
        placement.finish = start + seconds.fold(0.0, f64::max);
        placement.workers().for_each(|worker| self.idle[worker] = false);
        let end = Event::End { worker, task };
        self.events.push(Reverse((placement.finish.to_bits(), end)));
        self.placements[task] = Some(placement);
        true
    }
}

fn part(number: usize) -> ReadyPart {
    ReadyPart { task: TaskIndex::new(number), part: 0 }
}
