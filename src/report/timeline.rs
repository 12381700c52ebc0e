//! Who did what when.

use std::collections::BTreeMap;

use super::canvas::{Anchor, COLOURS, Canvas, PALE, legend_entry, tick_label, ticks};
use crate::context::Phase;
use crate::flow::TaskGraph;
use crate::flow::trace::{Execution, live_bytes};
use crate::plan::Plan;

const LEFT: f64 = 80.0;
const WIDTH: f64 = 1100.0;
const TOP: f64 = 34.0;
const ROW: f64 = 26.0;

/// The height of the memory below the workers.
const MEMORY: f64 = 48.0;

/// Rows beyond these are left out, and the picture says so.
const MOST_ROWS: usize = 128;

/// The most frequent phases have the colours that are told apart best.
const FREQUENT: [Phase; 4] = [Phase::Forward, Phase::Update, Phase::InputGrad, Phase::ParamGrad];

pub(super) fn colour(phase: Phase) -> &'static str {
    let frequent = FREQUENT.iter();
    let others = Phase::ALL.iter().filter(|other| !FREQUENT.contains(other));
    let number = frequent.chain(others).position(|&other| other == phase).unwrap_or(0);
    COLOURS[number % COLOURS.len()]
}

/// The colours of these phases, each once, in a row.
pub(super) fn legend_of(canvas: &mut Canvas, at: (f64, f64), phases: &[Phase]) {
    let mut phases = phases.to_vec();
    phases.sort_unstable();
    phases.dedup();
    canvas.legend(at, phases.iter().map(|&phase| (colour(phase), phase.name())));
}

/// How far that reaches.
pub(super) fn legend_width(phases: &[Phase]) -> f64 {
    phases.iter().map(|phase| legend_entry(phase.name())).sum()
}

/// One execution as an SVG picture: a row for every worker, a bar for every part, coloured by the phase
/// of its task's first step. A pointer over a bar shows what it is. If messages were recorded, a thin line
/// leads from where one was sent to where its receiver began on each other worker, with a tip if it was the last
/// that the receiver waited for. Below the workers stands how much memory recycled buffers take.
///
/// On a page, a part under the pointer shows from which parts its task took messages, and which took its own.
///
/// Works for recorded and for simulated executions alike.
pub fn timeline(plan: &Plan, execution: &Execution) -> String {
    let workers = execution.events.iter().map(|event| event.worker + 1).max().unwrap_or(0);
    let rows = workers.min(MOST_ROWS);
    // Arrows need room.
    let pitch = if execution.messages.is_empty() { ROW } else { 4.0 * ROW };
    let bar = ROW - 4.0;
    let row_top = |row: usize| TOP + row as f64 * pitch;
    let below = row_top(rows.saturating_sub(1)) + ROW;
    let live = live_bytes(plan, execution);
    let most_live = live.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let bottom = if most_live > 0 { below + MEMORY + 8.0 } else { below };
    let mut canvas = Canvas::new(LEFT + WIDTH + 20.0, bottom + 60.0, "timeline");
    let length = execution.length().max(1) as f64;
    let x = |time: u64| LEFT + time.saturating_sub(execution.began) as f64 / length * WIDTH;
    let mut phases = Vec::new();
    for row in 0..rows {
        let y = row_top(row);
        canvas.text((LEFT - 8.0, y + 16.0), Anchor::End, 12.0, format!("worker {row}"));
        canvas.rect((LEFT, y), (WIDTH, bar), "#f2f4f7", "");
    }
    canvas.open("parts", &[("messages", &messages(plan))]);
    for event in execution.events.iter().filter(|event| event.worker < rows) {
        let task = plan.task(event.task);
        phases.push(task.phase);
        let (start, end) = (x(event.start), x(event.end));
        let part = if task.parts > 1 {
            format!(" part {} of {}", event.part + 1, task.parts)
        } else {
            String::new()
        };
        let hint = format!(
            "{}{part}: {:.1} µs, waited {:.1} µs",
            plan.task_label(event.task),
            (event.end - event.start) as f64 / 1e3,
            event.start.saturating_sub(event.ready) as f64 / 1e3,
        );
        let y = row_top(event.worker);
        // A hair less, so that neighbours are seen apart.
        let width = (end - start - 0.3).max(0.2);
        canvas.part_of(event.task, (start, y), (width, bar), colour(task.phase), &hint);
        let room = (width - 4.0) / 5.6;
        if task.node.chars().count() as f64 <= room {
            canvas.text_on(colour(task.phase), (start + width / 2.0, y + 14.5), 10.0, task.node);
        }
    }
    canvas.close();
    if most_live > 0 {
        let ends = [(execution.ended, live.last().map_or(0, |(_, bytes)| *bytes))];
        memory(
            &mut canvas,
            live.iter().chain(&ends).map(|&(time, bytes)| (x(time), bytes)),
            most_live,
            below + 4.0,
        );
    }
    legend_of(&mut canvas, (LEFT, 20.0), &phases);
    if !execution.messages.is_empty() {
        canvas.tips();
        // Those with tips on top of the others.
        let mut passed = passed_on(execution, rows);
        passed.sort_by_key(|passed| passed.last);
        for Passed { sent, began, from, to, last } in passed {
            let (from_y, to_y) = if from < to {
                (row_top(from) + bar, row_top(to))
            } else {
                (row_top(from), row_top(to) + bar)
            };
            let (start, end) = ((x(sent), from_y), (x(began), to_y));
            if last {
                let path = format!("M{:.2} {:.2}L{:.2} {:.2}", start.0, start.1, end.0, end.1);
                canvas.arrow(&path, 0.9);
            } else {
                canvas.line(start, end, "#d0d5dd", 0.6);
            }
        }
    }
    let y = bottom;
    let marks = ticks(length / 1e6, 8);
    for &mark in marks.iter().filter(|&&mark| mark * 1e6 <= length) {
        let at = LEFT + mark * 1e6 / length * WIDTH;
        canvas.line((at, TOP), (at, y + 4.0), PALE, 0.5);
        canvas.text((at, y + 18.0), Anchor::Middle, 12.0, tick_label(mark, &marks));
    }
    let more = if workers > rows {
        format!("; {} more workers are not shown", workers - rows)
    } else {
        String::new()
    };
    let lines = if execution.messages.is_empty() {
        ""
    } else {
        "; thin lines: messages between workers; arrows: the last that a task waited for"
    };
    canvas.text(
        (LEFT + WIDTH / 2.0, y + 38.0),
        Anchor::Middle,
        12.0,
        format!("milliseconds{more}{lines}"),
    );
    canvas.finish()
}

