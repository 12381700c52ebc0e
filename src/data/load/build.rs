//! The parts of some data as numbers.

use std::sync::Arc;

use super::divide::{find, reserved};
use super::{Item, LoadOptions, Loaded};
use crate::data::readers::Request;
use crate::data::{
    DataConfig, Dataset, Encoder, Fitted, Part, Share, Source, Split, Table, escaped, refuse,
};
use crate::error::Result;

/// The parts that may be divided, in the order of this list.
const PARTS: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

/// The items of every part as numbers.
pub(super) fn build(
    text: &str,
    source: &Source,
    options: &LoadOptions<'_>,
    split: Split,
    parts: &[Part],
    mut notes: Vec<String>,
) -> Result<Loaded> {
    let of = PARTS
        .map(|part| (0..parts.len()).filter(|&item| parts[item] == part).collect::<Vec<usize>>());
    let (mut encoder, mut digest, mut weights) = (None, None, None);
    let [train, validation, test] = match source {
        Source::Table(table) => {
            notes.splice(0..0, table.notes().iter().cloned());
            let here = table.digest()?;
            let reserved = reserved(&split, options);
            let fitted = encoder_of(table, &here, &of[0], options, &reserved, &mut notes)?;
            if let Some(name) = options.weights {
                let column = find(table, name, "the weights")?;
                weights = Some(read_weights(table, column, &of[0])?);
            }
            let chosen = each(&of, |items| fitted.transform(table, items, true))?;
            (encoder, digest) = (Some(fitted), Some(here));
            chosen
        }
        Source::Items(data) | Source::Parts { train: data, .. } => {
            if let Some(name) = options.weights {
                let name = escaped(name);
                let problem =
                    format!("column `{name}` should hold weights, but the data are no table");
                return Err(refuse(escaped(text), problem, "give a file of weights"));
            }
            notes.extend(note_read_as_used(data));
            if of[0].len() == data.len() {
                // Not a copy of all that there is.
                [Some(data.clone()), None, None]
            } else {
                each(&of, |items| data.subset(items))?
            }
        }
    };
    let line = |item| if let Source::Table(table) = source { table.line(item) } else { None };
    let items = parts.iter().enumerate().map(|(item, &part)| Item { part, line: line(item) });
    let items = items.collect();
    let file = |share: &Option<Share>, part: Part| match share {
        Some(Share::File(file)) => {
            read_whole(file, options, encoder.as_ref()).map(|data| Some(named(data, part)))
        }
        _ => Ok(None),
    };
    let validation = file(&split.validation, Part::Validation)?.or(validation);
    let own_test = if let Source::Parts { test, .. } = source { Some(test.clone()) } else { None };
    let test = file(&split.test, Part::Test)?.or(test).or(own_test);
    let train = train.ok_or_else(|| {
        refuse(escaped(text), "nothing is left to train on", "ask for smaller parts")
    })?;
    let fitted = Some(Arc::new(Fitted { encoder, split, digest }));
    let config = DataConfig { nodes: options.config.nodes.clone(), fitted };
    Ok(Loaded { train, validation, test, config, notes, items, weights })
}

/// The data named after a part.
fn named(data: Dataset, part: Part) -> Dataset {
    let name = format!("{} {}", data.name(), part.name());
    data.renamed(name)
}

/// The data of every part that has items.
fn each(
    items: &[Vec<usize>; 3],
    choose: impl Fn(&[usize]) -> Result<Dataset>,
) -> Result<[Option<Dataset>; 3]> {
    let mut chosen = [None, None, None];
    for ((into, items), part) in chosen.iter_mut().zip(items).zip(PARTS) {
        if !items.is_empty() {
            *into = Some(named(choose(items)?, part));
        }
    }
    Ok(chosen)
}

/// The encoder that was fitted before, or else one that is fitted to the training items.
fn encoder_of(
    table: &Table,
    digest: &str,
    train: &[usize],
    options: &LoadOptions<'_>,
    reserved: &[&str],
    notes: &mut Vec<String>,
) -> Result<Encoder> {
    let before = options.config.fitted.as_ref();
    let encoder = if let (Some(encoder), Some(fitted)) = (options.config.encoder(), before) {
        if fitted.digest.as_deref() != Some(digest) {
            notes.push(format!(
                "{}: it holds other items than the table that the model was trained on",
                table.origin()
            ));
        }
        encoder.clone()
    } else {
        let (encoder, more) = Encoder::fit(table, train, options.graph, options.config, reserved)?;
        notes.extend(more);
        encoder
    };
    notes.extend(note_unused(table, &encoder, reserved));
    Ok(encoder)
}

/// All items of another file, as numbers.
fn read_whole(text: &str, options: &LoadOptions<'_>, encoder: Option<&Encoder>) -> Result<Dataset> {
    let (spec, request) =
        Request::parse(text, (options.graph, options.batch), options.config, true)?;
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

/// Says which columns are not in memory.
pub(super) fn note_read_as_used(data: &Dataset) -> Option<String> {
    let columns = data.inputs().iter().chain(data.targets());
    let names: Vec<&str> = columns
        .filter(|column| column.tensor().is_none())
        .map(|column| column.name.as_str())
        .collect();
    (!names.is_empty()).then(|| {
        let (name, list) = (escaped(data.name()), Table::list(&names));
        format!("{name}: the items for {list} are not held in memory, but read as they are used")
    })
}

/// Says which columns are passed over.
pub(super) fn note_unused(table: &Table, encoder: &Encoder, reserved: &[&str]) -> Option<String> {
    let mut unused = encoder.unused(table);
    unused.retain(|name| !reserved.contains(name));
    let (columns, are, them) =
        if unused.len() == 1 { ("column", "is", "it") } else { ("columns", "are", "them") };
    (!unused.is_empty()).then(|| {
        let (origin, list) = (table.origin(), Table::list(&unused));
        format!("{origin}: {columns} {list} {are} passed over, for no node takes {them}")
    })
}

/// The weights of some items.
fn read_weights(table: &Table, column: usize, rows: &[usize]) -> Result<Vec<f64>> {
    let mut weights = Vec::with_capacity(rows.len());
    table.each(rows.iter().copied(), |row, fields| {
        let field = fields.field(column);
        let number = field.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
        weights.push(number.ok_or_else(|| {
            refuse(
                format!("{}, column `{}`", table.place(row), escaped(&table.columns()[column])),
                format!("expected a weight, found `{}`", escaped(field)),
                "write a finite number of at least 0",
            )
        })?);
        Ok(())
    })?;
    Ok(weights)
}
