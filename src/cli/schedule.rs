//! `caudal schedule`: anybody's task graphs on anybody's machines.

mod averages;
mod charts;
mod executing;
mod random;
mod tables;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use caudal::context::Mode;
use caudal::model::Model;
use caudal::plan::{Plan, PlanOptions};
use caudal::scheduling::{
    Comparison, ComparisonOptions, Instance, Link, MOST_WORKERS, Platform, WeightedGraph,
    all_policies, check_policies, compare, formats,
};
use caudal::simulator::{Measurement, PartCosts, weighted_graph};
use caudal::task_bench::Pattern;
use clap::Args;
use rayon::prelude::*;
use serde_json::json;

use self::executing::Executing;
use self::random::{Parameters, Randomly};
use self::tables::{CSV_HEADER, csv_rows, rows};
use super::gantt_file::is_svg;
use super::output::{counted, line, write_file};
use super::outputs::Outputs;
use super::report::Report;
use super::simulate::speed;
use super::{Stop, gantt_file, legends};

/// Schedules task graphs on virtual machines by policies of the literature and of the pool, and tells what the schedules
/// are worth.
///
/// A FILE is a standard task graph (.stg), a WfCommons workflow (.json), one of Pegasus (.dax, .xml), a digraph of
/// Graphviz with weights (.dot, .gv), a graph in Caudal's own format (.toml), a pattern of Task Bench, with arguments as in
/// stencil:width=8,steps=10 (see `caudal patterns`), or a MODEL, of which the tasks of one
/// training step are taken, with estimated costs or, with --measured, measured ones. Messages between workers take what the links of the machine take, or the time that the file gives; without
/// --machine, --latency or --bandwidth, bytes take no time. Policies that plan ahead are those of `caudal policies`'
/// second table; those of the first decide while tasks run. For every machine: bounds that no schedule gets below, the
/// optimum by branch and bound for up to 30 tasks, and a row for each policy. --run executes the schedules as well, with
/// threads whose tasks take their cost, and --random draws graphs in place of FILEs. docs/task-graphs.md describes
/// formats, machines, policies, executions and random graphs.
#[derive(Debug, Args)]
pub(super) struct Schedules {
    /// Files of task graphs, patterns, or models
    #[arg(value_name = "FILE", required_unless_present = "random")]
    files: Vec<String>,
    /// A machine as a file: workers with speeds, and links
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["workers", "speeds", "latency", "bandwidth"])]
    machine: Option<PathBuf>,
    /// Numbers of equal workers [default: 1,2,4, with --random 2,4,8; of files with costs by worker, as many as have costs]
    #[arg(long, value_name = "N,…", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=MOST_WORKERS as i64))]
    workers: Vec<u16>,
    /// A machine whose workers are so many times as fast as one of speed 1, in place of --workers
    #[arg(long, value_name = "X,…", value_delimiter = ',', conflicts_with = "workers",
        value_parser = speed)]
    speeds: Option<Vec<f64>>,
    /// Seconds that a message between two workers takes at least
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    latency: f64,
    /// Bytes a second that pass between two workers [default: any number]
    #[arg(long, value_name = "B")]
    bandwidth: Option<f64>,
    /// Policies, with arguments as in random:7, or all (see `caudal policies`)
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "heft,cpop,critical-path,fifo,lifo,steal"
    )]
    policies: Vec<String>,
    /// Draws the costs of tasks N times by chance, tries every policy with each, and tells means with their 95 %
    /// confidence intervals
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=100_000))]
    seeds: u32,
    /// The standard deviation of what a task takes, over its mean, with --seeds
    #[arg(long, value_name = "X", default_value_t = 0.1, value_parser = deviation, requires = "seeds")]
    deviation: f64,
    /// How long the optimum of a graph on a machine is sought; 0 for not at all, as with --random
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = super::bench::seconds,
        conflicts_with = "random")]
    time_limit: f64,
    /// Prints CSV: a row for every graph, machine and policy
    #[arg(long)]
    csv: bool,
    /// Draws the schedules as Gantt charts: of one graph, machine and policy as FILE.svg, of all as FILE.html, the page of
    /// --report
    #[arg(long, value_name = "FILE")]
    gantt: Option<PathBuf>,
    #[command(flatten)]
    report: Report,
    /// Ends with one JSON object on a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Items in a batch of a MODEL's training step [default: the model's]
    #[arg(long, value_name = "N", conflicts_with = "random")]
    batch: Option<NonZeroUsize>,
    /// Measures what the tasks of a MODEL's training step take here on one worker, for about a second, in place of
    /// estimating it
    #[arg(long, conflicts_with = "random")]
    measured: bool,
    #[command(flatten)]
    executing: Executing,
    #[command(flatten)]
    randomly: Randomly,
}

