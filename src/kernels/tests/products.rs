use super::super::{
    PANEL, Panels, column_sums, column_sums_of_all, from_panels, matmul, matmul_transposed,
    pack_all_transposed, panel_len, panel_rows, panel_rows_floats, product, product_transposed,
    to_panels, transpose_matrix, transposed_matmul, weight_gradient,
};
use super::{ODD, Wide, assert_close, bits, each_set, random};

/// Rows, reduction, columns.
const SIZES: [[usize; 3]; 40] = [
    [16, 37, 1600],
    [31, 130, 785],
    [0, 5, 7],
    [3, 5, 0],
    [0, 0, 0],
    [15, 15, 15],
    [16, 257, 31],
    [63, 61, 127],
    [1, 1025, 1],
    [1025, 3, 15],
    [3, 1025, 17],
    [2, 31, 1025],
    [127, 131, 63],
    [1, 509, 257],
    [513, 7, 33],
    [1031, 19, 65],
    [1, 1, 1],
    [1, 7, 10],
    [2, 3, 16],
    [3, 5, 17],
    [4, 64, 31],
    [5, 9, 32],
    [6, 33, 33],
    [7, 12, 48],
    [13, 2, 49],
    [14, 31, 64],
    [15, 17, 65],
    [27, 1, 96],
    [29, 40, 100],
    [32, 64, 64],
    [33, 1000, 10],
    [128, 100, 10],
    [169, 20, 33],
    [337, 770, 35],
    [9, 1537, 40],
    [6, 40, 1600],
    [16, 130, 48],
    [32, 300, 90],
    [47, 250, 208],
    [400, 70, 45],
];

fn panels(plain: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    let mut floats = vec![f32::NAN; panel_len(rows, cols)];
    to_panels(plain, rows, cols, &mut floats);
    floats
}

fn naive(m: usize, k: usize, n: usize, at: impl Fn(usize, usize, usize) -> f64) -> Vec<f64> {
    let one = |i: usize| (0..k).map(|step| at(i / n, step, i % n)).sum();
    (0..m * n).map(one).collect()
}

#[test]
fn panels_hold_the_matrix() {
    for [_, rows, cols] in SIZES {
        let plain = random(rows * cols, 1);
        let floats = panels(&plain, rows, cols);
        let mut back = vec![0.0; plain.len()];
        from_panels(&floats, rows, cols, &mut back);
        assert_eq!(plain, back);
        assert_eq!(panel_rows(rows, cols), cols.div_ceil(PANEL) * rows);
        let mut end = 0;
        for row in 0..panel_rows(rows, cols) {
            let range = panel_rows_floats(rows, cols, row..row + 1);
            assert_eq!(range.start, end);
            end = range.end;
            let first = row / rows * PANEL;
            assert_eq!(floats[range.start], plain[row % rows * cols + first]);
            let padding = &floats[range][(cols - first).min(PANEL)..];
            assert!(padding.iter().all(|&number| number == 0.0));
        }
        assert_eq!(end, panel_len(rows, cols));
    }
}

#[test]
fn product_is_the_sum_of_products() {
    each_set(|| {
        for ([m, k, n], gap) in SIZES.into_iter().zip([0, 3, 16].into_iter().cycle()) {
            let a = Wide::random(m, k, gap, 1);
            let (b, bias) = (random(k * n, 2), random(n, 3));
            let floats = panels(&b, k, n);
            let b_panels = Panels::new(&floats, k, n);
            let mut c = Wide::output(m, n, gap);
            product(a.view(), b_panels, Some(&bias), c.view_mut());
            let numbers = a.numbers();
            let at = |row: usize, step: usize, col: usize| {
                f64::from(numbers[row * k + step]) * f64::from(b[step * n + col])
            };
            let mut expected = naive(m, k, n, at);
            for (at, number) in expected.iter_mut().enumerate() {
                *number += f64::from(bias[at % n]);
            }
            assert_close(&c.numbers(), &expected, 1e-5 * (k as f64).sqrt(), "a b + bias");
            // Row by row, the bits are the same.
            let mut split = Wide::output(m, n, gap);
            for row in 0..m {
                let to = split.view_mut().slice_rows(row..row + 1);
                product(a.view().slice_rows(row..row + 1), b_panels, Some(&bias), to);
            }
            assert_eq!(bits(&c.numbers()), bits(&split.numbers()), "{m} x {k} x {n}");
            let mut plain = Wide::output(m, n, 0);
            product(a.view(), b_panels, None, plain.view_mut());
            assert_close(&plain.numbers(), &naive(m, k, n, at), 1e-5 * (k as f64).sqrt(), "a b");
        }
    });
}

