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
    let recorder = Arc::new(Recorder::keeping(room).with_messages().with_worker_events());
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
    let (slices, sleeps): (Vec<&Value>, Vec<&Value>) =
        of("X").into_iter().partition(|slice| slice["cat"] != "worker");
    assert!(sleeps.iter().all(|slice| slice["name"] == "parked"));
    assert_eq!((of("b").len(), of("e").len()), (2, 2), "a span for each execution");
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
    // A worker that ran nothing has a line too.
    assert_eq!(of("M").len(), 1 + 2);
    assert!(of("i").iter().filter(|mark| mark["name"] == "awake").count() >= 2);
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
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let text = json_lines(run.plan(), &executions);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), lines.len());
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert_eq!((of("execution").len(), of("part").len()), (2, count));
    assert_eq!(of("message").len(), 2 * run.plan().message_count());
    assert!(of("awake").len() >= 2, "the caller at least is awake");
    for (row, line) in rows.iter().zip(&lines) {
        for (name, field) in headers.iter().zip(row) {
            let text = match &line[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Array(list) => {
                    list.iter().map(Value::to_string).collect::<Vec<_>>().join(" ")
                }
                other => other.to_string(),
            };
            assert_eq!(text, field, "{name}");
        }
    }
    for line in of("part") {
        let (start, end) = (line["start_ns"].as_u64(), line["end_ns"].as_u64());
        assert!(line["ready_ns"].as_u64() <= start && start <= end);
        let task = line["task"].as_u64().unwrap() as usize;
        for before in line["after"].as_array().unwrap() {
            let before = before.as_u64().unwrap() as usize;
            assert!(run.plan().task(before).successors.contains(&task));
        }
    }
    let senders: usize = of("part").iter().map(|it| it["after"].as_array().unwrap().len()).sum();
    assert!(senders > count, "tasks wait for others");
}

/// What an observer was told of workers, and of parts.
#[derive(Default)]
struct Told {
    workers: parking_lot::Mutex<Vec<WorkerEvent>>,
    parts: parking_lot::Mutex<Vec<PartEvent>>,
}

impl Observer for Told {
    fn part(&self, event: PartEvent) {
        self.parts.lock().push(event);
    }

    fn worker(&self, event: WorkerEvent) {
        self.workers.lock().push(event);
    }

    fn wants_workers(&self) -> bool {
        true
    }
}

/// Two tasks that wait for each other run on two workers; the first waits until the other worker sleeps. That one is
/// called then, wakes, and steals.
#[test]
fn who_parks_is_called_and_steals_is_told_in_this_order() {
    let told = Arc::new(Told::default());
    let seen = Arc::clone(&told);
    let mut flow = crate::flow::FlowBuilder::new("fan");
    let first = flow.node("first", (), move |()| {
        let parked = |seen: &Told| {
            seen.workers.lock().iter().any(|event| event.change == WorkerChange::Parked)
        };
        let began = std::time::Instant::now();
        while !parked(&seen) && began.elapsed().as_secs() < 20 {
            std::thread::yield_now();
        }
    });
    let first = flow.share(first);
    let barrier = Arc::new(std::sync::Barrier::new(2));
    for name in ["left", "right"] {
        let barrier = Arc::clone(&barrier);
        let meet = flow.node(name, first, move |_| {
            barrier.wait();
        });
        flow.sink(format!("{name} end"), meet);
    }
    let mut run = flow.build().unwrap().run();
    run.observe(Some(Arc::clone(&told) as Arc<dyn Observer>));
    let mut pool = executor("pool", 2, "steal").unwrap();
    pool.execute(&mut run).unwrap();
    run.observe(None);
    let parts = told.parts.lock();
    let workers = told.workers.lock();
    let at_first: Vec<usize> = workers[..2].iter().map(|event| event.worker).collect();
    assert_eq!(at_first, [0, 1], "{workers:?}");
    let runner = parts[0].worker;
    let other = 1 - runner;
    let changes: Vec<WorkerChange> =
        workers.iter().filter(|event| event.worker == other).map(|event| event.change).collect();
    let parked = changes.iter().position(|&it| it == WorkerChange::Parked).unwrap();
    let expected = [WorkerChange::Notified { by: runner }, WorkerChange::Awake];
    assert_eq!(changes[parked + 1..parked + 3], expected, "{workers:?}");
    let stole = workers.iter().find_map(|event| match event.change {
        WorkerChange::Stole { task, part, from } => Some((event.worker, task, part, from)),
        _ => None,
    });
    let (thief, task, part, from) = stole.unwrap();
    assert_eq!((thief, part, from), (other, 0, runner));
    let ran = parts.iter().find(|event| event.task == task).unwrap();
    assert_eq!(ran.worker, other, "who stole it ran it");
    assert!(workers.windows(2).all(|pair| pair[0].time <= pair[1].time), "told in order");
}

#[test]
fn a_recorder_keeps_what_happens_to_workers_and_tells_when_they_slept() {
    let recorder = Recorder::keeping(100).with_worker_events();
    let changes = [
        (0, WorkerChange::Awake, 10),
        (1, WorkerChange::Parked, 10),
        (1, WorkerChange::Notified { by: 0 }, 14),
        (1, WorkerChange::Awake, 19),
        (1, WorkerChange::Stole { task: 3, part: 2, from: 0 }, 21),
        (1, WorkerChange::Parked, 25),
    ];
    for (worker, change, time) in changes {
        recorder.worker(WorkerEvent { worker, change, time });
    }
    recorder.executed(10, 30);
    let executions = recorder.executions();
    let kept: Vec<_> =
        executions[0].workers.iter().map(|it| (it.worker, it.change, it.time)).collect();
    assert_eq!(kept, changes);
    assert_eq!(executions[0].worker_count(), 2);
    assert_eq!(executions[0].sleeps()[0], []);
    let sleeps =
        [Sleep { from: 10, called: Some(14), to: 19 }, Sleep { from: 25, called: None, to: 30 }];
    assert_eq!(executions[0].sleeps()[1], sleeps);
}
