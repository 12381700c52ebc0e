//! What [`Family::Mixed`](super::Family) has beside the layers of the others.

use caudal::layers::{
    Argmax, AvgPool, BatchNorm, CausalSoftmax, Clip, Conv2dTranspose, Dense, DepthwiseConv2d,
    Divide, Dropout, Elu, Embedding, Fill, Gelu, GlobalMaxPool, LayerNorm, LeakyRelu, MatMul,
    Multiply, OneHot, Prelu, Reshape, Scale, Silu, Slice, Softmax, Softplus, StopGradient,
    Subtract, Tanh, Transpose, Upsample, ZeroPadding,
};
use rand::Rng;

use super::{Generator, MOST_FEATURES};

impl Generator {
    pub(super) fn grow_mixed(&mut self, from: usize) {
        let shape = self.sources[from].shape.clone();
        let count: usize = shape.iter().product();
        let (image, matrix) = (shape.len() == 3, shape.len() >= 2);
        match self.random.random_range(0..20) {
            0..=2 => _ = self.layer(BatchNorm::new(), &[from]),
            3 => _ = self.layer(LayerNorm::new(1e-3), &[from]),
            4 => _ = self.layer(Dropout::new(0.3), &[from]),
            5 => {
                let inputs = [from, *self.alike(from, None, 2).last().unwrap()];
                let product = if self.chance(50) {
                    self.layer(Multiply, &inputs)
                } else {
                    self.layer(Subtract, &inputs)
                };
                self.layer(Tanh, &[product]);
            }
            6 => {
                // Over one more than a positive number.
                let positive = self.layer(Softplus, &[from]);
                let one = self.layer(Fill::new(shape, 1.0), &[from]);
                let divisor = self.layer(caudal::layers::Add, &[positive, one]);
                self.layer(Divide, &[from, divisor]);
            }
            7 => {
                let axis = self.random.random_range(0..shape.len());
                let length = self.random.random_range(1..=shape[axis]);
                let start = self.random.random_range(0..=shape[axis] - length);
                self.layer(Slice::new(axis.cast_signed(), start, length), &[from]);
            }
            8 | 18 => {
                _ = match self.random.random_range(0..5) {
                    0 => self.layer(Gelu, &[from]),
                    1 => self.layer(Silu, &[from]),
                    2 => self.layer(Elu::new(0.7), &[from]),
                    3 => self.layer(Clip::new(-0.5, 0.75), &[from]),
                    _ => self.layer(LeakyRelu::new(0.1), &[from]),
                }
            }
            9 => _ = self.layer(Prelu::default(), &[from]),
            10 if matrix && self.chance(50) => _ = self.layer(CausalSoftmax, &[from]),
            10 => _ = self.layer(Softmax, &[from]),
            11 if matrix => _ = self.layer(Transpose, &[from]),
            12 if matrix && count <= MOST_FEATURES => {
                let products = self.layer(MatMul::new().transpose_second(), &[from, from]);
                let scaled = self.layer(Scale::new(0.2), &[products]);
                self.layer(Tanh, &[scaled]);
            }
            13 if image && self.chance(50) => {
                _ = self.layer(AvgPool::new(2).stride(1).same(), &[from]);
            }
            13 if image => _ = self.layer(GlobalMaxPool, &[from]),
            14 if image => _ = self.layer(DepthwiseConv2d::new(3).same(), &[from]),
            15 if image && count <= MOST_FEATURES => {
                _ = match self.random.random_range(0..3) {
                    0 => self.layer(Conv2dTranspose::new(2, 3).same(), &[from]),
                    1 => self.layer(ZeroPadding::new(1), &[from]),
                    _ => self.layer(Upsample::new([1, 2]), &[from]),
                }
            }
            16 if matrix => {
                // No gradient goes through the index.
                let classes = shape[shape.len() - 1];
                let index = self.layer(Argmax, &[from]);
                if self.chance(50) {
                    self.layer(OneHot::new(classes), &[index]);
                } else {
                    self.layer(Embedding::new(classes, 3), &[index]);
                }
            }
            17 => {
                let stopped = self.layer(StopGradient, &[from]);
                self.layer(Reshape::new([1, count]), &[stopped]);
            }
            _ => self.dense_with_parameters_of_another(from),
        }
    }

    /// A dense layer that shares the parameters of an earlier one that has inputs of the same shape.
    fn dense_with_parameters_of_another(&mut self, from: usize) {
        let features = *self.sources[from].shape.last().unwrap();
        let known = self.dense.iter().find(|(size, _)| *size == features);
        if let Some((_, owner)) = known.cloned() {
            self.sharing(Dense::new(5), from, owner);
        } else {
            let own = self.layer(Dense::new(5), &[from]);
            self.dense.push((features, self.sources[own].name.clone()));
        }
    }
}
