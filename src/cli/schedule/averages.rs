//! Means over random graphs.

use caudal::scheduling::Comparison;

use super::random::Parameters;
use super::tables::{figures, fixed};
use crate::cli::output::columns;

/// A schedule's length ratio, with what the graph was drawn by.
struct Found<'a> {
    drawn: &'a Parameters,
    workers: usize,
    slr: f64,
    /// Whether no policy was shorter.
    is_best: bool,
}

/// One of the parameters of a graph and its machine.
type Parameter = fn(&Found<'_>) -> f64;

/// Mean schedule length ratios by policy, the lowest first: over all, and by each parameter that has several values.
pub(super) fn ratios(cases: &[(&Parameters, &Comparison)]) -> Vec<String> {
    let mut policies: Vec<(&str, Vec<Found<'_>>)> = Vec::new();
    for (drawn, comparison) in cases {
        let makespans = comparison.rows.iter().filter_map(|row| Some(row.metrics?.makespan));
        let least = makespans.fold(f64::INFINITY, f64::min);
        for row in &comparison.rows {
            let Some(metrics) = row.metrics else { continue };
            let (slr, workers) = (metrics.slr, comparison.workers);
            let is_best = metrics.makespan <= least * (1.0 + 1e-9);
            let found = Found { drawn, workers, slr, is_best };
            match policies.iter_mut().find(|(name, _)| *name == row.policy) {
                Some((_, all)) => all.push(found),
                None => policies.push((&row.policy, vec![found])),
            }
        }
    }
    let mean = |all: &[&Found<'_>]| all.iter().map(|it| it.slr).sum::<f64>() / all.len() as f64;
    policies.sort_by(|(_, one), (_, other)| {
        let [one, other] = [one, other].map(|all| mean(&all.iter().collect::<Vec<_>>()));
        one.total_cmp(&other)
    });
    let parameters: [(&str, Parameter); 5] = [
        ("tasks", |it| it.drawn.tasks as f64),
        ("CCR", |it| it.drawn.ccr),
        ("het.", |it| it.drawn.heterogeneity),
        ("shape", |it| it.drawn.shape),
        ("on", |it| it.workers as f64),
    ];
    let mut head = ["policy", "mean SLR", "best"].map(str::to_owned).to_vec();
    let mut groups: Vec<(Parameter, f64)> = Vec::new();
    for (name, of) in parameters {
        let mut values: Vec<f64> =
            policies.iter().flat_map(|(_, all)| all.iter().map(of)).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        if values.len() > 1 {
            head.extend(values.iter().map(|&value| format!("{name} {}", figures(value))));
            groups.extend(values.into_iter().map(|value| (of, value)));
        }
    }
    let mut rows = vec![head];
    for (policy, all) in &policies {
        let best = all.iter().filter(|it| it.is_best).count() as f64 / all.len() as f64;
        let every: Vec<&Found<'_>> = all.iter().collect();
        let mut row =
            vec![(*policy).to_owned(), fixed(mean(&every), 3), format!("{:.0} %", 100.0 * best)];
        row.extend(groups.iter().map(|(of, value)| {
            let some: Vec<&Found<'_>> = all.iter().filter(|it| of(it) == *value).collect();
            fixed(mean(&some), 3)
        }));
        rows.push(row);
    }
    columns(&rows, |column| column == 0)
}
