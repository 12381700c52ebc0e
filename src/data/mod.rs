//! Data sets: named columns of numbers, the readers that fill them, and the order in which training
//! goes through them.
//!
//! | source | function |
//! | --- | --- |
//! | 8 x 8 handwritten digits, embedded in the crate | [`digits()`] |
//! | a folder of IDX files named as MNIST's are | [`read_idx_folder`] |
//! | one IDX file | [`read_idx`] |
//! | a CSV file | [`read_csv`] |
//! | random numbers of given shapes | [`synthetic()`] |
//! | random numbers that fit a graph | [`synthetic_for`] |
//! | a folder or file named by a user | [`open`] |
//! | any of these, by what a user writes | [`load`] |

mod csv;
mod dataset;
mod digits;
mod idx;
mod sampler;
mod source;
mod split;
mod strata;
mod stream;
mod synthetic;
mod weights;

use std::fmt::Display;
use std::path::Path;

pub use csv::{LabelColumn, read_csv};
pub use dataset::{Column, Dataset, gather};
pub use digits::digits;
pub use idx::{read_idx, read_idx_folder};
pub use sampler::{Order, Sampler, batches};
pub use source::{load, load_to_predict, synthetic_for};
pub use synthetic::{TargetKind, synthetic};

use crate::{Error, Result};

/// More values than this in one data set are taken for a mistake: as floats they fill 64 GiB.
const MAX_VALUES: usize = 1 << 34;

/// Floats count exactly up to here, so a class index must stay below.
const MAX_CLASSES: usize = 1 << 24;

/// Reads the folder or file at `path` as (training part, test part).
///
/// - A folder is read by [`read_idx_folder`]; its files already are two parts.
/// - A file that ends in `.csv` or `.csv.gz` is read by [`read_csv`] with the label in the last
///   column. One item in five, in proportion per class and chosen by `seed`, makes the test part.
///
/// # Errors
///
/// [`Error::Io`] if there is nothing at `path`, [`Error::Data`] if it is neither of the two or its
/// contents are refused.
pub fn open(path: impl AsRef<Path>, seed: u64) -> Result<(Dataset, Dataset)> {
    let path = path.as_ref();
    let metadata = std::fs::metadata(path).map_err(|source| Error::io(path, source))?;
    if metadata.is_dir() {
        return read_idx_folder(path);
    }
    if is_csv(path) {
        let all = read_csv(path, &LabelColumn::Last)?;
        let test_items = ((all.len() + 2) / 5).max(1);
        return all.split_stratified(0, test_items, seed);
    }
    Err(refuse(
        path.display(),
        "expected a folder of IDX files or a file that ends in .csv or .csv.gz, got another file",
        "give the folder that holds train-images-idx3-ubyte and its companions, or a CSV file",
    ))
}

/// Whether a file's name says that it is CSV.
fn is_csv(path: &Path) -> bool {
    let name = file_name(path).to_lowercase();
    [".csv", ".csv.gz"].iter().any(|ending| name.ends_with(ending))
}

/// An [`Error::Data`].
fn refuse(origin: impl Display, problem: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::Data { origin: origin.to_string(), problem: problem.into(), remedy: remedy.into() }
}

/// The last part of a path, for the name of a data set.
fn file_name(path: &Path) -> String {
    let last = path.file_name().unwrap_or(path.as_os_str());
    last.to_string_lossy().into_owned()
}

/// The class index that `value` stands for, if it is one.
fn class_index(value: f32) -> Option<usize> {
    let whole = value.fract() == 0.0 && (0.0..MAX_CLASSES as f32).contains(&value);
    whole.then_some(value as usize)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn class_indices_are_whole_and_not_negative() {
        assert_eq!(class_index(0.0), Some(0));
        assert_eq!(class_index(16_777_215.0), Some(16_777_215));
        for value in [-1.0, 0.5, 16_777_216.0, f32::NAN, f32::INFINITY] {
            assert_eq!(class_index(value), None, "{value}");
        }
    }

    #[test]
    fn a_csv_file_is_split_into_four_fifths_and_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Points.CSV");
        let mut text = String::from("x,y,class\n");
        for item in 0..50 {
            writeln!(text, "{item},{}.5,{}", item * 2, item % 2).unwrap();
        }
        std::fs::write(&path, text).unwrap();
        let (train, test) = open(&path, 1).unwrap();
        assert_eq!((train.len(), test.len()), (40, 10));
        assert_eq!(test.targets()[0].values.sum() as usize, 5);
        let other = open(&path, 2).unwrap().1;
        assert_ne!(test.inputs()[0].values, other.inputs()[0].values);
    }

    #[test]
    fn what_is_neither_folder_nor_csv_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.npz");
        std::fs::write(&path, "PK").unwrap();
        let message = open(&path, 0).unwrap_err().to_string();
        assert!(message.contains("weights.npz: expected a folder of IDX files"), "{message}");
        assert!(message.contains(".csv.gz"), "{message}");

        let missing = open(folder.path().join("missing.csv"), 0).unwrap_err();
        assert!(matches!(missing, Error::Io { .. }), "{missing}");
    }

    #[test]
    fn one_item_cannot_be_split() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.csv");
        std::fs::write(&path, "1,0\n").unwrap();
        let message = open(&path, 0).unwrap_err().to_string();
        assert!(message.contains("1 of its 1 item"), "{message}");
    }
}
