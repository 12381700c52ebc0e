//! `caudal sweep`.

mod base;
mod settings;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use caudal::files;
use caudal::train::NetworkOptions;
use caudal::train::callbacks::{Better, Watch};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use parking_lot::Mutex;
use serde_json::json;

use self::base::Base;
use self::settings::{describe, settings, shown};
use self::trial::{Trial, TrialResult};
use super::interrupt::Interrupt;
use super::output::{columns, line, note, printable};
use super::train::Train;
use super::{Stop, with_negative_numbers};

/// What `caudal train` is given unless its options name a validation part.
const VALIDATION: &str = "0.15";

/// Trains a model once for each of many settings, and lists them by how they did on the validation part.
///
/// Every training is a process of its own, with a folder of its own below --folder: its model file, its saved
/// network, and its result. The same command goes on with a sweep that was interrupted: it passes over the
/// trainings that have a result. The test part is not looked at: `caudal evaluate` tests the one that is chosen.
///
/// `--set optimizer.learning_rate=0.01,0.1 --set dense1.units=32,64` trains four times. With --random N, N of all
/// combinations are drawn, and a value may be a range: `--set optimizer.learning_rate=log:1e-4..1e-1`.
#[derive(Debug, Args)]
pub(super) struct Sweep {
    /// A preset's name, a .toml file or a saved .safetensors file [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// What to try: NODE.ATTRIBUTE, optimizer, optimizer.ATTRIBUTE, train.ATTRIBUTE, seed, or the argument of a
    /// preset, with its values; once for every key
    #[arg(long, value_name = "KEY=VALUE,...", required = true)]
    set: Vec<String>,
    /// Where everything is kept; it may exist
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Draws N combinations instead of all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    random: Option<u32>,
    /// For what is drawn
    #[arg(long, value_name = "N", default_value_t = 0, requires = "random")]
    random_seed: u64,
    /// Trainings that run side by side, each on its share of the cores
    #[arg(long, value_name = "K", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    at_once: u16,
    /// The loss or metric of the validation part that the list is sorted by
    #[arg(long, value_name = "NAME", default_value = "loss")]
    watch: String,
    /// Makes the last line of standard output one JSON object
    #[arg(long)]
    json: bool,
    /// Options of `caudal train` for every training, after --
    #[arg(last = true, value_name = "OPTION")]
    options: Vec<String>,
}

/// The options for every training, to look at.
#[derive(Debug, Parser)]
#[command(name = "caudal sweep ... --", no_binary_name = true, disable_help_flag = true)]
struct Each {
    #[command(flatten)]
    train: Train,
}

impl Sweep {
    pub(super) fn run(self) -> Result<(), Stop> {
        let base = Base::new(self.model.as_deref())?;
        let watch = Watch::of(base.graph(), &self.watch)?;
        let (options, data) = self.options()?;
        let random = self.random.map(|count| count as usize);
        let settings = settings(&self.set, random, self.random_seed)?;
        // All of them, before the first: a training that is refused would come too late.
        let trials = settings.into_iter().enumerate().map(|(number, setting)| {
            let model = base.with(&setting)?;
            Ok(Trial::new(number, setting, model, &options, &data, &self.folder))
        });
        let trials = trials.collect::<Result<Vec<Trial>, Stop>>()?;
        let mut results = trials.iter().map(Trial::done).collect::<Result<Vec<_>, _>>()?;
        let left: Vec<&Trial> =
            trials.iter().filter(|trial| results[trial.number].is_none()).collect();
        for trial in &left {
            trial.prepare()?;
        }
        let done = trials.len() - left.len();
        if done > 0 {
            note(format_args!("{done} of {} trainings are done", trials.len()));
        }
        if options.len() > self.options.len() && !left.is_empty() {
            note(format_args!("note: the validation part is {VALIDATION} of the items"));
        }
        let interrupt = Interrupt::watch()?;
        let stopped = self.train(&left, trials.len(), &interrupt, &mut results);
        let mut order: Vec<usize> = (0..trials.len()).collect();
        order.sort_by(|&a, &b| {
            let key = |number: usize| {
                let result: Option<&TrialResult> = results[number].as_ref();
                let value = result.and_then(|result| result.value(watch.name()));
                let value = value.map(|it| if watch.better() == Better::Higher { -it } else { it });
                // What has no value comes last.
                (value.is_none(), value.unwrap_or(0.0))
            };
            let (a, b) = (key(a), key(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let table = Listed { trials: &trials, results: &results, order: &order };
        if results.iter().any(Option::is_some) {
            files::replace(self.folder.join("sweep.csv"), table.csv().as_bytes())?;
            for text in table.lines(watch.name()) {
                line(text)?;
            }
        }
        stopped?;
        if interrupt.came() {
            note(format_args!("the same command goes on"));
            return Err(interrupt.stop());
        }
        if let Some(&best) = order.first().filter(|&&best| {
            results[best].as_ref().is_some_and(|result| result.value(watch.name()).is_some())
        }) {
            let weights = trials[best].weights();
            line(format!(
                "the best: {}; `caudal evaluate {} --data {data}` tests it",
                describe(&trials[best].setting),
                weights.display()
            ))?;
        }
        if self.json {
            line(table.json(watch.name()).to_string())?;
        }
        Ok(())
    }

    /// The options for every training, and their data.
    fn options(&self) -> Result<(Vec<String>, String), Stop> {
        let matches = with_negative_numbers(Each::command()).try_get_matches_from(&self.options);
        let each =
            matches.and_then(|matches| Each::from_arg_matches(&matches)).map_err(|error| {
                let text = error.render().to_string();
                let text = text.lines().next().unwrap_or_default();
                let text = text.strip_prefix("error: ").unwrap_or(text);
                Stop::Usage(format!("options after --: {text}; `caudal train --help` lists them"))
            })?;
        if let Some(own) = each.train.not_for_sweeps() {
            return Err(Stop::Usage(format!(
                "options after --: {own} can't be given to every training of a sweep; leave it out"
            )));
        }
        let mut options = self.options.clone();
        if !each.train.has_validation() {
            options.extend(["--validation".to_owned(), VALIDATION.to_owned()]);
        }
        let data = each.train.data().unwrap_or("digits").to_owned();
        Ok((options, data))
    }

    /// Runs the trainings that are left, and keeps their results.
    fn train(
        &self,
        left: &[&Trial],
        all: usize,
        interrupt: &Interrupt,
        results: &mut [Option<TrialResult>],
    ) -> Result<(), Stop> {
        let at_once = usize::from(self.at_once).min(left.len().max(1));
        let cores = NetworkOptions::default().workers;
        let asked = self.options.iter().any(|option| option.split('=').next() == Some("--workers"));
        let workers = (!asked).then(|| (cores / at_once).max(1));
        let next = AtomicUsize::new(0);
        let kept = Mutex::new((results, Ok(())));
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    while let Some(trial) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if kept.lock().1.is_err() || interrupt.came() {
                            break;
                        }
                        let outcome = trial.run(workers);
                        let mut kept = kept.lock();
                        match outcome {
                            Ok(Some(result)) => {
                                tell(trial, &result, all, &self.watch);
                                kept.0[trial.number] = Some(result);
                            }
                            Err(stop) if kept.1.is_ok() && !interrupt.came() => kept.1 = Err(stop),
                            Ok(None) | Err(_) => {}
                        }
                    }
                });
            }
        });
        kept.into_inner().1
    }
}

