//! How long training has taken, and how much longer it takes.

use std::time::{Duration, Instant};

/// How much longer training takes, if steps go on taking as long as they did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeLeft {
    /// For the other batches of the epoch.
    pub epoch: Duration,
    /// For all other steps, and for what was done between steps so far, such as evaluations after
    /// epochs.
    pub training: Duration,
}

/// Measures one training.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    /// Seconds within steps.
    stepping: f64,
    taken: u64,
    to_take: u64,
}

impl Clock {
    /// For a training of so many steps, which begins now.
    pub(super) fn new(steps: u64) -> Self {
        Self { began: Instant::now(), stepping: 0.0, taken: 0, to_take: steps }
    }

    /// Since training began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A step has been taken.
    pub(super) fn step(&mut self, seconds: f64) {
        self.stepping += seconds;
        self.taken += 1;
    }

    /// With so many batches of the epoch still to come, unless training ends before.
    pub(super) fn left(&self, batches: usize) -> TimeLeft {
        let steps = self.to_take.saturating_sub(self.taken);
        left(self.stepping, self.elapsed().as_secs_f64(), self.taken, batches as u64, steps)
    }
}

/// After `taken` steps, which took `stepping` of `elapsed` seconds.
fn left(stepping: f64, elapsed: f64, taken: u64, batches: u64, steps: u64) -> TimeLeft {
    let share = |seconds: f64, of: u64| {
        let seconds = seconds / taken.max(1) as f64 * of as f64;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    };
    TimeLeft { epoch: share(stepping, batches.min(steps)), training: share(elapsed, steps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_in_proportion_to_steps() {
        let seconds = |epoch, training| TimeLeft {
            epoch: Duration::from_secs(epoch),
            training: Duration::from_secs(training),
        };
        assert_eq!(left(20.0, 30.0, 10, 5, 100), seconds(10, 300));
        assert_eq!(left(20.0, 30.0, 10, 5, 3), seconds(6, 9), "the limit of steps comes first");
        assert_eq!(left(20.0, 30.0, 10, 0, 0), TimeLeft::default());
        assert_eq!(left(0.0, 0.5, 0, 5, 100).epoch, Duration::ZERO);
        assert_eq!(left(1.0, f64::MAX, 1, 1, u64::MAX).training, Duration::MAX);
    }
}
