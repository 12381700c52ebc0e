//! How much a worker takes at once, and whom a publisher wakes: the rules of the pool, which the simulator keeps by
//! these same functions.

/// A worker takes short parts together, until they are estimated at this many seconds or are so many: each
/// passage through the lock costs up to half a microsecond, where another core has it.
const TAKEN_SECONDS: f64 = 10e-6;
const MOST_TAKEN: usize = 16;

/// How many more parts a worker may take together, with `left` others waiting for `workers` workers: a fair
/// share of them.
pub(crate) fn share(left: usize, workers: usize) -> usize {
    let fair = if workers == 1 { left } else { left / (2 * workers) };
    fair.min(MOST_TAKEN)
}

/// Whether a worker takes another part to those that it has taken, which are estimated at `seconds`.
pub(crate) fn takes_more(taken: usize, share: usize, seconds: f64) -> bool {
    taken < share && seconds < TAKEN_SECONDS
}

/// Nanoseconds until a worker that leaves parts to others looks again: each look takes the count of parts away from
/// who writes it.
pub(crate) const LOOKS_AGAIN: u64 = 1000;

/// How many sleepers a worker wakes at most: one that publishes has parts of its own to run; one that comes
/// has just been idle, and so many may follow each that comes.
pub(crate) const PUBLISHER_WAKES: usize = 1;
pub(crate) const COMER_WAKES: usize = 2;

/// How many of those who may be woken are: one for every ready part for which nobody comes, and at most so many.
pub(crate) fn to_wake(ready: usize, coming: usize, sleeping: usize, most: usize) -> usize {
    ready.saturating_sub(coming).min(sleeping).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_parts_are_taken_together_up_to_a_fair_share() {
        assert_eq!(
            [share(5, 1), share(100, 1)],
            [5, MOST_TAKEN],
            "one worker leaves none to others"
        );
        assert_eq!([share(12, 3), share(5, 3), share(1000, 2)], [2, 0, MOST_TAKEN]);
        assert!(takes_more(0, 1, 0.0) && takes_more(3, 4, 0.9 * TAKEN_SECONDS));
        assert!(!takes_more(0, 0, 0.0) && !takes_more(4, 4, 0.0), "no more than the share");
        assert!(!takes_more(0, 4, TAKEN_SECONDS), "long parts are left to others");
    }

    #[test]
    fn as_many_are_woken_as_have_something_to_do() {
        assert_eq!(to_wake(3, 1, 5, 4), 2, "others come for one");
        assert_eq!(to_wake(9, 1, 5, 4), 4, "no more than the most");
        assert_eq!([to_wake(9, 1, 3, 4), to_wake(1, 2, 3, 4)], [3, 0]);
    }
}
