use super::super::{
    Conv2dShape, MatrixMut, MatrixRef, Panels, conv2d, conv2d_input_grad, conv2d_prepare,
    conv2d_prepared_len, conv2d_weight_grad, depthwise_conv2d, depthwise_conv2d_input_grad,
    depthwise_conv2d_weight_grad, from_panels, panel_len, to_panels,
};
use super::{Wide, assert_close, bits, each_set, random};

/// A shape whose output follows from the rest and from the zeros below and on the right.
pub(super) fn shape(
    input: [usize; 3],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    after: [usize; 2],
    filters: usize,
) -> Conv2dShape {
    let output = std::array::from_fn(|axis| {
        (input[axis] + padding[axis] + after[axis] - kernel[axis]) / stride[axis] + 1
    });
    Conv2dShape { input, kernel, stride, dilation: [1, 1], padding, output, filters }
}

/// The same with taps further apart, and an output that follows.
fn dilated(shape: &Conv2dShape, dilation: [usize; 2], after: [usize; 2]) -> Conv2dShape {
    let output = std::array::from_fn(|axis| {
        let extent = (shape.kernel[axis] - 1) * dilation[axis] + 1;
        (shape.input[axis] + shape.padding[axis] + after[axis] - extent) / shape.stride[axis] + 1
    });
    Conv2dShape { dilation, output, ..shape.clone() }
}

fn shapes() -> Vec<Conv2dShape> {
    let mut shapes = undilated_shapes();
    for (input, kernel, stride, padding, dilation, filters) in [
        ([9, 9, 3], [3, 3], [1, 1], [2, 2], [2, 2], 20),
        ([12, 11, 2], [3, 2], [1, 1], [0, 1], [3, 1], 33),
        ([7, 20, 5], [2, 4], [1, 1], [0, 0], [1, 3], 5),
        ([13, 12, 2], [3, 3], [2, 3], [1, 2], [3, 2], 16),
        ([16, 16, 1], [3, 3], [4, 4], [1, 3], [2, 6], 7),
        ([5, 14, 17], [1, 3], [2, 2], [0, 4], [1, 4], 40),
    ] {
        let place = shape(input, kernel, stride, padding, padding, filters);
        shapes.push(dilated(&place, dilation, padding));
    }
    shapes
}

fn undilated_shapes() -> Vec<Conv2dShape> {
    vec![
        shape([1, 1, 1], [1, 1], [1, 1], [0, 0], [0, 0], 1),
        shape([28, 28, 1], [3, 3], [1, 1], [0, 0], [0, 0], 32),
        shape([7, 7, 6], [3, 3], [1, 1], [1, 1], [1, 1], 10),
        shape([14, 14, 5], [5, 5], [1, 1], [2, 2], [2, 2], 24),
        shape([9, 11, 3], [3, 5], [1, 1], [1, 0], [0, 3], 48),
        shape([8, 8, 33], [1, 1], [1, 1], [0, 0], [0, 0], 17),
        shape([8, 9, 4], [1, 1], [2, 2], [0, 0], [0, 0], 16),
        shape([9, 8, 17], [3, 3], [2, 2], [1, 1], [1, 1], 40),
        shape([10, 13, 2], [3, 2], [2, 3], [0, 1], [1, 0], 33),
        shape([12, 12, 3], [2, 2], [3, 3], [0, 0], [0, 0], 5),
        shape([5, 5, 2], [5, 5], [1, 1], [4, 4], [4, 4], 7),
        shape([3, 3, 2], [5, 5], [2, 2], [2, 2], [2, 2], 70),
        shape([4, 30, 16], [1, 7], [1, 1], [0, 3], [0, 3], 16),
        shape([30, 4, 16], [7, 1], [1, 2], [3, 0], [3, 0], 96),
        shape([11, 11, 1], [7, 7], [4, 4], [3, 3], [3, 3], 6),
        shape([2, 2, 1], [1, 1], [1, 1], [2, 1], [1, 2], 3),
        shape([4, 4, 20], [3, 3], [1, 1], [1, 1], [1, 1], 40),
        shape([7, 7, 8], [7, 7], [1, 1], [0, 0], [0, 0], 34),
    ]
}

