//! Windows that slide over an image: sizes, strides and padding of convolutions and pooling.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{ItemSplit, Misfit};
use crate::context::Context;
use crate::kernels::PoolShape;
use crate::tensor::describe_shape;

/// What happens at the border of an image: `"valid"`, `"same"`, a width such as `1`, or `[1, 1, 0, 2]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WordOrSides", into = "WordOrSides")]
#[non_exhaustive]
pub enum Padding {
    /// Windows stay inside the image: the output has `(in - size) / stride + 1` places, rounded down.
    #[default]
    Valid,
    /// The image is extended so that the output has `in / stride` places, rounded up. Where the
    /// extension is odd, the larger half comes after the image (`TensorFlow`'s rule).
    Same,
    /// The image has a border of so many rows and columns, `[top, bottom, left, right]`, each less than the window,
    /// and windows stay inside that.
    Sides([usize; 4]),
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"valid\", \"same\", one width, or four as in [1, 1, 0, 2]"
)]
enum WordOrSides {
    Word(Word),
    One(usize),
    Four([usize; 4]),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Valid,
    Same,
}

impl From<WordOrSides> for Padding {
    fn from(value: WordOrSides) -> Self {
        match value {
            WordOrSides::Word(Word::Valid) => Self::Valid,
            WordOrSides::Word(Word::Same) => Self::Same,
            WordOrSides::One(all) => Self::Sides([all; 4]),
            WordOrSides::Four(sides) => Self::Sides(sides),
        }
    }
}

impl From<Padding> for WordOrSides {
    fn from(value: Padding) -> Self {
        match value {
            Padding::Valid => Self::Word(Word::Valid),
            Padding::Same => Self::Word(Word::Same),
            Padding::Sides(sides) if sides == [sides[0]; 4] => Self::One(sides[0]),
            Padding::Sides(sides) => Self::Four(sides),
        }
    }
}

/// A number for rows and one for columns, written as `3` or as `[3, 2]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrTwo", into = "OneOrTwo")]
pub struct Pair(pub [usize; 2]);

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected one size or two, such as 3 or [3, 2]")]
enum OneOrTwo {
    One(usize),
    Two([usize; 2]),
}

impl From<OneOrTwo> for Pair {
    fn from(value: OneOrTwo) -> Self {
        match value {
            OneOrTwo::One(both) => Self([both; 2]),
            OneOrTwo::Two(pair) => Self(pair),
        }
    }
}

impl From<Pair> for OneOrTwo {
    fn from(Pair([rows, columns]): Pair) -> Self {
        if rows == columns { Self::One(rows) } else { Self::Two([rows, columns]) }
    }
}

impl From<usize> for Pair {
    fn from(both: usize) -> Self {
        Self([both; 2])
    }
}

impl From<[usize; 2]> for Pair {
    fn from(pair: [usize; 2]) -> Self {
        Self(pair)
    }
}

/// Where windows lie over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Rows and columns of the output.
    pub(crate) output: [usize; 2],
    /// Rows above and columns left of the image.
    pub(crate) before: [usize; 2],
    /// The stride. Where it leads out of the image from the first window, it is no larger than it
    /// must be for that: gradients visit every offset within it.
    pub(crate) stride: [usize; 2],
}

/// Reads an image's shape, or says that it is none.
pub(crate) fn image(shape: &[usize]) -> Result<[usize; 3], Misfit> {
    shape.try_into().map_err(|_| {
        Misfit::new(
            format!(
                "it needs an image of height x width x channels, not {}",
                describe_shape(shape)
            ),
            "give the input three axes",
        )
    })
}

