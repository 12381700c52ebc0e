//! Layers that do not train, or more slowly, and gradients that stop.

use std::collections::BTreeSet;
use std::sync::Arc;

use caudal::Tensor;
use caudal::context::{Mode, Phase};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Dense, Relu, StopGradient};
use caudal::losses::MeanSquaredError;
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::{Adam, Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::regularizers::{L1, L2};
use caudal::train::{Network, NetworkOptions, checkpoint};

/// `a` and `b` in a row, and `c` behind both.
fn chain(change: impl FnOnce(&mut GraphBuilder)) -> GraphBuilder {
    let mut net = GraphBuilder::new("chain");
    let (x, y) = (net.input("x", [3]), net.target("y", [2]));
    let a = net.layer("a", Dense::new(4), [&x]);
    let relu = net.layer("relu", Relu, [&a]);
    let b = net.layer("b", Dense::new(4), [&relu]);
    let c = net.layer("c", Dense::new(2), [&b]);
    net.loss("loss", MeanSquaredError, [&c, &y]);
    change(&mut net);
    net
}

fn numbers(shape: &[usize], step: f32) -> Tensor {
    let values = (0..shape.iter().product()).map(|at| (1.0 + at as f32 * step).sin());
    Tensor::from_shape_vec(shape, values.collect()).unwrap()
}

/// By parameter: how far five steps move it.
fn moved(graph: &Graph) -> Vec<(String, f32)> {
    let mut network =
        Network::new(graph.clone(), Sgd::new(0.1), NetworkOptions::default()).unwrap();
    let all = |network: &Network| -> Vec<Tensor> {
        let names = graph.parameters().iter().map(|parameter| parameter.name.as_str());
        names.map(|name| network.weights(name).unwrap()).collect()
    };
    let before = all(&network);
    for _ in 0..5 {
        let batch = [("x", &numbers(&[6, 3], 0.7)), ("y", &numbers(&[6, 2], 0.3))];
        network.train_batch(&batch).unwrap();
    }
    let distance =
        |(a, b): (&Tensor, &Tensor)| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum() };
    let distances = before.iter().zip(&all(&network)).map(distance).collect::<Vec<_>>();
    let names = graph.parameters().iter().map(|parameter| parameter.name.clone());
    names.zip(distances).collect()
}

/// The nodes and phases of a training plan that are not forward.
fn backward(graph: &Graph) -> BTreeSet<(String, Phase)> {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
    let options = PlanOptions::default();
    let plan =
        Plan::compile(&Arc::new(graph.clone()), Mode::Training, 2, &optimizer, options).unwrap();
    let tasks: Vec<_> = (0..plan.task_count()).map(|task| plan.task(task)).collect();
    let steps = tasks.iter().flat_map(|task| &task.calls);
    let steps = steps.filter(|(_, phase)| *phase != Phase::Forward);
    steps.map(|(node, phase)| ((*node).to_owned(), *phase)).collect()
}

fn has(steps: &BTreeSet<(String, Phase)>, node: &str, phase: Phase) -> bool {
    steps.contains(&(node.to_owned(), phase))
}

#[test]
fn frozen_layers_stay_and_cost_nothing() {
    let graph = chain(|net| {
        net.trainable("b", false);
    });
    let graph = graph.build().unwrap();
    for (name, distance) in moved(&graph) {
        assert_eq!(distance == 0.0, name.starts_with("b."), "{name}: {distance}");
    }
    let steps = backward(&graph);
    assert!(!has(&steps, "b", Phase::ParamGrad) && !has(&steps, "b", Phase::Update));
    // The gradient passes through to what trains above.
    assert!(has(&steps, "b", Phase::InputGrad) && has(&steps, "a", Phase::ParamGrad));
    assert!(!has(&steps, "a", Phase::InputGrad));

    let graph = chain(|net| {
        net.trainable("a", false).trainable("b", false);
    });
    let steps = backward(&graph.build().unwrap());
    for phase in [Phase::InputGrad, Phase::ParamGrad, Phase::Accumulate] {
        for node in ["a", "relu", "b"] {
            assert!(!has(&steps, node, phase), "{node} {phase:?}");
        }
    }
    assert!(has(&steps, "c", Phase::ParamGrad) && !has(&steps, "c", Phase::InputGrad));
}

