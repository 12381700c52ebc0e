//! Losses and metrics of a batch, or of a whole data set.

use serde::Serialize;

use crate::executor::Run;
use crate::graph::{Graph, NodeId, Role};

/// A loss or a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedValue {
    /// The node's name.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// What came out of some items: exact over all of them, not a mean of means.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The weighted sum of all losses.
    pub loss: f64,
    /// Every loss, before its weight.
    pub losses: Vec<NamedValue>,
    /// Every metric.
    pub metrics: Vec<NamedValue>,
    /// How many items went in.
    pub items: usize,
}

impl Report {
    /// The metric called `name`, or, with no such node, the first of that kind.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }
}

/// Running sums over batches.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    losses: Vec<(NodeId, f64)>,
    metrics: Vec<(NodeId, Vec<f64>)>,
    items: usize,
}

impl Totals {
    pub(super) fn new(graph: &Graph) -> Self {
        let width = |id: NodeId| graph.nodes()[id].shape.iter().product();
        Self {
            losses: graph.losses().into_iter().map(|id| (id, 0.0)).collect(),
            metrics: graph.metrics().into_iter().map(|id| (id, vec![0.0; width(id)])).collect(),
            items: 0,
        }
    }

    /// Adds what a run left behind, item by item.
    pub(super) fn add(&mut self, run: &Run) {
        for (id, sum) in &mut self.losses {
            *sum += run.kept(*id).unwrap_or(&[]).iter().map(|&loss| f64::from(loss)).sum::<f64>();
        }
        for (id, sums) in &mut self.metrics {
            for item in run.kept(*id).unwrap_or(&[]).chunks(sums.len().max(1)) {
                sums.iter_mut().zip(item).for_each(|(sum, &value)| *sum += f64::from(value));
            }
        }
        self.items += run.plan().batch();
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
        let metrics = self.metrics.iter().filter_map(|(id, sums)| {
            let node = &graph.nodes()[*id];
            let Role::Metric(metric) = &node.role else { return None };
            let value = metric.value(sums, self.items.max(1));
            Some(NamedValue { name: node.name.clone(), value })
        });
        Report { loss, losses, metrics: metrics.collect(), items: self.items }
    }
}
