//! The rows of a table: in memory, or in a file that is read again.

use crate::error::Result;

#[cfg(feature = "csv")]
pub(super) use file::FileRows;

/// Text beyond which it is looked at whether memory holds more.
#[cfg(any(feature = "csv", feature = "parquet"))]
pub(super) const CHECKED_BYTES: usize = 1 << 26;

/// Where the text of a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Memory(Text),
    /// Where each row lies in a file.
    #[cfg(feature = "csv")]
    File(std::sync::Arc<FileRows>),
}

/// Rows of fields, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    /// Where each field ends, row by row.
    pub(super) ends: Vec<usize>,
}

/// The fields of one row.
#[derive(Clone, Copy, Debug)]
pub(in crate::data) struct Row<'a> {
    text: &'a str,
    start: usize,
    ends: &'a [usize],
}

impl Text {
    /// Adds a field to the row at hand.
    pub(super) fn push(&mut self, field: &str) {
        self.text.push_str(field);
        self.ends.push(self.text.len());
    }

    /// How many bytes are held.
    #[cfg(any(feature = "csv", feature = "parquet"))]
    pub(super) fn held(&self) -> usize {
        self.text.len() + size_of_val(self.ends.as_slice())
    }

    /// A row of a table of so many columns.
    pub(super) fn row(&self, row: usize, width: usize) -> Row<'_> {
        let first = row * width;
        let start = if first == 0 { 0 } else { self.ends[first - 1] };
        Row { text: &self.text, start, ends: &self.ends[first..][..width] }
    }

    #[cfg(feature = "csv")]
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

impl<'a> Row<'a> {
    /// A field by its place.
    pub(in crate::data) fn field(&self, column: usize) -> &'a str {
        let start = if column == 0 { self.start } else { self.ends[column - 1] };
        &self.text[start..self.ends[column]]
    }

    /// All fields, without what separates them.
    pub(super) fn text(&self) -> &'a str {
        &self.text[self.start..self.ends.last().copied().unwrap_or(self.start)]
    }

    /// Where each field ends within [`Row::text`].
    pub(super) fn ends(&self) -> impl Iterator<Item = usize> {
        self.ends.iter().map(|end| end - self.start)
    }
}

impl Rows {
    /// Hands the chosen rows of a table of so many columns to `see`, in the order given.
    ///
    /// # Errors
    /// What `see` returns, and what can't be read.
    pub(super) fn each(
        &self,
        width: usize,
        chosen: &mut dyn Iterator<Item = usize>,
        see: &mut dyn FnMut(usize, Row<'_>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Memory(text) => {
                for row in chosen {
                    see(row, text.row(row, width))?;
                }
                Ok(())
            }
            #[cfg(feature = "csv")]
            Self::File(file) => file.each(width, chosen, see),
        }
    }
}

#[cfg(feature = "csv")]
mod file {
    use std::io::{Cursor, ErrorKind};
    use std::path::PathBuf;

    use csv::ByteRecord;

    use super::super::records::records;
    use super::{Row, Text};
    use crate::data::positioned::PositionedFile;
    use crate::data::refuse;
    use crate::error::{Error, Result};

    /// About so many bytes are read at a time.
    const PIECE_BYTES: u64 = 1 << 20;

    /// The rows of a CSV file, which is read again where they are needed.
    #[derive(Debug)]
    pub(in crate::data::table) struct FileRows {
        pub(in crate::data::table) path: PathBuf,
        pub(in crate::data::table) file: PositionedFile,
        pub(in crate::data::table) separator: u8,
        /// How many fields at the beginning of a row belong to no column.
        pub(in crate::data::table) skipped: usize,
        /// Where each row begins, and where the last one ends.
        pub(in crate::data::table) starts: Vec<u64>,
    }

    impl PartialEq for FileRows {
        fn eq(&self, other: &Self) -> bool {
            self.path == other.path && self.starts == other.starts && self.skipped == other.skipped
        }
    }

    impl Eq for FileRows {}

    impl FileRows {
        pub(in crate::data::table) fn len(&self) -> usize {
            self.starts.len() - 1
        }

        pub(super) fn each(
            &self,
            width: usize,
            chosen: &mut dyn Iterator<Item = usize>,
            see: &mut dyn FnMut(usize, Row<'_>) -> Result<()>,
        ) -> Result<()> {
            let (mut bytes, mut text, mut piece) = (Vec::new(), Text::default(), Vec::new());
            loop {
                piece.clear();
                let mut size = 0;
                while size < PIECE_BYTES {
                    let Some(row) = chosen.next() else { break };
                    size += self.starts[row + 1] - self.starts[row];
                    piece.push(row);
                }
                if piece.is_empty() {
                    return Ok(());
                }
                self.read(&piece, width, &mut bytes, &mut text)?;
                for (place, &row) in piece.iter().enumerate() {
                    see(row, text.row(place, width))?;
                }
            }
        }

        /// Reads rows and divides them into fields.
        fn read(
            &self,
            rows: &[usize],
            width: usize,
            bytes: &mut Vec<u8>,
            text: &mut Text,
        ) -> Result<()> {
            bytes.clear();
            text.clear();
            let (mut begun, mut at) = (0, 0);
            while at < rows.len() {
                // Rows that follow each other are read at once.
                let first = rows[at];
                let run = rows[at..].iter().zip(first..).take_while(|(row, next)| *row == next);
                let run = run.count();
                let (start, end) = (self.starts[first], self.starts[first + run]);
                let before = bytes.len();
                bytes.resize(before + (end - start) as usize, 0);
                self.file.read_exact_at(&mut bytes[before..], start).map_err(
                    |source| match source.kind() {
                        ErrorKind::UnexpectedEof => self.refuse_change(first),
                        _ => Error::io(&self.path, source),
                    },
                )?;
                // The last line of a file may have no end.
                bytes.push(b'\n');
                at += run;
                // A quote of the last row may be open: no other row may follow it.
                if first + run == self.len() || at == rows.len() {
                    self.parse(&rows[begun..at], width, bytes, text)?;
                    bytes.clear();
                    begun = at;
                }
            }
            Ok(())
        }

        fn refuse_change(&self, row: usize) -> Error {
            refuse(
                format!("{}, item {row}", self.path.display()),
                "the file is not as it was when its lines were counted",
                "leave the file alone while it is in use",
            )
        }

        /// Divides the text of rows into fields.
        fn parse(&self, rows: &[usize], width: usize, bytes: &[u8], text: &mut Text) -> Result<()> {
            let changed = |row| self.refuse_change(row);
            let mut records = records(&self.path, Cursor::new(bytes), self.separator);
            let mut record = ByteRecord::new();
            for &row in rows {
                let found = records.next(&mut record)?;
                if found.is_none() || record.len() != width + self.skipped {
                    return Err(changed(row));
                }
                for field in record.iter().skip(self.skipped) {
                    text.push(std::str::from_utf8(field).map_err(|_| changed(row))?);
                }
            }
            if records.next(&mut record)?.is_some() {
                return Err(changed(rows.last().copied().unwrap_or(0)));
            }
            Ok(())
        }
    }
}
