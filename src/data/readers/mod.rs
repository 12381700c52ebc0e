//! Readers of data: the [`READERS`] table, in which a `--data` argument is looked up.
//!
//! To add a reader, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here: the module and the row of the table.

mod csv;
mod digits;
mod idx;
mod request;
mod synthetic;

use std::path::Path;

#[cfg(feature = "csv")]
pub use csv::{LabelColumn, read_csv};
pub use digits::digits;
pub use idx::{read_idx, read_idx_folder};
pub use request::Request;
pub use synthetic::{TargetKind, synthetic, synthetic_for};

use super::{Dataset, refuse};
use crate::error::Result;
use crate::graph::Graph;

/// Every reader, in the order in which they are asked whether some data is theirs.
pub const READERS: &[&ReaderSpec] = &[&digits::SPEC, &synthetic::SPEC, &idx::SPEC, &csv::SPEC];

/// Which items of a data set in one piece make the test part. It does not follow the seed of a
/// training, so that a saved model is evaluated on items that it has not seen.
const SPLIT_SEED: u64 = 0;

/// One row of the [`READERS`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReaderSpec {
    /// What it is called.
    pub name: &'static str,
    /// What it reads and what comes of that, in one line.
    pub summary: &'static str,
    /// What a user names in order to have it read, for lists: a word in backquotes, or such as
    /// `a CSV file`.
    pub form: &'static str,
    /// What may be set, as in `points.csv:label=class`: its name, and what it means.
    pub options: &'static [(&'static str, &'static str)],
    /// Whether it reads what a user calls so, a word or a path: from the ending of a file's name or
    /// from what lies in a folder.
    pub recognizes: fn(&str) -> bool,
    /// Reads the data as (training part, test part).
    pub read: fn(&Request<'_>) -> Result<(Dataset, Dataset)>,
    /// Reads the items to predict for, where these are others than the test part.
    pub read_to_predict: Option<fn(&Request<'_>) -> Result<Dataset>>,
}

/// The reader for what a user calls `source`: a word, or the path of a file or folder.
///
/// ```
/// assert_eq!(caudal::data::reader("measured/points.csv.gz")?.name, "csv");
///
/// let message = caudal::data::reader("points.npz").unwrap_err().to_string();
/// assert!(message.contains("found nothing of this name"));
/// assert!(message.contains("`digits`") && message.contains("a CSV file"));
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Data`](crate::Error::Data), with what is there and what the readers read, if it is for none of them.
pub fn reader(source: &str) -> Result<&'static ReaderSpec> {
    let spec = READERS.iter().find(|spec| (spec.recognizes)(source)).copied();
    spec.ok_or_else(|| {
        let path = Path::new(source);
        let found = if path.is_dir() {
            "a folder that no reader knows"
        } else if path.exists() {
            "a file that no reader knows"
        } else {
            "nothing of this name"
        };
        refuse(
            source.escape_debug(),
            format!("expected {}, found {found}", forms()),
            "`caudal readers` says how each is recognized",
        )
    })
}

/// What all readers read, for texts: `a, b or c`.
///
/// ```
/// assert!(caudal::data::forms().starts_with("`digits`, "));
/// ```
pub fn forms() -> String {
    let all: Vec<&str> = READERS.iter().map(|spec| spec.form).collect();
    match all.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => all.concat(),
    }
}

/// Reads the file or folder at `path` as (training part, test part), by the reader that recognizes it.
/// Where the file is one piece, `seed` chooses the items of the test part: of a CSV file, whose label
/// is in the last column, one item in five, in proportion per class.
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) if a file can't be read; [`Error::Data`](crate::Error::Data) if no reader recognizes `path`, if its reader
/// needs a network, or if its contents are refused.
pub fn open(path: impl AsRef<Path>, seed: u64) -> Result<(Dataset, Dataset)> {
    let source = path.as_ref().to_string_lossy();
    let request = Request { source: &source, options: Vec::new(), network: None, seed };
    (reader(&source)?.read)(&request)
}

/// The data that a user writes as `text`, as (training part, test part): what [`reader`] finds, with
/// its options after a colon, as in `points.csv:label=class`. Data that is made up fits `graph` and
/// has at least `batch` items to train on.
///
/// # Errors
///
/// As [`open`]; further [`Error::Data`](crate::Error::Data) if the reader has no such option or can't use its value.
pub fn load(text: &str, graph: &Graph, batch: usize) -> Result<(Dataset, Dataset)> {
    let (spec, request) = Request::parse(text, Some((graph, batch)), SPLIT_SEED)?;
    (spec.read)(&request)
}

