//! Inception blocks: convolutions of several sizes side by side.

use super::{PresetSpec, convolution, head, model};
use crate::error::Result;
use crate::graph::{GraphBuilder, NodeName};
use crate::layers::{Concat, Conv2d, GlobalAvgPool, MaxPool};
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "inception",
    summary: "three Inception blocks of four branches, over 28 x 28 grey images",
    make: inception,
};

/// The filters of a block: of the 1 x 1 branch, of the 3 x 3 branch with the reduction before it, of
/// the 5 x 5 branch with its own, and of the projection after pooling.
struct Filters {
    one: usize,
    three: [usize; 2],
    five: [usize; 2],
    pool: usize,
}

fn block(net: &mut GraphBuilder, name: &str, source: &NodeName, filters: &Filters) -> NodeName {
    let part = |branch: &str| format!("{name}.{branch}");
    let one = convolution(net, &part("1x1"), Conv2d::new(filters.one, 1).same(), source);
    let reduced = Conv2d::new(filters.three[0], 1).same();
    let reduced = convolution(net, &part("3x3r"), reduced, source);
    let three = Conv2d::new(filters.three[1], 3).same();
    let three = convolution(net, &part("3x3"), three, &reduced);
    let reduced = Conv2d::new(filters.five[0], 1).same();
    let reduced = convolution(net, &part("5x5r"), reduced, source);
    let five = Conv2d::new(filters.five[1], 5).same();
    let five = convolution(net, &part("5x5"), five, &reduced);
    let pool = net.layer(part("pool"), MaxPool::new(3).stride(1).same(), [source]);
    let pool = convolution(net, &part("poolp"), Conv2d::new(filters.pool, 1).same(), &pool);
    net.layer(name, Concat::default(), [&one, &three, &five, &pool])
}

fn inception() -> Result<Model> {
    let mut net = GraphBuilder::new(SPEC.name);
    let x = net.input("x", [28, 28, 1]);
    let stem = convolution(&mut net, "stem", Conv2d::new(32, 3).same(), &x);
    let pool = net.layer("pool1", MaxPool::new(2), [&stem]);
    let filters = Filters { one: 32, three: [32, 48], five: [16, 24], pool: 24 };
    let last = block(&mut net, "i1", &pool, &filters);
    let filters = Filters { one: 48, three: [48, 64], five: [16, 32], pool: 32 };
    let last = block(&mut net, "i2", &last, &filters);
    let pool = net.layer("pool2", MaxPool::new(2), [&last]);
    let filters = Filters { one: 64, three: [64, 96], five: [24, 48], pool: 48 };
    let last = block(&mut net, "i3", &pool, &filters);
    let means = net.layer("gap", GlobalAvgPool, [&last]);
    head(&mut net, &means);
    model(net, 64, 5, 0.01)
}
