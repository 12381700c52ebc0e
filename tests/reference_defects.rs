//! What the system that the article comes from gets wrong, where no other test shows that it is right
//! here; and that `docs/reference-defects.md` names a test for each of its defects.

use std::path::Path;
use std::sync::Arc;

use caudal::Tensor;
use caudal::data::{Column, Dataset};
use caudal::graph::{Block, Graph, GraphBuilder};
use caudal::layers::{Dense, Subtract, Tanh};
use caudal::losses::MeanSquaredError;
use caudal::metrics::Mae;
use caudal::model::TrainingConfig;
use caudal::optimizers::{Adam, Optimizer, Sgd};
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};

fn numbers(shape: &[usize], step: f32) -> Tensor {
    let values = (0..shape.iter().product()).map(|at| (1.0 + at as f32 * step).sin());
    Tensor::from_shape_vec(shape, values.collect()).unwrap()
}

/// Two inputs of which the first minus the second counts.
fn difference() -> Graph {
    let mut net = GraphBuilder::new("difference");
    let (left, right) = (net.input("left", [3]), net.input("right", [3]));
    let y = net.target("y", [3]);
    let minus = net.layer("minus", Subtract, [&left, &right]);
    let dense = net.layer("dense", Dense::new(3), [&minus]);
    net.loss("loss", MeanSquaredError, [&dense, &y]);
    net.build().unwrap()
}

