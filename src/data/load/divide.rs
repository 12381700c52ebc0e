//! Which item of some data is for what.

use std::collections::HashMap;

use super::LoadOptions;
use crate::data::parts::{TEST_FRACTION, Units, VALIDATION_FRACTION, ranks, take};
use crate::data::{
    Part, Share, Source, Split, Table, class_index, escaped, refuse, target_classes,
};
use crate::error::Result;

impl Source {
    /// The items that may be divided.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Table(table) => table.len(),
            Self::Items(data) | Self::Parts { train: data, .. } => data.len(),
        }
    }
}

/// What holds the items together or apart.
pub(super) fn units(
    text: &str,
    source: &Source,
    options: &LoadOptions<'_>,
    split: &Split,
) -> Result<Units> {
    let graph = options.graph;
    // Items with the same classes in the columns so far have the same key.
    let mut keys = vec![0; source.len()];
    let add = |keys: &mut Vec<usize>, classes: &mut dyn Iterator<Item = usize>| {
        *keys = ranks(&keys.iter().copied().zip(classes).collect::<Vec<_>>());
    };
    match source {
        Source::Table(table) => {
            if let Some(group) = &split.group {
                let column = find(table, group, "the groups")?;
                return Ok(Units::Groups(places(table, column, <[String]>::sort)?));
            }
            for column in class_columns(table, options, split)? {
                let places = places(table, column, crate::data::table::sort_words)?;
                add(&mut keys, &mut places.into_iter());
            }
        }
        Source::Items(data) | Source::Parts { train: data, .. } => {
            if let Some(column) = split.columns().first() {
                return Err(refuse(
                    escaped(text),
                    format!("column `{}` is asked for, but the data are no table", escaped(column)),
                    "divide the data by fractions",
                ));
            }
            let classes = |id: &usize| target_classes(graph, *id).is_some();
            let names = graph.targets().into_iter().filter(classes);
            let names: Vec<&str> = names.map(|id| graph.nodes()[id].name.as_str()).collect();
            let alone = data.targets().len() == 1;
            let columns = data.targets().iter().filter(|column| {
                names.contains(&column.name.as_str()) || (alone && !names.is_empty())
            });
            for column in columns {
                if column.class_count()?.is_some() {
                    let all = column.all()?;
                    let classes = all.iter().map(|&value| class_index(value).unwrap_or(0));
                    add(&mut keys, &mut { classes });
                }
            }
        }
    }
    Ok(Units::Strata(keys))
}

/// The place of every item's word among all words of a column, sorted.
fn places(table: &Table, column: usize, sort: impl Fn(&mut [String])) -> Result<Vec<usize>> {
    let mut found = HashMap::<String, usize>::new();
    let mut numbers = Vec::with_capacity(table.len());
    table.each(0..table.len(), |_, fields| {
        let (word, next) = (fields.field(column), found.len());
        let number = match found.get(word) {
            Some(&number) => number,
            None => *found.entry(word.to_owned()).or_insert(next),
        };
        numbers.push(number);
        Ok(())
    })?;
    let mut words: Vec<String> = found.keys().cloned().collect();
    sort(&mut words);
    let mut place_of = vec![0; words.len()];
    for (place, word) in words.iter().enumerate() {
        place_of[found[word]] = place;
    }
    Ok(numbers.into_iter().map(|number| place_of[number]).collect())
}

/// The columns of a table that hold classes.
fn class_columns(table: &Table, options: &LoadOptions<'_>, split: &Split) -> Result<Vec<usize>> {
    let graph = options.graph;
    let mut targets = graph.targets();
    targets.retain(|&id| target_classes(graph, id).is_some());
    if let Some(encoder) = options.config.encoder() {
        let is_target = |name: &str| targets.iter().any(|&id| graph.nodes()[id].name == name);
        let nodes = encoder.nodes.iter().filter(|node| is_target(&node.node));
        let columns = nodes.flat_map(|node| &node.columns);
        return Ok(columns.filter_map(|it| table.column(&it.column)).collect());
    }
    crate::data::table::columns_of(
        table,
        graph,
        options.config,
        &reserved(split, options),
        &targets,
    )
}

