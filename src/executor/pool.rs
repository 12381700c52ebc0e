//! Worker threads that count dependencies, ordered by a policy.
//!
//! Whoever completes a task sends its messages, counts them down at the receivers, and publishes the
//! tasks that became ready; the first of them it runs itself. No worker ever waits inside a task.
//! The README in this folder has the states and memory orderings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::policy::{Policy, ReadyPart, policy};
use super::state::RunState;
use super::{Executor, Plan, Run};
use crate::error::{Error, Result};

/// How often a worker looks for work before it parks, where every worker has a core.
const SPINS: usize = 4000;

/// The most tiny parts that a worker takes at once.
const MOST_TAKEN: usize = 16;

/// Parts of fewer estimated seconds are taken several at a time, since a part costs less than the
/// lock.
const TINY: f64 = 1e-6;

/// The production executor: `workers` threads, the calling one included.
pub struct Pool {
    shared: Arc<Shared>,
    /// The threads beside the caller; dropped last, after they have been told to stop.
    threads: Option<rayon::ThreadPool>,
    workers: usize,
    policy: String,
    caller: Worker,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Parts in the queue: looked at without the lock.
    waiting: AtomicUsize,
    /// Counts what may change a policy's answer: parts that came, went or ended.
    changes: AtomicUsize,
    done: AtomicBool,
    spins: usize,
    workers: usize,
    /// Whether the policy is asked for, and told of, every part.
    supervised: bool,
}

struct Queue {
    policy: Box<dyn Policy>,
    run: Option<Arc<RunState>>,
    sleeping: usize,
    /// How many idle workers have found nothing since the change after which they are counted.
    refused: usize,
    refused_since: usize,
    /// The change after which all sleepers were last woken to look again.
    nudged_at: Option<usize>,
    stopping: bool,
}

/// What one thread keeps to itself.
struct Worker {
    number: usize,
    run: Option<Arc<RunState>>,
    /// Tasks made ready by the one just completed.
    ready: Vec<u32>,
    /// Tiny parts taken together, last first.
    taken: Vec<ReadyPart>,
}

/// What a worker finds when it looks for work.
enum Found {
    Part(ReadyPart),
    /// The run is over (for the caller), or the pool is (for the others).
    End,
    /// Everybody is idle, yet the run is not over.
    Stalled,
}

impl Pool {
    /// A pool of `workers` threads, the calling one included, with the policy that
    /// [`policy`] makes of `policy_name`.
    ///
    /// # Errors
    /// If there is no such policy, no worker, or if threads can't be started.
    pub fn new(workers: usize, policy_name: &str) -> Result<Self> {
        let mut pool = Self::with_policy(workers, policy(policy_name)?)?;
        policy_name.clone_into(&mut pool.policy);
        Ok(pool)
    }

    /// A pool with a policy of your own.
    ///
    /// # Errors
    /// If there is no worker, or if threads can't be started.
    pub fn with_policy(workers: usize, policy: Box<dyn Policy>) -> Result<Self> {
        let refuse = |problem: String| Error::Threads {
            threads: workers,
            problem,
            remedy: "ask for fewer workers",
        };
        if workers == 0 || workers > 4096 {
            return Err(refuse("a pool has 1 to 4096 workers".to_owned()));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let name = policy.name().to_owned();
        let supervised = policy.supervises();
        let queue = Queue {
            policy,
            run: None,
            sleeping: 0,
            refused: 0,
            refused_since: 0,
            nudged_at: None,
            stopping: false,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            waiting: AtomicUsize::new(0),
            changes: AtomicUsize::new(0),
            done: AtomicBool::new(true),
            spins: if workers <= cores { SPINS } else { 0 },
            workers,
            supervised,
        });
        let threads = if workers > 1 {
            let threads = rayon::ThreadPoolBuilder::new()
                .num_threads(workers - 1)
                .thread_name(|index| format!("caudal-{}", index + 1))
                .build()
                .map_err(|error| refuse(error.to_string()))?;
            let for_workers = Arc::clone(&shared);
            threads.spawn_broadcast(move |context| {
                Worker::new(context.index() + 1).live(&for_workers);
            });
            Some(threads)
        } else {
            None
        };
        Ok(Self { shared, threads, workers, policy: name, caller: Worker::new(0) })
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} workers, {})", self.workers, self.policy)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.lock().stopping = true;
        self.shared.wake.notify_all();
        self.threads = None;
    }
}

