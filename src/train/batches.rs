//! Data sets through a network: which column feeds which node, batch by batch.

use std::sync::Arc;

use super::network::{Network, output};
use super::report::{Report, Totals};
use crate::data::{Column, Dataset, batches, gather};
use crate::error::{Error, Result};
use crate::executor::{Mode, Run};
use crate::graph::NodeId;
use crate::tensor::{Tensor, describe_shape};

impl Network {
    /// Losses and metrics over a whole data set, in batches of `batch_size`.
    ///
    /// # Errors
    /// If the data does not fit, or if a node fails.
    pub fn evaluate(&mut self, data: &Dataset, batch_size: usize) -> Result<Report> {
        let columns = self.columns(Mode::Evaluation, data)?;
        let order: Vec<usize> = (0..data.len()).collect();
        let mut totals = Totals::new(&self.graph);
        for items in batches(&order, batch_size.max(1)) {
            self.pass(Mode::Evaluation, &columns, items, &mut totals)?;
        }
        Ok(totals.report(&self.graph))
    }

    /// The run for batches of as many items as `items`, with these items of `data` bound.
    ///
    /// # Errors
    /// If the data does not fit, or as [`Plan::compile`].
    pub fn bound_run(&mut self, mode: Mode, data: &Dataset, items: &[usize]) -> Result<&mut Run> {
        let columns = self.columns(mode, data)?;
        self.bind_items(mode, &columns, items)?;
        self.run(mode, items.len())
    }

    /// The outputs for a whole data set, in batches of `batch_size`, in the order of
    /// [`Graph::outputs`].
    ///
    /// # Errors
    /// If the data does not fit, or if a node fails.
    pub fn predict_data(&mut self, data: &Dataset, batch_size: usize) -> Result<Vec<Tensor>> {
        let graph = Arc::clone(&self.graph);
        let columns = self.columns(Mode::Prediction, data)?;
        let mut numbers = vec![Vec::new(); graph.outputs().len()];
        let order: Vec<usize> = (0..data.len()).collect();
        for items in batches(&order, batch_size.max(1)) {
            self.bind_items(Mode::Prediction, &columns, items)?;
            self.execute(Mode::Prediction, items.len())?;
            let run = self.run(Mode::Prediction, items.len())?;
            for (&id, numbers) in graph.outputs().iter().zip(&mut numbers) {
                numbers.extend_from_slice(run.kept(id).unwrap_or_default());
            }
        }
        let outputs = graph.outputs().iter().zip(numbers);
        outputs.map(|(&id, numbers)| output(&graph, id, data.len(), numbers)).collect()
    }

    /// One batch of a data set through the plan, added to `totals`.
    pub(super) fn pass(
        &mut self,
        mode: Mode,
        columns: &[(NodeId, Column)],
        items: &[usize],
        totals: &mut Totals,
    ) -> Result<()> {
        self.bind_items(mode, columns, items)?;
        self.execute(mode, items.len())?;
        totals.add(self.run(mode, items.len())?);
        Ok(())
    }

    fn bind_items(
        &mut self,
        mode: Mode,
        columns: &[(NodeId, Column)],
        items: &[usize],
    ) -> Result<()> {
        let mut numbers = std::mem::take(&mut self.numbers);
        for (id, column) in columns {
            gather(&column.values, items, &mut numbers)?;
            self.run(mode, items.len())?.bind(*id, &numbers)?;
        }
        self.numbers = numbers;
        Ok(())
    }

    /// Which column of a data set feeds each input and target node: the one of that name, or the
    /// only one whose items have the node's shape.
    pub(super) fn columns(&self, mode: Mode, data: &Dataset) -> Result<Vec<(NodeId, Column)>> {
        let targets = if mode == Mode::Prediction { Vec::new() } else { self.graph.targets() };
        let sides = [(self.graph.inputs(), data.inputs()), (targets, data.targets())];
        let mut columns = Vec::new();
        for (ids, available) in sides {
            for id in ids {
                let node = &self.graph.nodes()[id];
                let fits = |column: &&Column| column.values.shape()[1..] == node.shape;
                let named = available.iter().find(|column| column.name == node.name);
                let mut fitting = available.iter().filter(fits);
                let column = match (named, fitting.next(), fitting.next()) {
                    (Some(named), _, _) if fits(&named) => named,
                    (None, Some(only), None) => only,
                    _ => {
                        let known = available.iter().map(|column| {
                            let shape = describe_shape(&column.values.shape()[1..]);
                            format!("`{}` ({shape})", column.name)
                        });
                        return Err(Error::Input {
                            node: node.name.clone(),
                            expected: format!(
                                "a column of items of {}",
                                describe_shape(&node.shape)
                            ),
                            found: format!(
                                "data set `{}` with {}",
                                data.name(),
                                known.collect::<Vec<_>>().join(", ")
                            ),
                            remedy: "rename the node like a column that has its shape".to_owned(),
                        });
                    }
                };
                columns.push((id, column.clone()));
            }
        }
        Ok(columns)
    }
}
