//! What ran where and when: recorded, and written for other programs.
//!
//! A [`Recorder`] observes a run. What it kept, or what a simulation made up, is a list of
//! [`Execution`]s, which [`chrome()`] writes for Perfetto, [`csv()`] for tables (with the feature `csv`), and [`json_lines`] for
//! programs.

mod chrome;
mod counters;
mod recorder;
mod table;
#[cfg(test)]
mod tests;

pub use chrome::chrome;
pub use counters::{live_bytes, ready_parts};
pub use recorder::Recorder;
#[cfg(feature = "csv")]
pub use table::csv;
pub use table::json_lines;

use super::observer::{MessageEvent, PartEvent};

/// One execution of a graph. Times are nanoseconds on the clock of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Execution {
    /// When it began.
    pub began: u64,
    /// When its last task was done.
    pub ended: u64,
    /// Every part that ran, by start.
    pub events: Vec<PartEvent>,
    /// Every message that was sent, if the recorder keeps them, by time.
    pub messages: Vec<MessageEvent>,
}
