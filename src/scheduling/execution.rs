//! Schedules and policies in real time: the pool's threads run tasks that take their cost.

mod board;
mod load;
mod memory;
mod on_pool;

use std::sync::Arc;

use serde::Serialize;

use self::board::Board;
use self::load::Work;
use self::on_pool::{Decider, OnPool};
use super::dispatch::{Dispatch, setting, task_graph};
use super::{Instance, Schedule};
use crate::data;
use crate::error::{Error, Result};
use crate::flow::policy::policy;
use crate::flow::{Executor, FlowBuilder, Pool, Signal};
use crate::setters::setters;

pub use load::Load;

/// The most repetitions of an execution.
pub const MOST_REPEATS: u32 = 1000;

/// How tasks are executed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExecutionOptions {
    /// How tasks take their time.
    pub load: Load,
    /// Seconds of the clock that a second of the graph and the platform takes.
    pub unit: f64,
    /// How often all is executed; the execution of median makespan counts.
    pub repeats: u32,
}

impl ExecutionOptions {
    setters! {
        load: Load,
        unit: f64,
        repeats: u32,
    }

    fn check(&self) -> Result<()> {
        let refuse = |problem: String, remedy: String| {
            Err(data::refuse("the options of an execution", problem, remedy))
        };
        if !(self.unit.is_finite() && self.unit > 0.0) {
            let problem = format!("a second takes {} seconds of the clock", self.unit);
            return refuse(problem, "take a number above 0".to_owned());
        }
        if !(1..=MOST_REPEATS).contains(&self.repeats) {
            let problem = format!("{} executions are asked for", self.repeats);
            return refuse(problem, format!("ask for 1 to {MOST_REPEATS}"));
        }
        Ok(())
    }
}

impl Default for ExecutionOptions {
    fn default() -> Self {
        Self { load: Load::Sleep, unit: 1.0, repeats: 1 }
    }
}

/// What an execution came to. All times are in seconds of the graph and the platform: those of the clock over the
/// [unit](ExecutionOptions::unit).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Execution {
    /// Until the last task ended, of each execution, in their order.
    pub makespans: Vec<f64>,
    /// The median of them.
    pub makespan: f64,
    /// Who ran which task, from when to when, in the execution of that makespan.
    #[serde(skip)]
    pub schedule: Schedule,
}

impl Execution {
    /// By how much it took longer than a schedule, over what that takes; below 0 where it was shorter.
    pub fn error(&self, planned: &Schedule) -> f64 {
        let planned = planned.makespan();
        if planned == self.makespan { 0.0 } else { self.makespan / planned - 1.0 }
    }
}

/// Executes a schedule on the pool: each worker runs the tasks that the schedule gives it, in that order, each as soon
/// as those before it have ended, it is released and its messages have come. A task takes its time on its worker, or the
/// longest of several; then the others stand still. [`Load`] says how tasks take their time, and messages theirs.
///
/// ```
/// use caudal::scheduling::{
///     ExecutionOptions, Instance, Platform, RandomGraph, execute_schedule, static_policy,
/// };
///
/// let graph = RandomGraph::new(10, 2).generate(1)?;
/// let platform = Platform::equal(2)?;
/// let instance = Instance::new(&graph, &platform)?;
/// let planned = static_policy("heft")?.schedule(&instance)?;
/// // A second of the graph takes two milliseconds.
/// let options = ExecutionOptions::default().unit(2e-3);
/// let executed = execute_schedule(&instance, &planned, &options)?;
/// assert!(executed.makespan >= planned.makespan());
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If the schedule [breaks a rule](Schedule::check), if an option is no number in its range, if threads can't be started,
/// or, where tasks keep cores or memory busy, if there are fewer cores than workers or too little memory.
pub fn execute_schedule(
    instance: &Instance<'_>,
    schedule: &Schedule,
    options: &ExecutionOptions,
) -> Result<Execution> {
    schedule.check(instance)?;
    execute(instance, options, true, &|| Ok(Decider::planned(instance, schedule)))
}

/// Executes a graph on the pool by one of the pool's policies, as [`run_policy`](super::run_policy) does in virtual time:
/// the policy gives tasks to whoever is free, of several to the first; messages of a task travel from then on.
///
/// # Errors
/// As [`execute_schedule`], if there is no such policy or if it can't order the graph, and if a task has a release, for
/// policies of the pool wait for tasks and not for the clock.
pub fn execute_policy(
    instance: &Instance<'_>,
    name: &str,
    options: &ExecutionOptions,
) -> Result<Execution> {
    if let Some(task) = instance.graph().tasks().iter().find(|task| task.release > 0.0) {
        return Err(Error::Policy {
            policy: name.to_owned(),
            problem: format!(
                "task `{}` is released at {}, and policies of the pool do not wait for the clock",
                data::escaped(&task.name),
                task.release
            ),
            remedy: "take a policy that plans ahead, or no releases".to_owned(),
        });
    }
    execute(instance, options, false, &|| {
        let (mut policy, tasks) = (policy(name)?, task_graph(instance)?);
        policy.begin_on(&tasks, &setting(instance))?;
        let dispatch = Dispatch::new(instance.graph(), instance.workers());
        Ok(Decider::Policy { policy, dispatch })
    })
}

fn execute(
    instance: &Instance<'_>,
    options: &ExecutionOptions,
    planned: bool,
    decider: &dyn Fn() -> Result<Decider>,
) -> Result<Execution> {
    options.check()?;
    let work = Arc::new(Work::new(instance, options, planned)?);
    let mut runs = Vec::with_capacity(options.repeats as usize);
    for _ in 0..options.repeats {
        let board = Arc::new(Board::new(instance));
        let mut flow = flow(instance, &board, &work)?;
        let meant = OnPool::new(instance.graph(), decider()?, &board, options.unit);
        let mut pool = Pool::with_policy(instance.workers(), Box::new(meant))?;
        let outcome = pool.execute(&mut flow);
        if let Some(fault) = board.fault() {
            return Err(fault);
        }
        outcome?;
        runs.push(board.schedule(options.unit));
    }
    let makespans: Vec<f64> = runs.iter().map(Schedule::makespan).collect();
    runs.sort_by(|a, b| a.makespan().total_cmp(&b.makespan()));
    let schedule = runs.swap_remove((runs.len() - 1) / 2);
    Ok(Execution { makespan: schedule.makespan(), makespans, schedule })
}

/// The graph with a closure for every task, which waits for its messages and takes its time.
fn flow(
    instance: &Instance<'_>,
    board: &Arc<Board>,
    work: &Arc<Work>,
) -> Result<crate::flow::FlowRun> {
    let graph = instance.graph();
    let mut flow = FlowBuilder::new(graph.name());
    let mut signals: Vec<Option<Signal>> = vec![None; graph.task_count()];
    for &task in graph.topological_order() {
        let before: Vec<Signal> =
            graph.incoming(task).filter_map(|edge| signals[edge.from]).collect();
        let (board, work) = (Arc::clone(board), Arc::clone(work));
        let run = move || work.run(task, &board);
        signals[task] = Some(flow.after(&graph.tasks()[task].name, &before, run));
    }
    Ok(flow.build()?.run())
}
