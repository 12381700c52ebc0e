//! CSV files: one item a line.

use super::array::MEMORY_OPTION;
use super::{ReaderSpec, Request, Source, ends_with};
use crate::error::Result;

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "csv",
    summary: "a table in a file that ends in .csv, .tsv, .csv.gz or .tsv.gz, one item a line",
    form: "a CSV file",
    options: &[
        MEMORY_OPTION,
        (
            "header",
            "whether the first line names the columns: yes or no; default by the rule of docs/data.md",
        ),
        (
            "separator",
            "what separates fields: comma, semicolon, tab, pipe or any one character; default the one of these that \
             all lines have as often",
        ),
    ],
    recognizes: |source| {
        [".csv", ".csv.gz", ".tsv", ".tsv.gz"].iter().any(|ending| ends_with(source, ending))
    },
    read,
};

#[cfg(feature = "csv")]
fn read(request: &Request<'_>) -> Result<Source> {
    use crate::data::table::open_table;
    use crate::data::{TableOptions, escaped, read_table, refuse, stream};

    let refused = |option: &str, value: &str, remedy: &str| {
        let problem = format!("option `{option}` can't be `{}`", escaped(value));
        Err(refuse(format!("data `{}`", escaped(request.source)), problem, remedy))
    };
    let header = match request.option("header") {
        None => None,
        Some("yes") => Some(true),
        Some("no") => Some(false),
        Some(other) => return refused("header", other, "write yes or no"),
    };
    let separator = match request.option("separator") {
        None => None,
        Some("comma") => Some(b','),
        Some("semicolon") => Some(b';'),
        Some("tab") => Some(b'\t'),
        Some("pipe") => Some(b'|'),
        Some(other) => match other.as_bytes() {
            [byte] if !matches!(byte, b'"' | b'\r' | b'\n') => Some(*byte),
            _ => {
                let remedy =
                    "write comma, semicolon, tab, pipe or one character of ASCII, no quote";
                return refused("separator", other, remedy);
            }
        },
    };
    let options = TableOptions { separator, header };
    let path = request.path();
    let is_large = || stream::plain_length(path).is_some_and(crate::memory::is_large);
    let held = request.memory()?.unwrap_or_else(|| !is_large());
    let table = if held { read_table(path, &options) } else { open_table(path, &options) };
    Ok(Source::Table(table?))
}

#[cfg(not(feature = "csv"))]
fn read(request: &Request<'_>) -> Result<Source> {
    Err(crate::data::without_feature(request.source, "a CSV file", "csv"))
}
