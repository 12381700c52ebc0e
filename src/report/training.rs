//! The curves of a training.

use super::chart::{Series, chart};
use super::page::Page;
use crate::train::{History, NamedValue, Report};

/// Curves over steps have no more points than this: each is then the mean of so many steps.
const MOST_STEPS: usize = 1000;

/// Adds the curves of a training: the loss, every loss if there are several, and every metric by epoch, on the data trained on
/// and on the data tested on; then the loss and the learning rate by step. `rates` has the rate of each step, counted from 0, as
/// [`LearningRateLog`](crate::train::callbacks::LearningRateLog) collects them; it may be empty.
pub fn training_page(page: &mut Page, history: &History, rates: &[(u64, f32)]) {
    page.picture(
        "loss",
        "Loss by epoch",
        &chart("loss by epoch", "epoch", "loss", &by_epoch(history, |report| Some(report.loss))),
        &format!(
            "{} steps in {} epochs.{}",
            history.steps,
            history.train.len(),
            left_out(history, "loss", "losses", |report| Some(report.loss))
        ),
    );
    let reports = || history.train.iter().chain(&history.validation);
    for (kind, values) in [("loss", losses as fn(&Report) -> &[NamedValue]), ("metric", metrics)] {
        let mut names: Vec<&str> = Vec::new();
        for named in reports().flat_map(values) {
            if !names.contains(&named.name.as_str()) {
                names.push(&named.name);
            }
        }
        for (number, name) in names.into_iter().enumerate() {
            let value = |report: &Report| {
                values(report).iter().find(|named| named.name == name).map(|named| named.value)
            };
            page.picture(
                &format!("{kind}-{}", number + 1),
                &format!("{name} by epoch"),
                &chart(&format!("{name} by epoch"), "epoch", name, &by_epoch(history, value)),
                left_out(history, "value", "values", value).trim_start(),
            );
        }
    }
    by_step(page, history, rates);
}

/// The losses of a network that has several; a single one is the loss itself.
fn losses(report: &Report) -> &[NamedValue] {
    if report.losses.len() > 1 { &report.losses } else { &[] }
}

fn metrics(report: &Report) -> &[NamedValue] {
    &report.metrics
}

/// A value of every report, by epoch: of training and of testing.
fn by_epoch(history: &History, value: impl Fn(&Report) -> Option<f64>) -> Vec<Series> {
    // Reports of fewer epochs are those of the last ones.
    let curve = |name: &str, reports: &[Report]| {
        let before = history.first_epoch + history.train.len().saturating_sub(reports.len());
        let points = reports
            .iter()
            .enumerate()
            .filter_map(|(number, report)| Some(((before + number + 1) as f64, value(report)?)));
        Series::new(name, points.collect())
    };
    let mut series = vec![curve("training, each batch before its update", &history.train)];
    if !history.validation.is_empty() {
        series.push(curve("validation, after the epoch", &history.validation));
    }
    series
}

/// How many values a chart leaves out, as a sentence.
fn left_out(
    history: &History,
    one: &str,
    many: &str,
    value: impl Fn(&Report) -> Option<f64>,
) -> String {
    let values = history.train.iter().chain(&history.validation).filter_map(value);
    match values.filter(|value| !value.is_finite()).count() {
        0 => String::new(),
        1 => format!(" One {one} is infinite or no number, and left out."),
        count => format!(" {count} {many} are infinite or no numbers, and left out."),
    }
}

/// The loss of every batch and the learning rate, over the steps from 1 on.
fn by_step(page: &mut Page, history: &History, rates: &[(u64, f32)]) {
    let first = rates.first().map_or(0, |&(step, _)| step);
    let losses = history.step_losses.iter().enumerate();
    let losses = losses.map(|(number, &loss)| ((first + number as u64 + 1) as f64, loss));
    let rates = rates.iter().map(|&(step, rate)| ((step + 1) as f64, f64::from(rate)));
    for (name, heading, axis, series, points) in [
        ("loss-by-step", "Loss by step", "loss", "each batch before its update", losses.collect()),
        (
            "rate-by-step",
            "Learning rate by step",
            "learning rate",
            "learning rate",
            rates.collect::<Vec<_>>(),
        ),
    ] {
        let (points, each) = condensed(points);
        if points.is_empty() {
            continue;
        }
        let caption = match each {
            1 => String::new(),
            _ => format!("Every point is the mean of {each} steps, at the last of them."),
        };
        let series = [Series::new(series, points)];
        page.picture(
            name,
            heading,
            &chart(&heading.to_lowercase(), "step", axis, &series),
            &caption,
        );
    }
}

/// At most [`MOST_STEPS`] points, each the mean of so many in a row, at the last of them; what is no number is left out.
fn condensed(mut points: Vec<(f64, f64)>) -> (Vec<(f64, f64)>, usize) {
    points.retain(|(_, y)| y.is_finite());
    let each = points.len().div_ceil(MOST_STEPS).max(1);
    let mean = |points: &[(f64, f64)]| {
        let sum: f64 = points.iter().map(|(_, y)| y).sum();
        (points[points.len() - 1].0, sum / points.len() as f64)
    };
    (points.chunks(each).map(mean).collect(), each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(loss: f64, losses: &[(&str, f64)]) -> Report {
        let named = losses.iter().map(|&(name, value)| NamedValue { name: name.to_owned(), value });
        Report {
            loss,
            losses: named.collect(),
            metrics: Vec::new(),
            tables: Vec::new(),
            notes: Vec::new(),
            regularization: Vec::new(),
            items: 1,
        }
    }

    #[test]
    fn losses_are_curves_and_what_is_no_number_is_left_out() {
        let history = History {
            train: [2.0, f64::NAN, 0.5].map(|loss| report(loss, &[("loss", loss)])).into(),
            validation: vec![report(1.5, &[("loss", 1.5)])],
            steps: 30,
            ..History::default()
        };
        let mut page = Page::new("t".to_owned());
        training_page(&mut page, &history, &[]);
        assert_eq!(page.pictures().len(), 1, "one loss is drawn once, and no steps are known");
        let text = page.to_html();
        assert!(!text.contains("NaN"));
        assert_eq!(text.matches("<circle").count(), 3);
        assert!(
            text.contains("<title>training, each batch before its update: 0.5 at epoch 3</title>"),
            "{text}"
        );
        assert!(text.contains("One loss is infinite or no number, and left out."), "{text}");
    }

    #[test]
    fn every_loss_has_its_curve_and_long_trainings_are_condensed() {
        let history = History {
            train: vec![report(3.0, &[("a", 1.0), ("b", 2.0)])],
            steps: 2500,
            step_losses: (0..2500).map(f64::from).collect(),
            ..History::default()
        };
        let rates: Vec<_> = (10..2510).map(|step| (step, 0.5)).collect();
        let mut page = Page::new("t".to_owned());
        training_page(&mut page, &history, &rates);
        let names: Vec<&str> = page.pictures().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["loss", "loss-1", "loss-2", "loss-by-step", "rate-by-step"]);
        let steps = &page.pictures()[3].1;
        // The first mean is that of losses 0, 1 and 2, of steps 11 to 13.
        assert!(steps.contains("data-x=\"13 16 ") && steps.contains("data-y=\"1 4 "), "{steps}");
        assert!(page.to_html().contains("Every point is the mean of 3 steps"));
    }
}
