//! How near cores are to each other: what it takes to hand a cache line over.
//!
//! A host may move virtual cores, so that for seconds or minutes they share no cache. Whatever goes from one to the
//! other takes several times as long then, and so does a step of several workers. Figures from both states must not
//! be mixed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::statistics::median;
use crate::topology::{CAN_PIN, Pinning, Place, Topology};

/// Timed samples of a look at a pair, and round trips of each: some ten microseconds all together.
const SAMPLES: usize = 9;
/// Round trips of a sample.
const ROUND_TRIPS: usize = 50;
/// Looks at a pair, of which the shortest counts: what disturbs makes handovers longer, never shorter.
const LOOKS: usize = 3;
/// The most time of a look. Only a pair of which one thread gets no core takes it.
const LOOK: Duration = Duration::from_millis(5);
/// The most time of all pairs together.
const ALL: Duration = Duration::from_millis(100);
/// The most pairs among some cores.
const MOST_PAIRS: usize = 32;
/// Cores are in one state if their handovers differ by this factor at most. Where they share a cache or do not, it takes
/// 35 or 170 ns.
const SAME: f64 = 2.0;
/// One pair in so many may differ by more.
const DIFFERING: usize = 10;
/// Between two looks at the clock of a thread that waits for the number.
const PATIENT: usize = 1 << 14;
/// What the number is when there is nothing more to do.
const END: usize = usize::MAX;

/// What handing a cache line over from one core to another takes, over some pairs of cores.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Handover {
    /// Nanoseconds of the pair that takes the least.
    pub smallest_ns: f64,
    /// The median over the pairs.
    pub median_ns: f64,
    /// Of the pair that takes the most.
    pub largest_ns: f64,
    /// Whether the two threads were pinned to the pair's cores. If not, they ran where the system put them.
    pub pinned: bool,
    /// Every pair.
    #[serde(skip)]
    pub pairs: Vec<PairHandover>,
}

/// What handing a cache line over takes between two cores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PairHandover {
    /// The cores, if threads were pinned to them.
    pub cores: Option<[usize; 2]>,
    /// Nanoseconds: the median.
    pub ns: f64,
}

impl Handover {
    /// Between two of `cores`, up to 32 pairs of them: neighbours in their order, and those that stand half of it apart.
    /// Takes some tenths of a millisecond a pair, and no more than a tenth of a second if the cores are not free. None if
    /// there is one core, or if no pair could be measured.
    ///
    /// ```
    /// use caudal::measure::{Handover, pool_cores};
    /// use caudal::topology::Pinning;
    ///
    /// match Handover::among(&pool_cores(2, Pinning::None)) {
    ///     Some(handover) => assert!(handover.smallest_ns > 0.0),
    ///     None => println!("one core"),
    /// }
    /// ```
    pub fn among(cores: &[usize]) -> Option<Self> {
        Self::of_pairs(&pairs(cores))
    }

    /// Between the two cores of each of `pairs`. Where threads can't be pinned, of one pair, wherever the system puts
    /// its threads.
    pub fn of_pairs(pairs: &[[usize; 2]]) -> Option<Self> {
        let began = Instant::now();
        let mut measured = Vec::with_capacity(pairs.len());
        let pairs = if CAN_PIN { pairs } else { &pairs[..pairs.len().min(1)] };
        for pair in pairs {
            if began.elapsed() > ALL {
                break;
            }
            let places = CAN_PIN.then(|| pair.map(Place::core));
            let looks = (0..LOOKS).filter_map(|_| look(places.as_ref()));
            if let Some(ns) = looks.reduce(f64::min) {
                measured.push(PairHandover { cores: CAN_PIN.then_some(*pair), ns });
            }
        }
        Self::over(measured)
    }

    /// Of one pair of cores, wherever they are.
    pub(crate) fn of_pair(ns: f64) -> Self {
        let pairs = vec![PairHandover { cores: None, ns }];
        Self { smallest_ns: ns, median_ns: ns, largest_ns: ns, pinned: false, pairs }
    }

