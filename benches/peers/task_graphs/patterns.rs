//! Task Bench's patterns as `caudal patterns` defines them, with a radix and a period of 3, a fraction of 1/4 and the
//! seed 1; `patterns.hpp` is the same for the C++ programs.

use std::ops::Range;

/// The names of the patterns.
pub(crate) const PATTERNS: [&str; 11] = [
    "trivial",
    "no-communication",
    "stencil",
    "stencil-periodic",
    "dom",
    "tree",
    "fft",
    "all-to-all",
    "nearest",
    "spread",
    "random-nearest",
];

const RADIX: usize = 3;
const PERIOD: usize = 3;
const FRACTION: f64 = 0.25;
const SEED: u64 = 1;
const COSTS: u64 = 0x636f_7374;

/// A task's step and point.
pub(crate) type Place = (usize, usize);

fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number from 0 to below 1.
fn chance(parts: &[u64]) -> f64 {
    let key = parts.iter().fold(0, |key: u64, &part| {
        mix(key.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_add(mix(part)))
    });
    (key >> 11) as f64 / (1_u64 << 53) as f64
}

/// What a task takes over the mean.
pub(crate) fn share(imbalance: f64, (step, point): Place) -> f64 {
    1.0 + imbalance * (chance(&[SEED, COSTS, step as u64, point as u64]) - 0.5)
}

fn points(pattern: &str, width: usize, steps: usize, step: usize) -> Range<usize> {
    match pattern {
        "dom" => {
            let first = (step + width).saturating_sub(steps);
            first..first + width.min(step + 1).min(steps - step)
        }
        "tree" => 0..if step < 32 { width.min(1 << step) } else { width },
        _ => 0..width,
    }
}

fn before(pattern: &str, width: usize, step: usize, point: usize) -> Vec<usize> {
    let nearest = || point.saturating_sub(RADIX / 2)..width.min(point + RADIX.div_ceil(2));
    match pattern {
        "trivial" => Vec::new(),
        "no-communication" => vec![point],
        "stencil" => (point.saturating_sub(1)..=point + 1).collect(),
        "stencil-periodic" => vec![(point + width - 1) % width, point, (point + 1) % width],
        "dom" => (point.saturating_sub(1)..=point).collect(),
        "tree" => vec![point / 2],
        "fft" if width == 1 => vec![point],
        "fft" => {
            let distance = 1 << ((step - 1) % width.next_power_of_two().ilog2() as usize);
            point.checked_sub(distance).into_iter().chain([point, point + distance]).collect()
        }
        "all-to-all" => (0..width).collect(),
        "nearest" => nearest().collect(),
        "spread" => {
            let further = (1..RADIX).map(|k| point + k * width / RADIX + step % PERIOD);
            std::iter::once(point).chain(further).map(|it| it % width).collect()
        }
        _ => {
            let set = (step % PERIOD) as u64;
            let drawn = |other: usize| chance(&[SEED, set, other as u64, point as u64]) < FRACTION;
            nearest().filter(|&other| other == point || drawn(other)).collect()
        }
    }
}

/// Every task's place, step by step, and the numbers of those that it waits for, in order.
pub(crate) fn tasks(pattern: &str, width: usize, steps: usize) -> Vec<(Place, Vec<usize>)> {
    let mut all = Vec::new();
    let (mut last, mut first) = (0..0, 0);
    for step in 0..steps {
        let here = points(pattern, width, steps, step);
        let next = all.len();
        for point in here.clone() {
            let mut list = if step == 0 { Vec::new() } else { before(pattern, width, step, point) };
            list.retain(|other| last.contains(other));
            list.sort_unstable();
            list.dedup();
            all.push((
                (step, point),
                list.iter().map(|other| first + other - last.start).collect(),
            ));
        }
        (last, first) = (here, next);
    }
    all
}
