//! Gradients that share a place: those of nodes with the same parameters, which one call sums, and those of parts of
//! a value, which lie side by side.

use caudal::Tensor;
use caudal::context::Mode;
use caudal::graph::{Block, Graph, GraphBuilder};
use caudal::layers::{Concat, Dense, Flatten, Scale, Slice, Tanh};
use caudal::losses::MeanSquaredError;
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};

use crate::sharing::random;

/// One layer after another, more often than one call sums their gradients.
const TIMES: usize = 20;

fn repeated(shared: bool) -> Graph {
    let step = Block::new("step", |net, inputs| {
        let dense = net.layer("dense", Dense::new(70), inputs);
        [net.layer("tanh", Tanh, [&dense])]
    });
    let mut net = GraphBuilder::new("repeated");
    let (x, y) = (net.input("x", [70]), net.target("y", [70]));
    let mut last = vec![net.layer("start", Tanh, [&x])];
    for time in 0..TIMES {
        let name = format!("step{time}");
        last = if shared && time > 0 {
            net.shared_block(name, &step, &last, "step0")
        } else {
            net.block(name, &step, &last)
        };
    }
    net.loss("loss", MeanSquaredError, [&last[0], &y]);
    net.build().unwrap()
}

/// The gradients of the weights and biases of one batch of 12 items.
fn gradients_of_repeated(network: &mut Network) -> Vec<(String, Tensor)> {
    let (x, y) = (random(&[12, 70], 1), random(&[12, 70], 2));
    network.train_batch(&[("x", &x), ("y", &y)]).unwrap();
    let graph = network.graph().clone();
    let run = network.run(Mode::Training, 12).unwrap();
    let named = graph.parameters().iter().enumerate();
    named.map(|(at, it)| (it.name.clone(), run.parameter_gradient(at).unwrap())).collect()
}

#[test]
fn gradients_of_many_nodes_are_summed_in_few_places() {
    let options = PlanOptions::gradients().grain(1e-7);
    let network = |shared| {
        let sequential = NetworkOptions::default().executor("sequential").plan(options);
        Network::new(repeated(shared), Sgd::new(0.25), sequential).unwrap()
    };
    let (mut apart, mut shared) = (network(false), network(true));
    for parameter in apart.graph().parameters().to_vec() {
        let (_, own) = parameter.name.split_once('/').unwrap();
        let weights = shared.weights(&format!("step0/{own}")).unwrap();
        apart.set_weights(&parameter.name, &weights).unwrap();
    }
    let weights: Vec<_> = ["step0/dense.weight", "step0/dense.bias"]
        .map(|name| (name, shared.weights(name).unwrap()))
        .into();
    let all = gradients_of_repeated(&mut apart);
    let expected = gradients_of_repeated(&mut shared);
    assert_eq!((all.len(), expected.len()), (2 * TIMES, 2));
    for (name, gradient) in &expected {
        let (_, own) = name.split_once('/').unwrap();
        let users = all.iter().filter(|(other, _)| other.ends_with(own));
        let users: Vec<&Tensor> = users.map(|(_, gradient)| gradient).collect();
        assert_eq!(users.len(), TIMES);
        for (place, &found) in gradient.iter().enumerate() {
            let of = |user: &&Tensor| f64::from(user.as_slice().unwrap()[place]);
            let sum: f64 = users.iter().map(of).sum();
            let sizes: f64 = users.iter().map(|user| of(user).abs()).sum();
            assert!((f64::from(found) - sum).abs() <= 1e-6 * sizes, "{name} {place}");
        }
    }
    // The same bits again, in a second step over the same places, by whoever, and in a plan that moves weights.
    let bits = |gradients: &[(String, Tensor)]| -> Vec<u32> {
        gradients.iter().flat_map(|(_, it)| it.iter().map(|number| number.to_bits())).collect()
    };
    assert_eq!(bits(&gradients_of_repeated(&mut shared)), bits(&expected));
    let moving = PlanOptions::default().keep_gradients(true).grain(1e-7);
    for (executor, workers, plan) in [
        ("pool", 3, options),
        ("channels", 2, options),
        ("actors", 1, options.fusion(false)),
        ("pool", 2, moving),
        ("pool", 2, options.split_backward(false)),
    ] {
        let own = NetworkOptions::default().executor(executor).workers(workers).plan(plan);
        let mut network = Network::new(repeated(true), Sgd::new(0.25), own).unwrap();
        for (name, weights) in &weights {
            network.set_weights(name, weights).unwrap();
        }
        assert_eq!(bits(&gradients_of_repeated(&mut network)), bits(&expected), "{executor}");
    }
}

