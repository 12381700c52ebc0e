//! Curves and stacked bars.

use super::canvas::{Anchor, COLOURS, Canvas, INK, PALE, tick_label, ticks};
use crate::setters::setters;

const LEFT: f64 = 64.0;
const TOP: f64 = 44.0;
const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 340.0;
const LEGEND_ROW: f64 = 18.0;

/// One curve of a chart.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// What it shows.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Drawn with dashes and without dots: a bound or a prediction, nothing measured.
    pub dashed: bool,
}

impl Series {
    setters! {
        dashed: bool,
    }

    /// A curve through some points, from left to right, as of something measured.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, dashed: false }
    }
}

/// Curves over a common axis as an SVG picture. Axes begin at 0; points that are no numbers are left
/// out.
pub fn chart(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> String {
    let finite = |&&(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
    let all = || series.iter().flat_map(|series| series.points.iter().filter(finite));
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let mut x_marks = ticks(largest(&mut all().map(|point| point.0)), 8);
    if all().all(|point| point.0.fract() == 0.0) {
        // Nothing lies between two workers or two epochs.
        x_marks.retain(|mark| mark.fract() == 0.0);
    }
    let y_marks = ticks(largest(&mut all().map(|point| point.1)), 6);
    let last = |marks: &[f64]| marks.last().copied().unwrap_or(1.0);
    let (right, top) = (last(&x_marks), last(&y_marks));
    let place = |(x, y): (f64, f64)| (LEFT + x / right * WIDTH, TOP + HEIGHT - y / top * HEIGHT);
    let below = TOP + HEIGHT + 58.0;
    let height = below + LEGEND_ROW * series.len() as f64;
    let mut canvas = Canvas::new(LEFT + WIDTH + 30.0, height, title);
    canvas.text((LEFT, 20.0), Anchor::Start, 14.0, title);
    for &mark in &x_marks {
        let (x, y) = place((mark, 0.0));
        canvas.line((x, TOP), (x, y), "#e4e7ec", 1.0);
        canvas.text((x, y + 18.0), Anchor::Middle, 12.0, tick_label(mark, &x_marks));
    }
    for &mark in &y_marks {
        let (x, y) = place((0.0, mark));
        canvas.line((x, y), (x + WIDTH, y), "#e4e7ec", 1.0);
        canvas.text((x - 8.0, y + 4.0), Anchor::End, 12.0, tick_label(mark, &y_marks));
    }
    canvas.line(place((0.0, 0.0)), place((right, 0.0)), INK, 1.0);
    canvas.line(place((0.0, 0.0)), place((0.0, top)), INK, 1.0);
    canvas.text((LEFT + WIDTH, TOP + HEIGHT + 36.0), Anchor::End, 12.0, x_label);
    canvas.text((LEFT, TOP - 8.0), Anchor::Start, 12.0, y_label);
    for (number, series) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<_> =
            series.points.iter().filter(finite).map(|&point| place(point)).collect();
        canvas.curve(&points, colour, !series.dashed && points.len() <= 64, series.dashed);
        let y = below + LEGEND_ROW * number as f64;
        canvas.curve(&[(LEFT, y - 4.0), (LEFT + 24.0, y - 4.0)], colour, false, series.dashed);
        canvas.text((LEFT + 32.0, y), Anchor::Start, 12.0, &series.name);
    }
    canvas.finish()
}

/// One bar of a breakdown: its label, and the length of each category.
pub type Bar = (String, Vec<f64>);

/// Stacked horizontal bars as an SVG picture, each as long as its categories together make up of
/// their sum. A category below 0 takes its length from the one before it.
pub fn breakdown(title: &str, categories: &[&str], bars: &[Bar]) -> String {
    const LABEL: f64 = 220.0;
    const ROW: f64 = 28.0;
    let height = TOP + 30.0 + ROW * bars.len() as f64 + 30.0;
    let mut canvas = Canvas::new(LABEL + WIDTH + 40.0, height, title);
    canvas.text((12.0, 20.0), Anchor::Start, 14.0, title);
    let colours = |number: usize| COLOURS[number % COLOURS.len()];
    let entries = categories.iter().enumerate().map(|(number, &name)| (colours(number), name));
    canvas.legend((LABEL, TOP), entries);
    let top = TOP + 18.0;
    for (row, (label, lengths)) in bars.iter().enumerate() {
        let y = top + ROW * row as f64;
        canvas.text((LABEL - 8.0, y + 15.0), Anchor::End, 12.0, label);
        let total: f64 = lengths.iter().sum();
        let mut x = LABEL;
        for (number, &length) in lengths.iter().enumerate() {
            let next = lengths.get(number + 1).copied().unwrap_or(0.0).min(0.0);
            let width = (length + next).max(0.0) / total * WIDTH;
            if width.is_finite() {
                let name = categories.get(number).copied().unwrap_or_default();
                let hint = format!("{name}: {:.1} %", 100.0 * length / total);
                canvas.rect((x, y), (width, ROW - 8.0), colours(number), &hint);
                x += width;
            }
        }
    }
    let y = top + ROW * bars.len() as f64;
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = LABEL + share * WIDTH;
        canvas.line((x, top), (x, y), PALE, 0.5);
        canvas.text((x, y + 16.0), Anchor::Middle, 12.0, format!("{:.0} %", 100.0 * share));
    }
    canvas.finish()
}
