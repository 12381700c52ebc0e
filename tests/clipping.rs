//! Clipped gradients, regularizers, frozen and slower layers against twenty steps of `PyTorch`'s
//! (`tests/oracles/clipping.py`), and clipping by its definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use caudal::Tensor;
use caudal::context::Mode;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Conv2d, Dense, Flatten, Relu};
use caudal::losses::MeanSquaredError;
use caudal::model::Model;
use caudal::optimizers::{NormClip, OPTIMIZERS, Sgd};
use caudal::plan::PlanOptions;
use caudal::regularizers::L2;
use caudal::train::{Network, NetworkOptions};
use serde::Deserialize;

use crate::probe::bits;

#[derive(Deserialize)]
struct Oracle {
    x: Vec<f32>,
    label: Vec<f32>,
    weights: BTreeMap<String, Vec<f32>>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    optimizer: String,
    first: String,
    second: String,
    losses: Vec<f64>,
    weights: BTreeMap<String, Vec<f64>>,
    #[serde(default)]
    averages: BTreeMap<String, Vec<f64>>,
    evaluation: Option<f64>,
}

fn model(run: &Run) -> Model {
    let text = format!(
        "[[node]]\nname = 'x'\nkind = 'input'\nshape = [4]\n\
         [[node]]\nname = 'label'\nkind = 'target'\nshape = []\n\
         [[node]]\nname = 'first'\nkind = 'dense'\ninputs = ['x']\nunits = 6\n{}\n\
         [[node]]\nname = 'tanh'\nkind = 'tanh'\ninputs = ['first']\n\
         [[node]]\nname = 'second'\nkind = 'dense'\ninputs = ['tanh']\nunits = 3\n{}\n\
         [[node]]\nname = 'loss'\nkind = 'softmax_cross_entropy'\ninputs = ['second', 'label']\n\
         [train]\noptimizer = {}\n",
        run.first, run.second, run.optimizer
    );
    let read = Model::from_toml(&text, "clipping").unwrap();
    // All settings survive in files.
    let written = read.to_toml().unwrap();
    let again = Model::from_toml(&written, "again").unwrap();
    assert_eq!(again.to_toml().unwrap(), written);
    assert_eq!(again.training.optimizer.attributes(), read.training.optimizer.attributes());
    again
}

fn options(executor: &str, grain: f64, fusion: bool) -> NetworkOptions {
    NetworkOptions::default()
        .executor(executor)
        .workers(3)
        .plan(PlanOptions::default().grain(grain).fusion(fusion))
}

#[test]
fn twenty_steps_are_those_of_pytorch() {
    let oracle: Oracle = serde_json::from_str(include_str!("oracles/clipping.json")).unwrap();
    let x = Tensor::from_shape_vec([8, 4].as_slice(), oracle.x).unwrap();
    let label = Tensor::from_shape_vec([8].as_slice(), oracle.label).unwrap();
    for run in &oracle.runs {
        let model = model(run);
        for options in [
            options("sequential", 60e-6, true),
            options("sequential", 60e-6, false),
            options("pool", 1e-9, true),
            options("actors", 1e-9, true),
            options("channels", 1e-9, true),
        ] {
            let optimizer = Arc::clone(&model.training.optimizer);
            let mut network =
                Network::from_parts(Arc::clone(&model.graph), optimizer, options).unwrap();
            for parameter in model.graph.parameters() {
                let values = oracle.weights[&parameter.name].clone();
                let shape = parameter.spec.shape.as_slice();
                let values = Tensor::from_shape_vec(shape, values).unwrap();
                network.set_weights(&parameter.name, &values).unwrap();
            }
            assert_eq!(run.losses.len(), 20);
            for (step, expected) in run.losses.iter().enumerate() {
                let report = network.train_batch(&[("x", &x), ("label", &label)]).unwrap();
                let error = (report.loss - expected).abs();
                let what = format!("{}, step {step}", run.optimizer);
                assert!(error < 1e-5 * expected, "{what}: {} {expected}", report.loss);
            }
            let close = |name: &str, found: &Tensor, expected: &[f64]| {
                for (found, expected) in found.iter().zip(expected) {
                    let error = (f64::from(*found) - expected).abs();
                    let what = format!("{}: {name}", run.optimizer);
                    // PyTorch's 1e-6 in the divisor makes up to 2.5e-5, its float32 1.5e-5.
                    assert!(error <= 5e-5 * expected.abs().max(0.1), "{what}: {found} {expected}");
                }
            };
            for (name, expected) in &run.weights {
                close(name, &network.weights(name).unwrap(), expected);
            }
            for (name, expected) in &run.averages {
                close(name, &network.averaged_weights(name).unwrap(), expected);
            }
            if let Some(expected) = run.evaluation {
                let report = network.evaluate_batch(&[("x", &x), ("label", &label)]).unwrap();
                assert!((report.loss - expected).abs() < 1e-5 * expected, "{report} {expected}");
            }
        }
    }
}

