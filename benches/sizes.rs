//! What large networks and large files cost, a node and a byte: whether time and memory grow in proportion.
//!
//! `cargo bench --bench sizes` prints tables; `-- --picture FILE.svg` draws the first two; `-- --file n.onnx` reads files of one
//! kind alone; `-- --test` takes small sizes, to see that all of it runs. Each size is taken once, so small ones tell little.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use caudal::context::Mode;
use caudal::data::{LoadOptions, load};
use caudal::flow::trace::{self, Recorder};
use caudal::flow::{Executor, Pool};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Dense, Relu, Scale};
use caudal::losses::MeanSquaredError;
use caudal::measure::tiny_nodes;
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::report::{Series, dot, logarithmic_chart, svg};
use caudal::run::{Parameters, Run};
use caudal::scheduling::formats;
use caudal::task_bench::Pattern;
use caudal::train::{Network, NetworkOptions, checkpoint};
use caudal::{Result, Tensor, onnx};

/// What is done with a network, in this order.
const STAGES: [&str; 10] =
    ["build", "compile", "first step", "step", "save", "read", "model file", "dot", "svg", "drop"];

fn shape(name: &str, nodes: usize) -> Result<Graph> {
    let mut net = GraphBuilder::new(name);
    let x = net.input("x", [1]);
    let y = net.target("y", [1]);
    let mut last = net.layer("stem", Dense::new(1), [&x]);
    if name == "deep" {
        for number in 0..nodes {
            let name = format!("n{number}");
            last = if number % 2 == 0 {
                net.layer(name, Relu, [&last])
            } else {
                net.layer(name, Dense::new(1), [&last])
            };
        }
    } else {
        let ribs: Vec<_> =
            (0..nodes).map(|number| net.layer(format!("n{number}"), Relu, [&last])).collect();
        let sum = net.layer("sum", Add, &ribs);
        last = net.layer("mean", Scale::new(1.0 / nodes as f32), [&sum]);
    }
    net.loss("loss", MeanSquaredError, [&last, &y]);
    net.build()
}

/// The seconds of every stage, and the bytes that the network takes.
fn network(name: &str, nodes: usize, folder: &Path) -> Result<(Vec<f64>, f64)> {
    let before = resident();
    let mut seconds = Vec::new();
    let mut clock = Instant::now();
    let mut lap = |seconds: &mut Vec<f64>| {
        seconds.push(clock.elapsed().as_secs_f64());
        clock = Instant::now();
    };
    let graph = Arc::new(shape(name, nodes)?);
    lap(&mut seconds);
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let options = NetworkOptions::default().workers(2);
    let mut network = Network::from_parts(graph, optimizer, options)?;
    network.run(Mode::Training, 2)?;
    lap(&mut seconds);
    let (x, y) = (Tensor::ones(vec![2, 1]), Tensor::ones(vec![2, 1]));
    for _ in 0..2 {
        network.train_batch(&[("x", &x), ("y", &y)])?;
        lap(&mut seconds);
    }
    let bytes = resident() - before;
    let path = folder.join("sizes.safetensors");
    lap(&mut Vec::new());
    network.save(&path, &TrainingConfig::default())?;
    lap(&mut seconds);
    let (model, saved) = checkpoint::open(&path)?;
    lap(&mut seconds);
    let text = model.to_toml()?;
    let again = Model::from_toml(&text, "again")?;
    assert_eq!(again.graph.nodes().len(), network.graph().nodes().len());
    lap(&mut seconds);
    let drawn = dot(network.graph(), None);
    lap(&mut seconds);
    let picture = svg(network.graph(), None);
    assert!(drawn.len() > nodes && picture.len() > nodes);
    lap(&mut seconds);
    drop((network, model, saved, text, again, drawn, picture));
    lap(&mut seconds);
    Ok((seconds, bytes))
}

/// Bytes of this process that are in memory, as Linux tells it.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0)
}

/// Measures a network in a process of its own, so that its memory is that of no other.
fn apart(name: &str, nodes: usize) -> Result<Vec<f64>> {
    let io = |source| caudal::Error::Io { path: "sizes".into(), source };
    let program = std::env::current_exe().map_err(io)?;
    let nodes = nodes.to_string();
    let output = Command::new(program).args(["--network", name, &nodes]).output().map_err(io)?;
    let told = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    if numbers.len() == STAGES.len() + 1 {
        return Ok(numbers);
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io(std::io::Error::other(format!("{name}, {nodes} nodes: {told}"))))
}

