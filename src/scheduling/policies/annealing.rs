//! Simulated annealing: a slow reference.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Heft, StaticPolicy, StaticPolicySpec, seed};
use crate::error::Result;
use crate::scheduling::{Instance, PartialSchedule, Schedule, WeightedGraph};
use crate::setters::setters;

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "annealing",
    summary: "simulated annealing from what heft finds, never worse than that: a slow reference",
    source: "Kirkpatrick, Gelatt and Vecchi: Optimization by simulated annealing, Science 220(4598), 1983",
    arguments: &[
        ("SEED", "a whole number; 0 if there is none"),
        ("SEED:EVALUATIONS", "with the number of schedules that it tries; 2000 if there is none"),
    ],
    make: |argument| {
        let Some(argument) = argument else { return Ok(Box::new(Annealing::new(0))) };
        let Some((own, evaluations)) = argument.split_once(':') else {
            return Ok(Box::new(Annealing::new(seed(argument)?)));
        };
        let expected = || format!("expected a whole number of evaluations, got `{evaluations}`");
        let evaluations: usize = evaluations.parse().map_err(|_| expected())?;
        Ok(Box::new(Annealing::new(seed(own)?).evaluations(evaluations)))
    },
};

/// Searches by simulated annealing (Kirkpatrick, Gelatt and Vecchi 1983) among lists of the tasks, each with a worker:
/// every task of the list goes to its worker, in a gap if it fits. It begins with the list and the workers of
/// [HEFT](super::Heft), and gives the best that it meets, so nothing worse than HEFT's schedule.
///
/// A step gives one task another worker, or moves it to another place of the list between those that it waits for and
/// those that wait for it, either as likely. A schedule that is longer by the share d of HEFT's makespan is accepted
/// with probability exp(−d / T), where T falls evenly, in its logarithm, from 0.1 to 0.001. Draws follow from the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Annealing {
    /// By what it draws.
    pub seed: u64,
    /// How many schedules it tries.
    pub evaluations: usize,
}

impl Annealing {
    setters! {
        evaluations: usize,
    }

    /// Draws by `seed`, and tries 2000 schedules.
    pub fn new(seed: u64) -> Self {
        Self { seed, evaluations: 2000 }
    }
}

impl StaticPolicy for Annealing {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let mut best = Heft.schedule(instance)?;
        let (first, mut current) = (best.makespan(), best.makespan());
        let order = instance.by_priority(&instance.upward_ranks());
        let workers = best.placements().iter().map(|placement| placement.worker).collect();
        let mut list = List { order, workers };
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        for evaluation in 0..self.evaluations {
            let done = evaluation as f64 / self.evaluations as f64;
            let temperature = first * 0.1 * 0.01f64.powf(done);
            let other = list.neighbour(instance, &mut random);
            let schedule = other.schedule(instance)?;
            let longer = schedule.makespan() - current;
            let chance: f64 = random.random();
            if longer <= 0.0 || chance < (-longer / temperature).exp() {
                (current, list) = (schedule.makespan(), other);
            }
            if schedule.makespan() < best.makespan() {
                best = schedule;
            }
        }
        Ok(best)
    }
}

/// All tasks in an order, and the worker of each.
#[derive(Clone, Debug)]
struct List {
    /// Every task after those that it waits for.
    order: Vec<usize>,
    /// By task.
    workers: Vec<usize>,
}

impl List {
    /// One step away.
    fn neighbour(&self, instance: &Instance<'_>, random: &mut ChaCha8Rng) -> Self {
        let mut other = self.clone();
        let place = random.random_range(0..self.order.len());
        let task = self.order[place];
        if instance.workers() > 1 && random.random::<bool>() {
            // Another than its own.
            let drawn = random.random_range(0..instance.workers() - 1);
            other.workers[task] = drawn + usize::from(drawn >= self.workers[task]);
        } else {
            let (first, last) = self.between(instance.graph(), place);
            let to = random.random_range(first..=last);
            other.order.remove(place);
            other.order.insert(to, task);
        }
        other
    }

    /// The first and the last place to which the task at a place may go.
    fn between(&self, graph: &WeightedGraph, place: usize) -> (usize, usize) {
        let task = self.order[place];
        let waits_for = |other: usize| graph.incoming(task).any(|edge| edge.from == other);
        let is_waited_by = |other: usize| {
            graph.outgoing(task).binary_search_by_key(&other, |edge| edge.to).is_ok()
        };
        let before = self.order[..place].iter().rposition(|&other| waits_for(other));
        let after = self.order[place + 1..].iter().position(|&other| is_waited_by(other));
        (before.map_or(0, |it| it + 1), after.map_or(self.order.len() - 1, |it| place + it))
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let mut partial = PartialSchedule::new(instance);
        for &task in &self.order {
            partial.place(partial.fit(task, self.workers[task]));
        }
        partial.finish()
    }
}
