//! Saves a training while it is under way.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::files;
use crate::model::{CustomKinds, TrainingConfig};
use crate::train::checkpoint::FitRecord;
use crate::train::{BatchEnd, Callback, Control, EpochEnd, Network};

/// How often something is done in a training.
///
/// ```
/// use std::time::Duration;
/// use caudal::train::callbacks::Every;
///
/// assert_eq!("500".parse::<Every>()?, Every::Steps(500));
/// assert_eq!("10m".parse::<Every>()?, Every::Time(Duration::from_secs(600)));
/// assert!("10 parsecs".parse::<Every>().is_err());
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Every {
    /// After every step whose number, counted from the first of all, is a multiple of this.
    Steps(u64),
    /// After the first step that ends this long after the last time.
    Time(Duration),
}

impl FromStr for Every {
    type Err = Error;

    /// Reads steps, as in `500`, or a time in seconds, minutes or hours, as in `30s`, `10m` or `2h`.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || Error::Training {
            problem: format!("`{text}` says not how often"),
            remedy: "write steps, as in 500, or a time, as in 30s, 10m or 2h".to_owned(),
        };
        let units = [("s", 1), ("m", 60), ("h", 3600)];
        let unit =
            units.iter().find_map(|&(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
        let (digits, seconds) = unit.unwrap_or((text, 0));
        let number: u32 = digits.parse().map_err(|_| refuse())?;
        match (number, seconds) {
            (0, _) => Err(refuse()),
            (steps, 0) => Ok(Self::Steps(steps.into())),
            (number, seconds) => Ok(Self::Time(Duration::from_secs(u64::from(number) * seconds))),
        }
    }
}

/// Saves the network to one file as training goes on, as [`Network::save_fit`] does, so that a training
/// that is killed loses no more than what came after the last time. The file is whole at any moment, and
/// the one before is kept beside it ([`PeriodicCheckpoint::previous`]).
///
/// A save that falls on the last step of an epoch takes place when the epoch's end has been seen to: place
/// it behind the callbacks whose state the record holds.
///
/// ```
/// use caudal::model::Model;
/// use caudal::train::callbacks::{Every, PeriodicCheckpoint};
/// use caudal::train::checkpoint::FitRecord;
/// use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};
///
/// let (data, _) = caudal::data::digits()?;
/// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
/// let optimizer = training.optimizer.clone();
/// let mut network = Network::from_parts(graph, optimizer, NetworkOptions::default())?;
/// # let folder = std::env::temp_dir().join(format!("caudal-every-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("article.safetensors");
/// let every = Every::Steps(4);
/// let mut saving = PeriodicCheckpoint::new(every, &path, training, FitRecord::default());
/// let fit = FitOptions::default().max_steps(10);
/// network.fit_with(&data, &fit, &mut [&mut saving])?;
/// assert_eq!(checkpoint::open(&path)?.1.step(), 8);
/// assert_eq!(checkpoint::open(saving.previous())?.1.step(), 4);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PeriodicCheckpoint {
    every: Every,
    path: PathBuf,
    training: TrainingConfig,
    kinds: CustomKinds,
    record: FitRecord,
    last: Option<Instant>,
    due: bool,
}

impl PeriodicCheckpoint {
    /// Saves to `path`, with `training` and `record` as the word on how to go on.
    pub fn new(
        every: Every,
        path: impl Into<PathBuf>,
        training: TrainingConfig,
        record: FitRecord,
    ) -> Self {
        let kinds = CustomKinds::new();
        Self { every, path: path.into(), training, kinds, record, last: None, due: false }
    }

    /// Lets the network have kinds of your own, as [`Network::save_with`] does.
    #[must_use]
    pub fn kinds(mut self, kinds: CustomKinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that holds the save before: `NAME.previous.ENDING` beside it.
    pub fn previous(&self) -> PathBuf {
        files::beside(&self.path, "previous")
    }

    /// What it writes beside the model.
    pub fn record(&mut self) -> &mut FitRecord {
        &mut self.record
    }

    fn is_due(&self, step: u64) -> bool {
        match self.every {
            Every::Steps(steps) => step.is_multiple_of(steps.max(1)),
            Every::Time(time) => self.last.is_some_and(|last| last.elapsed() >= time),
        }
    }

    fn save(&mut self, network: &Network) -> Result<()> {
        self.due = false;
        self.last = Some(Instant::now());
        if network.options().check_finite && !network.is_finite() {
            // The training is about to find out, and to end.
            return Ok(());
        }
        files::keep_copy(&self.path, self.previous())?;
        network.save_fit(&self.path, &self.training, &self.kinds, &self.record)
    }
}

impl Callback for PeriodicCheckpoint {
    fn before_training(&mut self, _network: &mut Network) -> Result<()> {
        self.last = Some(Instant::now());
        self.due = false;
        Ok(())
    }

    fn batch_end(&mut self, network: &mut Network, event: &BatchEnd<'_>) -> Result<Control> {
        if self.is_due(network.step()) {
            if event.batch + 1 == event.batches {
                self.due = true;
            } else {
                self.save(network)?;
            }
        }
        Ok(Control::Continue)
    }

    fn epoch_end(&mut self, network: &mut Network, _event: &EpochEnd<'_>) -> Result<Control> {
        if self.due {
            self.save(network)?;
        }
        Ok(Control::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_steps_are_read() {
        for (text, expected) in [
            ("1", Some(Every::Steps(1))),
            ("30s", Some(Every::Time(Duration::from_secs(30)))),
            ("2h", Some(Every::Time(Duration::from_secs(7200)))),
            ("0", None),
            ("0s", None),
            ("-1", None),
            ("1.5", None),
            ("s", None),
            ("", None),
            ("99999999999", None),
        ] {
            assert_eq!(text.parse::<Every>().ok(), expected, "{text}");
        }
    }
}
