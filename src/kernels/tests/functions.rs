use super::super::{
    InstructionSet, MatrixMut, MatrixRef, Store, add_slices, copy, fill, instruction_set_name,
    relu, relu_grad, scale, sgd_momentum, sigmoid, sigmoid_grad, soft_cross_entropy,
    soft_cross_entropy_grad, softmax, softmax_cross_entropy, softmax_cross_entropy_grad, sum, tanh,
    tanh_grad, with_instruction_set, with_scratch,
};
use super::{ODD, Wide, assert_close, bits, each_set, random};

type Function = fn(Option<MatrixRef<'_>>, MatrixMut<'_>);
type Gradient = fn(MatrixRef<'_>, Option<MatrixRef<'_>>, MatrixMut<'_>);

/// Checks an activation and its gradient from the output, out of place and in place.
fn check(
    function: Function,
    gradient: Gradient,
    expected: fn(f64) -> f64,
    slope: fn(f64) -> f64,
    tolerance: f64,
) {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            let numbers: Vec<f32> = random(rows * cols, 1).iter().map(|x| x * 10.0).collect();
            let input = Wide::new(&numbers, rows, cols, gap);
            let mut output = Wide::output(rows, cols, gap / 2);
            function(Some(input.view()), output.view_mut());
            let wanted: Vec<f64> = numbers.iter().map(|&x| expected(f64::from(x))).collect();
            assert_close(&output.numbers(), &wanted, tolerance, "function");
            let mut in_place = input.clone();
            function(None, in_place.view_mut());
            assert_eq!(bits(&in_place.numbers()), bits(&output.numbers()));

            let given = Wide::random(rows, cols, gap, 2);
            let mut found = Wide::output(rows, cols, 1);
            gradient(output.view(), Some(given.view()), found.view_mut());
            let pairs = output.numbers().into_iter().zip(given.numbers());
            let wanted: Vec<f64> =
                pairs.map(|(y, grad)| slope(f64::from(y)) * f64::from(grad)).collect();
            assert_close(&found.numbers(), &wanted, 1e-6, "gradient");
            let mut in_place = given.clone();
            gradient(output.view(), None, in_place.view_mut());
            assert_eq!(bits(&in_place.numbers()), bits(&found.numbers()));
        }
    });
}

#[test]
fn relu_keeps_what_is_positive() {
    check(relu, relu_grad, |x| x.max(0.0), |y| if y > 0.0 { 1.0 } else { 0.0 }, 0.0);
    each_set(|| {
        let mut numbers = vec![f32::NAN; 20];
        relu(None, MatrixMut::dense(&mut numbers, 1, 20));
        assert!(numbers.iter().all(|number| number.is_nan()));
    });
}

#[test]
fn sigmoid_is_the_logistic_function() {
    check(sigmoid, sigmoid_grad, |x| 1.0 / (1.0 + (-x).exp()), |y| y * (1.0 - y), 1e-6);
}

#[test]
fn tanh_is_the_hyperbolic_tangent() {
    check(tanh, tanh_grad, f64::tanh, |y| 1.0 - y * y, 1e-6);
}

/// Checks the relative error over a wide range, and the ends of it.
fn check_accuracy(function: Function, expected: fn(f64) -> f64, ends: [f32; 2]) {
    each_set(|| {
        let mut inputs: Vec<f32> = (-8700..=8700).map(|i| i as f32 / 100.0).collect();
        inputs.extend((-3000..3000).map(|i| i as f32 / 3000.0));
        inputs.extend((1..30).map(|i| 10.0_f32.powi(-i)));
        let mut found = inputs.clone();
        function(None, MatrixMut::dense(&mut found, 1, inputs.len()));
        for (&x, &y) in inputs.iter().zip(&found) {
            let wanted = expected(f64::from(x));
            let error = (f64::from(y) - wanted).abs();
            assert!(error <= 1e-6 * wanted.abs(), "{y} instead of {wanted} at {x}");
        }
        let mut extremes = [f32::NEG_INFINITY, -1000.0, 1000.0, f32::INFINITY, f32::NAN];
        function(None, MatrixMut::dense(&mut extremes, 1, 5));
        let wanted = [ends[0], ends[0], ends[1], ends[1]].map(f64::from);
        assert_close(&extremes[..4], &wanted, 1e-7, "extremes");
        assert!(extremes.iter().all(|extreme| !extreme.is_subnormal()), "{extremes:?}");
        assert!(extremes[4].is_nan());
    });
}

#[test]
fn sigmoid_and_tanh_are_accurate() {
    check_accuracy(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), [0.0, 1.0]);
    check_accuracy(tanh, f64::tanh, [-1.0, 1.0]);
}

