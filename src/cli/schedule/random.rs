//! Random graphs of all combinations of parameters.

use caudal::scheduling::{MOST_TASKS, MOST_WORKERS, RandomGraph, WeightedGraph};
use clap::Args;

use super::tables::figures;
use crate::cli::Stop;
use crate::cli::output::counted;

/// The most graphs at a time.
const MOST_GRAPHS: usize = 100_000;

/// The most costs, and about the most edges, of all of them.
const MOST_NUMBERS: usize = 1 << 24;

/// Options of random graphs.
#[derive(Debug, Args)]
pub(super) struct Randomly {
    /// In place of FILEs, draws N random graphs of every combination of the parameters below, as Topcuoglu, Hariri and Wu
    /// 2002 draw them, and tells means over all of them, policies of low SLR first
    #[arg(long, value_name = "N", conflicts_with_all = ["files", "machine", "speeds", "latency", "bandwidth", "gantt"])]
    random: Option<u32>,
    /// Numbers of tasks of random graphs [default: 30,100]
    #[arg(long, value_name = "N,…", value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..=MOST_TASKS as i64))]
    tasks: Vec<u32>,
    /// Mean seconds of a message over those of a task [default: 0.1,0.5,1,5,10]
    #[arg(long, value_name = "X,…", value_delimiter = ',')]
    ccr: Vec<f64>,
    /// By how much workers differ, from 0 to 2: a task of w seconds in the mean takes w (1 ± X / 2)
    /// [default: 0.1,0.5,1]
    #[arg(long, value_name = "X,…", value_delimiter = ',')]
    heterogeneity: Vec<f64>,
    /// How wide graphs are: their levels have in the mean X times the square root of the number of tasks
    /// [default: 0.5,1,2]
    #[arg(long, value_name = "X,…", value_delimiter = ',')]
    shape: Vec<f64>,
    /// How many tasks wait for a task at the least [default: 3]
    #[arg(long, value_name = "N")]
    out_degree: Option<u32>,
    /// The seed of the first graph of each combination; further ones have the next [default: 1]
    #[arg(long, value_name = "N")]
    first_seed: Option<u64>,
}

/// What was given, or else the default.
fn or<T: Clone>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given.to_vec() }
}

/// What a random graph was drawn by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameters {
    pub(super) tasks: usize,
    pub(super) ccr: f64,
    pub(super) heterogeneity: f64,
    pub(super) shape: f64,
    seed: u64,
}

impl Parameters {
    pub(super) fn label(&self) -> String {
        let [ccr, heterogeneity, shape] = [self.ccr, self.heterogeneity, self.shape].map(figures);
        let (tasks, seed) = (self.tasks, self.seed);
        format!("tasks={tasks} ccr={ccr} heterogeneity={heterogeneity} shape={shape} seed={seed}")
    }
}

impl Randomly {
    pub(super) fn is_asked_for(&self) -> bool {
        self.random.is_some()
    }

    /// Refuses parameters without graphs that they are for.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let given = [
            ("--tasks", !self.tasks.is_empty()),
            ("--ccr", !self.ccr.is_empty()),
            ("--heterogeneity", !self.heterogeneity.is_empty()),
            ("--shape", !self.shape.is_empty()),
            ("--out-degree", self.out_degree.is_some()),
            ("--first-seed", self.first_seed.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given && self.random.is_none()) {
            None => Ok(()),
            Some((option, _)) => {
                let remedy = "add --random N, or leave it out";
                Err(Stop::Usage(format!("{option}: it is for random graphs; {remedy}")))
            }
        }
    }

    /// The numbers of workers that random graphs are tried on if nobody says so.
    pub(super) const WORKERS: [usize; 3] = [2, 4, 8];

    /// All graphs, with costs for `workers` workers.
    pub(super) fn graphs(&self, workers: usize) -> Result<Vec<(Parameters, WeightedGraph)>, Stop> {
        let (count, first_seed) = (self.random.unwrap_or(0), self.first_seed.unwrap_or(1));
        let sizes = or(&self.tasks, &[30, 100]);
        let ratios = or(&self.ccr, &[0.1, 0.5, 1.0, 5.0, 10.0]);
        let differences = or(&self.heterogeneity, &[0.1, 0.5, 1.0]);
        let shapes = or(&self.shape, &[0.5, 1.0, 2.0]);
        let combinations = [sizes.len(), ratios.len(), differences.len(), shapes.len()];
        let all = combinations.into_iter().fold(count as usize, usize::saturating_mul);
        if all == 0 || all > MOST_GRAPHS {
            let problem = format!("all combinations make {all} graphs");
            return Err(Stop::Usage(format!("--random: {problem}; ask for 1 to {MOST_GRAPHS}")));
        }
        let largest = sizes.iter().map(|&tasks| tasks as usize).max().unwrap_or(0);
        let degree = largest.min(self.out_degree.unwrap_or(3) as usize);
        let numbers = all.saturating_mul(largest).saturating_mul(workers.max(degree));
        if numbers > MOST_NUMBERS {
            let graphs = counted(all, "graph");
            let problem = format!("there is no room for {graphs} of up to {largest} tasks");
            return Err(Stop::Usage(format!("--random: {problem}; draw fewer or smaller ones")));
        }
        let mut graphs = Vec::with_capacity(all);
        for &tasks in &sizes {
            for &ccr in &ratios {
                for &heterogeneity in &differences {
                    for &shape in &shapes {
                        for number in 0..u64::from(count) {
                            let (tasks, seed) = (tasks as usize, first_seed.wrapping_add(number));
                            let drawn = Parameters { tasks, ccr, heterogeneity, shape, seed };
                            graphs.push((drawn.clone(), self.draw(&drawn, workers)?));
                        }
                    }
                }
            }
        }
        Ok(graphs)
    }

    fn draw(&self, drawn: &Parameters, workers: usize) -> Result<WeightedGraph, Stop> {
        let random = RandomGraph::new(drawn.tasks, workers.min(MOST_WORKERS))
            .ccr(drawn.ccr)
            .heterogeneity(drawn.heterogeneity)
            .shape(drawn.shape)
            .out_degree(self.out_degree.unwrap_or(3) as usize);
        Ok(random.generate(drawn.seed)?)
    }
}
