//! The critical path under a cap on the bytes of live activations and gradients.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::order::{Order, Ranking};
use super::places::Places;
use super::{Policy, PolicySpec, ReadyPart};
use crate::error::Result;
use crate::executor::live::LiveBytes;
use crate::executor::plan::Plan;

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "memory",
    summary: "as critical-path, but under a cap on the bytes of live activations and gradients",
    arguments: &[(
        "SIZE",
        "the cap, such as 48MiB (or B, KiB, GiB); the peak of the sequential executor if there is none",
    )],
    make: |argument| Ok(Box::new(Memory::new(argument.map(bytes).transpose()?))),
};

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
/// Counted are the bytes that the plan asks for. Small values, which have a fixed place, and the
/// weights are not.
#[derive(Debug, Default)]
pub struct Memory {
    /// What was asked for.
    asked: Option<usize>,
    /// Measured seconds by plan.
    measured: HashMap<u64, Vec<f64>>,
    plan: Option<u64>,
    /// Of the plan at hand.
    cap: usize,
    order: Order,
    waiting: Places,
    live: LiveBytes,
    /// Parts under way.
    running: usize,
}

impl Memory {
    /// A cap of so many bytes, or of the peak of the sequential executor for each plan.
    pub fn new(cap: Option<usize>) -> Self {
        Self { asked: cap, ..Self::default() }
    }

    /// The part that fits and gives back the most; or, if none fits and none runs, whichever adds the
    /// least.
    fn choose(&self) -> Option<u32> {
        let room = self.cap.saturating_sub(self.live.now());
        let all = self.waiting.iter().map(|place| {
            let task = self.order.parts[place as usize].task;
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

    fn begin(&mut self, plan: &Plan, _workers: usize) -> Result<()> {
        if self.plan != Some(plan.id) {
            let seconds = self.measured.get(&plan.id);
            let seconds = seconds.map_or(plan.estimated_costs(), Vec::as_slice);
            self.order = Order::new(plan, seconds, Ranking::Step);
            self.live = LiveBytes::new(plan);
            self.cap = self.asked.unwrap_or_else(|| plan.sequential_peak_bytes());
            self.plan = Some(plan.id);
        }
        self.waiting.clear(self.order.parts.len());
        self.live.reset();
        self.running = 0;
        Ok(())
    }

    fn learn(&mut self, plan: &Plan, seconds: &[f64]) {
        self.measured.insert(plan.id, seconds.to_vec());
        self.plan = None;
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.waiting.insert(self.order.place(part));
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        let first = self.waiting.first()?;
        let urgent = self.order.parts[first as usize].task;
        let place = if self.live.now() + self.live.takes(urgent) <= self.cap {
            first
        } else {
            self.choose()?
        };
        self.waiting.remove(place);
        let part = self.order.parts[place as usize];
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
