//! `caudal train` loses nothing: files are tried before, and what can't be written is written elsewhere. `kills.rs` has
//! trainings that are killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use caudal::train::checkpoint;
use serde_json::Value;

use crate::command_line::{caudal, json, path, refused, told};

const SHORT: [&str; 5] = ["train", "article-dag", "--quiet", "--max-steps", "2"];

#[test]
fn every_file_is_tried_before_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let model = path(&folder, "model.safetensors");
    told(&[&SHORT[..], &["--save", &model]].concat());
    let folder_there = path(&folder, "folder.csv");
    std::fs::create_dir(&folder_there).unwrap();
    let options =
        ["--save", "--best", "--log", "--learning-rate-log", "--report", "--record", "--trace"];
    for option in options {
        let train = |file: &str| refused(&[&SHORT[..], &[option, file]].concat());
        let (code, line) = train(&path(&folder, "none/x.csv"));
        assert!(code == 2 && line.contains("its folder does not exist"), "{option}: {line}");
        assert!(line.starts_with(option), "{option}: {line}");
        let (code, line) = train(&folder_there);
        assert!(code == 2 && line.contains("it is a folder"), "{option}: {line}");
        if cfg!(target_os = "linux") {
            let (code, line) = train("/proc/x.csv");
            assert!(code == 2 && line.contains("can't be written"), "{option}: {line}");
        }
        // Two options never share a file.
        let file = path(&folder, "same.csv");
        let other = if option == "--log" { "--best" } else { "--log" };
        let (code, line) = refused(&[&SHORT[..], &[option, &file, other, &file]].concat());
        assert!(code == 2 && line.contains("it is the file of --"), "{option}: {line}");
        assert!(!Path::new(&file).exists(), "{option}");
    }
    for arguments in [
        &["freeze", &model, "--out", &model][..],
        &["predict", &model, "--out", &model],
        &["train", "--data", &model, "--save", &model],
        &["graph", &model, "--out", "/proc/x.svg"],
        &["bench", "article-dag", "--seconds", "0", "--trace", "/proc/x.json"],
        &["speedup", "article-dag", "--seconds", "0", "--report", "/proc/x.html"],
    ] {
        let (code, line) = refused(arguments);
        assert_eq!(code, 2, "{arguments:?}: {line}");
    }
    let (code, line) = refused(&[&SHORT[..], &["--save-every", "5"]].concat());
    assert!(code == 2 && line.contains("--save"), "{line}");
    let (code, line) =
        refused(&[&SHORT[..], &["--save", &model, "--save-every", "often"]].concat());
    assert!(code == 2 && line.contains("30s, 10m or 2h"), "{line}");
}

#[test]
fn a_log_with_other_columns_is_refused_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let (log, save) = (path(&folder, "other-columns-log.csv"), path(&folder, "lost.safetensors"));
    std::fs::write(&log, "epoch,loss\n0,1\n").unwrap();
    let (code, line) = refused(&["train", "--epochs", "3", "--log", &log, "--save", &save]);
    assert!(code == 2 && line.contains("begins with `epoch,loss`"), "{line}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "epoch,loss\n0,1\n");
    assert!(!Path::new(&save).exists());
}

#[test]
fn a_training_that_is_no_longer_finite_ends_and_names_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let (best, save) = (path(&folder, "nan.safetensors"), path(&folder, "save.safetensors"));
    let arguments = [
        "train",
        "--epochs",
        "4",
        "--learning-rate",
        "1e6",
        "--patience",
        "2",
        "--restore-best",
        "--best",
        &best,
        "--quiet",
        "--save",
        &save,
    ];
    let output = caudal(&arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("is the first that is not finite"), "{errors}");
    assert!(errors.contains("node `") && errors.contains("lower the learning rate"), "{errors}");
    assert!(!Path::new(&best).exists() && !Path::new(&save).exists());
    // What the steps before have reached is there under a name of its own.
    let step: u64 =
        errors.split("after step ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(
        json(&["evaluate", &path(&folder, &format!("save.step-{step}.safetensors"))])["steps"],
        step
    );

    let output = caudal(&[&arguments[..], &["--check-finite", "off"]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("test loss NaN"));
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("which count as no improvement"), "{errors}");
    assert!(errors.contains("no epoch had a finite value to go back to"), "{errors}");
    assert!(!Path::new(&best).exists() && Path::new(&save).exists());
}

