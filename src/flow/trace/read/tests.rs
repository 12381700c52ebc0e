//! What is written reads back, what is wrong is refused where it stands, and analyses are as worked out by hand.

use std::fs;
use std::sync::Arc;

use super::*;
use crate::flow::trace::{Cause, Recorder, analyse, chrome, csv, difference, json_lines};
use crate::flow::{MessageEvent, Observer, PartEvent, WorkerChange, executor};
use crate::measure::prepare;
use crate::plan::PlanOptions;
use crate::presets;

/// A file of this name and contents, as a trace or a refusal.
fn read_text(name: &str, text: &str) -> Result<Trace> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    read(&path)
}

/// Times from the first execution's beginning on, and worker events in an order that no format changes.
fn comparable(executions: &[Execution]) -> Vec<Execution> {
    let origin = executions[0].began;
    let mut executions = executions.to_vec();
    for execution in &mut executions {
        execution.began -= origin;
        // Clocks of two threads may differ by a little.
        let last = execution.events.iter().map(|event| event.end).max().unwrap();
        execution.ended = execution.ended.max(last) - origin;
        for event in &mut execution.events {
            for time in [&mut event.ready, &mut event.start, &mut event.end] {
                *time -= origin;
            }
        }
        execution.messages.iter_mut().for_each(|message| message.time -= origin);
        execution.workers.iter_mut().for_each(|event| event.time -= origin);
        execution.workers.sort_by_key(|event| (event.time, event.worker));
    }
    executions
}

#[test]
fn every_format_reads_back_what_it_writes() {
    for (model, policy) in [("digits", "steal"), ("towers-small", "static")] {
        let model = presets::open(model).unwrap().without_metrics().unwrap();
        let optimizer = &model.training.optimizer;
        let mut run = prepare(&model.graph, 8, optimizer, PlanOptions::default()).unwrap();
        let mut pool = executor("pool", 3, policy).unwrap();
        let recorder = Recorder::of_executions(run.plan(), 3).with_messages().with_worker_events();
        let recorder = Arc::new(recorder);
        run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
        (0..3).for_each(|_| pool.execute(&mut run).unwrap());
        let executions = recorder.executions();
        assert_eq!(executions.len(), 3);
        let plan = run.plan();
        let texts = [
            ("t.json", chrome(plan, &executions)),
            ("t.csv", csv(plan, &executions)),
            ("t.jsonl", json_lines(plan, &executions)),
        ];
        for (name, text) in texts {
            let trace = read_text(name, &text).unwrap();
            assert_eq!(trace.name(), plan.name(), "{name}");
            assert_eq!(trace.tasks().len(), plan.task_count());
            for (number, task) in trace.tasks().iter().enumerate() {
                let known = plan.task(number);
                assert_eq!((task.number, task.parts), (number as u64, known.parts));
                assert_eq!(
                    (task.node.as_str(), task.phase.as_str()),
                    (known.node, known.phase.name())
                );
                assert_eq!(task.label, plan.task_label(number));
                let mut nodes: Vec<&str> = Vec::new();
                for (node, _) in &known.calls {
                    if !nodes.contains(node) {
                        nodes.push(node);
                    }
                }
                assert_eq!(task.nodes(), nodes);
                assert_eq!(trace.graph().task(number).successors, known.successors);
                for &before in &task.after {
                    assert!(plan.task(before).successors.contains(&number), "{name}");
                }
            }
            let read = comparable(trace.executions());
            let expected = comparable(&executions);
            for (read, expected) in read.iter().zip(&expected) {
                assert_eq!(read.events, expected.events, "{name}");
                assert_eq!(read.workers, expected.workers, "{name}");
                assert_eq!((read.began, read.ended), (expected.began, expected.ended), "{name}");
                let sent = |it: &Execution| {
                    let sent = it.messages.iter();
                    let mut sent: Vec<_> =
                        sent.map(|it| (it.from, it.to, it.port, it.bytes, it.time)).collect();
                    sent.sort_unstable();
                    sent
                };
                assert_eq!(sent(read), sent(expected), "{name}");
            }
            let bytes: u64 = trace.message_bytes().iter().map(|&bytes| u64::from(bytes)).sum();
            let sent: usize = executions[0].messages.iter().map(|message| message.bytes).sum();
            assert_eq!(bytes, sent as u64, "{name}");
        }
    }
}

