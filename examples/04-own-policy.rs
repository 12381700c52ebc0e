//! Policies of your own by their names. One decides while tasks run, in the pool and in the simulator: of all ready parts,
//! it takes one of the task that stands last in the plan. The other plans ahead: it deals tasks out to workers in turn.
//!
//! `cargo run --release --example 04-own-policy`

use std::time::Duration;

use caudal::flow::Pool;
use caudal::flow::policy::{Policy, PolicySpec, ReadyPart, policy, register};
use caudal::measure::{prepare, time_steps};
use caudal::model::Model;
use caudal::plan::PlanOptions;
use caudal::scheduling::{
    self, ComparisonOptions, Instance, PartialSchedule, Platform, RandomGraph, Schedule,
    StaticPolicy, StaticPolicySpec, compare,
};
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

#[derive(Debug)]
struct InTurn;

impl StaticPolicy for InTurn {
    fn name(&self) -> &'static str {
        "in-turn"
    }
    fn schedule(&self, instance: &Instance<'_>) -> caudal::Result<Schedule> {
        let mut partial = PartialSchedule::new(instance);
        for (turn, &task) in instance.graph().topological_order().iter().enumerate() {
            partial.place(partial.fit(task, turn % instance.workers()));
        }
        partial.finish()
    }
}

static IN_TURN: StaticPolicySpec =
    StaticPolicySpec::new("in-turn", "each task to the next worker", "no paper", |_| {
        Ok(Box::new(InTurn))
    });

fn main() -> caudal::Result<()> {
    register(&LATEST)?;
    scheduling::register(&IN_TURN)?;
    let (graph, platform) = (RandomGraph::new(50, 4).generate(1)?, Platform::equal(4)?);
    let names = ["heft", "in-turn", "latest"];
    for row in compare(&graph, &platform, &names, &ComparisonOptions::default())?.rows {
        if let Some(metrics) = row.metrics {
            println!(
                "{:<14} {:.2} s for 50 random tasks on 4 workers",
                row.policy, metrics.makespan
            );
        }
    }
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
