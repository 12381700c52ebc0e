//! Catches hangs: a scenario that makes no progress for a minute fails by name.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The scenario under way; naming the next one counts as progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scenario(Arc<Mutex<(u64, String)>>);

impl Scenario {
    /// Names what runs next.
    pub(crate) fn enter(&self, name: impl Into<String>) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.0 += 1;
        current.1 = name.into();
    }

    fn current(&self) -> (u64, String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Runs `body` on a thread of its own, and panics with the scenario's name if none ends within a
/// minute.
pub(crate) fn watch<T: Send + 'static>(body: impl FnOnce(&Scenario) -> T + Send + 'static) -> T {
    let scenario = Scenario::default();
    let (send, receive) = channel();
    let inside = scenario.clone();
    let thread = std::thread::spawn(move || {
        let result = body(&inside);
        // The receiver is gone if the scenario was given up.
        let _ = send.send(result);
    });
    loop {
        let before = scenario.current();
        match receive.recv_timeout(Duration::from_secs(60)) {
            Ok(result) => {
                thread.join().unwrap();
                return result;
            }
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Ok(()) => unreachable!("a result is sent before the thread ends"),
                Err(panic) => {
                    eprintln!("failed in: {}", scenario.current().1);
                    resume_unwind(panic)
                }
            },
            Err(RecvTimeoutError::Timeout) if scenario.current().0 == before.0 => {
                panic!("hangs: {}", before.1)
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[test]
fn progress_is_not_mistaken_for_a_hang() {
    let sum = watch(|scenario| {
        (0..100u32).inspect(|number| scenario.enter(format!("number {number}"))).sum::<u32>()
    });
    assert_eq!(sum, 4950);
}
