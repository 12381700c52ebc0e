//! Every sum whose length depends on the data, against 64-bit numbers: no further off than the bound that
//! `docs/numbers.md` states.

use super::super::{
    Conv2dShape, MatrixMut, MatrixRef, PoolShape, average_pool, batch_norm_sums, column_moments,
    column_sums, conv2d_weight_grad, depthwise_conv2d_weight_grad, from_panels, global_average,
    layer_norm, layer_norm_weight_grad, panel_len, panel_rows, prelu_slope_grad, softmax,
    softmax_grad, sum, sum_each, sum_of_rows, weight_gradient,
};
use super::{each_set, random};

/// The largest relative error of one rounding.
const UNIT: f64 = 5.960_464_477_539_063e-8;

const LENGTHS: [usize; 14] = [1, 2, 15, 17, 31, 33, 63, 65, 257, 1023, 1025, 4099, 20_011, 100_003];

/// Roundings of a cascade of so many terms: those of a block, of the pairs, and of what is left.
fn roundings(terms: usize) -> f64 {
    let blocks = (terms as f64 / 32.0).max(1.0);
    terms.min(32) as f64 + blocks.log2().ceil() + 3.0
}

/// Roundings where blocks of `block` terms are added one after another.
fn in_blocks(terms: usize, block: usize) -> f64 {
    terms.min(block) as f64 + terms.div_ceil(block) as f64 + 2.0
}

/// Numbers around 0, numbers of one sign far from 0, and numbers of sizes that differ.
fn kinds(len: usize) -> [Vec<f32>; 3] {
    let numbers = random(len, 7);
    let far = numbers.iter().map(|x| 1000.5 + 0.5 * x).collect();
    let sizes =
        numbers.iter().enumerate().map(|(at, x)| x * 10f32.powf((at % 7) as f32 - 3.0)).collect();
    [numbers, far, sizes]
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| f64::from(number)).collect()
}

/// Asserts that a number is within so many roundings, relative to the sum of its terms' sizes.
fn assert_within(found: f32, terms: impl Iterator<Item = f64> + Clone, roundings: f64, what: &str) {
    let exact: f64 = terms.clone().sum();
    let size: f64 = terms.map(f64::abs).sum();
    let (error, allowed) = ((f64::from(found) - exact).abs(), roundings * UNIT * size);
    assert!(
        error <= allowed,
        "{what}: {found}, not {exact}: off by {error:e}, {allowed:e} allowed"
    );
}

/// Runs a test on every kind of numbers of every length.
fn each_length(columns: usize, mut test: impl FnMut(usize, &[f32], &str)) {
    each_set(|| {
        for rows in LENGTHS {
            for (kind, numbers) in kinds(rows * columns).iter().enumerate() {
                test(rows, numbers, &format!("{rows} rows of {columns}, kind {kind}"));
            }
        }
    });
}

#[test]
fn sums_of_columns() {
    for columns in [3, 65] {
        each_length(columns, |rows, numbers, what| {
            let column =
                |col: usize| numbers.iter().skip(col).step_by(columns).map(|&x| f64::from(x));
            let matrix = MatrixRef::dense(numbers, rows, columns);
            let mut sums = vec![f32::NAN; columns];
            column_sums(matrix, &mut sums);
            for (col, &sum) in sums.iter().enumerate() {
                assert_within(sum, column(col), roundings(rows), &format!("column sums, {what}"));
            }
            let every_other: Vec<u32> = (0..rows as u32).step_by(2).collect();
            sum_of_rows(matrix, &every_other, &mut sums);
            for (col, &sum) in sums.iter().enumerate() {
                let what = format!("sums of rows, {what}");
                assert_within(sum, column(col).step_by(2), roundings(rows), &what);
            }
            let mut means = vec![f32::NAN; columns];
            let to = MatrixMut::new(&mut means, 1, columns, columns);
            global_average(1, rows, matrix, to);
            for (col, &mean) in means.iter().enumerate() {
                let share = column(col).map(|x| x / rows as f64);
                let what = format!("global average, {what}");
                assert_within(mean, share, roundings(rows) + 2.0, &what);
            }
        });
    }
}

