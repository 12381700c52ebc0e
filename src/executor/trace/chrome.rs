//! Traces as Perfetto and other viewers of Chrome's trace format read them.

use serde_json::{Value, json};

use super::counters::{live_bytes, ready_parts};
use super::{Execution, task_label};
use crate::executor::plan::Plan;
use crate::executor::run::PartEvent;

/// A trace in Chrome's format, which <https://ui.perfetto.dev> opens: a thread for every worker, a slice
/// for every part, an arrow for every message from one task to another, and counters for the parts that
/// are ready and for the bytes of recycled buffers in use.
pub fn chrome(plan: &Plan, executions: &[Execution]) -> String {
    let origin = executions.first().map_or(0, |execution| execution.began);
    let mut writer = Writer { plan, origin, events: Vec::new(), arrows: 0 };
    writer.name("process_name", 0, plan.graph().name());
    let workers = executions.iter().flat_map(|execution| &execution.events);
    let workers = workers.map(|event| event.worker + 1).max().unwrap_or(0);
    for worker in 0..workers {
        writer.name("thread_name", worker, &format!("worker {worker}"));
    }
    let labels: Vec<String> = (0..plan.task_count()).map(|task| task_label(plan, task)).collect();
    for (number, execution) in executions.iter().enumerate() {
        for event in &execution.events {
            writer.slice(number, event, &labels[event.task]);
        }
        writer.arrows(execution);
        writer.counters(execution);
    }
    json!({ "displayTimeUnit": "ns", "traceEvents": writer.events }).to_string()
}

struct Writer<'a> {
    plan: &'a Plan,
    origin: u64,
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

    fn slice(&mut self, execution: usize, event: &PartEvent, label: &str) {
        let task = self.plan.task(event.task);
        let slice = json!({
            "ph": "X",
            "name": label,
            "cat": task.phase.name(),
            "pid": 0,
            "tid": event.worker,
            "ts": self.time(event.start),
            "dur": (event.end - event.start) as f64 / 1e3,
            "args": {
                "execution": execution,
                "task": event.task,
                "node": task.node,
                "phase": task.phase.name(),
                "part": event.part,
                "parts": task.parts,
                "ready_us": self.time(event.ready),
            },
        });
        self.events.push(slice);
    }

    /// From the part of a task that ended last to the part of each receiver that began first.
    fn arrows(&mut self, execution: &Execution) {
        let mut last: Vec<Option<&PartEvent>> = vec![None; self.plan.task_count()];
        let mut first = last.clone();
        for event in &execution.events {
            let (last, first) = (&mut last[event.task], &mut first[event.task]);
            *last = Some(
                last.map_or(event, |known| if known.end >= event.end { known } else { event }),
            );
            first.get_or_insert(event);
        }
        for (task, from) in last.iter().enumerate() {
            for to in self.plan.task(task).successors {
                let (&Some(from), Some(to)) = (from, first[to]) else { continue };
                // Within the slice that it leaves, or else it would belong to the next one.
                let leaves = from.end.saturating_sub(1).max(from.start);
                self.arrows += 1;
                for (phase, event, time) in [("s", from, leaves), ("f", to, to.start)] {
                    let mut arrow = json!({
                        "ph": phase, "name": "message", "cat": "message", "id": self.arrows,
                        "pid": 0, "tid": event.worker, "ts": self.time(time),
                    });
                    if phase == "f" {
                        arrow["bp"] = "e".into();
                    }
                    self.events.push(arrow);
                }
            }
        }
    }

    fn counters(&mut self, execution: &Execution) {
        let counters = [
            ("ready parts", ready_parts(execution)),
            ("live bytes", live_bytes(self.plan, execution)),
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
