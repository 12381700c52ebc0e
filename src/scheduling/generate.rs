//! Random graphs by the parameters of the literature.

use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Communication, MOST_EDGES, MOST_TASKS, MOST_WORKERS, WeightedGraph, WeightedTask};
use crate::data;
use crate::error::{Error, Result, short};
use crate::setters::setters;

/// The most costs of all tasks on all workers together.
const MOST_COSTS: usize = 100_000_000;

/// Random graphs in levels, by the parameters of Topcuoglu, Hariri and Wu: Performance-effective and low-complexity
/// task scheduling for heterogeneous computing, IEEE TPDS 13(3), 2002, section 5.
///
/// ```
/// use caudal::scheduling::{Instance, Platform, RandomGraph, static_policy};
///
/// let graph = RandomGraph::new(100, 4).ccr(5.0).generate(1)?;
/// let platform = Platform::equal(4)?;
/// let instance = Instance::new(&graph, &platform)?;
/// let schedule = static_policy("heft")?.schedule(&instance)?;
/// assert!(schedule.metrics(&instance).slr >= 1.0);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RandomGraph {
    /// How many tasks there are.
    pub tasks: usize,
    /// For how many workers each task has seconds of its own.
    pub workers: usize,
    /// Alpha: a level has in the mean alpha times the square root of `tasks` tasks. Below 1 graphs are long and narrow,
    /// above it short and wide.
    pub shape: f64,
    /// How many edges lead away from a task at the least, where as many tasks are on later levels.
    pub out_degree: usize,
    /// The mean seconds of a message over those of a task.
    pub ccr: f64,
    /// Beta, from 0 to 2: a task that takes w in the mean takes from w (1 − beta / 2) to w (1 + beta / 2) on a worker.
    pub heterogeneity: f64,
    /// The mean seconds of a task.
    pub mean_seconds: f64,
}

impl RandomGraph {
    setters! {
        shape: f64,
        out_degree: usize,
        ccr: f64,
        heterogeneity: f64,
        mean_seconds: f64,
    }

    /// Of so many tasks for so many workers; of shape 1, out-degree 3, CCR 1, heterogeneity 1, and a second a task.
    pub fn new(tasks: usize, workers: usize) -> Self {
        let (shape, out_degree, ccr) = (1.0, 3, 1.0);
        Self { tasks, workers, shape, out_degree, ccr, heterogeneity: 1.0, mean_seconds: 1.0 }
    }

    /// The graph of a seed: the same for the same seed and parameters.
    ///
    /// Levels get from 1 to 2 · shape · √tasks − 1 tasks, each number as likely as the others, until there are enough;
    /// tasks are numbered level by level. Each task after the first level waits for one of the level before, and each
    /// that has fewer than `out_degree` edges gets further ones to any tasks of later levels. A task takes in the mean
    /// from 0 to twice `mean_seconds`, and a message from 0 to twice `ccr` times that, evenly drawn.
    ///
    /// # Errors
    /// If there are no tasks or workers, or too many, if a parameter is no number in its range, or if there are too
    /// many edges.
    pub fn generate(&self, seed: u64) -> Result<WeightedGraph> {
        self.check()?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let levels = self.levels(&mut random);
        let of_level = |level: &[usize]| {
            (level[1] - level[0]).saturating_mul(self.out_degree.min(self.tasks - level[1]))
        };
        let edges = levels.windows(2).map(of_level).fold(0, usize::saturating_add);
        if edges > MOST_EDGES {
            let remedy = format!("take at most {MOST_EDGES}, by a lower out-degree");
            return Err(refuse(format!("it has {edges} edges"), remedy));
        }
        let mut graph = WeightedGraph::builder(format!("random {seed}"));
        for task in 0..self.tasks {
            let mean = 2.0 * self.mean_seconds * random.random::<f64>();
            let mut on_worker =
                || mean * (1.0 + self.heterogeneity * (random.random::<f64>() - 0.5));
            let costs = (0..self.workers).map(|_| on_worker()).collect();
            graph.task(WeightedTask::unrelated(format!("t{task}"), costs))?;
        }
        for (from, successors) in self.successors(&levels, &mut random).into_iter().enumerate() {
            for to in successors {
                let seconds = 2.0 * self.ccr * self.mean_seconds * random.random::<f64>();
                graph.edge(from, to, Communication::Seconds(seconds))?;
            }
        }
        graph.build()
    }

