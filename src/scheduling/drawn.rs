//! Tasks that take another time than was planned.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Instance, Placement, Schedule, WeightedGraph};
use crate::random;

impl WeightedGraph {
    /// The same graph, in which each task takes what it does times a number drawn by chance: from the log-normal
    /// distribution of mean 1 whose standard deviation is `deviation`. The same seed draws the same, and on unrelated
    /// machines one number holds for all workers.
    #[must_use]
    pub fn drawn(&self, seed: u64, deviation: f64) -> Self {
        let mut graph = self.clone();
        // A deviation that is no number changes nothing.
        let spread = deviation.mul_add(deviation, 1.0).ln().max(0.0);
        for (number, task) in graph.tasks.iter_mut().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64(random::key(&[seed, number as u64]));
            let (u, v): (f64, f64) = (random.random(), random.random());
            // Box and Muller 1958.
            let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            let factor = (spread.sqrt() * normal - spread / 2.0).exp();
            task.cost *= factor;
            task.costs.iter_mut().for_each(|cost| *cost *= factor);
        }
        graph
    }
}

impl Schedule {
    /// What becomes of the schedule where tasks take what they take in another instance of the same graph: each worker
    /// keeps its tasks and their order, and starts each as soon as it can.
    ///
    /// # Panics
    /// If the schedule is none of the graph, which [`check`](Self::check) says.
    #[must_use]
    pub fn retimed(&self, actual: &Instance<'_>) -> Self {
        let graph = actual.graph();
        // Of tasks that start together, those of no time come first, and those that others wait for.
        let mut order = graph.topological_order().to_vec();
        let planned = self.placements();
        order.sort_by(|&a, &b| {
            let (one, other) = (&planned[a], &planned[b]);
            one.start.total_cmp(&other.start).then(one.finish.total_cmp(&other.finish))
        });
        let mut free = vec![0.0f64; actual.workers()];
        let mut placements = planned.to_vec();
        for task in order {
            let Placement { worker, .. } = placements[task];
            let own = &planned[task];
            let comes = graph.incoming(task).map(|edge| {
                let before: &Placement = &placements[edge.from];
                before.finish + actual.transfer_seconds(edge, before.worker, worker)
            });
            let ready = comes.fold(graph.tasks()[task].release, f64::max);
            let start = own.workers().map(|worker| free[worker]).fold(ready, f64::max);
            let takes = own.workers().map(|it| actual.seconds(task, it)).fold(0.0, f64::max);
            own.workers().for_each(|worker| free[worker] = start + takes);
            (placements[task].start, placements[task].finish) = (start, start + takes);
        }
        Self::new(placements)
    }
}
