//! The patterns: which tasks of the step before a task waits for.

use std::ops::Range;

use crate::presets::{Argument, count, number};
use crate::random::key;

/// One row of the [`PATTERNS`] table.
#[derive(Debug)]
pub struct PatternSpec {
    /// What it is called.
    pub name: &'static str,
    /// The points of the step before that point i of step t waits for, as far as they exist; W is the width.
    pub summary: &'static str,
    /// What can be set, and its defaults.
    pub arguments: &'static [Argument],
    /// Which points a step has.
    pub(super) points: fn(&Sizes, usize) -> Range<usize>,
    /// The points of the step before that a point of a step waits for, in any order; some may not exist, and some may be
    /// there twice.
    pub(super) before: fn(&Sizes, usize, usize) -> Vec<usize>,
    /// How many these are at the most.
    pub(super) most_before: fn(&Sizes) -> usize,
}

/// What patterns go by; those that have no such argument do not look at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    pub(super) width: usize,
    pub(super) steps: usize,
    pub(super) radix: usize,
    pub(super) period: usize,
    pub(super) fraction: f64,
    pub(super) seed: u64,
}

const WIDTH: Argument = count("width", "points of a step", "8", (1, 10_000));
const STEPS: Argument = count("steps", "how many", "125", (1, 1_000_000));
const RADIX: Argument = count("radix", "how many points it waits for at most", "3", (1, 10_000));
const PERIOD: Argument =
    count("period", "after how many steps dependencies repeat", "3", (1, 1_000_000));
const FRACTION: Argument =
    number("fraction", "how probable each point but its own is", "0.25", (0.0, 1.0));
const GRAIN: Argument = number("grain", "seconds of a task in the mean", "1", (0.0, 1e12));
const IMBALANCE: Argument = number(
    "imbalance",
    "X: a task takes from 1 - X / 2 to 1 + X / 2 of the grain, evenly drawn",
    "0",
    (0.0, 2.0),
);
const BYTES: Argument = number("bytes", "that a task sends to each that waits", "0", (0.0, 1e15));
const SEED: Argument = count("seed", "of whatever is drawn", "1", (0, u32::MAX as usize));

/// Arguments of the patterns that have no others.
const COMMON: &[Argument] = &[WIDTH, STEPS, GRAIN, IMBALANCE, BYTES, SEED];

/// Every pattern, in the order of the documentation.
pub const PATTERNS: &[PatternSpec] = &[
    PatternSpec {
        name: "trivial",
        summary: "none: all tasks are independent",
        arguments: COMMON,
        points: all,
        before: |_, _, _| Vec::new(),
        most_before: |_| 0,
    },
    PatternSpec {
        name: "no-communication",
        summary: "i: chains side by side",
        arguments: COMMON,
        points: all,
        before: |_, _, point| vec![point],
        most_before: |_| 1,
    },
    PatternSpec {
        name: "stencil",
        summary: "i - 1, i and i + 1",
        arguments: COMMON,
        points: all,
        before: |_, _, point| (point.saturating_sub(1)..=point + 1).collect(),
        most_before: |_| 3,
    },
    PatternSpec {
        name: "stencil-periodic",
        summary: "i - 1, i and i + 1, modulo W",
        arguments: COMMON,
        points: all,
        before: |sizes, _, point| {
            let width = sizes.width;
            vec![(point + width - 1) % width, point, (point + 1) % width]
        },
        most_before: |_| 3,
    },
    PatternSpec {
        name: "dom",
        summary: "i - 1 and i: a wavefront through a grid; step t has the points from max(0, t + W - T) on, as many as the \
                  least of W, t + 1 and T - t, T being the number of steps",
        arguments: COMMON,
        points: |sizes, step| {
            let (width, steps) = (sizes.width, sizes.steps);
            let first = (step + width).saturating_sub(steps);
            first..first + width.min(step + 1).min(steps - step)
        },
        before: |_, _, point| (point.saturating_sub(1)..=point).collect(),
        most_before: |_| 2,
    },
    PatternSpec {
        name: "tree",
        summary: "i / 2, rounded down: step t has the first 2^t points, W at most",
        arguments: COMMON,
        points: |sizes, step| {
            let grown = u32::try_from(step).ok().and_then(|step| 1_usize.checked_shl(step));
            0..grown.map_or(sizes.width, |grown| grown.min(sizes.width))
        },
        before: |_, _, point| vec![point / 2],
        most_before: |_| 1,
    },
    PatternSpec {
        name: "fft",
        summary: "i - 2^d, i and i + 2^d: butterflies; d = (t - 1) mod D, D being the binary logarithm of W, rounded up",
        arguments: COMMON,
        points: all,
        before: |sizes, step, point| {
            let stages = sizes.width.next_power_of_two().ilog2() as usize;
            if stages == 0 {
                return vec![point];
            }
            let distance = 1 << ((step - 1) % stages);
            let lower = point.checked_sub(distance);
            lower.into_iter().chain([point, point + distance]).collect()
        },
        most_before: |_| 3,
    },
    PatternSpec {
        name: "all-to-all",
        summary: "all points",
        arguments: COMMON,
        points: all,
        before: |sizes, _, _| (0..sizes.width).collect(),
        most_before: |sizes| sizes.width,
    },
    PatternSpec {
        name: "nearest",
        summary: "i - R / 2 to i + (R - 1) / 2, both rounded down, R being the radix",
        arguments: &[WIDTH, STEPS, RADIX, GRAIN, IMBALANCE, BYTES, SEED],
        points: all,
        before: |sizes, _, point| nearest(sizes, point).collect(),
        most_before: |sizes| sizes.width.min(sizes.radix),
    },
    PatternSpec {
        name: "spread",
        summary: "i, and for each k from 1 to R - 1 the point i + k W / R + t mod P, modulo W, R being the radix and P the \
                  period",
        arguments: &[WIDTH, STEPS, RADIX, PERIOD, GRAIN, IMBALANCE, BYTES, SEED],
        points: all,
        before: |sizes, step, point| {
            let (width, radix) = (sizes.width, sizes.radix);
            let further = (1..radix).map(|k| point + k * width / radix + step % sizes.period);
            std::iter::once(point).chain(further).map(|it| it % width).collect()
        },
        most_before: |sizes| sizes.width.min(sizes.radix),
    },
    PatternSpec {
        name: "random-nearest",
        summary: "i, and each other point that nearest has with the probability `fraction`; the same again after P steps, P \
                  being the period",
        arguments: &[WIDTH, STEPS, RADIX, PERIOD, FRACTION, GRAIN, IMBALANCE, BYTES, SEED],
        points: all,
        before: |sizes, step, point| {
            let set = (step % sizes.period) as u64;
            let is_there = |other: &usize| {
                let drawn = || chance(&[sizes.seed, set, *other as u64, point as u64]);
                *other == point || drawn() < sizes.fraction
            };
            nearest(sizes, point).filter(is_there).collect()
        },
        most_before: |sizes| sizes.width.min(sizes.radix),
    },
];

/// Every point, in every step.
fn all(sizes: &Sizes, _: usize) -> Range<usize> {
    0..sizes.width
}

fn nearest(sizes: &Sizes, point: usize) -> Range<usize> {
    let radix = sizes.radix;
    point.saturating_sub(radix / 2)..sizes.width.min(point + radix.div_ceil(2))
}

/// A number from 0 to below 1, the same for the same parts.
pub(super) fn chance(parts: &[u64]) -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    (key(parts) >> 11) as f64 / STEPS
}
