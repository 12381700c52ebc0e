//! The records of a CSV file, with the places where they begin.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, ErrorKind, ReaderBuilder, Trim};

use crate::data::{refuse, stream};
use crate::error::Result;

/// The most bytes of a record, be it on one line or on several: more are no table.
const LONGEST: usize = 1 << 26;

/// Where a record begins.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) line: u64,
    /// The byte in the stream, if it is the first record of its line: a carriage return alone ends a record too.
    pub(super) start: Option<u64>,
}

/// The records of a stream; `path` is for messages.
pub(super) fn records<R: Read>(path: &Path, stream: R, separator: u8) -> Records<'_, R> {
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true) // lines of unequal length get a message of our own
        .delimiter(separator)
        .trim(Trim::All)
        .from_reader(Lines::new(stream, separator));
    Records { path, reader }
}

/// Why reading ends.
#[derive(Debug, thiserror::Error)]
#[error("an item is too long")]
struct TooLong;

/// The records of a file with the lines that they begin at.
pub(super) struct Records<'p, R> {
    path: &'p Path,
    reader: csv::Reader<Lines<R>>,
}

impl<R: Read> Records<'_, R> {
    /// How many bytes of the stream have been read.
    pub(super) fn position(&self) -> u64 {
        self.reader.get_ref().position
    }

    /// Reads the next record and says where it begins; nothing at the end.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<Place>> {
        let (line, begun) = (self.reader.get_ref().number, self.reader.get_ref().begun);
        let first = if begun { self.reader.get_ref().first } else { line + 1 };
        let found =
            self.reader.read_byte_record(record).map_err(|error| match error.into_kind() {
                ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => refuse(
                    format!("{}, line {first}", self.path.display()),
                    format!("expected an item, found no end of it within {} MiB", LONGEST >> 20),
                    "end every line, and close every quote",
                ),
                ErrorKind::Io(source) => stream::read_error(self.path, source),
                other => refuse(self.path.display(), format!("{other:?}"), "write it as plain CSV"),
            })?;
        if !found {
            return Ok(None);
        }
        let lines = self.reader.get_ref();
        if lines.ended && lines.quotes % 2 == 1 && lines.number > lines.first {
            return Err(refuse(
                format!("{}, line {}", self.path.display(), lines.first),
                "expected the end of a quoted field, the file ends before it",
                "close the quote, or double it where it belongs to the text",
            ));
        }
        let start = lines.begun.then_some(lines.start);
        let place = Place { line: lines.first, start };
        self.reader.get_mut().record_ends();
        Ok(Some(place))
    }
}

/// Hands out one line per read, without blank ones, so that a record's lines are those handed out since
/// the record before. The parser's own count lags behind at blank lines and carriage returns.
pub(super) struct Lines<R> {
    stream: BufReader<R>,
    separator: u8,
    line: Vec<u8>,
    given: usize,
    /// The last line that was handed out.
    number: u64,
    /// The line and the byte at which the record at hand begins.
    first: u64,
    start: u64,
    /// How many bytes have been read.
    position: u64,
    begun: bool,
    /// Quotes and bytes in the record at hand.
    quotes: usize,
    length: usize,
    ended: bool,
}

impl<R: Read> Lines<R> {
    fn new(stream: R, separator: u8) -> Self {
        Self {
            stream: BufReader::new(stream),
            separator,
            line: Vec::new(),
            given: 0,
            number: 0,
            first: 0,
            start: 0,
            position: 0,
            begun: false,
            quotes: 0,
            length: 0,
            ended: false,
        }
    }

    /// A record has been read: the next line belongs to another.
    fn record_ends(&mut self) {
        self.begun = false;
        self.quotes = 0;
        self.length = 0;
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.line.len() {
            self.line.clear();
            self.given = 0;
            let most = LONGEST.saturating_sub(self.length) as u64;
            let size = self.stream.by_ref().take(most).read_until(b'\n', &mut self.line)? as u64;
            if size == most && most > 0 {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, TooLong));
            }
            if size == 0 {
                self.ended = true;
                return Ok(0);
            }
            self.position += size;
            self.number += 1;
            // Trailing separators are fields, be they white space.
            let blank = |byte: &u8| byte.is_ascii_whitespace() && *byte != self.separator;
            let end = self.line.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
            let inside_quotes = self.quotes % 2 == 1;
            if end == 0 && !inside_quotes {
                self.line.clear();
                continue;
            }
            if !inside_quotes {
                self.line.truncate(end);
                self.line.push(b'\n');
            }
            if !self.begun {
                (self.begun, self.first) = (true, self.number);
                self.start = self.position - size;
            }
            self.length += self.line.len();
            self.quotes += self.line.split(|&byte| byte == b'"').count() - 1;
        }
        let size = (&self.line[self.given..]).read(buffer)?;
        self.given += size;
        Ok(size)
    }
}
