//! Networks in which several nodes share parameters.

use caudal::Tensor;
use caudal::context::Mode;
use caudal::graph::{Block, Graph, GraphBuilder};
use caudal::layers::{Add, Concat, Conv2d, Dense, Flatten, MaxPool, Relu, Tanh};
use caudal::losses::{MeanSquaredError, SoftmaxCrossEntropy};
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::report::dot;
use caudal::train::{Network, NetworkOptions, checkpoint};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Two images through one stack of convolutions, of which the second is used twice in a row, so that
/// its gradients need those of its inputs too.
fn siamese(shared: bool) -> Graph {
    let towers = Block::new("tower", |net, inputs| {
        let stem = net.layer("stem", Conv2d::new(3, 3).same(), inputs);
        let stem = net.layer("stem.tanh", Tanh, [&stem]);
        let again = Block::new("again", |net, inputs| {
            let conv = net.layer("conv", Conv2d::new(3, 3).same(), inputs);
            [net.layer("tanh", Tanh, [&conv])]
        });
        let first = net.block("first", &again, [&stem]);
        let second = net.shared_block("second", &again, &first, "first");
        let flat = net.layer("flat", Flatten, &second);
        [net.layer("dense", Dense::new(4), [&flat])]
    });
    let mut net = GraphBuilder::new("siamese");
    let (left, right) = (net.input("left", [5, 5, 2]), net.input("right", [5, 5, 2]));
    let y = net.target("y", [4]);
    let a = net.block("a", &towers, [&left]);
    let b = if shared {
        net.shared_block("b", &towers, [&right], "a")
    } else {
        net.block("b", &towers, [&right])
    };
    let sum = net.layer("sum", Add, a.iter().chain(&b));
    net.loss("loss", MeanSquaredError, [&sum, &y]);
    net.build().unwrap()
}

pub(crate) fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.iter().product()).map(|_| random.random_range(-1.0..1.0)).collect();
    Tensor::from_shape_vec(shape, values).unwrap()
}

fn network(graph: Graph, plan: PlanOptions) -> Network {
    let options = NetworkOptions::default().executor("sequential").plan(plan);
    Network::new(graph, Sgd::new(0.25), options).unwrap()
}

const ITEMS: usize = 3;

fn batch() -> Vec<(&'static str, Tensor)> {
    let image = [ITEMS, 5, 5, 2];
    vec![("left", random(&image, 1)), ("right", random(&image, 2)), ("y", random(&[ITEMS, 4], 3))]
}

