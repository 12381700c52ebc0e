//! Micro-batches: the bits of runs one after another, from every executor.

use std::sync::Arc;

use caudal::context::{Mode, Phase};
use caudal::data::{Dataset, Order, Sampler, digits};
use caudal::flow::policy::POLICIES;
use caudal::flow::{Executor, Pool, Sequential, executor};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{
    BatchNorm, Concat, Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, Relu, Tanh,
};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::optimizers::{Moving, Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};
use caudal::train::{FitOptions, Network, NetworkOptions};

use crate::command_line::{caudal, json, told};

/// Convolutions, whose gradients are summed over items, and dense layers, one of them used twice, whose
/// gradients are split by rows; the loss counts `weight` times.
fn branches(weight: f32) -> Graph {
    let mut net = GraphBuilder::new("branches");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);
    let stem = net.layer("stem", Conv2d::new(8, 3).same(), [&image]);
    let stem = net.layer("stem.relu", Relu, [&stem]);
    let ends = [("one", 1), ("three", 3)].map(|(name, kernel)| {
        let conv = net.layer(name, Conv2d::new(12, kernel).same(), [&stem]);
        net.layer(format!("{name}.relu"), Relu, [&conv])
    });
    let both = net.layer("both", Concat::default(), &ends);
    let gap = net.layer("gap", GlobalAvgPool, [&both]);
    let flat = net.layer("flat", Flatten, [&both]);
    let hidden = net.layer("hidden", Dense::new(24), [&flat]);
    let again = net.layer("again", Dense::new(24), [&gap]);
    let twice = net.layer_sharing("twice", Dense::new(24), [&again], &again);
    let all = net.layer("all", Concat::default(), [&hidden, &twice]);
    let logits = net.layer("logits", Dense::new(10), [&all]);
    net.weighted_loss("loss", SoftmaxCrossEntropy, weight, [&logits, &label]);
    net.build().unwrap()
}

/// Losses of all items, gradients of the image and of all parameters.
type Gradients = (Vec<f32>, Vec<f32>, Vec<Vec<f32>>);

fn gradients(
    graph: Graph,
    plan: PlanOptions,
    executor: &mut dyn Executor,
    items: std::ops::Range<usize>,
) -> Gradients {
    let graph = Arc::new(graph);
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let plan = Plan::compile(&graph, Mode::Training, items.len(), &optimizer, plan).unwrap();
    let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 3).unwrap();
    let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
    let (data, _) = digits().unwrap();
    let items: Vec<usize> = items.collect();
    for column in data.inputs().iter().chain(data.targets()) {
        let mut numbers = Vec::new();
        column.gather(&items, &mut numbers).unwrap();
        run.bind(graph.id(&column.name).unwrap(), &numbers).unwrap();
    }
    executor.execute(&mut run).unwrap();
    let losses = run.kept(graph.id("loss").unwrap()).unwrap().to_vec();
    let image = run.input_gradient(graph.id("image").unwrap()).unwrap();
    let parameters = (0..graph.parameters().len())
        .map(|parameter| run.parameter_gradient(parameter).unwrap().iter().copied().collect());
    (losses, image, parameters.collect())
}