/// Every line of a file without one of its cells.
pub(crate) fn rows_without(file: &str, cell: usize) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file).unwrap();
    let row = |line: &str| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        cells.remove(cell);
        cells
    };
    text.lines().map(row).collect()
}

fn wait_until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < Duration::from_secs(300), "{what} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_a_resumed_training_puts_in_place_of_the_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let save = path(&folder, "save.safetensors");
    let weights = path(&folder, "weights.txt");
    let items = caudal::data::digits().unwrap().0.len();
    std::fs::write(&weights, "1\n".repeat(items - 1) + "2\n").unwrap();
    let weighted = ["--order", "weighted", "--item-weights", &weights, "--seed", "7"];
    let train = ["train", "article-dag", "--quiet", "--epochs", "2", "--max-batches", "6"];
    let whole = json(&[&train[..], &weighted].concat());
    told(&[&train[..], &weighted, &["--max-steps", "4", "--save", &save]].concat());
    let goes_on = |options: &[&str]| {
        let output = caudal(
            &[&["train", "--quiet", "--json", "--speedup", "off", "--resume", &save], options]
                .concat(),
        );
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{errors}");
        let text = String::from_utf8(output.stdout).unwrap();
        let told: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        (told["weights_sha256"].clone(), errors)
    };
    assert_eq!(goes_on(&[]), (whole["weights_sha256"].clone(), String::new()));
    assert_eq!(goes_on(&["--seed", "7"]), (whole["weights_sha256"].clone(), String::new()));
    for (options, said) in [
        (&["--seed", "8"][..], "--seed 8 in place of 7"),
        (&["--order", "sequential"], "--order sequential in place of weighted"),
        (&["--max-batches", "7"], "--max-batches 7 in place of 6"),
        (&["--batch-size", "16"], "--batch-size 16 in place of"),
        (&["--learning-rate", "0.125"], "the optimizer sgd"),
    ] {
        let (sha, errors) = goes_on(options);
        assert!(errors.contains(said), "{options:?}: {errors}");
        assert!(errors.contains("not that of a training without a break"), "{errors}");
        assert_ne!(sha, whole["weights_sha256"], "{options:?}");
    }
    let chooses = caudal(&["train", "--quiet", "--resume", &save, "--patience", "3"]);
    let errors = String::from_utf8(chooses.stderr).unwrap();
    assert_eq!(chooses.status.code(), Some(2), "{errors}");
    assert!(errors.contains("was saved without one"), "{errors}");
    std::fs::write(&weights, "1\n".repeat(items)).unwrap();
    let (code, line) = refused(&["train", "--quiet", "--resume", &save]);
    assert!(code == 2 && line.contains("other weights than those"), "{line}");
}

#[test]
fn early_stopping_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| path(&folder, name);
    let [save, best, rates, whole_rates] =
        ["save.safetensors", "best.safetensors", "rates.csv", "whole.csv"].map(file);
    let options = [
        "--quiet",
        "--epochs",
        "60",
        "--max-batches",
        "4",
        "--learning-rate",
        "0.5",
        "--patience",
        "3",
        "--restore-best",
        "--watch",
        "accuracy",
    ];
    let train = ["train", "article-dag"];
    let whole = json(&[&train[..], &options, &["--learning-rate-log", &whole_rates]].concat());
    let all = std::fs::read_to_string(&whole_rates).unwrap().lines().count() - 1;
    assert!(all > 12 && all < 240, "stops early, but not at once: {all}");
    // Steps short of the end, in the last of which nothing is saved.
    let stop = (all - 1).to_string();
    let saving = ["--save", &save, "--save-every", "3", "--best", &best];
    let logging = ["--learning-rate-log", &rates];
    told(&[&train[..], &options, &saving, &logging, &["--max-steps", &stop]].concat());
    // In the end the best network was saved; the one before is what a kill would have left.
    let killed = path(&folder, "save.previous.safetensors");
    let resumed = json(&[
        "train",
        "--quiet",
        "--resume",
        &killed,
        "--best",
        &best,
        "--learning-rate-log",
        &rates,
    ]);
    assert_eq!(resumed["weights_sha256"], whole["weights_sha256"]);
    assert_eq!(resumed["steps"], whole["steps"]);
    assert_eq!(rows_without(&rates, 0), rows_without(&whole_rates, 0));
    assert_eq!(json(&["evaluate", &best])["weights_sha256"], whole["weights_sha256"]);
}