#[test]
fn product_transposed_is_the_product_with_the_transposed() {
    each_set(|| {
        for ([m, k, n], gap) in SIZES.into_iter().zip([0, 3, 16].into_iter().cycle()) {
            let d = Wide::random(m, n, gap, 1);
            let b = random(k * n, 2);
            let floats = panels(&b, k, n);
            let b_panels = Panels::new(&floats, k, n);
            let mut c = Wide::output(m, k, gap);
            product_transposed(d.view(), b_panels, c.view_mut());
            let numbers = d.numbers();
            let expected = naive(m, n, k, |row, step, col| {
                f64::from(numbers[row * n + step]) * f64::from(b[col * n + step])
            });
            assert_close(&c.numbers(), &expected, 1e-5 * (n as f64).sqrt(), "d b^T");
            let mut packed = vec![f32::NAN; panel_len(n, k)];
            pack_all_transposed(b_panels, &mut packed);
            let mut from_packed = Wide::output(m, k, gap);
            product(d.view(), Panels::new(&packed, n, k), None, from_packed.view_mut());
            assert_eq!(bits(&c.numbers()), bits(&from_packed.numbers()), "{m} x {k} x {n}, packed");
            let mut split = Wide::output(m, k, gap);
            for row in 0..m {
                let to = split.view_mut().slice_rows(row..row + 1);
                product_transposed(d.view().slice_rows(row..row + 1), b_panels, to);
            }
            assert_eq!(bits(&c.numbers()), bits(&split.numbers()), "{m} x {k} x {n}");
        }
    });
}

#[test]
fn weight_gradient_is_the_transposed_times_the_gradient() {
    each_set(|| {
        for ([m, k, n], gap) in SIZES.into_iter().zip([0, 3, 16].into_iter().cycle()) {
            let (a, d) = (Wide::random(m, k, gap, 1), Wide::random(m, n, gap, 2));
            let rows = panel_rows(k, n);
            let mut gradient = vec![f32::NAN; panel_len(k, n)];
            let pair = [a.view(), d.view()];
            weight_gradient(1, |_| pair, 0..rows, &[], &mut gradient);
            let (left, right) = (a.numbers(), d.numbers());
            let expected = naive(k, m, n, |row, step, col| {
                f64::from(left[step * k + row]) * f64::from(right[step * n + col])
            });
            let mut plain = vec![0.0; k * n];
            from_panels(&gradient, k, n, &mut plain);
            assert_close(&plain, &expected, 1e-5 * (m as f64).sqrt(), "a^T d");
            assert_eq!(bits(&gradient), bits(&panels(&plain, k, n)), "padding is zero");
            for parts in [2, 3, 5] {
                let mut split = vec![f32::NAN; gradient.len()];
                for part in 0..parts {
                    let rows = rows * part / parts..rows * (part + 1) / parts;
                    let to = &mut split[panel_rows_floats(k, n, rows.clone())];
                    // What will be read next changes nothing.
                    let weights = vec![1.0; to.len()];
                    let soon = [&weights[..]; 3];
                    weight_gradient(1, |_| pair, rows, &soon[..parts - 2], to);
                }
                assert_eq!(bits(&gradient), bits(&split), "{m} x {k} x {n} in {parts} parts");
            }
        }
    });
}

