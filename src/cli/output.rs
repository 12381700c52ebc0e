//! Writing: lines to standard output and standard error, and files that are not lost.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use caudal::{Error, files};

use super::Stop;

/// Writes a line to standard output.
pub(super) fn line(text: impl AsRef<str>) -> Result<(), Stop> {
    let mut output = std::io::stdout().lock();
    let written = writeln!(output, "{}", text.as_ref()).and_then(|()| output.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Stop::Unread,
        _ => Stop::Failed(format!("standard output: {error}")),
    })
}

/// Writes a line to standard error, if anybody reads it.
pub(super) fn note(text: Arguments<'_>) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Writes what a user should know of the data, a line each.
pub(super) fn notes(notes: &[String]) {
    for text in notes {
        note(format_args!("note: {}", printable(text)));
    }
}

/// A text without what a terminal obeys, or writes in another direction: files may hold such.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// The unit of all times of a table or report.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeUnit {
    /// Its sign.
    pub(super) name: &'static str,
    per_ms: f64,
}

impl TimeUnit {
    /// The one in which so many milliseconds, the longest time, have a digit before the point.
    pub(super) fn of(longest_ms: f64) -> Self {
        match longest_ms {
            it if it >= 0.1 || it <= 0.0 => Self { name: "ms", per_ms: 1.0 },
            it if it >= 1e-4 => Self { name: "us", per_ms: 1e3 },
            _ => Self { name: "ns", per_ms: 1e6 },
        }
    }

    /// So many milliseconds in this unit.
    pub(super) fn of_ms(self, ms: f64) -> f64 {
        ms * self.per_ms
    }

    /// So many milliseconds as text, with the unit.
    pub(super) fn text(self, ms: f64) -> String {
        format!("{:.3} {}", self.of_ms(ms), self.name)
    }
}

/// So many of something, whose name takes an s where there are several.
pub(super) fn counted(count: usize, name: &str) -> String {
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

/// Rows in columns that are as wide as their widest cell, each flush left or right.
pub(super) fn columns(rows: &[Vec<String>], is_left: impl Fn(usize) -> bool) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            // Formats know no widths above 65535.
            let gap = " ".repeat(width - cell.chars().count());
            if is_left(column) { format!("{cell}{gap}") } else { format!("{gap}{cell}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// `1 worker`, `2 workers`.
pub(super) fn threads(workers: usize) -> String {
    if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") }
}

/// Writes a file at once and whole; elsewhere if that fails, as [`write_or_rescue`] does.
pub(super) fn write_file(path: &Path, contents: &str) -> Result<(), Stop> {
    write_or_rescue(path, |path| files::replace(path, contents.as_bytes()))
}

/// Writes a file that work was done for. What can't be written there is written under another name
/// beside it, else into the folder for temporary files; the error says where it is.
pub(super) fn write_or_rescue(
    path: &Path,
    write: impl Fn(&Path) -> caudal::Result<()>,
) -> Result<(), Stop> {
    Kept::new(path).write(write)
}

/// A file that is written again and again, elsewhere where that fails.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    elsewhere: Option<PathBuf>,
}

impl Kept {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), elsewhere: None }
    }

    /// Where it should be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// As [`write_or_rescue`]; what had to be written elsewhere before goes to the same place.
    pub(super) fn write(
        &mut self,
        write: impl Fn(&Path) -> caudal::Result<()>,
    ) -> Result<(), Stop> {
        let Err(error) = write(&self.path) else { return Ok(()) };
        let problem = told(&error, &self.path);
        let temporary = std::env::temp_dir();
        let folders = [self.path.parent(), Some(temporary.as_path())].into_iter().flatten();
        let names = folders.map(|folder| unused(folder, &self.path));
        for other in self.elsewhere.take().into_iter().chain(names) {
            if write(&other).is_ok() {
                let problem = format!("{problem}; it is in {} instead", other.display());
                self.elsewhere = Some(other);
                return Err(Stop::Failed(problem));
            }
        }
        Err(Stop::Failed(format!("{problem}; nor could it be written elsewhere")))
    }
}

/// What went wrong, with the file that it is about.
fn told(error: &Error, path: &Path) -> String {
    let text = error.to_string();
    let name = path.display().to_string();
    if text.starts_with(&name) { text } else { format!("{name}: {text}") }
}

/// A name in `folder` like that of `path` that nothing has.
fn unused(folder: &Path, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let name = |number: u32| files::beside(folder.join(name), &format!("rescued-{number}"));
    let mut number = 1;
    while std::fs::symlink_metadata(name(number)).is_ok() {
        number += 1;
    }
    name(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ended: Result<(), Stop>) -> String {
        match ended {
            Err(Stop::Failed(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn short_times_have_digits() {
        let told = |ms: f64| TimeUnit::of(ms).text(ms);
        assert_eq!(
            [0.25, 0.0123, 2.5e-5, 0.0].map(told),
            ["0.250 ms", "12.300 us", "25.000 ns", "0.000 ms"]
        );
        assert_eq!(printable("a\u{202e}b\u{1b}"), "a\\u{202e}b\\u{1b}");
    }

    #[test]
    fn what_can_not_be_written_is_written_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        // A folder has taken the name.
        let path = folder.path().join("model.bin");
        std::fs::create_dir(&path).unwrap();
        for number in 1..3 {
            let beside = folder.path().join(format!("model.rescued-{number}.bin"));
            let message = told(write_file(&path, "all"));
            assert!(message.contains("it is a folder"), "{message}");
            assert!(message.ends_with(&format!("it is in {} instead", beside.display())));
            assert_eq!(std::fs::read(&beside).unwrap(), b"all");
        }
        // The folder is gone.
        let name = format!("caudal-{}", std::process::id());
        let message = told(write_file(&folder.path().join("gone").join(&name), "all"));
        let (_, after) = message.split_once("; it is in ").unwrap();
        let rescued = PathBuf::from(after.strip_suffix(" instead").unwrap());
        assert_eq!(rescued.parent().unwrap(), std::env::temp_dir());
        assert_eq!(std::fs::read(&rescued).unwrap(), b"all");
        std::fs::remove_file(&rescued).unwrap();
        let refused = |path: &Path| {
            Err(Error::Io { path: path.to_owned(), source: std::io::Error::other("full") })
        };
        let message = told(write_or_rescue(&path, refused));
        assert!(message.contains("full; nor could it be written elsewhere"), "{message}");
    }
}
