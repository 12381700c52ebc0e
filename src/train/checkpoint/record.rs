//! What decides a training's numbers beside the model, kept with its weights.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::BEST;
use crate::data::Fitted;
use crate::optimizers::schedules::PlateauState;
use crate::setters::setters;
use crate::tensor::Tensor;

/// What a file says beside its arrays, as JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) version: u32,
    pub(super) step: u64,
    /// Empty where it is an array.
    pub(super) model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fit: Option<FitRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Fitted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plateau: Option<PlateauState>,
}

/// How a training goes through its data and when it ends: what [`Network::save_fit`] keeps in the file
/// beside model, optimizer and step, so that whoever resumes need not say it again.
///
/// Epochs and batch size are the model's, [`TrainingConfig`].
///
/// [`Network::save_fit`]: crate::train::Network::save_fit
/// [`TrainingConfig`]: crate::model::TrainingConfig
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FitRecord {
    /// What was trained on, as whoever reads it knows it: a file, say.
    pub data: Option<String>,
    /// Items of the training part.
    pub items: usize,
    /// For the order of items and what layers draw at random.
    pub seed: u64,
    /// The order of items: the word that `caudal train --order` takes.
    pub order: String,
    /// The columns of a stratified order; all without any.
    pub stratify_by: Vec<String>,
    /// The file of the weights of a weighted order, and the SHA-256 of what it held.
    pub item_weights: Option<(PathBuf, String)>,
    /// The most batches of an epoch.
    pub max_batches: Option<usize>,
    /// The most batches of the validation data.
    pub max_validation_batches: Option<usize>,
    /// Into how many micro-batches a batch is divided.
    pub micro_batches: Option<usize>,
    /// The loss or metric that early stopping and the best checkpoint go by.
    pub watch: String,
    /// Epochs without improvement after which training ends.
    pub patience: Option<usize>,
    /// Whether training goes back to its best epoch in the end.
    pub restore_best: bool,
    /// How far early stopping has come.
    pub stopping: Option<StoppingState>,
    /// The best value that a best checkpoint has seen.
    pub best: Option<f64>,
}

impl FitRecord {
    setters! {
        data: impl Into<Option<String>>,
        items: usize,
        seed: u64,
        order: impl Into<String>,
        stratify_by: Vec<String>,
        item_weights: impl Into<Option<(PathBuf, String)>>,
        max_batches: impl Into<Option<usize>>,
        max_validation_batches: impl Into<Option<usize>>,
        micro_batches: impl Into<Option<usize>>,
        watch: impl Into<String>,
        patience: impl Into<Option<usize>>,
        restore_best: bool,
        stopping: impl Into<Option<StoppingState>>,
        best: impl Into<Option<f64>>,
    }
}

/// How far [`EarlyStopping`] has come.
///
/// [`EarlyStopping`]: crate::train::callbacks::EarlyStopping
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoppingState {
    /// The best value so far.
    pub best: Option<f64>,
    /// The epoch that had it, from 0.
    pub best_epoch: Option<usize>,
    /// Epochs since then.
    pub waited: usize,
    /// The steps that the network had then taken, if training goes back to it.
    pub best_step: Option<u64>,
    /// The network of that epoch: weights and the optimizer's state as they lie in memory.
    #[serde(skip)]
    pub(crate) parameters: Option<Arc<Vec<Vec<f32>>>>,
}

/// The best network of early stopping, if the file has one.
pub(super) fn best_of(tensors: &BTreeMap<String, Tensor>) -> Option<Arc<Vec<Vec<f32>>>> {
    let array = |number: usize| tensors.get(&format!("{BEST}{number}"));
    let arrays = (0..).map_while(array).map(|array| array.iter().copied().collect());
    let arrays: Vec<Vec<f32>> = arrays.collect();
    (!arrays.is_empty()).then(|| Arc::new(arrays))
}
