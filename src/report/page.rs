//! One self-contained page with tables and pictures.

use std::fmt::Write;

use super::canvas::escape;
use super::chart::{Series, breakdown, doubling_chart};
use super::svg::{NodeCosts, svg_with_costs};
use super::timeline::timeline;
use crate::measure::speedup::{Speedup, longest_parts};
use crate::plan::Plan;

/// Said below curves of the simulator.
const SIMULATED: &str = " The simulated curve runs the same plan by the same policy on virtual workers, with \
                         costs measured on one; where nothing was measured, nothing validates it.";

/// Said where a curve may lie below what is called the least.
pub(super) const GRAHAM: &str = "Curves may lie below the line of Graham, who counts neither scheduling nor what parts take \
                                 longer beside others.";

/// Graphs with more nodes than this are not drawn: nobody could read them.
const MOST_NODES: usize = 400;

/// How a page looks, and what lets people zoom in maps and read values from curves.
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str =
    concat!(include_str!("maps.js"), include_str!("curves.js"), include_str!("messages.js"));

/// How people look into a map.
const ZOOM: &str = "Zoom with the buttons, a double click, Ctrl and the wheel, or + - 0; move by dragging or the arrow keys.";

/// Letters of the longest row that a page has room for; longer lines are prose.
const LONGEST_ROW: usize = 150;

/// An HTML page in the making. It needs no other file and no network.
///
/// ```
/// let mut page = caudal::report::Page::new("Results".to_owned());
/// page.table("Times", &["a  1 ms".to_owned()]);
/// assert!(page.to_html().contains(">a  1 ms\n</pre>"));
/// ```
#[derive(Debug)]
pub struct Page {
    title: String,
    body: String,
    pictures: Vec<(String, String)>,
}

impl Page {
    /// An empty page.
    pub fn new(title: String) -> Self {
        Self { title, body: String::new(), pictures: Vec::new() }
    }

    /// Adds lines of a table, as they are; those that are too long for a page, such as legends, become paragraphs.
    pub fn table(&mut self, heading: &str, lines: &[String]) {
        self.heading(heading);
        let mut lines = lines.iter().skip_while(|line| line.is_empty()).peekable();
        while let Some(line) = lines.peek() {
            if is_long(line) {
                self.paragraph(line);
                lines.next();
                continue;
            }
            self.body.push_str("<pre tabindex=\"0\">");
            while let Some(line) = lines.next_if(|line| !is_long(line)) {
                self.body.push_str(&escape(line));
                self.body.push('\n');
            }
            self.body.push_str("</pre>\n");
        }
    }

    /// Adds lines of prose, each a paragraph, as where a page is from.
    pub fn text(&mut self, heading: &str, lines: &[String]) {
        self.heading(heading);
        for line in lines.iter().filter(|line| !line.is_empty()) {
            self.paragraph(line);
        }
    }

    fn paragraph(&mut self, line: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.body, "<p class=\"legend\">{}</p>", escape(line));
    }

    /// Adds an SVG picture with a sentence below it. Its name is that of a file, without an ending.
    pub fn picture(&mut self, name: &str, heading: &str, svg: &str, caption: &str) {
        self.figure("chart", name, heading, svg, caption);
    }

    /// As [`Page::picture`], of something large: the page lets people zoom, move around and find nodes in it.
    pub fn map(&mut self, name: &str, heading: &str, svg: &str, caption: &str) {
        // Once is enough.
        let how = if self.body.contains(ZOOM) { "" } else { ZOOM };
        let caption = format!("{caption} {how}");
        self.figure("map", name, heading, svg, caption.trim());
    }

    fn figure(&mut self, kind: &str, name: &str, heading: &str, svg: &str, caption: &str) {
        self.pictures.push((name.to_owned(), svg.to_owned()));
        self.heading(heading);
        // Writing to a string can't fail.
        let _ = writeln!(
            self.body,
            "<figure class=\"{kind}\"><div class=\"frame\" tabindex=\"0\">{svg}</div><figcaption>{}</figcaption></figure>",
            escape(caption)
        );
    }

    /// Name and SVG text of every picture so far.
    pub fn pictures(&self) -> &[(String, String)] {
        &self.pictures
    }

    fn heading(&mut self, heading: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escape(heading));
    }

    /// The whole page.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <h1>{title}</h1>\n{}<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
            self.body
        )
    }
}

