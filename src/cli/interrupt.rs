//! Ctrl-C: the first one lets a training finish its step, the next one ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use caudal::Result;
use caudal::train::{BatchEnd, Callback, Control, Network};

use super::Stop;

/// Ends a training at the step at which Ctrl-C came.
#[derive(Debug)]
pub(super) struct Interrupt {
    /// Whether somebody asked for the end.
    asked: Arc<AtomicBool>,
    /// Whether there is a training that sees to it.
    training: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on Ctrl-C is noted instead of ending the program.
    pub(super) fn watch() -> Result<Self, Stop> {
        let asked = Arc::new(AtomicBool::new(false));
        let training = Arc::new(AtomicBool::new(true));
        let watch = Self { asked: Arc::clone(&asked), training: Arc::clone(&training) };
        let handler = move || {
            if asked.swap(true, Ordering::Relaxed) || !training.load(Ordering::Relaxed) {
                std::process::exit(130);
            }
        };
        match ctrlc::set_handler(handler) {
            Ok(()) => Ok(watch),
            Err(error) => Err(Stop::Failed(format!("Ctrl-C can't be watched: {error}"))),
        }
    }

    /// From now on Ctrl-C ends the program again.
    pub(super) fn ignore(&self) {
        self.training.store(false, Ordering::Relaxed);
    }

    /// Whether Ctrl-C came.
    pub(super) fn came(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Callback for Interrupt {
    fn batch_end(&mut self, _network: &mut Network, _event: &BatchEnd<'_>) -> Result<Control> {
        Ok(if self.came() { Control::Stop } else { Control::Continue })
    }
}
