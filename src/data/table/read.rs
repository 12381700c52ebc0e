//! Tables from CSV files.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, ErrorKind, ReaderBuilder, Trim};

use super::Table;
use super::header::{FirstLine, first_line, separator};
use crate::data::{escaped, file_name, refuse, stream};
use crate::error::{Result, count};

/// The separator is found from this much of a file.
const SAMPLE_BYTES: u64 = 1 << 16;
/// And from this many of its lines.
const SAMPLE_LINES: usize = 100;

/// How a CSV file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableOptions {
    /// What separates fields; nothing: the first of tab, `;`, `|` and `,` that all lines have as often.
    pub separator: Option<u8>,
    /// Whether the first line names the columns; nothing: by the rule of `docs/data.md`.
    pub header: Option<bool>,
}

/// Reads a CSV file, gzipped or not. Without a header, columns are called `0`, `1` and so on. Blank lines
/// are passed over. A first column without a name whose fields are all different whole numbers is an
/// index, as pandas writes it, and is left out; [`Table::notes`] says so.
///
/// ```
/// use caudal::data::{TableOptions, read_table};
/// # let folder = std::env::temp_dir().join(format!("caudal-table-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("people.csv");
/// std::fs::write(&path, "age;city\n63;\"Paris\"\n41;Rome\n")?;
/// let table = read_table(&path, &TableOptions::default())?;
/// assert_eq!(table.columns(), ["age", "city"]);
/// assert_eq!((table.field(0, 1), table.line(0)), ("Paris", Some(2)));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) if the file can't be read. [`Error::Data`](crate::Error::Data) with the file and the line if it has no
/// items, if a line has another number of fields than the first, if it is no UTF-8 text, if a quote is
/// never closed, if two columns share a name, or if the first line may be a header or an item.
pub fn read_table(path: impl AsRef<Path>, options: &TableOptions) -> Result<Table> {
    let path = path.as_ref();
    parse(&file_name(path), path, stream::open(path)?, options)
}

/// [`read_table`] from a stream; `path` is for messages.
pub(super) fn parse(
    name: &str,
    path: &Path,
    mut stream: impl Read,
    options: &TableOptions,
) -> Result<Table> {
    let origin = path.display().to_string();
    let mut sample = Vec::new();
    let read = stream.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample);
    read.map_err(|source| stream::read_error(path, source))?;
    if sample.starts_with(&[0xff, 0xfe]) || sample.starts_with(&[0xfe, 0xff]) {
        return Err(refuse(&origin, "expected UTF-8 text, found UTF-16", "save the file as UTF-8"));
    }
    let text = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&sample);
    let separator = options.separator.unwrap_or_else(|| sniff(text));
    let rest = text.len();
    let sample = sample.split_off(sample.len() - rest);
    let lines = Lines::new(io::Cursor::new(sample).chain(stream), separator);
    let mut records = Records {
        path,
        reader: ReaderBuilder::new()
            .has_headers(false)
            .flexible(true) // lines of unequal length get a message of our own
            .delimiter(separator)
            .trim(Trim::All)
            .from_reader(lines),
    };

    let no_items =
        |found: &str| refuse(&origin, format!("expected items, {found}"), "give one item a line");
    let mut table = Table::empty(name.to_owned(), origin.clone());
    table.folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let (mut first, mut second) = (ByteRecord::new(), ByteRecord::new());
    let first_at = records.next(&mut first)?.ok_or_else(|| no_items("the file is empty"))?;
    let second_at = records.next(&mut second)?;
    let header = if let Some(header) = options.header {
        header
    } else {
        let first = fields(&origin, first_at, &first)?;
        let second = second_at.map(|line| fields(&origin, line, &second)).transpose()?;
        is_header(&mut table, first_at, first_line(&first, second.as_deref()))?
    };
    if header && second_at.is_none() {
        return Err(no_items("the file holds only a header"));
    }
    let width = first.len();
    table.columns = (0..width).map(|at| at.to_string()).collect();
    if header {
        for (column, name) in table.columns.iter_mut().zip(fields(&origin, first_at, &first)?) {
            if !name.is_empty() {
                name.clone_into(column);
            }
        }
    } else {
        add(&mut table, first_at, &first)?;
    }
    // One thread reads and parses: to parse on another of rayon's threads what one has read took 39 ms
    // in place of 57 for 17.6 MB while two cores were free, 77 while they were not, and 68 on one core,
    // since lines must be copied for it: too little for what happens once a training.
    let mut line = second_at;
    while let Some(at) = line {
        add(&mut table, at, &second)?;
        line = records.next(&mut second)?;
    }
    if header && matches!(first.get(0), Some(b"" | b"Unnamed: 0")) {
        leave_out_index(&mut table);
    }
    table.check()?;
    Ok(table)
}

