//! Which worker has in its cache what a task touches and outlives the run, such as weights.

use super::ReadyPart;
use super::places::Places;
use crate::flow::graph::TaskGraph;
use crate::flow::index::{Span, StateIndex, TaskIndex, index_types};

index_types! {
    /// A worker.
    WorkerIndex;
}

/// The most workers for whom lists are kept.
const MOST_WORKERS: usize = 64;

/// Waiting parts by the worker that had their data, or what they read, last.
///
/// A branch of a network thereby tends to stay on one core, forward, backward and from step to step:
/// its weights, their gradients and what the optimizer keeps beside them then need not travel from one
/// core's cache to another's. A task without such data belongs to whoever made it ready.
///
/// Parts of one task share its data. Where both a task and one that it waits for are divided by items
/// of the batch, parts belong to whoever had the same items there; other parts to whoever had the same part
/// in the run before.
#[derive(Debug)]
pub(super) struct Homes {
    /// By worker.
    ready: Vec<Places>,
    /// By place: the worker that it belongs to, if it does to any.
    home: Vec<Option<WorkerIndex>>,
    /// By task.
    ties: Vec<Tie>,
    touched: Vec<StateIndex>,
    /// By piece of data that outlives a run: how much it holds, and who had it last.
    sizes: Vec<usize>,
    last: Vec<Option<WorkerIndex>>,
    /// By worker, while a task's is sought: how much of its data this worker had last.
    had: Vec<usize>,
    /// By part, in the order of tasks: who ran it last.
    ran: Vec<Option<WorkerIndex>>,
}

/// What ties the parts of a task to workers.
#[derive(Clone, Copy, Debug)]
enum Tie {
    /// Data that outlive a run, which are listed in `touched`.
    State(Span<StateIndex>),
    /// The parts of a task, its own or an earlier one's, and how many it has itself.
    Parts { own: Span<Option<WorkerIndex>>, like: Span<Option<WorkerIndex>> },
}

impl Homes {
    /// For runs of `graph`; none where one worker does everything, where there are too many of them, or
    /// where chunks of the batch come one after another.
    pub(super) fn new(graph: &TaskGraph, workers: usize) -> Option<Self> {
        let chunked = graph.last_chunk().index() > 1;
        if !(2..=MOST_WORKERS).contains(&workers) || chunked {
            return None;
        }
        let state = &graph.state;
        let touched =
            |task: TaskIndex| state.touched.get(task.index()).copied().unwrap_or(Span::EMPTY);
        let mut ties: Vec<Tie> = graph
            .indices()
            .map(|task| match own_parts(graph, task) {
                own if own.len() > 1 => Tie::Parts { own, like: own },
                _ => Tie::State(touched(task)),
            })
            .collect();
        let is_by_items = |task: TaskIndex| graph.tasks[task].by_items;
        for before in graph.indices().filter(|&task| is_by_items(task)) {
            let before_parts = own_parts(graph, before);
            for edge in graph.edges_of(before) {
                // The last of those that it waits for is the one whose results are still in a cache.
                if let Tie::Parts { like, .. } = &mut ties[edge.task]
                    && before_parts.len() > 1
                    && is_by_items(edge.task)
                {
                    *like = before_parts;
                }
            }
        }
        let parts = graph.part_count();
        Some(Self {
            ready: vec![Places::new(parts); workers],
            home: vec![None; parts],
            ties,
            touched: state.list.clone(),
            last: vec![None; state.sizes.len()],
            sizes: state.sizes.clone(),
            had: vec![0; workers],
            ran: vec![None; parts],
        })
    }

    /// `worker` has made `part` ready, which is at `place`.
    pub(super) fn push(&mut self, place: usize, part: ReadyPart, worker: usize) {
        let home = match self.ties[part.task] {
            Tie::State(span) if span.is_empty() => Some(WorkerIndex::new(worker)),
            Tie::State(span) => self.who_had_most(span),
            Tie::Parts { own, like } => {
                // Whoever had the middle of the range.
                let same = (2 * part.part as usize + 1) * like.len() / (2 * own.len());
                self.ran[like.start() + same]
            }
        };
        self.home[place] = home;
        if let Some(home) = home {
            self.ready[home].insert(place);
        }
    }

    /// Who had most of some data last.
    fn who_had_most(&mut self, span: Span<StateIndex>) -> Option<WorkerIndex> {
        self.had.fill(0);
        let (mut most, mut home) = (0, None);
        for &piece in span.of(&self.touched) {
            if let Some(last) = self.last[piece] {
                let had = &mut self.had[last];
                *had += self.sizes[piece];
                if *had > most {
                    (most, home) = (*had, Some(last));
                }
            }
        }
        home
    }

    /// The first place of those that belong to `worker`.
    pub(super) fn first(&self, worker: usize) -> Option<usize> {
        self.ready[worker].first()
    }

    /// `worker` takes `part`, which is at `place`.
    pub(super) fn pop(&mut self, place: usize, part: ReadyPart, worker: usize) {
        if let Some(home) = self.home[place] {
            self.ready[home].remove(place);
        }
        let worker = Some(WorkerIndex::new(worker));
        match self.ties[part.task] {
            Tie::State(span) => {
                for &piece in span.of(&self.touched) {
                    self.last[piece] = worker;
                }
            }
            Tie::Parts { own, .. } => self.ran[own.start() + part.part as usize] = worker,
        }
    }
}

