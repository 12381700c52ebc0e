//! Products of 16-bit numbers: what training gives with them, on processors that have them.

use std::sync::Arc;

use caudal::context::{Mode, Phase};
use caudal::data::digits;
use caudal::flow::{Actors, Executor, Pool, Sequential};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Conv2d, Dense, Flatten, Relu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::metrics::Accuracy;
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions, Precision};
use caudal::run::{Parameters, Run};
use caudal::train::{FitOptions, Network, NetworkOptions};

use crate::command_line::{json, path, refused, told};

/// A small network for digits.
const MODEL: &str = r#"
node = [
    { name = "image", kind = "input", shape = [8, 8, 1] },
    { name = "label", kind = "target", shape = [] },
    { name = "flat", kind = "flatten", inputs = ["image"] },
    { name = "hidden", kind = "dense", units = 64, inputs = ["flat"] },
    { name = "logits", kind = "dense", units = 10, inputs = ["hidden"] },
    { name = "loss", kind = "softmax_cross_entropy", inputs = ["logits", "label"] },
]
"#;

/// Whether this processor multiplies 16-bit numbers; elsewhere a test of `run` has the error.
fn is_there() -> bool {
    Precision::Bf16.missing().is_empty()
}

/// Dense layers of sizes that are no multiples of anything, one of them used twice, and convolutions of single pixels,
/// in groups too.
fn network() -> Graph {
    let mut net = GraphBuilder::new("network");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);
    let stem = net.layer("stem", Conv2d::new(66, 3).stride(2).same(), [&image]);
    let stem = net.layer("stem.relu", Relu, [&stem]);
    let pixels = net.layer("pixels", Conv2d::new(34, 1), [&stem]);
    let groups = net.layer("groups", Conv2d::new(70, 1).groups(2), [&stem]);
    let flat = net.layer("flat", Flatten, [&pixels]);
    let other = net.layer("other", Flatten, [&groups]);
    let hidden = net.layer("hidden", Dense::new(67), [&flat]);
    let beside = net.layer("beside", Dense::new(67), [&other]);
    let sum = net.layer("sum", Add, [&hidden, &beside]);
    let sum = net.layer("sum.relu", Relu, [&sum]);
    let once = net.layer("once", Dense::new(67), [&sum]);
    let twice = net.layer_sharing("twice", Dense::new(67), [&once], &once);
    let logits = net.layer("logits", Dense::new(10), [&twice]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.metric("accuracy", Accuracy, [&logits, &label]);
    net.build().unwrap()
}

fn train(executor: &str, workers: usize, policy: &str, plan: PlanOptions) -> (String, f64) {
    let (data, test) = digits().unwrap();
    let options =
        NetworkOptions::default().executor(executor).workers(workers).policy(policy).plan(plan);
    let mut network = Network::new(network(), Sgd::new(0.02).momentum(0.9), options).unwrap();
    network.fit(&data, &FitOptions::default().max_steps(12)).unwrap();
    let report = network.evaluate(&test, 50).unwrap();
    (network.weights_sha256(), report.loss)
}

#[test]
fn every_executor_gives_the_same_bits() {
    if !is_there() {
        return;
    }
    let plan = PlanOptions::default().grain(5e-6).precision(Precision::Bf16);
    let expected = train("sequential", 1, "fifo", plan);
    assert!(expected.1.is_finite(), "{}", expected.1);
    for (workers, policy) in [(1, "fifo"), (2, "fifo"), (3, "critical-path"), (4, "random")] {
        assert_eq!(train("pool", workers, policy, plan), expected, "{workers} {policy}");
    }
    assert_eq!(train("actors", 1, "fifo", plan), expected);
    assert_eq!(train("channels", 3, "fifo", plan), expected);
    assert_ne!(train("pool", 2, "fifo", plan.precision(Precision::F32)).0, expected.0);
}

#[test]
fn the_divisions_of_a_prediction_change_no_bit() {
    if !is_there() {
        return;
    }
    let graph = Arc::new(network());
    let predict = |batch: usize, options: PlanOptions, executor: &mut dyn Executor| {
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let options = options.precision(Precision::Bf16);
        let plan = Plan::compile(&graph, Mode::Prediction, batch, &optimizer, options).unwrap();
        let parts = (0..plan.task_count()).map(|task| plan.task(task).parts).max().unwrap();
        let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 3).unwrap();
        let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
        let numbers: Vec<f32> = (0..batch * 64).map(|at| (at as f32 * 0.37).sin()).collect();
        run.bind(graph.inputs()[0], &numbers).unwrap();
        executor.execute(&mut run).unwrap();
        let kept = run.kept(graph.outputs()[0]).unwrap();
        (kept.iter().map(|number| number.to_bits()).collect::<Vec<_>>(), parts)
    };
    let plain = PlanOptions::plain();
    let (whole, undivided) = predict(32, plain, &mut Sequential::new());
    assert_eq!(undivided, 1);
    let mut pool = Pool::new(3, "critical-path").unwrap();
    for batch in [1, 3, 32] {
        let options = PlanOptions::default().grain(1e-9);
        for executor in [&mut pool as &mut dyn Executor, &mut Actors::default()] {
            let (bits, parts) = predict(batch, options, executor);
            assert!(parts > 1, "a batch of {batch} is divided");
            assert_eq!(bits, whole[..batch * 10], "a batch of {batch}");
        }
    }
}

