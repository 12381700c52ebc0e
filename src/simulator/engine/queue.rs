//! The queue of ready parts, its lock, and the workers that look for parts or sleep.

use super::{Engine, Event, State};
use crate::flow::policy::{Policy, ReadyPart};
use crate::flow::{TaskIndex, share, takes_more, to_wake};

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
        for &task in &self.workers[worker].ready {
            for part in 0..self.graph.tasks[task].parts {
                policy.push(ReadyPart { task, part }, worker);
                self.ready += 1;
            }
        }
        self.changes += 1;
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
        self.changes += 1;
        if !self.supervised {
            let share = share(self.ready, self.workers.len());
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
        Some(first)
    }

    /// Tells the others of what waits, and says when the publisher goes on.
    pub(super) fn unlock_and_wake(&mut self, publisher: usize) -> f64 {
        let overhead = self.machine.overhead;
        let unlocked = self.workers[publisher].locked_until;
        self.tell_spinning(publisher, unlocked);
        // A parked worker that is on its way counts as one that sleeps until it has the lock.
        let sleeping = (0..self.workers.len()).filter(|&worker| self.is_parked(worker, unlocked));
        let mut wake = to_wake(self.supervised, sleeping.count(), self.ready);
        let mut free = unlocked;
        for worker in 0..self.workers.len() {
            if wake == 0 {
                break;
            }
            if worker != publisher
                && self.workers[worker].state == State::Idle
                && self.is_parked(worker, unlocked)
            {
                wake -= 1;
                free += overhead.notify;
                self.look_at(worker, free + overhead.wake);
            }
        }
        free
    }

    /// Whether the worker has looked for work until it parked, and has not come back since.
    fn is_parked(&self, worker: usize, now: f64) -> bool {
        let worker = &self.workers[worker];
        matches!(worker.state, State::Idle | State::Looking)
            && now - worker.idle_since > self.machine.overhead.spin
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
            if idle && !refused && !self.is_parked(worker, now) {
                told -= 1;
                self.look_at(worker, now + self.machine.overhead.handover);
            }
        }
    }

    /// The worker asks for the lock at `time`.
    fn look_at(&mut self, worker: usize, time: f64) {
        self.workers[worker].state = State::Looking;
        self.workers[worker].scheduling_since = time;
        self.plan_event(time, worker, Event::Look);
    }
}
