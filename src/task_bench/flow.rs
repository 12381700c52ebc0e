//! Patterns as graphs of closures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Kernel, Pattern};
use crate::error::Result;
use crate::flow::{Execute, Executor, FlowBuilder, FlowRun, Shared, Signal};
use crate::memory;

/// A pattern that is executed again and again, with any number of iterations in its tasks.
#[derive(Debug)]
pub(super) struct Closures {
    run: FlowRun,
    /// Iterations of a task in the mean.
    iterations: Arc<AtomicU64>,
    /// By task: its share.
    shares: Vec<f64>,
    edges: usize,
}

impl Closures {
    /// A task that waits gets a message from each that it waits for: of so many bytes, which the sender writes and the
    /// receiver reads and checks, or, where a pattern sends none, a mere signal.
    pub(super) fn new(pattern: &Pattern, kernel: Kernel) -> Result<Self> {
        let iterations = Arc::new(AtomicU64::new(0));
        let work = |share: f64| {
            let iterations = Arc::clone(&iterations);
            move || kernel.run(scaled(iterations.load(Ordering::Relaxed), share))
        };
        let mut flow = FlowBuilder::new(pattern.title());
        let (mut shares, mut edges) = (Vec::new(), 0);
        let words = (pattern.bytes() / size_of::<u64>() as f64).ceil() as usize;
        let mut signals: Vec<Signal> = Vec::new();
        let mut messages: Vec<Shared<Vec<u64>>> = Vec::new();
        if words > 0 {
            let tasks = pattern.tasks().count();
            let all = words.saturating_mul(size_of::<u64>()).saturating_mul(tasks);
            memory::check(all).map_err(|why| {
                let problem =
                    format!("its messages need up to {} of memory, {why}", memory::amount(all));
                pattern.refuse(problem, "let tasks send fewer bytes")
            })?;
        }
        for (step, point, before) in pattern.tasks() {
            let (name, share) = (format!("t{step}p{point}"), pattern.share(step, point));
            edges += before.len();
            let work = work(share);
            if words == 0 {
                let before: Vec<Signal> = before.into_iter().map(|task| signals[task]).collect();
                signals.push(flow.after(name, &before, work));
            } else {
                let own = messages.len() as u64;
                let inputs: Vec<_> = before.iter().map(|&task| messages[task]).collect();
                let compute = move |inputs: Vec<Arc<Vec<u64>>>| {
                    for (input, &sender) in inputs.iter().zip(&before) {
                        let is_right = input.iter().all(|&word| word == sender as u64);
                        assert!(is_right, "the message of task {sender} is not what it sent");
                    }
                    work();
                    vec![own; words]
                };
                let output = flow.node(name, inputs, compute);
                messages.push(flow.share(output));
            }
            shares.push(share);
        }
        Ok(Self { run: flow.build()?.run(), iterations, shares, edges })
    }

    pub(super) fn tasks(&self) -> usize {
        self.shares.len()
    }

    pub(super) fn edges(&self) -> usize {
        self.edges
    }

    /// The iterations of all tasks together, where a task has so many in the mean.
    pub(super) fn all_iterations(&self, mean: u64) -> f64 {
        self.shares.iter().map(|&share| scaled(mean, share) as f64).sum()
    }

    /// Executes every task once, with so many iterations in the mean.
    pub(super) fn execute(&mut self, executor: &mut dyn Executor, mean: u64) -> Result<()> {
        self.iterations.store(mean, Ordering::Relaxed);
        let run: &mut dyn Execute = &mut self.run;
        executor.execute(run)
    }
}

/// The iterations of a task that takes such a share of the mean.
fn scaled(mean: u64, share: f64) -> u64 {
    if share == 1.0 { mean } else { (mean as f64 * share).round() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::executor;

    #[test]
    fn every_executor_runs_every_pattern_with_messages_that_are_checked() {
        for spec in super::super::PATTERNS {
            for bytes in ["0", "20"] {
                let text = format!("{}:width=5,steps=9,imbalance=1,bytes={bytes}", spec.name);
                let pattern = Pattern::parse(&text).unwrap();
                let mut closures = Closures::new(&pattern, Kernel::Compute).unwrap();
                let graph = pattern.graph().unwrap();
                assert_eq!(closures.tasks(), graph.task_count(), "{text}");
                assert_eq!(closures.edges(), graph.edges().len(), "{text}");
                for (name, workers) in
                    [("sequential", 1), ("pool", 1), ("pool", 3), ("channels", 2), ("actors", 1)]
                {
                    let mut executor = executor(name, workers, "fifo").unwrap();
                    closures.execute(executor.as_mut(), 3).unwrap();
                    closures.execute(executor.as_mut(), 0).unwrap();
                }
            }
        }
    }

    #[test]
    fn the_closures_wait_for_what_the_definition_says() {
        let pattern = Pattern::parse("fft:width=4,steps=3").unwrap();
        let closures = Closures::new(&pattern, Kernel::Compute).unwrap();
        let tasks = closures.run.task_graph();
        let graph = pattern.graph().unwrap();
        assert_eq!(tasks.task_count(), 12);
        for task in 0..12 {
            let info = tasks.task(task);
            let names = info.successors.iter().map(|&task| tasks.task(task).node);
            let mut after: Vec<&str> = names.collect();
            after.sort_unstable();
            let number = graph.tasks().iter().position(|task| task.name == info.node).unwrap();
            let edges = graph.outgoing(number).iter();
            let waiting: Vec<&str> =
                edges.map(|edge| graph.tasks()[edge.to].name.as_str()).collect();
            assert_eq!(after, waiting, "{}", info.node);
        }
    }

    #[test]
    fn iterations_follow_shares() {
        assert_eq!((scaled(10, 1.0), scaled(10, 0.25), scaled(10, 1.96)), (10, 3, 20));
        let pattern = Pattern::parse("trivial:width=2,steps=2,imbalance=1").unwrap();
        let closures = Closures::new(&pattern, Kernel::Compute).unwrap();
        let sum: f64 = closures.shares.iter().map(|share| (1000.0 * share).round()).sum();
        assert_eq!(closures.all_iterations(1000), sum);
    }

    #[test]
    fn messages_that_fit_nowhere_are_refused() {
        let pattern = Pattern::parse("stencil:bytes=1e15").unwrap();
        let error = Closures::new(&pattern, Kernel::Compute).unwrap_err().to_string();
        assert!(error.contains("pattern `stencil:bytes=1e15`: its messages need up to"), "{error}");
    }
}
