//! The vectors of x86-64.

#![allow(clippy::wildcard_imports, reason = "intrinsics are named after their instructions")]

mod avx2;
mod avx512;

use std::arch::x86_64::*;

use super::vector::Kernel;

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
