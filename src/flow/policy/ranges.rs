//! Who had which range of items, or which other part of a task, last.

use super::ReadyPart;
use crate::flow::graph::TaskGraph;
use crate::flow::index::{Span, TaskIndex, index_types};

index_types! {
    /// A worker.
    pub(super) WorkerIndex;
}

/// By part of a task that is divided, the worker that had its items in the task before, or the part itself in the
/// run before.
///
/// Where both a task and one that it waits for are divided by items of the batch, parts belong to whoever had the same
/// items there; other parts to whoever had the same part in the run before.
#[derive(Debug)]
pub(super) struct Ranges {
    /// By task: its own parts, and those of the task, itself or an earlier one, whose workers count.
    ties: Vec<Tie>,
    /// By part, in the order of tasks: who ran it last.
    ran: Vec<Option<WorkerIndex>>,
}

#[derive(Clone, Copy, Debug)]
struct Tie {
    own: Span<Option<WorkerIndex>>,
    like: Span<Option<WorkerIndex>>,
}

impl Ranges {
    /// For runs of `graph`. Nobody had anything yet.
    pub(super) fn new(graph: &TaskGraph) -> Self {
        let mut ties: Vec<Tie> = graph
            .indices()
            .map(|task| own_parts(graph, task))
            .map(|own| Tie { own, like: own })
            .collect();
        let is_by_items = |task: TaskIndex| graph.tasks[task].by_items;
        for before in graph.indices().filter(|&task| is_by_items(task)) {
            let before_parts = own_parts(graph, before);
            for edge in graph.edges_of(before) {
                let tie = &mut ties[edge.task];
                // The last of those that it waits for is the one whose results are still in a cache.
                if tie.own.len() > 1 && before_parts.len() > 1 && is_by_items(edge.task) {
                    tie.like = before_parts;
                }
            }
        }
        Self { ties, ran: vec![None; graph.part_count()] }
    }

    /// How many parts a task has.
    pub(super) fn part_count(&self, task: TaskIndex) -> usize {
        self.ties[task].own.len()
    }

    /// Whether a task has several parts.
    pub(super) fn is_divided(&self, task: TaskIndex) -> bool {
        self.part_count(task) > 1
    }

    /// Whether parts of a task belong to whoever had the same items in another.
    pub(super) fn follows_another(&self, task: TaskIndex) -> bool {
        let Tie { own, like } = self.ties[task];
        own.start() != like.start()
    }

    /// Who had the middle of the part's range.
    pub(super) fn who_had(&self, part: ReadyPart) -> Option<WorkerIndex> {
        let Tie { own, like } = self.ties[part.task];
        let same = (2 * part.part as usize + 1) * like.len() / (2 * own.len());
        self.ran[like.start() + same]
    }

    /// `worker` takes `part`.
    pub(super) fn take(&mut self, part: ReadyPart, worker: WorkerIndex) {
        self.ran[self.ties[part.task].own.start() + part.part as usize] = Some(worker);
    }
}

/// Where the parts of a task stand among those of all.
fn own_parts<T>(graph: &TaskGraph, task: TaskIndex) -> Span<T> {
    let described = &graph.tasks[task];
    Span::new(described.place(0)..described.place(described.parts))
}
