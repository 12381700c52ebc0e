//! `caudal predict`.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use caudal::Tensor;
use caudal::data;
use caudal::graph::{Graph, NodeId, Role};
use caudal::losses::TargetValues;
use clap::Args;

use super::output::{line, write_file};
use super::outputs::Outputs;
use super::{Stop, options};

/// Writes what a saved model predicts, as CSV: a header, then one line an item.
///
/// The columns are the item's number, and for every output its values; before these, where a loss
/// wants classes, the likeliest class. A frozen model has no loss, and so its outputs alone.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// A model that `caudal train --save` or `caudal freeze` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, value_name = "DATA", default_value = "digits",
        help = options::data_help("What to predict for, the test part or every line of a CSV file"))]
    data: String,
    #[command(flatten)]
    run: options::Run,
    /// Predicts with N batches at work at the same time, each on a thread of its own, rather than
    /// batch after batch with --workers, --policy and --executor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096),
        conflicts_with_all = ["workers", "policy", "executor"])]
    in_flight: Option<u16>,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
}

impl Predict {
    pub(super) fn run(self) -> Result<(), Stop> {
        let files = Outputs::default().reads("FILE", Some(&self.file)).reads_data(&self.data);
        files.writes("--out", self.out.as_ref()).check()?;
        let (mut network, batch_size) = self.run.saved(&self.file)?;
        let items = data::load_to_predict(&self.data, network.graph(), batch_size)?;
        let graph = Arc::clone(network.graph());
        let mut text = header(&graph);
        match self.in_flight {
            None => lines(&graph, 0, &network.predict_data(&items, batch_size)?, &mut text),
            Some(in_flight) => {
                let batches = network.predict_data_stream(&items, batch_size, in_flight.into())?;
                for (number, outputs) in batches.enumerate() {
                    lines(&graph, number * batch_size, &outputs?, &mut text);
                }
            }
        }
        match &self.out {
            Some(path) => write_file(path, &text),
            None => line(text.trim_end()),
        }
    }
}

/// The names of all columns, and the end of the line.
fn header(graph: &Graph) -> String {
    let mut text = "item".to_owned();
    for &id in graph.outputs() {
        let node = &graph.nodes()[id];
        if has_classes(graph, id) {
            text.push_str(&quoted(&format!("{}.class", node.name)));
        }
        for number in 0..node.shape.iter().product() {
            text.push_str(&quoted(&format!("{}.{number}", node.name)));
        }
    }
    text.push('\n');
    text
}

/// One output as columns.
struct Columns {
    classes: bool,
    numbers: Vec<f32>,
    width: usize,
}

/// Adds a line for every item of `outputs`, which are counted from `first`.
fn lines(graph: &Graph, first: usize, outputs: &[Tensor], text: &mut String) {
    let all: Vec<Columns> = graph
        .outputs()
        .iter()
        .zip(outputs)
        .map(|(&id, output)| Columns {
            classes: has_classes(graph, id),
            numbers: output.iter().copied().collect(),
            width: graph.nodes()[id].shape.iter().product(),
        })
        .collect();
    let items = outputs.first().and_then(|output| output.shape().first()).copied().unwrap_or(0);
    for item in 0..items {
        // Writing to a string can't fail.
        let _ = write!(text, "{}", first + item);
        for columns in &all {
            let numbers = &columns.numbers[item * columns.width..(item + 1) * columns.width];
            if columns.classes {
                let _ = write!(text, ",{}", largest(numbers));
            }
            for number in numbers {
                let _ = write!(text, ",{number}");
            }
        }
        text.push('\n');
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
