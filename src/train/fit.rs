//! Training over a data set.

use std::time::{Duration, Instant};

use super::network::Network;
use super::report::{Report, Totals};
use crate::data::{Dataset, Order, batches, epoch_order_into};
use crate::error::{Error, Result};
use crate::executor::Mode;

/// How a network is fitted to a data set.
#[derive(Clone, Debug)]
pub struct FitOptions<'a> {
    /// Passes over the data, those before [`FitOptions::start`] included.
    pub epochs: usize,
    /// Steps of this training that were taken before: it goes on with the batch that follows.
    pub start: u64,
    /// Items in a batch; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// The order of items in an epoch.
    pub order: Order,
    /// For the order: each epoch has its own, which follows from this and the epoch's number.
    pub seed: u64,
    /// Stops after this many steps, those before [`FitOptions::start`] included.
    pub max_steps: Option<u64>,
    /// Evaluated after every epoch.
    pub validation: Option<&'a Dataset>,
}

impl Default for FitOptions<'_> {
    fn default() -> Self {
        Self {
            epochs: 1,
            start: 0,
            batch_size: 32,
            order: Order::Shuffled,
            seed: 0,
            max_steps: None,
            validation: None,
        }
    }
}

/// Whether training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It does.
    Continue,
    /// It ends here, without an error.
    Stop,
}

/// A batch has been trained on.
#[derive(Debug)]
pub struct BatchEnd<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// The batch within its epoch, from 0.
    pub batch: usize,
    /// Batches in an epoch.
    pub batches: usize,
    /// Losses and metrics of the epoch so far.
    pub report: &'a Report,
    /// Since `fit` began.
    pub elapsed: Duration,
}

/// An epoch has ended.
#[derive(Debug)]
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
}

/// Is called between the steps of [`Network::fit_with`].
pub trait Callback {
    /// A batch has been trained on.
    fn batch_end(&mut self, _network: &Network, _event: &BatchEnd<'_>) -> Result<Control> {
        Ok(Control::Continue)
    }

    /// An epoch has ended.
    fn epoch_end(&mut self, _network: &Network, _event: &EpochEnd<'_>) -> Result<Control> {
        Ok(Control::Continue)
    }
}

/// What training left behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// By epoch: the training report, each batch before its update.
    pub train: Vec<Report>,
    /// By epoch: the validation report, if there was validation data.
    pub validation: Vec<Report>,
    /// Steps taken.
    pub steps: u64,
    /// Seconds of every step, data included.
    pub step_seconds: Vec<f64>,
}

impl Network {
    /// Trains over `data`.
    ///
    /// # Errors
    /// If options or data do not fit, or if a node fails; the weights are then those before the step.
    pub fn fit(&mut self, data: &Dataset, options: &FitOptions<'_>) -> Result<History> {
        self.fit_with(data, options, &mut [])
    }

    /// Trains over `data` and calls `callbacks` between steps.
    ///
    /// # Errors
    /// As [`Network::fit`], and what a callback returns.
    pub fn fit_with(
        &mut self,
        data: &Dataset,
        options: &FitOptions<'_>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<History> {
        if options.batch_size == 0 {
            return Err(Error::Training {
                problem: "the batch size is 0".to_owned(),
                remedy: "use at least one item a batch".to_owned(),
            });
        }
        let began = Instant::now();
        let columns = self.columns(Mode::Training, data)?;
        let batch_count = data.len().div_ceil(options.batch_size);
        let mut history = History::default();
        let mut order = Vec::new();
        let mut control = Control::Continue;
        let out_of_steps = |history: &History| {
            options.max_steps.is_some_and(|most| options.start + history.steps >= most)
        };
        let epoch_of_start = (options.start / batch_count as u64) as usize;
        let batch_of_start = (options.start % batch_count as u64) as usize;
        for epoch in epoch_of_start..options.epochs {
            if control == Control::Stop || out_of_steps(&history) {
                break;
            }
            epoch_order_into(data.len(), options.order, options.seed, epoch as u64, &mut order);
            let mut totals = Totals::new(self.graph());
            let skipped = if epoch == epoch_of_start { batch_of_start } else { 0 };
            for (batch, items) in batches(&order, options.batch_size).enumerate().skip(skipped) {
                let step_began = Instant::now();
                self.pass(Mode::Training, &columns, items, &mut totals)?;
                history.step_seconds.push(step_began.elapsed().as_secs_f64());
                history.steps += 1;
                if !callbacks.is_empty() {
                    let report = totals.report(self.graph());
                    let event = BatchEnd {
                        epoch,
                        epochs: options.epochs,
                        batch,
                        batches: batch_count,
                        report: &report,
                        elapsed: began.elapsed(),
                    };
                    for callback in callbacks.iter_mut() {
                        if callback.batch_end(self, &event)? == Control::Stop {
                            control = Control::Stop;
                        }
                    }
                }
                if control == Control::Stop || out_of_steps(&history) {
                    break;
                }
            }
            history.train.push(totals.report(self.graph()));
            if let Some(validation) = options.validation {
                history.validation.push(self.evaluate(validation, options.batch_size)?);
            }
            let (Some(train), validation) = (history.train.last(), history.validation.last())
            else {
                continue;
            };
            let event = EpochEnd {
                epoch,
                epochs: options.epochs,
                train,
                validation,
                elapsed: began.elapsed(),
            };
            for callback in callbacks.iter_mut() {
                if callback.epoch_end(self, &event)? == Control::Stop {
                    control = Control::Stop;
                }
            }
        }
        Ok(history)
    }
}
