//! The commands that take ONNX files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use caudal::onnx;

use crate::command_line::caudal;

fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/onnx");
    folder.join(name).to_str().unwrap().to_owned()
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let output = caudal(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap() + &errors
}

fn path(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

/// A table with numbers for the columns a to g, and a class; and the same table without it.
fn tables(folder: &Path) -> [String; 2] {
    let [(path, text), (bare, bare_text)] =
        ["items.csv", "bare.csv"].map(|name| path(folder, name));
    let mut lines = "a,b,c,d,e,f,g,target\n".to_owned();
    for item in 0..60 {
        let numbers: Vec<String> = (0..7)
            .map(|at| format!("{:.2}", ((item * 7 + at * 5) % 23) as f32 / 9.0 - 1.0))
            .collect();
        let _ = writeln!(lines, "{},{}", numbers.join(","), item % 4);
    }
    let without = |line: &str| line.rsplit_once(',').unwrap().0.to_owned() + "\n";
    std::fs::write(bare, lines.lines().map(without).collect::<String>()).unwrap();
    std::fs::write(path, lines).unwrap();
    [text, bare_text]
}

#[test]
fn a_network_of_pytorch_is_shown_measured_trained_on_and_frozen() {
    let folder = tempfile::tempdir().unwrap();
    let mlp = file("mlp-script.onnx");
    let [data, bare] = tables(folder.path());
    let shown = done(&["summary", &mlp]);
    assert!(shown.contains("gelu") && shown.contains("/5/Gemm"), "{shown}");
    let shown = done(&["inspect", &mlp]);
    assert!(shown.contains("output (4)"), "{shown}");
    let softmax = ["--loss", "softmax_cross_entropy", "--metric", "accuracy"];
    let quick = ["--seconds", "0.1", "--allow-mixed"];
    done(&[&["bench", &mlp], &softmax[..], &quick].concat());
    let (_, drawn) = path(folder.path(), "mlp.svg");
    done(&["graph", &mlp, "--out", &drawn]);

    // Without a step there is nothing but its weights: it predicts what they say.
    let before = done(&["predict", &mlp, "--data", &bare]);
    let (_, safe) = path(folder.path(), "mlp.safetensors");
    done(&["freeze", &mlp, "--out", &safe]);
    assert_eq!(done(&["predict", &safe, "--data", &bare]), before);
    let tested =
        done(&[&["evaluate", &mlp, "--data", &data, "--part", "train"], &softmax[..]].concat());
    assert!(tested.contains("accuracy"), "{tested}");

    // Training begins with them, and goes on from there.
    let (_, trained) = path(folder.path(), "trained.safetensors");
    let rest = [
        "--data",
        &data,
        "--test",
        "0.2",
        "--max-steps",
        "1",
        "--learning-rate",
        "0",
        "--save",
        &trained,
    ];
    done(&[&["train", &mlp], &softmax[..], &rest, &["--quiet"]].concat());
    let imported = onnx::open(&mlp).unwrap();
    let network =
        caudal::train::Network::load(&trained, caudal::train::NetworkOptions::default()).unwrap();
    for (name, values) in &imported.weights {
        assert_eq!(network.weights(name).unwrap(), values, "{name}");
    }
    let rest = [
        "--data",
        &data,
        "--test",
        "0.2",
        "--epochs",
        "30",
        "--learning-rate",
        "0.1",
        "--save",
        &trained,
    ];
    done(&[&["train", &mlp], &softmax[..], &rest, &["--quiet", "--seed", "3"]].concat());
    let loss = |text: &str| -> f64 {
        let words: Vec<&str> = text.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "loss").unwrap();
        words[at + 1].parse().unwrap()
    };
    let evaluated = done(&["evaluate", &trained, "--data", &data, "--part", "train"]);
    assert!(loss(&evaluated) < loss(&tested), "{evaluated} {tested}");

    // And back.
    let (out, onnx_file) = path(folder.path(), "trained.onnx");
    done(&["freeze", &trained, "--out", &onnx_file]);
    assert_eq!(done(&["predict", &onnx_file, "--data", &bare]), {
        let (_, frozen) = path(folder.path(), "frozen.safetensors");
        done(&["freeze", &trained, "--out", &frozen]);
        done(&["predict", &frozen, "--data", &bare])
    });
    let again = onnx::open(&out).unwrap();
    let trained =
        caudal::train::Network::load(&trained, caudal::train::NetworkOptions::default()).unwrap();
    for (name, values) in &again.weights {
        assert_eq!(trained.weights(name).unwrap(), values, "{name}");
    }
    let (_, graph) = path(folder.path(), "digits.onnx");
    done(&["graph", "digits", "--out", &graph]);
    done(&["evaluate", &graph, "--loss", "softmax_cross_entropy", "--metric", "accuracy"]);
}