#[test]
fn sums_copies_and_factors() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            let (a, b) = (Wide::random(rows, cols, gap, 1), Wide::random(rows, cols, gap / 2, 2));
            let (a_numbers, b_numbers) = (a.numbers(), b.numbers());
            let sums: Vec<f32> = b_numbers.iter().zip(&a_numbers).map(|(b, a)| b + a).collect();
            let mut slices = b_numbers.clone();
            add_slices(&mut slices, &a_numbers);
            assert_eq!(slices, sums);
            let mut sum = b.clone();
            copy(a.view(), sum.view_mut());
            assert_eq!(sum.numbers(), a_numbers);
            scale(-0.5, None, sum.view_mut());
            assert_eq!(sum.numbers(), a_numbers.iter().map(|a| a * -0.5).collect::<Vec<f32>>());
            fill(sum.view_mut(), 3.0);
            assert_eq!(sum.numbers(), vec![3.0; rows * cols]);
        }
    });
}

#[test]
fn momentum_moves_the_weights() {
    each_set(|| {
        for len in [0, 1, 15, 16, 17, 100] {
            let [mut weights, mut velocity, gradient] = [1, 2, 3].map(|seed| random(len, seed));
            let mut expected: [Vec<f64>; 2] = [vec![], vec![]];
            for at in 0..len {
                let [w, v, g] = [weights[at], velocity[at], gradient[at]].map(f64::from);
                let v = 0.9 * v + g;
                expected[0].push(w - 0.1 * v);
                expected[1].push(v);
            }
            sgd_momentum(&mut weights, &mut velocity, &gradient, [0.1, 0.9], Store::Cached);
            assert_close(&weights, &expected[0], 1e-6, "weights");
            assert_close(&velocity, &expected[1], 1e-6, "velocity");
        }
    });
}

#[test]
fn velocities_that_are_subnormal_become_0() {
    let tiny = f32::MIN_POSITIVE;
    let numbers = [tiny, tiny / 2.0, f32::from_bits(1), 0.0, 1.0, f32::INFINITY];
    let numbers: Vec<f32> = numbers.into_iter().flat_map(|number| [number, -number]).collect();
    each_set(|| {
        for len in 0..=40 {
            let number = |at: usize| numbers[at % numbers.len()];
            let mut velocity: Vec<f32> = (0..len).map(number).collect();
            let mut weights = vec![0.0; len];
            sgd_momentum(&mut weights, &mut velocity, &vec![0.0; len], [1.0, 1.0], Store::Cached);
            for (at, (weight, velocity)) in weights.into_iter().zip(velocity).enumerate() {
                let wanted = if number(at).is_subnormal() { 0.0 } else { number(at) };
                assert_eq!([velocity, weight], [wanted, -wanted], "{}", number(at));
            }
            let mut velocity = vec![f32::NAN; len];
            sgd_momentum(
                &mut vec![0.0; len],
                &mut velocity,
                &vec![0.0; len],
                [1.0; 2],
                Store::Cached,
            );
            assert!(velocity.iter().all(|velocity| velocity.is_nan()));
        }
    });
}

#[test]
fn shares_of_softmax_far_below_the_largest_are_0() {
    each_set(|| {
        let mut numbers: Vec<f32> = (0..37).map(|at| -(at as f32) * 10.0).collect();
        numbers.push(f32::NEG_INFINITY);
        softmax(None, MatrixMut::dense(&mut numbers, 1, 38));
        assert!(numbers.iter().all(|share| !share.is_subnormal()), "{numbers:?}");
        assert!(numbers[..9].iter().all(|&share| share > 0.0), "{numbers:?}");
        assert_eq!(numbers[9..], [0.0; 29]);
    });
}

#[test]
fn gradients_of_cross_entropy_leave_out_shares_that_rounding_hides() {
    each_set(|| {
        // Shares from 1 down to e^-60, and their gradients for the first class.
        let logits: Vec<f32> = (0..31).map(|at| -(at as f32) * 2.0).collect();
        let view = MatrixRef::dense(&logits, 1, 31);
        let mut shares = logits.clone();
        softmax(None, MatrixMut::dense(&mut shares, 1, 31));
        let mut onehot = vec![0.0; 31];
        onehot[0] = 1.0;
        let [mut hard, mut soft] = [vec![f32::NAN; 31], vec![f32::NAN; 31]];
        softmax_cross_entropy_grad(view, &[0.0], 0.5, MatrixMut::dense(&mut hard, 1, 31));
        let targets = MatrixRef::dense(&onehot, 1, 31);
        soft_cross_entropy_grad(view, targets, 0.5, MatrixMut::dense(&mut soft, 1, 31));
        for gradient in [hard, soft] {
            for (class, (&slope, &share)) in gradient.iter().zip(&shares).enumerate().skip(1) {
                // e^-54 is above 2^-80, e^-56 below.
                let wanted = if class <= 27 { f64::from(share) / 2.0 } else { 0.0 };
                let error = (f64::from(slope) - wanted).abs();
                assert!(error <= 1e-6 * wanted, "class {class}: {slope} instead of {wanted}");
            }
        }
    });
}

