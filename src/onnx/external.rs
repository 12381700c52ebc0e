//! Arrays that lie in other files, in the folder of the ONNX file or below it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::proto::TensorProto;
use crate::error::escaped;
use crate::layers::Misfit;

/// The files beside one, and how much of each was read.
#[derive(Debug)]
pub(super) struct External<'a> {
    /// None where the ONNX file is no file.
    folder: Option<&'a Path>,
    read: HashMap<PathBuf, u64>,
}

impl<'a> External<'a> {
    pub(super) fn new(folder: Option<&'a Path>) -> Self {
        Self { folder, read: HashMap::new() }
    }

    /// The bytes of an array, of which there must be `length`.
    ///
    /// # Errors
    /// If its file is not in the folder, or has fewer bytes than it should, or if arrays lie on each other.
    pub(super) fn read(
        &mut self,
        proto: &TensorProto<'_>,
        length: usize,
    ) -> Result<Vec<u8>, Misfit> {
        let refuse = |problem: String| {
            let problem = format!("array `{}`: {problem}", escaped(proto.name));
            Misfit::new(problem, "export it again, with all arrays in one file or in its folder")
        };
        let entry = |key: &str| {
            proto.external.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
        };
        let number = |key: &str| match entry(key).map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(refuse(format!("its {key} in another file is no number"))),
        };
        let location = entry("location").unwrap_or_default();
        let shown = escaped(location);
        let outside =
            || refuse(format!("its file `{shown}` is not in the folder of the ONNX file"));
        let is_inside = !location.is_empty()
            && Path::new(location).components().all(|part| matches!(part, Component::Normal(_)));
        let folder = self.folder.filter(|_| is_inside).ok_or_else(outside)?;
        let system = |error| refuse(format!("its file `{shown}` can't be read: {error}"));
        // Links may lead out of the folder too.
        let folder = folder.canonicalize().map_err(system)?;
        let path = folder.join(location).canonicalize().map_err(system)?;
        if !path.starts_with(&folder) {
            return Err(outside());
        }
        let mut file = File::open(&path).map_err(system)?;
        let about = file.metadata().map_err(system)?;
        if !about.is_file() {
            return Err(refuse(format!("`{shown}` is no file")));
        }
        let offset = number("offset")?.unwrap_or(0);
        let said = number("length")?.unwrap_or(length as u64);
        let end = offset.checked_add(said);
        if said != length as u64 || end.is_none_or(|end| end > about.len()) {
            return Err(refuse(format!(
                "it needs {length} bytes; it says that it has {said} from byte {offset} on of `{shown}`, which has {}",
                about.len()
            )));
        }
        let read = self.read.entry(path).or_default();
        *read += said;
        if *read > about.len() {
            return Err(refuse(format!("it lies on another array in `{shown}`")));
        }
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(offset)).map_err(system)?;
        file.read_exact(&mut bytes).map_err(system)?;
        Ok(bytes)
    }
}
