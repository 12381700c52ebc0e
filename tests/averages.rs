//! Exponential moving averages of weights: who uses them, and where they are kept. That they are the right numbers is in
//! `clipping`.

use std::sync::Arc;

use caudal::Tensor;
use caudal::data::{Dataset, digits};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{BatchNorm, Dense, Flatten, Relu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::model::TrainingConfig;
use caudal::optimizers::{Adam, Sgd};
use caudal::train::callbacks::{EarlyStopping, Watch};
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};

use crate::command_line::{json, path};

fn graph() -> Graph {
    let mut net = GraphBuilder::new("averaged");
    let (image, label) = (net.input("image", [8, 8, 1]), net.target("label", []));
    let flat = net.layer("flat", Flatten, [&image]);
    let first = net.layer("first", Dense::new(16), [&flat]);
    let norm = net.layer("norm", BatchNorm::default(), [&first]);
    let relu = net.layer("relu", Relu, [&norm]);
    let logits = net.layer("logits", Dense::new(10), [&relu]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.build().unwrap()
}

fn options(executor: &str) -> NetworkOptions {
    NetworkOptions::default().workers(2).executor(executor)
}

fn network(executor: &str) -> Network {
    Network::new(graph(), Adam::new(0.01).ema_decay(0.95), options(executor)).unwrap()
}

fn few() -> (Dataset, Dataset) {
    let (train, test) = digits().unwrap();
    let first = |data: &Dataset, count| data.subset(&(0..count).collect::<Vec<_>>()).unwrap();
    (first(&train, 320), first(&test, 100))
}

/// A network without averages whose weights are those of another.
fn of_averages(network: &Network) -> Network {
    let mut plain = Network::new(graph(), Sgd::default(), options("sequential")).unwrap();
    for parameter in network.graph().parameters() {
        let average = network.averaged_weights(&parameter.name).unwrap();
        plain.set_weights(&parameter.name, &average).unwrap();
    }
    plain
}

#[test]
fn evaluation_and_prediction_use_averages_and_training_does_not() {
    let (train, test) = few();
    let fit = FitOptions::default().epochs(2).max_steps(15).batch_size(32);
    let mut plain = Network::new(graph(), Adam::new(0.01), options("pool")).unwrap();
    plain.fit(&train, &fit).unwrap();
    let mut averages: Option<Vec<Tensor>> = None;
    for executor in ["sequential", "pool", "actors", "channels"] {
        let mut network = network(executor);
        let before = network.evaluate(&test, 50).unwrap();
        assert_eq!(before, of_averages(&network).evaluate(&test, 50).unwrap(), "no step yet");
        network.fit(&train, &fit).unwrap();
        assert_eq!(network.weights_sha256(), plain.weights_sha256(), "{executor}");
        let names = network.graph().parameters().iter().map(|parameter| parameter.name.clone());
        let names: Vec<String> = names.collect();
        let own: Vec<Tensor> =
            names.iter().map(|name| network.averaged_weights(name).unwrap()).collect();
        for (name, average) in names.iter().zip(&own) {
            let same = *average == network.weights(name).unwrap();
            assert_eq!(same, name.contains("running"), "{name}: statistics are averages already");
        }
        assert_eq!(averages.get_or_insert_with(|| own.clone()), &own, "{executor}");

        let mut other = of_averages(&network);
        let report = network.evaluate(&test, 50).unwrap();
        assert_eq!(report, other.evaluate(&test, 50).unwrap());
        assert_ne!(report.loss, plain.evaluate(&test, 50).unwrap().loss);
        let outputs = network.predict_data(&test, 50).unwrap();
        assert_eq!(outputs, other.predict_data(&test, 50).unwrap());
        let stream: Vec<_> = network.predict_data_stream(&test, 100, 2).unwrap().collect();
        assert_eq!(stream[0].as_ref().unwrap(), &outputs);
        assert_eq!(network.freeze().unwrap().predict_data(&test, 50).unwrap(), outputs);

        // Training goes on with the weights, and evaluation with what has become of the averages.
        network.fit(&train, &fit.clone().start(15).max_steps(16)).unwrap();
        let after = network.evaluate(&test, 50).unwrap();
        assert_eq!(after, of_averages(&network).evaluate(&test, 50).unwrap());
        assert_ne!(after.loss, report.loss);
    }
}

#[test]
fn saved_networks_have_weights_and_averages() {
    let (train, test) = few();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("averaged.safetensors");
    let fit = FitOptions::default().epochs(2).max_steps(14).batch_size(32).validation(&test);
    let mut whole = network("pool");
    let history = whole.fit(&train, &fit).unwrap();
    let mut first = network("pool");
    first.fit(&train, &fit.clone().max_steps(6)).unwrap();
    first.save(&file, &TrainingConfig::default()).unwrap();

    let (model, saved) = checkpoint::open(&file).unwrap();
    assert!(saved.tensors().any(|(name, _)| name == "optimizer.average.logits.bias"));
    assert!(saved.tensors().all(|(name, _)| name != "optimizer.average.norm.running_mean"));
    let optimizer = Arc::clone(&model.training.optimizer);
    let mut second = Network::from_parts(model.graph, optimizer, options("sequential")).unwrap();
    second.resume(&saved).unwrap();
    assert_eq!(second.evaluate(&test, 50).unwrap(), first.evaluate(&test, 50).unwrap());
    let again = second.fit(&train, &fit.clone().start(6)).unwrap();
    assert_eq!(second.weights_sha256(), whole.weights_sha256());
    assert_eq!(again.validation.last(), history.validation.last());

    // Who takes weights alone takes the averages.
    let mut other = Network::new(graph(), Sgd::default(), options("sequential")).unwrap();
    other.load_weights(&file).unwrap();
    assert_eq!(other.weights_sha256(), of_averages(&first).weights_sha256());
    let mut other = Network::new(graph(), Sgd::default(), options("sequential")).unwrap();
    other.load_matching(&file, &["*"]).unwrap();
    assert_eq!(other.weights_sha256(), of_averages(&first).weights_sha256());

    // Without averages it is another training.
    let mut plain = Network::new(graph(), Adam::new(0.01), options("sequential")).unwrap();
    let error = plain.resume(&saved).unwrap_err().to_string();
    assert!(error.contains("optimizer.average."), "{error}");
}

#[test]
fn going_back_to_the_best_epoch_takes_its_averages() {
    let (train, test) = few();
    let fit = FitOptions::default().epochs(3).batch_size(32).validation(&test);
    let mut network = network("pool");
    // The first epoch stays the best: nothing is lower than its loss by 100.
    let mut stopping = EarlyStopping::new(Watch::lower("loss").min_delta(100.0), 2).restore_best();
    let history = network.fit_with(&train, &fit, &mut [&mut stopping]).unwrap();
    assert_eq!(history.validation.len(), 3);
    let best = network.evaluate(&test, 32).unwrap();
    assert_eq!((best, network.step()), (history.validation[0].clone(), 10));
}

#[test]
fn a_step_that_fails_leaves_the_averages_before_it() {
    let (train, _) = few();
    let fit = FitOptions::default().batch_size(32);
    // The losses stay finite until weights are too large to be multiplied.
    let new = || Network::new(graph(), Sgd::new(1e30).ema_decay(0.9), options("pool")).unwrap();
    let mut network = new();
    let error = network.fit(&train, &fit).unwrap_err().to_string();
    assert!(error.contains("not finite"), "{error}");
    let step = network.step();
    let mut before = new();
    before.fit(&train, &fit.clone().max_steps(step.max(1))).ok();
    assert_eq!(network.step(), before.step());
    assert_eq!(network.weights_sha256(), before.weights_sha256());
    for parameter in network.graph().parameters() {
        let [own, expected] =
            [&network, &before].map(|it| it.averaged_weights(&parameter.name).unwrap());
        assert_eq!(own, expected, "{}", parameter.name);
    }
}

#[test]
fn the_program_tests_and_saves_averages() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "averaged.safetensors");
    let short = ["--quiet", "--max-steps", "20", "--save", &file];
    let trained = json(&[&["train", "article-dag", "--ema-decay", "0.9"], &short[..]].concat());
    let tested = json(&["evaluate", &file]);
    assert_eq!(tested["loss"], trained["loss"]);
    let plain = json(&["train", "article-dag", "--quiet", "--max-steps", "20"]);
    assert_eq!(plain["weights_sha256"], trained["weights_sha256"]);
    assert_ne!(plain["loss"], trained["loss"]);
    let (code, line) =
        crate::command_line::refused(&["train", "article-dag", "--ema-decay", "1.0"]);
    assert!(code == 2 && line.contains("`ema_decay`"), "{line}");
}
