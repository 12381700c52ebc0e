//! Traces in Chrome's format, as this crate writes them.

use serde::Deserialize;

use super::super::gather::Gathered;
use super::{Trace, gathered, wrong};
use crate::error::{Result, plain};
use crate::flow::observer::{MessageEvent, PartEvent, WorkerChange, WorkerEvent};
use crate::flow::trace::TracedTask;

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "traceEvents")]
    events: Vec<Event>,
}

/// What an event may have.
#[derive(Deserialize)]
struct Event {
    ph: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    cat: String,
    #[serde(default)]
    tid: u64,
    #[serde(default)]
    ts: f64,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    args: Arguments,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Arguments {
    execution: Option<u64>,
    graph: Option<String>,
    task: Option<u32>,
    node: Option<String>,
    phase: Option<String>,
    part: Option<u32>,
    parts: Option<u32>,
    ready_us: Option<f64>,
    after: Vec<u32>,
    from: Option<u32>,
    to: Option<u32>,
    port: Option<u32>,
    bytes: Option<u64>,
    sent_us: Option<f64>,
    by: Option<u32>,
}

/// Nanoseconds of so many microseconds.
fn nanoseconds(microseconds: f64, what: &str) -> Result<u64, String> {
    let nanoseconds = (microseconds * 1e3).round();
    // Numbers of the format are exact up to here.
    if (0.0..9e15).contains(&nanoseconds) {
        Ok(nanoseconds as u64)
    } else {
        Err(format!("`{what}` is {microseconds}, and should be a time in microseconds from 0 on"))
    }
}

/// What an event must have.
fn needed<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("the event has no `{name}` among its `args`"))
}

fn small(number: Option<u32>, name: &str) -> Result<usize, String> {
    needed(number, name).map(|number| number as usize)
}

impl Event {
    fn add(
        self,
        gathered: &mut Gathered,
        place: usize,
        span: &mut Option<u64>,
    ) -> Result<(), String> {
        let Self { ph, name, cat, tid, ts, dur, args } = self;
        if !matches!(ph.as_str(), "b" | "e" | "X" | "s" | "i") {
            return Ok(());
        }
        let time = nanoseconds(ts, "ts")?;
        let worker = u32::try_from(tid).map_err(|_| format!("`tid` is {tid}, too much"))? as usize;
        let execution = needed(args.execution, "execution")?;
        match (ph.as_str(), cat.as_str(), name.as_str()) {
            ("b", "execution", _) => {
                *span = Some(time);
                Ok(())
            }
            ("e", "execution", _) => {
                let began = span.take().ok_or("an execution ends that has not begun")?;
                gathered.execution(execution, args.graph, (began, time))
            }
            ("X", "worker", "parked") => {
                let event = WorkerEvent { worker, change: WorkerChange::Parked, time };
                gathered.worker(place, execution, event)
            }
            ("i", "worker", _) => {
                let change = match name.as_str() {
                    "awake" => WorkerChange::Awake,
                    "notified" => WorkerChange::Notified { by: small(args.by, "by")? },
                    "stole" => WorkerChange::Stole {
                        task: small(args.task, "task")?,
                        part: small(args.part, "part")?,
                        from: small(args.from, "from")?,
                    },
                    _ => return Err(format!("the worker event `{name}` is not known")),
                };
                gathered.worker(place, execution, WorkerEvent { worker, change, time })
            }
            ("X", ..) => {
                let event = PartEvent {
                    task: small(args.task, "task")?,
                    part: small(args.part, "part")?,
                    worker,
                    ready: nanoseconds(needed(args.ready_us, "ready_us")?, "ready_us")?,
                    start: time,
                    end: time + nanoseconds(dur, "dur")?,
                };
                let task = TracedTask {
                    number: event.task as u64,
                    label: name,
                    node: needed(args.node, "node")?,
                    phase: needed(args.phase, "phase")?,
                    parts: small(args.parts, "parts")?,
                    after: args.after.into_iter().map(|it| it as usize).collect(),
                };
                gathered.part(place, execution, task, event)
            }
            ("s", "message", _) => {
                let event = MessageEvent {
                    from: small(args.from, "from")?,
                    to: small(args.to, "to")?,
                    port: small(args.port, "port")?,
                    bytes: needed(args.bytes, "bytes")? as usize,
                    worker,
                    time: nanoseconds(needed(args.sent_us, "sent_us")?, "sent_us")?,
                };
                gathered.message(place, execution, event)
            }
            _ => Ok(()),
        }
    }
}

/// Reads a document.
pub(super) fn parse(text: &str, origin: &str) -> Result<Trace> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        wrong(
            origin,
            &place,
            format!("it is no trace in Chrome's format: {}", plain(&error.to_string())),
        )
    })?;
    let mut gathered = gathered(origin, "event");
    let mut span = None;
    for (number, event) in (1..).zip(document.events) {
        let added = event.add(&mut gathered, number, &mut span);
        added.map_err(|problem| wrong(origin, &format!("event {number}"), problem))?;
    }
    gathered.finish()
}
