//! One head of attention.

use serde::Deserialize;

use super::{BlockSpec, Mask, refuse_inputs};
use crate::attributes::from_attributes;
use crate::graph::Block;
use crate::layers::{CausalSoftmax, Dense, MatMul, Sample, Scale, Softmax};

pub(super) static SPEC: BlockSpec = BlockSpec {
    kind: "attention_head",
    summary: "scaled dot-product attention of one head, with its projections",
    attributes: &[
        ("size", "numbers of its queries, keys and values; required"),
        ("mask", "none, or causal: query i sees the keys 0 to i alone; default none"),
    ],
    parse: |attributes| {
        from_attributes(attributes).map(|Attributes { size, mask }| attention_head(size, mask))
    },
    samples: &[
        Sample { attributes: "size = 2", inputs: &[&[3, 4]] },
        Sample { attributes: "size = 2\nmask = \"causal\"", inputs: &[&[4, 3]] },
        Sample { attributes: "size = 3", inputs: &[&[2, 4], &[5, 2], &[5, 3]] },
    ],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    size: usize,
    #[serde(default)]
    mask: Mask,
}

/// One head of attention (Vaswani et al. 2017): `softmax(Q Kᵀ / sqrt(size)) V`, where Q, K and V are
/// [`Dense`] nodes, `query`, `key` and `value`, of `size` units, which run in parallel.
///
/// The inputs are what queries, keys and values are made of, of shapes `[queries, …]`, `[keys, …]` and
/// `[keys, …]`; a single input is all three. The output has the shape `[queries, size]`. With
/// [`Mask::Causal`] no query sees keys and values of later places than its own.
pub fn attention_head(size: usize, mask: Mask) -> Block {
    Block::new(SPEC.kind, move |net, inputs| {
        let (queries, keys, values) = match inputs {
            [all] => (all, all, all),
            [queries, keys, values] => (queries, keys, values),
            _ => {
                let takes = "one input, or queries, keys and values";
                return refuse_inputs(net, SPEC.kind, takes, inputs, 1);
            }
        };
        let query = net.layer("query", Dense::new(size), [queries]);
        let key = net.layer("key", Dense::new(size), [keys]);
        let value = net.layer("value", Dense::new(size), [values]);
        let products = net.layer("products", MatMul::new().transpose_second(), [&query, &key]);
        let scores = net.layer("scores", Scale::new(1.0 / (size as f32).sqrt()), [&products]);
        let shares = match mask {
            Mask::None => net.layer("shares", Softmax, [&scores]),
            Mask::Causal => net.layer("shares", CausalSoftmax, [&scores]),
        };
        vec![net.layer("mixed", MatMul::new(), [&shares, &value])]
    })
}
