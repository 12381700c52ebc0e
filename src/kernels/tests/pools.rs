use super::super::{
    PoolShape, average_pool, average_pool_grad, global_average, global_average_grad, max_pool,
    max_pool_grad,
};
use super::{ODD, Wide, assert_close, each_set};

fn shapes() -> Vec<PoolShape> {
    let shape =
        |input, size, stride, padding, output| PoolShape { input, size, stride, padding, output };
    vec![
        shape([1, 1, 1], [1, 1], [1, 1], [0, 0], [1, 1]),
        shape([28, 28, 3], [2, 2], [2, 2], [0, 0], [14, 14]),
        shape([7, 7, 33], [3, 3], [1, 1], [1, 1], [7, 7]),
        shape([7, 9, 16], [3, 3], [2, 2], [1, 1], [4, 5]),
        shape([5, 8, 48], [2, 3], [3, 2], [1, 0], [2, 4]),
        shape([5, 5, 7], [2, 2], [2, 2], [0, 0], [2, 2]),
        shape([13, 11, 65], [5, 7], [3, 2], [2, 3], [5, 6]),
        shape([31, 17, 1], [11, 13], [1, 1], [5, 6], [31, 17]),
        shape([2, 3, 1025], [2, 2], [1, 1], [0, 0], [1, 2]),
    ]
}

/// The rows of the input in the window of an output pixel, in row-major order.
fn window(shape: &PoolShape, pixel: usize) -> Vec<usize> {
    let [height, width, _] = shape.input;
    let [rows, cols] = shape.output;
    let (item, oy, ox) = (pixel / (rows * cols), pixel / cols % rows, pixel % cols);
    let mut places = Vec::new();
    for i in 0..shape.size[0] * shape.size[1] {
        let y = (oy * shape.stride[0] + i / shape.size[1]).wrapping_sub(shape.padding[0]);
        let x = (ox * shape.stride[1] + i % shape.size[1]).wrapping_sub(shape.padding[1]);
        if y < height && x < width {
            places.push((item * height + y) * width + x);
        }
    }
    places
}

/// Inputs of two images with many ties, and output gradients.
fn operands(shape: &PoolShape, gap: usize) -> (Wide, Wide) {
    let [height, width, channels] = shape.input;
    let input = Wide::random(2 * height * width, channels, gap, 1);
    let coarse: Vec<f32> = input.numbers().iter().map(|number| (number * 3.0).round()).collect();
    let grads = Wide::random(2 * shape.output[0] * shape.output[1], channels, gap, 2);
    (Wide::new(&coarse, input.rows, channels, gap), grads)
}

#[test]
fn max_pool_takes_the_largest() {
    each_set(|| {
        for (shape, gap) in shapes().iter().zip([0, 3].into_iter().cycle()) {
            let (input, grads) = operands(shape, gap);
            let mut output = Wide::output(grads.rows, grads.cols, gap);
            max_pool(shape, 2, input.view(), output.view_mut());
            let mut gradient = Wide::output(input.rows, input.cols, gap);
            let views = [&input, &output, &grads].map(Wide::view);
            max_pool_grad(shape, 2, views[0], views[1], views[2], gradient.view_mut());
            let (channels, numbers, given) = (input.cols, input.numbers(), grads.numbers());
            let mut expected = vec![0.0; given.len()];
            let mut expected_grads = vec![0.0; numbers.len()];
            for (out, expected) in expected.iter_mut().enumerate() {
                let mut best = usize::MAX;
                for place in window(shape, out / channels) {
                    let from = place * channels + out % channels;
                    if best == usize::MAX || numbers[from] > numbers[best] {
                        best = from;
                    }
                }
                *expected = f64::from(numbers[best]);
                expected_grads[best] += f64::from(given[out]);
            }
            assert_close(&output.numbers(), &expected, 0.0, "largest");
            assert_close(&gradient.numbers(), &expected_grads, 1e-6, "gradient of the largest");
        }
    });
}

#[test]
fn max_pool_keeps_nan() {
    each_set(|| {
        let shape = PoolShape {
            input: [1, 3, 1],
            size: [1, 3],
            stride: [1, 1],
            padding: [0, 0],
            output: [1, 1],
        };
        for place in 0..3 {
            let mut numbers = [1.0; 3];
            numbers[place] = f32::NAN;
            let input = Wide::new(&numbers, 3, 1, 0);
            let mut output = Wide::output(1, 1, 0);
            max_pool(&shape, 1, input.view(), output.view_mut());
            assert!(output.numbers()[0].is_nan());
        }
    });
}

#[test]
fn average_pool_takes_the_mean() {
    each_set(|| {
        for (shape, gap) in shapes().iter().zip([0, 3].into_iter().cycle()) {
            for count_padding in [false, true] {
                let (input, grads) = operands(shape, gap);
                let mut output = Wide::output(grads.rows, grads.cols, gap);
                average_pool(shape, 2, input.view(), output.view_mut(), count_padding);
                let mut gradient = Wide::output(input.rows, input.cols, gap);
                let to = gradient.view_mut();
                average_pool_grad(shape, 2, grads.view(), to, count_padding);
                let (channels, numbers, given) = (input.cols, input.numbers(), grads.numbers());
                let mut expected = vec![0.0; given.len()];
                let mut expected_grads = vec![0.0; numbers.len()];
                for (out, expected) in expected.iter_mut().enumerate() {
                    let places = window(shape, out / channels);
                    let all = shape.size[0] * shape.size[1];
                    let count = if count_padding { all } else { places.len() } as f64;
                    for place in places {
                        let from = place * channels + out % channels;
                        *expected += f64::from(numbers[from]) / count;
                        expected_grads[from] += f64::from(given[out]) / count;
                    }
                }
                assert_close(&output.numbers(), &expected, 1e-6, "mean");
                assert_close(&gradient.numbers(), &expected_grads, 1e-6, "gradient of the mean");
            }
        }
    });
}

#[test]
fn global_average_is_the_mean_of_all_pixels() {
    each_set(|| {
        for [pixels, channels, gap] in ODD.into_iter().filter(|size| size[0] > 0) {
            let input = Wide::random(3 * pixels, channels, gap, 1);
            let mut output = Wide::output(3, channels, 1);
            global_average(3, pixels, input.view(), output.view_mut());
            let numbers = input.numbers();
            let mean = |out: usize| {
                let (item, channel) = (out / channels, out % channels);
                let at =
                    |pixel: usize| f64::from(numbers[(item * pixels + pixel) * channels + channel]);
                (0..pixels).map(at).sum::<f64>() / pixels as f64
            };
            assert_close(
                &output.numbers(),
                &(0..3 * channels).map(mean).collect::<Vec<f64>>(),
                1e-6,
                "mean",
            );
            let mut gradient = Wide::output(3 * pixels, channels, gap);
            global_average_grad(3, pixels, output.view(), gradient.view_mut());
            let given = output.numbers();
            let share = |from: usize| {
                let (item, channel) = (from / channels / pixels, from % channels);
                f64::from(given[item * channels + channel]) / pixels as f64
            };
            let expected: Vec<f64> = (0..3 * pixels * channels).map(share).collect();
            assert_close(&gradient.numbers(), &expected, 1e-6, "gradient");
        }
    });
}