#[test]
fn gradients_are_those_in_32_bits_but_for_what_16_bits_lose() {
    if !is_there() {
        return;
    }
    let mut net = GraphBuilder::new("chain");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);
    let mut last = net.layer("flat", Flatten, [&image]);
    for number in 0..4 {
        last = net.layer(format!("dense{number}"), Dense::new(64), [&last]);
    }
    let logits = net.layer("logits", Dense::new(10), [&last]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    let graph = Arc::new(net.build().unwrap());
    let gradients = |precision: Precision| -> Vec<Vec<f32>> {
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let options = PlanOptions::gradients().precision(precision);
        let plan = Plan::compile(&graph, Mode::Training, 32, &optimizer, options).unwrap();
        let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 3).unwrap();
        let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
        let (data, _) = digits().unwrap();
        for column in data.inputs().iter().chain(data.targets()) {
            let mut numbers = Vec::new();
            column.gather(&(0..32).collect::<Vec<_>>(), &mut numbers).unwrap();
            run.bind(graph.id(&column.name).unwrap(), &numbers).unwrap();
        }
        Sequential::new().execute(&mut run).unwrap();
        let image = run.input_gradient(graph.id("image").unwrap()).unwrap();
        let parameters = (0..graph.parameters().len())
            .map(|parameter| run.parameter_gradient(parameter).unwrap().iter().copied().collect());
        [image].into_iter().chain(parameters).collect()
    };
    let norm = |numbers: &mut dyn Iterator<Item = f64>| -> f64 {
        numbers.map(|number| number * number).sum::<f64>().sqrt()
    };
    let exact = gradients(Precision::F32);
    for (number, (rounded, exact)) in gradients(Precision::Bf16).iter().zip(&exact).enumerate() {
        let pairs = rounded.iter().zip(exact);
        let off = pairs.map(|(&rounded, &exact)| f64::from(rounded) - f64::from(exact));
        let size = norm(&mut exact.iter().map(|&number| f64::from(number)));
        // Each of nine products in a row is off by 2^-9 of its size or so, in all directions: 0.6 % together.
        let ratio = norm(&mut off.into_iter()) / size;
        assert!(size > 0.0 && ratio > 1e-5 && ratio < 0.015, "gradient {number}: off by {ratio}");
    }
}

#[test]
fn digits_are_learnt_as_well_as_in_32_bits() {
    if !is_there() {
        return;
    }
    let accuracy = |precision: Precision| {
        let mut net = GraphBuilder::new("digits");
        let image = net.input("image", [8, 8, 1]);
        let label = net.target("label", []);
        let mut last = net.layer("flat", Flatten, [&image]);
        for name in ["first", "second"] {
            let dense = net.layer(name, Dense::new(96), [&last]);
            last = net.layer(format!("{name}.relu"), Relu, [&dense]);
        }
        let logits = net.layer("logits", Dense::new(10), [&last]);
        net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
        net.metric("accuracy", Accuracy, [&logits, &label]);
        net.precision(precision);
        let options = NetworkOptions::default().seed(1);
        let sgd = Sgd::new(0.05).momentum(0.9);
        let mut network = Network::new(net.build().unwrap(), sgd, options).unwrap();
        let (data, test) = digits().unwrap();
        network.fit(&data, &FitOptions::default().epochs(8)).unwrap();
        network.evaluate(&test, 60).unwrap().metric("accuracy").unwrap()
    };
    let [exact, rounded] = Precision::ALL.map(accuracy);
    assert!(exact > 0.96, "{exact}");
    // Two of 360 images.
    assert!((exact - rounded).abs() < 0.006, "{rounded}, {exact} in 32 bits");
}

