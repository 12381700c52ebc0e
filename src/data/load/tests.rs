//! What users write as data, and what comes of it.

use std::fmt::Write;

use super::*;
use crate::data::{check_mix_up, synthetic_for};
use crate::graph::{Graph, GraphBuilder};
use crate::layers::{Concat, Dense, Embedding, Flatten, Reshape, Slice};
use crate::losses::{MeanSquaredError, SoftmaxCrossEntropy};

/// One input of two numbers, seven classes, and three numbers to come close to.
fn two_heads() -> Graph {
    let mut net = GraphBuilder::new("two heads");
    let point = net.input("point", [2]);
    let (label, goal) = (net.target("label", []), net.target("goal", [3]));
    let logits = net.layer("logits", Dense::new(7), [&point]);
    let guess = net.layer("guess", Dense::new(3), [&point]);
    net.loss("class", SoftmaxCrossEntropy, [&logits, &label]);
    net.loss("distance", MeanSquaredError, [&guess, &goal]);
    net.build().unwrap()
}

/// One input of two numbers and two classes.
fn graph() -> Graph {
    let mut net = GraphBuilder::new("one head");
    let (point, label) = (net.input("point", [2]), net.target("label", []));
    let logits = net.layer("logits", Dense::new(2), [&point]);
    net.loss("class", SoftmaxCrossEntropy, [&logits, &label]);
    net.build().unwrap()
}

fn loaded(text: &str, graph: &Graph, batch: usize) -> Result<Loaded> {
    let config = DataConfig::default();
    load(text, &LoadOptions { batch, ..LoadOptions::new(graph, &config) })
}

fn refusal(text: &str, graph: &Graph) -> String {
    loaded(text, graph, 1).unwrap_err().to_string()
}

#[test]
fn synthetic_data_fits_every_input_and_target() {
    let data = synthetic_for(&two_heads(), 100, 1).unwrap();
    let shape = |name: &str| data.column(name).unwrap().shape();
    assert_eq!(shape("point"), [100, 2]);
    assert_eq!(shape("goal"), [100, 3]);
    assert_eq!(data.column("label").unwrap().class_count().unwrap(), Some(7));
    assert_eq!(data, synthetic_for(&two_heads(), 100, 1).unwrap());
    assert_ne!(data, synthetic_for(&two_heads(), 100, 2).unwrap());
}

#[test]
fn synthetic_inputs_are_indices_where_a_layer_takes_them() {
    let mut net = GraphBuilder::new("words and a point");
    let (word, point) = (net.input("word", [6]), net.input("point", [2]));
    let rows = net.layer("rows", Reshape::new([2, 3]), [&word]);
    let first = net.layer("first", Slice::new(0, 0, 1), [&rows]);
    let few = net.layer("few", Embedding::new(5, 2), [&first]);
    let many = net.layer("many", Embedding::new(9, 2), [&word]);
    let (few, many) = (net.layer("a", Flatten, [&few]), net.layer("b", Flatten, [&many]));
    let all = net.layer("all", Concat::along(-1), [&few, &many, &point]);
    net.output(&all);
    let graph = net.build().unwrap();

    let data = synthetic_for(&graph, 1000, 3).unwrap();
    let words = data.column("word").unwrap().all().unwrap();
    for index in 0..5 {
        // Five standard errors of 6,000 drawings.
        let share = words.iter().filter(|&&word| word as usize == index).count();
        assert!((1045..1355).contains(&share), "{index}: {share}");
    }
    assert!(words.iter().all(|&word| word.fract() == 0.0 && (0.0..5.0).contains(&word)));
    assert!(data.column("point").unwrap().all().unwrap().iter().any(|point| point.fract() != 0.0));
    assert_eq!(data, synthetic_for(&graph, 1000, 3).unwrap());
    assert_ne!(data, synthetic_for(&graph, 1000, 4).unwrap());

    let message = check_mix_up(&graph, 0.2).unwrap_err().to_string();
    assert!(message.contains("few") && message.contains("indices from input `word`"), "{message}");
}

#[test]
fn synthetic_parts_differ_and_hold_a_batch() {
    let Loaded { train, test, .. } = loaded("synthetic", &two_heads(), 5000).unwrap();
    let test = test.unwrap();
    assert_eq!((train.len(), test.len()), (5000, 256));
    assert_ne!(
        train.inputs()[0].tensor().unwrap()[[0, 0]].to_bits(),
        test.inputs()[0].tensor().unwrap()[[0, 0]].to_bits()
    );
    let message = loaded("synthetic", &two_heads(), 1 << 40).unwrap_err().to_string();
    assert!(message.contains("use a smaller batch"), "{message}");
    assert_eq!(loaded("synthetic:items=7,seed=3", &graph(), 1).unwrap().train.len(), 7);
    assert_ne!(
        loaded("synthetic:seed=3", &graph(), 1).unwrap().train,
        loaded("synthetic", &graph(), 1).unwrap().train
    );
}

