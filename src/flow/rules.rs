//! How much a worker takes at once, and whom a publisher wakes: the rules of the pool, which the simulator keeps by
//! these same functions.

/// A worker takes short parts together, until they are estimated at this many seconds or are so many: each
/// passage through the lock costs up to half a microsecond, where another core has it.
const TAKEN_SECONDS: f64 = 10e-6;
const MOST_TAKEN: usize = 16;

/// How many more parts a worker may take together, with `left` others waiting for `workers` workers: a fair
/// share of them.
pub(crate) fn share(left: usize, workers: usize) -> usize {
    (left / (2 * workers)).min(MOST_TAKEN)
}

/// Whether a worker takes another part to those that it has taken, which are estimated at `seconds`.
pub(crate) fn takes_more(taken: usize, share: usize, seconds: f64) -> bool {
    taken < share && seconds < TAKEN_SECONDS
}

/// How many of those who sleep a publisher wakes: one for every ready part; or everybody, where the policy may
/// have the part for one worker only.
pub(crate) fn to_wake(supervised: bool, sleeping: usize, ready: usize) -> usize {
    if supervised && ready > 0 { sleeping } else { sleeping.min(ready) }
}
