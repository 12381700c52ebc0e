//! Whether this machine multiplies numbers of 16 bits.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static MISSING: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The instructions that products of 16-bit numbers need, and whether this machine has them.
#[cfg(target_arch = "x86_64")]
fn detected() -> [(&'static str, bool); 4] {
    [
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("avx512_bf16", is_x86_feature_detected!("avx512bf16")),
    ]
}

/// The instructions that products of 16-bit numbers need: those of another kind of machine.
#[cfg(not(target_arch = "x86_64"))]
fn detected() -> [(&'static str, bool); 1] {
    [("avx512_bf16", false)]
}

/// What this machine lacks of the instructions that products of 16-bit numbers need, as Linux calls them; nothing where
/// it multiplies them.
pub(crate) fn bf16_missing() -> Vec<&'static str> {
    #[cfg(test)]
    if let Some(name) = MISSING.get() {
        return vec![name];
    }
    detected().into_iter().filter(|(_, has)| !has).map(|(name, _)| name).collect()
}

/// Stops a kernel that this machine can't run.
///
/// # Panics
/// If the machine lacks an instruction.
pub(super) fn assert_instructions() {
    assert!(detected().iter().all(|(_, has)| *has), "the machine multiplies no 16-bit numbers");
}

/// Runs `work` as on a machine without an instruction, as far as anybody asks on this thread.
#[cfg(test)]
pub(crate) fn with_bf16_missing<R>(name: &'static str, work: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            MISSING.set(None);
        }
    }
    MISSING.set(Some(name));
    let _restore = Restore;
    work()
}
