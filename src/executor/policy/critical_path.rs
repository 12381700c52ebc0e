//! The part with the longest way still ahead.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::places::Places;
use super::{Policy, PolicySpec, ReadyPart, nothing_after};
use crate::error::Result;
use crate::executor::plan::Plan;

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "critical-path",
    summary: "the part whose task has the largest upward rank: the longest way to the run's end",
    arguments: &[],
    make: |argument| {
        nothing_after(argument)?;
        Ok(Box::new(CriticalPath::default()))
    },
};

/// The part whose task has the largest upward rank runs next, over measured seconds once there are
/// any and over estimated ones before; among equals the earlier task and part comes first.
///
/// Where a plan divides the batch into chunks, there is work beside the critical path at any time, and
/// what counts is that numbers are used while they are in a cache: tasks of an earlier chunk come
/// before those of a later one, and those of one chunk in the plan's order, in which a parameter
/// gradient follows at once on the gradients that it reads. What goes over all chunks is ranked.
#[derive(Debug, Default)]
pub struct CriticalPath {
    plan: Option<u64>,
    orders: HashMap<u64, Arc<Order>>,
    order: Arc<Order>,
    waiting: Places,
}

/// The parts of a plan, the most urgent first.
#[derive(Debug, Default)]
struct Order {
    parts: Vec<ReadyPart>,
    /// By task: where its parts begin in `places`.
    first: Vec<u32>,
    /// By task and part: the place.
    places: Vec<u32>,
}

impl Order {
    fn new(plan: &Plan, seconds: &[f64]) -> Self {
        let ranks = plan.upward_ranks(seconds);
        let chunks = plan.tasks.iter().map(|task| task.chunk).max().unwrap_or(0);
        let mut tasks: Vec<u32> = (0..ranks.len() as u32).collect();
        tasks.sort_by(|&a, &b| {
            let [first, second] = [a, b].map(|task| plan.tasks[task as usize].chunk);
            let by_rank = || ranks[b as usize].total_cmp(&ranks[a as usize]);
            // The sort is stable.
            first.cmp(&second).then(if first == chunks { by_rank() } else { Ordering::Equal })
        });
        let mut first = Vec::with_capacity(ranks.len());
        let mut count = 0;
        for task in &plan.tasks {
            first.push(count);
            count += task.parts;
        }
        let mut parts = Vec::with_capacity(count as usize);
        let mut places = vec![0; count as usize];
        for task in tasks {
            for part in 0..plan.tasks[task as usize].parts {
                places[(first[task as usize] + part) as usize] = parts.len() as u32;
                parts.push(ReadyPart { task, part });
            }
        }
        Self { parts, first, places }
    }
}

impl Policy for CriticalPath {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn begin(&mut self, plan: &Plan, _workers: usize) -> Result<()> {
        if self.plan == Some(plan.id) {
            return Ok(());
        }
        let known = self.orders.entry(plan.id);
        let order = known.or_insert_with(|| Arc::new(Order::new(plan, plan.estimated_costs())));
        self.order = Arc::clone(order);
        self.waiting = Places::new(self.order.parts.len());
        self.plan = Some(plan.id);
        Ok(())
    }

    fn learn(&mut self, plan: &Plan, seconds: &[f64]) {
        self.orders.insert(plan.id, Arc::new(Order::new(plan, seconds)));
        self.plan = None;
    }

    fn push(&mut self, ReadyPart { task, part }: ReadyPart, _worker: usize) {
        self.waiting.insert(self.order.places[(self.order.first[task as usize] + part) as usize]);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        let place = self.waiting.first()?;
        self.waiting.remove(place);
        Some(self.order.parts[place as usize])
    }
}
