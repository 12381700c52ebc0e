//! Regularizers cost what they say, once, and training goes down their gradient.

use std::sync::Arc;

use caudal::Tensor;
use caudal::context::Mode;
use caudal::graph::Graph;
use caudal::layers::{LAYERS, ParameterKind};
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::regularizers::REGULARIZERS;
use caudal::train::{Network, NetworkOptions};

use super::table;
use crate::probe::assert_close;

/// Two uses of one dense layer in a row, the first owning it; `settings` are its own.
fn graph(settings: &str) -> Graph {
    let text = format!(
        "[[node]]\nname = 'x'\nkind = 'input'\nshape = [4]\n\
         [[node]]\nname = 'y'\nkind = 'target'\nshape = [4]\n\
         [[node]]\nname = 'first'\nkind = 'dense'\ninputs = ['x']\nunits = 4\n{settings}\n\
         [[node]]\nname = 'tanh'\nkind = 'tanh'\ninputs = ['first']\n\
         [[node]]\nname = 'second'\nkind = 'dense'\ninputs = ['tanh']\nunits = 4\nshares = 'first'\n\
         [[node]]\nname = 'loss'\nkind = 'mean_squared_error'\ninputs = ['second', 'y']\n"
    );
    Graph::clone(&Model::from_toml(&text, "law").unwrap().graph)
}

fn network(graph: Graph, plan: PlanOptions) -> Network {
    let options = NetworkOptions::default().executor("sequential").plan(plan);
    Network::new(graph, Sgd::new(0.1), options).unwrap()
}

fn numbers(shape: &[usize], step: f32) -> Tensor {
    let values = (0..shape.iter().product()).map(|at| (1.0 + at as f32 * step).sin());
    Tensor::from_shape_vec(shape, values.collect()).unwrap()
}

/// Every sample of every regularizer as attributes of a dense layer.
fn for_samples(mut law: impl FnMut(&str, &str)) {
    for spec in REGULARIZERS {
        for sample in spec.samples {
            let mut value = table(sample);
            value.insert("kind".into(), spec.kind.into());
            let value = toml::Value::Table(value);
            let settings = format!("weight_regularizer = {value}\nbias_regularizer = {value}");
            law(&format!("{} {sample:?}", spec.kind), &settings);
        }
    }
}

#[test]
fn gradients_of_losses_with_costs_are_central_differences() {
    for_samples(|what, settings| {
        let mut network = network(graph(settings), PlanOptions::gradients());
        let (x, y) = (numbers(&[3, 4], 0.7), numbers(&[3, 4], 0.3));
        for (number, name) in ["first.weight", "first.bias"].into_iter().enumerate() {
            let shape = network.weights(name).unwrap().shape().to_vec();
            let weights = numbers(&shape, 1.3);
            network.set_weights(name, &weights).unwrap();
            network.train_batch(&[("x", &x), ("y", &y)]).unwrap();
            let run = network.run(Mode::Training, 3).unwrap();
            let gradient = run.parameter_gradient(number).unwrap();
            let mut moved = weights.clone();
            let expected: Vec<f64> = (0..weights.len())
                .map(|at| {
                    let mut at_value = |value: f32| {
                        moved.as_slice_mut().unwrap()[at] = value;
                        network.set_weights(name, &moved).unwrap();
                        network.evaluate_batch(&[("x", &x), ("y", &y)]).unwrap().loss
                    };
                    let middle = weights.as_slice().unwrap()[at];
                    let difference = at_value(middle + 1e-2) - at_value(middle - 1e-2);
                    moved.as_slice_mut().unwrap()[at] = middle;
                    difference / f64::from((middle + 1e-2) - (middle - 1e-2))
                })
                .collect();
            network.set_weights(name, &weights).unwrap();
            let gradient = gradient.as_slice().unwrap();
            assert_close(&format!("{what}: {name}"), gradient, &expected, 2e-3);
        }
    });
}

#[test]
fn costs_stand_in_every_report_whatever_the_batch() {
    for_samples(|what, settings| {
        let graph = graph(settings);
        let parameters = graph.parameters();
        let mut network = network(graph.clone(), PlanOptions::default());
        network.set_weights("first.bias", &numbers(&[4], 0.9)).unwrap();
        let expected: Vec<f64> = parameters
            .iter()
            .map(|parameter| {
                let weights = network.weights(&parameter.name).unwrap();
                parameter.regularizer.as_ref().unwrap().cost(weights.as_slice().unwrap())
            })
            .collect();
        let mut reports = Vec::new();
        for items in [1, 3, 6] {
            let (x, y) = (numbers(&[items, 4], 0.7), numbers(&[items, 4], 0.3));
            reports.push(network.evaluate_batch(&[("x", &x), ("y", &y)]).unwrap());
        }
        let (x, y) = (numbers(&[3, 4], 0.7), numbers(&[3, 4], 0.3));
        // The costs from before the step, as its loss.
        reports.push(network.train_batch(&[("x", &x), ("y", &y)]).unwrap());
        for report in &reports {
            assert_eq!(report.regularization.len(), 2, "{what}");
            let mut sum = report.losses[0].value;
            for (found, (parameter, expected)) in
                report.regularization.iter().zip(parameters.iter().zip(&expected))
            {
                assert_eq!(found.name, parameter.name);
                assert!((found.value - expected).abs() < 1e-6 * expected, "{what}: {found:?}");
                sum += found.value;
            }
            assert!((report.loss - sum).abs() < 1e-12 * sum, "{what}: {} {sum}", report.loss);
        }
        let after = network.evaluate_batch(&[("x", &x), ("y", &y)]).unwrap();
        assert!(after.regularization != reports[3].regularization, "{what}");
        assert!(after.loss < reports[3].loss || what.contains("2.0"), "{what}");
    });
}

#[test]
fn every_parameter_of_every_layer_can_have_one() {
    let mut seen = 0;
    for spec in LAYERS {
        for sample in spec.samples {
            let layer = (spec.parse)(table(sample.attributes)).unwrap();
            let parameters = layer.parameters(sample.inputs).into_iter();
            for parameter in parameters.filter(|it| it.kind == ParameterKind::Learned) {
                let mut net = caudal::graph::GraphBuilder::new("law");
                let inputs: Vec<_> = (0..sample.inputs.len())
                    .map(|number| net.input(format!("x{number}"), sample.inputs[number]))
                    .collect();
                let node = net.shared_layer("specimen", Arc::clone(&layer), &inputs);
                net.output(&node);
                net.regularizer(&node, parameter.name, caudal::regularizers::L2::new(0.5));
                net.trainable(&node, false).learning_rate_factor(&node, 0.5);
                let model =
                    Model::new(net.build().unwrap(), TrainingConfig::default()).to_toml().unwrap();
                let again = Model::from_toml(&model, "again").unwrap();
                assert_eq!(again.to_toml().unwrap(), model, "{}", spec.kind);
                for found in again.graph.parameters() {
                    assert!(!found.trainable && found.learning_rate_factor == 0.5);
                    let regularized = found.regularizer.is_some();
                    assert_eq!(regularized, found.spec.name == parameter.name, "{model}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}