#[test]
fn estimates_know_that_products_take_half_as_long() {
    let mut net = GraphBuilder::new("chain");
    let x = net.input("x", [512]);
    let y = net.target("y", []);
    let hidden = net.layer("hidden", Dense::new(512), [&x]);
    let logits = net.layer("logits", Dense::new(10), [&hidden]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &y]);
    let graph = Arc::new(net.build().unwrap());
    let costs = |precision: Precision| {
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let options = PlanOptions::plain().precision(precision);
        let plan = Plan::compile(&graph, Mode::Training, 256, &optimizer, options).unwrap();
        let of = |node: &str, phase: Phase| {
            let mut tasks = (0..plan.task_count()).map(|task| plan.task(task));
            let task = tasks.find(|task| task.node == node && task.phase == phase);
            task.map(|task| task.cost)
        };
        let prepared = of("hidden", Phase::Prepare);
        let phases = ["hidden", "logits"].map(|node| of(node, Phase::Forward).unwrap());
        (phases, of("hidden", Phase::ParamGrad).unwrap(), prepared)
    };
    let (exact, exact_gradient, nothing) = costs(Precision::F32);
    let (rounded, gradient, prepared) = costs(Precision::Bf16);
    for ratio in [rounded[0] / exact[0], gradient / exact_gradient] {
        assert!(ratio > 0.5 && ratio < 0.6, "{ratio}");
    }
    // Ten columns are too few.
    assert_eq!(rounded[1].to_bits(), exact[1].to_bits());
    assert!(nothing.is_none() && prepared.is_some_and(|cost| cost < rounded[0]));
}

#[test]
fn nodes_that_share_weights_prepare_them_once() {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let options = PlanOptions::default().precision(Precision::Bf16);
    let graph = Arc::new(network());
    let plan = Plan::compile(&graph, Mode::Training, 32, &optimizer, options).unwrap();
    let tasks = (0..plan.task_count()).map(|task| plan.task(task));
    let calls = tasks.flat_map(|task| task.calls);
    let prepared = |nodes: &[&str]| {
        let all = calls.clone().filter(|(_, phase)| *phase == Phase::Prepare);
        all.filter(|(node, _)| nodes.contains(node)).count()
    };
    // For the forward pass and for the backward pass.
    assert_eq!(prepared(&["once", "twice"]), 2);
    assert_eq!(prepared(&["hidden"]), 2);
    assert_eq!(prepared(&["logits"]), 0);
}

#[test]
fn a_model_and_the_command_line_say_with_which_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let [file, plain, written] =
        ["bf16.toml", "plain.toml", "written.toml"].map(|name| path(&folder, name));
    let [saved, frozen] =
        ["saved.safetensors", "frozen.safetensors"].map(|name| path(&folder, name));
    for precision in ["half", "BF16"] {
        let (code, line) = refused(&["train", "digits", "--precision", precision]);
        assert!(code == 2 && line.contains("expected f32 or bf16"), "{line}");
    }
    std::fs::write(&plain, MODEL).unwrap();
    std::fs::write(&file, format!("precision = \"bf16\"\n{MODEL}")).unwrap();
    if !is_there() {
        let (code, line) = refused(&["train", &file]);
        assert!(code == 2 && line.contains("avx512_bf16"), "{line}");
        return;
    }
    let weights = |options: &[&str]| {
        let told = json(&[&["train", "--quiet", "--max-steps", "6"], options].concat());
        told["weights_sha256"].as_str().unwrap().to_owned()
    };
    let rounded = weights(&[&file, "--save", &saved]);
    assert_eq!(weights(&[&plain, "--precision", "bf16", "--workers", "1"]), rounded);
    // The option stands above the file.
    let exact = weights(&[&plain]);
    assert_ne!(exact, rounded);
    assert_eq!(weights(&[&file, "--precision", "f32"]), exact);
    let prepares = |options: &[&str]| {
        let measured =
            ["speedup", &plain, "--seconds", "0.05", "--workers", "1", "--policies", "fifo"];
        let told = json(&[&measured[..], options].concat());
        let phases = told["speedup"]["phases"].as_array().unwrap();
        phases.iter().any(|it| it["phase"].as_str().unwrap().contains("prepare"))
    };
    assert!(prepares(&["--precision", "bf16"]));
    assert!(!prepares(&[]));
    let (code, line) = refused(&["simulate", &plain, "--precision", "half"]);
    assert!(code == 2 && line.contains("expected f32 or bf16"), "{line}");
    // The saved network says it too, and so does what is made of it.
    assert_eq!(json(&["inspect", &saved])["precision"], "bf16");
    assert!(told(&["inspect", &saved]).contains("parameters, precision bf16"));
    told(&["graph", &saved, "--out", &written]);
    assert!(std::fs::read_to_string(&written).unwrap().contains("precision = \"bf16\""));
    told(&["freeze", &saved, "--out", &frozen]);
    assert_eq!(json(&["inspect", &frozen])["precision"], "bf16");
    let predicted = |options: &[&str]| told(&[&["predict", &saved], options].concat());
    assert_eq!(predicted(&[]), predicted(&["--precision", "bf16"]));
    assert_ne!(predicted(&[]), predicted(&["--precision", "f32"]));
    // A training that goes on does so as it began, unless told otherwise.
    told(&["train", &file, "--quiet", "--max-steps", "3", "--save", &saved]);
    assert_eq!(weights(&["--resume", &saved]), rounded);
    assert_ne!(weights(&["--resume", &saved, "--precision", "f32"]), rounded);
}