#[test]
fn sums_of_gradients_by_column() {
    let columns = 21;
    each_length(columns, |rows, x, what| {
        let grads = random(rows * columns, 5);
        let [x_rows, g_rows] = [x, &grads].map(|it| MatrixRef::dense(it, rows, columns));
        let pairs = |col: usize| {
            let of = move |numbers: &'_ [f32], row: usize| f64::from(numbers[row * columns + col]);
            let grads = &grads;
            (0..rows).map(move |row| (of(x, row), of(grads, row)))
        };
        let mut slopes = vec![f32::NAN; columns];
        prelu_slope_grad(x_rows, g_rows, &mut slopes);
        for (col, &slope) in slopes.iter().enumerate() {
            let terms = pairs(col).map(|(x, g)| if x <= 0.0 { x * g } else { 0.0 });
            assert_within(slope, terms, roundings(rows) + 1.0, &format!("slopes, {what}"));
        }
        let mut shared = [f32::NAN];
        prelu_slope_grad(x_rows, g_rows, &mut shared);
        let terms = (0..columns).flat_map(pairs).map(|(x, g)| if x <= 0.0 { x * g } else { 0.0 });
        let allowed = roundings(rows) + roundings(columns) + 5.0;
        assert_within(shared[0], terms, allowed, &format!("one slope, {what}"));

        let mean = vec![x[0]; columns];
        let mut sums = vec![f32::NAN; 2 * columns];
        batch_norm_sums(x_rows, &mean, &vec![1.0; columns], g_rows, &mut sums);
        for col in 0..columns {
            let what = format!("sums of batch_norm, {what}");
            let grads = pairs(col).map(|(_, g)| g);
            assert_within(sums[col], grads, roundings(rows), &what);
            let products = pairs(col).map(|(input, g)| (input - f64::from(x[0])) * g);
            assert_within(sums[columns + col], products, roundings(rows) + 3.0, &what);
        }
    });
}

#[test]
fn moments_of_columns_far_from_zero() {
    each_set(|| {
        for (rows, columns) in
            LENGTHS.into_iter().filter(|&rows| rows > 1).flat_map(|rows| [(rows, 5), (rows, 67)])
        {
            if rows * columns > 1_500_000 {
                continue;
            }
            let x: Vec<f32> = random(rows * columns, 3).iter().map(|x| 1e6 + x).collect();
            // Rounded once: a mean of a million has a unit of 1/16.
            assert_moments(&x, columns, 0.032);
            // The first rows are far from all others, and each row from the one before.
            let apart = |(at, x): (usize, &f32)| {
                let row = at / columns;
                x + if row < 40 { 100.0 } else { row as f32 / rows as f32 }
            };
            let x: Vec<f32> = random(rows * columns, 3).iter().enumerate().map(apart).collect();
            assert_moments(&x, columns, 100.0 * 2.0 * roundings(rows) * UNIT);
        }
    });
}

/// Asserts that means are within `unit`, and sums of squared distances within a hundred-thousandth.
fn assert_moments(x: &[f32], columns: usize, unit: f64) {
    let rows = x.len() / columns;
    let mut moments = vec![f32::NAN; 2 * columns];
    column_moments(MatrixRef::dense(x, rows, columns), &mut moments);
    for col in 0..columns {
        let column = x.iter().skip(col).step_by(columns).map(|&x| f64::from(x));
        let mean = column.clone().sum::<f64>() / rows as f64;
        let squares = column.map(|x| (x - mean).powi(2)).sum::<f64>();
        let found = [col, columns + col].map(|at| f64::from(moments[at]));
        assert!((found[0] - mean).abs() <= unit, "{rows} rows: {} {mean}", found[0]);
        let error = (found[1] - squares).abs();
        assert!(error <= 1e-5 * squares.max(1e-3), "{rows} rows: {error} of {squares}");
    }
}

