//! One number everywhere.

use serde::{Deserialize, Serialize};

use super::{Layer, LayerSpec, Misfit, Reads, Sample, finite, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "fill",
    summary: "one number, whatever its input, of which it takes the number of items alone",
    attributes: &[
        ("shape", "the sizes of an item's axes, each at least 1; required"),
        ("value", "the number, finite; default 0"),
    ],
    parse: parse::<Fill>,
    samples: &[
        Sample { attributes: "shape = [3]\nvalue = 0.25", inputs: &[&[2, 2]] },
        Sample { attributes: "shape = [2, 5]\nvalue = -1.5", inputs: &[&[4]] },
        Sample { attributes: "shape = []\nvalue = 2.0", inputs: &[&[1]] },
    ],
};

/// An item of one number everywhere, for every item of its input, whose numbers do not matter: what a
/// recurrent network starts from. It has no gradient.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    shape: Shape,
    #[serde(default, deserialize_with = "finite")]
    value: f32,
}

impl Fill {
    /// Items of `shape`, all of whose numbers are `value`.
    pub fn new(shape: impl Into<Shape>, value: f32) -> Self {
        Self { shape: shape.into(), value }
    }
}

impl Layer for Fill {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, _inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        if !self.value.is_finite() {
            return Err(Misfit::new(
                format!("its value is {}", self.value),
                "give `value` a finite number",
            ));
        }
        Ok(self.shape.clone())
    }

    fn is_constant(&self) -> bool {
        true
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

    fn forward(&self, _context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        kernels::fill(output, self.value);
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
