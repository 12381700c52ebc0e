//! Options that several commands share.

use std::path::Path;
use std::sync::Arc;

use caudal::flow::{EXECUTORS, Executor, executor, pinned_executor};
use caudal::model::Model;
use caudal::onnx::{self, Imported};
use caudal::plan::{Convolution, Precision};
use caudal::topology::Pinning;
use caudal::train::{Network, NetworkOptions, checkpoint};
use clap::Args;

use super::Stop;
use super::output::{note, printable};

/// What the words of the help mean; stands below it.
pub(super) const WORDS: &str = "\
Words:
  plan      the network compiled for one batch size, as a graph of tasks
  task      one or several calls of layers in a row, sums, or updates of weights
  part      a range of the items or rows of a task; parts of one task may run at the same time
  ready     of a part: all that it reads is there
  policy    which ready part runs next
  executor  what runs a plan; all executors and policies give the same bits
  pool      the executor with worker threads; a worker is one of them
  speedup   how many times as fast as one worker";

/// Help of `--data`: what it is for, and what it may be.
pub(super) fn data_help(purpose: &str) -> String {
    format!("{purpose}: {}; see `caudal readers`", caudal::data::forms())
}

/// How a network computes, where there are several ways, and what it is measured by, where it does not say.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Computing {
    /// How convolutions are computed: auto, in fewer multiplications where shapes promise a gain (windows of 3 x 3 or
    /// 5 x 5, by Winograd's transforms; last bits differ); or direct, all as sums of products [default: what the model
    /// says, or auto]
    #[arg(long, value_name = "auto|direct", value_parser = Convolution::named)]
    convolution: Option<Convolution>,
    /// With which numbers products with weights are computed: f32; or bf16, which rounds both factors in dense layers and
    /// 1 x 1 convolutions to 16 bits where shapes promise a gain, on processors with AVX-512 BF16; sums, weights and all
    /// else have 32 bits [default: what the model says, or f32]
    #[arg(long, value_name = "f32|bf16", value_parser = Precision::named)]
    precision: Option<Precision>,
    /// For a model without a loss, as one of another program's .onnx file: the loss by which outputs are compared with
    /// targets (see `caudal losses`), for all outputs or as in OUTPUT=KIND; may be given several times
    #[arg(long, value_name = "KIND|OUTPUT=KIND")]
    loss: Vec<String>,
    /// The same of metrics (see `caudal metrics`)
    #[arg(long, value_name = "KIND|OUTPUT=KIND")]
    metric: Vec<String>,
}

impl Computing {
    /// The model that a user asks for, which computes as the options say, if they do.
    pub(super) fn open(&self, name: Option<&str>) -> Result<Model, Stop> {
        let mut model = open_model(name)?;
        self.set(&mut model, name)?;
        Ok(model)
    }

    /// Whether they say anything.
    pub(super) fn is_given(&self) -> bool {
        let measured = !self.loss.is_empty() || !self.metric.is_empty();
        self.convolution.is_some() || self.precision.is_some() || measured
    }

    /// Lets a model of some name compute and be measured as the options say, if they do.
    fn set(&self, model: &mut Model, name: Option<&str>) -> Result<(), Stop> {
        // Options go before the file beside an ONNX file.
        if !self.loss.is_empty() && name.is_some_and(|name| is_onnx(Path::new(name))) {
            model.graph = Arc::new(model.graph.without_losses()?);
            model.data.nodes.retain(|node, _| model.graph.node(node).is_ok());
        }
        if !self.loss.is_empty() || !self.metric.is_empty() {
            *model = model.with_losses(&self.loss, &self.metric)?;
        }
        if let Some(convolution) = self.convolution {
            model.graph = Arc::new(model.graph.with_convolution(convolution));
        }
        if let Some(precision) = self.precision {
            model.graph = Arc::new(model.graph.with_precision(precision));
        }
        Ok(())
    }

