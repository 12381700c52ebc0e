//! Ends training when it no longer helps.

use std::sync::Arc;

use super::Watch;
use crate::error::{Error, Result};
use crate::train::checkpoint::StoppingState;
use crate::train::{Callback, Control, EpochEnd, Network};

/// Ends training after some epochs in a row in which the watched value did not improve.
///
/// ```
/// use caudal::model::Model;
/// use caudal::train::callbacks::{EarlyStopping, Watch};
/// use caudal::train::{FitOptions, Network, NetworkOptions};
///
/// let (train, test) = caudal::data::digits()?;
/// let Model { graph, training, .. } = Model::open(Some("article-dag"))?;
/// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
/// // No epoch improves by so much, so the first one is the best.
/// let mut stopping = EarlyStopping::new(Watch::higher("accuracy").min_delta(0.9), 2).restore_best();
/// let fit = FitOptions::default().epochs(50).validation(&test);
/// let history = network.fit_with(&train, &fit, &mut [&mut stopping])?;
/// assert_eq!(history.train.len(), 3);
/// assert_eq!(stopping.best_epoch(), Some(0));
/// let restored = network.evaluate(&test, 32)?;
/// assert_eq!(restored.metric("accuracy"), stopping.watch().best());
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    watch: Watch,
    patience: usize,
    restore: bool,
    waited: usize,
    best_epoch: Option<usize>,
    stopped: bool,
    best: Option<Best>,
    /// What the next training goes on from.
    resumed: Option<StoppingState>,
}

/// A network at its best.
#[derive(Clone, Debug)]
struct Best {
    parameters: Arc<Vec<Vec<f32>>>,
    step: u64,
}

impl EarlyStopping {
    /// Stops after `patience` epochs in a row without improvement, but after no less than one.
    pub fn new(watch: Watch, patience: usize) -> Self {
        Self {
            watch,
            patience,
            restore: false,
            waited: 0,
            best_epoch: None,
            stopped: false,
            best: None,
            resumed: None,
        }
    }

    /// When training ends, early or not, the network becomes what it was after its best epoch:
    /// weights, optimizer's state and step.
    #[must_use]
    pub fn restore_best(mut self) -> Self {
        self.restore = true;
        self
    }

    /// What it goes by, with the best value.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The epoch with the best value, from 0.
    pub fn best_epoch(&self) -> Option<usize> {
        self.best_epoch
    }

    /// How far it has come, for [`EarlyStopping::resume`]; a [`FitRecord`] keeps it in a file.
    ///
    /// [`FitRecord`]: crate::train::checkpoint::FitRecord
    pub fn state(&self) -> StoppingState {
        StoppingState {
            best: self.watch.best(),
            best_epoch: self.best_epoch,
            waited: self.waited,
            best_step: self.best.as_ref().map(|best| best.step),
            parameters: self.best.as_ref().map(|best| Arc::clone(&best.parameters)),
        }
    }

    /// The next training goes on from where another one was.
    #[must_use]
    pub fn resume(mut self, state: StoppingState) -> Self {
        self.resumed = Some(state);
        self
    }

    /// Whether it has ended the latest training.
    pub fn stopped(&self) -> bool {
        self.stopped
    }
}

impl Callback for EarlyStopping {
    fn before_training(&mut self, network: &mut Network) -> Result<()> {
        let state = self.resumed.take().unwrap_or_default();
        self.watch.start_from(state.best);
        self.waited = state.waited;
        self.best_epoch = state.best_epoch;
        self.stopped = false;
        self.best = match (state.parameters, state.best_step) {
            (Some(parameters), Some(step)) if self.restore => {
                if !network.parameters().fits(&parameters) {
                    return Err(Error::Training {
                        problem:
                            "the best network of the training to go on with is of another graph \
                                  or another optimizer"
                                .to_owned(),
                        remedy: "resume with the model and the optimizer that were saved"
                            .to_owned(),
                    });
                }
                Some(Best { parameters, step })
            }
            _ => None,
        };
        Ok(())
    }

    fn epoch_end(&mut self, network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        if self.watch.improves(event)? {
            self.waited = 0;
            self.best_epoch = Some(event.epoch);
            if self.restore {
                let parameters = Arc::new(network.parameters().snapshot());
                self.best = Some(Best { parameters, step: network.step() });
            }
            return Ok(Control::Continue);
        }
        self.waited += 1;
        self.stopped = self.waited >= self.patience;
        Ok(if self.stopped { Control::Stop } else { Control::Continue })
    }

    fn after_training(&mut self, network: &mut Network) -> Result<()> {
        if let Some(best) = &self.best {
            network.parameters().restore(&best.parameters);
            network.note_change();
            network.set_step(best.step);
            self.waited = 0;
        }
        Ok(())
    }
}
