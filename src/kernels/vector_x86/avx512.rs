//! The 16 floats of a register of AVX-512.

#![allow(clippy::wildcard_imports, reason = "intrinsics are named after their instructions")]

use std::arch::x86_64::*;

use super::super::vector::{EXPONENT, Vector};
use super::{Avx2, Avx512};

/// A bit for each of the first `lanes` lanes.
#[inline(always)]
fn part_mask(lanes: usize) -> __mmask16 {
    ((1u32 << lanes) - 1) as __mmask16
}

impl Vector for Avx512 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self {
        // SAFETY: the machine has the instructions, as the caller states.
        Self(unsafe { _mm512_set1_ps(number) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the instructions and the floats are there, as the caller states.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, lanes: usize) -> Self {
        // SAFETY: as above; lanes that are masked out are not read.
        unsafe { Self(_mm512_maskz_loadu_ps(part_mask(lanes), from)) }
    }

    #[inline(always)]
    unsafe fn load_part_or(from: *const f32, lanes: usize, rest: Self) -> Self {
        // SAFETY: as above; the value shows that the machine has the instructions.
        unsafe { Self(_mm512_mask_loadu_ps(rest.0, part_mask(lanes), from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the floats are writable, as the caller states.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut f32) {
        // SAFETY: the floats are writable and aligned, as the caller states.
        unsafe { _mm512_stream_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, lanes: usize) {
        // SAFETY: as above; lanes that are masked out are not written.
        unsafe { _mm512_mask_storeu_ps(to, part_mask(lanes), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn select_le(self, bound: Self, then: Self, otherwise: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            Self(_mm512_mask_blend_ps(
                _mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, bound.0),
                otherwise.0,
                then.0,
            ))
        }
    }

    #[inline(always)]
    fn select_eq(self, other: Self, then: Self, otherwise: Self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            Self(_mm512_mask_blend_ps(
                _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0),
                otherwise.0,
                then.0,
            ))
        }
    }

    #[inline(always)]
    fn flush_subnormal(self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            let exponents = _mm512_set1_epi32(EXPONENT.cast_signed());
            let some = _mm512_test_epi32_mask(_mm512_castps_si512(self.0), exponents);
            Self(_mm512_maskz_mov_ps(some, self.0))
        }
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [low, high] = self.halves();
        low.add(high).sum()
    }

    #[inline(always)]
    fn sums(four: [Self; 4]) -> [f32; 4] {
        let [[a, e], [b, f], [c, g], [d, h]] =
            [four[0].halves(), four[1].halves(), four[2].halves(), four[3].halves()];
        Avx2::sums([a.add(e), b.add(f), c.add(g), d.add(h)])
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        let [low, high] = self.halves();
        low.max(high).largest()
    }

    #[inline(always)]
    unsafe fn load_quads(from: *const f32, step: usize) -> Self {
        // SAFETY: the instructions and the floats are there, as the caller states.
        unsafe {
            let quad = |at: usize| _mm_loadu_ps(from.wrapping_add(at * step));
            let quads = _mm512_castps128_ps512(quad(0));
            let quads = _mm512_insertf32x4::<1>(quads, quad(1));
            let quads = _mm512_insertf32x4::<2>(quads, quad(2));
            Self(_mm512_insertf32x4::<3>(quads, quad(3)))
        }
    }

    #[inline(always)]
    fn transpose_quads(rows: [Self; 4]) -> [Self; 4] {
        // SAFETY: the values show that the machine has the instructions.
        unsafe {
            let [a, b, c, d] = rows.map(|row| row.0);
            let low = |a, b| _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
            let high = |a, b| _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
            let both = |ab, cd| {
                let [even, odd] = [_mm512_unpacklo_pd(ab, cd), _mm512_unpackhi_pd(ab, cd)];
                [Self(_mm512_castpd_ps(even)), Self(_mm512_castpd_ps(odd))]
            };
            let ([first, second], [third, fourth]) =
                (both(low(a, b), low(c, d)), both(high(a, b), high(c, d)));
            [first, second, third, fourth]
        }
    }

    #[inline(always)]
    fn shift_into_exponent(self) -> Self {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe { Self(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self.0)))) }
    }
}
