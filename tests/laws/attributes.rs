//! Attributes of model files: what is written reads back, and what makes no sense is refused.

use std::sync::Arc;

use caudal::context::Mode;
use caudal::flow::Sequential;
use caudal::graph::GraphBuilder;
use caudal::initializers::INITIALIZERS;
use caudal::layers::{LAYERS, Sample};
use caudal::losses::LOSSES;
use caudal::metrics::METRICS;
use caudal::optimizers::OPTIMIZERS;
use caudal::optimizers::schedules::SCHEDULES;
use caudal::plan::PlanOptions;
use caudal::regularizers::REGULARIZERS;
use toml::{Table, Value};

use super::table;
use crate::probe::{Specimen, Surroundings, execute};

/// A row of any of the tables: reads attributes, and writes those of what it read.
struct Row {
    kind: &'static str,
    attributes: &'static [(&'static str, &'static str)],
    samples: Vec<&'static str>,
    rewrite: Box<dyn Fn(Table) -> Result<Table, String>>,
}

fn of(samples: &'static [Sample]) -> Vec<&'static str> {
    samples.iter().map(|sample| sample.attributes).collect()
}

/// Every row of every table whose kinds can write their attributes.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for spec in LAYERS {
        rows.push(Row {
            kind: spec.kind,
            attributes: spec.attributes,
            samples: of(spec.samples),
            rewrite: Box::new(|table| (spec.parse)(table).map(|layer| layer.attributes())),
        });
    }
    for spec in LOSSES {
        rows.push(Row {
            kind: spec.kind,
            attributes: spec.attributes,
            samples: of(spec.samples),
            rewrite: Box::new(|table| (spec.parse)(table).map(|loss| loss.attributes())),
        });
    }
    for spec in METRICS {
        rows.push(Row {
            kind: spec.kind,
            attributes: spec.attributes,
            samples: of(spec.samples),
            rewrite: Box::new(|table| (spec.parse)(table).map(|metric| metric.attributes())),
        });
    }
    for spec in OPTIMIZERS {
        rows.push(Row {
            kind: spec.kind,
            attributes: spec.attributes,
            samples: spec.samples.to_vec(),
            rewrite: Box::new(|table| (spec.parse)(table).map(|optimizer| optimizer.attributes())),
        });
    }
    for spec in REGULARIZERS {
        rows.push(Row {
            kind: spec.kind,
            attributes: spec.attributes,
            samples: spec.samples.to_vec(),
            rewrite: Box::new(|table| (spec.parse)(table).map(|it| it.attributes())),
        });
    }
    for spec in INITIALIZERS {
        rows.push(Row {
            kind: spec.kind,
            attributes: spec.attributes,
            samples: spec.samples.to_vec(),
            rewrite: Box::new(|table| (spec.parse)(table).map(|it| it.attributes())),
        });
    }
    for spec in SCHEDULES {
        rows.push(Row {
            kind: spec.kind,
            attributes: spec.attributes,
            samples: spec.samples.to_vec(),
            rewrite: Box::new(|table| (spec.parse)(table).map(|it| it.attributes())),
        });
    }
    rows
}

#[test]
fn what_is_written_reads_back() {
    for row in rows() {
        for sample in &row.samples {
            let written = (row.rewrite)(table(sample)).unwrap();
            for (name, value) in table(sample) {
                let same = match (&written[&name], &value) {
                    // All numbers with a fraction are `f32`s.
                    (Value::Float(a), Value::Float(b)) => *a as f32 == *b as f32,
                    (written, value) => written == value,
                };
                assert!(same, "{}: {name} = {value} became {}", row.kind, written[&name]);
            }
            for name in written.keys() {
                let known = row.attributes.iter().any(|(known, _)| known == name);
                assert!(known, "{} writes `{name}`, which its table does not list", row.kind);
            }
            let text = written.to_string();
            let again = (row.rewrite)(text.parse().unwrap()).unwrap();
            assert_eq!(again, written, "{}", row.kind);
        }
    }
}

