//! Dynamic programming as a wavefront of blocks: the edit distance of two long generated strings.
//!
//! ```text
//! cargo run --release --example 13-wavefront
//!
//!   block ─▶ block ─▶ block     A block waits for the row above it and for the column to its left,
//!     ▼        ▼        ▼       and sends its own last row down and its own last column to the right.
//!   block ─▶ block ─▶ block
//! ```
//!
//! Prints the time of one thread, of Caudal and of rayon, for blocks of several sizes. In rayon, a block that has
//! counted both of its neighbours spawns itself. All three must find the same distance.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use caudal::flow::{Executor, FlowBuilder, FlowRun, Output, Pool, Sink};
use caudal::statistics::median;

const LETTERS: usize = 8192;
const TIMES: usize = 5;

/// The distances along a block's last row or column, and in the corner before it.
#[derive(Clone, Default)]
struct Edge {
    corner: u32,
    along: Vec<u32>,
}

impl Edge {
    /// Of the table's first row or column: so many letters are added.
    fn first(of: &Range<usize>) -> Self {
        Self {
            corner: of.start as u32,
            along: (of.start + 1..=of.end).map(|it| it as u32).collect(),
        }
    }
}

/// Letters that follow from a seed.
fn letters(mut seed: u64) -> Vec<u8> {
    let letter = |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"acgt"[(seed >> 62) as usize]
    };
    (0..LETTERS).map(letter).collect()
}

/// The last row and the last column of a block, from the row above it and the column to its left.
fn block(down: &[u8], across: &[u8], above: Edge, left: &Edge) -> (Edge, Edge) {
    let Edge { corner: mut before, along: mut row } = above;
    let top_right = row.last().copied().unwrap_or(before);
    let mut right = Edge { corner: top_right, along: Vec::with_capacity(down.len()) };
    for (letter, &start) in down.iter().zip(&left.along) {
        let (mut diagonal, mut last) = (before, start);
        for (other, cell) in across.iter().zip(&mut row) {
            let change = diagonal + u32::from(letter != other);
            diagonal = *cell;
            last = change.min(diagonal + 1).min(last + 1);
            *cell = last;
        }
        before = start;
        right.along.push(last);
    }
    (Edge { corner: before, along: row }, right)
}

/// The ranges of so many letters each.
fn ranges(size: usize) -> Vec<Range<usize>> {
    (0..LETTERS).step_by(size).map(|start| start..(start + size).min(LETTERS)).collect()
}

/// The wavefront as a flow, and the last row of its last block.
fn flow(a: &Arc<[u8]>, b: &Arc<[u8]>, size: usize) -> caudal::Result<(FlowRun, Sink<Edge>)> {
    let mut flow = FlowBuilder::new("edit distance");
    let ranges = ranges(size);
    let mut above: Vec<Output<Edge>> = Vec::new();
    for across in ranges.clone() {
        let name = format!("above {}", across.start);
        above.push(flow.node(name, (), move |()| Edge::first(&across)));
    }
    for down in &ranges {
        let first = down.clone();
        let mut left =
            flow.node(format!("left of {}", down.start), (), move |()| Edge::first(&first));
        let mut below = Vec::with_capacity(ranges.len());
        for (across, above) in ranges.iter().zip(above) {
            let (a, b) = (Arc::clone(a), Arc::clone(b));
            let (rows, columns) = (down.clone(), across.clone());
            let name = format!("block {},{}", down.start, across.start);
            let both = flow.node(name, (above, left), move |(above, left)| {
                block(&a[rows.clone()], &b[columns.clone()], above, &left)
            });
            let (last_row, last_column) = flow.unzip(both);
            below.push(last_row);
            left = last_column;
        }
        above = below;
    }
    let last = above.pop().unwrap_or_else(|| flow.node("nothing", (), |()| Edge::default()));
    let last = flow.sink("distance", last);
    Ok((flow.build()?.run(), last))
}

/// The same in rayon.
struct Wavefront<'a> {
    a: &'a [u8],
    b: &'a [u8],
    ranges: Vec<Range<usize>>,
    /// By block: the row above and the column to the left, once they are known.
    above: Vec<Mutex<Edge>>,
    left: Vec<Mutex<Edge>>,
    /// By block: how many of these it still waits for.
    waits: Vec<AtomicUsize>,
}

