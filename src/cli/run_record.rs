//! The record of a training, in the JSON object of `train --json`: what was set, the curves by epoch, and where it ran.
//! `caudal compare` reads it.

use std::collections::BTreeMap;

use caudal::measure::Provenance;
use caudal::model::Model;
use caudal::train::checkpoint::FitRecord;
use caudal::train::{History, Report};
use serde_json::{Map, Value, json};

use super::Stop;

/// How a training came out.
pub(super) struct Trained<'a> {
    pub(super) history: &'a History,
    /// On the test part, if there is one.
    pub(super) tested: Option<&'a Report>,
    /// Of the training, without reading data before and testing after.
    pub(super) seconds: f64,
    pub(super) settings: &'a BTreeMap<String, String>,
    pub(super) provenance: &'a Provenance,
}

/// What is left out of [`settings`]: not set by anybody, but reached.
const REACHED: [&str; 2] = ["stopping", "best"];

/// All that a model and the options of its training set, by the names that `caudal sweep` has for them.
pub(super) fn settings(
    model: &Model,
    record: &FitRecord,
) -> Result<BTreeMap<String, String>, Stop> {
    let unwritten = |error: String| Stop::Failed(format!("the settings of the training: {error}"));
    let text = model.to_toml()?;
    let table: toml::Table = text.parse().map_err(|error| unwritten(format!("{error}")))?;
    let mut settings = BTreeMap::new();
    flatten(&mut settings, "", &toml::Value::Table(table));
    let record = serde_json::to_value(record).map_err(|error| unwritten(error.to_string()))?;
    if let Value::Object(record) = record {
        for (name, value) in record {
            let text = match &value {
                Value::Null => continue,
                Value::Array(list) if list.is_empty() => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if !REACHED.contains(&name.as_str()) {
                settings.insert(name, text);
            }
        }
    }
    Ok(settings)
}

/// Adds what a table of a model file sets. Tables in arrays, such as nodes, are called by their names.
fn flatten(settings: &mut BTreeMap<String, String>, prefix: &str, value: &toml::Value) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let key = match (prefix, key.as_str()) {
                    ("", key) | ("train", key @ "optimizer") => key.to_owned(),
                    (prefix, key) => format!("{prefix}.{key}"),
                };
                flatten(settings, &key, value);
            }
        }
        toml::Value::Array(list) if list.iter().all(toml::Value::is_table) => {
            for (number, value) in list.iter().enumerate() {
                let name = value.get("name").and_then(toml::Value::as_str);
                let own = name.map_or_else(|| format!("{prefix}.{number}"), str::to_owned);
                flatten(settings, &own, value);
            }
        }
        toml::Value::String(text) => drop(settings.insert(prefix.to_owned(), text.clone())),
        other => drop(settings.insert(prefix.to_owned(), other.to_string())),
    }
}

/// Losses and metrics by epoch: the numbers of the epochs, from 1, and of each part lists by name.
pub(super) fn curves(history: &History) -> Value {
    let parts = [("train", &history.train), ("validation", &history.validation)];
    let lists = parts.map(|(part, reports)| {
        let mut lists: Map<String, Value> = Map::new();
        for (name, value) in reports.iter().flat_map(Report::values) {
            let list = lists.entry(name).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(value.into());
            }
        }
        (part.to_owned(), Value::Object(lists))
    });
    let epochs = (1..=history.train.len()).map(|epoch| history.first_epoch + epoch);
    let mut curves: Map<String, Value> = lists.into_iter().collect();
    curves.insert("epoch".to_owned(), epochs.collect());
    Value::Object(curves)
}