#[test]
fn unknown_and_missing_attributes_are_refused_by_name() {
    let mut missing = 0;
    for row in rows() {
        for sample in &row.samples {
            let mut attributes = table(sample);
            attributes.insert("nonsense".into(), Value::Integer(1));
            let error = (row.rewrite)(attributes).unwrap_err();
            assert!(error.contains("`nonsense`"), "{}: {error}", row.kind);
            for (name, description) in row.attributes {
                let mut attributes = table(sample);
                attributes.remove(*name);
                match (row.rewrite)(attributes) {
                    Ok(_) => assert!(!description.contains("required"), "{}: {name}", row.kind),
                    Err(error) => {
                        // Others are missed by name too, where a further attribute needs them.
                        assert!(error.contains(name), "{}: {name}: {error}", row.kind);
                        missing += usize::from(description.contains("required"));
                    }
                }
            }
        }
    }
    assert!(missing >= 4, "{missing}");
}

/// What a table says of an attribute: what it means, and what holds without it.
fn meaning_and_default<'a>(kind: &str, name: &str, description: &'a str) -> (&'a str, &'a str) {
    let (meaning, last) = description.rsplit_once("; ").unwrap_or(("", description));
    assert!(!meaning.is_empty(), "{kind}: `{name}` has no meaning: {description}");
    let default = last.strip_prefix("default ");
    assert!(
        last == "required" || default.is_some(),
        "{kind}: `{name}` does not end in `; required` or `; default ...`: {description}"
    );
    (meaning, default.unwrap_or_default())
}

#[test]
fn every_attribute_has_a_meaning_and_a_default_that_holds() {
    let (mut held, mut in_words) = (0, 0);
    for row in rows() {
        for (name, description) in row.attributes {
            let (_, default) = meaning_and_default(row.kind, name, description);
            if default.is_empty() {
                continue;
            }
            let Ok(mut stated) = format!("{name} = {default}").parse::<Table>() else {
                in_words += 1;
                continue;
            };
            let stated = stated.remove(*name).unwrap();
            let mut compared = 0;
            for sample in &row.samples {
                let mut attributes = table(sample);
                attributes.remove(*name);
                // Another attribute may need this one.
                let Ok(without) = (row.rewrite)(attributes.clone()) else { continue };
                attributes.insert((*name).into(), stated.clone());
                let mut with = (row.rewrite)(attributes).unwrap();
                // Initializers are written as they are given.
                if *name == "initializer" {
                    assert_eq!(with.remove(*name).unwrap(), stated);
                }
                assert_eq!(with, without, "{}: the default of `{name}` is not {stated}", row.kind);
                compared += 1;
            }
            assert!(compared > 0, "{}: {name}", row.kind);
            held += 1;
        }
    }
    // Some defaults are words, such as `none`, or `the size`.
    assert!(held > 30 && in_words < held, "{held} values, {in_words} in words");
}

#[test]
fn every_attribute_stands_in_a_sample_or_is_written() {
    let rows = rows();
    let shows = |row: &Row, name: &str| {
        row.samples.iter().any(|sample| {
            let sample = table(sample);
            sample.contains_key(name) || (row.rewrite)(sample).unwrap().contains_key(name)
        })
    };
    let mut hidden = Vec::new();
    for row in &rows {
        for attribute in row.attributes {
            // Attributes that several kinds have in common stand in the samples of one.
            let mut of_same = rows.iter().filter(|other| other.attributes.contains(attribute));
            if !of_same.any(|other| shows(other, attribute.0)) {
                hidden.push(format!("{} {}", row.kind, attribute.0));
            }
        }
    }
    assert!(hidden.is_empty(), "no sample shows {}", hidden.join(", "));
}

#[test]
fn initializers_are_those_that_the_tables_name_where_a_layer_names_none() {
    let mut compared = 0;
    for spec in LAYERS {
        let Some((_, description)) = spec.attributes.iter().find(|it| it.0 == "initializer") else {
            continue;
        };
        let (_, default) = meaning_and_default(spec.kind, "initializer", description);
        let mut attributes = table(spec.samples[0].attributes);
        attributes.remove("initializer");
        let parameters = (spec.parse)(attributes).unwrap().parameters(spec.samples[0].inputs);
        let weight = parameters.iter().find(|parameter| parameter.name == "weight").unwrap();
        assert_eq!(format!("\"{}\"", weight.initializer.kind()), default, "{}", spec.kind);
        compared += 1;
    }
    assert!(compared >= 4, "{compared}");
}

