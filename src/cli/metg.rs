//! `caudal metg`: how fine tasks may be until an executor is no longer efficient.

use std::time::Duration;

use caudal::flow::{executor, pinned_executor};
use caudal::measure::Provenance;
use caudal::task_bench::{Kernel, Metg, MetgOptions, Pattern, metg};
use clap::Args;
use serde_json::json;

use super::output::{TimeUnit, columns, counted, line, printable, threads};
use super::{Stop, conditions, legends, options};

/// Measures the smallest grain of tasks at which an executor is efficient, in graphs of closures (Task Bench's METG).
///
/// A PATTERN is one of `caudal patterns`, with arguments as in stencil:width=8,steps=125. Its tasks run a kernel, whose
/// iterations fall by half from row to row: from some 0.2 ms a task until the efficiency of two rows is below half of what --efficiency asks for. The
/// efficiency is the rate of iterations over the highest, that of independent tasks of the largest grain on the same
/// workers; METG(50 %) is the smallest grain with one half of it, as Slaughter et al. define it (SC 2020). The kernels of
/// theirs are here --kernel compute and memory, and, with imbalance=X among the arguments, those with tasks that differ; empty tasks are
/// always measured.
#[derive(Debug, Args)]
pub(super) struct Metgs {
    /// Patterns, with arguments as in nearest:width=4,steps=100,radix=5 (see `caudal patterns`); their grain is what is varied
    #[arg(value_name = "PATTERN", default_value = "stencil")]
    patterns: Vec<String>,
    /// What tasks do: compute, or change memory
    #[arg(long, value_name = "compute|memory", default_value = "compute", value_parser = kernel)]
    kernel: Kernel,
    /// The efficiency that the grain is sought for, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 50.0, value_parser = percent)]
    efficiency: f64,
    /// Numbers of threads of the pool, the calling one included [default: 1, 2, 4, ... up to one for every core]
    #[arg(long, value_name = "N,...", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: Vec<u16>,
    /// What runs the graphs (see `caudal executors`); one without workers of its own is measured once
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "pool")]
    executors: Vec<String>,
    /// Which ready task runs next (see `caudal policies`)
    #[arg(long, value_name = "NAME", default_value = "fifo")]
    policy: String,
    /// Repeats the runs of each grain for this long; there are three at least
    #[arg(long, value_name = "S", default_value_t = 0.1, value_parser = super::bench::seconds)]
    seconds: f64,
    #[command(flatten)]
    pin: options::Pin,
    #[command(flatten)]
    mixed: conditions::MixedStates,
    /// Prints CSV: a row for every grain
    #[arg(long)]
    csv: bool,
    /// Ends with one JSON object on a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
}

