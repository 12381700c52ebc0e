//! A frame of zeros around an image.

use serde::{Deserialize, Serialize};

use super::window::image;
use super::{Layer, LayerSpec, Misfit, Reads, Sample, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "zero_padding",
    summary: "a frame of zeros around every image",
    attributes: &[(
        "padding",
        "width of the frame, or [top, bottom, left, right], at least 0; required",
    )],
    parse: parse::<ZeroPadding>,
    samples: &[
        Sample { attributes: "padding = 1", inputs: &[&[3, 2, 4]] },
        Sample { attributes: "padding = [0, 2, 1, 0]", inputs: &[&[2, 5, 3]] },
        Sample { attributes: "padding = [1, 0, 0, 3]", inputs: &[&[1, 1, 19]] },
        Sample { attributes: "padding = 0", inputs: &[&[2, 2, 1]] },
    ],
};

/// Puts rows and columns of zeros around images of shape `[height, width, channels]`, giving
/// `[top + height + bottom, left + width + right, channels]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroPadding {
    padding: Frame,
}

/// Widths of a frame: top, bottom, left, right. Written as one number where all are the same.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(from = "OneOrFour", into = "OneOrFour")]
struct Frame([usize; 4]);

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected one width or four, such as 1 or [1, 2, 0, 0]")]
enum OneOrFour {
    One(usize),
    Four([usize; 4]),
}

impl From<OneOrFour> for Frame {
    fn from(value: OneOrFour) -> Self {
        match value {
            OneOrFour::One(all) => Self([all; 4]),
            OneOrFour::Four(frame) => Self(frame),
        }
    }
}

impl From<Frame> for OneOrFour {
    fn from(Frame(frame): Frame) -> Self {
        if frame == [frame[0]; 4] { Self::One(frame[0]) } else { Self::Four(frame) }
    }
}

impl ZeroPadding {
    /// A frame of `padding` rows and columns on all sides.
    pub fn new(padding: usize) -> Self {
        Self { padding: Frame([padding; 4]) }
    }

    /// A frame of `[top, bottom, left, right]` rows and columns.
    pub fn sides(padding: [usize; 4]) -> Self {
        Self { padding: Frame(padding) }
    }

    /// Calls `copy(row of the input, row of the output)` for the matrix row of every pixel.
    fn for_pixels(&self, context: &Context<'_>, mut copy: impl FnMut(usize, usize)) {
        let (from, to) = (context.input_shape(0), context.output_shape());
        let Frame([top, _, left, _]) = self.padding;
        for item in 0..context.items() {
            for y in 0..from[0] {
                let inner = (item * from[0] + y) * from[1];
                let outer = (item * to[0] + top + y) * to[1] + left;
                (0..from[1]).for_each(|x| copy(inner + x, outer + x));
            }
        }
    }
}

impl Layer for ZeroPadding {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let [height, width, channels] = image(inputs[0])?;
        let Frame([top, bottom, left, right]) = self.padding;
        let sum = |size: usize, before: usize, after| {
            size.checked_add(before).and_then(|size| size.checked_add(after))
        };
        match (sum(height, top, bottom), sum(width, left, right)) {
            (Some(height), Some(width)) => Ok(vec![height, width, channels]),
            _ => Err(Misfit::new("its padding is absurdly large", "use a smaller `padding`")),
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
        kernels::fill(output.reborrow(), 0.0);
        self.for_pixels(context, |from, to| output.row_mut(to).copy_from_slice(input.row(from)));
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let grads = context.output_grad();
        self.for_pixels(context, |to, from| gradient.row_mut(to).copy_from_slice(grads.row(from)));
        Ok(())
    }
}
