//! Files that may be gzipped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::refuse;
use crate::{Error, Result};

/// Opens a file for reading. If it starts as a gzip file does, it is decompressed on the way, or
/// refused by a build that can't.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).map_err(|source| Error::io(path, source))?;
    let mut file = BufReader::new(file);
    let start = file.fill_buf().map_err(|source| Error::io(path, source))?;
    if start.starts_with(&[0x1f, 0x8b]) { decompressed(path, file) } else { Ok(Box::new(file)) }
}

#[cfg(feature = "gzip")]
#[allow(clippy::unnecessary_wraps)] // without the feature it refuses
fn decompressed(_path: &Path, file: BufReader<File>) -> Result<Box<dyn Read>> {
    Ok(Box::new(flate2::bufread::MultiGzDecoder::new(file)))
}

#[cfg(not(feature = "gzip"))]
fn decompressed(path: &Path, _file: BufReader<File>) -> Result<Box<dyn Read>> {
    Err(super::without_feature(path.display(), "a gzip file", "gzip"))
}

/// How many bytes a file has, if it is not compressed.
#[cfg(feature = "csv")]
pub(super) fn plain_length(path: &Path) -> Option<usize> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(2).read_to_end(&mut start).ok()?;
    let length = path.metadata().ok()?.len();
    if start == [0x1f, 0x8b] { None } else { usize::try_from(length).ok() }
}

/// What a failed read of a stream from [`open`] means.
pub(super) fn read_error(path: &Path, source: io::Error) -> Error {
    match source.kind() {
        // Plain files give none of these.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            refuse(
                path.display(),
                format!("expected a whole gzip file, its decompression failed: {source}"),
                "fetch the file again",
            )
        }
        _ => Error::io(path, source),
    }
}

/// Reads `size` bytes, or fewer where the stream ends. Memory grows with what really arrives.
pub(super) fn read_up_to(stream: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}
