//! Records of trainings, as `train --json` and `train --log` leave them in files.

use std::collections::BTreeMap;
use std::path::Path;

use caudal::files;
use caudal::report::RunCurves;
use serde_json::{Map, Value};

use crate::cli::Stop;

/// What a file tells of a training.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) curves: RunCurves,
    /// What was set; nothing in a log.
    pub(super) settings: BTreeMap<String, String>,
    /// Losses and metrics in the end, by part and name.
    pub(super) figures: Vec<(String, f64)>,
    pub(super) epochs: usize,
    pub(super) steps: Option<u64>,
    pub(super) seconds: Option<f64>,
    /// Trainings before it in the same log, which are left out.
    pub(super) left_out: usize,
}

/// What to do about a file that is no record.
const REMEDY: &str =
    "name what `caudal train --json` has printed, or the .csv file of `caudal train --log`";

/// Reads the record of a training: a log, if the file ends in `.csv`, otherwise the JSON object in its last line.
pub(super) fn read(path: &Path) -> Result<Run, Stop> {
    let text = files::text_of(path)?;
    let is_log = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let read = if is_log { log(&text) } else { object(&text) };
    read.map_err(|(line, problem)| {
        Stop::Usage(format!("{}:{line}: {problem}; {REMEDY}", path.display()))
    })
}

/// Losses and metrics with their values by epoch.
type Curves = Vec<(String, Vec<(f64, f64)>)>;

/// A problem, and the line that it is in.
type Problem = (usize, String);

/// The object in the last line that is not empty.
fn object(text: &str) -> Result<Run, Problem> {
    let last = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).last();
    let Some((number, text)) = last else { return Err((1, "there is nothing in it".to_owned())) };
    let at = |problem: String| (number + 1, problem);
    let value: Value = serde_json::from_str(text)
        .map_err(|error| at(format!("column {}: it is no JSON object: {error}", error.column())))?;
    let Value::Object(object) = value else { return Err(at("it is no JSON object".to_owned())) };
    let lacks = |name: &str| at(format!("the object has no `{name}`, as that of a training has"));
    let curves = object.get("curves").and_then(Value::as_object).ok_or_else(|| lacks("curves"))?;
    let epochs =
        curves.get("epoch").and_then(Value::as_array).ok_or_else(|| lacks("curves.epoch"))?;
    let epochs: Vec<f64> = epochs.iter().filter_map(Value::as_f64).collect();
    let part = |part: &str| lists(curves, part, &epochs).map_err(at);
    let (train, validation) = (part("train")?, part("validation")?);
    let mut run = Run {
        epochs: epochs.len(),
        steps: object.get("steps").and_then(Value::as_u64),
        seconds: object.get("seconds").and_then(Value::as_f64),
        ..Run::default()
    };
    let settings = object.get("settings").and_then(Value::as_object);
    for (name, value) in settings.ok_or_else(|| lacks("settings"))? {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        run.settings.insert(name.clone(), text);
    }
    run.figures = last_figures(&train, &validation);
    let loss = object.get("loss").and_then(Value::as_f64);
    run.figures.extend(loss.map(|loss| ("test loss".to_owned(), loss)));
    for (name, value) in object.get("test_metrics").and_then(Value::as_object).into_iter().flatten()
    {
        run.figures.extend(value.as_f64().map(|value| (format!("test {name}"), value)));
    }
    (run.curves.train, run.curves.validation) = (train, validation);
    Ok(run)
}

/// The curves of a part: lists of numbers, in which `null` stands for what is none, one for every epoch.
fn lists(curves: &Map<String, Value>, part: &str, epochs: &[f64]) -> Result<Curves, String> {
    let wrong = |name: &str| {
        format!(
            "`curves.{part}.{name}` is no list of {} numbers, one for every epoch",
            epochs.len()
        )
    };
    let mut read = Vec::new();
    for (name, list) in curves.get(part).and_then(Value::as_object).into_iter().flatten() {
        let list = list.as_array().filter(|list| list.len() == epochs.len());
        let mut points = Vec::new();
        for (&epoch, value) in epochs.iter().zip(list.ok_or_else(|| wrong(name))?) {
            let number = if value.is_null() { Some(f64::NAN) } else { value.as_f64() };
            points.push((epoch, number.ok_or_else(|| wrong(name))?));
        }
        read.push((name.clone(), points));
    }
    // The loss comes first, as in every other table.
    read.sort_by_key(|(name, _)| name != "loss");
    Ok(read)
}