fn deviation(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0..=10.0).contains(&number) { Ok(number) } else { Err("expected 0 to 10".to_owned()) }
}

/// A comparison, and what its charts need.
struct Case {
    file: String,
    graph: usize,
    platform: Platform,
    comparison: Comparison,
}

/// What a FILE holds.
enum Opened {
    Tasks(WeightedGraph),
    Model(Box<Model>),
}

/// Graphs, what errors and tables call them, and what random ones were drawn by.
#[derive(Default)]
struct Graphs {
    labels: Vec<String>,
    weighted: Vec<WeightedGraph>,
    drawn: Vec<Parameters>,
}

impl Schedules {
    pub(super) fn run(self) -> Result<(), Stop> {
        let policies: Vec<String> = if self.policies.iter().any(|name| name == "all") {
            all_policies().into_iter().map(str::to_owned).collect()
        } else {
            self.policies.clone()
        };
        self.check_outputs()?;
        self.randomly.check()?;
        let machine = self.machine.as_ref().map(Platform::read).transpose()?;
        let is_random = self.randomly.is_asked_for();
        let seconds = if is_random { 0.0 } else { self.time_limit };
        let options = ComparisonOptions::default()
            .seeds(self.seeds)
            .deviation(self.deviation)
            .time_limit(Duration::from_secs_f64(seconds));
        check_policies(&policies)?;
        let given = self.graphs()?;
        let machines: Vec<(usize, Platform)> = self.machines(machine.as_ref(), &given.weighted)?;
        self.executing.check_cores(machines.iter().map(|(_, platform)| platform.workers()))?;
        let charts = machines.len() * policies.len();
        if self.gantt.as_ref().is_some_and(|path| is_svg(path)) && charts > 1 {
            let problem = format!("there are {charts} charts, and an .svg file holds one");
            let remedy = "name one FILE, one of --workers and one of --policies, or an .html file";
            return Err(Stop::Usage(format!("--gantt: {problem}; {remedy}")));
        }
        let compared = |(number, platform): &(usize, Platform)| {
            compare(&given.weighted[*number], platform, &policies, &options)
        };
        let executions = self.executing.options();
        // Random graphs are many; and what is executed is known to fit before anything runs.
        let mut ahead = if is_random {
            machines.par_iter().map(compared).collect::<Result<Vec<_>, _>>()?
        } else if executions.is_some() {
            machines.iter().map(compared).collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        if let Some(options) = &executions {
            self.executing.check(&ahead, options)?;
            if !self.csv {
                executing::notes(&ahead, options).iter().try_for_each(line)?;
                let cases = machines.iter().map(|(number, on)| (&given.weighted[*number], on));
                executing::note_of_bytes(cases, options).iter().try_for_each(line)?;
            }
        }
        if self.csv {
            line(CSV_HEADER)?;
        }
        let (mut cases, mut described) = (Vec::new(), None);
        let mut ahead = ahead.drain(..);
        for (number, platform) in machines {
            let (file, graph) = (&given.labels[number], &given.weighted[number]);
            if !self.csv && !is_random && described.replace(number) != Some(number) {
                line(tables::description(file, graph))?;
            }
            let compare = || compare(graph, &platform, &policies, &options);
            let mut comparison = ahead.next().map_or_else(compare, Ok)?;
            if let Some(options) = &executions {
                comparison.execute(&Instance::new(graph, &platform)?, options)?;
            }
            let shown = match (self.csv, is_random) {
                (true, _) => csv_rows(file, &comparison)?,
                (false, true) => Vec::new(),
                (false, false) => rows(&comparison),
            };
            shown.iter().try_for_each(line)?;
            cases.push(Case { file: file.clone(), graph: number, platform, comparison });
        }
        if !self.csv {
            self.conclude(&given, &cases)?;
        }
        if let Some(path) = &self.gantt {
            if is_svg(path) {
                let charts = charts::charts(&given.weighted, &cases)?;
                write_file(path, charts.first().map_or("", |(picture, _)| picture.as_str()))?;
            } else {
                write_file(path, &charts::page(&given.weighted, &cases)?.to_html())?;
            }
        }
        if self.report.is_wanted() {
            let page = charts::page(&given.weighted, &cases)?;
            self.report.write(&page)?;
        }
        if self.json {
            let cases = cases.iter().map(|case| {
                let mut object = json!(case.comparison);
                object["file"] = json!(case.file);
                object
            });
            line(json!({ "schedules": cases.collect::<Vec<_>>() }).to_string())?;
        }
        Ok(())
    }

    /// The tables over all graphs and machines, and the legends.
    fn conclude(&self, given: &Graphs, cases: &[Case]) -> Result<(), Stop> {
        let comparisons: Vec<&Comparison> = cases.iter().map(|case| &case.comparison).collect();
        if given.drawn.is_empty() {
            legends::lines(legends::SCHEDULES).into_iter().try_for_each(line)?;
        } else {
            let drawn = cases.iter().map(|case| (&given.drawn[case.graph], &case.comparison));
            line(format!(
                "{}, {} a policy",
                counted(given.weighted.len(), "random graph"),
                counted(cases.len(), "schedule")
            ))?;
            averages::ratios(&drawn.collect::<Vec<_>>()).into_iter().try_for_each(line)?;
            legends::lines(legends::AVERAGES).into_iter().try_for_each(line)?;
        }
        if self.executing.options().is_some() {
            if cases.len() > 1 {
                executing::errors(&comparisons).into_iter().try_for_each(line)?;
            }
            legends::lines(legends::EXECUTED).into_iter().try_for_each(line)?;
        }
        Ok(())
    }

    /// Reads a file of a task graph, a pattern, or a model.
    fn open(&self, file: &str) -> Result<Opened, Stop> {
        let pattern = pattern(file)?;
        let is_other = Path::new(file).extension().is_some_and(|ending| ending != "toml");
        let is_model =
            file.ends_with(".safetensors") || !Path::new(file).exists() && !is_named_as_tasks(file);
        if pattern.is_some() || formats::is_task_graph(file) || is_other && !is_model {
            let graph = pattern.map_or_else(|| formats::read(file), |it| it.graph())?;
            if self.measured || self.batch.is_some() {
                let problem = format!("{file}: --measured and --batch are for MODELs");
                return Err(Stop::Usage(format!("{problem}; leave them out, or name a model")));
            }
            return Ok(Opened::Tasks(graph));
        }
        let mut model = Model::open(Some(file))?.without_metrics()?;
        let batch = self.batch.map_or(model.training.batch_size, NonZeroUsize::get);
        model.training.batch_size = batch;
        Ok(Opened::Model(Box::new(model)))
    }

    /// A task graph, or the training step of a model.
    fn tasks(&self, opened: Opened) -> Result<WeightedGraph, Stop> {
        match opened {
            Opened::Tasks(graph) => Ok(graph),
            Opened::Model(model) if self.measured => measured(&model),
            Opened::Model(model) => step(&model, model.training.batch_size),
        }
    }

    fn graphs(&self) -> Result<Graphs, Stop> {
        if !self.randomly.is_asked_for() {
            // All are read before the first is measured.
            let opened = self.files.iter().map(|file| self.open(file));
            let opened = opened.collect::<Result<Vec<_>, Stop>>()?;
            let weighted = opened.into_iter().map(|opened| self.tasks(opened));
            let weighted = weighted.collect::<Result<_, Stop>>()?;
            return Ok(Graphs { labels: self.files.clone(), weighted, drawn: Vec::new() });
        }
        let most = self.workers.iter().map(|&count| count.into()).max();
        let most = most.unwrap_or(*Randomly::WORKERS.last().unwrap_or(&1));
        let mut given = Graphs::default();
        for (drawn, graph) in self.randomly.graphs(most)? {
            given.labels.push(drawn.label());
            given.weighted.push(graph);
            given.drawn.push(drawn);
        }
        Ok(given)
    }

    /// Refuses charts that could not be written, before the work.
    fn check_outputs(&self) -> Result<(), Stop> {
        let mut outputs = Outputs::default().writes("--gantt", self.gantt.as_ref());
        for file in &self.files {
            outputs = outputs.reads("FILE", Some(Path::new(file)));
        }
        self.report.outputs(outputs.reads("--machine", self.machine.as_deref())).check()?;
        self.report.check()?;
        self.gantt.as_deref().map_or(Ok(()), gantt_file::check)
    }

    /// The number of each graph with each machine that it is tried on; all of them fit.
    fn machines(
        &self,
        machine: Option<&Platform>,
        graphs: &[WeightedGraph],
    ) -> Result<Vec<(usize, Platform)>, Stop> {
        let mut machines = Vec::new();
        for (number, graph) in graphs.iter().enumerate() {
            for platform in self.platforms(machine, graph)? {
                Instance::new(graph, &platform)?;
                machines.push((number, platform));
            }
        }
        Ok(machines)
    }

    /// The machines that a graph is tried on.
    fn platforms(
        &self,
        machine: Option<&Platform>,
        graph: &WeightedGraph,
    ) -> Result<Vec<Platform>, Stop> {
        if let Some(machine) = machine {
            return Ok(vec![machine.clone()]);
        }
        let link = Link::new(self.latency, self.bandwidth.unwrap_or(f64::INFINITY));
        if let Some(speeds) = &self.speeds {
            return Ok(vec![Platform::with_speeds(speeds.clone())?.clique(link)?]);
        }
        let counts: Vec<usize> = match (self.workers.as_slice(), graph.workers_with_costs()) {
            ([], Some(_)) if self.randomly.is_asked_for() => Randomly::WORKERS.to_vec(),
            ([], Some(known)) => vec![known],
            ([], None) => {
                let widest = graph.tasks().iter().map(|task| task.workers).max().unwrap_or(1);
                [1, 2, 4].into_iter().map(|count: usize| count.max(widest)).collect()
            }
            (named, _) => named.iter().map(|&count| count.into()).collect(),
        };
        let mut platforms: Vec<Platform> = Vec::new();
        for count in counts {
            let platform = Platform::equal(count)?.clique(link)?;
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        Ok(platforms)
    }
}

/// The pattern of Task Bench that a name is meant to be, if it is none of a file or model.
pub(super) fn pattern(name: &str) -> Result<Option<Pattern>, Stop> {
    let is_meant = Pattern::is_meant(name) && !Path::new(name).exists();
    Ok(is_meant.then(|| Pattern::parse(name)).transpose()?)
}

/// Whether a name ends as those of task graphs do, and not as those of model files as well.
pub(super) fn is_named_as_tasks(file: &str) -> bool {
    let ending = Path::new(file).extension().map(|it| it.to_string_lossy().to_lowercase());
    let known = |ending: &str| {
        ending != "toml" && formats::FORMATS.iter().any(|spec| spec.endings.contains(&ending))
    };
    ending.is_some_and(|ending| known(&ending))
}

/// The tasks of one training step, with estimated costs.
pub(super) fn step(model: &Model, batch: usize) -> Result<WeightedGraph, Stop> {
    let (optimizer, options) = (&model.training.optimizer, PlanOptions::default());
    let plan = Plan::compile(&model.graph, Mode::Training, batch, optimizer, options)?;
    let costs = PartCosts::even(&plan, plan.estimated_costs());
    Ok(weighted_graph(&plan, &costs)?)
}

/// The same with costs as they are measured here.
fn measured(model: &Model) -> Result<WeightedGraph, Stop> {
    let (policy, limit) = ("critical-path", Duration::from_secs(1));
    let measurement = Measurement::new(model, &[policy], &[], limit)?;
    Ok(weighted_graph(&measurement.plan, &measurement.alone(policy).costs)?)
}
