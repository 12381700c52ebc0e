//! Parameters that a layer moves instead of the optimizer: the running averages of batch
//! normalisation.

use caudal::Tensor;
use caudal::context::Mode;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{BatchNorm, Conv2d, Dense, Embedding, GlobalAvgPool, Relu};
use caudal::losses::{MeanSquaredError, SoftmaxCrossEntropy};
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::Adam;
use caudal::plan::PlanOptions;
use caudal::regularizers::L2;
use caudal::train::{Network, NetworkOptions, checkpoint};

use crate::probe::borrowed;

type Batch = Vec<(String, Tensor)>;

const ITEMS: usize = 12;

/// Numbers that follow from `seed`.
fn numbers(shape: &[usize], seed: usize) -> Tensor {
    let number = |place: usize| ((place * 37 + seed * 101) % 211) as f32 / 50.0 - 2.0;
    Tensor::from_shape_vec(shape, (0..shape.iter().product()).map(number).collect()).unwrap()
}

/// Convolution, normalisation and rectifier twice, and beside them an embedding, which fails where an
/// index is out of range.
fn graph(side: usize, filters: usize) -> Graph {
    let mut net = GraphBuilder::new("normalised");
    let mut last = net.input("image", [side, side, 3]);
    for block in ["first", "second"] {
        let conv = Conv2d::new(filters, 3).same();
        last = net.layer(format!("{block}.conv"), conv, [&last]);
        last = net.layer(format!("{block}.norm"), BatchNorm::new().momentum(0.25), [&last]);
        last = net.layer(format!("{block}.relu"), Relu, [&last]);
    }
    let pooled = net.layer("pooled", GlobalAvgPool, [&last]);
    let logits = net.layer("logits", Dense::new(4), [&pooled]);
    let label = net.target("label", []);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    let index = net.input("index", []);
    let vector = net.layer("vector", Embedding::new(5, 2), [&index]);
    let wanted = net.target("wanted", [2]);
    net.loss("distance", MeanSquaredError, [&vector, &wanted]);
    net.build().unwrap()
}

fn batch(side: usize, items: usize, seed: usize) -> Batch {
    let classes = |below: usize| {
        let classes = (0..items).map(|item| ((item * 7 + seed) % below) as f32);
        Tensor::from_shape_vec(vec![items], classes.collect()).unwrap()
    };
    vec![
        ("image".into(), numbers(&[items, side, side, 3], seed)),
        ("label".into(), classes(4)),
        ("index".into(), classes(5)),
        ("wanted".into(), numbers(&[items, 2], seed)),
    ]
}

fn network(executor: &str, workers: usize, plan: PlanOptions) -> Network {
    let options = NetworkOptions::default().executor(executor).workers(workers).plan(plan);
    Network::new(graph(6, 5), Adam::default(), options).unwrap()
}

fn sequential() -> Network {
    network("sequential", 1, PlanOptions::default())
}

fn running(network: &Network) -> Vec<Vec<f32>> {
    let names = ["running_mean", "running_variance"];
    let values = |name: &str| {
        let values = network.weights(&format!("second.norm.{name}")).unwrap();
        values.iter().copied().collect()
    };
    names.map(values).into()
}

#[test]
fn they_move_in_training_only() {
    let mut network = sequential();
    let data = batch(6, ITEMS, 1);
    assert_eq!(running(&network), [vec![0.0; 5], vec![1.0; 5]]);
    network.evaluate_batch(&borrowed(&data)).unwrap();
    network.predict(&borrowed(&data)).unwrap();
    assert_eq!(running(&network), [vec![0.0; 5], vec![1.0; 5]]);
    network.train_batch(&borrowed(&data)).unwrap();
    let moved = running(&network);
    assert!(moved[0].iter().all(|&mean| mean != 0.0) && moved[1].iter().all(|&it| it != 1.0));
    let hash = network.weights_sha256();
    network.set_weights("second.norm.running_mean", &numbers(&[5], 3)).unwrap();
    assert_ne!(network.weights_sha256(), hash, "they are part of the weights");
}

#[test]
fn a_failed_step_leaves_them_as_they_were() {
    for grain in [60e-6, 1e-9] {
        let plan = PlanOptions::default().grain(grain);
        let mut network = network("pool", 2, plan);
        network.train_batch(&borrowed(&batch(6, ITEMS, 1))).unwrap();
        let hash = network.weights_sha256();
        let mut broken = batch(6, ITEMS, 2);
        broken[2].1.fill(9.0);
        let error = network.train_batch(&borrowed(&broken)).unwrap_err().to_string();
        assert!(error.contains("`vector`"), "{error}");
        assert_eq!(network.weights_sha256(), hash);
        let mut other = self::network("pool", 2, plan);
        for seed in [1, 3] {
            other.train_batch(&borrowed(&batch(6, ITEMS, seed))).unwrap();
        }
        network.train_batch(&borrowed(&batch(6, ITEMS, 3))).unwrap();
        assert_eq!(network.weights_sha256(), other.weights_sha256());
    }
}

#[test]
fn executors_and_workers_do_not_matter() {
    for grain in [60e-6, 1e-9] {
        let plan = PlanOptions::default().grain(grain);
        let mut hashes = Vec::new();
        for (executor, workers) in
            [("sequential", 1), ("actors", 1), ("channels", 3), ("pool", 1), ("pool", 3)]
        {
            let mut network = network(executor, workers, plan);
            for seed in 0..4 {
                network.train_batch(&borrowed(&batch(6, 40, seed))).unwrap();
            }
            hashes.push(network.weights_sha256());
        }
        hashes.dedup();
        assert_eq!(hashes.len(), 1, "grain {grain}");
    }
}

