//! What predictions compute once: prepared weights, and what does not depend on the batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use caudal::Tensor;
use caudal::context::{Context, MatrixMut, Mode, Numerics, Phase};
use caudal::graph::{Graph, GraphBuilder};
use caudal::initializers::Constant;
use caudal::layers::{
    Add, Concat, Conv2dTranspose, Custom, Dense, Fill, FormReaders, Layer, Misfit, ParameterSpec,
    Pass, PreparedWeights, Relu,
};
use caudal::losses::MeanSquaredError;
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{FitOptions, Network, NetworkOptions};

/// Multiplies by a weight, which it doubles beforehand; counts how often.
#[derive(Clone, Debug, Default)]
struct Doubled {
    prepared: Arc<AtomicUsize>,
    /// Preparations that fail, or, from 10 on, panic.
    failing: Arc<AtomicUsize>,
}

impl Layer for Doubled {
    fn kind(&self) -> &'static str {
        "doubled"
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Misfit> {
        Ok(inputs[0].to_vec())
    }

    fn parameters(&self, _inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        let three = Arc::new(Constant::new(3.0));
        vec![ParameterSpec::new("weight", [1], three)]
    }

    fn prepared_weights(&self) -> Option<&dyn PreparedWeights> {
        Some(self)
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let (input, factor) = (context.input(0), context.prepared()[0]);
        for row in 0..input.rows() {
            let numbers = output.row_mut(row).iter_mut().zip(input.row(row));
            numbers.for_each(|(y, x)| *y = factor * x);
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let (given, factor) = (context.output_grad(), 2.0 * context.parameter(0)[0]);
        for row in 0..given.rows() {
            let numbers = gradient.row_mut(row).iter_mut().zip(given.row(row));
            numbers.for_each(|(y, x)| *y = factor * x);
        }
        Ok(())
    }

    fn param_grad(
        &self,
        _context: &Context<'_>,
        _parameter: usize,
        _rows: std::ops::Range<usize>,
        gradient: &mut [f32],
    ) -> Result<(), String> {
        gradient.fill(1.0);
        Ok(())
    }
}

impl PreparedWeights for Doubled {
    fn floats(
        &self,
        pass: Pass,
        _inputs: &[&[usize]],
        _numerics: Numerics,
        _readers: FormReaders,
    ) -> usize {
        if pass == Pass::Backward {
            return 0;
        }
        1
    }

