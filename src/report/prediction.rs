//! What a training step would take on machines that are not there.

use super::chart::{Series, doubling_chart};
use super::page::{GRAHAM, Page};
use crate::simulator::prediction::{Prediction, Row};

/// Adds the speedups of a prediction, a curve for each policy, beside what was measured and the bounds of the first
/// policy. Machines whose workers differ in speed stand at their number of workers.
pub fn prediction_page(page: &mut Page, prediction: &Prediction) {
    let mut series: Vec<Series> = Vec::new();
    let mut add = |name: String, dashed: bool, row: &Row, speedup: f64| {
        let at = series.iter().position(|series| series.name == name).unwrap_or_else(|| {
            series.push(Series::new(name, Vec::new()).dashed(dashed));
            series.len() - 1
        });
        series[at].points.push((row.workers as f64, speedup));
    };
    for row in &prediction.rows {
        add(format!("simulated, {}", row.policy), true, row, row.speedup);
    }
    for row in &prediction.rows {
        let alone = prediction.rows.iter().find(|it| it.workers == 1 && it.policy == row.policy);
        let alone = alone.and_then(|it| it.measured_ms).unwrap_or(prediction.alone_ms);
        if let Some(measured) = row.measured_ms {
            add(format!("measured, {}", row.policy), false, row, alone / measured);
        }
    }
    let first = prediction.rows.first().map(|row| &row.policy);
    for row in prediction.rows.iter().filter(|row| Some(&row.policy) == first) {
        add("at most: min(workers, T1 / T∞)".to_owned(), true, row, row.bound);
        if let Some(least) = row.list_schedule_speedup {
            add("at least, without overhead (Graham)".to_owned(), true, row, least);
        }
    }
    for series in &mut series {
        series.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    page.picture(
        "speedup",
        "Speedup against workers",
        &doubling_chart("speedup over one worker", "workers", "speedup", &series),
        &format!(
            "A batch of {}: work T1 is {:.3} ms, the critical path T∞ {:.3} ms. Curves run the plan on virtual workers with \
             costs measured on one; where nothing was measured, nothing validates them. {GRAHAM}",
            prediction.batch, prediction.work_ms, prediction.critical_path_ms
        ),
    );
}
