//! What fields stand for, or what is wrong with them.

use super::text::{Table, is_missing};
use crate::data::{class_index, escaped, refuse};
use crate::error::{Error, Result};

/// A field of a column of numbers.
pub(super) fn number(field: &str) -> Result<f64, (String, String)> {
    match field.parse::<f64>() {
        Ok(number) if number.is_finite() && (number as f32).is_finite() => Ok(number),
        Ok(_) if !is_missing(field) => Err((
            format!("expected a finite 32-bit float, found `{}`", shorten(field)),
            "correct the number, or leave the line out".to_owned(),
        )),
        _ if field.is_empty() => Err(missing_number("nothing")),
        _ if is_missing(field) => Err(missing_number(&format!("`{}`", shorten(field)))),
        _ => Err((
            format!("expected a number, found `{}`", shorten(field)),
            "write a number, with a point before its fraction; for a column of words, set \
             `categories = \"one_hot\"` or `\"index\"` for it; or leave the line out"
                .to_owned(),
        )),
    }
}

fn missing_number(found: &str) -> (String, String) {
    (
        format!("expected a number, found {found}, a missing value"),
        "write a number, leave the line out, or set `missing` for the column, as in \
         `missing = \"mean\"`"
            .to_owned(),
    )
}

pub(super) fn number_32(field: &str) -> Result<f32, (String, String)> {
    number(field)?;
    field.parse::<f32>().map_err(|error| (error.to_string(), "write a number".to_owned()))
}

/// A class index below `classes`.
pub(super) fn class(field: &str, classes: usize) -> Result<usize, (String, String)> {
    let refused = |expected: &str, found: &str| {
        (
            format!("expected {expected}, found {found}"),
            "number the classes 0, 1, 2 and so on; or let Caudal number whatever stands there, with \
             `categories = \"index\"` at the target; or give the prediction more units"
                .to_owned(),
        )
    };
    let found =
        if field.is_empty() { "nothing".to_owned() } else { format!("`{}`", shorten(field)) };
    match field.parse::<f32>().ok().and_then(class_index) {
        Some(class) if class < classes => Ok(class),
        Some(_) => Err(refused(&format!("a class below {classes}"), &found)),
        None => Err(refused("a class index", &found)),
    }
}

/// A field for a message.
pub(super) fn shorten(field: &str) -> String {
    const SHOWN: usize = 40;
    let mut text: String = field.chars().take(SHOWN).collect();
    if field.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    escaped(&text)
}

/// What is wrong with a field, with its place.
pub(super) fn refuse_field(
    table: &Table,
    row: usize,
    column: usize,
    node: &str,
    (problem, remedy): (String, String),
) -> Error {
    refuse(
        format!("{}, for node `{}`", table.place_of(row, column), escaped(node)),
        problem,
        remedy,
    )
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.get(half) {
        None => 0.0,
        Some(&high) if values.len() % 2 == 1 => high,
        Some(&high) => f64::midpoint(values[half - 1], high),
    }
}
