//! `caudal train` with its orders, limits, logs and checkpoints, and `caudal freeze`.

use std::fmt::Write;

use serde_json::Value;

use crate::command_line::{json, path, refused, told};

fn lines(file: &str) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn orders_and_limits_of_batches_are_obeyed() {
    let weights = |options: &[&str]| {
        let training = ["train", "article-dag", "--quiet", "--epochs", "2", "--max-batches", "5"];
        let told = json(&[&training, options].concat());
        assert_eq!(told["steps"], 10);
        assert_eq!(told["test_items"], 360);
        told["weights_sha256"].as_str().unwrap().to_owned()
    };
    let sequential = weights(&["--order", "sequential"]);
    assert_eq!(weights(&["--no-shuffle"]), sequential);
    assert_ne!(weights(&[]), sequential);
    assert_eq!(weights(&["--order", "shuffled"]), weights(&["--max-validation-batches", "1"]));
    let stratified = weights(&["--order", "stratified"]);
    assert_ne!(stratified, sequential);
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "weights.txt");
    let items = caudal::data::digits().unwrap().0.len();
    std::fs::write(&file, "1\n".repeat(items)).unwrap();
    let weighted = weights(&["--order", "weighted", "--item-weights", &file]);
    assert!(weighted != sequential && weighted != stratified);

    let mut text = "1\n".repeat(3);
    let _ = writeln!(text, "x");
    std::fs::write(&file, text).unwrap();
    for (options, problem) in [
        (&["--order", "weighted"][..], "--item-weights"),
        (&["--order", "weighted", "--item-weights", &file], "weights.txt:4: `x` is no number"),
        (&["--order", "shuffled", "--item-weights", &file], "needs --order weighted"),
        (&["--order", "sequential", "--stratify-by", "label"], "needs --order stratified"),
        (&["--order", "stratified", "--stratify-by", "nonsense"], "nonsense"),
        (&["--no-shuffle", "--order", "sequential"], "cannot be used with"),
        (
            &["--watch", "acuracy"],
            "unknown loss or metric `acuracy`; did you mean `accuracy`? known are: loss, accuracy",
        ),
        (&["--best", "/nonsense/file"], "its folder does not exist"),
        (&["--max-batches", "0"], "--max-batches"),
    ] {
        let (code, line) = refused(&[&["train", "article-dag", "--quiet"], options].concat());
        assert!(code == 2 && line.contains(problem), "{options:?}: {line}");
    }
}

#[test]
fn training_stops_early_and_leaves_logs_and_its_best_behind() {
    let folder = tempfile::tempdir().unwrap();
    let [best, last, log, rates] =
        ["best", "last", "log.csv", "rates.csv"].map(|name| path(&folder, name));
    let told: Value = json(&[
        "train",
        "article-dag",
        "--quiet",
        "--epochs",
        "50",
        "--max-batches",
        "3",
        "--learning-rate",
        "0",
        "--patience",
        "2",
        "--restore-best",
        "--watch",
        "accuracy",
        "--best",
        &best,
        "--log",
        &log,
        "--learning-rate-log",
        &rates,
        "--save",
        &last,
    ]);
    // Nothing moves, so the first epoch is the best, and the second and third are in vain.
    assert_eq!(told["steps"], 3);
    assert_eq!(lines(&log).len(), 1 + 3);
    assert!(lines(&log)[0].contains("validation_accuracy"), "{:?}", lines(&log));
    assert_eq!(lines(&rates).len(), 1 + 9);
    assert_eq!(lines(&rates)[..2], ["step,learning_rate", "0,0"]);
    for file in [&best, &last] {
        let tested = json(&["evaluate", file]);
        assert_eq!(tested["weights_sha256"], told["weights_sha256"]);
        assert_eq!(tested["test_accuracy"], told["test_accuracy"]);
    }
}

