//! Files that are read at positions, by several threads at once.

use std::fs::File;
use std::io;
use std::path::Path;

use super::refuse;
use crate::{Error, Result};

/// A file that is open for reading.
#[derive(Debug)]
pub(in crate::data) struct PositionedFile {
    file: File,
    length: u64,
    /// Whose turn it is to move the file's cursor.
    #[cfg(not(unix))]
    turn: parking_lot::Mutex<()>,
}

impl PositionedFile {
    pub(in crate::data) fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::io(path, source);
        let file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        if !about.is_file() {
            return Err(refuse(path.display(), "it is no file", "name a file"));
        }
        Ok(Self {
            file,
            length: about.len(),
            #[cfg(not(unix))]
            turn: parking_lot::Mutex::new(()),
        })
    }

    /// How many bytes it had when it was opened.
    pub(in crate::data) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `bytes` with those from `position` on.
    pub(in crate::data) fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, position);
        #[cfg(not(unix))]
        {
            use std::io::{Read, Seek, SeekFrom};

            let _turn = self.turn.lock();
            (&self.file).seek(SeekFrom::Start(position))?;
            (&self.file).read_exact(bytes)
        }
    }
}
