//! Networks as their authors write them: named nodes, ordered inputs, inferred shapes.

mod block;
mod builder;
mod edit;
mod frozen;
mod parameter_settings;
mod sharing;
#[cfg(test)]
mod tests;
mod training_settings;
mod validate;

use std::collections::HashMap;
use std::sync::Arc;

pub use block::Block;
pub(crate) use builder::DraftRole;
pub use builder::{GraphBuilder, NodeName};
pub use parameter_settings::ParameterSettings;
pub use training_settings::TRAINING_ATTRIBUTES;
pub(crate) use training_settings::TrainingSettings;

use crate::context::{Convolution, Numerics, Precision, Signature};
use crate::error::{Error, Result};
use crate::layers::{Layer, ParameterKind, ParameterSpec};
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::optimizers::Optimizer;
use crate::regularizers::Regularizer;

/// A node's position in its graph.
pub type NodeId = usize;

/// What a node is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Role {
    /// Receives data from outside.
    Input,
    /// Receives what a prediction is compared with; absent from prediction plans.
    Target,
    /// Computes an activation.
    Layer(Arc<dyn Layer>),
    /// Says how wrong a prediction is; backward starts here.
    Loss {
        /// The function.
        loss: Arc<dyn Loss>,
        /// Its share in the sum of all losses.
        weight: f32,
    },
    /// Says how good a prediction is, without a part in training.
    Metric(Arc<dyn Metric>),
}

impl Role {
    /// The kind as written in model files.
    pub fn kind(&self) -> &str {
        match self {
            Self::Input => "input",
            Self::Target => "target",
            Self::Layer(layer) => layer.kind(),
            Self::Loss { loss, .. } => loss.kind(),
            Self::Metric(metric) => metric.kind(),
        }
    }

    /// The attributes of a layer, loss or metric as a model file holds them; none of others.
    pub fn attributes(&self) -> toml::Table {
        match self {
            Self::Input | Self::Target => toml::Table::new(),
            Self::Layer(layer) => layer.attributes(),
            Self::Loss { loss, .. } => loss.attributes(),
            Self::Metric(metric) => metric.attributes(),
        }
    }
}

/// One node of a validated graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, inputs, shape and parameters, which can be read as fields of the node itself.
    pub signature: Signature,
    /// What it computes.
    pub role: Role,
    /// What is said about the training of its parameters.
    pub(crate) settings: TrainingSettings,
}

impl std::ops::Deref for Node {
    type Target = Signature;

    fn deref(&self) -> &Signature {
        &self.signature
    }
}

/// One array of weights that an optimizer moves, or of statistics that its layer moves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parameter {
    /// `NODE.weight`, `NODE.bias`, …
    pub name: String,
    /// The node that it is named after, whoever else shares it.
    pub node: NodeId,
    /// Its shape, layout and initial values.
    pub spec: ParameterSpec,
    /// Whether training moves it.
    pub trainable: bool,
    /// By what the optimizer's learning rate is multiplied for it.
    pub learning_rate_factor: f32,
    /// What its size costs.
    pub regularizer: Option<Arc<dyn Regularizer>>,
}

impl Parameter {
    /// Whether training with an optimizer keeps an average of it.
    pub(crate) fn is_averaged(&self, optimizer: &dyn Optimizer) -> bool {
        let moves = self.trainable && self.spec.kind == ParameterKind::Learned;
        moves && optimizer.ema_decay().is_some()
    }

    /// The arrays that an optimizer keeps for it: none for what it does not move.
    pub(crate) fn state(&self, optimizer: &dyn Optimizer) -> &'static [&'static str] {
        match self.spec.kind {
            ParameterKind::Learned if self.trainable => optimizer.state(),
            ParameterKind::Learned | ParameterKind::Statistic => &[],
        }
    }
}

/// A validated network: immutable, acyclic, every shape known.
///
/// ```
/// use caudal::graph::GraphBuilder;
/// use caudal::layers::{Concat, Dense, Relu};
/// use caudal::losses::SoftmaxCrossEntropy;
///
/// let mut net = GraphBuilder::new("two-branch");
/// let x = net.input("x", [64]);
/// let label = net.target("label", []);
/// let left = net.layer("left", Dense::new(16), [&x]);
/// let left = net.layer("left.relu", Relu, [&left]);
/// let right = net.layer("right", Dense::new(8), [&x]);
/// let both = net.layer("both", Concat::default(), [&left, &right]);
/// let logits = net.layer("logits", Dense::new(10), [&both]);
/// net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
/// let graph = net.build()?;
/// assert_eq!(graph.node("both")?.shape, [24]);
/// assert_eq!(graph.parameter_count(), 64 * 16 + 16 + 64 * 8 + 8 + 24 * 10 + 10);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) name: String,
    pub(crate) numerics: Numerics,
    pub(crate) nodes: Vec<Node>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) order: Vec<NodeId>,
    pub(crate) consumers: Vec<Vec<(NodeId, usize)>>,
    pub(crate) outputs: Vec<NodeId>,
    pub(crate) by_name: HashMap<String, NodeId>,
}

