//! One step of a gated recurrent unit.

use super::{BlockSpec, Recurrent, refuse_inputs};
use crate::attributes::from_attributes;
use crate::graph::Block;
use crate::layers::{Add, Concat, Dense, Multiply, Sample, Sigmoid, Subtract, Tanh};

pub(super) static SPEC: BlockSpec = BlockSpec {
    kind: "gru_cell",
    summary: "one step of a gated recurrent unit: input and state to state",
    attributes: &[("units", "numbers of the state; required")],
    parse: |attributes| from_attributes(attributes).map(|Recurrent { units }| gru_cell(units)),
    samples: &[
        Sample { attributes: "units = 3", inputs: &[&[2], &[3]] },
        Sample { attributes: "units = 1", inputs: &[&[1], &[1]] },
    ],
};

/// One step of a gated recurrent unit (Cho et al. 2014, with the reset after the product, as in cuDNN).
/// The inputs are the step's numbers `x` of shape `[features]` and the state `h` of shape `[units]`;
/// the output is the new `h`:
///
/// ```text
/// r = sigmoid(reset([x, h]))      z = sigmoid(update([x, h]))
/// n = tanh(candidate(x) + r * candidate.state(h))
/// h' = n + z * (h - n)
/// ```
///
/// `reset`, `update`, `candidate` and `candidate.state` are [`Dense`] nodes and run in parallel. The
/// weights of the first two have a row for every number of `x`, then of `h`; their bias stands for the
/// two that other libraries add.
pub fn gru_cell(units: usize) -> Block {
    Block::new(SPEC.kind, move |net, inputs| {
        let [x, state] = inputs else {
            return refuse_inputs(net, SPEC.kind, "an input and a state", inputs, 1);
        };
        let joined = net.layer("joined", Concat::default(), [x, state]);
        let reset = net.layer("reset", Dense::new(units), [&joined]);
        let reset = net.layer("reset.gate", Sigmoid, [&reset]);
        let update = net.layer("update", Dense::new(units), [&joined]);
        let update = net.layer("update.gate", Sigmoid, [&update]);
        let fresh = net.layer("candidate", Dense::new(units), [x]);
        let before = net.layer("candidate.state", Dense::new(units), [state]);
        let before = net.layer("candidate.reset", Multiply, [&reset, &before]);
        let sum = net.layer("candidate.sum", Add, [&fresh, &before]);
        let candidate = net.layer("candidate.tanh", Tanh, [&sum]);
        let change = net.layer("change", Subtract, [state, &candidate]);
        let kept = net.layer("kept", Multiply, [&update, &change]);
        vec![net.layer("state", Add, [&candidate, &kept])]
    })
}
