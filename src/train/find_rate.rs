//! The learning rate range test: which rates make the loss fall.

mod swept;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use self::swept::Swept;
use super::feed::{Feed, Items};
use super::fit::FitOptions;
use super::network::Network;
use super::passes::require_items;
use super::report::Totals;
use crate::context::Mode;
use crate::data::{Dataset, Sampler};
use crate::error::{Error, Result};
use crate::setters::setters;

/// What is left of the running mean of the loss in a step: the rest is the loss of the step.
const SMOOTHING: f64 = 0.9;
/// The test ends when the running mean is so many times the lowest one.
const DIVERGED: f64 = 4.0;
/// No test ends before so many steps: the running mean has no meaning yet.
const FEWEST: usize = 10;

/// The suggested rate is at most this part of the one with the lowest loss, at which training is about to
/// diverge: with momentum, a rate that is too high shows only after some steps.
const BELOW_LOWEST: f32 = 0.25;

/// How a learning rate range test runs.
///
/// ```
/// use caudal::train::RangeTestOptions;
///
/// let options = RangeTestOptions::default().from(1e-5).to(1.0).steps(50);
/// assert_eq!((options.from, options.steps), (1e-5, 50));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RangeTestOptions {
    /// The rate of the first step.
    pub from: f32,
    /// The rate of the last step.
    pub to: f32,
    /// Steps between them; the rate grows by the same factor from each to the next.
    pub steps: usize,
    /// Items in a batch.
    pub batch_size: usize,
    /// For the order of the items.
    pub seed: u64,
}

impl Default for RangeTestOptions {
    /// From 1e-6 to 10 in 100 steps on batches of 32.
    fn default() -> Self {
        Self { from: 1e-6, to: 10.0, steps: 100, batch_size: 32, seed: 0 }
    }
}

impl RangeTestOptions {
    setters! {
        from: f32,
        to: f32,
        steps: usize,
        batch_size: usize,
        seed: u64,
    }

    fn check(&self) -> Result<()> {
        let refuse = |problem: String, remedy: &str| {
            Err(Error::Training { problem, remedy: remedy.to_owned() })
        };
        let Self { from, to, steps, .. } = *self;
        if !(from.is_finite() && to.is_finite() && 0.0 < from && from < to) {
            let problem = format!("learning rates can't grow from {from} to {to}");
            return refuse(problem, "give two numbers above 0, the lower one first");
        }
        if steps < FEWEST {
            let problem = format!("a test of {steps} steps shows nothing");
            return refuse(problem, "take at least 10 steps");
        }
        Ok(())
    }

    /// The rate of a step, from 0.
    fn rate(&self, step: u64) -> f32 {
        let share = step as f64 / (self.steps.max(2) - 1) as f64;
        let (from, to) = (f64::from(self.from), f64::from(self.to));
        (from * (to / from).powf(share)) as f32
    }
}

/// One step of a learning rate range test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RatePoint {
    /// The learning rate.
    pub rate: f32,
    /// The loss of the batch, before the step.
    pub loss: f64,
    /// The mean of the losses of this step and of those around it, a twentieth of all steps to each side. A mean of
    /// the losses so far would lag behind the rate.
    pub smoothed: f64,
}

/// What a learning rate range test found (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RangeTest {
    /// Step by step.
    pub points: Vec<RatePoint>,
    /// Why the test ended before its last step, if it did.
    pub ended: Option<String>,
}

impl RangeTest {
    /// The rate with the lowest smoothed loss. Training with it would be about to diverge.
    pub fn lowest(&self) -> Option<f32> {
        self.lowest_at().map(|at| self.points[at].rate)
    }

    fn lowest_at(&self) -> Option<usize> {
        let losses = self.points.iter().map(|point| point.smoothed).enumerate();
        losses.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
    }

    /// The rate to begin with: a quarter of [`RangeTest::lowest`], or [`RangeTest::steepest`] if that is lower.
    /// Nothing if the loss does not fall by at least a hundredth of its first value.
    pub fn suggested(&self) -> Option<f32> {
        let (steepest, lowest) = (self.steepest()?, self.lowest()?);
        Some(steepest.min(BELOW_LOWEST * lowest))
    }