#[test]
fn saves_before_the_first_epoch_of_a_resumed_training_know_how_far_it_had_come() {
    let folder = tempfile::tempdir().unwrap();
    let [save, best] = ["save.safetensors", "best.safetensors"].map(|name| path(&folder, name));
    let options = ["--quiet", "--max-batches", "5", "--patience", "9", "--watch", "accuracy"];
    let files = ["--save", &save, "--save-every", "1", "--best", &best];
    told(&[&["train", "article-dag", "--max-steps", "10"], &options[..], &files].concat());
    let reached = |file: &str| {
        let (_, saved) = checkpoint::open(file).unwrap();
        let record = saved.fit().unwrap();
        (saved.step(), record.best, record.stopping.clone())
    };
    let (_, best_so_far, stopping) = reached(&save);
    assert!(best_so_far.is_some() && stopping.is_some());
    told(&[&["train", "--quiet", "--resume", &save, "--max-steps", "13"], &files[..]].concat());
    // What was saved in the end replaced what was saved amid the epoch, of which a copy was kept.
    let killed = path(&folder, "save.previous.safetensors");
    let (step, best, left) = reached(&killed);
    assert!((11..=13).contains(&step), "{step}");
    assert_eq!((best, left), (best_so_far, stopping));
}

#[cfg(unix)]
#[test]
fn links_and_permissions_of_what_is_replaced_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let [file, link, report] = ["file", "link", "report.html"].map(|name| path(&folder, name));
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    symlink("file", &link).unwrap();
    told(&[&SHORT[..], &["--save", &link, "--report", &report]].concat());
    assert!(Path::new(&link).is_symlink());
    assert_eq!(json(&["evaluate", &file])["steps"], 2);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o604);
}

#[test]
fn what_can_not_be_written_in_the_end_is_written_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (gone, temporary) = (folder.path().join("gone"), folder.path().join("temporary"));
    std::fs::create_dir(&gone).unwrap();
    std::fs::create_dir(&temporary).unwrap();
    let file = |name: &str| gone.join(name).to_str().unwrap().to_owned();
    let [save, report, rates, best] =
        ["s.safetensors", "r.html", "rates.csv", "b.safetensors"].map(file);
    let log = path(&folder, "log.csv");
    let child = Command::new(env!("CARGO_BIN_EXE_caudal"))
        .args([
            "train",
            "article-dag",
            "--epochs",
            "100",
            "--quiet",
            "--save",
            &save,
            "--best",
            &best,
        ])
        .args(["--log", &log, "--report", &report, "--learning-rate-log", &rates])
        .env("TMPDIR", &temporary)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("a row of the log", || Path::new(&log).exists());
    // Not removed file by file, beside which the program could write another.
    std::fs::rename(&gone, folder.path().join("elsewhere")).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.lines().last().unwrap().contains("not all could be written"), "{errors}");
    for name in ["s.rescued-1.safetensors", "r.rescued-1.html", "rates.rescued-1.csv"] {
        let rescued = temporary.join(name);
        assert!(errors.contains(rescued.to_str().unwrap()), "{errors}");
        assert!(rescued.is_file(), "{name}");
    }
    json(&["evaluate", temporary.join("s.rescued-1.safetensors").to_str().unwrap()]);
}

