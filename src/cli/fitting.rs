//! Options of `caudal train` for the order of batches, for limits, and for what happens between steps.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use caudal::Error;
use caudal::data::{Item, Loaded, Order, Part};
use caudal::graph::Graph;
use caudal::model::TrainingConfig;
use caudal::train::callbacks::{BestCheckpoint, CsvLog, EarlyStopping, LearningRateLog, Watch};
use caudal::train::{Callback, FitOptions};
use clap::{Args, ValueEnum};

use super::Stop;
use super::output::{check_writable, note, write_file};

/// How an epoch orders the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ItemOrder {
    /// Anew in every epoch
    Shuffled,
    /// As in the data
    Sequential,
    /// Shuffled, such that every batch represents the classes of all items
    Stratified,
    /// Drawn with replacement, by --item-weights
    Weighted,
}

/// How a training goes through its data, and what happens between its steps.
#[derive(Debug, Args)]
pub(super) struct Fitting {
    /// The order of the items in an epoch
    #[arg(long, value_name = "ORDER", value_enum, default_value = "shuffled")]
    order: ItemOrder,
    /// Takes the items in the order of the data: short for --order sequential
    #[arg(long, conflicts_with = "order")]
    no_shuffle: bool,
    /// Whose classes --order stratified goes by [default: all targets that hold classes]
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', requires = "order")]
    stratify_by: Vec<String>,
    /// For --order weighted: a file with a weight for every item of the data, one a line, of which those of
    /// the training part count; or, where there is no such file, the column of a table that holds them
    #[arg(long, value_name = "FILE|COLUMN", requires = "order")]
    item_weights: Option<String>,
    /// Trains on no more than this many batches of each epoch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_batches: Option<u32>,
    /// Tests no more than this many batches of the validation part after each epoch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_validation_batches: Option<u32>,
    /// The loss or metric of the validation part that --patience and --best go by
    #[arg(long, value_name = "NAME", default_value = "loss")]
    watch: String,
    /// Ends training after so many epochs in a row in which the watched value did not improve
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    patience: Option<u32>,
    /// Goes back to the best epoch in the end
    #[arg(long, requires = "patience")]
    restore_best: bool,
    /// Saves the model whenever the watched value improves
    #[arg(long, value_name = "FILE")]
    best: Option<PathBuf>,
    /// Appends a line for every epoch: losses, metrics, seconds, learning rate
    #[arg(long, value_name = "FILE.csv")]
    log: Option<PathBuf>,
    /// Writes the learning rate of every step
    #[arg(long, value_name = "FILE.csv")]
    learning_rate_log: Option<PathBuf>,
}

/// What is called between the steps of a training.
#[derive(Debug)]
pub(super) struct Callbacks {
    stopping: Option<EarlyStopping>,
    best: Option<BestCheckpoint>,
    log: Option<CsvLog>,
    rates: Option<(LearningRateLog, PathBuf)>,
}

