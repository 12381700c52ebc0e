//! Pictures are well-formed, name what they show, and lie within their frames.

use std::path::Path;
use std::sync::Arc;

use caudal::context::Mode;
use caudal::flow::trace::{Execution, Recorder};
use caudal::flow::{Executor, Observer, Pool};
use caudal::graph::Graph;
use caudal::measure::prepare;
use caudal::plan::{Plan, PlanOptions};
use caudal::presets::{self, PRESETS};
use caudal::report::{overview, svg, task_states, tasks, timeline};

use crate::command_line::{path, refused, told};

/// An opened or a closed element of a picture, with its attributes, and the text after it.
struct Element<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    text: &'a str,
    closes: bool,
}

impl Element<'_> {
    fn number(&self, name: &str) -> f64 {
        self.attribute(name).map_or(0.0, |value| value.parse().unwrap())
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// The elements of a well-formed text; panics at any other.
fn elements(picture: &str) -> Vec<Element<'_>> {
    let mut elements = Vec::new();
    let mut open = Vec::new();
    let mut rest = picture.trim_end();
    while let Some(tag) = rest.strip_prefix('<') {
        let (inner, after) = tag.split_once('>').unwrap();
        let (text, _) = after.split_at(after.find('<').unwrap_or(after.len()));
        check_text(text);
        rest = &after[text.len()..];
        if let Some(name) = inner.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            assert!(!open.is_empty() || after.is_empty(), "{after} is outside");
            elements.push(Element { name, attributes: Vec::new(), text, closes: true });
            continue;
        }
        let (inner, empty) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let (name, mut left) = inner.split_once(' ').unwrap_or((inner, ""));
        assert!(name.chars().all(char::is_alphanumeric) && !name.is_empty(), "{name}");
        let mut attributes: Vec<(&str, &str)> = Vec::new();
        while !left.trim().is_empty() {
            let (key, value) = left.split_once("=\"").unwrap();
            let (value, more) = value.split_once('"').unwrap();
            check_text(value);
            let key = key.trim();
            assert!(attributes.iter().all(|(other, _)| *other != key), "{key} twice in {inner}");
            attributes.push((key, value));
            left = more;
        }
        elements.push(Element { name, attributes, text, closes: empty });
        if !empty {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.is_empty(), "{open:?} left open, {rest} left over");
    elements
}

fn check_text(text: &str) {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
        assert!(known.iter().any(|entity| text[at..].starts_with(entity)), "{text}");
    }
}

/// Well-formed, and everything lies within the frame that the picture names.
fn check(picture: &str) {
    let elements = elements(picture);
    let frame: Vec<f64> = elements[0]
        .attribute("viewBox")
        .unwrap()
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    let mut moved = vec![(0.0, 0.0, elements[0].attribute("text-anchor").unwrap_or("start"))];
    let mut in_definitions = false;
    for element in &elements[1..] {
        let (left, top, anchor) = *moved.last().unwrap();
        let inside = |x: f64, y: f64| {
            let (x, y) = (x + left, y + top);
            assert!(
                (0.0..=frame[2]).contains(&x) && (0.0..=frame[3]).contains(&y),
                "{} {:?} at {x} {y} leaves {frame:?}",
                element.name,
                element.attributes
            );
        };
        match element.name {
            "defs" => in_definitions = !element.closes,
            _ if in_definitions => {}
            "g" if element.closes => drop(moved.pop()),
            "g" => {
                let shift = element.attribute("transform").map_or((0.0, 0.0), |transform| {
                    let shift = transform.strip_prefix("translate(").unwrap();
                    let (x, y) = shift.strip_suffix(')').unwrap().split_once(' ').unwrap();
                    (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())
                });
                let anchor = element.attribute("text-anchor").unwrap_or(anchor);
                moved.push((left + shift.0, top + shift.1, anchor));
            }
            "rect" if element.attribute("width").is_some_and(|width| width.ends_with('%')) => {}
            "rect" if !element.attributes.is_empty() => {
                let (x, y) = (element.number("x"), element.number("y"));
                inside(x, y);
                inside(x + element.number("width"), y + element.number("height"));
            }
            "circle" => {
                let (x, y, r) = (element.number("cx"), element.number("cy"), element.number("r"));
                inside(x - r, y - r);
                inside(x + r, y + r);
            }
            "line" => {
                inside(element.number("x1"), element.number("y1"));
                inside(element.number("x2"), element.number("y2"));
            }
            "path" => {
                let numbers: Vec<f64> = element
                    .attribute("d")
                    .unwrap()
                    .split(['M', 'C', 'L', ' '])
                    .filter(|number| !number.is_empty())
                    .map(|number| number.parse().unwrap())
                    .collect();
                numbers.chunks(2).for_each(|point| inside(point[0], point[1]));
            }
            "text" if !element.closes => {
                // Letters of Helvetica are about half as wide as high.
                let letters = element.text.chars().count() as f64;
                let width = 0.5 * element.number("font-size") * letters;
                let (x, y) = (element.number("x"), element.number("y"));
                let before = match element.attribute("text-anchor").unwrap_or(anchor) {
                    "start" => 0.0,
                    "middle" => width / 2.0,
                    _ => width,
                };
                inside(x - before, y - 0.7 * element.number("font-size"));
                inside(x - before + width, y);
            }
            _ => {}
        }
    }
}

