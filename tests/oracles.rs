//! Comparisons with results that `PyTorch` and scikit-learn computed; see the README beside them.

mod batch_norm;
mod blocks;
mod layers;
mod metrics;
mod training;

use caudal::graph::{GraphBuilder, NodeName};
use caudal::{Tensor, layers as layer_table, losses, metrics as metric_table};
use serde::Deserialize;

use crate::probe::assert_close;

/// Numbers of an oracle.
#[derive(Deserialize)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Array {
    pub(crate) fn tensor(&self) -> Tensor {
        let values = self.values.iter().map(|&value| value as f32).collect();
        Tensor::from_shape_vec(self.shape.clone(), values).unwrap()
    }

    /// Asserts that no number is further off than `tolerance`, in parts of the largest.
    pub(crate) fn assert(&self, what: &str, found: &[f32], tolerance: f64) {
        assert_close(what, found, &self.values, tolerance);
    }
}

/// Adds a node of any kind but input and target, as a model file describes it.
fn add_node(
    net: &mut GraphBuilder,
    name: &str,
    kind: &str,
    mut attributes: toml::Table,
    inputs: &[NodeName],
) -> NodeName {
    if let Ok(spec) = losses::find(kind) {
        // The oracles' losses weigh 1 unless they say otherwise.
        let weight = attributes.remove("weight").map_or(1.0, |weight| weight.as_float().unwrap());
        let loss = (spec.parse)(attributes).unwrap();
        return net.shared_loss(name, loss, Some(weight as f32), inputs);
    }
    if let Ok(spec) = metric_table::find(kind) {
        return net.shared_metric(name, (spec.parse)(attributes).unwrap(), inputs);
    }
    let spec = layer_table::find(kind).unwrap();
    net.shared_layer(name, (spec.parse)(attributes).unwrap(), inputs)
}
