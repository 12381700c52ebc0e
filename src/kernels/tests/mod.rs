//! Every kernel against its definition, with every instruction set of this machine.

mod activations;
mod batch_norm;
mod bf16;
mod convolutions;
mod functions;
mod groups;
mod matrix;
mod pools;
mod products;
mod rows;
mod sums;
mod winograd;

use super::{InstructionSet, MatrixMut, MatrixRef, with_instruction_set};

/// Rows, columns, and the gap between rows: none, one, primes, and what is around the lengths of vectors and blocks.
const ODD: [[usize; 3]; 31] = [
    [0, 0, 0],
    [0, 5, 2],
    [4, 0, 3],
    [1, 1, 0],
    [1, 2, 1],
    [2, 3, 0],
    [1, 40, 3],
    [7, 10, 6],
    [3, 15, 1],
    [3, 16, 0],
    [5, 17, 2],
    [7, 31, 0],
    [31, 32, 1],
    [5, 33, 7],
    [3, 61, 5],
    [2, 63, 0],
    [33, 64, 1],
    [3, 65, 2],
    [2, 127, 3],
    [3, 129, 0],
    [2, 200, 0],
    [2, 257, 1],
    [1, 509, 0],
    [2, 1021, 3],
    [1, 1023, 0],
    [1, 1024, 0],
    [1, 1025, 4],
    [1031, 1, 2],
    [257, 3, 0],
    [127, 7, 1],
    [65, 16, 0],
];

/// Numbers in -1..1 that depend on `seed` only.
fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len + 8).map(|_| next()).skip(8).collect()
}

/// Runs a test with each instruction set.
fn each_set(mut test: impl FnMut()) {
    for set in InstructionSet::ALL.into_iter().filter(|set| set.available()) {
        with_instruction_set(set, &mut test);
    }
}

/// A matrix in a wider one: `gap` floats follow each row, and nobody may touch them.
#[derive(Clone)]
struct Wide {
    floats: Vec<f32>,
    rows: usize,
    cols: usize,
    stride: usize,
}

/// What stands between the rows.
const GAP: f32 = 12345.0;

impl Wide {
    fn new(numbers: &[f32], rows: usize, cols: usize, gap: usize) -> Self {
        let stride = cols + gap;
        let mut floats = vec![GAP; rows * stride];
        for row in 0..rows {
            floats[row * stride..][..cols].copy_from_slice(&numbers[row * cols..][..cols]);
        }
        Self { floats, rows, cols, stride }
    }

    fn random(rows: usize, cols: usize, gap: usize, seed: u64) -> Self {
        Self::new(&random(rows * cols, seed), rows, cols, gap)
    }

    /// An output: what it holds must be overwritten.
    fn output(rows: usize, cols: usize, gap: usize) -> Self {
        Self::new(&vec![f32::NAN; rows * cols], rows, cols, gap)
    }

    fn view(&self) -> MatrixRef<'_> {
        MatrixRef::new(&self.floats, self.rows, self.cols, self.stride)
    }

    fn view_mut(&mut self) -> MatrixMut<'_> {
        MatrixMut::new(&mut self.floats, self.rows, self.cols, self.stride)
    }

    /// Its numbers without the gaps, which must be untouched.
    fn numbers(&self) -> Vec<f32> {
        let mut numbers = Vec::new();
        for row in self.floats.chunks(self.stride.max(1)).take(self.rows) {
            let (ours, gap) = row.split_at(self.cols);
            numbers.extend_from_slice(ours);
            assert!(gap.iter().all(|&number| number == GAP), "a gap was written to");
        }
        numbers
    }
}

/// Asserts that all numbers are within `tolerance` of what is expected, relative to its size where
/// that exceeds 1.
fn assert_close(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        let bound = tolerance * expected.abs().max(1.0);
        assert!(error <= bound, "{what}: {found} instead of {expected} at {at}");
    }
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}
