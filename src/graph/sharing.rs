//! Nodes that use the parameters of others.

use std::collections::HashMap;

use super::builder::{Draft, DraftRole};
use super::{GraphBuilder, NodeId, NodeName};
use crate::error::{Error, Result};
use crate::layers::{Layer, ParameterSpec};
use crate::names::nearest;
use crate::tensor::describe_shape;

impl GraphBuilder {
    /// Adds a node that computes `layer` of `inputs` with the parameters of the layer `of`: there is one set
    /// of them, named after `of`, and a step moves it by the sum of what both nodes ask for. The layer
    /// must need parameters of the same names and shapes; their first values are those of `of`.
    ///
    /// ```
    /// use caudal::graph::GraphBuilder;
    /// use caudal::layers::{Add, Dense};
    ///
    /// let mut net = GraphBuilder::new("siamese");
    /// let (left, right) = (net.input("left", [8]), net.input("right", [8]));
    /// let first = net.layer("first", Dense::new(4), [&left]);
    /// let second = net.layer_sharing("second", Dense::new(4), [&right], &first);
    /// let sum = net.layer("sum", Add, [&first, &second]);
    /// net.output(&sum);
    /// let graph = net.build()?;
    /// assert_eq!(graph.parameter_count(), 8 * 4 + 4);
    /// assert_eq!(graph.shares(graph.id("second")?), Some(graph.id("first")?));
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn layer_sharing<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        layer: impl Layer + 'static,
        inputs: impl IntoIterator<Item = I>,
        of: impl AsRef<str>,
    ) -> NodeName {
        self.shared_layer_sharing(name, std::sync::Arc::new(layer), inputs, of)
    }

    /// As [`GraphBuilder::layer_sharing`], for a layer that is shared already.
    pub(crate) fn shared_layer_sharing<I: AsRef<str>>(
        &mut self,
        name: impl Into<String>,
        layer: std::sync::Arc<dyn Layer>,
        inputs: impl IntoIterator<Item = I>,
        of: impl AsRef<str>,
    ) -> NodeName {
        self.add_sharing(name, DraftRole::layer(layer), inputs, Some(of.as_ref().to_owned()))
    }
}

/// By node: the one whose parameters it uses, which is itself where nothing is shared.
pub(super) fn owners(
    drafts: &[Draft],
    by_name: &HashMap<String, NodeId>,
    specs: &[Vec<ParameterSpec>],
) -> Result<Vec<NodeId>> {
    let mut next: Vec<NodeId> = (0..drafts.len()).collect();
    for (id, draft) in drafts.iter().enumerate() {
        let Some(of) = &draft.shares else { continue };
        let Some(&other) = by_name.get(of) else {
            let remedy = match nearest(of, drafts.iter().map(|draft| draft.name.as_str())) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "name a node of this graph".to_owned(),
            };
            let problem = format!("it shares the parameters of `{of}`, which is not a node");
            return Err(Error::node(&draft.name, problem, remedy));
        };
        if !matches!(
            (&draft.role, &drafts[other].role),
            (DraftRole::Layer(..), DraftRole::Layer(..))
        ) {
            return Err(Error::node(
                &draft.name,
                format!("it shares the parameters of `{of}`, but one of the two is not a layer"),
                "let a layer use the parameters of a layer",
            ));
        }
        next[id] = other;
    }
    let mut owners = Vec::with_capacity(drafts.len());
    for id in 0..drafts.len() {
        let mut owner = id;
        let mut hops = 0;
        while next[owner] != owner {
            owner = next[owner];
            hops += 1;
            if hops > drafts.len() {
                return Err(Error::node(
                    &drafts[id].name,
                    format!(
                        "it shares the parameters of `{}`, and following such words leads around",
                        drafts[next[id]].name
                    ),
                    "let one of the nodes have parameters of its own",
                ));
            }
        }
        // Chains are kept short, so that long ones take no time.
        next[id] = owner;
        check(drafts, id, owner, specs)?;
        owners.push(owner);
    }
    Ok(owners)
}

/// Both must need the same parameters.
fn check(drafts: &[Draft], id: NodeId, owner: NodeId, specs: &[Vec<ParameterSpec>]) -> Result<()> {
    let (own, others) = (&specs[id], &specs[owner]);
    let same = own.len() == others.len()
        && own.iter().zip(others).all(|(own, other)| {
            own.name == other.name && own.shape == other.shape && own.layout == other.layout
        });
    if same {
        return Ok(());
    }
    let list = |specs: &[ParameterSpec]| {
        let shapes =
            specs.iter().map(|spec| format!("{} {}", spec.name, describe_shape(&spec.shape)));
        if specs.is_empty() { "none".to_owned() } else { shapes.collect::<Vec<_>>().join(", ") }
    };
    Err(Error::node(
        &drafts[id].name,
        format!(
            "it shares the parameters of `{}`, but needs {} where that has {}",
            drafts[owner].name,
            list(own),
            list(others)
        ),
        "give both layers the same sizes and inputs of the same shape, or parameters of their own",
    ))
}
