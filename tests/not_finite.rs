//! Losses and gradients that are infinite or no numbers.

use caudal::context::Context;
use caudal::data::{Column, Dataset};
use caudal::flow::EXECUTORS;
use caudal::graph::GraphBuilder;
use caudal::layers::{Custom, Dense};
use caudal::losses::MeanSquaredError;
use caudal::optimizers::Sgd;
use caudal::train::{BatchEnd, Callback, Control, FitOptions, Network, NetworkOptions};
use caudal::{Error, Result, Tensor};

/// Where the output of a tower makes its gradient infinite.
const SPIKE: f32 = 3.0;

/// Copies the input of a call.
fn copy(context: &Context<'_>, gradient: bool, mut to: caudal::context::MatrixMut<'_>) {
    let input = context.input(0);
    for row in 0..to.rows() {
        for (place, &number) in to.row_mut(row).iter_mut().zip(input.row(row)) {
            let infinite = number > SPIKE;
            *place = match gradient {
                true if infinite => f32::INFINITY,
                true => 0.0,
                false => number,
            };
        }
        if gradient {
            let given = context.output_grad();
            for (place, given) in to.row_mut(row).iter_mut().zip(given.row(row)) {
                *place += given;
            }
        }
    }
}

/// Two towers, one of which has an infinite gradient once its output is above a bound: the loss is finite
/// then, and the other tower moves.
fn towers(rate: f32, executor: &str, workers: usize) -> Network {
    let spike = Custom::new("spike", |context, output| {
        copy(context, false, output);
        Ok(())
    });
    let spike = spike.input_grad(|context, _, gradient| {
        copy(context, true, gradient);
        Ok(())
    });
    let mut net = GraphBuilder::new("towers");
    let x = net.input("x", [3]);
    let y = net.target("y", [2]);
    let left = net.layer("left", Dense::new(2), [&x]);
    let spike = net.layer("spike", spike, [&left]);
    let right = net.layer("right", Dense::new(2), [&x]);
    net.loss("left_loss", MeanSquaredError, [&spike, &y]);
    net.loss("right_loss", MeanSquaredError, [&right, &y]);
    let optimizer = Sgd::new(rate).momentum(0.5);
    let options = NetworkOptions::default().seed(3).executor(executor).workers(workers);
    Network::new(net.build().unwrap(), optimizer, options).unwrap()
}

fn data(target: f32) -> Dataset {
    let column = |name: &str, width: usize, number: fn(usize, f32) -> f32| {
        let values = (0..30 * width).map(|at| number(at, 0.0)).collect();
        Column::new(name, Tensor::from_shape_vec(vec![30, width], values).unwrap())
    };
    let x = column("x", 3, |at, _| ((at * 7 + 3) % 11) as f32 / 11.0 + 0.2);
    let y = Column::new("y", Tensor::from_elem(vec![30, 2], target));
    Dataset::new("d", vec![x], vec![y]).unwrap()
}

fn fit(network: &mut Network, data: &Dataset, most: Option<u64>) -> Result<()> {
    let options = FitOptions::default().epochs(400).batch_size(8).max_steps(most).seed(5);
    network.fit(data, &options).map(drop)
}

#[test]
fn a_gradient_that_is_not_finite_leaves_everything_as_it_was_before_its_step() {
    let data = data(5.0);
    let mut steps = Vec::new();
    for rate in [0.02, 0.0005] {
        let mut messages = Vec::new();
        let mut reached = 0;
        for (executor, workers) in
            EXECUTORS.iter().map(|spec| (spec.name, 2)).chain([("pool", 1), ("channels", 3)])
        {
            let mut network = towers(rate, executor, workers);
            let error = fit(&mut network, &data, None).unwrap_err();
            let Error::NotFinite { step, node, .. } = &error else { panic!("{error}") };
            assert_eq!((node.as_str(), *step), ("spike", network.step() + 1), "{error}");
            reached = network.step();
            let mut before = towers(rate, "sequential", 1);
            fit(&mut before, &data, Some(reached)).unwrap();
            assert_eq!(network.weights_sha256(), before.weights_sha256(), "{executor}");
            for parameter in ["left.weight", "right.bias"] {
                let state = |network: &Network| network.optimizer_state(parameter, "velocity");
                assert_eq!(state(&network).unwrap(), state(&before).unwrap(), "{executor}");
            }
            messages.push(error.to_string());
        }
        assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
        assert!(messages[0].contains("the gradient of its inputs is the first"), "{}", messages[0]);
        assert!(messages[0].contains("inf in item"), "{}", messages[0]);
        steps.push(reached);
    }
    // Within the first copy of the parameters, and beyond it.
    assert!(steps[0] > 3 && steps[0] < 100 && steps[1] > 200, "{steps:?}");
}

/// Changes weights between steps.
struct Meddler;

