//! How long every part of a plan takes alone.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::flow::{PartEvent, TaskGraph, TaskIndex};
use crate::random;
use crate::statistics::median;

/// The seconds of one part, on a worker of speed 1 that runs nothing beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PartCost {
    /// What it takes.
    pub mean: f64,
    /// By how much that varies from run to run, in seconds squared.
    pub variance: f64,
}

/// The cost of every part of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct PartCosts {
    parts: Vec<PartCost>,
    /// By task: where its parts begin.
    first: Vec<usize>,
}

impl PartCosts {
    /// The costs given by task and part.
    pub fn new(tasks: impl IntoIterator<Item = Vec<PartCost>>) -> Self {
        let mut costs = Self { parts: Vec::new(), first: vec![0] };
        for parts in tasks {
            costs.parts.extend(parts);
            costs.first.push(costs.parts.len());
        }
        costs
    }

    /// Fixed seconds a task, divided evenly among its parts.
    pub fn even(graph: &TaskGraph, seconds: &[f64]) -> Self {
        let tasks = seconds.iter().zip(&graph.tasks).map(|(&seconds, task)| {
            let mean = seconds / f64::from(task.parts);
            vec![PartCost { mean, variance: 0.0 }; task.parts as usize]
        });
        Self::new(tasks)
    }

    /// What was measured while one worker ran the plan several times: the median of each part, less
    /// what the clock itself takes, and the variance of the middle half of its times. A part that no
    /// event tells of costs nothing.
    pub fn measured(graph: &TaskGraph, events: &[PartEvent], clock: f64) -> Self {
        let mut times: Vec<Vec<Vec<f64>>> =
            graph.tasks.iter().map(|task| vec![Vec::new(); task.parts as usize]).collect();
        for event in events {
            let seconds = (event.end - event.start) as f64 * 1e-9;
            times[event.task][event.part].push((seconds - clock).max(0.0));
        }
        let cost = |mut times: Vec<f64>| {
            if times.is_empty() {
                return PartCost::default();
            }
            let mean = median(&mut times);
            PartCost { mean, variance: middle_variance(&times) }
        };
        Self::new(times.into_iter().map(|parts| parts.into_iter().map(cost).collect()))
    }

    /// The costs of a task's parts.
    pub fn of_task(&self, task: usize) -> &[PartCost] {
        &self.parts[self.first[task]..self.first[task + 1]]
    }

    /// All parts one after another, in seconds: T1.
    pub fn work(&self) -> f64 {
        self.parts.iter().map(|part| part.mean).sum()
    }

    /// The longest way through the tasks of `graph`, in seconds, when the parts of a task run at the
    /// same time: T∞.
    pub fn critical_path(&self, graph: &TaskGraph) -> f64 {
        let longest = |task| self.of_task(task).iter().map(|part| part.mean).fold(0.0, f64::max);
        let seconds: Vec<f64> = (0..graph.task_count()).map(longest).collect();
        graph.critical_path(&seconds).1
    }

    /// By task: the seconds of all its parts, as policies learn them.
    pub fn task_seconds(&self) -> Vec<f64> {
        let sum = |task| self.of_task(task).iter().map(|part| part.mean).sum();
        (0..self.first.len() - 1).map(sum).collect()
    }

    /// The same with every mean multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        for part in &mut self.parts {
            part.mean *= factor;
            part.variance *= factor * factor;
        }
        self
    }

    /// The same with the means of every task's parts multiplied by the task's factor.
    #[must_use]
    pub fn scaled_by_task(mut self, factor: impl Fn(usize) -> f64) -> Self {
        for (task, bounds) in self.first.windows(2).enumerate() {
            let factor = factor(task);
            for part in &mut self.parts[bounds[0]..bounds[1]] {
                part.mean *= factor;
                part.variance *= factor * factor;
            }
        }
        self
    }

    /// Each part's seconds: the mean, or, with a seed, drawn from the log-normal distribution of the
    /// part's mean and variance; `step` numbers the draws.
    pub(super) fn draw(&self, seed: Option<u64>, step: u64) -> Vec<f64> {
        let Some(seed) = seed else {
            return self.parts.iter().map(|part| part.mean).collect();
        };
        let mut random = ChaCha8Rng::seed_from_u64(random::key(&[seed, step]));
        let draw = |part: &PartCost| {
            // Both numbers are drawn for every part, so that one part's cost moves no other's draw.
            let (u, v): (f64, f64) = (random.random(), random.random());
            if part.mean <= 0.0 || part.variance <= 0.0 {
                return part.mean;
            }
            // Box and Muller 1958.
            let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            let spread = (1.0 + part.variance / (part.mean * part.mean)).ln();
            part.mean * (spread.sqrt() * normal - spread / 2.0).exp()
        };
        self.parts.iter().map(draw).collect()
    }

    /// Where a part stands in what [`PartCosts::draw`] gives.
    pub(super) fn index(&self, task: TaskIndex, part: u32) -> usize {
        self.first[task] + part as usize
    }
}

/// The variance that normally distributed times would have whose middle half is as wide as that of
/// `sorted`: what the system interrupted does not count.
fn middle_variance(sorted: &[f64]) -> f64 {
    /// The quartiles of the standard normal distribution are this far apart.
    const QUARTILES: f64 = 1.349;
    let quartile = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    ((quartile(0.75) - quartile(0.25)) / QUARTILES).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_and_the_variance_asked_for_and_follow_from_the_seed() {
        let part = PartCost { mean: 2e-3, variance: 0.25e-6 };
        let costs = PartCosts::new(vec![vec![part; 20_000], vec![PartCost::default()]]);
        let drawn = costs.draw(Some(3), 0);
        assert_eq!(drawn, costs.draw(Some(3), 0));
        assert_ne!(drawn, costs.draw(Some(3), 1));
        assert_ne!(drawn, costs.draw(Some(4), 0));
        let (drawn, nothing) = drawn.split_at(20_000);
        assert_eq!(nothing, [0.0]);
        let mean = drawn.iter().sum::<f64>() / 2e4;
        let variance = drawn.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 2e4;
        assert!((mean / part.mean - 1.0).abs() < 0.01, "{mean}");
        assert!((variance / part.variance - 1.0).abs() < 0.05, "{variance}");
        assert_eq!(costs.draw(None, 7)[0], part.mean);
    }

    #[test]
    fn an_interruption_changes_neither_median_nor_variance_much() {
        let mut times: Vec<f64> = (0..40).map(|it| 100.0 + f64::from(it % 5)).collect();
        times.push(90_000.0);
        let middle = median(&mut times);
        assert_eq!(middle, 102.0);
        assert!((0.5..4.0).contains(&middle_variance(&times)), "{}", middle_variance(&times));
    }
}
