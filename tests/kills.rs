//! Trainings that are killed (signal 9) at random moments, again and again: files are whole or as they were before, the
//! next run removes what was half written, and the last one ends at the bits of a training without a break.
//!
//! `CAUDAL_KILLS` sets how many kills there are at the least; `CAUDAL_KILLS_SEED` begins with other moments.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use caudal::flow::{schedule::Schedule, trace};
use caudal::train::checkpoint;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;

use crate::command_line::{json, path};
use crate::finished_work::rows_without;
use crate::own_process::number;

const KILLS: u64 = 6;
/// A training that is killed so often goes on to its end then.
const KILLS_OF_ONE: u64 = 3;
const BATCHES: usize = 7;
const OPTIONS: [&str; 16] = [
    "--quiet",
    "--seed",
    "5",
    "--order",
    "stratified",
    "--batch-size",
    "48",
    "--max-batches",
    "7",
    "--max-validation-batches",
    "2",
    "--epochs",
    "30",
    "--watch",
    "accuracy",
    "--workers",
];
const WORKERS: &str = "2";

/// What a training writes.
const FILES: [(&str, &str); 6] = [
    ("--save", "save.safetensors"),
    ("--best", "best.safetensors"),
    ("--log", "log.csv"),
    ("--learning-rate-log", "rates.csv"),
    ("--trace", "trace.jsonl"),
    ("--record", "schedule.jsonl"),
];

struct Training {
    folder: TempDir,
    save_every: String,
}

