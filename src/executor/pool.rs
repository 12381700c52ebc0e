//! Worker threads that count dependencies, ordered by a policy.
//!
//! Whoever completes a task sends its messages, counts them down at the receivers, and publishes the
//! tasks that became ready; the first of them it runs itself. No worker ever waits inside a task.
//! The README in this folder has the states and memory orderings.

use std::sync::Arc;

use super::policy::{Policy, ReadyPart, evened_out, policy};
use super::queue::{Fault, Found, Queue};
use super::state::RunState;
use super::sync::Native;
use super::worker::{Work, Worker};
use super::{Executor, Plan, Run};
use crate::error::{Error, Result};

/// How often a worker looks for work before it parks, where every worker has a core.
pub(crate) const SPINS: usize = 4000;

/// The production executor: `workers` threads, the calling one included.
pub struct Pool {
    queue: Arc<Queue<Native, RunState>>,
    /// The threads beside the caller; dropped last, after they have been told to stop.
    threads: Option<rayon::ThreadPool>,
    workers: usize,
    policy: String,
    caller: Worker<RunState>,
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
        let spins = if workers <= cores { SPINS } else { 0 };
        let queue = Arc::new(Queue::new(policy, workers, spins));
        let threads = if workers > 1 {
            let threads = rayon::ThreadPoolBuilder::new()
                .num_threads(workers - 1)
                .thread_name(|index| format!("caudal-{}", index + 1))
                .build()
                .map_err(|error| refuse(error.to_string()))?;
            let for_workers = Arc::clone(&queue);
            threads.spawn_broadcast(move |context| {
                Worker::new(context.index() + 1).work(&for_workers);
            });
            Some(threads)
        } else {
            None
        };
        Ok(Self { queue, threads, workers, policy: name, caller: Worker::new(0) })
    }
}

impl Pool {
    /// What the policy did wrong in a run of `plan`, in which parameters may have begun to move.
    fn describe(&self, fault: Fault, plan: &Plan, moved: bool) -> Error {
        let (problem, remedy) = match fault {
            Fault::Panicked(cause) => (format!("it {cause}"), "see what its code says there"),
            Fault::Gave(ReadyPart { task, part }) => {
                let known = (task as usize) < plan.tasks.len();
                let task = match known.then(|| plan.task(task as usize)) {
                    Some(known) => format!("{task} (`{}`, {})", known.node, known.phase.name()),
                    None => format!("{task} of {}", plan.tasks.len()),
                };
                let problem = format!("it gave part {part} of task {task}, which it did not hold");
                (problem, "let `pop` give each part that was pushed once, and no other")
            }
        };
        let came_to = if moved { "; some parameters have moved, others have not" } else { "" };
        Error::Policy {
            policy: self.policy.clone(),
            problem: format!("{problem}, so the step did not end{came_to}"),
            remedy: remedy.to_owned(),
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} workers, {})", self.workers, self.policy)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.stop();
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
        if seconds.len() == plan.task_count() {
            let seconds = evened_out(plan, seconds);
            self.queue.with_policy(|policy| policy.learn(plan, &seconds));
        }
    }

    fn execute(&mut self, run: &mut Run) -> Result<()> {
        let state = &run.state;
        self.queue.with_policy(|policy| policy.begin(&state.plan, self.workers))?;
        let _parameters = state.begin(true);
        self.caller.run = Some(Arc::clone(state));
        self.queue.begin(state, &state.plan.sources);
        let end = self.caller.work(&self.queue);
        self.caller.run = None;
        self.queue.end();
        match end {
            Found::Stalled => {
                let waiting = state.waiting();
                let fault = self.queue.forget();
                let moved = state.reset();
                Err(match fault {
                    Some(fault) => self.describe(fault, &state.plan, moved),
                    None => Error::Stalled(waiting),
                })
            }
            Found::End | Found::Part(_) => state.outcome(),
        }
    }
}

impl Work for RunState {
    fn run_part(&self, ReadyPart { task, part }: ReadyPart, worker: usize) -> u64 {
        self.run_part(task as usize, part, worker)
    }

    fn part_done(&self, task: u32) -> bool {
        self.part_done(task as usize)
    }

    fn complete(&self, task: u32, now: u64, ready: &mut Vec<u32>) -> bool {
        self.complete(task as usize, |message| {
            if self.deliver(message, now) {
                ready.push(message.task);
            }
        })
    }

    fn task_count(&self) -> u32 {
        self.plan.tasks.len() as u32
    }

    fn part_count(&self) -> usize {
        self.plan.tasks.last().map_or(0, |last| last.first_part as usize + last.parts as usize)
    }

    fn parts(&self, task: u32) -> u32 {
        self.plan.tasks[task as usize].parts
    }

    fn first_part(&self, task: u32) -> usize {
        self.plan.tasks[task as usize].first_part as usize
    }

    fn part_seconds(&self, task: u32) -> f64 {
        self.plan.part_seconds(task as usize)
    }
}
