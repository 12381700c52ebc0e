//! What is recorded is what ran, and what is written can be read.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::flow::{Executor, Observer, executor};
use crate::measure::prepare;
use crate::plan::Plan;
use crate::plan::PlanOptions;
use crate::presets;
use crate::run::Run;

fn run(model: &str) -> Run {
    let model = presets::open(model).unwrap().without_metrics().unwrap();
    prepare(&model.graph, 8, &model.training.optimizer, PlanOptions::default()).unwrap()
}

fn record(run: &mut Run, executor: &mut dyn Executor, steps: usize, room: usize) -> Vec<Execution> {
    let recorder = Arc::new(Recorder::keeping(room).with_messages());
    run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
    (0..steps).for_each(|_| executor.execute(run).unwrap());
    run.observe(None);
    recorder.executions()
}

fn parts(plan: &Plan) -> usize {
    (0..plan.task_count()).map(|task| plan.task(task).parts).sum()
}

/// Nanoseconds by which the clocks of two threads may differ.
const SKEW: u64 = 200;

/// Every part once; no part before its task's messages; no worker in two places.
fn check(plan: &Plan, execution: &Execution) {
    assert_eq!(execution.events.len(), parts(plan));
    let mut ends = vec![0; plan.task_count()];
    let mut seen = std::collections::HashSet::new();
    let mut free_at = std::collections::HashMap::new();
    for event in &execution.events {
        assert!(seen.insert((event.task, event.part)), "{event:?}");
        assert!(execution.began <= event.ready && event.ready <= event.start, "{event:?}");
        assert!(event.start <= event.end && event.end <= execution.ended + SKEW, "{event:?}");
        let free = free_at.insert(event.worker, event.end).unwrap_or(0);
        assert!(event.start >= free, "{event:?} before {free}");
        ends[event.task] = event.end.max(ends[event.task]);
    }
    for event in &execution.events {
        for successor in plan.task(event.task).successors {
            let first = execution.events.iter().filter(|other| other.task == successor);
            let first = first.map(|other| other.start).min().unwrap();
            assert!(first + SKEW >= ends[event.task], "{event:?}");
        }
    }
}

#[test]
fn executions_are_whole_on_every_executor() {
    for (name, workers) in
        [("sequential", 1), ("pool", 1), ("pool", 3), ("channels", 3), ("actors", 1)]
    {
        let mut run = run("layered:layers=3,branches=4,width=16");
        let mut executor = executor(name, workers, "fifo").unwrap();
        let executions = record(&mut run, executor.as_mut(), 7, 100_000);
        assert_eq!(executions.len(), 7, "{name}");
        for execution in &executions {
            check(run.plan(), execution);
        }
        assert!(executions.windows(2).all(|pair| pair[0].ended <= pair[1].began + SKEW));
    }
}

#[test]
fn a_full_recorder_keeps_the_last_executions_whole() {
    let mut run = run("layered:layers=3,branches=4,width=16");
    let parts = parts(run.plan());
    let mut pool = executor("pool", 2, "fifo").unwrap();
    let steps = 5000 / parts + 20;
    let executions = record(&mut run, pool.as_mut(), steps, 20 * parts);
    assert!((20..steps).contains(&executions.len()), "{} of {steps}", executions.len());
    for execution in &executions {
        check(run.plan(), execution);
    }
    let recorder = Recorder::new();
    assert!(recorder.executions().is_empty() && recorder.events().is_empty());
    recorder.executed(3, 4);
    assert_eq!(recorder.executions().len(), 1);
    recorder.clear();
    assert!(recorder.executions().is_empty());
}

#[test]
fn median_seconds_are_those_of_all_parts_of_a_task() {
    let run = run("chain:depth=2,width=8");
    let recorder = Recorder::new();
    for (step, nanoseconds) in [10, 30, 20].into_iter().enumerate() {
        let start = 1000 * step as u64;
        let event =
            PartEvent { task: 1, part: 0, worker: 0, ready: 0, start, end: start + nanoseconds };
        recorder.part(event);
        recorder.part(PartEvent { part: 1, worker: 1, ..event });
        recorder.executed(start, start + 500);
    }
    let seconds = recorder.task_seconds(run.plan());
    assert!((seconds[1] - 40e-9).abs() < 1e-15 && seconds[0] == 0.0, "{seconds:?}");
}

