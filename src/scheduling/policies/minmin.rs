//! Min-min: the task that can end first.

use super::candidates::{Candidates, least};
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "minmin",
    summary: "the ready task that can end first, on the worker where it does",
    source: "Maheswaran, Ali, Siegel, Hensgen and Freund: Dynamic mapping of a class of independent tasks onto \
             heterogeneous computing systems, JPDC 59(2), 1999; Braun et al.: A comparison of eleven static \
             heuristics, JPDC 61(6), 2001",
    arguments: &[],
    make: |argument| plain(MinMin, argument),
};

/// Every ready task has a worker where it ends first, behind all that the worker has; the task for which that is
/// earliest goes there next (Maheswaran et al. 1999, Braun et al. 2001). The papers have independent tasks; here those
/// count that are ready, with their messages. Among equals, the lower number of the task goes first, and of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct MinMin;

impl StaticPolicy for MinMin {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        Candidates::new(instance)
            .place_all(|candidates| least(candidates.first_to_end(), |it| [it.finish]))
    }
}
