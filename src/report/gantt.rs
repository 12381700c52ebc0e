//! Schedules as charts.

use std::fmt::Write;

use super::canvas::{Anchor, COLOURS, Canvas, PALE, tick_label, ticks};
use crate::error::Result;
use crate::flow::trace::Trace;
use crate::scheduling::{Instance, Placement, Platform, Schedule, WeightedGraph, WeightedTask};

const LEFT: f64 = 110.0;
const WIDTH: f64 = 1070.0;
const TOP: f64 = 34.0;
const ROW: f64 = 26.0;

/// Rows beyond these are left out, and the picture says so.
const MOST_ROWS: usize = 128;

/// Names that are longer are shown by the pointer alone.
const MOST_LETTERS: usize = 40;

/// A schedule as an SVG picture (Gantt chart): a row for every worker, a bar for every task. Colours tell neighbours
/// apart. A pointer over a bar shows the task, and from when to when it runs.
pub fn gantt(title: &str, instance: &Instance<'_>, schedule: &Schedule) -> String {
    chart(title, instance, &[("", schedule)])
}

/// Two schedules over each other in one picture: of each worker first what was planned, then what was executed, by the
/// same scale of time.
pub fn gantt_executed(
    title: &str,
    instance: &Instance<'_>,
    planned: &Schedule,
    executed: &Schedule,
) -> String {
    chart(title, instance, &[("planned", planned), ("executed", executed)])
}

/// Of each worker a row for each schedule, which has its name where there are several.
fn chart(title: &str, instance: &Instance<'_>, schedules: &[(&str, &Schedule)]) -> String {
    let workers = instance.workers();
    let shown = workers.min(MOST_ROWS / schedules.len());
    let rows = shown * schedules.len();
    let bar = ROW - 4.0;
    let row_top = |row: usize| TOP + row as f64 * ROW;
    let bottom = row_top(rows);
    let mut canvas = Canvas::new(LEFT + WIDTH + 20.0, bottom + 60.0, title);
    canvas.heading((LEFT, 20.0), Anchor::Start, 14.0, title);
    let makespans = schedules.iter().map(|(_, schedule)| schedule.makespan());
    let makespan = makespans.fold(0.0, f64::max);
    let length = if makespan > 0.0 { makespan } else { 1.0 };
    let x = |seconds: f64| LEFT + seconds / length * WIDTH;
    for (number, (kind, schedule)) in schedules.iter().enumerate() {
        for (worker, list) in schedule.by_worker(workers).into_iter().enumerate().take(shown) {
            let y = row_top(worker * schedules.len() + number);
            let name = instance.platform().name(worker);
            let name: String = if number == 0 { name } else { kind }.chars().take(16).collect();
            canvas.text((LEFT - 8.0, y + 16.0), Anchor::End, 12.0, name);
            canvas.rect((LEFT, y), (WIDTH, bar), "#f2f4f7", "");
            for placement in list {
                let task = &instance.graph().tasks()[placement.task];
                let (start, end) = (x(placement.start), x(placement.finish));
                let (from, to) = (placement.start, placement.finish);
                let kind = if kind.is_empty() { String::new() } else { format!(", {kind}") };
                let hint = format!("{}{kind}: {from} to {to} s", task.name);
                // A hair less, so that neighbours are seen apart.
                let width = (end - start - 0.3).max(0.2);
                let colour = COLOURS[placement.task % COLOURS.len()];
                canvas.rect((start, y), (width, bar), colour, &hint);
                let letters = task.name.chars().count();
                if letters <= MOST_LETTERS && letters as f64 <= (width - 4.0) / 5.6 {
                    canvas.text_on(colour, (start + width / 2.0, y + 14.5), 10.0, &task.name);
                }
            }
        }
    }
    let (scale, unit) = unit(length);
    let marks = ticks(length * scale, 8);
    for &mark in marks.iter().filter(|&&mark| mark <= length * scale) {
        let at = x(mark / scale);
        canvas.line((at, TOP), (at, bottom + 4.0), PALE, 0.5);
        canvas.text((at, bottom + 18.0), Anchor::Middle, 12.0, tick_label(mark, &marks));
    }
    let more = if workers > shown {
        format!("; {} more workers are not shown", workers - shown)
    } else {
        String::new()
    };
    canvas.text((LEFT, bottom + 38.0), Anchor::Start, 12.0, format!("{unit}{more}"));
    canvas.finish()
}