#[test]
fn a_last_batch_of_one_item_joins_the_one_before_where_it_has_no_variance() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = (path(&folder, "bn.toml"), path(&folder, "data.csv"));
    let text = r#"
        name = "bn"
        node = [
            { name = "features", kind = "input", shape = [2] },
            { name = "d", kind = "dense", units = 4, inputs = ["features"] },
            { name = "n", kind = "batch_norm", inputs = ["d"] },
            { name = "o", kind = "dense", units = 2, inputs = ["n"] },
            { name = "label", kind = "target", shape = [] },
            { name = "loss", kind = "softmax_cross_entropy", inputs = ["o", "label"] },
            { name = "acc", kind = "accuracy", inputs = ["o", "label"] },
            { name = "matrix", kind = "confusion_matrix", inputs = ["o", "label"] },
        ]
    "#;
    std::fs::write(&model, text).unwrap();
    // 401 items, of which 321 train: two clouds.
    let rows = (0..401).fold(String::new(), |text, item| {
        let label = item % 2;
        let noise = |factor: usize| ((item * factor) % 17) as f32 / 17.0;
        text + &format!("{},{},{label}\n", noise(5) + label as f32, noise(7) - label as f32)
    });
    std::fs::write(&data, rows).unwrap();
    let train = ["train", &model, "--data", &data, "--epochs", "10"];
    let (code, line) = refused(&[&train[..], &["--batch-size", "1", "--quiet"]].concat());
    assert!(code == 2 && line.contains("node `n`") && line.contains("at least 2 items"), "{line}");

    let output = caudal(&[&train[..], &["--batch-size", "32", "--json"]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("it joins the one before"), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(told["steps"], 100, "ten batches an epoch");
    assert!(told["test_accuracy"].as_f64().unwrap() > 0.9, "{told}");
    // The confusion matrix is a table for people and for programs.
    assert!(text.contains("`matrix` by right class"), "{text}");
    let table = &told["test_tables"]["matrix"]["values"];
    let sum: f64 = table
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|it| it.as_f64().unwrap())
        .sum();
    assert_eq!(sum, 80.0);
}

#[test]
fn scores_far_from_zero_have_their_area() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data, report) =
        (path(&folder, "auc.toml"), path(&folder, "data.csv"), path(&folder, "r.html"));
    let text = r#"
        name = "auc"
        node = [
            { name = "features", kind = "input", shape = [1] },
            { name = "score", kind = "reshape", shape = [], inputs = ["features"] },
            { name = "d", kind = "dense", units = 2, inputs = ["features"] },
            { name = "label", kind = "target", shape = [] },
            { name = "loss", kind = "softmax_cross_entropy", inputs = ["d", "label"] },
            { name = "auc", kind = "auc", inputs = ["score", "label"] },
            { name = "p", kind = "precision", inputs = ["d", "label"] },
        ]
        [train]
        optimizer = { kind = "sgd", learning_rate = 0 }
    "#;
    std::fs::write(&model, text).unwrap();
    let rows = |labels: fn(usize) -> usize| -> String {
        (0..60).fold(String::new(), |text, item| {
            let score = 200.0 + labels(item) as f32 + (item % 7) as f32 / 8.0;
            text + &format!("{score},{}\n", labels(item))
        })
    };
    std::fs::write(&data, rows(|item| item % 2)).unwrap();
    let train = ["train", &model, "--data", &data, "--epochs", "1", "--quiet", "--report", &report];
    let told = json(&train);
    assert_eq!(told["test_metrics"]["auc"], 1.0, "{told}");
    let page = std::fs::read_to_string(&report).unwrap();
    assert!(
        page.contains("Losses and metrics by epoch") && page.contains("`p` by class"),
        "{page}"
    );
    // One class alone has no area.
    std::fs::write(&data, rows(|item| usize::from(item == 0))).unwrap();
    let text = crate::command_line::told(&[
        "train",
        &model,
        "--data",
        &data,
        "--epochs",
        "1",
        "--quiet",
        "--no-shuffle",
    ]);
    let told = json(&train);
    assert!(told["test_metrics"]["auc"].is_null(), "{told}");
    assert!(text.contains("auc undefined") && text.contains("no positive example"), "{text}");
}
