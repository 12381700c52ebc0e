//! A long short-term memory over a sequence.

use super::{BlockSpec, Recurrent, lstm_cell, unrolled};
use crate::attributes::from_attributes;
use crate::graph::Block;
use crate::layers::Sample;

pub(super) static SPEC: BlockSpec = BlockSpec {
    kind: "lstm",
    summary: "a long short-term memory over a sequence: steps to states, with one set of parameters",
    attributes: &[("units", "numbers of the state; required")],
    parse: |attributes| from_attributes(attributes).map(|Recurrent { units }| lstm(units)),
    samples: &[
        Sample { attributes: "units = 3", inputs: &[&[2], &[2], &[2]] },
        Sample { attributes: "units = 2", inputs: &[&[1]] },
    ],
};

/// A [`lstm_cell()`] over any number of steps, unrolled: the inputs are the steps, of shape
/// `[features]` each, and the outputs are the states after each of them, of shape `[units]`; the last
/// output is the state after all. It starts from state and memory that are 0. All steps use the parameters of the
/// first, `step0`.
///
/// Steps come from a sequence by [`steps`](super::steps()), or from another recurrent block.
pub fn lstm(units: usize) -> Block {
    let cell = lstm_cell(units);
    Block::new(SPEC.kind, move |net, inputs| unrolled(net, SPEC.kind, &cell, inputs, units, 2))
}
