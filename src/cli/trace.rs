//! `caudal trace`: what traces tell.

use std::path::PathBuf;

use caudal::flow::trace::{
    Analysis, Cause, Difference, Execution, Trace, WorkerUse, analyse, difference, read,
};
use caudal::report::{Page, trace_gantt};
use caudal::scheduling::MOST_WORKERS;
use clap::Args;
use serde_json::json;

use super::gantt_file::is_svg;
use super::output::{TimeUnit, columns, counted, line, printable, write_file};
use super::outputs::Outputs;
use super::{Stop, gantt_file, legends};

/// Reads traces that --trace wrote (.csv, .jsonl or .json), and tells where the time went.
///
/// Of every FILE: T1, T∞ and bounds, where the time of each worker went, with idle time by cause, and the critical path
/// as executed: the parts that the end waited for, each with why it did not start earlier. Of two files also what
/// became different: tasks that took longer or shorter, the order of their starts, and the workers that ran them.
#[derive(Debug, Args)]
pub(super) struct Traces {
    /// Traces
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The execution that is told of, counted from 0 [default: that of median length]
    #[arg(long, value_name = "N")]
    execution: Option<usize>,
    /// The most rows of a critical path, which are those that took longest, and of tasks that differ
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Draws the execution as a Gantt chart: of one file as FILE.svg, of all as FILE.html
    #[arg(long, value_name = "FILE")]
    gantt: Option<PathBuf>,
    /// Prints CSV: a row for every execution of every file
    #[arg(long, conflicts_with = "execution")]
    csv: bool,
    /// Ends with one JSON object on a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
}

const CSV_HEADER: &str = "file,execution,tasks,parts,workers,makespan_ms,work_ms,critical_path_ms,least_ms,busy_ms,\
                          no_part_ms,asleep_ms,overhead_ms";

impl Traces {
    pub(super) fn run(self) -> Result<(), Stop> {
        self.check_outputs()?;
        let mut traces = Vec::new();
        for file in &self.files {
            traces.push((file.display().to_string(), read(file)?));
        }
        self.check_charts(&traces)?;
        if self.csv {
            line(CSV_HEADER)?;
            for (file, trace) in &traces {
                csv_rows(file, trace)?.iter().try_for_each(line)?;
            }
            return self.draw(&traces);
        }
        let mut analyses = Vec::new();
        for (file, trace) in &traces {
            let analysis = analyse(trace, self.execution)?;
            for text in described(file, &analysis, self.top) {
                line(text)?;
            }
            analyses.push(analysis);
        }
        legends::lines(legends::TRACE).into_iter().try_for_each(line)?;
        let different = match &traces[..] {
            [first, second] => Some(difference(&first.1, &second.1)),
            _ => None,
        };
        if let Some(different) = &different {
            compared(different, self.top).into_iter().try_for_each(line)?;
            legends::lines(legends::DIFFERENCE).into_iter().try_for_each(line)?;
        }
        self.draw(&traces)?;
        if self.json {
            let traces = traces.iter().zip(&analyses).map(|((file, _), analysis)| {
                let mut object = json!(analysis);
                object["file"] = json!(file);
                object
            });
            let traces: Vec<_> = traces.collect();
            line(json!({ "traces": traces, "difference": different }).to_string())?;
        }
        Ok(())
    }

    /// Refuses charts that could not be written, before the work.
    fn check_outputs(&self) -> Result<(), Stop> {
        let mut outputs = Outputs::default().writes("--gantt", self.gantt.as_ref());
        for file in &self.files {
            outputs = outputs.reads("FILE", Some(file));
        }
        outputs.check()?;
        let Some(path) = &self.gantt else { return Ok(()) };
        gantt_file::check(path)?;
        if is_svg(path) && self.files.len() > 1 {
            let problem = "an .svg file holds one chart; name one FILE, or an .html file";
            return Err(Stop::Usage(format!("--gantt: {problem}")));
        }
        Ok(())
    }

