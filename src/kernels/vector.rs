//! Vectors of floats, one type per instruction set, and the choice between them.

use super::InstructionSet;

/// Several floats that one instruction works on.
///
/// A value of the type exists only where its instructions do: making one out of memory or a number
/// is unsafe, arithmetic on existing ones is not. All methods are inlined into the caller, which
/// must have been compiled for the instructions (see [`dispatch`]) to be fast.
pub(super) trait Vector: Copy {
    /// Floats in a vector.
    const LANES: usize;

    /// The same number in all lanes.
    ///
    /// # Safety
    /// The machine must have the instructions.
    unsafe fn splat(number: f32) -> Self;

    /// The `LANES` floats at `from`, which need not be aligned.
    ///
    /// # Safety
    /// The machine must have the instructions, and the floats must be readable.
    unsafe fn load(from: *const f32) -> Self;

    /// The first `lanes` floats at `from`, at most `LANES`; the other lanes are 0.
    ///
    /// # Safety
    /// The machine must have the instructions, and these floats must be readable.
    unsafe fn load_part(from: *const f32, lanes: usize) -> Self;

    /// The first `lanes` floats at `from`, at most `LANES`; the other lanes are those of `rest`.
    ///
    /// # Safety
    /// These floats must be readable.
    unsafe fn load_part_or(from: *const f32, lanes: usize, rest: Self) -> Self;

    /// Writes all lanes to `to`, which need not be aligned.
    ///
    /// # Safety
    /// The floats must be writable.
    unsafe fn store(self, to: *mut f32);

    /// Writes all lanes to `to`, past the caches where the instructions can; others see them in order only after
    /// [`Store::end`](super::Store::end).
    ///
    /// # Safety
    /// The floats must be writable, and `to` aligned to the size of a vector.
    unsafe fn stream(self, to: *mut f32);

    /// Writes the first `lanes` lanes, at most `LANES`.
    ///
    /// # Safety
    /// These floats must be writable.
    unsafe fn store_part(self, to: *mut f32, lanes: usize);

    /// `self + other`
    fn add(self, other: Self) -> Self;
    /// `self - other`
    fn sub(self, other: Self) -> Self;
    /// `self * other`
    fn mul(self, other: Self) -> Self;
    /// `self / other`
    fn div(self, other: Self) -> Self;
    /// `self * factor + addend`, rounded once where the instructions can.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The larger one; `other` where one of both is NaN or both are zeros.
    fn max(self, other: Self) -> Self;
    /// The smaller one; `other` where one of both is NaN or both are zeros.
    fn min(self, other: Self) -> Self;
    /// `then` where `self <= bound`, else (also where one of both is NaN) `otherwise`.
    fn select_le(self, bound: Self, then: Self, otherwise: Self) -> Self;
    /// `then` where `self == other`, else `otherwise`.
    fn select_eq(self, other: Self, then: Self, otherwise: Self) -> Self;
    /// Each lane, but 0 where [`flush_subnormal`] gives 0.
    fn flush_subnormal(self) -> Self;
    /// The sum of all lanes, adding halves to halves.
    fn sum(self) -> f32;
    /// The [`sum`](Self::sum) of each of four, to the same bits.
    fn sums(four: [Self; 4]) -> [f32; 4];
    /// The largest of all lanes; any of them if one is NaN.
    fn largest(self) -> f32;

    /// Four floats at `from`, four at `from + step`, and so on, until all lanes are full.
    ///
    /// # Safety
    /// The machine must have the instructions, and the floats must be readable.
    unsafe fn load_quads(from: *const f32, step: usize) -> Self;

    /// In each quad of lanes, a 4 x 4 matrix whose rows are those of the four vectors becomes its
    /// transposed.
    fn transpose_quads(rows: [Self; 4]) -> [Self; 4];

    /// The bits of each lane, shifted left by the 23 bits of a mantissa.
    fn shift_into_exponent(self) -> Self;
}

/// The bits of a float's exponent.
pub(super) const EXPONENT: u32 = 0x7f80_0000;

/// The number, but 0 where it is smaller than the smallest normal number, 2^-126. Some processors take a
/// hundred times as long for arithmetic on such numbers.
#[inline]
pub(crate) fn flush_subnormal(number: f32) -> f32 {
    if number.to_bits() & EXPONENT == 0 { 0.0 } else { number }
}

