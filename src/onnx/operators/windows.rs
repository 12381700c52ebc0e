//! Images: where windows lie, frames around them, and larger ones.

use super::super::activation::Activation;
use super::super::call::{Call, Value};
use super::super::external::External;
use super::one;
use crate::layers::{Add, Misfit, Padding, ZeroPadding};
use crate::tensor::describe_shape;

/// Sequences are images of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sequence,
    Image,
}

impl Kind {
    /// How many axes rows and columns are.
    pub(super) fn axes(self) -> usize {
        match self {
            Self::Sequence => 1,
            Self::Image => 2,
        }
    }

    /// Rows and columns, of what is given for each axis.
    pub(super) fn pair(self, sizes: &[usize]) -> [usize; 2] {
        match (self, sizes) {
            (Self::Image, [rows, columns]) => [*rows, *columns],
            (_, [.., columns]) => [1, *columns],
            (_, []) => [1, 1],
        }
    }
}

/// A node with a value as an image, channels last.
pub(super) fn image(call: &mut Call<'_>, value: &Activation) -> Result<(usize, Kind), Misfit> {
    let shape = value.shape();
    match shape[..] {
        [_, _, _] => Ok((call.laid_out(value, &[1, 2, 0])?, Kind::Image)),
        [channels, length] => {
            let node = call.laid_out(value, &[1, 0])?;
            Ok((call.reshape(node, &[1, length, channels])?, Kind::Sequence))
        }
        _ => Err(Misfit::new(
            format!("an item of its input has the shape {}", describe_shape(&shape)),
            "give it images of channels x height x width, or sequences of channels x length",
        )),
    }
}

/// What an image's node gives as a value.
pub(super) fn of_image(call: &mut Call<'_>, node: usize, kind: Kind) -> Result<Activation, Misfit> {
    let shape = call.network.drafts[node].shape.clone();
    match (kind, &shape[..]) {
        (Kind::Image, &[rows, columns, channels]) => {
            Ok(Activation::of_axes(node, &[channels, rows, columns], &[1, 2, 0]))
        }
        (_, &[.., length, channels]) => {
            let node = call.reshape(node, &[length, channels])?;
            Ok(Activation::of_axes(node, &[channels, length], &[1, 0]))
        }
        _ => Err(Misfit::new("it gives no image", "export it again")),
    }
}

/// A border, `[top, bottom, left, right]`, for windows of an extent over an image of `[rows, columns]`.
pub(super) fn border(
    call: &Call<'_>,
    kind: Kind,
    image: [usize; 2],
    extent: [usize; 2],
    stride: [usize; 2],
) -> Result<[usize; 4], Misfit> {
    let automatic = call.text("auto_pad", "NOTSET")?;
    if automatic == "NOTSET" || automatic.is_empty() {
        let axes = kind.axes();
        let pads = call.ints("pads")?.unwrap_or_else(|| vec![0; 2 * axes]);
        let sizes: Option<Vec<usize>> =
            pads.iter().map(|&pad| usize::try_from(pad).ok().filter(|&it| it < 1 << 31)).collect();
        return match sizes {
            Some(sizes) if sizes.len() == 4 && axes == 2 => {
                Ok([sizes[0], sizes[2], sizes[1], sizes[3]])
            }
            Some(sizes) if sizes.len() == 2 && axes == 1 => Ok([0, 0, sizes[0], sizes[1]]),
            _ => Err(Misfit::new(format!("its border is {pads:?}"), "use widths of at least 0")),
        };
    }
    let mut sides = [0; 4];
    for axis in 0..2 {
        let places = image[axis].div_ceil(stride[axis]).max(1);
        let reach = (places - 1).saturating_mul(stride[axis]).saturating_add(extent[axis]);
        let whole = reach.saturating_sub(image[axis]);
        let before = match automatic.as_str() {
            "VALID" => continue,
            "SAME_UPPER" => whole / 2,
            "SAME_LOWER" => whole.div_ceil(2),
            _ => {
                let problem = format!("its border is made by `{automatic}`");
                return Err(Misfit::new(problem, "use NOTSET, VALID, SAME_UPPER or SAME_LOWER"));
            }
        };
        (sides[2 * axis], sides[2 * axis + 1]) = (before, whole - before);
    }
    Ok(sides)
}