#[test]
fn training_resumes_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("normalised.safetensors");
    let steps = |network: &mut Network, seeds: std::ops::Range<usize>| {
        for seed in seeds {
            network.train_batch(&borrowed(&batch(6, ITEMS, seed))).unwrap();
        }
    };
    let mut whole = sequential();
    steps(&mut whole, 0..5);
    let mut half = sequential();
    steps(&mut half, 0..3);
    half.save(&path, &TrainingConfig::default()).unwrap();
    let (model, checkpoint) = checkpoint::open(&path).unwrap();
    let options = NetworkOptions::default().seed(99);
    let mut resumed = Network::from_parts(model.graph, model.training.optimizer, options).unwrap();
    resumed.resume(&checkpoint).unwrap();
    assert_eq!(running(&resumed), running(&half));
    steps(&mut resumed, 3..5);
    assert_eq!(resumed.weights_sha256(), whole.weights_sha256());
    let error = whole.optimizer_state("first.norm.running_mean", "mean").unwrap_err();
    assert!(error.to_string().contains("optimizer state"), "{error}");
}

#[test]
fn shared_ones_move_once_for_every_use() {
    let node = |name: &str, kind: &str, rest: &str| {
        format!("[[node]]\nname = \"{name}\"\nkind = \"{kind}\"\n{rest}\n")
    };
    let text = [
        node("a", "input", "shape = [3]"),
        node("b", "input", "shape = [3]"),
        node("wanted", "target", "shape = [3]"),
        node("first", "batch_norm", "momentum = 0.5\ninputs = [\"a\"]"),
        node("second", "batch_norm", "momentum = 0.5\ninputs = [\"b\"]\nshares = \"first\""),
        node("one", "mean_squared_error", "inputs = [\"first\", \"wanted\"]"),
        node("two", "mean_squared_error", "inputs = [\"second\", \"wanted\"]"),
    ]
    .concat();
    let model = Model::from_toml(&text, "shared").unwrap();
    let options = NetworkOptions::default();
    let mut network = Network::from_parts(model.graph, model.training.optimizer, options).unwrap();
    let data: Batch = ["a", "b", "wanted"]
        .into_iter()
        .enumerate()
        .map(|(seed, name)| (name.to_owned(), numbers(&[8, 3], seed)))
        .collect();
    network.train_batch(&borrowed(&data)).unwrap();
    let found = network.weights("first.running_mean").unwrap();
    for channel in 0..3 {
        let mean = |input: usize| {
            let column = data[input].1.iter().skip(channel).step_by(3);
            column.sum::<f32>() / 8.0
        };
        let expected = 0.5 * (0.5 * mean(0)) + 0.5 * mean(1);
        assert!((found[[channel]] - expected).abs() < 1e-6, "{} {expected}", found[[channel]]);
    }
}

#[test]
fn frozen_layers_use_their_averages_and_keep_them() {
    let mut net = GraphBuilder::new("frozen");
    let x = net.input("x", [3]);
    let before = net.layer("before", Dense::new(4), [&x]);
    let norm = net.layer("norm", BatchNorm::new(), [&before]);
    let after = net.layer("after", Dense::new(2), [&norm]);
    let wanted = net.target("wanted", [2]);
    net.loss("loss", MeanSquaredError, [&after, &wanted]);
    net.trainable(&norm, false);
    let options = NetworkOptions::default();
    let mut network = Network::new(net.build().unwrap(), Adam::default(), options).unwrap();
    for (name, seed) in [("running_mean", 1), ("weight", 2)] {
        network.set_weights(&format!("norm.{name}"), &numbers(&[4], seed)).unwrap();
    }
    let weights = |network: &Network, node: &str| {
        let parameters = network.graph().parameters().iter();
        let of_node = parameters.filter(|parameter| parameter.name.starts_with(node));
        of_node.map(|parameter| network.weights(&parameter.name).unwrap()).collect::<Vec<_>>()
    };
    let (norm, before) = (weights(&network, "norm."), weights(&network, "before."));
    let data: Batch =
        vec![("x".into(), numbers(&[8, 3], 1)), ("wanted".into(), numbers(&[8, 2], 2))];
    let evaluated = network.evaluate_batch(&borrowed(&data)).unwrap().loss;
    let trained = network.train_batch(&borrowed(&data)).unwrap().loss;
    assert_eq!(trained.to_bits(), evaluated.to_bits());
    assert_eq!(weights(&network, "norm."), norm);
    assert_ne!(weights(&network, "before."), before);
}

#[test]
fn statistics_have_no_regularizer() {
    let mut net = GraphBuilder::new("pulled");
    let x = net.input("x", [3]);
    let norm = net.layer("norm", BatchNorm::new(), [&x]);
    net.output(&norm);
    net.regularizer(&norm, "running_mean", L2::new(1e-4));
    let error = net.build().unwrap_err().to_string();
    assert!(error.contains("`norm`") && error.contains("`running_mean`"), "{error}");
    assert!(error.contains("its parameters are `weight` and `bias`"), "{error}");
}

#[test]
fn normalised_networks_keep_several_cores_busy() {
    let options = NetworkOptions::default();
    let mut network = Network::new(graph(28, 32), Adam::default(), options).unwrap();
    let plan = network.run(Mode::Training, 64).unwrap().plan().clone();
    let costs = plan.estimated_costs();
    let spans: Vec<f64> =
        (0..plan.task_count()).map(|task| costs[task] / plan.task(task).parts as f64).collect();
    let (_, span) = plan.critical_path(&spans);
    let bound = costs.iter().sum::<f64>() / span;
    assert!(bound > 4.0, "work over span is {bound}");
}