#[test]
fn gradients_stop_where_they_are_told_to() {
    let mut net = GraphBuilder::new("stop");
    let (x, y) = (net.input("x", [3]), net.target("y", [2]));
    let a = net.layer("a", Dense::new(2), [&x]);
    let stop = net.layer("stop", StopGradient, [&a]);
    let b = net.layer("b", Dense::new(2), [&stop]);
    net.loss("loss", MeanSquaredError, [&b, &y]);
    net.output(&stop).output(&a).output(&b);
    let graph = net.build().unwrap();
    for (name, distance) in moved(&graph) {
        assert_eq!(distance == 0.0, name.starts_with("a."), "{name}: {distance}");
    }
    let steps = backward(&graph);
    assert!(!has(&steps, "a", Phase::ParamGrad) && !has(&steps, "stop", Phase::InputGrad));
    assert!(!has(&steps, "b", Phase::InputGrad));
    let mut network = Network::new(graph, Sgd::new(0.1), NetworkOptions::default()).unwrap();
    let outputs = network.predict(&[("x", &numbers(&[5, 3], 0.4))]).unwrap();
    assert_eq!(outputs[0], outputs[1]);
}

#[test]
fn a_factor_of_the_learning_rate_is_one() {
    let step = |rate: f32, factor: f32| {
        let graph = chain(|net| {
            net.trainable("a", false).trainable("c", false).learning_rate_factor("b", factor);
        });
        let graph = graph.build().unwrap();
        let mut network = Network::new(graph, Sgd::new(rate), NetworkOptions::default()).unwrap();
        let batch = [("x", &numbers(&[6, 3], 0.7)), ("y", &numbers(&[6, 2], 0.3))];
        network.train_batch(&batch).unwrap();
        network.weights_sha256()
    };
    assert_eq!(step(0.25, 0.5), step(0.125, 1.0));
    assert_ne!(step(0.25, 0.5), step(0.25, 1.0));
}

#[test]
fn nothing_that_trains_is_an_error() {
    let refused = |graph: Graph| {
        let mut network = Network::new(graph, Sgd::new(0.1), NetworkOptions::default()).unwrap();
        let batch = [("x", &numbers(&[6, 3], 0.7)), ("y", &numbers(&[6, 2], 0.3))];
        let report = network.evaluate_batch(&batch).unwrap();
        assert!(report.loss.is_finite());
        network.train_batch(&batch).unwrap_err().to_string()
    };
    let frozen = chain(|net| {
        net.trainable("a", false).trainable("b", false).trainable("c", false);
    });
    let error = refused(frozen.build().unwrap());
    assert!(error.contains("all its layers with weights have `trainable = false`"), "{error}");
    let mut stopped = chain(|net| {
        net.trainable("c", false);
    });
    let (y, relu) = (stopped.target("z", [4]), stopped.layer("stop", StopGradient, ["b"]));
    stopped.loss("other", MeanSquaredError, [&relu, &y]);
    assert!(stopped.build().is_ok());
}

