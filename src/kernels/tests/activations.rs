use super::super::{
    MatrixMut, MatrixRef, clip, clip_grad, elu, elu_grad, gelu, gelu_grad, leaky_relu,
    leaky_relu_grad, silu, silu_grad, softmax, softmax_grad, softplus, softplus_grad,
};
use super::{ODD, Wide, assert_close, bits, each_set, random};

type Function = fn(Option<MatrixRef<'_>>, MatrixMut<'_>);
type Gradient = fn(MatrixRef<'_>, Option<MatrixRef<'_>>, MatrixMut<'_>);

/// The normal distribution below `x`: the series of `erf` where it converges well, else the continued
/// fraction of `erfc`.
fn normal(x: f64) -> f64 {
    let a = x.abs() / 2f64.sqrt();
    let beyond = if a < 3.0 {
        let mut term = a;
        let mut sum = a;
        for n in 1..120 {
            term *= -a * a / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        0.5 - sum / std::f64::consts::PI.sqrt()
    } else {
        let fraction = (1..120).rev().fold(0.0, |rest, n| f64::from(n) / 2.0 / (a + rest));
        0.5 * (-a * a).exp() / std::f64::consts::PI.sqrt() / (a + fraction)
    };
    if x > 0.0 { 1.0 - beyond } else { beyond }
}

fn bell(x: f64) -> f64 {
    (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Checks a function and its gradient over a wide range, in place and not, and with odd rows. The
/// error may be `relative` to the value, plus `absolute`.
fn check(
    function: Function,
    gradient: Gradient,
    from_output: bool,
    expected: [fn(f64) -> f64; 2],
    [relative, absolute]: [f64; 2],
) {
    let mut inputs: Vec<f32> = (-2000..=2000).map(|i| i as f32 / 20.0).collect();
    inputs.extend((-3000..3000).map(|i| i as f32 / 700.0));
    inputs.extend((1..30).flat_map(|i| [10.0_f32.powi(-i), -10.0_f32.powi(-i)]));
    let close = |found: f32, wanted: f64, x: f32, what: &str| {
        let error = (f64::from(found) - wanted).abs();
        let bound = relative * wanted.abs() + absolute;
        assert!(error <= bound, "{what}: {found} instead of {wanted} at {x}");
    };
    each_set(|| {
        for [cols, gap] in [[1, 0], [7, 2], [100, 0]] {
            let rows = inputs.len() / cols;
            let input = Wide::new(&inputs, rows, cols, gap);
            let mut output = Wide::output(rows, cols, 1);
            function(Some(input.view()), output.view_mut());
            let mut in_place = input.clone();
            function(None, in_place.view_mut());
            assert_eq!(bits(&in_place.numbers()), bits(&output.numbers()));
            let ones = Wide::new(&vec![2.0; rows * cols], rows, cols, gap);
            let mut slopes = Wide::output(rows, cols, 3);
            let seen = if from_output { output.view() } else { input.view() };
            gradient(seen, Some(ones.view()), slopes.view_mut());
            let mut in_place = ones.clone();
            gradient(seen, None, in_place.view_mut());
            assert_eq!(bits(&in_place.numbers()), bits(&slopes.numbers()));
            let results = output.numbers().into_iter().zip(slopes.numbers());
            for ((y, slope), &x) in results.zip(&inputs) {
                close(y, expected[0](f64::from(x)), x, "function");
                close(slope / 2.0, expected[1](f64::from(x)), x, "gradient");
            }
        }
        let mut nan = [f32::NAN; 5];
        function(None, MatrixMut::dense(&mut nan, 1, 5));
        assert!(nan.iter().all(|number| number.is_nan()));
        let mut ends = [f32::NEG_INFINITY, -3e38, 3e38, f32::INFINITY];
        function(None, MatrixMut::dense(&mut ends, 1, 4));
        assert!(ends[..2].iter().all(|number| number.is_finite() || *number < -1e30), "{ends:?}");
        assert!(ends[2] > 2e38 && ends[3] == f32::INFINITY, "{ends:?}");
    });
}

#[test]
fn leaky_relu_lets_a_little_through() {
    let factor = |x: f64| if x > 0.0 { 1.0 } else { f64::from(0.2_f32) };
    let expected: [fn(f64) -> f64; 2] =
        [|x| if x > 0.0 { x } else { x * f64::from(0.2_f32) }, factor];
    check(
        |x, y| leaky_relu(0.2, x, y),
        |y, g, to| leaky_relu_grad(0.2, y, g, to),
        true,
        expected,
        [1e-7, 0.0],
    );
}

#[test]
fn clip_keeps_numbers_between_bounds_and_what_is_no_number() {
    each_set(|| {
        let numbers =
            [f32::NEG_INFINITY, -0.5, -0.25, 0.0, 0.7, 0.75, 3.0, f32::INFINITY, f32::NAN];
        let mut clipped = numbers;
        clip([-0.25, 0.75], None, MatrixMut::dense(&mut clipped, 1, 9));
        assert_eq!(clipped[..8], [-0.25, -0.25, -0.25, 0.0, 0.7, 0.75, 0.75, 0.75]);
        assert!(clipped[8].is_nan());
        let mut gradient = [2.0; 9];
        let output = MatrixRef::dense(&clipped, 1, 9);
        clip_grad([-0.25, 0.75], output, None, MatrixMut::dense(&mut gradient, 1, 9));
        assert_eq!(gradient, [0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 2.0]);
    });
}

#[test]
fn elu_is_accurate() {
    let expected: [fn(f64) -> f64; 2] = [
        |x| if x > 0.0 { x } else { 0.5 * x.exp_m1() },
        |x| {
            if x > 0.0 { 1.0 } else { 0.5 * x.exp() }
        },
    ];
    check(|x, y| elu(0.5, x, y), |y, g, to| elu_grad(0.5, y, g, to), true, expected, [5e-7, 6e-8]);
    // Near zero, where e^x and 1 nearly cancel.
    each_set(|| {
        let mut numbers: Vec<f32> = (1..3500).map(|i| i as f32 * -1e-4).collect();
        let wanted: Vec<f64> = numbers.iter().map(|&x| f64::from(x).exp_m1()).collect();
        let count = numbers.len();
        elu(1.0, None, MatrixMut::dense(&mut numbers, 1, count));
        for (found, wanted) in numbers.iter().zip(wanted) {
            assert!((f64::from(*found) - wanted).abs() <= 3e-7 * wanted.abs());
        }
    });
}

#[test]
fn gelu_is_exact() {
    assert!((normal(1.0) - 0.841_344_746_068_542_9).abs() < 1e-15);
    assert!((normal(-5.0) / 2.866_515_718_791_939e-7 - 1.0).abs() < 1e-12);
    let expected: [fn(f64) -> f64; 2] = [|x| x * normal(x), |x| normal(x) + x * bell(x)];
    check(gelu, gelu_grad, false, expected, [4e-6, 1e-7]);
}

#[test]
fn silu_is_accurate() {
    let expected: [fn(f64) -> f64; 2] =
        [|x| x * logistic(x), |x| logistic(x) * (1.0 + x * (1.0 - logistic(x)))];
    check(silu, silu_grad, false, expected, [1e-6, 2e-7]);
}

#[test]
fn softplus_does_not_overflow() {
    let expected: [fn(f64) -> f64; 2] = [|x| x.max(0.0) + (-x.abs()).exp().ln_1p(), logistic];
    check(softplus, softplus_grad, false, expected, [5e-7, 2e-38]);
}

#[test]
fn softmax_of_rows() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            for size in [1.0, 30.0, 1000.0] {
                let numbers: Vec<f32> = random(rows * cols, 1).iter().map(|x| x * size).collect();
                let input = Wide::new(&numbers, rows, cols, gap);
                let mut output = Wide::output(rows, cols, 1);
                softmax(Some(input.view()), output.view_mut());
                let mut in_place = input.clone();
                softmax(None, in_place.view_mut());
                assert_eq!(bits(&in_place.numbers()), bits(&output.numbers()));
                let grads = Wide::random(rows, cols, gap, 2);
                let mut found = Wide::output(rows, cols, 2);
                softmax_grad(output.view(), Some(grads.view()), found.view_mut());
                let mut in_place = grads.clone();
                softmax_grad(output.view(), None, in_place.view_mut());
                assert_eq!(bits(&in_place.numbers()), bits(&found.numbers()));
                let mut expected = [vec![], vec![]];
                for row in 0..rows {
                    let wide = |row: &[f32]| row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
                    let x = wide(input.view().row(row));
                    let g = wide(grads.view().row(row));
                    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = x.iter().map(|x| (x - largest).exp()).sum();
                    let y: Vec<f64> = x.iter().map(|x| (x - largest).exp() / sum).collect();
                    let dot: f64 = y.iter().zip(&g).map(|(y, g)| y * g).sum();
                    expected[1].extend(y.iter().zip(&g).map(|(y, g)| y * (g - dot)));
                    expected[0].extend(y);
                    let total: f64 = output.view().row(row).iter().map(|&x| f64::from(x)).sum();
                    assert!(cols == 0 || (total - 1.0).abs() < 2e-6, "{total}");
                }
                assert_close(&output.numbers(), &expected[0], 1e-6, "softmax");
                assert_close(&found.numbers(), &expected[1], 1e-6, "gradient");
            }
        }
    });
}