    /// The rate at which the smoothed loss falls most steeply over the logarithm of the rate, before its lowest
    /// value; nothing as for [`RangeTest::suggested`].
    pub fn steepest(&self) -> Option<f32> {
        let lowest = self.lowest_at()?;
        let first = self.points.first()?.smoothed;
        if first - self.points[lowest].smoothed < 0.01 * first.abs() {
            return None;
        }
        // Rates grow by one factor, so steps are equal in the logarithm.
        let slope = |at: usize| {
            let (left, right) = (at.saturating_sub(1), (at + 1).min(lowest));
            let fall = self.points[right].smoothed - self.points[left].smoothed;
            fall / (right - left).max(1) as f64
        };
        let steepest = (0..lowest).min_by(|&a, &b| slope(a).total_cmp(&slope(b)))?;
        (slope(steepest) < 0.0).then(|| self.points[steepest].rate)
    }
}

/// Sets the smoothed loss of every step.
fn smooth(points: &mut [RatePoint], steps: usize) {
    let losses: Vec<f64> = points.iter().map(|point| point.loss).collect();
    let reach = (steps / 20).max(1);
    for (at, point) in points.iter_mut().enumerate() {
        let around = at.saturating_sub(reach)..(at + reach + 1).min(losses.len());
        let count = around.len() as f64;
        point.smoothed = losses[around].iter().sum::<f64>() / count;
    }
}

impl fmt::Display for RangeTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.suggested(), self.steepest(), self.lowest()) {
            (Some(rate), Some(steepest), Some(lowest)) => write!(
                f,
                "learning rate {}: the loss falls most steeply at {} and is lowest at {}",
                rounded(rate),
                rounded(steepest),
                rounded(lowest)
            ),
            _ => write!(f, "no learning rate: the loss does not fall at any of them"),
        }
    }
}

