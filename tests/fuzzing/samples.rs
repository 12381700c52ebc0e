//! The files that are damaged: what the program's own writers write, and small ones as other programs do.

use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use caudal::context::Mode;
use caudal::flow::policy::policy;
use caudal::flow::schedule::Recording;
use caudal::flow::trace::{self, Recorder};
use caudal::flow::{Executor, Pool};
use caudal::model::{Model, TrainingConfig};
use caudal::onnx;
use caudal::plan::PlanOptions;
use caudal::scheduling::formats;
use caudal::train::{Network, NetworkOptions};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub(super) use crate::hostile_files::MODEL;
use crate::images::colour;
use crate::protocol::{run_of, tiny, trained};

/// A network of images of 8 x 8 pixels.
pub(super) const IMAGE_MODEL: &str = r#"
[[node]]
name = "image"
kind = "input"
shape = [8, 8, 1]
[[node]]
name = "label"
kind = "target"
shape = []
[[node]]
name = "flat"
kind = "flatten"
inputs = ["image"]
[[node]]
name = "d"
kind = "dense"
inputs = ["flat"]
units = 3
[[node]]
name = "loss"
kind = "softmax_cross_entropy"
inputs = ["d", "label"]
"#;

/// A block, an optimizer with a schedule, and columns of a table.
const RICH_MODEL: &str = r#"
name = "rich"
outputs = ["head"]
[train]
optimizer = { kind = "adam", learning_rate = 0.01, clip_norm = 1.0, schedule = { kind = "cosine", steps = 100 } }
epochs = 2
[[node]]
name = "x"
kind = "input"
shape = [3]
columns = ["a0..a2"]
scale = "standard"
[[node]]
name = "later"
kind = "input"
shape = [3]
columns = ["b0..b2"]
[[node]]
name = "gates"
kind = "lstm"
inputs = ["x", "later"]
units = 3
[[node]]
name = "both"
kind = "concat"
inputs = ["gates"]
[[node]]
name = "head"
kind = "dense"
inputs = ["both"]
units = 2
initializer = { kind = "normal", deviation = 0.1 }
weight_regularizer = { kind = "l2", rate = 1e-4 }
[[node]]
name = "y"
kind = "target"
shape = [2]
[[node]]
name = "loss"
kind = "mean_squared_error"
inputs = ["head", "y"]
"#;

const CSV: &[&str] = &[
    "a,b,c,d\n1,2,3,4\n5,6.5,-7e3,8\n0.25,1e-3,2,1\n3,4,5,6\n1,1,1,1\n",
    "1,2,3,4\r\n5,6,7,8\r\n9,10,11,12\r\n2,2,2,2\r\n3,1,3,1\r\n",
    "a,b,c,d\n\"1\",\"2\",3,4\n5,6,7,8\n\n9,10,11,12\n1,2,3,4\n4,5,6,7\n",
];

const WORDS: &str = "name,b,c,d\nyes,2,3,4\nno,,7,8\n\"say \"\"no\"\"\",10,NA,12\nyes,2,3,4\n";

const DOT: &str = "digraph \"g h\" {\n  // tasks\n  a [label=\"a b\", weight=2.5]; b [weight=1]\n  a -> b [weight=3]\n  \
                   subgraph s { c [weight=1] }\n  b -> c; a -> c\n}\n";

const DAX: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<adag name="w" version="3.6">
<job id="ID1" name="a" runtime="1.5"><uses file="f" link="output" size="100"/></job>
<job id="ID2" name="b" runtime="2"><uses file="f" link="input" size="100"/></job>
<child ref="ID2"><parent ref="ID1"/></child>
</adag>
"#;

const WFFORMAT: &str = r#"{"name": "w", "schemaVersion": "1.5", "workflow": {"specification": {"tasks": [
{"name": "a", "id": "a", "children": ["b"], "parents": [], "outputFiles": ["f"]},
{"name": "b", "id": "b", "children": [], "parents": ["a"], "inputFiles": ["f"]}],
"files": [{"id": "f", "sizeInBytes": 100}]},
"execution": {"tasks": [{"id": "a", "runtimeInSeconds": 1.5}, {"id": "b", "runtimeInSeconds": 2}]}}}
"#;