fn kernel(text: &str) -> Result<Kernel, String> {
    let found = Kernel::ALL.iter().find(|(name, _)| *name == text);
    found.map(|&(_, kernel)| kernel).ok_or_else(|| "expected compute or memory".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number of percent".to_owned())?;
    if (1.0..=99.0).contains(&number) { Ok(number) } else { Err("expected 1 to 99".to_owned()) }
}

/// Refuses patterns that say what is measured.
fn pattern(text: &str) -> Result<Pattern, Stop> {
    let pattern = Pattern::parse(text)?;
    let (_, arguments) = text.split_once(':').unwrap_or((text, ""));
    if arguments.split(',').any(|it| it.starts_with("grain=")) {
        let problem = format!("{}: the grain is what is varied", printable(text));
        return Err(Stop::Usage(format!("{problem}; leave it out")));
    }
    Ok(pattern)
}

/// The columns of CSV, before those of the state of the cores.
const HEADER: &str = "pattern,tasks,edges,kernel,executor,policy,workers,cores,peak iterations a second,iterations,grain \
    (ns),efficiency,runs,efficiency sought,METG (ns),empty (ns)";

impl Metgs {
    pub(super) fn run(self) -> Result<(), Stop> {
        let patterns = self.patterns.iter().map(|text| pattern(text));
        let patterns = patterns.collect::<Result<Vec<_>, Stop>>()?;
        let cases = self.cases()?;
        if self.csv {
            line(format!("{HEADER},{}", conditions::FIELDS.replace(", ", ",")))?;
        }
        let mut all: Vec<(Metg, Provenance)> = Vec::new();
        for pattern in &patterns {
            for (name, workers) in &cases {
                let (measured, provenance) = self.measure(pattern, name, *workers)?;
                if self.csv {
                    csv_rows(&measured, &provenance)?.iter().try_for_each(line)?;
                } else {
                    self.grains(&measured).iter().try_for_each(line)?;
                }
                all.push((measured, provenance));
            }
        }
        if self.csv {
            return Ok(());
        }
        let measured: Vec<&Metg> = all.iter().map(|(measured, _)| measured).collect();
        summary(&measured, self.efficiency).iter().try_for_each(line)?;
        legends::lines(legends::METG).into_iter().try_for_each(line)?;
        if let Some((last, provenance)) = all.last() {
            let states = all.iter().map(|(it, _)| conditions::state(&it.conditions));
            let mut shown: Vec<String> = states.collect();
            shown.dedup();
            shown.iter().take(shown.len() - 1).try_for_each(line)?;
            conditions::lines(&last.conditions, provenance).iter().try_for_each(line)?;
        }
        if self.json {
            let objects = all.iter().map(|(it, from)| conditions::object(it, &it.conditions, from));
            let objects = objects.collect::<Result<Vec<_>, Stop>>()?;
            line(json!({ "metg": objects }).to_string())?;
        }
        Ok(())
    }

    /// Executors with their numbers of workers, all of which can be made.
    fn cases(&self) -> Result<Vec<(String, usize)>, Stop> {
        let workers = options::workers_or_doubled(&self.workers);
        let mut cases = Vec::new();
        for name in &self.executors {
            // Errors are those of one worker, before any is measured.
            pinned_executor(name, 1, &self.policy, self.pin.pinning())
                .map_err(|error| Stop::Usage(error.to_string()))?;
            if name == "actors" && self.kernel == Kernel::Memory {
                let problem =
                    "actors has a thread for every task, and each would change memory of its own";
                return Err(Stop::Usage(format!("--kernel: {problem}; take another executor")));
            }
            let has_workers = executor(name, 2, &self.policy)?.workers() == 2;
            let counts = if has_workers { workers.as_slice() } else { &[1] };
            cases.extend(counts.iter().map(|&count| (name.clone(), count)));
        }
        Ok(cases)
    }

    fn measure(
        &self,
        pattern: &Pattern,
        name: &str,
        workers: usize,
    ) -> Result<(Metg, Provenance), Stop> {
        let mut executor = pinned_executor(name, workers, &self.policy, self.pin.pinning())?;
        let options = MetgOptions::default()
            .kernel(self.kernel)
            .efficiency(self.efficiency / 100.0)
            .limit(Duration::from_secs_f64(self.seconds));
        let provenance = conditions::provenance().pinning(executor.pinning());
        let measure = || Ok(metg(pattern, options, executor.as_mut())?);
        let measured = self.mixed.steady(measure, |it: &Metg| &it.conditions)?;
        Ok((measured, provenance))
    }

    /// The efficiency by grain, as lines.
    fn grains(&self, it: &Metg) -> Vec<String> {
        let mut lines = vec![printable(&format!(
            "{}: {} with {}, {}; {} on {}: at most {:.3e} iterations a second",
            it.pattern,
            counted(it.tasks, "task"),
            counted(it.edges, "edge"),
            it.kernel,
            executed_by(it),
            threads(it.workers),
            it.peak
        ))];
        let mut rows =
            vec![["iterations", "grain us", "efficiency", "runs"].map(str::to_owned).to_vec()];
        rows.extend(it.rows.iter().map(|row| {
            vec![
                row.iterations.to_string(),
                format!("{:.3}", row.grain_ns * 1e-3),
                format!("{:.1} %", 100.0 * row.efficiency),
                row.runs.to_string(),
            ]
        }));
        lines.extend(columns(&rows, |_| false));
        lines.push(format!("METG({} %): {}", self.efficiency, time(it.metg_ns)));
        lines.push(String::new());
        lines
    }
}

fn executed_by(it: &Metg) -> String {
    let policy = it.policy.as_ref().map_or(String::new(), |policy| format!(" by {policy}"));
    format!("{}{policy}", it.executor)
}

fn time(ns: Option<f64>) -> String {
    ns.map_or("-".to_owned(), |ns| TimeUnit::of(ns * 1e-6).text(ns * 1e-6))
}

/// A row for every case.
fn summary(measured: &[&Metg], efficiency: f64) -> Vec<String> {
    let title = format!("METG({efficiency} %)");
    let head = ["pattern", "kernel", "executor", "workers", "tasks", "edges", &title, "empty"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(measured.iter().map(|it| {
        vec![
            it.pattern.clone(),
            it.kernel.to_owned(),
            executed_by(it),
            it.workers.to_string(),
            it.tasks.to_string(),
            it.edges.to_string(),
            time(it.metg_ns),
            time(Some(it.empty_ns)),
        ]
    }));
    columns(&rows, |column| column < 3)
}

/// A row of CSV for every grain.
fn csv_rows(it: &Metg, provenance: &Provenance) -> Result<Vec<String>, Stop> {
    let failed = |error: String| Stop::Failed(format!("the rows of figures: {error}"));
    let fields = conditions::fields(&it.conditions, provenance)?;
    let row = |row: &caudal::task_bench::GrainRow| {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let cells = [
            it.pattern.clone(),
            it.tasks.to_string(),
            it.edges.to_string(),
            it.kernel.to_owned(),
            it.executor.clone(),
            it.policy.clone().unwrap_or_else(|| "-".to_owned()),
            it.workers.to_string(),
            it.cores.to_string(),
            it.peak.to_string(),
            row.iterations.to_string(),
            row.grain_ns.to_string(),
            row.efficiency.to_string(),
            row.runs.to_string(),
            it.efficiency.to_string(),
            it.metg_ns.map_or_else(|| "-".to_owned(), |ns| ns.to_string()),
            it.empty_ns.to_string(),
        ];
        writer.write_record(cells).map_err(|error| failed(error.to_string()))?;
        let line = writer.into_inner().map_err(|error| failed(error.to_string()))?;
        Ok(format!("{},{fields}", String::from_utf8_lossy(&line).trim_end()))
    };
    it.rows.iter().map(row).collect()
}