/// The extent of a window whose `size` taps lie `dilation` apart, and how far apart they then are:
/// a single tap is not far from any other.
pub(crate) fn dilated(
    image: [usize; 3],
    size: Pair,
    dilation: Pair,
) -> Result<(Pair, [usize; 2]), Misfit> {
    let (mut extent, mut apart) = (size, [1; 2]);
    for axis in 0..2 {
        let (taps, dilation) = (size.0[axis], dilation.0[axis]);
        if dilation == 0 || taps > 1 && dilation > image[axis] {
            return Err(Misfit::new(
                format!(
                    "the taps of its window are {dilation} apart along axis {axis} of {}",
                    describe_shape(&image)
                ),
                "use a dilation of at least 1 that the image is long enough for",
            ));
        }
        if taps > 1 {
            apart[axis] = dilation;
            extent.0[axis] = (taps - 1).saturating_mul(dilation).saturating_add(1);
        }
    }
    Ok((extent, apart))
}

/// Lays windows of `size` over an image.
pub(crate) fn windows(
    image: [usize; 3],
    size: Pair,
    stride: Pair,
    padding: Padding,
) -> Result<Windows, Misfit> {
    let mut output = [0; 2];
    let mut before = [0; 2];
    let mut steps = [0; 2];
    for axis in 0..2 {
        let (length, size, stride) = (image[axis], size.0[axis], stride.0[axis]);
        if size == 0 || stride == 0 {
            return Err(Misfit::new(
                format!("its window is {size} long with stride {stride} along axis {axis}"),
                "use sizes and strides of at least 1",
            ));
        }
        match padding {
            Padding::Valid if size > length => {
                return Err(Misfit::new(
                    format!(
                        "a window {size} long does not fit into axis {axis} of {}",
                        describe_shape(&image)
                    ),
                    "use a smaller window, or padding \"same\"",
                ));
            }
            Padding::Valid => output[axis] = (length - size) / stride + 1,
            Padding::Same => {
                output[axis] = length.div_ceil(stride);
                // At least one place, for images have no empty axis.
                let reach = (output[axis] - 1)
                    .checked_mul(stride)
                    .and_then(|start| start.checked_add(size))
                    .filter(|&reach| reach < 1 << 32)
                    .ok_or_else(|| {
                        Misfit::new(
                            format!("a window {size} long with stride {stride} is absurdly large"),
                            "use a smaller window",
                        )
                    })?;
                before[axis] = reach.saturating_sub(length) / 2;
            }
            Padding::Sides(sides) => {
                let [start, end] = [sides[2 * axis], sides[2 * axis + 1]];
                let whole = length.saturating_add(start).saturating_add(end);
                if start >= size || end >= size || size > whole || size >= 1 << 32 {
                    return Err(Misfit::new(
                        format!(
                            "a window {size} long does not fit into axis {axis} of {} with a border of {start} \
                             and {end}",
                            describe_shape(&image)
                        ),
                        "use a border narrower than the window, and a window that the image has room for",
                    ));
                }
                output[axis] = (whole - size) / stride + 1;
                before[axis] = start;
            }
        }
        // Neither is absurdly large here.
        steps[axis] = stride.min(length + size);
    }
    Ok(Windows { output, before, stride: steps })
}

/// The rows of an image, which has `length`, under some rows of windows, and how many rows of padding are then
/// before the first of them. Windows reach over `size` rows, are `stride` apart, and the first of all begins
/// `before` rows above the image.
pub(crate) fn rows_under(
    windows: &Range<usize>,
    [size, stride, before]: [usize; 3],
    length: usize,
) -> (Range<usize>, usize) {
    let first = windows.start * stride;
    let start = first.saturating_sub(before).min(length);
    let reach = windows.end.saturating_sub(1) * stride + size;
    let end = reach.saturating_sub(before).min(length).max(start);
    (start..end, before.saturating_sub(first))
}

/// Rows of pixels of an image that a part of a convolution or pooling has at least.
const PART_ROWS: usize = 2;

/// How the output of windows may be divided.
pub(super) fn item_split(output: [usize; 2]) -> ItemSplit {
    ItemSplit::Rows(PART_ROWS * output[1])
}