fn batch() -> [(&'static str, Tensor); 3] {
    [("left", 0.7), ("right", 0.3), ("y", 0.4)].map(|(name, step)| (name, numbers(&[5, 3], step)))
}

fn borrowed<'a>(batch: &'a [(&'static str, Tensor)]) -> Vec<(&'static str, &'a Tensor)> {
    batch.iter().map(|(name, tensor)| (*name, tensor)).collect()
}

fn network(optimizer: Arc<dyn Optimizer>) -> Network {
    Network::from_parts(Arc::new(difference()), optimizer, NetworkOptions::default()).unwrap()
}

#[test]
fn networks_share_an_optimizer_but_not_its_state() {
    let adam = || Arc::new(Adam::new(0.1)) as Arc<dyn Optimizer>;
    let batch = batch();
    let shared = adam();
    let (mut first, mut second) = (network(Arc::clone(&shared)), network(shared));
    for _ in 0..3 {
        first.train_batch(&borrowed(&batch)).unwrap();
    }
    second.train_batch(&borrowed(&batch)).unwrap();
    let mut alone = network(adam());
    alone.train_batch(&borrowed(&batch)).unwrap();
    assert_eq!(second.weights_sha256(), alone.weights_sha256());
    assert_ne!(first.weights_sha256(), alone.weights_sha256());
}

#[test]
fn a_loaded_network_predicts_again_and_again_whatever_the_order_of_inputs() {
    let batch = batch();
    let mut before = network(Arc::new(Adam::new(0.1)));
    before.train_batch(&borrowed(&batch)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    before.save(&path, &TrainingConfig::default()).unwrap();
    let mut after = Network::load(&path, NetworkOptions::default()).unwrap();
    assert_eq!((after.step(), after.optimizer().kind()), (1, "adam"));
    let expected = before.predict(&borrowed(&batch)).unwrap();
    let mut turned = borrowed(&batch);
    turned.reverse();
    for _ in 0..3 {
        assert_eq!(after.predict(&borrowed(&batch)).unwrap(), expected);
        assert_eq!(after.predict(&turned).unwrap(), expected);
    }
    for _ in 0..3 {
        let reports = [&mut before, &mut after].map(|it| it.train_batch(&turned).unwrap());
        assert_eq!(reports[0], reports[1]);
    }
    assert_eq!(before.weights_sha256(), after.weights_sha256());
}

#[test]
fn a_network_without_losses_is_saved_without_an_optimizer() {
    let mut net = GraphBuilder::new("prediction alone");
    let x = net.input("x", [3]);
    let dense = net.layer("dense", Dense::new(2), [&x]);
    net.output(&dense);
    let graph = net.build().unwrap();
    let before = Network::new(graph, Adam::new(0.1), NetworkOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    before.save(&path, &TrainingConfig::default()).unwrap();
    let (_, held) = checkpoint::open(&path).unwrap();
    let names: Vec<&str> = held.tensors().map(|(name, _)| name).collect();
    assert_eq!(names, ["dense.bias", "dense.weight"]);
    let mut after = Network::load(&path, NetworkOptions::default()).unwrap();
    assert_eq!(before.weights_sha256(), after.weights_sha256());
    let x = numbers(&[4, 3], 0.7);
    let error = after.evaluate_batch(&[("x", &x)]).unwrap_err().to_string();
    assert!(error.contains("graph `prediction alone`: it has no loss and no metric"), "{error}");
    let data = Dataset::new("x", vec![Column::new("x", x)], Vec::new()).unwrap();
    assert!(after.evaluate(&data, 2).is_err());
    let error = after.predict_data(&data, 0).unwrap_err().to_string();
    assert!(error.contains("the batch size is 0"), "{error}");
    assert!(after.predict_data_stream(&data, 0, 1).is_err());
}

#[test]
fn validation_is_on_the_validation_data() {
    let data = |items: usize, step: f32| {
        let column = |name: &str, step| Column::new(name, numbers(&[items, 3], step));
        let inputs = vec![column("left", step), column("right", 2.0 * step)];
        Dataset::new("numbers", inputs, vec![column("y", 0.5 * step)]).unwrap()
    };
    let (train, validation) = (data(7, 0.7), data(5, 1.3));
    let mut network = network(Arc::new(Sgd::new(0.1)));
    let fit = FitOptions::default().epochs(2).batch_size(3).validation(&validation);
    let history = network.fit(&train, &fit).unwrap();
    assert_eq!(history.validation[1], network.evaluate(&validation, 3).unwrap());
    assert_eq!(history.validation[1].items, 5);
    assert_ne!(history.validation[1].loss, network.evaluate(&train, 3).unwrap().loss);
}

#[test]
fn metrics_are_over_all_items_though_the_last_batch_is_short() {
    let mut net = difference().edit();
    net.metric("mae", Mae, ["dense", "y"]);
    let graph = net.build().unwrap();
    let mut network = Network::new(graph, Sgd::new(0.1), NetworkOptions::default()).unwrap();
    let column = |name: &str, step| Column::new(name, numbers(&[7, 3], step));
    let inputs = vec![column("left", 0.9), column("right", 0.2)];
    let data = Dataset::new("seven", inputs, vec![column("y", 1.1)]).unwrap();
    let whole = network.evaluate(&data, 7).unwrap();
    for size in 1..7 {
        let cut = network.evaluate(&data, size).unwrap();
        assert!((cut.loss - whole.loss).abs() < 1e-6 && cut.items == 7, "{size}");
        let [cut, whole] = [&cut, &whole].map(|report| report.value("mae").unwrap());
        assert!((cut - whole).abs() < 1e-6, "{size}: {cut} and {whole}");
    }
}

#[test]
fn a_shared_block_may_begin_with_a_dense_layer() {
    let block = Block::new("dense first", |net, inputs| {
        let dense = net.layer("dense", Dense::new(3), inputs);
        [net.layer("tanh", Tanh, [&dense])]
    });
    let mut net = GraphBuilder::new("twice");
    let (x, y) = (net.input("x", [3]), net.target("y", [3]));
    let first = net.block("first", &block, [&x]);
    let second = net.shared_block("second", &block, &first, "first");
    net.loss("loss", MeanSquaredError, [&second[0], &y]);
    let mut network =
        Network::new(net.build().unwrap(), Sgd::new(0.2), NetworkOptions::default()).unwrap();
    let (x, y) = (numbers(&[6, 3], 0.7), numbers(&[6, 3], 0.4));
    let batch = [("x", &x), ("y", &y)];
    let name = "first/dense.weight";
    let before = network.weights(name).unwrap();
    // The step of plain descent is the gradient; compare it with central differences.
    let mut expected = Vec::new();
    for place in 0..before.len() {
        let mut loss = |shift: f32| {
            let mut moved = before.clone();
            moved.as_slice_mut().unwrap()[place] += shift;
            network.set_weights(name, &moved).unwrap();
            network.evaluate_batch(&batch).unwrap().loss
        };
        expected.push((loss(1e-2) - loss(-1e-2)) / 2e-2);
    }
    network.set_weights(name, &before).unwrap();
    network.train_batch(&batch).unwrap();
    let after = network.weights(name).unwrap();
    for ((before, after), expected) in before.iter().zip(&after).zip(expected) {
        let gradient = f64::from(before - after) / 0.2;
        assert!((gradient - expected).abs() < 1e-3, "{gradient} and {expected}");
    }
    let error = network.weights("second/dense.weight").unwrap_err().to_string();
    assert!(error.contains("shares the parameters of another; ask for `first/dense.weight`"));
}

#[test]
fn fans_of_convolutions_count_the_window() {
    let fans = |kind: &str, attributes: &str, inputs: &[usize]| {
        let attributes = attributes.parse().unwrap();
        let layer = (caudal::layers::find(kind).unwrap().parse)(attributes).unwrap();
        let weight = &layer.parameters(&[inputs])[0];
        (weight.fan_in, weight.fan_out)
    };
    let image = &[9, 9, 4];
    assert_eq!(fans("dense", "units = 6", &[7]), (7, 6));
    assert_eq!(fans("conv2d", "filters = 6\nkernel = [3, 5]", image), (15 * 4, 15 * 6));
    // A filter sees the channels of its group alone, and a channel the filters of its group.
    assert_eq!(fans("conv2d", "filters = 6\nkernel = [3, 5]\ngroups = 2", image), (15 * 2, 15 * 3));
    assert_eq!(fans("depthwise_conv2d", "kernel = 3\nmultiplier = 2", image), (9, 9 * 2));
    assert_eq!(fans("conv2d_transpose", "filters = 6\nkernel = 3", image), (9 * 4, 9 * 6));
}

/// The cells of a table's row.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn every_defect_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/reference-defects.md")).unwrap();
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells = cells(line);
        assert_eq!(cells.len(), 3, "{line}");
        rows += 1;
        let tests: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test is named in: {line}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("`{test}`"));
            let source = std::fs::read_to_string(root.join(file))
                .unwrap_or_else(|error| panic!("`{file}`: {error}"));
            let definition = format!("#[test]\nfn {name}()");
            let found = source.lines().map(str::trim).collect::<Vec<_>>().join("\n");
            assert!(found.contains(&definition), "`{test}` is no test");
        }
    }
    assert!(rows >= 35, "{rows}");
}