    /// The same options as arguments of another process.
    fn to_arguments(&self) -> Vec<String> {
        let convolution = self.convolution.map(|it| ["--convolution", it.name()]);
        let precision = self.precision.map(|it| ["--precision", it.name()]);
        let losses = self.loss.iter().map(|kind| ["--loss", kind]);
        let metrics = self.metric.iter().map(|kind| ["--metric", kind]);
        let options = convolution.into_iter().chain(precision).chain(losses).chain(metrics);
        options.flatten().map(str::to_owned).collect()
    }
}

/// The model that a user asks for. Says which file beside an ONNX file had a say in it.
pub(super) fn open_model(name: Option<&str>) -> Result<Model, Stop> {
    let model = Model::open(name)?;
    if let Some(path) = name.map(Path::new).filter(|path| is_onnx(path)) {
        tell_training(onnx::training_file(path)?.as_deref());
    }
    Ok(model)
}

fn tell_training(file: Option<&Path>) {
    if let Some(file) = file {
        let name = file.display().to_string();
        note(format_args!("{} says how the network is trained", printable(&name)));
    }
}

/// A saved network, and how many items its batches have; it computes as said here, if anybody said.
pub(super) fn saved(
    path: &Path,
    options: NetworkOptions,
    computing: &Computing,
) -> Result<(Network, usize), Stop> {
    if is_onnx(path) {
        let imported = onnx::open(path)?;
        tell_moved(&imported);
        let Imported { mut model, weights, training_file, .. } = imported;
        tell_training(training_file.as_deref());
        computing.set(&mut model, path.to_str())?;
        let mut network = Network::from_parts(model.graph, model.training.optimizer, options)?;
        network.set_all_weights(&weights)?;
        network.set_data(model.data);
        return Ok((network, model.training.batch_size));
    }
    let (mut model, checkpoint) = checkpoint::open(path)?;
    computing.set(&mut model, None)?;
    let training = model.training;
    let mut network = Network::from_parts(model.graph, training.optimizer, options)?;
    network.resume(&checkpoint)?;
    Ok((network, training.batch_size))
}

/// Whether a file is an ONNX file, by its name.
pub(super) fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

/// Gives a network the weights of the ONNX file that its model is from, if it is from one.
pub(super) fn load_onnx(model: Option<&str>, network: &mut Network) -> Result<(), Stop> {
    let Some(path) = model.map(Path::new).filter(|path| is_onnx(path)) else { return Ok(()) };
    let imported = onnx::open(path)?;
    network.set_all_weights(&imported.weights)?;
    tell_moved(&imported);
    Ok(())
}

/// Says which inputs and outputs have their channels or their batch elsewhere than in the file.
fn tell_moved(imported: &Imported) {
    let names = &imported.channels_last;
    if !names.is_empty() {
        note(format_args!(
            "channels come last here, and first in the ONNX file: {}",
            printable(&names.join(", "))
        ));
    }
    if !imported.batch_axes.is_empty() {
        let axis = |(name, axis): (&String, &usize)| format!("{name} (axis {axis})");
        let axes: Vec<String> = imported.batch_axes.iter().map(axis).collect();
        note(format_args!(
            "the batch is the first axis here, and another one in the ONNX file: {}",
            printable(&axes.join(", "))
        ));
    }
}

/// How training works on a batch.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct MicroBatches {
    /// Gradient accumulation: divides each batch into N micro-batches, several in flight together, whose gradients are
    /// added in order before one update. --batch-size counts the items of an update: N batches of B items that other
    /// systems accumulate are --batch-size N·B --micro-batches N here; not with layers that look at a whole batch, as `batch_norm` does
    /// [default: none; large batches are worked on in chunks that the caches hold]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    micro_batches: Option<u32>,
}

impl MicroBatches {
    /// How many, if anybody said.
    pub(super) fn count(self) -> Option<usize> {
        self.micro_batches.map(|count| count as usize)
    }

    /// The same option as arguments of another process.
    pub(super) fn to_arguments(self) -> Vec<String> {
        let count = self.micro_batches.map(|count| count.to_string());
        count.map_or_else(Vec::new, |count| vec!["--micro-batches".to_owned(), count])
    }
}

/// Where workers run.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Pin {
    /// Keeps workers on cores: none, cores (each on one, those that share a cache first), or groups (each on the cores
    /// of one cache group). `caudal topology` shows them. On Linux only
    #[arg(long = "pin", value_name = "NAME", default_value = "none", value_parser = pinning)]
    pinning: Pinning,
}

