//! `--record` and `--replay`: schedules in files.

use std::fmt::Write;
use std::path::PathBuf;

use caudal::flow::Pool;
use caudal::flow::policy::policy;
use caudal::flow::schedule::{Log, Recording, Replay, Schedule};
use caudal::measure::Provenance;
use caudal::train::Network;
use clap::Args;
use serde_json::{Value, json};

use super::output::write_file;
use super::outputs::Outputs;
use super::trace_file::PROVENANCE;
use super::{Stop, options};

/// Whether decisions are written down, or those of a file repeated.
#[derive(Debug, Args)]
pub(super) struct RecordReplay {
    /// Writes down which worker started and ended which part, in order, also if the training fails
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Starts parts in the recorded order, on the recorded workers if there are as many; in place of
    /// --policy
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

impl RecordReplay {
    /// The files among those of a command.
    pub(super) fn outputs<'a>(&'a self, outputs: Outputs<'a>) -> Outputs<'a> {
        let outputs = outputs.reads("--replay", self.replay.as_deref());
        outputs.writes("--record", self.record.as_ref())
    }

    /// Gives the network the executor that records or replays, if one was asked for.
    pub(super) fn apply(
        &self,
        run: &options::Run,
        network: &mut Network,
    ) -> Result<Option<Log>, Stop> {
        if self.record.is_none() && self.replay.is_none() {
            return Ok(None);
        }
        if run.executor_name() != "pool" {
            let problem = "only the pool has schedules to record or replay";
            return Err(Stop::Usage(format!(
                "{problem}; leave --executor {} out",
                run.executor_name()
            )));
        }
        let pool = |policy| Pool::with_pinning(run.workers(), policy, run.pinning());
        if let Some(path) = &self.replay {
            let replay = Replay::new(Schedule::read(path)?);
            network.set_executor(Box::new(pool(Box::new(replay))?));
            return Ok(None);
        }
        let recording = Recording::new(policy(run.policy())?);
        let log = recording.log();
        network.set_executor(Box::new(pool(Box::new(recording))?));
        Ok(Some(log))
    }

    /// Writes what was recorded, and in its first line where it is from.
    pub(super) fn write(&self, log: Option<&Log>, provenance: &Provenance) -> Result<(), Stop> {
        let (Some(path), Some(log)) = (&self.record, log) else { return Ok(()) };
        let mut text = String::new();
        for (number, event) in log.schedule().events().iter().enumerate() {
            let mut line = json!(event);
            // Readers of schedules pass over what they do not know of a run.
            if let (0, Some(run)) = (number, line.get_mut("run").and_then(Value::as_object_mut)) {
                run.insert(PROVENANCE.to_owned(), json!(provenance));
            }
            let _ = writeln!(text, "{line}");
        }
        write_file(path, &text)
    }
}
