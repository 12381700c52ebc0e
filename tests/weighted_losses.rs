//! Class weights, label smoothing, weights of items and focal losses against `PyTorch`'s (`tests/oracles/losses.py`).

use std::collections::BTreeMap;
use std::sync::Arc;

use caudal::Tensor;
use caudal::context::Mode;
use caudal::data::{Column, Dataset, digits};
use caudal::flow::{Executor, Pool, Sequential, executor};
use caudal::graph::{Graph, GraphBuilder, Role};
use caudal::layers::{Dense, Flatten};
use caudal::losses::{
    ClassWeights, CrossEntropy, LOSSES, MeanSquaredError, SoftmaxCrossEntropy, find,
};
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};
use serde::Deserialize;

use crate::probe::{assert_close, bits};

#[derive(Deserialize)]
struct Oracle {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    attributes: String,
    shapes: [Vec<usize>; 2],
    prediction: Vec<f32>,
    target: Vec<f32>,
    weights: Option<Vec<f32>>,
    losses: Vec<f64>,
    gradient: Vec<f64>,
}

impl Case {
    fn graph(&self) -> Graph {
        let loss = (find(&self.kind).unwrap().parse)(self.attributes.parse().unwrap()).unwrap();
        let mut net = GraphBuilder::new("case");
        let prediction = net.input("prediction", self.shapes[0].as_slice());
        let mut inputs = vec![prediction, net.target("target", self.shapes[1].as_slice())];
        if self.weights.is_some() {
            inputs.push(net.target("weights", []));
        }
        net.shared_loss("loss", loss, Some(1.0), &inputs);
        net.build().unwrap()
    }

    /// The loss of every item, and the gradient.
    fn run(&self, executor: &mut dyn Executor, options: PlanOptions) -> [Vec<f32>; 2] {
        let graph = Arc::new(self.graph());
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let plan =
            Plan::compile(&graph, Mode::Training, self.losses.len(), &optimizer, options).unwrap();
        let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 0).unwrap();
        let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
        let data = [("prediction", Some(&self.prediction)), ("target", Some(&self.target))];
        for (name, values) in data.into_iter().chain([("weights", self.weights.as_ref())]) {
            if let Some(values) = values {
                run.bind(graph.id(name).unwrap(), values).unwrap();
            }
        }
        executor.execute(&mut run).unwrap();
        let losses = run.kept(graph.id("loss").unwrap()).unwrap().to_vec();
        [losses, run.input_gradient(graph.id("prediction").unwrap()).unwrap()]
    }
}

#[test]
fn losses_and_gradients_are_those_of_pytorch_to_the_same_bits_however_they_are_run() {
    let oracle: Oracle = serde_json::from_str(include_str!("oracles/losses.json")).unwrap();
    let mut settings = BTreeMap::new();
    for case in &oracle.cases {
        let what = format!("{} {} {:?}", case.kind, case.attributes, case.weights);
        let plain = case.run(&mut Sequential::new(), PlanOptions::gradients());
        assert_close(&format!("{what}: losses"), &plain[0], &case.losses, 2e-6);
        assert_close(&format!("{what}: gradient"), &plain[1], &case.gradient, 2e-6);
        for options in [
            PlanOptions::gradients().grain(1e-12),
            PlanOptions::gradients().micro_batches(3),
            PlanOptions::gradients().micro_batches(2).grain(1e-12),
            PlanOptions::gradients().fusion(false).in_place(false),
        ] {
            for name in ["sequential", "pool", "actors", "channels"] {
                let mut executor = executor(name, 3, "critical-path").unwrap();
                let found = case.run(executor.as_mut(), options);
                for (found, expected) in found.iter().zip(&plain) {
                    assert_eq!(bits(found), bits(expected), "{what} on {name}, {options:?}");
                }
            }
        }
        let attributes = case.attributes.parse::<toml::Table>().unwrap();
        settings.entry(case.kind.clone()).or_insert_with(Vec::new).extend(attributes);
    }
    for spec in LOSSES {
        for (name, _) in spec.attributes.iter().filter(|it| it.0 != "delta") {
            let seen = &settings.get(spec.kind);
            let seen = seen.is_some_and(|all| all.iter().any(|(key, _)| key == name));
            // Smoothing is the same code in all losses of classes.
            assert!(
                seen || (spec.kind, *name) == ("softmax_focal", "label_smoothing"),
                "{} {name}",
                spec.kind
            );
        }
    }
}

fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_shape_vec(shape, values.to_vec()).unwrap()
}

/// A regression with weights of items.
fn weighted() -> Graph {
    let mut net = GraphBuilder::new("weighted");
    let (x, y) = (net.input("x", [2]), net.target("y", [1]));
    let weight = net.target("w", []);
    let line = net.layer("line", Dense::new(1), [&x]);
    net.loss("loss", MeanSquaredError, [&line, &y, &weight]);
    net.build().unwrap()
}

