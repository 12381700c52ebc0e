//! Plans as pictures: the tasks that a network becomes, and the workers that run them.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::canvas::{ARROW, Anchor, Canvas, curve};
use super::layout::{Layout, MARGIN};
use super::svg::elements;
use super::timeline::{colour, legend_of, legend_width};
use crate::context::Phase;
use crate::flow::trace::Execution;
use crate::plan::Plan;

/// Names have no limit, pictures do: letters of one line.
const LONGEST: usize = 40;

const LINE: f64 = 16.0;
const LETTER: f64 = 6.8;

/// The legend and the heading above what a picture shows.
const TOP: f64 = 66.0;

/// Rows of a workers' panel beyond these are left out, and the picture says so.
const MOST_ROWS: usize = 400;
const MOST_WORKERS: usize = 16;

/// The tasks of a plan as an SVG picture, from top to bottom: a box for every task, with a line for each
/// of its calls in the order in which they are made, and an arrow for every message. Calls in one box were
/// fused.
///
/// ```
/// use caudal::context::Mode;
/// use caudal::plan::{Plan, PlanOptions};
///
/// let model = caudal::presets::find("article-dag")?.model()?;
/// let optimizer = &model.training.optimizer;
/// let plan = Plan::compile(&model.graph, Mode::Training, 32, optimizer, PlanOptions::default())?;
/// let picture = caudal::report::tasks(&plan);
/// assert_eq!(picture.matches("marker-end").count(), plan.message_count());
/// # Ok::<(), caudal::Error>(())
/// ```
pub fn tasks(plan: &Plan) -> String {
    let (elements, (width, height)) = boxes(plan, None);
    let title = format!("{}: {}", plan.graph().name(), counts(plan));
    let phases = phases(plan);
    let width = width.max(heading_width(&title)).max(legend_width(&phases) + MARGIN);
    let mut canvas = Canvas::new(width, height + TOP, &title);
    canvas.tips();
    legend_of(&mut canvas, (MARGIN, 20.0), &phases);
    canvas.heading((MARGIN, 48.0), Anchor::Start, 14.0, &title);
    canvas.group((0.0, TOP - MARGIN), &elements);
    canvas.finish()
}

/// One picture of a network as its author wrote it, of the tasks that it became, and of the workers that
/// ran them in one execution, side by side.
///
/// The workers' time is stretched so that every part has a row where it begins: parts that lie beside
/// each other ran at the same time, and lengths mean nothing else.
pub fn overview(plan: &Plan, execution: &Execution) -> String {
    const GAP: f64 = 26.0;
    let (graph, graph_size) = elements(plan.graph(), None, None);
    let (tasks, tasks_size) = boxes(plan, Some(execution));
    let tasks_height = tasks_size.1;
    let (lanes, lanes_size) = lanes(plan, execution);
    let panels = [
        ("1. the network as it was written".to_owned(), graph, graph_size),
        (format!("2. one training step: {}", counts(plan)), tasks, tasks_size),
        ("3. the workers that ran them".to_owned(), lanes, lanes_size),
    ];
    let note =
        "a box: calls fused into one task; an arrow: a message; a disc: a worker that ran the task";
    let mut widths =
        panels.each_ref().map(|(title, _, (width, _))| width.max(heading_width(title)));
    widths[1] = widths[1].max(6.0 * note.chars().count() as f64);
    let height =
        panels.iter().map(|(_, _, (_, height))| *height).fold(tasks_height + 12.0, f64::max);
    let name = plan.graph().name();
    let title = format!("{name}: from the graph to tasks to workers");
    let phases = phases(plan);
    let width = widths.iter().sum::<f64>() + 2.0 * GAP;
    let mut canvas =
        Canvas::new(width.max(legend_width(&phases) + MARGIN), height + TOP + 10.0, &title);
    canvas.tips();
    legend_of(&mut canvas, (MARGIN, 20.0), &phases);
    let at = (widths[0] + GAP + widths[1] / 2.0, TOP - MARGIN + 22.0 + tasks_height);
    canvas.text(at, Anchor::Middle, 12.0, note);
    let mut left = 0.0;
    for ((title, elements, (own, _)), width) in panels.iter().zip(widths) {
        canvas.heading((left + width / 2.0, 52.0), Anchor::Middle, 14.0, title);
        canvas.group((left + (width - own) / 2.0, TOP - MARGIN + 10.0), elements);
        left += width + GAP;
        if left < widths.iter().sum::<f64>() {
            canvas.line((left - GAP / 2.0, 40.0), (left - GAP / 2.0, height + TOP), "#d0d5dd", 1.0);
        }
    }
    canvas.finish()
}

