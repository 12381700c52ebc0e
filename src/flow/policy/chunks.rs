//! Which chunk of the batch each worker is at.

use super::places::Places;
use super::ranges::{Ranges, WorkerIndex};
use super::urgency::Urgency;
use crate::flow::graph::TaskGraph;
use crate::flow::index::ChunkIndex;

/// Waiting parts by chunk of the batch, and the chunk that each worker is at.
///
/// What tasks of one chunk hand on is then in the cache of the worker that goes on with it. Two workers at
/// one chunk hand every value from one core to the other, unless each keeps to its items.
#[derive(Debug)]
pub(super) struct Chunks {
    /// By chunk; the last one is of tasks that go over all chunks.
    ready: Vec<Places>,
    /// By place: the chunk.
    chunk: Vec<ChunkIndex>,
    /// By worker: the chunk of the part that it took last.
    at: Vec<ChunkIndex>,
    /// By chunk: how many workers are at it, and who began it last.
    workers: Vec<usize>,
    begun_by: Vec<Option<WorkerIndex>>,
    ranges: Ranges,
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
            begun_by: vec![None; chunks],
            ranges: Ranges::new(graph),
        })
    }

    /// The part at `place` has become ready.
    pub(super) fn push(&mut self, place: usize) {
        self.ready[self.chunk[place]].insert(place);
    }

    /// Takes a place for `worker`: one of the chunk that it is at, else of a chunk that nobody is at, else of the
    /// chunk at which the fewest are, else `first`, which is the first of all.
    pub(super) fn pop(&mut self, worker: usize, first: usize, urgency: &Urgency) -> usize {
        let at = self.at[worker];
        let worker_index = WorkerIndex::new(worker);
        let found = if self.ready[at].first().is_some() {
            Some(at)
        } else {
            self.begin(worker_index).or_else(|| self.help())
        };
        let first = found.and_then(|chunk| self.ready[chunk].first()).unwrap_or(first);
        let place = self.own_range(first, worker_index, urgency);
        let chunk = self.chunk[place];
        self.ready[chunk].remove(place);
        self.workers[at] -= 1;
        self.workers[chunk] += 1;
        self.at[worker] = chunk;
        self.ranges.take(urgency.parts[place], worker_index);
        place
    }

    /// Chunks, but for what goes over all, that have parts ready, the earliest first.
    fn waiting(&self) -> impl Iterator<Item = ChunkIndex> + Clone {
        let chunks = (0..self.ready.len() - 1).map(ChunkIndex::new);
        chunks.filter(|&chunk| self.ready[chunk].first().is_some())
    }

    /// A chunk that nobody is at: one that the worker began in the run before, whose values lie in its cache, else
    /// one that nobody has begun yet, else the earliest.
    fn begin(&mut self, worker: WorkerIndex) -> Option<ChunkIndex> {
        let chunk = {
            let free = self.waiting().filter(|&chunk| self.workers[chunk] == 0);
            let begun_by = |by| free.clone().find(|&chunk| self.begun_by[chunk] == by);
            let own = begun_by(Some(worker)).or_else(|| begun_by(None));
            own.or_else(|| free.clone().next())?
        };
        self.begun_by[chunk] = Some(worker);
        Some(chunk)
    }

    /// The chunk at which the fewest workers are.
    fn help(&self) -> Option<ChunkIndex> {
        self.waiting().min_by_key(|&chunk| self.workers[chunk])
    }

    /// Of the waiting parts of the same task as the one at `first`: the one whose items the worker had in the task
    /// before; `first`, if there is none.
    fn own_range(&self, first: usize, worker: WorkerIndex, urgency: &Urgency) -> usize {
        let part = urgency.parts[first];
        if !self.ranges.is_divided(part.task) {
            return first;
        }
        let ready = &self.ready[self.chunk[first]];
        let of_task = urgency.parts[first..].iter().take_while(|other| other.task == part.task);
        let had = of_task.enumerate().find(|&(offset, &other)| {
            self.ranges.who_had(other) == Some(worker) && ready.contains(first + offset)
        });
        had.map_or(first, |(offset, _)| first + offset)
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
