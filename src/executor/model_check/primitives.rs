//! The primitives of the model checker, and some with faults.

use std::sync::atomic::Ordering;

use loom::sync::{Condvar, Mutex, MutexGuard, atomic};

use crate::executor::sync::{Atomic, Counter, Monitor, Primitives, atomic};

atomic!(atomic::AtomicBool, bool);
atomic!(atomic::AtomicUsize, usize);
atomic!(atomic::AtomicPtr<f32>, *mut f32);
atomic!(atomic::AtomicU32, u32);

impl Counter for atomic::AtomicU32 {
    fn count_down(&self, ordering: Ordering) -> u32 {
        self.fetch_sub(1, ordering)
    }
}

pub(super) struct LoomMonitor<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> for LoomMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Condvar::new() }
    }

    fn lock(&self) -> Self::Guard<'_> {
        self.value.lock().unwrap()
    }

    fn sleep<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a> {
        self.changed.wait(guard).unwrap()
    }

    fn wake_one(&self) {
        self.changed.notify_one();
    }

    fn wake_all(&self) {
        self.changed.notify_all();
    }
}

/// The protocol as it is.
pub(super) enum Loom {}

impl Primitives for Loom {
    type Flag = atomic::AtomicBool;
    type Number = atomic::AtomicUsize;
    type Slot = atomic::AtomicPtr<f32>;
    type Counter = atomic::AtomicU32;
    type Monitor<T> = LoomMonitor<T>;
}

/// A fault: counting orders nothing.
pub(super) enum Unordered {}

pub(super) struct UnorderedCounter(atomic::AtomicU32);

impl Atomic<u32> for UnorderedCounter {
    fn new(value: u32) -> Self {
        Self(atomic::AtomicU32::new(value))
    }

    fn load(&self, ordering: Ordering) -> u32 {
        self.0.load(ordering)
    }

    fn store(&self, value: u32, ordering: Ordering) {
        self.0.store(value, ordering);
    }
}

impl Counter for UnorderedCounter {
    fn count_down(&self, _: Ordering) -> u32 {
        self.0.fetch_sub(1, Ordering::Relaxed)
    }
}

impl Primitives for Unordered {
    type Flag = atomic::AtomicBool;
    type Number = atomic::AtomicUsize;
    type Slot = atomic::AtomicPtr<f32>;
    type Counter = UnorderedCounter;
    type Monitor<T> = LoomMonitor<T>;
}

/// A fault: whoever publishes wakes nobody.
pub(super) enum Silent {}

pub(super) struct SilentMonitor<T>(LoomMonitor<T>);

impl<T> Monitor<T> for SilentMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self(LoomMonitor::new(value))
    }

    fn lock(&self) -> Self::Guard<'_> {
        self.0.lock()
    }

    fn sleep<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a> {
        self.0.sleep(guard)
    }

    fn wake_one(&self) {}

    fn wake_all(&self) {}
}

impl Primitives for Silent {
    type Flag = atomic::AtomicBool;
    type Number = atomic::AtomicUsize;
    type Slot = atomic::AtomicPtr<f32>;
    type Counter = atomic::AtomicU32;
    type Monitor<T> = SilentMonitor<T>;
}