#[test]
fn chrome_traces_nest_and_their_arrows_go_forward() {
    let mut run = run("digits");
    let mut pool = executor("pool", 2, "fifo").unwrap();
    let executions = record(&mut run, pool.as_mut(), 2, 100_000);
    let text = chrome(run.plan(), &executions);
    let trace: Value = serde_json::from_str(&text).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &str| -> Vec<&Value> {
        events.iter().filter(|event| event["ph"] == phase).collect()
    };
    let number = |event: &Value, key: &str| event[key].as_f64().unwrap();
    let slices = of("X");
    assert_eq!(slices.len(), 2 * parts(run.plan()));
    for worker in 0..2 {
        let mut own: Vec<&&Value> = slices.iter().filter(|slice| slice["tid"] == worker).collect();
        own.sort_by(|a, b| number(a, "ts").total_cmp(&number(b, "ts")));
        for pair in own.windows(2) {
            let end = number(pair[0], "ts") + number(pair[0], "dur");
            assert!(end <= number(pair[1], "ts") + 1e-6, "{} {}", pair[0], pair[1]);
        }
    }
    let (starts, ends) = (of("s"), of("f"));
    let messages = run.plan().message_count();
    assert_eq!((starts.len(), ends.len()), (2 * messages, 2 * messages));
    for (from, to) in starts.iter().zip(&ends) {
        assert_eq!(from["id"], to["id"]);
        assert!(number(from, "ts") <= number(to, "ts") + SKEW as f64 / 1e3, "{from} {to}");
        let inside = slices.iter().any(|slice| {
            let (start, length) = (number(slice, "ts"), number(slice, "dur"));
            let time = number(from, "ts");
            slice["tid"] == from["tid"] && start <= time && time <= start + length
        });
        assert!(inside, "{from} leaves no slice");
    }
    for name in ["ready parts", "live bytes"] {
        let of_name: Vec<&Value> =
            of("C").into_iter().filter(|event| event["name"] == name).collect();
        assert!(of_name.len() > 10, "{name}");
        assert_eq!(of_name.last().unwrap()["args"][name], 0, "{name}");
        assert!(of_name.windows(2).all(|pair| number(pair[0], "ts") <= number(pair[1], "ts")));
    }
    // A worker that ran nothing has no line.
    let workers: std::collections::BTreeSet<u64> =
        slices.iter().map(|slice| number(slice, "tid") as u64).collect();
    assert_eq!(of("M").len(), 1 + workers.len());
    assert!(text.contains("stem + stem.relu, forward"), "fused steps have all their names");
}

#[test]
fn live_bytes_stay_below_what_the_run_has() {
    let mut run = run("inception:side=12");
    let mut sequential = executor("sequential", 1, "fifo").unwrap();
    let executions = record(&mut run, sequential.as_mut(), 2, 100_000);
    let most = live_bytes(run.plan(), &executions[1]).into_iter().map(|(_, bytes)| bytes).max();
    let most = most.unwrap();
    assert!(most > 100_000 && most <= run.peak_recycled_bytes(), "{most}");
}

#[test]
fn tables_have_a_row_a_part() {
    let mut run = run("towers-small");
    let mut pool = executor("pool", 2, "fifo").unwrap();
    let executions = record(&mut run, pool.as_mut(), 2, 100_000);
    let count = 2 * parts(run.plan());
    let text = csv(run.plan(), &executions);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    assert_eq!(headers.iter().next_back(), Some("end_ns"));
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), count);
    let text = json_lines(run.plan(), &executions);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), count);
    for (row, line) in rows.iter().zip(&lines) {
        for (name, field) in headers.iter().zip(row) {
            let value = &line[name];
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(value, field, "{name}");
        }
        let (start, end) = (line["start_ns"].as_u64(), line["end_ns"].as_u64());
        assert!(line["ready_ns"].as_u64() <= start && start <= end);
    }
}
