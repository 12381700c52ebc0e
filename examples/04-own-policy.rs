//! A policy of your own: the dearest task first.
//!
//! ```text
//! cargo run --release --example 04-own-policy
//! ```

use std::time::Duration;

use caudal::Result;
use caudal::bench::time_steps;
use caudal::executor::policy::{Policy, ReadyPart, policy};
use caudal::executor::{Plan, PlanOptions, Pool};
use caudal::model::Model;

#[derive(Debug, Default)]
struct Dearest {
    costs: Vec<f64>,
    waiting: Vec<ReadyPart>,
}

impl Policy for Dearest {
    fn name(&self) -> &'static str {
        "dearest"
    }

    fn begin(&mut self, plan: &Plan, _workers: usize) -> Result<()> {
        self.costs = plan.estimated_costs().to_vec();
        Ok(())
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        let cost = |part: &ReadyPart| self.costs[part.task as usize];
        let place = self.waiting.partition_point(|other| cost(other) <= cost(&part));
        self.waiting.insert(place, part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.waiting.pop()
    }
}

fn main() -> Result<()> {
    let model = Model::open(Some("towers-small"))?;
    let (graph, training) = (&model.graph, &model.training);
    for policy in [policy("critical-path")?, Box::new(Dearest::default())] {
        let name = policy.name();
        let mut pool = Pool::with_policy(2, policy)?;
        let (options, limit) = (PlanOptions::default(), Duration::from_secs(1));
        let (batch, optimizer) = (training.batch_size, &training.optimizer);
        let took = time_steps(graph, batch, optimizer, &mut pool, options, limit)?;
        println!("{name:<14} {:.3} ms a step", took.median_ms);
    }
    Ok(())
}
