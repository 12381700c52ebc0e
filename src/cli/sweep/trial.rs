//! One training of a sweep: a process of its own, and the file in which its result is kept.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use caudal::files;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::settings::{Setting, describe};
use crate::cli::Stop;

/// A training that is to be, or was.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) number: usize,
    pub(super) setting: Setting,
    /// The text of its model file.
    model: String,
    /// Options of `caudal train`.
    options: Vec<String>,
    data: String,
    folder: PathBuf,
}

/// What a trial is, and how it came out, as its folder keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrialRecord {
    /// What it sets.
    setting: String,
    /// Its model file.
    model: String,
    /// Its options of `caudal train`.
    options: Vec<String>,
    /// Nothing before its end.
    pub(super) result: Option<TrialResult>,
}

/// How a trial came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TrialResult {
    /// Why the training failed.
    pub(super) error: Option<String>,
    /// The loss, losses and metrics of the validation part by name; what is no number is nothing.
    pub(super) values: Map<String, Value>,
    /// Steps that it took.
    pub(super) steps: u64,
    /// Seconds of the whole process.
    pub(super) seconds: f64,
}

impl TrialResult {
    /// The loss or metric called `name`, if it is a number.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).and_then(Value::as_f64)
    }
}

impl Trial {
    pub(super) fn new(
        number: usize,
        setting: Setting,
        (model, mut own): (String, Vec<String>),
        options: &[String],
        data: &str,
        sweep: &Path,
    ) -> Self {
        own.extend(options.iter().cloned());
        let folder = sweep.join(format!("{:04}", number + 1));
        Self { number, setting, model, options: own, data: data.to_owned(), folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self) -> PathBuf {
        self.folder.join("trial.json")
    }

    /// The saved network.
    pub(super) fn weights(&self) -> PathBuf {
        self.folder.join("model.safetensors")
    }

    fn record(&self, result: Option<TrialResult>) -> TrialRecord {
        TrialRecord {
            setting: describe(&self.setting),
            model: self.model.clone(),
            options: self.options.clone(),
            result,
        }
    }

    /// The result, if the trial has been done before.
    ///
    /// A folder with another trial of this number is refused.
    pub(super) fn done(&self) -> Result<Option<TrialResult>, Stop> {
        let file = self.file();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Stop::Usage(format!("{}: {error}", file.display()))),
        };
        let refuse = |problem: &str| {
            Stop::Usage(format!("{}: {problem}; name another --folder", file.display()))
        };
        let found: TrialRecord = serde_json::from_str(&text)
            .map_err(|error| refuse(&format!("it does not hold a trial: {error}")))?;
        if self.record(found.result.clone()) != found {
            return Err(refuse("it is of another sweep, or its options were others"));
        }
        Ok(found.result)
    }

    /// Readies the folder.
    pub(super) fn prepare(&self) -> Result<(), Stop> {
        let failed = |error: std::io::Error| {
            Stop::Usage(format!("{}: it can't be made: {error}", self.folder.display()))
        };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        files::replace(self.folder.join("model.toml"), self.model.as_bytes())?;
        self.keep(None)
    }

    fn keep(&self, result: Option<TrialResult>) -> Result<(), Stop> {
        let text = serde_json::to_string_pretty(&self.record(result))
            .map_err(|error| Stop::Failed(format!("{}: {error}", self.folder.display())))?;
        Ok(files::replace(self.file(), text.as_bytes())?)
    }

    /// Trains on so many workers, and tests with the validation part; nothing if that was interrupted.
    pub(super) fn run(&self, workers: Option<usize>) -> Result<Option<TrialResult>, Stop> {
        let began = Instant::now();
        let model = self.folder.join("model.toml");
        let weights = self.weights();
        let mut train: Vec<String> = vec!["train".to_owned(), path(&model)];
        train.extend(self.options.iter().cloned());
        train.extend(["--quiet".to_owned(), "--save".to_owned(), path(&weights)]);
        if let Some(workers) = workers {
            train.extend(["--workers".to_owned(), workers.to_string()]);
        }
        let trained = self.call(&train)?;
        let mut result = TrialResult::default();
        match trained.status.code() {
            Some(0) => {
                let told = self.validate(&weights)?;
                result.values = told.0;
                result.steps = told.1;
            }
            Some(130) => return Ok(None),
            // What failed by its numbers fails again; what is refused is refused for all.
            Some(1) => result.error = Some(last_line(&trained.stderr)),
            _ => return Err(self.refuse(&trained)),
        }
        result.seconds = began.elapsed().as_secs_f64();
        self.keep(Some(result.clone()))?;
        Ok(Some(result))
    }

    /// Loss and metrics of the validation part, and the steps that were taken.
    fn validate(&self, weights: &Path) -> Result<(Map<String, Value>, u64), Stop> {
        let arguments = ["evaluate", &path(weights), "--data", &self.data, "--part", "validation"];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
        arguments.push("--json".to_owned());
        let output = self.call(&arguments)?;
        let told: Option<Value> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok());
        let (true, Some(told)) = (output.status.success(), told) else {
            return Err(self.refuse(&output));
        };
        let mut values = Map::new();
        for name in ["test_losses", "test_metrics"] {
            if let Some(Value::Object(named)) = told.get(name) {
                values.extend(named.clone());
            }
        }
        values.insert("loss".to_owned(), told["loss"].clone());
        Ok((values, told["steps"].as_u64().unwrap_or(0)))
    }

    /// Runs this program with other arguments.
    fn call(&self, arguments: &[String]) -> Result<Output, Stop> {
        let program = std::env::current_exe().map_err(|error| {
            Stop::Failed(format!("the program does not know its file: {error}"))
        })?;
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        output.map_err(|error| {
            Stop::Failed(format!("trial {} can't be started: {error}", self.number + 1))
        })
    }

    fn refuse(&self, output: &Output) -> Stop {
        let ended = match output.status.code() {
            Some(_) => last_line(&output.stderr),
            None => format!("its process was ended: {}", output.status),
        };
        let ended = ended.strip_prefix("caudal: ").unwrap_or(&ended).to_owned();
        Stop::Usage(format!("trial {} ({}): {ended}", self.number + 1, describe(&self.setting)))
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().lines().last().unwrap_or_default().to_owned()
}