#[test]
fn a_frozen_model_predicts_the_same_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, frozen) = (path(&folder, "whole"), path(&folder, "frozen"));
    let options = ["--quiet", "--optimizer", "adam", "--max-steps", "4", "--save", &whole];
    told(&[&["train", "article-dag"], &options[..]].concat());
    let said = told(&["freeze", &whole, "--out", &frozen]);
    assert!(said.contains("nodes") && said.contains("bytes"), "{said}");
    let size = |file: &str| std::fs::metadata(file).unwrap().len();
    assert!(size(&frozen) < size(&whole) / 2, "{} of {}", size(&frozen), size(&whole));
    // Without a loss nothing says that there are classes: one column less, and else the same.
    let numbers = |file: &str, columns: usize| -> Vec<Vec<String>> {
        let text = told(&["predict", file]);
        let row = |line: &str| line.split(',').skip(columns).map(str::to_owned).collect();
        text.lines().map(row).collect()
    };
    assert_eq!(numbers(&whole, 2), numbers(&frozen, 1));
    let (code, line) = refused(&["evaluate", &frozen]);
    assert!(code == 2 && line.contains("no loss and no metric"), "{line}");
    let (code, line) = refused(&["train", "--resume", &frozen, "--epochs", "9"]);
    assert!(code == 2 && line.contains("loss"), "{line}");
    let (code, line) = refused(&["freeze", &path(&folder, "missing"), "--out", &frozen]);
    assert!(code == 2 && line.contains("missing"), "{line}");
}

#[test]
fn a_full_screen_view_is_refused_without_a_terminal_or_without_its_feature() {
    // Standard error is a pipe here.
    let (code, line) = refused(&["train", "--tui", "--max-steps", "1"]);
    let told = if cfg!(feature = "tui") {
        "is no terminal; train in a terminal"
    } else {
        "build it with `--features tui`"
    };
    assert!(code == 2 && line.contains(told) && line.contains("--tui"), "{line}");
}

#[test]
fn convolutions_are_computed_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "direct.safetensors");
    let weights = |options: &[&str]| {
        let training = ["train", "digits", "--quiet", "--epochs", "1", "--workers", "2"];
        let told = json(&[&training, options].concat());
        told["weights_sha256"].as_str().unwrap().to_owned()
    };
    let auto = weights(&["--max-steps", "6"]);
    assert_eq!(weights(&["--max-steps", "6", "--convolution", "auto"]), auto);
    let direct = weights(&["--max-steps", "6", "--convolution", "direct"]);
    assert_ne!(direct, auto);
    // A training that goes on does so as it began.
    weights(&["--max-steps", "3", "--convolution", "direct", "--save", &file]);
    let resumed =
        json(&["train", "--quiet", "--epochs", "1", "--max-steps", "6", "--resume", &file]);
    assert_eq!(resumed["weights_sha256"], direct);
    assert!(told(&["inspect", &file]).contains("parameters, convolutions direct"));
    let (code, line) = refused(&["train", "digits", "--convolution", "fft"]);
    assert!(code == 2 && line.contains("expected auto or direct"), "{line}");
}

#[test]
fn a_model_says_how_its_convolutions_are_computed() {
    let folder = tempfile::tempdir().unwrap();
    let [file, plain] = ["direct.toml", "plain.toml"].map(|name| path(&folder, name));
    let [saved, frozen] =
        ["saved.safetensors", "frozen.safetensors"].map(|name| path(&folder, name));
    told(&["graph", "digits", "--out", &plain]);
    let text = std::fs::read_to_string(&plain).unwrap();
    std::fs::write(&file, format!("convolution = \"direct\"\n{text}")).unwrap();
    let weights = |model: &str, options: &[&str]| {
        let training = ["train", model, "--quiet", "--epochs", "1", "--max-steps", "4"];
        let told = json(&[&training, options].concat());
        told["weights_sha256"].as_str().unwrap().to_owned()
    };
    let direct = weights(&file, &["--save", &saved]);
    assert_eq!(weights(&plain, &["--convolution", "direct"]), direct);
    // The option stands above the file.
    let auto = weights(&plain, &[]);
    assert_ne!(auto, direct);
    assert_eq!(weights(&file, &["--convolution", "auto"]), auto);
    // The saved network says it too, and so does what is made of it.
    assert_eq!(json(&["inspect", &saved])["convolution"], "direct");
    let written = path(&folder, "written.toml");
    told(&["graph", &saved, "--out", &written]);
    assert!(std::fs::read_to_string(&written).unwrap().contains("convolution = \"direct\""));
    told(&["freeze", &saved, "--out", &frozen]);
    assert_eq!(json(&["inspect", &frozen])["convolution"], "direct");
    let predicted = |options: &[&str]| told(&[&["predict", &saved], options].concat());
    assert_eq!(predicted(&[]), predicted(&["--convolution", "direct"]));
    assert_ne!(predicted(&[]), predicted(&["--convolution", "auto"]));
}
