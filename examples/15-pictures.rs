//! The pictures of the documents, made from plans and from recorded steps.
//!
//! ```text
//! cargo run --release --example 15-pictures [-- FOLDER]
//! ```
//!
//! Writes to the folder, or to one for temporary files:
//!
//! - `tasks.svg`: a network, the tasks of its training step, and the two workers that ran them;
//! - `states.svg`: the states of a task;
//! - `timeline.svg`: a training step of the digits' network on two workers, with the messages between them.
//!
//! Graph, tasks and states are the same in every run. Which worker ran what, and when, was recorded, and
//! differs from run to run.

use std::path::PathBuf;
use std::sync::Arc;

use caudal::flow::trace::{Execution, Recorder};
use caudal::flow::{Executor, Observer, Pool};
use caudal::measure::prepare;
use caudal::plan::{Plan, PlanOptions};
use caudal::presets;
use caudal::report::{overview, task_states, timeline};

const WORKERS: usize = 2;
const STEPS: usize = 1000;

/// The plan of a preset's training step, and of some steps the shortest, the one that others on this
/// machine disturbed the least; where there are any, of those in which every worker ran some of the earlier and
/// some of the later parts, since a step of some microseconds is often over before a second worker is awake.
fn record(preset: &str, batch: usize) -> caudal::Result<(Arc<Plan>, Execution)> {
    let model = presets::find(preset)?.model()?;
    let optimizer = &model.training.optimizer;
    let mut run = prepare(&model.graph, batch, optimizer, PlanOptions::default())?;
    let mut pool = Pool::new(WORKERS, "critical-path")?;
    let recorder = Arc::new(Recorder::new().with_messages());
    run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
    for _ in 0..STEPS {
        pool.execute(&mut run)?;
    }
    let shortest = recorder
        .executions()
        .into_iter()
        .min_by_key(|step| (!is_shared(step), step.ended - step.began));
    Ok((Arc::clone(run.plan()), shortest.unwrap_or_default()))
}

/// Whether every worker ran a quarter of the first half of the parts, and of the second.
fn is_shared(step: &Execution) -> bool {
    step.events.chunks(step.events.len().div_ceil(2).max(1)).all(|half| {
        let parts = |worker| half.iter().filter(|event| event.worker == worker).count();
        (0..WORKERS).all(|worker| 4 * parts(worker) >= half.len())
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("caudal-pictures"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    // As many items as give both workers something to do.
    let (plan, step) = record("article-dag", 1024)?;
    let (digits, digits_step) = record("digits", 32)?;
    let pictures = [
        ("tasks.svg", overview(&plan, &step)),
        ("states.svg", task_states()),
        ("timeline.svg", timeline(&digits, &digits_step)),
    ];
    for (name, picture) in pictures {
        let file = folder.join(name);
        std::fs::write(&file, picture)?;
        println!("{}", file.display());
    }
    Ok(())
}
