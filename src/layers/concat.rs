//! Inputs side by side along one axis.

use serde::{Deserialize, Serialize};

use super::{Arity, Layer, LayerSpec, Misfit, Reads, Sample, View, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::{Shape, describe_shape};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "concat",
    summary: "its inputs side by side along one axis",
    attributes: &[(
        "axis",
        "the axis of an item, counted from 0, or back from the last, which is -1; default -1",
    )],
    parse: parse::<Concat>,
    samples: &[
        Sample { attributes: "", inputs: &[&[2], &[3]] },
        Sample { attributes: "", inputs: &[&[2, 3, 4], &[2, 3, 1], &[2, 3, 5]] },
        Sample { attributes: "axis = 0", inputs: &[&[2, 3], &[4, 3]] },
        Sample { attributes: "axis = 1", inputs: &[&[2, 3, 2], &[2, 1, 2], &[2, 2, 2]] },
        Sample { attributes: "", inputs: &[&[3]] },
    ],
};

/// Joins inputs along one axis of their items; all other axes must agree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    #[serde(default = "last_axis")]
    axis: isize,
}

fn last_axis() -> isize {
    -1
}

impl Default for Concat {
    fn default() -> Self {
        Self { axis: last_axis() }
    }
}

impl Concat {
    /// Joins along `axis` of an item; negative axes count from the last, which is -1.
    pub fn along(axis: isize) -> Self {
        Self { axis }
    }

    fn axis_of(&self, shape: &[usize]) -> Option<usize> {
        let axis = if self.axis < 0 { self.axis + shape.len().cast_signed() } else { self.axis };
        usize::try_from(axis).ok().filter(|&axis| axis < shape.len())
    }

    /// Calls `copy(row of the input, row of the output)` for every matrix row of input `number`, for
    /// an axis other than the last.
    fn for_rows(&self, context: &Context<'_>, number: usize, mut copy: impl FnMut(usize, usize)) {
        let shape = context.input_shape(number);
        let axis = self.axis_of(shape).unwrap_or(0);
        // Rows of one index of the axis, and of one whole block before the axis.
        let inner: usize = shape[axis + 1..shape.len() - 1].iter().product();
        let outer: usize = shape[..axis].iter().product();
        let block = shape[axis] * inner;
        let all = context.output_shape()[axis] * inner;
        let before: usize =
            (0..number).map(|i| context.input_shape(i)[axis]).sum::<usize>() * inner;
        for group in 0..context.items() * outer {
            for row in 0..block {
                copy(group * block + row, group * all + before + row);
            }
        }
    }
}

impl Layer for Concat {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn arity(&self) -> Arity {
        Arity::AtLeast(1)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let first = inputs[0];
        let Some(axis) = self.axis_of(first) else {
            return Err(Misfit::new(
                format!("axis {} does not exist in {}", self.axis, describe_shape(first)),
                format!(
                    "use an axis from {} to {}",
                    -first.len().cast_signed(),
                    first.len().cast_signed() - 1
                ),
            ));
        };
        let mut shape = first.to_vec();
        for (number, input) in inputs.iter().enumerate().skip(1) {
            let agrees = input.len() == first.len()
                && (0..first.len()).all(|i| i == axis || input[i] == first[i]);
            if !agrees {
                return Err(Misfit::new(
                    format!(
                        "inputs 1 and {} differ beside axis {axis}: {} and {}",
                        number + 1,
                        describe_shape(first),
                        describe_shape(input)
                    ),
                    "make all other axes agree",
                ));
            }
            shape[axis] += input[axis];
        }
        Ok(shape)
    }

    fn rearranges(&self) -> bool {
        true
    }

    fn view(&self, inputs: &[&[usize]]) -> View {
        let last = inputs[0].len().wrapping_sub(1);
        if self.axis_of(inputs[0]) == Some(last) { View::Columns } else { View::Computed }
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let mut column = 0;
        let last = context.output_shape().len() - 1;
        let along_columns = self.axis_of(context.output_shape()) == Some(last);
        for number in 0..context.input_count() {
            if along_columns {
                let columns = context.input_shape(number)[last];
                if !context.is_placed(number) {
                    let place = output.reborrow().slice_cols(column..column + columns);
                    kernels::copy(context.input(number), place);
                }
                column += columns;
            } else {
                let input = context.input(number);
                self.for_rows(context, number, |from, to| {
                    output.row_mut(to).copy_from_slice(input.row(from));
                });
            }
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        number: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = context.output_grad();
        let last = context.output_shape().len() - 1;
        if self.axis_of(context.output_shape()) == Some(last) {
            let start: usize = (0..number).map(|i| context.input_shape(i)[last]).sum();
            let columns = start..start + context.input_shape(number)[last];
            kernels::copy(output_grad.slice_cols(columns), gradient);
        } else {
            self.for_rows(context, number, |to, from| {
                gradient.row_mut(to).copy_from_slice(output_grad.row(from));
            });
        }
        Ok(())
    }
}
