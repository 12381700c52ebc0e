//! Keeps the best network in a file.

use std::path::{Path, PathBuf};

use super::Watch;
use crate::error::Result;
use crate::model::TrainingConfig;
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
    best_epoch: Option<usize>,
}

impl BestCheckpoint {
    /// Saves to `path`, with `training` as the model's word on how to train it.
    pub fn new(watch: Watch, path: impl Into<PathBuf>, training: TrainingConfig) -> Self {
        Self { watch, path: path.into(), training, best_epoch: None }
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
            network.save(&self.path, &self.training)?;
            self.best_epoch = Some(event.epoch);
        }
        Ok(Control::Continue)
    }
}
