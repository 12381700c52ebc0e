//! The queue of ready parts, its lock, and the workers that look for parts or sleep.

use super::{Engine, Event, State};
use crate::flow::policy::{Policy, ReadyPart};
use crate::flow::{LOOKS_AGAIN, Pace, TaskIndex, share, takes_more, to_wake};

impl Engine<'_> {
    /// Waits for the lock, first come, first served, and does `event` when it has it.
    pub(super) fn lock(&mut self, worker: usize, time: f64, event: Event) {
        let overhead = &self.machine.overhead;
        let handed = if self.locked_by == worker { 0.0 } else { overhead.handover };
        let granted = time.max(self.locked_until) + handed;
        let parts = |task: &TaskIndex| f64::from(self.graph.tasks[*task].parts);
        let queued: f64 = match event {
            Event::Publish | Event::Begin => {
                self.workers[worker].ready.iter().map(parts).sum::<f64>()
            }
            _ => 0.0,
        };
        self.locked_by = worker;
        self.locked_until = granted + queued * overhead.queued / self.machine.speeds[worker];
        self.workers[worker].locked_until = self.locked_until;
        self.plan_event(granted, worker, event);
    }

    /// Hands the parts of ready tasks to the policy.
    pub(super) fn publish(&mut self, policy: &mut dyn Policy, worker: usize) {
        let before = self.ready;
        for &task in &self.workers[worker].ready {
            for part in 0..self.graph.tasks[task].parts {
                policy.push(ReadyPart { task, part }, worker);
                self.ready += 1;
            }
        }
        self.workers[worker].ready.clear();
        self.changes += (self.ready - before).max(1);
    }

    /// The next part by the policy, and, if it is short, a fair share of others.
    pub(super) fn take(&mut self, policy: &mut dyn Policy, worker: usize) -> Option<ReadyPart> {
        if self.ready == 0 {
            return None;
        }
        let Some(first) = policy.pop(worker) else {
            self.workers[worker].refused_at = Some(self.changes);
            return None;
        };
        self.ready -= 1;
        if !self.supervised {
            let share = share(self.ready, self.active);
            let taken = &mut self.workers[worker].taken;
            let mut seconds = self.graph.part_seconds(first.task);
            while takes_more(taken.len(), share, seconds) {
                let Some(part) = policy.pop(worker) else { break };
                seconds += self.graph.part_seconds(part.task);
                taken.push(part);
            }
            self.ready -= taken.len();
            taken.reverse();
        }
        self.changes += 1 + self.workers[worker].taken.len();
        Some(first)
    }

    /// Tells those who look of what waits, wakes up to `most` others, and says when the worker goes on.
    pub(super) fn unlock_and_wake(&mut self, publisher: usize, most: usize) -> f64 {
        let overhead = self.machine.overhead;
        let unlocked = self.workers[publisher].locked_until;
        self.tell_spinning(publisher, unlocked);
        let mut sleeping: Vec<usize> = (0..self.workers.len())
            .filter(|&worker| worker != publisher && self.sleeps(worker, unlocked))
            .collect();
        let wake = if self.supervised {
            if self.ready > 0 { sleeping.len() } else { 0 }
        } else {
            // Whoever looks, or has been woken, comes for a part.
            let comes = |&worker: &usize| {
                let state = self.workers[worker].state;
                matches!(state, State::Idle | State::Looking) && !sleeping.contains(&worker)
            };
            let coming =
                (0..self.workers.len()).filter(|&worker| worker != publisher).filter(comes);
            let awake = self.workers.len() - sleeping.len();
            let room = self.active.saturating_sub(awake);
            to_wake(self.ready, coming.count(), sleeping.len().min(room), most)
        };
        // Who fell asleep last is woken first.
        let idle_since = |worker: usize| self.workers[worker].idle_since;
        sleeping.sort_by(|&a, &b| idle_since(b).total_cmp(&idle_since(a)).then(b.cmp(&a)));
        let mut free = unlocked;
        for &worker in &sleeping[..wake] {
            free += overhead.notify;
            self.look_at(worker, free + overhead.wake, Event::Woken);
        }
        free
    }

    /// Whether the worker has looked for work until it parked, and nobody has woken it since.
    fn sleeps(&self, worker: usize, now: f64) -> bool {
        let worker = &self.workers[worker];
        worker.state == State::Idle && now - worker.idle_since > self.machine.overhead.spin
    }

    /// Whether enough others are awake, so that this worker sleeps.
    pub(super) fn is_too_many(&self, worker: usize) -> bool {
        let asleep = |&other: &usize| self.sleeps(other, self.clock);
        let sleeping = (0..self.workers.len()).filter(asleep).count();
        worker != 0 && self.workers.len() - sleeping > self.active
    }

    /// Workers that look for work see that some waits: as many as there are parts, or all, where the
    /// policy may have the part for one worker only.
    pub(super) fn tell_spinning(&mut self, teller: usize, now: f64) {
        let mut told = if self.supervised { usize::MAX } else { self.ready };
        if self.ready == 0 {
            return;
        }
        for worker in 0..self.workers.len() {
            if told == 0 {
                break;
            }
            let idle = worker != teller && self.workers[worker].state == State::Idle;
            let refused = self.workers[worker].refused_at == Some(self.changes);
            if idle && !refused && !self.sleeps(worker, now) {
                told -= 1;
                self.look_at(worker, now + self.machine.overhead.handover, Event::Look);
            }
        }
    }

    /// The worker sees at `time` that parts wait.
    fn look_at(&mut self, worker: usize, time: f64, event: Event) {
        self.workers[worker].state = State::Looking;
        self.workers[worker].scheduling_since = time;
        self.plan_event(time, worker, event);
    }

    /// A worker that looks for parts takes one, or leaves those that come and go too fast to others, and looks
    /// again.
    pub(super) fn look(&mut self, worker: usize) {
        let smallest = Pace::smallest_after(self.machine.overhead.handover);
        let now = (self.clock * 1e9) as u64;
        let pace = &mut self.workers[worker].pace;
        let takes = worker == 0 || self.supervised || self.ready == 0;
        if takes || !pace.is_fast(self.changes, now, smallest) {
            self.lock(worker, self.clock, Event::Take);
        } else {
            let again = self.clock + LOOKS_AGAIN as f64 * 1e-9;
            self.plan_event(again, worker, Event::Look);
        }
    }
}
