//! How far training has come, for people to watch.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::told::{describe, describe_duration, describe_epoch, describe_rate};
use super::{BatchEnd, Callback, Control, EpochEnd, Network};
use crate::error::Result;

/// Values in the bar are not computed anew before this has passed.
const FRESH: Duration = Duration::from_millis(50);

/// Nor before this many times as long as that took.
const SHOWN: u32 = 50;

/// Shows training on standard error: a line for every epoch, and, on a terminal, a bar with the
/// epoch, the losses and metrics so far, the steps a second, the time gone, and the time left for the epoch and for all of
/// them. It has no colours.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    /// When losses and metrics so far are shown again.
    due: Option<Instant>,
    /// Steps of this training so far.
    steps: u64,
}

impl Progress {
    /// For a training of `steps` steps, of which `done` are done.
    pub fn new(steps: u64, done: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
            let style =
                ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len} steps, {prefix}");
            bar.set_style(
                style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "),
            );
            bar.set_position(done);
            bar
        });
        Self { bar, due: None, steps: 0 }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        // Whoever closed standard error does not want to know.
        let print = || drop(writeln!(std::io::stderr(), "{text}"));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Callback for Progress {
    fn batch_end(&mut self, _network: &mut Network, event: &BatchEnd<'_>) -> Result<Control> {
        if let Some(bar) = &self.bar {
            let now = Instant::now();
            if self.due.is_none_or(|due| due <= now) || event.batch + 1 == event.batches {
                let (epoch, epochs) = (event.epoch + 1, event.epochs);
                bar.set_message(format!(
                    "epoch {epoch}/{epochs} {}",
                    describe(&event.report(), "")
                ));
                self.due = Some(now + (SHOWN * now.elapsed()).max(FRESH));
            }
            self.steps += 1;
            bar.set_prefix(format!(
                "{}, {}, {} left in the epoch, {} in all",
                describe_rate(self.steps, event.elapsed),
                describe_duration(event.elapsed),
                describe_duration(event.left.epoch),
                describe_duration(event.left.training),
            ));
            bar.inc(1);
        }
        Ok(Control::Continue)
    }

    fn epoch_end(&mut self, _network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        self.line(&describe_epoch(event));
        Ok(Control::Continue)
    }
}