impl Graph {
    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its convolutions are computed, unless a plan is to compute all directly
    /// ([`PlanOptions::convolution`](crate::plan::PlanOptions::convolution)).
    pub fn convolution(&self) -> Convolution {
        self.numerics.convolution
    }

    /// This graph with its convolutions computed otherwise.
    ///
    /// ```
    /// use caudal::model::Model;
    /// use caudal::plan::Convolution;
    ///
    /// let graph = Model::open(Some("mnist-cnn"))?.graph;
    /// assert_eq!(graph.convolution(), Convolution::Auto);
    /// let direct = graph.with_convolution(Convolution::Direct);
    /// assert_eq!(direct.convolution(), Convolution::Direct);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    #[must_use]
    pub fn with_convolution(&self, convolution: Convolution) -> Self {
        Self { numerics: self.numerics.convolution(convolution), ..self.clone() }
    }

    /// With which numbers its products with weights are computed, unless a plan is to compute them with 16-bit ones
    /// ([`PlanOptions::precision`](crate::plan::PlanOptions::precision)).
    pub fn precision(&self) -> Precision {
        self.numerics.precision
    }

    /// This graph with its products with weights computed with other numbers.
    ///
    /// ```
    /// use caudal::model::Model;
    /// use caudal::plan::Precision;
    ///
    /// let graph = Model::open(Some("chain-mlp"))?.graph;
    /// assert_eq!(graph.precision(), Precision::F32);
    /// let graph = graph.with_precision(Precision::Bf16);
    /// assert_eq!(graph.precision(), Precision::Bf16);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    #[must_use]
    pub fn with_precision(&self, precision: Precision) -> Self {
        Self { numerics: self.numerics.precision(precision), ..self.clone() }
    }

    /// All nodes, in the order in which they were added.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All parameters, in the order of the nodes that they are named after.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The node whose parameters node `id` uses in place of its own, if it shares them.
    pub fn shares(&self, id: NodeId) -> Option<NodeId> {
        let first = *self.nodes[id].parameters.first()?;
        Some(self.parameters[first].node).filter(|&owner| owner != id)
    }

    /// Whether an optimizer moves parameters of node `id`.
    pub fn trains(&self, id: NodeId) -> bool {
        self.nodes[id].parameters.iter().any(|&index| {
            let parameter = &self.parameters[index];
            parameter.trainable && parameter.spec.kind == ParameterKind::Learned
        })
    }

    /// How many numbers all parameters hold together, shared ones counted once.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.spec.count()).sum()
    }

    /// The nodes in an order in which inputs come before those who use them.
    pub fn topological_order(&self) -> &[NodeId] {
        &self.order
    }

    /// Who uses node `id`: the node and which of its inputs it is, in node order.
    pub fn consumers(&self, id: NodeId) -> &[(NodeId, usize)] {
        &self.consumers[id]
    }

    /// The nodes whose values a prediction returns.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// The position of the node called `name`.
    pub fn id(&self, name: &str) -> Result<NodeId> {
        self.by_name.get(name).copied().ok_or_else(|| {
            Error::unknown("node", name, self.nodes.iter().map(|node| node.name.as_str()).take(50))
        })
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Result<&Node> {
        Ok(&self.nodes[self.id(name)?])
    }

    /// The shapes of what a node computes from.
    pub(crate) fn input_shapes(&self, node: &Node) -> Vec<&[usize]> {
        node.inputs.iter().map(|&input| self.nodes[input].shape.as_slice()).collect()
    }

    /// The ids of all nodes of one role, in node order.
    pub(crate) fn ids_where(&self, test: impl Fn(&Role) -> bool) -> Vec<NodeId> {
        (0..self.nodes.len()).filter(|&id| test(&self.nodes[id].role)).collect()
    }

    /// The input nodes.
    pub fn inputs(&self) -> Vec<NodeId> {
        self.ids_where(|role| matches!(role, Role::Input))
    }

    /// The target nodes.
    pub fn targets(&self) -> Vec<NodeId> {
        self.ids_where(|role| matches!(role, Role::Target))
    }

    /// The loss nodes.
    pub fn losses(&self) -> Vec<NodeId> {
        self.ids_where(|role| matches!(role, Role::Loss { .. }))
    }

    /// The metric nodes.
    pub fn metrics(&self) -> Vec<NodeId> {
        self.ids_where(|role| matches!(role, Role::Metric(_)))
    }
}
