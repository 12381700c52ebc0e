//! Measures what the simulator knows about the machine at hand.

mod overhead;
mod slowdown;

pub(super) use overhead::handover;
pub use overhead::overhead;
pub use slowdown::fit_to;

use std::hint::black_box;
use std::time::Duration;

use super::{Machine, Sittings};
use crate::error::Result;
use crate::executor::Stopwatch;

/// The networks by which the slowdown is calibrated.
pub const CALIBRATING: &[&str] = &[
    "towers-small",
    "chain-mlp",
    "article-dag",
    "chain:depth=24,width=128",
    "chain:depth=6,width=16,cell=conv",
    "fan:branches=24",
    "fan:branches=12,width=16,cell=conv",
    "layered",
    "layered:layers=4,branches=6,width=16,cell=conv",
    "binary-tree:levels=4,width=128",
    "wavefront",
    "wavefront:rows=4,columns=5,width=16,cell=conv",
    "random-er",
    "random-er:nodes=24,width=128,cell=dense",
    "random-ba",
    "random-ws:seed=2",
    "random-ws:width=128,cell=dense",
    "nasnet",
    "ensemble",
    "experts",
    "heads",
];

/// Networks of the same families and of others, which are kept out of the calibration.
pub const HELD_OUT: &[&str] = &[
    "towers-wide",
    "inception",
    "chain:depth=12,width=256",
    "fan:branches=9,width=192",
    "layered:layers=8,branches=5,width=96,seed=3",
    "binary-tree:levels=5,width=96",
    "wavefront:rows=5,columns=7,width=128",
    "random-er:seed=5,nodes=20",
    "random-ba:seed=4,width=24",
    "random-ws:seed=7,nodes=20",
    "nasnet:batch=16",
    "ensemble:batch=48",
    "experts:batch=48",
    "heads:batch=48",
];

/// The machine at hand, with one worker: its overheads, and its slowdown by the networks that
/// calibrate, which run for about `limit` each. With one core, nothing runs side by side, and the
/// slowdown is nothing.
///
/// # Errors
/// If threads can't be started.
pub fn machine(limit: Duration) -> Result<Machine> {
    let machine = Machine { overhead: overhead()?, ..Machine::ideal(1) };
    if cores() == 1 {
        return Ok(machine);
    }
    let policies = ["critical-path", "fifo"];
    fit_to(&machine, &Sittings::one(limit).measure(CALIBRATING, &policies, |_, _| ())?)
}

/// How many cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Seconds that a timed part seems to take even if it takes none: from one reading of the clock to the
/// next.
pub(super) fn clock() -> f64 {
    let stopwatch = Stopwatch::default();
    let look = |_| {
        let first = black_box(stopwatch.now());
        black_box(stopwatch.now()).saturating_sub(first) as f64 * 1e-9
    };
    let mut times: Vec<f64> = (0..1001).map(look).collect();
    crate::bench::median(&mut times)
}
