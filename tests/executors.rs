//! The same bits from every executor, worker count and policy.

use std::sync::Arc;

use caudal::context::Mode;
use caudal::data::digits;
use caudal::flow::{Actors, Executor, Pool, Sequential};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Concat, Conv2d, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Reshape};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::metrics::Accuracy;
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};
use caudal::train::{FitOptions, Network, NetworkOptions};

fn branches() -> Graph {
    let mut net = GraphBuilder::new("branches");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);
    let stem = net.layer("stem", Conv2d::new(8, 3).same(), [&image]);
    let stem = net.layer("stem.relu", Relu, [&stem]);
    let mut ends = Vec::new();
    for (name, kernel) in [("one", 1), ("three", 3), ("five", 5)] {
        let conv = net.layer(name, Conv2d::new(12, kernel).same(), [&stem]);
        ends.push(net.layer(format!("{name}.relu"), Relu, [&conv]));
    }
    let pool = net.layer("pool", MaxPool::new(3).stride(1).same(), [&stem]);
    ends.push(pool);
    let both = net.layer("concat", Concat::default(), &ends);
    let gap = net.layer("gap", GlobalAvgPool, [&both]);
    let flat = net.layer("flat", Flatten, [&both]);
    let hidden = net.layer("hidden", Dense::new(16), [&flat]);
    let all = net.layer("all", Concat::default(), [&gap, &hidden]);
    let logits = net.layer("logits", Dense::new(10), [&all]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.metric("accuracy", Accuracy, [&logits, &label]);
    net.build().unwrap()
}

fn train(executor: &str, workers: usize, policy: &str, plan: PlanOptions) -> (String, f64) {
    train_graph(branches(), executor, workers, policy, plan)
}

fn train_graph(
    graph: Graph,
    executor: &str,
    workers: usize,
    policy: &str,
    plan: PlanOptions,
) -> (String, f64) {
    let (data, test) = digits().unwrap();
    let options =
        NetworkOptions::default().executor(executor).workers(workers).policy(policy).plan(plan);
    let mut network = Network::new(graph, Sgd::new(0.05).momentum(0.9), options).unwrap();
    let fit = FitOptions::default().max_steps(20);
    network.fit(&data, &fit).unwrap();
    let report = network.evaluate(&test, 50).unwrap();
    (network.weights_sha256(), report.loss)
}

#[test]
fn every_executor_gives_the_same_bits() {
    let plan = PlanOptions::default().grain(5e-6);
    let expected = train("sequential", 1, "fifo", plan);
    assert!(expected.1 < 2.5, "{}", expected.1);
    for policy in ["fifo", "critical-path"] {
        for workers in [1, 2, 3, 4, 8] {
            assert_eq!(train("pool", workers, policy, plan), expected, "{workers} {policy}");
        }
    }
    assert_eq!(train("actors", 1, "fifo", plan), expected);
    assert_eq!(train("channels", 3, "fifo", plan), expected);
    let unparted = plan.in_place(false).fusion(false);
    assert_eq!(train("pool", 2, "fifo", unparted), expected, "fusion");
}

/// Losses of all items, gradients of the image and of all parameters.
type Gradients = (Vec<f32>, Vec<f32>, Vec<Vec<f32>>);

fn gradients(plan: PlanOptions, executor: &mut dyn Executor, batch: usize) -> Gradients {
    let graph = Arc::new(branches());
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let plan = Plan::compile(&graph, Mode::Training, batch, &optimizer, plan).unwrap();
    let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 3).unwrap();
    let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
    let (data, _) = digits().unwrap();
    let items: Vec<usize> = (0..batch).collect();
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

#[test]
fn chunks_of_a_batch_change_nothing_but_the_order_of_sums() {
    let chunked = PlanOptions::gradients().chunk_bytes(1).grain(5e-6);
    let undivided = chunked.chunk_bytes(usize::MAX);
    let tasks = |plan| {
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let plan = Plan::compile(&Arc::new(branches()), Mode::Training, 50, &optimizer, plan);
        plan.unwrap().task_count()
    };
    assert!(tasks(chunked) > 3 * tasks(undivided), "there are chunks at all");
    // 50 items are 6 chunks of 8 or 9.
    for batch in [15, 16, 50] {
        let expected = gradients(undivided, &mut Sequential::new(), batch);
        let here = gradients(chunked, &mut Sequential::new(), batch);
        assert_eq!(here.0, expected.0, "losses of {batch}");
        assert_eq!(here.1, expected.1, "gradient of the image, of {batch}");
        for (parameter, (sum, expected)) in here.2.iter().zip(&expected.2).enumerate() {
            let largest = expected.iter().fold(0.0f32, |most, it| most.max(it.abs()));
            for (sum, expected) in sum.iter().zip(expected) {
                assert!((sum - expected).abs() <= 1e-5 * largest, "parameter {parameter}, {batch}");
            }
        }
        for workers in [1, 2, 4] {
            for policy in ["fifo", "critical-path"] {
                let mut pool = Pool::new(workers, policy).unwrap();
                assert_eq!(gradients(chunked, &mut pool, batch), here, "{workers} {policy}");
            }
        }
        assert_eq!(gradients(chunked, &mut Actors::new(), batch), here, "actors, {batch}");
    }
}

#[test]
fn every_executor_gives_the_same_bits_in_chunks() {
    let plan = PlanOptions::default().chunk_bytes(1).grain(5e-6);
    let expected = train("sequential", 1, "fifo", plan);
    assert!(expected.1 < 2.5, "{}", expected.1);
    for policy in ["fifo", "critical-path"] {
        for workers in [1, 2, 3, 4, 8] {
            assert_eq!(train("pool", workers, policy, plan), expected, "{workers} {policy}");
        }
    }
    assert_eq!(train("actors", 1, "fifo", plan), expected);
    assert_eq!(train("channels", 3, "fifo", plan), expected);
}

/// Layers whose rows are one page and two pages long, as values of their own, as columns of others
/// and seen with other axes.
fn pages() -> Graph {
    let mut net = GraphBuilder::new("pages");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);
    let flat = net.layer("flat", Flatten, [&image]);
    let wide = net.layer("wide", Dense::new(1024), [&flat]);
    let relu = net.layer("relu", Relu, [&wide]);
    let other = net.layer("other", Dense::new(1024), [&relu]);
    let sum = net.layer("sum", Add, [&relu, &other]);
    let square = net.layer("square", Reshape::new([32, 32]), [&other]);
    let line = net.layer("line", Flatten, [&square]);
    let both = net.layer("both", Concat::default(), [&sum, &line, &relu, &other]);
    let logits = net.layer("logits", Dense::new(10), [&both]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.build().unwrap()
}

#[test]
fn rows_a_page_long_change_nothing() {
    let plan = PlanOptions::default().grain(5e-6);
    let together = plan.in_place(false);
    let expected = train_graph(pages(), "sequential", 1, "fifo", together);
    assert!(expected.1 < 2.5, "{}", expected.1);
    assert_eq!(train_graph(pages(), "sequential", 1, "fifo", plan), expected);
    for workers in [2, 4] {
        assert_eq!(train_graph(pages(), "pool", workers, "critical-path", plan), expected);
    }
}
