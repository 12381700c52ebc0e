//! A study of scheduling: a random graph of tasks that sleep, run by every policy, beside what the simulator
//! predicts for the same graph, and beside rayon.
//!
//! ```text
//! cargo run --release --example 14-scheduling-study
//! ```
//!
//! Prints the makespans and how they compare with the bound that no schedule beats: all work divided by the
//! workers, or the longest way through the graph, whichever is longer. Since tasks sleep, there may be more workers
//! than cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use caudal::flow::policy::{POLICIES, policy};
use caudal::flow::{Executor, Flow, FlowBuilder, Pool, TaskGraph};
use caudal::simulator::{Machine, Options, PartCosts, simulate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TASKS: usize = 200;
const WORKERS: usize = 4;
const SEED: u64 = 7;

/// Of each task: its seconds, and the earlier tasks that it waits for.
fn tasks() -> Vec<(f64, Vec<usize>)> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let task = |number: usize| {
        // Most are short, some are long.
        let draw: f64 = random.random();
        let seconds = 0.2e-3 + 12e-3 * draw.powi(4);
        let nearest = number.saturating_sub(30);
        let mut before: Vec<usize> = (0..random.random_range(0..=3usize))
            .filter(|_| number > 0)
            .map(|_| random.random_range(nearest..number))
            .collect();
        before.sort_unstable();
        before.dedup();
        (seconds, before)
    };
    (0..TASKS).map(task).collect()
}

fn flow(tasks: &[(f64, Vec<usize>)]) -> caudal::Result<Flow> {
    let mut flow = FlowBuilder::new("study");
    let mut done = Vec::with_capacity(tasks.len());
    for (number, (seconds, before)) in tasks.iter().enumerate() {
        let before: Vec<_> = before.iter().map(|&it| done[it]).collect();
        let (name, time) = (format!("task {number}"), Duration::from_secs_f64(*seconds));
        done.push(flow.after(&name, &before, move || sleep(time)));
        flow.cost(&name, *seconds)?;
    }
    flow.build()
}

/// The same in rayon: whoever completes the last task before another spawns that one.
struct Rayon<'a> {
    tasks: &'a [(f64, Vec<usize>)],
    after: Vec<Vec<usize>>,
    waits: Vec<AtomicUsize>,
}

impl<'a> Rayon<'a> {
    fn new(tasks: &'a [(f64, Vec<usize>)]) -> Self {
        let mut after = vec![Vec::new(); tasks.len()];
        for (number, (_, before)) in tasks.iter().enumerate() {
            for &it in before {
                after[it].push(number);
            }
        }
        let waits = tasks.iter().map(|(_, before)| AtomicUsize::new(before.len())).collect();
        Self { tasks, after, waits }
    }

    fn run<'s>(&'s self, scope: &rayon::Scope<'s>, number: usize) {
        sleep(Duration::from_secs_f64(self.tasks[number].0));
        for &next in &self.after[number] {
            if self.waits[next].fetch_sub(1, Ordering::AcqRel) == 1 {
                scope.spawn(move |scope| self.run(scope, next));
            }
        }
    }

    fn run_all<'s>(&'s self, scope: &rayon::Scope<'s>) {
        let sources = self.tasks.iter().enumerate().filter(|(_, (_, before))| before.is_empty());
        for (number, _) in sources {
            scope.spawn(move |scope| self.run(scope, number));
        }
    }
}

/// Sleeping takes a little longer than asked for: what a sleep takes here beyond its time, at the median.
fn oversleep() -> f64 {
    let asked = Duration::from_millis(1);
    let mut times: Vec<f64> = (0..51)
        .map(|_| {
            let start = Instant::now();
            sleep(asked);
            start.elapsed().saturating_sub(asked).as_secs_f64()
        })
        .collect();
    caudal::statistics::median(&mut times)
}

/// One row: milliseconds measured and predicted, and how far above the bound.
fn row(name: &str, measured: f64, predicted: Option<f64>, bound: f64) {
    let (ratio, measured) = (measured / bound, measured * 1e3);
    let predicted = predicted.map_or("-".to_owned(), |seconds| format!("{:.1}", seconds * 1e3));
    println!("{name:<14} {measured:>8.1} {predicted:>10} {ratio:>10.3}");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tasks = tasks();
    let flow = flow(&tasks)?;
    let graph: &TaskGraph = flow.task_graph();
    let oversleep = oversleep();
    let seconds: Vec<f64> = graph.estimated_costs().iter().map(|cost| cost + oversleep).collect();
    let costs = PartCosts::even(graph, &seconds);
    let (work, longest) = (costs.work(), costs.critical_path(graph));
    let bound = longest.max(work / WORKERS as f64);
    println!("{TASKS} tasks and {} messages, {WORKERS} workers", graph.message_count());
    println!("a sleep takes {:.0} µs more than asked for, which counts below", oversleep * 1e6);
    println!(
        "work T1 {:.1} ms, longest way {:.1} ms, bound {:.1} ms\n",
        1e3 * work,
        1e3 * longest,
        1e3 * bound
    );
    println!("policy         ran for ms  predicted  over the bound");
    let machine = Machine::ideal(WORKERS);
    for spec in POLICIES {
        let mut virtual_policy = policy(spec.name)?;
        let options = Options::default();
        let predicted = simulate(&flow, virtual_policy.as_mut(), &machine, &costs, options)?;
        let mut pool = Pool::new(WORKERS, spec.name)?;
        let mut run = flow.run();
        let start = Instant::now();
        pool.execute(&mut run)?;
        row(spec.name, start.elapsed().as_secs_f64(), Some(predicted.makespan), bound);
    }
    let threads = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build()?;
    let rayon = Rayon::new(&tasks);
    let start = Instant::now();
    threads.scope(|scope| rayon.run_all(scope));
    row("rayon", start.elapsed().as_secs_f64(), None, bound);
    Ok(())
}
