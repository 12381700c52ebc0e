//! Changing a network: the nodes of a graph go back into a builder, where some are dropped or
//! replaced.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::builder::{Draft, DraftRole};
use super::training_settings::TrainingSettings;
use super::{Graph, GraphBuilder, Node, NodeId, Role};
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::losses::Loss;

impl Graph {
    /// A builder that holds the nodes of this graph, to make another graph of them.
    ///
    /// Losses that weigh one over the number of losses do so again in the new graph, however many
    /// there are then; others keep their weights. Outputs that follow from the losses do so again.
    ///
    /// ```
    /// use caudal::graph::GraphBuilder;
    /// use caudal::layers::{Dense, Relu};
    /// use caudal::losses::{Huber, MeanSquaredError};
    ///
    /// let mut net = GraphBuilder::new("regression");
    /// let x = net.input("x", [4]);
    /// let y = net.target("y", [1]);
    /// let hidden = net.layer("hidden", Dense::new(8), [&x]);
    /// let hidden = net.layer("relu", Relu, [&hidden]);
    /// let prediction = net.layer("prediction", Dense::new(1), [&hidden]);
    /// net.loss("loss", MeanSquaredError, [&prediction, &y]);
    /// let graph = net.build()?;
    ///
    /// let mut net = graph.edit();
    /// net.remove("loss")?;
    /// net.loss("robust", Huber::default(), ["prediction", "y"]);
    /// let graph = net.build()?;
    /// assert_eq!(graph.node("robust")?.role.kind(), "huber");
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn edit(&self) -> GraphBuilder {
        let mut builder = GraphBuilder::new(self.name());
        builder.numerics = self.numerics;
        for (id, node) in self.nodes.iter().enumerate() {
            let inputs = node.inputs.iter().map(|&input| &self.nodes[input].name);
            let shares = self.shares(id).map(|owner| self.nodes[owner].name.clone());
            builder.add_sharing(&node.name, self.draft(node), inputs, shares);
        }
        for name in self.declared_outputs() {
            builder.output(name);
        }
        builder
    }

    /// What a node computes, for a builder; a loss of the default weight has none of its own.
    pub(crate) fn draft(&self, node: &Node) -> DraftRole {
        match &node.role {
            Role::Input => DraftRole::Input(node.shape.clone()),
            Role::Target => DraftRole::Target(node.shape.clone()),
            Role::Layer(layer) => DraftRole::Layer(layer.clone(), node.settings.clone()),
            Role::Loss { loss, weight } => {
                let default = self.default_weight();
                let own = (weight.to_bits() != default.to_bits()).then_some(*weight);
                DraftRole::Loss(loss.clone(), own)
            }
            Role::Metric(metric) => DraftRole::Metric(metric.clone()),
        }
    }

    /// The weight of losses that have none of their own.
    pub(crate) fn default_weight(&self) -> f32 {
        1.0 / self.losses().len().max(1) as f32
    }

    /// The outputs that must be declared: none where they are what the losses compare.
    pub(crate) fn declared_outputs(&self) -> Vec<&str> {
        let mut compared: Vec<NodeId> = Vec::new();
        for node in self.nodes.iter().filter(|node| matches!(node.role, Role::Loss { .. })) {
            compared.extend(node.inputs.first().filter(|input| !compared.contains(input)));
        }
        if compared == self.outputs {
            return Vec::new();
        }
        self.outputs.iter().map(|&id| self.nodes[id].name.as_str()).collect()
    }

    /// This graph without its metrics, and without the nodes that only metrics use.
    ///
    /// # Errors
    /// If nothing is left, for lack of outputs and losses.
    pub fn without_metrics(&self) -> Result<Self> {
        let mut builder = self.edit();
        builder.retain(|draft| !matches!(draft.role, DraftRole::Metric(_)));
        builder.prune();
        builder.build()
    }

    /// What a prediction needs of this graph: the nodes that lead to an output, without targets,
    /// losses and metrics, and without what is said of their training.
    ///
    /// # Errors
    /// None that a graph which was built could cause.
    pub fn for_prediction(&self) -> Result<Self> {
        let mut builder = self.unmeasured();
        for draft in &mut builder.drafts {
            if let DraftRole::Layer(_, settings) = &mut draft.role {
                *settings = TrainingSettings::default();
            }
        }
        builder.build()
    }

    /// This graph without targets, losses and metrics, and with its outputs: others can be put beside these.
    ///
    /// # Errors
    /// None that a graph which was built could cause.
    pub fn without_losses(&self) -> Result<Self> {
        self.unmeasured().build()
    }

    /// The nodes that lead to an output, without targets.
    fn unmeasured(&self) -> GraphBuilder {
        let mut builder = self.edit();
        builder.retain(|draft| matches!(draft.role, DraftRole::Input(_) | DraftRole::Layer(..)));
        builder.outputs = self.outputs.iter().map(|&id| self.nodes[id].name.clone()).collect();
        builder.prune();
        builder
    }
}