    fn prepare(
        &self,
        context: &Context<'_>,
        _pass: Pass,
        prepared: &mut [f32],
    ) -> Result<(), String> {
        self.prepared.fetch_add(1, Ordering::Relaxed);
        match self.failing.load(Ordering::Relaxed) {
            0 => {}
            10.. => panic!("no memory for weights"),
            _ => return Err("no weights today".to_owned()),
        }
        prepared[0] = 2.0 * context.parameter(0)[0];
        Ok(())
    }
}

fn network(layer: &Doubled, executor: &str) -> Network {
    let mut net = GraphBuilder::new("doubled");
    let x = net.input("x", [2]);
    let y = net.target("y", [2]);
    let doubled = net.layer("doubled", layer.clone(), [&x]);
    net.loss("loss", MeanSquaredError, [&doubled, &y]);
    let options = NetworkOptions::default().workers(2).executor(executor);
    Network::new(net.build().unwrap(), Sgd::new(0.5), options).unwrap()
}

fn row(numbers: &[f32]) -> Tensor {
    Tensor::from_shape_vec(vec![1, numbers.len()], numbers.to_vec()).unwrap()
}

#[test]
fn weights_are_prepared_anew_only_after_they_have_moved() {
    for executor in ["sequential", "pool", "channels", "actors"] {
        let layer = Doubled::default();
        let mut network = network(&layer, executor);
        let count = || layer.prepared.swap(0, Ordering::Relaxed);
        let x = row(&[1.0, -2.0]);
        let predict = |network: &mut Network| network.predict(&[("x", &x)]).unwrap().remove(0);
        for _ in 0..5 {
            assert_eq!(predict(&mut network), row(&[6.0, -12.0]));
        }
        assert_eq!(count(), 1, "{executor}");
        // Another way in, and another plan: each has memory of its own.
        network.evaluate_batch(&[("x", &x), ("y", &x)]).unwrap();
        network.evaluate_batch(&[("x", &x), ("y", &x)]).unwrap();
        assert_eq!(count(), 1, "{executor}");
        network.set_weights("doubled.weight", &Tensor::from_elem(vec![1], 0.5)).unwrap();
        assert_eq!(predict(&mut network), x);
        assert_eq!(predict(&mut network), x);
        assert_eq!(count(), 1, "{executor}");
        // The gradient is 1 and the rate 0.5: the weight becomes 0. A step prepares for itself.
        network.train_batch(&[("x", &x), ("y", &x)]).unwrap();
        assert_eq!(count(), 1, "{executor}");
        assert_eq!(predict(&mut network), row(&[0.0, -0.0]));
        assert_eq!(count(), 1, "{executor}");
    }
}

#[test]
fn a_stream_prepares_its_weights_once_a_thread() {
    let layer = Doubled::default();
    let network = network(&layer, "pool");
    let batches = (0..20).map(|_| vec![("x".to_owned(), row(&[1.0, 2.0]))]);
    for outputs in network.predict_stream(batches, 2).unwrap() {
        assert_eq!(outputs.unwrap(), [row(&[6.0, 12.0])]);
    }
    assert!((1..=2).contains(&layer.prepared.load(Ordering::Relaxed)));
}

#[test]
fn a_preparation_that_fails_is_told_and_tried_again() {
    let layer = Doubled::default();
    let mut network = network(&layer, "pool");
    let x = row(&[1.0, 2.0]);
    for (failing, words) in [(1, "no weights today"), (10, "panicked: no memory for weights")] {
        layer.failing.store(failing, Ordering::Relaxed);
        for _ in 0..2 {
            let message = network.predict(&[("x", &x)]).unwrap_err().to_string();
            assert!(message.contains(words) && message.contains("`doubled`"), "{message}");
            assert!(message.contains("prepare"), "{message}");
        }
    }
    layer.failing.store(0, Ordering::Relaxed);
    assert_eq!(network.predict(&[("x", &x)]).unwrap(), [row(&[6.0, 12.0])]);
}

/// The second of both branches depends on no number of the batch.
fn with_constants(calls: &Arc<AtomicUsize>) -> Graph {
    let calls = Arc::clone(calls);
    let counted = Custom::new("counted", move |context, mut output| {
        calls.fetch_add(1, Ordering::Relaxed);
        let input = context.input(0);
        for row in 0..input.rows() {
            output.row_mut(row).copy_from_slice(input.row(row));
        }
        Ok(())
    });
    let mut net = GraphBuilder::new("constants");
    let x = net.input("x", [3]);
    let y = net.target("y", [8]);
    let fill = net.layer("fill", Fill::new([4], 0.5), [&x]);
    let dense = net.layer("dense", Dense::new(4), [&fill]);
    let counted = net.layer("counted", counted, [&dense]);
    let relu = net.layer("relu", Relu, [&counted]);
    let own = net.layer("own", Dense::new(4), [&x]);
    // Each might write over what lasts, or move it into itself.
    let sum = net.layer("sum", Add, [&relu, &own]);
    let rectified = net.layer("rectified", Relu, [&sum]);
    let both = net.layer("both", Concat::default(), [&relu, &rectified]);
    net.loss("loss", MeanSquaredError, [&both, &y]);
    net.output(&relu);
    net.output(&both);
    net.build().unwrap()
}

#[test]
fn what_depends_on_no_number_of_the_batch_is_computed_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let graph = Arc::new(with_constants(&calls));
    let optimizer: Arc<dyn caudal::optimizers::Optimizer> = Arc::new(Sgd::new(0.1));
    let options = NetworkOptions::default().workers(2);
    let mut network = Network::from_parts(graph, Arc::clone(&optimizer), options.clone()).unwrap();
    let plain = with_constants(&Arc::default());
    let options = options.executor("sequential").plan(PlanOptions::plain());
    let mut other = Network::from_parts(Arc::new(plain), optimizer, options).unwrap();
    let count = || calls.swap(0, Ordering::Relaxed);
    for round in 0..3 {
        let x =
            Tensor::from_shape_fn(vec![2, 3], |place| (place[0] + place[1] + round) as f32 - 1.0);
        let outputs = network.predict(&[("x", &x)]).unwrap();
        assert_eq!(outputs, other.predict(&[("x", &x)]).unwrap());
        let (relu, both) = (&outputs[0], &outputs[1]);
        assert!(relu.iter().any(|&number| number > 0.0), "{relu}");
        assert_eq!(relu.as_slice().unwrap()[..4], both.as_slice().unwrap()[..4]);
    }
    assert_eq!(count(), 1);
    let plan = network.run(Mode::Prediction, 2).unwrap().plan();
    let nodes: Vec<_> = (0..plan.task_count()).flat_map(|task| plan.task(task).calls).collect();
    for constant in ["fill", "dense", "counted", "relu"] {
        assert!(!nodes.contains(&(constant, Phase::Forward)), "{constant}: {nodes:?}");
    }
    // Training moves the weight that all of it comes from.
    let (x, y) = (Tensor::from_elem(vec![2, 3], 1.0), Tensor::from_elem(vec![2, 8], 1.0));
    for network in [&mut network, &mut other] {
        network.train_batch(&[("x", &x), ("y", &y)]).unwrap();
    }
    assert_eq!(count(), 1, "a step computes it in its place");
    for _ in 0..2 {
        let expected = other.predict(&[("x", &x)]).unwrap();
        assert_eq!(network.predict(&[("x", &x)]).unwrap(), expected);
    }
    assert_eq!(count(), 1);
}

