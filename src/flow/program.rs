//! What the engine asks of those who use it.

use super::core::{Core, Failed};
use super::graph::Edge;
use super::index::TaskIndex;
use super::message::Message;
use super::policy::ReadyPart;
use super::sync::Primitives;

/// What the tasks of a graph do, and what they send: a client of the engine, for one run at a time.
pub(crate) trait Program: Send + Sync + 'static {
    type Message: Message;
    type Primitives: Primitives;

    /// Whether who fires a task takes all messages out of its ports.
    const TAKES: bool;

    /// Whether its tasks may wait for something that is not a core, so that more of them at once than there are
    /// cores may be of use.
    fn may_wait(&self) -> bool;

    /// The engine's half of the run.
    fn core(&self) -> &Core<Self::Message, Self::Primitives>;

    /// Computes a part of a task whose messages have all come. `at` is the call under way, for failures.
    fn fire(&self, part: ReadyPart, at: &mut usize) -> Result<(), String>;

    /// Lets go of what a task held. All its parts have ended, or none ran; `failed`, if it sends word of a
    /// failure.
    fn release(&self, _task: TaskIndex, _failed: bool) {}

    /// What travels along an edge of a task that has ended well; nothing if `fire` has
    /// [laid it down](Core::lay_down).
    fn message(&self, edge: &Edge) -> Option<Self::Message>;

    /// How many bytes that is, as observers are told.
    fn bytes(&self, edge: &Edge) -> usize;

    /// Describes a failure in call number `at` of a task; `late`, if the run had been committed.
    fn failure(&self, task: TaskIndex, at: usize, cause: &str, late: bool) -> Failed;

    /// Lets go of everything after a stall, when no task is under way.
    fn forget(&self) {}
}
