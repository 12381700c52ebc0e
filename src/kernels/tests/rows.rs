use super::super::{
    MatrixMut, MatrixRef, divide, dropout, layer_norm, layer_norm_grad, layer_norm_weight_grad,
    multiply, negate, prelu, prelu_slope_grad, subtract,
};
use super::{ODD, Wide, assert_close, bits, each_set, random};

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| f64::from(number)).collect()
}

type Binary = (fn(Option<MatrixRef<'_>>, MatrixRef<'_>, MatrixMut<'_>), fn(f32, f32) -> f32);

#[test]
fn arithmetic_goes_number_by_number() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            let (a, b) = (Wide::random(rows, cols, gap, 1), Wide::random(rows, cols, gap / 2, 2));
            let functions: [Binary; 3] =
                [(subtract, |a, b| a - b), (multiply, |a, b| a * b), (divide, |a, b| a / b)];
            for (function, expected) in functions {
                let pairs = a.numbers().into_iter().zip(b.numbers());
                let expected: Vec<f32> = pairs.map(|(a, b)| expected(a, b)).collect();
                let mut output = Wide::output(rows, cols, 1);
                function(Some(a.view()), b.view(), output.view_mut());
                assert_eq!(bits(&output.numbers()), bits(&expected));
                let mut in_place = a.clone();
                function(None, b.view(), in_place.view_mut());
                assert_eq!(bits(&in_place.numbers()), bits(&expected));
            }
            let mut output = Wide::output(rows, cols, 1);
            negate(a.view(), output.view_mut());
            assert_eq!(output.numbers(), a.numbers().iter().map(|x| -x).collect::<Vec<f32>>());
        }
    });
}

#[test]
fn prelu_has_slopes_of_its_own() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            let (x, g) = (Wide::random(rows, cols, gap, 1), Wide::random(rows, cols, 2, 2));
            for slopes in [random(cols, 3), random(1, 4)] {
                let slope = |at: usize| slopes[if slopes.len() == 1 { 0 } else { at % cols }];
                let mut output = Wide::output(rows, cols, 1);
                prelu(x.view(), &slopes, g.view(), output.view_mut());
                let mut sums = vec![0.0; slopes.len()];
                let mut expected = Vec::new();
                for (at, (x, g)) in x.numbers().into_iter().zip(g.numbers()).enumerate() {
                    expected.push(if x > 0.0 { g } else { g * slope(at) });
                    if x <= 0.0 {
                        let of = if slopes.len() == 1 { 0 } else { at % cols };
                        sums[of] += f64::from(x) * f64::from(g);
                    }
                }
                assert_eq!(bits(&output.numbers()), bits(&expected));
                let mut found = vec![f32::NAN; slopes.len()];
                prelu_slope_grad(x.view(), g.view(), &mut found);
                assert_close(&found, &sums, 2e-6, "slopes");
            }
        }
    });
}

#[test]
fn layer_norm_of_rows() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            // Far from zero, where a sum of squares would lose what matters.
            let numbers: Vec<f32> = random(rows * cols, 1).iter().map(|x| x * 2.0 + 50.0).collect();
            let (x, g) = (Wide::new(&numbers, rows, cols, gap), Wide::random(rows, cols, 1, 2));
            let [weight, bias] = [3, 4].map(|seed| random(cols, seed));
            let epsilon = 0.01;
            let mut output = Wide::output(rows, cols, gap);
            layer_norm(epsilon, x.view(), &weight, &bias, output.view_mut());
            let mut gradient = Wide::output(rows, cols, gap);
            layer_norm_grad(epsilon, x.view(), &weight, g.view(), gradient.view_mut());
            let mut sums = vec![f32::NAN; cols];
            layer_norm_weight_grad(epsilon, x.view(), g.view(), &mut sums);

            let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
            let times = |a: &[f64], b: &[f64]| -> Vec<f64> {
                a.iter().zip(b).map(|(a, b)| a * b).collect()
            };
            let mut expected = [vec![], vec![], vec![0.0; cols]];
            for row in 0..rows {
                let (x, g) = (wide(x.view().row(row)), wide(g.view().row(row)));
                let off: Vec<f64> = x.iter().map(|number| number - mean(&x)).collect();
                let scale = 1.0 / (mean(&times(&off, &off)) + f64::from(epsilon)).sqrt();
                let normal: Vec<f64> = off.iter().map(|off| off * scale).collect();
                let scaled = times(&g, &wide(&weight));
                let means = [mean(&scaled), mean(&times(&scaled, &normal))];
                for col in 0..cols {
                    expected[0].push(normal[col] * f64::from(weight[col]) + f64::from(bias[col]));
                    expected[1].push((scaled[col] - means[0] - normal[col] * means[1]) * scale);
                    expected[2][col] += g[col] * normal[col];
                }
            }
            assert_close(&output.numbers(), &expected[0], 2e-5, "layer_norm");
            assert_close(&gradient.numbers(), &expected[1], 5e-5, "gradient");
            assert_close(&sums, &expected[2], 5e-5, "weights");
        }
    });
}

#[test]
fn dropout_drops_its_share_wherever_it_is_asked() {
    let mut masks: Vec<Vec<u32>> = Vec::new();
    each_set(|| {
        let (rows, cols) = (400, 250);
        for drop in [0.0, 0.1, 0.5, 0.9] {
            let input = Wide::new(&vec![1.0; rows * cols], rows, cols, 3);
            let key = |row: usize| crate::random::key(&[17, row as u64]);
            let mut output = Wide::output(rows, cols, 1);
            dropout(drop, key, Some(input.view()), output.view_mut());
            let mut in_place = input.clone();
            dropout(drop, key, None, in_place.view_mut());
            assert_eq!(bits(&in_place.numbers()), bits(&output.numbers()));
            let numbers = output.numbers();
            let kept = 1.0 / (1.0 - drop);
            assert!(numbers.iter().all(|&number| number == 0.0 || number == kept));
            // Five standard deviations, over all and over every row and column.
            let share = |numbers: &mut dyn Iterator<Item = f32>| {
                let (mut count, mut dropped) = (0.0f64, 0.0f64);
                for number in numbers {
                    count += 1.0;
                    dropped += f64::from(u8::from(number == 0.0));
                }
                let drop = f64::from(drop);
                let bound = 5.0 * (drop * (1.0 - drop) / count).sqrt();
                assert!((dropped / count - drop).abs() <= bound, "{drop}: {dropped} of {count}");
            };
            share(&mut numbers.iter().copied());
            numbers.chunks(cols).for_each(|row| share(&mut row.iter().copied()));
            (0..cols).for_each(|col| share(&mut numbers.iter().skip(col).step_by(cols).copied()));
            // Neighbours are dropped together as often as chance has it.
            let both = numbers.windows(2).filter(|pair| pair[0] == 0.0 && pair[1] == 0.0).count();
            let expected = f64::from(drop * drop);
            let both = both as f64 / numbers.len() as f64;
            assert!((both - expected).abs() < 0.01, "{both} instead of {expected}");
            masks.push(bits(&numbers));
        }
    });
    for mask in masks.chunks(4).skip(1) {
        assert!(mask == &masks[..4], "one mask for all instruction sets");
    }
}

#[test]
fn dropped_infinities_are_zeros() {
    each_set(|| {
        let input = Wide::new(&[f32::INFINITY; 40], 2, 20, 1);
        let mut output = Wide::output(2, 20, 0);
        dropout(0.5, |row| row as u64, Some(input.view()), output.view_mut());
        assert!(output.numbers().iter().all(|&x| x == 0.0 || x == f32::INFINITY));
    });
}