/// A border as layers have it.
pub(super) fn padding(
    sides: [usize; 4],
    image: [usize; 2],
    extent: [usize; 2],
    stride: [usize; 2],
) -> Padding {
    if sides == [0; 4] {
        return Padding::Valid;
    }
    let is_same = (0..2).all(|axis| {
        let places = image[axis].div_ceil(stride[axis]).max(1);
        let whole =
            ((places - 1) * stride[axis]).saturating_add(extent[axis]).saturating_sub(image[axis]);
        sides[2 * axis] == whole / 2 && sides[2 * axis + 1] == whole - whole / 2
    });
    if is_same { Padding::Same } else { Padding::Sides(sides) }
}

/// Whether a border is narrower than the windows that go over it, as layers want it.
pub(super) fn is_narrow(sides: [usize; 4], extent: [usize; 2]) -> bool {
    (0..4).all(|side| sides[side] < extent[side / 2])
}

/// The image within a frame of zeros that a node puts around it, with the frame.
pub(super) fn without_frame(call: &Call<'_>, node: usize) -> (usize, [usize; 4]) {
    let draft = &call.network.drafts[node];
    let attributes = draft.layer.as_ref().filter(|it| it.kind() == "zero_padding");
    let padding = attributes.and_then(|layer| layer.attributes().remove("padding"));
    let size = |value: &toml::Value| value.as_integer().and_then(|it| usize::try_from(it).ok());
    let sides: Option<Vec<usize>> = match &padding {
        Some(toml::Value::Array(list)) => list.iter().map(size).collect(),
        Some(single) => size(single).map(|all| vec![all; 4]),
        None => None,
    };
    match sides.as_deref() {
        Some(&[top, bottom, left, right]) => (draft.inputs[0], [top, bottom, left, right]),
        _ => (node, [0; 4]),
    }
}

pub(super) fn pad(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let mode = call.text("mode", "constant")?;
    let number = if call.is_given(2) {
        call.constant_floats(2)?.first().copied().unwrap_or(0.0)
    } else {
        call.float("value", 0.0)?
    };
    if mode != "constant" {
        let problem = format!("it puts a frame of mode `{mode}`");
        return Err(Misfit::new(problem, "use a frame of one number"));
    }
    let mut value = call.activation(0)?;
    value.check_batch_first()?;
    if number != 0.0 {
        // A frame of another number is one of zeros around what is less by that number.
        let less = call.filled(-number, value.node)?;
        value.node = call.add_beside("less", Add, &[value.node, less])?;
    }
    let mut framed = zeros_around(call, &value)?;
    if number != 0.0 {
        let more = call.filled(number, framed.node)?;
        framed.node = call.add_beside("more", Add, &[framed.node, more])?;
    }
    Ok(one(framed))
}

/// A frame of zeros around a value, as wide as the node says.
fn zeros_around(call: &mut Call<'_>, value: &Activation) -> Result<Activation, Misfit> {
    let rank = value.axes.len();
    let pads = call.list("pads", 1)?.unwrap_or_default();
    let all = || (0..=rank as i64).collect();
    let axes: Vec<i64> = call.constant_ints(3)?.unwrap_or_else(all);
    if pads.len() != 2 * axes.len() {
        let problem = format!("its frame is {pads:?} along {} axes", axes.len());
        return Err(Misfit::new(problem, "export it again"));
    }
    let mut frame = vec![[0; 2]; rank];
    for (at, &axis) in axes.iter().enumerate() {
        let widths = [pads[at], pads[at + axes.len()]];
        if widths == [0, 0] {
            continue;
        }
        let axis = value.item_axis(axis)?;
        for (side, width) in widths.into_iter().enumerate() {
            frame[axis][side] =
                usize::try_from(width).ok().filter(|&it| it < 1 << 31).ok_or_else(|| {
                    Misfit::new(format!("its frame is {pads:?}"), "cut with Slice, not with Pad")
                })?;
        }
    }
    if let [[0, 0], [top, bottom], [left, right]] = frame[..] {
        let node = call.laid_out(value, &[1, 2, 0])?;
        let node = call.add(ZeroPadding::sides([top, bottom, left, right]), &[node])?;
        return of_image(call, node, Kind::Image);
    }
    let (mut node, order) = call.by_axes(value)?;
    let mut shape = value.shape();
    for (at, &axis) in order.iter().enumerate() {
        if frame[axis] == [0, 0] {
            continue;
        }
        let size = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>();
        let image = [size(&order[..at]), shape[axis], size(&order[at + 1..])];
        node = call.reshape(node, &image)?;
        let [before, after] = frame[axis];
        node = call.add(ZeroPadding::sides([0, 0, before, after]), &[node])?;
        shape[axis] += before + after;
    }
    let here: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let node = call.reshape(node, &here)?;
    Ok(Activation::of_axes(node, &shape, &order))
}
