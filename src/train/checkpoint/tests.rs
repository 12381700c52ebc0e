//! Saving, going on, and files that are not what they should be.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

use super::{file, open};
use crate::data::{Dataset, Order, digits};
use crate::error::{Error, Result};
use crate::graph::GraphBuilder;
use crate::layers::{Concat, Conv2d, Dense, Flatten, Relu};
use crate::losses::{MeanSquaredError, SoftmaxCrossEntropy};
use crate::model::{Model, TrainingConfig};
use crate::optimizers::Sgd;
use crate::train::{FitOptions, Network, NetworkOptions};

fn model() -> Model {
    let mut net = GraphBuilder::new("two \"branches\"");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);
    let left = net.layer("left", Conv2d::new(3, 3), [&image]);
    let left = net.layer("left.flat", Flatten, [&left]);
    let right = net.layer("right.flat", Flatten, [&image]);
    let right = net.layer("right", Dense::new(19), [&right]);
    let right = net.layer("right.relu", Relu, [&right]);
    let both = net.layer("both", Concat::default(), [&left, &right]);
    let logits = net.layer("logits", Dense::new(10), [&both]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    let optimizer = std::sync::Arc::new(Sgd::new(0.05).momentum(0.9));
    let training =
        TrainingConfig { batch_size: 16, epochs: 3, optimizer, ..TrainingConfig::default() };
    Model::new(net.build().unwrap(), training)
}

fn network(model: &Model, seed: u64) -> Network {
    let options = NetworkOptions::default().seed(seed).executor("sequential").workers(1);
    let (graph, optimizer) = (model.graph.clone(), model.training.optimizer.clone());
    Network::from_parts(graph, optimizer, options).unwrap()
}

/// Some steps over consecutive items.
fn train(network: &mut Network, data: &Dataset, from: usize, steps: usize) {
    for step in from..from + steps {
        let items: Vec<usize> = (step * 16..(step + 1) * 16).collect();
        let part = data.subset(&items).unwrap();
        let options = FitOptions::default().batch_size(16).order(Order::Sequential);
        assert_eq!(network.fit(&part, &options).unwrap().steps, 1);
    }
}

/// A trained network in a file.
fn saved() -> (TempDir, std::path::PathBuf, Network) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let model = model();
    let mut network = network(&model, 1);
    train(&mut network, &digits().unwrap().0, 0, 2);
    network.save(&path, &model.training).unwrap();
    (folder, path, network)
}

/// Type, shape and bytes by name.
type Arrays = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// Writes arrays as another program would.
fn write_foreign(path: &Path, arrays: &Arrays) {
    let views = arrays.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn foreign(network: &Network) -> Arrays {
    let arrays = network.graph().parameters().iter().map(|parameter| {
        let values = network.weights(&parameter.name).unwrap();
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        (parameter.name.clone(), (Dtype::F32, values.shape().to_vec(), bytes))
    });
    arrays.collect()
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn training_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let (data, _) = digits().unwrap();
    let model = model();

    let mut whole = network(&model, 7);
    train(&mut whole, &data, 0, 10);

    let mut half = network(&model, 7);
    train(&mut half, &data, 0, 5);
    half.save(&path, &model.training).unwrap();
    train(&mut half, &data, 5, 5);
    assert_eq!(half.weights_sha256(), whole.weights_sha256());

    let (again, checkpoint) = open(&path).unwrap();
    assert_eq!(again.to_toml().unwrap(), model.to_toml().unwrap());
    assert_eq!(checkpoint.step(), 5);
    assert_eq!(checkpoint.path(), path);
    let mut resumed = network(&again, 99);
    resumed.resume(&checkpoint).unwrap();
    train(&mut resumed, &data, 5, 5);
    assert_eq!(resumed.step(), 10);
    assert_eq!(resumed.weights_sha256(), whole.weights_sha256());
    for parameter in whole.graph().parameters() {
        let velocity = |network: &Network| {
            let values = network.optimizer_state(&parameter.name, "velocity").unwrap();
            values.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(velocity(&resumed), velocity(&whole), "{}", parameter.name);
        assert!(velocity(&whole).iter().any(|&bits| bits != 0), "{}", parameter.name);
    }

    // Without the velocity it would have gone elsewhere.
    let mut weights_only = network(&again, 99);
    weights_only.load_weights(&path).unwrap();
    assert_eq!(weights_only.step(), 0);
    train(&mut weights_only, &data, 5, 5);
    assert_ne!(weights_only.weights_sha256(), whole.weights_sha256());
}

#[test]
fn equal_networks_make_equal_files() {
    let (folder, path, network) = saved();
    let other = folder.path().join("other.safetensors");
    network.save(&other, &model().training).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(other).unwrap());
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["m.safetensors", "other.safetensors"], "nothing is left over");
}