/// Which task sends messages to which: `0>2 1>2`.
fn messages(graph: &TaskGraph) -> String {
    let tasks = 0..graph.task_count();
    let to =
        |task: usize| graph.task(task).successors.into_iter().map(move |to| format!("{task}>{to}"));
    tasks.flat_map(to).collect::<Vec<_>>().join(" ")
}

/// The memory in use from each place on, as steps.
fn memory(canvas: &mut Canvas, live: impl Iterator<Item = (f64, usize)>, most: usize, top: f64) {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (x, bytes) in live {
        let y = top + MEMORY * (1.0 - bytes as f64 / most as f64);
        points.extend(points.last().map(|&(_, before)| (x, before)));
        points.push((x, y));
    }
    let (size, unit) = match most as f64 / 1024.0 {
        kib if kib >= 1024.0 => (kib / 1024.0, "MiB"),
        kib => (kib, "KiB"),
    };
    let hint = format!("memory of recycled buffers, at most {size:.1} {unit}");
    canvas.area(&points, top + MEMORY, "#c3d3e8", &hint);
    canvas.text((LEFT - 8.0, top + 12.0), Anchor::End, 12.0, format!("{size:.1} {unit}"));
    canvas.text((LEFT - 8.0, top + MEMORY), Anchor::End, 12.0, "memory");
}

/// A message to another worker.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    /// When it was sent.
    sent: u64,
    /// When the first part of its receiver began on the other worker.
    began: u64,
    from: usize,
    to: usize,
    /// Whether its receiver got no later message.
    last: bool,
}

/// The messages between workers: of each sender and receiver one for each worker that ran parts of the
/// receiver.
fn passed_on(execution: &Execution, workers: usize) -> Vec<Passed> {
    let mut first: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for event in &execution.events {
        let start = first.entry((event.task, event.worker)).or_insert(event.start);
        *start = event.start.min(*start);
    }
    // Messages are in the order of their times.
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    for message in &execution.messages {
        last.insert(message.to, message.from);
    }
    let mut passed = BTreeMap::new();
    for message in execution.messages.iter().filter(|message| message.worker < workers) {
        for (&(to, worker), &began) in first.range((message.to, 0)..(message.to, workers)) {
            if worker != message.worker {
                passed.entry((message.from, to, worker)).or_insert(Passed {
                    sent: message.time,
                    began,
                    from: message.worker,
                    to: worker,
                    last: last.get(&to) == Some(&message.from),
                });
            }
        }
    }
    passed.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{MessageEvent, PartEvent};

    #[test]
    fn only_messages_to_other_workers_are_passed_on_and_the_last_is_known() {
        let part = |task, worker, start| PartEvent {
            task,
            part: 0,
            worker,
            ready: start,
            start,
            end: start + 5,
        };
        let message =
            |from, to, worker, time| MessageEvent { from, to, port: from, bytes: 4, worker, time };
        let execution = Execution {
            began: 0,
            ended: 30,
            events: vec![part(0, 0, 0), part(1, 1, 2), part(2, 1, 10), part(2, 0, 12)],
            messages: vec![message(0, 2, 0, 5), message(1, 2, 1, 7)],
            ..Execution::default()
        };
        let passed = |sent, began, from, to, last| Passed { sent, began, from, to, last };
        assert_eq!(
            passed_on(&execution, 2),
            [passed(5, 10, 0, 1, false), passed(7, 12, 1, 0, true)]
        );
        assert_eq!(passed_on(&execution, 1), []);
    }
}
