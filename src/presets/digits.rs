//! The default model: branches of convolutions over the embedded digits.

use super::{PresetSpec, convolution, head, model};
use crate::error::Result;
use crate::graph::{GraphBuilder, NodeName};
use crate::layers::{Concat, Conv2d, Flatten, MaxPool};
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "digits",
    summary: "two blocks of four branches, over the embedded 8 x 8 grey images",
    arguments: &[],
    make: |_| digits(),
};

/// Convolutions of three sizes and a pooling side by side, with `filters` each.
fn block(net: &mut GraphBuilder, name: &str, source: &NodeName, filters: usize) -> NodeName {
    let mut ends = Vec::new();
    for size in [1, 3, 5] {
        let layer = Conv2d::new(filters, size).same();
        ends.push(convolution(net, &format!("{name}.{size}x{size}"), layer, source));
    }
    let pool = MaxPool::new(3).stride(1).same();
    let pool = net.layer(format!("{name}.pool"), pool, [source]);
    let projection = Conv2d::new(filters, 1);
    ends.push(convolution(net, &format!("{name}.poolp"), projection, &pool));
    net.layer(name, Concat::default(), &ends)
}

fn digits() -> Result<Model> {
    let mut net = GraphBuilder::new(SPEC.name);
    let image = net.input("image", [8, 8, 1]);
    let stem = convolution(&mut net, "stem", Conv2d::new(16, 3).same(), &image);
    let first = block(&mut net, "b1", &stem, 16);
    let pool = net.layer("pool1", MaxPool::new(2), [&first]);
    let second = block(&mut net, "b2", &pool, 24);
    let pool = net.layer("pool2", MaxPool::new(2), [&second]);
    let flat = net.layer("flat", Flatten, [&pool]);
    head(&mut net, &flat);
    model(net, 32, 12, 0.05)
}
