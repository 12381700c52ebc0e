//! The microkernel that all products and convolutions are made of.
//!
//! It computes a tile of up to [`MAX_ROWS`] rows x 16 or 32 columns in registers:
//!
//! ```text
//! c[r, ..] = start[r, ..] + sum over steps s of a[row r, step s] * b[step s, ..]
//! ```
//!
//! Steps are added one after the other, whatever the number of rows: a number of the output has the
//! same bits in whichever tile it is computed, and continuing a sum from memory ([`Start::Output`]) changes nothing.

mod steps;

use steps::run;

use super::InstructionSet;
use super::vector::Portable;
#[cfg(target_arch = "x86_64")]
use super::vector_x86::{Avx2, Avx512};

/// The most rows that any instruction set computes at a time.
pub(super) const MAX_ROWS: usize = 14;

/// The order in which a sum walks through `a` and `b`: `outer` times `segments` times `len` steps.
/// Distances are in floats.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    pub(super) outer: usize,
    pub(super) a_outer: usize,
    pub(super) b_outer: usize,
    pub(super) segments: usize,
    pub(super) a_segment: usize,
    pub(super) b_segment: usize,
    /// How far what is asked for moves on with each segment; 0 if it goes on where the segment before ended.
    pub(super) ahead_segment: usize,
    pub(super) len: usize,
    pub(super) a_step: usize,
    pub(super) b_step: usize,
}

impl Walk {
    /// `len` steps in a line.
    pub(super) fn line(len: usize, a_step: usize, b_step: usize) -> Self {
        Self { outer: 1, segments: 1, len, a_step, b_step, ..Self::default() }
    }
}

/// Where the rows of `a` start, in floats from where the tile's do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rows {
    /// Side by side, so that a step of all of them is read together, far from the step before.
    Adjacent,
    /// Each so far from the one before.
    Apart(usize),
    /// Anywhere.
    At([usize; MAX_ROWS]),
}

/// What a sum starts from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// Zero.
    Zero,
    /// The same numbers for all rows, one for each column that is not padding.
    Bias(*const f32),
    /// What `c` holds.
    Output,
    /// Zero; what `c` holds is added to the sum in the end, so that long sums are sums of shorter ones.
    Onto,
}

/// One tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    pub(super) a: *const f32,
    pub(super) a_rows: Rows,
    pub(super) b: *const f32,
    pub(super) walk: Walk,
    pub(super) c: *mut f32,
    /// Where each row of the output starts.
    pub(super) c_rows: [usize; MAX_ROWS],
    /// Columns of `c` that exist; `b` has 16 or 32.
    pub(super) columns: usize,
    pub(super) start: Start,
    /// What will be read next.
    pub(super) ahead: Ahead,
}

/// What will be read soon, anywhere: a tile asks for a cache line of it a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    pub(super) from: *const f32,
    /// Floats from one step to the next.
    pub(super) step: usize,
}

impl Ahead {
    /// Nothing.
    pub(super) const NOTHING: Self = Self { from: std::ptr::null(), step: 0 };
}

type Run = unsafe fn(&Tile);

/// The tiles of one instruction set.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    /// The most rows of one tile.
    rows: usize,
    /// The functions for 1.. rows of 32 columns, if it has these.
    wide: Option<&'static [Run]>,
    /// The functions for 1.. rows of 16 columns.
    narrow: &'static [Run],
}

impl Tiles {
    /// The tiles of [`InstructionSet::current`].
    pub(super) fn current() -> Self {
        match InstructionSet::current() {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => AVX512_TILES,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => AVX2_TILES,
            _ => PORTABLE_TILES,
        }
    }

    /// Into how many tiles [`Tiles::heights`] cuts so many rows.
    pub(super) fn count(self, rows: usize) -> usize {
        rows.div_ceil(self.rows)
    }

    /// Cuts `rows` into tiles of nearly equal heights and visits the rows of each.
    pub(super) fn heights(
        self,
        rows: std::ops::Range<usize>,
        mut visit: impl FnMut(std::ops::Range<usize>),
    ) {
        let tiles = self.count(rows.len());
        let at = |tile: usize| rows.start + rows.len() * tile / tiles;
        for tile in 0..tiles {
            visit(at(tile)..at(tile + 1));
        }
    }

