//! `caudal train`.

mod setup;
mod telling;
mod viewing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use caudal::context::Mode;
use caudal::data::{self, Dataset, LoadOptions};
use caudal::files::beside;
use caudal::flow::Observer;
use caudal::flow::trace::Recorder;
use caudal::model::Model;
use caudal::train::checkpoint::FitRecord;
use caudal::train::{Callback, FitOptions, History, Network, Progress};
use clap::{Args, ValueEnum};

use super::callbacks::Callbacks;
use super::dividing::Dividing;
use super::fitting::Fitting;
use super::interrupt::Interrupt;
use super::optimizing::Optimizing;
use super::output::{note, notes};
use super::outputs::Outputs;
use super::record_replay::RecordReplay;
use super::report::Report;
use super::run_record::Trained;
use super::start::Start;
use super::{Stop, conditions, options, trace_file};

/// Trains a network, tests it, and says how much faster several cores are.
///
/// With no option: the default preset on the embedded handwritten digits, on every core. Ctrl-C, SIGTERM and SIGHUP end
/// the training after the step at hand; --save still takes place. All files are tried before the first
/// step. What can't be written in the end is written beside its place under another name, or into the folder for
/// temporary files, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_long_help = options::WORDS)]
#[allow(clippy::struct_excessive_bools)] // each is an option of its own that is given or not
pub(super) struct Train {
    /// A preset's name, a .toml file, a saved .safetensors file, whose weights count only with --resume, or an .onnx file,
    /// with whose weights the training begins
    /// [default: the default preset, or that of --resume]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    #[arg(long, value_name = "DATA",
        help = options::data_help("What to train on, and to test with, by default digits or what --resume was trained on"))]
    data: Option<String>,
    /// Passes over the data, those before --resume included [default: the model's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Ends after this many steps, those before --resume included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_steps: Option<u64>,
    /// Items in a batch [default: the model's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    #[command(flatten)]
    micro_batches: options::MicroBatches,
    #[command(flatten)]
    run: options::Run,
    /// Lets the policy go by estimates of what tasks take, from shapes alone; otherwise a few early steps
    /// are measured, part by part, and it goes by what tasks took there (on one worker, or while --trace looks on, nothing is measured)
    #[arg(long)]
    estimated_costs: bool,
    #[command(flatten)]
    schedules: RecordReplay,
    /// For the first weights, the order of the items, and every other random number [default: 0, or that
    /// of --resume]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    dividing: Dividing,
    /// Cross-validates: trains K times, each time without another K-th of the items, tests with these, and
    /// prints mean and spread
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(2..),
        conflicts_with_all = ["test", "resume", "save", "best", "write_split", "trace", "report", "log", "log_dir",
            "record", "replay", "learning_rate_log", "speedup", "split_by"])]
    folds: Option<u16>,
    #[command(flatten)]
    pub(super) fitting: Fitting,
    #[command(flatten)]
    optimizing: Optimizing,
    #[command(flatten)]
    start: Start,
    /// Saves the model, with all that --resume needs
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Goes on with a saved model, be it in the middle of an epoch: with its weights, the optimizer's state
    /// and the step, and with the data, seed, order, limits and patience that it was trained with, so that
    /// the result is that of a training without a break. What options replace is said
    #[arg(long, value_name = "FILE", conflicts_with_all = ["init", "freeze"])]
    resume: Option<PathBuf>,
    /// Writes what ran where and when in the last ten steps on a whole batch: .json for Perfetto
    /// (Chrome's format), .csv, .jsonl, or .paje for Pajé's readers
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    report: Report,
    /// Whether training ends with an error, which names the node, at the first loss or gradient that is
    /// infinite or no number
    #[arg(long, value_name = "on|off", value_enum, default_value = "on")]
    check_finite: Switch,
    /// Whether it measures the speedup of several workers in the end, which takes a few seconds [default: on, and off
    /// with --quiet unless --json or --report shows it]
    #[arg(long, value_name = "on|off", value_enum)]
    speedup: Option<Switch>,
    /// Shows the training in full screen: losses and metrics with their best values, the loss by step, and what each worker does.
    /// q ends it as Ctrl-C does, p pauses it. Needs a terminal, and a program with the Cargo feature `tui`
    #[arg(long, conflicts_with_all = ["quiet", "folds"])]
    tui: bool,
    /// Shows no progress
    #[arg(long)]
    quiet: bool,
    /// Makes the last line of standard output one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Whether something takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// It does
    On,
    /// It does not
    Off,
}

