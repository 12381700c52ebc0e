//! Workers without a part: they look for one, leave it to others, sleep, and are woken.
//!
//! The README in this folder says why no wake-up is lost and how a stall is told from a pause.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::observer::WorkerChange;
use super::policy::ReadyPart;
use super::queue::{Found, Guard, Queue, State};
use super::rules::{COMER_WAKES, LOOKS_AGAIN, to_wake};
use super::sync::{Atomic, Counter, Monitor, Primitives};
use super::worker::Worker;

impl<P: Primitives> Queue<P> {
    /// Looks for a part: spins first, then sleeps.
    pub(super) fn find(&self, worker: &mut Worker<P>) -> Found {
        loop {
            self.looking.0.count_up(Ordering::Relaxed);
            if let Some(found) = self.spin(worker).or_else(|| self.park(worker)) {
                return found;
            }
        }
    }

    /// Looks for a part without the lock, for some time. The worker counts as one that looks until it has the
    /// lock, or has given up.
    fn spin(&self, worker: &mut Worker<P>) -> Option<Found> {
        let seen = &self.seen.0;
        let has_core = seen.active.load(Ordering::Relaxed) <= self.cores;
        let crowd = self.looking.0.load(Ordering::Relaxed) as usize;
        let many = crowd > seen.active.load(Ordering::Relaxed) && !worker.is_caller();
        let mut left = if has_core && !many { self.spins } else { 0 };
        let mut refused_at = None;
        // The caller takes whatever comes: one worker at least is always at it.
        let may_leave = !self.supervised && !worker.is_caller();
        // It has just run a part, and goes on if there is another.
        let mut busy = true;
        while left > 0 {
            left -= 1;
            // Everybody looks at the clock, so that all look equally long before they sleep.
            let began = P::now(self.made);
            let changes = seen.changes.load(Ordering::Relaxed);
            let now = P::now(self.made);
            if busy {
                // What it wrote itself is at hand.
                worker.pace.stands_at(changes);
            } else {
                worker.pace.look(began, changes, now);
            }
            let done = self.done.0.load(Ordering::Acquire);
            if done {
                worker.pace.rests(changes, now);
            }
            let smallest = worker.pace.smallest();
            if may_leave && !busy && worker.pace.is_fast(changes, now, smallest) {
                // It looks for as long as it leaves parts to others, so that nobody wakes another.
                left += usize::from(!self.is_empty());
                self.pause(now + LOOKS_AGAIN);
            } else if !self.is_empty() && refused_at != Some(changes) {
                let mut state = self.state.0.lock();
                if let Some(part) = self.take_idle(&mut state, worker) {
                    self.looking.0.count_down(Ordering::Relaxed);
                    self.unlock_and_wake(state, worker.number, COMER_WAKES);
                    return Some(Found::Part(part));
                }
                refused_at = Some(seen.changes.load(Ordering::Relaxed));
            }
            busy = false;
            if worker.is_caller() && done {
                self.looking.0.count_down(Ordering::Relaxed);
                return Some(Found::End);
            }
            std::hint::spin_loop();
        }
        self.looking.0.count_down(Ordering::Relaxed);
        None
    }

    /// Lets time go on until `end`.
    fn pause(&self, end: u64) {
        while P::now(self.made) < end {
            std::hint::spin_loop();
        }
    }

    /// Looks under the lock, and sleeps, until there is a part or an end. Gives nothing to who was woken and came too
    /// late: it looks again as if it had just run a part, so that it is awake when the next parts come.
    fn park(&self, worker: &mut Worker<P>) -> Option<Found> {
        let mut state = self.state.0.lock();
        let mut woken = false;
        loop {
            if !self.is_too_many(&state, worker)
                && let Some(part) = self.take_idle(&mut state, worker)
            {
                self.unlock_and_wake(state, worker.number, COMER_WAKES);
                return Some(Found::Part(part));
            }
            let done = self.done.0.load(Ordering::Acquire);
            if state.stopping || (worker.is_caller() && done) {
                return Some(Found::End);
            }
            if !done && self.is_stalled(&mut state, worker) && worker.is_caller() {
                return Some(Found::Stalled);
            }
            if woken && !self.supervised {
                return None;
            }
            worker.run = None;
            state.tell(worker.number, WorkerChange::Parked);
            state.sleepers.push(worker.number);
            while state.sleepers.contains(&worker.number) {
                state = self.state.0.sleep(state, worker.number);
            }
            state.waking -= 1;
            state.tell(worker.number, WorkerChange::Awake);
            woken = true;
        }
    }

