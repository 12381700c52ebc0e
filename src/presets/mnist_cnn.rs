//! A small convolutional classifier of handwritten digits, as one chain.

use super::{PresetSpec, convolution, head, model, tower};
use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::layers::{Conv2d, Flatten, MaxPool};
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "mnist-cnn",
    summary: "two convolutions and two dense layers in a chain, over 28 x 28 grey images",
    arguments: &[],
    make: |_| mnist_cnn(),
};

fn mnist_cnn() -> Result<Model> {
    let mut net = GraphBuilder::new(SPEC.name);
    let x = net.input("x", [28, 28, 1]);
    let last = convolution(&mut net, "c1", Conv2d::new(32, 3), &x);
    let last = convolution(&mut net, "c2", Conv2d::new(64, 3), &last);
    let pool = net.layer("pool", MaxPool::new(2), [&last]);
    let flat = net.layer("flat", Flatten, [&pool]);
    let last = tower(&mut net, "d", &flat, &[128]);
    head(&mut net, &last);
    model(net, 128, 5, 0.05)
}
