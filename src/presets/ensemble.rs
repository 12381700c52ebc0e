//! Networks side by side that vote.

use super::arguments::{ArgumentValues, BATCH, SIDE, count};
use super::{PresetSpec, model, tower};
use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::layers::{Add, Dense, Softmax};
use crate::losses::SoftmaxCrossEntropy;
use crate::metrics::Accuracy;
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "ensemble",
    summary: "perceptrons with a loss each, whose probabilities are added for the prediction",
    arguments: &[
        count("members", "how many", "8", (1, 5000)),
        count("depth", "hidden layers of a member", "2", (1, 1000)),
        count("width", "units of a hidden layer", "64", (1, 8192)),
        SIDE,
        BATCH,
    ],
    make: ensemble,
};

/// Members differ in their first weights alone, and never meet in training (deep ensembles,
/// Lakshminarayanan et al. 2017, without their shuffles).
fn ensemble(settings: &ArgumentValues) -> Result<Model> {
    let mut net = GraphBuilder::new(settings.title());
    let side = settings.count("side");
    let widths = vec![settings.count("width"); settings.count("depth")];
    let x = net.input("x", [side * side]);
    let label = net.target("label", []);
    let mut votes = Vec::new();
    for member in 0..settings.count("members") {
        let name = format!("m{member}");
        let last = tower(&mut net, &name, &x, &widths);
        let logits = net.layer(format!("{name}.logits"), Dense::new(10), [&last]);
        net.loss(format!("{name}.loss"), SoftmaxCrossEntropy, [&logits, &label]);
        votes.push(net.layer(format!("{name}.vote"), Softmax, [&logits]));
    }
    let sum = match votes.as_slice() {
        [only] => only.clone(),
        _ => net.layer("votes", Add, &votes),
    };
    net.output(&sum);
    net.metric("accuracy", Accuracy, [&sum, &label]);
    // Every loss weighs one over the number of members, and is all that its member learns from.
    let rate = 0.01 * settings.count("members") as f32;
    model(net, settings.count("batch"), 10, rate)
}
