//! Curves and stacked bars.

use std::fmt::Write;

use super::canvas::{Anchor, COLOURS, Canvas, INK, PALE, tick_label, ticks, ticks_between};
use crate::setters::setters;

const LEFT: f64 = 64.0;
const TOP: f64 = 44.0;
const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 340.0;
const LEGEND_ROW: f64 = 18.0;
/// Curves of more points have no dots that are seen.
const MOST_DOTS: usize = 64;
/// The colour of the lines behind curves.
const RULE: &str = "#e4e7ec";
/// Of curves of more points, only the script of a page shows values under the pointer.
const MOST_HINTS: usize = 256;

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
    /// The number of its colour: series with one number have one colour. Without, that of its place among the others.
    pub colour: Option<usize>,
}

impl Series {
    setters! {
        dashed: bool,
        colour: impl Into<Option<usize>>,
    }

    /// A curve through some points, from left to right, as of something measured.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, dashed: false, colour: None }
    }
}

/// Where a number stands on the horizontal axis.
struct Axis {
    /// Shares of the axis' length, each with its label.
    marks: Vec<(f64, String)>,
    /// From a number to a share of the axis' length.
    share: Box<dyn Fn(f64) -> f64>,
    /// Whether curves are of a training: a page offers to smooth them, and a logarithmic axis for their values.
    trains: bool,
}

/// The points of a series that can be drawn.
fn finite(series: &Series) -> impl Iterator<Item = (f64, f64)> {
    series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite())
}

fn all_points(series: &[Series]) -> impl Iterator<Item = (f64, f64)> {
    series.iter().flat_map(finite)
}

