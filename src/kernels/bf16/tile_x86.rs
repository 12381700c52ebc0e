//! Pairs of 16-bit numbers with the instructions of AVX-512 BF16.

use std::arch::x86_64::{
    __m256i, __m512bh, __m512i, __mmask16, _mm256_storeu_si256, _mm512_add_ps, _mm512_castsi512_ps,
    _mm512_cvtepu16_epi32, _mm512_cvtneps_pbh, _mm512_dpbf16_ps, _mm512_loadu_si512,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_or_si512, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_slli_epi32,
};

use super::super::panels::PANEL;
use super::super::tile::{Ahead, Start};
use super::super::vector::prefetch;
use super::pairs::pairs;
use super::tile::Tile;

/// The most rows of a tile: 28 of 32 registers hold sums.
const TILE_ROWS: usize = 14;

/// How many steps ahead `b` is asked for.
const AHEAD: usize = 16;

/// Floats of a vector.
const LANES: usize = 16;

/// The first `lanes` lanes of 16, none to all.
fn mask(lanes: usize) -> __mmask16 {
    __mmask16::MAX
        .checked_shr(16u32.saturating_sub(u32::try_from(lanes).unwrap_or(16)))
        .unwrap_or(0)
}

/// Two rows of numbers, of which the second may have none, as pairs; those beyond the first row become zero.
///
/// # Safety
/// The machine must have the instructions. `to` must be as long as the first row, or longer, and the second as long as
/// the first, or empty.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn pair_rows(first: &[f32], second: &[f32], to: &mut [f32]) {
    for at in (0..to.len()).step_by(LANES) {
        // SAFETY: masked lanes are not touched, and all others lie within the slices.
        unsafe {
            let half = |row: &[f32]| {
                let lanes = mask(row.len().saturating_sub(at));
                let floats = _mm512_maskz_loadu_ps(lanes, row.as_ptr().wrapping_add(at));
                let halves: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(floats));
                _mm512_cvtepu16_epi32(halves)
            };
            let second = _mm512_slli_epi32::<16>(half(second));
            let pairs = _mm512_castsi512_ps(_mm512_or_si512(half(first), second));
            let lanes = mask(to.len() - at);
            _mm512_mask_storeu_ps(to.as_mut_ptr().wrapping_add(at), lanes, pairs);
        }
    }
}

/// A row of numbers as pairs of neighbours; an odd one has a zero beside it.
///
/// # Safety
/// The machine must have the instructions, and `to` as many places as the row has pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn pair_columns(row: &[f32], to: &mut [f32]) {
    debug_assert_eq!(to.len(), pairs(row.len()));
    for at in (0..row.len()).step_by(LANES) {
        let left = row.len() - at;
        // SAFETY: masked lanes are not touched, and all others lie within the slices.
        unsafe {
            let floats = _mm512_maskz_loadu_ps(mask(left), row.as_ptr().add(at));
            let halves: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(floats));
            let to = to.as_mut_ptr().add(at / 2);
            if left >= LANES {
                _mm256_storeu_si256(to.cast(), halves);
            } else {
                let words: [f32; LANES / 2] = std::mem::transmute(halves);
                std::ptr::copy_nonoverlapping(words.as_ptr(), to, pairs(left));
            }
        }
    }
}

/// Computes `rows` rows of which `tile` has the first, in tiles of nearly equal heights. `ahead` says of each, given its
/// first row and how many it has, what it asks for.
///
/// # Safety
/// The machine must have the instructions; all pairs that the tiles read must be readable, for 16 or 32 columns,
/// `width`; all columns of `c` writable, and nothing else may use these meanwhile.
pub(super) unsafe fn tiles(
    tile: Tile,
    rows: usize,
    width: usize,
    mut ahead: impl FnMut(usize, usize) -> Ahead,
) {
    type Run = unsafe fn(&Tile, Ahead);
    macro_rules! heights {
        ($vectors:literal: $($rows:literal)*) => { [$(run::<$rows, $vectors> as Run),*] };
    }
    const NARROW: [Run; TILE_ROWS] = heights!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    const WIDE: [Run; TILE_ROWS] = heights!(2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    let of_width = if width == PANEL { &WIDE } else { &NARROW };
    let count = rows.div_ceil(TILE_ROWS);
    for number in 0..count {
        let (first, end) = (rows * number / count, rows * (number + 1) / count);
        let tile = Tile {
            a: tile.a.wrapping_add(first * tile.a_row),
            c: tile.c.wrapping_add(first * tile.c_row),
            ..tile
        };
        // SAFETY: as the caller states.
        unsafe { of_width[end - first - 1](&tile, ahead(first, end - first)) };
    }
}

/// Computes `R` rows of `C` vectors.
///
/// # Safety
/// As for [`tiles`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn run<const R: usize, const C: usize>(tile: &Tile, ahead: Ahead) {
    let lanes: [__mmask16; C] =
        std::array::from_fn(|vector| mask(tile.columns.saturating_sub(LANES * vector)));
    let to = |row: usize, vector: usize| tile.c.wrapping_add(row * tile.c_row + LANES * vector);
    // SAFETY: the caller vouches for the pairs, the columns and the instructions.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); C]; R];
        for (row, sums) in sums.iter_mut().enumerate() {
            for (vector, sum) in sums.iter_mut().enumerate() {
                *sum = match tile.start {
                    Start::Zero | Start::Onto => continue,
                    Start::Bias(bias) => {
                        _mm512_maskz_loadu_ps(lanes[vector], bias.wrapping_add(LANES * vector))
                    }
                    Start::Output => _mm512_maskz_loadu_ps(lanes[vector], to(row, vector)),
                };
            }
        }
        // The output is asked for now, so that it is near when the sums are done.
        for row in 0..R {
            for vector in 0..C {
                prefetch(to(row, vector));
            }
        }
        let mut soon = ahead.from;
        let mut rows: [*const i32; R] =
            std::array::from_fn(|row| tile.a.wrapping_add(row * tile.a_row).cast());
        let mut b = tile.b;
        for _ in 0..tile.steps {
            let columns: [__m512bh; C] = std::array::from_fn(|vector| {
                let pairs = _mm512_loadu_si512(b.wrapping_add(LANES * vector).cast());
                std::mem::transmute::<__m512i, __m512bh>(pairs)
            });
            for (row, sums) in rows.iter_mut().zip(&mut sums) {
                let pair: __m512bh = std::mem::transmute(_mm512_set1_epi32(**row));
                *row = row.wrapping_add(tile.a_step);
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = _mm512_dpbf16_ps(*sum, pair, column);
                }
            }
            // Small tiles load so often that asking for more would slow them.
            if R > 6 {
                prefetch(soon);
                soon = soon.wrapping_add(ahead.step);
                for vector in 0..C {
                    prefetch(b.wrapping_add(LANES * (AHEAD * C + vector)));
                }
            }
            b = b.wrapping_add(LANES * C);
        }
        for (row, sums) in sums.iter().enumerate() {
            for (vector, &sum) in sums.iter().enumerate() {
                let to = to(row, vector);
                let sum = match tile.start {
                    Start::Onto => _mm512_add_ps(_mm512_maskz_loadu_ps(lanes[vector], to), sum),
                    _ => sum,
                };
                _mm512_mask_storeu_ps(to, lanes[vector], sum);
            }
        }
    }
}
