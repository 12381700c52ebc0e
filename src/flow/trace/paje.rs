//! Traces in the format of Pajé, which `ViTE` and `pj_dump` read.
//!
//! The format is that of de Oliveira Stein, de Kergommeaux and Mounié, "Pajé trace file format" (2003), in the words of
//! Schnorr's description of 2012: a header that defines events and their fields, then an event a line, by time.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Execution;
use super::counters::ready_parts;
use crate::flow::graph::TaskGraph;
use crate::flow::observer::WorkerChange;

/// The events that are used, with their fields and the types of these.
const EVENTS: [(&str, &[(&str, &str)]); 13] = [
    ("PajeDefineContainerType", &[ALIAS, TYPE, NAME]),
    ("PajeDefineVariableType", &[ALIAS, TYPE, NAME, COLOR]),
    ("PajeDefineStateType", &[ALIAS, TYPE, NAME]),
    ("PajeDefineEventType", &[ALIAS, TYPE, NAME, COLOR]),
    (
        "PajeDefineLinkType",
        &[ALIAS, TYPE, ("StartContainerType", "string"), ("EndContainerType", "string"), NAME],
    ),
    ("PajeDefineEntityValue", &[ALIAS, TYPE, NAME, COLOR]),
    ("PajeCreateContainer", &[TIME, ALIAS, TYPE, CONTAINER, NAME]),
    ("PajeDestroyContainer", &[TIME, TYPE, NAME]),
    ("PajeSetState", &[TIME, TYPE, CONTAINER, VALUE, ("Task", "string"), ("Part", "int")]),
    ("PajeSetVariable", &[TIME, TYPE, CONTAINER, ("Value", "double")]),
    ("PajeNewEvent", &[TIME, TYPE, CONTAINER, VALUE]),
    (
        "PajeStartLink",
        &[TIME, TYPE, CONTAINER, ("StartContainer", "string"), VALUE, ("Key", "string")],
    ),
    ("PajeEndLink", &[TIME, TYPE, CONTAINER, ("EndContainer", "string"), VALUE, ("Key", "string")]),
];

const ALIAS: (&str, &str) = ("Alias", "string");
const TYPE: (&str, &str) = ("Type", "string");
const NAME: (&str, &str) = ("Name", "string");
const COLOR: (&str, &str) = ("Color", "color");
const TIME: (&str, &str) = ("Time", "date");
const CONTAINER: (&str, &str) = ("Container", "string");
const VALUE: (&str, &str) = ("Value", "string");

/// Colours of phases in turn, as red, green and blue.
const COLOURS: [&str; 6] = [
    "0.25 0.47 0.70",
    "0.92 0.55 0.18",
    "0.35 0.63 0.36",
    "0.76 0.31 0.32",
    "0.52 0.40 0.65",
    "0.55 0.43 0.38",
];

/// The number of an event, as the header gives it.
fn number(event: &str) -> usize {
    EVENTS.iter().position(|(name, _)| *name == event).unwrap_or(EVENTS.len())
}

/// A text between quotation marks. The format knows no escapes: what would end it, or its line, is replaced.
fn quoted(text: &str) -> String {
    let plain = |c: char| {
        if c == '"' {
            '\''
        } else if c.is_control() {
            ' '
        } else {
            c
        }
    };
    // Readers stumble over nothing between marks.
    let text = if text.is_empty() { "-" } else { text };
    format!("\"{}\"", text.chars().map(plain).collect::<String>())
}

