//! Every reader: what its files are called, which words it knows, and how it is called.

use std::path::Path;
use std::sync::LazyLock;

use caudal::Result;
use caudal::context::Mode;
use caudal::data::{
    Column, DataConfig, Dataset, LoadOptions, load, load_table, load_to_predict, read_idx,
};
use caudal::flow::schedule::{Replay, Schedule};
use caudal::flow::{Executor, Pool, trace};
use caudal::graph::Graph;
use caudal::model::Model;
use caudal::onnx;
use caudal::plan::PlanOptions;
use caudal::scheduling::{Platform, formats};
use caudal::train::{Network, NetworkOptions, checkpoint};

use super::samples;
use crate::protocol::{run_of, tiny};

/// A kind of files, and who reads it.
pub(super) struct Target {
    pub(super) name: &'static str,
    /// The file that is damaged, in a folder of its own.
    pub(super) file: &'static str,
    /// Words of the format.
    pub(super) words: &'static [&'static str],
    /// Makes a file of what was damaged, for damage behind a checksum or a compression.
    pub(super) pack: fn(&[u8]) -> Vec<u8>,
    /// Puts into the folder what stands beside the file.
    pub(super) prepare: fn(&Path),
    pub(super) read: fn(&Path) -> Result<()>,
    /// What reading may take beside what it takes for each byte of a file.
    pub(super) room_kib: u64,
}

/// What reading may take where nothing is unpacked.
const ROOM_KIB: u64 = 32 << 10;

/// What an image of the most pixels that are decoded, 2^26, takes, if each is four numbers.
const IMAGE: u64 = 2 << 20;

impl Target {
    const fn new(name: &'static str, file: &'static str, read: fn(&Path) -> Result<()>) -> Self {
        let (pack, prepare) =
            (samples::as_it_is as fn(&[u8]) -> Vec<u8>, samples::folder as fn(&Path));
        Self { name, file, words: &[], pack, prepare, read, room_kib: ROOM_KIB }
    }

    const fn words(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }

    const fn packed(self, pack: fn(&[u8]) -> Vec<u8>) -> Self {
        Self { pack, ..self }
    }

    const fn room(self, room_kib: u64) -> Self {
        Self { room_kib, ..self }
    }

    const fn beside(self, prepare: fn(&Path)) -> Self {
        Self { prepare, ..self }
    }
}

