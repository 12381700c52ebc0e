//! Data sets through a network: which column feeds which node, and what comes out.

use std::collections::HashMap;
use std::sync::Arc;

use super::batch::{Gathered, bind, kept, tensor};
use super::feed::{Feed, Items};
use super::fit::FitOptions;
use super::network::Network;
use super::report::{Report, Totals};
use super::stream::PredictStream;
use crate::context::Mode;
use crate::data::{Column, Dataset, Order, Sampler, check_classes};
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::run::Run;
use crate::tensor::{Tensor, describe_shape};

impl Network {
    /// Losses and metrics over a whole data set, in batches of `batch_size`.
    ///
    /// # Errors
    /// If the network has neither, if the data does not fit, if the batch size is 0, or if a node fails.
    pub fn evaluate(&mut self, data: &Dataset, batch_size: usize) -> Result<Report> {
        self.evaluate_first(data, batch_size, usize::MAX)
    }

    /// Losses and metrics over the first `most` batches of a data set, or over at least one.
    ///
    /// # Errors
    /// As [`Network::evaluate`].
    pub fn evaluate_first(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        most: usize,
    ) -> Result<Report> {
        self.require_measures()?;
        require_items(batch_size)?;
        let columns = self.columns(Mode::Evaluation, data)?;
        let mut totals = Totals::new(self.graph());
        in_order(columns, data, batch_size, most, |batch| {
            self.pass(Mode::Evaluation, batch, &mut totals)
        })?;
        Ok(totals.report(self.graph()))
    }

    /// Refuses a network that has nothing to say of data.
    pub(super) fn require_measures(&self) -> Result<()> {
        let graph = self.graph();
        if graph.losses().is_empty() && graph.metrics().is_empty() {
            return Err(Error::Training {
                problem: format!("graph `{}`: it has no loss and no metric", graph.name()),
                remedy: "evaluate a network that has, or predict with this one".to_owned(),
            });
        }
        Ok(())
    }

    /// One batch through the plan, its results added to `totals`.
    pub(super) fn pass(&mut self, mode: Mode, batch: &Gathered, totals: &mut Totals) -> Result<()> {
        totals.add(self.execute(mode, batch.items(), batch.by_node())?)
    }

