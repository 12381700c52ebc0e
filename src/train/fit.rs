//! Training over a data set.

use std::time::{Duration, Instant};

use super::clock::{Clock, TimeLeft};
use super::feed::Feed;
use super::network::Network;
use super::passes::require_items;
use super::report::{Report, Totals};
use crate::data::{Dataset, Order, Sampler};
use crate::error::{Error, Result};
use crate::executor::Mode;

/// How a network is fitted to a data set.
///
/// A training that was interrupted after some steps goes on to the same bits with the same options and
/// as [`FitOptions::start`] the steps that were taken, [`Network::step`], even within an epoch: the
/// order of items follows from the seed and the number of the epoch.
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
    /// Trains on no more than this many batches of an epoch, the first ones of its order.
    pub max_batches: Option<usize>,
    /// Evaluated after every epoch.
    pub validation: Option<&'a Dataset>,
    /// Evaluates no more than this many batches of the validation data, the first ones.
    pub max_validation_batches: Option<usize>,
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
            max_batches: None,
            validation: None,
            max_validation_batches: None,
        }
    }
}

impl FitOptions<'_> {
    /// Batches in an epoch over `items` items.
    pub fn batches(&self, items: usize) -> usize {
        let all = items.div_ceil(self.batch_size.max(1));
        self.max_batches.map_or(all, |most| all.min(most.max(1)))
    }

    /// Steps of the whole training over `items` items, those before [`FitOptions::start`] included,
    /// unless a callback ends it.
    pub fn steps(&self, items: usize) -> u64 {
        let steps = (self.epochs as u64).saturating_mul(self.batches(items) as u64);
        self.max_steps.map_or(steps, |most| most.min(steps))
    }

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

/// An epoch is about to begin.
#[derive(Clone, Copy, Debug)]
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
    /// Until the end of the epoch, and of training.
    pub left: TimeLeft,
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
        require_items(options.batch_size)?;
        let columns = self.columns(Mode::Training, data)?;
        let sampler = Sampler::new(data, &options.order, options.batch_size, options.seed)?;
        for callback in callbacks.iter_mut() {
            callback.before_training(self)?;
        }
        let history = std::thread::scope(|scope| {
            let mut feed = Feed::new(scope, columns, sampler, options);
            let mut history = History::default();
            let mut clock = Clock::new(options.steps(data.len()).saturating_sub(options.start));
            let batches = options.batches(data.len());
            let first = (options.start / batches as u64) as usize;
            let mut control = options.after(0);
            for number in first..options.epochs {
                if control == Control::Stop {
                    break;
                }
                let at = Epoch { number, batches, clock: &mut clock };
                control = self.epoch(at, &mut feed, options, callbacks, &mut history)?;
            }
            Ok::<_, Error>(history)
        })?;
        for callback in callbacks.iter_mut() {
            callback.after_training(self)?;
        }
        Ok(history)
    }

    /// Trains over one epoch, and says whether another should follow.
    fn epoch(
        &mut self,
        at: Epoch<'_>,
        feed: &mut Feed,
        options: &FitOptions<'_>,
        callbacks: &mut [&mut dyn Callback],
        history: &mut History,
    ) -> Result<Control> {
        let mut control = Control::Continue;
        let Epoch { number: epoch, batches, clock } = at;
        let epochs = options.epochs;
        let event = EpochStart { epoch, epochs, elapsed: clock.elapsed() };
        for callback in callbacks.iter_mut() {
            callback.before_epoch(self, &event)?;
        }
        let mut totals = Totals::new(self.graph());
        let mut step_began = Instant::now();
        while control == Control::Continue {
            let Some(batch) = feed.next() else { break };
            let batch = batch?;
            let number = batch.number;
            if !callbacks.is_empty() {
                let elapsed = clock.elapsed();
                let event = BatchStart { epoch, epochs, batch: number, batches, elapsed };
                for callback in callbacks.iter_mut() {
                    callback.before_batch(self, &event)?;
                }
            }
            self.pass(Mode::Training, &batch.gathered, &mut totals)?;
            feed.give_back(batch);
            let seconds = step_began.elapsed().as_secs_f64();
            clock.step(seconds);
            history.step_seconds.push(seconds);
            history.steps += 1;
            control = options.after(history.steps);
            if !callbacks.is_empty() {
                let report = totals.report(self.graph());
                let event = BatchEnd {
                    epoch,
                    epochs,
                    batch: number,
                    batches,
                    report: &report,
                    elapsed: clock.elapsed(),
                    left: clock.left(batches - number - 1),
                };
                for callback in callbacks.iter_mut() {
                    control = control.and(callback.batch_end(self, &event)?);
                }
            }
            step_began = Instant::now();
            if number + 1 == batches {
                break;
            }
        }
        let train = totals.report(self.graph());
        let validation = options
            .validation
            .map(|validation| {
                let most = options.max_validation_batches.unwrap_or(usize::MAX);
                self.evaluate_first(validation, options.batch_size, most)
            })
            .transpose()?;
        let event = EpochEnd {
            epoch,
            epochs,
            train: &train,
            validation: validation.as_ref(),
            elapsed: clock.elapsed(),
            left: clock.left(0).training,
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
struct Epoch<'a> {
    number: usize,
    batches: usize,
    clock: &'a mut Clock,
}
