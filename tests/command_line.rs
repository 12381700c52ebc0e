//! The program as its users call it.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use caudal::blocks::BLOCKS;
use caudal::data::READERS;
use caudal::flow::EXECUTORS;
use caudal::flow::policy::POLICIES;
use caudal::layers::LAYERS;
use caudal::losses::LOSSES;
use caudal::metrics::METRICS;
use caudal::model::Model;
use caudal::optimizers::OPTIMIZERS;
use caudal::presets::PRESETS;
use caudal::regularizers::REGULARIZERS;
use serde_json::Value;

pub(crate) fn caudal(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_caudal")).args(arguments).output().unwrap()
}

/// The commands that refuse to mix figures of cores that the host moved apart, or together, while they measured.
const MEASURING: [&str; 4] = ["bench", "speedup", "simulate", "metg"];

/// Standard output of a call that must succeed, wherever the host has the cores meanwhile: what a move of them does has
/// tests of its own.
pub(crate) fn told(arguments: &[&str]) -> String {
    let mut arguments = arguments.to_vec();
    if MEASURING.contains(&arguments[0]) {
        arguments.push("--allow-mixed");
    }
    let output = caudal(&arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The options that end standard output with a JSON object.
pub(crate) fn as_json(arguments: &[&str]) -> &'static [&'static str] {
    // A training measures its speedup for seconds, which next to no test looks at.
    let own = |option: &&str| ["--speedup", "--folds"].contains(option);
    let trains = arguments[0] == "train" && !arguments.iter().any(own);
    if trains { &["--json", "--speedup", "off"] } else { &["--json"] }
}

/// The JSON object in the last line of standard output.
pub(crate) fn json(arguments: &[&str]) -> Value {
    let told = told(&[arguments, as_json(arguments)].concat());
    serde_json::from_str(told.lines().last().unwrap()).unwrap()
}

/// The exit code and the one line of a call that must fail.
pub(crate) fn refused(arguments: &[&str]) -> (i32, String) {
    let output = caudal(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.trim_end().lines().count(), 1, "{arguments:?}: {errors}");
    let line = errors.trim_end().strip_prefix("caudal: ").expect(&errors).to_owned();
    (output.status.code().unwrap(), line)
}

pub(crate) fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn training_reports_every_field() {
    let told = json(&["train", "--quiet", "--max-steps", "12", "--speedup", "on"]);
    for field in ["loss", "test_accuracy", "step_ms", "seconds", "train_loss"] {
        assert!(told[field].is_f64(), "{field}: {told}");
    }
    assert_eq!((&told["steps"], &told["executor"]), (&12.into(), &"pool".into()));
    assert_eq!(told["policy"], "critical-path");
    assert!(told["workers"].as_u64().unwrap() >= 1);
    assert_eq!(told["weights_sha256"].as_str().unwrap().len(), 64);
    let graph = Model::open(None).unwrap().graph;
    assert_eq!(told["parameters"], graph.parameter_count());
    let rows = told["speedup"]["rows"].as_array().unwrap();
    assert_eq!(
        (&rows[0]["executor"], &rows[1]["executor"]),
        (&"sequential".into(), &"pool".into())
    );
    assert!(rows.iter().all(|row| row["step_ms"].as_f64().unwrap() > 0.0));
}

#[test]
fn training_without_a_terminal_shows_epochs_and_a_table() {
    let output = caudal(&["train", "--epochs", "2", "--max-steps", "50", "--validation", "0.1"]);
    assert_eq!(output.status.code(), Some(0));
    let errors = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = errors.lines().collect();
    assert!(
        lines[0].starts_with("epoch 1/2  loss ") && lines[0].contains("validation accuracy"),
        "{errors}"
    );
    // Nothing is left after the last step.
    let last = lines.iter().rfind(|line| line.starts_with("epoch ")).unwrap();
    assert!(lines[0].ends_with(" left") && !last.contains("left"), "{errors}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("test loss "), "{told}");
    for words in ["sequential", "pool", "speedup", "bound", "critical path", "forward", "share"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn every_executor_and_number_of_workers_gives_the_same_weights() {
    let weights = |executor: &str, workers: &str, policy: &str| {
        let told = json(&[
            "train",
            "--quiet",
            "--max-steps",
            "6",
            "--executor",
            executor,
            "--workers",
            workers,
            "--policy",
            policy,
        ]);
        told["weights_sha256"].as_str().unwrap().to_owned()
    };
    let expected = weights("sequential", "1", "critical-path");
    for (executor, workers, policy) in [
        ("pool", "1", "critical-path"),
        ("pool", "2", "static:fallback"),
        ("channels", "2", "fifo"),
        ("actors", "2", "fifo"),
    ] {
        assert_eq!(weights(executor, workers, policy), expected, "{executor} {workers} {policy}");
    }
}

#[test]
fn a_saved_model_tests_as_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "model.safetensors");
    let trained = json(&["train", "--quiet", "--max-steps", "20", "--save", &file]);
    let tested = json(&["evaluate", &file]);
    for field in ["loss", "test_accuracy", "weights_sha256", "steps", "test_metrics"] {
        assert_eq!(trained[field], tested[field], "{field}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing stays beside the saved model");

    // With these weights as first ones, one step gives other weights, yet from another start.
    let first = json(&["train", "--quiet", "--max-steps", "1"]);
    let initialized = json(&["train", "--quiet", "--max-steps", "1", "--init", &file]);
    assert_ne!(first["weights_sha256"], initialized["weights_sha256"]);
    assert!(initialized["train_loss"].as_f64().unwrap() < first["train_loss"].as_f64().unwrap());
}

#[test]
fn predictions_agree_with_the_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (path(&folder, "model.safetensors"), path(&folder, "predicted.csv"));
    let trained = json(&["train", "--quiet", "--max-steps", "40", "--save", &file]);
    told(&["predict", &file, "--out", &out]);
    let written = std::fs::read_to_string(&out).unwrap();
    assert_eq!(written, told(&["predict", &file]));
    let labels = caudal::data::digits().unwrap().1.targets()[0].tensor().unwrap().clone();
    let lines: Vec<&str> = written.lines().skip(1).collect();
    assert_eq!(lines.len(), labels.len());
    let right = lines.iter().zip(&labels).filter(|(line, label)| {
        line.split(',').nth(1).unwrap().parse::<f32>().unwrap().to_bits() == label.to_bits()
    });
    let accuracy = right.count() as f64 / labels.len() as f64;
    assert!((accuracy - trained["test_accuracy"].as_f64().unwrap()).abs() < 1e-9);
}

#[test]
fn a_resumed_training_ends_as_one_without_a_break() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "half.safetensors");
    // The break lies within an epoch.
    let common = ["train", "--quiet", "--epochs", "2", "--seed", "5"];
    let train = |more: &[&str]| json(&[&common[..], more].concat());
    let whole = train(&[]);
    train(&["--max-steps", "30", "--save", &file]);
    let resumed = train(&["--resume", &file]);
    for field in ["weights_sha256", "steps", "loss"] {
        assert_eq!(whole[field], resumed[field], "{field}");
    }
    let (code, message) = refused(&["train", "--resume", &file, "--max-steps", "30"]);
    assert_eq!(code, 2);
    assert!(message.contains("nothing is left to train: 30 steps are done"), "{message}");
}