/// Curves of a training over a common axis, as an SVG picture. Axes begin at 0, that of the values below it if some are;
/// points that are no numbers are left out. Where a page holds the picture, people may smooth the curves and look at them on a
/// logarithmic axis.
pub fn chart(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> String {
    let largest = all_points(series).map(|point| point.0).fold(0.0, f64::max);
    let mut marks = ticks(largest, 8);
    if all_points(series).all(|point| point.0.fract() == 0.0) {
        // Nothing lies between two workers or two epochs.
        marks.retain(|mark| mark.fract() == 0.0);
    }
    let right = marks.last().copied().unwrap_or(1.0);
    let labelled = marks.iter().map(|&mark| (mark / right, tick_label(mark, &marks)));
    let axis =
        Axis { marks: labelled.collect(), share: Box::new(move |x| x / right), trains: true };
    draw(title, x_label, y_label, series, &axis)
}

/// As [`chart`], with a horizontal axis of powers of ten around the points; those at 0 and below are left out.
pub fn logarithmic_chart(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> String {
    let series: Vec<Series> = series
        .iter()
        .map(|series| {
            let points = series.points.iter().filter(|point| point.0 > 0.0).copied().collect();
            Series { points, ..series.clone() }
        })
        .collect();
    let powers = || all_points(&series).map(|point| point.0.log10());
    // Powers of ten that are no numbers of the machine are next to some.
    let first = (powers().fold(f64::INFINITY, f64::min) + 1e-6).floor();
    let last = (powers().fold(f64::NEG_INFINITY, f64::max) - 1e-6).ceil();
    let (first, last) = if first.is_finite() { (first, last.max(first + 1.0)) } else { (0.0, 1.0) };
    let length = last - first;
    let step = (length / 10.0).ceil().max(1.0);
    let marks = (0..=(length / step) as u32).map(|number| first + f64::from(number) * step);
    let marks = marks.map(|power| ((power - first) / length, format!("1e{power:.0}"))).collect();
    let share = Box::new(move |x: f64| (x.log10() - first) / length);
    let axis = Axis { marks, share, trains: true };
    draw(title, x_label, y_label, &series, &axis)
}

/// As [`chart`], with a horizontal axis of powers of two from 1 on, as of numbers of workers; points below 1 are left out.
pub fn doubling_chart(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> String {
    let series: Vec<Series> = series
        .iter()
        .map(|series| {
            let points = series.points.iter().filter(|point| point.0 >= 1.0).copied().collect();
            Series { points, ..series.clone() }
        })
        .collect();
    let doublings = all_points(&series).map(|point| point.0.log2().ceil()).fold(1.0, f64::max);
    let step = (doublings / 10.0).ceil();
    let marks = (0..=(doublings / step) as u32).map(|number| f64::from(number) * step);
    let marks = marks.map(|power| (power / doublings, power.exp2().to_string())).collect();
    let share = Box::new(move |x: f64| x.log2() / doublings);
    let axis = Axis { marks, share, trains: false };
    draw(title, x_label, y_label, &series, &axis)
}

fn draw(title: &str, x_label: &str, y_label: &str, series: &[Series], axis: &Axis) -> String {
    let values = || all_points(series).map(|point| point.1);
    let y_marks = ticks_between(values().fold(0.0, f64::min), values().fold(0.0, f64::max), 6);
    let (low, high) = (y_marks[0], y_marks[y_marks.len() - 1]);
    let at = |share: f64, y: f64| {
        (LEFT + share * WIDTH, TOP + HEIGHT - (y - low) / (high - low) * HEIGHT)
    };
    let below = TOP + HEIGHT + 58.0;
    let height = below + LEGEND_ROW * series.len() as f64;
    let mut canvas = Canvas::new(LEFT + WIDTH + 30.0, height, title);
    canvas.text((LEFT, 20.0), Anchor::Start, 14.0, title);
    for (share, label) in &axis.marks {
        let (x, y) = at(*share, low);
        canvas.line((x, TOP), (x, y), RULE, 1.0);
        canvas.text((x, y + 18.0), Anchor::Middle, 12.0, label);
    }
    // What the script of a page draws anew: it finds the values in the attributes.
    let place = format!("{LEFT} {TOP} {WIDTH} {HEIGHT}");
    let range = format!("{low} {high}");
    let trains = if axis.trains { "1" } else { "" };
    canvas.open("plot", &[("box", &place), ("range", &range), ("x", x_label), ("trains", trains)]);
    canvas.open("marks", &[]);
    for &mark in &y_marks {
        let (x, y) = at(0.0, mark);
        canvas.line((x, y), (x + WIDTH, y), RULE, 1.0);
        canvas.text((x - 8.0, y + 4.0), Anchor::End, 12.0, tick_label(mark, &y_marks));
    }
    canvas.close();
    canvas.line(at(0.0, low), at(1.0, low), INK, 1.0);
    canvas.line(at(0.0, low), at(0.0, high), INK, 1.0);
    canvas.text((LEFT + WIDTH, TOP + HEIGHT + 36.0), Anchor::End, 12.0, x_label);
    canvas.text((LEFT, TOP - 8.0), Anchor::Start, 12.0, y_label);
    let colour =
        |number: usize, series: &Series| COLOURS[series.colour.unwrap_or(number) % COLOURS.len()];
    for (number, series) in series.iter().enumerate() {
        let colour = colour(number, series);
        let points: Vec<_> = finite(series).map(|(x, y)| at((axis.share)(x), y)).collect();
        let (mut xs, mut ys) = (String::new(), String::new());
        for (x, y) in finite(series) {
            // Writing to a string can't fail.
            let _ = write!(xs, "{} ", digits(x));
            let _ = write!(ys, "{} ", digits(y));
        }
        let attributes =
            [("name", series.name.as_str()), ("x", xs.trim_end()), ("y", ys.trim_end())];
        canvas.open("series", &attributes);
        canvas.curve(&points, colour, series.dashed);
        let seen = !series.dashed && points.len() <= MOST_DOTS;
        let hinted = if points.len() > MOST_HINTS { 0 } else { points.len() };
        for (&point, (x, y)) in points.iter().zip(finite(series)).take(hinted) {
            let hint = format!("{}: {} at {x_label} {}", series.name, digits(y), digits(x));
            canvas.dot(point, colour, seen, &hint);
        }
        canvas.close();
    }
    canvas.close();
    for (number, series) in series.iter().enumerate() {
        let colour = colour(number, series);
        let y = below + LEGEND_ROW * number as f64;
        canvas.curve(&[(LEFT, y - 4.0), (LEFT + 24.0, y - 4.0)], colour, series.dashed);
        canvas.text((LEFT + 32.0, y), Anchor::Start, 12.0, &series.name);
    }
    canvas.finish()
}

/// A number with six significant digits at most.
fn digits(number: f64) -> String {
    if number != 0.0 && !(1e-6..1e12).contains(&number.abs()) {
        return format!("{number:.5e}");
    }
    let decimals = 5 - number.abs().max(1e-12).log10().floor() as i32;
    let text = format!("{number:.*}", decimals.clamp(0, 12) as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubling_of_workers_is_as_wide_everywhere() {
        let points = vec![(0.0, 9.0), (1.0, 1.0), (2.0, 2.0), (128.0, 4.0)];
        let picture = doubling_chart("speedup", "workers", "speedup", &[Series::new("s", points)]);
        for (power, label) in [(0.0, "1"), (1.0, "2"), (6.0, "64"), (7.0, "128")] {
            let x = LEFT + power / 7.0 * WIDTH;
            let mark = format!("x=\"{x:.2}\"");
            assert!(
                picture.contains(&mark) && picture.contains(&format!(">{label}<")),
                "{picture}"
            );
        }
        assert_eq!(picture.matches("<circle").count(), 3, "a point below 1 has no place");
        let empty = doubling_chart("nothing", "workers", "speedup", &[]);
        assert!(!empty.contains("NaN") && !empty.contains("inf"), "{empty}");
    }

    #[test]
    fn values_below_zero_have_their_place_and_scripts_find_all() {
        let points = vec![(1.0, -0.5), (2.0, 2e-9), (3.0, f64::NAN), (4.0, 1.0)];
        let series = [Series::new("a \"b\"", points.clone()), Series::new("c", points).colour(0)];
        let picture = chart("r2", "epoch", "r2", &series);
        assert!(picture.contains("data-range=\"-0.5 1\""), "{picture}");
        assert!(picture.contains(
            "data-name=\"a &quot;b&quot;\" data-x=\"1 2 4\" data-y=\"-0.5 2.00000e-9 1\""
        ));
        let lowest = TOP + HEIGHT;
        assert!(
            picture.contains(&format!("points=\"{:.2},{lowest:.2} ", LEFT + WIDTH / 4.0)),
            "{picture}"
        );
        assert!(!picture.contains(COLOURS[1]), "both have one colour");
        let long: Vec<_> = (0..1000).map(|step| (f64::from(step), 1.0)).collect();
        let picture = chart("loss", "step", "loss", &[Series::new("loss", long)]);
        assert_eq!(picture.matches("<circle").count(), 0, "too many for hints");
    }
}
