//! Ctrl-C, and the signals that ask a program to end: the first lets a training finish its step, the next ends the
//! program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use caudal::Result;
use caudal::train::{BatchEnd, Callback, Control, Network};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Stop;

/// Exit codes after a signal begin here.
const CODE: u8 = 128;

/// Ends a training at the step at which Ctrl-C came, or SIGTERM, or SIGHUP as a terminal sends it that is closed.
#[derive(Debug)]
pub(super) struct Interrupt {
    /// The signal that asked for the end, or 0.
    asked: Arc<AtomicUsize>,
    /// Whether the next signal ends the program at once.
    at_once: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on these signals are noted instead of ending the program.
    pub(super) fn watch() -> Result<Self, Stop> {
        let asked = Arc::new(AtomicUsize::new(0));
        let at_once = Arc::new(AtomicBool::new(false));
        for signal in signals() {
            // What is registered first is done first.
            let code = i32::from(CODE) + signal;
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_conditional_shutdown(signal, code, Arc::clone(&at_once))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&asked), number))
                .and_then(|_| flag::register(signal, Arc::clone(&at_once)))
                .map_err(|error| Stop::Failed(format!("Ctrl-C can't be watched: {error}")))?;
        }
        Ok(Self { asked, at_once })
    }

    /// From now on these signals end the program again.
    pub(super) fn ignore(&self) {
        self.at_once.store(true, Ordering::Relaxed);
    }

    /// Whether one came.
    pub(super) fn came(&self) -> bool {
        self.asked.load(Ordering::Relaxed) != 0
    }

    /// That the program ends because one came.
    pub(super) fn stop(&self) -> Stop {
        let signal = u8::try_from(self.asked.load(Ordering::Relaxed)).unwrap_or_default();
        Stop::Interrupted(CODE + signal)
    }
}

/// The signals that ask for an end. Who starts a program with `nohup` wants it to go on when the terminal is closed.
fn signals() -> Vec<i32> {
    #[cfg(not(windows))]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mut signals = vec![SIGINT, SIGTERM];
        if ignored(&status) & 1 << (signal_hook::consts::SIGHUP - 1) == 0 {
            signals.push(signal_hook::consts::SIGHUP);
        }
        signals
    }
    #[cfg(windows)]
    vec![SIGINT, SIGTERM]
}

/// The signals that a process ignores, by a text like `/proc/self/status`: a bit for each; all where it does not say.
#[cfg(not(windows))]
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok()).unwrap_or(u64::MAX)
}

impl Callback for Interrupt {
    fn batch_end(&mut self, _network: &mut Network, _event: &BatchEnd<'_>) -> Result<Control> {
        Ok(if self.came() { Control::Stop } else { Control::Continue })
    }
}

#[cfg(all(test, not(windows)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(ignored(""), u64::MAX);
    }
}
