//! Options of `caudal train` for the order of batches, for limits, and for what happens between steps.

use std::path::{Path, PathBuf};

use caudal::data::{Item, Loaded, Order, Part};
use caudal::files;
use caudal::train::FitOptions;
use caudal::train::callbacks::Every;
use caudal::train::checkpoint::FitRecord;
use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use super::Stop;
use super::augmenting::Augmenting;
use super::outputs::Outputs;
use super::resume::Settling;

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
    /// The order of the items in an epoch [default: shuffled, or that of --resume]
    #[arg(long, value_name = "ORDER", value_enum)]
    order: Option<ItemOrder>,
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
    /// The loss or metric of the validation part that --patience and --best go by [default: loss, or that of
    /// --resume]
    #[arg(long, value_name = "NAME")]
    watch: Option<String>,
    /// Ends training after so many epochs in a row in which the watched value did not improve; what is
    /// infinite or no number is no improvement
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    patience: Option<u32>,
    /// Goes back to the best epoch in the end
    #[arg(long)]
    restore_best: bool,
    /// Saves the model whenever the watched value improves
    #[arg(long, value_name = "FILE")]
    pub(super) best: Option<PathBuf>,
    /// Saves to the --save file every so many steps, as in 500, or as time passes, as in 30s, 10m or 2h: a
    /// training that is killed loses no more. The save before stays beside it, as NAME.previous.ENDING
    #[arg(long, value_name = "N|TIME", requires = "save")]
    pub(super) save_every: Option<Every>,
    /// Adds a line for every epoch: losses, metrics, seconds, learning rate; with --resume, lines of epochs
    /// that come again are removed first
    #[arg(long, value_name = "FILE.csv")]
    pub(super) log: Option<PathBuf>,
    /// Writes files for TensorBoard into a folder: losses and learning rate of every step, losses, metrics and histograms of
    /// the weights and their gradients of every epoch, and the graph; with --resume, beside those that are there
    #[arg(long, value_name = "FOLDER")]
    pub(super) log_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) augmenting: Augmenting,
    /// Writes the learning rate of every step; with --resume, below those of the steps before
    #[arg(long, value_name = "FILE.csv")]
    pub(super) learning_rate_log: Option<PathBuf>,
}

impl Fitting {
    /// The files among those of a command.
    pub(super) fn outputs<'a>(&'a self, outputs: Outputs<'a>) -> Outputs<'a> {
        outputs
            .reads(
                "--item-weights",
                self.item_weights.as_deref().map(Path::new).filter(|path| path.exists()),
            )
            .saves("--best", self.best.as_ref())
            .appends("--log", self.log.as_ref())
            .writes("--learning-rate-log", self.learning_rate_log.as_ref())
    }

    /// Puts what the options or the file to resume say into a record.
    pub(super) fn settle(
        &self,
        settling: &mut Settling,
        record: &mut FitRecord,
    ) -> Result<(), Stop> {
        let given = match self.order {
            _ if self.no_shuffle => Some(ItemOrder::Sequential),
            order => order,
        };
        let word = |order: ItemOrder| {
            let value = order.to_possible_value();
            value.map_or_else(String::new, |value| value.get_name().to_owned())
        };
        let shuffled = word(ItemOrder::Shuffled);
        let saved = |record: &FitRecord| record.order.clone();
        record.order = settling.or("--order", given.map(word), saved, shuffled);
        if let Some(saved) = settling.saved().filter(|_| given.is_none()) {
            record.stratify_by.clone_from(&saved.stratify_by);
            record.item_weights.clone_from(&saved.item_weights);
        } else {
            record.stratify_by.clone_from(&self.stratify_by);
            // A name that is no file is a column of the data.
            let digest = self.item_weights.as_deref().map(|name| {
                let path = Path::new(name);
                let digest = if path.exists() { digest(&read(path)?) } else { String::new() };
                Ok::<_, Stop>((path.to_owned(), digest))
            });
            record.item_weights = digest.transpose()?;
            let saved = settling.saved().map(|saved| {
                (saved.stratify_by.join(","), saved.item_weights.as_ref().map(|it| it.1.clone()))
            });
            if let Some((columns, weights)) = saved {
                let own = self.stratify_by.join(",");
                if own != columns {
                    settling.replaced("--stratify-by", &own, &columns);
                }
                if record.item_weights.as_ref().map(|it| &it.1) != weights.as_ref() {
                    settling.replaced("--item-weights", &"of its own", &"those before");
                }
            }
        }
        let number = |option: Option<u32>| option.map(|number| number as usize);
        record.max_batches =
            settling.some("--max-batches", number(self.max_batches), |saved| saved.max_batches);
        let most = number(self.max_validation_batches);
        record.max_validation_batches =
            settling.some("--max-validation-batches", most, |saved| saved.max_validation_batches);
        let watch = |saved: &FitRecord| saved.watch.clone();
        record.watch = settling.or("--watch", self.watch.clone(), watch, "loss".to_owned());
        record.patience =
            settling.some("--patience", number(self.patience), |saved| saved.patience);
        let restores = self.restore_best.then_some(true);
        record.restore_best =
            settling.or("--restore-best", restores, |saved| saved.restore_best, false);
        if record.restore_best && record.patience.is_none() {
            return Err(Stop::Usage("--restore-best needs --patience".to_owned()));
        }
        Ok(())
    }