/// Two workers; times in microseconds. Task 0 runs on worker 0 from 0 to 10, and makes 1 and 2 ready; worker 0 goes on
/// with 1 from 12 to 32; worker 1 sleeps, is called at 11 and awake at 15, and runs 2 from 17 to 25; task 3 waits for
/// both, and runs on worker 1 from 36 to 46. The execution ends at 50.
fn by_hand() -> String {
    let part = |task: usize, worker: usize, times: [u64; 3], after: &str| {
        let [ready, start, end] = times.map(|time| 1000 * time);
        format!(
            "0,{task},t{task},n{task},forward,0,1,{worker},{ready},{start},{end},part,{after},,,,"
        )
    };
    let change = |worker: usize, time: u64, name: &str, other: &str| {
        format!("0,,,,,,,{worker},,{},,{name},,,,,{other}", 1000 * time)
    };
    let rows = [
        "execution,task,label,node,phase,part,parts,worker,ready_ns,start_ns,end_ns,event,after,to,port,bytes,other"
            .to_owned(),
        "0,,by hand,,,,,,,0,50000,execution,,,,,".to_owned(),
        part(0, 0, [0, 0, 10], ""),
        part(1, 0, [10, 12, 32], "0"),
        part(2, 1, [10, 17, 25], "0"),
        part(3, 1, [32, 36, 46], "1 2"),
        "0,0,,,,,,0,,10500,,message,,1,0,64,".to_owned(),
        change(0, 0, "awake", ""),
        change(1, 0, "parked", ""),
        change(1, 11, "notified", "0"),
        change(1, 15, "awake", ""),
    ];
    rows.join("\n") + "\n"
}

#[test]
fn a_trace_worked_out_by_hand() {
    let trace = read_text("x.csv", &by_hand()).unwrap();
    assert_eq!(trace.message_bytes(), [64, 0, 0, 0]);
    let it = analyse(&trace, None).unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} and {b}");
    assert_eq!((it.workers, it.tasks, it.parts, it.tells_of_sleep), (2, 4, 4, true));
    near(it.makespan_ms, 0.050);
    near(it.work_ms, 0.048);
    near(it.critical_path_ms, 0.040);
    near(it.parallelism, 1.2);
    near(it.least_ms, 0.040);
    near(it.graham_ms, 0.024 + 0.020);
    // Worker 0 is idle from 10 to 12 beside its own next part; from 32 on no part is left for it.
    let [first, second] = it.worker_uses[..] else { panic!() };
    assert_eq!((first.parts, second.parts), (2, 2));
    near(first.busy_ms, 0.030);
    near(first.overhead_ms, 0.002);
    near(first.asleep_ms, 0.0);
    near(first.no_part_ms, 0.018);
    // Worker 1: no part to 10, asleep beside one to 15, on its way to 17, no part from 25 to 32, on its way to 36.
    near(second.busy_ms, 0.018);
    near(second.asleep_ms, 0.005);
    near(second.overhead_ms, 0.006);
    near(second.no_part_ms, 0.021);
    let path: Vec<_> = it.path.iter().map(|it| (it.task, it.worker, it.cause)).collect();
    assert_eq!(path, [(0, 0, Cause::Begin), (1, 0, Cause::Message), (3, 1, Cause::Message)]);
    let gaps: Vec<f64> = it.path.iter().map(|step| step.gap_ms).collect();
    for (a, b) in [0.0, 0.002, 0.004].into_iter().zip(gaps) {
        near(a, b);
    }
    assert!(
        analyse(&trace, Some(1)).unwrap_err().to_string().contains("1 execution, and no number 1")
    );
}