fn is_shape(value: &Value) -> bool {
    value.as_array().is_some_and(|sizes| sizes.iter().all(Value::is_integer))
}

/// Values that no attribute takes, but for a shape.
fn wrong_types() -> Vec<Value> {
    [
        "\"nonsense\"",
        "[]",
        "[1, 2, 3, 4, 5]",
        "[\"a\", \"b\"]",
        "{}",
        "{ a = 1 }",
        "1979-05-27",
        "nan",
    ]
    .iter()
    .map(|text| table(&format!("value = {text}")).remove("value").unwrap())
    .collect()
}

#[test]
fn wrong_types_are_refused_by_name() {
    for row in rows() {
        for sample in &row.samples {
            for (name, _) in row.attributes {
                for value in wrong_types() {
                    // Which names there are is the graph's affair.
                    if *name == "watch" && (value.is_str() || value.is_datetime()) {
                        continue;
                    }
                    // How many classes there are is the prediction's affair.
                    if *name == "class_weights"
                        && is_shape(&value)
                        && value != Value::Array([].into())
                    {
                        continue;
                    }
                    // A shape may be of any rank.
                    if *name == "shape" && is_shape(&value) {
                        continue;
                    }
                    let mut attributes = table(sample);
                    attributes.insert((*name).into(), value.clone());
                    let error = (row.rewrite)(attributes).unwrap_err();
                    assert!(error.contains(name), "{} of {name} = {value}: {error}", row.kind);
                }
            }
        }
    }
}

#[test]
fn absurd_values_are_refused_by_name_or_run() {
    let absurd = [0, 1, -1, -2, 3, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 62, i64::MAX, i64::MIN];
    let singles = absurd.iter().map(|&number| Value::Integer(number));
    let pairs = absurd.iter().flat_map(|&number| {
        [[number, 1], [1, number], [number, number]]
            .map(|pair| Value::Array(pair.map(Value::Integer).into()))
    });
    let values: Vec<Value> = singles.chain(pairs).collect();
    let (mut refused, mut ran) = (0, 0);
    for spec in LAYERS {
        for sample in spec.samples {
            for (name, _) in spec.attributes {
                for value in &values {
                    let mut attributes = table(sample.attributes);
                    attributes.insert((*name).into(), value.clone());
                    let what = format!("{}: {attributes}", spec.kind);
                    let layer = match (spec.parse)(attributes) {
                        Ok(layer) => layer,
                        Err(error) => {
                            assert!(error.contains(name), "{what}: {error}");
                            refused += 1;
                            continue;
                        }
                    };
                    let mut net = GraphBuilder::new("law");
                    let inputs: Vec<_> = (0..sample.inputs.len())
                        .map(|number| net.input(format!("x{number}"), sample.inputs[number]))
                        .collect();
                    let node = net.shared_layer("specimen", Arc::clone(&layer), &inputs);
                    net.output(&node);
                    let graph = match net.build() {
                        Ok(graph) => graph,
                        Err(error) => {
                            let error = error.to_string();
                            assert!(error.starts_with("node `specimen`: "), "{what}: {error}");
                            refused += 1;
                            continue;
                        }
                    };
                    let floats: usize = graph.node("specimen").unwrap().shape.iter().product();
                    if floats + graph.parameter_count() < 1 << 16 {
                        let alone = Surroundings::Alone;
                        let it = Specimen::new(&layer, sample.inputs, alone, 2).unwrap();
                        let mut run = it.run(Mode::Training, PlanOptions::gradients());
                        execute(&mut run, &mut Sequential::new(), &it.data(1));
                        let gradient = run.input_gradient(it.graph.inputs()[0]);
                        let gradient = gradient.unwrap_or_default();
                        assert!(gradient.iter().all(|value| value.is_finite()), "{what}");
                        ran += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 100 && ran > 20, "{refused} refused, {ran} ran");
}
