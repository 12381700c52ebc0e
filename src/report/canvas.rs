//! Pictures, element by element.

use std::fmt::{Display, Write};

/// Colours of kinds that stand beside each other, told apart by eyes that see few colours too (after
/// Okabe and Ito).
pub(super) const COLOURS: [&str; 13] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8a7f00", "#666666",
    "#5e3c99", "#7fbf7b", "#a6761d", "#99c2ff", "#e7298a",
];

pub(super) const INK: &str = "#1d2433";
pub(super) const PALE: &str = "#98a2b3";

pub(super) const ARROW: &str = "#667085";

/// What [`Canvas::tips`] writes.
pub(super) const TIPS: &str = "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
     markerWidth=\"7\" markerHeight=\"7\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
     <path d=\"M0 0.5L8 4L0 7.5z\" fill=\"#667085\"/></marker></defs>\n";

/// Where a text stands from its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture of a given size, on white.
pub(super) struct Canvas {
    text: String,
}

impl Canvas {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\" \
             font-family=\"Helvetica, Arial, sans-serif\">\n\
             <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
            title = escape(title)
        );
        Self { text }
    }

    /// Elements of a picture that another holds: [`Canvas::group`] takes them.
    pub(super) fn part() -> Self {
        Self { text: String::new() }
    }

    pub(super) fn into_elements(self) -> String {
        self.text
    }

    /// A filled rectangle; `hint` is what a pointer over it shows.
    pub(super) fn rect(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        fill: &str,
        hint: &str,
    ) {
        self.begin_rect((x, y), (width, height), fill);
        let _ = if hint.is_empty() {
            writeln!(self.text, "/>")
        } else {
            writeln!(self.text, "><title>{}</title></rect>", escape(hint))
        };
    }

    /// A rectangle that stands for a part of a task, which scripts find by its number.
    pub(super) fn part_of(
        &mut self,
        task: usize,
        at: (f64, f64),
        size: (f64, f64),
        fill: &str,
        hint: &str,
    ) {
        self.begin_rect(at, size, fill);
        let _ = writeln!(self.text, " data-task=\"{task}\"><title>{}</title></rect>", escape(hint));
    }

    fn begin_rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        let _ = write!(
            self.text,
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{fill}\""
        );
    }

    /// The area between a line and the lower edge at `bottom`.
    pub(super) fn area(&mut self, points: &[(f64, f64)], bottom: f64, fill: &str, hint: &str) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let ends = [(last.0, bottom), (first.0, bottom)];
        let path: Vec<String> =
            points.iter().chain(&ends).map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let _ = writeln!(
            self.text,
            "<polygon points=\"{}\" fill=\"{fill}\"><title>{}</title></polygon>",
            path.join(" "),
            escape(hint)
        );
    }

    /// A rectangle with a border and round corners.
    pub(super) fn frame(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        fill: &str,
        stroke: &str,
    ) {
        let _ = writeln!(
            self.text,
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" rx=\"6\" \
             fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.2\"/>"
        );
    }

    pub(super) fn disc(&mut self, (x, y): (f64, f64), radius: f64, fill: &str) {
        let _ = writeln!(
            self.text,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{fill}\"/>"
        );
    }

    /// The tips of arrows: once, before the first [`Canvas::arrow`].
    pub(super) fn tips(&mut self) {
        self.text.push_str(TIPS);
    }

    /// A path with a tip at its end.
    pub(super) fn arrow(&mut self, path: &str, width: f64) {
        let _ = writeln!(
            self.text,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{ARROW}\" stroke-width=\"{width}\" \
             marker-end=\"url(#tip)\"/>"
        );
    }

    /// Begins a group of a class, with attributes for the scripts of a page; [`Canvas::close`] ends it.
    pub(super) fn open(&mut self, class: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.text, "<g class=\"{class}\"");
        for (name, value) in attributes {
            let _ = write!(self.text, " data-{name}=\"{}\"", escape(value));
        }
        self.text.push_str(">\n");
    }

    pub(super) fn close(&mut self) {
        self.text.push_str("</g>\n");
    }

    /// Elements drawn elsewhere, moved to a point.
    pub(super) fn group(&mut self, (x, y): (f64, f64), elements: &str) {
        let _ = writeln!(
            self.text,
            "<g transform=\"translate({x:.2} {y:.2})\" text-anchor=\"middle\">\n{elements}</g>"
        );
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, width: f64) {
        let _ = writeln!(
            self.text,
            "<line x1=\"{:.2}\" y1=\"{:.2}\" x2=\"{:.2}\" y2=\"{:.2}\" stroke=\"{stroke}\" \
             stroke-width=\"{width}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    /// Points joined by lines, dashed if `dashed`.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], stroke: &str, dashed: bool) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let dashes = if dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let _ = writeln!(
            self.text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"2\"{dashes}/>",
            path.join(" ")
        );
    }

    /// A dot of a curve, or, unseen, only a place for the pointer, which is shown `hint` there.
    pub(super) fn dot(&mut self, (x, y): (f64, f64), fill: &str, seen: bool, hint: &str) {
        let (radius, unseen) = if seen { (3.5, "") } else { (6.0, " fill-opacity=\"0\"") };
        let _ = writeln!(
            self.text,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{fill}\"{unseen}><title>{}</title></circle>",
            escape(hint)
        );
    }

    pub(super) fn text(
        &mut self,
        (x, y): (f64, f64),
        anchor: Anchor,
        size: f64,
        text: impl Display,
    ) {
        let style = format!("font-size=\"{size}\" fill=\"{INK}\"");
        self.styled((x, y), anchor, &style, text);
    }

    /// A text in bold letters.
    pub(super) fn heading(
        &mut self,
        at: (f64, f64),
        anchor: Anchor,
        size: f64,
        text: impl Display,
    ) {
        let style = format!("font-size=\"{size}\" font-weight=\"bold\" fill=\"{INK}\"");
        self.styled(at, anchor, &style, text);
    }

    /// A text on a filled rectangle, light or dark as that needs.
    pub(super) fn text_on(&mut self, fill: &str, at: (f64, f64), size: f64, text: impl Display) {
        let ink = if is_light(fill) { INK } else { "#ffffff" };
        let style = format!("font-size=\"{size}\" fill=\"{ink}\" pointer-events=\"none\"");
        self.styled(at, Anchor::Middle, &style, text);
    }

    fn styled(&mut self, (x, y): (f64, f64), anchor: Anchor, style: &str, text: impl Display) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\" {style}>{}</text>",
            escape(&text.to_string())
        );
    }

    /// Squares with their meanings, in a row from `x` on.
    pub(super) fn legend<'a>(
        &mut self,
        (mut x, y): (f64, f64),
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        for (colour, meaning) in entries {
            self.rect((x, y - 9.0), (11.0, 11.0), colour, "");
            self.text((x + 15.0, y), Anchor::Start, 12.0, meaning);
            x += legend_entry(meaning);
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

/// How much room an entry of a legend takes.
pub(super) fn legend_entry(meaning: &str) -> f64 {
    34.0 + 6.6 * meaning.chars().count() as f64
}

/// Whether dark letters are read better on a colour, written as `#rrggbb`, than white ones.
fn is_light(colour: &str) -> bool {
    let part = |at: usize| {
        colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(255)
            as f64
    };
    0.299 * part(1) + 0.587 * part(3) + 0.114 * part(5) > 140.0
}

/// A smooth line from point to point that leaves and arrives straight down.
pub(super) fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for pair in points.windows(2) {
        let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
        if path.is_empty() {
            let _ = write!(path, "M{x:.1} {y:.1}");
        }
        let middle = f64::midpoint(y, to_y);
        let _ = write!(path, "C{x:.1} {middle:.1} {to_x:.1} {middle:.1} {to_x:.1} {to_y:.1}");
    }
    path
}

