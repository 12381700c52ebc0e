//! Keeps the best network in a file.

use std::path::{Path, PathBuf};

use super::Watch;
use crate::error::Result;
use crate::model::{CustomKinds, TrainingConfig};
use crate::train::checkpoint::FitRecord;
use crate::train::{Callback, Control, EpochEnd, Network};

/// Saves the network whenever the watched value improves, as [`Network::save`] does: the file always
/// holds the best network so far, whole.
///
/// The best value counts from when the callback was made, so several trainings may share one file.
#[derive(Clone, Debug)]
pub struct BestCheckpoint {
    watch: Watch,
    path: PathBuf,
    training: TrainingConfig,
    kinds: CustomKinds,
    best_epoch: Option<usize>,
    record: Option<FitRecord>,
}

impl BestCheckpoint {
    /// Saves to `path`, with `training` as the model's word on how to train it.
    pub fn new(watch: Watch, path: impl Into<PathBuf>, training: TrainingConfig) -> Self {
        let kinds = CustomKinds::new();
        Self { watch, path: path.into(), training, kinds, best_epoch: None, record: None }
    }

    /// Lets the network have kinds of your own, as [`Network::save_with`] does.
    #[must_use]
    pub fn kinds(mut self, kinds: CustomKinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// Writes `record` beside the model, with the best value, as [`Network::save_fit`] does.
    pub fn set_record(&mut self, record: FitRecord) {
        self.record = Some(record);
    }

    /// Goes on from a training whose best value so far was `best`: only what is better is saved.
    #[must_use]
    pub fn start_from(mut self, best: f64) -> Self {
        self.watch.start_from(Some(best));
        self
    }

    /// What it goes by, with the best value.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The epoch in the file, from 0; nothing before the first save.
    pub fn best_epoch(&self) -> Option<usize> {
        self.best_epoch
    }
}

impl Callback for BestCheckpoint {
    fn epoch_end(&mut self, network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        if self.watch.improves(event)? {
            let (path, training, kinds) = (&self.path, &self.training, &self.kinds);
            match &mut self.record {
                Some(record) => {
                    record.best = self.watch.best();
                    network.save_fit(path, training, kinds, record)?;
                }
                None => network.save_with(path, training, kinds)?,
            }
            self.best_epoch = Some(event.epoch);
        }
        Ok(Control::Continue)
    }
}
