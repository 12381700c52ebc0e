//! Puts a graph together, node by node.

use std::fmt;
use std::sync::Arc;

use super::block::Scope;
use super::training_settings::{self, Setting, TrainingSettings};
use super::{Graph, Role, validate};
use crate::context::{Convolution, Numerics, Precision};
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::tensor::Shape;

/// The name of a node, as the builder hands it out to be used as an input of others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The node of this whole name, its blocks included.
    pub(crate) fn from_path(path: &str) -> Self {
        Self(path.into())
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node before validation.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) role: DraftRole,
    pub(crate) inputs: Vec<String>,
    /// The node whose parameters it uses in place of its own.
    pub(crate) shares: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum DraftRole {
    Input(Shape),
    Target(Shape),
    Layer(Arc<dyn Layer>, TrainingSettings),
    Loss(Arc<dyn Loss>, Option<f32>),
    Metric(Arc<dyn Metric>),
}

impl DraftRole {
    /// A layer of whose training nothing is said.
    pub(crate) fn layer(layer: Arc<dyn Layer>) -> Self {
        Self::Layer(layer, TrainingSettings::default())
    }

    pub(crate) fn into_role(self, default_weight: f32) -> Role {
        match self {
            Self::Input(_) => Role::Input,
            Self::Target(_) => Role::Target,
            Self::Layer(layer, _) => Role::Layer(layer),
            Self::Loss(loss, weight) => {
                Role::Loss { loss, weight: weight.unwrap_or(default_weight) }
            }
            Self::Metric(metric) => Role::Metric(metric),
        }
    }
}

/// Collects nodes; [`GraphBuilder::build`] checks them all and names what does not fit.
///
/// Nodes may be added in any order: an input may name a node that comes later.
#[derive(Clone, Debug)]
pub struct GraphBuilder {
    name: String,
    pub(super) numerics: Numerics,
    pub(super) drafts: Vec<Draft>,
    pub(super) outputs: Vec<String>,
    pub(super) settings: Vec<Setting>,
    refusals: Vec<(String, String, String)>,
    pub(super) scope: Scope,
}

