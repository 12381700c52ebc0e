//! Losses and metrics are what they say over any batches.

use std::collections::BTreeSet;
use std::ops::Range;

use caudal::Tensor;
use caudal::context::Mode;
use caudal::flow::Sequential;
use caudal::graph::Graph;
use caudal::losses::LOSSES;
use caudal::metrics::METRICS;
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};

use super::comparison::{Comparison, WEIGHT, items};
use super::table;
use crate::probe::{borrowed, execute, run};

#[test]
fn losses_are_means_over_items() {
    for spec in LOSSES {
        for sample in spec.samples {
            let loss = (spec.parse)(table(sample.attributes)).unwrap();
            let whole = Comparison::of_loss(&loss, sample, 5);
            let data = whole.data(4);
            let mut network =
                Network::new(Graph::clone(&whole.graph), Sgd::default(), NetworkOptions::default())
                    .unwrap();
            let report = network.evaluate_batch(&borrowed(&data)).unwrap();
            let mut sum = 0.0;
            for item in 0..5 {
                let alone = network.evaluate_batch(&borrowed(&items(&data, item..item + 1)));
                sum += alone.unwrap().losses[0].value;
            }
            let (mean, value) = (sum / 5.0, report.losses[0].value);
            assert!((value - mean).abs() < 1e-12, "{}: {value} {mean}", spec.kind);
            assert!(value.is_finite(), "{}", spec.kind);
            let weighted = f64::from(WEIGHT) * value;
            assert!((report.loss - weighted).abs() < 1e-12, "{}", spec.kind);
        }
    }
}

/// What a metric's value should be, written as simply as can be.
///
/// Kinds other than accuracy are held to naive values beside their definitions.
fn naive_accuracy(prediction: &Tensor, target: &Tensor) -> f64 {
    let classes = *prediction.shape().last().unwrap();
    let scores: Vec<f32> = prediction.iter().copied().collect();
    let right = target.iter().zip(scores.chunks(classes)).filter(|(class, scores)| {
        let class = **class as usize;
        scores[..class].iter().all(|&score| score < scores[class])
            && scores[class..].iter().all(|&score| score <= scores[class])
    });
    right.count() as f64 / target.len() as f64
}

#[test]
fn accuracy_equals_a_naive_count() {
    let mut seen = BTreeSet::new();
    for spec in METRICS.iter().filter(|spec| spec.kind == "accuracy") {
        // Targets of the scores' own shape are one-hot rows, which are tested beside the metric.
        let indices = spec.samples.iter().filter(|sample| sample.inputs[0] != sample.inputs[1]);
        for sample in indices {
            let metric = (spec.parse)(table(sample.attributes)).unwrap();
            for batch in [1, 2, 5, 64] {
                let it = Comparison::of_metric(&metric, sample, batch);
                let graph = Graph::clone(&it.graph);
                let mut network =
                    Network::new(graph, Sgd::default(), NetworkOptions::default()).unwrap();
                for seed in 0..10 {
                    let mut data = it.data(seed);
                    if seed > 4 {
                        // Ties.
                        data[0].1.mapv_inplace(f32::round);
                    }
                    let expected = naive_accuracy(&data[0].1, &data[1].1);
                    let report = network.evaluate_batch(&borrowed(&data)).unwrap();
                    let value = report.metric("measure").unwrap();
                    assert!((value - expected).abs() < 1e-6, "{}: {value} {expected}", spec.kind);
                    assert!((0.0..=1.0).contains(&value), "{}: {value}", spec.kind);
                    seen.insert((value * 100.0) as u32);
                }
            }
        }
    }
    assert!(seen.len() > 5, "the data tells nothing: {seen:?}");
}

#[test]
fn metrics_add_up_over_batches() {
    for spec in METRICS {
        for sample in spec.samples {
            let metric = (spec.parse)(table(sample.attributes)).unwrap();
            let data = Comparison::of_metric(&metric, sample, 7).data(5);
            let statistics = |sums: &mut Vec<f64>, range: Range<usize>| {
                let it = Comparison::of_metric(&metric, sample, range.len());
                let mut run = run(&it.graph, Mode::Evaluation, range.len(), PlanOptions::default());
                execute(&mut run, &mut Sequential::new(), &items(&data, range));
                let kept = run.kept(it.graph.id("measure").unwrap()).unwrap();
                for item in kept.chunks(metric.statistics(sample.inputs)) {
                    metric.add(sums, item);
                }
            };
            let value = |ends: &[usize]| {
                let mut sums = vec![0.0; metric.sums(sample.inputs)];
                for range in ends.windows(2) {
                    statistics(&mut sums, range[0]..range[1]);
                }
                metric.value(&sums, 7)
            };
            let (whole, parts) = (value(&[0, 7]), value(&[0, 3, 4, 7]));
            assert_eq!(whole.to_bits(), parts.to_bits(), "{}: {whole} {parts}", spec.kind);
        }
    }
}
