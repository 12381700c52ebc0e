//! Every pixel several times.

use serde::{Deserialize, Serialize};

use super::window::{Pair, image};
use super::{Layer, LayerSpec, Misfit, Reads, Sample, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "upsample",
    summary: "every pixel repeated in rows and columns (nearest neighbour)",
    attributes: &[(
        "factor",
        "how often it repeats rows and columns, one number or two, at least 1; required",
    )],
    parse: parse::<Upsample>,
    samples: &[
        Sample { attributes: "factor = 2", inputs: &[&[3, 2, 4]] },
        Sample { attributes: "factor = [1, 3]", inputs: &[&[2, 5, 3]] },
        Sample { attributes: "factor = 3", inputs: &[&[1, 2, 19]] },
        Sample { attributes: "factor = 1", inputs: &[&[2, 2, 1]] },
    ],
};

/// Repeats every pixel of images of shape `[height, width, channels]`, giving
/// `[height * rows, width * columns, channels]`. The gradient of a pixel is the sum over its copies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upsample {
    factor: Pair,
}

impl Upsample {
    /// Repeats pixels in rows and columns (`2` or `[2, 3]`).
    pub fn new(factor: impl Into<Pair>) -> Self {
        Self { factor: factor.into() }
    }

    /// Calls `copy(row of the input, row of the output, whether it is the first copy)` for every pixel
    /// of the output, in row-major order.
    fn for_pixels(&self, context: &Context<'_>, mut copy: impl FnMut(usize, usize, bool)) {
        let (from, to) = (context.input_shape(0), context.output_shape());
        let [rows, columns] = self.factor.0;
        for item in 0..context.items() {
            for y in 0..to[0] {
                let inner = (item * from[0] + y / rows) * from[1];
                let outer = (item * to[0] + y) * to[1];
                for x in 0..to[1] {
                    let first = y % rows == 0 && x % columns == 0;
                    copy(inner + x / columns, outer + x, first);
                }
            }
        }
    }
}

impl Layer for Upsample {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let [height, width, channels] = image(inputs[0])?;
        let [rows, columns] = self.factor.0;
        if rows == 0 || columns == 0 {
            return Err(Misfit::new(
                format!("it repeats pixels {rows} x {columns} times"),
                "use a `factor` of at least 1",
            ));
        }
        match (height.checked_mul(rows), width.checked_mul(columns)) {
            (Some(height), Some(width)) => Ok(vec![height, width, channels]),
            _ => Err(Misfit::new("its factor is absurdly large", "use a smaller `factor`")),
        }
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
        self.for_pixels(context, |from, to, _| output.row_mut(to).copy_from_slice(input.row(from)));
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let grads = context.output_grad();
        self.for_pixels(context, |to, from, first| {
            let (sum, grad) = (gradient.row_mut(to), grads.row(from));
            if first { sum.copy_from_slice(grad) } else { kernels::add_slices(sum, grad) }
        });
        Ok(())
    }
}