#[test]
fn an_item_of_weight_two_is_two_items() {
    let options = || NetworkOptions::default().workers(1);
    let new = || Network::new(weighted(), Sgd::new(0.25), options()).unwrap();
    // Powers of two, so that no order of sums shows.
    let (x, y) = ([1.0, 0.5, -0.25, 2.0, 1.0, 0.0], [1.0, -0.5, 0.25]);
    let mut once = new();
    let report = once
        .train_batch(&[
            ("x", &tensor(&[3, 2], &x)),
            ("y", &tensor(&[3, 1], &y)),
            ("w", &tensor(&[3], &[1.0, 0.0, 3.0])),
        ])
        .unwrap();
    let mut repeated = new();
    let x = [&x[..2], &x[4..], &x[4..], &x[4..]].concat();
    let again = repeated
        .train_batch(&[
            ("x", &tensor(&[4, 2], &x)),
            ("y", &tensor(&[4, 1], &[y[0], y[2], y[2], y[2]])),
            ("w", &tensor(&[4], &[0.75 + 0.25; 4])),
        ])
        .unwrap();
    // A mean over three items there, and over four here.
    assert!((report.loss * 3.0 - again.loss * 4.0).abs() < 1e-6, "{report} {again}");
    let moved = |network: &Network| network.weights("line.bias").unwrap()[[0]] * 1.0;
    assert!((moved(&once) * 3.0 - moved(&repeated) * 4.0).abs() < 1e-6);
    assert!(moved(&once) != 0.0);
}

#[test]
fn weights_of_items_that_are_none_are_refused() {
    let mut network = Network::new(weighted(), Sgd::new(0.1), NetworkOptions::default()).unwrap();
    let (x, y) = (tensor(&[2, 2], &[1.0; 4]), tensor(&[2, 1], &[1.0; 2]));
    let before = network.weights_sha256();
    let w = tensor(&[2], &[1.0, -0.5]);
    let error = network.train_batch(&[("x", &x), ("y", &y), ("w", &w)]).unwrap_err().to_string();
    assert!(error.contains("`loss`") && error.contains("item 1 of the batch is -0.5"), "{error}");
    assert_eq!(network.weights_sha256(), before);
    let w = tensor(&[2], &[1.0, f32::NAN]);
    let error = network.train_batch(&[("x", &x), ("y", &y), ("w", &w)]).unwrap_err().to_string();
    assert!(error.contains("`w`") || error.contains("NaN"), "{error}");

    let mut net = GraphBuilder::new("wrong");
    let (x, y) = (net.input("x", [2]), net.target("y", [2]));
    net.loss("loss", MeanSquaredError, [&x, &y, &y]);
    let error = net.build().unwrap_err().to_string();
    assert!(error.contains("weights of items") && error.contains("one number an item"), "{error}");
}

#[test]
fn settings_that_can_not_work_are_refused_by_name() {
    for (kind, attributes, problem) in [
        ("softmax_cross_entropy", "label_smoothing = 1.0", "`label_smoothing` is 1"),
        ("softmax_cross_entropy", "class_weights = [1.0, -1.0]", "`class_weights` is -1"),
        (
            "softmax_cross_entropy",
            "class_weights = \"even\"",
            "neither a list of numbers nor \"balanced\"",
        ),
        ("cross_entropy", "class_weights = [nan]", "`class_weights` is NaN"),
        ("binary_cross_entropy", "label_smoothing = -0.1", "`label_smoothing`"),
        ("softmax_focal", "gamma = -1.0", "`gamma` is -1"),
        ("binary_focal", "alpha = 1.5", "`alpha` is 1.5"),
    ] {
        let error = (find(kind).unwrap().parse)(attributes.parse().unwrap()).unwrap_err();
        assert!(error.contains(problem), "{kind} {attributes}: {error}");
    }
    let mut net = GraphBuilder::new("three");
    let (x, label) = (net.input("x", [3]), net.target("label", []));
    net.loss("loss", CrossEntropy.class_weights(vec![1.0, 2.0]), [&x, &label]);
    let error = net.build().unwrap_err().to_string();
    assert!(error.contains("`class_weights` has 2 numbers for 3 classes"), "{error}");
}

/// The digits by one layer, whose loss counts all classes alike.
fn balanced() -> Graph {
    let mut net = GraphBuilder::new("balanced");
    let (image, label) = (net.input("image", [8, 8, 1]), net.target("label", []));
    let flat = net.layer("flat", Flatten, [&image]);
    let logits = net.layer("logits", Dense::new(10), [&flat]);
    let loss = SoftmaxCrossEntropy.class_weights(ClassWeights::Balanced).label_smoothing(0.1);
    net.loss("loss", loss, [&logits, &label]);
    net.build().unwrap()
}

