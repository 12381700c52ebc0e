//! Attributes as model files hold them: tables that types are read from and written to, and what to say
//! of a name that is not known.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

/// Refuses attributes where there are none.
///
/// # Errors
/// If there is one; names it.
pub fn no_attributes(attributes: &toml::Table) -> Result<(), String> {
    match attributes.keys().next() {
        None => Ok(()),
        Some(key) => Err(format!("unknown attribute `{key}`; it has none")),
    }
}

/// Reads any table row's type from the attributes of a model file.
pub(crate) fn from_attributes<T: DeserializeOwned>(attributes: toml::Table) -> Result<T, String> {
    toml::Value::Table(attributes).try_into().map_err(|error: toml::de::Error| {
        // The problem, and on a line of its own the attribute, where one is to blame.
        error.to_string().trim().replace('\n', " ")
    })
}

/// Reads an attribute that is a finite number.
pub(crate) fn finite<'de, D: Deserializer<'de>>(source: D) -> Result<f32, D::Error> {
    let number = f32::deserialize(source)?;
    if number.is_finite() {
        return Ok(number);
    }
    Err(D::Error::custom(format!("expected a finite number, not {number}")))
}

/// The attributes of any table row's type as a model file holds them.
pub(crate) fn to_attributes<T: Serialize>(value: &T) -> toml::Table {
    // These are structs of numbers, strings and lists, all of which the format can write.
    toml::Table::try_from(value).unwrap_or_default()
}

/// The kind and the attributes of a table row's type that is itself an attribute: its kind in quotes,
/// or a table with a `kind`. `what` is its name with an article.
pub(crate) fn kind_and_attributes(
    value: toml::Value,
    what: &str,
    kinds: impl Iterator<Item = &'static str>,
) -> Result<(String, toml::Table), String> {
    match value {
        toml::Value::String(kind) => Ok((kind, toml::Table::new())),
        toml::Value::Table(mut table) => match table.remove("kind") {
            Some(toml::Value::String(kind)) => Ok((kind, table)),
            Some(other) => Err(format!("its `kind` is {other}, not a string")),
            None => {
                let known: Vec<&str> = kinds.collect();
                Err(format!("it has no `kind`, one of {}", known.join(", ")))
            }
        },
        other => Err(format!("it is {other}, not the name of {what}")),
    }
}

/// The nearest known name, and all of them.
pub(crate) fn suggest<'a>(
    wanted: &str,
    known: impl Iterator<Item = &'a str>,
    what: &str,
) -> String {
    let known: Vec<&str> = known.collect();
    let distance = |name: &&&str| edits(&wanted.to_lowercase(), name);
    let near = |name: &&&str| {
        distance(name) <= 2.max(wanted.chars().count() / 3)
            || (wanted.len() >= 3 && name.starts_with(wanted))
    };
    let list = known.join(", ");
    match known.iter().filter(near).min_by_key(distance) {
        Some(nearest) => format!("did you mean `{nearest}`? The {what} are {list}"),
        None => format!("the {what} are {list}"),
    }
}

/// How many letters are to be changed, added, left out, or exchanged with the next one in order to make
/// `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // Row i has the distances of the first i letters of `a` from every beginning of `b`.
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    let mut previous = None;
    for (i, letter) in a.chars().enumerate() {
        let above = &rows[i];
        let mut row = vec![i + 1];
        for (j, &other) in b.iter().enumerate() {
            let changed = above[j] + usize::from(letter != other);
            let mut least = changed.min(above[j + 1] + 1).min(row[j] + 1);
            if j > 0 && previous == Some(other) && letter == b[j - 1] {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
        previous = Some(letter);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

/// The known name nearest to `wanted`, to suggest it.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (edits(wanted, name), name))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "fifo", 4),
            ("fifo", "fifo", 0),
            ("dens", "dense", 1),
            ("dnese", "dense", 1),
            ("kitten", "sitting", 3),
            ("Größe", "Grösse", 2),
        ] {
            assert_eq!((edits(a, b), edits(b, a)), (count, count), "{a} {b}");
        }
    }
}