#[test]
fn what_became_different_is_ranked() {
    let first = read_text("a.csv", &by_hand()).unwrap();
    // Task 2 runs before task 1, on worker 0; task 1 takes 4 us longer, on worker 1.
    let text = by_hand()
        .replace(
            "0,2,t2,n2,forward,0,1,1,10000,17000,25000",
            "0,2,t2,n2,forward,0,1,0,10000,11000,19000",
        )
        .replace(
            "0,1,t1,n1,forward,0,1,0,10000,12000,32000",
            "0,1,t1,n1,forward,0,1,1,10000,12000,36000",
        );
    let second = read_text("b.csv", &text).unwrap();
    let it = difference(&first, &second);
    assert_eq!((it.tasks.len(), it.moved), (4, 2));
    assert_eq!(it.tasks[0].label, "t1");
    assert!((it.tasks[0].ms[1] - it.tasks[0].ms[0] - 0.004).abs() < 1e-12);
    assert!((it.reordered_share - 1.0 / 6.0).abs() < 1e-12, "one of six pairs");
    assert!(it.only.iter().all(Vec::is_empty));
    let same = difference(&first, &first);
    assert_eq!((same.moved, same.reordered_share), (0, 0.0));
    let other = read_text("c.csv", &by_hand().replace(",t3,", ",other,")).unwrap();
    assert_eq!(difference(&first, &other).only, [["t3".to_owned()], ["other".to_owned()]]);
}

#[test]
fn what_is_wrong_is_refused_with_its_line() {
    let refused = |from: &str, to: &str, line: usize, expected: &str| {
        let text = by_hand().replacen(from, to, 1);
        assert_ne!(text, by_hand(), "{from}");
        let error = read_text("x.csv", &text).map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("x.csv, line {line}: ")), "{to}: {error}");
        assert!(error.contains(expected), "{to}: {error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
    };
    refused(
        "10000,17000,25000",
        "10000,17000,16000",
        5,
        "ends at 16000 ns, before it starts at 17000",
    );
    refused("10000,17000,25000", "18000,17000,25000", 5, "before it is ready at 18000");
    refused("10000,17000,25000", "-5,17000,25000", 5, "`ready_ns` is `-5`");
    refused("10000,17000,25000", "\u{1b}[31m,17000,25000", 5, "`ready_ns` is `\\u{1b}[31m`");
    refused("25000,part,0", "25000,part,3", 5, "task 2 waits for task 3");
    refused("25000,part,0", "25000,part,2", 5, "task 2 waits for task 2");
    refused("0,0,t0,n0", "0,9,t0,n0", 4, "task 1 waits for task 0, which never ran");
    refused("forward,0,1,1,10000,17000", "forward,1,1,1,10000,17000", 5, "it is part 1 of 1");
    refused(
        "forward,0,1,1,10000,17000",
        "forward,0,9,1,10000,17000",
        5,
        "task 2 has 9 parts, and 1 are there",
    );
    refused(
        "0,3,t3,n3,forward,0,1,1,32000,36000,46000,part,1 2",
        "0,2,t2,n2,forward,0,1,1,32000,36000,46000,part,0",
        6,
        "part 0 of task 2 runs twice",
    );
    refused("0,1,1,10000,17000", "0,1,0,10000,17000", 5, "while that of line 4 lasts to 32000");
    refused("0,1,1,10000,17000", "0,1,999999,10000,17000", 5, "worker 999999 is beyond");
    refused("36000,46000", "36000,18446744073709551615", 6, "more than 36 years");
    refused("36000,46000", "36000,", 6, "the row has no `end_ns`");
    refused("message,,1", "message,,7", 7, "task 7 never ran");
    refused("parked", "snored", 9, "the event `snored` is not known");
    refused("0,,by hand,,,,,,,0,50000", "0,,by hand,,,,,,,60000,50000", 2, "before it begins");
    let late = by_hand().replace("36000,46000", "36000,9046000");
    let error = read_text("x.csv", &late).map(drop).unwrap_err().to_string();
    assert!(error.contains("x.csv, execution 0: it lasts from 0 to 50000 ns"), "{error}");
    let cut = &by_hand()[..by_hand().len() / 2];
    assert!(read_text("x.csv", cut).map(drop).unwrap_err().to_string().contains("line "));
    for (name, text, expected) in [
        ("x.csv", "", "the trace has no part"),
        ("x.jsonl", "", "the trace has no part"),
        ("x.jsonl", "{\"execution\":0", "line 1: it is no row of a trace"),
        ("x.jsonl", "[1,2]", "line 1"),
        ("x.jsonl", "{\"execution\":0,\"event\":\"part\",\"task\":-1}", "line 1"),
        (
            "x.json",
            "{\"traceEvents\":[{\"ph\":\"X\",\"ts\":1}]}",
            "event 1: the event has no `execution`",
        ),
        ("x.json", "{\"traceEvents\":[{\"ph\":\"X\",\"ts\":-1}]}", "event 1: `ts` is -1"),
        ("x.json", "{\"traceEvents\":", "line 1, column"),
        ("x.paje", "", "is of no format of traces that is read"),
    ] {
        let error = read_text(name, text).map(drop).unwrap_err().to_string();
        assert!(error.contains(expected), "{name} {text}: {error}");
    }
    let deep = format!("{{\"after\":{}", "[".repeat(1 << 20));
    assert!(read_text("x.jsonl", &deep).is_err(), "nested without end");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.csv"), b"execution\n\xff\n").unwrap();
    let error = read(folder.path().join("x.csv")).map(drop).unwrap_err().to_string();
    assert!(error.contains("line 2: it is no text in UTF-8"), "{error}");
    assert!(read(folder.path()).is_err() && read("no-such.csv").is_err());
}

