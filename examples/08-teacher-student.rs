//! Fits a network of convolution, max pooling and convolution to the outputs of another one, of which it
//! knows nothing else.
//!
//!     cargo run --release --example 08-teacher-student
//!
//! ```text
//!   image ─► conv 3x3 ─► max pooling ─► conv 3x3 ─► mean squared error ◄─ the teacher's output
//! ```
//!
//! A filter that begins on the wrong side stays there: the largest of `-w x` says little of the largest of
//! `w x`, and on the way from `-w` to `w` everything gets worse first. So most students with as many filters as
//! the teacher end where some of their filters point the wrong way, however long they learn. That is a matter
//! of the first weights: some starts find the teacher, and the training loss says which. With twice as
//! many filters, enough begin on the right side.

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
/// First weights that students of the teacher's size try.
const STARTS: u64 = 8;

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
    let options = |seed| NetworkOptions::default().seed(seed);
    let mut teacher = Network::new(network(FILTERS)?, Adam::default(), options(1))?;
    let (train, test) = (lessons(&mut teacher, 4096, 1)?, lessons(&mut teacher, 512, 2)?);
    let fit = FitOptions::default().epochs(20);
    for (filters, starts) in [(FILTERS, STARTS), (2 * FILTERS, 1)] {
        let mut best: Option<(f64, Network)> = None;
        for seed in 0..starts {
            let optimizer = Adam::new(0.01).schedule(Cosine::new(fit.steps(train.len())));
            let mut student = Network::new(network(filters)?, optimizer, options(2 + seed))?;
            student.fit(&train, &fit)?;
            let learnt = student.evaluate(&train, 128)?;
            println!("{filters} filters, start {seed}: r2 {:.4}", learnt.value("r2")?);
            if best.as_ref().is_none_or(|(loss, _)| learnt.loss < *loss) {
                best = Some((learnt.loss, student));
            }
        }
        let (_, mut student) = best.ok_or("there was no start")?;
        let r2 = student.evaluate(&test, 128)?.value("r2")?;
        println!("{filters} filters, the best of them: r2 {r2:.4} on new images");
        if r2 < R2_WANTED {
            return Err(format!("{R2_WANTED} was to be reached").into());
        }
    }
    Ok(())
}