fn networks(largest: [(&str, usize); 2], folder: &Path, picture: Option<&str>) -> Result<()> {
    let mut series = Vec::new();
    for (name, largest) in largest {
        println!("{name}: microseconds a node, and bytes a node after two steps");
        print!("{:>9}", "nodes");
        for stage in STAGES {
            print!("{stage:>11}");
        }
        println!("{:>11}", "bytes");
        let sizes = (0..4).map(|number| largest / 10_usize.pow(number));
        let mut sizes: Vec<usize> = sizes.filter(|&nodes| nodes >= 1000).collect();
        sizes.reverse();
        let mut curves = [vec![], vec![], vec![]];
        for nodes in sizes {
            let numbers = apart(name, nodes)?;
            let [seconds @ .., bytes] = &numbers[..] else { continue };
            let micros: Vec<f64> = seconds.iter().map(|it| it * 1e6 / nodes as f64).collect();
            print!("{nodes:>9}");
            for micros in &micros {
                print!("{micros:>11.3}");
            }
            println!("{:>11.0}", bytes / nodes as f64);
            let shown = [micros.iter().sum(), micros[1], micros[3]];
            for (curve, micros) in curves.iter_mut().zip(shown) {
                curve.push((nodes as f64, micros));
            }
        }
        let words = ["all of it", STAGES[1], STAGES[3]].map(|stage| format!("{name}: {stage}"));
        series.extend(words.into_iter().zip(curves).map(|(name, curve)| Series::new(name, curve)));
    }
    let Some(path) = picture else { return Ok(()) };
    let title = "Chains and fans of layers: time a node";
    let drawn = logarithmic_chart(title, "layers", "microseconds a node", &series);
    caudal::files::replace(folder.join(path), drawn.as_bytes())
}

/// A model for tables of these columns.
const MODEL: &str = r#"
[[node]]
name = "x"
kind = "input"
shape = [2]
columns = ["a", "b"]
[[node]]
name = "y"
kind = "target"
shape = [2]
columns = ["c", "d"]
[[node]]
name = "d"
kind = "dense"
inputs = ["x"]
units = 2
[[node]]
name = "loss"
kind = "mean_squared_error"
inputs = ["d", "y"]
"#;

/// The name of a file, what is in it for a number of items, and who reads it.
type Kind = (&'static str, fn(usize) -> Result<Vec<u8>>, fn(&Path) -> Result<()>);

fn table(rows: usize) -> Vec<u8> {
    let mut text = "a,b,c,d\n".to_owned();
    for row in 0..rows {
        let _ = writeln!(text, "{row},{}.25,-{row}e-2,7", row % 100);
    }
    text.into_bytes()
}

fn read_table(path: &Path) -> Result<()> {
    let Model { graph, data, .. } = Model::from_toml(MODEL, "table")?;
    load(&path.to_string_lossy(), &LoadOptions::new(&graph, &data)).map(drop)
}

fn tasks(count: usize, name: &str) -> Result<Vec<u8>> {
    let pattern = format!("stencil:width=10,steps={}", (count / 10).max(1));
    Ok(formats::write(&Pattern::parse(&pattern)?.graph()?, name)?.into_bytes())
}

fn read_tasks(path: &Path) -> Result<()> {
    formats::read(path).map(drop)
}

/// A trace of a run of a chain.
fn traced(nodes: usize, write: fn(&Run, &Recorder) -> String) -> Result<Vec<u8>> {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let graph = Arc::new(tiny_nodes("chain", nodes)?);
    let plan = Plan::compile(&graph, Mode::Prediction, 1, &optimizer, PlanOptions::plain())?;
    let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 0)?;
    let mut run = Run::new(Arc::new(plan), Arc::new(parameters))?;
    let recorder = Arc::new(Recorder::new().with_messages());
    run.observe(Some(Arc::clone(&recorder) as _));
    Pool::new(2, "fifo")?.execute(&mut run)?;
    Ok(write(&run, &recorder).into_bytes())
}