    fn check(&self) -> Result<()> {
        for (what, count, most) in
            [("tasks", self.tasks, MOST_TASKS), ("workers", self.workers, MOST_WORKERS)]
        {
            if count == 0 || count > most {
                let remedy = format!("take 1 to {most}");
                return Err(refuse(format!("it has {count} {what}"), remedy));
            }
        }
        if self.tasks * self.workers > MOST_COSTS {
            let problem = format!("its {} tasks have {} costs each", self.tasks, self.workers);
            return Err(refuse(problem, format!("let all have {MOST_COSTS} together")));
        }
        let numbers = [
            ("shape", self.shape, f64::MIN_POSITIVE, 1e6),
            ("CCR", self.ccr, 0.0, 1e12),
            ("heterogeneity", self.heterogeneity, 0.0, 2.0),
            ("mean seconds", self.mean_seconds, 0.0, 1e12),
        ];
        for (what, number, least, most) in numbers {
            if !(least..=most).contains(&number) {
                let remedy = if least == f64::MIN_POSITIVE {
                    format!("take a number above 0, up to {}", short(most))
                } else {
                    format!("take a number from {} to {}", short(least), short(most))
                };
                return Err(refuse(format!("its {what} is {}", short(number)), remedy));
            }
        }
        Ok(())
    }

    /// The number of the first task of each level, and the number of tasks at the end.
    fn levels(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let mean = self.shape * (self.tasks as f64).sqrt();
        let widest = (2.0 * mean - 1.0).round().max(1.0) as usize;
        let mut levels = vec![0];
        let mut next = 0;
        while next < self.tasks {
            next = self.tasks.min(next + random.random_range(1..=widest));
            levels.push(next);
        }
        levels
    }

    /// By task: those that wait for it, in order.
    fn successors(&self, levels: &[usize], random: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
        let mut successors = vec![Vec::new(); self.tasks];
        for level in levels.windows(3) {
            for to in level[1]..level[2] {
                successors[random.random_range(level[0]..level[1])].push(to);
            }
        }
        for level in levels.windows(2) {
            let later = level[1]..self.tasks;
            for list in &mut successors[level[0]..level[1]] {
                let wanted = self.out_degree.min(later.len());
                if list.len() >= wanted {
                    continue;
                }
                // As many as are wanted are enough even if all that it has are among them.
                for drawn in sample(random, later.len(), wanted) {
                    let to = later.start + drawn;
                    if list.len() < wanted && !list.contains(&to) {
                        list.push(to);
                    }
                }
                list.sort_unstable();
            }
        }
        successors
    }
}

