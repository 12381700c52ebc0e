//! Every metric against its definition over a whole data set.

use super::*;
use crate::data::{Column, Dataset};
use crate::graph::GraphBuilder;
use crate::optimizers::Sgd;
use crate::tensor::Tensor;
use crate::train::{Network, NetworkOptions, Report};

/// The report over all items, which go in as batches of `batch`.
fn report(
    metric: impl Metric + 'static,
    shapes: [&[usize]; 2],
    values: [&[f32]; 2],
    batch: usize,
) -> Result<Report> {
    let mut net = GraphBuilder::new("metric");
    let prediction = net.input("prediction", shapes[0]);
    let target = net.target("target", shapes[1]);
    net.metric("it", metric, [&prediction, &target]);
    net.output(&prediction);
    let mut network = Network::new(net.build()?, Sgd::default(), NetworkOptions::default())?;
    let tensor = |side: usize| {
        let per_item = shapes[side].iter().product::<usize>();
        let shape = [&[values[side].len() / per_item], shapes[side]].concat();
        Tensor::from_shape_vec(shape, values[side].to_vec()).unwrap()
    };
    let column = |name, side| Column::new(name, tensor(side));
    let inputs = vec![column("prediction", 0)];
    let data = Dataset::new("data", inputs, vec![column("target", 1)])?;
    network.evaluate(&data, batch)
}

/// Asserts that the value is the same, and as expected, however the items come in batches.
fn assert_value(
    metric: impl Metric + Copy + 'static,
    shapes: [&[usize]; 2],
    values: [&[f32]; 2],
    expected: f64,
) {
    for batch in [1, 2, 3, 1000] {
        let value = report(metric, shapes, values, batch).unwrap().metric("it").unwrap();
        assert!((value - expected).abs() < 1e-12, "{}: {value} {expected}", metric.kind());
    }
}

/// Five rows of three scores: predictions 2, 0, 0 (a tie), 1, 2.
const SCORES: [f32; 15] =
    [0.1, 0.2, 0.9, 3.0, -1.0, 0.0, 1.0, 1.0, 0.5, -3.0, -1.0, -2.0, 0.0, 0.1, 0.2];
const LABELS: [f32; 5] = [2.0, 0.0, 1.0, 1.0, 0.0];

fn one_hot() -> Vec<f32> {
    let row = |&label: &f32| (0..3).map(move |class| f32::from(u8::from(class as f32 == label)));
    LABELS.iter().flat_map(row).collect()
}

#[test]
fn classes_are_compared_by_index_or_one_hot() {
    let hot = one_hot();
    for (shape, target) in [(&[] as &[usize], &LABELS[..]), (&[3], &hot)] {
        let (shapes, values) = ([&[3], shape], [&SCORES[..], target]);
        assert_value(Accuracy, shapes, values, 3.0 / 5.0);
        assert_value(ConfusionMatrix, shapes, values, 3.0 / 5.0);
        assert_value(TopK::new(1), shapes, values, 3.0 / 5.0);
        assert_value(TopK::new(2), shapes, values, 4.0 / 5.0);
        assert_value(TopK::new(3), shapes, values, 1.0);
        // Class 0: predicted twice, once right, twice there; 1: 1, 1, 2; 2: 2, 1, 1.
        assert_value(Precision::default(), shapes, values, (0.5 + 1.0 + 0.5) / 3.0);
        assert_value(Recall::default(), shapes, values, (0.5 + 0.5 + 1.0) / 3.0);
        assert_value(F1::default(), shapes, values, (0.5 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0);
        assert_value(Precision::default().class(2), shapes, values, 0.5);
        assert_value(Recall::default().class(2), shapes, values, 1.0);
        assert_value(F1::default().class(1), shapes, values, 2.0 / 3.0);
    }
    // Two rows an item.
    let (shapes, values) = ([&[2, 3][..], &[2]], [&SCORES[..12], &LABELS[..4]]);
    assert_value(Accuracy, shapes, values, 3.0 / 4.0);
    assert_value(Recall::default(), shapes, values, (1.0 + 0.5 + 1.0) / 3.0);
}

#[test]
fn classes_that_do_not_occur_do_not_count() {
    // Predictions 0, 0; labels 0, 1: class 2 is neither.
    let (shapes, values) = ([&[3][..], &[]], [&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0][..], &[0.0, 1.0]]);
    assert_value(Precision::default(), shapes, values, 0.25);
    assert_value(Recall::default(), shapes, values, 0.5);
    assert_value(F1::default(), shapes, values, 1.0 / 3.0);
    assert_value(F1::default().class(2), shapes, values, 0.0);
}

