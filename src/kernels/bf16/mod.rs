//! Products of numbers of 16 bits (bfloat16) with sums of 32 bits.
//!
//! Both operands are rounded to 16 bits, to the nearest or the even one, and lie as pairs along the axis that the sums
//! run over. One instruction (`vdpbf16ps`) multiplies 16 pairs of either and adds them to 16 sums: first the second
//! product of each pair, then the first, each sum rounded to 32 bits. It takes numbers below 2^-126 as zero. Weights,
//! gradients and results have 32 bits in memory; a pair lies where a float would lie.

mod detect;
mod packing;
mod pairs;
mod product;
mod tile;
#[cfg(target_arch = "x86_64")]
mod tile_x86;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_instructions.rs"]
mod tile_x86;
mod weight_gradient;

pub(crate) use detect::bf16_missing;
#[cfg(test)]
pub(crate) use detect::with_bf16_missing;
pub(crate) use packing::{bf16_panels, bf16_panels_transposed};
pub(crate) use pairs::{PairPanels, bf16_pays, pair_panels_len};
pub(crate) use product::bf16_product;
pub(crate) use weight_gradient::bf16_weight_gradient;
