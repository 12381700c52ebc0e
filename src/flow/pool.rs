//! Worker threads that count dependencies, ordered by a policy.
//!
//! Whoever completes a task sends its messages, counts them down at the receivers, and publishes the
//! tasks that became ready; the first of them it runs itself. No worker ever waits inside a task.
//! The README in this folder has the states and memory orderings.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::core::Delivery;
use super::policy::{Policy, ReadyPart, Setting, policy};
use super::queue::{Fault, Found, Queue, call_policy};
use super::sync::Native;
use super::work::Work;
use super::worker::Worker;
use super::{Execute, Executor, TaskGraph};
use crate::error::{Error, Result};
use crate::topology::{Pinning, Place, groups_of, lost, places};

/// How often a worker looks for work before it parks, where all that are awake have a core.
pub(crate) const SPINS: usize = 1500;

/// The production executor: `workers` threads, the calling one included.
///
/// Messages wait in slots, or, [with channels](Pool::with_channels), in a bounded channel of the task.
pub struct Pool {
    queue: Arc<Queue<Native>>,
    /// The threads beside the caller; dropped last, after their workers have left. rayon owns them, and is asked
    /// for nothing else.
    threads: Option<rayon::ThreadPool>,
    /// How many of these workers have left.
    left: Arc<(Mutex<usize>, Condvar)>,
    workers: usize,
    setting: Setting,
    policy: String,
    caller: Worker<Native>,
    pinning: Pinning,
    /// Where the caller's thread stays while it executes.
    place: Option<Place>,
    delivery: Delivery,
    /// What the policy did wrong where that could not keep a step from its end: the next one ends with it before it
    /// begins.
    late: Option<Error>,
}

impl Pool {
    /// A pool of `workers` threads, the calling one included, with the policy that
    /// [`policy`] makes of `policy_name`.
    ///
    /// # Errors
    /// If there is no such policy, no worker, or if threads can't be started.
    pub fn new(workers: usize, policy_name: &str) -> Result<Self> {
        Self::named(workers, policy_name, Pinning::None)
    }

    /// As [`Pool::new`], with workers that are pinned.
    pub(super) fn named(workers: usize, policy_name: &str, pinning: Pinning) -> Result<Self> {
        let mut pool = Self::with_pinning(workers, policy(policy_name)?, pinning)?;
        policy_name.clone_into(&mut pool.policy);
        Ok(pool)
    }

    /// A pool with a policy of your own.
    ///
    /// # Errors
    /// If there is no worker, or if threads can't be started.
    pub fn with_policy(workers: usize, policy: Box<dyn Policy>) -> Result<Self> {
        Self::with_pinning(workers, policy, Pinning::None)
    }

    /// A pool with a policy of your own, whose workers stay on the cores that `pinning` gives them in
    /// [this order](crate::topology::Topology::pinning_order), of those that the calling thread may use now. The thread
    /// that calls [`Executor::execute`] is worker 0: it stays on its cores for as long as it executes, and is let go
    /// afterwards, so that threads that it starts in between are free. The policy is told which workers share a cache.
    ///
    /// # Errors
    /// As [`Pool::with_policy`], and if threads can't be pinned here.
    pub fn with_pinning(workers: usize, policy: Box<dyn Policy>, pinning: Pinning) -> Result<Self> {
        let refuse = |problem: String| Error::Threads {
            threads: workers,
            problem,
            remedy: "ask for fewer workers",
        };
        if workers == 0 || workers > 4096 {
            return Err(refuse("a pool has 1 to 4096 workers".to_owned()));
        }
        let places = places(pinning, workers)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let made = call_policy(|| {
            let name = policy.name().to_owned();
            (name, Arc::new(Queue::new(policy, workers, cores, SPINS)))
        });
        let (name, queue) = made.map_err(|fault| Error::Policy {
            policy: "of your own".to_owned(),
            problem: problem_of(&fault, None),
            remedy: SEE_CODE.to_owned(),
        })?;
        let left = Arc::new((Mutex::new(0), Condvar::new()));
        let threads = if workers > 1 {
            let threads = rayon::ThreadPoolBuilder::new()
                .num_threads(workers - 1)
                .thread_name(|index| format!("caudal-{}", index + 1))
                .build()
                .map_err(|error| refuse(error.to_string()))?;
            if let Some(places) = &places {
                let pinned = threads.broadcast(|context| places[context.index() + 1].pin());
                let pinned: Result<(), String> = pinned.into_iter().collect();
                pinned.map_err(|problem| lost(workers, problem))?;
            }
            let for_workers = Arc::clone(&queue);
            let leave = Arc::clone(&left);
            threads.spawn_broadcast(move |context| {
                Worker::new(context.index() + 1).work(&for_workers);
                let mut left = leave.0.lock();
                *left += 1;
                leave.1.notify_one();
            });
            Some(threads)
        } else {
            None
        };
        let (caller, delivery) = (Worker::new(0), Delivery::Slots);
        let place = places.and_then(|places| places.into_iter().next());
        Ok(Self {
            queue,
            threads,
            left,
            workers,
            setting: Setting::equal(workers).with_groups(&groups_of(pinning, workers)),
            policy: name,
            caller,
            pinning,
            place,
            delivery,
            late: None,
        })
    }
}