fn read_trace(path: &Path) -> Result<()> {
    let trace = trace::read(path)?;
    trace::analyse(&trace, None).map(drop)
}

fn deep(layers: usize) -> Result<Network> {
    let options = NetworkOptions::default().executor("sequential");
    Network::new(shape("deep", layers)?, Sgd::default(), options)
}

const KINDS: [Kind; 12] = [
    ("t.csv", |rows| Ok(table(rows)), read_table),
    ("t.csv.gz", |rows| Ok(gzipped(&table(rows))), read_table),
    ("g.stg", |count| tasks(count, "g.stg"), read_tasks),
    ("g.dot", |count| tasks(count, "g.dot"), read_tasks),
    ("g.json", |count| tasks(count, "g.json"), read_tasks),
    ("g.toml", |count| tasks(count, "g.toml"), read_tasks),
    (
        "t.json",
        |nodes| traced(nodes, |run, it| trace::chrome(run.plan(), &it.executions())),
        read_trace,
    ),
    (
        "t.jsonl",
        |nodes| traced(nodes, |run, it| trace::json_lines(run.plan(), &it.executions())),
        read_trace,
    ),
    (
        "e.csv",
        |nodes| traced(nodes, |run, it| trace::csv(run.plan(), &it.executions())),
        read_trace,
    ),
    (
        "m.toml",
        |layers| {
            let model = Model::new(shape("deep", layers)?, TrainingConfig::default());
            Ok(model.to_toml()?.into_bytes())
        },
        |path| Model::open(path.to_str()).map(drop),
    ),
    ("n.onnx", |layers| onnx::to_bytes(&deep(layers)?), |path| onnx::open(path).map(drop)),
    (
        "w.safetensors",
        |layers| {
            let path = std::env::temp_dir().join(format!("caudal-sizes-{}", std::process::id()));
            deep(layers)?.save(&path, &TrainingConfig::default())?;
            let bytes = std::fs::read(&path);
            let _ = std::fs::remove_file(&path);
            bytes.map_err(|source| caudal::Error::Io { path, source })
        },
        |path| checkpoint::open(path).map(drop),
    ),
];

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("a vector takes all");
    packed.finish().expect("a vector takes all")
}

fn files(items: [usize; 3], only: Option<&str>, folder: &Path) -> Result<()> {
    println!("files: items, bytes, nanoseconds a byte to read");
    for (name, make, read) in KINDS.iter().filter(|kind| only.is_none_or(|only| kind.0 == only)) {
        print!("{name:<14}");
        for items in items {
            let path = folder.join(name);
            let bytes = make(items)?;
            std::fs::write(&path, &bytes)
                .map_err(|source| caudal::Error::Io { path: path.clone(), source })?;
            let began = Instant::now();
            if let Err(error) = read(&path) {
                print!("{items:>9} refused: {error}");
                continue;
            }
            let nanos = began.elapsed().as_secs_f64() * 1e9 / bytes.len() as f64;
            print!("{items:>9} {:>10} {nanos:>8.1}", bytes.len());
            // A large file may take a while.
            let _ = std::io::stdout().flush();
        }
        println!();
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, option, name, nodes] = &arguments[..]
        && option == "--network"
    {
        let folder = tempfile::tempdir().expect("a folder for files");
        let nodes = nodes.parse().expect("a number of nodes");
        let (seconds, bytes) = network(name, nodes, folder.path())?;
        for number in seconds.iter().chain([&bytes]) {
            print!("{number} ");
        }
        return Ok(());
    }
    let tests = arguments.iter().any(|argument| argument == "--test");
    let after = |option: &str| {
        let mut after = arguments.iter().skip_while(|argument| *argument != option);
        after.nth(1).map(String::as_str)
    };
    let folder = tempfile::tempdir().expect("a folder for files");
    let largest = if tests { [1000, 1000] } else { [100_000, 1_000_000] };
    let largest = [("deep", largest[0]), ("wide", largest[1])];
    let only = after("--file");
    if only.is_none() {
        let here = std::env::current_dir().expect("a folder to work in");
        networks(largest, &here, after("--picture"))?;
    }
    files(if tests { [10, 40, 160] } else { [4_000, 40_000, 400_000] }, only, folder.path())
}
