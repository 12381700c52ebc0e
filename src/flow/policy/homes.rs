//! Which worker has in its cache what a task touches and outlives the run, such as weights.

use super::places::Places;
use super::ranges::{Ranges, WorkerIndex};
use super::{ReadyPart, Setting};
use crate::flow::graph::TaskGraph;
use crate::flow::index::{Span, StateIndex};

/// The most places in the lists of all workers together, a bit each.
const MOST_PLACES: usize = 1 << 28;

/// Waiting parts by the worker that had their data, or what they read, last.
///
/// A branch of a network thereby tends to stay on one core, forward, backward and from step to step:
/// its weights, their gradients and what the optimizer keeps beside them then need not travel from one
/// core's cache to another's. A task without such data belongs to whoever made it ready. Parts of one task belong to whoever
/// had its data as a whole, or else to whoever had their [ranges](Ranges). Of a task that nobody had, all parts belong to
/// whoever takes the first: where there are tasks enough, each worker keeps to its own.
#[derive(Debug)]
pub(super) struct Homes {
    /// By worker.
    ready: Vec<Places>,
    /// What belongs to nobody.
    free: Places,
    /// By cache group of workers, where there are several: what belongs to one of them.
    grouped: Vec<Places>,
    /// By worker: the group.
    groups: Vec<usize>,
    /// By place: the worker that it belongs to, if it does to any.
    home: Vec<Option<WorkerIndex>>,
    ranges: Ranges,
    /// By task: the data that it touches and that outlive a run, in `list`.
    touched: Vec<Span<StateIndex>>,
    list: Vec<StateIndex>,
    /// By piece of data that outlives a run: how much it holds, and who had it last.
    sizes: Vec<usize>,
    last: Vec<Option<WorkerIndex>>,
    /// By worker, while a task's is sought: how much of its data this worker had last.
    had: Vec<usize>,
}

impl Homes {
    /// For runs of `graph`; none where one worker does everything, where lists would be too long, or where chunks of
    /// the batch come one after another.
    pub(super) fn new(graph: &TaskGraph, setting: &Setting) -> Option<Self> {
        let workers = setting.workers();
        let chunked = graph.last_chunk().index() > 1;
        let parts = graph.part_count();
        if workers < 2 || workers.saturating_mul(parts) > MOST_PLACES || chunked {
            return None;
        }
        let groups = if setting.group_count() > 1 { setting.group_count() } else { 0 };
        let state = &graph.state;
        let touched = graph.indices().map(|task| state.touched.get(task.index()));
        Some(Self {
            ready: vec![Places::new(parts); workers],
            free: Places::new(parts),
            grouped: vec![Places::new(parts); groups],
            groups: (0..workers).map(|worker| setting.group(worker)).collect(),
            home: vec![None; parts],
            ranges: Ranges::new(graph),
            touched: touched.map(|span| span.copied().unwrap_or(Span::EMPTY)).collect(),
            list: state.list.clone(),
            last: vec![None; state.sizes.len()],
            sizes: state.sizes.clone(),
            had: vec![0; workers],
        })
    }

    /// `worker` has made `part` ready, which is at `place`.
    pub(super) fn push(&mut self, place: usize, part: ReadyPart, worker: usize) {
        let touched = self.touched[part.task];
        let home = if self.ranges.is_divided(part.task) {
            let follows = self.ranges.follows_another(part.task);
            let whole = if follows { None } else { self.who_had_most(touched) };
            whole.or_else(|| self.ranges.who_had(part))
        } else if touched.is_empty() {
            Some(WorkerIndex::new(worker))
        } else {
            self.who_had_most(touched)
        };
        self.insert(place, home);
    }

    /// What waits at `place` belongs to `home`, or to nobody.
    fn insert(&mut self, place: usize, home: Option<WorkerIndex>) {
        self.home[place] = home;
        let Some(home) = home else { return self.free.insert(place) };
        self.ready[home].insert(place);
        if let Some(group) = self.grouped.get_mut(self.groups[home]) {
            group.insert(place);
        }
    }

    /// What waited at `place` waits no more.
    fn remove(&mut self, place: usize) {
        let Some(home) = self.home[place] else { return self.free.remove(place) };
        self.ready[home].remove(place);
        if let Some(group) = self.grouped.get_mut(self.groups[home]) {
            group.remove(place);
        }
    }