const MACHINES: &[&str] = &[
    "speeds = [2, 1]\nlatency = 1e-6\nbandwidth = 1e9\n",
    "workers = 3\nnames = [\"a\", \"b\", \"c\"]\ntopology = \"star\"\nlatency = [1, 2, 3]\n",
    "workers = 2\ntopology = \"matrix\"\nlatency = [[0, 1], [1, 0]]\nbandwidth = [[1, 2], [2, 1]]\n",
    include_str!("../task_graphs/groups.toml"),
];

pub(super) fn as_it_is(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

pub(super) fn folder(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
}

/// The samples of a target.
pub(super) fn of(folder: &Path, target: &str) -> Vec<Vec<u8>> {
    let entries = folder.join(target).read_dir().unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let samples: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!samples.is_empty(), "{target}");
    samples
}

/// A header of a `.npy` file, and numbers.
fn npy(header: &str, numbers: &[u8]) -> Vec<u8> {
    let padding = 63 - (10 + header.len()) % 64;
    let header = format!("{header}{}\n", " ".repeat(padding));
    let length = header.len() as u16;
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes(), numbers].concat()
}

fn npy_files() -> Vec<Vec<u8>> {
    let singles: Vec<u8> = (0..12_u8).flat_map(|it| f32::from(it).to_le_bytes()).collect();
    let doubles: Vec<u8> = (0..12_u8).flat_map(|it| f64::from(it).to_be_bytes()).collect();
    vec![
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6, 2), }", &singles),
        npy("{'descr': '>f8', 'fortran_order': True, 'shape': (6, 2), }", &doubles),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (6, 2), }", &singles[..12]),
        npy("{'descr': '<i2', 'fortran_order': False, 'shape': (6, 2), }", &singles[..24]),
    ]
}

