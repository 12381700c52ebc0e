//! Who did what when.

use super::canvas::{Anchor, COLOURS, Canvas, PALE, tick_label, ticks};
use crate::context::Phase;
use crate::flow::trace::Execution;
use crate::plan::Plan;

const LEFT: f64 = 80.0;
const WIDTH: f64 = 1100.0;
const TOP: f64 = 34.0;
const ROW: f64 = 26.0;

/// Rows beyond these are left out, and the picture says so.
const MOST_ROWS: usize = 128;

/// The most frequent phases have the colours that are told apart best.
const FREQUENT: [Phase; 4] = [Phase::Forward, Phase::Update, Phase::InputGrad, Phase::ParamGrad];

fn colour(phase: Phase) -> &'static str {
    let frequent = FREQUENT.iter();
    let others = Phase::ALL.iter().filter(|other| !FREQUENT.contains(other));
    let number = frequent.chain(others).position(|&other| other == phase).unwrap_or(0);
    COLOURS[number % COLOURS.len()]
}

/// One execution as an SVG picture: a row for every worker, a bar for every part, coloured by the phase
/// of its task's first step. A pointer over a bar shows what it is.
///
/// Works for recorded and for simulated executions alike.
pub fn timeline(plan: &Plan, execution: &Execution) -> String {
    let workers = execution.events.iter().map(|event| event.worker + 1).max().unwrap_or(0);
    let rows = workers.min(MOST_ROWS);
    let height = TOP + rows as f64 * ROW + 60.0;
    let mut canvas = Canvas::new(LEFT + WIDTH + 20.0, height, "timeline");
    let length = execution.ended.saturating_sub(execution.began).max(1) as f64;
    let x = |time: u64| LEFT + time.saturating_sub(execution.began) as f64 / length * WIDTH;
    let mut phases = Vec::new();
    for row in 0..rows {
        let y = TOP + row as f64 * ROW;
        canvas.text((LEFT - 8.0, y + 16.0), Anchor::End, 12.0, format!("worker {row}"));
        canvas.rect((LEFT, y), (WIDTH, ROW - 4.0), "#f2f4f7", "");
    }
    for event in execution.events.iter().filter(|event| event.worker < rows) {
        let task = plan.task(event.task);
        if !phases.contains(&task.phase) {
            phases.push(task.phase);
        }
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
        let y = TOP + event.worker as f64 * ROW;
        // A hair less, so that neighbours are seen apart.
        let width = (end - start - 0.3).max(0.2);
        canvas.rect((start, y), (width, ROW - 4.0), colour(task.phase), &hint);
    }
    phases.sort_unstable();
    let entries = phases.iter().map(|&phase| (colour(phase), phase.name()));
    canvas.legend((LEFT, 20.0), entries);
    let y = TOP + rows as f64 * ROW;
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
    canvas.text(
        (LEFT + WIDTH / 2.0, y + 38.0),
        Anchor::Middle,
        12.0,
        format!("milliseconds{more}"),
    );
    canvas.finish()
}
