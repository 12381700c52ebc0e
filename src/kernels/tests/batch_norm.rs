use super::super::{batch_norm, batch_norm_grad, batch_norm_sums, column_moments, merge_moments};
use super::{ODD, Wide, assert_close, bits, each_set, random};

/// Far from zero, where a sum of squares would lose what matters.
fn far(rows: usize, cols: usize, gap: usize) -> Wide {
    let numbers: Vec<f32> = random(rows * cols, 1).iter().map(|x| x * 2.0 + 50.0).collect();
    Wide::new(&numbers, rows, cols, gap)
}

fn column(matrix: &Wide, col: usize) -> Vec<f64> {
    matrix.numbers().iter().skip(col).step_by(matrix.cols).map(|&x| f64::from(x)).collect()
}

/// All means, then all sums of squared distances.
fn naive_moments(x: &Wide) -> Vec<f64> {
    let mut moments = vec![0.0; 2 * x.cols];
    for col in 0..x.cols {
        let numbers = column(x, col);
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        moments[col] = mean;
        moments[x.cols + col] = numbers.iter().map(|x| (x - mean).powi(2)).sum();
    }
    moments
}

#[test]
fn moments_of_columns() {
    each_set(|| {
        for [rows, cols, gap] in ODD.into_iter().filter(|size| size[0] > 0) {
            let x = far(rows, cols, gap);
            let expected = naive_moments(&x);
            let mut moments = vec![f32::NAN; 2 * cols];
            column_moments(x.view(), &mut moments);
            assert_close(&moments, &expected, 1e-5, "moments");
            for cut in [1, rows / 3, rows - 1] {
                if cut == 0 || cut >= rows {
                    continue;
                }
                let (mut first, mut second) = (moments.clone(), moments.clone());
                column_moments(x.view().slice_rows(0..cut), &mut first);
                column_moments(x.view().slice_rows(cut..rows), &mut second);
                merge_moments(&mut first, cut, &second, rows - cut);
                assert_close(&first, &expected, 1e-5, "merged moments");
            }
        }
    });
}

#[test]
fn columns_are_normalised() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            let x = far(rows, cols, gap);
            let [factor, bias] = [2, 3].map(|seed| random(cols, seed));
            let mean = vec![50.0; cols];
            let mut output = Wide::output(rows, cols, 2);
            batch_norm(Some(x.view()), &mean, &factor, &bias, output.view_mut());
            let mut expected = Vec::new();
            for (at, number) in x.numbers().into_iter().enumerate() {
                let [factor, bias] = [&factor, &bias].map(|it| f64::from(it[at % cols]));
                expected.push((f64::from(number) - 50.0) * factor + bias);
            }
            assert_close(&output.numbers(), &expected, 1e-6, "batch_norm");
            let mut in_place = x.clone();
            batch_norm(None, &mean, &factor, &bias, in_place.view_mut());
            assert_eq!(bits(&in_place.numbers()), bits(&output.numbers()));
        }
    });
}

#[test]
fn gradients_of_columns() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            let (x, g) = (far(rows, cols, gap), Wide::random(rows, cols, 1, 2));
            let [scale, slope, offset] = [3, 4, 5].map(|seed| random(cols, seed));
            let mean = vec![50.0; cols];
            let mut sums = vec![f32::NAN; 2 * cols];
            batch_norm_sums(x.view(), &mean, &scale, g.view(), &mut sums);
            let mut gradient = Wide::output(rows, cols, gap);
            let coefficients = [scale.as_slice(), &slope, &offset];
            batch_norm_grad(x.view(), &mean, g.view(), coefficients, gradient.view_mut());

            let mut expected = [vec![0.0; 2 * cols], vec![]];
            for (at, (x, g)) in x.numbers().into_iter().zip(g.numbers()).enumerate() {
                let col = at % cols;
                let [scale, slope, offset] = [&scale, &slope, &offset].map(|it| f64::from(it[col]));
                let (off, g) = (f64::from(x) - 50.0, f64::from(g));
                expected[0][col] += g;
                expected[0][cols + col] += g * off * scale;
                expected[1].push(g * scale - (off * slope + offset));
            }
            assert_close(&sums, &expected[0], 1e-5, "sums");
            assert_close(&gradient.numbers(), &expected[1], 1e-6, "gradient");
        }
    });
}
