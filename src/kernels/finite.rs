//! Whether numbers are finite.

use super::vector::{Kernel, Vector, dispatch};

/// Whether none of these is infinite or no number at all.
pub(crate) fn all_finite(numbers: &[f32]) -> bool {
    /// Numbers side by side, so that the compiler takes vectors of them.
    const LANES: usize = 64;
    struct Seen<'a>(&'a [f32], &'a mut [u32; LANES]);
    impl Kernel for Seen<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(numbers, seen) = self;
            let (chunks, rest) = numbers.as_chunks::<LANES>();
            for chunk in chunks {
                for (seen, &number) in seen.iter_mut().zip(chunk) {
                    *seen |= sign(number);
                }
            }
            for (seen, &number) in seen.iter_mut().zip(rest) {
                *seen |= sign(number);
            }
        }
    }
    let mut seen = [0; LANES];
    dispatch(Seen(numbers, &mut seen));
    seen.iter().fold(0, |all, seen| all | seen) >> 31 == 0
}

/// The bits of a number without its sign, and one more in the exponent: infinity and what is no number, whose
/// exponents are all ones, carry into the sign.
#[inline(always)]
fn sign(number: f32) -> u32 {
    (number.to_bits() & !(1 << 31)).wrapping_add(1 << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_anywhere_is_noticed() {
        for len in [0, 1, 7, 31, 32, 33, 64, 100] {
            let mut numbers: Vec<f32> = (0..len).map(|it| (it as f32 - 9.5) * 1e36).collect();
            assert!(numbers.iter().all(|it| it.is_finite()) && all_finite(&numbers), "{len}");
            for at in 0..len {
                for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let good = std::mem::replace(&mut numbers[at], bad);
                    assert!(!all_finite(&numbers), "{bad} at {at} of {len}");
                    numbers[at] = good;
                }
            }
        }
        assert!(all_finite(&[f32::MAX, f32::MIN, -0.0, f32::from_bits(1)]));
    }
}
