//! Which worker has in its cache what a task touches and outlives the run, such as weights.

use super::ReadyPart;
use super::places::Places;
use crate::flow::graph::{NONE, Span, TaskGraph};

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
    /// By place: the worker, [`NONE`] for nobody.
    home: Vec<u32>,
    /// By task.
    ties: Vec<Tie>,
    touched: Vec<u32>,
    /// By piece of data that outlives a run: how much it holds, and who had it last.
    sizes: Vec<usize>,
    last: Vec<u32>,
    /// By worker, while a task's is sought: how much of its data this worker had last.
    had: Vec<usize>,
    /// By part, in the order of tasks: who ran it last.
    ran: Vec<u32>,
}

/// What ties the parts of a task to workers.
#[derive(Clone, Copy, Debug)]
enum Tie {
    /// Data that outlive a run, which are listed in `touched`.
    State(Span),
    /// The parts of a task, its own or an earlier one's, and how many it has itself.
    Parts { own: Span, like: Span },
}

impl Homes {
    /// For runs of `graph`; none where one worker does everything, where there are too many of them, or
    /// where chunks of the batch come one after another.
    pub(super) fn new(graph: &TaskGraph, workers: usize) -> Option<Self> {
        let chunked = graph.tasks.iter().any(|task| task.chunk > 1);
        if !(2..=MOST_WORKERS).contains(&workers) || chunked {
            return None;
        }
        let state = &graph.state;
        let touched = |task: usize| state.touched.get(task).copied().unwrap_or_default();
        let mut ties: Vec<Tie> = (0..graph.tasks.len())
            .map(|task| match own_parts(graph, task) {
                own if own.len > 1 => Tie::Parts { own, like: own },
                _ => Tie::State(touched(task)),
            })
            .collect();
        let is_by_items = |task: u32| graph.tasks[task as usize].by_items;
        for before in (0..graph.tasks.len()).filter(|&task| is_by_items(task as u32)) {
            let before_parts = own_parts(graph, before);
            for edge in &graph.edges[graph.tasks[before].successors.range()] {
                // The last of those that it waits for is the one whose results are still in a cache.
                if let Tie::Parts { like, .. } = &mut ties[edge.task as usize]
                    && before_parts.len > 1
                    && is_by_items(edge.task)
                {
                    *like = before_parts;
                }
            }
        }
        let parts = graph.part_count();
        Some(Self {
            ready: vec![Places::new(parts); workers],
            home: vec![NONE; parts],
            ties,
            touched: state.list.clone(),
            last: vec![NONE; state.sizes.len()],
            sizes: state.sizes.clone(),
            had: vec![0; workers],
            ran: vec![NONE; parts],
        })
    }

    /// `worker` has made `part` ready, which is at `place`.
    pub(super) fn push(&mut self, place: u32, part: ReadyPart, worker: usize) {
        let home = match self.ties[part.task as usize] {
            Tie::State(Span { len: 0, .. }) => worker as u32,
            Tie::State(span) => self.who_had_most(span),
            Tie::Parts { own, like } => {
                // Whoever had the middle of the range.
                let same =
                    u64::from(2 * part.part + 1) * u64::from(like.len) / u64::from(2 * own.len);
                self.ran[like.start as usize + same as usize]
            }
        };
        self.home[place as usize] = home;
        if home != NONE {
            self.ready[home as usize].insert(place);
        }
    }

    /// Who had most of some data last.
    fn who_had_most(&mut self, span: Span) -> u32 {
        self.had.fill(0);
        let (mut most, mut home) = (0, NONE);
        for &piece in &self.touched[span.range()] {
            let last = self.last[piece as usize];
            if last != NONE {
                let had = &mut self.had[last as usize];
                *had += self.sizes[piece as usize];
                if *had > most {
                    (most, home) = (*had, last);
                }
            }
        }
        home
    }

    /// The first place of those that belong to `worker`.
    pub(super) fn first(&self, worker: usize) -> Option<u32> {
        self.ready[worker].first()
    }

    /// `worker` takes `part`, which is at `place`.
    pub(super) fn pop(&mut self, place: u32, part: ReadyPart, worker: usize) {
        let home = self.home[place as usize];
        if home != NONE {
            self.ready[home as usize].remove(place);
        }
        match self.ties[part.task as usize] {
            Tie::State(span) => {
                for &piece in &self.touched[span.range()] {
                    self.last[piece as usize] = worker as u32;
                }
            }
            Tie::Parts { own, .. } => self.ran[(own.start + part.part) as usize] = worker as u32,
        }
    }
}

/// Where the parts of a task stand among those of all.
fn own_parts(graph: &TaskGraph, task: usize) -> Span {
    Span { start: graph.tasks[task].first_part, len: graph.tasks[task].parts }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::context::Mode;
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
            (0..plan.tasks[task].parts).map(move |part| ReadyPart { task: task as u32, part })
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
            assert_eq!(ran[task as usize], usize::MAX, "task {task} came twice");
            ran[task as usize] = worker;
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
