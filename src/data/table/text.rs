//! A table as text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::images::ImageFolder;
use super::rows::{Row, Rows, Text};
use crate::data::{escaped, refuse};
use crate::error::{Result, count};

/// Named columns of text, one item a row: in memory, or in a file that is read again where rows are needed.
///
/// ```
/// use caudal::data::Table;
///
/// let rows = [["63", "Paris"], ["41", ""]];
/// let table = Table::new("people", ["age", "city"], rows)?;
/// assert_eq!((table.len(), table.columns().len()), (2, 2));
/// assert_eq!(table.field(0, table.column("city").unwrap())?, "Paris");
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    name: String,
    /// What stands in messages: a path, or the name.
    pub(super) origin: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Rows,
    /// The line of each row in its file; without a file there are none.
    pub(super) lines: Arc<Vec<u64>>,
    /// What a user should know of how the file was read.
    pub(super) notes: Vec<String>,
    /// Where the paths in its fields begin.
    pub(super) folder: PathBuf,
    /// That it was made of a folder of images.
    pub(super) images: Option<ImageFolder>,
}

impl Table {
    /// A table of rows that all have a field for every column.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if there are no columns or no rows, if two columns share a
    /// name, or if a row has another number of fields.
    pub fn new<C: Into<String>, F: AsRef<str>>(
        name: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
        rows: impl IntoIterator<Item = impl IntoIterator<Item = F>>,
    ) -> Result<Self> {
        let name = name.into();
        let mut table = Self::empty(name.clone(), format!("table `{name}`"));
        table.columns = columns.into_iter().map(Into::into).collect();
        let width = table.columns.len();
        let mut text = Text::default();
        for (row, fields) in rows.into_iter().enumerate() {
            let before = text.ends.len();
            fields.into_iter().for_each(|field| text.push(field.as_ref()));
            let found = text.ends.len() - before;
            if found != width {
                return Err(refuse(
                    format!("{}, item {row}", table.origin),
                    format!("expected {}, found {found}", count(width, "field")),
                    "give every item a field for every column",
                ));
            }
        }
        table.rows = Rows::Memory(text);
        table.check()?;
        Ok(table)
    }

    /// A table without columns and rows, to be filled.
    pub(super) fn empty(name: String, origin: String) -> Self {
        Self {
            name,
            origin,
            columns: Vec::new(),
            rows: Rows::Memory(Text::default()),
            lines: Arc::default(),
            notes: Vec::new(),
            folder: PathBuf::new(),
            images: None,
        }
    }

    /// Refuses what is no table.
    pub(super) fn check(&self) -> Result<()> {
        if self.columns.is_empty() || self.is_empty() {
            return Err(refuse(&self.origin, "expected items, found none", "give one item a line"));
        }
        let mut places = HashMap::with_capacity(self.columns.len());
        for (place, column) in self.columns.iter().enumerate() {
            if let Some(first) = places.insert(column, place) {
                return Err(refuse(
                    &self.origin,
                    format!(
                        "columns {} and {} are both called `{}`",
                        first + 1,
                        place + 1,
                        escaped(column)
                    ),
                    "give every column a name of its own",
                ));
            }
        }
        Ok(())
    }

    /// What stands for it in messages: its path, or its name.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The name, for data sets and reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the columns, in their order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where the column called `name` stands.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The number of items, at least 1.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Memory(text) => text.ends.len() / self.columns.len().max(1),
            #[cfg(feature = "csv")]
            Rows::File(file) => file.len(),
        }
    }

    /// Always false: a table without items can't be made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether its text is in memory, or only where each row lies in its file.
    pub fn in_memory(&self) -> bool {
        matches!(self.rows, Rows::Memory(_))
    }

    /// The text of an item in a column, both counted from 0.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) or [`Error::Data`](crate::Error::Data) if it is read from a file that can't be
    /// read or has changed.
    ///
    /// # Panics
    /// If the table has no such item or column.
    pub fn field(&self, row: usize, column: usize) -> Result<Cow<'_, str>> {
        let width = self.columns.len();
        assert!(column < width, "column {column} of {width}");
        match &self.rows {
            Rows::Memory(text) => Ok(Cow::Borrowed(text.row(row, width).field(column))),
            #[cfg(feature = "csv")]
            Rows::File(_) => {
                let mut found = String::new();
                self.each([row], |_, row| {
                    row.field(column).clone_into(&mut found);
                    Ok(())
                })?;
                Ok(Cow::Owned(found))
            }
        }
    }

    /// Hands the chosen rows to `see`, in the order given.
    ///
    /// # Errors
    /// What `see` returns, and what can't be read.
    pub(in crate::data) fn each(
        &self,
        rows: impl IntoIterator<Item = usize>,
        mut see: impl FnMut(usize, Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.rows.each(self.columns.len(), &mut rows.into_iter(), &mut see)
    }

    /// The line of an item in its file, if there is one.
    pub fn line(&self, row: usize) -> Option<u64> {
        self.lines.get(row).copied()
    }

    /// What a user should know of how the file was read, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where an item stands, for messages.
    pub(crate) fn place(&self, row: usize) -> String {
        if let Some(path) = self.image_path(row) {
            return path.display().to_string();
        }
        match self.line(row) {
            Some(line) => format!("{}, line {line}", self.origin),
            None => format!("{}, item {row}", self.origin),
        }
    }

    /// Where a field stands, for messages.
    pub(super) fn place_of(&self, row: usize, column: usize) -> String {
        format!("{}, column `{}`", self.place(row), escaped(&self.columns[column]))
    }

    /// SHA-256 over the names of the columns and all fields, in hexadecimal: the same for files with
    /// the same contents, however they are written.
    ///
    /// # Errors
    /// As [`Table::field`].
    pub fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update((self.columns.len() as u64).to_le_bytes());
        for name in &self.columns {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
        }
        self.each(0..self.len(), |_, row| {
            hash.update(row.text());
            Ok(())
        })?;
        // Where each field ends in the text of all.
        let (mut before, mut bytes) = (0, Vec::new());
        self.each(0..self.len(), |_, row| {
            bytes.clear();
            bytes.extend(row.ends().flat_map(|end| (before + end as u64).to_le_bytes()));
            hash.update(&bytes);
            before += row.text().len() as u64;
            Ok(())
        })?;
        Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// The names of some columns as a list for messages, the first ones where there are many.
    pub(crate) fn list(names: &[&str]) -> String {
        const SHOWN: usize = 12;
        let shown = names.iter().take(SHOWN).map(|name| format!("`{}`", escaped(name)));
        let shown = shown.collect::<Vec<_>>().join(", ");
        match names.len().checked_sub(SHOWN) {
            Some(more @ 1..) => format!("{shown} and {more} more"),
            _ if names.is_empty() => "none".to_owned(),
            _ => shown,
        }
    }

    /// All columns as a list for messages.
    pub(crate) fn list_columns(&self) -> String {
        Self::list(&self.columns.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Words that stand for a missing number, in any case; so does an empty field.
const MISSING: [&str; 6] = ["na", "n/a", "#n/a", "nan", "null", "none"];

/// Whether a field of a column of numbers stands for a missing value.
pub(super) fn is_missing(field: &str) -> bool {
    field.is_empty()
        || field == "?"
        || (field.len() <= 4 && MISSING.iter().any(|word| field.eq_ignore_ascii_case(word)))
}
