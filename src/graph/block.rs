//! Parts of networks that are used several times.

use std::fmt;
use std::sync::Arc;

use super::{GraphBuilder, NodeName};

type Body = dyn Fn(&mut GraphBuilder, &[NodeName]) -> Vec<NodeName> + Send + Sync;

/// A part of a network as a function of its inputs, to be used any number of times: with parameters of
/// its own at every use, or with those of an earlier one. Blocks may use other blocks.
///
/// Each use has a name, which stands before those of its nodes: `b0/conv`. Within the function, nodes
/// are handed on by the values that the builder returns.
///
/// ```
/// use caudal::graph::{Block, GraphBuilder};
/// use caudal::layers::{Concat, Conv2d, Flatten, MaxPool, Relu};
///
/// let step = Block::new("step", |net, inputs| {
///     let conv = net.layer("conv", Conv2d::new(4, 3).same(), inputs);
///     [net.layer("relu", Relu, [&conv])]
/// });
/// let inner = step.clone();
/// let branch = Block::new("branch", move |net, inputs| {
///     let first = net.block("first", &inner, inputs);
///     let pool = net.layer("pool", MaxPool::new(2), &first);
///     net.block("second", &inner, [&pool])
/// });
///
/// let mut net = GraphBuilder::new("branches");
/// let images = [net.input("left", [8, 8, 1]), net.input("right", [8, 8, 1])];
/// let left = net.block("b0", &branch, [&images[0]]);
/// let right = net.shared_block("b1", &branch, [&images[1]], "b0");
/// let other = net.block("b2", &branch, [&images[1]]);
/// let all = net.layer("all", Concat::default(), left.iter().chain(&right).chain(&other));
/// net.output(&all);
///
/// let graph = net.build()?;
/// assert_eq!(graph.node("b0/second/relu")?.shape, [4, 4, 4]);
/// let shared = graph.shares(graph.id("b1/second/conv")?);
/// assert_eq!(shared, Some(graph.id("b0/second/conv")?));
/// assert_eq!(graph.parameter_count(), 2 * (40 + 148));
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone)]
pub struct Block {
    name: Arc<str>,
    body: Arc<Body>,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Block {
    /// A block called `name`, of which `body` adds the nodes and returns the outputs, given the inputs.
    pub fn new<O: IntoIterator<Item = NodeName>>(
        name: impl Into<Arc<str>>,
        body: impl Fn(&mut GraphBuilder, &[NodeName]) -> O + Send + Sync + 'static,
    ) -> Self {
        let body = move |net: &mut GraphBuilder, inputs: &[NodeName]| {
            body(net, inputs).into_iter().collect::<Vec<_>>()
        };
        Self { name: name.into(), body: Arc::new(body) }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Where a builder is: within which blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Stands before the names of nodes.
    prefix: String,
    /// Stands before the names of the nodes whose parameters those here use.
    shared: Option<String>,
}

impl Scope {
    /// The whole name of a node here.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The whole name of the node whose parameters the node called `name` here uses.
    pub(super) fn counterpart(&self, name: &str) -> Option<String> {
        self.shared.as_ref().map(|shared| format!("{shared}{name}"))
    }

    fn within(&self, name: &str) -> Self {
        let counterpart = self.counterpart(name);
        Self {
            prefix: format!("{}/", self.path(name)),
            shared: counterpart.map(|counterpart| format!("{counterpart}/")),
        }
    }
}

impl GraphBuilder {
    /// Adds the nodes of `block` under the name `name`, with parameters of their own; gives its outputs.
    pub fn block<I: AsRef<str>>(
        &mut self,
        name: impl AsRef<str>,
        block: &Block,
        inputs: impl IntoIterator<Item = I>,
    ) -> Vec<NodeName> {
        let scope = self.scope.within(name.as_ref());
        self.use_block(scope, block, inputs)
    }

    /// Adds the nodes of `block` under the name `name`, with the parameters of its use under the name
    /// `of`, beside this one; gives its outputs.
    ///
    /// [`GraphBuilder::build`] refuses it where inputs have other shapes than there and parameters
    /// would need others.
    pub fn shared_block<I: AsRef<str>>(
        &mut self,
        name: impl AsRef<str>,
        block: &Block,
        inputs: impl IntoIterator<Item = I>,
        of: impl AsRef<str>,
    ) -> Vec<NodeName> {
        let prefix = self.scope.within(name.as_ref()).prefix;
        let shared = Some(self.scope.within(of.as_ref()).prefix);
        self.use_block(Scope { prefix, shared }, block, inputs)
    }

    fn use_block<I: AsRef<str>>(
        &mut self,
        scope: Scope,
        block: &Block,
        inputs: impl IntoIterator<Item = I>,
    ) -> Vec<NodeName> {
        let inputs: Vec<NodeName> =
            inputs.into_iter().map(|input| NodeName::from_path(input.as_ref())).collect();
        let outside = std::mem::replace(&mut self.scope, scope);
        let outputs = (block.body)(self, &inputs);
        self.scope = outside;
        outputs
    }
}
