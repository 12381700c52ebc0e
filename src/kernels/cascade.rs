//! Sums in an order that keeps long ones nearly as exact as short ones.
//!
//! [`BLOCK`] terms are added one after another; two such blocks join, then two such pairs, and so on. A sum of n
//! terms so has at most `BLOCK + log2(n / BLOCK) + 2` roundings on the way of any of them, where one after another
//! has n (Higham 2002, section 4.2). The order follows from the number of terms alone.

use std::mem::MaybeUninit;

use super::vector::Vector;

/// Terms that are added one after another.
pub(super) const BLOCK: usize = 32;

/// More pairs of pairs than there are terms in any memory.
const LEVELS: usize = 48;

/// Vectors whose additions do not wait for each other.
const TILE: usize = 4;

/// The sums of the blocks so far: one for each bit that is set in how many there are.
struct Cascade<T> {
    levels: [MaybeUninit<T>; LEVELS],
    blocks: usize,
}

impl<T: Copy> Cascade<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { levels: [const { MaybeUninit::uninit() }; LEVELS], blocks: 0 }
    }

    /// Adds the sum of a block.
    #[inline(always)]
    fn push(&mut self, block: T, join: impl Fn(T, T) -> T) {
        let (mut sum, mut level) = (block, 0);
        while self.blocks >> level & 1 == 1 {
            // SAFETY: this bit was set when the level was written.
            sum = join(unsafe { self.levels[level].assume_init() }, sum);
            level += 1;
        }
        self.levels[level].write(sum);
        self.blocks += 1;
    }

    /// The sum of all blocks and of `last`.
    #[inline(always)]
    fn finish(&self, last: T, join: impl Fn(T, T) -> T) -> T {
        let (mut sum, mut level) = (last, 0);
        while self.blocks >> level != 0 {
            if self.blocks >> level & 1 == 1 {
                // SAFETY: this bit was set when the level was written.
                sum = join(unsafe { self.levels[level].assume_init() }, sum);
            }
            level += 1;
        }
        sum
    }
}

/// The sum of `count` terms, each of which `add` adds to a sum that begins with `zero`.
#[inline(always)]
fn cascade<T: Copy>(
    count: usize,
    zero: T,
    mut add: impl FnMut(usize, &mut T),
    join: impl Fn(T, T) -> T + Copy,
) -> T {
    let mut sums = Cascade::new();
    let mut first = 0;
    loop {
        let end = count.min(first + BLOCK);
        let mut block = zero;
        for term in first..end {
            add(term, &mut block);
        }
        if end == count {
            return sums.finish(block, join);
        }
        sums.push(block, join);
        first = end;
    }
}

#[inline(always)]
fn join_vectors<V: Vector, const N: usize>(a: [V; N], b: [V; N]) -> [V; N] {
    std::array::from_fn(|sum| a[sum].add(b[sum]))
}

#[inline(always)]
fn join_tiles<V: Vector, const N: usize>(a: [[V; N]; TILE], b: [[V; N]; TILE]) -> [[V; N]; TILE] {
    std::array::from_fn(|vector| join_vectors(a[vector], b[vector]))
}

/// The sum of `count` vectors, each of which `add` adds to the sum that it is given.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn sum_vectors<V: Vector>(count: usize, add: impl Fn(usize, V) -> V) -> V {
    // SAFETY: as the caller states.
    let zero = unsafe { V::splat(0.0) };
    cascade(count, zero, |term, sum| *sum = add(term, *sum), V::add)
}

/// Sums along a row of so many numbers: of the lanes of `terms(at, lanes)`, which gives so many vectors, whose lanes
/// beyond `lanes` are 0. The machine must have the instructions of `V`.
///
/// It hands the closure on twice, so that each copy is called in one place, and becomes part of the function there,
/// which has the instructions. A closure of some size that is called in two places stays apart, and is 20 times as slow.
macro_rules! sum_row {
    ($sums:literal, $len:expr, $terms:expr) => {
        $crate::kernels::cascade::sum_row_of::<V, $sums>($len, $terms, $terms)
    };
}