    /// Over pairs that were measured.
    fn over(pairs: Vec<PairHandover>) -> Option<Self> {
        let mut all: Vec<f64> = pairs.iter().map(|pair| pair.ns).collect();
        all.sort_by(f64::total_cmp);
        Some(Self {
            smallest_ns: *all.first()?,
            largest_ns: *all.last()?,
            median_ns: median(&mut all),
            pinned: pairs.iter().all(|pair| pair.cores.is_some()),
            pairs,
        })
    }

    /// Whether the cores were in the same state: of the pairs that both measured, no more than one in ten differs by
    /// more than a factor of two.
    pub fn is_like(&self, other: &Self) -> bool {
        let same = |pair: &PairHandover| other.pairs.iter().find(|it| it.cores == pair.cores);
        let both = self.pairs.iter().filter_map(|pair| Some((pair.ns, same(pair)?.ns)));
        let both: Vec<bool> = both.map(|(a, b)| is_near(a, b) && is_near(b, a)).collect();
        both.iter().filter(|near| !**near).count() * DIFFERING <= both.len()
    }
}

/// Whether cores with such a handover are about as near as those with the shortest one.
pub(crate) fn is_near(handover: f64, shortest: f64) -> bool {
    handover <= SAME * shortest
}

/// The cores that `workers` workers use, of those that the calling thread may use: all where the system puts them.
pub fn pool_cores(workers: usize, pinning: Pinning) -> Vec<usize> {
    let topology = Topology::here();
    if workers < 2 {
        return Vec::new();
    }
    let mut cores = match pinning.cores(&topology, workers) {
        Some(places) => places.concat(),
        None => topology.pinning_order(),
    };
    let mut seen = std::collections::BTreeSet::new();
    cores.retain(|&core| seen.insert(core));
    cores
}

/// All pairs if they are few, else some neighbours and some that are half of the cores apart.
fn pairs(cores: &[usize]) -> Vec<[usize; 2]> {
    let count = cores.len();
    if count * count.saturating_sub(1) / 2 <= MOST_PAIRS {
        let after =
            |first: usize| cores[first + 1..].iter().map(move |&other| [cores[first], other]);
        return (0..count).flat_map(after).collect();
    }
    let each = MOST_PAIRS / 2;
    let spread = |distance: usize| {
        let most = count - distance;
        let places = (0..each).map(move |number| number * most / each);
        places.map(move |place| [cores[place], cores[place + distance]])
    };
    let mut pairs: Vec<[usize; 2]> = spread(1).chain(spread(count / 2)).collect();
    pairs.dedup();
    pairs
}

/// A number on a cache line of its own, with those that are fetched together.
#[repr(align(256))]
struct Number(AtomicUsize);

impl Number {
    /// Waits until it is `turn`. False if it is [`END`], or at the deadline.
    fn wait(&self, turn: usize, deadline: Instant) -> bool {
        let mut looks = 0_usize;
        loop {
            let now = self.0.load(Ordering::Acquire);
            if now == turn || now == END {
                return now == turn;
            }
            looks += 1;
            if looks.is_multiple_of(PATIENT) && Instant::now() > deadline {
                return false;
            }
        }
    }
}