#[test]
fn sums_along_rows() {
    each_set(|| {
        for len in LENGTHS {
            let what = format!("rows of {len}");
            // Softmax: shares of equal numbers, whose sum is known, and of others.
            for (kind, numbers) in kinds(len).into_iter().enumerate() {
                let numbers: Vec<f32> = numbers.iter().map(|x| x.clamp(-20.0, 1001.0)).collect();
                let mut shares = vec![f32::NAN; len];
                let to = MatrixMut::new(&mut shares, 1, len, len);
                softmax(Some(MatrixRef::dense(&numbers, 1, len)), to);
                let most = numbers.iter().copied().fold(f32::MIN, f32::max);
                let exact: Vec<f64> = numbers.iter().map(|x| f64::from(x - most).exp()).collect();
                let all: f64 = exact.iter().sum();
                for (share, exact) in shares.iter().zip(&exact) {
                    let error = (f64::from(*share) - exact / all).abs();
                    let allowed = (roundings(len) + 8.0) * UNIT * exact / all + 2e-38;
                    assert!(error <= allowed, "{what}, kind {kind}: {error:e}, {allowed:e}");
                }
                let (mut gradient, grads) = (vec![f32::NAN; len], random(len, 3));
                let [y, g] = [&shares, &grads].map(|it| MatrixRef::dense(it, 1, len));
                softmax_grad(y, Some(g), MatrixMut::new(&mut gradient, 1, len, len));
                let dot: f64 = wide(&shares).iter().zip(wide(&grads)).map(|(y, g)| y * g).sum();
                for (at, &found) in gradient.iter().enumerate() {
                    let y = f64::from(shares[at]);
                    let exact = y * (f64::from(grads[at]) - dot);
                    let allowed = (roundings(len) + 4.0) * UNIT * y * 2.0 + 2e-38;
                    assert!((f64::from(found) - exact).abs() <= allowed, "{what}, kind {kind}");
                }
            }
            // Layer normalisation of numbers whose mean no float is near.
            let x: Vec<f32> = random(len, 5).iter().map(|x| 1e6 + 0.5 + 0.5 * x).collect();
            let mut output = vec![f32::NAN; len];
            let (ones, zeros) = (vec![1.0; len], vec![0.0; len]);
            let row = MatrixRef::dense(&x, 1, len);
            layer_norm(1e-5, row, &ones, &zeros, MatrixMut::new(&mut output, 1, len, len));
            let x = wide(&x);
            let mean = x.iter().sum::<f64>() / len as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / len as f64;
            let scale = 1.0 / (variance + f64::from(1e-5f32)).sqrt();
            for (found, x) in output.iter().zip(&x) {
                let exact = (x - mean) * scale;
                let error = (f64::from(*found) - exact).abs();
                assert!(error <= 2e-5 * exact.abs().max(1.0), "layer_norm, {what}: {error}");
            }
        }
    });
}

#[test]
fn gradients_of_weights_by_row() {
    each_length(3, |rows, x, what| {
        let grads = random(rows * 5, 5);
        let (a, d) = (MatrixRef::dense(x, rows, 3), MatrixRef::dense(&grads, rows, 5));
        let mut panels = vec![f32::NAN; panel_len(3, 5)];
        weight_gradient(1, |_| [a, d], 0..panel_rows(3, 5), &[], &mut panels);
        let mut plain = vec![f32::NAN; 15];
        from_panels(&panels, 3, 5, &mut plain);
        for (at, &found) in plain.iter().enumerate() {
            let terms = (0..rows)
                .map(|row| f64::from(x[row * 3 + at / 5]) * f64::from(grads[row * 5 + at % 5]));
            let what = format!("weights of dense, {what}");
            assert_within(found, terms, in_blocks(rows, 512), &what);
        }
        let mut found = vec![f32::NAN; 3];
        let grads = MatrixRef::dense(&grads[..3 * rows], rows, 3);
        layer_norm_weight_grad(1e-3, a, grads, &mut found);
        for (col, &found) in found.iter().enumerate() {
            let terms = (0..rows).map(|row| {
                let x = wide(a.row(row));
                let mean = x.iter().sum::<f64>() / 3.0;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3.0;
                let scale = 1.0 / (variance + f64::from(1e-3f32)).sqrt();
                (x[col] - mean) * scale * f64::from(grads.row(row)[col])
            });
            let what = format!("weights of layer_norm, {what}");
            assert_within(found, terms, roundings(rows) + 40.0, &what);
        }
    });
}

