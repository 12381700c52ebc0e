//! Adds two marked numbers of a sequence, with recurrent networks and with attention: the first task
//! by which long short-term memories were shown to remember (Hochreiter and Schmidhuber 1997).
//!
//!     cargo run --release --example 05-sequences
//!
//! ```text
//!   lstm, gru   x0 ─► cell ─► cell ─► … ─► cell ─► sum        one set of parameters for all steps,
//!                      x1 ──────┘            │                the gates of a step in parallel
//!                                      x9 ───┘
//!
//!               ┌─► head 0 ─┐
//!   attention   ├─► head 1 ─┼─► concat ─► output ─► … ─► sum  the heads in parallel
//!               └─► …      ─┘
//! ```

use caudal::Tensor;
use caudal::blocks::{Mask, gru, lstm, multi_head_attention, steps};
use caudal::data::{Column, Dataset};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Dense, Flatten, Relu};
use caudal::losses::MeanSquaredError;
use caudal::metrics::Rmse;
use caudal::optimizers::Adam;
use caudal::train::{FitOptions, Network, NetworkOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Steps of a sequence. Each has a number between 0 and 1, and 1 where it is marked, else 0.
const LENGTH: usize = 10;

/// Sequences with two marks each, and the sums of the numbers there.
fn sequences(items: usize, seed: u64) -> caudal::Result<Dataset> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut numbers, mut sums) = (Vec::new(), Vec::new());
    for _ in 0..items {
        let first = random.random_range(0..LENGTH / 2);
        let second = random.random_range(LENGTH / 2..LENGTH);
        let mut sum = 0.0;
        for step in 0..LENGTH {
            let number: f32 = random.random_range(0.0..1.0);
            let marked = step == first || step == second;
            sum += if marked { number } else { 0.0 };
            numbers.extend([number, f32::from(u8::from(marked))]);
        }
        sums.push(sum);
    }
    let column = |name, shape: &[usize], values| {
        // There are as many values as the shape says.
        Column::new(name, Tensor::from_shape_vec(shape, values).unwrap_or_default())
    };
    let inputs = vec![column("sequence", &[items, LENGTH, 2], numbers)];
    let targets = vec![column("sum", &[items, 1], sums)];
    Dataset::new("sequences", inputs, targets)
}

fn network(kind: &str) -> caudal::Result<Graph> {
    let mut net = GraphBuilder::new(kind);
    let sequence = net.input("sequence", [LENGTH, 2]);
    let sum = net.target("sum", [1]);
    let last = if kind == "attention" {
        let rows = net.layer("rows", Dense::new(16), [&sequence]);
        let mixed = net.block("attention", &multi_head_attention(4, 4, 16, Mask::None), [&rows]);
        let mixed = net.layer("mixed.relu", Relu, &mixed);
        let flat = net.layer("flat", Flatten, [&mixed]);
        let hidden = net.layer("hidden", Dense::new(32), [&flat]);
        vec![net.layer("hidden.relu", Relu, [&hidden])]
    } else {
        let block = if kind == "lstm" { lstm(24) } else { gru(24) };
        let steps = net.block("steps", &steps(LENGTH), [&sequence]);
        net.block("memory", &block, &steps)
    };
    let prediction = net.layer("prediction", Dense::new(1), last.last());
    net.loss("loss", MeanSquaredError, [&prediction, &sum]);
    net.metric("rmse", Rmse, [&prediction, &sum]);
    net.build()
}

fn main() -> caudal::Result<()> {
    let (train, test) = (sequences(2000, 1)?, sequences(500, 2)?);
    let fit = FitOptions::default().epochs(20).batch_size(50);
    println!("root of the mean squared error of the sum; always to say 1 has 0.41");
    for kind in ["lstm", "gru", "attention"] {
        let graph = network(kind)?;
        let (nodes, weights) = (graph.nodes().len(), graph.parameter_count());
        let mut network = Network::new(graph, Adam::new(0.01), NetworkOptions::default())?;
        let history = network.fit(&train, &fit)?;
        let seconds: f64 = history.step_seconds.iter().sum();
        let rmse = network.evaluate(&test, 100)?.value("rmse")?;
        println!("{kind:<10} {rmse:.3}  {nodes:>4} nodes, {weights:>5} weights, {seconds:.1} s");
        assert!(rmse < 0.15, "{kind} has not learned to add");
    }
    Ok(())
}
