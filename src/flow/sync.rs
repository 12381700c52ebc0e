//! What the protocol of tasks and workers is built of: atomics, and a lock that workers sleep on.
//!
//! The protocol is generic over these, so that the tests run the very same code under a model checker
//! (`model_check`). In the program they are the standard library's atomics and `parking_lot`.

use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use parking_lot::{Condvar, Mutex, MutexGuard};

/// A family of primitives.
pub(crate) trait Primitives: Sized + 'static {
    type Flag: Atomic<bool>;
    type Number: Atomic<usize>;
    type Counter: Counter;
    type Monitor<T: Send>: Monitor<T>;
    type Channel<T: Send>: Channel<T>;

    /// Nanoseconds since then.
    fn now(since: Instant) -> u64 {
        since.elapsed().as_nanos() as u64
    }

    /// Does `first`, then `then`: a message is laid down before it is counted.
    #[inline]
    fn one_after_the_other(first: impl FnOnce(), then: impl FnOnce() -> bool) -> bool {
        first();
        then()
    }
}

/// A value that threads share.
pub(crate) trait Atomic<T>: Send + Sync {
    fn new(value: T) -> Self;
    fn load(&self, ordering: Ordering) -> T;
    fn store(&self, value: T, ordering: Ordering);
}

/// A number that threads count down.
pub(crate) trait Counter: Atomic<u32> {
    /// Takes 1 away; gives what it was.
    fn count_down(&self, ordering: Ordering) -> u32;

    /// Adds 1.
    fn count_up(&self, ordering: Ordering);
}

/// A value under a lock, and those who sleep until it has changed.
pub(crate) trait Monitor<T>: Send + Sync {
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    /// With a place for each of so many sleepers.
    fn new(value: T, sleepers: usize) -> Self;
    fn lock(&self) -> Self::Guard<'_>;
    /// Lets go of the lock, sleeps in a place until woken there, and takes the lock again.
    fn sleep<'a>(&'a self, guard: Self::Guard<'a>, place: usize) -> Self::Guard<'a>;
    /// Wakes who sleeps there.
    fn wake(&self, place: usize);
}

/// A queue of messages with room for a fixed number of them, which never blocks.
pub(crate) trait Channel<T>: Send + Sync {
    fn new(room: usize) -> Self;
    /// Adds a message; there is room for it.
    fn send(&self, message: T);
    /// Takes the oldest message, if there is one.
    fn receive(&self) -> Option<T>;
}

/// Those of the program.
#[derive(Debug)]
pub(crate) enum Native {}

impl Primitives for Native {
    type Flag = AtomicBool;
    type Number = AtomicUsize;
    type Counter = AtomicU32;
    type Monitor<T: Send> = NativeMonitor<T>;
    type Channel<T: Send> = (Sender<T>, Receiver<T>);
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
atomic!(AtomicU32, u32);

impl Counter for AtomicU32 {
    #[inline]
    fn count_down(&self, ordering: Ordering) -> u32 {
        self.fetch_sub(1, ordering)
    }

    #[inline]
    fn count_up(&self, ordering: Ordering) {
        self.fetch_add(1, ordering);
    }
}

#[derive(Debug)]
pub(crate) struct NativeMonitor<T> {
    value: Mutex<T>,
    places: Vec<Condvar>,
}

impl<T: Send> Monitor<T> for NativeMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T, sleepers: usize) -> Self {
        let places = (0..sleepers).map(|_| Condvar::new()).collect();
        Self { value: Mutex::new(value), places }
    }

    #[inline]
    fn lock(&self) -> Self::Guard<'_> {
        self.value.lock()
    }

    fn sleep<'a>(&'a self, mut guard: Self::Guard<'a>, place: usize) -> Self::Guard<'a> {
        self.places[place].wait(&mut guard);
        guard
    }

    fn wake(&self, place: usize) {
        self.places[place].notify_one();
    }
}

impl<T: Send> Channel<T> for (Sender<T>, Receiver<T>) {
    fn new(room: usize) -> Self {
        crossbeam_channel::bounded(room)
    }

    #[inline]
    fn send(&self, message: T) {
        // Both ends live here, so nobody has hung up; and a channel is as deep as it has senders.
        let sent = self.0.try_send(message);
        debug_assert!(sent.is_ok(), "a channel has room for one message from each sender");
    }

    #[inline]
    fn receive(&self) -> Option<T> {
        self.1.try_recv().ok()
    }
}
