//! Trains a small network of three branches on handwritten digits.
//!
//!     cargo run --release --example 02-digits
//!
//! ```text
//!                 ┌─► conv 3x3 ─► relu ─► pool ─► flat ─┐
//!   image 8x8 ────┼─► conv 5x5 ─► relu ─► mean ─────────┼─► both ─► logits ─┬─► loss ◄─────┐
//!                 └─► pixels ─► dense ─► relu ──────────┘                   └─► accuracy ◄─┴─ label
//! ```
//!
//! The branches do not wait for each other, in the forward phase or in the backward phase.

use caudal::data::digits;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Concat, Conv2d, Dense, Flatten, GlobalAvgPool, MaxPool, Relu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::metrics::Accuracy;
use caudal::optimizers::Sgd;
use caudal::train::{FitOptions, Network, NetworkOptions};

fn network() -> caudal::Result<Graph> {
    let mut net = GraphBuilder::new("digits in three branches");
    let image = net.input("image", [8, 8, 1]);
    let label = net.target("label", []);

    let fine = net.layer("fine", Conv2d::new(16, 3).same(), [&image]);
    let fine = net.layer("fine.relu", Relu, [&fine]);
    let fine = net.layer("fine.pool", MaxPool::new(2), [&fine]);
    let fine = net.layer("fine.flat", Flatten, [&fine]);

    let coarse = net.layer("coarse", Conv2d::new(32, 5).same(), [&image]);
    let coarse = net.layer("coarse.relu", Relu, [&coarse]);
    let coarse = net.layer("coarse.mean", GlobalAvgPool, [&coarse]);

    let pixels = net.layer("pixels", Flatten, [&image]);
    let dense = net.layer("dense", Dense::new(32), [&pixels]);
    let dense = net.layer("dense.relu", Relu, [&dense]);

    let both = net.layer("both", Concat::default(), [&fine, &coarse, &dense]);
    let logits = net.layer("logits", Dense::new(10), [&both]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.metric("accuracy", Accuracy, [&logits, &label]);
    net.build()
}

fn main() -> caudal::Result<()> {
    let (train, test) = digits()?;
    let optimizer = Sgd::new(0.05).momentum(0.9);
    let mut network = Network::new(network()?, optimizer, NetworkOptions::default())?;
    println!("{} parameters, {} images", network.graph().parameter_count(), train.len());

    let fit = FitOptions::default().epochs(8).validation(&test);
    let history = network.fit(&train, &fit)?;
    for (epoch, (train, test)) in history.train.iter().zip(&history.validation).enumerate() {
        println!(
            "epoch {}: loss {:.4}, on the test part {:.4} with an accuracy of {:.1} %",
            epoch + 1,
            train.loss,
            test.loss,
            100.0 * test.metric("accuracy").unwrap_or_default()
        );
    }
    Ok(())
}
