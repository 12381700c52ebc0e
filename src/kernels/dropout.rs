//! Numbers dropped at random.

use super::vector::{Kernel, Vector, dispatch};
use super::{MatrixMut, MatrixRef};

/// Sets each number to 0 with probability `drop`, from 0 up to but not 1, and multiplies the others by
/// `1 / (1 - drop)`. What is dropped follows from `key(row)` and the column, and from nothing else.
/// Without an input, the output is changed in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn dropout(
    drop: f32,
    key: impl Fn(usize) -> u64,
    input: Option<MatrixRef<'_>>,
    mut output: MatrixMut<'_>,
) {
    struct Drop<'a, K>(f32, K, MatrixMut<'a>);
    impl<K: Fn(usize) -> u64> Kernel for Drop<'_, K> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(drop, key, mut output) = self;
            // Of 2^32 numbers, those below it are dropped: exact, for `drop` has 24 bits.
            let bound = (f64::from(drop) * 4_294_967_296.0) as u32;
            let scale = 1.0 / (1.0 - drop);
            for row in 0..output.rows() {
                let key = key(row);
                let [low, high] = [key as u32, (key >> 32) as u32];
                // Integers, which the compiler makes vectors of.
                for (column, number) in output.row_mut(row).iter_mut().enumerate() {
                    let place = (column as u32).wrapping_mul(0x9e37_79b9).wrapping_add(low);
                    let draw = mix(mix(place).wrapping_add(high));
                    *number = if draw < bound { 0.0 } else { *number * scale };
                }
            }
        }
    }
    if let Some(input) = input {
        super::copy(input, output.reborrow());
    }
    dispatch(Drop(drop, key, output));
}

/// The finalizer `lowbias32` of Chris Wellons (2018): every bit of the result depends on every bit of
/// the input.
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}