/// Every kind.
pub(super) const TARGETS: &[&Target] = &[
    &Target::new("model", "m.toml", model).words(MODEL_WORDS),
    &Target::new("checkpoint", "c.safetensors", saved).words(MODEL_WORDS),
    &Target::new("weights", "w.safetensors", weights).words(ARRAY_WORDS),
    &Target::new("arrays", "a.safetensors", |it| data(it, "a.safetensors")).words(ARRAY_WORDS),
    &Target::new("npy", "x.npy", npy).words(ARRAY_WORDS),
    &Target::new("npz", "a.npz", |it| data(it, "a.npz")),
    &Target::new("npz members", "a.npz", |it| data(it, "a.npz"))
        .words(ARRAY_WORDS)
        .packed(samples::zipped),
    &Target::new("npz members as used", "a.npz", |it| data(it, "a.npz:memory=no"))
        .words(ARRAY_WORDS)
        .packed(samples::stored),
    &Target::new("csv", "t.csv", csv).words(TABLE_WORDS),
    &Target::new("csv as used", "t.csv", |it| data(it, "t.csv:memory=no")).words(TABLE_WORDS),
    &Target::new("csv of words", "t.csv", |it| table(it, "t.csv")).words(TABLE_WORDS),
    &Target::new("gzip", "t.csv.gz", |it| data(it, "t.csv.gz")),
    &Target::new("gzipped csv", "t.csv.gz", csv_gz).words(TABLE_WORDS).packed(samples::gzipped),
    #[cfg(feature = "parquet")]
    &Target::new("parquet", "t.parquet", |it| table(it, "t.parquet")).words(&["PAR1", "list"]),
    &Target::new("idx", "train-images-idx3-ubyte", idx).beside(samples::beside_idx),
    &Target::new("gzipped idx", "train-images-idx3-ubyte.gz", idx)
        .packed(samples::gzipped)
        .beside(samples::beside_idx),
    &Target::new("png", "photos/red/0.png", images).beside(samples::beside_image).room(IMAGE),
    &Target::new("png of one size", "photos/red/0.png", |it| data_of_images(it, "photos"))
        .packed(samples::with_checksums)
        .beside(samples::beside_image),
    &Target::new("png with checksums", "photos/red/0.png", images)
        .packed(samples::with_checksums)
        .beside(samples::beside_image)
        .room(IMAGE),
    &Target::new("jpeg", "photos/red/0.jpg", images).beside(samples::beside_image).room(IMAGE),
    &Target::new("schedule", "s.jsonl", schedule).words(&["run", "start", "end", "workers"]),
    &Target::new("trace json", "t.json", |it| read_trace(&it.join("t.json"))).words(TRACE_WORDS),
    &Target::new("trace jsonl", "t.jsonl", |it| read_trace(&it.join("t.jsonl"))).words(TRACE_WORDS),
    &Target::new("trace csv", "t.csv", |it| read_trace(&it.join("t.csv"))).words(TRACE_WORDS),
    &Target::new("dot", "g.dot", |it| tasks(&it.join("g.dot"))).words(&[
        "digraph", "subgraph", "->", "--", "label=", "weight=", "strict", "/*", "//", "<b>",
    ]),
    &Target::new("stg", "g.stg", |it| tasks(&it.join("g.stg"))).words(&["#", " ", "\t"]),
    &Target::new("task graph toml", "g.toml", |it| tasks(&it.join("g.toml"))).words(&[
        "[[task]]",
        "[[message]]",
        "name = ",
        "seconds = ",
        "bytes = ",
        "after = ",
    ]),
    &Target::new("wfformat", "g.json", |it| tasks(&it.join("g.json"))).words(&[
        "tasks",
        "children",
        "parents",
        "runtimeInSeconds",
        "sizeInBytes",
        "id",
        "null",
    ]),
    &Target::new("dax", "g.dax", |it| tasks(&it.join("g.dax"))).words(&[
        "<job ",
        "<child ",
        "<parent ",
        "<uses ",
        "<!ENTITY a \"b\">",
        "<!DOCTYPE",
        "&a;",
    ]),
    &Target::new("machine", "p.toml", |it| Platform::read(it.join("p.toml")).map(drop))
        .words(&["workers", "speeds", "names", "topology", "matrix", "star", "groups", "latency"]),
    &Target::new("onnx", "n.onnx", network_onnx)
        .words(&["Conv", "Gemm", "Reshape", "Constant", "Loop", "ai.onnx", "axis", "value"]),
];

const MODEL_WORDS: &[&str] = &[
    "[[node]]",
    "[[block]]",
    "name = ",
    "kind = ",
    "inputs = ",
    "shape = ",
    "units = ",
    "dense",
    "conv2d",
    "kernel = ",
    "filters = ",
    "lstm",
    "attention",
    "blocks",
    "version",
    "[data]",
    "[train]",
    "optimizer",
    "schedule",
    "step",
    "embedding",
    "reshape",
    "upsample",
    "parameters",
];
const ARRAY_WORDS: &[&str] = &[
    "descr",
    "fortran_order",
    "True",
    "False",
    "shape",
    "<f4",
    ">f8",
    "|b1",
    "<i8",
    "|O",
    "U8",
    "F32",
    "BF16",
    "dtype",
    "data_offsets",
    "__metadata__",
    "(2, 2)",
    "()",
];
const TABLE_WORDS: &[&str] = &["a", "b", "yes", "NA", "nan", "\"\"", ",,", "1.5", "\"", "\r", ";"];
const TRACE_WORDS: &[&str] = &[
    "traceEvents",
    "ph",
    "args",
    "task",
    "after",
    "part",
    "worker",
    "execution",
    "start_ns",
    "end_ns",
    "ready_ns",
    "message",
    "parked",
    "stole",
    "dur",
    "ts",
    "tid",
    "pid",
];

fn model(folder: &Path) -> Result<()> {
    let path = folder.join("m.toml");
    let model = Model::open(path.to_str())?;
    // What was read can be written and read again.
    if let Ok(text) = model.to_toml() {
        assert_eq!(
            Model::from_toml(&text, "again")?.graph.nodes().len(),
            model.graph.nodes().len()
        );
    }
    Ok(())
}

