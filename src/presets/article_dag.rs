//! The seven nodes with which the idea of the crate was first drawn.

use super::{PresetSpec, compare, model};
use crate::error::Result;
use crate::graph::GraphBuilder;
use crate::layers::{Add, Dense, Relu, Tanh};
use crate::model::Model;

pub(super) static SPEC: PresetSpec = PresetSpec {
    name: "article-dag",
    summary: "seven small nodes A to G that fork and join, over 64 numbers",
    arguments: &[],
    make: |_| article_dag(),
};

/// ```text
///        +-> B --+--> E --+
///        |       |        |
/// A -----+       +--> D --+--> G
///        |       |        |
///        +-> C --+--> F --+
/// ```
fn article_dag() -> Result<Model> {
    let mut net = GraphBuilder::new(SPEC.name);
    let a = net.input("A", [64]);
    let b = net.layer("B", Dense::new(10), [&a]);
    let c = net.layer("C", Dense::new(10), [&a]);
    let d = net.layer("D", Add, [&b, &c]);
    let e = net.layer("E", Relu, [&b]);
    let f = net.layer("F", Tanh, [&c]);
    let g = net.layer("G", Add, [&e, &d, &f]);
    compare(&mut net, &g);
    model(net, 32, 10, 0.05)
}
