//! Pooling.

use super::super::activation::Activation;
use super::super::call::{Call, Value};
use super::super::external::External;
use super::one;
use super::windows::{Kind, border, image, is_narrow, of_image, padding};
use crate::layers::{AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Misfit, ZeroPadding};

/// Where the windows of a pooling lie.
struct Pooling {
    node: usize,
    kind: Kind,
    image: [usize; 2],
    size: [usize; 2],
    stride: [usize; 2],
    /// The border, and what of it is there for the last window alone.
    sides: [usize; 4],
    beyond: [usize; 2],
}

impl Pooling {
    fn of(call: &mut Call<'_>) -> Result<Self, Misfit> {
        let value = call.activation(0)?;
        let (node, kind) = image(call, &value)?;
        let axes = kind.axes();
        let size = kind.pair(&call.sizes("kernel_shape", axes, 0)?);
        let stride = kind.pair(&call.sizes("strides", axes, 1)?);
        if size.contains(&0) || stride.contains(&0) {
            return Err(Misfit::new("its windows have no size", "export it again"));
        }
        if call.sizes("dilations", axes, 1)?.iter().any(|&it| it != 1) {
            return Err(Misfit::new("its windows have a dilation", "use none"));
        }
        let image = [0, 1].map(|axis| call.network.drafts[node].shape[axis]);
        let mut sides = border(call, kind, image, size, stride)?;
        let mut beyond = [0; 2];
        if call.int("ceil_mode", 0)? != 0 {
            for axis in 0..2 {
                let [before, after] = [sides[2 * axis], sides[2 * axis + 1]];
                let whole = image[axis] + before + after;
                let steps = whole.saturating_sub(size[axis]).div_ceil(stride[axis]);
                // No window begins behind the image.
                let begins = |steps: usize| steps * stride[axis] < image[axis] + before;
                let steps = if steps == 0 || begins(steps) { steps } else { steps - 1 };
                beyond[axis] = (steps * stride[axis] + size[axis]).saturating_sub(whole);
                sides[2 * axis + 1] += beyond[axis];
            }
        }
        if !is_narrow(sides, size) {
            return Err(Misfit::new(
                format!("its border {sides:?} is not narrower than its windows {size:?}"),
                "use a narrower border",
            ));
        }
        Ok(Self { node, kind, image, size, stride, sides, beyond })
    }
}

pub(super) fn max(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let Pooling { node, kind, image, size, stride, sides, .. } = Pooling::of(call)?;
    let padding = padding(sides, image, size, stride);
    let layer = MaxPool::new(size).stride(stride).padding(padding);
    let node = call.add(layer, &[node])?;
    Ok(one(of_image(call, node, kind)?))
}

pub(super) fn average(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let pooling = Pooling::of(call)?;
    let Pooling { mut node, kind, mut image, size, stride, mut sides, beyond } = pooling;
    if call.int("count_include_pad", 0)? != 0 && sides != [0; 4] {
        // The border counts, what lies beyond it does not.
        let frame = [sides[0], sides[1] - beyond[0], sides[2], sides[3] - beyond[1]];
        node = call.add_beside("pad", ZeroPadding::sides(frame), &[node])?;
        image = [0, 1].map(|axis| call.network.drafts[node].shape[axis]);
        sides = [0, beyond[0], 0, beyond[1]];
    }
    let padding = padding(sides, image, size, stride);
    let layer = AvgPool::new(size).stride(stride).padding(padding);
    let node = call.add(layer, &[node])?;
    Ok(one(of_image(call, node, kind)?))
}

/// The value of channels that a pooling over whole images leaves.
fn of_channels(call: &Call<'_>, node: usize, kind: Kind) -> Activation {
    let channels = call.network.drafts[node].shape.iter().product();
    let mut shape = vec![1; kind.axes() + 1];
    shape[0] = channels;
    Activation::plain(node, &shape)
}

pub(super) fn global_average(
    call: &mut Call<'_>,
    _: &mut External<'_>,
) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let (node, kind) = image(call, &value)?;
    let node = call.add(GlobalAvgPool, &[node])?;
    Ok(one(of_channels(call, node, kind)))
}

pub(super) fn global_max(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let (node, kind) = image(call, &value)?;
    let node = call.add(GlobalMaxPool, &[node])?;
    Ok(one(of_channels(call, node, kind)))
}
