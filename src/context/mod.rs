//! What a layer, loss or metric sees of a run, and the memory behind it.
//!
//! All of this lies beneath the layers: a [`Context`] knows where tensors lie, and nothing of what computes
//! them.

#![allow(clippy::inline_always)]

mod call;
mod convolution;
mod finite;
mod layout;
mod numerics;
mod parameters;
mod precision;
mod recycler;
mod signature;
mod tensors;

use std::ops::Range;
use std::sync::atomic::Ordering;

pub(crate) use call::{Axis, Call, Division, Operand, PHASES, ParameterIndex, Target};
pub use call::{Mode, Pass, Phase, Stage};
pub use convolution::Convolution;
pub(crate) use finite::{Finite, Found};
pub(crate) use layout::{Place, Storage, TensorLayout, Value, part_range};
pub use numerics::Numerics;
pub use parameters::Parameters;
pub(crate) use parameters::{Entry, Hold, Matrix, read, write};
pub use precision::Precision;
pub use signature::Signature;
pub(crate) use tensors::{Handle, Tensors};

use crate::kernels::Panels;
pub use crate::kernels::{MatrixMut, MatrixRef};
use crate::random;

/// What a layer, loss or metric sees of a run: the rows of its part's items, and its parameters.
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) tensors: &'a Tensors,
    pub(crate) call: &'a Call,
    pub(crate) node: &'a Signature,
    /// Of the task's chunk.
    pub(crate) items: Range<usize>,
    /// Of the batch.
    pub(crate) first_item: usize,
    /// The rows or columns of each item that the part writes, where it does not write all.
    pub(crate) window: Option<(Division, Range<usize>)>,
    pub(crate) in_place: bool,
    pub(crate) read_next: &'a [&'a [f32]],
}

impl<'a> Context<'a> {
    /// Items of the batch in this part.
    #[inline]
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// The first of them, counted within the batch.
    #[inline]
    pub fn first_item(&self) -> usize {
        self.first_item
    }

    /// What the plan is for; layers may act differently in training.
    #[inline]
    pub fn mode(&self) -> Mode {
        self.tensors.layout.mode
    }

    /// How layers compute, where there are several ways.
    #[inline]
    pub fn numerics(&self) -> Numerics {
        self.tensors.layout.numerics
    }

    /// A key for random numbers that follows from the run's seed, the node's name and the training step, and
    /// from nothing else: forward and backward of one step have the same.
    #[inline]
    pub fn random_key(&self) -> u64 {
        let seed = self.tensors.seed.load(Ordering::Relaxed);
        let step = self.tensors.step.load(Ordering::Relaxed);
        random::key(&[seed, random::hash(&self.node.name), step])
    }

    /// Items of the whole batch.
    #[inline]
    pub fn batch(&self) -> usize {
        self.tensors.layout.batch
    }