#[test]
fn predictions_take_every_line_with_or_without_labels() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("with.csv", "1,2,0\n3,4,1\n5,6,1\n"), ("without.csv", "1,2\n3,4\n5,6\n")]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let config = DataConfig::default();
        let (data, _) = load_to_predict(path.to_str().unwrap(), &graph(), 1, &config).unwrap();
        assert_eq!(
            data.inputs()[0].tensor().unwrap().as_slice().unwrap(),
            [1., 2., 3., 4., 5., 6.],
            "{name}"
        );
    }
    let config = DataConfig::default();
    assert_eq!(load_to_predict("digits", &graph(), 1, &config).unwrap().0.len(), 360);
}

#[test]
fn a_csv_file_is_split_into_four_fifths_and_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Points.CSV");
    let mut text = String::from("x,y,class\n");
    for item in 0..50 {
        writeln!(text, "{item},{}.5,{}", item * 2, item % 2).unwrap();
    }
    std::fs::write(&path, text).unwrap();
    let (path, graph) = (path.to_str().unwrap(), graph());
    let data = loaded(path, &graph, 1).unwrap();
    let test = data.test.unwrap();
    assert_eq!((data.train.len(), test.len()), (40, 10));
    assert_eq!(test.targets()[0].tensor().unwrap().sum() as usize, 5);
    assert!(data.validation.is_none());
    assert_eq!(data.items[0].line, Some(2));
    let count = data.items.iter().filter(|item| item.part == Part::Test).count();
    assert_eq!(count, 10);

    let config = DataConfig::default();
    let mut options = LoadOptions::new(&graph, &config);
    options.split.seed = 2;
    let other = load(path, &options).unwrap().test.unwrap();
    assert_ne!(test.inputs()[0].tensor().unwrap(), other.inputs()[0].tensor().unwrap());
}

#[test]
fn what_no_reader_recognizes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.xyz");
    std::fs::write(&path, "PK").unwrap();
    let message = refusal(path.to_str().unwrap(), &graph());
    assert!(message.contains("weights.xyz: expected `digits`, `synthetic`"), "{message}");
    assert!(message.contains("a folder of images, a .npy file"), "{message}");
    assert!(
        message.contains("or a .safetensors file, found a file that no reader knows"),
        "{message}"
    );
    let message = refusal(folder.path().to_str().unwrap(), &graph());
    assert!(message.contains("found a folder that no reader knows"), "{message}");
    let message = refusal("digit", &graph());
    assert!(message.contains("digit: expected"), "{message}");
    assert!(message.contains("found nothing of this name"), "{message}");

    let missing = folder.path().join("missing.csv");
    let missing = loaded(missing.to_str().unwrap(), &graph(), 1).unwrap_err();
    assert!(matches!(missing, crate::Error::Io { .. }), "{missing}");
}

#[test]
fn one_item_cannot_be_split() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.csv");
    std::fs::write(&path, "1,2,0\n").unwrap();
    let message = refusal(path.to_str().unwrap(), &graph());
    assert!(message.contains("1 of its 1 item can't be taken for the test part"), "{message}");
}

#[test]
fn options_follow_a_colon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("points.csv");
    std::fs::write(&path, "3;2;0\n3;4;1\n5;6;1\n7;8;0\n9;9;1\n").unwrap();
    let path = path.to_str().unwrap();
    let items =
        |options: &str| loaded(&format!("{path}{options}"), &graph(), 1).unwrap().items.len();
    assert_eq!(items(""), 5);
    assert_eq!(items(":header=yes"), 4);
    assert_eq!(items(":header=no,separator=semicolon"), 5);
    assert_eq!(items(":separator=;"), 5);
    let text = format!("{path}:header=maybe");
    for (text, expected) in [
        ("digits:items=3", "data `digits:items=3`: `items` is no option; reader `digits` has none"),
        ("synthetic:item=3", "did you mean `items`?"),
        ("synthetic:items=0", "option `items` can't be `0`; give a whole number from 1"),
        ("synthetic:items=3,items=3", "`items` is set twice"),
        ("synthetic:items=3,", "`` sets nothing; write NAME=VALUE"),
        ("syntetic:items=3", "syntetic: expected `digits`"),
        (&text, "option `header` can't be `maybe`; write yes or no"),
    ] {
        let message = refusal(text, &graph());
        assert!(message.contains(expected), "{message}\nlacks\n{expected}");
    }
}

#[test]
fn a_colon_in_the_name_of_a_file_is_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a:label=0.csv");
    std::fs::write(&path, "1,2,0\n3,4,1\n").unwrap();
    assert_eq!(loaded(path.to_str().unwrap(), &graph(), 1).unwrap().train.len(), 1);
}
