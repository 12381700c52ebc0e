//! A policy that does as another one, until it misbehaves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use caudal::flow::policy::{Policy, ReadyPart, Setting};
use caudal::flow::{TaskGraph, TaskIndex};

/// How it misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It loses a part.
    Loses,
    /// It gives a part that it has given before.
    Again,
    /// It gives the last part of the graph, which is not ready.
    TooEarly,
    /// It gives a task that there is not.
    NoTask,
    /// It gives a part that its task does not have.
    NoPart,
    PanicsInPush,
    PanicsInPop,
    PanicsInDone,
}

pub(super) const WAYS: [Way; 8] = [
    Way::Loses,
    Way::Again,
    Way::TooEarly,
    Way::NoTask,
    Way::NoPart,
    Way::PanicsInPush,
    Way::PanicsInPop,
    Way::PanicsInDone,
];

/// What it will do, and whether it has.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    way: Way,
    /// So many calls are left before it does.
    left: Arc<AtomicUsize>,
    done: Arc<AtomicBool>,
}

impl Plot {
    pub(super) fn new(way: Way, after: usize) -> Self {
        Self { way, left: Arc::new(AtomicUsize::new(after)), done: Arc::default() }
    }

    /// Whether parts are lost, so that the run is left with tasks that wait.
    pub(super) fn loses(&self) -> bool {
        self.way == Way::Loses
    }

    /// Whether it has misbehaved.
    pub(super) fn has_happened(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Whether now is the time; from then on it never is again.
    fn is_due(&self, ways: &[Way]) -> bool {
        if self.has_happened() || !ways.contains(&self.way) {
            return false;
        }
        let left = self.left.load(Ordering::SeqCst);
        self.left.store(left.saturating_sub(1), Ordering::SeqCst);
        left == 0
    }

    /// Nothing happens from now on.
    pub(super) fn ends(&self) {
        self.happens();
    }

    fn happens(&self) {
        self.done.store(true, Ordering::SeqCst);
    }
}

#[derive(Debug)]
pub(super) struct Mischief {
    inner: Box<dyn Policy>,
    plot: Plot,
    held: BTreeSet<ReadyPart>,
    given: Option<ReadyPart>,
    last: Option<ReadyPart>,
}

impl Mischief {
    pub(super) fn new(inner: Box<dyn Policy>, plot: Plot) -> Self {
        Self { inner, plot, held: BTreeSet::new(), given: None, last: None }
    }
}

impl Policy for Mischief {
    fn name(&self) -> &'static str {
        "mischief"
    }

    fn supervises(&self) -> bool {
        self.inner.supervises()
    }

    fn begin_on(&mut self, graph: &TaskGraph, setting: &Setting) -> caudal::Result<()> {
        self.held.clear();
        self.given = None;
        let last = graph.task_count() - 1;
        let part = graph.task(last).parts as u32 - 1;
        self.last = Some(ReadyPart { task: TaskIndex::new(last), part });
        self.inner.begin_on(graph, setting)
    }

    fn watches_clock(&self) -> bool {
        self.inner.watches_clock()
    }

    fn now(&mut self, seconds: f64) {
        self.inner.now(seconds);
    }

    fn learn(&mut self, graph: &TaskGraph, seconds: &[f64]) {
        self.inner.learn(graph, seconds);
    }

    fn push(&mut self, part: ReadyPart, worker: usize) {
        if self.plot.is_due(&[Way::PanicsInPush, Way::Loses]) {
            self.plot.happens();
            assert!(self.plot.way == Way::Loses, "planned panic");
            return;
        }
        self.held.insert(part);
        self.inner.push(part, worker);
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        let wrong = [Way::Again, Way::TooEarly, Way::NoTask, Way::NoPart, Way::PanicsInPop];
        if !self.held.is_empty() && self.plot.is_due(&wrong) {
            let not_held = |part: &ReadyPart| !self.held.contains(part);
            let wrong = match self.plot.way {
                Way::Again => self.given.filter(not_held),
                Way::TooEarly => self.last.filter(not_held),
                Way::NoTask => {
                    Some(ReadyPart { task: TaskIndex::new(u32::MAX as usize - 1), part: 0 })
                }
                Way::NoPart => self.held.first().map(|part| ReadyPart { part: 1 << 20, ..*part }),
                _ => {
                    self.plot.happens();
                    panic!("planned panic")
                }
            };
            if wrong.is_some() {
                self.plot.happens();
                return wrong;
            }
        }
        let part = self.inner.pop(worker)?;
        self.held.remove(&part);
        self.given = Some(part);
        Some(part)
    }

    fn taken_from(&self) -> Option<usize> {
        self.inner.taken_from()
    }

    fn done(&mut self, part: ReadyPart, worker: usize) {
        if self.plot.is_due(&[Way::PanicsInDone]) {
            self.plot.happens();
            panic!("planned panic");
        }
        self.inner.done(part, worker);
    }
}
