//! Networks side by side, weighed by one that knows who is good at what.

use super::arguments::{ArgumentValues, BATCH, SIDE, count};
use super::{PresetSpec, head, model, tower};
use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::layers::{Concat, Dense, Flatten, MatMul, Reshape, Softmax};
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "experts",
    summary: "a mixture of experts: perceptrons, weighed by a gate that reads the same (Jacobs et al. 1991)",
    arguments: &[
        count("experts", "how many; all of them compute", "8", (2, 5000)),
        count("depth", "hidden layers of an expert", "2", (1, 1000)),
        count("width", "units of a hidden layer", "64", (1, 8192)),
        SIDE,
        BATCH,
    ],
    make: experts,
};

fn experts(settings: &ArgumentValues) -> Result<Model> {
    let mut net = GraphBuilder::new(settings.title());
    let (side, width) = (settings.count("side"), settings.count("width"));
    let (count, widths) = (settings.count("experts"), vec![width; settings.count("depth")]);
    let x = net.input("x", [side * side]);
    let gate = net.layer("gate", Dense::new(count), [&x]);
    let gate = net.layer("gate.softmax", Softmax, [&gate]);
    let experts: Vec<_> =
        (0..count).map(|expert| tower(&mut net, &format!("e{expert}"), &x, &widths)).collect();
    // A row for every expert, and the product of their shares with these.
    let experts = net.layer("experts", Concat::default(), &experts);
    let rows = net.layer("experts.rows", Reshape::new([count, width]), [&experts]);
    let shares = net.layer("gate.row", Reshape::new([1, count]), [&gate]);
    let mixture = net.layer("mixture.row", MatMul::new(), [&shares, &rows]);
    let mixture = net.layer("mixture", Flatten, [&mixture]);
    head(&mut net, &mixture);
    model(net, settings.count("batch"), 10, 0.05)
}
