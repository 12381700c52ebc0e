//! Measures what the simulator knows about the machine at hand.

mod overhead;
mod slowdown;

pub use overhead::overhead;
pub use slowdown::slowdown;

use std::hint::black_box;
use std::time::Instant;

/// How many cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Seconds that a timed part seems to take even if it takes none: from one reading of the clock to the
/// next.
pub(super) fn clock() -> f64 {
    let mut times: Vec<f64> = (0..1001)
        .map(|_| {
            let first = black_box(Instant::now());
            black_box(Instant::now()).duration_since(first).as_secs_f64()
        })
        .collect();
    crate::bench::median(&mut times)
}
