//! Policies of both kinds beside each other, on one graph and one platform.

use std::time::Duration;

use serde::Serialize;

use super::{
    Bounds, Execution, ExecutionOptions, Instance, MOST_OPTIMAL_TASKS, Metrics, Platform, Schedule,
    StaticPolicy, WeightedGraph, execute_policy, execute_schedule, optimum, run_policy,
    static_policies, static_policy,
};
use crate::error::{Error, Result};
use crate::flow::policy::{POLICIES, policy, registered};
use crate::setters::setters;

/// How policies are compared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ComparisonOptions {
    /// How often the costs of tasks are drawn by chance, and every policy tried with them; 0 for costs as they are.
    pub seeds: u32,
    /// The standard deviation of what a task takes, over what it takes in the mean, where costs are drawn.
    pub deviation: f64,
    /// How long the optimum is sought, of graphs that are small enough; not at all for no time.
    pub time_limit: Duration,
}

impl ComparisonOptions {
    setters! {
        seeds: u32,
        deviation: f64,
        time_limit: Duration,
    }
}

impl Default for ComparisonOptions {
    fn default() -> Self {
        Self { seeds: 0, deviation: 0.1, time_limit: Duration::from_secs(5) }
    }
}

/// Policies beside each other on one graph and one platform. All times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The graph's name.
    pub graph: String,
    /// How many tasks it has.
    pub tasks: usize,
    /// How many edges.
    pub edges: usize,
    /// How many workers the platform has.
    pub workers: usize,
    /// What no schedule gets below.
    pub bounds: Bounds,
    /// The best schedule that was found, where it was sought.
    pub optimum: Option<OptimumFound>,
    /// A row for each policy, in the order in which they were named.
    pub rows: Vec<ComparisonRow>,
}

/// What a search for the best schedule came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OptimumFound {
    /// The makespan of the best that was found.
    pub makespan: f64,
    /// Whether no schedule is shorter.
    pub proven: bool,
    /// How many partial schedules were looked at.
    pub nodes: u64,
    /// The schedule.
    #[serde(skip)]
    pub schedule: Schedule,
}

/// What one policy came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComparisonRow {
    /// The policy, as it was named.
    pub policy: String,
    /// Whether it plans ahead.
    pub is_static: bool,
    /// The measures of its schedule; their means, where costs were drawn. None if it made no schedule.
    pub metrics: Option<Metrics>,
    /// Half the width of the interval in which the mean makespan lies with a probability of 95 %, by Student's
    /// distribution, where costs were drawn more than once.
    pub makespan_confidence: Option<f64>,
    /// The makespan over the optimum where that is proven, otherwise over the largest bound.
    pub over_bound: Option<f64>,
    /// Why it made no schedule, or could not be executed.
    pub problem: Option<String>,
    /// What its execution came to, once it was [executed](Comparison::execute).
    pub executed: Option<Execution>,
    /// By how much the execution took longer than the schedule, over what that takes; none where that is nothing.
    pub execution_error: Option<f64>,
    /// Its schedule, for the costs as they are.
    #[serde(skip)]
    pub schedule: Option<Schedule>,
}

impl Comparison {
    /// Seconds of the clock that [`execute`](Self::execute) takes if tasks take what they should.
    pub fn execution_seconds(&self, options: &ExecutionOptions) -> f64 {
        let schedules = self.rows.iter().filter_map(|row| row.schedule.as_ref());
        let seconds: f64 = schedules.map(Schedule::makespan).sum();
        seconds * options.unit * f64::from(options.repeats)
    }