/// Visits each product of the convolution: output, input and weight by their places.
pub(super) fn each_product(
    shape: &Conv2dShape,
    items: usize,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let ([height, width, channels], [rows, cols]) = (shape.input, shape.output);
    let [kernel_rows, kernel_cols] = shape.kernel;
    for place in 0..items * rows * cols * kernel_rows * kernel_cols {
        let (rest, kx) = (place / kernel_cols, place % kernel_cols);
        let (pixel, ky) = (rest / kernel_rows, rest % kernel_rows);
        let (item, oy, ox) = (pixel / (rows * cols), pixel / cols % rows, pixel % cols);
        let from = |axis: usize, place: usize, tap: usize| {
            let reach = place * shape.stride[axis] + tap * shape.dilation[axis];
            reach.wrapping_sub(shape.padding[axis])
        };
        let (y, x) = (from(0, oy, ky), from(1, ox, kx));
        if y >= height || x >= width {
            continue;
        }
        for channel in 0..channels {
            let input = ((item * height + y) * width + x) * channels + channel;
            let weight = ((ky * kernel_cols + kx) * channels + channel) * shape.filters;
            for filter in 0..shape.filters {
                visit(pixel * shape.filters + filter, input, weight + filter);
            }
        }
    }
}

/// A convolution's operands: input, weights, output gradient.
pub(super) fn operands(shape: &Conv2dShape, items: usize, gap: usize) -> (Wide, Vec<f32>, Wide) {
    let input = Wide::random(items * shape.input[0] * shape.input[1], shape.input[2], gap, 1);
    let weights = random(shape.kernel[0] * shape.kernel[1] * shape.input[2] * shape.filters, 2);
    let grads = Wide::random(items * shape.output[0] * shape.output[1], shape.filters, gap, 3);
    (input, weights, grads)
}

pub(super) fn weight_rows(shape: &Conv2dShape) -> usize {
    shape.kernel[0] * shape.kernel[1] * shape.input[2]
}

pub(super) fn panels(shape: &Conv2dShape, plain: &[f32]) -> Vec<f32> {
    let mut floats = vec![0.0; panel_len(weight_rows(shape), shape.filters)];
    to_panels(plain, weight_rows(shape), shape.filters, &mut floats);
    floats
}

/// The output of three images that are convolved one by one: its bits are those of all at once.
pub(super) fn image_by_image(
    input: &Wide,
    output: &Wide,
    gap: usize,
    mut convolve: impl FnMut(MatrixRef<'_>, MatrixMut<'_>),
) -> Wide {
    let mut split = Wide::output(output.rows, output.cols, gap);
    let [from, to] = [input.rows, output.rows].map(|rows| rows / 3);
    for item in 0..3 {
        let output = split.view_mut().slice_rows(item * to..(item + 1) * to);
        convolve(input.view().slice_rows(item * from..(item + 1) * from), output);
    }
    split
}

#[test]
fn forward_is_the_sum_under_the_kernel() {
    each_set(|| {
        for (shape, gap) in shapes().iter().zip([0, 5].into_iter().cycle()) {
            let (input, weights, grads) = operands(shape, 3, gap);
            let (floats, bias) = (panels(shape, &weights), random(shape.filters, 4));
            let panels = Panels::new(&floats, weight_rows(shape), shape.filters);
            let mut output = Wide::output(grads.rows, shape.filters, gap);
            conv2d(shape, 3, input.view(), panels, Some(&bias), output.view_mut());
            let numbers = input.numbers();
            let mut expected: Vec<f64> =
                bias.iter().map(|&number| f64::from(number)).collect::<Vec<_>>().repeat(grads.rows);
            each_product(shape, 3, |out, from, weight| {
                expected[out] += f64::from(numbers[from]) * f64::from(weights[weight]);
            });
            assert_close(&output.numbers(), &expected, 1e-4, &format!("{shape:?}"));
            let split = image_by_image(&input, &output, gap, |input, output| {
                conv2d(shape, 1, input, panels, Some(&bias), output);
            });
            assert_eq!(bits(&output.numbers()), bits(&split.numbers()), "{shape:?}");
        }
    });
}

