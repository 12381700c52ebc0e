//! Class indices to rows of zeros and a one.

use serde::{Deserialize, Serialize};

use super::{Layer, LayerSpec, Misfit, Reads, Sample, parse, read_indices, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "one_hot",
    summary: "class indices to rows that are 1 at the class and 0 elsewhere; no gradient",
    attributes: &[("classes", "how many classes there are, at least 1; required")],
    parse: parse::<OneHot>,
    samples: &[
        Sample { attributes: "classes = 3", inputs: &[&[]] },
        Sample { attributes: "classes = 19", inputs: &[&[5]] },
        Sample { attributes: "classes = 4", inputs: &[&[2, 3]] },
        Sample { attributes: "classes = 1", inputs: &[&[1]] },
    ],
};

/// Takes class indices of shape `[…]`, whole numbers from 0 to `classes - 1`, to `[…, classes]`: 1 at
/// the class, 0 elsewhere. Other numbers are an error. It has no gradient.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneHot {
    classes: usize,
}

impl OneHot {
    /// Rows of `classes` numbers.
    pub fn new(classes: usize) -> Self {
        Self { classes }
    }
}

impl Layer for OneHot {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        if self.classes == 0 {
            return Err(Misfit::new("it has no classes", "give `classes` a value of at least 1"));
        }
        Ok([inputs[0], &[self.classes]].concat())
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn indices(&self, _input: usize) -> Option<usize> {
        Some(self.classes)
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        kernels::fill(output.reborrow(), 0.0);
        read_indices(context, self.classes, |row, class| output.row_mut(row)[class] = 1.0)
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
