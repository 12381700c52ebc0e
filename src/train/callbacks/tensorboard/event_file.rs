//! Files of events as TensorBoard reads them: records of TensorFlow, each with its length and two checksums, that hold messages
//! of Protocol Buffers.
//!
//! The record is that of TensorFlow's `tensorflow/core/lib/io/record_writer.h`, the message `Event` of
//! `tensorflow/core/util/event.proto`; field numbers here are from that file and from `summary.proto` beside it.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::histogram::Histogram;
use crate::error::{Error, Result};
use crate::protobuf::Writer;

/// What has been written for longer than this goes to the disk, so that people can watch.
const FRESH: Duration = Duration::from_secs(1);

/// CRC-32C: the polynomial of Castagnoli, lowest bit first.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The remainder of every byte.
const REMAINDERS: [u32; 256] = remainders();

const fn remainders() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ (POLYNOMIAL * (remainder & 1));
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

/// The checksum of a record: the CRC, turned and moved so that a checksum of bytes with checksums in them stays a good one.
fn checksum(bytes: &[u8]) -> u32 {
    let crc = bytes
        .iter()
        .fold(u32::MAX, |crc, &byte| (crc >> 8) ^ REMAINDERS[usize::from(crc as u8 ^ byte)]);
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A record with these bytes.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let sums = [checksum(&length), checksum(bytes)].map(u32::to_le_bytes);
    [&length[..], &sums[0], bytes, &sums[1]].concat()
}

/// A message `Event` of a time in seconds since 1970 and a step.
fn event(seconds: f64, step: u64, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut message = Writer::default();
    message.double(1, seconds);
    if step > 0 {
        message.number(2, step.cast_signed());
    }
    write(&mut message);
    message.bytes
}

/// Adds values to a message `Event`.
fn summary(message: &mut Writer, scalars: &[(String, f64)], histograms: &[(String, Histogram)]) {
    message.message(5, |summary| {
        for (tag, value) in scalars {
            summary.message(1, |entry| {
                entry.text(1, tag);
                entry.float(2, *value as f32);
            });
        }
        for (tag, histogram) in histograms {
            summary.message(1, |entry| {
                entry.text(1, tag);
                entry.message(5, |message| histogram.write(message));
            });
        }
    });
}

/// A file of events that is being written.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
    flushed: Instant,
}

impl EventFile {
    /// A new file in a folder, which is made where there is none.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let seconds = now();
        let mut number = 0;
        // Readers take files in the order of their names.
        let (path, file) = loop {
            let process = std::process::id();
            let name = format!("events.out.tfevents.{seconds:010.0}.caudal.{process}.{number}");
            let path = folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io(&path, error)),
            }
        };
        let mut file = Self { path, file: BufWriter::new(file), flushed: Instant::now() };
        file.write(&event(seconds, 0, |message| message.text(3, "brain.Event:2")))?;
        file.flush()?;
        Ok(file)
    }

    /// Says that a training goes on with this step: readers forget what they have of later steps.
    pub(super) fn go_on(&mut self, step: u64) -> Result<()> {
        const START: i64 = 1;
        let event = event(now(), step, |event| event.message(7, |log| log.number(1, START)));
        self.write(&event)
    }

    /// The graph, as a message `GraphDef`.
    pub(super) fn graph(&mut self, graph: &[u8]) -> Result<()> {
        self.write(&event(now(), 0, |event| event.bytes(4, graph)))
    }

    /// Values of a step.
    pub(super) fn values(
        &mut self,
        step: u64,
        scalars: &[(String, f64)],
        histograms: &[(String, Histogram)],
    ) -> Result<()> {
        self.write(&event(now(), step, |event| summary(event, scalars, histograms)))?;
        if self.flushed.elapsed() > FRESH { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        self.file.flush().map_err(|error| Error::io(&self.path, error))
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        self.file.write_all(&record(event)).map_err(|error| Error::io(&self.path, error))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::super::graph_def::graph_def;
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::layers::Relu;

    /// The same, bit by bit.
    fn slow_checksum(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for byte in bytes {
            for bit in 0..8 {
                let differs = (crc ^ u32::from(byte >> bit)) & 1;
                crc = (crc >> 1) ^ (POLYNOMIAL * differs);
            }
        }
        let crc = !crc;
        crc.rotate_right(15).wrapping_add(0xa282_ead8)
    }

    #[test]
    fn checksums_are_those_of_castagnoli_masked() {
        // The check value of CRC-32C is e3069283 (Castagnoli 1993; RFC 3720, B.4).
        let masked = 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(checksum(b"123456789"), masked);
        let bytes: Vec<u8> = (0..=255).collect();
        for end in [0, 1, 7, 100, 256] {
            assert_eq!(checksum(&bytes[..end]), slow_checksum(&bytes[..end]), "{end}");
        }
        // The record of an empty message, as TensorFlow writes it.
        assert_eq!(record(&[])[..8], [0; 8]);
        assert_eq!(record(&[]).len(), 16);
    }

    #[test]
    fn events_have_the_bytes_that_tensorboard_writes() {
        let text = include_str!("../../../../tests/oracles/event_files.json");
        let cases: serde_json::Value = serde_json::from_str(text).unwrap();
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
        };
        let expect = |name: &str, bytes: Vec<u8>| assert_eq!(cases[name], hex(&bytes), "{name}");
        expect("file_version", event(1.5, 0, |event| event.text(3, "brain.Event:2")));
        let scalars = [("loss".to_owned(), 0.25), ("näh/b".to_owned(), -1e-3)];
        expect("scalars", event(2.5, 300, |event| summary(event, &scalars, &[])));
        let histogram = Histogram::of([-1.0, 0.0, 0.5, 3.0].into_iter(), 4).unwrap();
        let histograms = [("w".to_owned(), histogram)];
        expect("histogram", event(3.0, 7, |event| summary(event, &[], &histograms)));
        expect("start", event(4.0, 9, |event| event.message(7, |log| log.number(1, 1))));
        let mut net = GraphBuilder::new("g");
        let input = net.input("x", [2, 3]);
        let output = net.layer("a/b", Relu, [&input]);
        net.output(&output);
        expect("graph", graph_def(&net.build().unwrap()));
        expect("record", record(&event(2.5, 300, |event| summary(event, &scalars, &[]))));
    }
}
