//! `caudal train`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use caudal::context::Mode;
use caudal::data::{self, Dataset, LoadOptions};
use caudal::flow::trace::Recorder;
use caudal::flow::{Executor, Observer, executor};
use caudal::measure::speedup::{Speedup, speedup};
use caudal::model::Model;
use caudal::optimizers::{self, Optimizer};
use caudal::report::{Page, loss_page, speedup_page};
use caudal::train::{
    Callback, Checkpoint, FitOptions, History, Network, NetworkOptions, Progress, checkpoint,
};
use clap::Args;

use super::dividing::Dividing;
use super::fitting::{Callbacks, Fitting};
use super::interrupt::Interrupt;
use super::output::{check_writable, line, not_written, notes};
use super::record_replay::RecordReplay;
use super::report::Report;
use super::{Stop, options, summary, trace};

/// How long each training looks for its speedup afterwards.
const SPEEDUP_LIMIT: Duration = Duration::from_millis(1500);

/// Trains a network, tests it, and says how much faster several cores are.
///
/// With no option: the default preset on the embedded handwritten digits, on every core. Ctrl-C ends
/// the training after the step at hand; --save still takes place.
#[derive(Debug, Args)]
#[command(after_long_help = options::WORDS)]
pub(super) struct Train {
    /// A preset's name, a .toml file or a saved .safetensors file, whose weights count only with --resume
    /// [default: the default preset, or that of --resume]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    #[arg(long, value_name = "DATA", default_value = "digits",
        help = options::data_help("What to train on, and to test with"))]
    pub(super) data: String,
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
    /// For the first weights, the order of the items, and every other random number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    #[command(flatten)]
    dividing: Dividing,
    #[command(flatten)]
    pub(super) fitting: Fitting,
    /// How weights move (see `caudal optimizers`): the name of an optimizer, which has its default
    /// settings if it is another than the model's, or all in TOML, as in
    /// `{ kind = "sgd", momentum = 0.9, clip_norm = 1.0 }`
    #[arg(long, value_name = "NAME|TOML")]
    optimizer: Option<String>,
    /// Replaces the optimizer's learning rate
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// Starts with the weights of a saved model
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(super) init: Option<PathBuf>,
    /// Saves the model, with all that --resume needs
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Goes on with the weights, the optimizer's state and the step of a saved model; with the same
    /// options as before, the result is that of a training without a break
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Writes what ran where and when in the last ten steps on a whole batch: .json for Perfetto
    /// (Chrome's format), .csv, or .jsonl
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    report: Report,
    /// Shows no progress, and does not measure the speedup unless --json or --report asks
    /// for it
    #[arg(long)]
    quiet: bool,
    /// Makes the last line of standard output one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl Train {
    pub(super) fn run(self) -> Result<(), Stop> {
        if let Some(path) = &self.save {
            check_writable(path)?;
        }
        self.fitting.check()?;
        self.dividing.check()?;
        self.report.check()?;
        if let Some(path) = &self.trace {
            trace::check(path)?;
        }
        let plan = self.micro_batches.plan();
        let measured_costs = !self.estimated_costs;
        let options = NetworkOptions { plan, measured_costs, ..self.run.network(self.seed)? };
        let (mut model, checkpoint) = self.model()?;
        self.adjust(&mut model, checkpoint.as_ref())?;
        let training = &model.training;
        let batch_size = training.batch_size;
        let load = self.load_options(&model)?;
        if let Some(folds) = self.dividing.folds {
            return self.cross_validate(&model, &load, folds.into(), &options);
        }
        let loaded = data::load(&self.data, &load)?;
        notes(&loaded.notes);
        self.dividing.write(&loaded.items)?;
        let mut network = Network::from_parts(
            Arc::clone(&model.graph),
            Arc::clone(&training.optimizer),
            options,
        )?;
        if let Some(path) = &self.init {
            network.load_weights(path)?;
        }
        if let Some(checkpoint) = &checkpoint {
            network.resume(checkpoint)?;
        }
        network.set_data(loaded.config.clone());
        let train = &loaded.train;
        let mut fit = FitOptions {
            epochs: training.epochs,
            start: network.step(),
            batch_size,
            seed: self.seed,
            max_steps: self.max_steps,
            validation: loaded.validation.as_ref(),
            ..FitOptions::default()
        };
        self.fitting.apply(&mut fit, &loaded)?;
        let mut callbacks = self.fitting.callbacks(&model.graph, training)?;
        let steps = fit.steps(train.len());
        if fit.start >= steps {
            return Err(Stop::Usage(format!(
                "nothing is left to train: {} steps are done, and {steps} were asked for; raise \
                 --epochs or --max-steps, which count from the first step, also with --resume",
                fit.start
            )));
        }
        let log = self.schedules.apply(&self.run, &mut network)?;
        let mut interrupt = Interrupt::watch()?;
        let whole = batch_size.min(train.len());
        let recorder = self.trace.as_ref().map(|_| record(&mut network, whole)).transpose()?;
        let began = Instant::now();
        let history = self.fit(&mut network, train, &fit, &mut callbacks, &mut interrupt);
        let seconds = began.elapsed().as_secs_f64();
        // The test part is touched here alone: nothing was chosen by it. A recorded schedule holds it too.
        let test = loaded.test.as_ref().filter(|_| history.is_ok() && !interrupt.came());
        let tested = test.map(|test| network.evaluate(test, batch_size));
        self.schedules.write(log.as_ref())?;
        let history = history?;
        callbacks.finish(self.quiet)?;
        if let Some(path) = &self.save {
            network.save(path, training).map_err(|error| not_written(&error))?;
        }
        if let (Some(path), Some(recorder)) = (&self.trace, recorder) {
            let run = network.run(Mode::Training, whole)?;
            run.observe(None);
            trace::write(path, run.plan(), &recorder.last_executions(trace::EXECUTIONS))?;
        }
        if interrupt.came() {
            return Err(Stop::Interrupted);
        }
        interrupt.ignore();
        let tested = tested.transpose()?;
        let measured = if self.json || !self.quiet || self.report.is_wanted() {
            Some(self.speedup(&network, train, batch_size)?)
        } else {
            None
        };
        if let Some(measured) = measured.as_ref().filter(|_| self.report.is_wanted()) {
            let mut page = Page::new(format!("Training of {}", network.graph().name()));
            loss_page(&mut page, &history);
            page.table("One training step", &summary::speedup(measured));
            let run = network.run(Mode::Training, measured.batch)?;
            speedup_page(&mut page, run.plan(), measured, None);
            self.report.write(&page)?;
        }
        let history = History { validation: tested.into_iter().collect(), ..history };
        self.tell(&mut network, &history, measured.as_ref(), seconds)
    }

    /// The network to train, as its file or preset says, and where it was when it was saved.
    fn model(&self) -> Result<(Model, Option<Checkpoint>), Stop> {
        let Some(path) = &self.resume else {
            return Ok((Model::open(self.model.as_deref())?, None));
        };
        let (saved, checkpoint) = checkpoint::open(path)?;
        let model = match &self.model {
            Some(name) => Model::open(Some(name))?,
            None => saved,
        };
        Ok((model, Some(checkpoint)))
    }

    /// How the data are divided and bound to nodes.
    fn load_options<'a>(&'a self, model: &'a Model) -> Result<LoadOptions<'a>, Stop> {
        Ok(LoadOptions {
            batch: model.training.batch_size,
            split: self.dividing.split(&model.data)?,
            chooses: self.fitting.chooses(),
            weights: self.fitting.weights_column(),
            ..LoadOptions::new(&model.graph, &model.data)
        })
    }

    /// Applies the options that replace what the model says.
    fn adjust(&self, model: &mut Model, resumed: Option<&Checkpoint>) -> Result<(), Stop> {
        // Only what is resumed goes on with what was fitted before.
        model.data = match resumed {
            Some(checkpoint) => checkpoint.data().clone(),
            None => model.data.unfitted(),
        };
        self.dividing.set_columns(&mut model.data, resumed.is_some())?;
        let training = &mut model.training;
        if let Some(epochs) = self.epochs {
            training.epochs = epochs as usize;
        }
        if let Some(size) = self.batch_size {
            training.batch_size = size as usize;
        }
        if self.optimizer.is_some() || self.learning_rate.is_some() {
            training.optimizer = self.optimizer(&training.optimizer)?;
        }
        Ok(())
    }

    fn optimizer(&self, before: &Arc<dyn Optimizer>) -> Result<Arc<dyn Optimizer>, Stop> {
        let asked = self.optimizer.as_deref().unwrap_or(before.kind());
        let (kind, mut attributes) = match asked.trim_start().starts_with('{') {
            true => optimizer_table(asked)?,
            false if asked == before.kind() => (asked.to_owned(), before.attributes()),
            false => (asked.to_owned(), toml::Table::new()),
        };
        let spec = optimizers::find(&kind)?;
        if let Some(rate) = self.learning_rate {
            attributes.insert("learning_rate".to_owned(), rate.into());
        }
        (spec.parse)(attributes)
            .map_err(|problem| Stop::Usage(format!("optimizer `{kind}`: {problem}")))
    }

    fn fit(
        &self,
        network: &mut Network,
        data: &Dataset,
        fit: &FitOptions<'_>,
        callbacks: &mut Callbacks,
        interrupt: &mut Interrupt,
    ) -> Result<History, Stop> {
        let mut progress = (!self.quiet).then(|| Progress::new(fit.steps(data.len()), fit.start));
        let mut list: Vec<&mut dyn Callback> = Vec::new();
        list.extend(progress.as_mut().map(|progress| progress as &mut dyn Callback));
        list.extend(callbacks.list());
        list.push(interrupt);
        let history = network.fit_with(data, fit, &mut list);
        if let Some(progress) = &progress {
            progress.finish();
        }
        Ok(history?)
    }

    /// Measures steps on a copy of the network, so that the trained one stays as it is.
    fn speedup(
        &self,
        network: &Network,
        data: &Dataset,
        batch_size: usize,
    ) -> Result<Speedup, Stop> {
        let options = network.options().clone();
        let (graph, optimizer) = (network.graph(), network.optimizer());
        let mut copy = Network::from_parts(Arc::clone(graph), Arc::clone(optimizer), options)?;
        for parameter in graph.parameters() {
            copy.set_weights(&parameter.name, &network.weights(&parameter.name)?)?;
        }
        let items: Vec<usize> = (0..batch_size.min(data.len())).collect();
        let run = copy.bound_run(Mode::Training, data, &items)?;
        let (cores, policy) = (self.run.workers(), self.run.policy());
        let mut executors: Vec<Box<dyn Executor>> =
            vec![executor("sequential", 1, policy)?, executor("pool", 1, policy)?];
        if cores > 1 {
            executors.push(executor("pool", cores, policy)?);
        }
        Ok(speedup(run, &mut executors, SPEEDUP_LIMIT)?)
    }

    fn tell(
        &self,
        network: &mut Network,
        history: &History,
        measured: Option<&Speedup>,
        seconds: f64,
    ) -> Result<(), Stop> {
        if let Some(test) = history.validation.last() {
            line(summary::tested("test", test))?;
        }
        if let Some(measured) = measured.filter(|_| !self.quiet) {
            for text in summary::speedup(measured) {
                line(text)?;
            }
        }
        if self.json {
            line(summary::training(network, history, measured, seconds).to_string())?;
        }
        Ok(())
    }
}

/// Records the steps on whole batches from now on, as many of the last as a trace holds.
fn record(network: &mut Network, batch_size: usize) -> Result<Arc<Recorder>, Stop> {
    let run = network.run(Mode::Training, batch_size)?;
    let recorder = Arc::new(Recorder::of_executions(run.plan(), trace::EXECUTIONS).with_messages());
    run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
    Ok(recorder)
}

/// The kind and the attributes of an optimizer written as an inline table.
fn optimizer_table(text: &str) -> Result<(String, toml::Table), Stop> {
    let refuse = |problem: &str| {
        let example = "write it as in { kind = \"sgd\", learning_rate = 0.01 }";
        Stop::Usage(format!("--optimizer: {problem}; {example}"))
    };
    let table = format!("optimizer = {text}").parse::<toml::Table>();
    let mut table = table.map_err(|error| refuse(error.message()))?;
    match table.remove("optimizer") {
        Some(toml::Value::Table(mut attributes)) if table.is_empty() => {
            match attributes.remove("kind") {
                Some(toml::Value::String(kind)) => Ok((kind, attributes)),
                _ => Err(refuse("the table has no `kind`")),
            }
        }
        _ => Err(refuse("it is not one table")),
    }
}
