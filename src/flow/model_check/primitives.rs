//! The primitives of the model checker, and some with faults.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Instant;

use loom::sync::{Condvar, Mutex, MutexGuard, atomic};

use crate::flow::message::{Message, Slot};
use crate::flow::sync::{Atomic, Channel, Counter, Monitor, Primitives, atomic};

atomic!(atomic::AtomicBool, bool);
atomic!(atomic::AtomicUsize, usize);
atomic!(atomic::AtomicU32, u32);

impl Counter for atomic::AtomicU32 {
    fn count_down(&self, ordering: Ordering) -> u32 {
        self.fetch_sub(1, ordering)
    }

    fn count_up(&self, ordering: Ordering) {
        self.fetch_add(1, ordering);
    }
}

pub(super) struct LoomMonitor<T> {
    value: Mutex<T>,
    places: Vec<Condvar>,
}

impl<T: Send> Monitor<T> for LoomMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T, sleepers: usize) -> Self {
        let places = (0..sleepers).map(|_| Condvar::new()).collect();
        Self { value: Mutex::new(value), places }
    }

    fn lock(&self) -> Self::Guard<'_> {
        self.value.lock().unwrap()
    }

    fn sleep<'a>(&'a self, guard: Self::Guard<'a>, place: usize) -> Self::Guard<'a> {
        self.places[place].wait(guard).unwrap()
    }

    fn wake(&self, place: usize) {
        self.places[place].notify_one();
    }
}

/// A queue behind a lock, in place of the channel.
pub(super) struct LoomChannel<T>(Mutex<VecDeque<T>>, usize);

impl<T: Send> Channel<T> for LoomChannel<T> {
    fn new(room: usize) -> Self {
        Self(Mutex::new(VecDeque::new()), room)
    }

    fn send(&self, message: T) {
        let mut queue = self.0.lock().unwrap();
        queue.push_back(message);
        assert!(queue.len() <= self.1, "a channel has room for one message from each sender");
    }

    fn receive(&self) -> Option<T> {
        self.0.lock().unwrap().pop_front()
    }
}

/// A message of the model: it says who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token(pub(super) usize);

/// A place for one; 0 stands for none.
pub(super) struct TokenSlot(pub(super) atomic::AtomicUsize);

impl Message for Token {
    type Slot = TokenSlot;

    fn signal() -> Self {
        Self(usize::MAX)
    }
}

impl Slot<Token> for TokenSlot {
    fn new() -> Self {
        Self(atomic::AtomicUsize::new(0))
    }

    fn put(&self, message: Token) {
        self.0.store(message.0, Ordering::Relaxed);
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

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

    fn count_up(&self, _: Ordering) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) struct SilentMonitor<T>(LoomMonitor<T>);

impl<T: Send> Monitor<T> for SilentMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T, sleepers: usize) -> Self {
        Self(LoomMonitor::new(value, sleepers))
    }

    fn lock(&self) -> Self::Guard<'_> {
        self.0.lock()
    }

    fn sleep<'a>(&'a self, guard: Self::Guard<'a>, place: usize) -> Self::Guard<'a> {
        self.0.sleep(guard, place)
    }

    fn wake(&self, _place: usize) {}
}

/// A family of primitives: its counter and its monitor, and what else it does its own way.
macro_rules! family {
    ($(#[$doc:meta])* $name:ident: $counter:ty, $monitor:ident $(; $other:item)?) => {
        $(#[$doc])*
        pub(super) enum $name {}

        impl Primitives for $name {
            type Flag = atomic::AtomicBool;
            type Number = atomic::AtomicUsize;
            type Counter = $counter;
            type Monitor<T: Send> = $monitor<T>;
            type Channel<T: Send> = LoomChannel<T>;

            /// Time stands still, so that what a thread does follows from the schedule alone.
            fn now(_: Instant) -> u64 {
                0
            }

            $($other)?
        }
    };
}

family! {
    /// The protocol as it is.
    Loom: atomic::AtomicU32, LoomMonitor
}

family! {
    /// A fault: messages are counted before they are laid down.
    CountingFirst: atomic::AtomicU32, LoomMonitor;
    fn one_after_the_other(first: impl FnOnce(), then: impl FnOnce() -> bool) -> bool {
        let was_last = then();
        first();
        was_last
    }

}

family! {
    /// A fault: counting orders nothing.
    Unordered: UnorderedCounter, LoomMonitor
}

family! {
    /// A fault: whoever publishes wakes nobody.
    Silent: atomic::AtomicU32, SilentMonitor
}
