//! Networks that become others and go on with their weights.

use std::sync::Arc;

use super::network::Network;
use super::options::NetworkOptions;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId, Parameter, Role};
use crate::layers::{Arity, Layer};
use crate::optimizers::{Optimizer, Sgd};
use crate::run::Parameters;
use crate::tensor::describe_shape;

/// What became of the parameters when a network became another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Carried {
    /// Those of the new network whose weights are those from before.
    pub kept: Vec<String>,
    /// Those of the new network that have first values from their initializers, since there was
    /// nothing of that name and shape.
    pub initialized: Vec<String>,
    /// Those of the network before whose weights are gone.
    pub dropped: Vec<String>,
}

impl Network {
    /// Makes this a network of another graph, optimizer or options, which goes on with the weights:
    /// every parameter takes those of the node and parameter of the same name, if they have its shape.
    /// The optimizer's state and the step are new, also if the optimizer is the same.
    ///
    /// Another graph comes from [`Graph::edit`]: with other losses, another head, or fewer nodes.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use caudal::layers::Dense;
    /// use caudal::model::Model;
    /// use caudal::optimizers::Adam;
    /// use caudal::train::{FitOptions, Network, NetworkOptions};
    ///
    /// let (train, _) = caudal::data::digits()?;
    /// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
    /// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
    /// let fit = FitOptions::default().max_steps(10);
    /// network.fit(&train, &fit)?;
    /// let weights = network.weights_sha256();
    ///
    /// let (graph, options) = (network.graph().clone(), network.options().clone());
    /// let carried = network.recompile(graph, Arc::new(Adam::new(0.001)), options)?;
    /// assert!(carried.initialized.is_empty() && carried.dropped.is_empty());
    /// assert_eq!((network.weights_sha256(), network.step()), (weights, 0));
    /// network.fit(&train, &fit)?;
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Network::from_parts`]; the network is then as it was.
    pub fn recompile(
        &mut self,
        graph: Arc<Graph>,
        optimizer: Arc<dyn Optimizer>,
        options: NetworkOptions,
    ) -> Result<Carried> {
        let mut new = Self::from_parts(graph, optimizer, options)?;
        new.set_data(self.data().clone());
        let carried = carry(self, new.graph(), new.parameters(), false)?;
        *self = new;
        Ok(carried)
    }

    /// Lets the node called `node` compute another layer, whose output has the same shape, and keeps
    /// all weights that still fit: those of its parameters which have other names or shapes get first
    /// values. The optimizer's state goes with the weights; the step stays.
    ///
    /// ```
    /// use caudal::layers::Tanh;
    /// use caudal::model::Model;
    /// use caudal::train::{Network, NetworkOptions};
    ///
    /// let Model { graph, training, .. } = Model::open(Some("digits"))?;
    /// let relu = graph.nodes().iter().find(|node| node.role.kind() == "relu").unwrap();
    /// let name = relu.name.clone();
    /// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
    /// let carried = network.set_layer(&name, Tanh)?;
    /// assert_eq!(network.graph().node(&name)?.role.kind(), "tanh");
    /// assert_eq!(carried.kept.len(), network.graph().parameters().len());
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such node, if it is no layer, or if the new layer does not fit its inputs, its
    /// users, or those with whom it shares parameters; the network is then as it was.
    pub fn set_layer(&mut self, node: &str, layer: impl Layer + 'static) -> Result<Carried> {
        let mut builder = self.graph().edit();
        let there = self.graph().node(node)?;
        let shape = |&input: &NodeId| self.graph().nodes()[input].shape.as_slice();
        let inputs: Vec<&[usize]> = there.inputs.iter().map(shape).collect();
        let takes_them = match layer.arity() {
            Arity::Exactly(number) => inputs.len() == number,
            Arity::AtLeast(number) => inputs.len() >= number,
        };
        // What does not fit the inputs is refused by the builder.
        let after = if takes_them { layer.output_shape(&inputs).ok() } else { None };
        let is_layer = matches!(there.role, Role::Layer(_));
        if let Some(after) = after.filter(|after| is_layer && *after != there.shape) {
            return Err(Error::node(
                node,
                format!(
                    "its output is {}, but as `{}` it would be {}",
                    describe_shape(&there.shape),
                    layer.kind(),
                    describe_shape(&after)
                ),
                "give it a layer with the same output, or change the graph with `Graph::edit` and \
                 go on with `Network::recompile`",
            ));
        }
        builder.set_layer(node, Arc::new(layer))?;
        let graph = Arc::new(builder.build()?);
        graph.parameter_settings(self.optimizer().as_ref())?;
        let parameters =
            Parameters::initialize(&graph, self.optimizer().as_ref(), self.options().seed)?;
        let carried = carry(self, &graph, &parameters, true)?;
        self.replace(graph, parameters);
        Ok(carried)
    }