impl Executor for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn workers(&self) -> usize {
        self.workers
    }

    fn policy(&self) -> Option<&str> {
        Some(&self.policy)
    }

    fn learn(&mut self, plan: &Plan, seconds: &[f64]) {
        self.shared.queue.lock().policy.learn(plan, seconds);
    }

    fn execute(&mut self, run: &mut Run) -> Result<()> {
        let state = &run.state;
        let mut queue = self.shared.queue.lock();
        queue.policy.begin(&state.plan, self.workers)?;
        state.begin(true);
        self.shared.done.store(false, Ordering::Relaxed);
        self.caller.run = Some(Arc::clone(state));
        queue.run = Some(Arc::clone(state));
        self.caller.ready.clear();
        self.caller.ready.extend_from_slice(&state.plan.sources);
        self.shared.publish(&mut queue, &state.plan, &self.caller.ready, 0);
        self.shared.unlock_and_wake(queue);
        let end = self.caller.work(&self.shared, true);
        self.caller.run = None;
        self.shared.queue.lock().run = None;
        match end {
            Found::Stalled => {
                let waiting = state.waiting();
                self.shared.forget();
                state.reset();
                Err(Error::Stalled(waiting))
            }
            Found::End | Found::Part(_) => state.outcome(),
        }
    }
}

impl Shared {
    /// Hands the parts of ready tasks to the policy.
    fn publish(&self, queue: &mut Queue, plan: &Plan, ready: &[u32], worker: usize) {
        let mut parts = 0;
        for &task in ready {
            for part in 0..plan.tasks[task as usize].parts {
                queue.policy.push(ReadyPart { task, part }, worker);
                parts += 1;
            }
        }
        // Under the lock, so that plain reads and writes of the counts do not race.
        self.waiting.store(self.waiting.load(Ordering::Relaxed) + parts, Ordering::Relaxed);
        self.note_change();
    }

    /// Counts a change, under the lock.
    fn note_change(&self) {
        let changes = self.changes.load(Ordering::Relaxed);
        self.changes.store(changes.wrapping_add(1), Ordering::Relaxed);
    }

    /// Drops what a policy that lost parts still holds, so that the next run begins with nothing.
    fn forget(&self) {
        let mut queue = self.queue.lock();
        while queue.policy.pop(0).is_some() {}
        self.waiting.store(0, Ordering::Relaxed);
        self.done.store(true, Ordering::Release);
    }

    /// Lets go of the queue, and wakes at most one worker for every waiting part; or everybody, where
    /// the policy may have the part for one worker only.
    fn unlock_and_wake(&self, queue: MutexGuard<'_, Queue>) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let sleeping = queue.sleeping;
        drop(queue);
        if self.supervised {
            if waiting > 0 && sleeping > 0 {
                self.wake.notify_all();
            }
            return;
        }
        let wake = sleeping.min(waiting);
        for _ in 0..wake {
            self.wake.notify_one();
        }
    }

    /// The next part by the policy, and, if it is tiny, a fair share of others into `taken`.
    fn take(&self, queue: &mut Queue, worker: &mut Worker) -> Option<ReadyPart> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting == 0 {
            return None;
        }
        let first = queue.policy.pop(worker.number)?;
        let mut left = waiting - 1;
        if let Some(run) = &queue.run {
            if !worker.run.as_ref().is_some_and(|known| Arc::ptr_eq(known, run)) {
                worker.run = Some(Arc::clone(run));
            }
            let plan = &run.plan;
            let seconds = plan.costs[first.task as usize];
            let tiny = plan.tasks[first.task as usize].parts == 1 && seconds < TINY;
            if tiny && !self.supervised {
                let share = (left / (2 * self.workers)).min(MOST_TAKEN);
                for _ in 0..share {
                    worker.taken.extend(queue.policy.pop(worker.number));
                }
                left -= share;
                worker.taken.reverse();
            }
        }
        self.waiting.store(left, Ordering::Relaxed);
        self.note_change();
        Some(first)
    }
}

impl Worker {
    fn new(number: usize) -> Self {
        Self { number, run: None, ready: Vec::new(), taken: Vec::new() }
    }

