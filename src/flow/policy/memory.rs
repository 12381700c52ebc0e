//! The critical path under a cap on the bytes of live activations and gradients.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::places::Places;
use super::turns::take_turns;
use super::urgency::{Ranking, Urgency};
use super::{Policy, PolicySpec, ReadyPart};
use crate::error::Result;
use crate::flow::graph::TaskGraph;
use crate::flow::live::LiveBytes;

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "memory",
    summary: "as critical-path, but under a cap on the bytes of live activations and gradients",
    arguments: &[(
        "SIZE",
        "the cap, such as 48MiB (or B, KiB, GiB); if there is none, that of a few shares of the sequential \
         executor's peak under which one worker would need least",
    )],
    make: |argument| Ok(Box::new(Memory::new(argument.map(bytes).transpose()?))),
};

/// Shares of the sequential executor's peak that are tried as caps: an order under a cap that it can't keep
/// may need more than one under a larger cap.
const TRIED: [f64; 6] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5];

/// Graphs of more tasks get the whole peak, since looking through all ready parts takes long there.
const MOST_TASKS: usize = 5000;

/// A number of bytes, such as `512KiB`.
fn bytes(text: &str) -> Result<usize, String> {
    let expected = || format!("expected a size such as 48MiB (or B, KiB, GiB), got `{text}`");
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(expected()),
    };
    let number: usize = number.parse().map_err(|_| expected())?;
    number.checked_mul(factor).ok_or_else(expected)
}

/// The most urgent part runs next, as in [`super::CriticalPath`], if the recycled buffers that it
/// takes fit under the cap beside those that are out. Otherwise, of all parts that fit, the one whose
/// task gives back the most (less what it takes). If none fits, workers wait until a running part has
/// ended; if none runs, the part that adds the least goes on all the same, so that the cap is passed
/// rather than the run stalled.
///
/// Counted are the bytes that the graph asks for. Small values, which have a fixed place, and the
/// weights are not.
#[derive(Debug, Default)]
pub struct Memory {
    /// What was asked for.
    asked: Option<usize>,
    /// Measured seconds by graph.
    measured: HashMap<u64, Vec<f64>>,
    graph: Option<u64>,
    /// Of the graph at hand.
    cap: usize,
    urgency: Urgency,
    ready: Places,
    live: LiveBytes,
    /// Parts under way.
    running: usize,
}

impl Memory {
    /// A cap of so many bytes, or of its own for each graph: of a few shares of the sequential executor's
    /// peak, the one under which one worker would need least.
    pub fn new(cap: Option<usize>) -> Self {
        Self { asked: cap, ..Self::default() }
    }

    /// Of the caps that are tried, the largest of those under which one worker needs least.
    fn best_cap(&mut self, graph: &TaskGraph) -> usize {
        let whole = graph.sequential_peak_bytes();
        if graph.task_count() > MOST_TASKS {
            return whole;
        }
        let mut best = (usize::MAX, whole);
        for share in TRIED {
            self.cap = (whole as f64 * share) as usize;
            let peak = self.peak_of_one_worker(graph);
            if peak < best.0 {
                best = (peak, self.cap);
            }
        }
        best.1
    }

    /// The most bytes that one worker would hold under the cap.
    fn peak_of_one_worker(&mut self, graph: &TaskGraph) -> usize {
        self.restart();
        take_turns(graph, self, 1, 0, |_, _| ());
        self.live.peak()
    }

    /// As before a run.
    fn restart(&mut self) {
        self.ready.clear(self.urgency.parts.len());
        self.live.reset();
        self.running = 0;
    }

    /// The part that fits and gives back the most; or, if none fits and none runs, whichever adds the
    /// least.
    fn choose(&self) -> Option<usize> {
        let room = self.cap.saturating_sub(self.live.now());
        let all = self.ready.iter().map(|place| {
            let task = self.urgency.parts[place].task;
            let (takes, frees) = (self.live.takes(task), self.live.frees(task));
            (takes <= room, frees as i128 - takes as i128, Reverse(place))
        });
        let (fits, _, Reverse(place)) = all.max()?;
        (fits || self.running == 0).then_some(place)
    }
}

impl Policy for Memory {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn supervises(&self) -> bool {
        true
    }

    fn begin(&mut self, graph: &TaskGraph, _workers: usize) -> Result<()> {
        if self.graph != Some(graph.id) {
            let seconds = self.measured.get(&graph.id);
            let seconds = seconds.map_or(graph.estimated_costs(), Vec::as_slice);
            self.urgency = Urgency::new(graph, seconds, Ranking::Step);
            self.live = LiveBytes::new(graph);
            self.cap = self.asked.unwrap_or_else(|| self.best_cap(graph));
            self.graph = Some(graph.id);
        }
        self.restart();
        Ok(())
    }

    fn learn(&mut self, graph: &TaskGraph, seconds: &[f64]) {
        self.measured.insert(graph.id, seconds.to_vec());
        self.graph = None;
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.ready.insert(self.urgency.place(part));
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        let first = self.ready.first()?;
        let urgent = self.urgency.parts[first].task;
        let place = if self.live.now() + self.live.takes(urgent) <= self.cap {
            first
        } else {
            self.choose()?
        };
        self.ready.remove(place);
        let part = self.urgency.parts[place];
        self.live.start(part.task);
        self.running += 1;
        Some(part)
    }

    fn done(&mut self, part: ReadyPart, _worker: usize) {
        self.live.end(part.task);
        self.running -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes("48MiB"), Ok(48 << 20));
        assert_eq!(bytes("0B"), Ok(0));
        assert_eq!(bytes("3KiB"), Ok(3072));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        for wrong in ["", "48", "MiB", "48MB", "-1B", "4.5MiB", "99999999999999999999B", "4é"] {
            assert!(bytes(wrong).unwrap_err().contains(&format!("`{wrong}`")), "{wrong}");
        }
        assert!(bytes("18446744073709551615GiB").is_err());
    }
}
