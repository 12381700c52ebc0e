//! Products of 16-bit numbers, on machines that have the instructions.

use super::super::{
    PairPanels, Panels, bf16_missing, bf16_panels, bf16_panels_transposed, bf16_product,
    bf16_weight_gradient, from_panels, pair_panels_len, panel_len, panel_rows, panel_rows_floats,
    to_panels,
};
use super::{Wide, bits, random};

/// Rows, reduction, columns.
const SIZES: [[usize; 3]; 21] = [
    [0, 5, 7],
    [3, 0, 7],
    [3, 5, 0],
    [1, 1, 1],
    [1, 7, 10],
    [2, 3, 16],
    [3, 5, 17],
    [4, 64, 31],
    [5, 9, 32],
    [6, 33, 33],
    [13, 2, 49],
    [14, 31, 64],
    [15, 15, 15],
    [15, 17, 65],
    [29, 41, 101],
    [33, 1000, 10],
    [169, 20, 33],
    [29, 770, 35],
    [9, 1537, 40],
    [1031, 19, 33],
    [6, 3079, 16],
];

/// A number with 8 significant bits: the nearest one, or the even one of two.
fn rounded(number: f32) -> f32 {
    let bits = number.to_bits();
    f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// A sum as the instruction sums: the second product of each pair before the first. Products of numbers of 8 bits are
/// exact in 32 bits, so that each addition rounds once.
fn sum(start: f32, len: usize, of: impl Fn(usize) -> (f32, f32)) -> f32 {
    let add = |sum: f32, at: usize| {
        let (a, b) = of(at);
        rounded(a).mul_add(rounded(b), sum)
    };
    (0..len).step_by(2).fold(start, |sum, at| {
        let sum = if at + 1 < len { add(sum, at + 1) } else { sum };
        add(sum, at)
    })
}

/// Asserts that every number is as far from the exact sum as roundings allow: 2^-7 of the products' sizes for the 16
/// bits of both factors, and 2^-24 a step for the sums.
fn assert_near(found: f32, start: f32, len: usize, of: impl Fn(usize) -> (f32, f32), what: &str) {
    let products = (0..len).map(|at| f64::from(of(at).0) * f64::from(of(at).1));
    let exact = f64::from(start) + products.clone().sum::<f64>();
    let size = f64::from(start).abs() + products.map(f64::abs).sum::<f64>();
    let allowed = size * ((2f64).powi(-7) * 1.002 + (len + 1) as f64 * (2f64).powi(-24));
    let error = (f64::from(found) - exact).abs();
    assert!(error <= allowed, "{what}: {found}, not {exact}: off by {error}, {allowed} allowed");
}

fn has_instructions() -> bool {
    bf16_missing().is_empty()
}

/// A row-major matrix in the two forms that products read: its own, and that of its transposed.
fn forms(plain: &[f32], rows: usize, cols: usize) -> [Vec<f32>; 2] {
    let mut panels = vec![f32::NAN; panel_len(rows, cols)];
    to_panels(plain, rows, cols, &mut panels);
    let panels = Panels::new(&panels, rows, cols);
    let mut forward = vec![f32::NAN; pair_panels_len(rows, cols)];
    bf16_panels(panels, &mut forward);
    let mut backward = vec![f32::NAN; pair_panels_len(cols, rows)];
    bf16_panels_transposed(panels, &mut backward);
    [forward, backward]
}

#[test]
fn products_are_those_of_rounded_numbers_to_the_bit() {
    if !has_instructions() {
        return;
    }
    for ([m, k, n], gap) in SIZES.into_iter().zip([0, 3, 16].into_iter().cycle()) {
        let what = format!("{m} x {k} x {n}");
        let (a, d) = (Wide::random(m, k, gap, 1), Wide::random(m, n, gap, 4));
        let (b, bias) = (random(k * n, 2), random(n, 3));
        let [forward, backward] = forms(&b, k, n);
        let [forward, backward] =
            [PairPanels::new(&forward, k, n), PairPanels::new(&backward, n, k)];
        let (a_numbers, d_numbers) = (a.numbers(), d.numbers());

        let mut c = Wide::output(m, n, gap);
        bf16_product(a.view(), forward, Some(&bias), c.view_mut());
        for (at, found) in c.numbers().into_iter().enumerate() {
            let (row, col) = (at / n, at % n);
            let of = |step: usize| (a_numbers[row * k + step], b[step * n + col]);
            let expected = sum(bias[col], k, of);
            assert_eq!(found.to_bits(), expected.to_bits(), "{what}: {found}, not {expected}");
            assert_near(found, bias[col], k, of, &what);
        }
        // Row by row, and panel by panel, the bits are the same.
        let mut split = Wide::output(m, n, gap);
        for row in 0..m {
            for columns in [0..n.min(32), n.min(32)..n] {
                let to = split.view_mut().slice_rows(row..row + 1).slice_cols(columns.clone());
                let (a, bias) = (a.view().slice_rows(row..row + 1), &bias[columns.clone()]);
                bf16_product(a, forward.columns(columns), Some(bias), to);
            }
        }
        assert_eq!(bits(&c.numbers()), bits(&split.numbers()), "{what}");

        let mut gradient = Wide::output(m, k, gap);
        bf16_product(d.view(), backward, None, gradient.view_mut());
        for (at, found) in gradient.numbers().into_iter().enumerate() {
            let (row, col) = (at / k, at % k);
            let of = |step: usize| (d_numbers[row * n + step], b[col * n + step]);
            let expected = sum(0.0, n, of);
            assert_eq!(found.to_bits(), expected.to_bits(), "{what}: {found}, not {expected}");
            assert_near(found, 0.0, n, of, &what);
        }
    }
}

#[test]
fn weight_gradients_are_those_of_rounded_numbers_to_the_bit_in_whatever_parts() {
    if !has_instructions() {
        return;
    }
    for ([m, k, n], gap) in SIZES.into_iter().zip([0, 3, 16].into_iter().cycle()) {
        let what = format!("{m} x {k} x {n}");
        let (a, d) = (Wide::random(m, k, gap, 1), Wide::random(m, n, gap, 4));
        let (a_numbers, d_numbers) = (a.numbers(), d.numbers());
        let all = panel_rows(k, n);
        let mut panels = vec![f32::NAN; panel_len(k, n)];
        bf16_weight_gradient(a.view(), d.view(), 0..all, &[], &mut panels);
        let mut plain = vec![f32::NAN; k * n];
        from_panels(&panels, k, n, &mut plain);
        for (at, &found) in plain.iter().enumerate() {
            let (row, col) = (at / n, at % n);
            let of = |item: usize| (a_numbers[item * k + row], d_numbers[item * n + col]);
            // Blocks of about 512 items, each a sum of its own.
            let (pairs, blocks) = (m.div_ceil(2), m.div_ceil(2).div_ceil(256).max(1));
            let ends = (0..=blocks).map(|block| m.min(2 * (pairs * block / blocks)));
            let ends: Vec<usize> = ends.collect();
            let of_block = |block: &[usize]| sum(0.0, block[1] - block[0], |at| of(block[0] + at));
            let expected = ends.windows(2).map(of_block).reduce(|a, b| a + b).unwrap_or(0.0);
            assert_eq!(found.to_bits(), expected.to_bits(), "{what}: {found}, not {expected}");
            assert_near(found, 0.0, m, of, &what);
        }
        let read_next = random(panels.len(), 5);
        for parts in [2, 3, 7] {
            let mut split = vec![f32::NAN; panels.len()];
            for part in 0..parts {
                let rows = all * part / parts..all * (part + 1) / parts;
                let floats = panel_rows_floats(k, n, rows.clone());
                let soon = [&read_next[floats.clone()]; 2];
                bf16_weight_gradient(a.view(), d.view(), rows, &soon, &mut split[floats]);
            }
            assert_eq!(bits(&panels), bits(&split), "{what} in {parts} parts");
        }
    }
}

#[test]
fn numbers_that_are_not_finite_go_on_and_the_largest_ones_become_infinite() {
    if !has_instructions() {
        return;
    }
    let (k, n) = (5, 3);
    for (bad, becomes) in [
        (f32::NAN, f32::NAN),
        (f32::INFINITY, f32::INFINITY),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
        (f32::MAX, f32::INFINITY),
        // Numbers below 2^-126 count as zero.
        (f32::MIN_POSITIVE / 2.0, 0.0),
    ] {
        for place in 0..k {
            let mut b = vec![0.0; k * n];
            b[place * n + 1] = bad;
            let [forward, backward] = forms(&b, k, n);
            let same = |found: f32, expected: f32| {
                let equal = found.to_bits() == expected.to_bits();
                assert!(equal || (found.is_nan() && expected.is_nan()), "{found}, not {expected}");
            };
            let mut c = Wide::output(2, n, 0);
            let ones = Wide::new(&vec![1.0; 2 * k], 2, k, 0);
            bf16_product(ones.view(), PairPanels::new(&forward, k, n), None, c.view_mut());
            for (at, found) in c.numbers().into_iter().enumerate() {
                same(found, if at % n == 1 { becomes } else { 0.0 });
            }
            let mut c = Wide::output(2, k, 0);
            let ones = Wide::new(&[1.0; 6], 2, n, 0);
            bf16_product(ones.view(), PairPanels::new(&backward, n, k), None, c.view_mut());
            for (at, found) in c.numbers().into_iter().enumerate() {
                same(found, if at % k == place { becomes } else { 0.0 });
            }
            let mut gradient = vec![f32::NAN; panel_len(n, 1)];
            let (a, ones) = (Wide::new(&b, k, n, 0), Wide::new(&[1.0; 5], k, 1, 0));
            let rows = 0..panel_rows(n, 1);
            bf16_weight_gradient(a.view(), ones.view(), rows, &[], &mut gradient);
            for (row, found) in gradient.chunks(16).map(|row| row[0]).enumerate() {
                same(found, if row == 1 { becomes } else { 0.0 });
            }
        }
    }
}
