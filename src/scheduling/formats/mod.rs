//! Files of task graphs: the [`FORMATS`] table.
//!
//! To add a format, write one file that holds everything about it, its `SPEC` included, and add two lines here.

#[cfg(feature = "dax")]
mod dax;
mod dot;
mod stg;
mod toml;
mod wfformat;

use std::path::Path;

use super::WeightedGraph;
use crate::data::refuse;
use crate::error::Result;
pub(super) use crate::files::{line_at, text_of};

/// One row of the [`FORMATS`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct FormatSpec {
    /// Its name.
    pub name: &'static str,
    /// What it is and whose, in one line.
    pub summary: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// How names of its files end, without the dot.
    pub endings: &'static [&'static str],
    /// Whether a text of a file with such an ending looks like this format.
    pub(super) is: fn(&str) -> bool,
    /// Reads a text from a place that errors name.
    pub(super) read: fn(&str, &str) -> Result<WeightedGraph>,
    /// Writes a graph, where the format can be written.
    pub(super) write: Option<fn(&WeightedGraph) -> Result<String>>,
}

/// Every format.
pub const FORMATS: &[&FormatSpec] = &[
    #[cfg(feature = "dax")]
    &dax::SPEC,
    &dot::SPEC,
    &stg::SPEC,
    &toml::SPEC,
    &wfformat::SPEC,
];

/// Reads a file of a task graph in any format of the table, found by its ending and its contents.
///
/// # Errors
/// If it can't be read, or is no graph; with the line.
pub fn read(path: impl AsRef<Path>) -> Result<WeightedGraph> {
    let path = path.as_ref();
    let origin = path.display().to_string();
    let spec = by_ending(path)?;
    let text = text_of(path)?;
    if let Some(spec) = spec.iter().find(|spec| (spec.is)(&text)) {
        return (spec.read)(&text, &origin);
    }
    let problem = format!("it is no graph of tasks in the format {}", spec[0].name);
    Err(refuse(origin, problem, format!("write it as {} has it", spec[0].source)))
}

/// Whether a file is there, named as those of a format are and looks like one of them. Model files, which end in
/// `.toml` as well, do not.
pub fn is_task_graph(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    let looks = |specs: Vec<&FormatSpec>| {
        text_of(path).is_ok_and(|text| specs.iter().any(|spec| (spec.is)(&text)))
    };
    by_ending(path).is_ok_and(looks)
}

/// A graph as the text of a file of this name.
///
/// # Errors
/// If no format has such an ending, if it is only read, or if it can't hold the graph.
pub fn write(graph: &WeightedGraph, path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let writers = by_ending(path)?.into_iter().filter_map(|spec| spec.write);
    match writers.collect::<Vec<_>>().first() {
        Some(write) => write(graph),
        None => Err(refuse(path.display(), "graphs are not written in this format", remedy())),
    }
}

fn by_ending(path: &Path) -> Result<Vec<&'static FormatSpec>> {
    let ending = path.extension().map(|it| it.to_string_lossy().to_lowercase()).unwrap_or_default();
    let named = |spec: &&&FormatSpec| spec.endings.contains(&ending.as_str());
    let specs: Vec<_> = FORMATS.iter().filter(named).copied().collect();
    if specs.is_empty() {
        let problem = format!("its ending `{ending}` is of no format of task graphs");
        return Err(refuse(path.display(), problem, remedy()));
    }
    Ok(specs)
}

/// Counts lines up to one byte after another.
struct Lines<'t> {
    text: &'t str,
    byte: usize,
    line: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, byte: 0, line: 1 }
    }

    /// The line of a byte that is no earlier than the one before.
    fn of(&mut self, byte: usize) -> usize {
        self.line += self.text.get(self.byte..byte).unwrap_or_default().matches('\n').count();
        self.byte = byte.max(self.byte);
        self.line
    }
}

fn remedy() -> String {
    let endings = FORMATS.iter().flat_map(|spec| spec.endings).map(|ending| format!(".{ending}"));
    let mut endings: Vec<String> = endings.collect();
    endings.dedup();
    format!("name a file that ends in one of {}", endings.join(", "))
}
