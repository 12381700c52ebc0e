//! Networks that recursion, quadratic loops and walks along every way would not finish.

use std::sync::Arc;

use caudal::Tensor;
use caudal::context::Mode;
use caudal::flow::Sequential;
use caudal::graph::GraphBuilder;
use caudal::layers::{Add, Dense, Flatten, OneHot, Relu, Scale, Slice};
use caudal::losses::MeanSquaredError;
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};
use caudal::train::{Network, NetworkOptions};

use super::optimizer;
use crate::probe::{WeightedSum, execute, run};

#[test]
fn a_long_chain_builds_and_trains() {
    const LENGTH: usize = 100_000;
    let mut net = GraphBuilder::new("chain");
    let mut last = net.input("x", [1]);
    let y = net.target("y", [1]);
    for number in 0..LENGTH {
        let name = format!("n{number}");
        last = if number % 2 == 0 {
            net.layer(name, Dense::new(1), [&last])
        } else {
            net.layer(name, Relu, [&last])
        };
    }
    net.loss("loss", MeanSquaredError, [&last, &y]);
    let graph = Arc::new(net.build().unwrap());
    assert_eq!(graph.topological_order().len(), LENGTH + 3);
    let options = NetworkOptions::default().workers(2);
    let mut network = Network::from_parts(graph, optimizer(), options).unwrap();
    let (x, y) = (Tensor::ones(vec![2, 1]), Tensor::ones(vec![2, 1]));
    // Whatever the weights are, they are gone after so many layers.
    let report = network.train_batch(&[("x", &x), ("y", &y)]).unwrap();
    assert!((report.loss - 1.0).abs() < 1e-6, "{}", report.loss);
    assert_eq!(network.predict(&[("x", &x)]).unwrap()[0].shape(), [2, 1]);
}

#[test]
fn a_ladder_of_diamonds_is_walked_once() {
    const DIAMONDS: usize = 60;
    let mut net = GraphBuilder::new("ladder");
    let x = net.input("x", [2]);
    let mut last = x.clone();
    for number in 0..DIAMONDS {
        let sides =
            ["left", "right"].map(|side| net.layer(format!("{side}{number}"), Relu, [&last]));
        last = net.layer(format!("both{number}"), Add, &sides);
    }
    let factors = net.target("factors", [2]);
    net.weighted_loss("sum", WeightedSum, 3.0, [&last, &factors]);
    let graph = Arc::new(net.build().unwrap());
    let mut run = run(&graph, Mode::Training, 3, PlanOptions::gradients());
    let data = vec![
        ("x".to_owned(), Tensor::from_elem(vec![3, 2], 1.5)),
        ("factors".to_owned(), Tensor::from_elem(vec![3, 2], 0.75)),
    ];
    execute(&mut run, &mut Sequential::new(), &data);
    // Every way through the ladder counts once: 2^60 of them.
    let ways = (DIAMONDS as f32).exp2();
    let gradient = run.input_gradient(graph.id(x.as_ref()).unwrap()).unwrap();
    assert_eq!(gradient, [0.75 * ways; 6]);
    let loss = run.kept(graph.id("sum").unwrap()).unwrap();
    assert_eq!(loss, [2.0 * 1.5 * 0.75 * ways; 3]);
}

#[test]
fn weights_that_no_memory_holds_are_refused() {
    let mut net = GraphBuilder::new("huge");
    let x = net.input("x", [1 << 20]);
    // More than there are addresses, whatever the system would promise.
    for number in 0..64 {
        let node = net.layer(format!("wide{number}"), Dense::new(1 << 19), [&x]);
        net.output(&node);
    }
    let graph = Arc::new(net.build().unwrap());
    let message = Network::from_parts(graph, optimizer(), NetworkOptions::default());
    let message = message.unwrap_err().to_string();
    assert!(message.starts_with("graph `huge`: memory does not hold its 351"), "{message}");
    assert!(message.contains("`sgd`") && message.ends_with("use smaller layers"), "{message}");
}

#[test]
fn activations_that_no_memory_holds_are_refused() {
    let mut net = GraphBuilder::new("wide");
    let x = net.input("x", [3]);
    let y = net.target("y", [2]);
    // 2 x 3 x 100,000,000,000 numbers are 2.4 TB.
    let hot = net.layer("hot", OneHot::new(100_000_000_000), [&x]);
    let first = net.layer("first", Slice::new(1, 0, 1), [&hot]);
    let flat = net.layer("flat", Flatten, [&first]);
    let out = net.layer("out", Dense::new(2), [&flat]);
    net.loss("loss", MeanSquaredError, [&out, &y]);
    let graph = Arc::new(net.build().unwrap());
    for mode in [Mode::Training, Mode::Prediction] {
        let plan = Plan::compile(&graph, mode, 2, &optimizer(), PlanOptions::default()).unwrap();
        let parameters = Parameters::initialize(&graph, optimizer().as_ref(), 0).unwrap();
        let message = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap_err().to_string();
        for expected in [
            "graph `wide`: memory does not hold a batch of 2",
            " TB",
            "`hot`, 2 x 3 x 100000000000",
        ] {
            assert!(message.contains(expected), "{message}\nlacks\n{expected}");
        }
    }
}

#[test]
fn a_node_with_very_many_inputs_and_one_with_very_many_readers_train() {
    const WIDTH: usize = 50_000;
    let mut net = GraphBuilder::new("fan");
    let x = net.input("x", [1]);
    let y = net.target("y", [1]);
    let stem = net.layer("stem", Dense::new(1), [&x]);
    let ribs: Vec<_> =
        (0..WIDTH).map(|number| net.layer(format!("rib{number}"), Relu, [&stem])).collect();
    let sum = net.layer("sum", Add, &ribs);
    let scaled = net.layer("scaled", Scale::new(1.0 / WIDTH as f32), [&sum]);
    net.loss("loss", MeanSquaredError, [&scaled, &y]);
    let graph = Arc::new(net.build().unwrap());
    let options = NetworkOptions::default().workers(2);
    let mut network = Network::from_parts(graph, optimizer(), options).unwrap();
    network.set_weights("stem.weight", &Tensor::ones(vec![1, 1])).unwrap();
    let (x, y) = (Tensor::ones(vec![2, 1]), Tensor::zeros(vec![2, 1]));
    let report = network.train_batch(&[("x", &x), ("y", &y)]).unwrap();
    assert!((report.loss - 1.0).abs() < 1e-3, "{}", report.loss);
    let (graph, optimizer) = (network.graph(), network.optimizer().as_ref());
    assert_eq!(caudal::report::dot(graph, Some(optimizer)).matches(" -> ").count(), 2 * WIDTH + 4);
    // One is the tip that all arrows share.
    assert_eq!(caudal::report::svg(graph, None).matches("<path d=\"M").count(), 2 * WIDTH + 5);
}