    /// A network for prediction alone: without targets, losses, metrics, the nodes that only these
    /// use, and the optimizer's state; its weights are the averages where training keeps some. It predicts the same bits and can't be trained; saved, it is a
    /// smaller file, without an optimizer.
    ///
    /// ```
    /// use caudal::model::Model;
    /// use caudal::train::{Network, NetworkOptions};
    ///
    /// let (_, test) = caudal::data::digits()?;
    /// let Model { graph, training, .. } = Model::open(Some("digits"))?;
    /// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
    /// let mut frozen = network.freeze()?;
    /// assert!(frozen.graph().losses().is_empty() && frozen.graph().targets().is_empty());
    /// assert_eq!(frozen.predict_data(&test, 64)?, network.predict_data(&test, 64)?);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn freeze(&self) -> Result<Self> {
        let graph = self.graph().for_prediction()?;
        let mut frozen = Self::new(graph, Sgd::default(), self.options().clone())?;
        carry(self, frozen.graph(), frozen.parameters(), false)?;
        let graph = Arc::clone(frozen.graph());
        for (index, parameter) in graph.parameters().iter().enumerate() {
            if let Ok(average) = self.averaged_weights(&parameter.name) {
                frozen.parameters().set_weights(&graph, index, &average)?;
            }
        }
        frozen.set_step(self.step());
        frozen.set_data(self.data().clone());
        Ok(frozen)
    }
}

/// Copies weights, and with `state` what the same optimizer keeps beside them, from a network into the
/// parameters of another graph.
fn carry(from: &Network, graph: &Graph, into: &Parameters, state: bool) -> Result<Carried> {
    let old = from.graph();
    let mut carried = Carried::default();
    let mut used = vec![false; old.parameters().len()];
    for (index, source) in sources(old, graph).into_iter().enumerate() {
        let name = graph.parameters()[index].name.clone();
        let Some(source) = source else {
            carried.initialized.push(name);
            continue;
        };
        into.set_weights(graph, index, &from.parameters().weights(old, source))?;
        let arrays = |parameter: &Parameter| parameter.state(from.optimizer().as_ref()).len();
        // What one of the two does not train has none.
        let both = arrays(&old.parameters()[source]).min(arrays(&graph.parameters()[index]));
        for number in 0..if state { both } else { 0 } {
            let values = from.parameters().state(old, source, number);
            into.set_state(graph, index, number, &values)?;
        }
        if let Some(average) = from.parameters().average(old, source).filter(|_| state) {
            into.set_average(graph, index, &average)?;
        }
        used[source] = true;
        carried.kept.push(name);
    }
    let unused = old.parameters().iter().zip(used).filter(|(_, used)| !used);
    carried.dropped = unused.map(|(parameter, _)| parameter.name.clone()).collect();
    Ok(carried)
}

/// For every parameter of the new graph: the one of the old graph that it goes on with. It belongs to
/// a node of the same name, first of all the one that it is named after.
fn sources(old: &Graph, new: &Graph) -> Vec<Option<usize>> {
    let mut sources = vec![None; new.parameters().len()];
    let owners = new.parameters().iter().map(|parameter| parameter.node);
    for id in owners.chain(0..new.nodes().len()) {
        let node = &new.nodes()[id];
        let Ok(before) = old.node(&node.name) else { continue };
        for &index in &node.parameters {
            let spec = &new.parameters()[index].spec;
            let same = |&&other: &&usize| {
                let other = &old.parameters()[other].spec;
                other.name == spec.name && other.shape == spec.shape
            };
            if sources[index].is_none() {
                sources[index] = before.parameters.iter().find(same).copied();
            }
        }
    }
    sources
}
