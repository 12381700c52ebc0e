//! The order of urgency of a graph's parts, worked out before a run.

use std::cmp::Ordering;

use super::ReadyPart;
use crate::flow::graph::TaskGraph;
use crate::flow::index::TaskIndex;

/// Over what the longest way is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ranking {
    /// To the end of the step.
    #[default]
    Step,
    /// To the end of forward, of backward or of the updates, which come one before the other.
    Phases,
}

impl Ranking {
    /// By task: its group, and its upward rank within that.
    fn ranks(self, graph: &TaskGraph, seconds: &[f64]) -> Vec<(u8, f64)> {
        let group = |task| match self {
            Self::Step => 0,
            Self::Phases => graph.stage(task),
        };
        graph.ranks_within(seconds, group, |_, _| 0.0)
    }
}

/// Parts are about as urgent as each other if their ranks differ by at most this share of the critical
/// path.
const MARGIN: f64 = 0.3;

/// The parts of a graph, the most urgent first.
#[derive(Debug, Default)]
pub(super) struct Urgency {
    pub(super) parts: Vec<ReadyPart>,
    /// By task: where its parts begin in `places`.
    first: Vec<usize>,
    /// By task and part: the place.
    places: Vec<usize>,
    /// By task: its group and its rank.
    ranks: Vec<(u8, f64)>,
    /// Seconds by which a part must be more urgent than another to count as such.
    margin: f64,
}

impl Urgency {
    /// Tasks of an earlier chunk of the batch come before those of a later one, and those of one chunk
    /// in the graph's order; what goes over all chunks comes last, the largest upward rank first.
    pub(super) fn new(graph: &TaskGraph, seconds: &[f64], ranking: Ranking) -> Self {
        let ranks = ranking.ranks(graph, seconds);
        let chunks = graph.last_chunk();
        let mut tasks: Vec<TaskIndex> = graph.indices().collect();
        tasks.sort_by(|&a, &b| {
            let [first, second] = [a, b].map(|task| graph.tasks[task].chunk);
            let [(group_a, rank_a), (group_b, rank_b)] = [a, b].map(|task| ranks[task]);
            let by_rank = || group_a.cmp(&group_b).then(rank_b.total_cmp(&rank_a));
            // The sort is stable.
            first.cmp(&second).then(if first == chunks { by_rank() } else { Ordering::Equal })
        });
        let first: Vec<usize> = graph.tasks.iter().map(|task| task.place(0)).collect();
        let mut parts = Vec::with_capacity(graph.part_count());
        let mut places = vec![0; graph.part_count()];
        for task in tasks {
            for part in 0..graph.tasks[task].parts {
                places[first[task] + part as usize] = parts.len();
                parts.push(ReadyPart { task, part });
            }
        }
        let margin = MARGIN * ranks.iter().fold(0.0, |longest: f64, &(_, rank)| longest.max(rank));
        Self { parts, first, places, ranks, margin }
    }

    /// Whether the part at `first` is hardly more urgent than the one at `later`.
    pub(super) fn are_near(&self, first: usize, later: usize) -> bool {
        let rank = |place: usize| self.ranks[self.parts[place].task];
        let ((group, rank), (later_group, later_rank)) = (rank(first), rank(later));
        group == later_group && rank - later_rank <= self.margin
    }

    /// Where a part stands.
    pub(super) fn place(&self, ReadyPart { task, part }: ReadyPart) -> usize {
        self.places[self.first[task] + part as usize]
    }
}
