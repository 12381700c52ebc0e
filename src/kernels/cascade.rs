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

/// The joined sums of blocks of so many terms, of `block` at most: `sum` is that of the terms of a range.
macro_rules! join_blocks {
    ($count:expr, $block:expr, |$terms:ident| $sum:expr) => {{
        use $crate::kernels::cascade::Cascade;
        let count: usize = $count;
        let mut sums = Cascade::new();
        let mut first = 0;
        loop {
            let end = count.min(first + $block);
            let $terms = first..end;
            let block = $sum;
            if end == count {
                break sums.finish(block);
            }
            sums.push(block);
            first = end;
        }
    }};
}

/// The sum of so many terms, each of which `add` adds to the sum `block`, which begins with `zero`.
macro_rules! cascade {
    ($count:expr, $zero:expr, |$term:ident, $block:ident| $add:expr) => {
        $crate::kernels::cascade::join_blocks!($count, $crate::kernels::cascade::BLOCK, |terms| {
            let mut $block = $zero;
            for $term in terms {
                $add;
            }
            $block
        })
    };
}

/// Does `work` for all vectors of a row of so many numbers, given where their numbers stand and how many lanes there are:
/// all of them, but for the last one. The machine must have the instructions of `V`.
macro_rules! each_vector {
    ($len:expr, |$at:ident, $lanes:ident| $work:expr) => {{
        let len: usize = $len;
        let mut at = 0;
        while at + V::LANES <= len {
            let ($at, $lanes) = (at, V::LANES);
            $work;
            at += V::LANES;
        }
        if at < len {
            let ($at, $lanes) = (at, len - at);
            $work;
        }
    }};
}

/// Sums along a row of so many numbers: `add` gives the sums with another vector, given where its numbers stand and how
/// many lanes there are. The machine must have the instructions of `V`.
macro_rules! sum_along {
    ($sums:literal, $len:expr, |$at:ident, $lanes:ident, $sum:ident| $add:expr) => {{
        use $crate::kernels::cascade::{Sums, TILE, cascade, each_vector};
        let len: usize = $len;
        let zero = [V::splat(0.0); $sums];
        let tiles = len / (TILE * V::LANES);
        let mut sums = [zero];
        if tiles > 0 {
            let [a, b, c, d] = cascade!(tiles, [zero; TILE], |term, block| {
                for (vector, sums) in block.iter_mut().enumerate() {
                    let $at = (term * TILE + vector) * V::LANES;
                    let ($lanes, $sum) = (V::LANES, *sums);
                    *sums = $add;
                }
            });
            sums = [a].join([b]).join([c].join([d]));
        }
        let mut rest = zero;
        let first = tiles * TILE * V::LANES;
        each_vector!(len - first, |at, lanes| {
            let ($at, $lanes, $sum) = (first + at, lanes, rest);
            rest = $add;
        });
        let [sums] = sums.join([rest]);
        sums
    }};
}

/// Rows whose sums are formed together where they are [short](SHORT): one instruction then adds lanes of several.
pub(super) const GROUP: usize = 4;

/// The numbers of a short row: a group of these fits the first-level cache several times.
pub(super) const SHORT: usize = 512;

/// Does `work` on all rows of so many numbers, a group of them at a time where they are short.
macro_rules! each_group {
    ($rows:expr, $len:expr, |$first:ident, $group:ident| $work:expr) => {{
        let rows: usize = $rows;
        let mut $first = 0;
        if $len <= $crate::kernels::cascade::SHORT {
            const $group: usize = $crate::kernels::cascade::GROUP;
            while $first + $group <= rows {
                $work;
                $first += $group;
            }
        }
        {
            const $group: usize = 1;
            while $first < rows {
                $work;
                $first += 1;
            }
        }
    }};
}

/// The sum over the lanes of each vector: the same bits in a group as alone.
#[inline(always)]
pub(super) fn lane_sums<V: Vector, const SUMS: usize, const ROWS: usize>(
    rows: [[V; SUMS]; ROWS],
) -> [[f32; SUMS]; ROWS] {
    let mut sums = [[0.0; SUMS]; ROWS];
    let (groups, rest) = rows.as_chunks::<GROUP>();
    let (sums_of_groups, sums_of_rest) = sums.as_chunks_mut::<GROUP>();
    for (group, sums) in groups.iter().zip(sums_of_groups) {
        for sum in 0..SUMS {
            let [a, b, c, d] = group;
            let of_rows = V::sums([a[sum], b[sum], c[sum], d[sum]]);
            for (sums, of_row) in sums.iter_mut().zip(of_rows) {
                sums[sum] = of_row;
            }
        }
    }
    for (row, sums) in rest.iter().zip(sums_of_rest) {
        for (sum, vector) in sums.iter_mut().zip(row) {
            *sum = vector.sum();
        }
    }
    sums
}

/// Sums over all rows of a matrix of this size, for each column: `add` gives the sums with another row, given the row,
/// the column and how many lanes there are. `put` takes the sums of a column. The machine must have the instructions of
/// `V`.
macro_rules! sum_rows {
    (
        $sums:literal,
        $size:expr,
        |$row:ident, $col:ident, $lanes:ident, $sum:ident| $add:expr,
        |$of_column:pat_param| $put:expr $(,)?
    ) => {{
        use $crate::kernels::cascade::{TILE, cascade};
        let [rows, cols]: [usize; 2] = $size;
        let zero = [V::splat(0.0); $sums];
        let whole = cols - cols % (TILE * V::LANES);
        for first in (0..whole).step_by(TILE * V::LANES) {
            let tile = cascade!(rows, [zero; TILE], |$row, block| {
                for (vector, sums) in block.iter_mut().enumerate() {
                    let $col = first + vector * V::LANES;
                    let ($lanes, $sum) = (V::LANES, *sums);
                    *sums = $add;
                }
            });
            for (vector, $of_column) in tile.into_iter().enumerate() {
                let $col = first + vector * V::LANES;
                let $lanes = V::LANES;
                $put;
            }
        }
        for $col in (whole..cols).step_by(V::LANES) {
            let $lanes = V::LANES.min(cols - $col);
            let [$of_column] = cascade!(rows, [zero], |$row, block| {
                let $sum = block[0];
                block[0] = $add;
            });
            $put;
        }
    }};
}

pub(super) use {cascade, each_group, each_vector, join_blocks, sum_along, sum_rows};

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
