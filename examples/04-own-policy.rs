//! A policy of your own, by its name in the pool and in the simulator: of all ready parts, one of the task that
//! stands last in the plan.
//!
//! `cargo run --release --example 04-own-policy`

use std::time::Duration;

use caudal::flow::Pool;
use caudal::flow::policy::{Policy, PolicySpec, ReadyPart, policy, register};
use caudal::measure::{prepare, time_steps};
use caudal::model::Model;
use caudal::plan::PlanOptions;
use caudal::simulator::{Machine, Options, PartCosts, simulate};

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

static LATEST: PolicySpec =
    PolicySpec::new("latest", "a part of the task that stands last in the plan", |_| {
        Ok(Box::new(Latest::default()))
    });

fn main() -> caudal::Result<()> {
    register(&LATEST)?;
    let model = Model::open(Some("towers-small"))?;
    let training = &model.training;
    let options = PlanOptions::default();
    let mut run = prepare(&model.graph, training.batch_size, &training.optimizer, options)?;
    let costs = PartCosts::even(run.plan(), run.plan().estimated_costs());
    for name in ["critical-path", "latest"] {
        let took = time_steps(&mut run, &mut Pool::new(2, name)?, Duration::from_secs(1))?;
        let (machine, options) = (Machine::ideal(16), Options::default());
        let simulated = simulate(run.plan(), policy(name)?.as_mut(), &machine, &costs, options)?;
        let (two, sixteen) = (took.median_ms, simulated.makespan * 1e3);
        println!(
            "{name:<14} {two:.3} ms a step on 2 workers; {sixteen:.3} ms by estimates on 16 ideal ones"
        );
    }
    Ok(())
}