fn weights_of(graph: &Graph) -> Vec<f32> {
    let Role::Loss { loss, .. } = &graph.node("loss").unwrap().role else { panic!("no loss") };
    let attributes = loss.attributes();
    let weights = attributes["class_weights"].as_array().unwrap();
    weights.iter().map(|it| it.as_float().unwrap() as f32).collect()
}

#[test]
fn balanced_weights_are_counted_once_saved_and_resumed() {
    let (all, _) = digits().unwrap();
    // Fewer and fewer of the higher classes.
    let labels = all.targets()[0].tensor().unwrap();
    let kept = |&item: &usize| item % (1 + labels[[item]] as usize) == 0;
    let data = all.subset(&(0..all.len()).filter(kept).collect::<Vec<_>>()).unwrap();
    let mut counts = [0usize; 10];
    data.targets()[0].tensor().unwrap().iter().for_each(|&label| counts[label as usize] += 1);
    let expected = counts.map(|count| (data.len() as f64 / 10.0 / count as f64) as f32);
    assert!(expected[9] > 2.0 * expected[0], "{expected:?}");

    let options = || NetworkOptions::default().workers(2);
    let new = || Network::new(balanced(), Sgd::new(0.1), options()).unwrap();
    let mut network = new();
    let refused = network.evaluate(&data, 32).unwrap_err().to_string();
    assert!(refused.contains("no training has counted the classes"), "{refused}");
    let fit = FitOptions::default().max_steps(12);
    network.fit(&data, &fit).unwrap();
    assert_eq!(weights_of(network.graph()), expected);
    network.evaluate(&data, 32).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("balanced.safetensors");
    let mut first = new();
    first.fit(&data, &fit.clone().max_steps(5)).unwrap();
    first.save(&path, &TrainingConfig::default()).unwrap();
    let (model, saved) = checkpoint::open(&path).unwrap();
    assert_eq!(weights_of(&model.graph), expected);
    let mut second = Network::from_parts(model.graph, model.training.optimizer, options()).unwrap();
    second.resume(&saved).unwrap();
    // Other data do not count anew.
    second.evaluate(&all, 32).unwrap();
    second.fit(&data, &fit.clone().start(second.step())).unwrap();
    assert_eq!(second.weights_sha256(), network.weights_sha256());

    let few = |&item: &usize| labels[[item]] < 9.0;
    let few = all.subset(&(0..all.len()).filter(few).collect::<Vec<_>>()).unwrap();
    let refused = new().fit(&few, &fit).unwrap_err().to_string();
    assert!(refused.contains("`loss`") && refused.contains("class 9 has no item"), "{refused}");
}

#[test]
fn model_files_hold_weights_and_settings() {
    let text = "[[node]]\nname = 'x'\nkind = 'input'\nshape = [3]\n\
                [[node]]\nname = 'label'\nkind = 'target'\nshape = []\n\
                [[node]]\nname = 'w'\nkind = 'target'\nshape = []\n\
                [[node]]\nname = 'd'\nkind = 'dense'\ninputs = ['x']\nunits = 2\n\
                [[node]]\nname = 'l'\nkind = 'softmax_focal'\ninputs = ['d', 'label', 'w']\ngamma = 1.5\n\
                class_weights = 'balanced'\n";
    let model = Model::from_toml(text, "m.toml").unwrap();
    let written = model.to_toml().unwrap();
    assert!(written.contains("class_weights = \"balanced\"") && written.contains("gamma = 1.5"));
    assert!(written.contains("inputs = [\"d\", \"label\", \"w\"]"), "{written}");
    let options = NetworkOptions::default().workers(1);
    let mut network = Network::from_parts(model.graph, model.training.optimizer, options).unwrap();
    let column =
        |name: &str, shape: &[usize], values: &[f32]| Column::new(name, tensor(shape, values));
    let inputs = vec![column("x", &[4, 3], &[0.5; 12])];
    let targets = vec![
        column("label", &[4], &[0.0, 1.0, 1.0, 1.0]),
        column("w", &[4], &[1.0, 2.0, 0.0, 1.0]),
    ];
    let data = Dataset::new("four", inputs, targets).unwrap();
    network.fit_with(&data, &FitOptions::default(), &mut []).unwrap();
    network.set_executor(Box::new(Pool::new(2, "fifo").unwrap()));
    assert!(network.evaluate(&data, 3).unwrap().loss.is_finite());
    // A prediction needs neither labels nor weights.
    assert_eq!(network.predict(&[("x", &tensor(&[1, 3], &[0.0; 3]))]).unwrap().len(), 1);
}