/// Sums over all rows of a matrix of this size, for each column: of `terms(row, column, lanes)`, which gives so many
/// vectors of so many lanes. `put(column, lanes, sums)` takes them. The machine must have the instructions of `V`.
///
/// It hands the closures on twice, as [`sum_row`] does.
macro_rules! sum_rows {
    ($sums:literal, $size:expr, $terms:expr, $put:expr $(,)?) => {
        $crate::kernels::cascade::sum_rows_of::<V, $sums>($size, $terms, $put);
        $crate::kernels::cascade::sum_last_rows_of::<V, $sums>($size, $terms, $put)
    };
}

pub(super) use {sum_row, sum_rows};

/// [`sum_row`], with its closure for whole vectors and for the rest.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn sum_row_of<V: Vector, const SUMS: usize>(
    len: usize,
    terms: impl Fn(usize, usize) -> [V; SUMS],
    terms_of_rest: impl Fn(usize, usize) -> [V; SUMS],
) -> [f32; SUMS] {
    // SAFETY: as the caller states.
    let zero = [unsafe { V::splat(0.0) }; SUMS];
    let step = TILE * V::LANES;
    let whole = len - len % step;
    let mut sums = zero;
    if whole > 0 {
        let add = |term: usize, tile: &mut [[V; SUMS]; TILE]| {
            for (vector, sums) in tile.iter_mut().enumerate() {
                *sums = join_vectors(*sums, terms(term * step + vector * V::LANES, V::LANES));
            }
        };
        let [a, b, c, d] = cascade(whole / step, [zero; TILE], add, join_tiles);
        sums = join_vectors(join_vectors(a, b), join_vectors(c, d));
    }
    let mut rest = zero;
    for at in (whole..len).step_by(V::LANES) {
        rest = join_vectors(rest, terms_of_rest(at, V::LANES.min(len - at)));
    }
    join_vectors(sums, rest).map(V::sum)
}

/// [`sum_rows`] of as many columns as are whole tiles.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn sum_rows_of<V: Vector, const SUMS: usize>(
    [rows, cols]: [usize; 2],
    terms: impl Fn(usize, usize, usize) -> [V; SUMS],
    mut put: impl FnMut(usize, usize, [V; SUMS]),
) {
    // SAFETY: the machine has the instructions.
    let zero = [unsafe { V::splat(0.0) }; SUMS];
    for col in (0..cols - cols % (TILE * V::LANES)).step_by(TILE * V::LANES) {
        let add = |row: usize, tile: &mut [[V; SUMS]; TILE]| {
            for (vector, sums) in tile.iter_mut().enumerate() {
                *sums = join_vectors(*sums, terms(row, col + vector * V::LANES, V::LANES));
            }
        };
        let tile = cascade(rows, [zero; TILE], add, join_tiles);
        for (vector, sums) in tile.into_iter().enumerate() {
            put(col + vector * V::LANES, V::LANES, sums);
        }
    }
}

/// [`sum_rows`] of the columns behind whole tiles.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn sum_last_rows_of<V: Vector, const SUMS: usize>(
    [rows, cols]: [usize; 2],
    terms: impl Fn(usize, usize, usize) -> [V; SUMS],
    mut put: impl FnMut(usize, usize, [V; SUMS]),
) {
    // SAFETY: the machine has the instructions.
    let zero = [unsafe { V::splat(0.0) }; SUMS];
    for col in (cols - cols % (TILE * V::LANES)..cols).step_by(V::LANES) {
        let lanes = V::LANES.min(cols - col);
        let add = |row: usize, sums: &mut [V; SUMS]| {
            *sums = join_vectors(*sums, terms(row, col, lanes));
        };
        put(col, lanes, cascade(rows, zero, add, join_vectors));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every term is added once, whatever their number, and no way is longer than promised.
    #[test]
    fn no_term_is_rounded_more_often_than_promised() {
        for count in [0, 1, 2, 31, 32, 33, 64, 65, 1000, 4096, 100_003] {
            // How many terms there are, and the longest way of any to the sum.
            let add = |_, sum: &mut (usize, usize)| *sum = (sum.0 + 1, sum.1 + 1);
            let join = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1.max(b.1) + 1);
            let (added, longest) = cascade(count, (0, 0), add, join);
            assert_eq!(added, count);
            let promised = count.min(BLOCK) + (count as f64 / 32.0).max(1.0).log2().ceil() as usize;
            assert!(longest <= promised + 2, "{count}: {longest}");
        }
    }
}
