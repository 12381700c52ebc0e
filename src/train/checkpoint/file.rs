//! Safetensors files, read without trust.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata};

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The entry of a file's metadata that is this crate's.
pub(super) const ENTRY: &str = "caudal";
/// Headers larger than this are refused, as the format's own library does.
const LARGEST_HEADER: usize = 100_000_000;

pub(super) fn refuse(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::Model {
        origin: path.display().to_string(),
        problem: problem.into(),
        remedy: remedy.into(),
    }
}

/// The metadata entry and the arrays of a file. Nothing is allocated beyond the file's size.
pub(super) fn read(path: &Path) -> Result<(Option<String>, BTreeMap<String, Tensor>)> {
    let io = |source| Error::io(path, source);
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(refuse(path, "it is not a file", "name a safetensors file"));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    parse(path, &bytes)
}

pub(super) fn parse(
    path: &Path,
    bytes: &[u8],
) -> Result<(Option<String>, BTreeMap<String, Tensor>)> {
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
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        if info.dtype != Dtype::F32 {
            return Err(refuse(
                path,
                format!("array `{name}` has numbers of type {}, not F32", info.dtype),
                "convert it to 32-bit floats",
            ));
        }
        let (start, end) = info.data_offsets;
        // The library has compared shapes and offsets, and offsets with each other.
        let bytes = data.get(start..end).unwrap_or(&[]);
        let (words, _) = bytes.as_chunks();
        let values = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
        let tensor = Tensor::from_shape_vec(info.shape.as_slice(), values)
            .map_err(|error| damaged(format!("array `{name}`: {error}")))?;
        tensors.insert(name, tensor);
    }
    let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(ENTRY)).cloned();
    Ok((entry, tensors))
}
