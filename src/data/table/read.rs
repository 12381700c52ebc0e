//! Tables from CSV files.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use csv::ByteRecord;

use super::Table;
use super::header::{FirstLine, first_line, separator};
use super::records::{Place, records};
use super::rows::{CHECKED_BYTES, FileRows, Rows, Text};
use crate::data::positioned::PositionedFile;
use crate::data::{escaped, file_name, refuse, stream};
use crate::error::{Error, Result, count};
use crate::memory;

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
/// assert_eq!((table.field(0, 1)?, table.line(0)), ("Paris".into(), Some(2)));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Io`] if the file can't be read. [`Error::Data`] with the file and the line if it has no
/// items, if a line has another number of fields than the first, if it is no UTF-8 text, if a quote is
/// never closed, if two columns share a name, or if the first line may be a header or an item.
pub fn read_table(path: impl AsRef<Path>, options: &TableOptions) -> Result<Table> {
    let path = path.as_ref();
    parse(&file_name(path), path, stream::open(path)?, options)
}

/// As [`read_table`], but keeps only where each row lies in the file, and reads rows again where they are needed.
///
/// # Errors
/// As [`read_table`]; further if the file is compressed.
pub(crate) fn open_table(path: &Path, options: &TableOptions) -> Result<Table> {
    let file = PositionedFile::open(path)?;
    let mut start = [0; 2];
    if file.length() >= 2 {
        file.read_exact_at(&mut start, 0).map_err(|source| Error::io(path, source))?;
    }
    if start == [0x1f, 0x8b] {
        return Err(refuse(
            path.display(),
            "rows of a compressed file can't be read one by one",
            "decompress it, or leave out the option memory=no",
        ));
    }
    parse_rows(&file_name(path), path, stream::open(path)?, options, Some(file))
}

/// [`read_table`] from a stream; `path` is for messages.
pub(super) fn parse(
    name: &str,
    path: &Path,
    stream: impl Read,
    options: &TableOptions,
) -> Result<Table> {
    parse_rows(name, path, stream, options, None)
}

/// Reads the rows of a stream, which are kept as text, or as their places in `file`.
fn parse_rows(
    name: &str,
    path: &Path,
    mut stream: impl Read,
    options: &TableOptions,
    file: Option<PositionedFile>,
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
    let mark = sample.len() - rest;
    let sample = sample.split_off(mark);
    let mut records = records(path, io::Cursor::new(sample).chain(stream), separator);
    let mut rows = match file {
        None => Kept::Text(Text::default()),
        Some(_) => Kept::Starts { mark: mark as u64, starts: Vec::new() },
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
        let first = fields(&origin, first_at.line, &first)?;
        let second = second_at.map(|at| fields(&origin, at.line, &second)).transpose()?;
        is_header(&mut table, first_at.line, first_line(&first, second.as_deref()))?
    };
    if header && second_at.is_none() {
        return Err(no_items("the file holds only a header"));
    }
    let width = first.len();
    table.columns = (0..width).map(|at| at.to_string()).collect();
    if header {
        for (column, name) in table.columns.iter_mut().zip(fields(&origin, first_at.line, &first)?)
        {
            if !name.is_empty() {
                name.clone_into(column);
            }
        }
    } else {
        rows.add(&mut table, first_at, &first)?;
    }
    // One thread reads and parses: to parse on another of rayon's threads what one has read took 39 ms
    // in place of 57 for 17.6 MB while two cores were free, 77 while they were not, and 68 on one core,
    // since lines must be copied for it: too little for what happens once a training.
    let mut line = second_at;
    let mut most_held = CHECKED_BYTES;
    while let Some(at) = line {
        rows.add(&mut table, at, &second)?;
        if rows.held() > most_held {
            most_held = 2 * rows.held();
            memory::check(most_held)
                .map_err(|problem| too_large(&origin, at.line, most_held, &problem))?;
        }
        line = records.next(&mut second)?;
    }
    table.rows = match (rows, file) {
        (Kept::Starts { mark, mut starts }, Some(file)) => {
            starts.push(mark + records.position());
            let path = path.to_owned();
            table.notes.push(format!(
                "{origin}: its lines are not held in memory, but read as they are used"
            ));
            Rows::File(Arc::new(FileRows { path, file, separator, skipped: 0, starts }))
        }
        (Kept::Text(text), _) => Rows::Memory(text),
        (Kept::Starts { .. }, None) => Rows::Memory(Text::default()),
    };
    if header && matches!(first.get(0), Some(b"" | b"Unnamed: 0")) {
        leave_out_index(&mut table)?;
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

/// What is kept of rows that are read.
enum Kept {
    Text(Text),
    /// Where each begins, behind the mark of the text's encoding.
    Starts {
        mark: u64,
        starts: Vec<u64>,
    },
}

/// Refuses a table whose text memory does not hold, as that of a small compressed file may be.
fn too_large(origin: &str, line: u64, bytes: usize, problem: &str) -> Error {
    let amount = memory::amount(bytes);
    refuse(
        format!("{origin}, line {line}"),
        format!("its text takes more than {amount}, {problem}"),
        "use fewer items, or a file that is not compressed with the option memory=no",
    )
}

impl Kept {
    /// How many bytes are kept.
    fn held(&self) -> usize {
        match self {
            Self::Text(text) => text.held(),
            Self::Starts { starts, .. } => size_of_val(starts.as_slice()),
        }
    }

    /// Adds an item.
    fn add(&mut self, table: &mut Table, at: Place, record: &ByteRecord) -> Result<()> {
        let (width, line) = (table.columns.len(), at.line);
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
            if let Self::Text(text) = self {
                text.push(field);
            }
        }
        if let Self::Starts { mark, starts } = self {
            let start = at.start.ok_or_else(|| {
                refuse(
                    format!("{}, line {line}", table.origin),
                    "lines that end with a carriage return alone can't be read one by one",
                    "write the file with line feeds, or take it in as a whole with the option memory=yes",
                )
            })?;
            starts.push(*mark + start);
        }
        Arc::make_mut(&mut table.lines).push(line);
        Ok(())
    }
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
fn leave_out_index(table: &mut Table) -> Result<()> {
    let (mut numbers, mut whole) = (Vec::new(), true);
    let width = table.columns.len();
    table.each(0..table.len(), |_, row| {
        match row.field(0).parse::<u64>() {
            Ok(number) if whole => numbers.push(number),
            _ => whole = false,
        }
        Ok(())
    })?;
    numbers.sort_unstable();
    if width < 2 || !whole || numbers.windows(2).any(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    table.rows = match &mut table.rows {
        Rows::Memory(all) => {
            let mut kept = Text::default();
            for row in 0..all.ends.len() / width {
                (1..width).for_each(|column| kept.push(all.row(row, width).field(column)));
            }
            Rows::Memory(kept)
        }
        Rows::File(file) => {
            if let Some(file) = Arc::get_mut(file) {
                file.skipped = 1;
            }
            Rows::File(Arc::clone(file))
        }
    };
    table.columns.remove(0);
    table.notes.push(format!(
        "{}: its first column has no name and holds all different whole numbers: it is left out, as an \
         index is",
        table.origin
    ));
    Ok(())
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