#[test]
fn every_optimizer_says_how_it_clips() {
    for spec in OPTIMIZERS {
        let parse = |text: &str| (spec.parse)(text.parse().unwrap());
        let clip = |text: &str| parse(text).unwrap().norm_clip();
        assert_eq!(clip(""), None, "{}", spec.kind);
        assert_eq!(clip("clip_norm = 2.0"), Some(NormClip::Parameter(2.0)), "{}", spec.kind);
        assert_eq!(clip("clip_global_norm = 2.0"), Some(NormClip::Global(2.0)), "{}", spec.kind);
        let error = parse("clip_norm = 1.0\nclip_global_norm = 1.0").unwrap_err();
        assert!(error.contains("`clip_norm` and `clip_global_norm` exclude"), "{error}");
    }
}

/// Weights that are large enough for parts, and activations for chunks; one layer is used twice.
fn wide() -> Graph {
    let mut net = GraphBuilder::new("wide");
    let (x, y) = (net.input("x", [12, 12, 3]), net.target("y", [5]));
    let conv = net.layer("conv", Conv2d::new(8, 3).same(), [&x]);
    let conv = net.layer("conv.relu", Relu, [&conv]);
    let flat = net.layer("flat", Flatten, [&conv]);
    let mut last = net.layer("in", Dense::new(160), [&flat]);
    let shared = last.clone();
    last = net.layer("square", Dense::new(160), [&last]);
    let square = last.clone();
    last = net.layer("relu", Relu, [&last]);
    last = net.layer_sharing("again", Dense::new(160), [&last], &square);
    last = net.layer("out", Dense::new(5), [&last]);
    net.regularizer(&shared, "weight", L2::new(0.01)).regularizer(&square, "bias", L2::new(0.1));
    net.loss("loss", MeanSquaredError, [&last, &y]);
    net.build().unwrap()
}

fn random(shape: &[usize], seed: u32) -> Tensor {
    let mut state = seed;
    let values = (0..shape.iter().product()).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    });
    Tensor::from_shape_vec(shape, values.collect()).unwrap()
}

/// All weights after some steps.
fn train(optimizer: &Sgd, options: NetworkOptions, steps: u32) -> Vec<Vec<f32>> {
    let mut network = Network::new(wide(), optimizer.clone(), options).unwrap();
    for step in 0..steps {
        let (x, y) = (random(&[40, 12, 12, 3], step), random(&[40, 5], step + 100));
        network.train_batch(&[("x", &x), ("y", &y)]).unwrap();
    }
    let graph = Arc::clone(network.graph());
    let names = graph.parameters().iter().map(|parameter| parameter.name.clone());
    names.map(|name| network.weights(&name).unwrap().iter().copied().collect()).collect()
}

#[test]
fn clipped_updates_are_scaled_gradients() {
    let difference = |a: &[f32], b: &[f32]| -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect()
    };
    let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let plan = PlanOptions::default().chunk_bytes(1 << 16);
    let options = || options("pool", 1e-6, true).plan(plan);
    let start = train(&Sgd::new(1.0), options(), 0);
    let moved = |optimizer: &Sgd| -> Vec<Vec<f64>> {
        let after = train(optimizer, options(), 1);
        start.iter().zip(&after).map(|(start, after)| difference(start, after)).collect()
    };
    let gradients = moved(&Sgd::new(1.0));
    let norms: Vec<f64> = gradients.iter().map(|gradient| norm(gradient)).collect();
    let all = norm(&norms);
    let middle = {
        let mut sorted = norms.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2] as f32
    };
    let compare = |clipped: &[Vec<f64>], scale: &dyn Fn(usize) -> f64| {
        for (parameter, (found, gradient)) in clipped.iter().zip(&gradients).enumerate() {
            let expected: Vec<f64> = gradient.iter().map(|it| it * scale(parameter)).collect();
            let error = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            let error = error.fold(0.0, f64::max);
            assert!(error < 1e-6 * (1.0 + norms[parameter]), "{parameter}: {error}");
        }
    };
    let half = Sgd::new(1.0).clip_global_norm((all / 2.0) as f32);
    compare(&moved(&half), &|_| 0.5);
    let not_reached = Sgd::new(1.0).clip_global_norm((all * 1.01) as f32);
    compare(&moved(&not_reached), &|_| 1.0);
    let each = Sgd::new(1.0).clip_norm(middle);
    let clipped = norms.iter().filter(|&&norm| norm > f64::from(middle)).count();
    assert!(clipped > 0 && clipped < norms.len(), "{norms:?}");
    compare(&moved(&each), &|parameter| (f64::from(middle) / norms[parameter]).min(1.0));
}

