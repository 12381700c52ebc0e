//! Backward agrees with forward.

use caudal::Tensor;
use caudal::context::Mode;
use caudal::flow::Sequential;
use caudal::graph::Graph;
use caudal::layers::ParameterKind;
use caudal::losses::LOSSES;
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::run::Run;
use caudal::train::Network;

use super::comparison::{Comparison, WEIGHT};
use super::{BATCHES, for_specimens, sequential, table};
use crate::probe::{Specimen, assert_close, borrowed, execute, run, spacing};

/// The sum over all outputs of output times factor, in double precision where training computes the
/// same as prediction.
fn weighted_sum(network: &mut Network, data: &[(String, Tensor)], specimen: &Specimen) -> f64 {
    if specimen.looks_at_batches() {
        network.train_batch(&borrowed(data)).unwrap();
        let run = network.run(Mode::Training, specimen.batch).unwrap();
        let losses = specimen.graph.losses().into_iter().flat_map(|id| run.kept(id).unwrap());
        return losses.map(|&loss| f64::from(loss)).sum();
    }
    let outputs = network.predict(&borrowed(data)).unwrap();
    let factors = data.iter().filter(|(name, _)| name.starts_with("factors"));
    let products = outputs.iter().zip(factors).flat_map(|(output, (_, factors))| {
        output.iter().zip(factors).map(|(a, b)| f64::from(*a) * f64::from(*b))
    });
    products.sum()
}

/// The central differences of `value` for every number of `of`, moved by `step`.
fn central_differences(of: &Tensor, step: f32, mut value: impl FnMut(&Tensor) -> f64) -> Vec<f64> {
    let mut moved = of.clone();
    (0..of.len())
        .map(|index| {
            let mut at = |number: f32| {
                moved.as_slice_mut().unwrap()[index] = number;
                (f64::from(number), value(&moved))
            };
            let middle = of.as_slice().unwrap()[index];
            let (right, above) = at(middle + step);
            let (left, below) = at(middle - step);
            moved.as_slice_mut().unwrap()[index] = middle;
            (above - below) / (right - left)
        })
        .collect()
}

/// A long step for convolutions, which are linear in inputs and in weights: many numbers are summed, and beside it
/// their roundings are small.
const STEP: f32 = 0.1;

#[test]
fn layer_gradients_are_central_differences() {
    for_specimens(&BATCHES, |what, specimen| {
        // Predictions, of which differences are taken here, drop nothing; and a gradient that is
        // stopped is no derivative.
        let kind = specimen.graph.node("specimen").unwrap().role.kind();
        if ["dropout", "stop_gradient"].contains(&kind) {
            return;
        }
        let graph = Graph::clone(&specimen.graph);
        let mut network =
            Network::new(graph, Sgd::default(), sequential(PlanOptions::gradients())).unwrap();
        let weights = specimen.weights(1);
        for (name, values) in &weights {
            network.set_weights(name, values).unwrap();
        }
        let mut data = specimen.data(2);
        network.train_batch(&borrowed(&data)).unwrap();
        let run = network.run(Mode::Training, specimen.batch).unwrap();
        let inputs: Vec<Option<Vec<f32>>> =
            specimen.graph.inputs().into_iter().map(|id| run.input_gradient(id)).collect();
        let parameters: Vec<Option<Tensor>> =
            (0..weights.len()).map(|index| run.parameter_gradient(index)).collect();

        for (number, gradient) in inputs.iter().enumerate() {
            let Some(gradient) = gradient else {
                assert!(!specimen.has_gradient(), "{what}: input {number}");
                continue;
            };
            if specimen.indices().is_some() {
                continue; // There is nothing between two indices.
            }
            let values = data[number].1.clone();
            let step =
                if kind == "conv2d" { STEP } else { (spacing(values.len()) / 5.0).min(1e-2) };
            let expected = central_differences(&values, step, |moved| {
                data[number].1 = moved.clone();
                weighted_sum(&mut network, &data, specimen)
            });
            data[number].1 = values;
            assert_close(&format!("{what}: input {number}"), gradient, &expected, 2e-3);
        }
        let described = specimen.graph.parameters();
        for (((name, values), gradient), described) in
            weights.iter().zip(&parameters).zip(described)
        {
            let Some(gradient) = gradient else {
                assert_eq!(described.spec.kind, ParameterKind::Statistic, "{what}: {name}");
                continue;
            };
            let step = if kind == "conv2d" { STEP } else { 1e-2 };
            let expected = central_differences(values, step, |moved| {
                network.set_weights(name, moved).unwrap();
                weighted_sum(&mut network, &data, specimen)
            });
            network.set_weights(name, values).unwrap();
            let gradient = gradient.as_slice().unwrap();
            assert_close(&format!("{what}: {name}"), gradient, &expected, 2e-3);
        }
    });
}

fn kept_sum(run: &Run, graph: &Graph) -> f64 {
    let losses = run.kept(graph.id("measure").unwrap()).unwrap();
    losses.iter().map(|&loss| f64::from(loss)).sum()
}

#[test]
fn loss_gradients_are_central_differences() {
    for spec in LOSSES {
        for sample in spec.samples {
            let loss = (spec.parse)(table(sample.attributes)).unwrap();
            for batch in BATCHES {
                let it = Comparison::of_loss(&loss, sample, batch);
                let mut data = it.data(3);
                if spec.kind == "cross_entropy" {
                    // Probabilities, away from 0, where the slope is steep.
                    data[0].1.mapv_inplace(|number| 0.5 + 0.3 * number.tanh());
                }
                if spec.kind == "binary_focal" {
                    // Targets from 0 to 1.
                    data[1].1.mapv_inplace(|number| 0.5 + 0.25 * number);
                }
                let mut training = run(&it.graph, Mode::Training, batch, PlanOptions::gradients());
                execute(&mut training, &mut Sequential::new(), &data);
                let mut evaluation =
                    run(&it.graph, Mode::Evaluation, batch, PlanOptions::default());
                assert!(loss.differentiable(0), "{}", spec.kind);
                for input in (0..2).filter(|&input| loss.differentiable(input)) {
                    let values = data[input].1.clone();
                    let expected = central_differences(&values, 1e-2, |moved| {
                        data[input].1 = moved.clone();
                        execute(&mut evaluation, &mut Sequential::new(), &data);
                        f64::from(WEIGHT) * kept_sum(&evaluation, &it.graph) / batch as f64
                    });
                    data[input].1 = values;
                    let id = it.graph.id(&data[input].0).unwrap();
                    let found = training.input_gradient(id).unwrap();
                    let what = format!("{} of {:?}: {input}, {batch}", spec.kind, sample.inputs);
                    assert_close(&what, &found, &expected, 2e-3);
                }
            }
        }
    }
}
