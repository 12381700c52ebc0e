//! Times of observed runs.

use std::sync::OnceLock;
#[cfg(not(feature = "tsc"))]
use std::time::Instant;

#[cfg(feature = "tsc")]
use quanta::Clock;

/// Nanoseconds since the first look at it. With the feature `tsc` they are from the processor's time stamp
/// counter, where that can be relied on, for a part is short beside two calls of the system; without it
/// from the system's clock.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    #[cfg(not(feature = "tsc"))]
    began: OnceLock<Instant>,
    /// The clock and where it began. Made at the first look, for the counter's rate must be measured.
    #[cfg(feature = "tsc")]
    clock: OnceLock<(Clock, u64)>,
}

impl Stopwatch {
    /// The time now. Looks of different threads may be a few nanoseconds out of order, since processors
    /// read the counter ahead of what comes before.
    #[cfg(feature = "tsc")]
    pub(crate) fn now(&self) -> u64 {
        let (clock, origin) = self.clock.get_or_init(|| {
            let clock = Clock::new();
            let origin = clock.raw();
            (clock, origin)
        });
        clock.delta_as_nanos(*origin, clock.raw())
    }

    /// The time now.
    #[cfg(not(feature = "tsc"))]
    pub(crate) fn now(&self) -> u64 {
        self.began.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_goes_as_fast_as_the_system_s_clock() {
        let stopwatch = Stopwatch::default();
        let first = stopwatch.now();
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(50));
        let (seconds, passed) = (began.elapsed().as_secs_f64(), stopwatch.now() - first);
        // Whoever takes this thread's core between two looks makes the second interval longer.
        let passed = passed as f64 * 1e-9;
        assert!(passed > 0.95 * seconds && passed < seconds + 1.0, "{passed} and {seconds}");
    }
}
