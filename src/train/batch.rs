//! One batch: which tensor goes into which node, and what comes out.

use crate::context::Mode;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::run::Run;
use crate::tensor::{Tensor, describe_shape};

/// How many items a batch has, and its tensors by the node that each is for.
pub(super) fn by_node<'a>(
    graph: &Graph,
    mode: Mode,
    batch: &[(&str, &'a Tensor)],
) -> Result<(usize, Vec<(NodeId, &'a Tensor)>)> {
    let mut needed = graph.inputs();
    if mode != Mode::Prediction {
        needed.extend(graph.targets());
    }
    let mut items = None;
    let mut found = Vec::new();
    for id in needed {
        let node = &graph.nodes()[id];
        let Some((_, tensor)) = batch.iter().find(|(name, _)| *name == node.name) else {
            return Err(Error::Input {
                node: node.name.clone(),
                expected: format!("items of {}", describe_shape(&node.shape)),
                found: "nothing".to_owned(),
                remedy: "hand over a tensor under this name".to_owned(),
            });
        };
        let expected = |items: &str| format!("{items} x {}", describe_shape(&node.shape));
        let fits = tensor.shape().split_first().filter(|(_, shape)| *shape == node.shape);
        let Some((&count, _)) = fits else {
            return Err(Error::Input {
                node: node.name.clone(),
                expected: expected("items"),
                found: describe_shape(tensor.shape()),
                remedy: "put the batch axis first and channels last".to_owned(),
            });
        };
        if *items.get_or_insert(count) != count {
            return Err(Error::Input {
                node: node.name.clone(),
                expected: expected(&items.unwrap_or(0).to_string()),
                found: describe_shape(tensor.shape()),
                remedy: "give every input and target as many items".to_owned(),
            });
        }
        found.push((id, *tensor));
    }
    Ok((items.unwrap_or(0), found))
}

/// Copies a tensor into a node of a run.
pub(super) fn bind(run: &mut Run, id: NodeId, tensor: &Tensor) -> Result<()> {
    match tensor.as_slice() {
        Some(numbers) => run.bind(id, numbers),
        None => run.bind(id, &tensor.iter().copied().collect::<Vec<f32>>()),
    }
}

/// The outputs of a prediction run, in the order of [`Graph::outputs`].
pub(super) fn outputs(run: &Run) -> Result<Vec<Tensor>> {
    let (graph, items) = (run.plan().graph(), run.plan().batch());
    let kept = |&id: &NodeId| tensor(graph, id, items, run.kept(id).unwrap_or(&[]).to_vec());
    graph.outputs().iter().map(kept).collect()
}

/// The numbers of `items` items of an output as a tensor.
pub(super) fn tensor(graph: &Graph, id: NodeId, items: usize, numbers: Vec<f32>) -> Result<Tensor> {
    let node = &graph.nodes()[id];
    let shape = [&[items], node.shape.as_slice()].concat();
    Tensor::from_shape_vec(shape, numbers).map_err(|error| Error::Input {
        node: node.name.clone(),
        expected: "an output that the plan keeps".to_owned(),
        found: error.to_string(),
        remedy: "declare it an output".to_owned(),
    })
}