fn saved(folder: &Path) -> Result<()> {
    let path = folder.join("c.safetensors");
    let (Model { graph, training, .. }, checkpoint) = checkpoint::open(path)?;
    if graph.parameter_count() > 1 << 20 {
        return Ok(());
    }
    let options = NetworkOptions::default().executor("sequential");
    let mut network = Network::from_parts(graph, training.optimizer, options)?;
    network.resume(&checkpoint)
}

fn weights(folder: &Path) -> Result<()> {
    let Model { graph, training, .. } = Model::from_toml(samples::MODEL, "own")?;
    let options = NetworkOptions::default().executor("sequential");
    let mut network = Network::from_parts(graph, training.optimizer, options)?;
    network.load_weights(folder.join("w.safetensors"))
}

/// A network for two numbers, and one for images of 8 x 8 pixels.
static TWO_NUMBERS: LazyLock<Model> =
    LazyLock::new(|| Model::from_toml(samples::MODEL, "own").unwrap());
static IMAGES: LazyLock<Model> =
    LazyLock::new(|| Model::from_toml(samples::IMAGE_MODEL, "own").unwrap());

/// Reads every number of a data set.
fn gather(data: &Dataset) -> Result<()> {
    let items: Vec<usize> = (0..data.len()).collect();
    let mut columns = data.inputs().iter().chain(data.targets());
    columns.try_for_each(|column: &Column| column.gather(&items, &mut Vec::new()))
}

fn load_for(graph: &Graph, config: &DataConfig, text: &str) -> Result<()> {
    let loaded = load(text, &LoadOptions::new(graph, config))?;
    gather(&loaded.train)?;
    loaded.test.as_ref().map_or(Ok(()), gather)
}

fn data(folder: &Path, text: &str) -> Result<()> {
    let text = format!("{}/{text}", folder.display());
    load_for(&TWO_NUMBERS.graph, &TWO_NUMBERS.data, &text)
}

/// As `caudal new` reads a table.
fn table(folder: &Path, text: &str) -> Result<()> {
    load_table(&format!("{}/{text}", folder.display()))?.profiles().map(drop)
}

fn csv(folder: &Path) -> Result<()> {
    table(folder, "t.csv")?;
    data(folder, "t.csv")
}

fn csv_gz(folder: &Path) -> Result<()> {
    table(folder, "t.csv.gz")?;
    data(folder, "t.csv.gz")
}

/// As `caudal predict` reads what has no targets.
fn npy(folder: &Path) -> Result<()> {
    let text = format!("{}/x.npy", folder.display());
    gather(&load_to_predict(&text, &TWO_NUMBERS.graph, 1, &TWO_NUMBERS.data)?.0)
}

fn idx(folder: &Path) -> Result<()> {
    let plain = folder.join("train-images-idx3-ubyte");
    let file = if plain.exists() { plain } else { folder.join("train-images-idx3-ubyte.gz") };
    read_idx(file)?;
    data_of_images(folder, ".")
}

fn data_of_images(folder: &Path, text: &str) -> Result<()> {
    let text = format!("{}/{text}", folder.display());
    load_for(&IMAGES.graph, &IMAGES.data, &text)
}

fn images(folder: &Path) -> Result<()> {
    data_of_images(folder, "photos:resize=crop")
}

fn schedule(folder: &Path) -> Result<()> {
    let schedule = Schedule::read(&folder.join("s.jsonl"))?;
    let mut run = run_of(&tiny(4), Mode::Prediction, PlanOptions::plain());
    let mut pool = Pool::with_policy(1, Box::new(Replay::new(schedule)))?;
    pool.execute(&mut run)?;
    pool.execute(&mut run)
}

fn read_trace(path: &Path) -> Result<()> {
    let read = trace::read(path)?;
    let analysed = trace::analyse(&read, None);
    trace::difference(&read, &read);
    analysed.map(drop)
}

fn tasks(path: &Path) -> Result<()> {
    let graph = formats::read(path)?;
    if let Ok(text) = formats::write(&graph, "again.dot") {
        let again = path.with_file_name("again.dot");
        std::fs::write(&again, text).unwrap();
        assert_eq!(formats::read(&again)?.task_count(), graph.task_count());
    }
    Ok(())
}

fn network_onnx(folder: &Path) -> Result<()> {
    let imported = onnx::open(folder.join("n.onnx"))?;
    assert!(!imported.model.graph.nodes().is_empty());
    Ok(())
}
