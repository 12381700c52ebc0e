//! Safetensors files, read without trust.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::Tensor;

/// The entry of a file's metadata that is this crate's.
pub(super) const ENTRY: &str = "caudal";
/// The entry with the checksum of the file.
pub(super) const CHECKSUM: &str = "caudal.sha256";
/// The array of bytes that holds the text of a model that is too long for the header.
pub(super) const MODEL: &str = "caudal.model";
/// Headers larger than this are refused, as the format's own library does.
pub(super) const LARGEST_HEADER: usize = 100_000_000;

pub(super) fn refuse(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::Model {
        origin: path.display().to_string(),
        problem: problem.into(),
        remedy: remedy.into(),
    }
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) entry: Option<String>,
    /// Whether it has a checksum, which then fits.
    pub(super) checked: bool,
    /// The text of the model, where it is not in the entry.
    pub(super) model: Option<String>,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

/// The SHA-256 of the metadata entry and of all arrays, in the order of their names, with their shapes.
pub(super) fn checksum<'a>(
    entry: &str,
    arrays: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>,
) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(entry.as_bytes());
    for (name, shape, bytes) in arrays {
        add(name.as_bytes());
        let shape: Vec<u8> = shape.iter().flat_map(|&size| (size as u64).to_le_bytes()).collect();
        add(&shape);
        add(bytes);
    }
    hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Puts the two entries of a file's metadata into this order: the library writes them in that of a hash map, another each time, and
/// equal networks have equal files.
pub(super) fn order_metadata(file: &mut [u8], metadata: &[(String, String); 2]) {
    let text = |(key, value): &(String, String)| format!("{}:{}", json!(key), json!(value));
    let [first, second] = [&metadata[0], &metadata[1]].map(text);
    let ordered = format!("{{\"__metadata__\":{{{first},{second}}}");
    let turned = format!("{{\"__metadata__\":{{{second},{first}}}");
    // Behind the length of the header.
    let begins = file.get_mut(size_of::<u64>()..).and_then(|rest| rest.get_mut(..turned.len()));
    if let Some(begins) = begins.filter(|begins| **begins == *turned.as_bytes()) {
        begins.copy_from_slice(ordered.as_bytes());
    }
}

/// The metadata entry and the arrays of a file, whose checksum fits if there is one. Nothing is allocated beyond the
/// file's size.
pub(super) fn read(path: &Path) -> Result<Contents> {
    let io = |source| Error::io(path, source);
    let about = std::fs::metadata(path).map_err(io)?;
    if !about.is_file() {
        return Err(refuse(path, "it is not a file", "name a safetensors file"));
    }
    // The file, and its arrays.
    let bytes = usize::try_from(about.len()).unwrap_or(usize::MAX).saturating_mul(2);
    memory::check(bytes).map_err(|problem| {
        let problem = format!("reading it takes {}, {problem}", memory::amount(bytes));
        refuse(path, problem, "read it where there is more memory")
    })?;
    let bytes = std::fs::read(path).map_err(io)?;
    parse(path, &bytes)
}

pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Contents> {
    let damaged = |problem: String| {
        refuse(path, problem, "name an undamaged safetensors file, or save the model again")
    };
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Err(damaged(format!("it has {} bytes, too few for any model", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    let header = usize::try_from(length).ok().filter(|&length| length <= LARGEST_HEADER);
    let Some((header, data)) = header.and_then(|length| rest.split_at_checked(length)) else {
        return Err(damaged(format!(
            "its header would be {length} bytes long, but {} follow",
            rest.len()
        )));
    };
    let metadata: Metadata = serde_json::from_slice(header)
        .map_err(|error| damaged(format!("its header can't be read: {error}")))?;
    if metadata.data_len() != data.len() {
        return Err(damaged(format!(
            "its arrays should have {} bytes, but {} follow the header",
            metadata.data_len(),
            data.len()
        )));
    }
    let of_metadata = |name: &str| metadata.metadata().as_ref().and_then(|all| all.get(name));
    let entry = of_metadata(ENTRY).cloned();
    let expected = of_metadata(CHECKSUM);
    if let Some(expected) = expected {
        let arrays: BTreeMap<String, _> = metadata.tensors().into_iter().collect();
        let arrays = arrays.iter().map(|(name, info)| {
            let (start, end) = info.data_offsets;
            (name.as_str(), info.shape.as_slice(), data.get(start..end).unwrap_or(&[]))
        });
        if checksum(entry.as_deref().unwrap_or_default(), arrays) != *expected {
            let problem = format!("its checksum `{CHECKSUM}` does not fit what it holds");
            return Err(damaged(problem));
        }
    }
    let mut tensors = BTreeMap::new();
    let mut model = None;
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        // The library has compared shapes and offsets, and offsets with each other.
        let bytes = data.get(start..end).unwrap_or(&[]);
        if name == MODEL && info.dtype == Dtype::U8 {
            let text = std::str::from_utf8(bytes)
                .map_err(|error| damaged(format!("array `{name}` is no text: {error}")))?;
            model = Some(text.to_owned());
            continue;
        }
        if info.dtype != Dtype::F32 {
            return Err(refuse(
                path,
                format!("array `{name}` has numbers of type {}, not F32", info.dtype),
                "convert it to 32-bit floats",
            ));
        }
        let (words, _) = bytes.as_chunks();
        let values = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
        let tensor = Tensor::from_shape_vec(info.shape.as_slice(), values)
            .map_err(|error| damaged(format!("array `{name}`: {error}")))?;
        tensors.insert(name, tensor);
    }
    Ok(Contents { entry, checked: expected.is_some(), model, tensors })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn equal_networks_have_equal_files() {
        let metadata = [(ENTRY, "{\"a\": \"b\\n\"}"), (CHECKSUM, "00ff")];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let numbers = [1u8, 2, 3, 4];
        let file = || {
            let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![1], &numbers).unwrap();
            let unordered = HashMap::from(metadata.clone());
            let mut file = safetensors::serialize([("w", view)], Some(unordered)).unwrap();
            order_metadata(&mut file, &metadata);
            file
        };
        let first = file();
        assert!(first[8..].starts_with(b"{\"__metadata__\":{\"caudal\":"));
        assert!((0..40).all(|_| file() == first));
        let (_, read) = safetensors::SafeTensors::read_metadata(&first).unwrap();
        assert_eq!(read.metadata().as_ref().unwrap()[CHECKSUM], "00ff");
    }
}
