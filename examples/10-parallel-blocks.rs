//! Two parallel uses of one block, with parameters of their own and with shared ones.
//!
//!     cargo run --release --example 10-parallel-blocks [-- FOLDER [EPOCHS]]
//!
//! 300 steps on the built-in 8 x 8 digits or, given a folder with MNIST's four IDX files here or in the
//! variable `CAUDAL_MNIST`, on those; or as many epochs as are asked for.
//!
//! ```text
//!                               ┌─► block ─┐
//!   image ─► conv 3x3 ─► relu ──┤          ├─► concat ─► dense ─► relu ─► dropout ─► dense ─► loss
//!                               └─► block ─┘
//!
//!   block: conv 3x3 ─► relu ─► max pooling ─► dropout ─► flatten
//! ```
//!
//! Even with shared parameters the two differ in training, for each drops numbers of its own.

use std::num::NonZeroUsize;

use caudal::data::{digits, read_idx_folder};
use caudal::graph::{Block, Graph, GraphBuilder};
use caudal::layers::{Concat, Conv2d, Dense, Dropout, Flatten, MaxPool, Relu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::metrics::Accuracy;
use caudal::optimizers::AdaGrad;
use caudal::statistics::quantile;
use caudal::train::{FitOptions, Network, NetworkOptions};

/// The share of test images that is to be classified rightly, whatever the data and the parameters.
const ACCURACY: f64 = 0.95;

fn network(side: usize, shared: bool) -> caudal::Result<Graph> {
    let block = Block::new("branch", |net, inputs| {
        let conv = net.layer("conv", Conv2d::new(64, 3), inputs);
        let relu = net.layer("relu", Relu, [&conv]);
        let pool = net.layer("pool", MaxPool::new(2).stride(1), [&relu]);
        let drop = net.layer("dropout", Dropout::new(0.75), [&pool]);
        [net.layer("flatten", Flatten, [&drop])]
    });
    let mut net = GraphBuilder::new("parallel blocks");
    let image = net.input("image", [side, side, 1]);
    let label = net.target("label", []);
    let stem = net.layer("stem", Conv2d::new(32, 3), [&image]);
    let stem = net.layer("stem.relu", Relu, [&stem]);
    let left = net.block("left", &block, [&stem]);
    let right = if shared {
        net.shared_block("right", &block, [&stem], "left")
    } else {
        net.block("right", &block, [&stem])
    };
    let both = net.layer("both", Concat::default(), left.iter().chain(&right));
    let dense = net.layer("dense", Dense::new(128), [&both]);
    let dense = net.layer("dense.relu", Relu, [&dense]);
    let drop = net.layer("dense.dropout", Dropout::new(0.5), [&dense]);
    let logits = net.layer("logits", Dense::new(10), [&drop]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.metric("accuracy", Accuracy, [&logits, &label]);
    net.build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().or_else(|| std::env::var_os("CAUDAL_MNIST"));
    let (train, test) = folder.map_or_else(digits, read_idx_folder)?;
    let side = train.inputs()[0].item_shape()[0];
    let (epochs, max_steps) = match arguments.next() {
        Some(epochs) => (epochs.to_string_lossy().parse::<NonZeroUsize>()?.get(), None),
        None => (30, Some(300)),
    };
    let fit = FitOptions::default().epochs(epochs).batch_size(128).max_steps(max_steps);
    println!("{} steps on {}", fit.steps(train.len()), train.name());
    let mut worst: f64 = 1.0;
    for (name, shared) in [("parameters of their own", false), ("shared parameters", true)] {
        let graph = network(side, shared)?;
        let mut network = Network::new(graph, AdaGrad::new(0.01), NetworkOptions::default())?;
        let mut times = network.fit(&train, &fit)?.step_seconds;
        let accuracy = network.evaluate(&test, fit.batch_size)?.value("accuracy")?;
        println!(
            "{name}: {} parameters, {:.2} % of {} test images, {:.1} ms a step (median)",
            network.graph().parameter_count(),
            100.0 * accuracy,
            test.len(),
            1e3 * quantile(&mut times, 0.5)
        );
        worst = worst.min(accuracy);
    }
    if worst < ACCURACY {
        return Err(format!("{:.0} % were to be reached", 100.0 * ACCURACY).into());
    }
    Ok(())
}
