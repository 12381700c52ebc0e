//! Data sets: named columns of numbers, the readers that fill them, and the order in which training
//! goes through them.
//!
//! | source | function |
//! | --- | --- |
//! | 8 x 8 handwritten digits, embedded in the crate | [`digits()`] |
//! | a folder of IDX files named as MNIST's are | [`read_idx_folder`] |
//! | one IDX file | [`read_idx`] |
//! | a CSV file | `read_csv`, with the feature `csv` |
//! | random numbers of given shapes | [`synthetic()`] |
//! | random numbers that fit a graph | [`synthetic_for`] |
//! | a folder or file at some path | [`open`] |
//! | any of these, by what a user writes | [`load`] |
//!
//! Files may be gzipped, where the crate is built with its feature `gzip`. [`READERS`] is the table of what [`open`] and [`load`] read.

mod dataset;
mod readers;
mod sampler;
mod split;
mod strata;
mod stream;
mod weights;

use std::fmt::Display;
use std::path::Path;

pub use dataset::{Column, Dataset, gather};
#[cfg(feature = "csv")]
pub use readers::{LabelColumn, read_csv};
pub use readers::{
    READERS, ReaderSpec, Request, TargetKind, digits, forms, load, load_to_predict, open, read_idx,
    read_idx_folder, reader, synthetic, synthetic_for,
};
pub use sampler::{Order, Sampler, batches};

use crate::Error;

/// More values than this in one data set are taken for a mistake: as floats they fill 64 GiB.
const MAX_VALUES: usize = 1 << 34;

/// Floats count exactly up to here, so a class index must stay below.
const MAX_CLASSES: usize = 1 << 24;

/// An [`Error::Data`].
fn refuse(origin: impl Display, problem: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::Data { origin: origin.to_string(), problem: problem.into(), remedy: remedy.into() }
}

/// The refusal of a file that this build of the crate can't read, for want of a Cargo feature.
#[cfg(not(all(feature = "csv", feature = "gzip")))]
fn without_feature(origin: impl Display, found: &str, feature: &str) -> Error {
    refuse(
        origin,
        format!("found {found}, which this build of caudal can't read"),
        format!("build it with its Cargo feature `{feature}`"),
    )
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
    use super::*;

    #[test]
    fn class_indices_are_whole_and_not_negative() {
        assert_eq!(class_index(0.0), Some(0));
        assert_eq!(class_index(16_777_215.0), Some(16_777_215));
        for value in [-1.0, 0.5, 16_777_216.0, f32::NAN, f32::INFINITY] {
            assert_eq!(class_index(value), None, "{value}");
        }
    }
}