/// The items that a user writes as `text` to predict for: the test part of what [`load`] gives, but
/// every line of a CSV file. If the columns of the file are as many as an input of `graph` is long, it
/// has no labels.
///
/// # Errors
///
/// As [`load`].
pub fn load_to_predict(text: &str, graph: &Graph, batch: usize) -> Result<Dataset> {
    let (spec, request) = Request::parse(text, Some((graph, batch)), SPLIT_SEED)?;
    match spec.read_to_predict {
        Some(read) => read(&request),
        None => Ok((spec.read)(&request)?.1),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::graph::GraphBuilder;
    use crate::layers::Dense;
    use crate::losses::{MeanSquaredError, SoftmaxCrossEntropy};

    /// One input of two numbers, seven classes, and three numbers to come close to.
    fn graph() -> Graph {
        let mut net = GraphBuilder::new("two heads");
        let point = net.input("point", [2]);
        let (label, goal) = (net.target("label", []), net.target("goal", [3]));
        let logits = net.layer("logits", Dense::new(7), [&point]);
        let guess = net.layer("guess", Dense::new(3), [&point]);
        net.loss("class", SoftmaxCrossEntropy, [&logits, &label]);
        net.loss("distance", MeanSquaredError, [&guess, &goal]);
        net.build().unwrap()
    }

    #[test]
    fn synthetic_data_fits_every_input_and_target() {
        let data = synthetic_for(&graph(), 100, 1).unwrap();
        let shape = |name: &str| data.column(name).unwrap().values.shape().to_vec();
        assert_eq!(shape("point"), [100, 2]);
        assert_eq!(shape("goal"), [100, 3]);
        assert_eq!(data.column("label").unwrap().class_count(), Some(7));
        assert_eq!(data, synthetic_for(&graph(), 100, 1).unwrap());
        assert_ne!(data, synthetic_for(&graph(), 100, 2).unwrap());
    }

    #[test]
    fn synthetic_parts_differ_and_hold_a_batch() {
        let (train, test) = load("synthetic", &graph(), 5000).unwrap();
        assert_eq!((train.len(), test.len()), (5000, 256));
        assert_ne!(
            train.inputs()[0].values[[0, 0]].to_bits(),
            test.inputs()[0].values[[0, 0]].to_bits()
        );
        let message = load("synthetic", &graph(), 1 << 40).unwrap_err().to_string();
        assert!(message.contains("use a smaller batch"), "{message}");
    }

    #[test]
    fn predictions_take_every_line_with_or_without_labels() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("with.csv", "1,2,0\n3,4,1\n5,6,1\n"), ("without.csv", "1,2\n3,4\n5,6\n")]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let data = load_to_predict(path.to_str().unwrap(), &graph(), 1).unwrap();
            assert_eq!(data.inputs()[0].values.shape(), [3, 2], "{name}");
        }
        assert_eq!(load_to_predict("digits", &graph(), 1).unwrap().len(), 360);
    }

    #[test]
    fn a_csv_file_is_split_into_four_fifths_and_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Points.CSV");
        let mut text = String::from("x,y,class\n");
        for item in 0..50 {
            writeln!(text, "{item},{}.5,{}", item * 2, item % 2).unwrap();
        }
        std::fs::write(&path, text).unwrap();
        let (train, test) = open(&path, 1).unwrap();
        assert_eq!((train.len(), test.len()), (40, 10));
        assert_eq!(test.targets()[0].values.sum() as usize, 5);
        let other = open(&path, 2).unwrap().1;
        assert_ne!(test.inputs()[0].values, other.inputs()[0].values);
    }

    #[test]
    fn what_no_reader_recognizes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.npz");
        std::fs::write(&path, "PK").unwrap();
        let message = open(&path, 0).unwrap_err().to_string();
        assert!(message.contains("weights.npz: expected `digits`, `synthetic`"), "{message}");
        assert!(message.contains("a folder of IDX files or a CSV file, found a file"), "{message}");
        let message = open(folder.path(), 0).unwrap_err().to_string();
        assert!(message.contains("found a folder that no reader knows"), "{message}");
        let message = open("digit", 0).unwrap_err().to_string();
        assert!(message.contains("digit: expected"), "{message}");
        assert!(message.contains("found nothing of this name"), "{message}");
        let message = open("synthetic", 0).unwrap_err().to_string();
        assert!(message.contains("no network was given"), "{message}");

        let missing = open(folder.path().join("missing.csv"), 0).unwrap_err();
        assert!(matches!(missing, crate::Error::Io { .. }), "{missing}");
    }

    #[test]
    fn one_item_cannot_be_split() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.csv");
        std::fs::write(&path, "1,0\n").unwrap();
        let message = open(&path, 0).unwrap_err().to_string();
        assert!(message.contains("1 of its 1 item"), "{message}");
    }

    #[test]
    fn options_follow_a_colon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.csv");
        std::fs::write(&path, "class,x,y\n0,1,2\n1,3,4\n1,5,6\n0,7,8\n").unwrap();
        let path = path.to_str().unwrap();
        for label in ["class", "0"] {
            let text = format!("{path}:label={label}");
            let (train, test) = load(&text, &graph(), 1).unwrap();
            assert_eq!((train.len(), test.len()), (3, 1), "{text}");
            assert_eq!(train.targets()[0].class_count(), Some(2), "{text}");
            let items = load_to_predict(&text, &graph(), 1).unwrap();
            assert_eq!(items.targets()[0].values.as_slice().unwrap(), [0., 1., 1., 0.], "{text}");
        }
        let items = load_to_predict(&format!("{path}:label=none"), &graph(), 1).unwrap();
        assert_eq!(items.inputs()[0].item_shape(), [3]);
        assert_eq!(load("synthetic:items=7,seed=3", &graph(), 1).unwrap().0.len(), 7);
        assert_ne!(
            load("synthetic:seed=3", &graph(), 1).unwrap(),
            load("synthetic", &graph(), 1).unwrap()
        );
        for (text, expected) in [
            (
                "digits:items=3",
                "data `digits:items=3`: `items` is no option; reader `digits` has none",
            ),
            ("synthetic:item=3", "did you mean `items`?"),
            ("synthetic:items=0", "option `items` can't be `0`; give a whole number from 1"),
            ("synthetic:items=3,items=3", "`items` is set twice"),
            ("synthetic:items=3,", "`` sets nothing; write NAME=VALUE"),
            ("syntetic:items=3", "syntetic: expected `digits`"),
        ] {
            let message = load(text, &graph(), 1).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}\nlacks\n{expected}");
        }
    }

    #[test]
    fn a_colon_in_the_name_of_a_file_is_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a:label=0.csv");
        std::fs::write(&path, "1,2,0\n3,4,1\n").unwrap();
        assert_eq!(load(path.to_str().unwrap(), &graph(), 1).unwrap().0.len(), 1);
    }
}