fn put(place: &Mutex<Edge>, edge: Edge) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = edge;
}

fn take(place: &Mutex<Edge>) -> Edge {
    std::mem::take(&mut place.lock().unwrap_or_else(PoisonError::into_inner))
}

impl<'a> Wavefront<'a> {
    fn new(a: &'a [u8], b: &'a [u8], size: usize) -> Self {
        let ranges = ranges(size);
        let blocks = 0..ranges.len() * ranges.len();
        let edges = || blocks.clone().map(|_| Mutex::default()).collect();
        let waits = blocks.clone().map(|_| AtomicUsize::new(0)).collect();
        Self { a, b, above: edges(), left: edges(), waits, ranges }
    }

    fn run(&self) -> u32 {
        let side = self.ranges.len();
        for (place, range) in self.ranges.iter().enumerate() {
            put(&self.above[place], Edge::first(range));
            put(&self.left[place * side], Edge::first(range));
        }
        for (number, waits) in self.waits.iter().enumerate() {
            let neighbours = usize::from(number >= side) + usize::from(number % side > 0);
            waits.store(neighbours, Ordering::Relaxed);
        }
        let distance = Mutex::default();
        rayon::scope(|scope| self.block(scope, 0, &distance));
        take(&distance).along.last().copied().unwrap_or(0)
    }

    fn block<'s>(&'s self, scope: &rayon::Scope<'s>, number: usize, distance: &'s Mutex<Edge>) {
        let side = self.ranges.len();
        let (row, column) = (number / side, number % side);
        let (rows, columns) = (self.ranges[row].clone(), self.ranges[column].clone());
        let (above, left) = (take(&self.above[number]), take(&self.left[number]));
        let (last_row, last_column) = block(&self.a[rows], &self.b[columns], above, &left);
        let count = |next: usize| {
            if self.waits[next].fetch_sub(1, Ordering::AcqRel) == 1 {
                scope.spawn(move |scope| self.block(scope, next, distance));
            }
        };
        if row + 1 < side {
            put(&self.above[number + side], last_row);
            count(number + side);
        } else if column + 1 == side {
            put(distance, last_row);
        }
        if column + 1 < side {
            put(&self.left[number + 1], last_column);
            count(number + 1);
        }
    }
}

/// The median milliseconds of a few calls, and what they give.
fn timed(mut call: impl FnMut() -> caudal::Result<u32>) -> caudal::Result<(f64, u32)> {
    let mut times = Vec::with_capacity(TIMES);
    let mut result = call()?;
    for _ in 0..TIMES {
        let start = Instant::now();
        result = call()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok((median(&mut times), result))
}

fn main() -> caudal::Result<()> {
    let (a, b): (Arc<[u8]>, Arc<[u8]>) = (letters(1).into(), letters(2).into());
    let whole = 0..LETTERS;
    let (alone, expected) = timed(|| {
        let (last, _) = block(&a, &b, Edge::first(&whole), &Edge::first(&whole));
        Ok(last.along.last().copied().unwrap_or(0))
    })?;
    let workers = rayon::current_num_threads();
    println!("two strings of {LETTERS} letters: edit distance {expected}");
    println!("one thread, one block: {alone:.1} ms; with {workers} workers, medians of {TIMES}:");
    println!("   block  blocks  Caudal ms  rayon ms  Caudal's speedup  rayon's");
    let mut pool = Pool::new(workers, "critical-path")?;
    for size in [128, 256, 512, 1024] {
        let (mut run, last) = flow(&a, &b, size)?;
        let (caudal, found) = timed(|| {
            pool.execute(&mut run)?;
            Ok(run.take(&last)?.along.last().copied().unwrap_or(0))
        })?;
        assert_eq!(found, expected, "Caudal");
        let wavefront = Wavefront::new(&a, &b, size);
        let (rayon, found) = timed(|| Ok(wavefront.run()))?;
        assert_eq!(found, expected, "rayon");
        println!(
            "{size:>8} {:>7} {caudal:>10.1} {rayon:>9.1} {:>17.2} {:>8.2}",
            wavefront.waits.len(),
            alone / caudal,
            alone / rayon
        );
    }
    Ok(())
}
