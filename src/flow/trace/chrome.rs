//! Traces as Perfetto and other viewers of Chrome's trace format read them.

use serde_json::{Value, json};

use super::counters::{live_bytes, ready_parts};
use super::{Execution, waits_for};
use crate::flow::graph::TaskGraph;
use crate::flow::observer::{MessageEvent, PartEvent, WorkerChange};

/// A trace in Chrome's format, which <https://ui.perfetto.dev> opens: a thread for every worker, a slice
/// for every part, an arrow for every message from one task to another, and counters for the parts that
/// are ready and for the bytes of recycled buffers in use. If the recorder kept what happened to workers, a slice for
/// every time in which a worker slept, and a mark where one was called and where one stole a part.
pub fn chrome(graph: &TaskGraph, executions: &[Execution]) -> String {
    let origin = executions.first().map_or(0, |execution| execution.began);
    let waits = waits_for(graph);
    let mut writer = Writer { graph, origin, waits, events: Vec::new(), arrows: 0 };
    writer.name("process_name", 0, graph.name());
    let workers = executions.iter().map(Execution::worker_count).max().unwrap_or(0);
    for worker in 0..workers {
        writer.name("thread_name", worker, &format!("worker {worker}"));
    }
    let labels: Vec<String> = (0..graph.task_count()).map(|task| graph.task_label(task)).collect();
    for (number, execution) in executions.iter().enumerate() {
        writer.span(number, execution);
        for event in &execution.events {
            writer.slice(number, event, &labels[event.task]);
        }
        writer.arrows(number, execution);
        writer.workers(number, execution);
        writer.counters(execution);
    }
    json!({ "displayTimeUnit": "ns", "traceEvents": writer.events }).to_string()
}

struct Writer<'a> {
    graph: &'a TaskGraph,
    origin: u64,
    /// By task: the tasks that it waits for.
    waits: Vec<Vec<usize>>,
    events: Vec<Value>,
    arrows: usize,
}

impl Writer<'_> {
    /// Microseconds, in which the format counts.
    fn time(&self, nanoseconds: u64) -> f64 {
        nanoseconds.saturating_sub(self.origin) as f64 / 1e3
    }

    fn name(&mut self, what: &str, worker: usize, name: &str) {
        let name = json!({ "name": name });
        self.events.push(json!({ "ph": "M", "name": what, "pid": 0, "tid": worker, "args": name }));
    }

    /// From when to when an execution lasted, on a track of its own.
    fn span(&mut self, number: usize, execution: &Execution) {
        for (phase, time) in [("b", execution.began), ("e", execution.ended)] {
            let span = json!({
                "ph": phase, "name": "execution", "cat": "execution", "id": number, "pid": 0, "tid": 0,
                "ts": self.time(time), "args": { "execution": number, "graph": self.graph.name() },
            });
            self.events.push(span);
        }
    }

    /// When workers slept, were called, and took parts from others' queues.
    fn workers(&mut self, number: usize, execution: &Execution) {
        for (worker, sleeps) in execution.sleeps().into_iter().enumerate() {
            for sleep in sleeps {
                let slice = json!({
                    "ph": "X", "name": "parked", "cat": "worker", "pid": 0, "tid": worker,
                    "ts": self.time(sleep.from),
                    "dur": sleep.to.saturating_sub(sleep.from) as f64 / 1e3,
                    "args": { "execution": number },
                });
                self.events.push(slice);
            }
        }
        for event in &execution.workers {
            let (name, args) = match event.change {
                WorkerChange::Parked => continue,
                WorkerChange::Awake => ("awake", json!({ "execution": number })),
                WorkerChange::Notified { by } => {
                    ("notified", json!({ "execution": number, "by": by }))
                }
                WorkerChange::Stole { task, part, from } => {
                    let args =
                        json!({ "execution": number, "task": task, "part": part, "from": from });
                    ("stole", args)
                }
            };
            let mark = json!({
                "ph": "i", "s": "t", "name": name, "cat": "worker", "pid": 0, "tid": event.worker,
                "ts": self.time(event.time), "args": args,
            });
            self.events.push(mark);
        }
    }

    fn slice(&mut self, execution: usize, event: &PartEvent, label: &str) {
        let task = self.graph.task(event.task);
        let slice = json!({
            "ph": "X",
            "name": label,
            "cat": task.phase,
            "pid": 0,
            "tid": event.worker,
            "ts": self.time(event.start),
            "dur": (event.end - event.start) as f64 / 1e3,
            "args": {
                "execution": execution,
                "task": event.task,
                "node": task.node,
                "phase": task.phase,
                "part": event.part,
                "parts": task.parts,
                "ready_us": self.time(event.ready),
                "after": self.waits[event.task],
            },
        });
        self.events.push(slice);
    }

    /// For each message: from the part of its sender after which it was sent to the part of its receiver
    /// that began first.
    fn arrows(&mut self, number: usize, execution: &Execution) {
        let mut last: Vec<Option<&PartEvent>> = vec![None; self.graph.task_count()];
        let mut first = last.clone();
        for event in &execution.events {
            let (last, first) = (&mut last[event.task], &mut first[event.task]);
            *last = Some(
                last.map_or(event, |known| if known.end >= event.end { known } else { event }),
            );
            first.get_or_insert(event);
        }
        for message in &execution.messages {
            if let (Some(from), Some(to)) = (last[message.from], first[message.to]) {
                self.arrow(number, message, from, to);
            }
        }
    }

    fn arrow(&mut self, number: usize, message: &MessageEvent, from: &PartEvent, to: &PartEvent) {
        // Within the slice that it leaves, or else it would belong to the next one.
        let leaves = from.end.saturating_sub(1).max(from.start);
        self.arrows += 1;
        for (phase, event, time) in [("s", from, leaves), ("f", to, to.start)] {
            let mut arrow = json!({
                "ph": phase, "name": "message", "cat": "message", "id": self.arrows,
                "pid": 0, "tid": event.worker, "ts": self.time(time),
                "args": {
                    "execution": number, "from": message.from, "to": message.to,
                    "port": message.port, "bytes": message.bytes, "sent_us": self.time(message.time),
                },
            });
            if phase == "f" {
                arrow["bp"] = "e".into();
            }
            self.events.push(arrow);
        }
    }

    fn counters(&mut self, execution: &Execution) {
        let counters = [
            ("ready parts", ready_parts(execution)),
            ("live bytes", live_bytes(self.graph, execution)),
        ];
        for (name, sums) in counters {
            for (time, sum) in sums {
                let (time, value) = (self.time(time), json!({ name: sum }));
                self.events
                    .push(json!({ "ph": "C", "name": name, "pid": 0, "ts": time, "args": value }));
            }
        }
    }
}