#[test]
fn trainings_with_validation_evaluate_with_the_weights_of_their_epoch() {
    let graph = || {
        let mut net = GraphBuilder::new("upscaled");
        let x = net.input("x", [4, 4, 2]);
        let y = net.target("y", [8, 8, 3]);
        let up = net.layer("up", Conv2dTranspose::new(3, 2).stride(2), [&x]);
        net.loss("loss", MeanSquaredError, [&up, &y]);
        net.build().unwrap()
    };
    let data = caudal::data::synthetic_for(&graph(), 24, 5).unwrap();
    for ema in [None, Some(0.9)] {
        let optimizer = || match ema {
            Some(decay) => Sgd::new(0.1).ema_decay(decay),
            None => Sgd::new(0.1),
        };
        let options = NetworkOptions::default().workers(2);
        let mut network = Network::new(graph(), optimizer(), options.clone()).unwrap();
        let mut losses = Vec::new();
        for _ in 0..3 {
            network.fit(&data, &FitOptions::default().epochs(1).batch_size(8)).unwrap();
            let loss = network.evaluate(&data, 8).unwrap().loss;
            // A network that has never evaluated before.
            let mut fresh = Network::new(graph(), Sgd::new(0.1), options.clone()).unwrap();
            for name in ["up.weight", "up.bias"] {
                let weights = match ema {
                    Some(_) => network.averaged_weights(name).unwrap(),
                    None => network.weights(name).unwrap(),
                };
                fresh.set_weights(name, &weights).unwrap();
            }
            assert_eq!(loss, fresh.evaluate(&data, 8).unwrap().loss);
            losses.push(loss);
        }
        losses.dedup();
        assert_eq!(losses.len(), 3, "every epoch moves the weights");
    }
}