impl Train {
    pub(super) fn run(self) -> Result<(), Stop> {
        self.check_view()?;
        self.check_files()?;
        let (mut model, saved) = self.model()?;
        let record = self.settle(&mut model, saved.as_ref())?;
        let checkpoint = saved.map(|(checkpoint, _)| checkpoint);
        let training = &model.training;
        let batch_size = training.batch_size;
        let load = self.load_options(&model, &record)?;
        if let Some(folds) = self.folds {
            return self.cross_validate(&model, &record, &load, folds.into());
        }
        let data = record.data.as_deref().unwrap_or_default();
        let loaded = data::load(data, &load)?;
        notes(&loaded.notes);
        self.dividing.write(&loaded.items)?;
        let train = &loaded.train;
        let record = Self::with_items(record.clone(), train.len(), checkpoint.as_ref());
        let mut network = self.network(&model, &record)?;
        if let Some(checkpoint) = &checkpoint {
            network.resume(checkpoint)?;
        }
        network.set_data(loaded.config.clone());
        self.balance_classes(&mut network, train)?;
        let mut fit = FitOptions::default()
            .epochs(training.epochs)
            .start(network.step())
            .batch_size(batch_size)
            .smallest_batch(network.smallest_batch())
            .seed(record.seed)
            .max_steps(self.max_steps)
            .augment(training.augment.clone())
            .mix_up(training.mix_up)
            .validation(loaded.validation.as_ref());
        Fitting::apply(&record, &mut fit, &loaded)?;
        let resumed = checkpoint.as_ref().map(|it| (it.step(), it.fit()));
        let (save, of) = (self.save.as_deref(), (&*model.graph, training));
        let validates = loaded.validation.is_some();
        let mut callbacks = Callbacks::new(&self.fitting, save, of, &record, resumed, validates)?;
        let steps = fit.steps(train.len());
        if fit.start >= steps {
            return Err(Stop::Usage(format!(
                "nothing is left to train: {} steps are done, and {steps} were asked for; raise \
                 --epochs or --max-steps, which count from the first step, also with --resume",
                fit.start
            )));
        }
        // A network that can't be trained is refused before anything is said or removed.
        let whole = batch_size.min(train.len());
        network.run(Mode::Training, whole)?;
        self.check_saves(&network)?;
        let rest = train.len() % batch_size;
        if (1..fit.smallest_batch).contains(&rest) && train.len() > batch_size && !self.quiet {
            note(format_args!(
                "the last batch of an epoch would have {rest} item, too few for batch_norm: it joins the one \
                 before"
            ));
        }
        self.tell_groups(&network)?;
        let log = self.schedules.apply(&self.run, &mut network)?;
        let mut interrupt = self.watch()?;
        let recorder =
            self.trace.as_ref().map(|_| record_steps(&mut network, whole)).transpose()?;
        if checkpoint.is_some() {
            self.go_on(fit.position(train.len()), &mut callbacks)?;
        }
        let settings = self.settings(&model, &record)?;
        let provenance = conditions::provenance().pinning(self.run.pinning()).seed(record.seed);
        let began = Instant::now();
        let history = self.fit(&mut network, train, &fit, &mut callbacks, &mut interrupt);
        let seconds = began.elapsed().as_secs_f64();
        // The model comes first: nothing that is written or tested beside it may take it away.
        match (&history, &self.save) {
            (Ok(_), Some(path)) => callbacks.save_last(&network, path),
            (Ok(_), None) => {}
            (Err(_), _) => self.save_failed(&network, fit.start, &mut callbacks),
        }
        // The test part is touched here alone: nothing was chosen by it. A recorded schedule holds it too.
        let test = loaded.test.as_ref().filter(|_| history.is_ok() && !interrupt.came());
        let tested = test.map(|test| network.evaluate(test, batch_size));
        callbacks.problem(self.schedules.write(log.as_ref(), &provenance));
        callbacks.finish();
        if let (Some(path), Some(recorder)) = (&self.trace, recorder) {
            let traced = network.run(Mode::Training, whole).map_err(Stop::from).and_then(|run| {
                run.observe(None);
                let steps = recorder.last_executions(trace_file::EXECUTIONS);
                trace_file::write(path, run.plan(), &steps, &provenance)
            });
            callbacks.problem(traced);
        }
        let history = history?;
        callbacks.tell(self.quiet);
        if interrupt.came() {
            return Err(interrupt.stop());
        }
        interrupt.ignore();
        let tested = tested.transpose()?;
        let (history, tested) = (&history, tested.as_ref());
        let trained =
            Trained { history, tested, seconds, settings: &settings, provenance: &provenance };
        let measured = self.measure(&mut network, (train, batch_size), &trained, &mut callbacks)?;
        self.tell(&mut network, &trained, measured.as_ref())?;
        callbacks.problems()
    }