/// What to do about a panic.
const SEE_CODE: &str = "see what its code says there";

/// What a policy did wrong, in a run of `graph` if there was one.
fn problem_of(fault: &Fault, graph: Option<&TaskGraph>) -> String {
    match fault {
        Fault::Panicked(cause) => format!("it {cause}"),
        Fault::Kept => "it gave no part, though it held some and nothing else ran".to_owned(),
        Fault::Gave(ReadyPart { task, part }) => {
            let tasks = graph.map_or(0, TaskGraph::task_count);
            let known = graph.filter(|_| task.index() < tasks);
            let task = match known.map(|graph| graph.task(task.index())) {
                Some(known) => format!("{task} (`{}`, {})", known.node, known.phase),
                None => format!("{task} of {tasks}"),
            };
            format!("it gave part {part} of task {task}, which it did not hold")
        }
    }
}

impl Pool {
    /// The same with a channel for an inbox: a crossbeam channel for every task, as deep as it has ports. Its
    /// count reaches zero when the last message has been sent; the worker that takes the task receives its
    /// messages and fires it. The scheduler is the same, and nobody blocks on a channel.
    #[must_use]
    pub fn with_channels(mut self) -> Self {
        self.delivery = Delivery::Channels;
        self
    }

    /// What the policy did wrong in a run of `graph`, and what came of it.
    fn describe(&self, fault: &Fault, graph: &TaskGraph, came_to: &str) -> Error {
        let remedy = match fault {
            Fault::Panicked(_) => SEE_CODE,
            _ => "let `pop` give each part that was pushed once, and no other",
        };
        Error::Policy {
            policy: self.policy.clone(),
            problem: format!("{}, so {came_to}", problem_of(fault, Some(graph))),
            remedy: remedy.to_owned(),
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} workers, {}, {:?})", self.workers, self.policy, self.delivery)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.stop();
        if self.threads.is_some() {
            // What they hold, such as a run's closures, is let go of before the pool is gone.
            let mut left = self.left.0.lock();
            while *left < self.workers - 1 {
                self.left.1.wait(&mut left);
            }
        }
        self.threads = None;
    }
}

impl Executor for Pool {
    fn name(&self) -> &'static str {
        match self.delivery {
            Delivery::Channels => "channels",
            _ => "pool",
        }
    }

    fn workers(&self) -> usize {
        self.workers
    }

    fn policy(&self) -> Option<&str> {
        Some(&self.policy)
    }

    fn pinning(&self) -> Pinning {
        self.pinning
    }

    fn learn(&mut self, graph: &TaskGraph, seconds: &[f64]) {
        if seconds.len() == graph.task_count()
            && let Err(fault) = self.queue.with_policy(|policy| policy.learn(graph, seconds))
        {
            self.late = Some(self.describe(&fault, graph, "this step did not begin"));
        }
    }

    fn execute(&mut self, run: &mut dyn Execute) -> Result<()> {
        run.with(&mut |run| self.run(&run.0))
    }
}

impl Pool {
    fn run(&mut self, run: &Arc<dyn Work<Native>>) -> Result<()> {
        if let Some(late) = self.late.take() {
            return Err(late);
        }
        let held = self.place.as_ref().map(Place::hold).transpose();
        let _held = held.map_err(|problem| lost(self.workers, problem))?;
        let graph = run.graph();
        match self.queue.with_policy(|policy| policy.begin_on(graph, &self.setting)) {
            Ok(agreed) => agreed?,
            Err(fault) => return Err(self.describe(&fault, graph, "the step did not begin")),
        }
        run.begin(self.delivery, self.workers);
        self.caller.run = Some(Arc::clone(run));
        self.queue.begin(run);
        let mut end = self.caller.work(&self.queue);
        if matches!(end, Found::Stalled) && run.is_committed() && self.queue.take_over() {
            // Half a step would be neither the weights before it nor those after it.
            self.caller.run = Some(Arc::clone(run));
            end = self.caller.work(&self.queue);
        }
        self.caller.run = None;
        let is_faulty = self.queue.end();
        match end {
            Found::Stalled => {
                let mut waiting = run.waiting();
                let fault = self.queue.forget();
                let moved = run.is_committed();
                run.reset();
                if moved {
                    waiting.push("some parameters have moved, others have not".to_owned());
                }
                Err(match fault {
                    Some(fault) if !moved => self.describe(&fault, graph, "the step did not end"),
                    _ => Error::Stalled(waiting),
                })
            }
            Found::End | Found::Part(_) => {
                if let Some(fault) = is_faulty.then(|| self.queue.forget()).flatten() {
                    let came_to =
                        "the step before was ended without it, and this one did not begin";
                    self.late = Some(self.describe(&fault, graph, came_to));
                }
                run.outcome()
            }
        }
    }
}
