//! Whole data sets through prediction plans, and single batches bound to a run.

use std::sync::Arc;

use super::network::Network;
use crate::data::{Column, Dataset, batches, gather};
use crate::error::{Error, Result};
use crate::executor::{Mode, Run};
use crate::graph::{Graph, NodeId};
use crate::tensor::Tensor;

impl Network {
    /// The run for batches of as many items as `items`, with these items of `data` bound.
    ///
    /// # Errors
    /// If the data does not fit, or as [`Plan::compile`](crate::executor::Plan::compile).
    pub fn bound_run(&mut self, mode: Mode, data: &Dataset, items: &[usize]) -> Result<&mut Run> {
        let columns = self.columns(mode, data)?;
        let run = self.run(mode, items.len())?;
        bind(run, &columns, items)?;
        Ok(run)
    }

    /// The outputs for a whole data set, in batches of `batch_size`, in the order of
    /// [`Graph::outputs`]. The data needs no targets.
    ///
    /// # Errors
    /// If the data does not fit, or if a node fails.
    pub fn predict_data(&mut self, data: &Dataset, batch_size: usize) -> Result<Vec<Tensor>> {
        let graph = Arc::clone(self.graph());
        let columns = self.columns(Mode::Prediction, data)?;
        let mut numbers = vec![Vec::new(); graph.outputs().len()];
        let order: Vec<usize> = (0..data.len()).collect();
        for items in batches(&order, batch_size.max(1)) {
            bind(self.run(Mode::Prediction, items.len())?, &columns, items)?;
            self.execute(Mode::Prediction, items.len())?;
            let run = self.run(Mode::Prediction, items.len())?;
            for (&id, numbers) in graph.outputs().iter().zip(&mut numbers) {
                numbers.extend_from_slice(run.kept(id).unwrap_or_default());
            }
        }
        let outputs = graph.outputs().iter().zip(numbers);
        outputs.map(|(&id, numbers)| tensor(&graph, id, data.len(), numbers)).collect()
    }
}

/// Copies some items of a data set into a run.
fn bind(run: &mut Run, columns: &[(NodeId, Column)], items: &[usize]) -> Result<()> {
    let mut numbers = Vec::new();
    for (id, column) in columns {
        gather(&column.values, items, &mut numbers)?;
        run.bind(*id, &numbers)?;
    }
    Ok(())
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
