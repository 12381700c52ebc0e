//! Numeric kernels: the only place of the crate with SIMD or `unsafe` arithmetic.
//!
//! They are no part of the public API, but for the two views of matrices and the name of the instructions, which
//! `context` and `measure` hand on. So this module names nothing of the crate but itself (tests aside):
//! `benches/kernels.rs` compiles it as a module of its own and measures it there.
//!
//! Every kernel runs on the calling thread, allocates nothing once its thread's scratch has grown,
//! and returns the same bits however its rows (or items) are split between calls.

#![expect(
    clippy::inline_always,
    reason = "generic code on vectors must become part of a function that has the instructions"
)]

mod activations;
mod arithmetic;
mod batch_norm;
mod bf16;
mod buffer;
mod cascade;
mod conv2d;
mod depthwise;
mod dropout;
mod elementwise;
mod exponential;
mod finite;
mod instruction_set;
mod joined_rows;
mod layer_norm;
mod matmul;
mod matrix;
mod optimizers;
mod padding;
mod panels;
mod pooling;
mod prelu;
mod product;
mod product_transposed;
mod reshape;
mod scratch;
mod softmax;
mod store;
mod sum;
mod tile;
mod transpose;
mod vector;
#[cfg(target_arch = "x86_64")]
mod vector_x86;
mod weight_gradient;
mod winograd;

#[cfg(test)]
mod tests;

pub(crate) use activations::{
    clip, clip_grad, elu, elu_grad, gelu, gelu_grad, leaky_relu, leaky_relu_grad, silu, silu_grad,
    softplus, softplus_grad,
};
pub(crate) use arithmetic::{divide, multiply, negate, subtract};
pub(crate) use batch_norm::{
    batch_norm, batch_norm_grad, batch_norm_sums, column_moments, merge_moments,
};
#[cfg(test)]
pub(crate) use bf16::with_bf16_missing;
pub(crate) use bf16::{
    PairPanels, bf16_missing, bf16_panels, bf16_panels_transposed, bf16_pays, bf16_product,
    bf16_weight_gradient, pair_panels_len,
};
pub(crate) use buffer::{Buffer, Slabs};
pub(crate) use conv2d::{
    Conv2dShape, conv2d, conv2d_input_grad, conv2d_prepare, conv2d_prepared_len, conv2d_weight_grad,
};
pub(crate) use depthwise::{
    depthwise_conv2d, depthwise_conv2d_input_grad, depthwise_conv2d_weight_grad,
};
pub(crate) use dropout::dropout;
pub(crate) use elementwise::{
    copy, fill, relu, relu_grad, scale, sigmoid, sigmoid_grad, tanh, tanh_grad,
};
pub(crate) use finite::all_finite;
pub(crate) use instruction_set::InstructionSet;
pub use instruction_set::instruction_set_name;
#[cfg(test)]
pub(crate) use instruction_set::with_instruction_set;
pub(crate) use layer_norm::{layer_norm, layer_norm_grad, layer_norm_weight_grad};
pub(crate) use matmul::{matmul, matmul_transposed, transposed_matmul};
pub use matrix::{MatrixMut, MatrixRef};
pub(crate) use optimizers::{
    add_slices, column_sums, column_sums_of_all, move_each, move_toward, sgd, sgd_momentum,
    sum_each,
};
pub(crate) use panels::{
    PANEL, Panels, from_panels, panel_len, panel_rows, panel_rows_floats, panels_of_group,
    to_panels,
};
pub(crate) use pooling::{
    PoolShape, average_pool, average_pool_grad, global_average, global_average_grad, max_pool,
    max_pool_grad,
};
pub(crate) use prelu::{prelu, prelu_slope_grad};
pub(crate) use product::product;
pub(crate) use product_transposed::{pack_all_transposed, packs_transposed, product_transposed};
pub(crate) use reshape::copy_reshaped;
pub(crate) use scratch::with_scratch;
pub(crate) use softmax::{
    soft_cross_entropy, soft_cross_entropy_grad, softmax, softmax_cross_entropy,
    softmax_cross_entropy_grad, softmax_grad,
};
pub(crate) use store::Store;
pub(crate) use sum::{sum, sum_of_rows};
pub(crate) use transpose::transpose_matrix;
pub(crate) use vector::flush_subnormal;
pub(crate) use weight_gradient::weight_gradient;
pub(crate) use winograd::Winograd;