/// Cuts windows down to those that make the part's rows of the output; gives the pixels of each image that they read.
/// `size` and `stride` are those of rows.
pub(super) fn cut_to_part(
    context: &Context<'_>,
    [size, stride]: [usize; 2],
    input: &mut [usize; 3],
    output: &mut [usize; 2],
    before: &mut [usize; 2],
) -> Range<usize> {
    let ([height, width, _], columns) = (*input, output[1]);
    let pixels = context.output_rows();
    if pixels.len() == output[0] * columns {
        return 0..context.items() * height * width;
    }
    let rows = pixels.start / columns..pixels.end / columns;
    let (under, above) = rows_under(&rows, [size, stride, before[0]], height);
    (input[0], output[0], before[0]) = (under.len(), rows.len(), above);
    under.start * width..under.end * width
}

/// The pooling that makes the part's rows of the output, and the pixels that it reads.
pub(super) fn pool_part(context: &Context<'_>, mut shape: PoolShape) -> (PoolShape, Range<usize>) {
    let PoolShape { size, stride, input, output, padding, .. } = &mut shape;
    let pixels = cut_to_part(context, [size[0], stride[0]], input, output, padding);
    (shape, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_follows_the_rule() {
        let place = |length, size, stride| {
            let pair = |n: usize| Pair::from(n);
            let w = windows([length, 1, 1], pair(size), pair(stride), Padding::Same).unwrap();
            (w.output[0], w.before[0])
        };
        assert_eq!(place(28, 3, 1), (28, 1));
        assert_eq!(place(28, 2, 1), (28, 0));
        assert_eq!(place(5, 3, 2), (3, 1));
        assert_eq!(place(6, 3, 2), (3, 0));
        assert_eq!(place(1, 5, 1), (1, 2));
        assert_eq!(place(7, 1, 3), (3, 0));
    }

    #[test]
    fn a_border_may_have_a_width_on_each_side() {
        let place = |sides| windows([7, 5, 1], 3.into(), 2.into(), Padding::Sides(sides)).unwrap();
        assert_eq!(place([1; 4]), Windows { output: [4, 3], before: [1, 1], stride: [2, 2] });
        assert_eq!(place([0, 2, 2, 1]), Windows { output: [4, 3], before: [0, 2], stride: [2, 2] });
        assert_eq!(place([0; 4]), windows([7, 5, 1], 3.into(), 2.into(), Padding::Valid).unwrap());
        for sides in [[3, 0, 0, 0], [0, 0, 0, 3], [usize::MAX, usize::MAX, 0, 0]] {
            let refused = windows([7, 5, 1], 3.into(), 2.into(), Padding::Sides(sides));
            assert!(refused.unwrap_err().problem.contains("with a border"), "{sides:?}");
        }
        assert!(windows([1, 1, 1], 3.into(), 1.into(), Padding::Sides([0, 1, 1, 1])).is_err());
    }

    #[test]
    fn absurd_windows_are_refused() {
        let ask = |size: usize, stride: usize, padding| {
            windows([4, 4, 1], size.into(), stride.into(), padding)
        };
        assert!(ask(5, 1, Padding::Valid).unwrap_err().problem.contains("does not fit"));
        assert!(ask(0, 1, Padding::Same).is_err());
        assert!(ask(1, 0, Padding::Same).is_err());
        assert!(ask(usize::MAX, 1, Padding::Same).is_err());
    }

    #[test]
    fn strides_out_of_the_image_are_cut() {
        let stride = |stride: usize, padding| {
            let windows = windows([4, 5, 1], 2.into(), stride.into(), padding).unwrap();
            (windows.output, windows.stride)
        };
        for padding in [Padding::Valid, Padding::Same] {
            assert_eq!(stride(3, padding).1, [3, 3]);
            assert_eq!(stride(usize::MAX, padding), ([1, 1], [6, 7]));
        }
    }
}
