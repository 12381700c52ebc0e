//! How far training has come, for people to watch.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{BatchEnd, Callback, Control, EpochEnd, Network, Report};
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
        let validation =
            event.validation.map(|report| format!("  {}", describe(report, "validation ")));
        let left = match event.left {
            Duration::ZERO => String::new(),
            left => format!(", {} left", describe_duration(left)),
        };
        self.line(&format!(
            "epoch {:>width$}/{}  {}{}  {}{}",
            event.epoch + 1,
            event.epochs,
            describe(event.train, ""),
            validation.unwrap_or_default(),
            describe_duration(event.elapsed),
            left,
            width = event.epochs.to_string().len(),
        ));
        Ok(Control::Continue)
    }
}

/// `loss 0.1234  accuracy 0.9876`.
fn describe(report: &Report, prefix: &str) -> String {
    let metrics = report.metrics.iter();
    let metrics =
        metrics.map(|metric| format!("  {prefix}{} {}", metric.name, report.shown(metric)));
    format!("{prefix}loss {:.4}{}", report.loss, metrics.collect::<String>())
}

/// `812 steps/s`, `3.4 steps/s`, or, of long steps, `2.5 s/step`.
fn describe_rate(steps: u64, elapsed: Duration) -> String {
    let rate = steps as f64 / elapsed.as_secs_f64().max(1e-9);
    match rate {
        it if it >= 100.0 => format!("{it:.0} steps/s"),
        it if it >= 1.0 => format!("{it:.1} steps/s"),
        it => format!("{:.1} s/step", 1.0 / it),
    }
}

/// `0.4 s`, `3 min 05 s`.
fn describe_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(describe_duration(Duration::from_millis(440)), "0.4 s");
        assert_eq!(describe_duration(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(describe_duration(Duration::from_secs(7_260)), "2 h 01 min");
        let rates = [(1000, 2), (7, 2), (2, 5)]
            .map(|(steps, s)| describe_rate(steps, Duration::from_secs(s)));
        assert_eq!(rates, ["500 steps/s", "3.5 steps/s", "2.5 s/step"]);
    }
}
