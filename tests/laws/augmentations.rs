//! Laws of random changes: every kind of the table, in trainings.

use std::collections::BTreeMap;
use std::sync::Arc;

use caudal::Tensor;
use caudal::data::{AUGMENTATIONS, Augmentation, Column, Dataset, Order};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Dense, Flatten};
use caudal::losses::MeanSquaredError;
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};

const ITEMS: usize = 23;

fn graph() -> Graph {
    let mut net = GraphBuilder::new("small");
    let (image, target) = (net.input("image", [4, 5, 3]), net.target("y", [2]));
    let flat = net.layer("flat", Flatten, [&image]);
    let guess = net.layer("guess", Dense::new(2), [&flat]);
    net.loss("loss", MeanSquaredError, [&guess, &target]);
    net.build().unwrap()
}

fn data() -> Dataset {
    let numbers = |count: usize, step: usize| {
        (0..count).map(|at| ((at * step) % 101) as f32 / 101.0).collect::<Vec<_>>()
    };
    let images = Tensor::from_shape_vec(vec![ITEMS, 4, 5, 3], numbers(ITEMS * 60, 37)).unwrap();
    let targets = Tensor::from_shape_vec(vec![ITEMS, 2], numbers(ITEMS * 2, 53)).unwrap();
    let (images, targets) = (Column::new("image", images), Column::new("y", targets));
    Dataset::new("small", vec![images], vec![targets]).unwrap()
}

fn network(options: NetworkOptions) -> Network {
    Network::from_parts(Arc::new(graph()), Arc::new(Sgd::new(0.05)), options.seed(3)).unwrap()
}

/// Every sample of every kind, and mix-up.
fn cases() -> Vec<(String, Option<Arc<dyn Augmentation>>)> {
    let mut cases = vec![("mix-up".to_owned(), None)];
    for spec in AUGMENTATIONS {
        for sample in spec.samples {
            let augmentation = (spec.parse)(super::table(sample)).unwrap();
            cases.push((format!("{}: {sample}", spec.kind), Some(augmentation)));
        }
    }
    cases
}

fn options(augmentation: Option<&Arc<dyn Augmentation>>) -> FitOptions<'static> {
    let fit = FitOptions::default().epochs(3).batch_size(5).order(Order::Shuffled).seed(8);
    match augmentation {
        Some(augmentation) => {
            let list = vec![Arc::clone(augmentation)];
            fit.augment(BTreeMap::from([("image".to_owned(), list)]))
        }
        None => fit.mix_up(0.4),
    }
}

fn trained(network: &mut Network, options: &FitOptions<'_>) -> String {
    network.fit(&data(), options).unwrap();
    network.weights_sha256()
}

#[test]
fn trainings_have_the_same_bytes_on_every_executor_and_number_of_workers() {
    let plain = FitOptions::default().epochs(3).batch_size(5).seed(8);
    let plain = trained(&mut network(super::sequential(PlanOptions::default())), &plain);
    for (what, augmentation) in cases() {
        let fit = options(augmentation.as_ref());
        let alone = trained(&mut network(super::sequential(PlanOptions::default())), &fit);
        assert!(alone != plain || what.contains("1.0"), "{what} changes nothing");
        for executor in ["actors", "channels", "pool"] {
            for workers in [1, 2, 3] {
                let options = NetworkOptions::default().executor(executor).workers(workers);
                assert_eq!(trained(&mut network(options), &fit), alone, "{what}, {executor}");
            }
        }
        let other = trained(&mut network(NetworkOptions::default()), &fit.clone().seed(9));
        assert_ne!(other, alone, "{what}: another seed");
    }
}

#[test]
fn a_training_goes_on_after_a_break_as_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part");
    let training = TrainingConfig::default().optimizer(Arc::new(Sgd::new(0.05)));
    for (what, augmentation) in cases() {
        let fit = options(augmentation.as_ref());
        let whole = trained(&mut network(NetworkOptions::default()), &fit);
        // Five batches an epoch: within the first epoch, at its end, and within the second.
        for stop in [3, 5, 7] {
            let mut part = network(NetworkOptions::default());
            part.fit(&data(), &fit.clone().max_steps(stop)).unwrap();
            part.save(&path, &training).unwrap();
            let mut rest = network(NetworkOptions::default());
            rest.resume(&checkpoint::open(&path).unwrap().1).unwrap();
            assert_eq!(trained(&mut rest, &fit.clone().start(stop)), whole, "{what} at {stop}");
        }
    }
}