impl GraphBuilder {
    /// An empty network called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            numerics: Numerics::default(),
            drafts: Vec::new(),
            outputs: Vec::new(),
            refusals: Vec::new(),
            settings: Vec::new(),
            scope: Scope::default(),
        }
    }

    pub(crate) fn add<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        role: DraftRole,
        inputs: impl IntoIterator<Item = I>,
    ) -> NodeName {
        let name = name.into();
        let layer = matches!(role, DraftRole::Layer(..));
        let shares = self.scope.counterpart(&name).filter(|_| layer);
        self.add_sharing(name, role, inputs, shares)
    }

    /// Adds a node that uses the parameters of node `shares`, if there is one named.
    pub(crate) fn add_sharing<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        role: DraftRole,
        inputs: impl IntoIterator<Item = I>,
        shares: Option<String>,
    ) -> NodeName {
        let name = self.scope.path(&name.into());
        let handle = NodeName(name.as_str().into());
        let inputs = inputs.into_iter().map(|input| input.as_ref().to_owned()).collect();
        self.drafts.push(Draft { name, role, inputs, shares });
        handle
    }

    /// Adds a node that receives data of `shape` (one item, channels last).
    pub fn input(&mut self, name: impl Into<String>, shape: impl Into<Shape>) -> NodeName {
        self.add(name, DraftRole::Input(shape.into()), [""; 0])
    }

    /// Adds a node that receives what predictions are compared with. The empty shape `[]` is one
    /// number an item, such as a class index.
    pub fn target(&mut self, name: impl Into<String>, shape: impl Into<Shape>) -> NodeName {
        self.add(name, DraftRole::Target(shape.into()), [""; 0])
    }

    /// Adds a node that computes `layer` of `inputs`.
    pub fn layer<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        layer: impl Layer + 'static,
        inputs: impl IntoIterator<Item = I>,
    ) -> NodeName {
        self.add(name, DraftRole::layer(Arc::new(layer)), inputs)
    }

    /// Adds a loss over a prediction and a target. All losses without a weight of their own weigh
    /// the same: one over the number of losses.
    pub fn loss<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        loss: impl Loss + 'static,
        inputs: impl IntoIterator<Item = I>,
    ) -> NodeName {
        self.add(name, DraftRole::Loss(Arc::new(loss), None), inputs)
    }

    /// Adds a loss with a weight: the factor of its value in the sum of all losses.
    pub fn weighted_loss<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        loss: impl Loss + 'static,
        weight: f32,
        inputs: impl IntoIterator<Item = I>,
    ) -> NodeName {
        self.add(name, DraftRole::Loss(Arc::new(loss), Some(weight)), inputs)
    }

    /// As [`GraphBuilder::layer`], for a layer that is shared already, such as one from the table.
    pub fn shared_layer<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        layer: Arc<dyn Layer>,
        inputs: impl IntoIterator<Item = I>,
    ) -> NodeName {
        self.add(name, DraftRole::layer(layer), inputs)
    }

    /// As [`GraphBuilder::loss`] or, with a weight, [`GraphBuilder::weighted_loss`], for a loss that
    /// is shared already.
    pub fn shared_loss<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        loss: Arc<dyn Loss>,
        weight: Option<f32>,
        inputs: impl IntoIterator<Item = I>,
    ) -> NodeName {
        self.add(name, DraftRole::Loss(loss, weight), inputs)
    }

    /// As [`GraphBuilder::metric`], for a metric that is shared already.
    pub fn shared_metric<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        metric: Arc<dyn Metric>,
        inputs: impl IntoIterator<Item = I>,
    ) -> NodeName {
        self.add(name, DraftRole::Metric(metric), inputs)
    }

    /// Adds a metric over a prediction and a target.
    pub fn metric<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        metric: impl Metric + 'static,
        inputs: impl IntoIterator<Item = I>,
    ) -> NodeName {
        self.add(name, DraftRole::Metric(Arc::new(metric)), inputs)
    }

    /// Declares a node whose value a prediction returns. With none declared, the outputs are what
    /// the losses compare: the first input of each.
    pub fn output(&mut self, node: impl AsRef<str>) -> &mut Self {
        self.outputs.push(node.as_ref().to_owned());
        self
    }

    /// Says how all convolutions of the network are computed; by default [`Convolution::Auto`].
    pub fn convolution(&mut self, convolution: Convolution) -> &mut Self {
        self.numerics.convolution = convolution;
        self
    }

    /// Says with which numbers products with weights are computed; by default [`Precision::F32`].
    pub fn precision(&mut self, precision: Precision) -> &mut Self {
        self.numerics.precision = precision;
        self
    }

    /// Lets [`GraphBuilder::build`] refuse the network, for the given problem of the block at hand,
    /// and with the given remedy: what a [`Block`](super::Block) calls whose inputs are not those that
    /// it takes. Gives a name to hand on in place of an output.
    pub fn refuse(&mut self, problem: impl Into<String>, remedy: impl Into<String>) -> NodeName {
        let path = self.scope.path("");
        let block = path.strip_suffix('/').unwrap_or(&self.name).to_owned();
        self.refusals.push((block.clone(), problem.into(), remedy.into()));
        NodeName(block.as_str().into())
    }

    /// Checks everything and infers every shape.
    ///
    /// # Errors
    /// Names the node, the shapes and the remedy for: duplicate or unknown names, cycles, wrong
    /// numbers of inputs, shapes that do not fit, nodes that lead nowhere, outputs that come
    /// of targets, and networks without an input or an output.
    pub fn build(mut self) -> Result<Graph> {
        if let Some((node, problem, remedy)) = self.refusals.into_iter().next() {
            return Err(Error::Node { node, problem, remedy });
        }
        training_settings::apply(&mut self.drafts, self.settings)?;
        let graph = validate::validate(self.name, self.drafts, &self.outputs)?;
        Ok(Graph { numerics: self.numerics, ..graph })
    }
}
