//! What is in a CSV file.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, ErrorKind, ReaderBuilder, Trim};

use crate::data::readers::Request;
use crate::data::{Column, Dataset, class_index, file_name, refuse, stream};
use crate::error::count;
use crate::graph::NodeId;
use crate::{Error, Result, Tensor};

/// The whole file as (training part, test part).
pub(super) fn read(request: &Request<'_>) -> Result<(Dataset, Dataset)> {
    let all = read_csv(request.path(), &label(request).unwrap_or_default())?;
    let test_items = ((all.len() + 2) / 5).max(1);
    all.split_stratified(0, test_items, request.seed)
}

/// The column that option `label` names, if it is set.
fn label(request: &Request<'_>) -> Option<LabelColumn> {
    Some(match (request.option("label")?, request.option("label")?.parse()) {
        (_, Ok(index)) => LabelColumn::At(index),
        ("last", _) => LabelColumn::Last,
        ("none", _) => LabelColumn::Absent,
        (name, _) => LabelColumn::Named(name.to_owned()),
    })
}

/// Every line. Where option `label` is not set, there are labels in the last column unless all columns
/// are as many as an input of the network is long.
pub(super) fn read_to_predict(request: &Request<'_>) -> Result<Dataset> {
    if let Some(label) = label(request) {
        return read_csv(request.path(), &label);
    }
    let unlabelled = read_csv(request.path(), &LabelColumn::Absent)?;
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let columns = count(unlabelled.inputs()[0].item_shape());
    let unlabelled_fits = request.network.is_none_or(|(graph, _)| {
        let fits = |id: NodeId| count(&graph.nodes()[id].shape) == columns;
        graph.inputs().into_iter().any(fits)
    });
    if unlabelled_fits { Ok(unlabelled) } else { read_csv(request.path(), &LabelColumn::Last) }
}

/// Which column of a CSV file holds the class index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelColumn {
    /// The last one.
    #[default]
    Last,
    /// The one at this index, counted from 0.
    At(usize),
    /// The one that the header calls so.
    Named(String),
    /// None: every column is a feature, and the data set has no target.
    Absent,
}

/// Reads a CSV file, gzipped or not, into the input `features`, `[items, columns]`, and the target
/// `label`, `[items]`.
///
/// The first line is a header if none of its fields is a number. Labels are class indices from 0.
/// Blank lines are passed over.
///
/// # Errors
///
/// [`Error::Io`] if the file can't be read. [`Error::Data`] with the file and the line if it is
/// empty, a line has another number of fields than the first, a field is empty, no number or not
/// finite, a label is no class index, or the label's column does not exist.
pub fn read_csv(path: impl AsRef<Path>, label: &LabelColumn) -> Result<Dataset> {
    let path = path.as_ref();
    parse(&file_name(path), path, stream::open(path)?, label)
}

/// [`read_csv`] from a stream; `path` is for messages.
fn parse(name: &str, path: &Path, stream: impl Read, label: &LabelColumn) -> Result<Dataset> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true) // lines of unequal length get a message of our own
        .trim(Trim::All)
        .from_reader(Lines::new(stream));
    let mut record = ByteRecord::new();
    // The number of the line that holds the next record, unless there is none.
    let mut read = |record: &mut ByteRecord| match reader.read_byte_record(record) {
        Ok(true) => Ok(Some(reader.get_ref().number)),
        Ok(false) => Ok(None),
        Err(error) => Err(match error.into_kind() {
            ErrorKind::Io(source) => stream::read_error(path, source),
            other => refuse(path.display(), format!("{other:?}"), "write the file as plain CSV"),
        }),
    };

    let no_items = |found: &str| {
        refuse(path.display(), format!("expected items, {found}"), "give one item a line")
    };
    let mut line = read(&mut record)?.ok_or_else(|| no_items("the file is empty"))?;
    let columns = record.len();
    let header = is_header(&record).then(|| record.clone());
    let label = find_label(path, label, columns, header.as_ref())?;
    let feature_count = columns - usize::from(label.is_some());
    if feature_count == 0 {
        return Err(refuse(
            at(path, line),
            format!("expected features beside the label, found {}", count(columns, "column")),
            "separate the columns with commas",
        ));
    }
    if header.is_some() {
        let item = read(&mut record)?;
        line = item.ok_or_else(|| no_items("the file holds only a header"))?;
    }

    let (mut features, mut labels) = (Vec::new(), Vec::new());
    // One thread reads and parses, 300 MB a second. To parse on another of rayon's threads what one has
    // read took 39 ms in place of 57 for 17.6 MB while two cores were free, 77 while they were not, and
    // 68 on one core, since lines must be copied for it: too little for what happens once a training.
    loop {
        if record.len() != columns {
            return Err(refuse(
                at(path, line),
                format!("expected {columns} fields as in the first line, found {}", record.len()),
                "give every line the same number of fields",
            ));
        }
        for (column, field) in record.iter().enumerate() {
            let value = number(field).filter(|value| value.is_finite());
            let value =
                value.ok_or_else(|| no_number(path, line, column, field, header.is_some()))?;
            if Some(column) != label {
                features.push(value);
            } else if class_index(value).is_some() {
                labels.push(value);
            } else {
                return Err(refuse(
                    format!("{}, column {}", at(path, line), column + 1),
                    format!("expected a class index, found `{}`", text(field)),
                    "number the classes 0, 1, 2 and so on",
                ));
            }
        }
        match read(&mut record)? {
            Some(next) => line = next,
            None => break,
        }
    }

    let items = features.len() / feature_count;
    let tensor = |shape: Vec<usize>, values| {
        Tensor::from_shape_vec(shape, values)
            .map_err(|error| refuse(path.display(), error.to_string(), "split the file"))
    };
    let inputs = vec![Column::new("features", tensor(vec![items, feature_count], features)?)];
    let targets = match label {
        Some(_) => vec![Column::new("label", tensor(vec![items], labels)?)],
        None => vec![],
    };
    Dataset::new(name, inputs, targets)
}

