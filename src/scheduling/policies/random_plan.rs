//! Any ready task on any worker.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::candidates::Candidates;
use super::{StaticPolicy, StaticPolicySpec, seed};
use crate::error::Result;
use crate::scheduling::{Instance, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "random-plan",
    summary: "any ready task on any worker, drawn by a seed: a baseline",
    source: "no paper: a baseline, drawn by ChaCha with 8 rounds",
    arguments: &[("SEED", "a whole number; 0 if there is none")],
    make: |argument| Ok(Box::new(RandomPlan::new(seed(argument.unwrap_or("0"))?))),
};

/// Each ready task is as likely as any other to go next, and each worker to get it, behind all that it has. Draws
/// follow from the seed alone: the place of the task among the ready ones by their numbers, then the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomPlan {
    seed: u64,
}

impl RandomPlan {
    /// A policy that draws by `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl StaticPolicy for RandomPlan {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut candidates = Candidates::new(instance);
        while candidates.tasks().len() > 0 {
            let place = random.random_range(0..candidates.tasks().len());
            let worker = random.random_range(0..instance.workers());
            let Some(task) = candidates.tasks().nth(place) else { break };
            candidates.place(task, worker);
        }
        candidates.finish()
    }
}