    /// Whether enough others are awake: they take all parts.
    fn is_too_many(&self, state: &State<P>, worker: &Worker<P>) -> bool {
        let awake = self.workers - state.sleepers.len();
        !worker.is_caller() && awake > self.seen.0.active.load(Ordering::Relaxed)
    }

    /// As [`Queue::take`], for a worker that may not know the run yet.
    fn take_idle(&self, state: &mut State<P>, worker: &mut Worker<P>) -> Option<ReadyPart> {
        let part = self.take(state, worker.number, &mut worker.taken)?;
        let known = worker.run.as_ref().zip(state.run.as_ref());
        if !known
            .is_some_and(|(known, run)| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(run)))
        {
            worker.run.clone_from(&state.run);
        }
        Some(part)
    }

    /// Lets go of the lock, and wakes sleepers for parts that nobody looks for, at most so many; or everybody,
    /// where the policy may have the part for one worker only. `by` is the worker that does so.
    pub(super) fn unlock_and_wake(&self, mut state: Guard<'_, P>, by: usize, most: usize) {
        let sleeping = state.sleepers.len();
        if sleeping == 0 {
            return;
        }
        let ready = self.seen.0.ready_parts.load(Ordering::Relaxed);
        if self.supervised {
            if ready > 0 {
                self.wake_all(&mut state, by);
            }
            return;
        }
        let awake = self.workers - sleeping;
        let room = self.seen.0.active.load(Ordering::Relaxed).saturating_sub(awake);
        let coming = self.looking.0.load(Ordering::Relaxed) as usize + state.waking;
        let wake = to_wake(ready, coming, sleeping.min(room), most);
        let mut woken = [None; COMER_WAKES];
        for place in woken.iter_mut().take(wake) {
            *place = state.sleepers.pop();
        }
        state.waking += wake;
        for worker in woken.into_iter().flatten() {
            state.tell(worker, WorkerChange::Notified { by });
        }
        drop(state);
        woken.into_iter().flatten().for_each(|worker| self.state.0.wake(worker));
    }

    /// Wakes everybody who sleeps.
    pub(super) fn wake_all(&self, state: &mut State<P>, by: usize) {
        state.waking += state.sleepers.len();
        for &worker in &state.sleepers {
            state.tell(worker, WorkerChange::Notified { by });
            self.state.0.wake(worker);
        }
        state.sleepers.clear();
    }

    /// Whether nothing will ever happen again: nothing came, went or ended since every worker was
    /// refused, and who is refused runs nothing. `worker` asks, and has just been refused.
    fn is_stalled(&self, state: &mut State<P>, worker: &mut Worker<P>) -> bool {
        let changes = self.seen.0.changes.load(Ordering::Relaxed);
        if state.refused_since != changes {
            state.refused_since = changes;
            state.refused = 0;
        }
        let counted = worker.refused_at != Some(changes);
        if counted {
            worker.refused_at = Some(changes);
            state.refused += 1;
        }
        let stalled = state.refused == self.workers;
        let nudge = state.sleepers.len() + 1 == self.workers && state.nudged_at != Some(changes);
        if stalled && counted {
            // The caller sleeps, unless it is the one who asks, and has to see this.
            self.wake_all(state, worker.number);
        } else if !stalled && nudge {
            // The others fell asleep before the last change: they look again, once.
            state.nudged_at = Some(changes);
            self.wake_all(state, worker.number);
        }
        stalled
    }
}
