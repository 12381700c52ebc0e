//! One trunk, several losses.

use super::arguments::{ArgumentValues, BATCH, SIDE, count};
use super::{PresetSpec, model, tower};
use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::layers::Dense;
use crate::losses::SoftmaxCrossEntropy;
use crate::metrics::Accuracy;
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "heads",
    summary: "a shared trunk and several heads with a loss each, all over the same label",
    arguments: &[
        count("heads", "how many", "4", (1, 5000)),
        count("trunk", "hidden layers that all heads share", "2", (1, 1000)),
        count("depth", "hidden layers of a head", "2", (1, 1000)),
        count("width", "units of a hidden layer", "96", (1, 8192)),
        SIDE,
        BATCH,
    ],
    make: heads,
};

fn heads(settings: &ArgumentValues) -> Result<Model> {
    let mut net = GraphBuilder::new(settings.title());
    let (side, width) = (settings.count("side"), settings.count("width"));
    let x = net.input("x", [side * side]);
    let label = net.target("label", []);
    let trunk = tower(&mut net, "trunk", &x, &vec![width; settings.count("trunk")]);
    let widths = vec![width; settings.count("depth")];
    for number in 0..settings.count("heads") {
        let name = format!("h{number}");
        let last = tower(&mut net, &name, &trunk, &widths);
        let logits = net.layer(format!("{name}.logits"), Dense::new(10), [&last]);
        net.loss(format!("{name}.loss"), SoftmaxCrossEntropy, [&logits, &label]);
        net.metric(format!("{name}.accuracy"), Accuracy, [&logits, &label]);
    }
    model(net, settings.count("batch"), 10, 0.05)
}