#[test]
fn each_epoch_changes_items_anew_and_tests_see_them_as_they_are() {
    for (what, augmentation) in cases() {
        // Nothing is learned, so that losses differ by what items became alone.
        let mut network = Network::from_parts(
            Arc::new(graph()),
            Arc::new(Sgd::new(0.0)),
            NetworkOptions::default().seed(3),
        )
        .unwrap();
        let data = data();
        let fit = options(augmentation.as_ref()).order(Order::Sequential);
        let history = network.fit(&data, &fit.validation(&data)).unwrap();
        let untouched = network.evaluate(&data, 5).unwrap();
        let losses: Vec<f64> = history.train.iter().map(|report| report.loss).collect();
        assert!(history.validation.iter().all(|report| *report == untouched), "{what}");
        if !what.contains("least = 1.0") {
            assert!(losses[0] != losses[1] && losses[1] != losses[2], "{what}: {losses:?}");
        }
    }
}

#[test]
fn with_probability_0_nothing_changes() {
    let plain = FitOptions::default().epochs(3).batch_size(5).order(Order::Shuffled).seed(8);
    let plain = trained(&mut network(NetworkOptions::default()), &plain);
    for spec in AUGMENTATIONS {
        for sample in spec.samples {
            let mut attributes = super::table(sample);
            attributes.insert("probability".to_owned(), 0.0.into());
            let never = (spec.parse)(attributes).unwrap();
            let found = trained(&mut network(NetworkOptions::default()), &options(Some(&never)));
            assert_eq!(found, plain, "{}: {sample}", spec.kind);
        }
    }
}

#[test]
fn model_files_hold_every_kind() {
    for (what, augmentation) in cases() {
        let fit = options(augmentation.as_ref());
        let training = TrainingConfig::default().augment(fit.augment.clone()).mix_up(fit.mix_up);
        let text = Model::new(graph(), training).to_toml().unwrap();
        let again = Model::from_toml(&text, "again.toml").unwrap().training;
        assert_eq!(again.mix_up, fit.mix_up, "{text}");
        let attributes = |all: &BTreeMap<String, Vec<Arc<dyn Augmentation>>>| {
            all.values().flatten().map(|it| (it.kind(), it.attributes())).collect::<Vec<_>>()
        };
        assert_eq!(attributes(&again.augment), attributes(&fit.augment), "{what}: {text}");
    }
}

#[test]
fn what_does_not_fit_is_refused_before_the_first_step() {
    let augment = |node: &str, text: &str| {
        let list = caudal::data::parse_augmentations(text).unwrap();
        FitOptions::default().augment(BTreeMap::from([(node.to_owned(), list)]))
    };
    for (fit, problem) in [
        (augment("y", "flip"), "augmentations are given for `y`, which is no input"),
        (augment("image", "shift:pixels=4"), "may leave nothing of 4 x 5"),
        (FitOptions::default().mix_up(1.5), "mix-up has 1.5"),
        (FitOptions::default().mix_up(f64::NAN), "mix-up has NaN"),
    ] {
        let message = network(NetworkOptions::default()).fit(&data(), &fit).unwrap_err();
        assert!(message.to_string().contains(problem), "{message}\nlacks\n{problem}");
    }
    // Class indices have nothing between them; rows of shares have.
    let model = Model::open(Some("mnist-cnn")).unwrap();
    let optimizer = Arc::clone(&model.training.optimizer);
    let mut network =
        Network::from_parts(Arc::clone(&model.graph), optimizer, NetworkOptions::default())
            .unwrap();
    let data = caudal::data::synthetic_for(&model.graph, 8, 1).unwrap();
    let message = network.fit(&data, &FitOptions::default().mix_up(0.2)).unwrap_err().to_string();
    assert!(message.contains("it holds class indices, and mix-up needs a share"), "{message}");
    assert!(message.contains("shape = [10]"), "{message}");
}

#[test]
fn steps_that_are_taken_again_see_the_same_items() {
    for (what, augmentation) in cases() {
        let fit = options(augmentation.as_ref());
        let errors: Vec<String> = ["sequential", "pool"]
            .map(|executor| {
                let options = NetworkOptions::default().executor(executor).seed(3);
                let optimizer = Arc::new(Sgd::new(1e18));
                let mut network =
                    Network::from_parts(Arc::new(graph()), optimizer, options).unwrap();
                let error = network.fit(&data(), &fit).unwrap_err();
                assert!(matches!(error, caudal::Error::NotFinite { .. }), "{what}: {error}");
                format!("{error} {}", network.weights_sha256())
            })
            .into();
        assert_eq!(errors[0], errors[1], "{what}");
    }
}