#[test]
fn bad_usage_and_bad_input_end_with_two_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = path(&folder, "text.csv");
    std::fs::write(&text, "1,2\nx,y\n").unwrap();
    let nowhere = path(&folder, "no/such/folder/model.safetensors");
    let cases: &[(&[&str], &str)] = &[
        (&["trian"], "trian"),
        (&["train", "--epoch", "3"], "--epoch"),
        (&["train", "--epochs", "0"], "--epochs"),
        (&["train", "--workers", "0"], "--workers"),
        (&["train", "--workers", "many"], "--workers"),
        (&["train", "nothing-like-it"], "nothing-like-it"),
        (&["train", "missing.toml"], "missing.toml"),
        (&["train", "--policy", "luck"], "unknown policy `luck`; known are: "),
        (&["train", "--policy", "random:x"], "policy `random:x`: expected a whole number"),
        (&["train", "--replay", "missing.jsonl"], "missing.jsonl"),
        (&["train", "--replay", &text], "line 1: this is no event of a schedule"),
        (&["train", "--record", "a", "--replay", "b"], "cannot be used with"),
        (&["train", "--record", &text, "--executor", "actors"], "only the pool has schedules"),
        (&["train", "--executor", "magic"], "unknown executor `magic`; known are: "),
        (&["train", "--executor", "sequential", "--policy", "luck"], "unknown policy"),
        (&["train", "--optimizer", "hope"], "unknown optimizer `hope`; known are: "),
        (&["train", "--optimizer", "{ kind = 'hope' }"], "unknown optimizer `hope`; known are: "),
        (&["train", "--optimizer", "{ momentum = 0.9 }"], "--optimizer: the table has no `kind`"),
        (&["train", "--optimizer", "{ kind = "], "--optimizer: "),
        (&["train", "--optimizer", "{ kind = 'sgd', clip = 1.0 }"], "unknown field `clip`"),
        (&["train", "--learning-rate", "-1"], "learning_rate"),
        (&["train", "--data", "missing.csv"], "missing.csv"),
        (&["train", "--data", &text], "text.csv"),
        (&["train", "--init", "missing.safetensors"], "missing.safetensors"),
        (&["train", "--init", &text], "text.csv"),
        (&["train", "--resume", &text], "text.csv"),
        (&["train", "--init", "a", "--resume", "b"], "cannot be used with"),
        (&["train", "--save", &nowhere], "its folder does not exist"),
        (&["evaluate"], "<FILE>"),
        (&["evaluate", "missing.safetensors"], "missing.safetensors"),
        (&["predict", &text], "text.csv"),
        (&["bench", "towers-smal"], "towers-smal"),
        (&["bench", "--seconds", "-1"], "--seconds"),
        (&["overhead", "--shape", "ring"], "ring"),
        (&["overhead", "--nodes", "2"], "--nodes"),
        (&["graph"], "--out"),
        (&["graph", "--out", "drawing.png"], "drawing.png"),
    ];
    for (arguments, words) in cases {
        let (code, message) = refused(arguments);
        assert_eq!(code, 2, "{arguments:?}: {message}");
        assert!(message.contains(words), "{arguments:?}: {message}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_a_failed_run() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_caudal")).arg("layers").stdout(full).output();
    let child = child.unwrap();
    assert_eq!(child.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&child.stderr).starts_with("caudal: standard output: "));
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_never_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let folder = tempfile::tempdir().unwrap();
    let (socket, model) = (path(&folder, "socket.dot"), path(&folder, "model.safetensors"));
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    told(&["train", "--quiet", "--max-steps", "1", "--save", &model]);
    for arguments in [
        &["train", "--quiet", "--max-steps", "1", "--save", &socket][..],
        &["predict", &model, "--out", &socket],
        &["graph", "--out", &socket],
    ] {
        let (code, message) = refused(arguments);
        assert_eq!(code, 2, "{message}");
        assert!(message.contains("it is there and no regular file"), "{message}");
        assert!(std::fs::metadata(&socket).unwrap().file_type().is_socket());
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_caudal"))
        .args(["train", "--max-steps", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[cfg(unix)]
#[test]
fn a_training_that_a_signal_ends_saves_and_can_go_on() {
    for (signal, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
        if is_ignored(number) {
            // As under `nohup`, which the program obeys.
            println!("skipped: whoever runs this test has {signal} ignored");
        } else {
            ends_and_goes_on(signal, 128 + number);
        }
    }
}

/// Whether this process, and so those that it starts, ignores a signal, as far as Linux tells.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    ignored.is_some_and(|set| set >> (signal - 1) & 1 == 1)
}

#[cfg(unix)]
fn ends_and_goes_on(signal: &str, code: i32) {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "broken-off.safetensors");
    let mut child = Command::new(env!("CARGO_BIN_EXE_caudal"))
        .args(["train", "--epochs", "1000000", "--save", &file])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = child.stderr.take().unwrap();
    // The line of the first epoch has begun, so Ctrl-C is watched.
    errors.read_exact(&mut [0; 10]).unwrap();
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}: {rest}");
    assert!(rest.ends_with("caudal: interrupted\n"), "{rest}");
    let steps = json(&["evaluate", &file])["steps"].as_u64().unwrap();
    let more = (steps + 1).to_string();
    let resumed =
        json(&["train", "--quiet", "--epochs", "1000000", "--max-steps", &more, "--resume", &file]);
    assert_eq!(resumed["steps"], steps + 1);
}

