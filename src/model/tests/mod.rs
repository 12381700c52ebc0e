//! Reading and writing models.

mod blocks;

use proptest::prelude::*;

use super::{Model, kinds};
use crate::context::{Convolution, Precision};
use crate::error::Error;
use crate::graph::{Graph, GraphBuilder};
use crate::layers::{Dense, LAYERS, Relu, Sample};
use crate::losses::{LOSSES, MeanSquaredError, SoftmaxCrossEntropy};
use crate::metrics::METRICS;
use crate::model::TrainingConfig;
use crate::presets::PRESETS;

const TWO_BRANCH: &str = r#"
name = "two-branch"
outputs = ["logits"]

[[node]]
name = "image"
kind = "input"
shape = [8, 8, 1]

[[node]]
name = "stem"
kind = "conv2d"
inputs = ["image"]
filters = 4
kernel = [3, 1]
padding = "same"

[[node]]
name = "left"
kind = "maxpool"
inputs = ["stem"]
size = 8

[[node]]
name = "both"
kind = "concat"
inputs = ["left", "left"]

[[node]]
name = "flat"
kind = "flatten"
inputs = ["both"]

[[node]]
name = "logits"
kind = "dense"
inputs = ["flat"]
units = 10

[[node]]
name = "label"
kind = "target"
shape = []

[[node]]
name = "loss"
kind = "softmax_cross_entropy"
inputs = ["logits", "label"]
weight = 0.3

[train]
batch_size = 64
optimizer = { kind = "sgd", learning_rate = 0.02, momentum = 0.9 }
"#;

fn read(text: &str) -> Result<Model, Error> {
    Model::from_toml(text, "m.toml")
}

fn refused(from: &str, to: &str) -> String {
    assert!(TWO_BRANCH.contains(from), "{from}");
    read(&TWO_BRANCH.replacen(from, to, 1)).unwrap_err().to_string()
}

/// Everything that makes a graph what it is.
fn describe(graph: &Graph) -> Vec<String> {
    let nodes = graph.nodes().iter().map(|node| {
        let attributes = kinds::attributes(&graph.draft(node));
        format!(
            "{} {:?} {:?} {:?} {:?} {attributes:?}",
            node.name, node.role, node.inputs, node.shape, node.parameters
        )
    });
    let numerics = (graph.convolution(), graph.precision());
    let whole = format!("{} {numerics:?} {:?}", graph.name(), graph.outputs());
    nodes.chain([whole]).collect()
}

fn assert_round_trip(model: &Model) {
    let text = model.to_toml().unwrap();
    let again = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(describe(&again.graph), describe(&model.graph), "{text}");
    let (a, b) = (&again.training, &model.training);
    assert_eq!(a.batch_size, b.batch_size);
    if !model.graph.losses().is_empty() {
        assert_eq!(a.epochs, b.epochs);
        assert_eq!(a.optimizer.kind(), b.optimizer.kind());
        assert_eq!(a.optimizer.attributes(), b.optimizer.attributes());
    }
    assert_eq!(again.to_toml().unwrap(), text);
}

#[test]
fn a_model_file_is_read() {
    let model = read(TWO_BRANCH).unwrap();
    assert_eq!(model.graph.name(), "two-branch");
    assert_eq!(model.graph.node("stem").unwrap().shape, [8, 8, 4]);
    assert_eq!(model.graph.node("both").unwrap().shape, [1, 1, 8]);
    assert_eq!((model.training.batch_size, model.training.epochs), (64, 1));
    assert!((model.training.optimizer.learning_rate(0) - 0.02).abs() < 1e-9);
    assert_round_trip(&model);
}

#[test]
fn every_preset_goes_round() {
    for preset in PRESETS {
        let model = preset.model().unwrap();
        assert_eq!(model.graph.name(), preset.name);
        assert_round_trip(&model);
        assert_round_trip(&model.without_metrics().unwrap());
    }
}

#[test]
fn every_sample_of_every_table_goes_round() {
    let layers = LAYERS.iter().map(|spec| (spec.kind, spec.samples, false));
    let losses = LOSSES.iter().map(|spec| (spec.kind, spec.samples, true));
    let metrics = METRICS.iter().map(|spec| (spec.kind, spec.samples, true));
    for (kind, samples, compares) in layers.chain(losses).chain(metrics) {
        for Sample { attributes, inputs } in samples {
            let mut lines = Vec::new();
            let mut names = Vec::new();
            for (number, shape) in inputs.iter().enumerate() {
                let role = if compares && number == 1 { "target" } else { "input" };
                names.push(format!("in{number}"));
                lines.push(format!(
                    "[[node]]\nname = \"in{number}\"\nkind = \"{role}\"\nshape = {shape:?}"
                ));
            }
            lines.push(format!(
                "[[node]]\nname = 'n'\nkind = '{kind}'\ninputs = {names:?}\n{attributes}"
            ));
            let output = if compares { "in0" } else { "n" };
            let text = format!("outputs = ['{output}']\n{}", lines.join("\n"));
            assert_round_trip(&read(&text).unwrap_or_else(|error| panic!("{error}\n{text}")));
        }
    }
}

