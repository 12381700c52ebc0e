//! A sequence, step by step.

use serde::Deserialize;

use super::BlockSpec;
use crate::attributes::from_attributes;
use crate::graph::Block;
use crate::layers::{Flatten, Sample, Slice};

pub(super) static SPEC: BlockSpec = BlockSpec {
    kind: "steps",
    summary: "the steps of a sequence [length, features], each a node of its own",
    attributes: &[("length", "how many steps there are; required")],
    parse: |attributes| from_attributes(attributes).map(|Attributes { length }| steps(length)),
    samples: &[
        Sample { attributes: "length = 3", inputs: &[&[3, 2]] },
        Sample { attributes: "length = 1", inputs: &[&[1, 4]] },
    ],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    length: usize,
}

/// Takes a sequence apart: one input of shape `[length, features]` gives `length` outputs of shape
/// `[features]`, the steps in their order. Further axes of a step are flattened.
pub fn steps(length: usize) -> Block {
    Block::new(SPEC.kind, move |net, inputs| {
        let step = |number| {
            let slice = net.layer(format!("slice{number}"), Slice::new(0, number, 1), inputs);
            net.layer(format!("step{number}"), Flatten, [&slice])
        };
        (0..length).map(step).collect::<Vec<_>>()
    })
}
