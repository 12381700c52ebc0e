//! Gantt charts of schedules.

use std::path::Path;

use caudal::report::{Page, gantt, gantt_executed};
use caudal::scheduling::{Comparison, Instance, Schedule, WeightedGraph};

use super::Case;
use super::tables::{figures, rows};
use crate::cli::Stop;
use crate::cli::gantt_file::is_svg;
use crate::cli::output::write_file;

/// Draws the charts of all cases.
pub(super) fn draw(path: &Path, graphs: &[WeightedGraph], cases: &[Case]) -> Result<(), Stop> {
    let mut charts = Vec::new();
    for case in cases {
        let instance = Instance::new(&graphs[case.graph], &case.platform)?;
        let Comparison { graph, workers, rows, optimum, .. } = &case.comparison;
        let title = |name: &str, schedule: &Schedule| {
            format!("{graph} on {workers} by {name}: {} s", figures(schedule.makespan()))
        };
        for row in rows {
            let Some(schedule) = &row.schedule else { continue };
            let title = title(&row.policy, schedule);
            let chart = match &row.executed {
                Some(executed) => {
                    let title = format!("{title}, executed {} s", figures(executed.makespan));
                    let both = gantt_executed(&title, &instance, schedule, &executed.schedule);
                    (both, title)
                }
                None => (gantt(&title, &instance, schedule), title),
            };
            charts.push(chart);
        }
        if let Some(found) = optimum.as_ref().filter(|_| !is_svg(path)) {
            let name = if found.proven { "the optimum" } else { "the best found" };
            let title = title(name, &found.schedule);
            charts.push((gantt(&title, &instance, &found.schedule), title));
        }
    }
    if is_svg(path) {
        let picture = charts.first().map_or("", |(picture, _)| picture.as_str());
        return write_file(path, picture);
    }
    let mut page = Page::new("Schedules".to_owned());
    for case in cases {
        let heading = format!("{} on {} workers", case.comparison.graph, case.comparison.workers);
        page.table(&heading, &rows(&case.comparison));
    }
    for (number, (picture, title)) in charts.iter().enumerate() {
        page.picture(&format!("gantt-{number}"), title, picture, "");
    }
    write_file(path, &page.to_html())
}
