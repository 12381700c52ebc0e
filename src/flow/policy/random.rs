//! Any ready part, by chance.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Policy, PolicySpec, ReadyPart};

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "random",
    summary: "any part, drawn by a seed: to try schedules that no other policy makes",
    arguments: &[("SEED", "a whole number; 0 if there is none")],
    make: |argument| {
        let seed = argument.unwrap_or("0");
        let expected = || format!("expected a whole number up to {}, got `{seed}`", u64::MAX);
        Ok(Box::new(Random::new(seed.parse().map_err(|_| expected())?)))
    },
};

/// Each ready part is as likely as any other to run next. Draws follow from the seed alone and go on
/// from run to run, so that every step has another schedule; with one worker, the same seed gives the
/// same schedules.
#[derive(Debug)]
pub struct Random {
    ready: Vec<ReadyPart>,
    random: ChaCha8Rng,
}

impl Random {
    /// A policy that draws by `seed`.
    pub fn new(seed: u64) -> Self {
        Self { ready: Vec::new(), random: ChaCha8Rng::seed_from_u64(seed) }
    }
}

impl Policy for Random {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.ready.push(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        if self.ready.is_empty() {
            return None;
        }
        let drawn = self.random.random_range(0..self.ready.len());
        Some(self.ready.swap_remove(drawn))
    }
}