impl Callback for Meddler {
    fn batch_end(&mut self, network: &mut Network, _event: &BatchEnd<'_>) -> Result<Control> {
        if network.step() == 3 {
            network.set_weights("left.bias", &Tensor::from_elem(vec![2], 0.5))?;
        }
        Ok(Control::Continue)
    }
}

#[test]
fn weights_that_callbacks_change_are_kept() {
    let data = data(5.0);
    let options = FitOptions::default().epochs(400).batch_size(8).seed(5);
    let mut network = towers(0.01, "pool", 2);
    let error = network.fit_with(&data, &options, &mut [&mut Meddler]).unwrap_err();
    assert!(matches!(&error, Error::NotFinite { node, .. } if node == "spike"), "{error}");
    let reached = network.step();
    assert!(reached > 4, "{reached}");
    let mut before = towers(0.01, "pool", 2);
    let options = options.max_steps(reached);
    before.fit_with(&data, &options, &mut [&mut Meddler]).unwrap();
    assert_eq!(network.weights_sha256(), before.weights_sha256());
}

#[test]
fn an_infinite_loss_names_the_node_and_moves_nothing() {
    let mut messages = Vec::new();
    for spec in EXECUTORS {
        let mut network = towers(1e25, spec.name, 2);
        let data = data(-5.0);
        let error = fit(&mut network, &data, None).unwrap_err();
        let Error::NotFinite { step, .. } = error else { panic!("{error}") };
        assert_eq!(step, network.step() + 1);
        let mut before = towers(1e25, "sequential", 1);
        fit(&mut before, &data, Some(step - 1)).unwrap();
        assert_eq!(network.weights_sha256(), before.weights_sha256(), "{}", spec.name);
        messages.push(error.to_string());
    }
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
    for part in ["loss`", "the largest numbers that it had were", "lower the learning rate"] {
        assert!(messages[0].contains(part), "{}", messages[0]);
    }
}

#[test]
fn without_the_check_training_goes_on() {
    let mut net = GraphBuilder::new("line");
    let x = net.input("x", [3]);
    let y = net.target("y", [2]);
    let dense = net.layer("dense", Dense::new(2), [&x]);
    net.loss("loss", MeanSquaredError, [&dense, &y]);
    let options = NetworkOptions::default().check_finite(false);
    let mut network = Network::new(net.build().unwrap(), Sgd::new(1e25), options).unwrap();
    fit(&mut network, &data(5.0), Some(10)).unwrap();
    assert_eq!(network.step(), 10);
    assert!(network.evaluate(&data(5.0), 8).unwrap().loss.is_nan());
}

#[test]
fn data_that_are_not_finite_are_named() {
    for (column, at) in [("x", 3 * 4 + 1), ("y", 2 * 4)] {
        let data = data(5.0);
        let spoil = |from: &Column| {
            let mut values = from.tensor().unwrap().clone();
            if from.name == column {
                *values.iter_mut().nth(at).unwrap() = f32::NAN;
            }
            Column::new(from.name.as_str(), values)
        };
        let inputs = data.inputs().iter().map(spoil).collect();
        let targets = data.targets().iter().map(spoil).collect();
        let data = Dataset::new("d", inputs, targets).unwrap();
        let mut network = towers(0.01, "pool", 2);
        let options = FitOptions::default().order(caudal::data::Order::Sequential);
        let error = network.fit(&data, &options).unwrap_err().to_string();
        let expected = format!("step 1: node `{column}`: its data are not finite: NaN in item 4");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_single_batch_is_checked_as_well() {
    let mut net = GraphBuilder::new("line");
    let x = net.input("x", [1]);
    let y = net.target("y", [1]);
    let dense = net.layer("dense", Dense::new(1), [&x]);
    net.loss("loss", MeanSquaredError, [&dense, &y]);
    let mut network =
        Network::new(net.build().unwrap(), Sgd::new(0.1), NetworkOptions::default()).unwrap();
    network.set_weights("dense.weight", &Tensor::from_elem(vec![1, 1], 1e-30)).unwrap();
    let column = |value: f32| Tensor::from_elem(vec![2, 1], value);
    let before = network.weights_sha256();
    // The gradient of the weight is the product of two large numbers, the loss a square of one.
    let error = network.train_batch(&[("x", &column(1e30)), ("y", &column(1e10))]).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("node `dense`: the gradient of `dense.weight` is the first"),
        "{message}"
    );
    assert_eq!(network.step(), 0);
    let error = network.train_batch(&[("x", &column(1.0)), ("y", &column(1e30))]).unwrap_err();
    assert!(error.to_string().contains("node `loss`: its output is the first"), "{error}");
    assert_ne!(network.weights_sha256(), before, "the bias has moved in the first step");
    let weight = network.weights("dense.weight").unwrap();
    assert_eq!(weight, Tensor::from_elem(vec![1, 1], 1e-30));
    network.train_batch(&[("x", &column(1.0)), ("y", &column(2.0))]).unwrap();
    assert_eq!(network.step(), 1);
}