/// Says how a training came out.
fn tell(trial: &Trial, result: &TrialResult, all: usize, watch: &str) {
    let outcome = match (&result.error, result.value(watch)) {
        (Some(error), _) => format!("failed: {}", printable(error)),
        (None, Some(value)) => format!("{watch} {value:.6}"),
        (None, None) => format!("{watch} is no number"),
    };
    note(format_args!(
        "{}/{all}  {}  {outcome}  ({:.1} s)",
        trial.number + 1,
        describe(&trial.setting),
        result.seconds
    ));
}

/// The trainings of a sweep in an order.
struct Listed<'a> {
    trials: &'a [Trial],
    results: &'a [Option<TrialResult>],
    order: &'a [usize],
}

impl Listed<'_> {
    /// Names of everything that was measured, the loss first.
    fn measured(&self) -> Vec<String> {
        let results = self.results.iter().flatten();
        let names = results.flat_map(|result| result.values.keys());
        let mut all: BTreeSet<&str> = names.map(String::as_str).collect();
        let loss = all.take("loss");
        loss.into_iter().chain(all).map(str::to_owned).collect()
    }

    /// Heads and cells, every training that has begun in a row.
    fn cells(&self, measured: &[String]) -> (Vec<String>, Vec<Vec<String>>) {
        let keys = self.trials.first().map_or(&[][..], |trial| &trial.setting);
        let mut heads = vec!["trial".to_owned()];
        heads.extend(keys.iter().map(|(key, _)| key.clone()));
        heads.extend(measured.iter().cloned());
        heads.extend(["steps", "seconds", "error"].map(str::to_owned));
        let rows =
            self.order.iter().filter_map(|&number| {
                let (trial, result) = (&self.trials[number], self.results[number].as_ref()?);
                let mut cells = vec![(number + 1).to_string()];
                cells.extend(trial.setting.iter().map(|(_, value)| shown(value)));
                let value = |name: &String| result.value(name);
                cells.extend(measured.iter().map(|name| {
                    value(name).map_or_else(String::new, |value| format!("{value:.6}"))
                }));
                cells.push(result.steps.to_string());
                cells.push(format!("{:.2}", result.seconds));
                cells.push(result.error.clone().unwrap_or_default());
                Some(cells)
            });
        (heads, rows.collect())
    }

    fn csv(&self) -> String {
        let (heads, rows) = self.cells(&self.measured());
        let field = |text: &String| {
            if text.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.clone()
            }
        };
        let row = |row: &Vec<String>| row.iter().map(field).collect::<Vec<_>>().join(",") + "\n";
        [heads].iter().chain(&rows).map(row).collect()
    }

    /// The table in columns of one width, with a mark at the column that it is sorted by.
    fn lines(&self, watch: &str) -> Vec<String> {
        let (mut heads, rows) = self.cells(&self.measured());
        for head in heads.iter_mut().filter(|head| *head == watch) {
            head.insert(0, '*');
        }
        let last = heads.len() - 1;
        let all: Vec<Vec<String>> = [heads].into_iter().chain(rows).collect();
        let mut lines = columns(&all, |column| column == last);
        lines.push(format!("* sorted by {watch} of the validation part"));
        lines
    }

    fn json(&self, watch: &str) -> serde_json::Value {
        let trials = self.order.iter().filter_map(|&number| {
            let (trial, result) = (&self.trials[number], self.results[number].as_ref()?);
            let setting: BTreeMap<&str, String> =
                trial.setting.iter().map(|(key, value)| (key.as_str(), shown(value))).collect();
            Some(json!({
                "trial": number + 1,
                "folder": folder(trial.folder()),
                "setting": setting,
                "validation": result.values,
                "steps": result.steps,
                "seconds": result.seconds,
                "error": result.error,
            }))
        });
        json!({ "watch": watch, "trials": trials.collect::<Vec<_>>() })
    }
}

fn folder(path: &Path) -> String {
    path.display().to_string()
}