    /// Executes the graph by each policy that made a schedule: those that plan ahead by that schedule, and those of the
    /// pool as they decide.
    ///
    /// ```
    /// use caudal::scheduling::{
    ///     ComparisonOptions, ExecutionOptions, Instance, Platform, RandomGraph, compare,
    /// };
    ///
    /// let (graph, platform) = (RandomGraph::new(10, 2).generate(1)?, Platform::equal(2)?);
    /// let mut comparison = compare(&graph, &platform, &["heft", "fifo"], &ComparisonOptions::default())?;
    /// let options = ExecutionOptions::default().unit(1e-3);
    /// comparison.execute(&Instance::new(&graph, &platform)?, &options)?;
    /// for row in &comparison.rows {
    ///     assert!(row.execution_error.unwrap() > -0.5);
    /// }
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`execute_schedule`] and [`execute_policy`]; but a policy that can't execute the graph has a row that says so.
    pub fn execute(&mut self, instance: &Instance<'_>, options: &ExecutionOptions) -> Result<()> {
        for row in &mut self.rows {
            let Some(schedule) = &row.schedule else { continue };
            let executed = if row.is_static {
                execute_schedule(instance, schedule, options)
            } else {
                execute_policy(instance, &row.policy, options)
            };
            match executed {
                Ok(executed) => {
                    row.execution_error =
                        Some(executed.error(schedule)).filter(|it| it.is_finite());
                    row.executed = Some(executed);
                }
                Err(problem @ (Error::Stalled(_) | Error::Policy { .. })) => {
                    row.problem = Some(problem.to_string());
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}

/// A policy of either kind.
enum Named {
    Static(Box<dyn StaticPolicy>),
    /// Made afresh for every run, since it may remember the one before.
    Dynamic(String),
}

fn named(name: &str) -> Result<Named> {
    let first = name.split(':').next().unwrap_or_default();
    if static_policies().iter().any(|spec| spec.name == first) {
        // The pool's own register knows nothing of policies that plan ahead.
        if registered().iter().any(|spec| spec.name == first) {
            let policy = first.to_owned();
            let problem = "one that plans ahead and one of the pool have this name".to_owned();
            let remedy = "register that of the pool under a name of its own".to_owned();
            return Err(Error::Policy { policy, problem, remedy });
        }
        return static_policy(name).map(Named::Static);
    }
    match policy(name) {
        Ok(_) => Ok(Named::Dynamic(name.to_owned())),
        Err(Error::Unknown { .. }) => {
            Err(Error::unknown("policy", name, all_policies().into_iter()))
        }
        Err(other) => Err(other),
    }
}

/// Whether [`compare`] knows these policies.
///
/// # Errors
/// The first that it does not know, or whose argument is wrong.
pub fn check_policies(policies: &[impl AsRef<str>]) -> Result<()> {
    policies.iter().try_for_each(|name| named(name.as_ref()).map(drop))
}

/// The names of all policies that [`compare`] takes: those that plan ahead, then those of the pool; registered ones last
/// of each kind.
pub fn all_policies() -> Vec<&'static str> {
    let planned = static_policies().into_iter().map(|spec| spec.name);
    let pool = POLICIES.iter().copied().chain(registered()).map(|spec| spec.name);
    planned.chain(pool).collect()
}

/// Schedules a graph on a platform by each of some policies, and measures the schedules; with the bounds of the makespan
/// and, for graphs of at most [`MOST_OPTIMAL_TASKS`] tasks that need one worker each, the optimum.
///
/// # Errors
/// If there is no such policy, or if the graph can't run on the platform. A policy that can't schedule the graph has a row
/// that says so.
pub fn compare(
    graph: &WeightedGraph,
    platform: &Platform,
    policies: &[impl AsRef<str>],
    options: &ComparisonOptions,
) -> Result<Comparison> {
    let policies: Vec<(String, Named)> = policies
        .iter()
        .map(|name| Ok((name.as_ref().to_owned(), named(name.as_ref())?)))
        .collect::<Result<_>>()?;
    let instance = Instance::new(graph, platform)?;
    let bounds = Bounds::new(&instance);
    let drawn: Vec<WeightedGraph> =
        (0..options.seeds).map(|seed| graph.drawn(seed.into(), options.deviation)).collect();
    let mut rows: Vec<ComparisonRow> = policies
        .iter()
        .map(|(name, policy)| row(name, policy, &instance, &drawn))
        .collect::<Result<_>>()?;
    let is_small = graph.task_count() <= MOST_OPTIMAL_TASKS
        && graph.tasks().iter().all(|task| task.workers == 1)
        && !options.time_limit.is_zero();
    let optimum = if is_small {
        let made = rows.iter().filter_map(|row| row.schedule.as_ref());
        let known = made.min_by(|a, b| a.makespan().total_cmp(&b.makespan()));
        let found = optimum(&instance, known, options.time_limit)?;
        Some(OptimumFound {
            makespan: found.schedule.makespan(),
            proven: found.proven,
            nodes: found.nodes,
            schedule: found.schedule,
        })
    } else {
        None
    };
    let proven = optimum.as_ref().filter(|found| found.proven);
    let least = proven.map_or(bounds.largest(), |found| found.makespan);
    for row in &mut rows {
        let makespan = row.schedule.as_ref().map(Schedule::makespan);
        row.over_bound = makespan.map(|it| if it == least { 1.0 } else { it / least });
    }
    Ok(Comparison {
        graph: graph.name().to_owned(),
        tasks: graph.task_count(),
        edges: graph.edges().len(),
        workers: platform.workers(),
        bounds,
        optimum,
        rows,
    })
}

fn row(
    name: &str,
    policy: &Named,
    instance: &Instance<'_>,
    drawn: &[WeightedGraph],
) -> Result<ComparisonRow> {
    let mut row = ComparisonRow {
        policy: name.to_owned(),
        is_static: matches!(policy, Named::Static(_)),
        metrics: None,
        makespan_confidence: None,
        over_bound: None,
        problem: None,
        executed: None,
        execution_error: None,
        schedule: None,
    };
    let planned = match scheduled(policy, instance, None) {
        Ok(planned) => planned,
        // What the policy can't do; faults of ours and of policies are none of that.
        Err(problem @ (Error::Stalled(_) | Error::Policy { .. })) => {
            row.problem = Some(problem.to_string());
            return Ok(row);
        }
        Err(other) => return Err(other),
    };
    planned.check(instance)?;
    if drawn.is_empty() {
        row.metrics = Some(planned.metrics(instance));
        row.schedule = Some(planned);
        return Ok(row);
    }
    let mut all = Vec::with_capacity(drawn.len());
    for graph in drawn {
        let actual = Instance::new(graph, instance.platform())?;
        let schedule = match policy {
            Named::Static(_) => planned.retimed(&actual),
            Named::Dynamic(_) => scheduled(policy, instance, Some(&actual))?,
        };
        schedule.check(&actual)?;
        all.push(schedule.metrics(&actual));
    }
    row.makespan_confidence = confidence(&all.iter().map(|it| it.makespan).collect::<Vec<_>>());
    row.metrics = Some(Metrics::mean(&all));
    row.schedule = Some(planned);
    Ok(row)
}

/// The schedule of a policy; of one that decides while tasks run, as they take what they take in `actual`.
fn scheduled(
    named: &Named,
    instance: &Instance<'_>,
    actual: Option<&Instance<'_>>,
) -> Result<Schedule> {
    match named {
        Named::Static(policy) => policy.schedule(instance),
        Named::Dynamic(name) => {
            run_policy(instance, policy(name)?.as_mut(), actual.unwrap_or(instance))
        }
    }
}

/// Half the width of the 95 % confidence interval of the mean.
fn confidence(numbers: &[f64]) -> Option<f64> {
    /// Student's distribution, two-sided 95 %, by degrees of freedom from 1 on.
    const STUDENT: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    let freedom = numbers.len().checked_sub(1).filter(|&freedom| freedom > 0)?;
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    let error = (squares / freedom as f64 / numbers.len() as f64).sqrt();
    Some(STUDENT.get(freedom - 1).unwrap_or(&1.96) * error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        assert_eq!(confidence(&[1.0]), None);
        // numpy and scipy: t.ppf(0.975, 3) * std(ddof=1) / sqrt(4) of 1, 2, 3, 6.
        let half = confidence(&[1.0, 2.0, 3.0, 6.0]).unwrap();
        assert!((half - 3.437).abs() < 0.002, "{half}");
    }
}