fn heading_width(title: &str) -> f64 {
    8.2 * title.chars().count() as f64 + 2.0 * MARGIN
}

fn counts(plan: &Plan) -> String {
    format!("{} tasks, {} messages", plan.task_count(), plan.message_count())
}

/// Those that occur, each once.
fn phases(plan: &Plan) -> Vec<Phase> {
    let tasks = 0..plan.task_count();
    let phases: BTreeSet<Phase> =
        tasks.flat_map(|task| plan.task(task).calls).map(|(_, phase)| phase).collect();
    phases.into_iter().collect()
}

/// Cut off where it is too long for a picture.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A line for each call, those that follow each other with the same words as one.
fn lines(plan: &Plan, task: usize) -> Vec<(Phase, String)> {
    let mut lines: Vec<(Phase, &str, usize)> = Vec::new();
    for (node, phase) in plan.task(task).calls {
        match lines.last_mut() {
            Some((last, name, times)) if *last == phase && *name == node => *times += 1,
            _ => lines.push((phase, node, 1)),
        }
    }
    let text = |node: &str, phase: Phase, times: usize| {
        let times = if times > 1 { format!(" × {times}") } else { String::new() };
        format!("{} {}{times}", shortened(node), phase.name())
    };
    lines.into_iter().map(|(phase, node, times)| (phase, text(node, phase, times))).collect()
}

/// The longest path to each task; one that waits for nothing lies just above the first that waits for it.
fn ranks(inputs: &[Vec<usize>]) -> Vec<usize> {
    let mut ranks = vec![0; inputs.len()];
    let mut first_user = vec![usize::MAX; inputs.len()];
    for (task, inputs) in inputs.iter().enumerate() {
        ranks[task] = inputs.iter().map(|&input| ranks[input] + 1).max().unwrap_or(0);
        for &input in inputs {
            first_user[input] = first_user[input].min(ranks[task]);
        }
    }
    for (task, inputs) in inputs.iter().enumerate() {
        if inputs.is_empty() && first_user[task] != usize::MAX {
            ranks[task] = first_user[task].saturating_sub(1);
        }
    }
    ranks
}

/// The boxes of all tasks with the arrows between them, and how large that is. With an execution, the
/// workers that ran a task stand at its corner.
fn boxes(plan: &Plan, execution: Option<&Execution>) -> (String, (f64, f64)) {
    let mut inputs = vec![Vec::new(); plan.task_count()];
    for task in plan.indices() {
        for edge in plan.edges_of(task) {
            inputs[edge.task].push(task.index());
        }
    }
    let lines: Vec<Vec<(Phase, String)>> =
        (0..plan.task_count()).map(|task| lines(plan, task)).collect();
    let foot = |task: usize| {
        let parts = plan.task(task).parts;
        (parts > 1).then(|| format!("{parts} parts"))
    };
    let letters = |lines: &Vec<(Phase, String)>| {
        lines.iter().map(|(_, line)| line.chars().count()).max().unwrap_or(0) as f64
    };
    let widths: Vec<f64> =
        lines.iter().map(|lines| (LETTER * letters(lines) + 34.0).max(80.0)).collect();
    let heights: Vec<f64> = lines
        .iter()
        .enumerate()
        .map(|(task, lines)| (lines.len() + usize::from(foot(task).is_some())) as f64 * LINE + 12.0)
        .collect();
    let layout = Layout::of_nodes(inputs.clone(), ranks(&inputs), &widths, heights.clone());
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(text, "<g fill=\"none\" stroke=\"{ARROW}\" stroke-width=\"1.2\">");
    for task in 0..inputs.len() {
        for points in layout.edges(task) {
            let path = curve(&points);
            let _ = writeln!(text, "<path d=\"{path}\" marker-end=\"url(#tip)\"/>");
        }
    }
    text.push_str("</g>\n");
    let mut canvas = Canvas::part();
    for (task, lines) in lines.iter().enumerate() {
        let ((x, y), (width, height)) = (layout.place(task), (widths[task], heights[task]));
        let (left, top) = (x - width / 2.0, y - height / 2.0);
        canvas.frame((left, top), (width, height), "#f8fafc", "#5673a5");
        let mut baseline = top + 18.0;
        for (phase, line) in lines {
            canvas.rect((left + 8.0, baseline - 10.0), (11.0, 11.0), colour(*phase), "");
            canvas.text((left + 24.0, baseline), Anchor::Start, 13.0, line);
            baseline += LINE;
        }
        if let Some(foot) = foot(task) {
            canvas.text((left + 24.0, baseline), Anchor::Start, 11.0, foot);
        }
        for (place, worker) in execution.map(|it| workers_of(it, task)).iter().flatten().enumerate()
        {
            let at = (left + width - 2.0 - 13.0 * place as f64, top);
            canvas.disc(at, 7.5, "#1d2433");
            canvas.text_on("#1d2433", (at.0, at.1 + 3.6), 10.0, worker);
        }
    }
    text.push_str(&canvas.into_elements());
    (text, layout.size())
}

