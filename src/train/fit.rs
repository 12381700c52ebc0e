//! Training over a data set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::augment::Augmenter;
use super::callbacks::callback::{
    BatchEnd, BatchStart, Callback, Callbacks, Control, EpochEnd, EpochStart,
};
use super::clock::Clock;
use super::feed::{Feed, Items};
use super::network::Network;
use super::passes::require_items;
use super::report::{Report, Totals};
use super::rewind::Rewind;
use crate::context::Mode;
use crate::data::{Augmentation, Dataset, Order, Sampler};
use crate::error::{Error, Result};
use crate::plan::least_items;
use crate::setters::setters;

/// How a network is fitted to a data set.
///
/// A training that was interrupted after some steps goes on to the same bits with the same options and
/// as [`FitOptions::start`] the steps that were taken, [`Network::step`], even within an epoch: the
/// order of items follows from the seed and the number of the epoch.
///
/// ```
/// use caudal::data::digits;
/// use caudal::train::FitOptions;
///
/// let (train, test) = digits()?;
/// let options = FitOptions::default().epochs(20).batch_size(64).max_steps(100).validation(&test);
/// assert_eq!(options.steps(train.len()), 100);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FitOptions<'a> {
    /// Passes over the data, those before [`FitOptions::start`] included.
    pub epochs: usize,
    /// Steps of this training that were taken before: it goes on with the batch that follows.
    pub start: u64,
    /// Items in a batch; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// A last batch of fewer items joins the one before. Training uses [`Network::smallest_batch`] if that
    /// is more.
    pub smallest_batch: usize,
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
    /// Random changes of the items that are trained on, by the name of the input, one after the other. They follow from
    /// [`FitOptions::seed`], the epoch, and the item's place in its order.
    pub augment: BTreeMap<String, Vec<Arc<dyn Augmentation>>>,
    /// Mixes every item that is trained on with another one of its batch, inputs and targets alike: with a share of the
    /// beta distribution with this parameter, above 0 and at most 1, drawn for every item anew (mix-up).
    pub mix_up: Option<f64>,
}

impl Default for FitOptions<'_> {
    fn default() -> Self {
        Self {
            epochs: 1,
            start: 0,
            batch_size: 32,
            smallest_batch: 1,
            order: Order::Shuffled,
            seed: 0,
            max_steps: None,
            max_batches: None,
            validation: None,
            max_validation_batches: None,
            augment: BTreeMap::new(),
            mix_up: None,
        }
    }
}

impl<'a> FitOptions<'a> {
    setters! {
        epochs: usize,
        start: u64,
        batch_size: usize,
        smallest_batch: usize,
        order: Order,
        seed: u64,
        max_steps: impl Into<Option<u64>>,
        max_batches: impl Into<Option<usize>>,
        validation: impl Into<Option<&'a Dataset>>,
        max_validation_batches: impl Into<Option<usize>>,
        augment: BTreeMap<String, Vec<Arc<dyn Augmentation>>>,
        mix_up: impl Into<Option<f64>>,
    }

    /// Batches in an epoch over `items` items.
    pub fn batches(&self, items: usize) -> usize {
        let all = self.all_batches(items);
        self.max_batches.map_or(all, |most| all.min(most.max(1)))
    }

    /// The same, without a limit.
    pub(super) fn all_batches(&self, items: usize) -> usize {
        let size = self.batch_size.max(1);
        let (whole, rest) = (items / size, items % size);
        let joins = rest < self.smallest_batch && whole > 0;
        whole + usize::from(rest > 0 && !joins)
    }

    /// Steps of the whole training over `items` items, those before [`FitOptions::start`] included,
    /// unless a callback ends it.
    pub fn steps(&self, items: usize) -> u64 {
        let steps = (self.epochs as u64).saturating_mul(self.batches(items) as u64);
        self.max_steps.map_or(steps, |most| most.min(steps))
    }

    /// The epoch, from 0, and the batch within it with which a training over `items` items goes on.
    pub fn position(&self, items: usize) -> (usize, usize) {
        let batches = self.batches(items).max(1) as u64;
        ((self.start / batches) as usize, (self.start % batches) as usize)
    }

    /// Whether training goes on after this many steps since its start.
    fn after(&self, steps: u64) -> Control {
        match self.max_steps {
            Some(most) if self.start.saturating_add(steps) >= most => Control::Stop,
            _ => Control::Continue,
        }
    }
}

/// What training left behind.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct History {
    /// The epoch, from 0, of the first reports: of a training that goes on, the one with which it goes on.
    pub first_epoch: usize,
    /// By epoch: the training report, each batch before its update.
    pub train: Vec<Report>,
    /// By epoch: the validation report, if there was validation data.
    pub validation: Vec<Report>,
    /// Steps taken.
    pub steps: u64,
    /// Seconds of every step, data included.
    pub step_seconds: Vec<f64>,
    /// By step: the loss of its batch alone, before the update, as [`Report::loss`].
    pub step_losses: Vec<f64>,
}