#[test]
fn what_lacks_a_loss_says_what_to_do() {
    let cnn = file("cnn-script.onnx");
    for (arguments, expected) in [
        (&["evaluate", &cnn][..], "--loss"),
        (&["train", &cnn, "--quiet"], "--loss"),
        (
            &["train", &cnn, "--loss", "softmax_cross_entrpy"],
            "did you mean `softmax_cross_entropy`?",
        ),
        (&["train", "digits", "--loss", "huber"], "it has a loss"),
        (&["sweep", &cnn, "--set", "seed=0,1", "--folder", "none"], "caudal graph"),
    ] {
        let output = caudal(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
    let shown = done(&["inspect", &cnn, "--json"]);
    assert!(shown.contains(r#""channels_last":["input"]"#), "{shown}");
}

const BESIDE: &str = r#"
[[node]]
name = "input"
kind = "input"
columns = ["a", "b", "c", "d", "e", "f", "g"]

[[node]]
name = "class"
kind = "target"
shape = []
columns = ["target"]

[[node]]
name = "loss"
kind = "softmax_cross_entropy"
inputs = ["/5/Gemm", "class"]

[[node]]
name = "right"
kind = "accuracy"
inputs = ["output", "class"]

[train]
batch_size = 7
optimizer = { kind = "adam", learning_rate = 0.02 }
"#;

#[test]
fn a_file_beside_says_how_a_network_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let (net, name) = path(folder.path(), "net.onnx");
    let (beside, beside_name) = path(folder.path(), "net.onnx.toml");
    std::fs::copy(file("mlp-script.onnx"), &net).unwrap();
    let [data, bare] = tables(folder.path());
    let without = done(&["predict", &name, "--data", &bare]);
    std::fs::write(&beside, BESIDE).unwrap();
    assert_eq!(onnx::training_file(&net).unwrap(), Some(beside.clone()));

    let shown = done(&["summary", &name]);
    assert!(shown.contains("net.onnx.toml says how") && shown.contains("right"), "{shown}");
    let shown = done(&["inspect", &name, "--json"]);
    assert!(shown.contains(r#""training_file":"#) && shown.contains("net.onnx.toml"), "{shown}");
    let predicted = done(&["predict", &name, "--data", &bare]);
    assert!(predicted.starts_with(&without), "weights and outputs are those of the network");
    let (_, saved) = path(folder.path(), "saved.safetensors");
    let quick = ["--data", &data, "--max-steps", "2", "--save", &saved, "--quiet"];
    let told = done(&[&["train", &name], &quick[..]].concat());
    assert!(told.contains("net.onnx.toml says how"), "{told}");
    let (model, _) = caudal::train::checkpoint::open(&saved).unwrap();
    assert_eq!(model.training.batch_size, 7);
    assert_eq!(model.training.optimizer.kind(), "adam");
    assert!(model.graph.node("class").is_ok() && model.graph.node("right").is_ok());
    done(&["evaluate", &name, "--data", &data, "--part", "train"]);

    // Options go before it.
    let options = ["--loss", "softmax_cross_entropy", "--batch-size", "9"];
    done(&[&["train", &name], &options[..], &quick].concat());
    let (model, _) = caudal::train::checkpoint::open(&saved).unwrap();
    assert_eq!(model.training.batch_size, 9);
    assert!(model.graph.node("class").is_err() && model.graph.node("target").is_ok());
    assert_eq!(model.training.optimizer.kind(), "adam");

    for (wrong, by, expected) in [
        ("\"softmax_cross_entropy\"", "\"softmax_cross_entrpy\"", ":15: node `loss`"),
        ("\"/5/Gemm\"", "\"/5/Gem\"", ":13: node `loss`"),
        ("name = \"input\"", "name = \"inputs\"\nshape = [7]", "did you mean `input`?"),
        ("kind = \"input\"", "kind = \"input\"\nshape = [8]", ":2: node `input`: its shape is 8"),
        ("batch_size = 7", "batch_size = 0", "`batch_size` is not a whole number"),
        (
            "[train]",
            "[[node]]\nname = \"more\"\nkind = \"relu\"\ninputs = [\"output\"]\n[train]",
            "node `more`: it is a layer",
        ),
    ] {
        assert!(BESIDE.contains(wrong), "{wrong}");
        std::fs::write(&beside, BESIDE.replace(wrong, by)).unwrap();
        let error = onnx::open(&net).unwrap_err().to_string();
        assert!(error.starts_with(&beside_name) && error.contains(expected), "{error}");
    }
    std::fs::write(&beside, "name = \"net\"\n").unwrap();
    let error = onnx::open(&net).unwrap_err().to_string();
    assert!(error.contains(":1: unknown key `name` in a file beside a network"), "{error}");
}
