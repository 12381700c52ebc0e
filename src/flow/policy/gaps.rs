//! Where a worker has nothing to do yet.

/// The times at which a worker has nothing to do, in order; after the last of them it never has.
#[derive(Clone, Debug)]
pub(crate) struct Gaps(Vec<(f64, f64)>);

impl Default for Gaps {
    fn default() -> Self {
        Self(vec![(0.0, f64::INFINITY)])
    }
}

impl Gaps {
    /// When something that is ready at `ready` and takes `cost` can start at the earliest.
    pub(crate) fn earliest(&self, ready: f64, cost: f64) -> f64 {
        let first = self.0.partition_point(|&(_, end)| end < ready + cost);
        let mut later = self.0[first..].iter().map(|&(start, end)| (start.max(ready), end));
        later.find(|&(start, end)| start + cost <= end).map_or(ready, |(start, _)| start)
    }

    /// Takes `cost` from `start`, as [`Gaps::earliest`] found it.
    pub(crate) fn fill(&mut self, start: f64, cost: f64) {
        let end = start + cost;
        let at = self.0.partition_point(|&(_, gap_end)| gap_end < end);
        let (gap_start, gap_end) = self.0[at];
        let rest = [(gap_start, start), (end, gap_end)];
        self.0.splice(at..=at, rest.into_iter().filter(|(start, end)| start < end));
    }
}