#[test]
fn cross_entropy_of_softmax() {
    each_set(|| {
        for [rows, classes, gap] in ODD.into_iter().filter(|it| it[0] == 0 || it[1] > 0) {
            for size in [1.0, 30.0, 1000.0] {
                let logits: Vec<f32> = random(rows * classes, 1).iter().map(|x| x * size).collect();
                let logits = Wide::new(&logits, rows, classes, gap);
                let labels: Vec<f32> =
                    (0..rows).map(|row| (row * 7 % classes.max(1)) as f32).collect();
                let mut losses = vec![f32::NAN; rows];
                softmax_cross_entropy(logits.view(), &labels, &mut losses);
                let mut gradient = Wide::output(rows, classes, 1);
                softmax_cross_entropy_grad(logits.view(), &labels, 0.25, gradient.view_mut());
                let mut expected = [vec![], vec![]];
                for (row, &label) in labels.iter().enumerate() {
                    let numbers = logits.view().row(row);
                    let numbers: Vec<f64> = numbers.iter().map(|&x| f64::from(x)).collect();
                    let largest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = numbers.iter().map(|x| (x - largest).exp()).sum();
                    expected[0].push(sum.ln() + largest - numbers[label as usize]);
                    for (class, x) in numbers.iter().enumerate() {
                        let hit = if class == label as usize { 1.0 } else { 0.0 };
                        expected[1].push(((x - largest).exp() / sum - hit) * 0.25);
                    }
                }
                assert_close(&losses, &expected[0], 2e-6, "loss");
                assert_close(&gradient.numbers(), &expected[1], 1e-6, "gradient");
            }
        }
    });
}

#[test]
fn cross_entropy_of_shares() {
    each_set(|| {
        for [rows, classes, gap] in ODD.into_iter().filter(|it| it[0] == 0 || it[1] > 0) {
            for size in [1.0, 30.0, 1000.0] {
                let logits: Vec<f32> = random(rows * classes, 1).iter().map(|x| x * size).collect();
                let logits = Wide::new(&logits, rows, classes, gap);
                let shares = Wide::random(rows, classes, 2, 2);
                let mut losses = vec![f32::NAN; rows];
                soft_cross_entropy(logits.view(), shares.view(), &mut losses);
                let mut gradient = Wide::output(rows, classes, 1);
                soft_cross_entropy_grad(logits.view(), shares.view(), 0.25, gradient.view_mut());
                let mut expected = [vec![], vec![]];
                for row in 0..rows {
                    let [x, t] = [&logits, &shares].map(|it| {
                        it.view().row(row).iter().map(|&x| f64::from(x)).collect::<Vec<f64>>()
                    });
                    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = x.iter().map(|x| (x - largest).exp()).sum();
                    let total: f64 = t.iter().sum();
                    let pairs = x.iter().zip(&t);
                    expected[0]
                        .push(pairs.clone().map(|(x, t)| t * (sum.ln() + largest - x)).sum());
                    let softmax = |x: f64| (x - largest).exp() / sum;
                    expected[1].extend(pairs.map(|(x, t)| (softmax(*x) * total - t) * 0.25));
                }
                assert_close(&losses, &expected[0], 4e-6, "loss");
                assert_close(&gradient.numbers(), &expected[1], 1e-6, "gradient");
            }
        }
    });
}

#[test]
fn scratch_nests() {
    let outer = |_| {
        with_scratch(100, |outer| {
            outer.fill(1.0);
            let inner = with_scratch(5000, |inner| {
                inner.fill(2.0);
                inner.as_ptr() as usize
            });
            assert!(outer.iter().all(|&number| number == 1.0));
            [outer.as_ptr() as usize, inner]
        })
    };
    let places = [0, 1].map(outer);
    assert_eq!(places[0], places[1], "the second time, nothing is allocated");
    assert!(places[0].iter().all(|place| place % 64 == 0));
}

#[test]
fn instruction_sets_can_be_chosen() {
    let before = InstructionSet::current();
    with_instruction_set(InstructionSet::Portable, || {
        assert_eq!(instruction_set_name(), "portable");
    });
    assert_eq!(InstructionSet::current(), before);
}

#[test]
fn sums_of_any_number_of_inputs() {
    each_set(|| {
        for [rows, cols, gap] in ODD {
            for count in [1, 2, 7, 8, 9, 17] {
                for onto in [false, true] {
                    let inputs: Vec<Wide> = (0..count)
                        .map(|input| Wide::random(rows, cols, gap * (input % 2), input as u64))
                        .collect();
                    let mut output = Wide::random(rows, cols, gap, 99);
                    let mut expected = if onto { output.numbers() } else { vec![0.0; rows * cols] };
                    for (number, input) in inputs.iter().enumerate() {
                        for (sum, add) in expected.iter_mut().zip(input.numbers()) {
                            *sum = if number == 0 && !onto { add } else { *sum + add };
                        }
                    }
                    sum(inputs.iter().map(Wide::view), onto, output.view_mut());
                    assert_eq!(output.numbers(), expected, "{rows} x {cols}, {count} inputs");
                }
            }
        }
    });
}