/// Whether a first line names the columns. A line with some numbers is an item with a mistake.
fn is_header(record: &ByteRecord) -> bool {
    record.iter().all(|field| !field.is_empty() && number(field).is_none())
}

/// The index of the label's column.
fn find_label(
    path: &Path,
    label: &LabelColumn,
    columns: usize,
    header: Option<&ByteRecord>,
) -> Result<Option<usize>> {
    match label {
        LabelColumn::Absent => Ok(None),
        LabelColumn::Last => Ok(Some(columns - 1)),
        LabelColumn::At(index) if *index < columns => Ok(Some(*index)),
        LabelColumn::At(index) => Err(refuse(
            path.display(),
            format!("expected the label in column {index}, found {}", count(columns, "column")),
            "columns are counted from 0",
        )),
        LabelColumn::Named(name) => {
            let Some(header) = header else {
                return Err(refuse(
                    path.display(),
                    format!("expected a header with a column `{name}`, found an item"),
                    "name the columns in the first line, or give the label's index",
                ));
            };
            let place = header.iter().position(|field| field == name.as_bytes());
            place.map(Some).ok_or_else(|| {
                let known = header.iter().map(text).collect::<Vec<_>>().join(", ");
                refuse(
                    path.display(),
                    format!("expected a column `{name}`, found {known}"),
                    "give one of these names",
                )
            })
        }
    }
}

fn number(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// A field for a message.
fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).chars().take(40).collect()
}

fn at(path: &Path, line: u64) -> String {
    format!("{}, line {line}", path.display())
}

fn no_number(path: &Path, line: u64, column: usize, field: &[u8], has_header: bool) -> Error {
    let expected = if number(field).is_some() { "a finite 32-bit float" } else { "a number" };
    let found = if field.is_empty() { "nothing".to_owned() } else { format!("`{}`", text(field)) };
    let remedy = if line == 1 && !has_header {
        "write a number, or make the line a header in which no field is a number"
    } else {
        "write a number, or leave the line out"
    };
    refuse(
        format!("{}, column {}", at(path, line), column + 1),
        format!("expected {expected}, found {found}"),
        remedy,
    )
}

/// Hands out one line per read, without blank ones, so that a record's line is the last one handed
/// out. The parser's own count lags behind at blank lines and carriage returns.
struct Lines<R> {
    stream: BufReader<R>,
    line: Vec<u8>,
    given: usize,
    number: u64,
}

impl<R: Read> Lines<R> {
    fn new(stream: R) -> Self {
        Self { stream: BufReader::new(stream), line: Vec::new(), given: 0, number: 0 }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.line.len() {
            (self.given, self.number) = (0, self.number + 1);
            self.line.clear();
            if self.stream.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(0);
            }
            self.line.truncate(self.line.trim_ascii_end().len());
            if !self.line.is_empty() {
                self.line.push(b'\n');
            }
        }
        let size = (&self.line[self.given..]).read(buffer)?;
        self.given += size;
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(text: &[u8], label: &LabelColumn) -> Result<Dataset> {
        parse("t", Path::new("t.csv"), text, label)
    }

    fn refusal(text: &[u8], label: &LabelColumn) -> String {
        read(text, label).unwrap_err().to_string()
    }

    fn contents(set: &Dataset) -> (&[f32], &[f32]) {
        (
            set.inputs()[0].values.as_slice().unwrap(),
            set.targets().first().map_or(&[], |column| column.values.as_slice().unwrap()),
        )
    }

