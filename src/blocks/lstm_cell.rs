//! One step of a long short-term memory.

use super::{BlockSpec, Recurrent, refuse_inputs};
use crate::attributes::from_attributes;
use crate::graph::Block;
use crate::layers::{Add, Concat, Dense, Multiply, Sample, Sigmoid, Tanh};

pub(super) static SPEC: BlockSpec = BlockSpec {
    kind: "lstm_cell",
    summary: "one step of a long short-term memory: input, state and memory to state and memory",
    attributes: &[("units", "numbers of the state; required")],
    parse: |attributes| from_attributes(attributes).map(|Recurrent { units }| lstm_cell(units)),
    samples: &[
        Sample { attributes: "units = 3", inputs: &[&[2], &[3], &[3]] },
        Sample { attributes: "units = 1", inputs: &[&[1], &[1], &[1]] },
    ],
};

/// One step of a long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers,
/// Schmidhuber and Cummins 2000). The inputs are the step's numbers `x` of shape `[features]`, the
/// state `h` and the memory `c` of shape `[units]`; the outputs are the new `h` and `c`:
///
/// ```text
/// i = sigmoid(input([x, h]))      f = sigmoid(forget([x, h]))
/// g = tanh(candidate([x, h]))     o = sigmoid(output([x, h]))
/// c' = f * c + i * g              h' = o * tanh(c')
/// ```
///
/// The four gates are [`Dense`] nodes, `input`, `forget`, `candidate` and `output`, and run in parallel.
/// A weight has a row for every number of `x`, then of `h`. Its bias stands for the two that other
/// libraries add.
pub fn lstm_cell(units: usize) -> Block {
    Block::new(SPEC.kind, move |net, inputs| {
        let [x, state, memory] = inputs else {
            return refuse_inputs(net, SPEC.kind, "an input, a state and a memory", inputs, 2);
        };
        let joined = net.layer("joined", Concat::default(), [x, state]);
        let input = net.layer("input", Dense::new(units), [&joined]);
        let input = net.layer("input.gate", Sigmoid, [&input]);
        let forget = net.layer("forget", Dense::new(units), [&joined]);
        let forget = net.layer("forget.gate", Sigmoid, [&forget]);
        let candidate = net.layer("candidate", Dense::new(units), [&joined]);
        let candidate = net.layer("candidate.tanh", Tanh, [&candidate]);
        let output = net.layer("output", Dense::new(units), [&joined]);
        let output = net.layer("output.gate", Sigmoid, [&output]);
        let kept = net.layer("kept", Multiply, [&forget, memory]);
        let added = net.layer("added", Multiply, [&input, &candidate]);
        let memory = net.layer("memory", Add, [&kept, &added]);
        let shown = net.layer("memory.tanh", Tanh, [&memory]);
        let state = net.layer("state", Multiply, [&output, &shown]);
        vec![state, memory]
    })
}
