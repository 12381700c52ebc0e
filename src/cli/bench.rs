//! `caudal bench`: the time of one training step, as `peers/` measures it for other frameworks.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use caudal::measure::speedup::record;
use caudal::measure::{instruction_set_name, prepare, product_peak, time_steps};
use caudal::model::Model;
use caudal::presets::WORKLOADS;
use clap::Args;

use super::output::{line, note, threads};
use super::outputs::Outputs;
use super::{Stop, conditions, options, trace};

/// How long the machine's peak is measured.
const PEAK: Duration = Duration::from_millis(500);

/// Times one training step: forward, losses, backward, updates.
///
/// The batch is synthetic, bound once, and as large as the model says; metrics are left out. Five
/// steps warm up. Prints `caudal,WORKLOAD,WORKERS,MILLISECONDS PER STEP (MEDIAN),PEAK RESIDENT MIB,…`
/// on standard output, where the last fields are the state of the cores and where the figures are from, and what the
/// step made of the machine on standard error: operations are counted as textbooks do, also where convolutions are
/// computed in fewer. Several workloads
/// run one after another, each in a process of its own.
#[derive(Debug, Args)]
#[command(after_long_help = options::WORDS)]
pub(super) struct Bench {
    /// Names of presets, with arguments as in chain:depth=64,width=32, or .toml files [default: the five of the comparison with others]
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Times steps for this long
    #[arg(long, value_name = "S", default_value_t = 4.0, value_parser = seconds)]
    seconds: f64,
    /// Then records ten steps more, and writes what ran where and when: .json for Perfetto (Chrome's
    /// format), .csv, or .jsonl; for one workload
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

impl Bench {
    /// Names the columns, once they are sure to have rows.
    fn header(&self) {
        if !self.no_header {
            note(format_args!(
                "# columns: caudal, workload, workers, milliseconds a step (median), peak resident MiB, {}",
                conditions::FIELDS
            ));
        }
    }

    pub(super) fn run(self) -> Result<(), Stop> {
        if let Some(path) = &self.trace {
            trace::check(path)?;
            Outputs::default().writes("--trace", Some(path)).check()?;
            if self.workloads.len() != 1 {
                let problem = "a trace is one of one workload; name it".to_owned();
                return Err(Stop::Usage(format!("{}: {problem}", path.display())));
            }
        }
        match self.workloads.as_slice() {
            [one] => self.time(one),
            [] => self.each_apart(WORKLOADS.iter().map(|preset| preset.name)),
            several => self.each_apart(several.iter().map(String::as_str)),
        }
    }

    fn time(&self, workload: &str) -> Result<(), Stop> {
        let model = Model::open(Some(workload))?.without_metrics()?;
        let mut executor = self.run.executor()?;
        let limit = Duration::from_secs_f64(self.seconds);
        let (batch, optimizer) = (model.training.batch_size, &model.training.optimizer);
        let options = self.run.plan().micro_batches(self.micro_batches.count());
        let mut run = prepare(&model.graph, batch, optimizer, options)?;
        let provenance = conditions::provenance().pinning(executor.pinning()).seed(0);
        let time = || Ok(time_steps(&mut run, executor.as_mut(), limit)?);
        let took = self.mixed.steady(time, |took| &took.conditions)?;
        if let Some(path) = &self.trace {
            let (executions, _) = record(&mut run, executor.as_mut(), trace::EXECUTIONS)?;
            trace::write(path, run.plan(), &executions)?;
        }
        let workers = executor.workers();
        let peak_mib = took.peak_resident_mib.map_or("-".to_owned(), |mib| format!("{mib:.0}"));
        // Arguments have commas between them.
        let name =
            if workload.contains(',') { format!("\"{workload}\"") } else { workload.to_owned() };
        self.header();
        let fields = conditions::fields(&took.conditions, &provenance)?;
        line(format!("caudal,{name},{workers},{:.3},{peak_mib},{fields}", took.median_ms))?;
        drop(executor);
        let peak = product_peak(workers, PEAK);
        note(format_args!(
            "# {workload}: {:.1} GFLOP/s of textbook operations, {:.0} % of the {peak:.1} that matrix products reach on \
             {} with {}; {} tasks a step, {} steps, fastest {:.3} ms, {} minor page \
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