    /// How the data are divided and bound to nodes.
    fn load_options<'a>(
        &self,
        model: &'a Model,
        record: &'a FitRecord,
    ) -> Result<LoadOptions<'a>, Stop> {
        Ok(LoadOptions::new(&model.graph, &model.data)
            .batch(model.training.batch_size)
            .split(self.dividing.split(&model.data)?)
            .chooses(self.fitting.chooses(record) || model.training.optimizer.plateau().is_some())
            .weights(Fitting::weights_column(record)))
    }

    /// Refuses a network of more arrays than a file holds.
    fn check_saves(&self, network: &Network) -> Result<(), Stop> {
        let mut saves = [&self.save, &self.fitting.best].into_iter().flatten();
        Ok(saves.try_for_each(|path| network.check_save(path))?)
    }

    /// Tries every file that is written along the way or in the end.
    fn check_files(&self) -> Result<(), Stop> {
        self.report.check()?;
        if let Some(path) = &self.trace {
            trace_file::check(path)?;
        }
        let previous =
            self.fitting.save_every.and(self.save.as_deref()).map(|path| beside(path, "previous"));
        let outputs = Outputs::default()
            .reads("MODEL", self.model.as_deref().map(Path::new))
            .reads("--init", self.start.init.as_deref())
            .reads("--resume", self.resume.as_deref())
            .reads_data(self.data.as_deref().unwrap_or_default())
            .saves("--save", self.save.as_ref())
            .saves("--save-every", previous.as_ref());
        let outputs = self.dividing.outputs(self.fitting.outputs(outputs));
        let outputs = outputs.writes("--trace", self.trace.as_ref());
        self.schedules.outputs(self.report.outputs(outputs)).check()
    }

    /// After a failed step, keeps what the steps before it have reached, under a name of its own: what has
    /// the name of --save may be better.
    fn save_failed(&self, network: &Network, start: u64, callbacks: &mut Callbacks) {
        let Some(path) = self.save.as_deref().filter(|_| network.step() > start) else { return };
        let path = beside(path, &format!("step-{}", network.step()));
        note(format_args!(
            "the network as it was after step {} goes to {}",
            network.step(),
            path.display()
        ));
        callbacks.save_apart(network, &path);
    }

    fn fit(
        &self,
        network: &mut Network,
        data: &Dataset,
        fit: &FitOptions<'_>,
        callbacks: &mut Callbacks,
        interrupt: &mut Interrupt,
    ) -> Result<History, Stop> {
        let shows = !self.quiet && !self.tui;
        let mut progress = shows.then(|| Progress::new(fit.steps(data.len()), fit.start));
        #[cfg(feature = "tui")]
        let mut view = self.view(fit.steps(data.len()), fit.start, interrupt)?;
        let mut list: Vec<&mut dyn Callback> = Vec::new();
        list.extend(progress.as_mut().map(|progress| progress as &mut dyn Callback));
        #[cfg(feature = "tui")]
        list.extend(view.as_mut().map(|view| view as &mut dyn Callback));
        list.push(callbacks);
        list.push(interrupt);
        let history = network.fit_with(data, fit, &mut list);
        if let Some(progress) = &progress {
            progress.finish();
        }
        Ok(history?)
    }
}

/// Records the steps on whole batches from now on, as many of the last as a trace holds.
fn record_steps(network: &mut Network, batch_size: usize) -> Result<Arc<Recorder>, Stop> {
    let run = network.run(Mode::Training, batch_size)?;
    let recorder = Recorder::of_executions(run.plan(), trace_file::EXECUTIONS);
    let recorder = Arc::new(recorder.with_messages().with_worker_events());
    run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
    Ok(recorder)
}
