//! Where the time of an execution went.

use serde::Serialize;

use super::executed_path::{PathStep, executed_path};
use super::idle_causes::{WorkerUse, worker_uses};
use super::{Execution, Trace};
use crate::error::{Error, Result};

/// What an execution of a trace came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Analysis {
    /// The graph.
    pub graph: String,
    /// How many executions the trace has.
    pub executions: usize,
    /// Their lengths in milliseconds: the shortest, the median and the longest.
    pub makespans_ms: [f64; 3],
    /// The execution that all that follows is of, counted from 0.
    pub execution: usize,
    /// Its length in milliseconds.
    pub makespan_ms: f64,
    /// Workers that are known of.
    pub workers: usize,
    /// Tasks that ran.
    pub tasks: usize,
    /// Their parts.
    pub parts: usize,
    /// All parts one after another, in milliseconds: T1.
    pub work_ms: f64,
    /// The longest way through the tasks, of each its longest part, in milliseconds: T∞.
    pub critical_path_ms: f64,
    /// T1 / T∞.
    pub parallelism: f64,
    /// No schedule of these parts on so many workers takes less: max(T1 / P, T∞), in milliseconds.
    pub least_ms: f64,
    /// Every schedule without overhead whose workers do not idle beside ready parts takes at most T1 / P + (1 - 1 / P) T∞
    /// (Graham 1969), in milliseconds.
    pub graham_ms: f64,
    /// Whether the trace tells when workers slept. Where it does not, none seems to.
    pub tells_of_sleep: bool,
    /// By worker: where its time went.
    pub worker_uses: Vec<WorkerUse>,
    /// The critical path as executed, first to last.
    pub path: Vec<PathStep>,
}

impl Analysis {
    /// Where the time of all workers went.
    pub fn total(&self) -> WorkerUse {
        self.worker_uses.iter().fold(WorkerUse::default(), |sum, it| WorkerUse {
            parts: sum.parts + it.parts,
            busy_ms: sum.busy_ms + it.busy_ms,
            no_part_ms: sum.no_part_ms + it.no_part_ms,
            asleep_ms: sum.asleep_ms + it.asleep_ms,
            overhead_ms: sum.overhead_ms + it.overhead_ms,
        })
    }
}

/// Milliseconds from the beginning of an execution to its end.
pub(super) fn length_ms(execution: &Execution) -> f64 {
    execution.length() as f64 / 1e6
}

/// T1 and T∞ of an execution in milliseconds, and how many tasks ran.
pub(super) fn work_and_span(trace: &Trace, execution: &Execution) -> (f64, f64, usize) {
    let mut longest = vec![0.0; trace.tasks().len()];
    let mut ran = vec![false; longest.len()];
    let mut work = 0.0;
    for event in &execution.events {
        let ms = (event.end - event.start) as f64 / 1e6;
        work += ms;
        longest[event.task] = ms.max(longest[event.task]);
        ran[event.task] = true;
    }
    (work, trace.graph().critical_path(&longest).1, ran.into_iter().filter(|&ran| ran).count())
}

/// What an execution came to: that number, or else the one of median length.
///
/// ```
/// use std::sync::Arc;
/// use caudal::flow::trace::{Recorder, analyse, json_lines, read};
/// use caudal::flow::{Executor, FlowBuilder, Observer, Pool};
///
/// let mut flow = FlowBuilder::new("sums");
/// let one = flow.node("one", (), |()| 1);
/// let two = flow.node("two", (), |()| 2);
/// let sum = flow.node("sum", (one, two), |(one, two)| one + two);
/// let sum = flow.sink("result", sum);
/// let flow = flow.build()?;
/// let mut run = flow.run();
/// let recorder = Arc::new(Recorder::new().with_messages().with_worker_events());
/// run.observe(Some(Arc::clone(&recorder) as Arc<dyn Observer>));
/// Pool::new(2, "steal")?.execute(&mut run)?;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("sums.jsonl");
/// std::fs::write(&path, json_lines(flow.task_graph(), &recorder.executions())).unwrap();
/// let analysis = analyse(&read(&path)?, None)?;
/// assert_eq!((analysis.workers, analysis.tasks), (2, flow.task_graph().task_count()));
/// assert!(analysis.least_ms <= analysis.makespan_ms);
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If the trace has no execution of that number.
pub fn analyse(trace: &Trace, execution: Option<usize>) -> Result<Analysis> {
    let number = execution.unwrap_or_else(|| trace.typical());
    let all = trace.executions();
    let execution = all.get(number).ok_or_else(|| Error::Data {
        origin: format!("the trace of {}", crate::error::escaped(trace.name())),
        problem: format!(
            "it has {}, and no number {number}",
            crate::error::count(all.len(), "execution")
        ),
        remedy: format!("name one from 0 to {}", all.len() - 1),
    })?;
    let mut lengths: Vec<f64> = all.iter().map(length_ms).collect();
    let median = crate::statistics::median(&mut lengths);
    let (work, span, tasks) = work_and_span(trace, execution);
    let workers = execution.worker_count();
    let p = workers as f64;
    Ok(Analysis {
        graph: trace.name().to_owned(),
        executions: all.len(),
        makespans_ms: [lengths[0], median, lengths[lengths.len() - 1]],
        execution: number,
        makespan_ms: length_ms(execution),
        workers,
        tasks,
        parts: execution.events.len(),
        work_ms: work,
        critical_path_ms: span,
        parallelism: if span > 0.0 { work / span } else { 1.0 },
        least_ms: (work / p).max(span),
        graham_ms: work / p + (1.0 - 1.0 / p) * span,
        tells_of_sleep: !execution.workers.is_empty(),
        worker_uses: worker_uses(execution),
        path: executed_path(trace, execution),
    })
}