fn borrowed<'a>(batch: &'a [(&'static str, Tensor)]) -> Vec<(&'static str, &'a Tensor)> {
    batch.iter().map(|(name, tensor)| (*name, tensor)).collect()
}

/// The gradient of every parameter, by name.
fn gradients(network: &mut Network) -> Vec<(String, Tensor)> {
    network.train_batch(&borrowed(&batch())).unwrap();
    let graph = network.graph().clone();
    let run = network.run(Mode::Training, ITEMS).unwrap();
    let gradient = |index| run.parameter_gradient(index).unwrap();
    let named = graph.parameters().iter().enumerate();
    named.map(|(index, parameter)| (parameter.name.clone(), gradient(index))).collect()
}

#[test]
fn shared_gradients_agree_with_central_differences() {
    const STEP: f32 = 1e-2;
    let mut network = network(siamese(true), PlanOptions::gradients());
    let batch = batch();
    let mut checked = 0;
    for (name, gradient) in gradients(&mut network) {
        let weights = network.weights(&name).unwrap();
        let stride = (weights.len() / 12).max(1);
        for place in (0..weights.len()).step_by(stride) {
            let mut loss = |shift: f32| {
                let mut moved = weights.clone();
                *moved.iter_mut().nth(place).unwrap() += shift;
                network.set_weights(&name, &moved).unwrap();
                network.evaluate_batch(&borrowed(&batch)).unwrap().loss
            };
            let difference = (loss(STEP) - loss(-STEP)) / f64::from(2.0 * STEP);
            let found = f64::from(*gradient.iter().nth(place).unwrap());
            let off = (difference - found).abs();
            assert!(off < 1e-3 * (1.0 + found.abs()), "{name} {place}: {difference} {found}");
            checked += 1;
        }
        network.set_weights(&name, &weights).unwrap();
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn a_shared_gradient_is_the_sum_of_those_of_all_users() {
    let mut shared = network(siamese(true), PlanOptions::gradients());
    let mut apart = network(siamese(false), PlanOptions::gradients());
    for parameter in apart.graph().parameters().to_vec() {
        let owner = format!("a{}", &parameter.name[1..]);
        let weights = shared.weights(&owner).unwrap();
        apart.set_weights(&parameter.name, &weights).unwrap();
    }
    let all = gradients(&mut apart);
    let found = gradients(&mut shared);
    assert_eq!((all.len(), found.len()), (12, 6));
    for (name, gradient) in found {
        let of = |name: &str| &all.iter().find(|(other, _)| other == name).unwrap().1;
        let (a, b) = (of(&name), of(&format!("b{}", &name[1..])));
        let largest = gradient.iter().fold(0f32, |most, value| most.max(value.abs()));
        assert!(largest > 1e-3, "{name}");
        for ((sum, a), b) in gradient.iter().zip(a).zip(b) {
            assert!((sum - (a + b)).abs() <= 1e-5 * largest, "{name}: {sum} of {a} and {b}");
        }
    }
}

#[test]
fn one_update_moves_shared_weights_once() {
    let keep = PlanOptions::default().keep_gradients(true);
    for plan in [keep, keep.fusion(false).parts(false)] {
        let mut network = network(siamese(true), plan);
        let names: Vec<String> =
            network.graph().parameters().iter().map(|parameter| parameter.name.clone()).collect();
        let before: Vec<Tensor> = names.iter().map(|name| network.weights(name).unwrap()).collect();
        let expected = gradients(&mut self::network(siamese(true), PlanOptions::gradients()));
        let kept = gradients(&mut network);
        for (((name, gradient), (_, kept)), before) in expected.iter().zip(&kept).zip(&before) {
            assert_eq!(gradient, kept, "{name}: what is kept is not added twice");
            let after = network.weights(name).unwrap();
            for ((after, before), gradient) in after.iter().zip(before).zip(gradient) {
                assert!((after - (before - 0.25 * gradient)).abs() < 1e-6, "{name}");
            }
        }
    }
}

/// Larger, with a rectifier over the shared layers and a head that only one of them has.
fn wide() -> Graph {
    let tower = Block::new("tower", |net, inputs| {
        let conv = net.layer("conv", Conv2d::new(16, 3).same(), inputs);
        let relu = net.layer("relu", Relu, [&conv]);
        let pool = net.layer("pool", MaxPool::new(2), [&relu]);
        let conv = net.layer("conv2", Conv2d::new(16, 3).same(), [&pool]);
        let relu = net.layer("relu2", Relu, [&conv]);
        let flat = net.layer("flat", Flatten, [&relu]);
        let dense = net.layer("dense", Dense::new(128), [&flat]);
        [net.layer("relu3", Relu, [&dense])]
    });
    let mut net = GraphBuilder::new("wide");
    let (left, right) = (net.input("left", [8, 8, 2]), net.input("right", [8, 8, 2]));
    let y = net.target("y", []);
    let a = net.block("a", &tower, [&left]);
    let b = net.shared_block("b", &tower, [&right], "a");
    let c = net.shared_block("c", &tower, [&left], "a");
    let only = net.layer("only", Dense::new(128), &a);
    let all = net.layer("all", Concat::default(), [&only, &b[0], &c[0]]);
    let logits = net.layer("logits", Dense::new(5), [&all]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &y]);
    net.build().unwrap()
}

fn trained(executor: &str, workers: usize, policy: &str, plan: PlanOptions) -> String {
    let options =
        NetworkOptions::default().executor(executor).workers(workers).policy(policy).plan(plan);
    let mut network = Network::new(wide(), Sgd::new(0.05).momentum(0.9), options).unwrap();
    for step in 0..6 {
        let image = [16, 8, 8, 2];
        let (left, right) = (random(&image, 3 * step), random(&image, 3 * step + 1));
        let y = random(&[16], 3 * step + 2).mapv(|value| ((value + 1.0) * 2.49).floor());
        let y = y.into_shared();
        network.train_batch(&[("left", &left), ("right", &right), ("y", &y)]).unwrap();
    }
    network.weights_sha256()
}

#[test]
fn every_executor_moves_shared_weights_to_the_same_bits() {
    let plan = PlanOptions::default().grain(5e-6);
    let expected = trained("sequential", 1, "fifo", plan);
    for policy in ["fifo", "critical-path"] {
        for workers in [1, 2, 3, 8] {
            assert_eq!(trained("pool", workers, policy, plan), expected, "{workers} {policy}");
        }
    }
    assert_eq!(trained("actors", 1, "fifo", plan), expected);
    assert_eq!(trained("channels", 3, "fifo", plan), expected);
    let plain = plan.in_place(false).fusion(false);
    assert_eq!(trained("pool", 2, "fifo", plain), expected, "fusion");
}

#[test]
fn files_hold_shared_parameters_once() {
    let training = TrainingConfig::default().optimizer(std::sync::Arc::new(Sgd::new(0.25)));
    let model = Model::new(siamese(true), training);
    let text = model.to_toml().unwrap();
    assert_eq!(text.matches("shares = ").count(), 5, "{text}");
    assert!(text.contains("shares = \"a/first/conv\""), "{text}");
    let again = Model::from_toml(&text, "again.toml").unwrap();
    assert_eq!(again.to_toml().unwrap(), text);
    assert_eq!(again.graph.parameters().len(), 6);
    let drawing = dot(&again.graph, None);
    assert_eq!(drawing.matches("parameters of a/").count(), 5, "{drawing}");

    let mut trained = network(siamese(true), PlanOptions::default());
    trained.train_batch(&borrowed(&batch())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("siamese.safetensors");
    trained.save(&path, &model.training).unwrap();
    let (opened, checkpoint) = checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.tensors().count(), 6);
    let options = NetworkOptions::default().seed(5);
    let optimizer = opened.training.optimizer.clone();
    let mut resumed = Network::from_parts(opened.graph, optimizer, options).unwrap();
    resumed.resume(&checkpoint).unwrap();
    for network in [&mut trained, &mut resumed] {
        network.train_batch(&borrowed(&batch())).unwrap();
    }
    assert_eq!(resumed.weights_sha256(), trained.weights_sha256());
}

#[test]
fn model_files_name_what_can_not_be_shared() {
    let text = |shares: &str| {
        format!(
            "[[node]]\nname = 'x'\nkind = 'input'\nshape = [3]\n\
             [[node]]\nname = 'a'\nkind = 'dense'\ninputs = ['x']\nunits = 2\n\
             [[node]]\nname = 'b'\nkind = 'dense'\ninputs = ['a']\nunits = 2\nshares = {shares}\n\
             [[node]]\nname = 'y'\nkind = 'target'\nshape = [2]\n\
             [[node]]\nname = 'l'\nkind = 'mean_squared_error'\ninputs = ['b', 'y']\n"
        )
    };
    for (shares, expected) in [
        ("'a'", "m.toml:10: node `b`: it shares the parameters of `a`, but needs weight 2 x 2"),
        ("'q'", "m.toml:10: node `b`: it shares the parameters of `q`, which is not a node"),
        ("3", "m.toml:15: node `b`: its `shares` is of type integer, not a string"),
    ] {
        let error = Model::from_toml(&text(shares), "m.toml").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn without_metrics_the_next_user_takes_over() {
    let mut net = GraphBuilder::new("net");
    let x = net.input("x", [3]);
    let y = net.target("y", [3]);
    let probe = net.layer("probe", Dense::new(3), [&x]);
    let first = net.layer_sharing("first", Dense::new(3), [&x], &probe);
    let second = net.layer_sharing("second", Dense::new(3), [&first], &probe);
    net.loss("loss", MeanSquaredError, [&second, &y]);
    let label = net.target("label", []);
    net.metric("metric", caudal::metrics::Accuracy, [&probe, &label]);
    let model = Model::new(net.build().unwrap(), TrainingConfig::default());
    let graph = model.without_metrics().unwrap().graph;
    assert_eq!(graph.parameter_count(), 12);
    assert_eq!(graph.shares(graph.id("second").unwrap()), Some(graph.id("first").unwrap()));
}