impl Pin {
    pub(super) fn pinning(self) -> Pinning {
        self.pinning
    }
}

fn pinning(name: &str) -> Result<Pinning, String> {
    Pinning::named(name).map_err(|error| error.to_string())
}

/// What runs the plans.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Threads of the pool, the calling one included [default: one for every core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: Option<u16>,
    /// Which ready part runs next (see `caudal policies`)
    #[arg(long, value_name = "NAME", default_value = "critical-path")]
    policy: String,
    /// What runs the plans (see `caudal executors`)
    #[arg(long, value_name = "NAME", default_value = "pool")]
    executor: String,
    #[command(flatten)]
    pin: Pin,
    #[command(flatten)]
    computing: Computing,
}

impl Run {
    /// Where workers run.
    pub(super) fn pinning(&self) -> Pinning {
        self.pin.pinning()
    }

    /// Threads asked for, or one for every core.
    pub(super) fn workers(&self) -> usize {
        self.workers.map_or_else(|| NetworkOptions::default().workers, usize::from)
    }

    pub(super) fn executor_name(&self) -> &str {
        &self.executor
    }

    pub(super) fn policy(&self) -> &str {
        &self.policy
    }

    /// The model that a user asks for, which computes as the options say, if they do.
    pub(super) fn open(&self, name: Option<&str>) -> Result<Model, Stop> {
        self.computing.open(name)
    }

    /// Lets a model of some name compute as the options say, if they do.
    pub(super) fn set_computing(&self, model: &mut Model, name: Option<&str>) -> Result<(), Stop> {
        self.computing.set(model, name)
    }

    /// The options of a network with first values from `seed`.
    pub(super) fn network(&self, seed: u64) -> Result<NetworkOptions, Stop> {
        self.check_pin()?;
        // A policy that the executor does not use must exist all the same.
        caudal::flow::policy::policy(&self.policy)?;
        if !EXECUTORS.iter().any(|spec| spec.name == self.executor) {
            executor(&self.executor, 1, &self.policy)?;
        }
        Ok(NetworkOptions::default()
            .seed(seed)
            .executor(self.executor.clone())
            .workers(self.workers())
            .policy(self.policy.clone())
            .pinning(self.pinning()))
    }

    /// The executor.
    pub(super) fn executor(&self) -> Result<Box<dyn Executor>, Stop> {
        self.check_pin()?;
        Ok(pinned_executor(&self.executor, self.workers(), &self.policy, self.pinning())?)
    }

    /// Refuses to pin what can't be, as bad usage.
    fn check_pin(&self) -> Result<(), Stop> {
        let pin = |name: &str| pinned_executor(name, 1, "fifo", self.pinning());
        let known = EXECUTORS.iter().any(|spec| spec.name == self.executor);
        if self.pinning() != Pinning::None && known {
            let refused = |error: caudal::Error| Stop::Usage(format!("--pin: {error}"));
            pin(&self.executor).map_err(refused)?;
        }
        Ok(())
    }

    /// A saved network, and how many items its batches have.
    pub(super) fn saved(&self, path: &Path) -> Result<(Network, usize), Stop> {
        saved(path, self.network(0)?, &self.computing)
    }

    /// The same options as arguments of another process.
    pub(super) fn to_arguments(&self) -> Vec<String> {
        let workers = self.workers().to_string();
        let (pin, executor) = (self.pinning().name(), &self.executor);
        ["--workers", &workers, "--policy", &self.policy, "--executor", executor, "--pin", pin]
            .into_iter()
            .map(str::to_owned)
            .chain(self.computing.to_arguments())
            .collect()
    }
}

/// The numbers of workers that were asked for, or 1, 2, 4 and so on up to one for every core.
pub(super) fn workers_or_doubled(asked: &[u16]) -> Vec<usize> {
    if !asked.is_empty() {
        return asked.iter().copied().map(usize::from).collect();
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let doubled = std::iter::successors(Some(1), |workers| Some(2 * workers));
    doubled.take_while(|&workers| workers < cores).chain([cores]).collect()
}
