//! `caudal train --folds`: a training for every fold.

use std::collections::BTreeMap;

use caudal::data::{self, LoadOptions};
use caudal::model::Model;
use caudal::train::checkpoint::FitRecord;
use caudal::train::{Callback, FitOptions, Report};
use serde_json::{Value, json};

use super::Stop;
use super::callbacks::Callbacks;
use super::fitting::Fitting;
use super::interrupt::Interrupt;
use super::output::{line, notes};
use super::results;
use super::train::Train;

impl Train {
    /// Trains once for every fold, from the same first weights, and prints how the tests came out: each,
    /// their mean and their standard deviation.
    pub(super) fn cross_validate(
        &self,
        model: &Model,
        record: &FitRecord,
        load: &LoadOptions<'_>,
        folds: usize,
    ) -> Result<(), Stop> {
        let data = record.data.as_deref().unwrap_or_default();
        let all = data::load_folds(data, load, folds)?;
        let training = &model.training;
        let mut interrupt = Interrupt::watch()?;
        let mut reports: Vec<Report> = Vec::new();
        for (number, loaded) in all.iter().enumerate() {
            if number == 0 {
                notes(&loaded.notes);
            }
            let Some(test) = &loaded.test else { continue };
            let mut network = self.network(model, record)?;
            let mut fit = FitOptions::default()
                .epochs(training.epochs)
                .batch_size(training.batch_size)
                .smallest_batch(network.smallest_batch())
                .seed(record.seed)
                .max_steps(self.max_steps)
                .augment(training.augment.clone())
                .mix_up(training.mix_up)
                .validation(loaded.validation.as_ref());
            Fitting::apply(record, &mut fit, loaded)?;
            let of = (&*model.graph, training);
            let mut callbacks =
                Callbacks::new(&self.fitting, None, of, record, None, loaded.validation.is_some())?;
            let mut list: Vec<&mut dyn Callback> = vec![&mut callbacks, &mut interrupt];
            network.fit_with(&loaded.train, &fit, &mut list)?;
            callbacks.finish();
            if interrupt.came() {
                return Err(interrupt.stop());
            }
            let report = network.evaluate(test, training.batch_size)?;
            line(format!("fold {}/{folds}  {}", number + 1, results::tested("test", &report)))?;
            reports.push(report);
        }
        let spread = spread(&reports);
        let told = spread
            .iter()
            .map(|(name, (mean, deviation))| format!("{name} {mean:.4} ± {deviation:.4}"));
        line(format!("{folds} folds  {}", told.collect::<Vec<_>>().join("  ")))?;
        if self.json {
            let spread = spread.iter().map(|(name, (mean, deviation))| {
                (name.clone(), json!({ "mean": mean, "standard_deviation": deviation }))
            });
            let object: Value = Value::Object(spread.collect());
            line(json!({ "folds": folds, "test": object }).to_string())?;
        }
        Ok(())
    }
}

/// Mean and standard deviation, over the folds less one, of the loss and every metric.
fn spread(reports: &[Report]) -> BTreeMap<String, (f64, f64)> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for report in reports {
        values.entry("loss".to_owned()).or_default().push(report.loss);
        for metric in &report.metrics {
            values.entry(metric.name.clone()).or_default().push(metric.value);
        }
    }
    let of = |values: Vec<f64>| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (mean, (squares / (count - 1.0).max(1.0)).sqrt())
    };
    values.into_iter().map(|(name, values)| (name, of(values))).collect()
}
