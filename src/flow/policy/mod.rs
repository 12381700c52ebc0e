//! Which ready part runs next: the [`Policy`] trait and the [`POLICIES`] table.
//!
//! To add a policy, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here.

mod chunks;
mod critical_path;
mod fifo;
mod gaps;
mod homes;
mod lifo;
mod memory;
mod places;
mod random;
mod ranges;
mod setting;
mod r#static;
mod steal;
mod turns;
mod urgency;

use std::fmt;

use parking_lot::RwLock;

pub use critical_path::CriticalPath;
pub use fifo::Fifo;
pub(crate) use gaps::Gaps;
pub use lifo::Lifo;
pub use memory::Memory;
pub use random::Random;
pub use setting::{Setting, TaskCosts};
pub use r#static::Static;
pub use steal::Steal;

use super::graph::TaskGraph;
use super::index::TaskIndex;
use crate::error::{Error, Result};

/// Every policy.
pub const POLICIES: &[&PolicySpec] = &[
    &critical_path::SPEC,
    &fifo::SPEC,
    &lifo::SPEC,
    &memory::SPEC,
    &random::SPEC,
    &r#static::SPEC,
    &steal::SPEC,
];

/// Makes a policy from its argument, if there is one, or says what was expected there.
pub type MakePolicy = fn(Option<&str>) -> Result<Box<dyn Policy>, String>;

/// One row of the [`POLICIES`] table, or of a policy to [`register`].
#[derive(Debug)]
#[non_exhaustive]
pub struct PolicySpec {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it prefers, in one line.
    pub summary: &'static str,
    /// What may follow the name and a colon: how that is written, and what it means.
    pub arguments: &'static [(&'static str, &'static str)],
    /// Makes one from what follows the colon, if anything does.
    pub make: MakePolicy,
}

impl PolicySpec {
    /// The row of a policy of that name without arguments, which `make` makes.
    pub const fn new(name: &'static str, summary: &'static str, make: MakePolicy) -> Self {
        Self { name, summary, arguments: &[], make }
    }

    /// Says what may follow the name and a colon.
    #[must_use]
    pub const fn arguments(self, arguments: &'static [(&'static str, &'static str)]) -> Self {
        Self { arguments, ..self }
    }
}

/// Policies that are in no table of ours.
static REGISTERED: RwLock<Vec<&'static PolicySpec>> = RwLock::new(Vec::new());

/// Lets every place that takes the name of a policy take that of yours, in this process: pools, the simulator,
/// comparisons and the program's options.
///
/// ```
/// use caudal::flow::policy::{Fifo, Policy, PolicySpec, policy, register};
///
/// static MINE: PolicySpec = PolicySpec::new("mine", "as fifo, by another name", |_| Ok(Box::new(Fifo::default())));
/// register(&MINE)?;
/// assert!(policy("mine").is_ok());
/// assert!(register(&MINE).is_err(), "the name is taken");
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If the name is empty, has a colon in it, or is taken.
pub fn register(spec: &'static PolicySpec) -> Result<()> {
    let refuse = |problem: &str| {
        let (policy, problem) = (spec.name.to_owned(), problem.to_owned());
        Err(Error::Policy { policy, problem, remedy: "give it a name of its own".to_owned() })
    };
    if spec.name.is_empty() || spec.name.contains(':') {
        return refuse("a policy's name is not empty, and no colon is in it");
    }
    let mut registered = REGISTERED.write();
    if POLICIES.iter().chain(registered.iter()).any(|known| known.name == spec.name) {
        return refuse("there is a policy of this name");
    }
    registered.push(spec);
    Ok(())
}

/// The policies that were [registered](register), in their order.
pub fn registered() -> Vec<&'static PolicySpec> {
    REGISTERED.read().clone()
}

