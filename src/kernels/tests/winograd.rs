use super::super::{Conv2dShape, Panels, Winograd, conv2d, from_panels, panel_len};
use super::convolutions::{each_product, image_by_image, operands, panels, shape, weight_rows};
use super::{Wide, bits, each_set, random};

/// The bound that the module states, of outputs: what they may be off by, as parts of the largest input times the sum
/// of the sizes of the numbers that it is multiplied by.
fn bound(it: Winograd) -> f64 {
    match it {
        Winograd::F23 | Winograd::F43 | Winograd::F25 => 1e-6,
        Winograd::F63 | Winograd::F45 => 4e-6,
    }
}

/// The same of gradients of weights.
fn weight_grad_bound(it: Winograd) -> f64 {
    match it {
        Winograd::F23 | Winograd::F43 | Winograd::F25 => 4e-6,
        Winograd::F63 | Winograd::F45 => 1e-5,
    }
}

fn shapes() -> Vec<Conv2dShape> {
    let shape = |kernel, input, padding, after, filters| {
        shape(input, [kernel; 2], [1, 1], padding, after, filters)
    };
    vec![
        shape(3, [1, 1, 1], [1, 1], [1, 1], 1),
        shape(3, [1, 1, 20], [2, 2], [2, 2], 16),
        shape(3, [3, 3, 5], [0, 0], [0, 0], 3),
        shape(3, [3, 3, 17], [1, 1], [1, 1], 33),
        shape(3, [2, 5, 31], [1, 0], [2, 1], 15),
        shape(3, [7, 11, 16], [1, 1], [1, 1], 32),
        shape(3, [13, 5, 47], [0, 2], [0, 0], 65),
        shape(3, [11, 13, 3], [0, 0], [0, 0], 48),
        shape(3, [14, 14, 65], [1, 1], [1, 1], 31),
        shape(3, [9, 4, 64], [2, 1], [1, 2], 16),
        shape(3, [28, 6, 24], [1, 1], [1, 1], 40),
        shape(3, [6, 17, 18], [1, 1], [1, 1], 17),
        shape(3, [12, 10, 16], [1, 1], [1, 1], 16),
        shape(3, [2, 270, 3], [1, 1], [1, 1], 5),
        shape(5, [1, 1, 17], [2, 2], [2, 2], 3),
        shape(5, [5, 5, 16], [0, 0], [0, 0], 47),
        shape(5, [7, 11, 31], [2, 2], [2, 2], 32),
        shape(5, [13, 6, 5], [0, 4], [1, 3], 65),
        shape(5, [8, 9, 16], [2, 2], [2, 2], 24),
    ]
}

fn widened(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| f64::from(number)).collect()
}

/// Asserts that numbers are off by no more than the bound of each column.
fn assert_within(found: &[f32], expected: &[f64], bounds: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        let bound = bounds[at % bounds.len()];
        assert!(error <= bound, "{what}: {found} instead of {expected} at {at}");
    }
}

/// For each of `columns` columns, the largest of `numbers` times the sum of sizes in that column of `others`.
fn scales(numbers: &[f32], others: &[f32], columns: usize) -> Vec<f64> {
    let largest = numbers.iter().map(|number| number.abs()).fold(0.0, f32::max);
    let sum = |column: usize| {
        others.iter().skip(column).step_by(columns).map(|other| f64::from(other.abs())).sum::<f64>()
    };
    (0..columns).map(|column| f64::from(largest) * sum(column)).collect()
}

