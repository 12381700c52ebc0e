//! The protocol of inboxes, workers and queue under the model checker loom, which tries the orders in
//! which threads can take their turns, and the values that the memory orderings let them read.
//!
//! What is checked is the code of `inbox.rs`, `worker.rs` and `queue.rs` itself, over loom's
//! primitives and a run of a few tasks. Faults planted in the primitives, or in the order of a
//! delivery, show that it would find some.

mod primitives;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use primitives::{Loom, Silent, Unordered};

use super::inbox::{self, Inbox};
use super::policy::{Policy, ReadyPart, policy};
use super::queue::{Found, Queue};
use super::sync::{Atomic, Counter, Primitives};
use super::worker::{Work, Worker};

/// A task of the run that is checked.
struct Task {
    parts: u32,
    /// The tasks that it waits for; the message of each has a slot.
    waits_for: &'static [u32],
}

/// A source, two tasks side by side, one of them in two parts, and a sink.
const DIAMOND: &[Task] = &[
    Task { parts: 1, waits_for: &[] },
    Task { parts: 2, waits_for: &[0] },
    Task { parts: 1, waits_for: &[0] },
    Task { parts: 1, waits_for: &[1, 2] },
];

/// Two sources and a sink of both.
const JOIN: &[Task] = &[
    Task { parts: 1, waits_for: &[] },
    Task { parts: 1, waits_for: &[] },
    Task { parts: 1, waits_for: &[0, 1] },
];

/// Three sources, whose ends are the run's.
const APART: &[Task] = &[
    Task { parts: 1, waits_for: &[] },
    Task { parts: 1, waits_for: &[] },
    Task { parts: 1, waits_for: &[] },
];

type Deliver<P> = fn(&Inbox<P>, &<P as Primitives>::Slot, *mut f32) -> bool;

/// A run whose parts write the step into a cell of their own, after looking at the cells of the tasks
/// that they wait for. Loom sees to it that whoever reads a cell comes after who wrote it.
struct ModelRun<P: Primitives> {
    tasks: &'static [Task],
    inboxes: Vec<Inbox<P>>,
    /// By task: a slot for each message.
    slots: Vec<Vec<P::Slot>>,
    /// By task and part: how often it ran.
    cells: Vec<Vec<UnsafeCell<usize>>>,
    sinks_left: P::Counter,
    deliver: Deliver<P>,
}

impl<P: Primitives> ModelRun<P> {
    fn new(tasks: &'static [Task], deliver: Deliver<P>) -> Self {
        let null = std::ptr::null_mut();
        Self {
            inboxes: tasks
                .iter()
                .map(|it| Inbox::new(it.waits_for.len() as u32, it.parts))
                .collect(),
            slots: tasks
                .iter()
                .map(|task| task.waits_for.iter().map(|_| P::Slot::new(null)).collect())
                .collect(),
            cells: tasks
                .iter()
                .map(|task| (0..task.parts).map(|_| UnsafeCell::new(0)).collect())
                .collect(),
            sinks_left: P::Counter::new(0),
            tasks,
            deliver,
        }
    }

    /// As `RunState::begin`.
    fn begin(&self) -> Vec<u32> {
        let all = 0..self.tasks.len() as u32;
        let is_sink = |task: &u32| self.tasks.iter().all(|other| !other.waits_for.contains(task));
        self.sinks_left.store(all.clone().filter(is_sink).count() as u32, Ordering::Relaxed);
        all.filter(|&task| self.tasks[task as usize].waits_for.is_empty()).collect()
    }

    /// How often each part of a task ran; the same for all of them.
    fn times(&self, task: u32) -> usize {
        let cells = self.cells[task as usize].iter();
        // SAFETY: loom fails the test if anybody may write meanwhile.
        let times: Vec<usize> = cells.map(|cell| cell.with(|times| unsafe { *times })).collect();
        assert!(times.iter().all(|&other| other == times[0]), "parts of {task}: {times:?}");
        times[0]
    }

    /// What stands for the value of a task.
    fn message(task: u32) -> *mut f32 {
        std::ptr::without_provenance_mut(16 + task as usize)
    }
}

