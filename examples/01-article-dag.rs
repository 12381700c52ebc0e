//! The DAG that the idea comes from: every node waits for one message from each node that it
//! depends on, computes, and sends its result on; then the same graph reversed.
//!
//! ```text
//! cargo run --release --example 01-article-dag
//!
//!              forward                             backward
//!
//!           ┌─▶ B ──┬─▶ E ─┐                    ┌── B ◀─┬── E ◀┐
//!           │       ▼      ▼                    ▼       │      │
//!           A       D ───▶ G                    A       D ◀─── G
//!           │       ▲      ▲                    ▲       │      │
//!           └─▶ C ──┴─▶ F ─┘                    └── C ◀─┴── F ◀┘
//! ```
//!
//! B and C can run at the same time, and so can E, D and F, in both directions.

use std::sync::{Arc, Mutex, PoisonError};

use caudal::context::{Mode, Phase};
use caudal::flow::{Observer, PartEvent};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Dense};
use caudal::losses::MeanSquaredError;
use caudal::optimizers::Sgd;
use caudal::plan::{Plan, PlanOptions};
use caudal::train::{Network, NetworkOptions};
use caudal::{Result, Tensor};

const FEATURES: usize = 512;
const ITEMS: usize = 256;

fn article() -> Result<Graph> {
    let mut net = GraphBuilder::new("article");
    let a = net.input("A", [FEATURES]);
    let wanted = net.target("wanted", [FEATURES]);
    let b = net.layer("B", Dense::new(FEATURES), [&a]);
    let c = net.layer("C", Dense::new(FEATURES), [&a]);
    let d = net.layer("D", Add, [&b, &c]);
    let e = net.layer("E", Dense::new(FEATURES), [&b]);
    let f = net.layer("F", Dense::new(FEATURES), [&c]);
    let g = net.layer("G", Add, [&e, &d, &f]);
    net.loss("loss", MeanSquaredError, [&g, &wanted]);
    net.build()
}

/// Writes down what ran when.
#[derive(Default)]
struct Diary(Mutex<Vec<PartEvent>>);

impl Diary {
    fn events(&self) -> Vec<PartEvent> {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.sort_by_key(|event| (event.start, event.end));
        std::mem::take(&mut events)
    }
}

impl Observer for Diary {
    fn part(&self, event: PartEvent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// `B`, or `B input_grad`: a node has one task forward, and up to three backward.
fn label(plan: &Plan, event: &PartEvent) -> String {
    let task = plan.task(event.task);
    match task.phase {
        Phase::Forward => task.node.to_owned(),
        phase => format!("{} {}", task.node, phase.name()),
    }
}

/// Nanoseconds from the first start to the last end.
fn span(events: &[PartEvent]) -> u64 {
    let start = events.iter().map(|event| event.start).min().unwrap_or(0);
    events.iter().map(|event| event.end).max().unwrap_or(0) - start
}

/// Prints the tasks of one phase in the order in which they began.
fn print(title: &str, plan: &Plan, events: &[PartEvent]) {
    println!("  {title}");
    for event in events {
        let beside: Vec<String> = events
            .iter()
            .filter(|other| {
                other.task != event.task && other.start < event.end && event.start < other.end
            })
            .map(|other| label(plan, other))
            .collect();
        let beside = if beside.is_empty() {
            String::new()
        } else {
            format!("  beside {}", beside.join(", "))
        };
        let microseconds = (event.end - event.start) / 1000;
        let (label, worker) = (label(plan, event), event.worker);
        println!("    {label:<14} on {worker:>2} {microseconds:>6} µs{beside}");
    }
}

fn main() -> Result<()> {
    let numbers = |factor: f32| {
        Tensor::from_shape_fn(vec![ITEMS, FEATURES], |at| {
            ((at[0] * 7 + at[1]) as f32 * factor).sin()
        })
    };
    let batch = [("A", &numbers(0.1)), ("wanted", &numbers(0.03))];
    let mut results = Vec::new();
    for executor in ["actors", "pool"] {
        let options = NetworkOptions::default()
            .executor(executor)
            .workers(2)
            // A task for every node and phase, and a gradient for A too.
            .plan(PlanOptions::plain().keep_gradients(true));
        let mut network = Network::new(article()?, Sgd::new(0.01), options)?;
        let diary = Arc::new(Diary::default());
        let run = network.run(Mode::Training, ITEMS)?;
        run.observe(Some(Arc::clone(&diary) as Arc<dyn Observer>));
        let plan = Arc::clone(run.plan());
        // Of some steps, the one that took the least time: the one that others on this machine
        // disturbed the least.
        let mut events = Vec::new();
        let mut report = network.train_batch(&batch)?;
        for _ in 0..20 {
            let step = diary.events();
            if events.is_empty() || span(&step) < span(&events) {
                events = step;
            }
            report = network.train_batch(&batch)?;
        }

        let in_article = |event: &&PartEvent| plan.task(event.task).node.len() == 1;
        let (forward, backward): (Vec<_>, Vec<_>) = events
            .iter()
            .filter(in_article)
            .filter(|event| !matches!(plan.task(event.task).phase, Phase::Update | Phase::Commit))
            .copied()
            .partition(|event| plan.task(event.task).phase == Phase::Forward);
        println!("{executor}");
        print("forward", &plan, &forward);
        print("backward", &plan, &backward);
        println!("  loss {:.6}\n", report.loss);
        results.push(network.weights_sha256());
    }
    assert_eq!(results[0], results[1], "both executors move the weights to the same bits");
    Ok(())
}