/// A trace in the format of Pajé: a container for every worker, whose states are the phases of the tasks that it runs,
/// `idle`, or `parked`; the task and its part are further fields of a state. Messages from one worker to another are
/// links, parts that are ready a variable, and parts that a worker stole, and calls to wake up, events. Times are seconds
/// since the first execution began.
pub fn paje(graph: &TaskGraph, executions: &[Execution]) -> String {
    let mut text = String::new();
    for (event, (name, fields)) in EVENTS.iter().enumerate() {
        let _ = writeln!(text, "%EventDef {name} {event}");
        for (field, kind) in *fields {
            let _ = writeln!(text, "% {field} {kind}");
        }
        text.push_str("%EndEventDef\n");
    }
    let workers = executions.iter().map(Execution::worker_count).max().unwrap_or(0);
    let mut writer = Writer {
        graph,
        origin: executions.first().map_or(0, |execution| execution.began),
        lines: Vec::new(),
        links: 0,
    };
    text.push_str(&writer.definitions(workers));
    for execution in executions {
        writer.execution(execution);
    }
    // The sort keeps what happens at one moment in order.
    writer.lines.sort_by_key(|(time, ..)| *time);
    for (time, event, fields) in &writer.lines {
        let _ = writeln!(text, "{} {} {fields}", number(event), seconds(*time));
    }
    let last = executions.iter().map(|execution| execution.ended).max().unwrap_or(writer.origin);
    let end = seconds(last.saturating_sub(writer.origin));
    for worker in 0..workers {
        let _ = writeln!(text, "{} {end} W w{worker}", number("PajeDestroyContainer"));
    }
    let _ = writeln!(text, "{} {end} P p", number("PajeDestroyContainer"));
    text
}

/// Nanoseconds as seconds, to the last digit.
fn seconds(nanoseconds: u64) -> String {
    format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}

struct Writer<'a> {
    graph: &'a TaskGraph,
    origin: u64,
    /// Time, event and further fields.
    lines: Vec<(u64, &'static str, String)>,
    links: usize,
}

