//! Fits a network of convolution, max pooling and convolution to the outputs of another one, of which it
//! knows nothing else.
//!
//!     cargo run --release --example 08-teacher-student
//!
//! ```text
//!   image ─► conv 3x3 ─► max pooling ─► conv 3x3 ─► mean squared error ◄─ the teacher's output
//! ```
//!
//! With as many filters as the teacher has, the student gets stuck where none of them can change its part
//! without loss; with twice as many, it does not.

use caudal::data::{Column, Dataset, TargetKind, synthetic};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Conv2d, MaxPool};
use caudal::losses::MeanSquaredError;
use caudal::metrics::R2;
use caudal::optimizers::Adam;
use caudal::optimizers::schedules::Cosine;
use caudal::train::{FitOptions, Network, NetworkOptions};

/// The share of the variance of the teacher's outputs that is to be explained.
const R2_WANTED: f64 = 0.99;
/// The teacher's filters in its first convolution.
const FILTERS: usize = 4;

fn network(filters: usize) -> caudal::Result<Graph> {
    let mut net = GraphBuilder::new("teacher and student");
    let image = net.input("image", [12, 12, 1]);
    let given = net.target("output", [3, 3, 2]);
    let first = net.layer("first", Conv2d::new(filters, 3), [&image]);
    let pool = net.layer("pool", MaxPool::new(2), [&first]);
    let second = net.layer("second", Conv2d::new(2, 3), [&pool]);
    net.loss("loss", MeanSquaredError, [&second, &given]);
    net.metric("r2", R2, [&second, &given]);
    net.build()
}

/// Images of noise, with what the teacher makes of them.
fn lessons(teacher: &mut Network, items: usize, seed: u64) -> caudal::Result<Dataset> {
    let inputs = [("image".to_owned(), vec![12, 12, 1])];
    let targets = [("output".to_owned(), TargetKind::Values(vec![3, 3, 2]))];
    let noise = synthetic("noise", &inputs, &targets, items, seed)?;
    let outputs = teacher.predict_data(&noise, 128)?;
    let targets = outputs.into_iter().map(|output| Column::new("output", output)).collect();
    Dataset::new("lessons", noise.inputs().to_vec(), targets)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = |seed| NetworkOptions { seed, ..NetworkOptions::default() };
    let mut teacher = Network::new(network(FILTERS)?, Adam::default(), options(1))?;
    let (train, test) = (lessons(&mut teacher, 4096, 1)?, lessons(&mut teacher, 512, 2)?);
    let fit = FitOptions { epochs: 20, ..FitOptions::default() };
    let mut last = 0.0;
    for filters in [FILTERS, 2 * FILTERS] {
        let optimizer = Adam::new(0.01).schedule(Cosine::new(fit.steps(train.len())));
        let mut student = Network::new(network(filters)?, optimizer, options(2))?;
        let before = student.evaluate(&test, 128)?.value("r2")?;
        student.fit(&train, &fit)?;
        last = student.evaluate(&test, 128)?.value("r2")?;
        println!(
            "{filters} filters: r2 on new images {before:.4} before, {last:.4} after training"
        );
    }
    if last < R2_WANTED {
        return Err(format!("{R2_WANTED} was to be reached").into());
    }
    Ok(())
}
