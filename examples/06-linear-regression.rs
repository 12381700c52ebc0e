//! Learns a linear function of ten numbers through a hidden layer of rectifiers.
//!
//!     cargo run --release --example 06-linear-regression
//!
//! ```text
//!   x (10 numbers) ─► dense 32 ─► relu ─► dense 1 ─► mean squared error ◄─ y = weights · x + bias
//! ```

use caudal::Tensor;
use caudal::data::{Column, Dataset};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Dense, Relu};
use caudal::losses::MeanSquaredError;
use caudal::metrics::{R2, Rmse};
use caudal::optimizers::Adam;
use caudal::optimizers::schedules::Cosine;
use caudal::train::{FitOptions, Network, NetworkOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const WEIGHTS: [f32; 10] = [0.5, -1.0, 2.0, 0.0, 1.5, -0.5, 0.25, -2.0, 1.0, -0.75];
const BIAS: f32 = 0.3;

/// The share of the variance that is to be explained.
const R2_WANTED: f64 = 0.999;

/// Points whose coordinates lie between -1 and 1, and the function there.
fn points(items: usize, seed: u64) -> Result<Dataset, Box<dyn std::error::Error>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..items {
        let x = WEIGHTS.map(|_| random.random_range(-1.0..1.0));
        targets.push(BIAS + x.iter().zip(WEIGHTS).map(|(x, weight)| x * weight).sum::<f32>());
        inputs.extend(x);
    }
    let x = Tensor::from_shape_vec(vec![items, WEIGHTS.len()], inputs)?;
    let y = Tensor::from_shape_vec(vec![items, 1], targets)?;
    Ok(Dataset::new("linear function", vec![Column::new("x", x)], vec![Column::new("y", y)])?)
}

fn network() -> caudal::Result<Graph> {
    let mut net = GraphBuilder::new("linear regression");
    let x = net.input("x", [WEIGHTS.len()]);
    let y = net.target("y", [1]);
    let hidden = net.layer("hidden", Dense::new(32), [&x]);
    let hidden = net.layer("hidden.relu", Relu, [&hidden]);
    let prediction = net.layer("prediction", Dense::new(1), [&hidden]);
    net.loss("loss", MeanSquaredError, [&prediction, &y]);
    net.metric("rmse", Rmse, [&prediction, &y]);
    net.metric("r2", R2, [&prediction, &y]);
    net.build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (train, test) = (points(2048, 1)?, points(512, 2)?);
    let mut fit = FitOptions::default().epochs(60);
    let optimizer = Adam::new(0.01).schedule(Cosine::new(fit.steps(train.len())));
    let mut network = Network::new(network()?, optimizer, NetworkOptions::default())?;
    fit.validation = Some(&test);
    let history = network.fit(&train, &fit)?;
    for (epoch, report) in history.validation.iter().enumerate().skip(9).step_by(10) {
        println!("epoch {:>2}: rmse {:.4} on new points", epoch + 1, report.value("rmse")?);
    }
    let r2 = network.evaluate(&test, 256)?.value("r2")?;
    println!("{:.3} % of the variance is explained", 100.0 * r2);
    if r2 < R2_WANTED {
        return Err(format!("{:.3} % were to be", 100.0 * R2_WANTED).into());
    }
    Ok(())
}
