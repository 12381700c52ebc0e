//! What is said about a training in the end: lines for people, one JSON object for programs.

use caudal::measure::speedup::{Idea, Speedup};
use caudal::metrics::Table;
use caudal::report::{Page, confusion};
use caudal::train::{History, NamedTable, Network, Report};
use serde_json::{Map, Value, json};

use super::legends;
use super::output::{columns, threads};
use super::run_record::{self, Trained};

/// `test loss 0.0912  accuracy 0.9750  (360 items)`, for the part called `part`; with regularizers, how much
/// of the loss is theirs.
pub(super) fn tested(part: &str, report: &Report) -> String {
    format!("{part} {report}  ({} items)", report.items)
}

/// Tables of wider contents than this are left to `--json`.
const MOST_COLUMNS: usize = 40;

/// The words that the classes of a metric's table stand for, if a table of data gave them such.
pub(super) fn class_names<'a>(network: &'a Network, metric: &str) -> Option<&'a [String]> {
    let graph = network.graph();
    let scores = *graph.node(metric).ok()?.inputs.first()?;
    network.data().encoder()?.words(&graph.nodes()[scores].name)
}

/// Adds a picture of every confusion matrix, of which equal ones are shown once.
pub(super) fn confusion_page(page: &mut Page, network: &Network, report: &Report) {
    let is_matrix = |table: &&NamedTable| table.table.rows == RIGHT_CLASS;
    let mut seen: Vec<&NamedTable> = Vec::new();
    for named in report.tables.iter().filter(is_matrix) {
        if seen.iter().any(|other| is_same(other, named)) {
            continue;
        }
        seen.push(named);
        let names = class_names(network, &named.name).unwrap_or_default();
        let caption = "Every row is shaded by the shares of its items.";
        let name = match seen.len() {
            1 => "confusion-matrix".to_owned(),
            number => format!("confusion-matrix-{number}"),
        };
        let heading = format!("Confusion matrix `{}`", named.name);
        page.picture(&name, &heading, &confusion(names, &named.table.values), caption);
    }
}

/// What a row of a confusion matrix stands for.
const RIGHT_CLASS: &str = "right class";

/// What metrics say of their values, and their tables, of which equal ones are shown once.
pub(super) fn details(network: &Network, report: &Report) -> Vec<String> {
    let notes = report.notes.iter().map(|note| format!("note: `{}`: {}", note.name, note.note));
    let mut lines: Vec<String> = notes.collect();
    for (number, named) in report.tables.iter().enumerate() {
        let same = |other: &&NamedTable| other.table == named.table || is_same(other, named);
        // A single number is the value itself.
        let is_value = named.table.values.len() == 1 && named.table.columns.len() == 1;
        if is_value || report.tables[..number].iter().any(|other| same(&other)) {
            continue;
        }
        let names: Vec<String> = report.tables[number..]
            .iter()
            .filter(same)
            .map(|other| format!("`{}`", other.name))
            .collect();
        lines.push(String::new());
        lines.push(format!("{} by {}", names.join(", "), named.table.rows));
        let table = &named.table;
        if table.columns.len() > MOST_COLUMNS || table.values.len() > MOST_ROWS {
            lines.push(format!(
                "{} rows and {} columns are left to --json",
                table.values.len(),
                table.columns.len()
            ));
            continue;
        }
        lines.extend(grid(table, class_names(network, &named.name).unwrap_or_default()));
    }
    lines
}

/// Longer tables are left to `--json`.
const MOST_ROWS: usize = 200;

/// Tables of one kind over the same rows; no number of them is one, if any.
fn is_same(one: &NamedTable, other: &NamedTable) -> bool {
    let bits = |table: &NamedTable| -> Vec<u64> {
        table.table.values.iter().flatten().map(|value| value.to_bits()).collect()
    };
    one.table.columns == other.table.columns && bits(one) == bits(other)
}

/// A table in columns of one width; its rows, and the columns of a confusion matrix, have the names of the classes.
fn grid(table: &Table, classes: &[String]) -> Vec<String> {
    let whole = |value: f64| value.fract() == 0.0 && value.abs() < 1e15;
    // Counts have no digits behind the point, shares have four.
    let counts: Vec<bool> = (0..table.columns.len())
        .map(|column| {
            let count = table.columns[column] == "support" || table.rows == RIGHT_CLASS;
            count && table.values.iter().all(|row| whole(row[column]))
        })
        .collect();
    let cell = |column: usize, value: f64| {
        if counts[column] { format!("{value:.0}") } else { format!("{value:.4}") }
    };
    let rows: Vec<Vec<String>> = table
        .values
        .iter()
        .map(|row| row.iter().enumerate().map(|(column, &value)| cell(column, value)).collect())
        .collect();
    let is_matrix = table.rows == RIGHT_CLASS;
    let class =
        |number: usize| classes.get(number).map_or_else(|| number.to_string(), String::clone);
    let (head, names) = if is_matrix {
        ("right", (0..table.columns.len()).map(class).collect())
    } else {
        ("", table.columns.clone())
    };
    // Most tables have their first column in one place.
    let line = |head: &str, cells: &[String]| [&[format!("{head:>6}")], cells].concat();
    let rows = rows.iter().enumerate().map(|(number, cells)| line(&class(number), cells));
    let rows: Vec<Vec<String>> = [line(head, &names)].into_iter().chain(rows).collect();
    columns(&rows, |_| false)
}

