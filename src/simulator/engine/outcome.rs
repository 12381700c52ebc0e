//! What a simulated step came to.

use super::super::{Simulation, WorkerTime};
use super::{Engine, State};
use crate::error::Error;
use crate::flow::TaskIndex;

impl Engine<'_> {
    /// The last sink has ended: what the step took.
    pub(super) fn end(&mut self) -> Simulation {
        let overhead = &self.machine.overhead;
        let caller = &self.workers[0];
        let noticed = match caller.state {
            State::Idle if self.clock - caller.idle_since > overhead.spin => overhead.wake,
            State::Idle if self.workers.len() > 1 => overhead.handover,
            _ => 0.0,
        };
        let makespan = self.clock + noticed - self.began;
        self.clock += noticed;
        let workers = self.workers.iter().map(|worker| WorkerTime {
            busy: worker.busy,
            scheduling: worker.scheduling,
            idle: (makespan - worker.busy - worker.scheduling).max(0.0),
        });
        let workers = workers.collect();
        let mut events = std::mem::take(&mut self.recorded);
        events.sort_by_key(|event| (event.start, event.task, event.part));
        let memory = self.buffers.history.iter();
        Simulation {
            makespan,
            workers,
            events,
            peak_bytes: self.buffers.peak,
            live_bytes: memory.map(|&(time, bytes)| ((time * 1e9).round() as u64, bytes)).collect(),
        }
    }

    /// Nothing will ever happen again: the policy has lost a part.
    pub(super) fn stalled(&self) -> Error {
        let left = self.graph.indices().filter(|&task| self.parts_left[task] > 0);
        let name = |task: TaskIndex| {
            let lacks = match self.pending[task] {
                0 => "is ready but was never taken".to_owned(),
                pending => format!("lacks {}", crate::error::count(pending as usize, "message")),
            };
            format!("{} {lacks}", self.graph.task_name(task))
        };
        Error::Stalled(left.map(name).collect())
    }
}