#[test]
fn forward_is_the_sum_under_the_kernel() {
    each_set(|| {
        for (shape, gap) in shapes().iter().zip([0, 5].into_iter().cycle()) {
            let (input, weights, grads) = operands(shape, 3, gap);
            let (floats, bias) = (panels(shape, &weights), random(shape.filters, 4));
            let panels = Panels::new(&floats, weight_rows(shape), shape.filters);
            let numbers = input.numbers();
            let mut expected = widened(&bias).repeat(grads.rows);
            each_product(shape, 3, |out, from, weight| {
                expected[out] += f64::from(numbers[from]) * f64::from(weights[weight]);
            });
            let scales = scales(&numbers, &weights, shape.filters);
            for &it in Winograd::fitting(shape) {
                let bounds: Vec<f64> = scales
                    .iter()
                    .zip(&bias)
                    .map(|(scale, bias)| bound(it) * (scale + f64::from(bias.abs())))
                    .collect();
                let mut prepared = vec![f32::NAN; it.prepared_len(shape)];
                it.prepare(shape, panels, &mut prepared);
                let mut output = Wide::output(grads.rows, shape.filters, gap);
                it.conv2d(shape, 3, input.view(), &prepared, Some(&bias), output.view_mut());
                let what = format!("{it:?} {shape:?}");
                assert_within(&output.numbers(), &expected, &bounds, &what);
                let split = image_by_image(&input, &output, gap, |input, output| {
                    it.conv2d(shape, 1, input, &prepared, Some(&bias), output);
                });
                assert_eq!(bits(&output.numbers()), bits(&split.numbers()), "{what}");
            }
        }
    });
}

#[test]
fn input_grad_is_the_derivative() {
    each_set(|| {
        for (shape, gap) in shapes().iter().zip([5, 0].into_iter().cycle()) {
            let (input, weights, grads) = operands(shape, 3, gap);
            let floats = panels(shape, &weights);
            let panels = Panels::new(&floats, weight_rows(shape), shape.filters);
            let numbers = grads.numbers();
            let mut expected = vec![0.0; input.rows * input.cols];
            each_product(shape, 3, |out, from, weight| {
                expected[from] += f64::from(numbers[out]) * f64::from(weights[weight]);
            });
            // By channel: rows of the weights are those of taps, and columns those of filters.
            let channels = shape.input[2];
            let turned: Vec<f32> = (0..weights.len())
                .map(|at| {
                    let (filter, channel) = (at / channels % shape.filters, at % channels);
                    let tap = at / channels / shape.filters;
                    weights[(tap * channels + channel) * shape.filters + filter]
                })
                .collect();
            let scales = scales(&numbers, &turned, channels);
            for &it in Winograd::fitting(shape) {
                let bounds: Vec<f64> = scales.iter().map(|scale| bound(it) * scale).collect();
                let mut prepared = vec![f32::NAN; it.turned_len(shape)];
                it.prepare_turned(shape, panels, &mut prepared);
                let mut gradient = Wide::output(input.rows, input.cols, gap);
                it.conv2d_input_grad(shape, 3, grads.view(), &prepared, gradient.view_mut());
                assert_within(
                    &gradient.numbers(),
                    &expected,
                    &bounds,
                    &format!("{it:?} {shape:?}"),
                );
            }
        }
    });
}

#[test]
fn weight_grad_is_the_derivative() {
    each_set(|| {
        for (shape, gap) in shapes().iter().zip([0, 5].into_iter().cycle()) {
            for items in [0, 1, 3, 20] {
                let (input, weights, grads) = operands(shape, items, gap);
                let (left, right) = (input.numbers(), grads.numbers());
                let mut expected = vec![0.0; weights.len()];
                each_product(shape, items, |out, from, weight| {
                    expected[weight] += f64::from(left[from]) * f64::from(right[out]);
                });
                let scales = scales(&left, &right, shape.filters);
                for &it in Winograd::fitting(shape) {
                    let bounds: Vec<f64> =
                        scales.iter().map(|scale| weight_grad_bound(it) * scale).collect();
                    let mut gradient = vec![f32::NAN; panel_len(weight_rows(shape), shape.filters)];
                    let to = &mut gradient;
                    it.conv2d_weight_grad(shape, items, input.view(), grads.view(), to);
                    let mut plain = vec![0.0; weights.len()];
                    from_panels(&gradient, weight_rows(shape), shape.filters, &mut plain);
                    let what = format!("{it:?} {items} times {shape:?}");
                    assert_within(&plain, &expected, &bounds, &what);
                    assert_eq!(bits(&gradient), bits(&panels(shape, &plain)), "padding is zero");
                }
            }
        }
    });
}

