//! Kernels that sum over many rows, along rows, or over windows.

use crate::kernels::{
    MatrixMut, MatrixRef, PoolShape, average_pool, average_pool_grad, batch_norm_sums,
    column_moments, column_sums, global_average, layer_norm, layer_norm_grad,
    layer_norm_weight_grad, max_pool, max_pool_grad, prelu_slope_grad, softmax, softmax_grad,
};
use crate::{each_set, numbers};
use criterion::Criterion;

/// The largest and the mean of windows, small and large, and their gradients.
pub(crate) fn windows(criterion: &mut Criterion) {
    const ITEMS: usize = 8;
    for [side, channels, size, padding, stride] in
        [[28, 32, 2, 0, 2], [14, 176, 3, 1, 1], [28, 32, 14, 0, 14], [28, 32, 9, 0, 1]]
    {
        let output = (side + 2 * padding - size) / stride + 1;
        let shape = PoolShape {
            input: [side, side, channels],
            size: [size; 2],
            stride: [stride; 2],
            padding: [padding; 2],
            output: [output; 2],
        };
        let case =
            format!("{side}x{side}x{channels} {size}x{size} padding {padding} stride {stride}");
        let (rows, output_rows) = (ITEMS * side * side, ITEMS * output * output);
        let work = output_rows * channels * size * size;
        let (x, mut dx) = (numbers(rows * channels), numbers(rows * channels));
        let (mut y, dy) = (numbers(output_rows * channels), numbers(output_rows * channels));
        let input = MatrixRef::dense(&x, rows, channels);
        let grads = MatrixRef::dense(&dy, output_rows, channels);
        each_set(criterion, "average_pool", &case, work, || {
            let output = MatrixMut::dense(&mut y, output_rows, channels);
            average_pool(&shape, ITEMS, input, output, false);
        });
        each_set(criterion, "average_pool_grad", &case, work, || {
            let gradient = MatrixMut::dense(&mut dx, rows, channels);
            average_pool_grad(&shape, ITEMS, grads, gradient, false);
        });
        each_set(criterion, "max_pool", &case, work, || {
            max_pool(&shape, ITEMS, input, MatrixMut::dense(&mut y, output_rows, channels));
        });
        each_set(criterion, "max_pool_grad", &case, work, || {
            let output = MatrixRef::dense(&y, output_rows, channels);
            let gradient = MatrixMut::dense(&mut dx, rows, channels);
            max_pool_grad(&shape, ITEMS, input, output, grads, gradient);
        });
    }
}

/// What sums over many rows, or along rows, few and long or many and short ones.
pub(crate) fn rows(criterion: &mut Criterion) {
    for [rows, cols] in [[512, 16], [512, 64], [4096, 8], [4096, 32], [256, 512], [64, 4096]] {
        let (case, work) = (format!("{rows}x{cols}"), rows * cols);
        let (x, dy) = (numbers(work), numbers(work));
        let (mut y, ones) = (numbers(work), vec![1.0; cols]);
        let mut sums = vec![0.0; 2 * cols];
        let (input, grads) = (MatrixRef::dense(&x, rows, cols), MatrixRef::dense(&dy, rows, cols));
        each_set(criterion, "column_sums", &case, work, || column_sums(grads, &mut sums[..cols]));
        each_set(criterion, "column_moments", &case, work, || column_moments(input, &mut sums));
        each_set(criterion, "batch_norm_sums", &case, work, || {
            batch_norm_sums(input, &ones, &ones, grads, &mut sums);
        });
        each_set(criterion, "prelu_slope_grad", &case, work, || {
            prelu_slope_grad(input, grads, &mut sums[..cols]);
        });
        each_set(criterion, "prelu_slope_grad, one slope", &case, work, || {
            prelu_slope_grad(input, grads, &mut sums[..1]);
        });
        each_set(criterion, "global_average", &case, work, || {
            global_average(1, rows, input, MatrixMut::dense(&mut sums[..cols], 1, cols));
        });
        each_set(criterion, "softmax", &case, work, || {
            softmax(Some(input), MatrixMut::dense(&mut y, rows, cols));
        });
        each_set(criterion, "softmax_grad", &case, work, || {
            softmax_grad(input, Some(grads), MatrixMut::dense(&mut y, rows, cols));
        });
        each_set(criterion, "layer_norm", &case, work, || {
            layer_norm(1e-5, input, &ones, &ones, MatrixMut::dense(&mut y, rows, cols));
        });
        each_set(criterion, "layer_norm_grad", &case, work, || {
            layer_norm_grad(1e-5, input, &ones, grads, MatrixMut::dense(&mut y, rows, cols));
        });
        each_set(criterion, "layer_norm_weight_grad", &case, work, || {
            layer_norm_weight_grad(1e-5, input, grads, &mut sums[..cols]);
        });
    }
}