/// Makes the policy called `text`: a name of the table or of a registered policy, or a name, a colon and what the policy takes
/// as its argument, such as `random:7`.
///
/// # Errors
/// If there is no such policy, or if it can't take that argument.
pub fn policy(text: &str) -> Result<Box<dyn Policy>> {
    let (name, argument) = match text.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (text, None),
    };
    let registered = registered();
    let all = || POLICIES.iter().chain(&registered);
    let spec = all().find(|spec| spec.name == name);
    let known = all().map(|spec| spec.name);
    let spec = spec.ok_or_else(|| Error::unknown("policy", name, known))?;
    (spec.make)(argument).map_err(|problem| Error::Policy {
        policy: text.to_owned(),
        problem,
        remedy: spec.arguments.iter().fold(format!("write `{name}`"), |remedy, (form, _)| {
            format!("{remedy} or `{name}:{form}`")
        }),
    })
}

/// For policies that take no argument.
fn nothing_after(argument: Option<&str>) -> Result<(), String> {
    argument.map_or(Ok(()), |_| Err("nothing may follow its name".to_owned()))
}

/// A part of a task whose messages have all come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadyPart {
    /// The task; its number is that of [`TaskGraph::task`].
    pub task: TaskIndex,
    /// The part.
    pub part: u32,
}

/// Holds the ready parts of a run and says which one runs next. It is called under a lock, so it
/// should be quick; a worker that makes just one part ready, while no other waits, runs it without
/// asking, unless the policy [supervises](Policy::supervises).
pub trait Policy: fmt::Debug + Send {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Whether it is asked for every part, told of every part's end, and free to keep parts back. It
    /// costs a lock a part. The answer never changes.
    fn supervises(&self) -> bool {
        false
    }

    /// A run of `graph` by `workers` workers begins. No part is ready, but for what a policy that
    /// supervises may have kept back when the run before stalled, which is to be forgotten.
    ///
    /// # Errors
    /// If the policy can't order this graph; the run then does not begin.
    fn begin(&mut self, _graph: &TaskGraph, _workers: usize) -> Result<()> {
        Ok(())
    }

    /// As [`begin`](Self::begin), with what is known of the workers, and of tasks and messages on them: this is what runs
    /// call. A policy that goes by it implements this in place of `begin`, and may keep a clone of the setting.
    ///
    /// # Errors
    /// As `begin`.
    fn begin_on(&mut self, graph: &TaskGraph, setting: &Setting) -> Result<()> {
        self.begin(graph, setting.workers())
    }

    /// Whether it is told the time, which costs a look at the clock a call. The answer never changes.
    fn watches_clock(&self) -> bool {
        false
    }

    /// So many seconds have passed since the run began: told before each `push`, `pop` and `done`, of policies that watch
    /// the clock. In virtual time it is virtual, and in executions by [`scheduling`](crate::scheduling) in seconds of
    /// the graph.
    fn now(&mut self, _seconds: f64) {}

    /// Measured seconds of the tasks of `graph`, for policies that weigh them. Training hands over the
    /// same number for tasks of the same calls on the same shapes: their median.
    fn learn(&mut self, _graph: &TaskGraph, _seconds: &[f64]) {}

    /// `worker` has made `part` ready.
    fn push(&mut self, part: ReadyPart, worker: usize);

    /// The part that `worker` runs next. Must give one as long as any waits, unless the policy
    /// supervises: then none means that there is nothing for this worker until the next `push`, `done`
    /// or `pop` of another worker. If it has nothing for any worker while no part runs, the run ends as stalled.
    fn pop(&mut self, worker: usize) -> Option<ReadyPart>;

    /// The worker in whose queue the part was that `pop` gave last, if the policy has a queue for every worker and it
    /// was not that of the worker who asked. Asked while somebody [observes](crate::flow::Observer::wants_workers)
    /// what happens to workers, directly after `pop`.
    fn taken_from(&self) -> Option<usize> {
        None
    }

    /// `worker` has run `part`, which `pop` gave; the tasks that this made ready are pushed next, and
    /// no run begins before all parts of the run before have ended for the policy, too. Only policies
    /// that supervise are told.
    fn done(&mut self, _part: ReadyPart, _worker: usize) {}
}
