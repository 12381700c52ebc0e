//! Where a plan's tensors lie in memory.

use std::ops::Range;

use super::call::{Mode, Operand};
use super::numerics::Numerics;
use crate::flow::index::BufferIndex;
use crate::tensor::Shape;

/// How a value lies in its storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    /// None, if no call uses the value.
    pub(crate) storage: Option<BufferIndex>,
    /// Floats from the storage's start.
    pub(crate) offset: usize,
    /// Matrix rows of one item; 0 for values that have no batch axis.
    pub(crate) item_rows: usize,
    pub(crate) cols: usize,
    pub(crate) stride: usize,
    /// For values without a batch axis: floats of one contribution.
    pub(crate) floats: usize,
    /// For values without a batch axis: how many contributions lie one after another, to be added.
    pub(crate) contributions: u32,
}

/// Where a storage's floats come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A fixed offset in the run's arena: small values, and those that outlive the run.
    Arena(usize),
    /// A recycled buffer, held from the first write to the last read.
    Recycled,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage {
    pub(crate) place: Place,
    pub(crate) floats: usize,
}

/// Where the values of a plan lie, and what its calls read: all that a run's memory follows from.
#[derive(Debug)]
pub(crate) struct TensorLayout {
    pub(crate) mode: Mode,
    pub(crate) numerics: Numerics,
    /// Items in a batch.
    pub(crate) batch: usize,
    pub(crate) values: Vec<Value>,
    pub(crate) storages: Vec<Storage>,
    pub(crate) operands: Vec<Operand>,
    /// By node: the shape of one item of its output.
    pub(crate) shapes: Vec<Shape>,
    pub(crate) arena_floats: usize,
}

/// Part `part` of `parts` over `extent` units: contiguous, and as equal as whole units allow.
pub(crate) fn part_range(parts: usize, part: usize, extent: usize) -> Range<usize> {
    if parts == 1 {
        return 0..extent;
    }
    part * extent / parts..(part + 1) * extent / parts
}
