//! Training over a data set.

use std::time::{Duration, Instant};

use super::feed::Feed;
use super::network::Network;
use super::report::{Report, Totals};
use crate::data::{Dataset, Order, Sampler};
use crate::error::{Error, Result};
use crate::executor::Mode;
use crate::graph::NodeId;

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

impl FitOptions<'_> {
    /// Whether training goes on after this many steps since its start.
    fn after(&self, steps: u64) -> Control {
        match self.max_steps {
            Some(most) if self.start.saturating_add(steps) >= most => Control::Stop,
            _ => Control::Continue,
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

impl Control {
    /// Goes on if both do.
    fn and(self, other: Self) -> Self {
        if self == Self::Stop { self } else { other }
    }
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
        let columns = self.columns(Mode::Training, data)?;
        let ids: Vec<NodeId> = columns.iter().map(|(id, _)| *id).collect();
        let sampler = Sampler::new(data, &options.order, options.batch_size, options.seed)?;
        std::thread::scope(|scope| {
            let mut feed = Feed::new(scope, columns, sampler, options);
            let mut history = History::default();
            let began = Instant::now();
            let batches = data.len().div_ceil(options.batch_size);
            let first = (options.start / batches as u64) as usize;
            let mut control = options.after(0);
            for number in first..options.epochs {
                if control == Control::Stop {
                    break;
                }
                let at = Epoch { number, batches, began };
                control = self.epoch(&at, &ids, &mut feed, options, callbacks, &mut history)?;
            }
            Ok(history)
        })
    }

    /// Trains over one epoch, and says whether another should follow.
    fn epoch(
        &mut self,
        at: &Epoch,
        ids: &[NodeId],
        feed: &mut Feed,
        options: &FitOptions<'_>,
        callbacks: &mut [&mut dyn Callback],
        history: &mut History,
    ) -> Result<Control> {
        let mut control = Control::Continue;
        let mut totals = Totals::new(self.graph());
        let mut step_began = Instant::now();
        while control == Control::Continue {
            let Some(batch) = feed.next() else { break };
            let batch = batch?;
            let number = batch.number;
            self.pass(Mode::Training, ids, &batch.numbers, batch.items, &mut totals)?;
            feed.give_back(batch);
            history.step_seconds.push(step_began.elapsed().as_secs_f64());
            history.steps += 1;
            control = options.after(history.steps);
            if !callbacks.is_empty() {
                let report = totals.report(self.graph());
                let event = BatchEnd {
                    epoch: at.number,
                    epochs: options.epochs,
                    batch: number,
                    batches: at.batches,
                    report: &report,
                    elapsed: at.began.elapsed(),
                };
                for callback in callbacks.iter_mut() {
                    control = control.and(callback.batch_end(self, &event)?);
                }
            }
            step_began = Instant::now();
            if number + 1 == at.batches {
                break;
            }
        }
        let train = totals.report(self.graph());
        let validation = options
            .validation
            .map(|validation| self.evaluate(validation, options.batch_size))
            .transpose()?;
        let event = EpochEnd {
            epoch: at.number,
            epochs: options.epochs,
            train: &train,
            validation: validation.as_ref(),
            elapsed: at.began.elapsed(),
        };
        for callback in callbacks.iter_mut() {
            control = control.and(callback.epoch_end(self, &event)?);
        }
        history.train.push(train);
        history.validation.extend(validation);
        Ok(control)
    }
}

/// Where training stands.
struct Epoch {
    number: usize,
    batches: usize,
    began: Instant,
}
