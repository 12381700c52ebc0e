//! Which executor a run takes.

use caudal::flow::policy::{POLICIES, policy};
use caudal::flow::{EXECUTORS, Executor, Pool, executor};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::mischief::{Mischief, Plot};

/// More workers than any machine's cores that tests run on make threads wait for each other.
const MOST_WORKERS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) executor: &'static str,
    pub(super) policy: &'static str,
    pub(super) workers: usize,
}

impl Choice {
    /// Any executor that can run a graph of so many nodes: actors have a thread for every node.
    pub(super) fn any(random: &mut ChaCha8Rng, nodes: usize) -> Self {
        loop {
            let executor = EXECUTORS.choose(random).unwrap().name;
            let policy = POLICIES.choose(random).unwrap().name;
            let workers = random.random_range(1..=MOST_WORKERS);
            if executor != "actors" || nodes <= 60 || nodes <= 400 && random.random_ratio(1, 20) {
                return Self { executor, policy, workers };
            }
        }
    }

    /// Any with a policy.
    pub(super) fn with_policy(random: &mut ChaCha8Rng, nodes: usize) -> Self {
        loop {
            let choice = Self::any(random, nodes);
            if matches!(choice.executor, "pool" | "channels") {
                return choice;
            }
        }
    }

    pub(super) fn make(&self) -> Box<dyn Executor> {
        executor(self.executor, self.workers, self.policy).unwrap()
    }

    /// The same with a policy that misbehaves.
    pub(super) fn misbehaving(&self, plot: Plot) -> Box<dyn Executor> {
        let policy = Mischief::new(policy(self.policy).unwrap(), plot);
        let pool = Pool::with_policy(self.workers, Box::new(policy)).unwrap();
        let channels = self.executor == "channels";
        Box::new(if channels { pool.with_channels() } else { pool })
    }
}
