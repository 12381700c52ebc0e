//! The state of the cores while something was measured.

use serde::Serialize;

use super::free_cores::{Probe, Watch, had_cores};
use super::handover::{Handover, is_near};
use crate::topology::Pinning;

/// The state of the cores while something was measured: how near they were to each other, and whether they were free.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Conditions {
    /// The handover between the cores before; none with one worker or core, or where it could not be measured.
    pub handover_before: Option<Handover>,
    /// And after.
    pub handover_after: Option<Handover>,
    /// Nanoseconds of the smallest and the largest median of all looks, those before and after among them.
    pub handovers_ns: Option<[f64; 2]>,
    /// How many looks there were.
    pub looks: usize,
    /// Whether the cores were near each other at one look and far at another, so that figures are of both states.
    pub mixed: bool,
    /// Whether the cores were free: as fast together as alone before and after, and there whenever threads of
    /// this process wanted one.
    pub cores_free: bool,
    /// The time in which threads wanted a core and had none, over the time that passed, where the system tells. Without
    /// the time of executors that have more threads than there are cores, which lack cores in any case.
    pub without_core: Option<f64>,
}

/// Looks at the cores from its start to its end.
#[derive(Debug)]
pub struct CoreWatch {
    probe: Probe,
    /// None while paused.
    watch: Option<Watch>,
    /// Seconds that passed before, and those without a core.
    passed: f64,
    without: Option<f64>,
    seen: Conditions,
}

impl CoreWatch {
    /// Watches the cores of `workers` workers from now on, after some milliseconds for a first look.
    pub fn start(workers: usize, pinning: Pinning) -> Self {
        let mut probe = Probe::new(workers, pinning);
        let cores_free = probe.cores_are_free();
        let mut seen = Conditions { cores_free, ..Conditions::default() };
        seen.handover_before = probe.handover().cloned();
        seen.add(seen.handover_before.clone().as_ref());
        Self { probe, watch: Some(Watch::start()), passed: 0.0, without: None, seen }
    }

    /// Does not mind from now on that threads lack cores: there are more of them than cores.
    pub fn pause(&mut self) {
        if let Some(watch) = self.watch.take() {
            let (passed, without) = watch.seconds();
            self.passed += passed;
            self.without = without.map(|without| without + self.without.unwrap_or_default());
        }
    }

    /// Minds it again.
    pub fn resume(&mut self) {
        self.watch.get_or_insert_with(Watch::start);
    }

    /// Looks how near the cores are, which takes some tenths of a millisecond for two, and up to some tens of
    /// milliseconds for many.
    pub fn look(&mut self) {
        self.probe.look();
        self.seen.add(self.probe.handover());
    }

    /// Takes what another watch saw meanwhile into account.
    pub fn include(&mut self, other: &Conditions) {
        for handover in [&other.handover_before, &other.handover_after].into_iter().flatten() {
            self.seen.compare(handover);
        }
        for ns in other.handovers_ns.into_iter().flatten() {
            self.seen.add_median(ns);
        }
        self.seen.looks += other.looks;
        self.seen.mixed |= other.mixed;
        self.seen.cores_free &= other.cores_free;
        let shares = [self.seen.without_core, other.without_core];
        self.seen.without_core = shares.into_iter().flatten().reduce(f64::max);
    }

    /// Takes handovers of so many seconds into account, which were measured meanwhile.
    pub fn include_seconds(&mut self, handovers: &[f64]) {
        for seconds in handovers.iter().filter(|it| it.is_finite() && **it > 0.0) {
            self.seen.looks += 1;
            self.seen.add_median(seconds * 1e9);
        }
    }

    /// The last look.
    pub fn end(mut self) -> Conditions {
        self.pause();
        let free = self.probe.cores_are_free();
        let had = self.without.is_none_or(|without| had_cores(without, self.passed));
        self.seen.cores_free &= free && had;
        let share = |without: f64| if self.passed > 0.0 { without / self.passed } else { 0.0 };
        let shares = [self.seen.without_core, self.without.map(share)];
        self.seen.without_core = shares.into_iter().flatten().reduce(f64::max);
        self.seen.handover_after = self.probe.handover().cloned();
        self.seen.add(self.probe.handover());
        self.seen
    }
}

