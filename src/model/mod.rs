//! Models as files hold them: a graph and how it wants to be trained.

mod blocks;
mod custom_kinds;
mod kinds;
mod manual;
mod measures;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use custom_kinds::CustomKinds;
pub use manual::{manual, manual_of};
pub(crate) use write::settings;

use crate::data::{Augmentation, DataConfig};
use crate::error::Result;
use crate::graph::Graph;
use crate::optimizers::{Optimizer, Sgd};
use crate::setters::setters;

/// How a model wants to be trained, unless told otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrainingConfig {
    /// Items in a batch.
    pub batch_size: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// How its parameters move.
    pub optimizer: Arc<dyn Optimizer>,
    /// Random changes of the items that it is trained on, by the name of the input.
    pub augment: BTreeMap<String, Vec<Arc<dyn Augmentation>>>,
    /// The parameter of the distribution by which items of a batch are mixed, if they are: see
    /// [`FitOptions::mix_up`](crate::train::FitOptions::mix_up).
    pub mix_up: Option<f64>,
}

impl Default for TrainingConfig {
    /// One pass in batches of 32, with plain descent at a rate of 0.01.
    fn default() -> Self {
        Self {
            batch_size: 32,
            epochs: 1,
            optimizer: Arc::new(Sgd::default()),
            augment: BTreeMap::new(),
            mix_up: None,
        }
    }
}

impl TrainingConfig {
    setters! {
        batch_size: usize,
        epochs: usize,
        optimizer: Arc<dyn Optimizer>,
        augment: BTreeMap<String, Vec<Arc<dyn Augmentation>>>,
        mix_up: impl Into<Option<f64>>,
    }
}

/// A graph, how it wants to be trained, and which columns of tables feed it.
#[derive(Clone, Debug)]
pub struct Model {
    /// The network.
    pub graph: Arc<Graph>,
    /// How it wants to be trained.
    pub training: TrainingConfig,
    /// Which columns of tables feed its inputs and targets; of a saved network also what its training
    /// fitted to them.
    pub data: DataConfig,
}

impl Model {
    /// A model of a graph just built, which has the columns of tables by default.
    pub fn new(graph: Graph, training: TrainingConfig) -> Self {
        Self { graph: Arc::new(graph), training, data: DataConfig::default() }
    }

    /// Reads the text of a model file. `origin` stands in errors for where the text is from.
    ///
    /// Every kind of [`LAYERS`](crate::layers::LAYERS), [`LOSSES`](crate::losses::LOSSES) and
    /// [`METRICS`](crate::metrics::METRICS) can be used, beside `input` and `target`, which have a
    /// `shape`. A node's attributes stand beside its `name`, `kind` and `inputs`. Nodes may stand in
    /// any order. A layer with `shares = "NODE"` uses the parameters of that node. An `input` or `target`
    /// may say which `columns` of a table feed it, and how: see [`DataConfig`].
    ///
    /// Every layer with parameters may also have [`TRAINING_ATTRIBUTES`]: `trainable = false` keeps
    /// its weights as they are, `learning_rate_factor = 0.1` moves them more slowly, and
    /// `weight_regularizer = { kind = "l2", rate = 1e-4 }` adds what the size of its `weight` costs to
    /// the loss. A loss may have a `weight`, its factor in the sum of all losses; without one, that is
    /// one over the number of losses, so that they weigh the same.
    ///
    /// [`TRAINING_ATTRIBUTES`]: crate::graph::TRAINING_ATTRIBUTES
    ///
    /// ```
    /// use caudal::model::Model;
    ///
    /// let model = Model::from_toml(
    ///     r#"
    ///         name = "two-branch"
    ///
    ///         [[node]]
    ///         name = "image"
    ///         kind = "input"
    ///         shape = [8, 8, 1]
    ///
    ///         [[node]]
    ///         name = "stem"
    ///         kind = "conv2d"
    ///         inputs = ["image"]
    ///         filters = 4
    ///         kernel = 3
    ///         padding = "same"
    ///
    ///         [[node]]
    ///         name = "small"
    ///         kind = "maxpool"
    ///         inputs = ["stem"]
    ///         size = 2
    ///
    ///         [[node]]
    ///         name = "mean"
    ///         kind = "global_avg_pool"
    ///         inputs = ["stem"]
    ///
    ///         [[node]]
    ///         name = "flat"
    ///         kind = "flatten"
    ///         inputs = ["small"]
    ///
    ///         [[node]]
    ///         name = "both"
    ///         kind = "concat"
    ///         inputs = ["mean", "flat"]
    ///
    ///         [[node]]
    ///         name = "logits"
    ///         kind = "dense"
    ///         inputs = ["both"]
    ///         units = 10
    ///
    ///         [[node]]
    ///         name = "label"
    ///         kind = "target"
    ///         shape = []
    ///
    ///         [[node]]
    ///         name = "loss"
    ///         kind = "softmax_cross_entropy"
    ///         inputs = ["logits", "label"]
    ///
    ///         [train]
    ///         batch_size = 64
    ///         optimizer = { kind = "sgd", learning_rate = 0.01, momentum = 0.9 }
    ///     "#,
    ///     "two-branch.toml",
    /// )?;
    /// assert_eq!(model.graph.node("both")?.shape, [4 + 4 * 4 * 4]);
    /// assert_eq!(model.training.batch_size, 64);
    ///
    /// let wrong = Model::from_toml("[[node]]\nname = 'x'\nkind = 'conv'", "wrong.toml");
    /// assert!(wrong.unwrap_err().to_string().starts_with("wrong.toml:3: node `x`"));
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Model`](crate::Error::Model) with the origin, the line and the node, for whatever is not
    /// such a model.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        Self::from_toml_with(text, origin, &CustomKinds::new())
    }

    /// As [`Model::from_toml`], for a text that may name kinds of your own.
    ///
    /// # Errors
    /// As [`Model::from_toml`].
    pub fn from_toml_with(text: &str, origin: &str, kinds: &CustomKinds) -> Result<Self> {
        read::read(text, origin, kinds, None)
    }

    /// The network of this model with what the text of a file says of its training: the nodes `target`, losses and
    /// metrics, columns of its inputs, and `[train]`, in the words of model files.
    ///
    /// # Errors
    /// As [`Model::from_toml`].
    #[cfg(feature = "onnx")]
    pub(crate) fn trained_as(&self, text: &str, origin: &str, kinds: &CustomKinds) -> Result<Self> {
        read::read(text, origin, kinds, Some(&self.graph))
    }

    /// The text of a model file that [`Model::from_toml`] reads as this model. Of a model without a
    /// loss it says nothing about training but the size of its batches.
    ///
    /// # Errors
    /// If the model has kinds that are in no table: names the node.
    pub fn to_toml(&self) -> Result<String> {
        self.to_toml_with(&CustomKinds::new())
    }

    /// As [`Model::to_toml`], for a model that may have kinds of your own.
    ///
    /// # Errors
    /// If a kind is neither in the tables nor among `kinds`.
    pub fn to_toml_with(&self, kinds: &CustomKinds) -> Result<String> {
        write::write(self, kinds)
    }

    /// The same model without its metrics, and without the nodes that only metrics use: what
    /// benchmarks measure.
    ///
    /// # Errors
    /// If nothing is left, for lack of outputs and losses.
    pub fn without_metrics(&self) -> Result<Self> {
        let model = Self::new(self.graph.without_metrics()?, self.training.clone());
        Ok(Self { data: self.data.clone(), ..model })
    }
}
