//! Parts of networks that are known by name: the [`BLOCKS`] table.
//!
//! Each is a [`Block`] of ordinary nodes, so that its branches run in parallel, model files hold it
//! node by node, and every use can share the parameters of another. To add a block, write one file that
//! holds everything about it, its `SPEC` included, and add two lines here.
//!
//! ```
//! use caudal::blocks::{lstm, steps};
//! use caudal::graph::GraphBuilder;
//! use caudal::layers::Dense;
//! use caudal::losses::SoftmaxCrossEntropy;
//!
//! // Twelve steps of three numbers each through two recurrent layers; the last state decides.
//! let mut net = GraphBuilder::new("sequences");
//! let sequence = net.input("sequence", [12, 3]);
//! let label = net.target("label", []);
//! let steps = net.block("steps", &steps(12), [&sequence]);
//! let first = net.block("first", &lstm(16), &steps);
//! let second = net.block("second", &lstm(8), &first);
//! let logits = net.layer("logits", Dense::new(2), second.last());
//! net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
//! let graph = net.build()?;
//! // Four gates of 16 units, each over 3 inputs and 16 states, and one set of them for all steps.
//! let first = 4 * (16 * (3 + 16) + 16);
//! let second = 4 * (8 * (16 + 8) + 8);
//! assert_eq!(graph.parameter_count(), first + second + 2 * 8 + 2);
//! # Ok::<(), caudal::Error>(())
//! ```

mod attention_head;
mod gru;
mod gru_cell;
mod lstm;
mod lstm_cell;
mod multi_head_attention;
mod steps;

use serde::Deserialize;

pub use attention_head::attention_head;
pub use gru::gru;
pub use gru_cell::gru_cell;
pub use lstm::lstm;
pub use lstm_cell::lstm_cell;
pub use multi_head_attention::multi_head_attention;
pub use steps::steps;

use crate::error::{Error, Result, count};
use crate::graph::{Block, GraphBuilder, NodeName};
use crate::layers::{Fill, Sample};

/// Every block, in the order of the documentation.
pub const BLOCKS: &[&BlockSpec] = &[
    &steps::SPEC,
    &lstm_cell::SPEC,
    &lstm::SPEC,
    &gru_cell::SPEC,
    &gru::SPEC,
    &attention_head::SPEC,
    &multi_head_attention::SPEC,
];

/// Which keys the queries of attention see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mask {
    /// All of them.
    #[default]
    None,
    /// Those up to the query's own place: query `i` sees keys `0` to `i`.
    Causal,
}

/// One row of the [`BLOCKS`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct BlockSpec {
    /// What it is called.
    pub kind: &'static str,
    /// What it computes, in one line.
    pub summary: &'static str,
    /// Its attributes, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Makes the block from attributes.
    pub parse: fn(toml::Table) -> Result<Block, String>,
    /// Configurations with fitting item shapes, over which the law tests run.
    pub samples: &'static [Sample],
}

/// Looks a block up in the table.
///
/// # Errors
/// If there is none of that name; says which there are.
pub fn find(kind: &str) -> Result<&'static BlockSpec> {
    BLOCKS
        .iter()
        .find(|spec| spec.kind == kind)
        .copied()
        .ok_or_else(|| Error::unknown("block", kind, BLOCKS.iter().map(|spec| spec.kind)))
}

/// The attributes of a recurrent block.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recurrent {
    units: usize,
}

/// Refuses a use of a block that has other inputs than it takes; gives as many names as it has outputs.
fn refuse_inputs(
    net: &mut GraphBuilder,
    kind: &str,
    takes: &str,
    inputs: &[NodeName],
    outputs: usize,
) -> Vec<NodeName> {
    let problem =
        format!("block `{kind}` takes {takes}, but it has {}", count(inputs.len(), "input"));
    vec![net.refuse(problem, "connect it to these"); outputs]
}

/// Uses `cell` once a step, with the parameters of the first step, from states that are 0; gives the
/// first output of every step. All outputs of the cell are states, which it takes after its input.
fn unrolled(
    net: &mut GraphBuilder,
    kind: &str,
    cell: &Block,
    steps: &[NodeName],
    units: usize,
    states: usize,
) -> Vec<NodeName> {
    let Some(first) = steps.first() else {
        return refuse_inputs(net, kind, "the steps of a sequence", steps, 1);
    };
    let start = net.layer("start", Fill::new([units], 0.0), [first]);
    let mut state = vec![start; states];
    let mut outputs = Vec::with_capacity(steps.len());
    for (number, step) in steps.iter().enumerate() {
        let inputs = [std::slice::from_ref(step), state.as_slice()].concat();
        let name = format!("step{number}");
        state = if number == 0 {
            net.block(name, cell, &inputs)
        } else {
            net.shared_block(name, cell, &inputs, "step0")
        };
        outputs.extend(state.first().cloned());
    }
    outputs
}