impl<P: Primitives> Work for ModelRun<P> {
    fn run_part(&self, ReadyPart { task, part }: ReadyPart, _worker: usize) -> u64 {
        let cell = &self.cells[task as usize][part as usize];
        // SAFETY: as in `times`.
        let before = cell.with(|times| unsafe { *times });
        for (slot, &sender) in self.tasks[task as usize].waits_for.iter().enumerate() {
            let message = self.slots[task as usize][slot].load(Ordering::Relaxed);
            assert_eq!(message, Self::message(sender), "task {task} from {sender}");
            assert_eq!(self.times(sender), before + 1, "task {task} from {sender}");
        }
        // SAFETY: as in `times`.
        cell.with_mut(|times| unsafe { *times += 1 });
        0
    }

    fn part_done(&self, task: u32) -> bool {
        self.inboxes[task as usize].part_done(self.tasks[task as usize].parts)
    }

    fn complete(&self, task: u32, _now: u64, ready: &mut Vec<u32>) -> bool {
        let described = &self.tasks[task as usize];
        inbox::empty(&self.slots[task as usize]);
        let messages = described.waits_for.len() as u32;
        assert!(!self.inboxes[task as usize].reset(messages, described.parts));
        let mut sends = false;
        for (receiver, other) in self.tasks.iter().enumerate() {
            let Some(slot) = other.waits_for.iter().position(|&sender| sender == task) else {
                continue;
            };
            sends = true;
            let slot = &self.slots[receiver][slot];
            if (self.deliver)(&self.inboxes[receiver], slot, Self::message(task)) {
                ready.push(receiver as u32);
            }
        }
        !sends && inbox::sink_done(&self.sinks_left)
    }

    fn task_count(&self) -> u32 {
        self.tasks.len() as u32
    }

    fn part_count(&self) -> usize {
        self.first_part(self.task_count())
    }

    fn parts(&self, task: u32) -> u32 {
        self.tasks[task as usize].parts
    }

    fn first_part(&self, task: u32) -> usize {
        self.tasks[..task as usize].iter().map(|task| task.parts as usize).sum()
    }

    fn part_seconds(&self, task: u32) -> f64 {
        if self.tasks[task as usize].parts == 1 { 0.0 } else { 1.0 }
    }
}

/// A pool of model workers, driven as `Pool` drives its own.
struct Setting<P: Primitives> {
    tasks: &'static [Task],
    policy: fn() -> Box<dyn Policy>,
    workers: usize,
    steps: usize,
    spins: usize,
    deliver: Deliver<P>,
    stalls: bool,
}

impl<P: Primitives + 'static> Setting<P> {
    fn new(tasks: &'static [Task]) -> Self {
        Self {
            tasks,
            policy: || policy("fifo").unwrap(),
            workers: 2,
            steps: 1,
            spins: 0,
            deliver: Inbox::deliver,
            stalls: false,
        }
    }

    fn run(&self) {
        let queue = Arc::new(Queue::<P, _>::new((self.policy)(), self.workers, self.spins));
        let threads: Vec<_> = (1..self.workers)
            .map(|number| {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || {
                    assert!(matches!(Worker::new(number).work(&queue), Found::End));
                })
            })
            .collect();
        let run = Arc::new(ModelRun::<P>::new(self.tasks, self.deliver));
        let mut caller = Worker::new(0);
        for step in 1..=self.steps {
            let sources = run.begin();
            caller.run = Some(Arc::clone(&run));
            queue.begin(&run, &sources);
            let end = caller.work(&queue);
            caller.run = None;
            queue.end();
            assert_eq!(matches!(end, Found::Stalled), self.stalls);
            if queue.is_supervised() {
                // A run is over for the policy when it is over for the caller.
                let policy = queue.with_policy(|policy| format!("{policy:?}"));
                assert_eq!(policy, "Assigned { waiting: [], running: [] }");
            }
            for task in (0..self.tasks.len() as u32).filter(|_| !self.stalls) {
                assert_eq!(run.times(task), step, "task {task}");
            }
        }
        queue.stop();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    /// Tries schedules in which running threads are interrupted up to `preemptions` times; gives
    /// their number.
    fn check(self, preemptions: usize) -> usize {
        let tried = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&tried);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.max_branches = 100_000;
        builder.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            self.run();
        });
        tried.load(Ordering::Relaxed)
    }

    /// What the checker says of a fault.
    fn fault(self, preemptions: usize) -> String {
        let checked = catch_unwind(AssertUnwindSafe(|| self.check(preemptions)));
        let panic = checked.expect_err("the fault is not found");
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap()
    }
}

