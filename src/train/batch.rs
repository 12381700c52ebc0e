//! One batch: which numbers go into which node, and what comes out.

use std::borrow::Cow;

use crate::context::Mode;
use crate::data::Column;
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
        // The first of several of one name counts. There are few: to look through them is less than a table costs.
        let Some(&(_, tensor)) = batch.iter().find(|(name, _)| *name == node.name) else {
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
        found.push((id, tensor));
    }
    Ok((items.unwrap_or(0), found))
}

/// Copies a batch into a run: for each node, the numbers of all items, row-major.
pub(super) fn bind<N: AsRef<[f32]>>(
    run: &mut Run,
    batch: impl IntoIterator<Item = (NodeId, N)>,
) -> Result<()> {
    batch.into_iter().try_for_each(|(id, numbers)| run.bind(id, numbers.as_ref()))
}

/// The numbers of a tensor, row-major; copied only if they lie in another order.
pub(super) fn row_major(tensor: &Tensor) -> Cow<'_, [f32]> {
    match tensor.as_slice() {
        Some(numbers) => Cow::Borrowed(numbers),
        None => Cow::Owned(tensor.iter().copied().collect()),
    }
}

/// Some items of a data set, one after another, by the node that their column feeds. The memory is
/// used again for the next items.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    items: usize,
    numbers: Vec<(NodeId, Vec<f32>)>,
}

impl Gathered {
    /// Takes the chosen items of every column, in place of those from before.
    pub(super) fn gather(&mut self, columns: &[(NodeId, Column)], items: &[usize]) -> Result<()> {
        self.items = items.len();
        self.numbers.resize_with(columns.len(), Default::default);
        for ((id, column), (node, numbers)) in columns.iter().zip(&mut self.numbers) {
            *node = *id;
            column.gather(items, numbers)?;
        }
        Ok(())
    }

    /// How many items there are.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// The numbers of all items, column by column, to be changed.
    pub(super) fn numbers_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        self.numbers.iter_mut().map(|(_, numbers)| numbers)
    }

    /// The numbers of all items, for [`bind`].
    pub(super) fn by_node(&self) -> impl Iterator<Item = (NodeId, &[f32])> {
        self.numbers.iter().map(|(id, numbers)| (*id, numbers.as_slice()))
    }
}

/// What a run keeps of a node's numbers.
///
/// # Errors
/// If it keeps none: the node is no output, loss or metric of its plan.
pub(super) fn kept(run: &Run, id: NodeId) -> Result<&[f32]> {
    run.kept(id).ok_or_else(|| {
        Error::node(
            &run.plan().graph().nodes()[id].name,
            "its plan keeps no numbers of it",
            "declare it an output, and compile the plan for that",
        )
    })
}

/// What a run says that a parameter's regularizer costs.
///
/// # Errors
/// If it says nothing: the parameter has no regularizer, or its plan is one for predictions.
pub(super) fn cost(run: &Run, parameter: usize) -> Result<f64> {
    run.regularization(parameter).ok_or_else(|| Error::Parameter {
        parameter: run.plan().graph().parameters()[parameter].name.clone(),
        problem: "its plan keeps no cost of a regularizer".to_owned(),
        remedy: "give it a regularizer, and compile the plan for training or evaluation".to_owned(),
    })
}

/// The outputs of a prediction run, in the order of [`Graph::outputs`].
pub(super) fn outputs(run: &Run) -> Result<Vec<Tensor>> {
    let (graph, items) = (run.plan().graph(), run.plan().batch());
    let output = |&id: &NodeId| tensor(graph, id, items, kept(run, id)?.to_vec());
    graph.outputs().iter().map(output).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::train::{Network, NetworkOptions};

    #[test]
    fn numbers_that_no_plan_keeps_are_an_error() {
        let Model { graph, training, .. } = Model::open(Some("digits")).unwrap();
        let options = NetworkOptions::default().workers(1);
        let mut network = Network::from_parts(graph, training.optimizer, options).unwrap();
        let graph = std::sync::Arc::clone(network.graph());
        let image = Tensor::zeros(vec![2, 8, 8, 1]);
        let run = network.run(Mode::Prediction, 2).unwrap();
        bind(run, [(graph.inputs()[0], row_major(&image))]).unwrap();
        assert_eq!(kept(run, graph.outputs()[0]).unwrap().len(), 20);
        let loss = graph.losses()[0];
        let message = kept(run, loss).unwrap_err().to_string();
        assert!(message.contains(&graph.nodes()[loss].name), "{message}");
        assert!(message.contains("its plan keeps no numbers of it"), "{message}");
        let message = cost(run, 0).unwrap_err().to_string();
        assert!(message.contains(&graph.parameters()[0].name), "{message}");
        assert!(message.contains("its plan keeps no cost of a regularizer"), "{message}");
    }

    #[test]
    fn gathered_numbers_go_by_node_and_replace_those_before() {
        let column =
            Column::new("x", Tensor::from_shape_vec(vec![3, 1], vec![1., 2., 3.]).unwrap());
        let mut batch = Gathered::default();
        for items in [&[2, 0, 1][..], &[1]] {
            batch.gather(&[(7, column.clone())], items).unwrap();
            let expected: Vec<f32> = items.iter().map(|&item| item as f32 + 1.0).collect();
            assert_eq!(batch.items(), items.len());
            assert_eq!(batch.by_node().collect::<Vec<_>>(), [(7, expected.as_slice())]);
        }
    }
}
