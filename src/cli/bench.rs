//! `caudal bench`: the time of one training step, or of one prediction, as `benches/peers` measures them for other
//! frameworks.

mod prediction;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use caudal::measure::speedup::record_all;
use caudal::measure::{instruction_set_name, prepare, product_peak, time_steps};
use caudal::model::Model;
use caudal::plan::{PlanOptions, Precision};
use caudal::presets::WORKLOADS;
use clap::{Args, ValueEnum};

use super::output::{line, note, threads};
use super::outputs::Outputs;
use super::{Stop, conditions, options, trace_file};

/// How long the machine's peak is measured.
const PEAK: Duration = Duration::from_millis(500);

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Timed {
    /// One training step: forward, losses, backward, updates
    Training,
    /// One prediction: the copy of the batch, forward, and the tensors that come out
    Prediction,
}

/// Times one training step (forward, losses, backward, updates), or one prediction.
///
/// The batch is synthetic, bound once, and as large as the model says; metrics are left out. Five
/// steps warm up. Prints `caudal,WORKLOAD,WORKERS,MILLISECONDS PER STEP (MEDIAN),PEAK RESIDENT MIB,…`
/// on standard output, where the last fields are the state of the cores and where the figures are from, and what the
/// step made of the machine on standard error: operations are counted as textbooks do, also where convolutions are
/// computed in fewer. Several workloads
/// run one after another, each in a process of its own.
///
/// With --mode prediction, it times calls that predict a batch, with the copy of the batch and the tensors
/// that come out, and prints a line for each size of --batch:
/// `caudal,WORKLOAD,BATCH,WORKERS,MILLISECONDS PER PREDICTION (MEDIAN),PEAK RESIDENT MIB`.
#[derive(Debug, Args)]
#[command(after_long_help = options::WORDS)]
pub(super) struct Bench {
    /// Names of presets, with arguments as in chain:depth=64,width=32, or .toml files [default: the five of the comparison with others]
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// What is timed
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Timed::Training)]
    mode: Timed,
    /// Items of a batch; of several sizes, one after the other, where predictions are timed [default: as many as the model says]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    batch: Vec<u32>,
    /// Times steps, or predictions of each batch size, for this long
    #[arg(long, value_name = "S", default_value_t = 4.0, value_parser = seconds)]
    seconds: f64,
    /// Then records ten steps more, and writes what ran where and when: .json for Perfetto (Chrome's
    /// format), .csv, .jsonl, or .paje for Pajé's readers; for one workload
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    micro_batches: options::MicroBatches,
    #[command(flatten)]
    run: options::Run,
    #[command(flatten)]
    mixed: conditions::MixedStates,
    /// Leaves the columns unnamed, for rows below others
    #[arg(long, hide = true)]
    no_header: bool,
}

/// A time from 0 s to a day.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("expected 0 to 86400 seconds".to_owned())
    }
}

/// A workload's name as a field of a line: arguments have commas between them.
fn field(workload: &str) -> String {
    if workload.contains(',') { format!("\"{workload}\"") } else { workload.to_owned() }
}

impl Bench {
    /// The mode and the batch sizes as arguments of another process.
    fn timed(&self) -> Vec<String> {
        let mode = self.mode.to_possible_value().map(|mode| mode.get_name().to_owned());
        let mode = mode.map(|mode| ["--mode".to_owned(), mode]);
        let sizes: Vec<String> = self.batch.iter().map(u32::to_string).collect();
        let sizes = (!sizes.is_empty()).then(|| ["--batch".to_owned(), sizes.join(",")]);
        mode.into_iter().chain(sizes).flatten().collect()
    }

    /// Names the columns, once they are sure to have rows.
    fn header(&self) {
        if !self.no_header {
            let columns = match self.mode {
                Timed::Training => format!(
                    "caudal, workload, workers, milliseconds a step (median), peak resident MiB, {}",
                    conditions::FIELDS
                ),
                Timed::Prediction => prediction::columns(),
            };
            note(format_args!("# columns: {columns}"));
        }
    }

    /// The sizes of batches that are timed, where a model trains with `usual` items.
    fn batches(&self, usual: usize) -> Vec<usize> {
        match self.batch.as_slice() {
            [] => vec![usual],
            sizes => sizes.iter().map(|&size| size as usize).collect(),
        }
    }

