//! How far training has come, in words.

use std::time::Duration;

use super::{EpochEnd, Report};

/// The line of an epoch: its losses and metrics, the time gone, and the time left.
pub(super) fn describe_epoch(event: &EpochEnd<'_>) -> String {
    let validation =
        event.validation.map(|report| format!("  {}", describe(report, "validation ")));
    let left = match event.left {
        Duration::ZERO => String::new(),
        left => format!(", {} left", describe_duration(left)),
    };
    format!(
        "epoch {:>width$}/{}  {}{}  {}{}",
        event.epoch + 1,
        event.epochs,
        describe(event.train, ""),
        validation.unwrap_or_default(),
        describe_duration(event.elapsed),
        left,
        width = event.epochs.to_string().len(),
    )
}

/// `loss 0.1234  accuracy 0.9876`.
pub(super) fn describe(report: &Report, prefix: &str) -> String {
    let metrics = report.metrics.iter();
    let metrics =
        metrics.map(|metric| format!("  {prefix}{} {}", metric.name, report.shown(metric)));
    format!("{prefix}loss {:.4}{}", report.loss, metrics.collect::<String>())
}

/// `812 steps/s`, `3.4 steps/s`, or, of long steps, `2.5 s/step`.
pub(super) fn describe_rate(steps: u64, elapsed: Duration) -> String {
    let rate = steps as f64 / elapsed.as_secs_f64().max(1e-9);
    match rate {
        it if it >= 100.0 => format!("{it:.0} steps/s"),
        it if it >= 1.0 => format!("{it:.1} steps/s"),
        it => format!("{:.1} s/step", 1.0 / it),
    }
}

/// `0.4 s`, `3 min 05 s`.
pub(super) fn describe_duration(duration: Duration) -> String {
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