#[test]
fn lists_hold_every_row_of_the_tables() {
    let check = |command: &str, names: &[&str]| {
        let (text, object) = (told(&[command]), json(&[command]));
        let rows = object[command].as_array().unwrap();
        let listed: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(listed, names, "{command}");
        for row in rows {
            let named =
                text.lines().find(|line| line.split_whitespace().next() == row["name"].as_str());
            assert!(named.unwrap().contains(row["summary"].as_str().unwrap()), "{text}");
            for attribute in row["attributes"].as_array().unwrap() {
                assert!(text.contains(attribute["meaning"].as_str().unwrap()), "{attribute}");
            }
        }
    };
    check("models", &PRESETS.iter().map(|it| it.name).collect::<Vec<_>>());
    check("layers", &LAYERS.iter().map(|it| it.kind).collect::<Vec<_>>());
    check("blocks", &BLOCKS.iter().map(|it| it.kind).collect::<Vec<_>>());
    check("losses", &LOSSES.iter().map(|it| it.kind).collect::<Vec<_>>());
    check("metrics", &METRICS.iter().map(|it| it.kind).collect::<Vec<_>>());
    check("optimizers", &OPTIMIZERS.iter().map(|it| it.kind).collect::<Vec<_>>());
    check("regularizers", &REGULARIZERS.iter().map(|it| it.kind).collect::<Vec<_>>());
    check("readers", &READERS.iter().map(|it| it.name).collect::<Vec<_>>());
    check("policies", &POLICIES.iter().map(|it| it.name).collect::<Vec<_>>());
    check("executors", &EXECUTORS.iter().map(|it| it.name).collect::<Vec<_>>());
}