#[test]
fn clipping_gives_the_same_bits_whoever_runs_it() {
    for optimizer in [
        Sgd::new(0.05).momentum(0.9).clip_norm(0.05),
        Sgd::new(0.05).clip_global_norm(0.1),
        Sgd::new(0.05),
    ] {
        for (grain, chunk_bytes) in [(60e-6, 6 << 20), (1e-7, 1 << 16)] {
            let run = |executor: &str, workers: usize, policy: &str, fusion: bool| {
                let plan =
                    PlanOptions::default().grain(grain).chunk_bytes(chunk_bytes).fusion(fusion);
                let executor = executor.to_owned();
                let policy = policy.to_owned();
                let rest = NetworkOptions::default();
                let options = rest.executor(executor).workers(workers).policy(policy).plan(plan);
                let weights = train(&optimizer, options, 3);
                weights.iter().map(|values| bits(values)).collect::<Vec<_>>()
            };
            let expected = run("sequential", 1, "fifo", true);
            for (executor, workers, policy, fusion) in [
                ("sequential", 1, "fifo", false),
                ("actors", 1, "fifo", true),
                ("channels", 3, "fifo", true),
                ("pool", 1, "critical-path", true),
                ("pool", 2, "fifo", true),
                ("pool", 5, "critical-path", false),
            ] {
                let found = run(executor, workers, policy, fusion);
                assert!(found == expected, "{optimizer:?} {executor} {workers} {policy} {grain}");
            }
        }
    }
}

#[test]
fn gradients_that_are_no_numbers_show() {
    for optimizer in [Sgd::new(0.1).clip_norm(1.0), Sgd::new(0.1).clip_global_norm(1.0)] {
        let (x, mut y) = (random(&[4, 12, 12, 3], 1), random(&[4, 5], 2));
        y[[1, 1]] = f32::NAN;
        for check_finite in [true, false] {
            let options = options("pool", 1e-6, true).check_finite(check_finite);
            let mut network = Network::new(wide(), optimizer.clone(), options).unwrap();
            let trained = network.train_batch(&[("x", &x), ("y", &y)]);
            let bias = network.weights("out.bias").unwrap();
            assert_eq!(trained.is_err(), check_finite);
            assert_eq!(bias.iter().any(|weight| weight.is_nan()), !check_finite);
        }
    }
}

#[test]
fn kept_gradients_hold_those_of_regularizers() {
    let plan = PlanOptions::gradients();
    let options = options("sequential", 1e-6, true).plan(plan);
    let mut network = Network::new(wide(), Sgd::new(0.1), options).unwrap();
    let (x, y) = (random(&[4, 12, 12, 3], 1), random(&[4, 5], 2));
    let bias = random(&[160], 3);
    let kept = |network: &mut Network| {
        network.train_batch(&[("x", &x), ("y", &y)]).unwrap();
        let graph = Arc::clone(network.graph());
        let at = graph.parameters().iter().position(|it| it.name == "square.bias").unwrap();
        let run = network.run(Mode::Training, 4).unwrap();
        let cost = run.regularization(at).unwrap();
        (run.parameter_gradient(at).unwrap(), cost, run.regularization(0))
    };
    let (_, at_zero, nothing) = kept(&mut network);
    assert_eq!((at_zero, nothing), (0.0, None));
    network.set_weights("square.bias", &bias).unwrap();
    let (gradient, cost, _) = kept(&mut network);
    let squares: f64 = bias.iter().map(|&bias| f64::from(bias) * f64::from(bias)).sum();
    assert!((cost - 0.1 * squares).abs() < 1e-6 * squares, "{cost} {squares}");
    // The same network without the regularizer.
    let free = {
        let mut model =
            Model::new(wide(), caudal::model::TrainingConfig::default()).to_toml().unwrap();
        model = model
            .lines()
            .filter(|line| !line.contains("bias_regularizer"))
            .fold(String::new(), |text, line| text + line + "\n");
        Model::from_toml(&model, "free").unwrap().graph
    };
    let mut without =
        Network::new(Graph::clone(&free), Sgd::new(0.1), network.options().clone()).unwrap();
    for parameter in free.parameters() {
        without.set_weights(&parameter.name, &network.weights(&parameter.name).unwrap()).unwrap();
    }
    without.train_batch(&[("x", &x), ("y", &y)]).unwrap();
    let at = free.parameters().iter().position(|it| it.name == "square.bias").unwrap();
    let plain = without.run(Mode::Training, 4).unwrap().parameter_gradient(at).unwrap();
    for ((found, plain), weight) in gradient.iter().zip(&plain).zip(&bias) {
        assert!((found - (plain + 0.2 * weight)).abs() < 1e-6, "{found} {plain} {weight}");
    }
}
