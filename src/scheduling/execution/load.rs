//! How tasks take their time, and messages theirs.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::ExecutionOptions;
use super::board::Board;
use super::memory::Memory;
use crate::error::{Error, Result};
use crate::scheduling::{Communication, Instance, Platform, WeightedGraph};
use crate::statistics::median;

/// What a task does as long as it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Load {
    /// It keeps a core busy until its time has passed by the clock. There must be a core for every worker.
    Spin,
    /// It sleeps, so that there may be more workers than cores.
    #[default]
    Sleep,
    /// It changes as many bytes of memory as one worker alone changes in its time, which is measured before; and it copies the bytes
    /// of its messages from workers elsewhere, in place of waiting for them. There must be a core for every worker.
    Memory,
}

impl Load {
    /// All there are, by their names on the command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("spin", Self::Spin), ("sleep", Self::Sleep), ("memory", Self::Memory)];
}

/// What tasks take, and how.
#[derive(Debug)]
pub(super) struct Work {
    graph: WeightedGraph,
    platform: Platform,
    load: Load,
    /// Where tasks change bytes, if they do.
    memory: Option<Memory>,
    /// Seconds of the clock for one of the graph.
    unit: f64,
    /// Whether messages travel from the end of the task that sends them, as plans have it, and not from when their
    /// receiver is given to a worker.
    planned: bool,
}

impl Work {
    pub(super) fn new(
        instance: &Instance<'_>,
        options: &ExecutionOptions,
        planned: bool,
    ) -> Result<Self> {
        let workers = instance.workers();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if options.load != Load::Sleep && workers > cores {
            return Err(Error::Threads {
                threads: workers,
                problem: format!("tasks that keep cores busy need one each, and there are {cores}"),
                remedy: "ask for fewer workers, or let tasks sleep",
            });
        }
        // Measured before time counts.
        oversleep();
        let is_memory = options.load == Load::Memory;
        Ok(Self {
            graph: instance.graph().clone(),
            platform: instance.platform().clone(),
            load: options.load,
            memory: if is_memory { Some(Memory::new(instance)?) } else { None },
            unit: options.unit,
            planned,
        })
    }

    /// Runs a task on the worker that it was given to: waits for its messages, and takes its time.
    pub(super) fn run(&self, task: usize, board: &Board) {
        let instance = Instance::known(&self.graph, &self.platform);
        let (began, own) = (board.began(), board.entry(task));
        let now = || began.elapsed().as_secs_f64();
        let mut ready = self.graph.tasks()[task].release * self.unit;
        for edge in self.graph.incoming(task) {
            let sender = board.entry(edge.from);
            let sent = if self.planned { sender.finish } else { own.given };
            let copied = match (&self.memory, edge.communication) {
                (Some(memory), Communication::Bytes(bytes)) => Some((memory, bytes)),
                _ => None,
            };
            if let Some((memory, bytes)) = copied {
                if sender.worker != own.worker {
                    memory.copy(edge.from, bytes, own.worker);
                }
            } else {
                let seconds = instance.transfer_seconds(edge, sender.worker, own.worker);
                ready = ready.max(sent + seconds * self.unit);
            }
        }
        wait_until(began, ready, self.load);
        let workers = std::iter::once(own.worker).chain(own.others.iter().copied());
        let seconds = workers.map(|worker| instance.seconds(task, worker)).fold(0.0, f64::max);
        let (start, seconds) = (now(), seconds * self.unit);
        match &self.memory {
            Some(memory) => memory.work(task, seconds, own.worker),
            None => wait_until(began, start + seconds, self.load),
        }
        board.ran(task, start, now());
    }
}

/// Waits until so many seconds have passed since the beginning: asleep, but for the last bit, in which the thread stays
/// awake and lets others go first.
fn wait_until(began: Instant, seconds: f64, load: Load) {
    let early = oversleep();
    loop {
        let left = seconds - began.elapsed().as_secs_f64();
        if left <= 0.0 {
            return;
        }
        if load == Load::Spin {
            std::hint::spin_loop();
        } else if left > early {
            std::thread::sleep(Duration::from_secs_f64(left - early));
        } else {
            std::thread::yield_now();
        }
    }
}

/// Seconds by which this machine's threads sleep too long, or somewhat more; measured once, and half a millisecond at the
/// most.
pub(super) fn oversleep() -> f64 {
    static SECONDS: OnceLock<f64> = OnceLock::new();
    *SECONDS.get_or_init(|| {
        let mut late: Vec<f64> = (0..15)
            .map(|_| {
                let (asked, began) = (1e-3, Instant::now());
                std::thread::sleep(Duration::from_secs_f64(asked));
                began.elapsed().as_secs_f64() - asked
            })
            .collect();
        (1.5 * median(&mut late)).clamp(0.0, 5e-4)
    })
}
