//! Schedules that are executed, beside what was simulated.

use std::ops::RangeInclusive;

use caudal::scheduling::{
    Communication, Comparison, ExecutionOptions, Load, MOST_REPEATS, Platform, Schedule,
    WeightedGraph,
};
use clap::Args;

use super::tables::figures;
use crate::cli::Stop;
use crate::cli::output::columns;

/// What a second of a graph may take.
const UNITS: RangeInclusive<f64> = 1e-9..=1e9;

/// Options of executions.
#[derive(Debug, Args)]
pub(super) struct Executing {
    /// Executes every schedule on this machine, with threads whose tasks take their cost: they keep a core busy (spin),
    /// sleep, or change memory, as many bytes as one worker changes in that time, and copy the bytes of edges (memory).
    /// spin and memory need a core for every worker
    #[arg(long, value_name = "spin|sleep|memory", value_parser = load, conflicts_with = "seeds")]
    run: Option<Load>,
    /// Seconds of the clock that a second of a graph takes when it is executed; files whose costs are in other units
    /// need it
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = unit, requires = "run")]
    unit: f64,
    /// Executes every schedule N times, and takes the median of the makespans
    #[arg(long, value_name = "N", default_value_t = 1, requires = "run",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_REPEATS)))]
    repeats: u32,
    /// How long all executions together may take, by what was simulated; what would take longer is refused
    #[arg(long, value_name = "S", default_value_t = 300.0, requires = "run",
        value_parser = crate::cli::bench::seconds)]
    run_limit: f64,
}

fn load(text: &str) -> Result<Load, String> {
    let found = Load::ALL.iter().find(|(name, _)| *name == text);
    found.map(|&(_, load)| load).ok_or_else(|| "expected spin, sleep or memory".to_owned())
}

fn unit(text: &str) -> Result<f64, String> {
    let unit: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if UNITS.contains(&unit) { Ok(unit) } else { Err("expected 1e-9 to 1e9".to_owned()) }
}

impl Executing {
    /// How schedules are executed, if they are.
    pub(super) fn options(&self) -> Option<ExecutionOptions> {
        let options = ExecutionOptions::default().unit(self.unit).repeats(self.repeats);
        self.run.map(|load| options.load(load))
    }

    /// Refuses what would take too long.
    pub(super) fn check(
        &self,
        comparisons: &[Comparison],
        options: &ExecutionOptions,
    ) -> Result<(), Stop> {
        let seconds: f64 = comparisons.iter().map(|it| it.execution_seconds(options)).sum();
        if seconds <= self.run_limit {
            return Ok(());
        }
        // Rounded down.
        let fits = 0.95 * self.unit * self.run_limit / seconds;
        let remedy = if UNITS.contains(&fits) {
            format!("with --unit {fits:.1e} they fit")
        } else {
            "raise --run-limit".to_owned()
        };
        Err(Stop::Usage(format!(
            "--run: all executions would take {} s, more than --run-limit {}; {remedy}",
            figures(seconds),
            self.run_limit
        )))
    }

    /// Refuses machines of more workers than cores where each needs one, before anything runs.
    pub(super) fn check_cores(&self, workers: impl Iterator<Item = usize>) -> Result<(), Stop> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let most = workers.max().unwrap_or(0);
        if self.run.is_none_or(|load| load == Load::Sleep) || most <= cores {
            return Ok(());
        }
        Err(Stop::Usage(format!(
            "--run: tasks that keep cores busy need one each, and there are {cores} for {most} workers; ask for \
             --workers up to {cores}, or let tasks sleep"
        )))
    }
}

/// What to know of tasks that are too short to be timed.
pub(super) fn notes(comparisons: &[Comparison], options: &ExecutionOptions) -> Vec<String> {
    let mut notes = Vec::new();
    let tasks: usize = comparisons.iter().map(|it| it.tasks * it.rows.len()).sum();
    let schedules =
        comparisons.iter().flat_map(|it| it.rows.iter().filter_map(|row| row.schedule.as_ref()));
    let placements = schedules.flat_map(Schedule::placements);
    let seconds: f64 = placements.map(|it| it.finish - it.start).sum();
    let mean = seconds / tasks.max(1) as f64 * options.unit;
    if mean < 1e-3 {
        notes.push(format!(
            "tasks take {} s in the mean, and handing one from thread to thread takes up to some 1e-4 s: a larger --unit errs less",
            figures(mean)
        ));
    }
    notes
}

/// What to know of bytes that are copied when a graph is executed, and take no time on some link of its machine.
pub(super) fn note_of_bytes<'a>(
    mut cases: impl Iterator<Item = (&'a WeightedGraph, &'a Platform)>,
    options: &ExecutionOptions,
) -> Option<String> {
    let has_bytes = |graph: &WeightedGraph| {
        let carried = graph.edges().iter().map(|edge| edge.communication);
        carried.into_iter().any(|it| matches!(it, Communication::Bytes(bytes) if bytes > 0.0))
    };
    let has_free_link = |platform: &Platform| {
        let workers = 0..platform.workers();
        let mut pairs = workers.clone().flat_map(|from| workers.clone().map(move |to| (from, to)));
        pairs.any(|(from, to)| from != to && platform.link(from, to).bandwidth.is_infinite())
    };
    let is_copied = options.load == Load::Memory
        && cases.any(|(graph, platform)| has_bytes(graph) && has_free_link(platform));
    is_copied.then(|| {
        "the bytes of edges take no time in the simulation without --bandwidth, or one in the file of --machine, and time \
         to be copied in the execution"
            .to_owned()
    })
}

/// Mean errors of executions by policy and number of workers, where there are several graphs or machines.
pub(super) fn errors(comparisons: &[&Comparison]) -> Vec<String> {
    let mut policies: Vec<&str> = Vec::new();
    let mut counts: Vec<usize> = Vec::new();
    for comparison in comparisons {
        let names = comparison.rows.iter().map(|row| row.policy.as_str());
        policies.extend(names.filter(|name| !policies.contains(name)).collect::<Vec<_>>());
        if !counts.contains(&comparison.workers) {
            counts.push(comparison.workers);
        }
    }
    let errors = |policy: Option<&str>, workers: Option<usize>| -> Vec<f64> {
        let chosen =
            comparisons.iter().filter(|it| workers.is_none_or(|count| it.workers == count));
        let rows = chosen.flat_map(|it| &it.rows);
        let rows = rows.filter(|row| policy.is_none_or(|name| row.policy == name));
        rows.filter_map(|row| row.execution_error).collect()
    };
    let percent = |number: f64| format!("{:.2} %", 100.0 * number);
    let mean = |errors: &[f64]| {
        let sum: f64 = errors.iter().map(|error| error.abs()).sum();
        if errors.is_empty() { "-".to_owned() } else { percent(sum / errors.len() as f64) }
    };
    let mut head = vec!["policy".to_owned(), "executed".to_owned()];
    head.extend(counts.iter().map(|count| format!("on {count}")));
    head.extend(["mean error", "longer by", "largest"].map(str::to_owned));
    let mut rows = vec![head];
    for policy in policies.into_iter().map(Some).chain([None]) {
        let all = errors(policy, None);
        let mut row = vec![policy.unwrap_or("all").to_owned(), all.len().to_string()];
        row.extend(counts.iter().map(|&count| mean(&errors(policy, Some(count)))));
        let bias = all.iter().sum::<f64>() / all.len().max(1) as f64;
        let largest = all.iter().map(|error| error.abs()).fold(0.0, f64::max);
        row.extend([mean(&all), percent(bias), percent(largest)]);
        rows.push(row);
    }
    columns(&rows, |column| column == 0)
}
