//! Where the largest number stands.

use super::{Layer, LayerSpec, Misfit, Reads, Sample, last_axis, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "argmax",
    summary: "the index of the largest number along the last axis; no gradient",
    attributes: &[],
    parse: parse_plain::<Argmax>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[1]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
    ],
};

/// Takes numbers of shape `[…, classes]` to the index of the largest along the last axis, `[…]`. Of
/// several that are largest, the first counts; a NaN counts as largest of all, as in `PyTorch`, where the metrics of
/// classes take a row with a NaN for wrong. It has no gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct Argmax;

fn first_largest(numbers: &[f32]) -> usize {
    let larger = |x: f32, best: f32| x > best || (x.is_nan() && !best.is_nan());
    (1..numbers.len())
        .fold(0, |best, at| if larger(numbers[at], numbers[best]) { at } else { best })
}

impl Layer for Argmax {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let classes = last_axis(inputs[0])?;
        // Larger whole numbers are not all 32-bit floats.
        if classes > 1 << 24 {
            return Err(Misfit::new(
                format!("it can't tell {classes} indices apart"),
                "use a last axis of at most 16777216 numbers",
            ));
        }
        Ok(inputs[0][..inputs[0].len() - 1].to_vec())
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let (input, columns) = (context.input(0), output.cols());
        for row in 0..input.rows() {
            output.row_mut(row / columns)[row % columns] = first_largest(input.row(row)) as f32;
        }
        Ok(())
    }

    fn input_grad(
        &self,
        _context: &Context<'_>,
        _input: usize,
        _gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::first_largest;

    #[test]
    fn the_first_of_the_largest_counts() {
        assert_eq!(first_largest(&[-3.0]), 0);
        assert_eq!(first_largest(&[1.0, 7.0, 7.0, 2.0]), 1);
        assert_eq!(first_largest(&[f32::NEG_INFINITY; 3]), 0);
        assert_eq!(first_largest(&[0.0, f32::NAN, f32::INFINITY, f32::NAN]), 1);
    }
}
