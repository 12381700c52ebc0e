//! Which chunk of the batch each worker is at.

use super::places::Places;
use super::urgency::Urgency;
use crate::flow::graph::TaskGraph;
use crate::flow::index::ChunkIndex;

/// Waiting parts by chunk of the batch, and the chunk that each worker is at.
///
/// What tasks of one chunk hand on is then in the cache of the worker that goes on with it. Two workers at
/// one chunk hand every value from one core to the other.
#[derive(Debug)]
pub(super) struct Chunks {
    /// By chunk; the last one is of tasks that go over all chunks.
    ready: Vec<Places>,
    /// By place: the chunk.
    chunk: Vec<ChunkIndex>,
    /// By worker: the chunk of the part that it took last.
    at: Vec<ChunkIndex>,
    /// By chunk: how many workers are at it.
    workers: Vec<usize>,
}

impl Chunks {
    /// For runs of `graph`, whose parts come in `urgency`; none where one worker does everything, or the batch
    /// is not divided.
    pub(super) fn new(graph: &TaskGraph, urgency: &Urgency, workers: usize) -> Option<Self> {
        let last = graph.last_chunk();
        if last.index() < 2 || workers < 2 {
            return None;
        }
        let chunks = last.index() + 1;
        let chunk = urgency.parts.iter().map(|part| graph.tasks[part.task].chunk).collect();
        // All begin at what goes over all chunks, so that nobody is at any other.
        let mut at = vec![0; chunks];
        at[last] = workers;
        Some(Self {
            ready: vec![Places::new(urgency.parts.len()); chunks],
            chunk,
            at: vec![last; workers],
            workers: at,
        })
    }

    /// The part at `place` has become ready.
    pub(super) fn push(&mut self, place: usize) {
        self.ready[self.chunk[place]].insert(place);
    }

    /// Takes a place for `worker`: the first of the chunk that it is at, else of the earliest chunk that nobody
    /// is at, else `first`, which is the first of all.
    pub(super) fn pop(&mut self, worker: usize, first: usize) -> usize {
        let at = self.at[worker];
        let of_nobody = || {
            let chunks = self.ready.iter().zip(&self.workers);
            chunks.filter(|(_, workers)| **workers == 0).find_map(|(ready, _)| ready.first())
        };
        let place = self.ready[at].first().or_else(of_nobody).unwrap_or(first);
        let chunk = self.chunk[place];
        self.ready[chunk].remove(place);
        self.workers[at] -= 1;
        self.workers[chunk] += 1;
        self.at[worker] = chunk;
        place
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::context::Mode;
    use crate::context::Phase;
    use crate::flow::policy::turns::take_turns;
    use crate::flow::policy::{CriticalPath, Policy};
    use crate::graph::GraphBuilder;
    use crate::layers::{Conv2d, Relu};
    use crate::losses::MeanSquaredError;
    use crate::optimizers::{Optimizer, Sgd};
    use crate::plan::{Plan, PlanOptions};

    /// Two layers over four chunks of the batch.
    fn plan() -> Plan {
        let mut net = GraphBuilder::new("chunks");
        let x = net.input("x", [12, 12, 2]);
        let first = net.layer("first", Conv2d::new(4, 3), [&x]);
        let second = net.layer("second", Relu, [&first]);
        let third = net.layer("third", Conv2d::new(4, 3), [&second]);
        let wanted = net.target("wanted", [8, 8, 4]);
        net.loss("loss", MeanSquaredError, [&third, &wanted]);
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let graph = Arc::new(net.build().unwrap());
        let options = PlanOptions::default().chunk_bytes(1).fusion(false);
        Plan::compile(&graph, Mode::Training, 32, &optimizer, options).unwrap()
    }

    /// By worker: the chunks of the parts that it was given, but for the commit, when workers take turns.
    fn chunks_of(plan: &Plan, workers: usize) -> Vec<Vec<usize>> {
        let mut policy = CriticalPath::default();
        policy.begin(plan, workers).unwrap();
        let mut left: usize = plan.tasks.iter().map(|task| task.parts as usize).sum();
        let mut chunks = vec![Vec::new(); workers];
        take_turns(plan, &mut policy, workers, 0, |part, worker| {
            left -= 1;
            if plan.calls_of(part.task)[0].phase != Phase::Commit {
                chunks[worker].push(plan.tasks[part.task].chunk.index());
            }
        });
        assert_eq!(left, 0, "all parts ran");
        chunks
    }

    #[test]
    fn a_worker_goes_on_with_its_chunk_and_begins_one_of_its_own() {
        let plan = plan();
        assert_eq!(plan.last_chunk().index(), 4, "four, and what goes over all");
        let mut taken = chunks_of(&plan, 2);
        for chunks in &mut taken {
            chunks.retain(|chunk| *chunk < 4);
            chunks.dedup();
        }
        assert_eq!(taken, [[0, 3], [1, 2]]);
    }

    #[test]
    fn with_more_workers_than_chunks_the_others_help() {
        let plan = plan();
        for workers in [1, 3, 5, 6] {
            let taken = chunks_of(&plan, workers);
            assert!(taken.iter().all(|chunks| !chunks.is_empty()), "{workers}: {taken:?}");
        }
    }
}