/// A policy that has each part for one worker only.
#[derive(Debug, Default)]
struct Assigned {
    waiting: Vec<ReadyPart>,
    running: Vec<ReadyPart>,
}

impl Policy for Assigned {
    fn name(&self) -> &'static str {
        "assigned"
    }

    fn supervises(&self) -> bool {
        true
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.waiting.push(part);
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        let of = |part: &ReadyPart| (part.task + part.part) as usize % 2;
        let own = self.waiting.iter().position(|part| of(part) == worker)?;
        self.running.push(self.waiting[own]);
        Some(self.waiting.remove(own))
    }

    fn done(&mut self, part: ReadyPart, _worker: usize) {
        let ended = self.running.iter().position(|&other| other == part);
        self.running.remove(ended.expect("a part that runs ends"));
    }
}

/// A policy that loses every part of task 1.
#[derive(Debug, Default)]
struct Losing {
    waiting: Vec<ReadyPart>,
}

impl Policy for Losing {
    fn name(&self) -> &'static str {
        "losing"
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        if part.task != 1 {
            self.waiting.push(part);
        }
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.waiting.pop()
    }
}

#[test]
fn every_part_runs_once_after_what_it_waits_for() {
    for (what, tasks, workers, steps, spins, preemptions) in [
        ("join", JOIN, 2, 1, 0, 4),
        ("join, two steps", JOIN, 2, 2, 0, 3),
        ("diamond", DIAMOND, 2, 1, 0, 3),
        ("diamond, spinning", DIAMOND, 2, 1, 1, 2),
        ("apart, three workers", APART, 3, 1, 0, 2),
    ] {
        let setting = Setting::<Loom> { workers, steps, spins, ..Setting::new(tasks) };
        let began = std::time::Instant::now();
        let tried = setting.check(preemptions);
        eprintln!("{what}: {tried} schedules in {:?}", began.elapsed());
        assert!(tried > 100, "{what}: {tried}");
    }
}

#[test]
fn parts_kept_for_one_worker_wake_that_worker() {
    for (tasks, steps, preemptions) in [(JOIN, 2, 3), (DIAMOND, 1, 3), (DIAMOND, 2, 2)] {
        let policy = || Box::new(Assigned::default()) as Box<dyn Policy>;
        let setting = Setting::<Loom> { policy, steps, ..Setting::new(tasks) };
        let tried = setting.check(preemptions);
        eprintln!("assigned: {tried} schedules");
        assert!(tried > 100, "{tried}");
    }
}

#[test]
fn a_stall_is_told_in_every_schedule() {
    let policy = || Box::new(Losing::default()) as Box<dyn Policy>;
    for (workers, preemptions) in [(2, 3), (3, 2)] {
        let setting = Setting::<Loom> { policy, workers, stalls: true, ..Setting::new(JOIN) };
        let tried = setting.check(preemptions);
        eprintln!("stall: {tried} schedules");
        assert!(tried > 10, "{tried}");
    }
}

#[test]
fn counting_before_the_slot_is_written_is_found() {
    let deliver: Deliver<Loom> = |inbox, slot, message| {
        let ready = inbox.pending.count_down(Ordering::AcqRel) == 1;
        slot.store(message, Ordering::Relaxed);
        ready
    };
    let fault = Setting { deliver, ..Setting::new(JOIN) }.fault(2);
    assert!(fault.contains("task 2 from"), "{fault}");
}

#[test]
fn counting_without_order_is_found() {
    let fault = Setting::<Unordered>::new(JOIN).fault(2);
    assert!(fault.contains("Causality violation") || fault.contains("task 2 from"), "{fault}");
}

#[test]
fn waking_nobody_is_found() {
    let fault = Setting::<Silent>::new(JOIN).fault(2);
    assert!(fault.contains("deadlock"), "{fault}");
}