    /// Refuses options that do not go with the mode.
    fn check(&self) -> Result<(), Stop> {
        let problem = match self.mode {
            Timed::Training if self.batch.len() > 1 => {
                "--batch: a training step has one size; name one, or add --mode prediction"
            }
            Timed::Prediction if self.trace.is_some() => {
                "--trace: only training steps are recorded; leave it out, or use --mode training"
            }
            Timed::Prediction if self.micro_batches.count().is_some() => {
                "--micro-batches: predictions have none; leave it out, or use --mode training"
            }
            _ => return Ok(()),
        };
        Err(Stop::Usage(problem.to_owned()))
    }

    pub(super) fn run(self) -> Result<(), Stop> {
        self.check()?;
        if let Some(path) = &self.trace {
            trace_file::check(path)?;
            Outputs::default().writes("--trace", Some(path)).check()?;
            if self.workloads.len() != 1 {
                let problem = "a trace is one of one workload; name it".to_owned();
                return Err(Stop::Usage(format!("{}: {problem}", path.display())));
            }
        }
        match (self.workloads.as_slice(), self.mode) {
            ([one], Timed::Training) => self.time(one),
            ([one], Timed::Prediction) => prediction::time(&self, one),
            ([], _) => self.each_apart(WORKLOADS.iter().map(|preset| preset.name)),
            (several, _) => self.each_apart(several.iter().map(String::as_str)),
        }
    }

    fn time(&self, workload: &str) -> Result<(), Stop> {
        let model = self.run.open(Some(workload))?.without_metrics()?;
        let mut executor = self.run.executor()?;
        let limit = Duration::from_secs_f64(self.seconds);
        let optimizer = &model.training.optimizer;
        let batch = self.batches(model.training.batch_size)[0];
        let options = PlanOptions::default().micro_batches(self.micro_batches.count());
        let mut run = prepare(&model.graph, batch, optimizer, options)?;
        let provenance = conditions::provenance().pinning(executor.pinning()).seed(0);
        let time = || Ok(time_steps(&mut run, executor.as_mut(), limit)?);
        let took = self.mixed.steady(time, |took| &took.conditions)?;
        if let Some(path) = &self.trace {
            let executions = record_all(&mut run, executor.as_mut(), trace_file::EXECUTIONS)?;
            trace_file::write(path, run.plan(), &executions, &provenance)?;
        }
        let workers = executor.workers();
        let peak_mib = took.peak_resident_mib.map_or("-".to_owned(), |mib| format!("{mib:.0}"));
        self.header();
        let fields = conditions::fields(&took.conditions, &provenance)?;
        let name = field(workload);
        line(format!("caudal,{name},{workers},{:.3},{peak_mib},{fields}", took.median_ms))?;
        drop(executor);
        let peak = product_peak(workers, PEAK);
        let precision = model.graph.precision();
        let kind = if precision == Precision::F32 { "" } else { " of f32" };
        note(format_args!(
            "# {workload}: {:.1} GFLOP/s of textbook operations, {:.0} % of the {peak:.1} that matrix products{kind} \
             reach on {} with {}; {} tasks a step, {} steps, fastest {:.3} ms, {} minor page \
             faults a step",
            took.gflops(),
            100.0 * took.gflops() / peak,
            threads(workers),
            instruction_set_name(),
            took.tasks,
            took.steps,
            took.fastest_ms,
            took.faults_per_step.map_or("-".to_owned(), |faults| format!("{faults:.1}")),
        ));
        if precision != Precision::F32 {
            note(format_args!("# precision {precision}"));
        }
        for text in conditions::lines(&took.conditions, &provenance) {
            note(format_args!("# {text}"));
        }
        Ok(())
    }

    /// Runs every workload in a process of its own, so that each peak of memory is its own.
    fn each_apart<'a>(&self, workloads: impl Iterator<Item = &'a str> + Clone) -> Result<(), Stop> {
        // Names are checked before the first one takes its time.
        for workload in workloads.clone() {
            Model::open(Some(workload))?;
        }
        self.run.executor()?;
        let program = std::env::current_exe()
            .map_err(|error| Stop::Failed(format!("this program's own file: {error}")))?;
        self.header();
        for workload in workloads {
            let status = Command::new(&program)
                .args(["bench", "--no-header"])
                .args(self.timed())
                .args(self.run.to_arguments())
                .args(self.micro_batches.to_arguments())
                .args(self.mixed.to_arguments())
                .args(["--seconds", &self.seconds.to_string()])
                .args(["--", workload])
                .status()
                .map_err(|error| Stop::Failed(format!("{}: {error}", program.display())))?;
            if !status.success() {
                return Err(Stop::Failed(format!("the process that timed {workload} failed")));
            }
        }
        Ok(())
    }
}