    /// Refuses an execution with more workers than a chart can have, before anything is printed.
    fn check_charts(&self, traces: &[(String, Trace)]) -> Result<(), Stop> {
        if self.gantt.is_none() {
            return Ok(());
        }
        for (file, trace) in traces {
            let number = self.execution.unwrap_or_else(|| trace.typical());
            let workers = trace.executions().get(number).map_or(0, Execution::worker_count);
            if workers > MOST_WORKERS {
                return Err(Stop::Usage(format!(
                    "--gantt: execution {number} of {file} has {workers} workers, and a chart {MOST_WORKERS} at most; \
                     leave it out"
                )));
            }
        }
        Ok(())
    }

    fn draw(&self, traces: &[(String, Trace)]) -> Result<(), Stop> {
        let Some(path) = &self.gantt else { return Ok(()) };
        let mut page = Page::new("Traces".to_owned());
        for (number, (file, trace)) in traces.iter().enumerate() {
            let execution = self.execution.unwrap_or_else(|| trace.typical());
            let analysis = analyse(trace, Some(execution))?;
            let title = printable(&format!(
                "{file}: {}, execution {execution}: {}",
                trace.name(),
                TimeUnit::of(analysis.makespan_ms).text(analysis.makespan_ms)
            ));
            let picture = trace_gantt(&title, trace, execution)?;
            if is_svg(path) {
                return write_file(path, &picture);
            }
            page.table(&title, &described(file, &analysis, self.top));
            page.picture(&format!("gantt-{number}"), &title, &picture, "");
        }
        write_file(path, &page.to_html())
    }
}

