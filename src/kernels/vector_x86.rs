//! The vectors of x86-64.

#![allow(clippy::wildcard_imports, reason = "intrinsics are named after their instructions")]

use std::arch::x86_64::*;

use super::vector::{Kernel, Vector};

/// The 16 floats of a register of AVX-512.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

impl Avx512 {
    /// Its first and its last eight lanes.
    #[inline(always)]
    fn halves(self) -> [Avx2; 2] {
        // SAFETY: the value shows that the machine has the instructions.
        unsafe {
            let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0));
            [Avx2(_mm512_castps512_ps256(self.0)), Avx2(_mm256_castpd_ps(high))]
        }
    }
}

/// The 8 floats of a register of AVX2, with fused multiply-add.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256);

/// Does the work with AVX-512.
///
/// # Safety
/// The machine must have it.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run_avx512(kernel: impl Kernel) {
    // SAFETY: as the caller states.
    unsafe { kernel.run::<Avx512>() }
}

/// Does the work with AVX2.
///
/// # Safety
/// The machine must have it, and fused multiply-add.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_avx2(kernel: impl Kernel) {
    // SAFETY: as the caller states.
    unsafe { kernel.run::<Avx2>() }
}

/// A bit for each of the first `lanes` lanes.
#[inline(always)]
fn part_mask(lanes: usize) -> __mmask16 {
    ((1u32 << lanes) - 1) as __mmask16
}

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
    fn sum(self) -> f32 {
        let [low, high] = self.halves();
        low.add(high).sum()
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
