//! `caudal predict`.

mod arrays;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use caudal::data::{self, Encoder};
use caudal::graph::{Graph, NodeId, Role};
use caudal::losses::TargetValues;
use caudal::{Tensor, files};
use clap::Args;

use arrays::Arrays;

use super::output::{line, notes, write_file, write_or_rescue};
use super::outputs::Outputs;
use super::{Stop, options};

/// Writes what a saved model predicts: as CSV, or into a file that ends in .npy or .npz as arrays for numpy.
///
/// CSV has a header, then one line an item. The columns are the item's number, of images their file, and for
/// every output its values; before these, where a loss
/// wants classes, the likeliest class, as the word that stood for it in a table. Where a target was
/// scaled, the values are in the unit of the table. A frozen model has no loss, and so no classes but
/// those of words.
///
/// A .npz file has an array of 32-bit floats under every output's name, and where CSV has a class, its place under
/// NAME.class as 64-bit integers, and the words that places stand for under NAME.words. A .npy file has the numbers of
/// the only output.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// A model that `caudal train --save` or `caudal freeze` wrote, or an .onnx file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, value_name = "DATA", default_value = "digits",
        help = options::data_help("What to predict for, the test part or every line of a table"))]
    data: String,
    #[command(flatten)]
    run: options::Run,
    /// Predicts with N batches at work at the same time, each on a thread of its own, rather than
    /// batch after batch with --workers, --policy and --executor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096),
        conflicts_with_all = ["workers", "policy", "executor"])]
    in_flight: Option<u16>,
    /// Where to write it: FILE.csv, FILE.npz or FILE.npy [default: CSV on standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Predict {
    pub(super) fn run(self) -> Result<(), Stop> {
        let files = Outputs::default().reads("FILE", Some(&self.file)).reads_data(&self.data);
        files.writes("--out", self.out.as_ref()).check()?;
        let (mut network, batch_size) = self.run.saved(&self.file)?;
        let graph = Arc::clone(network.graph());
        let form = Form::of(self.out.as_deref());
        if let (Form::Npy, [_, _, ..]) = (form, graph.outputs()) {
            return Err(Stop::Usage(format!(
                "--out: a .npy file holds one array, but the model has {} outputs; name a .npz file",
                graph.outputs().len()
            )));
        }
        let (items, more) = data::load_to_predict(&self.data, &graph, batch_size, network.data())?;
        notes(&more);
        let encoder = network.data().encoder().cloned();
        let names = items.item_names().map(<[String]>::to_vec);
        let writer = Writer { graph: &graph, encoder: encoder.as_ref(), names };
        let (mut text, mut arrays) = (writer.header(), Arrays::new(&writer));
        let mut first = 0;
        let mut add = |outputs: &[Tensor]| {
            match form {
                Form::Csv => writer.lines(first, outputs, &mut text),
                Form::Npy | Form::Npz => arrays.add(outputs),
            }
            first += batch_size;
        };
        match self.in_flight {
            None => add(&network.predict_data(&items, batch_size)?),
            Some(in_flight) => {
                for outputs in network.predict_data_stream(&items, batch_size, in_flight.into())? {
                    add(&outputs?);
                }
            }
        }
        let Some(path) = &self.out else { return line(text.trim_end()) };
        let bytes = match form {
            Form::Csv => return write_file(path, &text),
            Form::Npy => arrays.npy(),
            Form::Npz => arrays.npz()?,
        };
        write_or_rescue(path, |path| files::replace(path, &bytes))
    }
}

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Csv,
    Npy,
    Npz,
}

impl Form {
    /// By the ending of a file's name.
    fn of(path: Option<&Path>) -> Self {
        let ending = path.and_then(Path::extension).unwrap_or_default();
        match ending.to_string_lossy().to_lowercase().as_str() {
            "npy" => Self::Npy,
            "npz" => Self::Npz,
            _ => Self::Csv,
        }
    }
}