/// Where the parts of a task stand among those of all.
fn own_parts<T>(graph: &TaskGraph, task: TaskIndex) -> Span<T> {
    let described = &graph.tasks[task];
    Span::new(described.place(0)..described.place(described.parts))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::context::Mode;
    use crate::flow::TaskIndex;
    use crate::flow::policy::turns::take_turns;
    use crate::flow::policy::{CriticalPath, Policy, ReadyPart};
    use crate::graph::GraphBuilder;
    use crate::layers::{Add, Dense, Relu};
    use crate::losses::MeanSquaredError;
    use crate::optimizers::{Optimizer, Sgd};
    use crate::plan::{Plan, PlanOptions};

    /// Four equal branches of two small layers.
    fn branches() -> Plan {
        let mut net = GraphBuilder::new("branches");
        let x = net.input("x", [8]);
        let ends: Vec<_> = (0..4)
            .map(|branch| {
                let first = net.layer(format!("{branch}.first"), Dense::new(8), [&x]);
                let middle = net.layer(format!("{branch}.relu"), Relu, [&first]);
                net.layer(format!("{branch}.second"), Dense::new(8), [&middle])
            })
            .collect();
        let sum = net.layer("sum", Add, &ends);
        let wanted = net.target("wanted", [8]);
        net.loss("loss", MeanSquaredError, [&sum, &wanted]);
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let graph = Arc::new(net.build().unwrap());
        let options = PlanOptions::default();
        Plan::compile(&graph, Mode::Training, 4, &optimizer, options).unwrap()
    }

    #[test]
    fn whoever_had_a_range_of_items_has_it_again_in_the_next_task() {
        let mut net = GraphBuilder::new("chain");
        let x = net.input("x", [256]);
        let first = net.layer("first", Dense::new(256), [&x]);
        let second = net.layer("second", Dense::new(256), [&first]);
        net.output(&second);
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let graph = Arc::new(net.build().unwrap());
        let options = PlanOptions::default().fusion(false);
        let plan = Plan::compile(&graph, Mode::Prediction, 64, &optimizer, options).unwrap();
        let of = |node: &str| {
            let task = (0..plan.task_count()).find(|&task| plan.task(task).node == node).unwrap();
            let task = TaskIndex::new(task);
            (0..plan.tasks[task].parts).map(move |part| ReadyPart { task, part })
        };
        let [first, second] = ["first", "second"].map(|node| of(node).collect::<Vec<_>>());
        assert_eq!((first.len(), second.len()), (4, 4));
        let mut policy = CriticalPath::default();
        policy.begin(&plan, 2).unwrap();
        for &part in &first {
            policy.push(part, 0);
        }
        // Nobody had anything yet, so parts come in order.
        let turns = [1, 0, 0, 1];
        assert_eq!(turns.map(|worker| policy.pop(worker).unwrap().part), [0, 1, 2, 3]);
        for &part in &second {
            policy.push(part, 0);
        }
        let again = [0, 0, 1, 1].map(|worker| policy.pop(worker).unwrap().part);
        assert_eq!(again, [1, 2, 0, 3]);
        assert_eq!(policy.pop(0), None);
    }

    /// Runs `plan` on workers that take turns, whose first turn `first` has; says who ran each task.
    fn workers_of(
        plan: &Plan,
        policy: &mut CriticalPath,
        workers: usize,
        first: usize,
    ) -> Vec<usize> {
        policy.begin(plan, workers).unwrap();
        let mut ran = vec![usize::MAX; plan.tasks.len()];
        take_turns(plan, policy, workers, first, |ReadyPart { task, .. }, worker| {
            assert_eq!(ran[task], usize::MAX, "task {task} came twice");
            ran[task] = worker;
        });
        assert!(ran.iter().all(|&worker| worker < workers), "all tasks ran: {ran:?}");
        ran
    }

    #[test]
    fn a_branch_stays_with_its_worker() {
        let plan = branches();
        assert!(plan.tasks.iter().all(|task| task.parts == 1));
        let mut policy = CriticalPath::default();
        let mut ran = workers_of(&plan, &mut policy, 2, 0);
        for run in 1..4 {
            // Whoever begins, branches remain where their parameters are.
            let again = workers_of(&plan, &mut policy, 2, run % 2);
            let branch = |task: usize| {
                let name = plan.task(task).node;
                name.split_once('.').map(|(branch, _)| branch.to_owned())
            };
            for task in (0..ran.len()).filter(|&task| branch(task).is_some()) {
                let others = (0..ran.len()).filter(|&other| branch(other) == branch(task));
                for other in others {
                    assert_eq!(
                        again[task],
                        again[other],
                        "run {run}: {:?} and {:?}",
                        plan.task(task).calls,
                        plan.task(other).calls
                    );
                }
            }
            ran = again;
        }
    }

    #[test]
    fn any_number_of_workers_runs_everything_once() {
        let plan = branches();
        let mut policy = CriticalPath::default();
        for workers in [1, 2, 3, 7, 64, 65, 2] {
            workers_of(&plan, &mut policy, workers, 0);
        }
    }
}
