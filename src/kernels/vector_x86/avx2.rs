//! The 8 floats of a register of AVX2.

#![allow(clippy::wildcard_imports, reason = "intrinsics are named after their instructions")]

use std::arch::x86_64::*;

use super::super::vector::{EXPONENT, Vector};
use super::Avx2;

/// -1 in each of the first `lanes` lanes, else 0.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
unsafe fn part_mask_256(lanes: usize) -> __m256i {
    // SAFETY: the machine has AVX2, as the caller states.
    unsafe {
        let numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes.cast_signed() as i32), numbers)
    }
}

impl Vector for Avx2 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self {
        // SAFETY: the machine has the instructions, as the caller states.
        Self(unsafe { _mm256_set1_ps(number) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the instructions and the floats are there, as the caller states.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, lanes: usize) -> Self {
        // SAFETY: as above; lanes that are masked out are not read.
        unsafe { Self(_mm256_maskload_ps(from, part_mask_256(lanes))) }
    }

    #[inline(always)]
    unsafe fn load_part_or(from: *const f32, lanes: usize, rest: Self) -> Self {
        // SAFETY: as above; the value shows that the machine has the instructions.
        unsafe {
            let mask = _mm256_castsi256_ps(part_mask_256(lanes));
            let part = Self::load_part(from, lanes);
            Self(_mm256_blendv_ps(rest.0, part.0, mask))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the floats are writable, as the caller states.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut f32) {
        // SAFETY: the floats are writable and aligned, as the caller states.
        unsafe { _mm256_stream_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, lanes: usize) {
        // Not by a masked store, which some processors take long for.
        // SAFETY: as above; each store writes some of the first `lanes` floats.
        unsafe {
            if lanes >= Self::LANES {
                return self.store(to);
            }
            let (mut to, mut part) = (to, _mm256_castps256_ps128(self.0));
            if lanes & 4 != 0 {
                _mm_storeu_ps(to, part);
                (to, part) = (to.wrapping_add(4), _mm256_extractf128_ps::<1>(self.0));
            }
            if lanes & 2 != 0 {
                _mm_storel_epi64(to.cast(), _mm_castps_si128(part));
                (to, part) = (to.wrapping_add(2), _mm_movehl_ps(part, part));
            }
            if lanes & 1 != 0 {
                _mm_store_ss(to, part);
            }
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn select_le(self, bound: Self, then: Self, otherwise: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            Self(_mm256_blendv_ps(
                otherwise.0,
                then.0,
                _mm256_cmp_ps::<_CMP_LE_OQ>(self.0, bound.0),
            ))
        }
    }

    #[inline(always)]
    fn select_eq(self, other: Self, then: Self, otherwise: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            Self(_mm256_blendv_ps(
                otherwise.0,
                then.0,
                _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0),
            ))
        }
    }

    #[inline(always)]
    fn flush_subnormal(self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            let exponents = _mm256_and_ps(
                self.0,
                _mm256_castsi256_ps(_mm256_set1_epi32(EXPONENT.cast_signed())),
            );
            let none = _mm256_cmpeq_epi32(_mm256_castps_si256(exponents), _mm256_setzero_si256());
            Self(_mm256_andnot_ps(_mm256_castsi256_ps(none), self.0))
        }
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            let (low, high) = (_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let four = _mm_add_ps(low, high);
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn sums([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        // Each step is that of `sum`, of all four at once.
        let halves = |a: Self, b: Self| {
            // SAFETY: the values show that the machine has the instructions.
            unsafe {
                let low = _mm256_permute2f128_ps::<0x20>(a.0, b.0);
                _mm256_add_ps(low, _mm256_permute2f128_ps::<0x31>(a.0, b.0))
            }
        };
        let (ab, cd) = (halves(a, b), halves(c, d));
        let mut sums = [0.0; 4];
        // SAFETY: the values show that the machine has the instructions, and there are four sums.
        unsafe {
            let first = _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd);
            let two = _mm256_add_ps(first, _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd));
            let one = _mm256_add_ps(two, _mm256_movehdup_ps(two));
            let (ac, bd) = (_mm256_castps256_ps128(one), _mm256_extractf128_ps::<1>(one));
            let four = _mm_movelh_ps(_mm_unpacklo_ps(ac, bd), _mm_unpackhi_ps(ac, bd));
            _mm_storeu_ps(sums.as_mut_ptr(), four);
        }
        sums
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            let (low, high) = (_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let four = _mm_max_ps(low, high);
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn load_quads(from: *const f32, step: usize) -> Self {
        // SAFETY: the instructions and the floats are there, as the caller states.
        unsafe { Self(_mm256_loadu2_m128(from.wrapping_add(step), from)) }
    }

    #[inline(always)]
    fn transpose_quads(rows: [Self; 4]) -> [Self; 4] {
        // SAFETY: the values show that the machine has the instructions.
        unsafe {
            let [a, b, c, d] = rows.map(|row| row.0);
            let low = |a, b| _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
            let high = |a, b| _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
            let both = |ab, cd| {
                let [even, odd] = [_mm256_unpacklo_pd(ab, cd), _mm256_unpackhi_pd(ab, cd)];
                [Self(_mm256_castpd_ps(even)), Self(_mm256_castpd_ps(odd))]
            };
            let ([first, second], [third, fourth]) =
                (both(low(a, b), low(c, d)), both(high(a, b), high(c, d)));
            [first, second, third, fourth]
        }
    }

    #[inline(always)]
    fn shift_into_exponent(self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe { Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(self.0)))) }
    }
}
