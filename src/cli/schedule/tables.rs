//! What `caudal schedule` prints.

use caudal::scheduling::{Comparison, ComparisonRow, Metrics, WeightedGraph};

use crate::cli::Stop;
use crate::cli::output::{columns, counted, printable};

/// A number with six significant figures.
pub(super) fn figures(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let digits = 5 - number.abs().log10().floor() as i32;
    if !(0..=9).contains(&digits) {
        return format!("{number:.5e}");
    }
    let text = format!("{number:.*}", digits as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A number with so many digits behind the point, or, where that would be long, with six figures.
pub(super) fn fixed(number: f64, digits: usize) -> String {
    if number.abs() < 1e9 { format!("{number:.digits$}") } else { figures(number) }
}

/// A number that reads back as the same.
fn exact(number: f64) -> String {
    let is_short = number == 0.0 || (1e-9..1e15).contains(&number.abs()) || !number.is_finite();
    if is_short { number.to_string() } else { format!("{number:e}") }
}

/// What a file holds.
pub(super) fn description(file: &str, graph: &WeightedGraph) -> String {
    // The sum of nothing is -0.
    let bytes = graph.edges().iter().map(|edge| edge.communication.bytes()).sum::<f64>() + 0.0;
    // Graphs without a name of their own are called as their origin.
    let name = if graph.name() == file { String::new() } else { format!("{}, ", graph.name()) };
    printable(&format!(
        "{file}: {name}{} of {} s together, {} with {} bytes",
        counted(graph.task_count(), "task"),
        figures(graph.work()),
        counted(graph.edges().len(), "edge"),
        figures(bytes),
    ))
}

/// The bounds, the optimum, and the row of each policy.
pub(super) fn rows(comparison: &Comparison) -> Vec<String> {
    let Comparison { workers, bounds, optimum, rows, .. } = comparison;
    let best = optimum.as_ref().map_or(String::new(), |found| {
        let said = if found.proven { "optimum" } else { "not proven, best found" };
        let nodes = found.nodes;
        format!("; {said} {} s ({nodes} partial schedules)", figures(found.makespan))
    });
    let mut lines = vec![format!(
        "on {workers}: T1 / P {} s, T∞ {} s, with messages {} s, Fernandez-Bussell {} s{best}",
        figures(bounds.work),
        figures(bounds.critical_path),
        figures(bounds.communication),
        figures(bounds.fernandez_bussell),
    )];
    let is_drawn = rows.iter().any(|row| row.makespan_confidence.is_some());
    let mut head = vec!["workers", "policy", "makespan s"];
    if is_drawn {
        head.push("±");
    }
    head.extend(["SLR", "speedup", "efficiency", "used", "moved MB", "messages", "over best"]);
    let is_executed = rows.iter().any(|row| row.executed.is_some());
    if is_executed {
        head.extend(["executed s", "error"]);
    }
    let width = head.len();
    let mut cells = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for row in rows {
        let mut row = row_cells(*workers, row, is_drawn, is_executed);
        row.resize(width, "-".to_owned());
        cells.push(row);
    }
    lines.extend(columns(&cells, |column| column == 1));
    lines.extend(rows.iter().filter_map(|row| {
        let (policy, problem) = (&row.policy, row.problem.as_ref()?);
        let what = if row.schedule.is_some() { "not executed" } else { "no schedule" };
        Some(format!("{policy}: {what}: {problem}"))
    }));
    lines
}

/// The cells of a policy, as far as there are figures.
fn row_cells(
    workers: usize,
    row: &ComparisonRow,
    is_drawn: bool,
    is_executed: bool,
) -> Vec<String> {
    let mut cells = vec![workers.to_string(), row.policy.clone()];
    let Some(metrics) = &row.metrics else { return cells };
    cells.push(figures(metrics.makespan));
    if is_drawn {
        cells.push(row.makespan_confidence.map_or("-".to_owned(), figures));
    }
    cells.extend([
        fixed(metrics.slr, 3),
        fixed(metrics.speedup, 2),
        format!("{} %", fixed(100.0 * metrics.efficiency, 0)),
        format!("{:.0} %", 100.0 * metrics.utilisation),
        fixed(metrics.bytes_moved / 1e6, 3),
        figures(metrics.messages),
        row.over_bound.map_or("-".to_owned(), |it| fixed(it, 3)),
    ]);
    if is_executed {
        let error = row.execution_error.map(|error| format!("{:+.2} %", 100.0 * error));
        let error = error.unwrap_or_else(|| "-".to_owned());
        cells.extend(row.executed.iter().flat_map(|it| [figures(it.makespan), error.clone()]));
    }
    cells
}

pub(super) const CSV_HEADER: &str = "file,graph,tasks,edges,workers,policy,makespan,makespan_confidence,slr,speedup,efficiency,\
     utilisation,bytes_moved,messages,work_bound,critical_path,communication_bound,fernandez_bussell,best_found,\
     best_is_proven,over_best,executed,execution_error,problem";

/// The rows of [`CSV_HEADER`]; cells of what is not there are empty.
pub(super) fn csv_rows(file: &str, comparison: &Comparison) -> Result<Vec<String>, Stop> {
    let Comparison { graph, tasks, edges, workers, bounds, optimum, rows, .. } = comparison;
    let number = |number: Option<f64>| number.map_or_else(String::new, exact);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: String| Stop::Failed(format!("the rows of figures: {error}"));
    for row in rows {
        let of = |value: fn(&Metrics) -> f64| number(row.metrics.as_ref().map(value));
        let fields = [
            file.to_owned(),
            graph.clone(),
            tasks.to_string(),
            edges.to_string(),
            workers.to_string(),
            row.policy.clone(),
            of(|it| it.makespan),
            number(row.makespan_confidence),
            of(|it| it.slr),
            of(|it| it.speedup),
            of(|it| it.efficiency),
            of(|it| it.utilisation),
            of(|it| it.bytes_moved),
            of(|it| it.messages),
            exact(bounds.work),
            exact(bounds.critical_path),
            exact(bounds.communication),
            exact(bounds.fernandez_bussell),
            number(optimum.as_ref().map(|found| found.makespan)),
            optimum.as_ref().map_or_else(String::new, |found| found.proven.to_string()),
            number(row.over_bound),
            number(row.executed.as_ref().map(|it| it.makespan)),
            number(row.execution_error),
            row.problem.clone().unwrap_or_default(),
        ];
        let fields = fields.map(|field| printable(&field));
        writer.write_record(fields).map_err(|error| failed(error.to_string()))?;
    }
    let text = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{counted, exact, figures, fixed};

    #[test]
    fn one_is_singular() {
        let shown = [0, 1, 2].map(|count| counted(count, "task"));
        assert_eq!(shown, ["0 tasks", "1 task", "2 tasks"]);
    }

    #[test]
    fn numbers_have_six_figures() {
        let shown = [80.0, 1.0 / 3.0, 123_456.7, 1e-9, 1e12, 0.0, 0.5].map(figures);
        assert_eq!(shown, ["80", "0.333333", "123457", "1.00000e-9", "1.00000e12", "0", "0.5"]);
        assert_eq!([fixed(2.0, 3), fixed(1e300, 3)], ["2.000", "1.00000e300"]);
        for number in [1e300, 1.0 / 3.0, 5e-324, 12.0, 0.0, 1e-7] {
            let shown = exact(number);
            assert!(shown.len() < 25 && shown.parse() == Ok(number), "{shown}");
        }
    }
}
