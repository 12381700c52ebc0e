//! Networks side by side, weighed by one that knows who is good at what.

use super::arguments::{BATCH, SIDE, Settings, count};
use super::{PresetSpec, head, model, tower};
use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::layers::{Add, Dense, Multiply, Reshape, Slice, Softmax, Upsample};
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

fn experts(settings: &Settings) -> Result<Model> {
    let mut net = GraphBuilder::new(settings.title());
    let (side, width) = (settings.count("side"), settings.count("width"));
    let (count, widths) = (settings.count("experts"), vec![width; settings.count("depth")]);
    let x = net.input("x", [side * side]);
    let gate = net.layer("gate", Dense::new(count), [&x]);
    let gate = net.layer("gate.softmax", Softmax, [&gate]);
    let mut weighed = Vec::new();
    for expert in 0..count {
        let name = format!("e{expert}");
        let part = |part: &str| format!("{name}.{part}");
        let computed = tower(&mut net, &name, &x, &widths);
        // The expert's share, once for each of its units.
        let share = net.layer(part("share"), Slice::new(0, expert, 1), [&gate]);
        let share = net.layer(part("pixel"), Reshape::new([1, 1, 1]), [&share]);
        let share = net.layer(part("copies"), Upsample::new([1, width]), [&share]);
        let share = net.layer(part("shares"), Reshape::new([width]), [&share]);
        weighed.push(net.layer(part("weighed"), Multiply, [&computed, &share]));
    }
    let sum = net.layer("mixture", Add, &weighed);
    head(&mut net, &sum);
    model(net, settings.count("batch"), 10, 0.05)
}
