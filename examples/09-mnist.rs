//! Classifies MNIST's handwritten digits with two convolutions, and says how often each digit is taken
//! for each other.
//!
//!     cargo run --release --example 09-mnist -- FOLDER [EPOCHS]
//!
//! The folder holds MNIST's four IDX files, gzipped or not; the variable `CAUDAL_MNIST` may name it as
//! well. Without a folder there is nothing to do.
//!
//! 99.09 % of the test images are to be classified rightly, what the article's own system is said to reach.
//!
//! ```text
//!   image ─► conv 3x3 ─► relu ─► conv 3x3 ─► relu ─► max pooling ─► dropout ─► flatten ─┐
//!              loss, accuracy ◄─ dense 10 ◄─ dropout ◄─ relu ◄─ dense 128 ◄─────────────┘
//! ```

use std::num::NonZeroUsize;

use caudal::data::read_idx_folder;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Conv2d, Dense, Dropout, Flatten, MaxPool, Relu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::metrics::ConfusionMatrix;
use caudal::optimizers::AdaGrad;
use caudal::statistics::quantile;
use caudal::train::{Callback, Control, EpochEnd, FitOptions, Network, NetworkOptions};

/// After this many epochs, unless others are asked for, ...
const EPOCHS: usize = 12;
/// ... this share of the test images is to be classified rightly.
const ACCURACY: f64 = 0.9909;

fn network() -> caudal::Result<Graph> {
    let mut net = GraphBuilder::new("mnist");
    let image = net.input("image", [28, 28, 1]);
    let label = net.target("label", []);
    let conv1 = net.layer("conv1", Conv2d::new(32, 3), [&image]);
    let relu1 = net.layer("conv1.relu", Relu, [&conv1]);
    let conv2 = net.layer("conv2", Conv2d::new(64, 3), [&relu1]);
    let relu2 = net.layer("conv2.relu", Relu, [&conv2]);
    let pool = net.layer("pool", MaxPool::new(2).stride(1), [&relu2]);
    let drop = net.layer("pool.dropout", Dropout::new(0.75), [&pool]);
    let flat = net.layer("flatten", Flatten, [&drop]);
    let dense = net.layer("dense", Dense::new(128), [&flat]);
    let relu3 = net.layer("dense.relu", Relu, [&dense]);
    let drop = net.layer("dense.dropout", Dropout::new(0.5), [&relu3]);
    let logits = net.layer("logits", Dense::new(10), [&drop]);
    net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
    net.metric("accuracy", ConfusionMatrix, [&logits, &label]);
    net.build()
}

/// Prints a line after every epoch.
struct Lines;

impl Callback for Lines {
    fn epoch_end(
        &mut self,
        _network: &mut Network,
        event: &EpochEnd<'_>,
    ) -> caudal::Result<Control> {
        let test = event.validation.and_then(|report| report.metric("accuracy"));
        println!(
            "epoch {:>2}: loss {:.4}, accuracy on the test images {:.2} %, {:.0} s so far",
            event.epoch + 1,
            event.train.loss,
            100.0 * test.unwrap_or_default(),
            event.elapsed.as_secs_f64()
        );
        Ok(Control::Continue)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next().or_else(|| std::env::var_os("CAUDAL_MNIST")) else {
        println!("give the folder of MNIST's four files, or name it in CAUDAL_MNIST");
        return Ok(());
    };
    let epochs = match arguments.next() {
        Some(epochs) => epochs.to_string_lossy().parse::<NonZeroUsize>()?.get(),
        None => EPOCHS,
    };

    let (train, test) = read_idx_folder(folder)?;
    let mut network = Network::new(network()?, AdaGrad::new(0.01), NetworkOptions::default())?;
    println!("{} parameters, {} images", network.graph().parameter_count(), train.len());
    let fit = FitOptions::default().epochs(epochs).batch_size(128).validation(&test);
    let history = network.fit_with(&train, &fit, &mut [&mut Lines])?;

    let mut times = history.step_seconds;
    let [median, low, high] = [0.5, 0.05, 0.95].map(|share| 1e3 * quantile(&mut times, share));
    println!("milliseconds a batch: median {median:.0}, nine in ten from {low:.0} to {high:.0}");

    let report = network.evaluate(&test, fit.batch_size)?;
    let table = report.table("accuracy").ok_or("there is no table")?;
    println!("rows: the digit; columns: what it is taken for");
    for (digit, row) in table.values.iter().enumerate() {
        let row: Vec<String> = row.iter().map(|count| format!("{count:>5}")).collect();
        println!("{digit}: {}", row.concat());
    }
    let accuracy = report.value("accuracy")?;
    println!("{:.2} % of {} test images are classified rightly", 100.0 * accuracy, report.items);
    if accuracy < ACCURACY {
        let wanted = format!("{:.2} % were to be reached", 100.0 * ACCURACY);
        return Err(wanted.into());
    }
    Ok(())
}
