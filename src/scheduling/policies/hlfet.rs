//! Highest level first with estimated times.

use super::candidates::{Candidates, least};
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "hlfet",
    summary: "the ready task with the longest way to the end, on the worker where it starts first: a baseline",
    source: "Adam, Chandy and Dickson: A comparison of list schedules for parallel processing systems, Communications \
             of the ACM 17(12), 1974",
    arguments: &[],
    make: |argument| plain(Hlfet, argument),
};

/// Of the ready tasks, the one with the highest static level goes next, the longest way from it to the end of the graph
/// over mean seconds without messages; it goes to the worker where it starts first, behind all that the worker has
/// (Adam, Chandy and Dickson 1974, who know no messages; they count for the start here). Among equals, the lower number
/// of the task goes first; of workers, the one where it ends first, then the lower number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hlfet;

impl StaticPolicy for Hlfet {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let levels = instance.upward(|task| instance.mean_seconds(task), |_| 0.0);
        Candidates::new(instance).place_all(|candidates| {
            let task = least(candidates.tasks(), |&task| [-levels[task]])?;
            least(candidates.of(task), |it| [it.start, it.finish])
        })
    }
}