    /// The life of a thread other than the caller's.
    fn live(mut self, shared: &Shared) {
        self.work(shared, false);
    }

    /// Runs parts until there is nothing more to do for this thread.
    fn work(&mut self, shared: &Shared, is_caller: bool) -> Found {
        let mut next = None;
        loop {
            let part = match next.take().or_else(|| self.taken.pop()) {
                Some(part) => part,
                None => match self.find(shared, is_caller) {
                    Found::Part(part) => part,
                    end => return end,
                },
            };
            next = self.run_part(shared, part);
        }
    }

    /// Runs a part, and, if that completes its task, publishes what becomes ready; gives back one
    /// part to go on with.
    fn run_part(&mut self, shared: &Shared, part: ReadyPart) -> Option<ReadyPart> {
        // `find` sets the run together with the part.
        let run = self.run.as_deref()?;
        let task = part.task as usize;
        let ended = run.run_part(task, part.part, self.number);
        let completed = run.part_done(task);
        if !completed && !shared.supervised {
            return None;
        }
        self.ready.clear();
        let ready = &mut self.ready;
        let last = completed
            && run.complete(task, |message| {
                if run.deliver(message, ended) {
                    ready.push(message.task);
                }
            });
        if last {
            let mut queue = shared.queue.lock();
            if shared.supervised {
                queue.policy.done(part, self.number);
            }
            shared.done.store(true, Ordering::Release);
            let sleeping = queue.sleeping;
            drop(queue);
            if sleeping > 0 {
                shared.wake.notify_all();
            }
            return None;
        }
        if !shared.supervised {
            let &first = self.ready.first()?;
            let alone = self.ready.len() == 1 && run.plan.tasks[first as usize].parts == 1;
            if alone && self.taken.is_empty() && shared.waiting.load(Ordering::Relaxed) == 0 {
                return Some(ReadyPart { task: first, part: 0 });
            }
        }
        let mut queue = shared.queue.lock();
        if shared.supervised {
            queue.policy.done(part, self.number);
        }
        shared.publish(&mut queue, &run.plan, &self.ready, self.number);
        let next = if self.taken.is_empty() { shared.take(&mut queue, self) } else { None };
        shared.unlock_and_wake(queue);
        next
    }

    /// Looks for a part: spins first, then parks.
    fn find(&mut self, shared: &Shared, is_caller: bool) -> Found {
        let mut refused_at = None;
        for _ in 0..shared.spins {
            let changes = shared.changes.load(Ordering::Relaxed);
            if shared.waiting.load(Ordering::Relaxed) > 0 && refused_at != Some(changes) {
                let mut queue = shared.queue.lock();
                if let Some(part) = shared.take(&mut queue, self) {
                    return Found::Part(part);
                }
                refused_at = Some(shared.changes.load(Ordering::Relaxed));
            }
            if is_caller && shared.done.load(Ordering::Acquire) {
                return Found::End;
            }
            std::hint::spin_loop();
        }
        self.park(shared, is_caller)
    }

    fn park(&mut self, shared: &Shared, is_caller: bool) -> Found {
        let mut queue = shared.queue.lock();
        let mut refused_at = None;
        loop {
            if let Some(part) = shared.take(&mut queue, self) {
                return Found::Part(part);
            }
            let done = shared.done.load(Ordering::Acquire);
            if queue.stopping || (is_caller && done) {
                return Found::End;
            }
            if !done {
                let changes = shared.changes.load(Ordering::Relaxed);
                if queue.refused_since != changes {
                    queue.refused_since = changes;
                    queue.refused = 0;
                }
                if refused_at != Some(changes) {
                    refused_at = Some(changes);
                    queue.refused += 1;
                }
                // Nothing came, went or ended since every worker was refused, and who is refused
                // runs nothing: nothing will ever change.
                if queue.refused == shared.workers {
                    if is_caller {
                        return Found::Stalled;
                    }
                    shared.wake.notify_all();
                } else if queue.sleeping + 1 == shared.workers && queue.nudged_at != Some(changes) {
                    // The others fell asleep before the last change: they look again, once.
                    queue.nudged_at = Some(changes);
                    shared.wake.notify_all();
                }
            }
            self.run = None;
            queue.sleeping += 1;
            shared.wake.wait(&mut queue);
            queue.sleeping -= 1;
        }
    }
}
