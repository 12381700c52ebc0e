//! A policy of your own: of all ready parts, one of the task that stands last in the plan.
//!
//! `cargo run --release --example 04-own-policy`

use std::time::Duration;

use caudal::flow::Pool;
use caudal::flow::policy::{Policy, ReadyPart, policy};
use caudal::measure::{prepare, time_steps};
use caudal::model::Model;
use caudal::plan::PlanOptions;

#[derive(Debug, Default)]
struct Latest(Vec<ReadyPart>);

impl Policy for Latest {
    fn name(&self) -> &'static str {
        "latest"
    }
    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.0.push(part);
    }
    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        let latest = (0..self.0.len()).max_by_key(|&at| self.0[at].task)?;
        Some(self.0.swap_remove(latest))
    }
}

fn main() -> caudal::Result<()> {
    let model = Model::open(Some("towers-small"))?;
    let training = &model.training;
    let options = PlanOptions::default();
    let mut run = prepare(&model.graph, training.batch_size, &training.optimizer, options)?;
    for policy in [policy("critical-path")?, Box::new(Latest::default())] {
        let (name, mut pool) = (policy.name(), Pool::with_policy(2, policy)?);
        let took = time_steps(&mut run, &mut pool, Duration::from_secs(1))?;
        println!("{name:<14} {:.3} ms a step", took.median_ms);
    }
    Ok(())
}