/// All that was measured, a line an epoch.
pub(super) fn epochs(history: &History) -> Vec<String> {
    let mut lines = Vec::new();
    // Validation of fewer epochs is that of the last ones.
    let before = history.train.len().saturating_sub(history.validation.len());
    for (number, train) in history.train.iter().enumerate() {
        let named = |part: &str, report: &Report| {
            let values = report.values().into_iter();
            values.map(|(name, value)| (format!("{part} {name}"), value)).collect::<Vec<_>>()
        };
        let mut cells = named("train", train);
        if let Some(report) = number.checked_sub(before).and_then(|at| history.validation.get(at)) {
            cells.extend(named("validation", report));
        }
        let width = |name: &str| name.chars().count().max(12);
        if number == 0 {
            let names = cells.iter().map(|(name, _)| format!("  {name:>0$}", width(name)));
            lines.push(format!("epoch{}", names.collect::<String>()));
        }
        let cells = cells.iter().map(|(name, value)| format!("  {value:>0$.6}", width(name)));
        let epoch = history.first_epoch + number + 1;
        lines.push(format!("{epoch:>5}{}", cells.collect::<String>()));
    }
    lines
}

/// The table of executors, and where the time goes.
pub(super) fn speedup(measured: &Speedup) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "one training step on a batch of {}: {} tasks in {} parts, median of {} steps",
            measured.batch, measured.tasks, measured.parts, measured.steps
        ),
        format!(
            "{:<12}{:<15}{:>7}{:>10}{:>17}{:>9}{:>7}{:>8}{:>12}",
            "executor",
            "policy",
            "workers",
            "ms",
            "quartiles",
            "speedup",
            "bound",
            "graham",
            "efficiency"
        ),
    ];
    lines.extend(measured.rows.iter().map(|row| {
        let [low, high] = row.quartiles_ms;
        format!(
            "{:<12}{:<15}{:>7}{:>10.3}{:>17}{:>9.2}{:>7.2}{:>8.2}{:>10.0} %",
            row.executor,
            row.policy.as_deref().unwrap_or("-"),
            row.workers,
            row.step_ms,
            format!("{low:.3}-{high:.3}"),
            row.speedup,
            row.bound,
            row.graham,
            100.0 * row.efficiency,
        )
    }));
    lines.extend(legends::lines(legends::SPEEDUP));
    lines.push(format!(
        "bound: min(workers, T1 / T∞), from measured parts: work T1 = {:.3} ms; critical path T∞ = \
         {:.3} ms, a task being as long as its longest part; graham: the speedup that any policy reaches \
         whose workers do not idle beside ready work",
        measured.work_ms, measured.critical_path_ms
    ));
    lines.push(String::new());
    lines.push(format!("{:<28}{:>8}{:>10}{:>9}", "where the time goes", "tasks", "ms", "share"));
    lines.extend(measured.phases.iter().map(|row| {
        format!("{:<28}{:>8}{:>10.3}{:>7.1} %", row.phase, row.tasks, row.ms, 100.0 * row.share)
    }));
    let phases: Vec<&str> = measured.phases.iter().map(|row| row.phase.as_str()).collect();
    lines.extend(legends::lines(&legends::phases(&phases)));
    lines
}

/// Where the workers' time went, in percent of it.
pub(super) fn lost_time(measured: &Speedup) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{:<12}{:<15}{:>7}{:>10}{:>9}{:>9}{:>9}{:>9}{:>11}",
            "workers did",
            "policy",
            "workers",
            "useful",
            "slower",
            "no work",
            "waited",
            "between",
            "accounted"
        ),
    ];
    for row in &measured.rows {
        let Some(lost) = row.lost else { continue };
        let total = lost.total_ms();
        let shares = lost.categories().map(|(_, ms)| format!("{:.1} %", 100.0 * ms / total));
        let [useful, slower, no_work, waited, overhead] = &shares;
        lines.push(format!(
            "{:<12}{:<15}{:>7}{useful:>10}{slower:>9}{no_work:>9}{waited:>9}{overhead:>9}{:>9.1} %",
            row.executor,
            row.policy.as_deref().unwrap_or("-"),
            row.workers,
            100.0 * lost.accounted,
        ));
    }
    lines.extend(legends::lines(legends::LOST_TIME));
    lines
}

