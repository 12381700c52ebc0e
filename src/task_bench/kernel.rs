//! What tasks do.

use std::cell::RefCell;
use std::hint::black_box;

use crate::measure::Scratch;

/// What a task does, in iterations of which all take the same time. Tasks of no iterations are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernel {
    /// It computes: an iteration shifts, xors and multiplies 64 bits, and needs the result of the one before.
    #[default]
    Compute,
    /// It changes memory: an iteration changes the next 64 bytes of 16 MiB that its thread has for itself.
    Memory,
}

/// Words of 64 bits that an iteration of [`Kernel::Memory`] changes.
const WORDS: usize = 8;

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

impl Kernel {
    /// All there are, by their names on the command line.
    pub const ALL: [(&'static str, Self); 2] =
        [("compute", Self::Compute), ("memory", Self::Memory)];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, kernel)| *kernel == self);
        named.map_or("", |(name, _)| name)
    }

    /// Runs so many iterations on this thread.
    pub fn run(self, iterations: u64) {
        match self {
            Self::Compute => {
                black_box(compute(black_box(1), iterations));
            }
            Self::Memory => SCRATCH.with_borrow_mut(|scratch| {
                let words = usize::try_from(iterations).unwrap_or(usize::MAX).saturating_mul(WORDS);
                scratch.get_or_insert_with(Scratch::new).change(words);
            }),
        }
    }

    /// Bytes that each thread needs for it.
    pub(super) fn bytes_a_thread(self) -> usize {
        match self {
            Self::Compute => 0,
            Self::Memory => Scratch::WORDS * size_of::<u64>(),
        }
    }
}

/// A number, mixed so many times: each time its upper half goes into its lower one, and the whole is multiplied. No compiler
/// can do several at once.
fn compute(mut number: u64, iterations: u64) -> u64 {
    for _ in 0..iterations {
        number = (number ^ (number >> 32)).wrapping_mul(6_364_136_223_846_793_005);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterations_add_up() {
        assert_eq!(compute(7, 0), 7);
        assert_eq!(compute(1, 1), 6_364_136_223_846_793_005);
        // 0x5851f42d4c957f2d ^ 0x5851f42d = 0x5851f42d14c48b00
        assert_eq!(compute(1, 2), 0x5851_f42d_14c4_8b00_u64.wrapping_mul(0x5851_f42d_4c95_7f2d));
        assert_eq!(compute(compute(7, 11), 31), compute(7, 42));
    }

    #[test]
    fn memory_is_changed_by_lines() {
        Kernel::Memory.run(0);
        let whole = (Scratch::WORDS / WORDS) as u64;
        Kernel::Memory.run(whole + 1);
        let next = SCRATCH.with_borrow_mut(|it| it.as_mut().unwrap().stretch(1).as_ptr() as usize);
        let begin = SCRATCH.with_borrow_mut(|it| {
            let scratch = it.as_mut().unwrap();
            scratch.change(Scratch::WORDS - WORDS - 1);
            scratch.stretch(1).as_ptr() as usize
        });
        assert_eq!(next - begin, 64);
        for (name, kernel) in Kernel::ALL {
            assert_eq!(kernel.name(), name);
        }
    }
}