#[test]
#[should_panic(expected = "leaves")]
fn what_leaves_its_frame_is_found() {
    check("<svg viewBox=\"0 0 9 9\"><rect x=\"2\" y=\"2\" width=\"8\" height=\"1\"/></svg>");
}

#[test]
#[should_panic(expected = "left: Some(\"svg\")")]
fn what_is_not_closed_is_found() {
    check("<svg viewBox=\"0 0 9 9\"></text></svg>");
}

/// Whether a text of the picture is or begins with the name of every node.
fn names_all(picture: &str, graph: &Graph) {
    let elements = elements(picture);
    for node in graph.nodes() {
        let named =
            |text: &str| text.strip_prefix(&node.name).is_some_and(|rest| !rest.starts_with('.'));
        let found = elements.iter().any(|element| element.name == "text" && named(element.text));
        assert!(found, "{} lacks {}", graph.name(), node.name);
    }
}

fn plan(preset: &str) -> Arc<Plan> {
    let model = presets::find(preset).unwrap().model().unwrap();
    let (optimizer, options) = (&model.training.optimizer, PlanOptions::default());
    Arc::new(Plan::compile(&model.graph, Mode::Training, 8, optimizer, options).unwrap())
}

/// A step on two workers.
fn recorded(preset: &str, batch: usize) -> (Arc<Plan>, Execution) {
    let model = presets::find(preset).unwrap().model().unwrap();
    let optimizer = &model.training.optimizer;
    let mut run = prepare(&model.graph, batch, optimizer, PlanOptions::default()).unwrap();
    let recorder = Arc::new(Recorder::new().with_messages());
    run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
    Pool::new(2, "critical-path").unwrap().execute(&mut run).unwrap();
    (Arc::clone(run.plan()), recorder.executions().remove(0))
}

#[test]
fn the_tasks_of_every_preset_fit_their_frame_and_name_every_node() {
    for preset in PRESETS {
        let plan = plan(preset.name);
        let picture = tasks(&plan);
        check(&picture);
        assert_eq!(picture.matches("marker-end").count(), plan.message_count(), "{}", preset.name);
        for task in 0..plan.task_count() {
            let task = plan.task(task);
            let line = format!(">{} {}", task.node, task.phase.name());
            assert!(task.node.len() > 40 || picture.contains(&line), "{}: {line}", preset.name);
        }
        check(&svg(plan.graph(), Some(&caudal::optimizers::Sgd::default())));
    }
}

#[test]
fn recorded_steps_fit_their_frames() {
    for preset in ["article-dag", "digits"] {
        let (plan, execution) = recorded(preset, 32);
        assert!(!execution.messages.is_empty());
        let picture = overview(&plan, &execution);
        check(&picture);
        names_all(&picture, plan.graph());
        check(&timeline(&plan, &execution));
    }
    check(&task_states());
}

#[test]
fn the_pictures_of_the_documents_are_whole_and_those_that_can_be_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let again = "run `cargo run --release --example 15-pictures -- docs/pictures`";
    assert!(read("states.svg") == task_states(), "{again}");
    check(&read("timeline.svg"));
    let picture = read("tasks.svg");
    check(&picture);
    names_all(&picture, plan("article-dag").graph());
}

#[test]
fn the_program_draws_tasks_as_svg() {
    let folder = tempfile::tempdir().unwrap();
    let draw = ["graph", "article-dag", "--tasks", "--batch", "8", "--out"];
    let file = path(&folder, "tasks.svg");
    told(&[&draw[..], &[&file]].concat());
    assert_eq!(std::fs::read_to_string(file).unwrap(), tasks(&plan("article-dag")));
    let (_, problem) = refused(&[&draw[..], &["tasks.png"]].concat());
    assert!(problem.contains("tasks as .svg"), "{problem}");
}
