//! Arrays in `.npy`, `.npz` and `.safetensors` files, and predictions as such.

use std::fs;
use std::path::Path;

use caudal::data::{DataConfig, Dataset, LoadOptions, load, load_to_predict};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Dense, Flatten, Relu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::train::{FitOptions, Network, NetworkOptions};
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde_json::Value;
use tempfile::TempDir;

use crate::command_line::{caudal, json, path, refused, told};

/// A network whose input `x` has items of this shape.
fn taking(node: &str, shape: &[usize]) -> Graph {
    let mut net = GraphBuilder::new("taking");
    let x = net.input(node, shape);
    let y = net.layer("y out", Relu, [&x]);
    net.output(&y);
    net.build().unwrap()
}

fn read(text: &str, graph: &Graph) -> Result<Dataset, String> {
    let read = load_to_predict(text, graph, 1, &DataConfig::default());
    read.map(|(data, _)| data).map_err(|error| error.to_string())
}

fn oracles() -> Value {
    serde_json::from_str(include_str!("oracles/arrays.json")).unwrap()
}

fn bytes(case: &Value) -> Vec<u8> {
    let text = case["bytes"].as_str().unwrap();
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn lengths(list: &Value) -> Vec<usize> {
    list.as_array().unwrap().iter().map(|it| it.as_u64().unwrap() as usize).collect()
}

#[test]
fn files_of_numpy_hold_what_numpy_says() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one_by_one, mut whole) = (0, 0);
    for case in oracles()["read"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let file = path(&folder, &format!("x.{}", case["file"].as_str().unwrap()));
        fs::write(&file, bytes(case)).unwrap();
        let shape = lengths(&case["shape"]);
        let graph = taking(case["array"].as_str().unwrap(), &shape[1..]);
        let expected: Vec<f32> = case["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_f64().unwrap() as f32)
            .collect();
        let memory = read(&file, &graph).unwrap();
        assert_eq!(memory, read(&format!("{file}:memory=yes"), &graph).unwrap(), "{name}");
        let column = &memory.inputs()[0];
        assert_eq!(column.shape(), shape, "{name}");
        let bits = |numbers: &[f32]| numbers.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(column.tensor().unwrap().as_slice().unwrap()), bits(&expected), "{name}");
        match read(&format!("{file}:memory=no"), &graph) {
            Ok(data) => {
                one_by_one += usize::from(data.inputs()[0].tensor().is_none());
                let order: Vec<usize> = (0..shape[0]).rev().chain([0]).collect();
                let [mut there, mut here] = [Vec::new(), Vec::new()];
                data.inputs()[0].gather(&order, &mut there).unwrap();
                column.gather(&order, &mut here).unwrap();
                assert_eq!(bits(&there), bits(&here), "{name}");
            }
            Err(message) => {
                whole += 1;
                let why =
                    if name.contains("compressed") { "is compressed" } else { "Fortran order" };
                assert!(message.contains(why), "{name}: {message}");
            }
        }
    }
    assert!(one_by_one > 30 && whole > 20, "{one_by_one} and {whole}");
}

#[test]
fn files_that_hold_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for case in oracles()["refused"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let file = path(&folder, &format!("x.{}", case["file"].as_str().unwrap()));
        fs::write(&file, bytes(case)).unwrap();
        let message = read(&file, &taking("x", &lengths(&case["item"]))).unwrap_err();
        let says = case["says"].as_str().unwrap();
        assert!(message.contains(says), "{name}: {message}\nlacks\n{says}");
        assert!(
            message.contains(&file) || message.contains("data set `x.npy`"),
            "{name}: {message}"
        );
    }
}

/// Tensors of 32-bit floats by name, in a safetensors file.
fn write_tensors(file: &str, tensors: &[(&str, &[usize], Vec<f32>)]) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, numbers)| numbers.iter().flat_map(|it| it.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    serialize_to_file(views.collect::<Vec<_>>(), None, Path::new(file)).unwrap();
}

fn counting(size: usize) -> Vec<f32> {
    (0..size).map(|number| (number % 251) as f32 / 100.0).collect()
}