#[test]
fn gradients_of_convolutions_over_large_images() {
    each_set(|| {
        for [items, height, width] in [[1, 67, 131], [40, 9, 7], [3, 1, 1030], [2, 150, 111]] {
            let what = format!("{items} images of {height} x {width}");
            let pixels = items * height * width;
            let shape = |filters| Conv2dShape {
                input: [height, width, 2],
                filters,
                kernel: [3, 3],
                stride: [1, 1],
                dilation: [1, 1],
                padding: [1, 1],
                output: [height, width],
            };
            let (x, grads) = (random(pixels * 2, 1), random(pixels * 4, 2));
            // Of the weight at a tap: input channel and output channel.
            let terms = |tap: usize, channel: usize, filters: usize, filter: usize| {
                let (x, grads) = (&x, &grads);
                (0..pixels).filter_map(move |pixel| {
                    let (row, col) = (pixel / width % height + tap / 3, pixel % width + tap % 3);
                    let inside = (1..=height).contains(&row) && (1..=width).contains(&col);
                    inside.then(|| {
                        let from = (pixel / (height * width) * height + row - 1) * width;
                        let x = f64::from(x[(from + col - 1) * 2 + channel]);
                        x * f64::from(grads[pixel * filters + filter])
                    })
                })
            };
            let input = MatrixRef::dense(&x, pixels, 2);
            for filters in [2, 4] {
                let output_grad = MatrixRef::dense(&grads[..pixels * filters], pixels, filters);
                let mut found = vec![f32::NAN; 9 * filters];
                depthwise_conv2d_weight_grad(
                    &shape(filters),
                    items,
                    input,
                    output_grad,
                    &mut found,
                );
                for (at, &found) in found.iter().enumerate() {
                    let (tap, filter) = (at / filters, at % filters);
                    let terms = terms(tap, filter / (filters / 2), filters, filter);
                    let allowed = width as f64 + roundings(height) + in_blocks(items, 32);
                    assert_within(found, terms, allowed, &format!("depthwise, {what}"));
                }
            }
            let mut panels = vec![f32::NAN; panel_len(18, 4)];
            let output_grad = MatrixRef::dense(&grads, pixels, 4);
            conv2d_weight_grad(&shape(4), items, input, output_grad, &mut panels);
            let mut plain = vec![f32::NAN; 72];
            from_panels(&panels, 18, 4, &mut plain);
            for (at, &found) in plain.iter().enumerate() {
                let (tap, channel, filter) = (at / 8, at / 4 % 2, at % 4);
                let terms = terms(tap, channel, 4, filter);
                let allowed = in_blocks(pixels, 512.max(width)) + (2 * items) as f64;
                assert_within(found, terms, allowed, &format!("conv2d, {what}"));
            }
        }
    });
}

#[test]
fn means_of_windows() {
    each_set(|| {
        for [height, width, channels] in
            [[2, 2, 3], [8, 8, 70], [9, 8, 70], [64, 3, 3], [3, 211, 70], [131, 127, 3]]
        {
            for (kind, x) in kinds(height * width * channels).iter().enumerate() {
                let shape = PoolShape {
                    input: [height, width, channels],
                    size: [height, width],
                    stride: [1, 1],
                    padding: [0, 0],
                    output: [1, 1],
                };
                let mut means = vec![f32::NAN; channels];
                let to = MatrixMut::new(&mut means, 1, channels, channels);
                let input = MatrixRef::dense(x, height * width, channels);
                average_pool(&shape, 1, input, to, false);
                for (channel, &mean) in means.iter().enumerate() {
                    let pixels = x.iter().skip(channel).step_by(channels);
                    let terms = pixels.map(|&x| f64::from(x) / (height * width) as f64);
                    let allowed = roundings(height) + roundings(width) + 34.0;
                    let what = format!("{height} x {width} x {channels}, kind {kind}");
                    assert_within(mean, terms, allowed, &what);
                }
            }
        }
    });
}

#[test]
fn sums_of_many_inputs() {
    each_set(|| {
        for count in [1, 2, 8, 9, 63, 64, 65, 1000, 5003] {
            for (kind, numbers) in kinds(count * 5).iter().enumerate() {
                for onto in [false, true] {
                    let mut output = [1.0; 5];
                    let inputs = numbers.chunks(5).map(|input| MatrixRef::dense(input, 1, 5));
                    sum(inputs, onto, MatrixMut::new(&mut output, 1, 5, 5));
                    for (at, &found) in output.iter().enumerate() {
                        let before = onto.then_some(1.0);
                        let inputs = numbers.iter().skip(at).step_by(5).map(|&x| f64::from(x));
                        let what = format!("{count} inputs, kind {kind}, onto {onto}");
                        let terms = before.into_iter().chain(inputs);
                        assert_within(found, terms, in_blocks(count, 64) + 1.0, &what);
                    }
                }
            }
        }
    });
}

#[test]
fn sums_in_64_bits() {
    each_set(|| {
        for len in LENGTHS {
            for numbers in kinds(len) {
                let found = sum_each(&numbers, |x| f64::from(x) * f64::from(x));
                // Numbers of 24 bits: their squares, as integers, are exact.
                let exact: f64 = wide(&numbers).iter().rev().map(|x| x * x).sum();
                assert!((found - exact).abs() <= 1e-12 * exact, "{len}: {found} {exact}");
            }
        }
    });
}