fn refuse(problem: String, remedy: String) -> Error {
    data::refuse("the random graph", problem, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::{Instance, Platform};

    /// By task, the length of the longest way to it in edges.
    fn depths(graph: &WeightedGraph) -> Vec<usize> {
        let mut depths = vec![0; graph.task_count()];
        for &task in graph.topological_order() {
            depths[task] =
                graph.incoming(task).map(|edge| depths[edge.from] + 1).max().unwrap_or(0);
        }
        depths
    }

    #[test]
    fn graphs_have_the_shape_that_was_asked_for() {
        for (shape, out_degree) in [(0.5, 1), (1.0, 3), (2.0, 5), (2.0, 100)] {
            let (mut levels, mut wide, mut tasks) = (0, 0, 0);
            for seed in 0..40 {
                let random = RandomGraph::new(100, 2).shape(shape).out_degree(out_degree);
                let graph = random.generate(seed).unwrap();
                assert_eq!(graph, random.generate(seed).unwrap());
                assert_ne!(graph, random.generate(seed + 1).unwrap());
                assert_eq!((graph.task_count(), graph.workers_with_costs()), (100, Some(2)));
                let depths = depths(&graph);
                assert!(depths.is_sorted(), "tasks are numbered by level");
                let last = depths[99];
                levels += last + 1;
                for task in (0..100).filter(|&task| depths[task] < last) {
                    let later = depths.iter().filter(|&&depth| depth > depths[task]).count();
                    let count = graph.outgoing(task).len();
                    assert!(count >= out_degree.min(later), "{count} {out_degree} {later}");
                    wide += count;
                    tasks += 1;
                }
            }
            let (levels, expected) = (levels as f64 / 40.0, 10.0 / shape);
            assert!((levels / expected - 1.0).abs() < 0.2, "{levels} levels, not {expected}");
            let mean = wide as f64 / tasks as f64;
            assert!(out_degree == 100 || mean < out_degree as f64 * 1.5 + 0.5, "{mean}");
        }
    }

    #[test]
    fn seconds_have_the_means_and_ranges_that_were_asked_for() {
        for (ccr, beta) in [(0.1, 0.0), (1.0, 0.5), (10.0, 1.0), (5.0, 2.0)] {
            let random = RandomGraph::new(2000, 8).ccr(ccr).heterogeneity(beta).mean_seconds(3.0);
            let graph = random.generate(7).unwrap();
            let platform = Platform::equal(8).unwrap();
            let instance = Instance::new(&graph, &platform).unwrap();
            let means: Vec<f64> = (0..2000).map(|task| instance.mean_seconds(task)).collect();
            let mean = means.iter().sum::<f64>() / 2000.0;
            assert!((mean / 3.0 - 1.0).abs() < 0.05, "{mean}");
            let mut spread = 0.0f64;
            for task in graph.tasks() {
                let (least, most) = task
                    .costs
                    .iter()
                    .fold((f64::INFINITY, 0.0f64), |(a, b), &it| (a.min(it), b.max(it)));
                assert!(most <= 6.0 * (1.0 + beta / 2.0), "{task:?}");
                // The largest quotient of two costs is (1 + beta / 2) / (1 - beta / 2).
                assert!(
                    most * (1.0 - beta / 2.0) <= least * (1.0 + beta / 2.0) + 1e-12,
                    "{task:?}"
                );
                spread = spread.max((most - least) / (most + least));
            }
            assert!(spread <= beta / 2.0 + 1e-12 && spread >= 0.8 * beta / 2.0, "{spread}");
            let seconds = graph.edges().iter().map(|edge| instance.mean_transfer(edge));
            let message = seconds.sum::<f64>() / graph.edges().len() as f64;
            assert!((message / (3.0 * ccr) - 1.0).abs() < 0.05, "{message}");
        }
    }

    #[test]
    fn small_graphs_and_what_is_none() {
        for tasks in 1..10 {
            let graph = RandomGraph::new(tasks, 1).shape(1e6).generate(0).unwrap();
            assert_eq!(graph.task_count(), tasks);
            let chain = RandomGraph::new(tasks, 1).shape(1e-9).generate(0).unwrap();
            assert_eq!(depths(&chain), (0..tasks).collect::<Vec<_>>());
        }
        let one = RandomGraph::new(10, 2);
        let wrong = [
            RandomGraph::new(0, 2),
            RandomGraph::new(usize::MAX, 2),
            RandomGraph::new(10, 0),
            RandomGraph::new(10, usize::MAX),
            RandomGraph::new(MOST_TASKS, MOST_WORKERS),
            RandomGraph::new(100_000, 1).out_degree(usize::MAX),
            one.shape(0.0),
            one.shape(f64::NAN),
            one.ccr(-1.0),
            one.heterogeneity(2.5),
            one.mean_seconds(f64::INFINITY),
        ];
        for random in wrong {
            let error = random.generate(0).unwrap_err().to_string();
            assert!(error.starts_with("the random graph: it"), "{error}");
        }
    }
}
