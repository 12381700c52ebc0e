//! Networks of one loss or metric.

use std::ops::Range;
use std::sync::Arc;

use caudal::Tensor;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::Sample;
use caudal::losses::{Loss, TargetValues};
use caudal::metrics::Metric;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A network of one loss or metric over two inputs, or over a target where the second has no gradient.
pub(super) struct Comparison {
    pub(super) graph: Arc<Graph>,
    batch: usize,
    /// How many classes there are, if the second input holds class indices.
    classes: Option<usize>,
}

impl Comparison {
    pub(super) fn of_loss(loss: &Arc<dyn Loss>, sample: &Sample, batch: usize) -> Self {
        let mut net = GraphBuilder::new("law");
        let prediction = net.input("prediction", sample.inputs[0]);
        let other = if loss.differentiable(1) {
            net.input("other", sample.inputs[1])
        } else {
            net.target("other", sample.inputs[1])
        };
        net.shared_loss("measure", Arc::clone(loss), Some(WEIGHT), [&prediction, &other]);
        let classes = match loss.target_values(sample.inputs) {
            TargetValues::Classes(classes) => Some(classes),
            TargetValues::Numbers => None,
            other => panic!("no law draws {other:?}"),
        };
        Self { graph: Arc::new(net.build().unwrap()), batch, classes }
    }

    pub(super) fn of_metric(metric: &Arc<dyn Metric>, sample: &Sample, batch: usize) -> Self {
        let mut net = GraphBuilder::new("law");
        let prediction = net.input("prediction", sample.inputs[0]);
        let other = net.target("other", sample.inputs[1]);
        net.shared_metric("measure", Arc::clone(metric), [&prediction, &other]);
        net.output(&prediction);
        let classes = sample.inputs[0].last().copied();
        Self { graph: Arc::new(net.build().unwrap()), batch, classes }
    }

    pub(super) fn data(&self, seed: u64) -> Vec<(String, Tensor)> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |name: &str, classes: Option<usize>| {
            let shape = [&[self.batch], self.graph.node(name).unwrap().shape.as_slice()].concat();
            let values = (0..shape.iter().product()).map(|_| match classes {
                Some(classes) => random.random_range(0..classes) as f32,
                None => random.random_range(-2.0..2.0),
            });
            (name.to_owned(), Tensor::from_shape_vec(shape.clone(), values.collect()).unwrap())
        };
        vec![draw("prediction", None), draw("other", self.classes)]
    }
}

/// Of the only loss of a [`Comparison`]; no power of 2, so that it shows where it is missing.
pub(super) const WEIGHT: f32 = 0.75;

/// Some items of a batch.
pub(super) fn items(data: &[(String, Tensor)], range: Range<usize>) -> Vec<(String, Tensor)> {
    let items = |values: &Tensor| {
        let range = ndarray::Slice::from(range.clone());
        values.slice_axis(ndarray::Axis(0), range).to_shared()
    };
    data.iter().map(|(name, values)| (name.clone(), items(values))).collect()
}