impl Fitting {
    /// Refuses files that can't be written, before the work that they are for.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let files = [&self.best, &self.learning_rate_log];
        files.into_iter().flatten().try_for_each(|path| check_writable(path))
    }

    /// Whether something is chosen by the validation part.
    pub(super) fn chooses(&self) -> bool {
        self.patience.is_some() || self.best.is_some()
    }

    /// The column of a table that holds the weights of the items.
    pub(super) fn weights_column(&self) -> Option<&str> {
        self.item_weights.as_deref().filter(|name| !Path::new(name).exists())
    }

    /// Puts the order and the limits into options.
    pub(super) fn apply(&self, options: &mut FitOptions<'_>, data: &Loaded) -> Result<(), Stop> {
        let unused = |option: &str, order: &str| {
            Err(Stop::Usage(format!("{option} needs --order {order}, which was not given")))
        };
        if !self.stratify_by.is_empty() && self.order != ItemOrder::Stratified {
            return unused("--stratify-by", "stratified");
        }
        if self.item_weights.is_some() && self.order != ItemOrder::Weighted {
            return unused("--item-weights", "weighted");
        }
        options.order = match (self.order, self.item_weights.as_deref()) {
            _ if self.no_shuffle => Order::Sequential,
            (ItemOrder::Shuffled, _) => Order::Shuffled,
            (ItemOrder::Sequential, _) => Order::Sequential,
            (ItemOrder::Stratified, _) => Order::stratified(self.stratify_by.iter().cloned()),
            (ItemOrder::Weighted, Some(name)) => Order::weighted(match &data.weights {
                Some(weights) => weights.clone(),
                None => weights_of_training(Path::new(name), &data.items)?,
            }),
            (ItemOrder::Weighted, None) => {
                let problem =
                    "--order weighted needs --item-weights, a file with one weight a line";
                return Err(Stop::Usage(problem.to_owned()));
            }
        };
        options.max_batches = self.max_batches.map(|most| most as usize);
        options.max_validation_batches = self.max_validation_batches.map(|most| most as usize);
        Ok(())
    }

    /// What to call between the steps of a network of this graph.
    pub(super) fn callbacks(
        &self,
        graph: &Graph,
        training: &TrainingConfig,
    ) -> Result<Callbacks, Stop> {
        let watch = Watch::of(graph, &self.watch)?;
        let stopping = self.patience.map(|patience| {
            let stopping = EarlyStopping::new(watch.clone(), patience as usize);
            if self.restore_best { stopping.restore_best() } else { stopping }
        });
        let best = self.best.as_ref();
        Ok(Callbacks {
            stopping,
            best: best.map(|path| BestCheckpoint::new(watch, path, training.clone())),
            log: self.log.as_ref().map(CsvLog::new),
            rates: self.learning_rate_log.clone().map(|path| (LearningRateLog::new(), path)),
        })
    }
}

impl Callbacks {
    /// All that were asked for.
    pub(super) fn list(&mut self) -> Vec<&mut dyn Callback> {
        let mut list: Vec<&mut dyn Callback> = Vec::new();
        list.extend(self.log.as_mut().map(|log| log as &mut dyn Callback));
        list.extend(self.rates.as_mut().map(|(rates, _)| rates as &mut dyn Callback));
        list.extend(self.best.as_mut().map(|best| best as &mut dyn Callback));
        list.extend(self.stopping.as_mut().map(|stopping| stopping as &mut dyn Callback));
        list
    }

    /// Writes what is only known in the end; says why training ended early, if it did.
    pub(super) fn finish(&self, quiet: bool) -> Result<(), Stop> {
        if let Some((rates, path)) = &self.rates {
            let mut text = "step,learning_rate\n".to_owned();
            for (step, rate) in rates.rates() {
                // Writing to a string can't fail.
                let _ = writeln!(text, "{step},{rate}");
            }
            write_file(path, &text)?;
        }
        let stopped = self.stopping.as_ref().filter(|stopping| !quiet && stopping.stopped());
        if let Some(best) = stopped.and_then(EarlyStopping::best_epoch) {
            note(format_args!("ended early: no epoch was better than epoch {}", best + 1));
        }
        Ok(())
    }
}

/// The weights of the training items, in a file with those of all items.
fn weights_of_training(path: &Path, items: &[Item]) -> Result<Vec<f64>, Stop> {
    let weights = read_weights(path)?;
    if weights.len() != items.len() {
        return Err(Stop::Usage(format!(
            "{}: it has {} weights for {} items; give every item of the data one, those of a test part \
             that the data bring with them left out",
            path.display(),
            weights.len(),
            items.len()
        )));
    }
    let train = weights.into_iter().zip(items).filter(|(_, item)| item.part == Part::Train);
    Ok(train.map(|(weight, _)| weight).collect())
}

/// One number a line.
fn read_weights(path: &Path) -> Result<Vec<f64>, Stop> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let weight = |(number, line): (usize, &str)| {
        line.trim().parse().map_err(|_| {
            Stop::Usage(format!(
                "{}:{}: `{}` is no number; write one weight a line",
                path.display(),
                number + 1,
                line.trim().escape_debug()
            ))
        })
    };
    text.lines().enumerate().map(weight).collect()
}