/// The errors that the module and docs/decisions.md state, as parts of the largest input times the sum of the weights' sizes.
#[test]
fn errors_are_those_that_are_documented() {
    let shape = shape([28, 28, 32], [3, 3], [1, 1], [1, 1], [1, 1], 64);
    let (input, weights, grads) = operands(&shape, 1, 0);
    let floats = panels(&shape, &weights);
    let panels = Panels::new(&floats, weight_rows(&shape), shape.filters);
    let numbers = input.numbers();
    let mut expected = vec![0.0; grads.rows * shape.filters];
    each_product(&shape, 1, |out, from, weight| {
        expected[out] += f64::from(numbers[from]) * f64::from(weights[weight]);
    });
    let scales = scales(&numbers, &weights, shape.filters);
    let worst = |output: &Wide| {
        let numbers = output.numbers();
        let errors = numbers.iter().zip(&expected).enumerate().map(|(at, (&found, &expected))| {
            (f64::from(found) - expected).abs() / scales[at % shape.filters]
        });
        errors.fold(0.0, f64::max)
    };
    let mut output = Wide::output(grads.rows, shape.filters, 0);
    conv2d(&shape, 1, input.view(), panels, None, output.view_mut());
    let direct = worst(&output);
    let [two, four, six] = [Winograd::F23, Winograd::F43, Winograd::F63].map(|it| {
        let mut prepared = vec![f32::NAN; it.prepared_len(&shape)];
        it.prepare(&shape, panels, &mut prepared);
        it.conv2d(&shape, 1, input.view(), &prepared, None, output.view_mut());
        worst(&output)
    });
    let worst = [direct, two, four, six];
    let documented = [9e-8, 5e-8, 2.2e-7, 1.5e-6];
    assert!(worst.iter().zip(documented).all(|(&worst, bound)| worst < bound), "{worst:?}");
}

#[test]
fn shapes_alone_choose_what_a_convolution_is_computed_by() {
    let same = |[height, width, channels]: [usize; 3], filters| {
        shape([height, width, channels], [3, 3], [1, 1], [1, 1], [1, 1], filters)
    };
    let chosen = |shape: &Conv2dShape| {
        [Winograd::forward(shape), Winograd::input_grad(shape), Winograd::weight_grad(shape)]
    };
    let [four, six] = [Winograd::F43, Winograd::F63].map(Some);
    assert_eq!(chosen(&same([28, 28, 32], 64)), [six; 3]);
    assert_eq!(chosen(&same([14, 14, 16], 16)), [six; 3]);
    assert_eq!(chosen(&same([6, 6, 64], 64)), [six; 3]);
    assert_eq!(chosen(&same([7, 7, 64], 96)), [four; 3], "as many points, of smaller tiles");
    assert_eq!(Winograd::weight_grad(&same([2, 2, 64], 64)), Some(Winograd::F23));
    assert_eq!(Winograd::forward(&same([28, 28, 1], 32)), None, "one channel in");
    assert_eq!(Winograd::forward(&same([28, 28, 3], 32)), None, "three channels in");
    assert_eq!(chosen(&same([1, 1, 128], 128)), [None; 3], "an image of one pixel");
    let wide = same([28, 28, 32], 64);
    let five = Conv2dShape { kernel: [5, 5], padding: [2, 2], ..wide.clone() };
    assert_eq!(chosen(&five), [Some(Winograd::F45); 3]);
    for other in [
        Conv2dShape { stride: [2, 1], output: [14, 28], ..wide.clone() },
        Conv2dShape { dilation: [1, 2], padding: [1, 2], ..wide.clone() },
        Conv2dShape { kernel: [7, 7], padding: [3, 3], ..wide.clone() },
        Conv2dShape { kernel: [5, 3], padding: [2, 1], ..wide.clone() },
    ] {
        assert_eq!(chosen(&other), [None; 3], "{other:?}");
    }
}
