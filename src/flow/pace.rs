//! How fast parts come and go, as a worker sees it who has none.

/// A part that takes fewer handovers of a cache line than this is slower on another core than on the one that made
/// it ready: the other one fetches the part, its messages and the counters of its receivers from there.
const HANDOVERS: f64 = 2.5;

/// Nanoseconds of a handover that pass while the clock is read.
const HIDDEN: f64 = 20.0;

/// Nanoseconds over which the pace is taken; what came before counts half, and what came before that a quarter.
const WINDOW: u64 = 1000;

/// By how much one more look changes what a look takes.
const WEIGHT: f64 = 0.125;

/// The most nanoseconds that a look counts for: a thread may lose its core meanwhile.
const LONGEST: u64 = 1000;

/// What one worker has seen of the queue's changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The count of changes at the last window's end, and its time.
    changes: usize,
    since: u64,
    /// Changes and nanoseconds of the windows before.
    past: (f64, f64),
    /// The count of changes at the last look.
    last: usize,
    /// Nanoseconds that a look takes where the count is in the core's own cache, and where another has written it.
    at_hand: f64,
    fetched: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { changes: 0, since: 0, past: (0.0, 0.0), last: 0, at_hand: 30.0, fetched: 60.0 }
    }
}

impl Pace {
    /// A look at the count of changes began and ended at these times, in nanoseconds, and gave `changes`.
    pub(crate) fn look(&mut self, began: u64, changes: usize, now: u64) {
        let took = now.saturating_sub(began).min(LONGEST) as f64;
        let usual = if changes == self.last { &mut self.at_hand } else { &mut self.fetched };
        *usual += WEIGHT * (took - *usual);
        self.last = changes;
    }

    /// The count of changes before the next look.
    pub(crate) fn stands_at(&mut self, changes: usize) {
        self.last = changes;
    }

    /// Seconds: who looks for parts leaves those that come and go faster to others.
    pub(crate) fn smallest(&self) -> f64 {
        Self::smallest_after((self.fetched - self.at_hand + HIDDEN).max(0.0) * 1e-9)
    }

    /// The same where a cache line is handed over in so many seconds.
    pub(crate) fn smallest_after(handover: f64) -> f64 {
        HANDOVERS * handover
    }

    /// There is no run, so that the time does not count.
    pub(crate) fn rests(&mut self, changes: usize, now: u64) {
        self.past.0 += changes.wrapping_sub(self.changes) as f64;
        (self.changes, self.since) = (changes, now);
    }

    /// Whether parts have come and gone faster than one in so many seconds.
    pub(crate) fn is_fast(&mut self, changes: usize, now: u64, smallest: f64) -> bool {
        let passed = now.saturating_sub(self.since);
        let count = self.past.0 + changes.wrapping_sub(self.changes) as f64;
        let nanoseconds = self.past.1 + passed as f64;
        if passed >= WINDOW {
            (self.changes, self.since) = (changes, now);
            self.past = (count / 2.0, nanoseconds / 2.0);
        }
        // A part comes and goes: two changes.
        2.0 * nanoseconds < smallest * 1e9 * count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_short_by_what_a_look_takes() {
        for handover in [35, 180] {
            let mut pace = Pace::default();
            for look in 0..400 {
                let fetches = look % 2 == 0;
                let began = 1000 * look as u64;
                pace.look(began, look / 2, began + 25 + u64::from(fetches) * (handover - 20));
            }
            let expected = HANDOVERS * handover as f64 * 1e-9;
            assert!((pace.smallest() / expected - 1.0).abs() < 0.01, "{handover}: {pace:?}");
        }
    }

    #[test]
    fn the_pace_follows_what_happens_within_microseconds() {
        let mut pace = Pace::default();
        // Nothing for long, then a part in 50 nanoseconds, then a long one.
        assert!(!pace.is_fast(0, 1_000_000, 100e-9));
        let looks =
            (1..40).map(|look| pace.is_fast(look * 40, 1_000_000 + look as u64 * 1000, 100e-9));
        let looks: Vec<bool> = looks.collect();
        assert!(looks[20..].iter().all(|&fast| fast), "{looks:?}");
        let later = 1_000_000 + 39_000;
        let slow = (1..10).find(|&look| !pace.is_fast(39 * 40, later + look * 1000, 100e-9));
        assert!(slow.is_some_and(|look| look <= 3), "{slow:?}");
    }

    #[test]
    fn time_without_a_run_does_not_count() {
        let mut pace = Pace::default();
        for look in 1..40 {
            pace.is_fast(look * 40, 1000 * look as u64, 100e-9);
        }
        pace.rests(39 * 40, 5_000_000);
        assert!(pace.is_fast(39 * 40 + 10, 5_000_200, 100e-9));
    }
}
