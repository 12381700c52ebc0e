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
    policy: &'static str,
    caller: Worker,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Parts in the queue: looked at without the lock.
    waiting: AtomicUsize,
    done: AtomicBool,
    spins: usize,
    workers: usize,
}

struct Queue {
    policy: Box<dyn Policy>,
    run: Option<Arc<RunState>>,
    sleeping: usize,
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
    /// A pool of `workers` threads, the calling one included, with the policy called `policy_name`.
    ///
    /// # Errors
    /// If there is no such policy, no worker, or if threads can't be started.
    pub fn new(workers: usize, policy_name: &str) -> Result<Self> {
        Self::with_policy(workers, policy(policy_name)?)
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
        let name = policy.name();
        let queue = Queue { policy, run: None, sleeping: 0, stopping: false };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            waiting: AtomicUsize::new(0),
            done: AtomicBool::new(true),
            spins: if workers <= cores { SPINS } else { 0 },
            workers,
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

    fn policy(&self) -> Option<&'static str> {
        Some(self.policy)
    }

    fn learn(&mut self, plan: &Plan, seconds: &[f64]) {
        self.shared.queue.lock().policy.learn(plan, seconds);
    }

    fn execute(&mut self, run: &mut Run) -> Result<()> {
        let state = &run.state;
        state.begin(true);
        self.shared.done.store(false, Ordering::Relaxed);
        self.caller.run = Some(Arc::clone(state));
        let mut queue = self.shared.queue.lock();
        queue.policy.begin(&state.plan, self.workers);
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
        // Under the lock, so that plain reads and writes of the count do not race.
        self.waiting.store(self.waiting.load(Ordering::Relaxed) + parts, Ordering::Relaxed);
    }

    /// Drops what a policy that lost parts still holds, so that the next run begins with nothing.
    fn forget(&self) {
        let mut queue = self.queue.lock();
        while queue.policy.pop(0).is_some() {}
        self.waiting.store(0, Ordering::Relaxed);
        self.done.store(true, Ordering::Release);
    }

    /// Lets go of the queue, and wakes at most one worker for every waiting part.
    fn unlock_and_wake(&self, queue: MutexGuard<'_, Queue>) {
        let wake = queue.sleeping.min(self.waiting.load(Ordering::Relaxed));
        drop(queue);
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
            if plan.tasks[first.task as usize].parts == 1 && seconds < TINY {
                let share = (left / (2 * self.workers)).min(MOST_TAKEN);
                for _ in 0..share {
                    worker.taken.extend(queue.policy.pop(worker.number));
                }
                left -= share;
                worker.taken.reverse();
            }
        }
        self.waiting.store(left, Ordering::Relaxed);
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
        if !run.part_done(task) {
            return None;
        }
        self.ready.clear();
        let ready = &mut self.ready;
        let last = run.complete(task, |message| {
            if run.deliver(message, ended) {
                ready.push(message.task);
            }
        });
        if last {
            let queue = shared.queue.lock();
            shared.done.store(true, Ordering::Release);
            let sleeping = queue.sleeping;
            drop(queue);
            if sleeping > 0 {
                shared.wake.notify_all();
            }
            return None;
        }
        let &first = self.ready.first()?;
        let alone = self.ready.len() == 1 && run.plan.tasks[first as usize].parts == 1;
        if alone && self.taken.is_empty() && shared.waiting.load(Ordering::Relaxed) == 0 {
            return Some(ReadyPart { task: first, part: 0 });
        }
        let mut queue = shared.queue.lock();
        shared.publish(&mut queue, &run.plan, &self.ready, self.number);
        let next = if self.taken.is_empty() { shared.take(&mut queue, self) } else { None };
        shared.unlock_and_wake(queue);
        next
    }

    /// Looks for a part: spins first, then parks.
    fn find(&mut self, shared: &Shared, is_caller: bool) -> Found {
        for _ in 0..shared.spins {
            if shared.waiting.load(Ordering::Relaxed) > 0 {
                let mut queue = shared.queue.lock();
                if let Some(part) = shared.take(&mut queue, self) {
                    return Found::Part(part);
                }
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
        loop {
            if let Some(part) = shared.take(&mut queue, self) {
                return Found::Part(part);
            }
            let done = shared.done.load(Ordering::Acquire);
            if queue.stopping || (is_caller && done) {
                return Found::End;
            }
            // Everybody else is parked too, and a parked worker has nothing left to send.
            if queue.sleeping + 1 == shared.workers && !done {
                if is_caller {
                    return Found::Stalled;
                }
                shared.wake.notify_all();
            }
            self.run = None;
            queue.sleeping += 1;
            shared.wake.wait(&mut queue);
            queue.sleeping -= 1;
        }
    }
}