#[test]
fn settings_are_saved_with_the_model() {
    let graph = chain(|net| {
        net.trainable("a", false).learning_rate_factor("b", 0.1);
        net.regularizer("b", "weight", L2::new(1e-4)).regularizer("c", "bias", L1::new(0.5));
    });
    let graph = graph.build().unwrap();
    let network = Network::new(graph, Sgd::new(0.1), NetworkOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frozen.safetensors");
    network.save(&path, &TrainingConfig::default()).unwrap();
    let (model, _) = checkpoint::open(&path).unwrap();
    let text = model.to_toml().unwrap();
    for line in [
        "trainable = false",
        "learning_rate_factor = 0.1",
        "weight_regularizer = { kind = \"l2\", rate = 0.0001 }",
        "bias_regularizer = { kind = \"l1\", rate = 0.5 }",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert_eq!(moved(&model.graph), moved(network.graph()));
    let drawing = caudal::report::dot(&model.graph, Some(network.optimizer().as_ref()));
    for part in
        ["16 parameters, frozen", "rate x 0.1, l2 of weight", "optimizer sgd, learning_rate"]
    {
        assert!(drawing.contains(part), "{part}: {drawing}");
    }
    assert!(
        caudal::report::svg(&model.graph, Some(network.optimizer().as_ref()))
            .contains("optimizer sgd, learning_rate = 0.1")
    );
    // What is left of a model keeps the settings, even where the owner of shared weights goes.
    let mut net = chain(|net| {
        net.trainable("a", false);
    });
    let metric_only = net.layer("only", Relu, ["a"]);
    net.output("c").output(&metric_only);
    assert!(!net.build().unwrap().parameters()[0].trainable);
}

#[test]
fn sharers_agree_with_the_owner() {
    let shared = |change: &dyn Fn(&mut GraphBuilder)| {
        let mut net = GraphBuilder::new("shared");
        let (x, y) = (net.input("x", [4]), net.target("y", [4]));
        let late = caudal::graph::Block::new("use", |net, inputs| {
            [net.layer("dense", Dense::new(4), inputs)]
        });
        let first = net.block("first", &late, [&x]);
        let second = net.shared_block("second", &late, &first, "first");
        net.loss("loss", MeanSquaredError, [&second[0], &y]);
        change(&mut net);
        net.build().map_err(|error| error.to_string())
    };
    let (first, second) = ("first/dense", "second/dense");
    for agree in [
        &|net: &mut GraphBuilder| {
            net.learning_rate_factor(first, 0.5);
        },
        &|net: &mut GraphBuilder| {
            net.learning_rate_factor(first, 0.5).learning_rate_factor(second, 0.5);
        },
    ] as [&dyn Fn(&mut GraphBuilder); 2]
    {
        let graph = shared(agree).unwrap();
        assert!(graph.parameters().iter().all(|it| it.learning_rate_factor == 0.5));
    }
    for (disagree, parts) in [
        (
            &(|net: &mut GraphBuilder| {
                net.trainable(second, false);
            }) as &dyn Fn(&mut GraphBuilder),
            ["`trainable` is false", "`first/dense`"],
        ),
        (
            &|net: &mut GraphBuilder| {
                net.learning_rate_factor(first, 0.5).learning_rate_factor(second, 0.25);
            },
            ["`learning_rate_factor` is 0.25", "is 0.5"],
        ),
        (
            &|net: &mut GraphBuilder| {
                net.regularizer(second, "weight", L2::new(0.5));
            },
            ["`weight_regularizer` is {", "is none"],
        ),
    ] {
        let error = shared(disagree).unwrap_err();
        assert!(error.starts_with("node `second/dense`"), "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    type Change = fn(&mut GraphBuilder);
    let cases: [(Change, &str); 8] = [
        (
            |net| _ = net.trainable("d", false),
            "node `d`: its training is set, but it is not a node",
        ),
        (
            |net| _ = net.trainable("x", false),
            "node `x`: its training is set, but it is not a layer",
        ),
        (|net| _ = net.trainable("relu", true), "node `relu`: its training is set, but it has no"),
        (|net| _ = net.learning_rate_factor("a", 0.0), "`learning_rate_factor` is 0"),
        (|net| _ = net.learning_rate_factor("a", f32::NAN), "`learning_rate_factor` is NaN"),
        (|net| _ = net.regularizer("a", "wieght", L2::new(0.1)), "did you mean `weight`?"),
        (|net| _ = net.regularizer("a", "kernel", L2::new(0.1)), "are `weight` and `bias`"),
        (|net| _ = net.regularizer("a", "weight", L2::new(-0.1)), "`rate` is -0.1"),
    ];
    for (change, part) in cases {
        let error = chain(change).build().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let text =
        Model::new(chain(|_| ()).build().unwrap(), TrainingConfig::default()).to_toml().unwrap();
    for (setting, part) in [
        ("trainable = 1", "its `trainable` is 1, not true or false"),
        ("learning_rate_factor = '2'", "`learning_rate_factor` is \"2\", not a number"),
        ("learning_rate_factor = -1", "`learning_rate_factor` is -1"),
        ("weight_regularizer = 'l3'", "`weight_regularizer`: unknown regularizer `l3`"),
        ("slope_regularizer = { kind = 'l2', rate = 1 }", "`slope`"),
        ("trainble = false", "unknown attribute `trainble`; did you mean `trainable`?"),
    ] {
        let text = text.replacen("name = \"a\"", &format!("name = \"a\"\n{setting}"), 1);
        let error = Model::from_toml(&text, "m.toml").unwrap_err().to_string();
        assert!(error.contains("node `a`") && error.contains(part), "{setting}: {error}");
        assert!(error.starts_with("m.toml:"), "{error}");
    }
}

#[test]
fn losses_weigh_the_same_unless_told_otherwise() {
    let mut net = chain(|_| ());
    let z = net.target("z", [4]);
    net.loss("other", MeanSquaredError, ["b", z.as_ref()]);
    net.weighted_loss("third", MeanSquaredError, 2.0, ["a", z.as_ref()]);
    let graph = net.build().unwrap();
    let text = Model::new(graph.clone(), TrainingConfig::default()).to_toml().unwrap();
    assert_eq!(text.matches("weight = ").count(), 1, "{text}");
    let mut network = Network::new(graph, Sgd::new(0.1), NetworkOptions::default()).unwrap();
    let (x, y, z) = (numbers(&[6, 3], 0.7), numbers(&[6, 2], 0.3), numbers(&[6, 4], 0.2));
    let report = network.evaluate_batch(&[("x", &x), ("y", &y), ("z", &z)]).unwrap();
    let value = |name: &str| report.losses.iter().find(|loss| loss.name == name).unwrap().value;
    let third = f64::from(1.0f32 / 3.0);
    let expected = third * value("loss") + third * value("other") + 2.0 * value("third");
    assert!((report.loss - expected).abs() < 1e-12, "{} {expected}", report.loss);
}

#[test]
fn optimizers_keep_nothing_for_what_they_do_not_move() {
    let frozen = |owner: &str| {
        let mut net = chain(|_| {});
        net.trainable(owner, false);
        net.build().unwrap()
    };
    let adam = || Arc::new(Adam::new(0.1));
    let options = NetworkOptions::default;
    let batch = [("x", &numbers(&[6, 3], 0.7)), ("y", &numbers(&[6, 2], 0.3))];
    let mut network = Network::new(frozen("b"), Adam::new(0.1), options()).unwrap();
    network.train_batch(&batch).unwrap();
    let state = network.optimizer().state()[0];
    assert!(network.optimizer_state("a.weight", state).is_ok());
    let error = network.optimizer_state("b.weight", state).unwrap_err().to_string();
    assert!(error.contains(state), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frozen.safetensors");
    network.save(&path, &TrainingConfig::default()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let arrays = |node: &str| {
        let of = format!(".{node}.");
        let names = file.names().into_iter();
        names.filter(|name| name.starts_with("optimizer.") && name.contains(&of)).count()
    };
    assert_eq!((arrays("a"), arrays("b"), arrays("c")), (4, 0, 4));
    let (model, checkpoint) = checkpoint::open(&path).unwrap();
    let mut again = Network::from_parts(model.graph, adam(), options()).unwrap();
    again.resume(&checkpoint).unwrap();
    for network in [&mut network, &mut again] {
        network.train_batch(&batch).unwrap();
    }
    assert_eq!(again.weights_sha256(), network.weights_sha256());

    // Thawed, it trains on, with a new state.
    let weights = network.weights("b.weight").unwrap();
    let mut net = network.graph().edit();
    net.trainable("b", true);
    let graph = Arc::new(net.build().unwrap());
    network.recompile(graph, adam(), options()).unwrap();
    assert_eq!(network.weights("b.weight").unwrap(), weights);
    network.train_batch(&batch).unwrap();
    assert!(network.optimizer_state("b.weight", state).unwrap().iter().any(|&it| it != 0.0));
    assert_ne!(network.weights("b.weight").unwrap(), weights);
}