#[test]
fn weight_gradients_of_several_pairs_are_those_of_all_their_rows() {
    each_set(|| {
        for [_, k, n] in SIZES {
            for (rows_of_pairs, gap) in [(&[3, 0, 17, 8][..], 0), (&[300, 200, 100, 700, 5], 5)] {
                let pairs: Vec<[Wide; 2]> = rows_of_pairs
                    .iter()
                    .zip(1..)
                    .map(|(&m, seed)| {
                        [Wide::random(m, k, gap, seed), Wide::random(m, n, gap, seed + 9)]
                    })
                    .collect();
                let pair = |number: usize| [0, 1].map(|operand| pairs[number][operand].view());
                let all_rows = panel_rows(k, n);
                let mut gradient = vec![f32::NAN; panel_len(k, n)];
                weight_gradient(pairs.len(), pair, 0..all_rows, &[], &mut gradient);
                let numbers = |operand: usize| -> Vec<f32> {
                    pairs.iter().flat_map(|pair| pair[operand].numbers()).collect()
                };
                let (left, right) = (numbers(0), numbers(1));
                let m: usize = rows_of_pairs.iter().sum();
                let expected = naive(k, m, n, |row, step, col| {
                    f64::from(left[step * k + row]) * f64::from(right[step * n + col])
                });
                let mut plain = vec![0.0; k * n];
                from_panels(&gradient, k, n, &mut plain);
                assert_close(&plain, &expected, 1e-5 * (m as f64).sqrt(), "a^T d of all pairs");
                assert_eq!(bits(&gradient), bits(&panels(&plain, k, n)), "padding is zero");
                for parts in [2, 3, 5] {
                    let mut split = vec![f32::NAN; gradient.len()];
                    for part in 0..parts {
                        let rows = all_rows * part / parts..all_rows * (part + 1) / parts;
                        let to = &mut split[panel_rows_floats(k, n, rows.clone())];
                        weight_gradient(pairs.len(), pair, rows, &[], to);
                    }
                    assert_eq!(bits(&gradient), bits(&split), "{m} x {k} x {n} in {parts} parts");
                }
                let mut sums = vec![f32::NAN; n];
                column_sums_of_all(pairs.len(), |number| pair(number)[1], &mut sums);
                let expected = naive(1, m, n, |_, step, col| f64::from(right[step * n + col]));
                assert_close(&sums, &expected, 1e-5 * (m as f64).sqrt(), "column sums of all");
            }
        }
    });
}

#[test]
fn products_without_steps_are_the_bias_or_zero() {
    each_set(|| {
        let mut c = Wide::output(3, 4, 1);
        let empty = Wide::output(3, 0, 2);
        let b = Panels::new(&[], 0, 4);
        product(empty.view(), b, Some(&[1.0, 2.0, 3.0, 4.0]), c.view_mut());
        assert_eq!(c.numbers(), [1.0, 2.0, 3.0, 4.0].repeat(3));
        product_transposed(empty.view(), Panels::new(&[], 4, 0), c.view_mut());
        assert_eq!(c.numbers(), [0.0; 12]);
        let mut gradient = [f32::NAN; 64];
        let (a, d) = (Wide::output(0, 4, 0), Wide::output(0, 10, 0));
        weight_gradient(1, |_| [a.view(), d.view()], 0..4, &[], &mut gradient);
        assert_eq!(gradient, [0.0; 64]);
    });
}

#[test]
fn column_sums_sum_the_rows() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            let d = Wide::random(rows, cols, gap, 4);
            let mut sums = vec![f32::NAN; cols];
            column_sums(d.view(), &mut sums);
            let numbers = d.numbers();
            let sum = |col| (0..rows).map(|row| f64::from(numbers[row * cols + col])).sum();
            assert_close(&sums, &(0..cols).map(sum).collect::<Vec<f64>>(), 1e-5, "column sums");
        }
    });
}

#[test]
fn products_without_panels_are_sums_of_products() {
    each_set(|| {
        for [m, k, n] in SIZES.into_iter().filter(|size| size.iter().product::<usize>() < 1 << 20) {
            for gap in [0, 5] {
                let (a, b) = (Wide::random(m, k, gap, 1), Wide::random(k, n, gap, 2));
                let (an, bn) = (a.numbers(), b.numbers());
                let turned = |wide: &Wide| {
                    let mut turned = Wide::output(wide.cols, wide.rows, gap);
                    transpose_matrix(wide.view(), turned.view_mut());
                    let (from, to) = (wide.numbers(), turned.numbers());
                    for (at, number) in to.iter().enumerate() {
                        let (row, col) = (at / wide.rows, at % wide.rows);
                        assert_eq!(*number, from[col * wide.cols + row]);
                    }
                    turned
                };
                let expected = naive(m, k, n, |row, step, col| {
                    f64::from(an[row * k + step]) * f64::from(bn[step * n + col])
                });
                let close = |found: &Wide, what: &str| {
                    assert_close(&found.numbers(), &expected, 1e-5 * k as f64, what);
                };
                let mut c = Wide::output(m, n, gap);
                matmul(a.view(), b.view(), c.view_mut());
                close(&c, "a b");
                let mut c = Wide::output(m, n, gap);
                matmul_transposed(a.view(), turned(&b).view(), c.view_mut());
                close(&c, "a of transposed b");
                let mut c = Wide::output(m, n, gap);
                transposed_matmul(turned(&a).view(), b.view(), c.view_mut());
                close(&c, "transposed a, b");
            }
        }
    });
}