/// The columns that no node takes by default.
pub(super) fn reserved<'a>(split: &'a Split, options: &LoadOptions<'a>) -> Vec<&'a str> {
    split.columns().into_iter().chain(options.weights).collect()
}

pub(super) fn find(table: &Table, name: &str, what: &str) -> Result<usize> {
    table.column(name).ok_or_else(|| {
        refuse(
            table.origin(),
            format!(
                "it lacks column `{}`, which should hold {what}; its columns are {}",
                escaped(name),
                table.list_columns()
            ),
            "name one of them",
        )
    })
}

/// The part of every item. What the split lacks and is needed is added to it.
pub(super) fn divide(
    text: &str,
    source: &Source,
    options: &LoadOptions<'_>,
    split: &mut Split,
    notes: &mut Vec<String>,
) -> Result<Vec<Part>> {
    let mut parts = vec![Part::Train; source.len()];
    let units = units(text, source, options, split)?;
    let refused = |problem: String| {
        refuse(escaped(text), problem, "use more items, or ask for a smaller part")
    };
    if let (Source::Table(table), Some(by)) = (source, &split.by) {
        let column = find(table, by, "`train`, `validation` or `test`")?;
        table.each(0..table.len(), |row, fields| {
            let field = fields.field(column);
            parts[row] = Part::read(field).ok_or_else(|| {
                refuse(
                    format!("{}, column `{}`", table.place(row), escaped(by)),
                    format!("expected `train`, `validation` or `test`, found `{}`", escaped(field)),
                    "say in every line what the item is for",
                )
            })?;
            Ok(())
        })?;
        if !parts.contains(&Part::Train) {
            return Err(refused(format!("column `{}` leaves nothing to train on", escaped(by))));
        }
    } else {
        let own = if let Source::Table(table) = source { table.own_parts() } else { None };
        if let Some(own) = own {
            parts.copy_from_slice(own);
        }
        let brings_test = parts.contains(&Part::Test) || matches!(source, Source::Parts { .. });
        let fraction = match &split.test {
            Some(Share::Fraction(_)) if brings_test => {
                return Err(refuse(
                    escaped(text),
                    "a fraction is asked for as test part, but the data have one of their own",
                    "leave --test out",
                ));
            }
            Some(Share::Fraction(fraction)) => *fraction,
            Some(Share::File(_)) => 0.0,
            None if brings_test => 0.0,
            None => TEST_FRACTION,
        };
        take(&mut parts, &units, Part::Test, fraction, split.seed).map_err(refused)?;
    }
    validate(text, options, split, &units, &mut parts, notes)?;
    Ok(parts)
}

/// Takes the validation part from the training part, if there is to be one.
pub(super) fn validate(
    text: &str,
    options: &LoadOptions<'_>,
    split: &mut Split,
    units: &Units,
    parts: &mut [Part],
    notes: &mut Vec<String>,
) -> Result<()> {
    if parts.contains(&Part::Validation) {
        return match split.validation {
            Some(Share::Fraction(_)) => Err(refuse(
                escaped(text),
                "a fraction is asked for as validation part, but the data have one of their own",
                "leave --validation out",
            )),
            _ => Ok(()),
        };
    }
    if split.validation.is_none() && options.chooses && options.config.fitted.is_none() {
        notes.push(format!(
            "{}: no validation part is given, so {VALIDATION_FRACTION} of the items are taken from the \
             training part, to choose by; --validation says otherwise",
            escaped(text)
        ));
        split.validation = Some(Share::Fraction(VALIDATION_FRACTION));
    }
    if split.validation.is_none() && options.chooses && options.config.fitted.is_some() {
        return Err(refuse(
            escaped(text),
            "something is to be chosen by a validation part, but the model was saved without one",
            "go on without --patience and --best, or begin anew with --validation",
        ));
    }
    if let Some(Share::Fraction(fraction)) = split.validation {
        let taken = take(parts, units, Part::Validation, fraction, split.seed);
        taken.map_err(|problem| {
            refuse(escaped(text), problem, "use more items, or ask for a smaller part")
        })?;
    }
    Ok(())
}