/// A rate with two digits, as nobody can tell more of them.
fn rounded(rate: f32) -> f32 {
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

impl Network {
    /// Trains a copy of this network from its weights at learning rates that grow from step to step, and tells
    /// the loss of every step, until it has become four times the lowest one or is no number. The network and
    /// its optimizer's state stay as they are; the optimizer's schedule is left out, and items are not changed at random.
    ///
    /// ```
    /// use caudal::data::digits;
    /// use caudal::model::Model;
    /// use caudal::train::{Network, NetworkOptions, RangeTestOptions};
    ///
    /// let Model { graph, training, .. } = Model::open(Some("digits"))?;
    /// let network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
    /// let test = network.find_learning_rate(&digits()?.0, RangeTestOptions::default())?;
    /// let rate = test.suggested().ok_or("no rate makes the loss fall")?;
    /// assert!(1e-4 < rate && rate < test.lowest().unwrap());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the options make no sense, if the data do not fit, or if a node fails. A loss that is infinite or no number
    /// is no error: it ends the test.
    pub fn find_learning_rate(
        &self,
        data: &Dataset,
        options: RangeTestOptions,
    ) -> Result<RangeTest> {
        options.check()?;
        require_items(options.batch_size)?;
        let optimizer = Arc::new(Swept::new(self.optimizer(), options)?);
        let graph = Arc::clone(self.graph());
        let network_options = self.options().clone().check_finite(true);
        let mut copy = Self::from_parts(Arc::clone(&graph), optimizer, network_options)?;
        for parameter in graph.parameters() {
            copy.set_weights(&parameter.name, &self.weights(&parameter.name)?)?;
        }
        copy.balance_classes(data)?;
        let graph = Arc::clone(copy.graph());
        let steps = options.steps as u64;
        let fit = FitOptions::default()
            .batch_size(options.batch_size)
            .smallest_batch(copy.smallest_batch())
            .seed(options.seed);
        let epochs = options.steps.div_ceil(fit.batches(data.len()).max(1));
        let fit = fit.epochs(epochs).max_steps(steps);
        let columns = copy.columns(Mode::Training, data)?;
        let sampler = Sampler::new(data, &fit.order, fit.batch_size, fit.seed)?;
        let from = Items { columns, sampler, augmenter: None };
        std::thread::scope(|scope| {
            let mut feed = Feed::new(scope, from, &fit);
            let mut test = RangeTest { points: Vec::new(), ended: None };
            let (mut mean, mut weight, mut lowest) = (0.0, 0.0, f64::INFINITY);
            for step in 0..steps {
                let Some(batch) = feed.next() else { break };
                let batch = batch?;
                let mut totals = Totals::new(&graph);
                match copy.pass(Mode::Training, &batch.gathered, &mut totals) {
                    Err(error @ Error::NotFinite { .. }) => {
                        test.ended = Some(error.to_string());
                        break;
                    }
                    outcome => outcome?,
                }
                feed.give_back(batch);
                let loss = totals.report(&graph).loss;
                mean = SMOOTHING * mean + (1.0 - SMOOTHING) * loss;
                weight = SMOOTHING * weight + (1.0 - SMOOTHING);
                lowest = lowest.min(mean / weight);
                test.points.push(RatePoint { rate: options.rate(step), loss, smoothed: loss });
                if test.points.len() >= FEWEST && mean / weight > DIVERGED * lowest.abs() {
                    let times = "the loss became four times the lowest one";
                    test.ended = Some(format!("{times} at step {}", step + 1));
                    break;
                }
            }
            smooth(&mut test.points, options.steps);
            Ok(test)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;
    use crate::model::Model;
    use crate::optimizers::{Optimizer, Sgd, find};
    use crate::train::NetworkOptions;

    fn network(optimizer: Arc<dyn Optimizer>, workers: usize) -> Network {
        let graph = Model::open(Some("digits")).unwrap().graph;
        let options = NetworkOptions::default().workers(workers);
        Network::from_parts(graph, optimizer, options).unwrap()
    }

    #[test]
    fn rates_grow_by_one_factor_and_the_network_stays_as_it_is() {
        let data = digits().unwrap().0;
        let options = RangeTestOptions::default().from(1e-4).to(1e-2).steps(21);
        let network = network(Arc::new(Sgd::new(0.5)), 1);
        let before = network.weights_sha256();
        let test = network.find_learning_rate(&data, options).unwrap();
        assert_eq!((test.points.len(), &test.ended), (21, &None));
        assert_eq!((network.weights_sha256(), network.step()), (before, 0));
        let rates: Vec<f32> = test.points.iter().map(|point| point.rate).collect();
        assert_eq!((rates[0], rates[20]), (1e-4, 1e-2));
        assert!((rates[10] - 1e-3).abs() < 1e-8, "{}", rates[10]);
        let losses: Vec<f64> = test.points.iter().map(|point| point.loss).collect();
        assert_eq!(test.points[0].smoothed, f64::midpoint(losses[0], losses[1]));
        assert_eq!(test.points[9].smoothed, losses[8..11].iter().sum::<f64>() / 3.0);
    }

    #[test]
    fn a_step_moves_as_the_optimizer_does_at_the_rate_of_the_step() {
        // At two rates that are almost one, the test is a training at that rate.
        let data = digits().unwrap().0;
        for (kind, more) in [("sgd", "momentum = 0.9"), ("adamw", "weight_decay = 0.1")] {
            let at = |rate: f32| {
                let text = format!("learning_rate = {rate}\n{more}");
                (find(kind).unwrap().parse)(text.parse().unwrap()).unwrap()
            };
            let options = RangeTestOptions::default().from(0.01).to(0.01 + 1e-8).steps(10);
            let test = network(at(0.3), 2).find_learning_rate(&data, options).unwrap();
            let mut trained = network(at(0.01), 2);
            let fit = FitOptions::default().max_steps(9);
            trained.fit(&data, &fit).unwrap();
            // The loss of the tenth step is that of the network after nine.
            let columns = trained.columns(Mode::Training, &data).unwrap();
            let sampler = Sampler::new(&data, &fit.order, 32, 0).unwrap();
            let mut batch = super::super::batch::Gathered::default();
            batch.gather(&columns, &sampler.epoch(0)[9 * 32..10 * 32]).unwrap();
            let mut totals = Totals::new(trained.graph());
            trained.pass(Mode::Training, &batch, &mut totals).unwrap();
            let expected = totals.report(trained.graph()).loss;
            let found = test.points[9].loss;
            assert!((found - expected).abs() < 1e-3 * expected, "{kind}: {found} for {expected}");
        }
    }

    #[test]
    fn a_loss_that_grows_ends_the_test_with_the_same_bits_at_any_worker_count() {
        let data = digits().unwrap().0;
        let options = RangeTestOptions::default().from(1e-3).to(1e3).steps(120);
        let tests: Vec<RangeTest> = [1, 2]
            .map(|workers| {
                let network = network(Arc::new(Sgd::new(0.1)), workers);
                network.find_learning_rate(&data, options).unwrap()
            })
            .into();
        assert_eq!(tests[0], tests[1]);
        let test = &tests[0];
        assert!(test.ended.is_some() && test.points.len() < 120, "{test:?}");
        let (suggested, lowest) = (test.suggested().unwrap(), test.lowest().unwrap());
        assert!(1e-3 <= suggested && suggested < lowest && lowest < 1e3, "{suggested} {lowest}");
        assert!(test.to_string().starts_with("learning rate "), "{test}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_a_flat_loss_suggests_nothing() {
        let data = digits().unwrap().0;
        let network = network(Arc::new(Sgd::new(0.1)), 1);
        let base = RangeTestOptions::default();
        for (options, told) in [
            (base.from(0.0), "can't grow from 0 to 10"),
            (base.from(1.0).to(0.5), "can't grow from 1 to 0.5"),
            (base.to(f32::INFINITY), "to inf"),
            (base.steps(9), "9 steps shows nothing"),
            (base.batch_size(0), "0"),
        ] {
            let message = network.find_learning_rate(&data, options).unwrap_err().to_string();
            assert!(message.contains(told), "{message}");
        }
        let options = base.from(1e-12).to(1e-11).steps(10);
        let test = network.find_learning_rate(&data, options).unwrap();
        let flat = RangeTest {
            points: test.points.iter().map(|point| RatePoint { smoothed: 1.0, ..*point }).collect(),
            ended: None,
        };
        assert_eq!(flat.suggested(), None);
        assert!(flat.to_string().contains("does not fall"), "{flat}");
        assert_eq!(RangeTest { points: Vec::new(), ended: None }.suggested(), None);
    }

    #[test]
    fn balanced_classes_are_counted_as_in_a_training() {
        let data = digits().unwrap().0;
        let model = |weights: &str| {
            let text = format!(
                "[[node]]\nname = 'image'\nkind = 'input'\nshape = [8, 8, 1]\n\
                 [[node]]\nname = 'flat'\nkind = 'flatten'\ninputs = ['image']\n\
                 [[node]]\nname = 'scores'\nkind = 'dense'\ninputs = ['flat']\nunits = 10\n\
                 [[node]]\nname = 'label'\nkind = 'target'\nshape = []\n\
                 [[node]]\nname = 'loss'\nkind = 'softmax_cross_entropy'\n\
                 inputs = ['scores', 'label']\nclass_weights = {weights}\n"
            );
            let graph = Model::from_toml(&text, "t").unwrap().graph;
            let options = NetworkOptions::default().workers(1);
            Network::from_parts(graph, Arc::new(Sgd::new(0.1)), options).unwrap()
        };
        let options = RangeTestOptions::default().steps(10);
        let balanced = model("'balanced'");
        let test = balanced.find_learning_rate(&data, options).unwrap();
        let mut counted = model("'balanced'");
        counted.balance_classes(&data).unwrap();
        assert_eq!(test, counted.find_learning_rate(&data, options).unwrap());
        let attributes = balanced.graph().node("loss").unwrap().role.attributes();
        assert_eq!(attributes["class_weights"].as_str(), Some("balanced"), "the network stays");
    }
}