/// Two threads that count in turn on one number: nanoseconds of a count, the median of the samples. None if one of
/// them found no core in time, or could not be started or pinned.
fn look(places: Option<&[Place; 2]>) -> Option<f64> {
    let number = Number(AtomicUsize::new(0));
    let deadline = Instant::now() + LOOK;
    let [own, other] = places.map_or([None, None], |[own, other]| [Some(own), Some(other)]);
    let answer = || {
        let ready = other.is_none_or(|place| place.pin().is_ok());
        let mut turn = 1;
        while ready && number.wait(turn, deadline) {
            number.0.store(turn + 1, Ordering::Release);
            turn += 2;
        }
        // Unless the asker has ended already.
        number.0.store(END, Ordering::Release);
    };
    let ask = || {
        let _held = own.map(Place::hold).transpose().ok()?;
        let mut samples = Vec::with_capacity(SAMPLES);
        let mut turn = 0;
        // The first wakes the other thread, and does not count.
        for sample in 0..=SAMPLES {
            let began = Instant::now();
            for _ in 0..ROUND_TRIPS {
                number.0.store(turn + 1, Ordering::Release);
                turn += 2;
                if !number.wait(turn, deadline) {
                    return None;
                }
            }
            if sample > 0 {
                samples.push(began.elapsed().as_secs_f64() * 1e9 / (2 * ROUND_TRIPS) as f64);
            }
        }
        Some(median(&mut samples))
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new().spawn_scoped(scope, answer).ok()?;
        let asked = ask();
        number.0.store(END, Ordering::Release);
        asked
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(figures: &[f64]) -> Handover {
        let pair = |(core, &ns): (usize, &f64)| PairHandover { cores: Some([0, core + 1]), ns };
        Handover::over(figures.iter().enumerate().map(pair).collect()).unwrap()
    }

    #[test]
    fn a_handover_is_measured_between_this_machine_s_cores() {
        let cores = pool_cores(64, Pinning::None);
        let measured = Handover::among(&cores);
        // Where another process has a core, there may be nothing to tell.
        if let Some(handover) = measured {
            assert!(cores.len() > 1);
            let Handover { smallest_ns, median_ns, largest_ns, .. } = handover;
            assert!(0.0 < smallest_ns && smallest_ns <= median_ns && median_ns <= largest_ns);
            assert_eq!(handover.pinned, CAN_PIN);
        }
        assert_eq!(Handover::among(&[]), None);
        assert_eq!(Handover::among(&[0]), None);
        assert_eq!(pool_cores(1, Pinning::Cores), [0_usize; 0]);
    }

    #[test]
    #[cfg(all(target_os = "linux", feature = "pinning"))]
    fn a_core_that_is_not_there_has_no_handover() {
        assert_eq!(Handover::of_pairs(&[[0, 1000], [1000, 1001]]), None);
        assert_eq!(pool_cores(2, Pinning::Cores).len(), pool_cores(3, Pinning::None).len().min(2));
    }

    #[test]
    fn states_differ_by_a_factor_of_two_of_more_than_a_tenth_of_the_pairs() {
        assert!(over(&[36.0]).is_like(&over(&[37.0])) && over(&[36.0]).is_like(&over(&[72.0])));
        assert!(!over(&[36.0]).is_like(&over(&[171.0])) && !over(&[171.0]).is_like(&over(&[36.0])));
        // The same figures in another place: other cores are near.
        assert!(!over(&[36.0, 170.0, 170.0]).is_like(&over(&[170.0, 36.0, 170.0])));
        let (mut many, few) = (vec![36.0; 20], over(&[36.0; 20]));
        (many[3], many[7]) = (170.0, 170.0);
        assert!(few.is_like(&over(&many)));
        many[9] = 170.0;
        assert!(!few.is_like(&over(&many)));
        // What only one has measured says nothing.
        assert!(over(&[36.0]).is_like(&over(&[36.0, 170.0])));
    }

    #[test]
    fn many_cores_have_few_pairs() {
        let cores: Vec<usize> = (0..8).collect();
        assert_eq!(pairs(&cores).len(), 28);
        assert_eq!(pairs(&[3, 5]), [[3, 5]]);
        for count in [9, 10, 33, 64, 4096] {
            let cores: Vec<usize> = (0..count).collect();
            let pairs = pairs(&cores);
            assert!((13..=MOST_PAIRS).contains(&pairs.len()), "{count}: {}", pairs.len());
            assert!(pairs.iter().all(|[a, b]| a < b && b - a <= count / 2), "{count}: {pairs:?}");
            assert!(pairs.iter().any(|[a, b]| b - a == count / 2));
        }
    }
}