fn archive(member: &[u8], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    let other = npy_files().swap_remove(0);
    for (name, bytes) in [("x.npy", member), ("y.npy", &other)] {
        archive.start_file(name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// An archive of arrays, of which this is one.
pub(super) fn zipped(member: &[u8]) -> Vec<u8> {
    archive(member, CompressionMethod::Deflated)
}

/// The same without compression.
pub(super) fn stored(member: &[u8]) -> Vec<u8> {
    archive(member, CompressionMethod::Stored)
}

pub(super) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A PNG file whose chunks have the checksums of what they hold.
pub(super) fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(end) = length.checked_add(at + 8).filter(|&end| end + 4 <= bytes.len()) else {
            break;
        };
        let mut checksum = flate2::Crc::new();
        checksum.update(&bytes[at + 4..end]);
        let sum = checksum.sum().to_be_bytes();
        bytes[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
    bytes
}

/// An array of bytes in the format of MNIST.
fn idx(dims: &[u32]) -> Vec<u8> {
    let count: u32 = dims.iter().product();
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    for dim in dims {
        bytes.extend(dim.to_be_bytes());
    }
    bytes.extend((0..count).map(|number| if dims.len() == 1 { number % 3 } else { number } as u8));
    bytes
}

pub(super) fn beside_idx(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, dims) in [
        ("train-labels-idx1-ubyte", &[6][..]),
        ("t10k-images-idx3-ubyte", &[3, 8, 8]),
        ("t10k-labels-idx1-ubyte", &[3]),
    ] {
        std::fs::write(folder.join(name), idx(dims)).unwrap();
    }
}

pub(super) fn beside_image(folder: &Path) {
    for (class, name) in ["red", "green", "blue"].into_iter().enumerate() {
        let folder = folder.join("photos").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for item in 1..4 {
            std::fs::write(folder.join(format!("{item}.png")), colour(class, item)).unwrap();
        }
    }
}

/// A network that was trained for a step, as a file.
fn checkpoint(text: &str, folder: &Path) -> Vec<u8> {
    let Model { graph, training, .. } = Model::from_toml(text, "sample").unwrap();
    let options = NetworkOptions::default().executor("sequential");
    let network = Network::from_parts(graph, training.optimizer, options).unwrap();
    let path = folder.join("saved.safetensors");
    network.save(&path, &TrainingConfig::default()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

/// The same in the version of the format that has no checksum, so that damage gets further.
fn without_checksum(saved: &[u8]) -> Vec<u8> {
    let (_, metadata) = SafeTensors::read_metadata(saved).unwrap();
    let entry = metadata.metadata().as_ref().unwrap()["caudal"].clone();
    let entry = entry.replacen("\"version\":3", "\"version\":2", 1);
    assert!(entry.contains("\"version\":2"), "{entry}");
    let arrays = SafeTensors::deserialize(saved).unwrap();
    let metadata = HashMap::from([("caudal".to_owned(), entry)]);
    safetensors::serialize(arrays.tensors(), Some(metadata)).unwrap()
}

fn arrays(names: &[(&str, Vec<usize>)], dtype: Dtype, size: usize) -> Vec<u8> {
    // Small whole numbers, whatever their type.
    let numbers: Vec<u8> =
        (0..200).map(|place| if place % size == 0 { place as u8 % 60 } else { 0 }).collect();
    let views = names.iter().map(|(name, shape)| {
        let count: usize = shape.iter().product();
        let view = TensorView::new(dtype, shape.clone(), &numbers[..count * size]).unwrap();
        (*name, view)
    });
    safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
}

/// What one policy decided in two runs of a small network.
fn schedule(workers: usize, folder: &Path) -> Vec<u8> {
    let recording = Recording::new(policy("fifo").unwrap()).one_at_a_time();
    let log = recording.log();
    let mut pool = Pool::with_policy(workers, Box::new(recording)).unwrap();
    let mut run = run_of(&tiny(4), Mode::Prediction, PlanOptions::plain());
    (0..2).for_each(|_| pool.execute(&mut run).unwrap());
    let path = folder.join("schedule");
    log.schedule().write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

/// Traces of a small network, in each format.
fn traces() -> [Vec<u8>; 3] {
    let recorder = Arc::new(Recorder::new().with_messages().with_worker_events());
    let mut run = run_of(&trained(), Mode::Training, PlanOptions::plain());
    run.observe(Some(Arc::clone(&recorder) as _));
    let mut pool = Pool::new(2, "steal").unwrap();
    (0..2).for_each(|_| pool.execute(&mut run).unwrap());
    let (graph, executions) = (run.plan(), recorder.executions());
    let texts = [
        trace::chrome(graph, &executions),
        trace::json_lines(graph, &executions),
        trace::csv(graph, &executions),
    ];
    texts.map(String::into_bytes)
}

fn onnx_files() -> Vec<Vec<u8>> {
    let own = ["article-dag", "digits"].map(|name| {
        let Model { graph, training, .. } = Model::open(Some(name)).unwrap();
        let options = NetworkOptions::default().executor("sequential");
        let network = Network::from_parts(graph, training.optimizer, options).unwrap();
        onnx::to_bytes(&network).unwrap()
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/onnx");
    let others = ["cnn-script", "transformer-dynamo", "sequence-script", "windows-dynamo"];
    let read = |name: &str| std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
    // Large ones would only show that weights may be any numbers.
    let own = own.into_iter().filter(|bytes| bytes.len() < super::LONGEST);
    own.chain(others.map(read)).collect()
}

fn pictures(ending: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/images");
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|it| it.to_string_lossy().contains(ending)))
        // The colours of a printer are refused.
        .filter(|path| !path.ends_with("cmyk.jpg"))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A graph of one format, as the writer of another one has it.
fn task_graph(text: &str, from: &str, to: &str, folder: &Path) -> Vec<Vec<u8>> {
    let path = folder.join(format!("g.{from}"));
    std::fs::write(&path, text).unwrap();
    let graph = formats::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    vec![formats::write(&graph, format!("g.{to}")).unwrap().into_bytes()]
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Writes the samples of every target into a folder of its own.
pub(super) fn write_all(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let own = Model::open(Some("article-dag")).unwrap().to_toml().unwrap();
    let mnist = Model::open(Some("mnist-cnn")).unwrap().to_toml().unwrap();
    Model::from_toml(RICH_MODEL, "rich").unwrap();
    let saved = checkpoint(RICH_MODEL, folder);
    let without = without_checksum(&saved);
    let shapes = [("x", vec![6, 2]), ("y", vec![6, 2])];
    let [json, jsonl, csv] = traces();
    // One in Fortran order can't be read item by item.
    let in_order = [0, 2, 3].map(|number| npy_files().swap_remove(number)).to_vec();
    let photo = |item| colour(0, item);
    let pictures_of = |ending: &str, more: Vec<Vec<u8>>| [pictures(ending), more].concat();
    let all: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("model", texts(&[MODEL, IMAGE_MODEL, RICH_MODEL, &own, &mnist])),
        ("checkpoint", vec![saved, without, without_checksum(&checkpoint(MODEL, folder))]),
        (
            "weights",
            vec![
                arrays(&[("d.weight", vec![2, 2]), ("d.bias", vec![2])], Dtype::F32, 4),
                checkpoint(MODEL, folder),
            ],
        ),
        (
            "arrays",
            vec![
                arrays(&shapes, Dtype::F32, 4),
                arrays(&shapes, Dtype::I64, 8),
                arrays(&shapes, Dtype::BF16, 2),
            ],
        ),
        ("npy", npy_files()),
        ("npz", npy_files().into_iter().flat_map(|it| [zipped(&it), stored(&it)]).collect()),
        ("npz members", npy_files()),
        ("npz members as used", in_order),
        ("csv", texts(CSV)),
        ("csv as used", texts(CSV)),
        ("csv of words", texts(&[WORDS])),
        ("gzip", texts(CSV).iter().map(|it| gzipped(it)).collect()),
        ("gzipped csv", texts(CSV)),
        #[cfg(feature = "parquet")]
        ("parquet", super::parquet_files::parquet_files()),
        ("idx", vec![idx(&[6, 8, 8])]),
        ("gzipped idx", vec![idx(&[6, 8, 8])]),
        ("png", pictures_of("png", vec![photo(1)])),
        ("png with checksums", pictures_of("png", vec![photo(2)])),
        ("png of one size", vec![photo(1), photo(2)]),
        ("jpeg", pictures("jp")),
        ("schedule", vec![schedule(1, folder), schedule(2, folder)]),
        ("trace json", vec![json]),
        ("trace jsonl", vec![jsonl]),
        ("trace csv", vec![csv]),
        ("dot", [texts(&[DOT]), task_graph(DOT, "dot", "dot", folder)].concat()),
        ("stg", task_graph(DOT, "dot", "stg", folder)),
        (
            "task graph toml",
            [
                texts(&[include_str!("../task_graphs/diamond.toml")]),
                task_graph(DOT, "dot", "toml", folder),
            ]
            .concat(),
        ),
        ("wfformat", [texts(&[WFFORMAT]), task_graph(WFFORMAT, "json", "json", folder)].concat()),
        ("dax", texts(&[DAX])),
        ("machine", texts(MACHINES)),
        ("onnx", onnx_files()),
    ];
    for (target, samples) in all {
        let folder = folder.join(target);
        std::fs::create_dir(&folder).unwrap();
        for (number, sample) in samples.iter().enumerate() {
            std::fs::write(folder.join(format!("{number:02}")), sample).unwrap();
        }
    }
}

/// Samples are files that can be read, of every target, or damage would show nothing.
#[test]
fn every_sample_of_files_that_are_damaged_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    write_all(&folder.path().join("samples"));
    let mut refused = Vec::new();
    for target in super::TARGETS {
        let own = folder.path().join(target.name);
        (target.prepare)(&own);
        for (number, sample) in of(&folder.path().join("samples"), target.name).iter().enumerate() {
            std::fs::write(own.join(target.file), (target.pack)(sample)).unwrap();
            if let Err(error) = (target.read)(&own) {
                refused.push(format!("{} {number}: {error}", target.name));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}
