//! Which vector instructions the kernels use.

use std::cell::Cell;
use std::sync::OnceLock;

/// A set of vector instructions for which the kernels have a path of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstructionSet {
    /// 16 floats at a time, 32 registers.
    Avx512,
    /// 8 floats at a time with fused multiply-add, 16 registers.
    Avx2,
    /// Plain Rust, on any machine.
    Portable,
}

thread_local! {
    static FORCED: Cell<Option<InstructionSet>> = const { Cell::new(None) };
}

impl InstructionSet {
    /// All of them, fastest first.
    pub(crate) const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The set that kernels called from this thread use: the fastest one the machine has, unless
    /// `with_instruction_set` says otherwise.
    pub(crate) fn current() -> Self {
        FORCED.get().unwrap_or_else(fastest)
    }

    /// Whether this machine has it.
    pub(crate) fn available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && Self::Avx2.available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Portable => "portable",
        }
    }
}

fn fastest() -> InstructionSet {
    static FASTEST: OnceLock<InstructionSet> = OnceLock::new();
    *FASTEST.get_or_init(|| {
        let mut sets = InstructionSet::ALL.into_iter();
        sets.find(|set| set.available()).unwrap_or(InstructionSet::Portable)
    })
}

/// The name of the vector instructions that computing uses on this machine: `AVX-512`, `AVX2` or `portable`.
pub fn instruction_set_name() -> &'static str {
    InstructionSet::current().name()
}

/// Runs `work` with the kernels of `set` on this thread, to test and compare them. Cargo compiles benchmarks for
/// tests too.
///
/// # Panics
/// If the machine lacks the instructions.
#[cfg(test)]
pub(crate) fn with_instruction_set<R>(set: InstructionSet, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<InstructionSet>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    assert!(set.available(), "this machine has no {}", set.name());
    let _restore = Restore(FORCED.replace(Some(set)));
    work()
}
