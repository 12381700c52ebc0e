//! Which worker has a task's parameters in its cache.

use super::places::Places;
use crate::executor::plan::{NONE, Phase, Plan, Span};

/// The most workers for whom lists are kept.
const MOST_WORKERS: usize = 64;

/// Waiting parts by the worker that had their parameters last.
///
/// A branch of a network thereby tends to stay on one core, forward, backward and from step to step:
/// its weights, their gradients and what the optimizer keeps beside them then need not travel from one
/// core's cache to another's. A task without parameters belongs to whoever made it ready. Tasks of
/// several parts belong to nobody, for their parts share parameters.
#[derive(Debug)]
pub(super) struct Homes {
    /// By worker.
    waiting: Vec<Places>,
    /// By place: the worker, [`NONE`] for nobody.
    home: Vec<u32>,
    /// By task: where its parameters are listed in `parameters`; nothing for tasks of several parts.
    spans: Vec<Option<Span>>,
    parameters: Vec<u32>,
    /// By parameter: how much it holds, and who had it last.
    floats: Vec<usize>,
    last: Vec<u32>,
    /// By worker, while a task's is sought: floats of its parameters that this worker had last.
    had: Vec<usize>,
}

impl Homes {
    /// For runs of `plan`, whose parts have `places` places; none where one worker does everything,
    /// where there are too many of them, or where chunks of the batch come one after another.
    pub(super) fn new(plan: &Plan, workers: usize, places: usize) -> Option<Self> {
        let chunked = plan.tasks.iter().any(|task| task.chunk > 1);
        if !(2..=MOST_WORKERS).contains(&workers) || chunked {
            return None;
        }
        let mut parameters = Vec::new();
        let spans = plan.tasks.iter().map(|task| {
            if task.parts > 1 {
                return None;
            }
            let start = parameters.len();
            for step in &plan.steps[task.steps.range()] {
                let node = &plan.graph.nodes[step.node as usize];
                let own = node.parameters.iter().map(|&parameter| parameter as u32);
                match step.phase {
                    Phase::Update => parameters.push(step.parameter),
                    Phase::Commit | Phase::Accumulate => {}
                    _ => parameters.extend(own),
                }
            }
            parameters[start..].sort_unstable();
            let mut kept = start;
            for index in start..parameters.len() {
                if index == start || parameters[index] != parameters[kept - 1] {
                    parameters[kept] = parameters[index];
                    kept += 1;
                }
            }
            parameters.truncate(kept);
            Some(Span { start: start as u32, len: (kept - start) as u32 })
        });
        let spans = spans.collect();
        let floats: Vec<usize> =
            plan.graph.parameters().iter().map(|parameter| parameter.spec.count()).collect();
        Some(Self {
            waiting: vec![Places::new(places); workers],
            home: vec![NONE; places],
            spans,
            parameters,
            last: vec![NONE; floats.len()],
            floats,
            had: vec![0; workers],
        })
    }

    /// `worker` has made the part at `place` ready.
    pub(super) fn push(&mut self, place: u32, task: u32, worker: usize) {
        let Some(span) = self.spans[task as usize] else { return };
        let mut home = if span.len == 0 { worker as u32 } else { NONE };
        self.had.fill(0);
        let mut most = 0;
        for &parameter in &self.parameters[span.range()] {
            let last = self.last[parameter as usize];
            if last != NONE {
                let had = &mut self.had[last as usize];
                *had += self.floats[parameter as usize];
                if *had > most {
                    (most, home) = (*had, last);
                }
            }
        }
        self.home[place as usize] = home;
        if home != NONE {
            self.waiting[home as usize].insert(place);
        }
    }

    /// The first place of those that belong to `worker`.
    pub(super) fn first(&self, worker: usize) -> Option<u32> {
        self.waiting[worker].first()
    }

    /// `worker` takes the part at `place`.
    pub(super) fn pop(&mut self, place: u32, task: u32, worker: usize) {
        let Some(span) = self.spans[task as usize] else { return };
        let home = self.home[place as usize];
        if home != NONE {
            self.waiting[home as usize].remove(place);
        }
        for &parameter in &self.parameters[span.range()] {
            self.last[parameter as usize] = worker as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::executor::policy::{CriticalPath, Policy, ReadyPart};
    use crate::executor::{Mode, Plan, PlanOptions};
    use crate::graph::GraphBuilder;
    use crate::layers::{Add, Dense, Relu};
    use crate::losses::MeanSquaredError;
    use crate::optimizers::{Optimizer, Sgd};

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

    /// Runs `plan` on workers that take turns, whose first turn `first` has; says who ran each task.
    fn take_turns(
        plan: &Plan,
        policy: &mut CriticalPath,
        workers: usize,
        first: usize,
    ) -> Vec<usize> {
        policy.begin(plan, workers).unwrap();
        let mut missing: Vec<u32> = plan.tasks.iter().map(|task| task.in_degree).collect();
        let mut ran = vec![usize::MAX; plan.tasks.len()];
        plan.sources.iter().for_each(|&task| policy.push(ReadyPart { task, part: 0 }, 0));
        let mut worker = first;
        while let Some(ReadyPart { task, .. }) = policy.pop(worker) {
            assert_eq!(ran[task as usize], usize::MAX, "task {task} came twice");
            ran[task as usize] = worker;
            for edge in &plan.edges[plan.tasks[task as usize].successors.range()] {
                missing[edge.task as usize] -= 1;
                if missing[edge.task as usize] == 0 {
                    policy.push(ReadyPart { task: edge.task, part: 0 }, worker);
                }
            }
            worker = (worker + 1) % workers;
        }
        assert!(ran.iter().all(|&worker| worker < workers), "all tasks ran: {ran:?}");
        ran
    }

    #[test]
    fn a_branch_stays_with_its_worker() {
        let plan = branches();
        assert!(plan.tasks.iter().all(|task| task.parts == 1));
        let mut policy = CriticalPath::default();
        let mut ran = take_turns(&plan, &mut policy, 2, 0);
        for run in 1..4 {
            // Whoever begins, branches remain where their parameters are.
            let again = take_turns(&plan, &mut policy, 2, run % 2);
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
                        plan.task(task).steps,
                        plan.task(other).steps
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
            take_turns(&plan, &mut policy, workers, 0);
        }
    }
}
