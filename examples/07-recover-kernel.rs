//! Recovers the kernel of a convolution from images and what the convolution made of them.
//!
//!     cargo run --release --example 07-recover-kernel
//!
//! ```text
//!   image ─► convolution 5x5 ───────────────────┐
//!                                               ├─► mean squared error ◄─ the known kernel over the image
//!   image ─► convolution 3x3 ─► convolution 3x3 ┘
//! ```
//!
//! Each kernel is recovered with a stride of 1 and of 2, as one kernel of 5 x 5 and as two of 3 x 3 one
//! after the other.

use caudal::Tensor;
use caudal::data::{Column, Dataset};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::Conv2d;
use caudal::losses::MeanSquaredError;
use caudal::optimizers::Adam;
use caudal::optimizers::schedules::Cosine;
use caudal::train::{FitOptions, Network, NetworkOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Kernel = [[f32; 5]; 5];

/// Rows and columns of an image.
const SIDE: usize = 12;
/// Channels between the two convolutions of 3 x 3.
const BETWEEN: usize = 4;
/// No number of a recovered kernel is to be farther off.
const TOLERANCE: f32 = 1e-3;

/// The kernel with these numbers along its columns and along its rows.
fn kernel(down: [f32; 5], across: [f32; 5]) -> Kernel {
    down.map(|down| across.map(|across| down * across))
}

/// Images of noise, and what the kernel makes of each, reckoned as the definition says.
fn images(
    kernel: &Kernel,
    stride: usize,
    items: usize,
) -> Result<Dataset, Box<dyn std::error::Error>> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..items {
        let image: Vec<f32> = (0..SIDE * SIDE).map(|_| random.random_range(-1.0..1.0)).collect();
        for top in (0..=SIDE - 5).step_by(stride) {
            for left in (0..=SIDE - 5).step_by(stride) {
                let taps = (0..25).map(|tap| (tap / 5, tap % 5));
                let products = taps.map(|(row, column)| {
                    kernel[row][column] * image[(top + row) * SIDE + left + column]
                });
                targets.push(products.sum::<f32>());
            }
        }
        inputs.extend(image);
    }
    let places = (SIDE - 5) / stride + 1;
    let image = Tensor::from_shape_vec(vec![items, SIDE, SIDE, 1], inputs)?;
    let result = Tensor::from_shape_vec(vec![items, places, places, 1], targets)?;
    let (inputs, targets) = (Column::new("image", image), Column::new("result", result));
    Ok(Dataset::new("noise", vec![inputs], vec![targets])?)
}

fn network(convolutions: usize, stride: usize) -> caudal::Result<Graph> {
    let mut net = GraphBuilder::new("recover a kernel");
    let image = net.input("image", [SIDE, SIDE, 1]);
    let places = (SIDE - 5) / stride + 1;
    let result = net.target("result", [places, places, 1]);
    let last = if convolutions == 1 {
        net.layer("conv", Conv2d::new(1, 5).stride(stride), [&image])
    } else {
        let first = net.layer("first", Conv2d::new(BETWEEN, 3), [&image]);
        net.layer("second", Conv2d::new(1, 3).stride(stride), [&first])
    };
    net.loss("loss", MeanSquaredError, [&last, &result]);
    net.build()
}

/// What the network has learned, as one kernel: a kernel over what another has made is the same as the
/// convolution of both over the image.
fn recovered(network: &Network, convolutions: usize) -> caudal::Result<Kernel> {
    let mut kernel = Kernel::default();
    if convolutions == 1 {
        // [row, column, channel of the image, filter]
        let weight = network.weights("conv.weight")?;
        for (tap, value) in weight.iter().enumerate() {
            kernel[tap / 5][tap % 5] = *value;
        }
        return Ok(kernel);
    }
    let first = network.weights("first.weight")?;
    let second = network.weights("second.weight")?;
    for (inner, outer) in (0..9).flat_map(|inner| (0..9).map(move |outer| (inner, outer))) {
        let [row, column] = [inner / 3 + outer / 3, inner % 3 + outer % 3];
        for channel in 0..BETWEEN {
            let inner = first[[inner / 3, inner % 3, 0, channel]];
            kernel[row][column] += inner * second[[outer / 3, outer % 3, channel, 0]];
        }
    }
    Ok(kernel)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Both are the convolution of kernels of 3 x 3; over a ramp, the gradient is its slope.
    let smooth = [1.0, 4.0, 6.0, 4.0, 1.0].map(|value| value / 16.0);
    let slope = [-1.0, -2.0, 0.0, 2.0, 1.0].map(|value| value / 8.0);
    let kernels = [
        ("gradient", kernel(smooth, slope)),
        ("its transpose", kernel(slope, smooth)),
        ("Gaussian", kernel(smooth, smooth)),
    ];
    println!("{:<14} {:>6}  {:<14} largest difference", "kernel", "stride", "convolutions");
    let mut worst: f32 = 0.0;
    for (name, kernel) in kernels {
        for (stride, convolutions) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
            let data = images(&kernel, stride, 256)?;
            let fit = FitOptions::default().epochs(30).batch_size(16);
            let optimizer = Adam::new(0.02).schedule(Cosine::new(fit.steps(data.len())));
            let graph = network(convolutions, stride)?;
            let mut network = Network::new(graph, optimizer, NetworkOptions::default())?;
            network.fit(&data, &fit)?;
            let found = recovered(&network, convolutions)?;
            let pairs = found.iter().flatten().zip(kernel.iter().flatten());
            let difference = pairs.map(|(found, known)| (found - known).abs()).fold(0.0, f32::max);
            let form = if convolutions == 1 { "one of 5x5" } else { "two of 3x3" };
            println!("{name:<14} {stride:>6}  {form:<14} {difference:.1e}");
            worst = worst.max(difference);
        }
    }
    if worst > TOLERANCE {
        return Err(format!("a kernel is not recovered to {TOLERANCE:e}").into());
    }
    println!("all kernels are recovered");
    Ok(())
}
