//! Rows become columns.

use super::{Layer, LayerSpec, Misfit, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};
use crate::tensor::{Shape, describe_shape};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "transpose",
    summary: "its input with the last two axes exchanged",
    attributes: &[],
    parse: parse_plain::<Transpose>,
    samples: &[
        Sample { attributes: "", inputs: &[&[2, 3]] },
        Sample { attributes: "", inputs: &[&[2, 17, 19]] },
        Sample { attributes: "", inputs: &[&[1, 5]] },
    ],
};

/// Exchanges the last two axes of an item: `[…, m, n]` gives `[…, n, m]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transpose;

/// Transposes matrices of `rows` rows, one after another.
fn each(from: MatrixRef<'_>, rows: usize, mut to: MatrixMut<'_>) {
    let columns = from.cols();
    for at in 0..from.rows() / rows {
        let to = to.reborrow().slice_rows(at * columns..(at + 1) * columns);
        kernels::transpose_matrix(from.slice_rows(at * rows..(at + 1) * rows), to);
    }
}

impl Layer for Transpose {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let mut shape = inputs[0].to_vec();
        let Some(first) = shape.len().checked_sub(2) else {
            return Err(Misfit::new(
                format!("it needs an input of at least two axes, not {}", describe_shape(&shape)),
                "reshape it to a matrix",
            ));
        };
        shape.swap(first, first + 1);
        Ok(shape)
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

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        // The rows of an input matrix are the columns of the output.
        let rows = output.cols();
        each(context.input(0), rows, output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let rows = gradient.cols();
        each(context.output_grad(), rows, gradient);
        Ok(())
    }
}
