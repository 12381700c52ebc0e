//! HEFT that looks one task further.

use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, PartialSchedule, Placement, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "lookahead",
    summary: "as heft, each task to the worker from which what waits for it can end first",
    source: "Bittencourt, Sakellariou and Madeira: DAG scheduling using a lookahead variant of the heterogeneous \
             earliest finish time algorithm, Euromicro PDP 2010",
    arguments: &[],
    make: |argument| plain(Lookahead, argument),
};

/// Tasks in the order of their [upward ranks](Instance::upward_ranks), as those of [HEFT](super::Heft). Each is tried
/// on every worker, and its successors after it as HEFT would place them, in the order of their ranks and without what
/// else they wait for that is not placed. It goes to the worker for which the last of them ends first, of equals to the
/// one where it ends first itself, then to the first; a task that nothing follows goes where it ends first
/// (Bittencourt, Sakellariou and Madeira 2010). It takes time: every trial copies the schedule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookahead;

impl StaticPolicy for Lookahead {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let order = instance.by_priority(&instance.upward_ranks());
        let mut place = vec![0; order.len()];
        for (position, &task) in order.iter().enumerate() {
            place[task] = position;
        }
        let mut partial = PartialSchedule::new(instance);
        for &task in &order {
            let outgoing = instance.graph().outgoing(task).iter();
            let mut successors: Vec<usize> = outgoing.map(|edge| edge.to).collect();
            successors.sort_unstable_by_key(|&it| place[it]);
            let fits = (0..instance.workers()).map(|worker| {
                let fit = partial.fit(task, worker);
                (last_finish(&partial, &fit, &successors), fit)
            });
            let best = fits.reduce(|best, other| {
                let key = |it: &(f64, Placement)| [it.0, it.1.finish];
                if key(&other) < key(&best) { other } else { best }
            });
            if let Some((_, fit)) = best {
                partial.place(fit);
            }
        }
        partial.finish()
    }
}

/// When the last of the successors ends if a task is placed so; the task's own end where nothing follows.
fn last_finish(partial: &PartialSchedule<'_>, fit: &Placement, successors: &[usize]) -> f64 {
    if successors.is_empty() {
        return fit.finish;
    }
    let mut trial = partial.clone();
    trial.place(fit.clone());
    let finishes = successors.iter().map(|&task| {
        let fit = trial.earliest_finish(task);
        let finish = fit.finish;
        trial.place(fit);
        finish
    });
    finishes.fold(0.0, f64::max)
}
