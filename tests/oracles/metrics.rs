//! Metrics against scikit-learn.

use std::collections::BTreeSet;

use caudal::data::{Column, Dataset};
use caudal::graph::GraphBuilder;
use caudal::metrics::METRICS;
use caudal::optimizers::Sgd;
use caudal::train::{Network, NetworkOptions};
use caudal::{Tensor, metrics};
use serde::Deserialize;

/// Both compute in double precision; only the order of sums differs.
const TOLERANCE: f64 = 1e-11;

#[derive(Deserialize)]
struct Case {
    kind: String,
    attributes: String,
    shapes: [Vec<usize>; 2],
    prediction: Vec<f32>,
    target: Vec<f32>,
    value: Option<f64>,
    table: Option<Vec<Vec<f64>>>,
}

impl Case {
    fn compare(&self, number: usize) {
        let what = format!("case {number}, {} {}", self.kind, self.attributes);
        let mut net = GraphBuilder::new("metric");
        let prediction = net.input("prediction", self.shapes[0].as_slice());
        let target = net.target("target", self.shapes[1].as_slice());
        let spec = metrics::find(&self.kind).unwrap();
        let metric = (spec.parse)(self.attributes.parse().unwrap()).unwrap();
        net.shared_metric("it", metric, [&prediction, &target]);
        net.output(&prediction);
        let column = |name: &str, shape: &[usize], numbers: &[f32]| {
            let items = numbers.len() / shape.iter().product::<usize>();
            let shape = [&[items], shape].concat();
            Column::new(name, Tensor::from_shape_vec(shape, numbers.to_vec()).unwrap())
        };
        let inputs = vec![column("prediction", &self.shapes[0], &self.prediction)];
        let targets = vec![column("target", &self.shapes[1], &self.target)];
        let data = Dataset::new("data", inputs, targets).unwrap();
        let options = NetworkOptions::default().workers(1);
        let mut network = Network::new(net.build().unwrap(), Sgd::default(), options).unwrap();
        // All at once, and in batches of odd sizes: the very same.
        let report = network.evaluate(&data, 1000).unwrap();
        let in_batches = network.evaluate(&data, 3).unwrap();
        let value = report.metric("it").unwrap();
        assert_eq!(value.to_bits(), in_batches.metric("it").unwrap().to_bits(), "{what}");
        if let Some(expected) = self.value {
            let tolerance = TOLERANCE * expected.abs().max(1.0);
            assert!((value - expected).abs() < tolerance, "{what}: {value} {expected}");
        } else {
            assert!(value.is_nan(), "{what}: {value}");
            assert!(report.notes[0].note.contains("undefined"), "{what}: {:?}", report.notes);
        }
        if let Some(expected) = &self.table {
            let table = &report.table("it").unwrap().values;
            assert_eq!(table.len(), expected.len(), "{what}");
            for (found, expected) in table.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < TOLERANCE, "{what}: {found} {expected}");
            }
        }
    }
}

#[test]
fn metrics_are_those_of_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("metrics.json")).unwrap();
    cases.iter().enumerate().for_each(|(number, case)| case.compare(number));
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds, METRICS.iter().map(|spec| spec.kind).collect(), "every metric has cases");
    assert!(cases.iter().filter(|case| case.value.is_none()).count() > 5);
}
