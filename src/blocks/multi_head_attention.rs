//! Attention of several heads.

use serde::Deserialize;

use super::{BlockSpec, Mask, attention_head};
use crate::attributes::from_attributes;
use crate::graph::Block;
use crate::layers::{Concat, Dense, Sample};

pub(super) static SPEC: BlockSpec = BlockSpec {
    kind: "multi_head_attention",
    summary: "attention of several heads, which are parallel branches, and a projection of all",
    attributes: &[
        ("heads", "how many heads there are; required"),
        ("size", "numbers of a head's queries, keys and values; required"),
        ("features", "numbers of a row of the output; required"),
        ("mask", "none, or causal: query i sees the keys 0 to i alone; default none"),
    ],
    parse: |attributes| {
        let make = |it: Attributes| multi_head_attention(it.heads, it.size, it.features, it.mask);
        from_attributes(attributes).map(make)
    },
    samples: &[
        Sample { attributes: "heads = 2\nsize = 2\nfeatures = 4", inputs: &[&[3, 4]] },
        Sample {
            attributes: "heads = 2\nsize = 1\nfeatures = 3\nmask = \"causal\"",
            inputs: &[&[4, 2]],
        },
        Sample {
            attributes: "heads = 3\nsize = 1\nfeatures = 2",
            inputs: &[&[2, 4], &[5, 2], &[5, 3]],
        },
    ],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    heads: usize,
    size: usize,
    features: usize,
    #[serde(default)]
    mask: Mask,
}

/// Attention of several heads (Vaswani et al. 2017): `heads` times an [`attention_head()`] of `size`,
/// each a branch of its own (`head0`, `head1`, …), side by side, and a [`Dense`] node, `output`, of
/// `features` units over all.
///
/// The inputs are those of a head: what queries, keys and values are made of, or one node that is all
/// three. The output has the shape `[queries, features]`. With [`Mask::Causal`] row `i` of the output
/// follows from rows `0` to `i` of keys and values alone.
///
/// ```
/// use caudal::blocks::{Mask, multi_head_attention};
/// use caudal::graph::GraphBuilder;
///
/// let mut net = GraphBuilder::new("a reader that does not look ahead");
/// let words = net.input("words", [12, 32]);
/// let attention = multi_head_attention(4, 8, 32, Mask::Causal);
/// let mixed = net.block("attention", &attention, [&words]);
/// net.output(&mixed[0]);
/// assert_eq!(net.build()?.node("attention/output")?.shape, [12, 32]);
/// # Ok::<(), caudal::Error>(())
/// ```
pub fn multi_head_attention(heads: usize, size: usize, features: usize, mask: Mask) -> Block {
    let head = attention_head(size, mask);
    Block::new(SPEC.kind, move |net, inputs| {
        let ends: Vec<_> = (0..heads)
            .flat_map(|number| net.block(format!("head{number}"), &head, inputs))
            .collect();
        let joined = net.layer("heads", Concat::default(), &ends);
        vec![net.layer("output", Dense::new(features), [&joined])]
    })
}