    /// Computes `rows` rows of `tile`, where `b` has `width` columns, 16 or 32.
    ///
    /// The tile is only borrowed mutably because that saves copies: it is as before afterwards.
    ///
    /// # Safety
    /// All floats that the tile names must be readable, those of `c` writable, and nothing else may
    /// use these meanwhile.
    pub(super) unsafe fn run(self, tile: &mut Tile, rows: usize, width: usize) {
        debug_assert!((1..=self.rows).contains(&rows), "{rows} rows");
        debug_assert!(width == 16 || width == 32, "{width} columns");
        if let (32, Some(wide)) = (width, self.wide) {
            // SAFETY: as the caller states; the set is available.
            return unsafe { wide[rows - 1](tile) };
        }
        let Tile { b, c, columns, start, .. } = *tile;
        tile.columns = columns.min(16);
        // SAFETY: as the caller states; the set is available.
        unsafe { self.narrow[rows - 1](tile) };
        if columns > 16 {
            tile.b = b.wrapping_add(16);
            tile.c = c.wrapping_add(16);
            tile.columns = columns - 16;
            if let Start::Bias(bias) = start {
                tile.start = Start::Bias(bias.wrapping_add(16));
            }
            // SAFETY: as the caller states, for the columns from 16 on.
            unsafe { self.narrow[rows - 1](tile) };
            (tile.b, tile.c, tile.start) = (b, c, start);
        }
        tile.columns = columns;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn run_avx512<const R: usize, const C: usize>(tile: &Tile) {
    // SAFETY: as the caller states.
    unsafe { run::<Avx512, R, C>(tile) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<const R: usize>(tile: &Tile) {
    // SAFETY: as the caller states.
    unsafe { run::<Avx2, R, 2>(tile) }
}

unsafe fn run_portable<const R: usize>(tile: &Tile) {
    // SAFETY: as the caller states.
    unsafe { run::<Portable, R, 4>(tile) }
}

/// 28 of 32 registers for sums.
#[cfg(target_arch = "x86_64")]
const AVX512_TILES: Tiles = Tiles {
    rows: 14,
    wide: Some(&[
        run_avx512::<1, 2>,
        run_avx512::<2, 2>,
        run_avx512::<3, 2>,
        run_avx512::<4, 2>,
        run_avx512::<5, 2>,
        run_avx512::<6, 2>,
        run_avx512::<7, 2>,
        run_avx512::<8, 2>,
        run_avx512::<9, 2>,
        run_avx512::<10, 2>,
        run_avx512::<11, 2>,
        run_avx512::<12, 2>,
        run_avx512::<13, 2>,
        run_avx512::<14, 2>,
    ]),
    narrow: &[
        run_avx512::<1, 1>,
        run_avx512::<2, 1>,
        run_avx512::<3, 1>,
        run_avx512::<4, 1>,
        run_avx512::<5, 1>,
        run_avx512::<6, 1>,
        run_avx512::<7, 1>,
        run_avx512::<8, 1>,
        run_avx512::<9, 1>,
        run_avx512::<10, 1>,
        run_avx512::<11, 1>,
        run_avx512::<12, 1>,
        run_avx512::<13, 1>,
        run_avx512::<14, 1>,
    ],
};

/// 12 of 16 registers for sums.
#[cfg(target_arch = "x86_64")]
const AVX2_TILES: Tiles = Tiles {
    rows: 6,
    wide: None,
    narrow: &[
        run_avx2::<1>,
        run_avx2::<2>,
        run_avx2::<3>,
        run_avx2::<4>,
        run_avx2::<5>,
        run_avx2::<6>,
    ],
};

/// 12 of 16 registers for sums, where there are as many.
const PORTABLE_TILES: Tiles = Tiles {
    rows: 3,
    wide: None,
    narrow: &[run_portable::<1>, run_portable::<2>, run_portable::<3>],
};
