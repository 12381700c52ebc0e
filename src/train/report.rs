//! Losses and metrics of a batch, or of a whole data set.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::batch::{cost, kept};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId, Role};
use crate::metrics::{Metric, Table};
use crate::run::Run;

/// A loss or a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedValue {
    /// The node's name.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// What a metric has to say beside its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedTable {
    /// The node's name.
    pub name: String,
    /// Its details.
    pub table: Table,
}

/// What a metric has to say of its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NamedNote {
    /// The node's name.
    pub name: String,
    /// Why its value is undefined, or by which rule it has one.
    pub note: String,
}

/// What came out of some items: exact over all of them, not a mean of means.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The weighted sum of all losses, and the costs of all regularizers.
    pub loss: f64,
    /// Every loss, before its weight.
    pub losses: Vec<NamedValue>,
    /// By the parameter's name: the cost of every regularizer, before the step; over several steps,
    /// their mean, weighted by items.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regularization: Vec<NamedValue>,
    /// Every metric.
    pub metrics: Vec<NamedValue>,
    /// The details of those metrics that have some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<NamedTable>,
    /// What those metrics say of their values that are undefined, or have one by a rule alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NamedNote>,
    /// How many items went in.
    pub items: usize,
}

impl Report {
    /// The loss, metric or regularizer's cost called `name`; `loss` is [`Report::loss`].
    ///
    /// # Errors
    /// If there is none of that name; says which there are.
    pub fn value(&self, name: &str) -> Result<f64> {
        if name == "loss" {
            return Ok(self.loss);
        }
        let mut named = self.losses.iter().chain(&self.regularization).chain(&self.metrics);
        let found = named.find(|value| value.name == name).map(|value| value.value);
        found.ok_or_else(|| {
            let named = self.losses.iter().chain(&self.regularization).chain(&self.metrics);
            let named = named.map(|value| value.name.as_str()).filter(|&name| name != "loss");
            Error::unknown("loss or metric", name, ["loss"].into_iter().chain(named))
        })
    }

    /// The loss, as `loss`, and every loss, cost of a regularizer and metric that is not called so.
    pub fn values(&self) -> Vec<(String, f64)> {
        let named = self.losses.iter().chain(&self.regularization).chain(&self.metrics);
        let named = named.filter(|value| value.name != "loss");
        let named = named.map(|value| (value.name.clone(), value.value));
        [("loss".to_owned(), self.loss)].into_iter().chain(named).collect()
    }

    /// The metric called `name`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }

    /// A metric's value in words of people: with four digits, or `undefined`.
    pub(super) fn shown(&self, metric: &NamedValue) -> String {
        if metric.value.is_nan() && self.notes.iter().any(|note| note.name == metric.name) {
            "undefined".to_owned()
        } else {
            format!("{:.4}", metric.value)
        }
    }

    /// The details of the metric called `name`.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name).map(|table| &table.table)
    }
}

/// One line: the loss, how much of it is regularization, and every metric.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {:.4}", self.loss)?;
        if !self.regularization.is_empty() {
            let costs = self.regularization.iter().map(|cost| cost.value);
            write!(f, ", {:.4} of it regularization", costs.sum::<f64>())?;
        }
        for metric in &self.metrics {
            write!(f, "  {} {}", metric.name, self.shown(metric))?;
        }
        Ok(())
    }
}

/// A metric's running sums.
#[derive(Clone, Debug)]
struct MetricTotals {
    id: NodeId,
    metric: Arc<dyn Metric>,
    /// How many numbers an item adds.
    statistics: usize,
    sums: Vec<f64>,
}

/// Running sums over batches.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    losses: Vec<(NodeId, f64)>,
    /// By parameter with a regularizer: its cost times the items.
    regularization: Vec<(usize, f64)>,
    metrics: Vec<MetricTotals>,
    items: usize,
    /// Of the batch that was added last, alone.
    batch_loss: f64,
}

impl Totals {
    pub(super) fn new(graph: &Graph) -> Self {
        let metric = |id: NodeId| {
            let node = &graph.nodes()[id];
            let Role::Metric(metric) = &node.role else { return None };
            let shape = |&input: &NodeId| graph.nodes()[input].shape.as_slice();
            let shapes: Vec<&[usize]> = node.inputs.iter().map(shape).collect();
            Some(MetricTotals {
                id,
                metric: Arc::clone(metric),
                statistics: metric.statistics(&shapes).max(1),
                sums: vec![0.0; metric.sums(&shapes)],
            })
        };
        let parameters = graph.parameters().iter().enumerate();
        let regularized = parameters.filter(|(_, parameter)| parameter.regularizer.is_some());
        Self {
            regularization: regularized.map(|(index, _)| (index, 0.0)).collect(),
            losses: graph.losses().into_iter().map(|id| (id, 0.0)).collect(),
            metrics: graph.metrics().into_iter().filter_map(metric).collect(),
            items: 0,
            batch_loss: 0.0,
        }
    }

    /// Adds what a run left behind, item by item.
    ///
    /// # Errors
    /// If its plan does not keep what losses and metrics say of each item, or what regularizers cost.
    pub(super) fn add(&mut self, run: &Run) -> Result<()> {
        let items = run.plan().batch() as f64;
        self.batch_loss = 0.0;
        for (id, sum) in &mut self.losses {
            let batch: f64 = kept(run, *id)?.iter().map(|&loss| f64::from(loss)).sum();
            *sum += batch;
            if let Role::Loss { weight, .. } = run.plan().graph().nodes()[*id].role {
                self.batch_loss += f64::from(weight) * batch / items;
            }
        }
        for (parameter, sum) in &mut self.regularization {
            let cost = cost(run, *parameter)?;
            *sum += items * cost;
            self.batch_loss += cost;
        }
        for MetricTotals { id, metric, statistics, sums } in &mut self.metrics {
            for item in kept(run, *id)?.chunks(*statistics) {
                metric.add(sums, item);
            }
        }
        self.items += run.plan().batch();
        Ok(())
    }

    /// The weighted sum of all losses and the costs of all regularizers, of the batch that was added last.
    pub(super) fn batch_loss(&self) -> f64 {
        self.batch_loss
    }

    pub(super) fn report(&self, graph: &Graph) -> Report {
        let items = self.items.max(1) as f64;
        let mut loss = 0.0;
        let mut losses = Vec::new();
        for (id, sum) in &self.losses {
            let node = &graph.nodes()[*id];
            let value = sum / items;
            if let Role::Loss { weight, .. } = node.role {
                loss += f64::from(weight) * value;
            }
            losses.push(NamedValue { name: node.name.clone(), value });
        }
        let mut regularization = Vec::new();
        for (parameter, sum) in &self.regularization {
            let value = sum / items;
            loss += value;
            let name = graph.parameters()[*parameter].name.clone();
            regularization.push(NamedValue { name, value });
        }
        let mut metrics = Vec::new();
        let (mut tables, mut notes) = (Vec::new(), Vec::new());
        for MetricTotals { id, metric, sums, .. } in &self.metrics {
            let name = graph.nodes()[*id].name.clone();
            let items = self.items.max(1);
            if let Some(table) = metric.details(sums, items) {
                tables.push(NamedTable { name: name.clone(), table });
            }
            if let Some(note) = metric.note(sums, items) {
                notes.push(NamedNote { name: name.clone(), note });
            }
            metrics.push(NamedValue { name, value: metric.value(sums, items) });
        }
        let items = self.items;
        Report { loss, losses, regularization, metrics, tables, notes, items }
    }
}
