//! Earliest task first.

use super::candidates::{Candidates, least};
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "etf",
    summary: "the ready task that can start first, on the worker where it can",
    source: "Hwang, Chow, Anger and Lee: Scheduling precedence graphs in systems with interprocessor communication \
             times, SIAM Journal on Computing 18(2), 1989",
    arguments: &[],
    make: |argument| plain(Etf, argument),
};

/// Of all ready tasks and all workers, the pair with the earliest start goes next (Hwang, Chow, Anger and Lee 1989);
/// gaps are not filled. Among equals, the task with the higher static level goes first, the longest way from it to the
/// end of the graph over mean seconds without messages; then the pair that ends first, which tells apart workers of
/// different speeds, of which the paper has none; then the lower number of the task, and of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Etf;

impl StaticPolicy for Etf {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let levels = instance.upward(|task| instance.mean_seconds(task), |_| 0.0);
        Candidates::new(instance).place_all(|candidates| {
            least(candidates.all(), |it| [it.start, -levels[it.task], it.finish])
        })
    }
}
