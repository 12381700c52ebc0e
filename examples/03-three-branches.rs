//! Trains the same network with every executor and several numbers of workers: the times differ, the
//! weights do not, to the last bit.
//!
//!     cargo run --release --example 03-three-branches
//!
//! ```text
//!                          ┌─► conv 1x1 ─► relu ─┐
//!   image ─► stem ─► relu ─┼─► conv 3x3 ─► relu ─┼─► concat ─► mean ─► logits ─► loss ◄─ label
//!                          └─► conv 5x5 ─► relu ─┘
//! ```

use std::time::Instant;

use caudal::data::synthetic_for;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Concat, Conv2d, Dense, GlobalAvgPool, Relu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::optimizers::Sgd;
use caudal::train::{FitOptions, Network, NetworkOptions};

fn network() -> caudal::Result<Graph> {
    let mut net = GraphBuilder::new("three branches");
    let image = net.input("image", [24, 24, 3]);
    let label = net.target("label", []);
    let stem = net.layer("stem", Conv2d::new(32, 3).same(), [&image]);
    let stem = net.layer("stem.relu", Relu, [&stem]);
    let mut ends = Vec::new();
    for size in [1, 3, 5] {
        let branch = net.layer(format!("{size}x{size}"), Conv2d::new(32, size).same(), [&stem]);
        ends.push(net.layer(format!("{size}x{size}.relu"), Relu, [&branch]));
    }
    let all = net.layer("concat", Concat::default(), &ends);
    let mean = net.layer("mean", GlobalAvgPool, [&all]);
    let logits = net.layer("logits", Dense::new(10), [&mean]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.build()
}

fn main() -> caudal::Result<()> {
    let cores = NetworkOptions::default().workers;
    let data = synthetic_for(&network()?, 256, 1)?;
    let fit = FitOptions::default().epochs(3).batch_size(64);
    let mut weights = Vec::new();
    println!("{:<12} {:>7}  {:>12}  weights", "executor", "threads", "ms per step");
    let mut ways = vec![("sequential", 1), ("actors", 1)];
    ways.extend(
        (0..).map(|power| 1 << power).take_while(|&workers| workers < cores).map(|w| ("pool", w)),
    );
    ways.extend([("pool", cores), ("pool", cores + 1)]);
    for (executor, workers) in ways {
        let options = NetworkOptions::default().executor(executor).workers(workers);
        let mut network = Network::new(network()?, Sgd::new(0.05).momentum(0.9), options)?;
        // The first step also compiles the plan.
        network.fit(&data, &fit.clone().max_steps(1))?;
        let began = Instant::now();
        let history = network.fit(&data, &fit.clone().start(1))?;
        let step = began.elapsed().as_secs_f64() * 1e3 / history.steps as f64;
        let sha256 = network.weights_sha256();
        let threads = network.executor().workers();
        println!("{executor:<12} {threads:>7}  {step:>12.2}  {}…", &sha256[..16]);
        weights.push(sha256);
    }
    assert!(weights.iter().all(|sha256| *sha256 == weights[0]), "weights differ");
    println!("all weights are equal, byte for byte");
    Ok(())
}
