//! Measures what the simulator knows about the machine at hand.

mod overhead;
mod slowdown;

pub use overhead::overhead;
pub use slowdown::fit_to;

use std::hint::black_box;
use std::time::Duration;

use super::{Machine, Measurement, Sittings, Subject};
use crate::error::Result;
use crate::flow::Stopwatch;
use crate::model::Model;
use crate::presets;
use crate::topology::Pinning;

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

/// The policies by whose steps the slowdown is calibrated.
const POLICIES: &[&str] = &["critical-path", "fifo"];

/// Networks of the calibration, and the one that is to be predicted, are measured up to so often again if
/// they were disturbed.
const MORE: usize = 2;

/// If fewer networks than this were quiet, those that were disturbed must do.
const FEWEST: usize = 7;

/// The machine at hand, and what was measured together with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Calibration {
    /// The machine, with one worker: its overheads, and its slowdown by the networks that calibrate. With
    /// one core, nothing runs side by side, and the slowdown is nothing.
    pub machine: Machine,
    /// The networks that are to be predicted.
    pub measured: Vec<Measurement>,
    /// Networks that other processes disturbed, or during which the cores were farther apart than during
    /// others, however often they were measured.
    pub disturbed: Vec<String>,
    /// Seconds of the handover while networks were measured that count.
    pub handovers: Vec<f64>,
}

/// How long [`calibrate`] takes, about, where nothing disturbs, and how long at most, with subjects whose limits add up to
/// `of_subjects`. Networks a step of which takes long take longer than their limit.
pub fn durations(limit: Duration, of_subjects: Duration) -> [Duration; 2] {
    let networks = if cores() == 1 { 0 } else { CALIBRATING.len() };
    let all = limit * u32::try_from(networks).unwrap_or(u32::MAX) + of_subjects;
    [all, Sittings { every: 1, more: MORE }.longest(all) + all]
}

/// Measures the networks that calibrate, which run for about `limit` each, and with them `subjects`, so that
/// all are measured while the cores are equally near; again if they were disturbed, unless there is no time. Workers
/// are pinned as `pinning` says, and those of `subjects` should be too.
///
/// # Errors
/// If threads can't be started, or one of `subjects` can't be trained.
pub fn calibrate(
    limit: Duration,
    pinning: Pinning,
    subjects: &[Subject<'_>],
) -> Result<Calibration> {
    let machine = Machine::ideal(1).overhead(overhead(pinning)?);
    let calibrating = if cores() == 1 { &[] } else { CALIBRATING };
    let models = open(calibrating)?;
    let two_workers = |model| Subject::on_two_workers(model, POLICIES, limit).pinning(pinning);
    let all: Vec<_> = models.iter().map(two_workers).chain(subjects.iter().cloned()).collect();
    let more = if limit.is_zero() { 0 } else { MORE };
    let mut calibrating = Sittings { every: 1, more }.measure(&all, |_, _| ())?;
    let shortest = Measurement::shortest_handover(&calibrating);
    let loud = calibrating.iter().filter(|it| !it.is_quiet(shortest));
    let disturbed = loud.map(|it| it.name.clone()).collect();
    let handovers = Measurement::quiet_handovers(&calibrating);
    let measured = calibrating.split_off(models.len());
    let (quiet, loud): (Vec<_>, Vec<_>) =
        calibrating.into_iter().partition(|it| it.is_quiet(shortest));
    let kept = if quiet.len() < FEWEST { [quiet, loud].concat() } else { quiet };
    Ok(Calibration { machine: fit_to(&machine, &kept)?, measured, disturbed, handovers })
}

/// Presets of these names, without metrics.
///
/// # Errors
/// If there is no such preset.
pub fn open(names: &[&str]) -> Result<Vec<Model>> {
    names.iter().map(|name| presets::open(name)?.without_metrics()).collect()
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
    crate::statistics::median(&mut times)
}
