//! Data sets: named columns of numbers, the readers that fill them, and the order in which training
//! goes through them.
//!
//! | source | function |
//! | --- | --- |
//! | 8 x 8 handwritten digits, embedded in the crate | [`digits()`] |
//! | a folder of IDX files named as MNIST's are | [`read_idx_folder`] |
//! | one IDX file | [`read_idx`] |
//! | a CSV file, as a [`Table`] of text | `read_table`, with the feature `csv` |
//! | a folder of images by class, or a table with paths of images | [`load()`], with the feature `images` |
//! | arrays by name, in `.npy`, `.npz` and `.safetensors` files | [`load()`] |
//! | a table, as the numbers that a graph takes | [`Encoder`] |
//! | random numbers of given shapes | [`synthetic()`] |
//! | random numbers that fit a graph | [`synthetic_for`] |
//! | any of these, by what a user writes, divided into parts | [`load()`] |
//!
//! [`AUGMENTATIONS`] is the table of random changes of the items that a network is trained on.
//!
//! Files may be gzipped, where the crate is built with its feature `gzip`. [`READERS`] is the table of what
//! [`load()`] reads. `docs/data.md` has all rules.

mod augmentations;
mod column;
mod dataset;
mod images;
mod load;
mod parts;
mod positioned;
mod readers;
mod sampler;
mod source;
mod split;
mod strata;
mod stream;
mod table;
mod weights;

use std::collections::HashSet;
#[cfg(not(all(feature = "csv", feature = "gzip", feature = "npz", feature = "parquet")))]
use std::fmt::Display;
use std::path::Path;

pub(crate) use crate::error::{escaped, refuse};
pub use augmentations::{
    AUGMENTATIONS, Augmentation, AugmentationSpec, Crop, Direction, Flip, ItemRandom, Noise, Shift,
    parse_augmentations,
};
pub(crate) use augmentations::{augmentation, check_mix_up, mix, value as augmentation_value};
pub use column::Column;
pub use dataset::Dataset;
pub(crate) use load::check_classes;
pub use load::{
    Item, LoadOptions, Loaded, load, load_folds, load_table, load_to_evaluate, load_to_predict,
};
pub use parts::{Part, Share, Split};
pub use readers::{
    READERS, ReaderSpec, Request, Source, TargetKind, digits, forms, read_idx, read_idx_folder,
    reader, synthetic, synthetic_for,
};
pub use sampler::{Order, Sampler, batches};
pub use source::ItemSource;
pub(crate) use table::DATA_ATTRIBUTES;
#[cfg(feature = "parquet")]
pub use table::read_parquet;
pub use table::{
    Categories, ColumnEncoder, ColumnOptions, ColumnProfile, DataConfig, Encoder, Encoding, Fitted,
    ImageFit, Missing, NodeColumns, NodeEncoder, Scale, Selector, Table, Unknown,
};
#[cfg(feature = "csv")]
pub use table::{TableOptions, read_table};

#[cfg(not(all(feature = "csv", feature = "gzip", feature = "npz", feature = "parquet")))]
use crate::Error;
use crate::graph::{Graph, NodeId, Role};
use crate::losses::TargetValues;

/// More values than this in one data set are taken for a mistake: as floats they fill 64 GiB.
const MAX_VALUES: usize = 1 << 34;

/// Floats count exactly up to here, so a class index must stay below.
const MAX_CLASSES: usize = 1 << 24;

/// The refusal of a file that this build of the crate can't read, for want of a Cargo feature.
#[cfg(not(all(feature = "csv", feature = "gzip", feature = "npz", feature = "parquet")))]
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

/// How many classes a target has, if a loss wants it to have classes.
fn target_classes(graph: &Graph, target: NodeId) -> Option<usize> {
    let mut users = graph.consumers(target).iter();
    users.find_map(|&(user, input)| {
        let Role::Loss { loss, .. } = &graph.nodes()[user].role else { return None };
        let shapes =
            graph.nodes()[user].inputs.iter().map(|&id| graph.nodes()[id].shape.as_slice());
        match loss.target_values(&shapes.collect::<Vec<_>>()) {
            TargetValues::Classes(classes) if input == 1 => Some(classes),
            _ => None,
        }
    })
}

/// The layer that takes indices from `input`, as it is or rearranged, and how many there are: of several layers that
/// for which they are the fewest.
fn taker_of_indices(graph: &Graph, input: NodeId) -> Option<(NodeId, usize)> {
    let (mut seen, mut open) = (HashSet::from([input]), vec![input]);
    let mut fewest: Option<(NodeId, usize)> = None;
    while let Some(id) = open.pop() {
        for &(user, number) in graph.consumers(id) {
            let Role::Layer(layer) = &graph.nodes()[user].role else { continue };
            if let Some(indices) = layer.indices(number) {
                if fewest.is_none_or(|(_, fewest)| indices < fewest) {
                    fewest = Some((user, indices));
                }
            } else if layer.rearranges() && seen.insert(user) {
                open.push(user);
            }
        }
    }
    fewest
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
