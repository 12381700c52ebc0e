//! `.npz` files, as numpy writes them: zip archives of `.npy` files, an array each.

use super::array::MEMORY_OPTION;
use super::{ReaderSpec, ends_with};

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "npz",
    summary: "arrays in a file that ends in .npz, each for the input or target of its name; their first axis counts \
              the items",
    form: "a .npz file",
    options: &[MEMORY_OPTION],
    recognizes: |source| ends_with(source, ".npz"),
    read,
};

#[cfg(not(feature = "npz"))]
fn read(request: &super::Request<'_>) -> crate::Result<super::Source> {
    Err(crate::data::without_feature(request.source, "a .npz file", "npz"))
}

#[cfg(feature = "npz")]
fn read(request: &super::Request<'_>) -> crate::Result<super::Source> {
    let arrays = archive::arrays(request.path())?;
    Ok(super::Source::Items(super::array::dataset(request, arrays, false)?))
}

#[cfg(feature = "npz")]
mod archive {
    use std::fs::File;
    use std::io::{BufReader, Read};
    use std::path::Path;
    use std::sync::Arc;

    use zip::result::ZipError;
    use zip::{CompressionMethod, ZipArchive};

    use super::super::array::{Array, Named, PositionedFile, byte_count};
    use super::super::npy::Header;
    use crate::data::{escaped, refuse, stream};
    use crate::{Error, Result};

    /// All members of an archive that are arrays.
    pub(super) fn arrays(path: &Path) -> Result<Vec<Named>> {
        let mut archive = open(path)?;
        let file = Arc::new(PositionedFile::open(path)?);
        let mut arrays = Vec::new();
        for number in 0..archive.len() {
            let Some(name) =
                archive.name_for_index(number).and_then(|name| name.strip_suffix(".npy"))
            else {
                continue;
            };
            let name = name.to_owned();
            let origin = format!("{}, array `{}`", path.display(), escaped(&name));
            let found = array(path, &file, &mut archive, number, origin);
            arrays.push((name, found));
        }
        Ok(arrays)
    }

    fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
        let file = File::open(path).map_err(|source| Error::io(path, source))?;
        let origin = path.display().to_string();
        ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(path, &origin, error))
    }

    /// What an error of the archive means.
    fn damaged(path: &Path, origin: &str, error: ZipError) -> Error {
        match error {
            ZipError::Io(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                reading(path, origin, source)
            }
            ZipError::UnsupportedArchive(why) => refuse(
                origin,
                format!("expected a .npz file as numpy writes it, found {why}"),
                "write it with np.savez or np.savez_compressed",
            ),
            other => refuse(
                origin,
                format!("expected a whole .npz file, which is a zip archive: {other}"),
                "fetch the file again, or write it with np.savez",
            ),
        }
    }

    /// What a failed read of a member means.
    fn reading(path: &Path, origin: &str, source: std::io::Error) -> Error {
        match source.kind() {
            std::io::ErrorKind::InvalidData
            | std::io::ErrorKind::InvalidInput
            | std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::Other => {
                let problem = format!("expected a whole member of the archive: {source}");
                refuse(origin, problem, "fetch the file again, or write it with np.savez")
            }
            _ => Error::io(path, source),
        }
    }

    fn array(
        path: &Path,
        file: &Arc<PositionedFile>,
        archive: &mut ZipArchive<BufReader<File>>,
        number: usize,
        origin: String,
    ) -> Result<Array> {
        let mut member = archive.by_index(number).map_err(|error| damaged(path, &origin, error))?;
        let (size, start) = (member.size(), member.data_start());
        let stored = member.compression() == CompressionMethod::Stored;
        let header = Header::read(&origin, &mut member)?;
        header.check_length(&origin, size)?;
        let bytes = byte_count(&origin, &header.shape, header.element)?;
        let whole = start.checked_add(size).is_some_and(|end| end <= file.length());
        if stored && !whole {
            return Err(refuse(&origin, "the file ends before it does", "fetch the file again"));
        }
        let position = stored.then(|| (Arc::clone(file), start + header.length as u64));
        let (path, said) = (path.to_owned(), origin.clone());
        let skipped = header.length as u64;
        let unpack = {
            let path = path.clone();
            move || {
                let mut archive = open(&path)?;
                let member = archive.by_index(number);
                let mut member = member.map_err(|error| damaged(&path, &said, error))?;
                let failed = |source| reading(&path, &said, source);
                std::io::copy(&mut member.by_ref().take(skipped), &mut std::io::sink())
                    .map_err(failed)?;
                // One more, so that its end is reached, where the checksum is looked at.
                let found = stream::read_up_to(&mut member, bytes as u64 + 1).map_err(failed)?;
                if found.len() == bytes {
                    return Ok(found);
                }
                Err(refuse(
                    &said,
                    format!("expected {bytes} bytes after the header, found {}", found.len()),
                    "fetch the file again, or write it with np.savez",
                ))
            }
        };
        Ok(Array {
            origin,
            shape: header.shape,
            element: header.element,
            big_endian: header.big_endian,
            fortran: header.fortran,
            path,
            position,
            unpack: Some(Box::new(unpack)),
        })
    }
}
