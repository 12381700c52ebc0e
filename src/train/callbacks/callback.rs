//! What is called between the steps of training, and what it is told.

use std::time::Duration;

use crate::error::Result;
use crate::graph::Graph;
use crate::train::report::Totals;
use crate::train::{Network, Report, TimeLeft};

/// Whether training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// It does.
    Continue,
    /// It ends here, without an error.
    Stop,
}

impl Control {
    /// Goes on if both do.
    pub(in crate::train) fn and(self, other: Self) -> Self {
        if self == Self::Stop { self } else { other }
    }
}

/// An epoch is about to begin.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EpochStart {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Since `fit` began.
    pub elapsed: Duration,
}

/// A batch is about to be trained on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BatchStart {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// The batch within its epoch, from 0.
    pub batch: usize,
    /// Batches in an epoch.
    pub batches: usize,
    /// Since `fit` began.
    pub elapsed: Duration,
}

/// A batch has been trained on.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchEnd<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// The batch within its epoch, from 0.
    pub batch: usize,
    /// Batches in an epoch.
    pub batches: usize,
    pub(in crate::train) totals: &'a Totals,
    pub(in crate::train) graph: &'a Graph,
    /// Since `fit` began.
    pub elapsed: Duration,
    /// Until the end of the epoch, and of training.
    pub left: TimeLeft,
}

impl BatchEnd<'_> {
    /// Losses and metrics of the epoch so far. Some metrics take time that grows with the items: it is
    /// better not asked for after every batch.
    pub fn report(&self) -> Report {
        self.totals.report(self.graph)
    }

    /// The loss of this batch alone, before the update, as [`Report::loss`].
    pub fn loss(&self) -> f64 {
        self.totals.batch_loss()
    }
}

/// An epoch has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct EpochEnd<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Over the epoch, each batch before its update.
    pub train: &'a Report,
    /// Over the validation data, after the epoch.
    pub validation: Option<&'a Report>,
    /// Since `fit` began.
    pub elapsed: Duration,
    /// Until the end of training, as [`TimeLeft::training`].
    pub left: Duration,
}

/// Is called between the steps of [`Network::fit_with`]. The callbacks are called in the order of
/// their list; each method does nothing unless it is written.
pub trait Callback {
    /// Training begins.
    fn before_training(&mut self, _network: &mut Network) -> Result<()> {
        Ok(())
    }

    /// An epoch is about to begin.
    fn before_epoch(&mut self, _network: &mut Network, _event: &EpochStart) -> Result<()> {
        Ok(())
    }

    /// A batch is about to be trained on.
    fn before_batch(&mut self, _network: &mut Network, _event: &BatchStart) -> Result<()> {
        Ok(())
    }

    /// A batch has been trained on.
    fn batch_end(&mut self, _network: &mut Network, _event: &BatchEnd<'_>) -> Result<Control> {
        Ok(Control::Continue)
    }

    /// An epoch has ended, be it before its last batch.
    fn epoch_end(&mut self, _network: &mut Network, _event: &EpochEnd<'_>) -> Result<Control> {
        Ok(Control::Continue)
    }

    /// Training has ended, without an error.
    fn after_training(&mut self, _network: &mut Network) -> Result<()> {
        Ok(())
    }
}

/// The callbacks of one training. Each event goes to all of them, in the order of their list.
pub(in crate::train) struct Callbacks<'a, 'b>(&'a mut [&'b mut dyn Callback]);

impl<'a, 'b> Callbacks<'a, 'b> {
    pub(in crate::train) fn new(list: &'a mut [&'b mut dyn Callback]) -> Self {
        Self(list)
    }

    /// Whether there is nobody to tell anything.
    pub(in crate::train) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::train) fn before_training(&mut self, network: &mut Network) -> Result<()> {
        self.0.iter_mut().try_for_each(|callback| callback.before_training(network))
    }

    pub(in crate::train) fn before_epoch(
        &mut self,
        network: &mut Network,
        event: &EpochStart,
    ) -> Result<()> {
        self.0.iter_mut().try_for_each(|callback| callback.before_epoch(network, event))
    }

    pub(in crate::train) fn before_batch(
        &mut self,
        network: &mut Network,
        event: &BatchStart,
    ) -> Result<()> {
        self.0.iter_mut().try_for_each(|callback| callback.before_batch(network, event))
    }

    /// Goes on if all do.
    pub(in crate::train) fn batch_end(
        &mut self,
        network: &mut Network,
        event: &BatchEnd<'_>,
    ) -> Result<Control> {
        self.0.iter_mut().try_fold(Control::Continue, |control, callback| {
            Ok(control.and(callback.batch_end(network, event)?))
        })
    }

    /// Goes on if all do.
    pub(in crate::train) fn epoch_end(
        &mut self,
        network: &mut Network,
        event: &EpochEnd<'_>,
    ) -> Result<Control> {
        self.0.iter_mut().try_fold(Control::Continue, |control, callback| {
            Ok(control.and(callback.epoch_end(network, event)?))
        })
    }

    pub(in crate::train) fn after_training(&mut self, network: &mut Network) -> Result<()> {
        self.0.iter_mut().try_for_each(|callback| callback.after_training(network))
    }
}