/// An image, cut along an axis into parts, each with a layer of its own; with `added`, a use that is no part keeps the gradients of
/// the parts from lying side by side, so that they are added.
fn parts(axis: isize, lengths: &[usize], added: bool) -> Graph {
    let mut net = GraphBuilder::new("parts");
    let x = net.input("x", [6, 4]);
    let before = net.layer("before", Dense::new(4), [&x]);
    // Another use, so that the gradient is a sum.
    let other = net.layer("other", Tanh, [&before]);
    let tanh = net.layer("tanh", Tanh, [&before]);
    let mut all = Vec::new();
    let mut start = 0;
    for (number, &length) in lengths.iter().enumerate() {
        let slice = net.layer(format!("slice{number}"), Slice::new(axis, start, length), [&tanh]);
        let flat = net.layer(format!("flat{number}"), Flatten, [&slice]);
        all.push(net.layer(format!("part{number}"), Dense::new(3), [&flat]));
        start += length;
    }
    if added {
        // A use that is no part, so that gradients are added; it adds none.
        let none = net.layer("none", Scale::new(0.0), [&tanh]);
        all.push(net.layer("none.flat", Flatten, [&none]));
    }
    all.push(net.layer("other.flat", Flatten, [&other]));
    let all = net.layer("all", Concat::default(), &all);
    let (last, y) = (net.layer("last", Dense::new(2), [&all]), net.target("y", [2]));
    net.loss("loss", MeanSquaredError, [&last, &y]);
    net.build().unwrap()
}

#[test]
fn gradients_of_parts_are_those_that_are_added() {
    for (axis, lengths) in
        [(0, &[1; 6][..]), (0, &[2, 4]), (1, &[1, 3]), (-1, &[2, 2]), (-2, &[3, 1, 2])]
    {
        let of = |added, executor: &str, plan: PlanOptions| {
            let options = NetworkOptions::default().executor(executor).workers(2).plan(plan);
            let graph = parts(axis, lengths, added);
            let mut network = Network::new(graph, Sgd::new(0.25), options).unwrap();
            for parameter in network.graph().parameters().to_vec() {
                let seed = parameter.name.bytes().map(u64::from).sum();
                let mut weights = network.weights(&parameter.name).unwrap();
                if parameter.name == "last.weight" && added {
                    // Its rows for the use that adds nothing stand between those of the others.
                    let parts = 3 * lengths.len();
                    let own = random(&[parts + 24, 2], seed);
                    let own = own.as_slice().unwrap();
                    for (place, to) in weights.iter_mut().enumerate() {
                        let (row, column) = (place / 2, place % 2);
                        if !(parts..parts + 24).contains(&row) {
                            let from = if row < parts { row } else { row - 24 };
                            *to = own[2 * from + column];
                        }
                    }
                } else {
                    weights = random(weights.shape(), seed);
                }
                network.set_weights(&parameter.name, &weights).unwrap();
            }
            let (x, y) = (random(&[5, 6, 4], 1), random(&[5, 2], 2));
            network.train_batch(&[("x", &x), ("y", &y)]).unwrap();
            let id = network.graph().id("x").unwrap();
            let run = network.run(Mode::Training, 5).unwrap();
            (run.input_gradient(id).unwrap(), run.parameter_gradient(0).unwrap())
        };
        let plan = PlanOptions::gradients();
        let (input, weights) = of(true, "sequential", plan);
        assert!(input.iter().all(|gradient| *gradient != 0.0), "{axis} {lengths:?}");
        for (executor, plan) in [
            ("sequential", plan),
            ("pool", plan.grain(1e-7)),
            ("sequential", plan.in_place(false)),
            ("pool", plan.fusion(false).chunk_bytes(1)),
        ] {
            let (found, found_weights) = of(false, executor, plan);
            assert_eq!(found, input, "{axis} {lengths:?} {executor} {plan:?}");
            assert_eq!(found_weights, weights, "{axis} {lengths:?} {executor} {plan:?}");
        }
    }
}