    #[test]
    fn headers_blanks_quotes_and_line_ends_are_understood() {
        for text in [
            "1,-2.5,0\n3e1,4,2\n",
            "a,b,class\n1,-2.5,0\n3e1,4,2",
            "\u{feff}a,b,class\r\n 1 , -2.5 ,0\r\n\r\n\"3e1\",4,2\r\n",
        ] {
            let set = read(text.as_bytes(), &LabelColumn::Last).unwrap();
            assert_eq!(contents(&set), (&[1., -2.5, 30., 4.][..], &[0., 2.][..]), "{text:?}");
            assert_eq!(set.inputs()[0].values.shape(), [2, 2]);
            assert_eq!((&*set.inputs()[0].name, &*set.targets()[0].name), ("features", "label"));
        }
    }

    #[test]
    fn the_label_may_stand_anywhere() {
        let text = b"class,a,b\n1,2,3\n0,5,6\n";
        for label in [LabelColumn::At(0), LabelColumn::Named("class".to_owned())] {
            let set = read(text, &label).unwrap();
            assert_eq!(contents(&set), (&[2., 3., 5., 6.][..], &[1., 0.][..]));
        }
        let set = read(text, &LabelColumn::Absent).unwrap();
        assert_eq!(set.inputs()[0].values.shape(), [2, 3]);
        assert!(set.targets().is_empty());
    }

    #[test]
    fn gzipped_files_are_read_and_damaged_ones_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv.gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"1,2,0\n3,4,1\n").unwrap();
        let bytes = encoder.finish().unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let set = read_csv(&path, &LabelColumn::Last).unwrap();
        assert_eq!((set.name(), set.len()), ("t.csv.gz", 2));

        std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        let message = read_csv(&path, &LabelColumn::Last).unwrap_err().to_string();
        assert!(message.contains("t.csv.gz: expected a whole gzip file"), "{message}");
        let missing = read_csv(folder.path().join("no.csv"), &LabelColumn::Last).unwrap_err();
        assert!(matches!(missing, Error::Io { .. }));
    }

    #[test]
    fn what_is_no_table_of_numbers_is_refused_with_its_place() {
        for (text, expected) in [
            (&b""[..], "t.csv: expected items, the file is empty"),
            (b"\n\n", "t.csv: expected items, the file is empty"),
            (b"a,b,class\n", "t.csv: expected items, the file holds only a header"),
            (b"1,2,0\n1,0\n", "t.csv, line 2: expected 3 fields as in the first line, found 2"),
            (
                b"a,b\n1,0\n1,2,3\n",
                "t.csv, line 3: expected 2 fields as in the first line, found 3",
            ),
            (b"1,2,0\n1,x,0\n", "t.csv, line 2, column 2: expected a number, found `x`"),
            (b"1,\xff,0\n", "t.csv, line 1, column 2: expected a number, found `\u{fffd}`"),
            (
                b"a,2,0\n1,2,0\n",
                "t.csv, line 1, column 1: expected a number, found `a`; write a \
                number, or make the line a header in which no field is a number",
            ),
            (
                b"1,2,0\n\n1,,0\n",
                "t.csv, line 3, column 2: expected a number, found nothing; write a number",
            ),
            (b"a,b\r\n1,0\r\n \r\n\r\n1\r\n", "t.csv, line 5: expected 2 fields"),
            (b"1,0\n1,x", "t.csv, line 2, column 2"),
            (b"1,NaN,0\n", "line 1, column 2: expected a finite 32-bit float, found `NaN`"),
            (b"1,2,0\n1,-inf,0\n", "line 2, column 2: expected a finite 32-bit float"),
            (b"1e39,2,0\n", "line 1, column 1: expected a finite 32-bit float, found `1e39`"),
            (b"1,2,0.5\n", "t.csv, line 1, column 3: expected a class index, found `0.5`"),
            (b"1,2,-1\n", "expected a class index, found `-1`; number the classes 0, 1, 2"),
            (b"1;2;0\n", "found 1 column; separate the columns with commas"),
            (b"1\n0\n", "t.csv, line 1: expected features beside the label, found 1 column"),
        ] {
            let message = refusal(text, &LabelColumn::Last);
            assert!(message.contains(expected), "{message}\nlacks\n{expected}");
        }
    }

    #[test]
    fn labels_that_are_not_there_are_refused() {
        let named = LabelColumn::Named("class".to_owned());
        let message = refusal(b"1,2\n", &LabelColumn::At(2));
        assert!(message.contains("expected the label in column 2, found 2 columns"), "{message}");
        let message = refusal(b"1,2\n", &named);
        assert!(message.contains("expected a header with a column `class`"), "{message}");
        let message = refusal(b"a,b\n1,2\n", &named);
        assert!(message.contains("expected a column `class`, found a, b"), "{message}");
    }
}
