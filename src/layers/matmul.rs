//! The matrix product of two inputs.

use serde::{Deserialize, Serialize};

use super::{Arity, Cost, Layer, LayerSpec, Misfit, Reads, Sample, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};
use crate::tensor::{Shape, describe_shape};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "matmul",
    summary: "the matrix product of two inputs, over their last two axes",
    attributes: &[(
        "transpose_second",
        "whether the second input is transposed first; default false",
    )],
    parse: parse::<MatMul>,
    samples: &[
        Sample { attributes: "", inputs: &[&[2, 3], &[3, 4]] },
        Sample { attributes: "", inputs: &[&[3, 3], &[3, 3]] },
        Sample { attributes: "transpose_second = true", inputs: &[&[2, 5, 3], &[2, 19, 3]] },
        Sample { attributes: "transpose_second = true", inputs: &[&[4, 2], &[4, 2]] },
        Sample { attributes: "", inputs: &[&[1, 1], &[1, 1]] },
    ],
};

/// The product of each item's matrices: inputs of `[…, m, k]` and `[…, k, n]` give `[…, m, n]`. With
/// `transpose_second` the second is `[…, n, k]`, so that rows are multiplied with rows, as attention compares
/// queries with keys. All axes before the last two must be the same.
///
/// With `g` the gradient of the output, those of the inputs are `g bᵀ` and `aᵀ g`, with `transpose_second`
/// `g b` and `gᵀ a`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatMul {
    #[serde(default)]
    transpose_second: bool,
}

impl MatMul {
    /// The product with the second input as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Transposes the second input first.
    #[must_use]
    pub fn transpose_second(mut self) -> Self {
        self.transpose_second = true;
        self
    }
}

/// Rows and columns of each of an item's matrices.
fn matrix(shape: &[usize]) -> Option<(&[usize], [usize; 2])> {
    shape.split_last_chunk().map(|(leading, &last)| (leading, last))
}

/// Rows of a matrix of this input.
fn rows_of(context: &Context<'_>, input: usize) -> usize {
    matrix(context.input_shape(input)).map_or(1, |(_, [rows, _])| rows)
}

/// The rows of matrix number `at`.
fn nth(matrices: MatrixRef<'_>, at: usize, rows: usize) -> MatrixRef<'_> {
    matrices.slice_rows(at * rows..(at + 1) * rows)
}

impl Layer for MatMul {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let (Some((leading, [rows, inner])), Some((others, second))) =
            (matrix(inputs[0]), matrix(inputs[1]))
        else {
            return Err(Misfit::new(
                "it needs two inputs of at least two axes",
                "reshape them to matrices",
            ));
        };
        let [second_inner, columns] =
            if self.transpose_second { [second[1], second[0]] } else { second };
        if leading != others || inner != second_inner {
            let axes = if self.transpose_second {
                "their last axes, and all before the last two,"
            } else {
                "the last axis of the first and the last but one of the second, and all before the \
                 last two,"
            };
            return Err(Misfit::new(
                format!(
                    "{axes} must be of one size, which {} and {} are not",
                    describe_shape(inputs[0]),
                    describe_shape(inputs[1])
                ),
                "reshape the inputs, or change `transpose_second`",
            ));
        }
        Ok([leading, &[rows, columns]].concat())
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let inner = inputs[0].last().copied().unwrap_or(1) as f64;
        Cost {
            flops: 2.0 * floats(output) * inner,
            floats: floats(inputs[0]) + floats(inputs[1]) + floats(output),
        }
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let (a, b) = (context.input(0), context.input(1));
        let (a_rows, b_rows) = (rows_of(context, 0), rows_of(context, 1));
        for at in 0..a.rows() / a_rows {
            let c = output.reborrow().slice_rows(at * a_rows..(at + 1) * a_rows);
            let (a, b) = (nth(a, at, a_rows), nth(b, at, b_rows));
            if self.transpose_second {
                kernels::matmul_transposed(a, b, c);
            } else {
                kernels::matmul(a, b, c);
            }
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let (grads, other) = (context.output_grad(), context.input(1 - input));
        let (rows, other_rows) = (rows_of(context, input), rows_of(context, 1 - input));
        let grad_rows = rows_of(context, 0);
        for at in 0..gradient.rows() / rows {
            let to = gradient.reborrow().slice_rows(at * rows..(at + 1) * rows);
            let (g, other) = (nth(grads, at, grad_rows), nth(other, at, other_rows));
            match (input, self.transpose_second) {
                (0, false) => kernels::matmul_transposed(g, other, to),
                (0, true) => kernels::matmul(g, other, to),
                (_, false) => kernels::transposed_matmul(other, g, to),
                (_, true) => kernels::transposed_matmul(g, other, to),
            }
        }
        Ok(())
    }
}
