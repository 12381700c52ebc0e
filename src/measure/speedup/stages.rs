//! Where the work lies: by phase, by stage, and along the critical path.

use std::collections::BTreeMap;

use serde::Serialize;

use super::longest_parts;
use crate::context::{Phase, Stage};
use crate::flow::trace::Execution;
use crate::plan::Plan;

/// That of a task's first step: what was fused to it counts along.
fn stage_of(plan: &Plan, task: usize) -> Stage {
    plan.task(task).phase.stage()
}

/// One stage on its own: tasks count there by their first step.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StageWork {
    /// The stage.
    pub stage: Stage,
    /// Its tasks.
    pub tasks: usize,
    /// Milliseconds of all their parts: its T1.
    pub work_ms: f64,
    /// Milliseconds of the longest way through them: its T∞.
    pub critical_path_ms: f64,
}

/// One stage while the others run too: means over the steps.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Milliseconds from the start of its first part to the end of its last.
    pub span_ms: f64,
    /// Milliseconds of all its parts.
    pub busy_ms: f64,
}

/// A task on the critical path.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PathTask {
    /// The task, as in [`Plan::task`].
    pub task: usize,
    /// Its nodes and phases.
    pub label: String,
    /// Milliseconds of its longest part.
    pub ms: f64,
}

/// The tasks of one phase, or, where tasks were fused, of one run of phases.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PhaseTime {
    /// The phase, or several joined by `+`.
    pub phase: String,
    /// Tasks of a step.
    pub tasks: usize,
    /// Milliseconds of all their parts.
    pub ms: f64,
    /// Their share of the work.
    pub share: f64,
}

/// The tasks of a path, described.
pub(super) fn path(plan: &Plan, path: &[usize], longest: &[f64]) -> Vec<PathTask> {
    let described = path.iter().map(|&task| PathTask {
        task,
        label: plan.task_label(task),
        ms: longest[task] * 1e3,
    });
    described.collect()
}

/// Work and critical path of every stage, as if the others took no time.
pub(super) fn alone(plan: &Plan, part_seconds: &[Vec<f64>]) -> Vec<StageWork> {
    let longest = longest_parts(part_seconds);
    let stages: Vec<Stage> = (0..plan.task_count()).map(|task| stage_of(plan, task)).collect();
    let work = |stage| {
        let own = |task: usize| stages[task] == stage;
        let costs: Vec<f64> = longest
            .iter()
            .enumerate()
            .map(|(task, &it)| if own(task) { it } else { 0.0 })
            .collect();
        let tasks = part_seconds.iter().enumerate().filter(|&(task, _)| own(task));
        StageWork {
            stage,
            tasks: tasks.clone().count(),
            work_ms: tasks.flat_map(|(_, parts)| parts).sum::<f64>() * 1e3,
            critical_path_ms: plan.critical_path(&costs).1 * 1e3,
        }
    };
    Stage::ALL.into_iter().map(work).filter(|stage| stage.tasks > 0).collect()
}

/// How long every stage took and was at work.
pub(super) fn while_running(plan: &Plan, executions: &[Execution]) -> Vec<StageTime> {
    let stages: Vec<Stage> = (0..plan.task_count()).map(|task| stage_of(plan, task)).collect();
    let mut rows = Vec::new();
    for stage in Stage::ALL {
        let (mut span, mut busy) = (0, 0);
        for execution in executions {
            let events = execution.events.iter().filter(|event| stages[event.task] == stage);
            busy += events.clone().map(|event| event.end - event.start).sum::<u64>();
            let first = events.clone().map(|event| event.start).min();
            let last = events.map(|event| event.end).max();
            span += last.zip(first).map_or(0, |(last, first)| last - first);
        }
        if busy > 0 {
            let mean = |sum: u64| sum as f64 / 1e6 / executions.len() as f64;
            rows.push(StageTime { stage, span_ms: mean(span), busy_ms: mean(busy) });
        }
    }
    rows
}

/// The work by phase. A task of several phases counts under all their names together.
pub(super) fn phases(plan: &Plan, seconds: &[Vec<f64>], work: f64) -> Vec<PhaseTime> {
    let mut by_name: BTreeMap<Vec<Phase>, (usize, f64)> = BTreeMap::new();
    for (task, parts) in seconds.iter().enumerate() {
        let mut phases: Vec<Phase> =
            plan.task(task).calls.into_iter().map(|(_, phase)| phase).collect();
        phases.sort_unstable();
        phases.dedup();
        let (tasks, sum) = by_name.entry(phases).or_default();
        *tasks += 1;
        *sum += parts.iter().sum::<f64>();
    }
    let mut rows: Vec<PhaseTime> = by_name
        .into_iter()
        .map(|(phases, (tasks, seconds))| PhaseTime {
            phase: phases.iter().map(|phase| phase.name()).collect::<Vec<_>>().join("+"),
            tasks,
            ms: seconds * 1e3,
            share: seconds / work,
        })
        .collect();
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    rows
}