/// The micro-batches of `size` items in runs of their own, one after another, gradients added in order.
fn one_after_another(plan: PlanOptions, micro_batches: usize, size: usize) -> Gradients {
    // Of the loss of the whole batch, the mean over a micro-batch is this share.
    let weight = 1.0 / micro_batches as f32;
    let mut all: Gradients = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..micro_batches {
        let items = number * size..(number + 1) * size;
        let one = gradients(branches(weight), plan, &mut Sequential::new(), items);
        all.0.extend(one.0);
        all.1.extend(one.1);
        if number == 0 {
            all.2 = one.2;
        } else {
            for (sum, more) in all.2.iter_mut().zip(one.2) {
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
        }
    }
    all
}

fn task_count(graph: Graph, batch: usize, options: PlanOptions) -> usize {
    plan(graph, batch, options).task_count()
}

fn plan(graph: Graph, batch: usize, options: PlanOptions) -> Plan {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    Plan::compile(&Arc::new(graph), Mode::Training, batch, &optimizer, options).unwrap()
}

#[test]
fn gradients_are_those_of_micro_batches_one_after_another() {
    let fine = PlanOptions::gradients().grain(5e-6);
    for (number, options) in
        [(1, fine), (2, fine), (3, fine), (5, fine), (3, PlanOptions::gradients())]
    {
        let whole = options.micro_batches(number);
        // A power of two, so that the share of the loss is the same whichever way it is computed.
        let batch = 16 * number;
        let expected = one_after_another(options, number, 16);
        let here = gradients(branches(1.0), whole, &mut Sequential::new(), 0..batch);
        assert_eq!(here, expected, "{number} micro-batches");
        for policy in ["fifo", "critical-path"] {
            let mut pool = Pool::new(3, policy).unwrap();
            assert_eq!(gradients(branches(1.0), whole, &mut pool, 0..batch), here, "{policy}");
        }
        // An update adds them in the same order.
        let moving = whole.updates(true);
        assert_eq!(gradients(branches(1.0), moving, &mut Sequential::new(), 0..batch), here);
    }
    let plan = plan(branches(1.0), 48, fine.micro_batches(3));
    let tasks = || (0..plan.task_count()).map(|task| plan.task(task));
    let of =
        |node: &str| tasks().filter(|it| it.node == node && it.phase == Phase::ParamGrad).count();
    assert_eq!((of("three"), of("hidden")), (3, 3), "a gradient for each micro-batch");
    assert!(tasks().any(|task| task.phase == Phase::ParamGrad && task.parts > 1), "and in parts");
}

/// Gradient accumulation as others have it: batches one after another, whose gradients are averaged before one update.
#[test]
fn accumulated_batches_move_weights_as_one_large_batch() {
    const NUMBER: usize = 4;
    let network = |weight: f32, plan: PlanOptions| {
        let options = NetworkOptions::default().workers(2).plan(plan);
        Network::new(branches(weight), Sgd::new(0.2), options).unwrap()
    };
    let mut divided = network(1.0, PlanOptions::default().micro_batches(NUMBER));
    let mut whole = network(1.0, PlanOptions::default());
    let mut one_by_one = network(1.0 / NUMBER as f32, PlanOptions::gradients());
    let (data, _) = digits().unwrap();
    let first: Vec<usize> = (0..3 * NUMBER * 16).collect();
    for items in first.chunks(NUMBER * 16) {
        for network in [&mut divided, &mut whole] {
            let batch = data.subset(items).unwrap();
            network.fit(&batch, &FitOptions::default().batch_size(items.len())).unwrap();
        }
        let mut sums: Vec<Vec<f32>> = Vec::new();
        for items in sequence(&data, items).chunks(16) {
            let run = one_by_one.bound_run(Mode::Training, &data, items).unwrap();
            Sequential::new().execute(run).unwrap();
            let gradients = (0..).map_while(|it| run.parameter_gradient(it));
            let gradients: Vec<Vec<f32>> =
                gradients.map(|it| it.iter().copied().collect()).collect();
            if sums.is_empty() {
                sums = gradients;
            } else {
                for (sum, more) in sums.iter_mut().flatten().zip(gradients.iter().flatten()) {
                    *sum += more;
                }
            }
        }
        let names: Vec<String> =
            one_by_one.graph().parameters().iter().map(|it| it.name.clone()).collect();
        for (name, gradient) in names.iter().zip(&sums) {
            let mut weights = one_by_one.weights(name).unwrap();
            let numbers = weights.as_slice_mut().unwrap();
            Sgd::new(0.2).update(Moving::new(numbers, gradient, &mut [])).unwrap();
            one_by_one.set_weights(name, &weights).unwrap();
        }
    }
    assert_eq!(divided.weights_sha256(), one_by_one.weights_sha256());
    for parameter in whole.graph().parameters() {
        let [one, other] = [&divided, &whole].map(|it| it.weights(&parameter.name).unwrap());
        let error = one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 1e-5, "{}: {error}", parameter.name);
    }
}