#[test]
fn axes_of_length_1_at_the_end_count_for_nothing_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "data.safetensors");
    write_tensors(&file, &[("x", &[2, 3, 4], counting(24)), ("flat", &[2], counting(2))]);
    for shape in [&[3, 4][..], &[3, 4, 1]] {
        assert_eq!(read(&file, &taking("x", shape)).unwrap().inputs()[0].item_shape(), shape);
    }
    for shape in [&[][..], &[1], &[1, 1]] {
        assert_eq!(read(&file, &taking("flat", shape)).unwrap().inputs()[0].item_shape(), shape);
    }
    let message = read(&file, &taking("x", &[12])).unwrap_err();
    assert!(
        message
            .contains("array `x`: expected items of 12 for input `x`, found the shape 2 x 3 x 4"),
        "{message}"
    );
    assert!(message.contains("write `shape = [3, 4]` at the node"), "{message}");
    let message = read(&file, &taking("x", &[4, 3])).unwrap_err();
    assert!(message.contains("put channels last, as np.moveaxis(x, 1, -1) does"), "{message}");
    let message = read(&file, &taking("y", &[4])).unwrap_err();
    let expected = "it has no array `y` for node `y`; its arrays are `flat`, `x`";
    assert!(message.contains(expected) && message.contains("`--columns y=NAME`"), "{message}");
    let message = read(&format!("{file}:memory=maybe"), &taking("x", &[3, 4])).unwrap_err();
    assert!(message.contains("`memory` can't be `maybe`; write yes or no"), "{message}");
}

/// A network for images of 6 x 5 and 3 classes.
fn classifier() -> Graph {
    let mut net = GraphBuilder::new("classifier");
    let image = net.input("image", [6, 5, 1]);
    let label = net.target("label", []);
    let flat = net.layer("flat", Flatten, [&image]);
    let logits = net.layer("logits", Dense::new(3), [&flat]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.build().unwrap()
}

fn write_images(file: &str, items: usize, label: impl Fn(usize) -> f32) {
    let labels = (0..items).map(label).collect();
    let images = counting(items * 30);
    write_tensors(file, &[("image", &[items, 6, 5], images), ("label", &[items], labels)]);
}

#[test]
fn arrays_are_found_by_the_columns_of_nodes_and_targets_are_needed_to_train() {
    let folder = tempfile::tempdir().unwrap();
    let (file, graph) = (path(&folder, "data.safetensors"), classifier());
    write_tensors(&file, &[("a", &[9, 6, 5], counting(270)), ("b", &[9], vec![2.0; 9])]);
    let mut config = DataConfig::default();
    let load = |config: &DataConfig| {
        load(&file, &LoadOptions::new(&graph, config)).map_err(|error| error.to_string())
    };
    assert!(load(&config).unwrap_err().contains("no array `image` for node `image`"));
    config.set_columns("image=a").unwrap();
    assert!(load(&config).unwrap_err().contains("no array `label` for node `label`"));
    assert_eq!(load_to_predict(&file, &graph, 1, &config).unwrap().0.targets().len(), 0);
    config.set_columns("label=b").unwrap();
    let loaded = load(&config).unwrap();
    assert_eq!((loaded.train.len(), loaded.test.unwrap().len()), (7, 2));
    config.set_columns("label=a").unwrap();
    assert!(load(&config).unwrap_err().contains("array `a` should feed two nodes"));
    config.set_columns("label=a,b").unwrap();
    assert!(load(&config).unwrap_err().contains("node `label` should take 2 arrays"));
    config.set_columns("label=b").unwrap();
    config.nodes.get_mut("image").unwrap().options.scale = Some(caudal::data::Scale::Standard);
    assert!(load(&config).unwrap_err().contains("which are for tables"));
}

#[test]
fn classes_stay_exact_and_are_checked() {
    let (folder, graph) = (tempfile::tempdir().unwrap(), classifier());
    let file = path(&folder, "data.safetensors");
    for (wrong, says) in
        [(3.0, "item 5, for node `label`: expected a class below 3"), (0.5, "found 0.5")]
    {
        write_images(&file, 9, |item| if item == 5 { wrong } else { 1.0 });
        for memory in ["yes", "no"] {
            let data = format!("{file}:memory={memory}");
            let config = DataConfig::default();
            let split = caudal::data::Split::default().test(caudal::data::Share::Fraction(0.0));
            let options = LoadOptions::new(&graph, &config).split(split);
            let data = load(&data, &options).unwrap().train;
            let mut network = Network::new(
                classifier(),
                caudal::optimizers::Sgd::new(0.1),
                NetworkOptions::default(),
            )
            .unwrap();
            let message = network.fit(&data, &FitOptions::default()).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}

/// The classifier as a model file, and data for it.
fn model(folder: &TempDir) -> (String, String) {
    let (model, data) = (path(folder, "model.toml"), path(folder, "data.safetensors"));
    fs::write(&model, include_str!("arrays/model.toml")).unwrap();
    write_images(&data, 60, |item| ((item * 7) % 3) as f32);
    (model, data)
}

#[test]
fn training_on_what_is_read_as_it_is_used_gives_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = model(&folder);
    let train = |memory: &str, file: &str| {
        let (data, file) = (format!("{data}:memory={memory}"), path(&folder, file));
        let arguments =
            ["train", &model, "--data", &data, "--quiet", "--epochs", "3", "--save", &file];
        let more = ["--batch-size", "7", "--validation", "0.2"];
        let output = caudal(&[&arguments[..], &more].concat());
        let notes = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{notes}");
        let note = "the items for `image` are not held in memory, but read as they are used";
        assert_eq!(notes.contains(note), memory == "no", "{notes}");
        let network = Network::load(&file, NetworkOptions::default()).unwrap();
        network.weights_sha256()
    };
    assert_eq!(train("yes", "yes.safetensors"), train("no", "no.safetensors"));
    let saved = path(&folder, "no.safetensors");
    let tested = json(&["evaluate", &saved, "--data", &format!("{data}:memory=no")]);
    assert_eq!(tested, json(&["evaluate", &saved, "--data", &data]));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error_with_the_item() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "data.safetensors");
    write_images(&file, 40, |item| (item % 3) as f32);
    let (data, graph) = (read(&format!("{file}:memory=no"), &classifier()).unwrap(), classifier());
    let length = fs::metadata(&file).unwrap().len();
    // Labels lie behind the images, or before them: cut both.
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length / 2).unwrap();
    let mut network =
        Network::new(graph, caudal::optimizers::Sgd::new(0.1), NetworkOptions::default()).unwrap();
    let message = network.predict_data(&data, 4).unwrap_err().to_string();
    let begins = format!("{file}, array `image`, item ");
    assert!(message.starts_with(&begins), "{message}");
    assert!(message.contains("the file ends before it"), "{message}");
}

