//! The part with the longest way still ahead.

use std::collections::HashMap;
use std::sync::Arc;

use super::chunks::Chunks;
use super::homes::Homes;
use super::places::Places;
use super::urgency::{Ranking, Urgency};
use super::{Policy, PolicySpec, ReadyPart, Setting};
use crate::error::Result;
use crate::flow::graph::TaskGraph;

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "critical-path",
    summary: "the part whose task has the largest upward rank: the longest way to the run's end",
    arguments: &[
        ("step", "the longest way to the end of the step; this is the default"),
        ("phases", "forward before backward before updates, each ranked by itself"),
    ],
    make: |argument| match argument {
        None | Some("step") => Ok(Box::new(CriticalPath::default())),
        Some("phases") => Ok(Box::new(CriticalPath::by_phases())),
        Some(other) => Err(format!("expected `step` or `phases`, got `{other}`")),
    },
};

/// The part whose task has the largest upward rank runs next, over measured seconds once there are
/// any and over estimated ones before; among equals the earlier task and part comes first.
///
/// Where a graph divides the batch into chunks, there is work beside the critical path at any time, and
/// what counts is that numbers are used while they are in a cache: tasks of an earlier chunk come
/// before those of a later one, and those of one chunk in the graph's order, in which a parameter
/// gradient follows at once on the gradients that it reads. What goes over all chunks is ranked. A worker
/// goes on with the chunk that it is at, and begins one that nobody is at before it helps with another's.
///
/// Elsewhere a worker prefers tasks whose parameters are in its cache, since it had them last, then those that nobody had, then
/// those that another worker of its cache group had, unless something else is more urgent by 0.3 of the critical path.
#[derive(Debug, Default)]
pub struct CriticalPath {
    ranking: Ranking,
    /// The graph and the workers that everything below is for.
    ready_for: Option<(u64, Setting)>,
    urgencies: HashMap<u64, Arc<Urgency>>,
    urgency: Arc<Urgency>,
    ready: Places,
    /// Where there is a choice of workers, and the batch is not divided into chunks.
    homes: Option<Homes>,
    /// Where there is, and it is.
    chunks: Option<Chunks>,
}

impl CriticalPath {
    /// Ranks forward, backward and updates each by itself, and takes forward before backward before
    /// updates; without it, the longest way goes to the end of the step.
    pub fn by_phases() -> Self {
        Self { ranking: Ranking::Phases, ..Self::default() }
    }
}

impl Policy for CriticalPath {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn begin(&mut self, graph: &TaskGraph, workers: usize) -> Result<()> {
        self.begin_on(graph, &Setting::equal(workers))
    }

    fn begin_on(&mut self, graph: &TaskGraph, setting: &Setting) -> Result<()> {
        let known = self.ready_for.as_ref();
        if known.is_some_and(|(id, known)| *id == graph.id && known == setting) {
            return Ok(());
        }
        let urgency = self.urgencies.entry(graph.id).or_insert_with(|| {
            Arc::new(Urgency::new(graph, graph.estimated_costs(), self.ranking))
        });
        self.urgency = Arc::clone(urgency);
        self.ready = Places::new(self.urgency.parts.len());
        self.homes = Homes::new(graph, setting);
        self.chunks = Chunks::new(graph, &self.urgency, setting.workers());
        self.ready_for = Some((graph.id, setting.clone()));
        Ok(())
    }

    fn learn(&mut self, graph: &TaskGraph, seconds: &[f64]) {
        self.urgencies.insert(graph.id, Arc::new(Urgency::new(graph, seconds, self.ranking)));
        self.ready_for = None;
    }

    fn push(&mut self, part: ReadyPart, worker: usize) {
        let place = self.urgency.place(part);
        self.ready.insert(place);
        if let Some(homes) = &mut self.homes {
            homes.push(place, part, worker);
        }
        if let Some(chunks) = &mut self.chunks {
            chunks.push(place);
        }
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        let mut place = self.ready.first()?;
        if let Some(homes) = &mut self.homes {
            let preferred = homes.first(worker).into_iter().flatten();
            let near = preferred.into_iter().find(|&own| self.urgency.are_near(place, own));
            place = near.unwrap_or(place);
            homes.pop(place, self.urgency.parts[place], worker);
        }
        if let Some(chunks) = &mut self.chunks {
            place = chunks.pop(worker, place, &self.urgency);
        }
        self.ready.remove(place);
        Some(self.urgency.parts[place])
    }
}