/// Forward, backward and updates apart, and the longest tasks on the critical path.
pub(super) fn stages(measured: &Speedup) -> Vec<String> {
    const SHOWN: usize = 8;
    let mut lines = vec![
        String::new(),
        format!("{:<12}{:>8}{:>10}{:>10}{:>10}", "stage", "tasks", "T1 ms", "T∞ ms", "T1 / T∞"),
    ];
    lines.extend(measured.stages.iter().map(|row| {
        format!(
            "{:<12}{:>8}{:>10.3}{:>10.3}{:>10.2}",
            row.stage.name(),
            row.tasks,
            row.work_ms,
            row.critical_path_ms,
            row.work_ms / row.critical_path_ms
        )
    }));
    lines.extend(legends::lines(legends::STAGES));
    let mut longest: Vec<_> = measured.critical_path.iter().collect();
    longest.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    longest.truncate(SHOWN);
    longest.sort_by_key(|task| task.task);
    lines.push(String::new());
    lines.push(format!(
        "critical path: {} tasks; the longest of them:",
        measured.critical_path.len()
    ));
    lines.extend(longest.iter().map(|task| format!("{:>10.3} ms  {}", task.ms, task.label)));
    lines
}

/// What each idea is worth.
pub(super) fn ideas(ideas: &[Idea], workers: usize) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{:<36}{:>8}{:>10}{:>17}{:>9}{:>10}{:>10}",
            format!("without, on {}", threads(workers)),
            "tasks",
            "ms",
            "quartiles",
            "factor",
            "T1 ms",
            "T∞ ms"
        ),
    ];
    lines.extend(ideas.iter().map(|idea| {
        let [low, high] = idea.quartiles_ms;
        format!(
            "{:<36}{:>8}{:>10.3}{:>17}{:>9.2}{:>10.3}{:>10.3}",
            idea.without,
            idea.tasks,
            idea.step_ms,
            format!("{low:.3}-{high:.3}"),
            idea.slowdown,
            idea.work_ms,
            idea.critical_path_ms
        )
    }));
    lines.extend(legends::lines(legends::IDEAS));
    lines
}

/// Everything about a training, with the record that `caudal compare` reads.
pub(super) fn training(
    network: &mut Network,
    trained: &Trained<'_>,
    measured: Option<&Speedup>,
) -> Value {
    let history = trained.history;
    let mut steps = history.step_seconds.clone();
    let mut object = trained.tested.map_or_else(Map::new, |test| fields(network, test));
    if let Some(train) = history.train.last() {
        object.insert("train_loss".to_owned(), train.loss.into());
        object.insert("train_metrics".to_owned(), metrics(train));
    }
    let (name, workers, policy) = {
        let executor = network.executor();
        (executor.name(), executor.workers(), executor.policy().map(str::to_owned))
    };
    let more = json!({
        "model": network.graph().name(),
        "steps": network.step(),
        "epochs": history.train.len(),
        "step_ms": caudal::statistics::median(&mut steps) * 1e3,
        "seconds": trained.seconds,
        "executor": name,
        "workers": workers,
        "policy": policy,
        "parameters": network.graph().parameter_count(),
        "weights_sha256": network.weights_sha256(),
        "speedup": measured,
        "settings": trained.settings,
        "curves": run_record::curves(history),
        "provenance": trained.provenance,
    });
    if let Value::Object(more) = more {
        object.extend(more);
    }
    Value::Object(object)
}

/// Loss and metrics on the test part: `loss`, `test_accuracy` where there is one, and all by name.
pub(super) fn fields(network: &Network, test: &Report) -> Map<String, Value> {
    let graph = network.graph();
    let is_accuracy = |name: &str| {
        graph.node(name).is_ok_and(|node| node.role.kind() == "accuracy") || name == "accuracy"
    };
    let accuracy = test.metrics.iter().find(|metric| is_accuracy(&metric.name));
    let mut object = Map::new();
    object.insert("loss".to_owned(), test.loss.into());
    object.insert("test_accuracy".to_owned(), accuracy.map(|metric| metric.value).into());
    object.insert("test_items".to_owned(), test.items.into());
    object.insert("test_metrics".to_owned(), metrics(test));
    let tables = test.tables.iter().map(|it| {
        let mut table = json!(it.table);
        if let (Value::Object(table), Some(words)) = (&mut table, class_names(network, &it.name)) {
            table.insert("classes".to_owned(), json!(words));
        }
        (it.name.clone(), table)
    });
    object.insert("test_tables".to_owned(), Value::Object(tables.collect()));
    let notes = test.notes.iter().map(|it| (it.name.clone(), it.note.clone().into()));
    object.insert("test_notes".to_owned(), Value::Object(notes.collect()));
    let losses = test.losses.iter().map(|loss| (loss.name.clone(), loss.value.into()));
    object.insert("test_losses".to_owned(), Value::Object(losses.collect()));
    let costs = test.regularization.iter().map(|cost| (cost.name.clone(), cost.value.into()));
    object.insert("test_regularization".to_owned(), Value::Object(costs.collect()));
    object
}

fn metrics(report: &Report) -> Value {
    let metrics = report.metrics.iter();
    Value::Object(metrics.map(|metric| (metric.name.clone(), metric.value.into())).collect())
}