impl Conditions {
    /// Of one pair of cores that took so many nanoseconds at each of some looks, and were free.
    pub fn of_pair(handovers_ns: impl IntoIterator<Item = f64>) -> Self {
        let mut seen = Self { cores_free: true, ..Self::default() };
        for ns in handovers_ns {
            let handover = Handover::of_pair(ns);
            seen.handover_before.get_or_insert_with(|| handover.clone());
            seen.add(Some(&handover));
            seen.handover_after = Some(handover);
        }
        seen
    }

    /// Takes one look into account.
    fn add(&mut self, handover: Option<&Handover>) {
        self.looks += 1;
        if let Some(handover) = handover {
            self.compare(handover);
            self.add_median(handover.median_ns);
        }
    }

    /// Whether a handover is that of another state than the first.
    fn compare(&mut self, handover: &Handover) {
        self.mixed |= self.handover_before.as_ref().is_some_and(|first| !handover.is_like(first));
    }

    /// Takes the median of one look into account.
    fn add_median(&mut self, ns: f64) {
        let [smallest, largest] = self.handovers_ns.unwrap_or([ns, ns]);
        let (smallest, largest) = (smallest.min(ns), largest.max(ns));
        self.handovers_ns = Some([smallest, largest]);
        self.mixed |= !is_near(largest, smallest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_mixed_whenever_one_look_differs() {
        let mixed = |looks: &[f64]| Conditions::of_pair(looks.iter().copied()).mixed;
        assert!(
            !mixed(&[])
                && !mixed(&[36.0])
                && !mixed(&[36.0, 50.0, 34.0])
                && !mixed(&[170.0, 180.0])
        );
        assert!(mixed(&[36.0, 170.0]) && mixed(&[170.0, 36.0]));
        // In between, and by steps of which none is large.
        assert!(mixed(&[36.0, 36.0, 170.0, 36.0, 36.0]));
        assert!(mixed(&[60.0, 100.0, 40.0]));
        let seen = Conditions::of_pair([36.0, 35.0, 40.0]);
        assert_eq!((seen.handovers_ns, seen.looks), (Some([35.0, 40.0]), 3));
        assert_eq!(seen.handover_after.unwrap().median_ns, 40.0);
    }

    #[test]
    fn a_watch_takes_in_what_others_saw() {
        let watch = || {
            let mut watch = CoreWatch::start(1, Pinning::None);
            // One worker has no handover.
            watch.look();
            watch
        };
        let seen = watch().end();
        assert_eq!((seen.looks, seen.mixed, seen.handovers_ns), (3, false, None));
        let with = |seconds: &[f64]| {
            let mut watch = watch();
            watch.include_seconds(seconds);
            watch.end()
        };
        let seen = with(&[35e-9, f64::INFINITY, 0.0, 37e-9]);
        assert_eq!((seen.looks, seen.mixed), (5, false));
        assert!(with(&[35e-9, 170e-9]).mixed);
        let mut outer = watch();
        outer.include(&Conditions::of_pair([36.0, 36.0, 37.0]));
        outer.include(&Conditions::of_pair([36.0, 36.0]));
        let mut apart = watch();
        apart.include(&Conditions::of_pair([36.0, 36.0]));
        apart.include(&Conditions::of_pair([170.0, 170.0]));
        let outer = outer.end();
        assert_eq!((outer.looks, outer.mixed), (8, false));
        assert!(apart.end().mixed);
        let mut paused = watch();
        paused.pause();
        let (passed, without) = (paused.passed, paused.without);
        // Sixteen threads in turn on the cores there are, of which the watch knows nothing.
        std::thread::scope(|scope| {
            let busy = || (0..1_000_000_u64).map(std::hint::black_box).sum::<u64>();
            (0..16).for_each(|_| drop(scope.spawn(busy)));
        });
        paused.pause();
        assert_eq!((paused.passed, paused.without), (passed, without));
        paused.resume();
        let seen = paused.end();
        assert_eq!(seen.without_core.is_some(), crate::measure::seconds_without_core().is_some());
        let mut taken = watch();
        let other =
            Conditions { cores_free: false, without_core: Some(9.0), ..Conditions::default() };
        taken.include(&other);
        let taken = taken.end();
        assert!(!taken.cores_free && taken.without_core == Some(9.0));
    }
}