/// Some of the workers that ran parts of a task: as many as have room at its corner, last first.
fn workers_of(execution: &Execution, task: usize) -> Vec<usize> {
    let parts = execution.events.iter().filter(|event| event.task == task);
    let mut workers: Vec<usize> = parts.map(|event| event.worker).collect();
    workers.sort_unstable();
    workers.dedup();
    workers.truncate(4);
    workers.reverse();
    workers
}

/// A column for each worker, with a box for each part that it ran.
fn lanes(plan: &Plan, execution: &Execution) -> (String, (f64, f64)) {
    const ROW: f64 = 25.0;
    const HEAD: f64 = 26.0;
    let events: Vec<_> =
        execution.events.iter().filter(|event| event.worker < MOST_WORKERS).collect();
    let shown = &events[..events.len().min(MOST_ROWS)];
    let workers = shown.iter().map(|event| event.worker + 1).max().unwrap_or(1);
    let label = |task: usize, part: usize| {
        let task = plan.task(task);
        let more = match task.calls.len() {
            1 => String::new(),
            calls => format!(" + {}", calls - 1),
        };
        let part = if task.parts > 1 {
            format!(", {} of {}", part + 1, task.parts)
        } else {
            String::new()
        };
        format!("{} {}{more}{part}", shortened(task.node), task.phase.name())
    };
    let labels: Vec<String> = shown.iter().map(|event| label(event.task, event.part)).collect();
    let letters = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0) as f64;
    let width = (LETTER * letters + 16.0).max(90.0);
    let left = |worker: usize| MARGIN + worker as f64 * (width + 12.0);
    let mut canvas = Canvas::part();
    let rows = shown.len() as f64 * ROW;
    for worker in 0..workers {
        let middle = left(worker) + width / 2.0;
        canvas.text((middle, MARGIN + 12.0), Anchor::Middle, 12.0, format!("worker {worker}"));
        canvas.rect((left(worker), MARGIN + HEAD), (width, rows), "#f2f4f7", "");
    }
    for (row, (event, label)) in shown.iter().zip(&labels).enumerate() {
        // To the row of the first part that began after this one had ended.
        let end = row + 1 + shown[row + 1..].partition_point(|other| other.start < event.end);
        let top = MARGIN + HEAD + row as f64 * ROW;
        let height = (end - row) as f64 * ROW - 3.0;
        let fill = colour(plan.task(event.task).phase);
        let at = (left(event.worker), top);
        canvas.rect(at, (width, height), fill, &plan.task_label(event.task));
        canvas.text_on(fill, (at.0 + width / 2.0, top + ROW / 2.0 + 3.0), 13.0, label);
    }
    let foot = MARGIN + HEAD + rows + 16.0;
    let span = left(workers) - 12.0;
    let left_out = events.len() - shown.len();
    let mut notes = vec!["time goes down; every part begins a row".to_owned()];
    if labels.iter().any(|label| label.contains(" + ")) {
        notes.push("+ 2: and two more calls".to_owned());
    }
    if left_out > 0 {
        notes.push(format!("{left_out} more parts are not shown"));
    }
    let longest = notes.iter().map(|note| note.chars().count()).max().unwrap_or(0) as f64;
    let span = span.max(6.2 * longest);
    for (number, note) in notes.iter().enumerate() {
        let at = (f64::midpoint(MARGIN, span), foot + 16.0 * number as f64);
        canvas.text(at, Anchor::Middle, 12.0, note);
    }
    (canvas.into_elements(), (span + MARGIN, foot + 16.0 * notes.len() as f64 + MARGIN))
}
