//! Sufferage: the task that would lose most.

use super::candidates::Candidates;
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "sufferage",
    summary: "in rounds, each worker gets the ready task that would lose most on its second best worker",
    source: "Maheswaran, Ali, Siegel, Hensgen and Freund: Dynamic mapping of a class of independent tasks onto \
             heterogeneous computing systems, JPDC 59(2), 1999",
    arguments: &[],
    make: |argument| plain(Sufferage, argument),
};

/// The sufferage of a task is how much later than on its best worker it ends on the second best, behind all that they
/// have; 0 where there is one worker. In each round every ready task, by its number, asks for the worker where it ends
/// first, the first of equals: it gets the worker if nobody has it, or one whose sufferage is less. Then the round's
/// tasks go to their workers, by the workers' numbers, and the next round begins with those that are left or have
/// become ready (Maheswaran et al. 1999, who have independent tasks).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sufferage;

impl StaticPolicy for Sufferage {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let mut candidates = Candidates::new(instance);
        while candidates.tasks().len() > 0 {
            // By worker: the task that has it, and the sufferage of that.
            let mut round: Vec<Option<(usize, f64)>> = vec![None; instance.workers()];
            for task in candidates.tasks() {
                let mut on: Vec<_> = candidates.of(task).collect();
                // Stable, so that of equals the first worker stays first.
                on.sort_by(|a, b| a.finish.total_cmp(&b.finish));
                let sufferage = on.get(1).map_or(0.0, |second| second.finish - on[0].finish);
                let holder = &mut round[on[0].worker];
                if holder.is_none_or(|(_, other)| other < sufferage) {
                    *holder = Some((task, sufferage));
                }
            }
            for (worker, holder) in round.into_iter().enumerate() {
                if let Some((task, _)) = holder {
                    candidates.place(task, worker);
                }
            }
        }
        candidates.finish()
    }
}
