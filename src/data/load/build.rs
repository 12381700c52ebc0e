//! The parts of some data as numbers.

use std::sync::Arc;

use super::divide::{find, reserved};
use super::{Item, LoadOptions, Loaded};
use crate::data::readers::Request;
use crate::data::{
    DataConfig, Dataset, Encoder, Fitted, Part, Share, Source, Split, Table, escaped, refuse,
};
use crate::error::{Error, Result};

/// The items of every part as numbers.
pub(super) fn build(
    text: &str,
    source: &Source,
    options: &LoadOptions<'_>,
    split: Split,
    parts: Vec<Part>,
    mut notes: Vec<String>,
) -> Result<Loaded> {
    let of = |part: Part| -> Vec<usize> {
        (0..parts.len()).filter(|&item| parts[item] == part).collect()
    };
    let train_items = of(Part::Train);
    let reserved = reserved(&split, options);
    let (mut encoder, mut digest) = (None, None);
    let mut weights = None;
    // The chosen items of the data as numbers, if there are any.
    let mut chosen: Vec<Option<Dataset>> = Vec::new();
    let all = [Part::Train, Part::Validation, Part::Test];
    let named = |data: Dataset, part: Part| {
        let name = format!("{} {}", data.name(), part.name());
        data.renamed(name)
    };
    match source {
        Source::Table(table) => {
            notes.splice(0..0, table.notes().iter().cloned());
            let here = table.digest();
            let fitted = match (options.config.encoder(), &options.config.fitted) {
                (Some(encoder), Some(fitted)) => {
                    if fitted.digest.as_ref() != Some(&here) {
                        notes.push(format!(
                            "{}: it holds other items than the table that the model was trained on",
                            table.origin()
                        ));
                    }
                    encoder.clone()
                }
                _ => {
                    let graph = options.graph;
                    let (encoder, more) =
                        Encoder::fit(table, &train_items, graph, options.config, &reserved)?;
                    notes.extend(more);
                    encoder
                }
            };
            notes.extend(note_unused(table, &fitted, &reserved));
            for part in all {
                let rows = of(part);
                let data = (!rows.is_empty()).then(|| fitted.transform(table, &rows, true));
                chosen.push(data.transpose()?.map(|data| named(data, part)));
            }
            if let Some(name) = options.weights {
                let column = find(table, name, "the weights")?;
                weights = Some(read_weights(table, column, &train_items)?);
            }
            (encoder, digest) = (Some(fitted), Some(here));
        }
        Source::Items(data) | Source::Parts { train: data, .. } => {
            for part in all {
                let items = of(part);
                let whole = items.len() == data.len();
                let data = match items.as_slice() {
                    [] => None,
                    // Not a copy of all that there is.
                    _ if whole => Some(data.clone()),
                    items => Some(named(data.subset(items)?, part)),
                };
                chosen.push(data);
            }
            if let Some(name) = options.weights {
                return Err(refuse(
                    escaped(text),
                    format!(
                        "column `{}` should hold weights, but the data are no table",
                        escaped(name)
                    ),
                    "give a file of weights",
                ));
            }
        }
    }
    let lines = |item: usize| match source {
        Source::Table(table) => table.line(item),
        _ => None,
    };
    let items =
        parts.iter().enumerate().map(|(item, &part)| Item { part, line: lines(item) }).collect();
    let other = |share: &Option<Share>, encoder: Option<&Encoder>, part: Part| match share {
        Some(Share::File(file)) => {
            let data = read_whole(file, options, encoder)?;
            Ok(Some(named(data, part)))
        }
        _ => Ok::<_, Error>(None),
    };
    let mut chosen = chosen.into_iter();
    let mut next = || chosen.next().flatten();
    let (train, validation, test) = (next(), next(), next());
    let validation = match other(&split.validation, encoder.as_ref(), Part::Validation)? {
        None => validation,
        some => some,
    };
    let own_test = match source {
        Source::Parts { test, .. } => Some(test.clone()),
        _ => None,
    };
    let test = match other(&split.test, encoder.as_ref(), Part::Test)? {
        None => test.or(own_test),
        some => some,
    };
    let train = train.ok_or_else(|| {
        refuse(escaped(text), "nothing is left to train on", "ask for smaller parts")
    })?;
    let fitted = Some(Arc::new(Fitted { encoder, split, digest }));
    let config = DataConfig { nodes: options.config.nodes.clone(), fitted };
    Ok(Loaded { train, validation, test, config, notes, items, weights })
}

/// All items of another file, as numbers.
fn read_whole(text: &str, options: &LoadOptions<'_>, encoder: Option<&Encoder>) -> Result<Dataset> {
    let (spec, request) = Request::parse(text, Some((options.graph, options.batch)))?;
    match ((spec.read)(&request)?, encoder) {
        (Source::Table(table), Some(encoder)) => {
            let all: Vec<usize> = (0..table.len()).collect();
            encoder.transform(&table, &all, true)
        }
        (Source::Table(table), None) => Err(refuse(
            table.origin(),
            "it is a table, but the data to train on are none",
            "give the parts in one form",
        )),
        (Source::Items(data) | Source::Parts { test: data, .. }, _) => Ok(data),
    }
}

/// Says which columns are passed over.
pub(super) fn note_unused(table: &Table, encoder: &Encoder, reserved: &[&str]) -> Option<String> {
    let mut unused = encoder.unused(table);
    unused.retain(|name| !reserved.contains(name));
    let (is, it) = if unused.len() == 1 { ("column", "is") } else { ("columns", "are") };
    (!unused.is_empty()).then(|| {
        format!(
            "{}: {is} {} {it} passed over, for no node takes {}",
            table.origin(),
            Table::list(&unused),
            if unused.len() == 1 { "it" } else { "them" }
        )
    })
}

/// The weights of some items.
fn read_weights(table: &Table, column: usize, rows: &[usize]) -> Result<Vec<f64>> {
    let weight = |&row: &usize| {
        let field = table.field(row, column);
        let number = field.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
        number.ok_or_else(|| {
            refuse(
                format!("{}, column `{}`", table.place(row), escaped(&table.columns()[column])),
                format!("expected a weight, found `{}`", escaped(field)),
                "write a finite number of at least 0",
            )
        })
    };
    rows.iter().map(weight).collect()
}