/// The values of the last epoch, by part and name.
fn last_figures(train: &Curves, validation: &Curves) -> Vec<(String, f64)> {
    let parts = [("train", train), ("validation", validation)];
    let last = |part: &str, curves: &Curves| {
        let last = curves.iter().filter_map(|(name, points)| Some((name, points.last()?.1)));
        last.map(|(name, value)| (format!("{part} {name}"), value)).collect::<Vec<_>>()
    };
    parts.iter().flat_map(|(part, curves)| last(part, curves)).collect()
}

/// A table with a row for every epoch. Of several trainings one below the other, the last.
fn log(text: &str) -> Result<Run, Problem> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let broken = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        (line as usize, format!("it is no row of a log: {error}"))
    };
    let names: Vec<String> = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
    if names.first().map(String::as_str) != Some("epoch") {
        return Err((1, "its first column is not `epoch`".to_owned()));
    }
    let mut run = Run::default();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(1, csv::Position::line) as usize;
        let cell = |(name, cell): (&String, &str)| {
            let wrong =
                || (line, format!("`{}` in the column `{name}` is no number", cell.escape_debug()));
            cell.parse::<f64>().map_err(|_| wrong())
        };
        let row = names.iter().zip(&record).map(cell).collect::<Result<Vec<f64>, Problem>>()?;
        // Where epochs do not go on, another training begins.
        if rows.last().is_some_and(|before| row[0] <= before[0]) {
            rows.clear();
            run.left_out += 1;
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err((1, "it has no row of an epoch".to_owned()));
    }
    run.epochs = rows.len();
    let parts = [("train_", &mut run.curves.train), ("validation_", &mut run.curves.validation)];
    for (prefix, curves) in parts {
        for (column, name) in names.iter().enumerate() {
            let Some(name) = name.strip_prefix(prefix) else { continue };
            // Logs count epochs from 0.
            let points = rows.iter().map(|row| (row[0] + 1.0, row[column])).collect();
            curves.push((name.to_owned(), points));
        }
    }
    run.figures = last_figures(&run.curves.train, &run.curves.validation);
    let seconds = names.iter().position(|name| name == "seconds");
    run.seconds = seconds.and_then(|column| Some(rows.last()?[column]));
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_training_of_a_log_counts() {
        let text = "epoch,seconds,train_loss,learning_rate\n0,1,3,0.1\n1,2,2,0.1\n0,1.5,1,0.1\n1,4,NaN,0.1\n";
        let run = log(text).unwrap();
        assert_eq!((run.epochs, run.left_out, run.seconds), (2, 1, Some(4.0)));
        let (name, points) = &run.curves.train[0];
        assert_eq!((name.as_str(), points[0]), ("loss", (1.0, 1.0)));
        assert!(points[1].1.is_nan() && run.curves.validation.is_empty());
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_line() {
        for (text, is_log, line, problem) in [
            (
                "epoch,train_loss\n0,1\n1,x\n",
                true,
                3,
                "`x` in the column `train_loss` is no number",
            ),
            ("epoch,train_loss\n0,1\n1\n", true, 3, "no row of a log"),
            ("epoch,train_loss\n", true, 1, "no row of an epoch"),
            ("a,b\n1,2\n", true, 1, "not `epoch`"),
            ("", false, 1, "nothing in it"),
            ("test loss 1\n\n[1]\n", false, 3, "no JSON object"),
            ("{\"loss\":1,}\n", false, 1, "column 11"),
            ("{\"loss\":1}\n", false, 1, "no `curves`"),
            (
                "{\"curves\":{\"epoch\":[1],\"train\":{\"loss\":[1,2]}}}",
                false,
                1,
                "no list of 1 numbers",
            ),
            (
                "{\"curves\":{\"epoch\":[1],\"train\":{\"a\":[\"b\"]}}}",
                false,
                1,
                "`curves.train.a`",
            ),
        ] {
            let read = if is_log { log(text) } else { object(text) };
            let (found, told) = read.unwrap_err();
            assert!(found == line && told.contains(problem), "{text}: {found}: {told}");
        }
    }
}
