//! Gantt charts of schedules, and the page that holds them.

use caudal::report::{Page, gantt, gantt_executed};
use caudal::scheduling::{Comparison, Instance, Schedule, WeightedGraph};

use super::Case;
use super::tables::{figures, rows};
use crate::cli::output::threads;
use crate::cli::{Stop, conditions, legends};

/// The charts of all cases, each with its title: of every policy, and of the best schedule that was found.
pub(super) fn charts(
    graphs: &[WeightedGraph],
    cases: &[Case],
) -> Result<Vec<(String, String)>, Stop> {
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
            charts.push(match &row.executed {
                Some(executed) => {
                    let title = format!("{title}, executed {} s", figures(executed.makespan));
                    (gantt_executed(&title, &instance, schedule, &executed.schedule), title)
                }
                None => (gantt(&title, &instance, schedule), title),
            });
        }
        if let Some(found) = optimum {
            let name = if found.proven { "the optimum" } else { "the best found" };
            let title = title(name, &found.schedule);
            charts.push((gantt(&title, &instance, &found.schedule), title));
        }
    }
    Ok(charts)
}

/// The page of all cases: of each the bounds and the table of its policies, then the charts, and where the page is from.
pub(super) fn page(graphs: &[WeightedGraph], cases: &[Case]) -> Result<Page, Stop> {
    let mut page = Page::new("Schedules".to_owned());
    for case in cases {
        let heading = format!("{} on {}", case.comparison.graph, threads(case.comparison.workers));
        page.table(&heading, &rows(&case.comparison));
    }
    page.text("The words of the tables", &legends::lines(legends::SCHEDULES));
    for (number, (picture, title)) in charts(graphs, cases)?.iter().enumerate() {
        page.map(&format!("gantt-{number}"), title, picture, "");
    }
    let provenance = conditions::provenance();
    page.text("Where the page is from", &conditions::origin(&provenance));
    Ok(page)
}