/// The order in which the first epoch over these items takes them.
fn sequence(data: &Dataset, items: &[usize]) -> Vec<usize> {
    let batch = data.subset(items).unwrap();
    let sampler = Sampler::new(&batch, &Order::Shuffled, items.len(), 0).unwrap();
    sampler.epoch(0).into_iter().map(|at| items[at]).collect()
}

#[test]
fn micro_batches_of_different_sizes_change_nothing_but_roundings() {
    let options = PlanOptions::gradients().grain(5e-6);
    let expected = gradients(branches(1.0), options, &mut Sequential::new(), 0..50);
    for number in [4, 7, 50] {
        let whole = options.micro_batches(number);
        let here = gradients(branches(1.0), whole, &mut Sequential::new(), 0..50);
        assert_eq!((&here.0, &here.1), (&expected.0, &expected.1), "{number}");
        for (sum, expected) in here.2.iter().zip(&expected.2) {
            let largest = expected.iter().fold(0.0f32, |most, it| most.max(it.abs()));
            for (sum, expected) in sum.iter().zip(expected) {
                assert!((sum - expected).abs() <= 1e-5 * largest, "{sum} {expected}, {number}");
            }
        }
    }
}

#[test]
fn what_only_its_micro_batches_have_is_not_kept() {
    let options = PlanOptions::default().micro_batches(2);
    let plan = Arc::new(plan(branches(1.0), 4, options));
    let graph = Arc::clone(plan.graph());
    let parameters = Parameters::initialize(&graph, &Sgd::default(), 3).unwrap();
    let run = Run::new(plan, Arc::new(parameters)).unwrap();
    let kept = |node: &str| run.kept(graph.id(node).unwrap()).map(<[f32]>::len);
    assert_eq!((kept("loss"), kept("stem"), kept("flat")), (Some(4), None, None));
}

#[test]
fn a_batch_has_no_more_micro_batches_than_items() {
    let with = |number| PlanOptions::default().micro_batches(number);
    let three = task_count(branches(1.0), 3, with(3));
    assert_eq!(task_count(branches(1.0), 3, with(1000)), three);
    assert!(three > task_count(branches(1.0), 3, with(2)));
}

fn train(name: &str, workers: usize, policy: &str, plan: PlanOptions) -> String {
    let (data, _) = digits().unwrap();
    let options = NetworkOptions::default().plan(plan);
    let optimizer = Sgd::new(0.05).momentum(0.9).clip_global_norm(1.0);
    let mut network = Network::new(branches(1.0), optimizer, options).unwrap();
    network.set_executor(executor(name, workers, policy).unwrap());
    // The last batch of the epoch is smaller: 1437 items are 28 batches of 50, and 37 items.
    let fit = FitOptions::default().batch_size(50).max_steps(30);
    network.fit(&data, &fit).unwrap();
    network.weights_sha256()
}

#[test]
fn every_executor_gives_the_same_bits() {
    let plan = PlanOptions::default().grain(5e-6).micro_batches(4);
    let expected = train("sequential", 1, "fifo", plan);
    for policy in POLICIES {
        for workers in [1, 2, 4] {
            assert_eq!(
                train("pool", workers, policy.name, plan),
                expected,
                "{workers} {}",
                policy.name
            );
        }
    }
    assert_eq!(train("actors", 1, "fifo", plan), expected);
    assert_eq!(train("channels", 3, "fifo", plan), expected);
    for (fusion, in_place) in [(false, true), (true, false)] {
        let apart = plan.fusion(fusion).in_place(in_place).split_backward(false);
        assert_eq!(train("pool", 2, "critical-path", apart), expected, "{apart:?}");
    }
    let other = plan.micro_batches(2);
    assert_ne!(train("sequential", 1, "fifo", other), expected, "sums have another order");
}

