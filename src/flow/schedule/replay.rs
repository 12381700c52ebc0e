//! Decides what was decided before.

use std::collections::HashSet;

use super::check::check;
use super::{Event, Schedule};
use crate::error::{Error, Result, count};
use crate::flow::graph::TaskGraph;
use crate::flow::index::TaskIndex;
use crate::flow::policy::{Policy, ReadyPart};

/// A policy that repeats a [`Schedule`], run after run: parts start in the same order, each only when
/// all that had ended before it have ended again, and on the same worker, if there are as many as
/// there were. What overlapped in time may overlap otherwise.
///
/// It refuses a run of another graph than the recorded one, a run after the last, and a record that can't be
/// followed to the end, as when it is not whole; the refusal names the line of the file.
#[derive(Debug)]
pub struct Replay {
    schedule: Schedule,
    /// The next event.
    at: usize,
    /// Whether workers are the recorded ones.
    same_workers: bool,
    ready: HashSet<ReadyPart>,
    ended: HashSet<ReadyPart>,
}

impl Replay {
    /// Repeats `schedule` from its first run on.
    pub fn new(schedule: Schedule) -> Self {
        Self { schedule, at: 0, same_workers: false, ready: HashSet::new(), ended: HashSet::new() }
    }

    fn refuse(problem: String, remedy: &str) -> Error {
        Error::Policy { policy: "replay".to_owned(), problem, remedy: remedy.to_owned() }
    }
}

impl Replay {
    /// The event at `place`, or the end of the record there, can't be.
    fn wrong(&self, place: usize, problem: String) -> Error {
        let remedy = "record the schedule again";
        match &self.schedule.file {
            Some(file) => Error::Data {
                origin: format!("{}, line {}", file.display(), place + 1),
                problem,
                remedy: remedy.to_owned(),
            },
            None => Self::refuse(format!("event {place} of the schedule: {problem}"), remedy),
        }
    }
}

/// A part as a schedule has it; none if no task can have this number.
fn ready_part(task: u32, part: u32) -> Option<ReadyPart> {
    Some(ReadyPart { task: TaskIndex::try_new(task as usize)?, part })
}

impl Policy for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn supervises(&self) -> bool {
        true
    }

    fn begin(&mut self, graph: &TaskGraph, workers: usize) -> Result<()> {
        let left = self.schedule.events[self.at..].iter().enumerate();
        let mut runs = left.filter_map(|(distance, event)| match event {
            Event::Run { graph, workers } => Some((self.at + distance, graph, *workers)),
            _ => None,
        });
        let Some((at, recorded, recorded_workers)) = runs.next() else {
            let problem =
                format!("the schedule has {}, and no more", count(self.schedule.runs(), "run"));
            return Err(Self::refuse(problem, "run no more than what was recorded"));
        };
        let found = graph.fingerprint();
        if *recorded != found {
            let problem = format!("the schedule is of graph {recorded}, but this is graph {found}");
            let remedy = "use the graph, batch size, mode and options of the recorded run";
            return Err(Self::refuse(problem, remedy));
        }
        let events = &self.schedule.events[at + 1..];
        let length = events.iter().position(|event| matches!(event, Event::Run { .. }));
        let events = &events[..length.unwrap_or(events.len())];
        check(graph, recorded_workers, events)
            .map_err(|(place, problem)| self.wrong(at + 1 + place, problem))?;
        self.same_workers = recorded_workers == workers;
        self.at = at + 1;
        self.ready.clear();
        self.ended.clear();
        Ok(())
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.ready.insert(part);
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        loop {
            match *self.schedule.events.get(self.at)? {
                Event::Run { .. } => return None,
                Event::End(_, task, part) => {
                    if !self.ended.contains(&ready_part(task, part)?) {
                        return None;
                    }
                    self.at += 1;
                }
                Event::Start(recorded, task, part) => {
                    let part = ready_part(task, part)?;
                    let mine = !self.same_workers || recorded == worker;
                    if !mine || !self.ready.remove(&part) {
                        return None;
                    }
                    self.at += 1;
                    return Some(part);
                }
            }
        }
    }

    fn done(&mut self, part: ReadyPart, _worker: usize) {
        self.ended.insert(part);
    }
}
