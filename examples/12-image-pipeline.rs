//! A pipeline for images: several of them in flight, with nodes that are split into parts.
//!
//! ```text
//! cargo run --release --example 12-image-pipeline
//!
//!                     ┌─▶ edges ─────┬─▶ strongest edge ─┐
//!   draw ─▶ blur ─────┤              └───────────────────┼─▶ report ─▶ running mean
//!                     └─▶ histogram ─▶ median ───────────┘
//! ```
//!
//! The images are drawn, not read. Blur and edges are split into bands of rows; the running mean of what was seen
//! so far keeps a state, which the images in flight get in order. Prints what was found in every image, the same
//! for one worker and for several, and the speedup.

use std::sync::Arc;
use std::time::Instant;

use caudal::flow::{Executor, Flow, FlowBuilder, Part, Pool, Sink, Source};
use caudal::statistics::median;

const SIDE: usize = 512;
const IN_FLIGHT: usize = 4;
const BANDS: usize = 4;
const RADIUS: usize = 4;
const TIMES: usize = 7;

/// Brightness from 0 to 1, row by row.
type Image = Vec<f32>;

/// Rings and a grid, which differ from image to image.
fn draw(number: u32) -> Image {
    let pixel = |place: usize| {
        let (x, y) = ((place % SIDE) as f32, (place / SIDE) as f32);
        let centre = SIDE as f32 * (0.3 + 0.1 * number as f32);
        let ring = ((x - centre).hypot(y - centre) * 0.1).sin();
        let grid =
            if (place % SIDE / 32 + place / SIDE / 32).is_multiple_of(2) { 0.3 } else { 0.0 };
        (0.35 + 0.3 * ring + grid).clamp(0.0, 1.0)
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

/// A band of rows, each pixel the mean of its surroundings.
fn blur(image: &Image, part: Part) -> Image {
    let mut band = Vec::with_capacity(SIDE * SIDE / part.count);
    for y in part.range(SIDE) {
        let rows = y.saturating_sub(RADIUS)..(y + RADIUS + 1).min(SIDE);
        for x in 0..SIDE {
            let columns = x.saturating_sub(RADIUS)..(x + RADIUS + 1).min(SIDE);
            let row = |row: usize| image[row * SIDE..][columns.clone()].iter().sum::<f32>();
            let sum: f32 = rows.clone().map(row).sum();
            band.push(sum / (rows.len() * columns.len()) as f32);
        }
    }
    band
}

/// A band of rows, each pixel how steep the image is there (Sobel's operator).
fn edges(image: &Image, part: Part) -> Image {
    let mut band = Vec::with_capacity(SIDE * SIDE / part.count);
    for y in part.range(SIDE) {
        let rows = [y.saturating_sub(1), y, (y + 1).min(SIDE - 1)];
        for x in 0..SIDE {
            let columns = [x.saturating_sub(1), x, (x + 1).min(SIDE - 1)];
            let at = |row: usize, column: usize| image[rows[row] * SIDE + columns[column]];
            let side = |column: usize| at(0, column) + 2.0 * at(1, column) + at(2, column);
            let level = |row: usize| at(row, 0) + 2.0 * at(row, 1) + at(row, 2);
            band.push((side(2) - side(0)).hypot(level(2) - level(0)));
        }
    }
    band
}

fn histogram(image: &Image) -> [usize; 64] {
    let mut counts = [0; 64];
    for pixel in image {
        counts[((pixel * 64.0) as usize).min(63)] += 1;
    }
    counts
}

/// The brightness that half of the pixels do not reach.
fn middle(counts: &[usize; 64]) -> f32 {
    let half = counts.iter().sum::<usize>() / 2;
    let mut below = 0;
    let level = counts.iter().position(|count| {
        below += count;
        below > half
    });
    level.unwrap_or(0) as f32 / 64.0
}

struct Pipeline {
    flow: Flow,
    number: Source<u32>,
    found: Sink<String>,
}

fn pipeline() -> caudal::Result<Pipeline> {
    let mut flow = FlowBuilder::new("images");
    let (number, output) = flow.source::<u32>("number");
    let image = flow.node("draw", output, draw);
    let blurred = flow.split("blur", BANDS, image, blur);
    let blurred = flow.node("joined", blurred, |bands: Vec<Image>| bands.concat());
    let blurred = flow.share(blurred);
    let edges = flow.split("edges", BANDS, blurred, |image: &Arc<Image>, part| edges(image, part));
    let edges = flow.share(edges);
    let strongest = flow.node("strongest edge", edges, |bands: Arc<Vec<Image>>| {
        bands.iter().flatten().fold(0.0_f32, |best, pixel| best.max(*pixel))
    });
    let counts = flow.node("histogram", blurred, |image: Arc<Image>| histogram(&image));
    let level = flow.node("median", counts, |counts| middle(&counts));
    let report = flow.node("report", (edges, strongest, level), |(edges, strongest, level)| {
        let pixels = edges.iter().flatten();
        let steep = pixels.filter(|pixel| **pixel > strongest / 2.0).count();
        (steep as f32 / (SIDE * SIDE) as f32, level)
    });
    let found = flow.stateful("running mean", report, (0.0, 0.0), |seen, (steep, level)| {
        let (sum, images) = seen;
        *sum += steep;
        *images += 1.0;
        let mean = 100.0 * *sum / *images;
        format!("median {level:.3}, {:.2} % steep, {mean:.2} % so far", 100.0 * steep)
    });
    let found = flow.sink("found", found);
    Ok(Pipeline { flow: flow.build()?, number, found })
}

/// What was found in the first images, and the median seconds of several times as many.
fn measure(workers: usize) -> caudal::Result<(Vec<String>, f64)> {
    let Pipeline { flow, number, found } = pipeline()?;
    let mut runs = flow.in_flight(IN_FLIGHT);
    let mut pool = Pool::new(workers, "critical-path")?;
    let mut lines = Vec::new();
    let mut times = Vec::new();
    for _ in 0..TIMES {
        for run in 0..IN_FLIGHT {
            runs.feed_in(run, &number, run as u32)?;
        }
        let start = Instant::now();
        pool.execute(&mut runs)?;
        times.push(start.elapsed().as_secs_f64());
        for run in 0..IN_FLIGHT {
            lines.push(runs.take_from(run, &found)?);
        }
    }
    Ok((lines, median(&mut times)))
}

fn main() -> caudal::Result<()> {
    let workers = rayon::current_num_threads().max(2);
    let (expected, alone) = measure(1)?;
    let (lines, together) = measure(workers)?;
    assert_eq!(lines, expected, "the same, however many workers there are");
    for (number, line) in lines.iter().take(IN_FLIGHT).enumerate() {
        println!("image {number}: {line}");
    }
    println!(
        "\n{IN_FLIGHT} images of {SIDE} x {SIDE} in flight, medians of {TIMES}: {:.1} ms with 1 worker, \
         {:.1} ms with {workers}, speedup {:.2}",
        1e3 * alone,
        1e3 * together,
        alone / together
    );
    Ok(())
}
