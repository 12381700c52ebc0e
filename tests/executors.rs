//! The same bits from every executor, worker count and policy.

use caudal::data::digits;
use caudal::executor::PlanOptions;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Concat, Conv2d, Dense, Flatten, GlobalAvgPool, MaxPool, Relu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::metrics::Accuracy;
use caudal::optimizers::Sgd;
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
    let (data, test) = digits().unwrap();
    let options = NetworkOptions {
        executor: executor.into(),
        workers,
        policy: policy.into(),
        plan,
        ..NetworkOptions::default()
    };
    let mut network = Network::new(branches(), Sgd::new(0.05).momentum(0.9), options).unwrap();
    let fit = FitOptions { max_steps: Some(20), ..FitOptions::default() };
    network.fit(&data, &fit).unwrap();
    let report = network.evaluate(&test, 50).unwrap();
    (network.weights_sha256(), report.loss)
}

#[test]
fn every_executor_gives_the_same_bits() {
    let plan = PlanOptions { grain: 5e-6, ..PlanOptions::default() };
    let expected = train("sequential", 1, "fifo", plan);
    assert!(expected.1 < 2.5, "{}", expected.1);
    for policy in ["fifo", "critical-path"] {
        for workers in [1, 2, 3, 4, 8] {
            assert_eq!(train("pool", workers, policy, plan), expected, "{workers} {policy}");
        }
    }
    assert_eq!(train("actors", 1, "fifo", plan), expected);
    let unparted = PlanOptions { in_place: false, fusion: false, ..plan };
    assert_eq!(train("pool", 2, "fifo", unparted), expected, "fusion");
}