    /// Which column of a data set feeds each input and target node: the one of that name, or the
    /// only one whose items have the node's shape. Where there is one node and one column, their
    /// items only need as many numbers: an image can be fed to a node of one axis, row by row.
    pub(super) fn columns(&self, mode: Mode, data: &Dataset) -> Result<Vec<(NodeId, Column)>> {
        let targets = if mode == Mode::Prediction { Vec::new() } else { self.graph().targets() };
        let sides = [(self.graph().inputs(), data.inputs()), (targets, data.targets())];
        let mut columns = Vec::new();
        for (ids, available) in sides {
            let by_name: HashMap<&str, &Column> =
                available.iter().map(|column| (column.name.as_str(), column)).collect();
            for &id in &ids {
                let node = &self.graph().nodes()[id];
                let same_shape = |column: &Column| column.item_shape() == node.shape;
                let same_count =
                    |column: &Column| column.item_size() == node.shape.iter().product::<usize>();
                let alone = ids.len() == 1 && available.len() == 1;
                let fits = |column: &&Column| same_shape(column) || (alone && same_count(column));
                let named = by_name.get(node.name.as_str()).copied();
                let only = || {
                    let mut fitting = available.iter().filter(fits);
                    fitting.next().filter(|_| fitting.next().is_none())
                };
                let column = match (named, named.is_none().then(only).flatten()) {
                    (Some(named), _) if fits(&named) => named,
                    (None, Some(only)) => only,
                    _ => {
                        let known = available.iter().map(|column| {
                            let shape = describe_shape(column.item_shape());
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
                if mode != Mode::Prediction {
                    check_classes(self.graph(), id, data, column)?;
                }
                columns.push((id, column.clone()));
            }
        }
        Ok(columns)
    }

    /// The run for batches of as many items as `items`, with these items of `data` bound.
    ///
    /// # Errors
    /// If the data does not fit, or as [`Plan::compile`](crate::plan::Plan::compile).
    pub fn bound_run(&mut self, mode: Mode, data: &Dataset, items: &[usize]) -> Result<&mut Run> {
        let columns = self.columns(mode, data)?;
        let mut batch = Gathered::default();
        batch.gather(&columns, items)?;
        let run = self.run(mode, items.len())?;
        bind(run, batch.by_node())?;
        Ok(run)
    }

    /// The outputs for a whole data set, in batches of `batch_size`, in the order of
    /// [`Graph::outputs`](crate::graph::Graph::outputs). The data needs no targets.
    ///
    /// # Errors
    /// If the data does not fit, if the batch size is 0, or if a node fails.
    pub fn predict_data(&mut self, data: &Dataset, batch_size: usize) -> Result<Vec<Tensor>> {
        require_items(batch_size)?;
        let graph = Arc::clone(self.graph());
        let columns = self.columns(Mode::Prediction, data)?;
        let mut numbers = vec![Vec::new(); graph.outputs().len()];
        in_order(columns, data, batch_size, usize::MAX, |batch| {
            let run = self.execute(Mode::Prediction, batch.items(), batch.by_node())?;
            for (&id, numbers) in graph.outputs().iter().zip(&mut numbers) {
                numbers.extend_from_slice(kept(run, id)?);
            }
            Ok(())
        })?;
        let outputs = graph.outputs().iter().zip(numbers);
        outputs.map(|(&id, numbers)| tensor(&graph, id, data.len(), numbers)).collect()
    }

    /// As [`Network::predict_data`], batch by batch, with `in_flight` batches at work at the same time:
    /// see [`Network::predict_stream`].
    ///
    /// # Errors
    /// If the data does not fit, if the batch size is 0, or as [`Network::predict_stream`].
    pub fn predict_data_stream<'a>(
        &self,
        data: &Dataset,
        batch_size: usize,
        in_flight: usize,
    ) -> Result<PredictStream<'a>> {
        require_items(batch_size)?;
        let graph = Arc::clone(self.graph());
        let columns = self.columns(Mode::Prediction, data)?;
        let total = data.len();
        let batches = (0..total).step_by(batch_size).map(move |first| {
            let items: Vec<usize> = (first..total.min(first + batch_size)).collect();
            let gathered = columns.iter().map(|(id, column)| {
                let mut numbers = Vec::new();
                column.gather(&items, &mut numbers)?;
                let name = graph.nodes()[*id].name.clone();
                Ok((name, tensor(&graph, *id, items.len(), numbers)?))
            });
            gathered.collect()
        });
        PredictStream::new(self, Box::new(batches), in_flight)
    }
}

/// Hands the first `most` batches of a data set, at least one, to `pass`, one after the other.
fn in_order(
    columns: Vec<(NodeId, Column)>,
    data: &Dataset,
    batch_size: usize,
    most: usize,
    mut pass: impl FnMut(&Gathered) -> Result<()>,
) -> Result<()> {
    let options = FitOptions::default().batch_size(batch_size).max_batches(most);
    let sampler = Sampler::new(data, &Order::Sequential, batch_size, 0)?;
    std::thread::scope(|scope| {
        let from = Items { columns, sampler, augmenter: None };
        let mut feed = Feed::new(scope, from, &options);
        while let Some(batch) = feed.next() {
            let batch = batch?;
            pass(&batch.gathered)?;
            feed.give_back(batch);
        }
        Ok(())
    })
}

/// Refuses batches of nothing.
pub(super) fn require_items(batch_size: usize) -> Result<()> {
    if batch_size == 0 {
        return Err(Error::Training {
            problem: "the batch size is 0".to_owned(),
            remedy: "use at least one item a batch".to_owned(),
        });
    }
    Ok(())
}