#[test]
fn a_graph_is_drawn_to_a_file_or_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "drawing.dot");
    let shown = told(&["graph", "--out", "-"]);
    told(&["graph", "--out", &file]);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim_end(), shown.trim_end());
    assert!(shown.starts_with("digraph"), "{shown}");
    let file = path(&folder, "drawing.svg");
    told(&["graph", "--out", &file]);
    let picture = std::fs::read_to_string(&file).unwrap();
    assert!(picture.starts_with("<svg"), "{picture}");
    for node in Model::open(None).unwrap().graph.nodes() {
        assert!(shown.contains(&node.name) && picture.contains(&node.name), "{}", node.name);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    assert!(told(&["--help"]).contains("overhead"));
    assert!(told(&["train", "--help"]).contains("--learning-rate"));
    assert!(told(&["--version"]).starts_with("caudal "));
}

#[test]
fn help_of_data_names_what_every_reader_reads() {
    for command in ["train", "evaluate", "predict"] {
        let help = told(&[command, "--help"]);
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for row in READERS {
            assert!(help.contains(row.form), "{command}: {}", row.form);
        }
        assert!(help.contains("see `caudal readers`"), "{command}");
    }
}

#[test]
fn help_explains_the_words_of_scheduling() {
    for command in ["train", "bench", "speedup", "simulate", "overhead"] {
        let help = told(&[command, "--help"]);
        let words = help.split_once("Words:").unwrap().1;
        for word in ["plan", "task", "part", "ready", "policy", "executor", "pool", "speedup"] {
            let explained = words.lines().any(|line| line.trim_start().starts_with(word));
            assert!(explained, "{command}: {word}");
        }
    }
}

#[test]
fn the_format_of_model_files_is_told() {
    let page = include_str!("../docs/model-file.md");
    assert_eq!(told(&["model-file"]), page);
    assert!(told(&["--help"]).contains("`caudal model-file`"));
    assert!(told(&["help", "model-file"]).contains("grammar"));
    let of_one = told(&["model-file", "conv2d"]);
    assert!(of_one.contains("### `conv2d`") && !of_one.contains("### `dense`"), "{of_one}");
    let (code, line) = refused(&["model-file", "nonsense"]);
    assert!(code == 2 && line.contains("`nonsense`"), "{line}");
}