#[test]
fn the_optimizer_in_the_file_is_the_networks() {
    let (_folder, path, network) = saved();
    network.save(&path, &TrainingConfig::default()).unwrap();
    let (model, _) = open(&path).unwrap();
    assert_eq!(model.training.batch_size, 32);
    assert_eq!(model.training.optimizer.attributes(), network.optimizer().attributes());
}

#[test]
fn saving_where_nothing_can_be_saved_names_the_path() {
    let (folder, path, network) = saved();
    let missing = folder.path().join("missing").join("m.safetensors");
    let error = network.save(&missing, &model().training).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(network.save(folder.path(), &model().training).is_err());
    assert!(message(network.save("/", &model().training)).contains("no name of a file"));
    assert!(open(&path).is_ok(), "what was there stays");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn weights_of_other_programs_are_taken() {
    let (folder, _, trained) = saved();
    let path = folder.path().join("foreign.safetensors");
    write_foreign(&path, &foreign(&trained));
    let mut other = network(&model(), 5);
    other.load_weights(&path).unwrap();
    assert_eq!(other.weights_sha256(), trained.weights_sha256());
    let error = message(open(&path));
    assert!(error.contains("it holds weights, but no model"), "{error}");
}

#[test]
fn weights_that_do_not_fit_are_refused_and_change_nothing() {
    let (folder, saved_path, trained) = saved();
    let path = folder.path().join("foreign.safetensors");
    let mut other = network(&model(), 5);
    let before = other.weights_sha256();
    let mut refused = |change: &dyn Fn(&mut Arrays)| {
        let mut arrays = foreign(&trained);
        change(&mut arrays);
        write_foreign(&path, &arrays);
        let error = message(other.load_weights(&path));
        assert_eq!(other.weights_sha256(), before);
        assert!(error.contains("foreign.safetensors"), "{error}");
        error
    };
    let error = refused(&|arrays| drop(arrays.remove("right.weight")));
    assert!(error.contains("`right.weight`") && error.contains("missing"), "{error}");
    assert!(error.contains("64 x 19"), "{error}");
    let error = refused(&|arrays| arrays.get_mut("right.weight").unwrap().1 = vec![19, 64]);
    assert!(error.contains("its shape is 19 x 64, but the graph needs 64 x 19"), "{error}");
    let error = refused(&|arrays| {
        arrays.insert("left.scale".to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    assert!(error.contains("`left.scale`") && error.contains("no parameter"), "{error}");
    let error = refused(&|arrays| arrays.get_mut("left.bias").unwrap().0 = Dtype::I32);
    assert!(error.contains("`left.bias`") && error.contains("I32"), "{error}");

    let error = message(other.load_weights(folder.path().join("missing")));
    assert!(error.contains("missing"), "{error}");
    assert!(message(other.load_weights(folder.path())).contains("not a file"));
    other.load_weights(&saved_path).unwrap();
}

#[test]
fn another_optimizer_can_not_go_on() {
    let (_folder, path, trained) = saved();
    let (mut model, checkpoint) = open(&path).unwrap();
    model.training.optimizer = std::sync::Arc::new(Sgd::new(0.1));
    let mut plain = network(&model, 3);
    let before = plain.weights_sha256();
    let error = message(plain.resume(&checkpoint));
    assert!(error.contains("`optimizer.velocity."), "{error}");
    assert_eq!((plain.weights_sha256(), plain.step()), (before, 0));

    let path = path.with_file_name("plain.safetensors");
    plain.load_weights(checkpoint.path()).unwrap();
    plain.save(&path, &model.training).unwrap();
    let (_, checkpoint) = open(&path).unwrap();
    let mut other = network(&self::model(), 3);
    let error = message(other.resume(&checkpoint));
    assert!(error.contains("velocity") && error.contains("missing"), "{error}");
    assert_ne!(other.weights_sha256(), trained.weights_sha256());
}

#[test]
fn names_that_collide_are_refused() {
    let mut net = GraphBuilder::new("collide");
    let x = net.input("x", [2]);
    let a = net.layer("a", Dense::new(2), [&x]);
    let b = net.layer("optimizer.velocity.a", Dense::new(2), [&a]);
    net.loss("loss", MeanSquaredError, [&b, &x]);
    let mut model = model();
    model.graph = std::sync::Arc::new(net.build().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let error = message(network(&model, 0).save(folder.path().join("f"), &model.training));
    assert!(error.contains("two arrays would be called `optimizer.velocity.a."), "{error}");
}

#[test]
fn headers_that_lie_are_refused() {
    let path = Path::new("lie.safetensors");
    let parse = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        file::parse(path, &bytes)
    };
    let array = |shape: &str, start: u64, end: u64| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    assert!(parse("{}", 0).is_ok());
    assert!(parse(&format!(r#"{{"a":{}}}"#, array("[2]", 0, 8)), 8).is_ok());
    let max = u64::MAX;
    for (header, data) in [
        (format!(r#"{{"a":{}}}"#, array("[2]", 0, 8)), 7),
        (format!(r#"{{"a":{}}}"#, array("[2]", 0, 8)), 9),
        (format!(r#"{{"a":{}}}"#, array("[3]", 0, 8)), 8),
        (format!(r#"{{"a":{}}}"#, array("[2]", 8, 0)), 8),
        (format!(r#"{{"a":{}}}"#, array("[2305843009213693951]", 0, max - 3)), 8),
        (format!(r#"{{"a":{}}}"#, array("[576460752303423487]", 0, (1 << 61) - 4)), 8),
        (format!(r#"{{"a":{}}}"#, array("[4294967296,4294967296]", 0, 0)), 0),
        (format!(r#"{{"a":{},"b":{}}}"#, array("[1]", 0, 4), array("[1]", 0, 4)), 4),
        (r#"{"__metadata__":{"caudal":3}}"#.to_owned(), 0),
        ("[".repeat(100_000), 0),
        ("null".to_owned(), 0),
        (String::new(), 0),
    ] {
        let error = message(parse(&header, data));
        assert!(error.starts_with("lie.safetensors: "), "{error}");
    }
    for bytes in [&[][..], &[0; 7], &[0xff; 8], &[0xff; 64]] {
        assert!(file::parse(path, bytes).is_err());
    }
}

#[test]
fn metadata_that_lies_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lie.safetensors");
    let huge = r#"
        [[node]]
        name = "x"
        kind = "input"
        shape = [1000000]
        [[node]]
        name = "d"
        kind = "dense"
        inputs = ["x"]
        units = 1000000
        [[node]]
        name = "y"
        kind = "target"
        shape = [1000000]
        [[node]]
        name = "loss"
        kind = "mean_squared_error"
        inputs = ["d", "y"]
    "#;
    let entry = |version: u32, model: &str| {
        serde_json::json!({ "version": version, "step": 1, "model": model }).to_string()
    };
    for (entry, expected) in [
        ("no JSON".to_owned(), "its metadata can't be read"),
        (entry(4, huge), "its format has version 4, not one from 1 to 3"),
        (entry(3, huge), "its checksum is missing"),
        (
            entry(1, "").replace("\"step\":1", &format!("\"step\":{}", u64::MAX)),
            "its `step` is 18446744073709551615",
        ),
        (entry(0, huge), "its format has version 0"),
        (entry(1, "name = 3"), "the model in "),
        (entry(1, huge), "`d.weight`"),
    ] {
        let metadata = Some(std::collections::HashMap::from([("caudal".to_owned(), entry)]));
        let views: [(&str, TensorView<'_>); 0] = [];
        std::fs::write(&path, safetensors::serialize(views, metadata).unwrap()).unwrap();
        let error = message(open(&path));
        assert!(error.contains(expected) && error.contains("lie.safetensors"), "{error}");
    }
}

#[test]
fn a_bit_that_flips_is_found() {
    let (_folder, path, _network) = saved();
    let whole = std::fs::read(&path).unwrap();
    file::parse(&path, &whole).unwrap();
    // Every byte of the header, and some of the numbers.
    let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    for place in (0..header).chain((header..whole.len()).step_by(97)) {
        for bit in [0, 5] {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << bit;
            std::fs::write(&path, &flipped).unwrap();
            assert!(open(&path).is_err(), "bit {bit} of byte {place} of {header} and more");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        early in any::<bool>(),
    ) {
        static FILE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = FILE.get_or_init(|| std::fs::read(saved().1).unwrap()).clone();
        // Most of the file is numbers, in which every bit is allowed.
        let reach = if early { 3000 } else { bytes.len() };
        for (place, value) in flips {
            let place = place.index(reach);
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(file::parse(Path::new("f"), &bytes).is_err());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.safetensors");
        std::fs::write(&path, &bytes).unwrap();
        if let Ok((model, checkpoint)) = open(&path) {
            let _ = network(&model, 0).resume(&checkpoint);
        }
        let _ = network(&self::model(), 0).load_weights(&path);
    }
}
