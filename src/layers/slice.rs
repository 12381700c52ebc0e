//! A stretch of one axis.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Layer, LayerSpec, Misfit, Reads, Sample, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::{Shape, describe_shape};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "slice",
    summary: "a stretch of its input along one axis",
    attributes: &[
        (
            "axis",
            "the axis of an item, counted from 0, or back from the last, which is -1; default -1",
        ),
        ("start", "the first index that it takes, at least 0; default 0"),
        ("length", "how many it takes, at least 1; required"),
    ],
    parse: parse::<Slice>,
    samples: &[
        Sample { attributes: "length = 2", inputs: &[&[5]] },
        Sample { attributes: "start = 3\nlength = 17", inputs: &[&[2, 3, 23]] },
        Sample { attributes: "axis = 0\nstart = 1\nlength = 2", inputs: &[&[4, 3]] },
        Sample { attributes: "axis = 1\nstart = 2\nlength = 1", inputs: &[&[2, 3, 2]] },
        Sample { attributes: "axis = -3\nlength = 1", inputs: &[&[2, 1, 5]] },
    ],
};

/// Takes `length` indices of one axis of an item, from `start` on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    #[serde(default = "minus_one")]
    axis: isize,
    #[serde(default)]
    start: usize,
    length: usize,
}

fn minus_one() -> isize {
    -1
}

impl Slice {
    /// The `length` indices from `start` on along `axis` of an item; negative axes count from the last,
    /// which is -1.
    pub fn new(axis: isize, start: usize, length: usize) -> Self {
        Self { axis, start, length }
    }

    fn axis_of(&self, shape: &[usize]) -> Option<usize> {
        let from = if self.axis < 0 { shape.len().cast_signed() } else { 0 };
        let axis = usize::try_from(self.axis.checked_add(from)?).ok()?;
        (axis < shape.len()).then_some(axis)
    }

    /// Calls `copy(row of the input, row of the output)` for every matrix row of the output, for an
    /// axis other than the last.
    fn for_rows(&self, context: &Context<'_>, axis: usize, mut copy: impl FnMut(usize, usize)) {
        let shape = context.input_shape(0);
        // Rows of one index of the axis, and blocks before it.
        let inner: usize = shape[axis + 1..shape.len() - 1].iter().product();
        let outer: usize = shape[..axis].iter().product();
        for group in 0..context.items() * outer {
            let from = (group * shape[axis] + self.start) * inner;
            let to = group * self.length * inner;
            (0..self.length * inner).for_each(|row| copy(from + row, to + row));
        }
    }
}

impl Layer for Slice {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let mut shape = inputs[0].to_vec();
        let Some(axis) = self.axis_of(&shape) else {
            return Err(Misfit::new(
                format!("axis {} does not exist in {}", self.axis, describe_shape(&shape)),
                format!("use an axis of the {} of an item", shape.len()),
            ));
        };
        let end = self.start.checked_add(self.length);
        if self.length == 0 || end.is_none_or(|end| end > shape[axis]) {
            return Err(Misfit::new(
                format!(
                    "{} indices from {} on are not to be had along axis {axis} of {}",
                    self.length,
                    self.start,
                    describe_shape(&shape)
                ),
                format!("take at least 1, and none from {} on", shape[axis]),
            ));
        }
        shape[axis] = self.length;
        Ok(shape)
    }

    fn part_of_input(&self, input: &[usize]) -> Option<(usize, Range<usize>)> {
        Some((self.axis_of(input)?, self.start..self.start + self.length))
    }

    fn rearranges(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let input = context.input(0);
        let shape = context.input_shape(0);
        let axis = self.axis_of(shape).unwrap_or(0);
        if axis + 1 == shape.len() {
            kernels::copy(input.slice_cols(self.start..self.start + self.length), output);
        } else {
            self.for_rows(context, axis, |from, to| {
                output.row_mut(to).copy_from_slice(input.row(from));
            });
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let grads = context.output_grad();
        let shape = context.input_shape(0);
        let axis = self.axis_of(shape).unwrap_or(0);
        kernels::fill(gradient.reborrow(), 0.0);
        if axis + 1 == shape.len() {
            kernels::copy(grads, gradient.slice_cols(self.start..self.start + self.length));
        } else {
            self.for_rows(context, axis, |to, from| {
                gradient.row_mut(to).copy_from_slice(grads.row(from));
            });
        }
        Ok(())
    }
}