#[test]
fn predictions_are_arrays_that_the_readers_read() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = model(&folder);
    let (saved, csv) = (path(&folder, "saved.safetensors"), path(&folder, "out.csv"));
    told(&["train", &model, "--data", &data, "--quiet", "--save", &saved]);
    let predict = |out: &str, more: &[&str]| {
        told(&[&["predict", &saved, "--data", &data, "--out", out][..], more].concat())
    };
    predict(&csv, &[]);
    let text = fs::read_to_string(&csv).unwrap();
    let rows: Vec<Vec<f32>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|field| field.parse().unwrap()).collect())
        .collect();
    assert_eq!(rows.len(), 60);
    for (file, more) in [("a.npz", &[][..]), ("b.NPZ", &["--in-flight", "3"]), ("c.npy", &[])] {
        let out = path(&folder, file);
        predict(&out, more);
        let logits = read(&out, &taking("logits", &[3])).unwrap();
        let logits = logits.inputs()[0].tensor().unwrap().as_slice().unwrap().to_vec();
        assert!(logits.iter().eq(rows.iter().flat_map(|row| &row[2..])), "{file}");
        if file != "c.npy" {
            let classes = read(&out, &taking("logits.class", &[])).unwrap();
            let classes = classes.inputs()[0].tensor().unwrap();
            assert!(classes.iter().eq(rows.iter().map(|row| &row[1])), "{file}");
        }
    }
    let bytes = |file: &str| fs::read(path(&folder, file)).unwrap();
    assert_eq!(bytes("a.npz"), bytes("b.NPZ"));
    // An array on 16 x 4 bytes, of version 1.
    assert_eq!(bytes("c.npy").len() % 4, 0);
    assert!(bytes("c.npy").starts_with(b"\x93NUMPY\x01\x00"));
    let (code, message) = refused(&["predict", &saved, "--data", &data, "--out", &data]);
    assert_eq!(code, 2, "{message}");
}
