//! What is said about a training in the end: lines for people, one JSON object for programs.

use caudal::report::speedup::Speedup;
use caudal::train::{History, Network, Report};
use serde_json::{Map, Value, json};

/// `test loss 0.0912  accuracy 0.9750  (360 items)`; with regularizers, how much of the loss is theirs.
pub(super) fn tested(report: &Report) -> String {
    let metrics = report.metrics.iter();
    let metrics = metrics.map(|metric| format!("  {} {:.4}", metric.name, metric.value));
    let costs = report.regularization.iter().map(|cost| cost.value);
    let costs = match report.regularization.as_slice() {
        [] => String::new(),
        _ => format!(", {:.4} of it regularization", costs.sum::<f64>()),
    };
    let metrics: String = metrics.collect();
    format!("test loss {:.4}{costs}{metrics}  ({} items)", report.loss, report.items)
}

/// The table of executors, and where the time goes.
pub(super) fn speedup(measured: &Speedup) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "one training step on a batch of {}: {} tasks in {} parts, median of {} steps",
            measured.batch, measured.tasks, measured.parts, measured.steps
        ),
        format!("{:<12}{:>8}{:>10}{:>10}{:>8}", "executor", "workers", "ms", "speedup", "bound"),
    ];
    lines.extend(measured.rows.iter().map(|row| {
        format!(
            "{:<12}{:>8}{:>10.3}{:>10.2}{:>8.2}",
            row.executor, row.workers, row.step_ms, row.speedup, row.bound
        )
    }));
    lines.push(format!(
        "bound: min(workers, T1 / T∞), from measured parts: work T1 = {:.3} ms; critical path T∞ = \
         {:.3} ms, a task being as long as its longest part",
        measured.work_ms, measured.critical_path_ms
    ));
    lines.push(String::new());
    lines.push(format!("{:<28}{:>8}{:>10}{:>9}", "where the time goes", "tasks", "ms", "share"));
    lines.extend(measured.phases.iter().map(|row| {
        format!("{:<28}{:>8}{:>10.3}{:>7.1} %", row.phase, row.tasks, row.ms, 100.0 * row.share)
    }));
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
        "step_ms": caudal::bench::median(&mut steps) * 1e3,
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