fn chain() -> Graph {
    let mut net = GraphBuilder::new("chain");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);
    let mut last = net.layer("flat", Flatten, [&image]);
    for number in 0..10 {
        let dense = net.layer(format!("dense{number}"), Dense::new(128), [&last]);
        last = net.layer(format!("tanh{number}"), Tanh, [&dense]);
    }
    let dropped = net.layer("dropped", Dropout::new(0.5), [&last]);
    let logits = net.layer("logits", Dense::new(10), [&dropped]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.build().unwrap()
}

#[test]
fn a_chain_has_work_for_several_workers() {
    let span = |micro_batches| {
        let options = PlanOptions::default().micro_batches(micro_batches).parts(false);
        let plan = plan(chain(), 64, options);
        let costs = plan.estimated_costs().to_vec();
        costs.iter().sum::<f64>() / plan.critical_path(&costs).1
    };
    let (alone, together) = (span(None), span(Some(8)));
    assert!(alone < 2.0, "work over span {alone}");
    assert!(together > 3.0, "work over span {together}");
}

#[test]
fn dropout_drops_what_it_drops_without_micro_batches() {
    let losses = |micro_batches| {
        let options = PlanOptions::gradients().micro_batches(micro_batches);
        gradients(chain(), options, &mut Sequential::new(), 0..48).0
    };
    assert_eq!(losses(Some(6)), losses(None));
}

#[test]
fn layers_that_look_at_a_whole_batch_are_refused_by_name() {
    let normal = |trains| {
        let mut net = GraphBuilder::new("normal");
        let image = net.input("image", [8, 8, 1]);
        let label = net.target("label", []);
        let flat = net.layer("flat", Flatten, [&image]);
        let norm = net.layer("norm", BatchNorm::new(), [&flat]);
        net.trainable("norm", trains);
        let logits = net.layer("logits", Dense::new(10), [&norm]);
        net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
        Arc::new(net.build().unwrap())
    };
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let compile = |graph: &Arc<Graph>, mode, micro_batches| {
        let options = PlanOptions::default().micro_batches(micro_batches);
        Plan::compile(graph, mode, 16, &optimizer, options)
    };
    let message = compile(&normal(true), Mode::Training, Some(2)).unwrap_err().to_string();
    assert!(message.contains("node `norm`: `batch_norm` looks at a batch as a whole"), "{message}");
    assert!(message.contains("trainable = false"), "{message}");
    for micro_batches in [None, Some(1)] {
        compile(&normal(true), Mode::Training, micro_batches).unwrap();
    }
    compile(&normal(true), Mode::Evaluation, Some(2)).unwrap();
    compile(&normal(false), Mode::Training, Some(2)).unwrap();
    let none = compile(&Arc::new(chain()), Mode::Training, Some(0)).unwrap_err().to_string();
    assert!(none.contains("graph `chain`: a batch is divided into no micro-batch"), "{none}");
}

#[test]
fn the_program_trains_and_measures_with_micro_batches() {
    let train = |more: &[&str]| {
        let common = ["train", "--quiet", "--max-steps", "5"];
        json(&[&common[..], more].concat())["weights_sha256"].as_str().unwrap().to_owned()
    };
    let expected = train(&["--micro-batches", "4", "--executor", "sequential"]);
    assert_eq!(train(&["--micro-batches", "4", "--workers", "2"]), expected);
    assert_ne!(train(&["--executor", "sequential"]), expected);
    let line = told(&["bench", "--seconds", "0", "--micro-batches", "2", "chain"]);
    assert!(line.starts_with("caudal,chain,"), "{line}");
    assert_eq!(caudal(&["train", "--micro-batches", "0"]).status.code(), Some(2));
}
