//! Max-min: the task that ends last on its best worker.

use super::candidates::{Candidates, least};
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "maxmin",
    summary: "the ready task that ends last even on its best worker, and there",
    source: "Maheswaran, Ali, Siegel, Hensgen and Freund: Dynamic mapping of a class of independent tasks onto \
             heterogeneous computing systems, JPDC 59(2), 1999; Braun et al.: A comparison of eleven static \
             heuristics, JPDC 61(6), 2001",
    arguments: &[],
    make: |argument| plain(MaxMin, argument),
};

/// Every ready task has a worker where it ends first, behind all that the worker has; the task for which that is latest
/// goes there next, so that long tasks are not left for the end (Maheswaran et al. 1999, Braun et al. 2001). The papers
/// have independent tasks; here those count that are ready, with their messages. Among equals, the lower number of the
/// task goes first, and of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct MaxMin;

impl StaticPolicy for MaxMin {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        Candidates::new(instance)
            .place_all(|candidates| least(candidates.first_to_end(), |it| [-it.finish]))
    }
}
