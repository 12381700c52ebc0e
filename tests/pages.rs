//! Records, pages and logs of trainings, as the program writes them.

use std::path::Path;
use std::process::Command;

use crate::command_line::{json, path, refused, told};

/// A short training with a validation part.
const TRAIN: [&str; 8] =
    ["train", "article-dag", "--epochs", "3", "--max-batches", "4", "--validation", "0.1"];

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The values of a row of a table that begins with `name`.
fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let row = table.lines().find(|line| line.starts_with(&format!("{name} ")));
    row.unwrap_or_else(|| panic!("no {name}: {table}")).split_whitespace().collect()
}

#[test]
fn pages_of_trainings_have_curves_by_epoch_and_step_and_say_where_they_are_from() {
    let folder = tempfile::tempdir().unwrap();
    let (page, saved) = (path(&folder, "page.html"), path(&folder, "saved.safetensors"));
    told(&[&TRAIN[..], &["--seed", "7", "--save", &saved, "--report", &page]].concat());
    let text = read(&page);
    for heading in
        ["Loss by epoch", "accuracy by epoch", "Loss by step", "Learning rate by step", "Test"]
    {
        assert!(text.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    // Twelve steps, of which each has its loss and rate.
    let steps = "data-x=\"1 2 3 4 5 6 7 8 9 10 11 12\"";
    assert_eq!(text.matches(steps).count(), 2);
    let origin = format!("seed 7: {} train article-dag", env!("CARGO_BIN_EXE_caudal"));
    assert!(text.contains(&origin), "{origin}");
    let messages = text.split("data-messages=\"").nth(1).unwrap();
    assert!(messages.starts_with(|first: char| first.is_ascii_digit()), "tasks have messages");
    // A training that goes on counts on.
    let again = ["train", "--epochs", "4", "--resume", &saved, "--report", &page, "--quiet"];
    told(&again);
    let text = read(&page);
    assert!(text.contains("data-x=\"13 14 15 16\"") && text.contains("at epoch 4</title>"));
    let tested = path(&folder, "tested.html");
    told(&["evaluate", &saved, "--report", &tested]);
    let text = read(&tested);
    assert!(text.contains("Confusion matrix") || text.contains("accuracy"), "{text}");
    assert!(text.contains("Where the figures are from") && text.contains(" evaluate "), "{text}");
}

#[test]
fn schedules_have_a_page_with_tables_charts_and_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let page = path(&folder, "page.html");
    let schedule = ["schedule", "tests/task_graphs/diamond.toml", "--workers", "1,2"];
    told(&[&schedule[..], &["--policies", "heft,fifo", "--report", &page]].concat());
    let text = read(&page);
    assert_eq!(text.matches("<svg ").count(), 6, "two policies and the optimum on two machines");
    for words in ["diamond on 1 worker<", "T1 / P", "makespan s", "the optimum", "SLR: over"] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn trainings_are_compared_by_their_records() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| path(&folder, name);
    let [a, b, log, page] = ["a.json", "b.json", "log.csv", "page.html"].map(file);
    let first = told(&[&TRAIN[..], &["--quiet", "--json", "--log", &log]].concat());
    let other = ["--quiet", "--json", "--learning-rate", "0.01", "--batch-size", "16"];
    let second = told(&[&TRAIN[..], &other].concat());
    std::fs::write(&a, &first).unwrap();
    std::fs::write(&b, &second).unwrap();
    let shown = told(&["compare", &a, &b, &log, "--report", &page]);
    let object: serde_json::Value = serde_json::from_str(first.lines().last().unwrap()).unwrap();
    let curve = object["curves"]["validation"]["loss"].as_array().unwrap();
    assert_eq!(curve.len(), 3);
    let last = format!("{:.4}", curve[2].as_f64().unwrap());
    // The columns: run, epochs, steps, seconds, train loss and accuracy, validation loss.
    let (of_a, of_log) = (row(&shown, "a"), row(&shown, "log"));
    assert_eq!((of_a[1], of_a[2], of_a[6]), ("3", "12", last.as_str()), "{shown}");
    assert_eq!((of_log[1], of_log[2], of_log[6]), ("3", "-", last.as_str()), "{shown}");
    let test = format!("{:.4}", object["loss"].as_f64().unwrap());
    assert!(of_a.contains(&test.as_str()) && !of_log.contains(&test.as_str()), "{shown}");
    // What differs, and nothing else.
    assert_eq!(row(&shown, "optimizer.learning_rate")[2], "0.01", "{shown}");
    assert_eq!(row(&shown, "train.batch_size")[2], "16", "{shown}");
    assert!(shown.contains("logs do not tell: log") && !shown.contains("\nseed "), "{shown}");
    let text = read(&page);
    for words in ["How they came out", "data-name=\"a, validation\"", "data-name=\"log, training\""]
    {
        assert!(text.contains(words), "{words}");
    }
    let (code, told) = refused(&["compare", &a, "Cargo.toml"]);
    assert!(code == 2 && told.contains("Cargo.toml:") && told.contains("train --json"), "{told}");
    std::fs::write(&log, "epoch,train_loss\n0,1\n1,one\n").unwrap();
    let (code, told) = refused(&["compare", &a, &log]);
    assert!(code == 2 && told.contains("log.csv:3: `one`"), "{told}");
    let (code, told) = refused(&["compare", &a, &b, "--report", &b]);
    assert!(code == 2 && told.contains("the file of FILE too"), "{told}");
}

/// The messages of a file of events, whose checksums are right.
fn events(folder: &Path) -> Vec<Vec<u8>> {
    let checksum = |bytes: &[u8]| {
        let mut crc = u32::MAX;
        for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit) & 1)) {
            crc = (crc >> 1) ^ (0x82f6_3b78 * ((crc ^ bit) & 1));
        }
        (!crc).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    };
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let mut events = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (length, after) = rest.split_at(8);
            let count = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            assert_eq!(after[..4], checksum(length));
            let (event, after) = after[4..].split_at(count);
            assert_eq!(after[..4], checksum(event));
            events.push(event.to_vec());
            rest = &after[4..];
        }
    }
    events
}

