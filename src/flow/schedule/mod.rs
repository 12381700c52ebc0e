//! Runs' decisions written down: which worker started and ended which part, in order.
//!
//! [`Recording`] writes down what any policy decides, and [`Replay`] decides the same again, so that a
//! schedule under which something failed becomes a test case.
//!
//! ```
//! use caudal::flow::policy::policy;
//! use caudal::flow::schedule::{Recording, Replay};
//! use caudal::flow::{Executor, FlowBuilder, Pool};
//!
//! let mut flow = FlowBuilder::new("sums");
//! let one = flow.node("one", (), |()| 1);
//! let two = flow.node("two", (), |()| 2);
//! let sum = flow.node("sum", (one, two), |(one, two)| one + two);
//! let sum = flow.sink("result", sum);
//! let mut run = flow.build()?.run();
//! let recording = Recording::new(policy("random:7")?);
//! let log = recording.log();
//! Pool::with_policy(2, Box::new(recording))?.execute(&mut run)?;
//!
//! let replay = Replay::new(log.schedule());
//! Pool::with_policy(2, Box::new(replay))?.execute(&mut run)?;
//! assert_eq!(run.take(&sum)?, 3);
//! # Ok::<(), caudal::Error>(())
//! ```

mod check;
mod recording;
mod replay;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use recording::{Log, Recording};
pub use replay::Replay;

use crate::error::{self, Error, Result};
use crate::files;

/// One line of a schedule's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event {
    /// A run begins.
    Run {
        /// [`TaskGraph::fingerprint`](crate::flow::TaskGraph::fingerprint).
        #[serde(alias = "plan")]
        graph: String,
        /// How many workers there are.
        workers: usize,
    },
    /// A worker starts a part: worker, task, part.
    Start(usize, u32, u32),
    /// A worker has ended a part: worker, task, part.
    End(usize, u32, u32),
}

/// What one or several runs decided, in order.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    events: Vec<Event>,
    /// Where it was read from, for messages.
    file: Option<PathBuf>,
}

/// Schedules of the same events are equal, wherever they were read.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.events == other.events
    }
}

impl Eq for Schedule {}

impl Schedule {
    /// What happened, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many runs it holds.
    pub fn runs(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Run { .. })).count()
    }

    /// Writes it to a file: an event a line, in JSON, such as `{"start":[0,5,0]}`.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |error: serde_json::Error| Error::io(path, error.into());
        let mut text = Vec::new();
        for event in &self.events {
            serde_json::to_writer(&mut text, event).map_err(failed)?;
            text.push(b'\n');
        }
        files::replace(path, &text)
    }

    /// Reads what [`Schedule::write`] wrote.
    ///
    /// # Errors
    /// If the file can't be read, or if a line is no event.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |line: usize, problem: String| {
            let origin = format!("{}, line {}", path.display(), line + 1);
            error::refuse(origin, problem, "record the schedule again")
        };
        let text = files::text_of(path)?;
        let mut events = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let event = serde_json::from_str(line).map_err(|error| {
                wrong(number, format!("this is no event of a schedule: {error}"))
            })?;
            if number == 0 && !matches!(event, Event::Run { .. }) {
                return Err(wrong(0, "a schedule begins with a run, not with a part".to_owned()));
            }
            events.push(event);
        }
        Ok(Self { events, file: Some(path.to_owned()) })
    }
}