#[test]
fn mutated_traces_are_read_or_refused() {
    use rand::{Rng, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let good = by_hand();
    let (mut read_back, mut refused) = (0, 0);
    for _ in 0..3000 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..random.random_range(1..4) {
            let place = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[place] = b"0123456789,-\n\" x"[random.random_range(0..16)],
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, b'9'),
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        match rows::parse_csv(&text, "x.csv") {
            Ok(trace) => {
                let it = analyse(&trace, None).unwrap();
                assert!(it.path.len() <= it.parts);
                let total = it.total();
                let all = total.busy_ms + total.no_part_ms + total.asleep_ms + total.overhead_ms;
                let expected = it.workers as f64 * it.makespan_ms;
                assert!((all - expected).abs() <= 1e-9 * expected.max(1.0), "{text}\n{it:?}");
                read_back += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("x.csv"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(read_back > 300 && refused > 300, "{read_back} and {refused}");
}

#[test]
fn messages_and_steals_name_tasks_of_the_file() {
    // Tasks 4 and 9 are the only ones that ran.
    let text = by_hand().lines().take(2).collect::<Vec<_>>().join("\n")
        + "\n0,4,a,a,f,0,1,0,0,0,5,part,,,,,\n0,9,b,b,f,0,1,1,5,7,9,part,4,,,,\n0,4,,,,,,0,,5,,message,,9,0,8,\n\
           0,9,,,,0,,1,,6,,stole,,,,,0\n";
    let trace = read_text("x.csv", &text).unwrap();
    let numbers: Vec<u64> = trace.tasks().iter().map(|task| task.number).collect();
    assert_eq!(numbers, [4, 9]);
    assert_eq!(trace.tasks()[1].after, [0]);
    let execution = &trace.executions()[0];
    let message = MessageEvent { from: 0, to: 1, port: 0, bytes: 8, worker: 0, time: 5 };
    assert_eq!(execution.messages, [message]);
    assert_eq!(execution.workers[0].change, WorkerChange::Stole { task: 1, part: 0, from: 0 });
    let event = PartEvent { task: 1, part: 0, worker: 1, ready: 5, start: 7, end: 9 };
    assert_eq!(execution.events[1], event);
}