#[test]
fn logs_for_tensorboard_are_records_of_every_step_and_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, saved) = (path(&folder, "logs"), path(&folder, "saved.safetensors"));
    let weights = json(&[&TRAIN[..], &["--quiet", "--log-dir", &logs, "--save", &saved]].concat());
    let without = json(&[&TRAIN[..], &["--quiet"]].concat());
    assert_eq!(weights["weights_sha256"], without["weights_sha256"], "a log changes no number");
    let has = |event: &[u8], text: &str| event.windows(text.len()).any(|it| it == text.as_bytes());
    let count = |events: &[Vec<u8>], text: &str| events.iter().filter(|it| has(it, text)).count();
    let train = events(&Path::new(&logs).join("train"));
    // The version, the graph, twelve steps, three epochs.
    assert_eq!(train.len(), 1 + 1 + 12 + 3);
    assert!(has(&train[0], "brain.Event:2") && has(&train[1], "softmax_cross_entropy"));
    let [rates, spreads, slopes] =
        ["step/learning_rate", "weights/", "gradients/"].map(|text| count(&train, text));
    assert_eq!((rates, spreads, slopes), (12, 3, 3));
    let validation = events(&Path::new(&logs).join("validation"));
    assert_eq!((validation.len(), count(&validation, "accuracy")), (1 + 3, 3));
    // Goes on beside what is there, after a mark.
    told(&["train", "--epochs", "4", "--resume", &saved, "--log-dir", &logs, "--quiet"]);
    let both = events(&Path::new(&logs).join("train"));
    assert_eq!(both.len(), train.len() + 1 + 1 + 1 + 4 + 1);
    // The last epoch is that of a training without a break, gradients included, but for the time of its record, a tag and 8 bytes.
    let whole = path(&folder, "whole");
    let longer = TRAIN.map(|word| if word == "3" { "4" } else { word });
    told(&[&longer[..], &["--log-dir", &whole, "--quiet"]].concat());
    let whole = events(&Path::new(&whole).join("train"));
    let [resumed, whole] = [both, whole].map(|mut events| events.pop().unwrap().split_off(9));
    assert!(has(&whole, "gradients/") && resumed == whole);
    let file = path(&folder, "file");
    std::fs::write(&file, "").unwrap();
    let (code, told) = refused(&[&TRAIN[..], &["--log-dir", &file]].concat());
    assert!(code == 2 && told.contains("file"), "{told}");
}

#[test]
fn completions_and_pages_for_man_are_written_and_colours_can_be_refused() {
    assert!(told(&["completions", "bash"]).contains("complete -F"));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    told(&["man", "--out", out]);
    assert!(read(&path(&folder, "caudal-train.1")).contains(".TH"));
    let (code, _) = refused(&["man", "--out", &path(&folder, "gone")]);
    assert_eq!(code, 2);
    let help = |refused: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
        command.arg("--help").env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
        if refused {
            command.env("NO_COLOR", "1");
        }
        command.output().unwrap().stdout
    };
    assert!(help(false).contains(&0x1b) && !help(true).contains(&0x1b));
}
