//! The part with the longest way still ahead.

use std::collections::HashMap;

use super::ranked::Ranked;
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
    waiting: Ranked,
    /// By task of the plan that `waiting` is made for: 0 is the most urgent.
    urgency: Vec<u32>,
    plan: Option<u64>,
    /// By plan: its tasks, the most urgent first.
    orders: HashMap<u64, Vec<u32>>,
}

/// The tasks by falling upward rank.
fn order(plan: &Plan, seconds: &[f64]) -> Vec<u32> {
    let ranks = plan.upward_ranks(seconds);
    let mut order: Vec<u32> = (0..ranks.len() as u32).collect();
    order.sort_by(|&a, &b| ranks[b as usize].total_cmp(&ranks[a as usize]));
    order
}

impl Policy for CriticalPath {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn begin(&mut self, plan: &Plan) {
        if self.plan == Some(plan.id) {
            return;
        }
        let known = self.orders.entry(plan.id);
        let order = known.or_insert_with(|| order(plan, plan.estimated_costs()));
        self.waiting.reset(order);
        self.urgency.resize(order.len(), 0);
        for (place, &task) in order.iter().enumerate() {
            self.urgency[task as usize] = place as u32;
        }
        self.plan = Some(plan.id);
    }

    fn learn(&mut self, plan: &Plan, seconds: &[f64]) {
        self.orders.insert(plan.id, order(plan, seconds));
        self.plan = None;
    }

    fn push(&mut self, ReadyPart { task, part }: ReadyPart, _worker: usize) {
        self.waiting.push(self.urgency[task as usize], part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.waiting.pop()
    }
}
