//! Dynamic level scheduling.

use super::candidates::{Candidate, Candidates, least};
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "dls",
    summary: "the ready task and the worker with the highest dynamic level: what follows, less the start there",
    source: "Sih and Lee: A compile-time scheduling heuristic for interconnection-constrained heterogeneous processor \
             architectures, IEEE TPDS 4(2), 1993",
    arguments: &[],
    make: |argument| plain(Dls, argument),
};

/// Of all ready tasks and all workers, the pair with the highest dynamic level goes next (Sih and Lee 1993):
///
/// ```text
/// DL(t, p) = SL(t) − max(DA(t, p), TF(p)) + Δ(t, p),   Δ(t, p) = E(t) − seconds(t, p)
/// ```
///
/// where E(t) is the median of the task's seconds over all workers (the mean of the two in the middle where their
/// number is even), SL(t) the static level, the largest sum of E over a way from t to the end of the graph, DA(t, p)
/// when its messages have come to p, and not before its release, and TF(p) when the last task of p ends. Gaps are not
/// filled. Among equals, the lower number of the task goes first, then that of the worker. The paper's further terms,
/// for descendants and for scarce workers, are not in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dls;

impl StaticPolicy for Dls {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let count = instance.graph().task_count();
        let medians: Vec<f64> = (0..count).map(|task| median(instance, task)).collect();
        let levels = instance.upward(|task| medians[task], |_| 0.0);
        let level = |it: &Candidate| levels[it.task] - it.start + (medians[it.task] - it.seconds);
        Candidates::new(instance).place_all(|candidates| least(candidates.all(), |it| [-level(it)]))
    }
}

/// The median of the seconds of a task over all workers.
fn median(instance: &Instance<'_>, task: usize) -> f64 {
    let workers = instance.workers();
    let mut seconds: Vec<f64> = (0..workers).map(|it| instance.seconds(task, it)).collect();
    seconds.sort_by(f64::total_cmp);
    f64::midpoint(seconds[(workers - 1) / 2], seconds[workers / 2])
}
