//! Models that come with the crate: the [`PRESETS`] table.
//!
//! Some are families: they have arguments, as in `chain:depth=64,width=32`.
//!
//! To add a preset, write one function that builds it, and add a row here.

mod arguments;
mod article_dag;
mod digits;
mod ensemble;
mod experts;
mod heads;
mod inception;
mod mnist_cnn;
mod nasnet;
mod towers;
mod wired;
mod wiring;

use std::sync::Arc;

pub use arguments::{Argument, ArgumentValues, Values};
pub(crate) use arguments::{count, number};
pub(crate) use wiring::Wiring;

use crate::error::{Error, Result};
use crate::graph::{GraphBuilder, NodeName};
use crate::layers::{Conv2d, Dense, Flatten, MaxPool, Relu};
use crate::losses::SoftmaxCrossEntropy;
use crate::metrics::Accuracy;
use crate::model::{Model, TrainingConfig};
use crate::names::suggest;
use crate::optimizers::Sgd;

/// The preset for those who name none.
pub const DEFAULT: &str = "digits";

/// Every preset, in the order of the documentation.
pub const PRESETS: &[&PresetSpec] = &[
    &digits::SPEC,
    &article_dag::SPEC,
    &towers::SMALL,
    &towers::WIDE,
    &towers::CHAIN,
    &inception::SPEC,
    &mnist_cnn::SPEC,
    &wired::CHAIN,
    &wired::FAN,
    &wired::LAYERED,
    &wired::BINARY_TREE,
    &wired::WAVEFRONT,
    &wired::RANDOM_ER,
    &wired::RANDOM_BA,
    &wired::RANDOM_WS,
    &nasnet::SPEC,
    &ensemble::SPEC,
    &experts::SPEC,
    &heads::SPEC,
];

/// The presets that benchmarks run, which other systems run too.
pub const WORKLOADS: &[&PresetSpec] =
    &[&towers::SMALL, &towers::WIDE, &inception::SPEC, &mnist_cnn::SPEC, &towers::CHAIN];

/// One row of the [`PRESETS`] table.
#[derive(Debug)]
pub struct PresetSpec {
    /// What it is called.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What can be set, and its defaults; nothing for a model of one size.
    pub arguments: &'static [Argument],
    make: fn(&ArgumentValues) -> Result<Model>,
}

impl PresetSpec {
    /// Builds the model, every argument by default.
    pub fn model(&self) -> Result<Model> {
        self.with("")
    }

    /// Builds the model with some arguments set, as in `depth=64,width=32`.
    ///
    /// # Errors
    /// If one is unknown, set twice or not what it may be, or if they do not go together.
    pub fn with(&self, arguments: &str) -> Result<Model> {
        (self.make)(&ArgumentValues::parse(("model", self.name), self.arguments, arguments)?)
    }

    /// Builds the model without its metrics, as benchmarks measure it.
    pub fn workload(&self) -> Result<Model> {
        self.model()?.without_metrics()
    }
}

/// Looks a preset up in the table.
///
/// ```
/// let inception = caudal::presets::find("inception")?.model()?;
/// assert_eq!(inception.graph.node("i1")?.shape, [14, 14, 128]);
///
/// let message = caudal::presets::find("incepton").unwrap_err().to_string();
/// assert!(message.contains("did you mean `inception`?"));
/// # Ok::<(), caudal::Error>(())
/// ```
pub fn find(name: &str) -> Result<&'static PresetSpec> {
    PRESETS.iter().find(|spec| spec.name == name).copied().ok_or_else(|| Error::Model {
        origin: format!("model `{}`", name.escape_debug()),
        problem: "there is no preset of this name".to_owned(),
        remedy: format!(
            "{}; the name of a model file must end in .toml",
            suggest(name, PRESETS.iter().map(|spec| spec.name), "presets")
        ),
    })
}

/// The preset that a user asks for: its name, and, after a colon, the arguments that are set.
///
/// ```
/// let chain = caudal::presets::open("chain:depth=3,width=20")?;
/// assert_eq!(chain.graph.node("n2.relu")?.shape, [20]);
///
/// let message = caudal::presets::open("chain:depth=none").unwrap_err().to_string();
/// assert!(message.contains("`depth` (how many nodes) is a whole number from 1 to 10000"));
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If there is no such preset, and as [`PresetSpec::with`].
pub fn open(text: &str) -> Result<Model> {
    match text.split_once(':') {
        None => find(text)?.model(),
        Some((name, arguments)) => find(name)?.with(arguments),
    }
}

/// A convolution and its activation, `name.relu`.
fn convolution(net: &mut GraphBuilder, name: &str, layer: Conv2d, source: &NodeName) -> NodeName {
    let convolved = net.layer(name, layer, [source]);
    net.layer(format!("{name}.relu"), Relu, [&convolved])
}

/// Fully connected layers and their activations, `prefix.fcI` and `prefix.reluI`.
fn tower(net: &mut GraphBuilder, prefix: &str, source: &NodeName, widths: &[usize]) -> NodeName {
    let mut last = source.clone();
    for (number, &width) in widths.iter().enumerate() {
        let dense = net.layer(format!("{prefix}.fc{number}"), Dense::new(width), [&last]);
        last = net.layer(format!("{prefix}.relu{number}"), Relu, [&dense]);
    }
    last
}

/// What a classifier reads of an image with `side` rows and columns: the largest of every 2 x 2 pixels,
/// in a row. Means over small images say too little of where things are.
fn pixels(net: &mut GraphBuilder, image: &NodeName, side: usize) -> NodeName {
    let pooled = match side {
        1 => image.clone(),
        _ => net.layer("pool", MaxPool::new(2), [image]),
    };
    net.layer("flat", Flatten, [&pooled])
}

/// Ten logits, compared with a label.
fn head(net: &mut GraphBuilder, source: &NodeName) {
    let logits = net.layer("logits", Dense::new(10), [source]);
    compare(net, &logits);
}

/// A target `label`, with a loss and a metric over it.
fn compare(net: &mut GraphBuilder, logits: &NodeName) {
    let label = net.target("label", []);
    net.loss("loss", SoftmaxCrossEntropy, [logits, &label]);
    net.metric("accuracy", Accuracy, [logits, &label]);
}

/// Builds a model that trains with momentum 0.9.
fn model(net: GraphBuilder, batch_size: usize, epochs: usize, rate: f32) -> Result<Model> {
    let optimizer = Arc::new(Sgd::new(rate).momentum(0.9));
    Ok(Model::new(
        net.build()?,
        TrainingConfig { batch_size, epochs, optimizer, ..TrainingConfig::default() },
    ))
}

#[cfg(test)]
mod tests;