impl Network {
    /// The fewest items of a batch that it can be trained on: two where `batch_norm` has one number a channel
    /// of each item, else one.
    pub fn smallest_batch(&self) -> usize {
        let nodes = 0..self.graph().nodes().len();
        nodes.map(|id| least_items(self.graph(), id)).max().unwrap_or(1)
    }

    /// Trains over `data`. Class weights that are balanced are counted in it first
    /// ([`Network::balance_classes`]).
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
        let smallest_batch = options.smallest_batch.max(self.smallest_batch());
        let options = &FitOptions { smallest_batch, ..options.clone() };
        self.plateau_watch()?;
        self.balance_classes(data)?;
        let columns = self.columns(Mode::Training, data)?;
        if let Some(validation) = options.validation {
            self.columns(Mode::Evaluation, validation)?;
        }
        let sampler = Sampler::new(data, &options.order, options.batch_size, options.seed)?;
        let augmenter = Augmenter::new(self.graph(), &columns, options)?;
        let from = Items { columns, sampler, augmenter };
        let rewind = Rewind::new(self, &from);
        self.look_at_losses_alone(rewind.is_some());
        let history = self.fit_epochs(from, rewind, data.len(), options, callbacks);
        self.look_at_losses_alone(false);
        history
    }

    fn fit_epochs(
        &mut self,
        from: Items,
        mut rewind: Option<Rewind>,
        items: usize,
        options: &FitOptions<'_>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<History> {
        let mut callbacks = Callbacks::new(callbacks);
        callbacks.before_training(self)?;
        let history = std::thread::scope(|scope| {
            let mut feed = Feed::new(scope, from, options);
            let batches = options.batches(items);
            let first = (options.start / batches as u64) as usize;
            let mut history = History { first_epoch: first, ..History::default() };
            let mut clock = Clock::new(options.steps(items).saturating_sub(options.start));
            let mut control = options.after(0);
            for number in first..options.epochs {
                if control == Control::Stop {
                    break;
                }
                let at = Epoch { number, batches, clock: &mut clock };
                let rewind = rewind.as_mut();
                control =
                    self.epoch(at, &mut feed, options, (&mut callbacks, rewind), &mut history)?;
            }
            Ok::<_, Error>(history)
        })?;
        callbacks.after_training(self)?;
        Ok(history)
    }

    /// Trains over one epoch, and says whether another should follow.
    fn epoch(
        &mut self,
        at: Epoch<'_>,
        feed: &mut Feed,
        options: &FitOptions<'_>,
        (callbacks, mut rewind): (&mut Callbacks<'_, '_>, Option<&mut Rewind>),
        history: &mut History,
    ) -> Result<Control> {
        let mut control = Control::Continue;
        let Epoch { number: epoch, batches, clock } = at;
        let epochs = options.epochs;
        let event = EpochStart { epoch, epochs, elapsed: clock.elapsed() };
        callbacks.before_epoch(self, &event)?;
        let graph = Arc::clone(self.graph());
        let mut totals = Totals::new(&graph);
        let mut whole = false;
        let mut step_began = Instant::now();
        while control == Control::Continue {
            let Some(batch) = feed.next() else { break };
            let batch = batch?;
            let number = batch.number;
            if !callbacks.is_empty() {
                let elapsed = clock.elapsed();
                let event = BatchStart { epoch, epochs, batch: number, batches, elapsed };
                callbacks.before_batch(self, &event)?;
            }
            if let Some(rewind) = &mut rewind {
                rewind.before_step(self, options, history.steps)?;
            }
            if let Err(error) = self.pass(Mode::Training, &batch.gathered, &mut totals) {
                // A loss may only show what a gradient has done before.
                if let Some(rewind) = &rewind {
                    rewind.check(self, options, history.steps)?;
                }
                return Err(error);
            }
            feed.give_back(batch);
            let seconds = step_began.elapsed().as_secs_f64();
            clock.step(seconds);
            history.step_seconds.push(seconds);
            history.step_losses.push(totals.batch_loss());
            history.steps += 1;
            control = options.after(history.steps);
            if !callbacks.is_empty() {
                let event = BatchEnd {
                    epoch,
                    epochs,
                    batch: number,
                    batches,
                    totals: &totals,
                    graph: &graph,
                    elapsed: clock.elapsed(),
                    left: clock.left(batches - number - 1),
                };
                control = control.and(callbacks.batch_end(self, &event)?);
            }
            step_began = Instant::now();
            if number + 1 == batches {
                whole = true;
                break;
            }
        }
        if let Some(rewind) = &rewind {
            rewind.check(self, options, history.steps)?;
        }
        let train = totals.report(self.graph());
        let validation = options
            .validation
            .map(|validation| {
                let most = options.max_validation_batches.unwrap_or(usize::MAX);
                self.evaluate_first(validation, options.batch_size, most)
            })
            .transpose()?;
        if whole {
            self.see_epoch(validation.as_ref().unwrap_or(&train))?;
        }
        let event = EpochEnd {
            epoch,
            epochs,
            train: &train,
            validation: validation.as_ref(),
            elapsed: clock.elapsed(),
            left: clock.left(0).training,
        };
        control = control.and(callbacks.epoch_end(self, &event)?);
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
