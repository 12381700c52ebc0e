//! Safetensors files: arrays by name, row-major and little-endian, behind a header in JSON
//! (<https://huggingface.co/docs/safetensors>).

use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::array::{
    Array, MEMORY_OPTION, Named, PositionedFile, byte_count, dataset, element, element_names,
};
use super::{ReaderSpec, Request, Source, ends_with};
use crate::data::{escaped, refuse};
use crate::{Error, Result};

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "safetensors",
    summary: "tensors in a file that ends in .safetensors, each for the input or target of its name; their first axis \
              counts the items",
    form: "a .safetensors file",
    options: &[MEMORY_OPTION],
    recognizes: |source| ends_with(source, ".safetensors"),
    read: |request| Ok(Source::Items(dataset(request, arrays(request)?, false)?)),
};

/// Longer headers are refused, as the format's own library does.
const LARGEST_HEADER: u64 = 100_000_000;

fn arrays(request: &Request<'_>) -> Result<Vec<Named>> {
    let path = request.path();
    let file = Arc::new(PositionedFile::open(path)?);
    let io = |source| Error::io(path, source);
    let damaged = |problem: String| {
        refuse(path.display(), problem, "fetch the file again, or write it with safetensors")
    };
    let mut length = [0; 8];
    if file.length() < 8 {
        let found = file.length();
        return Err(damaged(format!("expected a safetensors file, found {found} bytes")));
    }
    file.read_exact_at(&mut length, 0).map_err(io)?;
    let length = u64::from_le_bytes(length);
    let rest = file.length() - 8;
    if length > LARGEST_HEADER.min(rest) {
        return Err(damaged(format!("its header would be {length} bytes long, but {rest} follow")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact_at(&mut header, 8).map_err(io)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| damaged(format!("its header can't be read: {error}")))?;
    let data = rest - length;
    if metadata.data_len() as u64 != data {
        return Err(damaged(format!(
            "its tensors should have {} bytes, but {data} follow the header",
            metadata.data_len()
        )));
    }
    let one = |name: String| {
        let origin = format!("{}, array `{}`", path.display(), escaped(&name));
        let info = metadata.info(&name)?;
        let position = (Arc::clone(&file), 8 + length + info.data_offsets.0 as u64);
        let found = array(path, origin, info, position);
        Some((name, found))
    };
    Ok(metadata.offset_keys().into_iter().filter_map(one).collect())
}

fn array(
    path: &Path,
    origin: String,
    info: &TensorInfo,
    position: (Arc<PositionedFile>, u64),
) -> Result<Array> {
    let known = match info.dtype {
        Dtype::BOOL => "bool",
        Dtype::I8 => "int8",
        Dtype::I16 => "int16",
        Dtype::I32 => "int32",
        Dtype::I64 => "int64",
        Dtype::U8 => "uint8",
        Dtype::U16 => "uint16",
        Dtype::U32 => "uint32",
        Dtype::U64 => "uint64",
        Dtype::F16 => "float16",
        Dtype::BF16 => "bfloat16",
        Dtype::F32 => "float32",
        Dtype::F64 => "float64",
        _ => "",
    };
    let Some(element) = element(known) else {
        return Err(refuse(
            origin,
            format!("found elements of type {}, which is not read", info.dtype),
            format!("store one of {}", element_names()),
        ));
    };
    byte_count(&origin, &info.shape, element)?;
    Ok(Array {
        origin,
        shape: info.shape.clone(),
        element,
        big_endian: false,
        fortran: false,
        path: path.to_owned(),
        position: Some(position),
        unpack: None,
    })
}
