//! The part with the longest way still ahead.

use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::{Policy, PolicySpec, ReadyPart};
use crate::executor::plan::Plan;

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "critical-path",
    summary: "the part whose task has the largest upward rank: the longest way to the run's end",
    make: || Box::new(CriticalPath::default()),
};

/// The part whose task has the largest upward rank runs next, over measured seconds once there are
/// any and over estimated ones before; between equals, the earlier task and part.
#[derive(Debug, Default)]
pub struct CriticalPath {
    /// Places of the plan's tasks: 0 is the most urgent.
    urgency: Arc<[u32]>,
    plan: Option<u64>,
    known: HashMap<u64, Arc<[u32]>>,
    waiting: BinaryHeap<std::cmp::Reverse<(u32, u32, u32)>>,
}

/// The place of every task when sorted by falling upward rank.
fn urgency(plan: &Plan, seconds: &[f64]) -> Arc<[u32]> {
    let ranks = plan.upward_ranks(seconds);
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_by(|&a, &b| ranks[b].total_cmp(&ranks[a]));
    let mut places = vec![0; ranks.len()];
    for (place, task) in order.into_iter().enumerate() {
        places[task] = place as u32;
    }
    places.into()
}

impl Policy for CriticalPath {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn begin(&mut self, plan: &Plan) {
        if self.plan != Some(plan.id) {
            let known = self.known.entry(plan.id);
            let places = known.or_insert_with(|| urgency(plan, plan.estimated_costs()));
            self.urgency = Arc::clone(places);
            self.plan = Some(plan.id);
        }
    }

    fn learn(&mut self, plan: &Plan, seconds: &[f64]) {
        self.known.insert(plan.id, urgency(plan, seconds));
        self.plan = None;
    }

    fn push(&mut self, ReadyPart { task, part }: ReadyPart, _worker: usize) {
        self.waiting.push(std::cmp::Reverse((self.urgency[task as usize], part, task)));
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.waiting.pop().map(|std::cmp::Reverse((_, part, task))| ReadyPart { task, part })
    }
}
