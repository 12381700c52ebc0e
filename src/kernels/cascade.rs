//! Sums in an order that keeps long ones nearly as exact as short ones.
//!
//! [`BLOCK`] terms are added one after another; two such blocks join, then two such pairs, and so on. A sum of n
//! terms so has at most `BLOCK + log2(n / BLOCK) + 2` roundings on the way of any of them, where one after another
//! has n (Higham 2002, section 4.2). The order follows from the number of terms alone.

//!
//! Loops are written out by macros, as no closure can be made to become part of the function that calls it: one of
//! some size stays apart, without the instructions, and is 15 times as slow.

use std::mem::MaybeUninit;

use super::vector::Vector;

/// Terms that are added one after another.
pub(super) const BLOCK: usize = 32;

/// More pairs of pairs than there are terms in any memory.
const LEVELS: usize = 48;

/// Vectors whose additions do not wait for each other.
pub(super) const TILE: usize = 4;

/// What is summed.
pub(super) trait Sums: Copy {
    /// The sum of two sums.
    fn join(self, other: Self) -> Self;
}

/// For several vectors several sums.
impl<V: Vector, const N: usize, const M: usize> Sums for [[V; N]; M] {
    #[inline(always)]
    fn join(mut self, other: Self) -> Self {
        for (sums, others) in self.iter_mut().zip(other) {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = sum.add(other);
            }
        }
        self
    }
}

/// The sums of the blocks so far: one for each bit that is set in how many there are.
pub(super) struct Cascade<T> {
    levels: [MaybeUninit<T>; LEVELS],
    blocks: usize,
}

impl<T: Sums> Cascade<T> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { levels: [const { MaybeUninit::uninit() }; LEVELS], blocks: 0 }
    }

    /// Adds the sum of a block.
    #[inline(always)]
    pub(super) fn push(&mut self, block: T) {
        let (mut sum, mut level) = (block, 0);
        while self.blocks >> level & 1 == 1 {
            // SAFETY: this bit was set when the level was written.
            sum = unsafe { self.levels[level].assume_init() }.join(sum);
            level += 1;
        }
        self.levels[level].write(sum);
        self.blocks += 1;
    }

    /// The sum of all blocks and of `last`.
    #[inline(always)]
    pub(super) fn finish(&self, last: T) -> T {
        let (mut sum, mut level) = (last, 0);
        while self.blocks >> level != 0 {
            if self.blocks >> level & 1 == 1 {
                // SAFETY: this bit was set when the level was written.
                sum = unsafe { self.levels[level].assume_init() }.join(sum);
            }
            level += 1;
        }
        sum
    }
}

/// The sum of so many terms, each of which `add` adds to the sum `block`, which begins with `zero`.
macro_rules! cascade {
    ($count:expr, $zero:expr, |$term:ident, $block:ident| $add:expr) => {{
        use $crate::kernels::cascade::{BLOCK, Cascade};
        let count: usize = $count;
        let mut sums = Cascade::new();
        let mut first = 0;
        loop {
            let end = count.min(first + BLOCK);
            let mut $block = $zero;
            for $term in first..end {
                $add;
            }
            if end == count {
                break sums.finish($block);
            }
            sums.push($block);
            first = end;
        }
    }};
}

/// The sum of so many vectors: `add` is the sum with another term. The machine must have the instructions of `V`.
macro_rules! sum_vectors {
    ($count:expr, |$term:ident, $sum:ident| $add:expr) => {{
        let zero = [[V::splat(0.0)]];
        let [[sum]] = $crate::kernels::cascade::cascade!($count, zero, |$term, block| {
            let $sum = block[0][0];
            block[0][0] = $add;
        });
        sum
    }};
}

/// Sums along a row of so many numbers: of the lanes of `terms`, given where they stand and how many lanes there are,
/// which are so many vectors, whose lanes beyond are 0. The machine must have the instructions of `V`.
macro_rules! sum_row {
    ($sums:literal, $len:expr, |$at:ident, $lanes:ident| $terms:expr) => {{
        use $crate::kernels::cascade::{Sums, TILE, cascade};
        let len: usize = $len;
        let zero = [[V::splat(0.0); $sums]];
        let whole = len - len % (TILE * V::LANES);
        let mut sums = zero;
        if whole > 0 {
            let tile = [zero[0]; TILE];
            let [a, b, c, d] = cascade!(whole / (TILE * V::LANES), tile, |term, block| {
                for (vector, sums) in block.iter_mut().enumerate() {
                    let $at = (term * TILE + vector) * V::LANES;
                    let $lanes = V::LANES;
                    [*sums] = [*sums].join([$terms]);
                }
            });
            sums = [a].join([b]).join([c].join([d]));
        }
        let mut rest = zero;
        for $at in (whole..len).step_by(V::LANES) {
            let $lanes = V::LANES.min(len - $at);
            rest = rest.join([$terms]);
        }
        let [sums] = sums.join(rest);
        let mut numbers = [0.0f32; $sums];
        for (number, sum) in numbers.iter_mut().zip(sums) {
            *number = sum.sum();
        }
        numbers
    }};
}

/// Sums over all rows of a matrix of this size, for each column: of `terms`, given the row, the column and how many
/// lanes there are, which are so many vectors. `put` takes the sums of a column. The machine must have the instructions
/// of `V`.
macro_rules! sum_rows {
    (
        $sums:literal,
        $size:expr,
        |$row:ident, $col:ident, $lanes:ident| $terms:expr,
        |$sum:pat_param| $put:expr $(,)?
    ) => {{
        use $crate::kernels::cascade::{Sums, TILE, cascade};
        let [rows, cols]: [usize; 2] = $size;
        let zero = [[V::splat(0.0); $sums]];
        let whole = cols - cols % (TILE * V::LANES);
        for first in (0..whole).step_by(TILE * V::LANES) {
            let tile = cascade!(rows, [zero[0]; TILE], |$row, block| {
                for (vector, sums) in block.iter_mut().enumerate() {
                    let $col = first + vector * V::LANES;
                    let $lanes = V::LANES;
                    [*sums] = [*sums].join([$terms]);
                }
            });
            for (vector, $sum) in tile.into_iter().enumerate() {
                let $col = first + vector * V::LANES;
                let $lanes = V::LANES;
                $put;
            }
        }
        for $col in (whole..cols).step_by(V::LANES) {
            let $lanes = V::LANES.min(cols - $col);
            let [$sum] = cascade!(rows, zero, |$row, block| block = block.join([$terms]));
            $put;
        }
    }};
}

pub(super) use {cascade, sum_row, sum_rows, sum_vectors};

#[cfg(test)]
mod tests {
    use super::*;

    /// How many terms there are, and the longest way of any to the sum.
    #[derive(Clone, Copy)]
    struct Ways(usize, usize);

    impl Sums for Ways {
        fn join(self, other: Self) -> Self {
            Self(self.0 + other.0, self.1.max(other.1) + 1)
        }
    }

    #[test]
    fn no_term_is_rounded_more_often_than_promised() {
        for count in [0, 1, 2, 31, 32, 33, 64, 65, 1000, 4096, 100_003] {
            let Ways(added, longest) = cascade!(count, Ways(0, 0), |_term, block| {
                block = Ways(block.0 + 1, block.1 + 1);
            });
            assert_eq!(added, count);
            let promised = count.min(BLOCK) + (count as f64 / 32.0).max(1.0).log2().ceil() as usize;
            assert!(longest <= promised + 2, "{count}: {longest}");
        }
    }
}
