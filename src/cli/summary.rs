//! What is said about a training in the end: lines for people, one JSON object for programs.

use caudal::measure::speedup::{Idea, Speedup};
use caudal::train::{History, Network, Report};
use serde_json::{Map, Value, json};

use super::legends;
use super::output::threads;

/// `test loss 0.0912  accuracy 0.9750  (360 items)`, for the part called `part`; with regularizers, how much
/// of the loss is theirs.
pub(super) fn tested(part: &str, report: &Report) -> String {
    format!("{part} {report}  ({} items)", report.items)
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

/// Everything about a training.
pub(super) fn training(
    network: &mut Network,
    history: &History,
    measured: Option<&Speedup>,
    seconds: f64,
) -> Value {
    let mut steps = history.step_seconds.clone();
    let mut object = history.validation.last().map_or_else(Map::new, |test| fields(network, test));
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
        "seconds": seconds,
        "executor": name,
        "workers": workers,
        "policy": policy,
        "parameters": network.graph().parameter_count(),
        "weights_sha256": network.weights_sha256(),
        "speedup": measured,
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
