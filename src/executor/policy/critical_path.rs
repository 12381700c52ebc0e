//! The part with the longest way still ahead.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::homes::Homes;
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
///
/// Elsewhere a worker prefers tasks whose parameters are in its cache, since it had them last, unless
/// something else is more urgent by [`MARGIN`] of the critical path.
#[derive(Debug, Default)]
pub struct CriticalPath {
    /// The plan and the number of workers that everything below is for.
    ready_for: Option<(u64, usize)>,
    orders: HashMap<u64, Arc<Order>>,
    order: Arc<Order>,
    waiting: Places,
    /// Where there is a choice of workers, and no chunk that comes first.
    homes: Option<Homes>,
}

/// By how much of the critical path a part must be more urgent to come before one that finds its
/// numbers in the worker's cache.
const MARGIN: f64 = 0.3;

/// The parts of a plan, the most urgent first.
#[derive(Debug, Default)]
struct Order {
    parts: Vec<ReadyPart>,
    /// By task: where its parts begin in `places`.
    first: Vec<u32>,
    /// By task and part: the place.
    places: Vec<u32>,
    /// By place: the task's rank, in seconds.
    ranks: Vec<f64>,
    /// Seconds by which another part must be more urgent to come first.
    margin: f64,
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
        let mut ranks_by_place = Vec::with_capacity(count as usize);
        for task in tasks {
            for part in 0..plan.tasks[task as usize].parts {
                places[(first[task as usize] + part) as usize] = parts.len() as u32;
                parts.push(ReadyPart { task, part });
                ranks_by_place.push(ranks[task as usize]);
            }
        }
        let margin = MARGIN * ranks.iter().copied().fold(0.0, f64::max);
        Self { parts, first, places, ranks: ranks_by_place, margin }
    }
}

impl Policy for CriticalPath {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn begin(&mut self, plan: &Plan, workers: usize) -> Result<()> {
        if self.ready_for == Some((plan.id, workers)) {
            return Ok(());
        }
        let known = self.orders.entry(plan.id);
        let order = known.or_insert_with(|| Arc::new(Order::new(plan, plan.estimated_costs())));
        self.order = Arc::clone(order);
        self.waiting = Places::new(self.order.parts.len());
        self.homes = Homes::new(plan, workers, self.order.parts.len());
        self.ready_for = Some((plan.id, workers));
        Ok(())
    }

    fn learn(&mut self, plan: &Plan, seconds: &[f64]) {
        self.orders.insert(plan.id, Arc::new(Order::new(plan, seconds)));
        self.ready_for = None;
    }

    fn push(&mut self, ReadyPart { task, part }: ReadyPart, worker: usize) {
        let place = self.order.places[(self.order.first[task as usize] + part) as usize];
        self.waiting.insert(place);
        if let Some(homes) = &mut self.homes {
            homes.push(place, task, worker);
        }
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        let mut place = self.waiting.first()?;
        if let Some(homes) = &mut self.homes {
            if let Some(own) = homes.first(worker) {
                let urgency = |place: u32| self.order.ranks[place as usize];
                if urgency(place) - urgency(own) <= self.order.margin {
                    place = own;
                }
            }
            homes.pop(place, self.order.parts[place as usize].task, worker);
        }
        self.waiting.remove(place);
        Some(self.order.parts[place as usize])
    }
}
