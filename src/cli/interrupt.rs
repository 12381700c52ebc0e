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
    /// How often the end was asked for while a view has the terminal: by signals, or by its keys.
    #[cfg(feature = "tui")]
    asks: Arc<AtomicUsize>,
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
                .map_err(|error| unwatched(&error))?;
        }
        Ok(Self {
            asked,
            at_once,
            #[cfg(feature = "tui")]
            asks: Arc::default(),
        })
    }

    /// As [`Interrupt::watch`], for a training whose view has the terminal, which the next signal or Ctrl-C gives back before it
    /// ends the program. A handler can't do that; so a thread looks for what handlers have noted.
    #[cfg(feature = "tui")]
    pub(super) fn watch_view() -> Result<Self, Stop> {
        let (asked, at_once, asks) = (Arc::default(), Arc::default(), Arc::default());
        let interrupt = Self { asked, at_once, asks };
        let came = Arc::new(AtomicUsize::new(0));
        for signal in signals() {
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&came), number)
                .map_err(|error| unwatched(&error))?;
        }
        let (asked, at_once, asks) =
            (interrupt.asked.clone(), interrupt.at_once.clone(), interrupt.asks.clone());
        let look = move || loop {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let signal = came.swap(0, Ordering::Relaxed);
            if signal != 0 {
                asks.fetch_add(1, Ordering::Relaxed);
                asked.store(signal, Ordering::Relaxed);
            }
            let asks = asks.load(Ordering::Relaxed);
            if asks > usize::from(!at_once.load(Ordering::Relaxed)) {
                caudal::train::TerminalView::give_back();
                std::process::exit(code(asked.load(Ordering::Relaxed)).into());
            }
        };
        std::thread::Builder::new().spawn(look).map_err(|error| unwatched(&error))?;
        Ok(interrupt)
    }

    /// How often the end was asked for, for a view to count on.
    #[cfg(feature = "tui")]
    pub(super) fn asks(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.asks)
    }

    /// From now on these signals end the program again.
    pub(super) fn ignore(&self) {
        self.at_once.store(true, Ordering::Relaxed);
    }

    /// Whether one came.
    pub(super) fn came(&self) -> bool {
        #[cfg(feature = "tui")]
        if self.asks.load(Ordering::Relaxed) > 0 {
            return true;
        }
        self.asked.load(Ordering::Relaxed) != 0
    }

    /// That the program ends because one came.
    pub(super) fn stop(&self) -> Stop {
        Stop::Interrupted(code(self.asked.load(Ordering::Relaxed)))
    }
}

/// The exit code after a signal; keys of a view count as that of Ctrl-C.
fn code(signal: usize) -> u8 {
    let signal = u8::try_from(signal).unwrap_or_default();
    CODE + if signal == 0 { SIGINT as u8 } else { signal }
}

fn unwatched(error: &std::io::Error) -> Stop {
    Stop::Failed(format!("Ctrl-C can't be watched: {error}"))
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
