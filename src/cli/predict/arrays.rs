//! Predictions as arrays that numpy reads.

use std::fmt::Write as _;
use std::io::{Cursor, Write};

use caudal::Tensor;
use caudal::graph::NodeId;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Stop, Writer, largest};

/// Bytes before the elements are a multiple of this.
const ALIGNMENT: usize = 64;

/// What a network predicts for all items, by output.
pub(super) struct Arrays<'a> {
    writer: &'a Writer<'a>,
    outputs: Vec<Output<'a>>,
}

struct Output<'a> {
    name: &'a str,
    shape: &'a [usize],
    words: Option<&'a [String]>,
    /// Of every item, where a loss wants classes or the classes are words.
    classes: Option<Vec<i64>>,
    numbers: Vec<f32>,
}

impl<'a> Arrays<'a> {
    pub(super) fn new(writer: &'a Writer<'a>) -> Self {
        let output = |&id: &NodeId| {
            let node = &writer.graph.nodes()[id];
            Output {
                name: &node.name,
                shape: &node.shape,
                words: writer.words(id),
                classes: writer.has_classes(id).then(Vec::new),
                numbers: Vec::new(),
            }
        };
        Self { writer, outputs: writer.graph.outputs().iter().map(output).collect() }
    }

    /// Adds the outputs for the items that follow.
    pub(super) fn add(&mut self, outputs: &[Tensor]) {
        for (to, output) in self.outputs.iter_mut().zip(outputs) {
            let width = to.shape.iter().product::<usize>().max(1);
            let before = to.numbers.len();
            to.numbers.extend(output.iter());
            for item in to.numbers[before..].chunks_mut(width) {
                if let Some(classes) = &mut to.classes {
                    classes.push(i64::try_from(largest(item)).unwrap_or(i64::MAX));
                }
                if let Some(encoder) = self.writer.encoder {
                    encoder.unscale(to.name, item);
                }
            }
        }
    }

    /// The numbers of the only output as a `.npy` file.
    pub(super) fn npy(&self) -> Vec<u8> {
        self.outputs.first().map_or_else(Vec::new, Output::numbers)
    }

    /// All outputs as a `.npz` file: numbers under an output's name, classes under `NAME.class`, and the words that
    /// these stand for under `NAME.words`.
    pub(super) fn npz(&self) -> Result<Vec<u8>, Stop> {
        let failed = |error: zip::result::ZipError| Stop::Failed(format!("the archive: {error}"));
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |name: &str, bytes: &[u8]| -> Result<(), Stop> {
            let large = u32::try_from(bytes.len()).is_err();
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .large_file(large);
            archive.start_file(format!("{name}.npy"), options).map_err(failed)?;
            archive.write_all(bytes).map_err(|error| failed(error.into()))
        };
        for output in &self.outputs {
            add(output.name, &output.numbers())?;
            if let Some(classes) = &output.classes {
                let bytes = classes.iter().flat_map(|class| class.to_le_bytes());
                let name = format!("{}.class", output.name);
                add(&name, &npy("<i8", &[classes.len()], bytes))?;
            }
            if let Some(words) = output.words {
                add(&format!("{}.words", output.name), &texts(words))?;
            }
        }
        Ok(archive.finish().map_err(failed)?.into_inner())
    }
}

impl Output<'_> {
    fn numbers(&self) -> Vec<u8> {
        let items = self.numbers.len() / self.shape.iter().product::<usize>().max(1);
        let bytes = self.numbers.iter().flat_map(|number| number.to_le_bytes());
        npy("<f4", &[&[items], self.shape].concat(), bytes)
    }
}

/// An array as a file of version 1.0.
fn npy(kind: &str, shape: &[usize], elements: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (");
    for length in shape {
        // Writing to a string can't fail.
        let _ = write!(header, "{length},");
    }
    header.push_str("), }");
    // The magic text, the version and the header's length take 10 bytes, the last line end 1.
    let end = (10 + header.len() + 1).next_multiple_of(ALIGNMENT);
    while 10 + header.len() + 1 < end {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(elements);
    file
}

/// Texts of equal length, as numpy keeps them: four bytes a character, with zeros behind the shorter ones.
fn texts(words: &[String]) -> Vec<u8> {
    let longest = words.iter().map(|word| word.chars().count()).max().unwrap_or(0).max(1);
    let characters = words
        .iter()
        .flat_map(|word| word.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest));
    npy(&format!("<U{longest}"), &[words.len()], characters.flat_map(u32::to_le_bytes))
}
