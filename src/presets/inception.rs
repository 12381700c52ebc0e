//! Inception blocks: convolutions of several sizes side by side.

use super::arguments::{Argument, ArgumentValues, BATCH, SIDE, Values, count, number};
use super::{PresetSpec, convolution, head, model};
use crate::error::Result;
use crate::graph::{GraphBuilder, NodeName};
use crate::layers::{Concat, Conv2d, GlobalAvgPool, MaxPool};
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "inception",
    summary: "Inception blocks of four branches, over grey images",
    arguments: &[
        count(
            "blocks",
            "how many, the third and later ones at a quarter of the pixels",
            "3",
            (1, 200),
        ),
        number("width", "times the filters of every convolution", "1", (0.01, 64.0)),
        Argument { default: "28", values: Values::Count(4, 1024), ..SIDE },
        Argument { default: "64", ..BATCH },
    ],
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

/// The filters of the first, the second, and every further block.
const FILTERS: [Filters; 3] = [
    Filters { one: 32, three: [32, 48], five: [16, 24], pool: 24 },
    Filters { one: 48, three: [48, 64], five: [16, 32], pool: 32 },
    Filters { one: 64, three: [64, 96], five: [24, 48], pool: 48 },
];

fn inception(settings: &ArgumentValues) -> Result<Model> {
    let mut net = GraphBuilder::new(settings.title());
    let side = settings.count("side");
    let width = settings.number("width");
    let wide = |filters: usize| ((filters as f64 * width).round() as usize).max(1);
    let x = net.input("x", [side, side, 1]);
    let stem = convolution(&mut net, "stem", Conv2d::new(wide(32), 3).same(), &x);
    let mut last = net.layer("pool1", MaxPool::new(2), [&stem]);
    for number in 1..=settings.count("blocks") {
        if number == 3 {
            last = net.layer("pool2", MaxPool::new(2), [&last]);
        }
        let filters = &FILTERS[number.min(FILTERS.len()) - 1];
        let filters = Filters {
            one: wide(filters.one),
            three: filters.three.map(wide),
            five: filters.five.map(wide),
            pool: wide(filters.pool),
        };
        last = block(&mut net, &format!("i{number}"), &last, &filters);
    }
    let means = net.layer("gap", GlobalAvgPool, [&last]);
    head(&mut net, &means);
    model(net, settings.count("batch"), 5, 0.01)
}