/// Round numbers from 0 to at least `most`, about `count` of them.
pub(super) fn ticks(most: f64, count: usize) -> Vec<f64> {
    ticks_between(0.0, most, count)
}

/// Round numbers from at most `least`, which is not above 0, to at least `most`, about `count` of them; 0 is one.
pub(super) fn ticks_between(least: f64, most: f64, count: usize) -> Vec<f64> {
    let most = most.max(0.0);
    let rough = (most - least) / count.max(1) as f64;
    if !rough.is_finite() || rough <= 0.0 {
        return vec![0.0, 1.0];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|&it| it * power >= rough).unwrap_or(10.0);
    let step = step * power;
    let (first, last) = ((least / step).floor() as i64, (most / step).ceil() as i64);
    (first..=last).map(|tick| tick as f64 * step).collect()
}

/// A number with as many digits as it needs beside its neighbours.
pub(super) fn tick_label(tick: f64, ticks: &[f64]) -> String {
    let step = ticks.get(1).map_or(1.0, |next| next - ticks[0]);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    format!("{tick:.digits$}")
}

/// Text as XML holds it; characters that XML can't hold become spaces.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {
                escaped.push(' ');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_end() {
        assert_eq!(ticks(10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(1.9, 4), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(ticks(0.0, 4), [0.0, 1.0]);
        assert_eq!(ticks(f64::NAN, 4), [0.0, 1.0]);
        let fine = ticks(0.012, 4);
        assert!(*fine.last().unwrap() >= 0.012);
        assert_eq!(tick_label(fine[1], &fine), "0.005");
        assert_eq!(tick_label(2.0, &[0.0, 2.0]), "2");
        assert_eq!(ticks_between(-3.0, 1.0, 4), [-3.0, -2.0, -1.0, 0.0, 1.0]);
        assert_eq!(ticks_between(-0.9, -0.1, 2), [-1.0, -0.5, 0.0]);
    }
}
