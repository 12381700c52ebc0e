//! Cells as a search found them.

use super::arguments::{ArgumentValues, BATCH, SIDE, count};
use super::{PresetSpec, convolution, head, model, pixels};
use crate::error::Result;
use crate::graph::{GraphBuilder, NodeName};
use crate::layers::{Add, AvgPool, Concat, Conv2d, Relu};
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "nasnet",
    summary: "normal cells wired as NASNet-A (Zoph et al. 2018), with plain convolutions",
    arguments: &[
        count("cells", "one after another; each reads the two before it", "3", (1, 500)),
        count("width", "filters of every convolution", "12", (1, 4096)),
        SIDE,
        BATCH,
    ],
    make: nasnet,
};

fn nasnet(settings: &ArgumentValues) -> Result<Model> {
    let mut net = GraphBuilder::new(settings.title());
    let (side, width) = (settings.count("side"), settings.count("width"));
    let image = net.input("image", [side, side, 1]);
    let stem = convolution(&mut net, "stem", Conv2d::new(width, 3).same(), &image);
    let (mut before, mut last) = (stem.clone(), stem);
    for number in 0..settings.count("cells") {
        let next = cell(&mut net, &format!("c{number}"), &last, &before, width);
        before = std::mem::replace(&mut last, next);
    }
    let last = pixels(&mut net, &last, side);
    head(&mut net, &last);
    model(net, settings.count("batch"), 10, 0.01)
}

/// Five pairs of operations on the output of the cell before (`h`) and of the one before that (`p`),
/// each pair added; the cell's output is all five sums and `p`, one after another.
fn cell(
    net: &mut GraphBuilder,
    name: &str,
    last: &NodeName,
    before: &NodeName,
    width: usize,
) -> NodeName {
    let part = |branch: &str| format!("{name}.{branch}");
    let h = convolution(net, &part("h"), Conv2d::new(width, 1), last);
    let p = convolution(net, &part("p"), Conv2d::new(width, 1), before);
    let mut conv = |branch: &str, size: usize, source: &NodeName| {
        convolution(net, &part(branch), Conv2d::new(width, size).same(), source)
    };
    let first = [conv("a5", 5, &h), conv("a3", 3, &p)];
    let second = [conv("b5", 5, &p), conv("b3", 3, &p)];
    let fifth = [conv("e3", 3, &h), h.clone()];
    let mean = AvgPool::new(3).stride(1).same();
    let mean_h = net.layer(part("mean_h"), mean.clone(), [&h]);
    let mean_p = net.layer(part("mean_p"), mean, [&p]);
    let third = [mean_h, p.clone()];
    let fourth = [mean_p.clone(), mean_p];
    let pairs = [("a", first), ("b", second), ("c", third), ("d", fourth), ("e", fifth)];
    let mut ends = vec![p];
    ends.extend(pairs.map(|(pair, inputs)| net.layer(part(pair), Add, &inputs)));
    let all = net.layer(part("all"), Concat::default(), &ends);
    net.layer(name, Relu, [&all])
}