/// Whether a line is prose rather than a row of a table.
fn is_long(line: &str) -> bool {
    line.chars().count() > LONGEST_ROW
}

/// What the simulator makes of a measured step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Simulated {
    /// The policy.
    pub policy: String,
    /// Numbers of workers, and the milliseconds of a step with them.
    pub step_ms: Vec<(usize, f64)>,
}

impl Simulated {
    /// Of a policy: numbers of workers, and the milliseconds of a step with them.
    pub fn new(policy: impl Into<String>, step_ms: Vec<(usize, f64)>) -> Self {
        Self { policy: policy.into(), step_ms }
    }
}

/// Adds everything about a measured speedup: curves, with those of the simulator if there are any, where
/// the time went, a timeline of the last row, and the graph with its costs.
pub fn speedup_page(
    page: &mut Page,
    plan: &Plan,
    measured: &Speedup,
    simulated: Option<&Simulated>,
) {
    page.picture(
        "speedup",
        "Speedup against workers",
        &curves(measured, simulated),
        &format!(
            "Against the sequential executor. Work T1 is {:.3} ms, the critical path T∞ {:.3} ms.{} {GRAHAM}",
            measured.work_ms,
            measured.critical_path_ms,
            simulated.map_or("", |_| SIMULATED)
        ),
    );
    let mut bars = Vec::new();
    let mut names = Vec::new();
    for row in &measured.rows {
        if let Some(lost) = row.lost {
            let categories = lost.categories();
            names = categories.iter().map(|(name, _)| *name).collect();
            let label = format!(
                "{} {} x {}",
                row.executor,
                row.policy.as_deref().unwrap_or(""),
                row.workers
            );
            bars.push((label, categories.iter().map(|(_, ms)| *ms).collect()));
        }
    }
    page.picture(
        "lost-time",
        "What the workers did",
        &breakdown("share of workers x step", &names, &bars),
        "Useful is what parts take when each runs alone; beside others they may be slower. Workers without \
         work are idle while no part is ready; they waited while one was, after a time with none; between is from part to part.",
    );
    let with_timeline = measured.rows.iter().filter(|row| row.lost.is_some());
    if let Some(row) = with_timeline.max_by_key(|row| row.workers) {
        let title = format!(
            "A step on {} workers, {}",
            row.workers,
            row.policy.as_deref().unwrap_or(row.executor)
        );
        page.map(
            "timeline",
            &title,
            &timeline(plan, &row.execution),
            "A step of about the median length. A part under the pointer shows of which parts its task took messages, and which \
             took its own.",
        );
    }
    graph(page, plan, &measured.part_seconds);
}

/// Adds the graph of a plan, coloured by the seconds of its parts, unless it is too large to read.
fn graph(page: &mut Page, plan: &Plan, part_seconds: &[Vec<f64>]) {
    let nodes = plan.graph().nodes().len();
    if nodes > MOST_NODES {
        let line = format!("{nodes} nodes are more than the {MOST_NODES} that a picture can hold");
        page.table("The graph", &[line]);
        return;
    }
    let costs = NodeCosts::of(plan, part_seconds, &longest_parts(part_seconds));
    page.map(
        "graph",
        "The graph, by cost",
        &svg_with_costs(plan.graph(), &costs),
        "The redder, the longer all tasks of a node take. A task made of several nodes counts for the first, whose box \
         names the others. A red border marks the critical path of the whole step.",
    );
}