/// An execution of a trace as the same picture: a bar for every part, called by its task's number and label.
///
/// # Errors
/// If the execution has more parts, or more workers, than a chart can have.
pub fn trace_gantt(title: &str, trace: &Trace, execution: usize) -> Result<String> {
    let execution = &trace.executions()[execution];
    let mut graph = WeightedGraph::builder(trace.name());
    let mut placements = Vec::with_capacity(execution.events.len());
    let seconds = |time: u64| time.saturating_sub(execution.began) as f64 * 1e-9;
    for (number, event) in execution.events.iter().enumerate() {
        let task = &trace.tasks()[event.task];
        let mut name = format!("{}: {}", task.number, task.label);
        if task.parts > 1 {
            let _ = write!(name, ", part {} of {}", event.part + 1, task.parts);
        }
        let (start, finish) = (seconds(event.start), seconds(event.end));
        graph.task(WeightedTask::new(name, finish - start))?;
        placements.push(Placement::new(number, event.worker, start, finish));
    }
    let (graph, platform) = (graph.build()?, Platform::equal(execution.worker_count())?);
    let instance = Instance::new(&graph, &platform)?;
    Ok(gantt(title, &instance, &Schedule::new(placements)))
}

/// By what seconds are multiplied to be numbers of a few digits, and of what.
fn unit(seconds: f64) -> (f64, &'static str) {
    match seconds {
        it if it >= 0.5 => (1.0, "seconds"),
        it if it >= 0.5e-3 => (1e3, "milliseconds"),
        _ => (1e6, "microseconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_a_bar_of_its_length_on_its_worker() {
        let mut graph = WeightedGraph::builder("g");
        graph.task(WeightedTask::new("a <b>", 1.0)).unwrap();
        graph.task(WeightedTask::new("wide", 3.0).workers(2_usize)).unwrap();
        let graph = graph.build().unwrap();
        let platform = Platform::equal(2).unwrap();
        let instance = Instance::new(&graph, &platform).unwrap();
        let first = Placement::new(0, 1, 0.0, 1.0);
        let mut wide = Placement::new(1, 0, 1.0, 4.0);
        wide.others.push(1);
        let picture = gantt("by hand", &instance, &Schedule::new(vec![first, wide]));
        let bar = |x: f64, row: usize, seconds: f64| {
            let width = seconds / 4.0 * WIDTH - 0.3;
            let y = TOP + row as f64 * ROW;
            format!("<rect x=\"{:.2}\" y=\"{y:.2}\" width=\"{width:.2}\"", LEFT + x / 4.0 * WIDTH)
        };
        for expected in [bar(0.0, 1, 1.0), bar(1.0, 0, 3.0), bar(1.0, 1, 3.0)] {
            assert!(picture.contains(&expected), "{expected}: {picture}");
        }
        assert!(picture.contains("a &lt;b&gt;: 0 to 1 s") && !picture.contains("<b>"), "{picture}");
        // What was executed stands below what was planned, and the longer one makes the scale.
        let planned = Schedule::new(vec![Placement::new(0, 1, 0.0, 1.0)]);
        let executed = Schedule::new(vec![Placement::new(0, 0, 2.0, 4.0)]);
        let both = gantt_executed("both", &instance, &planned, &executed);
        for expected in [bar(0.0, 2, 1.0), bar(2.0, 1, 2.0)] {
            assert!(both.contains(&expected), "{expected}: {both}");
        }
        assert!(both.contains(", executed: 2 to 4 s") && both.contains(">executed<"), "{both}");
        let empty = gantt("nothing", &instance, &Schedule::new(Vec::new()));
        assert!(!empty.contains("NaN") && !empty.contains("inf"), "{empty}");
    }
}