impl Training {
    fn new(save_every: usize) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), save_every: save_every.to_string() }
    }

    fn file(&self, name: &str) -> String {
        path(&self.folder, name)
    }

    /// Begins, or goes on where something was saved.
    fn arguments(&self) -> Vec<String> {
        let save = self.file("save.safetensors");
        let mut arguments = if Path::new(&save).exists() {
            vec!["train".to_owned(), "--quiet".to_owned(), "--resume".to_owned(), save]
        } else {
            // What begins anew adds its rows to what is there, which would be those of another training.
            for name in ["log.csv", "rates.csv"] {
                let _ = std::fs::remove_file(self.file(name));
            }
            let own = ["train", "article-dag"].into_iter().chain(OPTIONS).chain([WORKERS]);
            own.map(str::to_owned).collect()
        };
        for (option, name) in FILES {
            arguments.extend([option.to_owned(), self.file(name)]);
        }
        arguments.extend(["--save-every".to_owned(), self.save_every.clone()]);
        arguments
    }

    fn begin(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
        command.args(self.arguments()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn to_the_end(&self) -> Value {
        let arguments = self.arguments();
        json(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Every file that is there is whole; gives the step from which the training would go on.
    fn check(&self, what: &str) -> u64 {
        let mut step = 0;
        for name in ["best.safetensors", "save.previous.safetensors", "save.safetensors"] {
            let file = self.file(name);
            if Path::new(&file).exists() {
                let (_, saved) =
                    checkpoint::open(&file).unwrap_or_else(|it| panic!("{what}: {it}"));
                if name == "save.safetensors" {
                    step = saved.step();
                }
            }
        }
        for name in ["log.csv", "rates.csv"] {
            let Ok(text) = std::fs::read_to_string(self.file(name)) else { continue };
            let cells = |line: &str| line.split(',').count();
            let whole = text.ends_with('\n') || text.is_empty();
            let columns = text.lines().next().map_or(0, cells);
            assert!(whole && text.lines().all(|line| cells(line) == columns), "{what}: {text}");
        }
        let trace = self.file("trace.jsonl");
        assert!(!Path::new(&trace).exists() || trace::read(&trace).is_ok(), "{what}");
        let recorded = self.file("schedule.jsonl");
        let recorded = Path::new(&recorded);
        assert!(!recorded.exists() || Schedule::read(recorded).is_ok(), "{what}");
        step
    }

    /// Whether some file is being written, or was when a process was killed.
    fn is_writing(&self) -> bool {
        let entries = self.folder.path().read_dir().unwrap();
        entries.flatten().any(|entry| entry.path().extension().is_some_and(|it| it == "part"))
    }

    /// What was half written, by processes whose numbers no other process has by now.
    fn half_written(&self) -> usize {
        let entries = self.folder.path().read_dir().unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left = names.filter(|name| {
            let part = name.strip_suffix(".part");
            let process = part.and_then(|name| name.split('-').nth(2));
            process.is_some_and(|process| !Path::new("/proc").join(process).exists())
        });
        left.count()
    }
}

#[test]
fn trainings_that_are_killed_at_any_moment_go_on_to_the_same_bits() {
    let kills = number("CAUDAL_KILLS", KILLS);
    let seed = number("CAUDAL_KILLS_SEED", 1);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let whole = Training::new(1000);
    let began = Instant::now();
    let expected = whole.to_the_end();
    let mut lasts = began.elapsed();
    let best = whole.file("best.safetensors");
    let best = json(&["evaluate", &best])["weights_sha256"].clone();
    let (mut killed, mut trainings, mut left, mut unsaved) = (0, 0, 0, 0);
    while killed < kills {
        let training = Training::new(random.random_range(1..=9));
        let mut steps = Vec::new();
        for _ in 0..KILLS_OF_ONE {
            let what = format!("CAUDAL_KILLS_SEED={seed}, kill {killed} after {steps:?}");
            let began = Instant::now();
            let mut child = training.begin();
            let moment = Duration::from_micros(random.random_range(0..lasts.as_micros() as u64));
            // Every other one while it writes a file.
            let while_writing = random.random() && !training.is_writing();
            let mut ended = false;
            while !ended && (began.elapsed() < moment || while_writing && !training.is_writing()) {
                std::thread::sleep(Duration::from_micros(20));
                ended = child.try_wait().unwrap().is_some();
            }
            child.kill().unwrap();
            // Whoever had ended before was not killed.
            if child.wait().unwrap().success() {
                lasts = lasts.min(began.elapsed());
                break;
            }
            killed += 1;
            let step = training.check(&what);
            unsaved += u64::from(step == 0);
            assert!(steps.last().is_none_or(|&before| before <= step), "{what}: {step}");
            steps.push(step);
            left += training.half_written();
        }
        trainings += 1;
        let what =
            format!("CAUDAL_KILLS_SEED={seed}, training {trainings}, killed after {steps:?}");
        // Where it was killed after its last step, nothing goes on, so nothing removes what that kill left.
        if training.check(&what) < expected["steps"].as_u64().unwrap() {
            let resumed = training.to_the_end();
            for field in ["weights_sha256", "steps", "loss"] {
                assert_eq!(resumed[field], expected[field], "{what}: {field}");
            }
            if cfg!(target_os = "linux") {
                assert_eq!(training.half_written(), 0, "{what}");
            }
        }
        training.check(&what);
        let found = training.file("best.safetensors");
        assert_eq!(json(&["evaluate", &found])["weights_sha256"], best, "{what}");
        same_log(&whole, &training, &steps, &what);
    }
    println!(
        "kills: {killed} of {trainings} trainings, {unsaved} before anything was saved; {left} files half written"
    );
}

/// Every epoch has one row. Those of the epochs in which it went on have less training data.
fn same_log(whole: &Training, training: &Training, steps: &[u64], what: &str) {
    let rows = |training: &Training| rows_without(&training.file("log.csv"), 1);
    let (expected, found) = (rows(whole), rows(training));
    assert_eq!(found.len(), expected.len(), "{what}");
    let broken: Vec<usize> = steps.iter().map(|&step| 1 + step as usize / BATCHES).collect();
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        if broken.contains(&number) {
            assert_eq!((&found[0], &found[3..]), (&expected[0], &expected[3..]), "{what}");
        } else {
            assert_eq!(found, expected, "{what}");
        }
    }
}