    /// In the gradient of a parameter: what the call after it reads, laid out as the gradient is, so that a
    /// kernel can ask for it early; nothing where that call is another task's.
    #[inline]
    pub fn read_next(&self) -> &'a [&'a [f32]] {
        self.read_next
    }

    /// How many inputs the node has.
    #[inline]
    pub fn input_count(&self) -> usize {
        self.node.inputs.len()
    }

    /// The shape of one item of input number `input`.
    #[inline]
    pub fn input_shape(&self, input: usize) -> &'a [usize] {
        &self.tensors.layout.shapes[self.node.inputs[input]]
    }

    /// The shape of one item of the node's output.
    #[inline]
    pub fn output_shape(&self) -> &'a [usize] {
        &self.node.shape
    }

    /// The part's rows of input number `input`. In gradients, only if the layer says that it reads
    /// its inputs.
    #[inline(always)] // called for every operand of the smallest layers
    pub fn input(&self, input: usize) -> MatrixRef<'a> {
        let operands = self.call.inputs.of(&self.tensors.layout.operands);
        let rows = self.tensors.rows(operands[input], &self.items);
        if self.window.is_some() { self.window_of(rows) } else { rows }
    }

    /// What a part of an item reads of an input.
    #[cold]
    #[inline(never)]
    fn window_of(&self, rows: MatrixRef<'a>) -> MatrixRef<'a> {
        match &self.window {
            Some((division, range)) if division.same_place => match division.axis {
                Axis::Rows => rows.slice_rows(range.clone()),
                Axis::Columns => rows.slice_cols(range.clone()),
            },
            _ => rows,
        }
    }

    /// Whether the part writes a range of rows or columns of each item, and not all of it.
    #[inline]
    pub fn is_divided(&self) -> bool {
        self.window.is_some()
    }

    /// The rows of an item's output that the part writes, of the matrix that it is: all, but where
    /// [`ItemSplit::Rows`](crate::layers::ItemSplit::Rows) has divided it.
    pub fn output_rows(&self) -> Range<usize> {
        match &self.window {
            Some((Division { axis: Axis::Rows, .. }, range)) => range.clone(),
            _ => 0..self.output_shape().iter().rev().skip(1).product(),
        }
    }

    /// The columns of the output that the part writes: all, but where
    /// [`ItemSplit::Columns`](crate::layers::ItemSplit::Columns) has divided it.
    #[inline]
    pub fn output_columns(&self) -> Range<usize> {
        match &self.window {
            Some((Division { axis: Axis::Columns, .. }, range)) => range.clone(),
            _ => 0..self.output_shape().last().copied().unwrap_or(1),
        }
    }

    /// The part's rows of the node's own activation, in gradients of layers that say so.
    #[inline]
    pub fn output(&self) -> MatrixRef<'a> {
        self.tensors.rows(asked_for(self.call.output), &self.items)
    }

    /// The part's rows of the gradient of the node's output.
    #[inline]
    pub fn output_grad(&self) -> MatrixRef<'a> {
        self.tensors.rows(asked_for(self.call.output_grad), &self.items)
    }

    /// Whether the output lies over the first input (forward), or the gradient of the input over
    /// that of the output (backward): what is to be written holds what is to be read, which must not
    /// be asked for.
    #[inline]
    pub fn in_place(&self) -> bool {
        self.in_place
    }

    /// How many nodes that share the parameters the parameter gradient is summed over: 1, but in layers that can do so
    /// ([`Layer::sums_param_grads`](crate::layers::Layer::sums_param_grads)).
    #[inline]
    pub fn users(&self) -> usize {
        1 + self.call.other_users.len() / (self.call.inputs.len() + 1)
    }

    /// The rows of input number `input` and of the gradient of the output of one of these nodes, by its number; the node at
    /// hand comes first.
    ///
    /// # Panics
    /// If there are not so many nodes, or not so many inputs.
    pub fn rows_of_user(&self, user: usize, input: usize) -> [MatrixRef<'a>; 2] {
        if user == 0 {
            return [self.input(input), self.output_grad()];
        }
        let each = self.call.inputs.len() + 1;
        let operands = self.call.other_users.of(&self.tensors.layout.operands);
        let operands = &operands[(user - 1) * each..user * each];
        assert!(input + 1 < each, "input {input} of {}", each - 1);
        [operands[input], operands[each - 1]].map(|it| self.tensors.rows(it, &self.items))
    }

    /// Whether input number `input` already lies in the output where it belongs.
    #[inline]
    pub fn is_placed(&self, input: usize) -> bool {
        self.call.inputs.of(&self.tensors.layout.operands)[input].placed
    }

    /// Parameter number `parameter` of the node, as it lies in memory.
    #[inline]
    pub fn parameter(&self, parameter: usize) -> &'a [f32] {
        let index = self.node.parameters[parameter];
        // SAFETY: the plan orders updates after every task that reads the weights in this step.
        unsafe { self.tensors.parameters.entries[index].weights.as_slice() }
    }

    /// Parameter number `parameter` of the node, which asked for panels in one group.
    #[inline]
    pub(crate) fn panels(&self, parameter: usize) -> Panels<'a> {
        self.group_panels(parameter, 0)
    }

    /// One group of parameter number `parameter` of the node, which asked for panels.
    #[inline]
    pub(crate) fn group_panels(&self, parameter: usize, group: usize) -> Panels<'a> {
        let index = self.node.parameters[parameter];
        let matrix = self.tensors.parameters.entries[index].matrix;
        matrix.panels(self.parameter(parameter), group)
    }

    /// Whether there is a form of the layer's weights for this call.
    #[inline]
    pub fn is_prepared(&self) -> bool {
        self.call.prepared.is_some()
    }

    /// What the layer wrote as a form of its weights for this call.
    #[inline]
    pub fn prepared(&self) -> &'a [f32] {
        self.tensors.flat(asked_for(self.call.prepared))
    }

    /// What the layer knows of the whole batch: of the forward pass, or, in the gradients, of the backward
    /// pass too. Nothing outside training, and in layers that do not train.
    #[inline]
    pub fn summary(&self, pass: Pass) -> Option<&'a [f32]> {
        self.call.summaries[pass as usize].map(|operand| self.tensors.flat(operand))
    }

    #[inline]
    pub(crate) fn target(&self, target: &Target) -> MatrixMut<'a> {
        let rows = self.tensors.rows_mut(target.value, &self.items);
        if self.window.is_some() { self.window_to_write(rows) } else { rows }
    }

    /// What a part of an item writes.
    #[cold]
    #[inline(never)]
    fn window_to_write(&self, rows: MatrixMut<'a>) -> MatrixMut<'a> {
        match &self.window {
            None => rows,
            Some((Division { axis: Axis::Rows, .. }, range)) => rows.slice_rows(range.clone()),
            Some((Division { axis: Axis::Columns, .. }, range)) => rows.slice_cols(range.clone()),
        }
    }
}

/// What a call reads. A layer that asks for what it does not say that it reads fails its step.
#[inline]
fn asked_for(operand: Option<Operand>) -> Operand {
    match operand {
        Some(operand) => operand,
        None => panic!("the layer reads what it does not say that it reads"),
    }
}