    /// Who had most of some data last.
    fn who_had_most(&mut self, span: Span<StateIndex>) -> Option<WorkerIndex> {
        self.had.fill(0);
        let (mut most, mut home) = (0, None);
        for &piece in span.of(&self.list) {
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

    /// The first place of those that belong to `worker`, of those that belong to nobody, and, where there are several cache
    /// groups, of those that belong to a worker of its group.
    pub(super) fn first(&self, worker: usize) -> [Option<usize>; 3] {
        let near = self.grouped.get(self.groups[worker]).and_then(Places::first);
        [self.ready[worker].first(), self.free.first(), near]
    }

    /// `worker` takes `part`, which is at `place`.
    pub(super) fn pop(&mut self, place: usize, part: ReadyPart, worker: usize) {
        let home = self.home[place];
        self.remove(place);
        let worker = WorkerIndex::new(worker);
        if self.ranges.is_divided(part.task) {
            self.ranges.take(part, worker);
            if home.is_none() {
                self.own(place - part.part as usize, part, worker);
            }
        } else {
            for &piece in self.touched[part.task].of(&self.list) {
                self.last[piece] = Some(worker);
            }
        }
    }

    /// What waits of a task that nobody had, whose parts begin at place `first`, is `worker`'s from now on.
    fn own(&mut self, first: usize, part: ReadyPart, worker: WorkerIndex) {
        for place in first..first + self.ranges.part_count(part.task) {
            if self.free.contains(place) {
                self.free.remove(place);
                self.insert(place, Some(worker));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::context::{Mode, Phase};
    use crate::flow::TaskIndex;
    use crate::flow::policy::turns::take_turns;
    use crate::flow::policy::{CriticalPath, Policy, ReadyPart, Setting};
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
    fn parts_of_an_update_go_where_the_weights_are() {
        let mut net = GraphBuilder::new("branches");
        let x = net.input("x", [256]);
        let layer = |branch: usize| format!("branch{branch}");
        let ends: Vec<_> =
            (0..4).map(|branch| net.layer(layer(branch), Dense::new(256), [&x])).collect();
        let sum = net.layer("sum", Add, &ends);
        let wanted = net.target("wanted", [256]);
        net.loss("loss", MeanSquaredError, [&sum, &wanted]);
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
        let graph = Arc::new(net.build().unwrap());
        let plan =
            Plan::compile(&graph, Mode::Training, 32, &optimizer, PlanOptions::default()).unwrap();
        let mut policy = CriticalPath::default();
        for run in 0..4 {
            policy.begin(&plan, 2).unwrap();
            let mut owner = [usize::MAX; 4];
            let mut left = [2; 4];
            let mut at_home = 0;
            take_turns(&plan, &mut policy, 2, run % 2, |part, worker| {
                let task = plan.task(part.task.index());
                let Some(branch) = (0..4).find(|&branch| task.node == layer(branch)) else {
                    return;
                };
                if plan.tasks[part.task].parts == 1 {
                    owner[branch] = worker;
                    return;
                }
                left[branch] -= 1;
                if owner[branch] == worker {
                    at_home += 1;
                } else {
                    let own = (0..4).filter(|&other| owner[other] == worker);
                    assert!(own.into_iter().all(|other| left[other] == 0), "run {run}: {branch}");
                }
            });
            assert_eq!(left, [0; 4], "an update has two parts");
            assert!(at_home >= 6, "run {run}: {at_home}");
        }
    }

    #[test]
    fn a_worker_helps_in_its_cache_group_first() {
        let plan = branches();
        let first = (0..plan.tasks.len()).map(TaskIndex::new).filter(|&task| {
            let node = plan.task(task.index()).node;
            node.contains(".first") && plan.task(task.index()).phase == Phase::Forward
        });
        let parts: Vec<ReadyPart> = first.map(|task| ReadyPart { task, part: 0 }).collect();
        assert_eq!(parts.len(), 4);
        let helped = |setting: &Setting| {
            let mut policy = CriticalPath::default();
            policy.begin_on(&plan, setting).unwrap();
            for &part in &parts {
                policy.push(part, 0);
            }
            // Each worker has had the parameters of one branch.
            let had = [0, 1, 2, 3].map(|worker| policy.pop(worker).unwrap());
            for part in had {
                policy.push(part, 0);
            }
            assert_eq!(policy.pop(3), Some(had[3]));
            let helped = [policy.pop(3), policy.pop(3), policy.pop(3)];
            helped.map(|part| had.iter().position(|&other| Some(other) == part).unwrap())
        };
        assert_eq!(helped(&Setting::equal(4)), [0, 1, 2]);
        assert_eq!(helped(&Setting::equal(4).with_groups(&[0, 0, 1, 1])), [2, 0, 1]);
        assert_eq!(helped(&Setting::equal(4).with_groups(&[0, 1, 0, 1])), [1, 0, 2]);
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