    /// Whether something is chosen by the validation part.
    pub(super) fn chooses(&self, record: &FitRecord) -> bool {
        record.patience.is_some() || self.best.is_some()
    }

    /// Whether the options alone say that something is chosen by the validation part.
    pub(super) fn chooses_by_options(&self) -> bool {
        self.patience.is_some() || self.best.is_some()
    }

    /// The column of a table that holds the weights of the items.
    pub(super) fn weights_column(record: &FitRecord) -> Option<&str> {
        let (name, digest) = record.item_weights.as_ref()?;
        if digest.is_empty() { name.to_str() } else { None }
    }

    /// Puts the order and the limits of a record into options for these data.
    pub(super) fn apply(
        record: &FitRecord,
        options: &mut FitOptions<'_>,
        data: &Loaded,
    ) -> Result<(), Stop> {
        let unused = |option: &str, order: &str| {
            Err(Stop::Usage(format!("{option} needs --order {order}, which was not given")))
        };
        let order = ItemOrder::from_str(&record.order, false).map_err(|_| {
            Stop::Usage(format!(
                "the file to resume has the order `{}`, which is unknown; give --order",
                record.order.escape_debug()
            ))
        })?;
        if !record.stratify_by.is_empty() && order != ItemOrder::Stratified {
            return unused("--stratify-by", "stratified");
        }
        if record.item_weights.is_some() && order != ItemOrder::Weighted {
            return unused("--item-weights", "weighted");
        }
        options.order = match (order, &record.item_weights) {
            (ItemOrder::Shuffled, _) => Order::Shuffled,
            (ItemOrder::Sequential, _) => Order::Sequential,
            (ItemOrder::Stratified, _) => Order::stratified(record.stratify_by.iter().cloned()),
            (ItemOrder::Weighted, Some((path, before))) => match &data.weights {
                Some(weights) => Order::weighted(weights.clone()),
                None => Order::weighted(weights_of_training(path, before, &data.items)?),
            },
            (ItemOrder::Weighted, None) => {
                let problem =
                    "--order weighted needs --item-weights, a file with one weight a line";
                return Err(Stop::Usage(problem.to_owned()));
            }
        };
        options.max_batches = record.max_batches;
        options.max_validation_batches = record.max_validation_batches;
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, Stop> {
    Ok(files::text_of(path)?)
}

fn digest(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The weights of the training items, in a file with those of all items, which has not changed since its
/// digest was `before`.
fn weights_of_training(path: &Path, before: &str, items: &[Item]) -> Result<Vec<f64>, Stop> {
    let text = read(path)?;
    if digest(&text) != before {
        return Err(Stop::Usage(format!(
            "{}: it holds other weights than those that the training began with; give --order weighted \
             and --item-weights to go on with these",
            path.display()
        )));
    }
    let weights = parse_weights(path, &text)?;
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
fn parse_weights(path: &Path, text: &str) -> Result<Vec<f64>, Stop> {
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