#[test]
fn input_grad_is_the_derivative() {
    each_set(|| {
        for (shape, gap) in shapes().iter().zip([0, 5].into_iter().cycle()) {
            let (input, weights, grads) = operands(shape, 3, gap);
            let floats = panels(shape, &weights);
            let mut prepared = vec![f32::NAN; conv2d_prepared_len(shape)];
            let panels = Panels::new(&floats, weight_rows(shape), shape.filters);
            conv2d_prepare(shape, panels, &mut prepared);
            let mut gradient = Wide::output(input.rows, input.cols, gap);
            let bias = random(input.cols, 5);
            let (start, to) = (Some(bias.as_slice()), gradient.view_mut());
            conv2d_input_grad(shape, 3, grads.view(), &prepared, start, to);
            let numbers = grads.numbers();
            let mut expected: Vec<f64> =
                bias.iter().map(|&number| f64::from(number)).collect::<Vec<_>>().repeat(input.rows);
            each_product(shape, 3, |out, from, weight| {
                expected[from] += f64::from(numbers[out]) * f64::from(weights[weight]);
            });
            assert_close(&gradient.numbers(), &expected, 1e-4, &format!("{shape:?}"));
            let mut split = Wide::output(input.rows, input.cols, gap);
            for item in 0..3 {
                let [from, to] = [grads.rows, input.rows].map(|rows| rows / 3);
                let gradient = split.view_mut().slice_rows(item * to..(item + 1) * to);
                let grads = grads.view().slice_rows(item * from..(item + 1) * from);
                conv2d_input_grad(shape, 1, grads, &prepared, start, gradient);
            }
            assert_eq!(bits(&gradient.numbers()), bits(&split.numbers()), "{shape:?}");
        }
    });
}

#[test]
fn weight_grad_is_the_derivative() {
    each_set(|| {
        for (shape, gap) in shapes().iter().zip([0, 5].into_iter().cycle()) {
            for items in [0, 1, 3, 40] {
                let (input, weights, grads) = operands(shape, items, gap);
                let mut gradient = vec![f32::NAN; panel_len(weight_rows(shape), shape.filters)];
                conv2d_weight_grad(shape, items, input.view(), grads.view(), &mut gradient);
                let (left, right) = (input.numbers(), grads.numbers());
                let mut expected = vec![0.0; weights.len()];
                each_product(shape, items, |out, from, weight| {
                    expected[weight] += f64::from(left[from]) * f64::from(right[out]);
                });
                let mut plain = vec![0.0; weights.len()];
                from_panels(&gradient, weight_rows(shape), shape.filters, &mut plain);
                assert_close(&plain, &expected, 1e-3, &format!("{items} times {shape:?}"));
                assert_eq!(bits(&gradient), bits(&panels(shape, &plain)), "padding is zero");
            }
        }
    });
}

#[test]
fn depthwise_channels_are_on_their_own() {
    each_set(|| {
        for (mut shape, (times, gap)) in
            shapes().into_iter().zip([(1, 0), (3, 5), (1, 5), (2, 0)].into_iter().cycle())
        {
            let items = 2;
            let channels = shape.input[2];
            shape.filters = channels * times;
            let (input, _, grads) = operands(&shape, items, gap);
            let taps = shape.kernel[0] * shape.kernel[1];
            let (weights, bias) = (random(taps * shape.filters, 2), random(shape.filters, 4));
            let mut output = Wide::output(grads.rows, grads.cols, gap);
            depthwise_conv2d(&shape, items, input.view(), &weights, &bias, output.view_mut());
            let mut gradient = Wide::output(input.rows, input.cols, gap);
            let to = gradient.view_mut();
            depthwise_conv2d_input_grad(&shape, items, grads.view(), &weights, to);
            let mut sums = vec![f32::NAN; weights.len()];
            depthwise_conv2d_weight_grad(&shape, items, input.view(), grads.view(), &mut sums);

            let wide: Vec<f64> = bias.iter().map(|&number| f64::from(number)).collect();
            let mut expected =
                [wide.repeat(grads.rows), vec![0.0; input.rows * channels], vec![0.0; sums.len()]];
            let (x, g) = (input.numbers(), grads.numbers());
            each_product(&shape, items, |out, from, weight| {
                let (filter, channel) = (out % shape.filters, from % channels);
                if filter / times != channel {
                    return;
                }
                let tap = weight / shape.filters / channels;
                let weight = tap * shape.filters + filter;
                let [x, g, w] = [x[from], g[out], weights[weight]].map(f64::from);
                expected[0][out] += x * w;
                expected[1][from] += g * w;
                expected[2][weight] += x * g;
            });
            let what = format!("{times} times the channels of {shape:?}");
            assert_close(&output.numbers(), &expected[0], 1e-5, &what);
            assert_close(&gradient.numbers(), &expected[1], 1e-5, &what);
            assert_close(&sums, &expected[2], 1e-4, &what);
        }
    });
}
