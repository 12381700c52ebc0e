//! Tables of keys and attributes.

use std::fmt::Write;

/// A key or attribute: its name, its type, and its meaning with a default.
pub(super) type Key = (&'static str, &'static str, &'static str);

/// A line of a table of keys or attributes.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) type_of: String,
    pub(super) default: String,
    pub(super) meaning: String,
}

impl Line {
    /// `meaning` ends in the default, or in that there is none.
    pub(super) fn new(name: &str, type_of: &str, meaning: &str) -> Self {
        let (meaning, default) = match meaning.rsplit_once("; ") {
            Some((meaning, "required")) => (meaning, "required"),
            Some((meaning, default)) if default.starts_with("default ") => {
                (meaning, &default["default ".len()..])
            }
            _ => (meaning, ""),
        };
        Self {
            name: format!("`{name}`"),
            type_of: type_of.to_owned(),
            default: default.to_owned(),
            meaning: meaning.to_owned(),
        }
    }
}

/// Lines of keys.
pub(super) fn lines(keys: &[Key]) -> Vec<Line> {
    keys.iter().map(|(name, type_of, meaning)| Line::new(name, type_of, meaning)).collect()
}

/// A column's cell of a line.
type Cell = fn(&Line) -> &String;

/// A table in Markdown whose columns are even, so that it reads well as it is.
pub(super) fn table(first: &str, lines: &[Line]) -> String {
    let columns: [(&str, Cell); 4] = [
        (first, |line| &line.name),
        ("type", |line| &line.type_of),
        ("default", |line| &line.default),
        ("meaning", |line| &line.meaning),
    ];
    let mut rows = vec![String::new(); lines.len() + 2];
    for (number, (title, cell)) in columns.iter().enumerate() {
        let length = |text: &str| text.chars().count();
        let widest = lines.iter().map(|line| length(cell(line))).chain([length(title)]).max();
        // Nothing stands beside the last column.
        let width = if number + 1 == columns.len() { 0 } else { widest.unwrap_or(0) };
        let rule = "-".repeat(width.max(3));
        let cells = [*title, &rule].into_iter().chain(lines.iter().map(|line| cell(line).as_str()));
        for (row, cell) in rows.iter_mut().zip(cells) {
            let _ = write!(row, "| {cell:width$} ");
        }
    }
    rows.join("|\n") + "|\n"
}
