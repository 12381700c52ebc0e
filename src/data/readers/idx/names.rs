//! Which file of a folder holds what, by the words of its name.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::file;
use crate::data::{file_name, refuse};
use crate::error::{Error, Result};

/// Words of names: what they say a file is for. Names are cut into words wherever something stands that
/// is neither a letter nor a digit.
const TRAIN: &[&str] = &["train", "training"];
const TEST: &[&str] = &["test", "testing", "t10k"];
const IMAGES: &[&str] = &["images", "image", "x", "data"];
const LABELS: &[&str] = &["labels", "label", "y", "targets", "target"];

/// The files of one part.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) images: Option<PathBuf>,
    pub(super) labels: Option<PathBuf>,
}

/// The files of a folder, by what their names say.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) train: Pair,
    pub(super) test: Pair,
}

/// The folders at and below `folder` in which torchvision would put the files: itself, `raw`, and `NAME/raw`.
pub(super) fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut below: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("raw")))
        .collect();
    below.sort_unstable();
    let all = [folder.to_owned(), folder.join("raw")].into_iter().chain(below);
    all.filter(|folder| has_files(folder)).collect()
}

fn has_files(folder: &Path) -> bool {
    paths(folder).iter().any(|path| slot(path).is_some())
}

/// All files of a folder in the order of their names.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    paths.sort_unstable();
    paths
}

/// The words of a name, in small letters, without `gz` at its end.
fn words(path: &Path) -> Vec<String> {
    let name = file_name(path).to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Whether a file is for training, and whether it holds images, if it says so and is an IDX file.
fn slot(path: &Path) -> Option<(bool, bool)> {
    let words = words(path);
    let says = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let (train, images) = (says(TRAIN), says(IMAGES));
    let clear = train != says(TEST) && images != says(LABELS);
    (clear && (words.iter().any(|word| word.starts_with("idx")) || begins(path)))
        .then_some((train, images))
}

/// Whether a file begins as IDX files do.
fn begins(path: &Path) -> bool {
    let mut start = [0; 4];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && file::begins(&start)
}

/// The files of a folder; of several sets in it those whose names contain `only`.
///
/// # Errors
/// If two files say that they hold the same.
pub(super) fn find(folder: &Path, only: Option<&str>) -> Result<Found> {
    let mut found = Found::default();
    let chosen = |path: &Path| only.is_none_or(|only| file_name(path).contains(only));
    for path in paths(folder).into_iter().filter(|path| chosen(path)) {
        let Some((train, images)) = slot(&path) else { continue };
        let pair = if train { &mut found.train } else { &mut found.test };
        let slot = if images { &mut pair.images } else { &mut pair.labels };
        match slot {
            None => *slot = Some(path),
            // Names with `.gz` stand behind those without.
            Some(other) if words(other) == words(&path) => {}
            Some(other) => return Err(ambiguous(folder, other, &path)),
        }
    }
    Ok(found)
}

fn ambiguous(folder: &Path, one: &Path, other: &Path) -> Error {
    refuse(
        folder.display(),
        format!(
            "expected one set of files, but `{}` and `{}` say that they hold the same",
            file_name(one),
            file_name(other)
        ),
        "say which set is meant by a part of its files' names, as in `--data FOLDER:only=letters`",
    )
}