/// Work that can be done with vectors of any type.
pub(super) trait Kernel {
    /// Does it. Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    unsafe fn run<V: Vector>(self);
}

/// Does the work with the instructions of [`InstructionSet::current`].
pub(super) fn dispatch(kernel: impl Kernel) {
    match InstructionSet::current() {
        // SAFETY: the current set is available.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { super::vector_x86::run_avx512(kernel) },
        // SAFETY: the current set is available.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { super::vector_x86::run_avx2(kernel) },
        // SAFETY: every machine has these.
        _ => unsafe { kernel.run::<Portable>() },
    }
}

/// Loads `lanes` floats, quickly if these are all.
///
/// # Safety
/// As for [`Vector::load_part`].
#[inline(always)]
pub(super) unsafe fn load<V: Vector>(from: *const f32, lanes: usize) -> V {
    // SAFETY: as the caller states.
    unsafe { if lanes == V::LANES { V::load(from) } else { V::load_part(from, lanes) } }
}

/// Stores `lanes` floats, quickly if these are all.
///
/// # Safety
/// As for [`Vector::store_part`].
#[inline(always)]
pub(super) unsafe fn store<V: Vector>(vector: V, to: *mut f32, lanes: usize) {
    // SAFETY: as the caller states.
    unsafe { if lanes == V::LANES { vector.store(to) } else { vector.store_part(to, lanes) } }
}

/// Four floats as any machine knows them.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 4]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, combine: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| combine(self.0[lane], other.0[lane])))
    }
}

impl Vector for Portable {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self {
        Self([number; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: readable, as the caller states; no alignment is assumed.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, lanes: usize) -> Self {
        let lane = |lane| {
            // SAFETY: one of the first `lanes` floats, which are readable.
            if lane < lanes { unsafe { *from.add(lane) } } else { 0.0 }
        };
        Self(std::array::from_fn(lane))
    }

    #[inline(always)]
    unsafe fn load_part_or(from: *const f32, lanes: usize, rest: Self) -> Self {
        let lane = |lane| {
            // SAFETY: one of the first `lanes` floats, which are readable.
            if lane < lanes { unsafe { *from.add(lane) } } else { rest.0[lane] }
        };
        Self(std::array::from_fn(lane))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: writable, as the caller states; no alignment is assumed.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut f32) {
        // SAFETY: as the caller states.
        unsafe { self.store(to) }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, lanes: usize) {
        for (lane, number) in self.0.into_iter().enumerate().take(lanes) {
            // SAFETY: one of the first `lanes` floats, which are writable.
            unsafe { *to.add(lane) = number }
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.mul(factor).add(addend)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn select_le(self, bound: Self, then: Self, otherwise: Self) -> Self {
        let choose = |lane| if self.0[lane] <= bound.0[lane] { &then } else { &otherwise };
        Self(std::array::from_fn(|lane| choose(lane).0[lane]))
    }

    #[inline(always)]
    fn select_eq(self, other: Self, then: Self, otherwise: Self) -> Self {
        let choose = |lane| if self.0[lane] == other.0[lane] { &then } else { &otherwise };
        Self(std::array::from_fn(|lane| choose(lane).0[lane]))
    }

    #[inline(always)]
    fn flush_subnormal(self) -> Self {
        Self(self.0.map(flush_subnormal))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }

    #[inline(always)]
    fn sums([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        [a.sum(), b.sum(), c.sum(), d.sum()]
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        let [a, b, c, d] = self.0;
        a.max(b).max(c.max(d))
    }

    #[inline(always)]
    unsafe fn load_quads(from: *const f32, _step: usize) -> Self {
        // SAFETY: as the caller states.
        unsafe { Self::load(from) }
    }

    #[inline(always)]
    fn transpose_quads(rows: [Self; 4]) -> [Self; 4] {
        std::array::from_fn(|col| Self(rows.map(|row| row.0[col])))
    }

    #[inline(always)]
    fn shift_into_exponent(self) -> Self {
        Self(self.0.map(|number| f32::from_bits(number.to_bits() << 23)))
    }
}

/// Asks for the cache line at `place`, which may be anywhere, to come near.
#[inline(always)]
pub(super) fn prefetch(place: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; no memory is read.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
