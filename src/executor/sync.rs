//! What the protocol of tasks and workers is built of: atomics, and a lock that workers sleep on.
//!
//! The protocol is generic over these, so that the tests run the very same code under a model checker
//! (`model_check`). In the program they are the standard library's atomics and `parking_lot`.

use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// A family of primitives.
pub(super) trait Primitives {
    type Flag: Atomic<bool>;
    type Number: Atomic<usize>;
    type Slot: Atomic<*mut f32>;
    type Counter: Counter;
    type Monitor<T>: Monitor<T>;
}

/// A value that threads share.
pub(super) trait Atomic<T> {
    fn new(value: T) -> Self;
    fn load(&self, ordering: Ordering) -> T;
    fn store(&self, value: T, ordering: Ordering);
}

/// A number that threads count down.
pub(super) trait Counter: Atomic<u32> {
    /// Takes 1 away; gives what it was.
    fn count_down(&self, ordering: Ordering) -> u32;
}

/// A value under a lock, and those who sleep until it has changed.
pub(super) trait Monitor<T> {
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    fn new(value: T) -> Self;
    fn lock(&self) -> Self::Guard<'_>;
    /// Lets go of the lock, sleeps until woken, and takes it again.
    fn sleep<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a>;
    fn wake_one(&self);
    fn wake_all(&self);
}

/// Those of the program.
#[derive(Debug)]
pub(super) enum Native {}

impl Primitives for Native {
    type Flag = AtomicBool;
    type Number = AtomicUsize;
    type Slot = AtomicPtr<f32>;
    type Counter = AtomicU32;
    type Monitor<T> = NativeMonitor<T>;
}

/// An atomic type as an [`Atomic`].
macro_rules! atomic {
    ($type:ty, $value:ty) => {
        impl Atomic<$value> for $type {
            fn new(value: $value) -> Self {
                Self::new(value)
            }

            #[inline]
            fn load(&self, ordering: Ordering) -> $value {
                self.load(ordering)
            }

            #[inline]
            fn store(&self, value: $value, ordering: Ordering) {
                self.store(value, ordering);
            }
        }
    };
}

#[cfg(test)]
pub(super) use atomic;

atomic!(AtomicBool, bool);
atomic!(AtomicUsize, usize);
atomic!(AtomicPtr<f32>, *mut f32);
atomic!(AtomicU32, u32);

impl Counter for AtomicU32 {
    #[inline]
    fn count_down(&self, ordering: Ordering) -> u32 {
        self.fetch_sub(1, ordering)
    }
}

#[derive(Debug)]
pub(super) struct NativeMonitor<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> for NativeMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Condvar::new() }
    }

    #[inline]
    fn lock(&self) -> Self::Guard<'_> {
        self.value.lock()
    }

    fn sleep<'a>(&'a self, mut guard: Self::Guard<'a>) -> Self::Guard<'a> {
        self.changed.wait(&mut guard);
        guard
    }

    fn wake_one(&self) {
        self.changed.notify_one();
    }

    fn wake_all(&self) {
        self.changed.notify_all();
    }
}