/// A row for every execution.
fn csv_rows(file: &str, trace: &Trace) -> Result<Vec<String>, Stop> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    for number in 0..trace.executions().len() {
        let it = analyse(trace, Some(number))?;
        let total = it.total();
        let numbers = [number, it.tasks, it.parts, it.workers].map(|it| it.to_string());
        let times = [
            it.makespan_ms,
            it.work_ms,
            it.critical_path_ms,
            it.least_ms,
            total.busy_ms,
            total.no_part_ms,
            total.asleep_ms,
            total.overhead_ms,
        ];
        let cells = std::iter::once(file.to_owned()).chain(numbers);
        let written = writer.write_record(cells.chain(times.map(|ms| format!("{ms:.6}"))));
        written.map_err(|error| Stop::Failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| Stop::Failed(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// An execution as lines.
fn described(file: &str, it: &Analysis, top: usize) -> Vec<String> {
    let unit = TimeUnit::of(it.makespan_ms);
    let ms = |ms: f64| unit.text(ms);
    let [least, median, most] = it.makespans_ms;
    let mut lines = vec![
        format!(
            "{file}: {}, {} of {} in the median ({:.3}-{:.3})",
            it.graph,
            counted(it.executions, "execution"),
            ms(median),
            unit.of_ms(least),
            unit.of_ms(most)
        ),
        format!(
            "execution {}: {}; {} in {} on {}",
            it.execution,
            ms(it.makespan_ms),
            counted(it.tasks, "task"),
            counted(it.parts, "part"),
            counted(it.workers, "worker")
        ),
        format!(
            "T1 {}, T∞ {}, T1 / T∞ {:.2}; at least {}, {:.1} % of what it took; Graham {}",
            ms(it.work_ms),
            ms(it.critical_path_ms),
            it.parallelism,
            ms(it.least_ms),
            share(it.least_ms, it.makespan_ms),
            ms(it.graham_ms)
        ),
    ];
    lines.extend(worker_table(it));
    if !it.tells_of_sleep {
        lines.push(
            "the trace does not tell when workers slept: that time is among overhead".to_owned(),
        );
    }
    let ran: f64 = it.path.iter().map(|step| step.run_ms).sum();
    let waited: f64 = it.path.iter().map(|step| step.gap_ms).sum();
    let end = it.path.last().map_or(0.0, |last| last.start_ms + last.run_ms);
    lines.push(format!(
        "critical path as executed: {}, {} in them, {} between, {} after the last",
        counted(it.path.len(), "part"),
        ms(ran),
        ms(waited),
        ms(it.makespan_ms - end)
    ));
    lines.extend(path_table(it, top));
    lines.into_iter().map(|line| printable(&line)).collect()
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

fn worker_table(it: &Analysis) -> Vec<String> {
    let head = ["worker", "parts", "busy", "no part", "asleep", "overhead"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut row = |name: String, of: &WorkerUse, workers: f64| {
        let percent = |ms: f64| format!("{:.1} %", share(ms, workers * it.makespan_ms));
        let mut cells = vec![name, of.parts.to_string()];
        cells.extend([of.busy_ms, of.no_part_ms, of.asleep_ms, of.overhead_ms].map(percent));
        rows.push(cells);
    };
    for (number, of) in it.worker_uses.iter().enumerate() {
        row(number.to_string(), of, 1.0);
    }
    row("all".to_owned(), &it.total(), it.workers as f64);
    columns(&rows, |_| false)
}

/// The steps of the critical path that took longest, in order.
fn path_table(it: &Analysis, top: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..it.path.len()).collect();
    let took = |place: &usize| it.path[*place].run_ms + it.path[*place].gap_ms;
    order.sort_by(|a, b| took(b).total_cmp(&took(a)));
    order.truncate(top);
    order.sort_unstable();
    let unit = TimeUnit::of(it.makespan_ms);
    let [start, gap] = ["start", "gap"].map(|what| format!("{what} {}", unit.name));
    let mut head = vec![start, gap, unit.name.to_owned()];
    head.extend(["worker", "because of", "task"].map(str::to_owned));
    let mut rows = vec![head];
    for place in &order {
        let step = &it.path[*place];
        let cause = match step.cause {
            Cause::Message => "message",
            Cause::Worker => "worker",
            _ => "begin",
        };
        let times = [step.start_ms, step.gap_ms, step.run_ms];
        let times = times.map(|ms| format!("{:.4}", unit.of_ms(ms)));
        let mut cells = times.to_vec();
        cells.extend([step.worker.to_string(), cause.to_owned(), step.label.clone()]);
        rows.push(cells);
    }
    let mut lines = columns(&rows, |column| column > 3);
    if order.len() < it.path.len() {
        lines.push(format!("({} shorter ones are left out)", it.path.len() - order.len()));
    }
    lines
}

/// What became different as lines.
fn compared(it: &Difference, top: usize) -> Vec<String> {
    let head = ["", "first", "second", "second / first"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let ratio = |[first, second]: [f64; 2]| {
        if first > 0.0 { format!("{:.3}", second / first) } else { "-".to_owned() }
    };
    let mut row = |name: &str, [first, second]: [f64; 2], decimals: usize| {
        let number = |it: f64| format!("{it:.decimals$}");
        rows.push(vec![name.to_owned(), number(first), number(second), ratio([first, second])]);
    };
    let unit = TimeUnit::of(it.makespan_ms[0].max(it.makespan_ms[1]));
    for (name, ms) in
        [("makespan", it.makespan_ms), ("T1", it.work_ms), ("T∞", it.critical_path_ms)]
    {
        row(&format!("{name} {}", unit.name), ms.map(|ms| unit.of_ms(ms)), 3);
    }
    row("workers", it.workers.map(|it| it as f64), 0);
    row("busy %", it.busy_share.map(|it| 100.0 * it), 1);
    let mut lines = columns(&rows, |column| column == 0);
    lines.push(format!(
        "{} tasks in both; reordered: {:.1} % of the pairs; on another worker: {}",
        it.tasks.len(),
        100.0 * it.reordered_share,
        it.moved
    ));
    for (what, only) in ["first", "second"].into_iter().zip(&it.only).filter(|it| !it.1.is_empty())
    {
        let some: Vec<&str> = only.iter().take(top).map(String::as_str).collect();
        let more = if some.len() < only.len() { ", and others" } else { "" };
        let names = printable(&some.join("; "));
        lines.push(format!("{} tasks in the {what} alone: {names}{more}", only.len()));
    }
    let head = ["first", "second", "difference"].map(|what| format!("{what} {}", unit.name));
    let mut rows = vec![[&head[..], &["task".to_owned()]].concat()];
    for task in it.tasks.iter().take(top) {
        let [first, second] = task.ms.map(|ms| unit.of_ms(ms));
        let mut cells = [first, second].map(|ms| format!("{ms:.4}")).to_vec();
        cells.extend([format!("{:+.4}", second - first), task.label.clone()]);
        rows.push(cells);
    }
    lines.extend(columns(&rows, |column| column == 3));
    lines
}
