//! Multilayer perceptrons: several side by side, and one alone.

use super::{PresetSpec, head, model, tower};
use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::layers::Concat;
use crate::model::Model;

pub(super) static SMALL: PresetSpec = PresetSpec {
    name: "towers-small",
    summary: "16 perceptrons of three 64-wide layers side by side, over 64 numbers",
    arguments: &[],
    make: |_| towers(SMALL.name, 16, 64, [64; 3], 32),
};

pub(super) static WIDE: PresetSpec = PresetSpec {
    name: "towers-wide",
    summary: "4 perceptrons of three 512-wide layers side by side, over 784 numbers",
    arguments: &[],
    make: |_| towers(WIDE.name, 4, 784, [512; 3], 128),
};

pub(super) static CHAIN: PresetSpec = PresetSpec {
    name: "chain-mlp",
    summary: "one perceptron of three 512-wide layers, over 784 numbers: no branches at all",
    arguments: &[],
    make: |_| chain(),
};

fn towers(
    name: &str,
    branches: usize,
    features: usize,
    widths: [usize; 3],
    batch_size: usize,
) -> Result<Model> {
    let mut net = GraphBuilder::new(name);
    let x = net.input("x", [features]);
    let ends: Vec<_> =
        (0..branches).map(|branch| tower(&mut net, &format!("b{branch}"), &x, &widths)).collect();
    let all = net.layer("concat", Concat::default(), &ends);
    head(&mut net, &all);
    model(net, batch_size, 10, 0.01)
}

fn chain() -> Result<Model> {
    let mut net = GraphBuilder::new(CHAIN.name);
    let x = net.input("x", [784]);
    let last = tower(&mut net, "b", &x, &[512; 3]);
    head(&mut net, &last);
    model(net, 128, 10, 0.01)
}
