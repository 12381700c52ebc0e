//! Comparisons with results that `PyTorch` computed; see the README beside them.

mod batch_norm;
mod layers;
mod training;

use caudal::graph::{GraphBuilder, NodeName};
use caudal::{layers as layer_table, losses, metrics};

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
    if let Ok(spec) = metrics::find(kind) {
        return net.shared_metric(name, (spec.parse)(attributes).unwrap(), inputs);
    }
    let spec = layer_table::find(kind).unwrap();
    net.shared_layer(name, (spec.parse)(attributes).unwrap(), inputs)
}
