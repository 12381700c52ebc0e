//! Numbers to shares of 1, each row looking no further than its own place.

use super::{Cost, Layer, LayerSpec, Misfit, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::{Shape, describe_shape};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "causal_softmax",
    summary: "softmax along the last axis over the numbers up to the row's own place; 0 after it",
    attributes: &[],
    parse: parse_plain::<CausalSoftmax>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4, 4]] },
        Sample { attributes: "", inputs: &[&[2, 3, 19]] },
        Sample { attributes: "", inputs: &[&[5, 2]] },
        Sample { attributes: "", inputs: &[&[1, 1]] },
    ],
};

/// [`Softmax`](super::Softmax) for attention that may not look ahead. Rows are the last axis but one:
/// row `i` of each matrix shares 1 among its numbers `0` to `i`, or all of them where it has fewer, and
/// those after them are exactly 0, whatever the input is there. The output has the input's shape,
/// `[…, rows, numbers]`; the gradient is that of the softmax of the numbers that count.
#[derive(Clone, Copy, Debug, Default)]
pub struct CausalSoftmax;

impl Layer for CausalSoftmax {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        if inputs[0].len() < 2 {
            return Err(Misfit::new(
                format!(
                    "it needs an input of at least two axes, rows and their numbers, not {}",
                    describe_shape(inputs[0])
                ),
                "connect it to a matrix of scores, or use `softmax`",
            ));
        }
        Ok(inputs[0].to_vec())
    }

    fn cost(&self, _inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = output.iter().product::<usize>() as f64;
        // Two exponentials for every second number.
        Cost { flops: 20.0 * floats, floats: 2.0 * floats }
    }

    fn in_place(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::OUTPUT
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let input = (!context.in_place()).then(|| context.input(0));
        let rows = context.output_shape().iter().rev().nth(1).copied().unwrap_or(1);
        let columns = output.cols();
        for row in 0..output.rows() {
            // A part begins with an item, so its rows are counted from the first of a matrix.
            let counted = columns.min(row % rows + 1);
            let mut to = output.reborrow().slice_rows(row..row + 1);
            kernels::softmax(
                input.map(|input| input.slice_rows(row..row + 1).slice_cols(0..counted)),
                to.reborrow().slice_cols(0..counted),
            );
            to.row_mut(0)[counted..].fill(0.0);
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        // Shares of 0 have a gradient of 0.
        let output_grad = (!context.in_place()).then(|| context.output_grad());
        kernels::softmax_grad(context.output(), output_grad, gradient);
        Ok(())
    }
}
