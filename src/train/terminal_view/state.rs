//! What a view shows of a training.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::context::Mode;
use crate::error::Result;
use crate::flow::Observer;
use crate::flow::trace::{Execution, Recorder};
use crate::graph::Graph;
use crate::train::callbacks::Watch;
use crate::train::told::describe_epoch;
use crate::train::{BatchEnd, BatchStart, Callback, Control, EpochEnd, Network, Report, TimeLeft};

/// Losses and metrics so far are not computed anew before this has passed, nor before [`SHOWN`] times as long as that took.
const FRESH: Duration = Duration::from_millis(100);
const SHOWN: u32 = 50;

/// A step is observed after this, for what its workers did.
const OBSERVED: Duration = Duration::from_secs(1);

/// Curves have fewer points than this.
const MOST_POINTS: usize = 512;

/// Values over steps; the more steps, the more of them make one point, which is their mean at the last of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Curve {
    pub(super) points: Vec<(f64, f64)>,
    /// Steps of a point, as a power of two.
    power: u32,
    sum: f64,
    count: u64,
}

impl Curve {
    /// Leaves out what is no number.
    fn add(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.sum += value;
        self.count += 1;
        if self.count < 1 << self.power {
            return;
        }
        self.points.push((step as f64, self.sum / self.count as f64));
        (self.sum, self.count) = (0.0, 0);
        if self.points.len() == MOST_POINTS {
            let pairs = self.points.chunks(2).map(|pair| {
                let sum: f64 = pair.iter().map(|(_, value)| value).sum();
                (pair[pair.len() - 1].0, sum / pair.len() as f64)
            });
            self.points = pairs.collect();
            self.power += 1;
        }
    }
}

/// A loss or a metric.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Finds the best value of an epoch: of the validation data, if there are such.
    pub(super) watch: Watch,
    /// Over the training data of the epoch so far, or of the last one.
    pub(super) training: f64,
    /// Over the validation data, after the last epoch.
    pub(super) validation: Option<f64>,
    /// The epoch of the best value, from 0.
    pub(super) best_epoch: Option<usize>,
}

/// What a view shows of a training. As a callback it follows one.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// The graph's name.
    pub(super) name: String,
    /// The epoch, from 0, and how many there are.
    pub(super) epoch: usize,
    pub(super) epochs: usize,
    /// Steps that are done, and all of them.
    pub(super) step: u64,
    pub(super) steps: u64,
    /// Steps and items of this training so far.
    pub(super) taken: u64,
    pub(super) items: u64,
    /// Since it began, without pauses, and how much longer it takes.
    pub(super) worked: Duration,
    pub(super) left: TimeLeft,
    /// The loss by step, and the rate of the last step.
    pub(super) losses: Curve,
    pub(super) rate: f32,
    pub(super) rows: Vec<Row>,
    /// By worker: the share of a step in which it was at work. Nothing before a step was observed.
    pub(super) busy: Vec<f64>,
    /// Somebody has asked for the end, or for a pause, which has lasted so long in all.
    pub(super) ends: bool,
    pub(super) pauses: bool,
    pub(super) paused: Duration,
    /// The lines of all epochs, for the end.
    pub(super) lines: Vec<String>,
    /// When values are computed, and a step is observed, next.
    values_due: Option<Instant>,
    observed_due: Option<Instant>,
    /// What observes the step at hand, which has so many items if it is like the one before.
    recorder: Option<(usize, Arc<Recorder>)>,
}

impl State {
    /// Of a training of `steps` steps, of which `done` are done.
    pub(super) fn new(steps: u64, done: u64) -> Self {
        Self { step: done, steps, ..Self::default() }
    }

    fn set_training(&mut self, graph: &Graph, report: &Report) -> Result<()> {
        for (number, (name, value)) in report.values().into_iter().enumerate() {
            if number == self.rows.len() {
                let watch = Watch::of(graph, &name)?;
                self.rows.push(Row { watch, training: value, validation: None, best_epoch: None });
            }
            self.rows[number].training = value;
        }
        Ok(())
    }
}

/// By worker, of which there are so many: the share of an execution in which it ran parts.
fn busy(execution: &Execution, workers: usize) -> Vec<f64> {
    let mut busy = vec![0; execution.worker_count().max(workers)];
    for event in &execution.events {
        busy[event.worker] += event.end - event.start;
    }
    let length = execution.length().max(1) as f64;
    busy.into_iter().map(|nanoseconds| (nanoseconds as f64 / length).min(1.0)).collect()
}

impl Callback for State {
    fn before_training(&mut self, network: &mut Network) -> Result<()> {
        network.graph().name().clone_into(&mut self.name);
        Ok(())
    }

    fn before_batch(&mut self, network: &mut Network, _event: &BatchStart) -> Result<()> {
        let now = Instant::now();
        let due = *self.observed_due.get_or_insert(now + OBSERVED);
        let Some(items) = network.last_items().filter(|_| due <= now) else { return Ok(()) };
        let run = network.run(Mode::Training, items)?;
        // Nobody else's observer is sent away.
        if !run.is_observed() {
            let recorder = Arc::new(Recorder::of_executions(run.plan(), 1));
            run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
            self.recorder = Some((items, recorder));
            self.observed_due = Some(now + OBSERVED);
        }
        Ok(())
    }

    fn batch_end(&mut self, network: &mut Network, event: &BatchEnd<'_>) -> Result<Control> {
        if let Some((items, recorder)) = self.recorder.take() {
            network.run(Mode::Training, items)?.observe(None);
            if let Some(execution) = recorder.executions().last() {
                self.busy = busy(execution, network.executor().workers());
            }
        }
        self.step += 1;
        self.taken += 1;
        self.items += network.last_items().unwrap_or_default() as u64;
        (self.epoch, self.epochs) = (event.epoch, event.epochs);
        self.worked = event.elapsed.saturating_sub(self.paused);
        self.left = event.left;
        self.rate = network.last_learning_rate();
        self.losses.add(self.step, event.loss());
        let now = Instant::now();
        if self.values_due.is_none_or(|due| due <= now) {
            self.set_training(network.graph(), &event.report())?;
            self.values_due = Some(now + (SHOWN * now.elapsed()).max(FRESH));
        }
        Ok(Control::Continue)
    }

    fn epoch_end(&mut self, network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        self.set_training(network.graph(), event.train)?;
        for row in &mut self.rows {
            row.validation = event.validation.map(|it| it.value(row.watch.name())).transpose()?;
            if row.watch.improves(event)? {
                row.best_epoch = Some(event.epoch);
            }
        }
        self.lines.push(describe_epoch(event));
        Ok(Control::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stay_short_and_keep_their_mean() {
        let mut curve = Curve::default();
        for step in 1..=4096 {
            curve.add(step, if step % 2 == 0 { 3.0 } else { 1.0 });
        }
        curve.add(4097, f64::NAN);
        assert!(curve.points.len() < MOST_POINTS, "{}", curve.points.len());
        assert_eq!(curve.points.last(), Some(&(4096.0, 2.0)));
        let mean = curve.points.iter().map(|point| point.1).sum::<f64>();
        assert_eq!(mean / curve.points.len() as f64, 2.0);
    }
}