impl GraphBuilder {
    /// Drops every node that leads to no output, loss or metric, which [`GraphBuilder::build`] would
    /// refuse; gives the names of those dropped. Where the node goes after which shared parameters
    /// are named, the first of those that share them takes its place.
    ///
    /// Without any output, loss or metric nothing is dropped.
    ///
    /// ```
    /// use caudal::graph::GraphBuilder;
    /// use caudal::layers::{Dense, Tanh};
    ///
    /// let mut net = GraphBuilder::new("experiment");
    /// let x = net.input("x", [4]);
    /// let used = net.layer("used", Dense::new(2), [&x]);
    /// let tried = net.layer("tried", Dense::new(9), [&x]);
    /// net.layer("tried.tanh", Tanh, [&tried]);
    /// net.output(&used);
    /// assert_eq!(net.prune(), ["tried", "tried.tanh"]);
    /// assert_eq!(net.build()?.nodes().len(), 2);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn prune(&mut self) -> Vec<String> {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::with_capacity(self.drafts.len());
        for (id, draft) in self.drafts.iter().enumerate() {
            by_name.entry(&draft.name).or_default().push(id);
        }
        let ids = |name: &String| by_name.get(name.as_str()).cloned().unwrap_or_default();
        let measured =
            |draft: &Draft| matches!(draft.role, DraftRole::Loss(..) | DraftRole::Metric(_));
        let mut stack: Vec<usize> = self.outputs.iter().flat_map(ids).collect();
        stack.extend((0..self.drafts.len()).filter(|&id| measured(&self.drafts[id])));
        if stack.is_empty() {
            return Vec::new();
        }
        let mut useful = vec![false; self.drafts.len()];
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut useful[id], true) {
                stack.extend(self.drafts[id].inputs.iter().flat_map(ids));
            }
        }
        let mut useful = useful.into_iter();
        self.retain(|_| useful.next().unwrap_or(false))
    }

    /// Drops the node called `name`, and declares it an output no more. Nodes that still name it as
    /// an input are refused by [`GraphBuilder::build`]; those that only led to it are not dropped
    /// with it, but by [`GraphBuilder::prune`].
    ///
    /// # Errors
    /// If there is no such node.
    pub fn remove(&mut self, name: &str) -> Result<&mut Self> {
        self.position(name)?;
        self.retain(|draft| draft.name != name);
        Ok(self)
    }

    /// Lets the node called `name` compute another layer, of the same inputs.
    ///
    /// # Errors
    /// If there is no such node, or if it is no layer. Whether the new layer fits is seen by
    /// [`GraphBuilder::build`].
    pub fn set_layer(&mut self, name: &str, layer: Arc<dyn Layer>) -> Result<&mut Self> {
        let id = self.position(name)?;
        match &mut self.drafts[id].role {
            DraftRole::Layer(there, _) => *there = layer,
            _ => {
                return Err(Error::node(
                    name,
                    format!("it is no layer, so it can't become one of kind `{}`", layer.kind()),
                    "name a layer, or remove this node and add another",
                ));
            }
        }
        Ok(self)
    }

    /// Puts another loss in the place of one, with the same weight and inputs.
    pub(crate) fn set_loss(&mut self, name: &str, loss: Arc<dyn Loss>) -> Result<&mut Self> {
        let id = self.position(name)?;
        if let DraftRole::Loss(there, _) = &mut self.drafts[id].role {
            *there = loss;
        }
        Ok(self)
    }

    fn position(&self, name: &str) -> Result<usize> {
        self.drafts.iter().position(|draft| draft.name == name).ok_or_else(|| {
            let known = self.drafts.iter().map(|draft| draft.name.as_str()).take(50);
            Error::unknown("node", name, known)
        })
    }

    /// Drops all nodes but those that `keep` wants, which is asked in order; gives the names of those
    /// dropped.
    fn retain(&mut self, keep: impl FnMut(&Draft) -> bool) -> Vec<String> {
        let kept: Vec<bool> = self.drafts.iter().map(keep).collect();
        let dropped: HashSet<String> = self
            .drafts
            .iter()
            .zip(&kept)
            .filter(|(_, kept)| !**kept)
            .map(|(draft, _)| draft.name.clone())
            .collect();
        // What is said of the training of shared parameters stands with the owner.
        let said: HashMap<String, TrainingSettings> = self
            .drafts
            .iter()
            .filter_map(|draft| match &draft.role {
                DraftRole::Layer(_, settings) if dropped.contains(&draft.name) => {
                    Some((draft.name.clone(), settings.clone()))
                }
                _ => None,
            })
            .collect();
        // By dropped owner of shared parameters: the node that takes its place.
        let mut heirs: HashMap<String, String> = HashMap::new();
        let shares: HashMap<String, String> = self
            .drafts
            .iter()
            .filter_map(|draft| Some((draft.name.clone(), draft.shares.clone()?)))
            .collect();
        let mut names = Vec::new();
        for (mut draft, kept) in std::mem::take(&mut self.drafts).into_iter().zip(kept) {
            if !kept {
                names.push(draft.name);
                continue;
            }
            if let Some(of) = draft.shares.take() {
                let owner = last_owner(&shares, of);
                if !dropped.contains(&owner) {
                    draft.shares = Some(owner);
                } else if let Some(heir) = heirs.get(&owner) {
                    draft.shares = Some(heir.clone());
                } else {
                    if let DraftRole::Layer(_, own) = &mut draft.role
                        && let Some(settings) = said.get(&owner)
                    {
                        *own = settings.clone();
                    }
                    heirs.insert(owner, draft.name.clone());
                }
            }
            self.drafts.push(draft);
        }
        for setting in &mut self.settings {
            if let Some(heir) = heirs.get(&setting.node) {
                setting.node.clone_from(heir);
            }
        }
        self.settings.retain(|setting| !dropped.contains(&setting.node));
        self.outputs.retain(|output| !dropped.contains(output));
        names
    }
}

/// Follows who shares the parameters of whom to the end, but not around.
fn last_owner(shares: &HashMap<String, String>, mut of: String) -> String {
    for _ in 0..shares.len() {
        match shares.get(&of) {
            Some(next) => of.clone_from(next),
            None => break,
        }
    }
    of
}
