//! Which convolutions are computed by Winograd's transforms, by an estimate from their shapes alone: measured times
//! would make the bits of results depend on the machine.

use super::super::conv2d::Conv2dShape;
use super::{Winograd, turned};

/// How many times as much work the direct convolution must be.
const LEAST_GAIN: f64 = 1.1;

/// Images that share one transform of the weights, so that small ones are worth it: as many as a small batch has.
const IMAGES: f64 = 16.0;

/// What transforms cost, in multiplications of a product that take as long; measured with AVX-512.
struct Transforms {
    /// Of one channel at a point of a tile, of inputs, or to outputs.
    channel: f64,
    /// The same, where both go into sums.
    summed_channel: f64,
    /// Of one weight of all taps.
    weight: f64,
}

impl Winograd {
    /// What the forward phase of `shape` is computed by; nothing where directly.
    pub(crate) fn forward(shape: &Conv2dShape) -> Option<Self> {
        let cost = |it: Self| it.forward_multiplications(shape);
        choose(shape, cost)
    }

    /// What the gradient of the input is computed by; nothing where directly.
    pub(crate) fn input_grad(shape: &Conv2dShape) -> Option<Self> {
        if Self::fitting(shape).is_empty() { None } else { Self::forward(&turned(shape)) }
    }

    /// What the gradient of the weights is computed by; nothing where directly.
    pub(crate) fn weight_grad(shape: &Conv2dShape) -> Option<Self> {
        let cost = |it: Self| it.weight_grad_multiplications(shape);
        choose(shape, cost)
    }

    /// The multiplications of an image that the forward phase is worth, with its share of the transform of weights.
    pub(crate) fn forward_multiplications(self, shape: &Conv2dShape) -> f64 {
        let transforms = self.transforms();
        let weights = transforms.weight * (shape.input[2] * padded(shape.filters)) as f64;
        self.products(shape, transforms.channel) + weights / IMAGES
    }

    /// The same of the gradient of the input.
    pub(crate) fn input_grad_multiplications(self, shape: &Conv2dShape) -> f64 {
        self.forward_multiplications(&turned(shape))
    }

    /// The same of the gradient of the weights.
    pub(crate) fn weight_grad_multiplications(self, shape: &Conv2dShape) -> f64 {
        self.products(shape, self.transforms().summed_channel)
    }

    /// The products of an image, and the transforms of its tiles.
    fn products(self, shape: &Conv2dShape, transform: f64) -> f64 {
        let [channels, filters] = [shape.input[2], shape.filters];
        // As many points as outputs, and the weights but the first of each tile.
        let points = |axis: usize| {
            let pixels = shape.output[axis];
            pixels + pixels.div_ceil(self.side()) * (shape.kernel[axis] - 1)
        };
        let products = (channels * padded(filters)) as f64;
        let transforms = transform * (padded(channels) + padded(filters)) as f64;
        (points(0) * points(1)) as f64 * (products + transforms)
    }

    fn transforms(self) -> Transforms {
        match self {
            Self::F23 => Transforms { channel: 7.0, summed_channel: 7.0, weight: 115.0 },
            Self::F43 => Transforms { channel: 6.5, summed_channel: 7.5, weight: 220.0 },
            Self::F63 => Transforms { channel: 7.0, summed_channel: 8.5, weight: 450.0 },
            Self::F25 => Transforms { channel: 7.0, summed_channel: 7.5, weight: 300.0 },
            Self::F45 => Transforms { channel: 7.0, summed_channel: 8.5, weight: 600.0 },
        }
    }
}

/// What costs least, if that is enough less than the direct convolution.
fn choose(shape: &Conv2dShape, cost: impl Fn(Winograd) -> f64) -> Option<Winograd> {
    let fitting = Winograd::fitting(shape).iter().copied();
    let best = fitting.min_by(|&one, &other| cost(one).total_cmp(&cost(other)))?;
    (LEAST_GAIN * cost(best) <= direct_multiplications(shape)).then_some(best)
}

/// The multiplications of an image that a direct convolution takes; it leaves out rows of taps that meet zeros only.
fn direct_multiplications(shape: &Conv2dShape) -> f64 {
    let [height, ..] = shape.input;
    let rows: usize = (0..shape.output[0])
        .map(|row| {
            let inside = |tap: &usize| (row + tap).wrapping_sub(shape.padding[0]) < height;
            (0..shape.kernel[0]).filter(inside).count()
        })
        .sum();
    (rows * shape.output[1] * shape.kernel[1] * shape.input[2] * padded(shape.filters)) as f64
}

/// Numbers that kernels work on where there are `numbers` columns.
fn padded(numbers: usize) -> usize {
    numbers.next_multiple_of(16)
}