/// Whether the first line is a header, with a note where a user should hear of it.
fn is_header(table: &mut Table, line: u64, found: FirstLine) -> Result<bool> {
    let origin = &table.origin;
    Ok(match found {
        FirstLine::Header => true,
        FirstLine::Item => false,
        FirstLine::ItemOfWords => {
            table.notes.push(format!(
                "{origin}: line {line} holds numbers, so it is taken for an item; if it names the \
                 columns, say so with the option header=yes"
            ));
            false
        }
        FirstLine::CountingHeader => {
            table.notes.push(format!(
                "{origin}: line {line} counts up from 0, so it is taken for the names of the columns; \
                 if it is an item, say so with the option header=no"
            ));
            true
        }
        FirstLine::Ambiguous(why) => {
            return Err(refuse(
                format!("{origin}, line {line}"),
                format!("expected names of columns or an item, and it may be either: {why}"),
                "say which with the option header=yes or header=no, as in `--data FILE.csv:header=yes`",
            ));
        }
    })
}

/// Adds an item.
fn add(table: &mut Table, line: u64, record: &ByteRecord) -> Result<()> {
    let width = table.columns.len();
    if record.len() != width {
        let separators = "give every line the same number of fields, and put a field that holds the \
                          separator into quotes";
        return Err(refuse(
            format!("{}, line {line}", table.origin),
            format!(
                "expected {} as in the first line, found {}",
                count(width, "field"),
                record.len()
            ),
            separators,
        ));
    }
    for column in 0..width {
        let field = field(&table.origin, line, column, record)?;
        table.push(field);
    }
    table.lines.push(line);
    Ok(())
}

/// All fields of a record.
fn fields<'r>(origin: &str, line: u64, record: &'r ByteRecord) -> Result<Vec<&'r str>> {
    (0..record.len()).map(|column| field(origin, line, column, record)).collect()
}

/// A field as text.
fn field<'r>(origin: &str, line: u64, column: usize, record: &'r ByteRecord) -> Result<&'r str> {
    let bytes = record.get(column).unwrap_or_default();
    std::str::from_utf8(bytes).map_err(|error| {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let shown: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
        refuse(
            format!("{origin}, line {line}, column {}", column + 1),
            format!("expected UTF-8 text, found byte {byte:02x} in `{}`", escaped(&shown)),
            "save the file as UTF-8; it may be in Latin-1 or Windows-1252",
        )
    })
}

/// Leaves out the first column if its fields are all different whole numbers.
fn leave_out_index(table: &mut Table) {
    let mut seen = std::collections::HashSet::new();
    let mut index = (0..table.len()).map(|row| table.field(row, 0));
    if table.columns.len() < 2
        || !index.all(|field| field.parse::<u64>().is_ok_and(|number| seen.insert(number)))
    {
        return;
    }
    let mut kept = Table::empty(table.name().to_owned(), table.origin.clone());
    for row in 0..table.len() {
        (1..table.columns.len()).for_each(|column| kept.push(table.field(row, column)));
    }
    kept.columns = table.columns.split_off(1);
    kept.lines = std::mem::take(&mut table.lines);
    kept.notes = std::mem::take(&mut table.notes);
    kept.folder = std::mem::take(&mut table.folder);
    kept.notes.push(format!(
        "{}: its first column has no name and holds all different whole numbers: it is left out, as an \
         index is",
        kept.origin
    ));
    *table = kept;
}

/// What separates the fields of a file that begins so.
fn sniff(sample: &[u8]) -> u8 {
    let whole = (sample.len() as u64) < SAMPLE_BYTES;
    let mut lines: Vec<&[u8]> = sample.split(|&byte| byte == b'\n').collect();
    if !whole {
        // It may be cut short.
        lines.pop();
    }
    lines.retain(|line| !line.trim_ascii().is_empty());
    lines.truncate(SAMPLE_LINES);
    separator(&lines)
}

/// The records of a file with the lines that they begin at.
struct Records<'p, R> {
    path: &'p Path,
    reader: csv::Reader<Lines<R>>,
}

impl<R: Read> Records<'_, R> {
    /// Reads the next record and gives its line; nothing at the end.
    fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>> {
        let found =
            self.reader.read_byte_record(record).map_err(|error| match error.into_kind() {
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
        let line = lines.first;
        self.reader.get_mut().record_ends();
        Ok(Some(line))
    }
}

/// Hands out one line per read, without blank ones, so that a record's lines are those handed out since
/// the record before. The parser's own count lags behind at blank lines and carriage returns.
struct Lines<R> {
    stream: BufReader<R>,
    separator: u8,
    line: Vec<u8>,
    given: usize,
    /// The last line that was handed out.
    number: u64,
    /// The line at which the record at hand begins.
    first: u64,
    begun: bool,
    /// Quotes in the record at hand.
    quotes: usize,
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
            begun: false,
            quotes: 0,
            ended: false,
        }
    }

    /// A record has been read: the next line belongs to another.
    fn record_ends(&mut self) {
        self.begun = false;
        self.quotes = 0;
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.line.len() {
            self.line.clear();
            self.given = 0;
            if self.stream.read_until(b'\n', &mut self.line)? == 0 {
                self.ended = true;
                return Ok(0);
            }
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
            }
            self.quotes += self.line.split(|&byte| byte == b'"').count() - 1;
        }
        let size = (&self.line[self.given..]).read(buffer)?;
        self.given += size;
        Ok(size)
    }
}