impl Writer<'_> {
    /// Types, values and containers.
    fn definitions(&self, workers: usize) -> String {
        let mut text = String::new();
        let mut define = |event: &str, fields: &str| {
            let _ = writeln!(text, "{} {fields}", number(event));
        };
        define("PajeDefineContainerType", "P 0 \"program\"");
        define("PajeDefineContainerType", "W P \"worker\"");
        define("PajeDefineVariableType", "R P \"ready parts\" \"0.3 0.3 0.3\"");
        define("PajeDefineStateType", "S W \"state\"");
        define("PajeDefineEventType", "E W \"worker event\" \"0.0 0.0 0.0\"");
        define("PajeDefineLinkType", "L P W W \"message\"");
        define("PajeDefineEntityValue", "idle S \"idle\" \"0.95 0.95 0.95\"");
        define("PajeDefineEntityValue", "parked S \"parked\" \"0.8 0.8 0.8\"");
        let tasks = 0..self.graph.task_count();
        let phases: BTreeSet<&str> = tasks.map(|task| self.graph.task(task).phase).collect();
        for (place, phase) in phases.into_iter().enumerate() {
            let (name, colour) = (quoted(phase), COLOURS[place % COLOURS.len()]);
            define("PajeDefineEntityValue", &format!("{name} S {name} \"{colour}\""));
        }
        define("PajeDefineEntityValue", "notified E \"notified\" \"0.1 0.1 0.8\"");
        define("PajeDefineEntityValue", "stole E \"stole\" \"0.8 0.1 0.1\"");
        define("PajeCreateContainer", &format!("0.000000000 p P 0 {}", quoted(self.graph.name())));
        for worker in 0..workers {
            let fields = format!("0.000000000 w{worker} W p \"worker {worker}\"");
            define("PajeCreateContainer", &fields);
        }
        text
    }

    fn line(&mut self, time: u64, event: &'static str, fields: String) {
        self.lines.push((time.saturating_sub(self.origin), event, fields));
    }

    fn execution(&mut self, execution: &Execution) {
        let mut first: Vec<Option<(u64, usize)>> = vec![None; self.graph.task_count()];
        for (worker, sleeps) in execution.sleeps().into_iter().enumerate() {
            let idle = |time: u64| (time, "idle".to_owned(), "- 0".to_owned());
            let mut states = vec![idle(execution.began)];
            for sleep in sleeps {
                states.push((sleep.from, "parked".to_owned(), "- 0".to_owned()));
                states.push(idle(sleep.to));
            }
            for event in execution.events.iter().filter(|event| event.worker == worker) {
                let label = quoted(&self.graph.task_label(event.task));
                let phase = quoted(self.graph.task(event.task).phase);
                states.push((event.start, phase, format!("{label} {}", event.part)));
                states.push(idle(event.end));
            }
            states.sort_by_key(|(time, ..)| *time);
            for (time, state, what) in states {
                self.line(time, "PajeSetState", format!("S w{worker} {state} {what}"));
            }
        }
        for event in &execution.events {
            first[event.task].get_or_insert((event.start, event.worker));
        }
        for message in &execution.messages {
            let Some((start, to)) = first[message.to].filter(|(_, to)| *to != message.worker)
            else {
                continue;
            };
            self.links += 1;
            let (key, bytes) = (self.links, message.bytes);
            let link = |worker: usize| format!("L p w{worker} \"{bytes} bytes\" {key}");
            self.line(message.time, "PajeStartLink", link(message.worker));
            self.line(start.max(message.time), "PajeEndLink", link(to));
        }
        for event in &execution.workers {
            let value = match event.change {
                WorkerChange::Notified { .. } => "notified",
                WorkerChange::Stole { .. } => "stole",
                WorkerChange::Awake | WorkerChange::Parked => continue,
            };
            self.line(event.time, "PajeNewEvent", format!("E w{} {value}", event.worker));
        }
        for (time, parts) in ready_parts(execution) {
            self.line(time, "PajeSetVariable", format!("R p {parts}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::sync::Arc;

    use super::*;
    use crate::flow::trace::Recorder;
    use crate::flow::{Observer, executor};
    use crate::measure::prepare;
    use crate::plan::PlanOptions;
    use crate::presets;

    /// The fields that Schnorr's "Pajé trace file format", section 3, makes obligatory.
    const OBLIGATORY: &[(&str, &[&str])] = &[
        ("PajeDefineContainerType", &["Name", "Type"]),
        ("PajeDefineVariableType", &["Name", "Type", "Color"]),
        ("PajeDefineStateType", &["Name", "Type"]),
        ("PajeDefineEventType", &["Name", "Type", "Color"]),
        ("PajeDefineLinkType", &["Name", "Type", "StartContainerType", "EndContainerType"]),
        ("PajeDefineEntityValue", &["Name", "Type", "Color"]),
        ("PajeCreateContainer", &["Time", "Name", "Type", "Container"]),
        ("PajeDestroyContainer", &["Time", "Name", "Type"]),
        ("PajeSetState", &["Time", "Type", "Container", "Value"]),
        ("PajeSetVariable", &["Time", "Type", "Container", "Value"]),
        ("PajeNewEvent", &["Time", "Type", "Container", "Value"]),
        ("PajeStartLink", &["Time", "Type", "Container", "Value", "StartContainer", "Key"]),
        ("PajeEndLink", &["Time", "Type", "Container", "Value", "EndContainer", "Key"]),
    ];

    /// The words of a line, where quotation marks hold several together.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (place, piece) in line.split('"').enumerate() {
            if place % 2 == 1 {
                words.push(piece.to_owned());
            } else {
                words.extend(piece.split_whitespace().map(str::to_owned));
            }
        }
        words
    }

    type Line = (String, HashMap<String, String>);

    /// The events of a trace with their fields, by the header alone.
    fn read(text: &str) -> Vec<Line> {
        let mut known: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
        let (mut open, mut lines) = (None, Vec::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix('%') {
                assert!(lines.is_empty(), "the header comes first: {line}");
                let rest: Vec<&str> = rest.split_whitespace().collect();
                match rest[..] {
                    ["EventDef", name, id] => {
                        assert!(
                            known.insert(id.to_owned(), (name.to_owned(), Vec::new())).is_none()
                        );
                        open = Some(id.to_owned());
                    }
                    ["EndEventDef"] => drop(open.take().unwrap()),
                    [field, kind] => {
                        assert!(
                            ["date", "int", "double", "hex", "string", "color"].contains(&kind)
                        );
                        known.get_mut(open.as_ref().unwrap()).unwrap().1.push(field.to_owned());
                    }
                    _ => panic!("{line}"),
                }
                continue;
            }
            let words = words(line);
            let (name, fields) = &known[&words[0]];
            assert_eq!(words.len(), 1 + fields.len(), "{name}: {line}");
            let values = fields.iter().cloned().zip(words[1..].iter().cloned()).collect();
            lines.push((name.clone(), values));
        }
        for (name, fields) in known.values() {
            let (_, needed) = OBLIGATORY.iter().find(|(known, _)| known == name).unwrap();
            assert!(needed.iter().all(|field| fields.iter().any(|it| it == field)), "{name}");
        }
        lines
    }

    #[test]
    fn header_and_events_are_as_the_format_defines_them() {
        let model = presets::open("digits").unwrap().without_metrics().unwrap();
        let optimizer = &model.training.optimizer;
        let mut run = prepare(&model.graph, 8, optimizer, PlanOptions::default()).unwrap();
        let recorder = Arc::new(Recorder::new().with_messages().with_worker_events());
        run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
        let mut pool = executor("pool", 2, "fifo").unwrap();
        (0..2).for_each(|_| pool.execute(&mut run).unwrap());
        let executions = recorder.executions();
        let lines = read(&paje(run.plan(), &executions));
        let all = |name: &'static str| {
            lines.iter().filter(move |line| line.0 == name).map(|line| &line.1)
        };
        // What is named has been defined.
        let mut types: Vec<&str> = vec!["0"];
        let mut containers: Vec<&str> = vec!["0"];
        let mut time = 0.0;
        for (name, fields) in &lines {
            let field = |name: &str| fields[name].as_str();
            assert!(types.contains(&field("Type")), "{name} {fields:?}");
            for key in ["Container", "StartContainer", "EndContainer"] {
                assert!(fields.get(key).is_none_or(|it| containers.contains(&it.as_str())));
            }
            if name.starts_with("PajeDefine") && name != "PajeDefineEntityValue" {
                types.push(field("Alias"));
            }
            if name == "PajeCreateContainer" {
                containers.push(field("Alias"));
            }
            if let Some(now) = fields.get("Time") {
                let now: f64 = now.parse().unwrap();
                assert!(now >= time, "{fields:?}");
                time = now;
            }
        }
        let parts: usize = executions.iter().map(|execution| execution.events.len()).sum();
        let states = all("PajeSetState").filter(|it| !["idle", "parked"].contains(&&*it["Value"]));
        let mut labels = 0;
        for state in states {
            labels += 1;
            let known = (0..run.plan().task_count())
                .any(|task| run.plan().task_label(task) == state["Task"]);
            assert!(known && all("PajeDefineEntityValue").any(|it| it["Alias"] == state["Value"]));
        }
        assert_eq!(labels, parts);
        let starts: Vec<_> = all("PajeStartLink").collect();
        assert_eq!(starts.len(), all("PajeEndLink").count());
        for start in &starts {
            let end = all("PajeEndLink").find(|end| end["Key"] == start["Key"]).unwrap();
            let times = [start, end].map(|it| it["Time"].parse::<f64>().unwrap());
            assert!(times[0] <= times[1] && start["StartContainer"] != end["EndContainer"]);
        }
        let last = all("PajeSetVariable").next_back().unwrap();
        assert_eq!(last["Value"], "0", "nothing is ready in the end");
        assert_eq!(all("PajeDestroyContainer").count(), 3);
    }

    #[test]
    fn names_can_not_end_their_field_or_their_line() {
        let mut tasks = crate::flow::TaskGraphBuilder::new("a \"b\"\n%EventDef");
        tasks.task("x\n7 \"y\" \u{1b}[31m", 1.0, &[]).unwrap();
        let graph = tasks.build().unwrap();
        let event =
            crate::flow::PartEvent { task: 0, part: 0, worker: 0, ready: 0, start: 1, end: 2 };
        let execution =
            Execution { began: 0, ended: 3, events: vec![event], ..Execution::default() };
        let text = paje(&graph, &[execution]);
        assert!(!text.contains('\u{1b}') && text.contains("\"a 'b' %EventDef\""), "{text}");
        let lines = read(&text);
        assert!(
            lines.iter().any(|(_, it)| it.get("Task").is_some_and(|it| it.starts_with("x 7 'y'")))
        );
    }
}
