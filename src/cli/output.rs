//! Writing: lines to standard output and standard error, and files beside their place first.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use caudal::Error;

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

/// A text without what a terminal obeys: files may hold such.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// `1 worker`, `2 workers`.
pub(super) fn threads(workers: usize) -> String {
    if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") }
}

/// Refuses, before the work that it is for, a file whose folder does not exist, and whatever is there
/// and no regular file: writing replaces what has the name, so a device would be lost.
pub(super) fn check_writable(path: &Path) -> Result<(), Stop> {
    let refuse =
        |problem: &str| Err(Stop::Usage(format!("{}: {problem}; name a file", path.display())));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return refuse("its folder does not exist");
    }
    if path.file_name().is_none() {
        return refuse("it has no name of a file");
    }
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => refuse("it is a folder"),
        Ok(there) if !there.is_file() => refuse("it is there and no regular file"),
        _ => Ok(()),
    }
}

/// Writes a file beside its place and renames it, so that what was there stays until all is written.
pub(super) fn write_file(path: &Path, contents: &str) -> Result<(), Stop> {
    check_writable(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = std::fs::write(&beside, contents).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        drop(std::fs::remove_file(&beside));
        Stop::Failed(format!("{}: {error}", path.display()))
    })
}

/// As [`Stop::Failed`]: what went wrong while something was written.
pub(super) fn not_written(error: &Error) -> Stop {
    Stop::Failed(error.to_string())
}
