//! Bare graphs of tasks, for scheduling without a network.

use std::sync::Arc;

use super::Costs;
use crate::error::{Error, Result};
use crate::executor::{Mode, Plan, PlanOptions};
use crate::graph::GraphBuilder;
use crate::layers::{Add, Relu};
use crate::optimizers::Sgd;

/// Tasks with durations and dependencies, and nothing to compute.
///
/// ```
/// use caudal::executor::policy::policy;
/// use caudal::simulator::{Machine, Options, TaskGraph, simulate};
///
/// let mut tasks = TaskGraph::default();
/// let first = tasks.task(1.0, &[])?;
/// let left = tasks.task(2.0, &[first])?;
/// let right = tasks.task(3.0, &[first])?;
/// tasks.task(1.0, &[left, right])?;
/// let (plan, costs) = tasks.plan()?;
/// let mut policy = policy("critical-path")?;
/// let machine = Machine::ideal(2);
/// let simulated = simulate(&plan, policy.as_mut(), &machine, &costs, Options::default())?;
/// assert_eq!(simulated.makespan, 5.0);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TaskGraph {
    seconds: Vec<f64>,
    after: Vec<Vec<usize>>,
}

impl TaskGraph {
    /// Adds a task of so many seconds that waits for the tasks in `after`, and gives its number.
    ///
    /// # Errors
    /// If the duration is no number of seconds, or if a task in `after` has not been added yet.
    pub fn task(&mut self, seconds: f64, after: &[usize]) -> Result<usize> {
        let number = self.seconds.len();
        let refuse =
            |problem: String, remedy: &str| Err(Error::node(number.to_string(), problem, remedy));
        if !(seconds.is_finite() && seconds >= 0.0) {
            return refuse(format!("it takes {seconds} seconds"), "give it 0 or more");
        }
        if let Some(later) = after.iter().find(|&&before| before >= number) {
            return refuse(
                format!("it waits for task {later}, but there are {number} before it"),
                "add tasks before those that wait for them",
            );
        }
        let mut after = after.to_vec();
        after.sort_unstable();
        after.dedup();
        self.seconds.push(seconds);
        self.after.push(after);
        Ok(number)
    }

    /// A plan with one task of one part for each of these, and their costs. The plan numbers its tasks
    /// in an order of its own; the node of each ([`Plan::task`]) is called by the number given here.
    ///
    /// # Errors
    /// If there is no task.
    pub fn plan(&self) -> Result<(Plan, Costs)> {
        let mut builder = GraphBuilder::new("tasks");
        let mut names = Vec::with_capacity(self.after.len());
        let mut leads_on = vec![false; self.after.len()];
        for (number, after) in self.after.iter().enumerate() {
            for &before in after {
                leads_on[before] = true;
            }
            let inputs: Vec<_> = after.iter().map(|&before| &names[before]).collect();
            let name = number.to_string();
            names.push(match inputs.len() {
                0 => builder.input(name, [1]),
                1 => builder.layer(name, Relu, inputs),
                _ => builder.layer(name, Add, inputs),
            });
        }
        for (name, _) in names.iter().zip(leads_on).filter(|(_, leads_on)| !leads_on) {
            builder.output(name);
        }
        let graph = Arc::new(builder.build()?);
        let optimizer: Arc<dyn crate::optimizers::Optimizer> = Arc::new(Sgd::default());
        let options = PlanOptions::plain();
        let mut plan = Plan::compile(&graph, Mode::Prediction, 1, &optimizer, options)?;
        let seconds = (0..plan.task_count()).map(|task| self.seconds[plan.node_of(task)]);
        plan.costs = seconds.collect();
        let costs = Costs::even(&plan, &plan.costs);
        Ok((plan, costs))
    }
}