#[test]
fn names_weights_and_outputs_survive() {
    let mut net = GraphBuilder::new("odd \"name\" \\ 'é'");
    let x = net.input("a.b [c]", [3]);
    let y = net.target("=#\"", [3]);
    let dense = net.layer("d\\", Dense::new(3), [&x]);
    let relu = net.layer("r", Relu, [&dense]);
    net.weighted_loss("one", MeanSquaredError, 1.0 / 3.0, [&dense, &y]);
    net.weighted_loss("two", MeanSquaredError, -1e-30, [&relu, &y]);
    net.loss("three", MeanSquaredError, [&relu, &y]);
    net.output(&relu).output(&dense);
    let graph = net.build().unwrap();
    assert_round_trip(&Model::new(graph, TrainingConfig::default()));
}

#[test]
fn how_convolutions_are_computed_goes_round() {
    assert_eq!(read(TWO_BRANCH).unwrap().graph.convolution(), Convolution::Auto);
    assert!(!read(TWO_BRANCH).unwrap().to_toml().unwrap().contains("convolution"));
    let said = |value: &str| TWO_BRANCH.replacen("outputs", &format!("{value}\noutputs"), 1);
    let model = read(&said("convolution = 'direct'")).unwrap();
    assert_eq!(model.graph.convolution(), Convolution::Direct);
    assert_round_trip(&model);
    assert_round_trip(&read(&said("convolution = \"auto\"")).unwrap());
    // What is made of the graph keeps it.
    for graph in [
        model.without_metrics().unwrap().graph.for_prediction().unwrap(),
        model.graph.with_frozen(&["stem"]).unwrap(),
        model.graph.edit().build().unwrap(),
    ] {
        assert_eq!(graph.convolution(), Convolution::Direct);
    }
    let auto = model.graph.with_convolution(Convolution::Auto);
    assert_eq!(describe(&auto), describe(&read(TWO_BRANCH).unwrap().graph));
    for (value, expected) in [
        ("'fft'", "m.toml:3: `convolution` is \"fft\"; expected auto or direct"),
        ("true", "m.toml:3: `convolution` is of type boolean, not a string; write it in quotes"),
    ] {
        let message = read(&said(&format!("convolution = {value}"))).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn with_which_numbers_products_are_computed_goes_round() {
    assert_eq!(read(TWO_BRANCH).unwrap().graph.precision(), Precision::F32);
    assert!(!read(TWO_BRANCH).unwrap().to_toml().unwrap().contains("precision"));
    let said = |value: &str| TWO_BRANCH.replacen("outputs", &format!("{value}\noutputs"), 1);
    let model = read(&said("precision = 'bf16'")).unwrap();
    assert_eq!(model.graph.precision(), Precision::Bf16);
    assert_round_trip(&model);
    assert_round_trip(&read(&said("precision = \"f32\"")).unwrap());
    // What is made of the graph keeps it.
    for graph in [
        model.without_metrics().unwrap().graph.for_prediction().unwrap(),
        model.graph.with_frozen(&["stem"]).unwrap(),
        model.graph.edit().build().unwrap(),
        model.graph.with_convolution(Convolution::Direct),
    ] {
        assert_eq!(graph.precision(), Precision::Bf16);
    }
    let exact = model.graph.with_precision(Precision::F32);
    assert_eq!(describe(&exact), describe(&read(TWO_BRANCH).unwrap().graph));
    for (value, expected) in [
        ("'half'", "m.toml:3: `precision` is \"half\"; expected f32 or bf16"),
        ("16", "m.toml:3: `precision` is of type integer, not a string; write it in quotes"),
    ] {
        let message = read(&said(&format!("precision = {value}"))).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn floats_are_written_short() {
    let text = read(TWO_BRANCH).unwrap().to_toml().unwrap();
    assert!(text.contains("learning_rate = 0.02, momentum = 0.9 }"), "{text}");
    assert!(text.contains("weight = 0.3\n"), "{text}");
}

#[test]
fn without_metrics_drops_what_only_metrics_use() {
    let mut net = GraphBuilder::new("m");
    let x = net.input("x", [4]);
    let y = net.target("y", []);
    let other = net.target("other", []);
    let logits = net.layer("logits", Dense::new(3), [&x]);
    let extra = net.layer("extra", Dense::new(3), [&x]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &y]);
    net.metric("accuracy", crate::metrics::Accuracy, [&extra, &other]);
    let model = Model::new(net.build().unwrap(), TrainingConfig::default());
    let names: Vec<String> = model
        .without_metrics()
        .unwrap()
        .graph
        .nodes()
        .iter()
        .map(|node| node.name.clone())
        .collect();
    assert_eq!(names, ["x", "y", "logits", "loss"]);
}

#[test]
fn errors_name_line_node_and_remedy() {
    let cases = [
        ("filters = 4", "filter = 4", "m.toml:14: node `stem`: unknown attribute `filter`"),
        ("filters = 4", "filters = -4", "m.toml:14: node `stem`: invalid value"),
        ("filters = 4\n", "", "m.toml:10: node `stem`: missing field `filters`"),
        (
            "\"conv2d\"",
            "\"conv2\"",
            "m.toml:12: node `stem`: there is no kind `conv2`; did you mean `conv2d`?",
        ),
        (
            "[\"image\"]",
            "[\"imgae\"]",
            "m.toml:10: node `stem`: its input `imgae` is not a node of this graph; did you mean `image`?",
        ),
        ("[\"image\"]", "[\"both\"]", "the graph has a cycle: "),
        (
            "[\"image\"]",
            "\"image\"",
            "m.toml:13: node `stem`: its `inputs` is of type string, not a list",
        ),
        ("[8, 8, 1]", "[8, 8]", "m.toml:10: node `stem`: it needs an image"),
        (
            "[8, 8, 1]",
            "[8, -8, 1]",
            "m.toml:8: node `image`: its `shape` is [8, -8, 1], not a list",
        ),
        ("shape = []", "", "m.toml:40: node `label`: a node of kind `target` needs a `shape`"),
        (
            "shape = []",
            "shape = []\nunits = 3",
            "m.toml:44: node `label`: unknown attribute `units`",
        ),
        (
            "weight = 0.3",
            "weight = 'x'",
            "m.toml:49: node `loss`: its `weight` is \"x\", not a number",
        ),
        ("weight = 0.3", "weight = nan", "m.toml:45: node `loss`: its weight is NaN"),
        ("weight = 0.3", "wieght = 0.3", "m.toml:49: node `loss`: unknown attribute `wieght`"),
        ("name = \"stem\"", "name = \"image\"", "m.toml:10: node `image`: the name is taken twice"),
        ("name = \"stem\"", "nam = \"stem\"", "m.toml:10: a node has no `name`"),
        ("kind = \"conv2d\"", "", "m.toml:10: node `stem`: it has no `kind`"),
        (
            "outputs = [\"logits\"]",
            "outputs = [\"logit\"]",
            "m.toml:3: the declared output `logit`",
        ),
        (
            "outputs = [\"logits\"]",
            "output = [\"logits\"]",
            "m.toml:3: unknown key `output` in a model file; did you mean `outputs`?",
        ),
        ("batch_size = 64", "batch_size = 0", "m.toml:52: `batch_size` is not a whole number"),
        ("batch_size = 64", "batch = 64", "m.toml:52: unknown key `batch` in `train`"),
        (
            "\"sgd\"",
            "\"sdg\"",
            "m.toml:53: optimizer `sdg`: there is no such kind; did you mean `sgd`?",
        ),
        ("momentum = 0.9", "momentum = 1.9", "m.toml:53: optimizer `sgd`: `momentum` is 1.9"),
        (
            "momentum = 0.9",
            "moment = 0.9",
            "m.toml:53: optimizer `sgd`: unknown attribute `moment`",
        ),
        ("[train]", "[train", "m.toml:51: "),
        ("units = 10", "units = 10\nunits = 11", "m.toml:39: duplicate key"),
    ];
    for (from, to, expected) in cases {
        let message = refused(from, to);
        assert!(message.contains(expected), "{from} -> {to}\n{message}\n{expected}");
        assert!(message.starts_with("m.toml"), "{message}");
        assert!(message.contains("; "), "{message}");
    }
    for (text, expected) in [
        ("", "m.toml:1: it has no nodes"),
        ("node = 3", "m.toml:1: `node` is not a list"),
        ("node = [3]", "m.toml:1: a node is of type integer, not a table"),
        ("[[node]]\nname='x'\nkind='target'\nshape=[]", "m.toml: it has no input node"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_mutation_panics(
        start in 0..TWO_BRANCH.len(),
        length in 0usize..30,
        insert in r#"[\[\]{}="',.\n0-9a-z -]{0,8}"#,
    ) {
        let end = (start + length).min(TWO_BRANCH.len());
        let text = [&TWO_BRANCH[..start], &insert, &TWO_BRANCH[end..]].concat();
        if let Ok(model) = read(&text) {
            assert_round_trip(&model);
        }
    }

    #[test]
    fn no_number_panics(which in 0usize..7, number in any::<i64>()) {
        let from =
            ["[8, 8, 1]", "filters = 4", "[3, 1]", "size = 8", "units = 10", "= 0.3", "= 64"];
        let to = from[which].replace(|c: char| c.is_ascii_digit() || c == '.', "N");
        let to = to.replace("NN", "N").replace("NN", "N").replace('N', &number.to_string());
        if let Ok(model) = read(&TWO_BRANCH.replacen(from[which], &to, 1)) {
            assert_round_trip(&model);
        }
    }
}