/// Writes outputs as CSV.
struct Writer<'a> {
    graph: &'a Graph,
    encoder: Option<&'a Encoder>,
    /// The files of the items, where each has one.
    names: Option<Vec<String>>,
}

/// One output as columns.
struct Columns<'a> {
    name: &'a str,
    classes: bool,
    words: Option<&'a [String]>,
    numbers: Vec<f32>,
    width: usize,
}

impl Writer<'_> {
    /// The words that the classes of an output stand for.
    fn words(&self, id: NodeId) -> Option<&[String]> {
        let node = &self.graph.nodes()[id];
        let words = self.encoder.and_then(|encoder| encoder.words(&node.name));
        // One number may stand for two words: it has no class of its own.
        words.filter(|words| matches!(node.shape[..], [width] if width >= words.len().max(2)))
    }

    fn has_classes(&self, id: NodeId) -> bool {
        has_classes(self.graph, id) || self.words(id).is_some()
    }

    /// The names of all columns, and the end of the line.
    fn header(&self) -> String {
        let mut text = "item".to_owned();
        if self.names.is_some() {
            text.push_str(",file");
        }
        for &id in self.graph.outputs() {
            let node = &self.graph.nodes()[id];
            if self.has_classes(id) {
                text.push_str(&quoted(&format!("{}.class", node.name)));
            }
            for number in 0..node.shape.iter().product() {
                text.push_str(&quoted(&format!("{}.{number}", node.name)));
            }
        }
        text.push('\n');
        text
    }

    /// Adds a line for every item of `outputs`, which are counted from `first`.
    fn lines(&self, first: usize, outputs: &[Tensor], text: &mut String) {
        let columns = |(&id, output): (&NodeId, &Tensor)| Columns {
            name: &self.graph.nodes()[id].name,
            classes: self.has_classes(id),
            words: self.words(id),
            numbers: output.iter().copied().collect(),
            width: self.graph.nodes()[id].shape.iter().product(),
        };
        let mut all: Vec<Columns<'_>> =
            self.graph.outputs().iter().zip(outputs).map(columns).collect();
        let items = outputs.first().and_then(|output| output.shape().first()).copied();
        for item in 0..items.unwrap_or(0) {
            // Writing to a string can't fail.
            let _ = write!(text, "{}", first + item);
            if let Some(name) = self.names.as_ref().and_then(|names| names.get(first + item)) {
                text.push_str(&quoted(name));
            }
            for columns in &mut all {
                let here = item * columns.width..(item + 1) * columns.width;
                let numbers = &mut columns.numbers[here];
                if columns.classes {
                    let class = largest(numbers);
                    match columns.words.and_then(|words| words.get(class)) {
                        Some(word) => text.push_str(&quoted(word)),
                        None => drop(write!(text, ",{class}")),
                    }
                }
                if let Some(encoder) = self.encoder {
                    encoder.unscale(columns.name, numbers);
                }
                for number in numbers {
                    let _ = write!(text, ",{number}");
                }
            }
            text.push('\n');
        }
    }
}

/// A comma and a field of the header.
fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!(",\"{}\"", name.replace('"', "\"\""))
    } else {
        format!(",{name}")
    }
}

/// Where the largest number is; the first of several.
fn largest(numbers: &[f32]) -> usize {
    let first = (0, f32::NEG_INFINITY);
    let better = |best: (usize, f32), (at, &number): (usize, &f32)| {
        if number > best.1 { (at, number) } else { best }
    };
    numbers.iter().enumerate().fold(first, better).0
}

/// Whether a loss compares this output with classes.
fn has_classes(graph: &Graph, output: NodeId) -> bool {
    let shape = |id: NodeId| graph.nodes()[id].shape.as_slice();
    shape(output).len() == 1
        && graph.consumers(output).iter().any(|&(user, input)| {
            let node = &graph.nodes()[user];
            let Role::Loss { loss, .. } = &node.role else { return false };
            let shapes: Vec<_> = node.inputs.iter().map(|&id| shape(id)).collect();
            input == 0 && matches!(loss.target_values(&shapes), TargetValues::Classes(_))
        })
}
