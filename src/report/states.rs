//! The states of a task, as a picture.

use super::canvas::{Anchor, Canvas};

const WIDTH: f64 = 150.0;
const HEIGHT: f64 = 84.0;
const TOP: f64 = 56.0;
const LEFT: f64 = 24.0;
/// From the left end of one state to that of the next.
const STEP: f64 = 282.0;

/// What a state is called, the counters that decide that a task is in it, and its colours.
const STATES: [(&str, [&str; 2], [&str; 2]); 4] = [
    ("waiting", ["pending > 0", "costs no thread"], ["#f2f4f7", "#667085"]),
    ("ready", ["pending = 0", "its parts are in the queue"], ["#fff2cc", "#b08a1e"]),
    ("running", ["parts_left > 0", "workers have its parts"], ["#e8eef7", "#5673a5"]),
    ("complete", ["parts_left = 0", "results are there"], ["#d9ead3", "#5b8a4a"]),
];

/// What leads from each state to the next, above and below the arrow.
const STEPS: [[&str; 2]; 3] = [
    ["the last message", "pending − 1, to 0"],
    ["a worker takes a part", "the policy says which"],
    ["the last part ends", "parts_left − 1, to 0"],
];

/// The states that a task of the engine goes through, with the counters that decide, as an SVG picture.
pub fn task_states() -> String {
    let bottom = TOP + HEIGHT;
    let left = |state: usize| LEFT + state as f64 * STEP;
    let width = left(STATES.len() - 1) + WIDTH + LEFT;
    let mut canvas = Canvas::new(width, bottom + 108.0, "the states of a task");
    canvas.tips();
    canvas.heading((LEFT, 28.0), Anchor::Start, 15.0, "The states of a task");
    for (state, (name, notes, [fill, stroke])) in STATES.iter().enumerate() {
        let middle = left(state) + WIDTH / 2.0;
        canvas.frame((left(state), TOP), (WIDTH, HEIGHT), fill, stroke);
        canvas.heading((middle, TOP + 27.0), Anchor::Middle, 15.0, name);
        canvas.text((middle, TOP + 49.0), Anchor::Middle, 12.5, notes[0]);
        canvas.text((middle, TOP + 68.0), Anchor::Middle, 11.0, notes[1]);
    }
    for (state, [above, below]) in STEPS.iter().enumerate() {
        let (from, to) = (left(state) + WIDTH + 2.0, left(state + 1) - 3.0);
        let y = TOP + HEIGHT / 2.0;
        let middle = f64::midpoint(from, to);
        canvas.arrow(&format!("M{from:.1} {y:.1}L{to:.1} {y:.1}"), 1.6);
        canvas.text((middle, y - 8.0), Anchor::Middle, 12.0, above);
        canvas.text((middle, y + 18.0), Anchor::Middle, 11.0, below);
    }
    let (from, to) = (left(STATES.len() - 1) + WIDTH / 2.0, left(0) + WIDTH / 2.0);
    let low = bottom + 34.0;
    let path = format!(
        "M{from:.1} {:.1}L{from:.1} {low:.1}L{to:.1} {low:.1}L{to:.1} {:.1}",
        bottom + 2.0,
        bottom + 3.0
    );
    canvas.arrow(&path, 1.6);
    let middle = f64::midpoint(from, to);
    let notes = [
        "the worker that completes the task first resets it: pending = its ports, parts_left = its parts;",
        "then it sends the task's messages, and each counts pending of its receiver down",
    ];
    for (line, note) in notes.iter().enumerate() {
        canvas.text((middle, low + 22.0 + 18.0 * line as f64), Anchor::Middle, 12.0, note);
    }
    canvas.finish()
}