/// Speedup by workers, a curve for each policy, with the bounds.
fn curves(measured: &Speedup, simulated: Option<&Simulated>) -> String {
    let mut series: Vec<Series> = Vec::new();
    let mut bounds: Vec<(f64, f64, f64)> = Vec::new();
    for row in measured.rows.iter().filter(|row| row.executor == "pool") {
        let name = format!("measured, {}", row.policy.as_deref().unwrap_or(row.executor));
        let workers = row.workers as f64;
        let index = series.iter().position(|series| series.name == name).unwrap_or_else(|| {
            series.push(Series::new(name, Vec::new()));
            series.len() - 1
        });
        series[index].points.push((workers, row.speedup));
        if bounds.iter().all(|&(other, ..)| other != workers) {
            bounds.push((workers, row.bound, row.graham));
        }
    }
    let baseline_ms = measured.rows.first().map_or(f64::NAN, |row| row.step_ms);
    let most = measured.rows.iter().filter(|row| row.executor == "pool").map(|row| row.workers);
    let most = most.max().unwrap_or(0);
    if let Some(Simulated { policy, step_ms }) = simulated {
        let (work, path) = (measured.work_ms, measured.critical_path_ms);
        let points = step_ms.iter().map(|&(it, ms)| (it as f64, baseline_ms / ms)).collect();
        let name = format!("simulated, {policy}; beyond {most} not validated");
        series.push(Series::new(name, points).dashed(true));
        for &(workers, _) in step_ms.iter().filter(|(workers, _)| *workers > most) {
            let p = workers as f64;
            bounds.push((p, p.min(work / path), work / (work / p + (1.0 - 1.0 / p) * path)));
        }
    }
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let of = |name: &str, points| Series::new(name, points).dashed(true);
    series
        .push(of("at most: min(workers, T1 / T∞)", bounds.iter().map(|it| (it.0, it.1)).collect()));
    series.push(of("at least, if nobody idles beside ready work (Graham)", {
        bounds.iter().map(|it| (it.0, it.2)).collect()
    }));
    doubling_chart("speedup over sequential", "workers", "speedup", &series)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::flow::executor;
    use crate::measure::prepare;
    use crate::measure::speedup::speedup;
    use crate::plan::PlanOptions;
    use crate::presets;

    #[test]
    fn a_page_holds_all_pictures_of_a_speedup() {
        let model = presets::open("layered:layers=3,branches=3,width=16").unwrap();
        let optimizer = Arc::clone(&model.training.optimizer);
        let mut run = prepare(&model.graph, 8, &optimizer, PlanOptions::default()).unwrap();
        let mut executors: Vec<_> = [("sequential", 1), ("pool", 1), ("pool", 2)]
            .map(|(name, workers)| executor(name, workers, "fifo").unwrap())
            .into();
        let measured = speedup(&mut run, &mut executors, Duration::ZERO).unwrap();
        let mut page = Page::new("<b>".to_owned());
        let simulated =
            Simulated { policy: "fifo".to_owned(), step_ms: vec![(1, 1.0), (2, 0.5), (16, 0.25)] };
        speedup_page(&mut page, run.plan(), &measured, Some(&simulated));
        let text = page.to_html();
        assert_eq!(text.matches("<svg ").count(), 4);
        assert_eq!(text.matches("<svg ").count(), text.matches("</svg>").count());
        assert!(text.contains("<title>&lt;b&gt;</title>"));
        assert!(!text.contains("NaN") && !text.contains("inf\""), "{text}");
        let bars = measured.rows[2].execution.events.len();
        assert_eq!(text.matches(" µs, waited ").count(), bars, "a bar a part");
        assert!(text.contains("simulated, fifo; beyond 2 not validated"));
        assert!(text.contains("nothing validates it"));
        assert!(text.contains("measured, fifo") && text.contains(">waited<"));
        assert!(text.contains("stroke=\"#c01818\""), "the critical path");
    }

    #[test]
    fn large_graphs_are_not_drawn() {
        let model = presets::open("chain:depth=300,width=1").unwrap();
        let optimizer = Arc::clone(&model.training.optimizer);
        let run = prepare(&model.graph, 1, &optimizer, PlanOptions::default()).unwrap();
        let mut page = Page::new("t".to_owned());
        graph(&mut page, run.plan(), &vec![vec![0.0]; run.plan().task_count()]);
        assert!(page.to_html().contains("are more than the 400"));
    }
}
