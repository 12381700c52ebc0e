//! The steps of a tile: what is loaded, multiplied and added, and what is asked for meanwhile.

use super::super::vector::{Vector, prefetch};
use super::{Rows, Start, Tile};

/// How many steps ahead `b` is asked for.
const AHEAD: usize = 16;

/// The same for `a`, where its rows are side by side: no processor foresees steps that far apart, and caches hold few that
/// compete for the same places.
const A_AHEAD: usize = 5;

/// Asks for what comes later, loads a step of `b`, and goes on to the next. What is asked for comes first, so that no sums have to
/// leave their registers for it.
///
/// # Safety
/// As for [`Tiles::run`](super::Tiles::run); the machine must have the instructions of `V`.
#[inline(always)]
unsafe fn next_step<V: Vector, const R: usize, const C: usize>(
    tile: &Tile,
    [b, ahead]: [&mut *const f32; 2],
) -> [V; C] {
    // Small tiles load so often that asking for more would slow them.
    if R > 6 {
        prefetch(*ahead);
        *ahead = ahead.wrapping_add(tile.ahead.step);
        for c in (0..C * V::LANES).step_by(16) {
            prefetch(b.wrapping_add(AHEAD * tile.walk.b_step + c));
        }
    }
    // SAFETY: as the caller states.
    let row = std::array::from_fn(|c| unsafe { V::load(b.add(c * V::LANES)) });
    *b = b.wrapping_add(tile.walk.b_step);
    row
}

/// Adds the products of a number and a row to sums.
#[inline(always)]
fn add_products<V: Vector, const C: usize>(number: V, row: [V; C], sums: &mut [V; C]) {
    for (sum, factor) in sums.iter_mut().zip(row) {
        *sum = number.mul_add(factor, *sum);
    }
}

/// Adds a segment of the walk, from `a` on, to the sums of rows that are so far `apart`.
///
/// # Safety
/// As for [`Tiles::run`](super::Tiles::run); the machine must have the instructions of `V`.
#[inline(always)]
unsafe fn add_apart<V: Vector, const R: usize, const C: usize>(
    tile: &Tile,
    a: *const f32,
    apart: usize,
    [b, ahead]: [&mut *const f32; 2],
    sums: &mut [[V; C]; R],
) {
    let row = |r: usize| a.wrapping_add(r * apart);
    let [mut a0, mut a3, mut a6, mut a9, mut a12] = [0, 3, 6, 9, 12].map(row);
    for _ in 0..tile.walk.len {
        if R > 3 && matches!(tile.a_rows, Rows::Adjacent) {
            let later = a0.wrapping_add(A_AHEAD * tile.walk.a_step);
            prefetch(later);
            // More rows mostly lie in two cache lines.
            if R > 6 {
                prefetch(later.wrapping_add(R - 1));
            }
        }
        // SAFETY: as the caller states.
        let b_row = unsafe { next_step::<V, R, C>(tile, [b, ahead]) };
        macro_rules! add_rows {
            ($($r:literal: $a:ident + $rows:literal)*) => {$(
                if $r < R {
                    // SAFETY: as the caller states; the row exists.
                    let number = unsafe { V::splat(*$a.wrapping_add($rows * apart)) };
                    add_products(number, b_row, &mut sums[$r % R]);
                }
            )*};
        }
        // Three rows share an address, of 5 in all: 14 addresses would not fit the registers.
        add_rows!(0: a0 + 0  1: a0 + 1  2: a0 + 2);
        add_rows!(3: a3 + 0  4: a3 + 1  5: a3 + 2);
        add_rows!(6: a6 + 0  7: a6 + 1  8: a6 + 2);
        add_rows!(9: a9 + 0  10: a9 + 1  11: a9 + 2);
        add_rows!(12: a12 + 0  13: a12 + 1);
        for address in [&mut a0, &mut a3, &mut a6, &mut a9, &mut a12] {
            *address = address.wrapping_add(tile.walk.a_step);
        }
    }
}

/// Computes `R` rows of `C` vectors.
///
/// # Safety
/// As for [`Tiles::run`](super::Tiles::run); the machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn run<V: Vector, const R: usize, const C: usize>(tile: &Tile) {
    let full = tile.columns == C * V::LANES;
    let lanes = |c: usize| tile.columns.saturating_sub(c * V::LANES).min(V::LANES);
    // SAFETY: the caller vouches for the floats and the instructions; partial vectors only touch
    // the columns that exist.
    unsafe {
        let mut sums = [[V::splat(0.0); C]; R];
        match tile.start {
            Start::Zero | Start::Onto => {}
            Start::Bias(bias) => {
                for c in 0..C {
                    let bias = V::load_part(bias.wrapping_add(c * V::LANES), lanes(c));
                    for row in &mut sums {
                        row[c] = bias;
                    }
                }
            }
            Start::Output => {
                for (row, &at) in sums.iter_mut().zip(&tile.c_rows) {
                    for (c, sum) in row.iter_mut().enumerate() {
                        let from = tile.c.wrapping_add(at + c * V::LANES);
                        *sum = if full { V::load(from) } else { V::load_part(from, lanes(c)) };
                    }
                }
            }
        }
        // The output is asked for now, so that it is near when the sums are done.
        for &at in tile.c_rows.iter().take(R) {
            for c in (0..C * V::LANES).step_by(16) {
                prefetch(tile.c.wrapping_add(at + c));
            }
        }
        let walk = &tile.walk;
        let mut ahead = tile.ahead.from;
        for outer in 0..walk.outer {
            for segment in 0..walk.segments {
                let a = tile.a.add(outer * walk.a_outer + segment * walk.a_segment);
                let mut b = tile.b.add(outer * walk.b_outer + segment * walk.b_segment);
                if walk.ahead_segment > 0 {
                    ahead = tile.ahead.from.wrapping_add(segment * walk.ahead_segment);
                }
                // Without steps, there is no number that these could point to, and none is read.
                match tile.a_rows {
                    Rows::Adjacent => add_apart(tile, a, 1, [&mut b, &mut ahead], &mut sums),
                    Rows::Apart(apart) => {
                        add_apart(tile, a, apart, [&mut b, &mut ahead], &mut sums);
                    }
                    Rows::At(places) => {
                        let mut rows: [*const f32; R] =
                            std::array::from_fn(|r| a.wrapping_add(places[r]));
                        for _ in 0..walk.len {
                            let b_row = next_step::<V, R, C>(tile, [&mut b, &mut ahead]);
                            for r in 0..R {
                                add_products(V::splat(*rows[r]), b_row, &mut sums[r]);
                                rows[r] = rows[r].wrapping_add(walk.a_step);
                            }
                        }
                    }
                }
            }
        }
        for (row, &at) in sums.iter().zip(&tile.c_rows) {
            for (c, sum) in row.iter().enumerate() {
                let to = tile.c.wrapping_add(at + c * V::LANES);
                let sum = if let Start::Onto = tile.start {
                    let before = if full { V::load(to) } else { V::load_part(to, lanes(c)) };
                    before.add(*sum)
                } else {
                    *sum
                };
                if full {
                    sum.store(to);
                } else {
                    sum.store_part(to, lanes(c));
                }
            }
        }
    }
}
