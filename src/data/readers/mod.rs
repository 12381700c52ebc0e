//! Readers of data: the [`READERS`] table, in which a `--data` argument is looked up.
//!
//! To add a reader, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here: the module and the row of the table.

mod array;
mod csv;
mod digits;
mod idx;
mod images;
mod npy;
mod npz;
mod parquet;
mod request;
mod safetensors;
mod synthetic;

use std::path::Path;

pub use digits::digits;
pub use idx::{read_idx, read_idx_folder};
pub use request::Request;
pub use synthetic::{TargetKind, synthetic, synthetic_for};

use super::{Dataset, Table, file_name, refuse};
use crate::error::Result;

/// Every reader, in the order in which they are asked whether some data is theirs.
pub const READERS: &[&ReaderSpec] = &[
    &digits::SPEC,
    &synthetic::SPEC,
    &idx::SPEC,
    &csv::SPEC,
    &parquet::SPEC,
    &images::SPEC,
    &npy::SPEC,
    &npz::SPEC,
    &safetensors::SPEC,
];

/// What a reader found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// A table of text, whose columns nodes take by name.
    Table(Table),
    /// Numbers in one piece, to be divided.
    Items(Dataset),
    /// Numbers that come with a test part of their own.
    Parts {
        /// What may be divided further.
        train: Dataset,
        /// What to test with.
        test: Dataset,
    },
}

impl From<(Dataset, Dataset)> for Source {
    fn from((train, test): (Dataset, Dataset)) -> Self {
        Self::Parts { train, test }
    }
}

/// One row of the [`READERS`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReaderSpec {
    /// What it is called.
    pub name: &'static str,
    /// What it reads and what comes of that, in one line.
    pub summary: &'static str,
    /// What a user names in order to have it read, for lists: a word in backquotes, or such as
    /// `a CSV file`.
    pub form: &'static str,
    /// What may be set, as in `points.csv:header=no`: its name, and what it means.
    pub options: &'static [(&'static str, &'static str)],
    /// Whether it reads what a user calls so, a word or a path: from the ending of a file's name or
    /// from what lies in a folder.
    pub recognizes: fn(&str) -> bool,
    /// Reads the data.
    pub read: fn(&Request<'_>) -> Result<Source>,
}

/// The reader for what a user calls `source`: a word, or the path of a file or folder.
///
/// ```
/// assert_eq!(caudal::data::reader("measured/points.csv.gz")?.name, "csv");
///
/// let message = caudal::data::reader("points.xyz").unwrap_err().to_string();
/// assert!(message.contains("found nothing of this name"));
/// assert!(message.contains("`digits`") && message.contains("a CSV file"));
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Data`](crate::Error::Data), with what is there and what the readers read, if it is for none of them.
pub fn reader(source: &str) -> Result<&'static ReaderSpec> {
    let spec = READERS.iter().find(|spec| (spec.recognizes)(source)).copied();
    spec.ok_or_else(|| {
        let path = Path::new(source);
        let found = if path.is_dir() {
            "a folder that no reader knows"
        } else if path.exists() {
            "a file that no reader knows"
        } else {
            "nothing of this name"
        };
        refuse(
            source.escape_debug(),
            format!("expected {}, found {found}", forms()),
            "`caudal readers` says how each is recognized",
        )
    })
}

/// Whether the name of a file ends so, in upper or lower case.
fn ends_with(source: &str, ending: &str) -> bool {
    file_name(Path::new(source)).to_lowercase().ends_with(ending)
}

/// What all readers read, for texts: `a, b or c`.
///
/// ```
/// assert!(caudal::data::forms().starts_with("`digits`, "));
/// ```
pub fn forms() -> String {
    let all: Vec<&str> = READERS.iter().map(|spec| spec.form).collect();
    match all.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => all.concat(),
    }
}
