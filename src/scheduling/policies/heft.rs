//! Heterogeneous earliest finish time.

use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, PartialSchedule, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "heft",
    summary: "tasks by upward rank, each to the worker and the gap where it ends first",
    source: "Topcuoglu, Hariri and Wu: Performance-effective and low-complexity task scheduling for heterogeneous \
             computing, IEEE TPDS 13(3), 2002",
    arguments: &[],
    make: |argument| plain(Heft, argument),
};

/// Tasks in the order of their [upward ranks](Instance::upward_ranks), the largest first, each to the worker where it
/// ends first, in a gap between two others if it fits there (Topcuoglu, Hariri and Wu 2002).
#[derive(Clone, Copy, Debug, Default)]
pub struct Heft;

impl StaticPolicy for Heft {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let mut partial = PartialSchedule::new(instance);
        for task in instance.by_priority(&instance.upward_ranks()) {
            partial.place(partial.earliest_finish(task));
        }
        partial.finish()
    }
}