#[test]
fn details_are_tables() {
    let shapes = [&[3][..], &[]];
    let confusion = report(ConfusionMatrix, shapes, [&SCORES, &LABELS], 2).unwrap();
    let table = confusion.table("it").unwrap();
    assert_eq!(table.values, [[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    assert_eq!(table.columns, ["0", "1", "2"]);
    let recall = report(Recall::default(), shapes, [&SCORES, &LABELS], 2).unwrap();
    assert_eq!(recall.table("it").unwrap().values[2], [0.5, 1.0, 2.0 / 3.0, 1.0]);
    assert_eq!(report(Accuracy, shapes, [&SCORES, &LABELS], 2).unwrap().tables, []);
}

#[test]
fn labels_that_name_no_class_are_refused() {
    for label in [3.0, -1.0, 0.5, f32::NAN] {
        let error = report(F1::default(), [&[3], &[]], [&[0.0; 3], &[label]], 1).unwrap_err();
        assert!(error.to_string().contains("whole numbers from 0 to 2"), "{error}");
    }
}

#[test]
fn settings_are_refused_at_once() {
    let scores: [&[usize]; 2] = [&[3], &[]];
    for metric in [TopK::new(0), TopK::new(4)] {
        assert!(metric.check(&scores).unwrap_err().problem.contains("3 classes"));
    }
    assert!(Recall::default().class(3).check(&scores).is_err());
    assert!(ConfusionMatrix.check(&[&[5000], &[]]).is_err());
    assert!(Accuracy.check(&[&[4, 1], &[4, 1]]).is_err(), "one class is always right");
    assert!(Accuracy.check(&[&[4, 2], &[2]]).is_err());
    assert!(Auc.check(&[&[3], &[]]).is_err());
    assert!((find("f1").unwrap().parse)(toml::toml! { class = -1 }).is_err());
    assert!((find("top_k").unwrap().parse)(toml::toml! { n = 1 }).is_err());
}

#[test]
fn errors_are_over_all_numbers() {
    let (prediction, target) = ([1.0, 2.0, 3.0, 5.0], [1.0, 0.0, 4.0, 1.0]);
    for shape in [&[] as &[usize], &[2], &[2, 2]] {
        let (shapes, values) = ([shape, shape], [&prediction[..], &target]);
        assert_value(Rmse, shapes, values, (21.0f64 / 4.0).sqrt());
        assert_value(Mae, shapes, values, 7.0 / 4.0);
    }
}

#[test]
fn r2_compares_with_the_mean() {
    let (prediction, target) = ([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0]);
    // The example of scikit-learn.
    assert_value(R2, [&[], &[]], [&prediction, &target], 0.948_608_137_044_967_9);
    // Two outputs, one of them constant.
    let (shapes, prediction) = ([&[2][..], &[2]], [1.0, 7.0, 2.0, 7.0, 4.0, 7.0]);
    let target = [1.0, 7.0, 2.0, 7.0, 3.0, 7.0];
    assert_value(R2, shapes, [&prediction, &target], f64::midpoint(1.0 - 1.0 / 2.0, 1.0));
    let wrong = [1.0, 7.0, 2.0, 7.0, 4.0, 8.0];
    assert_value(R2, shapes, [&wrong, &target], f64::midpoint(1.0 - 1.0 / 2.0, 0.0));
    // A large mean.
    let target = [10_000.0, 10_001.0, 10_002.0];
    assert_value(R2, [&[], &[]], [&[10_000.0, 10_001.0, 10_001.0], &target], 0.5);
}

/// Pair by pair.
fn naive_auc(scores: &[f32], targets: &[f32]) -> f64 {
    let of = |class: f32| {
        scores.iter().zip(targets).filter(move |(_, t)| **t == class).map(|(score, _)| *score)
    };
    let (mut won, mut pairs) = (0.0, 0.0);
    for positive in of(1.0) {
        for negative in of(0.0) {
            pairs += 1.0;
            won += if positive > negative { 1.0 } else { 0.5 * f64::from(positive == negative) };
        }
    }
    won / pairs
}

#[test]
fn auc_is_the_share_of_pairs_in_order() {
    let number = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 100.0 - 5.0;
    let scores: Vec<f32> = (0..200).map(number).chain([0.25; 20]).collect();
    let targets: Vec<f32> =
        (0..220).map(|i| f32::from(u8::from(number(i * 3) + 0.5 * scores[i] > 0.0))).collect();
    let expected = naive_auc(&scores, &targets);
    assert!((0.6..0.9).contains(&expected), "{expected}");
    assert_value(Auc, [&[], &[]], [&scores, &targets], expected);
    assert_value(Auc, [&[4], &[4]], [&scores, &targets], expected);
    let two: Vec<f32> = scores.iter().flat_map(|&score| [1.0, score + 1.0]).collect();
    assert_value(Auc, [&[2], &[]], [&two, &targets], expected);
    assert_value(Auc, [&[5, 2], &[5]], [&two, &targets], expected);
    // Probabilities are told apart as well, a little less finely.
    let probability = |x: &f32| 1.0 / (1.0 + (-0.25 * x).exp());
    let probabilities: Vec<f32> = scores.iter().map(probability).collect();
    assert_value(Auc, [&[], &[]], [&probabilities, &targets], expected);
}

#[test]
fn auc_of_odd_scores() {
    let shapes: [&[usize]; 2] = [&[], &[]];
    let infinite = [f32::NEG_INFINITY, f32::INFINITY, 1e30, -1e30];
    assert_value(Auc, shapes, [&infinite, &[0.0, 1.0, 1.0, 0.0]], 1.0);
    for (scores, targets, why) in [
        ([1.0, 2.0], [1.0, 1.0], "no negative example"),
        ([1.0, 2.0], [0.0, 0.0], "no positive example"),
        ([1.0, f32::NAN], [1.0, 0.0], "a score is no number"),
        ([1.0, 2.0], [1.0, f32::NAN], "a target is no number"),
    ] {
        let told = report(Auc, shapes, [&scores, &targets], 1).unwrap();
        assert!(told.metric("it").unwrap().is_nan());
        assert!(told.notes[0].note.contains(why), "{:?}", told.notes);
        assert!(told.to_string().ends_with("it undefined"), "{told}");
    }
    // Far from 0 as well, where a single-precision difference would be 0.
    let large = [2e8, 1.0, 2e8, 2.0, 2e8, 3.0, 2e8, 4.0];
    assert_value(Auc, [&[2], &[]], [&large, &[0.0, 1.0, 0.0, 1.0]], 0.75);
    assert_value(Auc, shapes, [&[200.0, 200.001, 199.999, 200.002], &[0.0, 1.0, 0.0, 1.0]], 1.0);
    assert_value(Auc, shapes, [&[0.0, -0.0], &[0.0, 1.0]], 0.5);
}

#[test]
fn scores_that_are_no_numbers_never_count_as_right() {
    // Class 0 is right in all rows, and no comparison with NaN holds.
    let scores =
        [f32::NAN, 1.0, 0.0, 2.0, f32::NAN, 1.0, f32::NAN, f32::NAN, f32::NAN, 2.0, 1.0, 0.0];
    let (shapes, values) = ([&[3][..], &[]], [&scores[..], &[0.0; 4][..]]);
    assert_value(Accuracy, shapes, values, 0.25);
    assert_value(ConfusionMatrix, shapes, values, 0.25);
    assert_value(TopK::new(1), shapes, values, 0.25);
    assert_value(TopK::new(3), shapes, values, 0.25);
    // They are predicted to be of no class.
    assert_value(Precision::default(), shapes, values, 1.0);
    assert_value(Recall::default(), shapes, values, 0.25);
    assert_value(F1::default(), shapes, values, 2.0 / 5.0);
    let metrics: [&dyn Fn() -> Result<Report>; 4] = [
        &|| report(Accuracy, shapes, values, 3),
        &|| report(ConfusionMatrix, shapes, values, 3),
        &|| report(TopK::new(2), shapes, values, 3),
        &|| report(Recall::default(), shapes, values, 3),
    ];
    for told in metrics.map(|metric| metric().unwrap()) {
        let note = &told.notes[0].note;
        assert_eq!(note, "3 rows have a score that is no number, and count as wrong");
    }
    let table = report(ConfusionMatrix, shapes, values, 4).unwrap();
    assert_eq!(table.tables[0].table.values, [[1.0, 0.0, 0.0], [0.0; 3], [0.0; 3]]);
    // A target that is none names no class.
    let shares = [&[1.0f32, 2.0][..], &[f32::NAN, 1.0]];
    let error = report(Accuracy, [&[2], &[2]], shares, 1).unwrap_err().to_string();
    assert!(error.contains("the target of row 0 holds NaN"), "{error}");
}

#[test]
fn r2_far_from_zero_and_of_what_is_not_finite() {
    // Targets that differ by little beside their size: by numpy 0.8 and 0.89997 (64 bits).
    let targets: Vec<f32> = [0.0, 0.125, 0.25, 0.375].iter().map(|x| 1e6 + x).collect();
    let predictions: Vec<f32> = targets.iter().map(|x| x + 0.0625).collect();
    assert_value(R2, [&[], &[]], [&predictions, &targets], 0.8);
    let targets: Vec<f32> = (0..20_000).map(|at| 2e6 + (at % 33) as f32 / 4.0).collect();
    let predictions: Vec<f32> = targets.iter().map(|x| x + 0.75).collect();
    let mean = targets.iter().map(|&x| f64::from(x)).sum::<f64>() / 20_000.0;
    let spread: f64 = targets.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
    assert_value(R2, [&[], &[]], [&predictions, &targets], 1.0 - 20_000.0 * 0.5625 / spread);
    for bad in [f32::INFINITY, f32::NAN] {
        let told = report(R2, [&[], &[]], [&[1.0, 2.0, 3.0], &[1.0, bad, 3.0]], 2).unwrap();
        assert!(told.metric("it").unwrap().is_nan());
        assert!(told.notes[0].note.contains("infinite or none"), "{:?}", told.notes);
    }
}
