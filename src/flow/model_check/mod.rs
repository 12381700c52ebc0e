//! The protocol of inboxes, workers and queue under the model checker loom, which tries the orders in
//! which threads can take their turns, and the values that the memory orderings let them read.
//!
//! What is checked is the code of `core.rs`, `work.rs`, `inbox.rs`, `worker.rs` and `queue.rs` itself, over loom's
//! primitives and a run of a few tasks. Faults planted in the primitives show that it would find some.

mod primitives;

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use primitives::{CountingFirst, Loom, Silent, Token, Unordered};

use super::core::{Core, Delivery, Failed};
use super::graph::{Edge, PhaseSpec, TaskGraph, Work};
use super::index::{NodeIndex, SlotIndex, TaskIndex, ValueIndex};
use super::message::Slot;
use super::policy::{Policy, ReadyPart, policy};
use super::program::Program;
use super::queue::{Found, Queue};
use super::sync::Primitives;
use super::worker::Worker;

/// A task of the run that is checked.
struct Task {
    parts: u32,
    /// The tasks that it waits for; the message of each has a slot.
    waits_for: &'static [usize],
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

/// The most workers of a model.
const MOST_WORKERS: usize = 4;

static PHASES: &[PhaseSpec] = &[PhaseSpec { name: "model", stage: 0 }];

/// The graph of these tasks. A task of several parts is long, so that it is taken alone.
fn graph(tasks: &[Task]) -> TaskGraph {
    let mut graph = TaskGraph::new("model", PHASES);
    let mut sent = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        graph.nodes.push(number.to_string());
        let seconds = if task.parts == 1 { 0.0 } else { f64::from(task.parts) };
        let work = Work { node: NodeIndex::new(number), phase: 0 };
        let added = graph.add_task(work, task.parts, task.waits_for.len(), seconds);
        for (port, &from) in task.waits_for.iter().enumerate() {
            let slot = graph.tasks[added].slot(port);
            let edge = Edge { task: added, slot, value: Some(ValueIndex::new(from)) };
            sent.push((TaskIndex::new(from), edge));
        }
    }
    graph.connect(sent);
    // By estimates so little work would keep one worker awake.
    graph.widths.lock().extend((2..=MOST_WORKERS).map(|workers| (workers, workers)));
    graph
}

/// A program whose parts write the step into a cell of their own, after looking at the cells of the tasks
/// that they wait for. Loom sees to it that whoever reads a cell comes after who wrote it.
struct ModelRun<P: Primitives> {
    tasks: &'static [Task],
    graph: Arc<TaskGraph>,
    core: Core<Token, P>,
    /// By task and part: how often it ran.
    cells: Vec<Vec<UnsafeCell<usize>>>,
}

impl<P: Primitives> ModelRun<P> {
    fn new(tasks: &'static [Task]) -> Self {
        let graph = Arc::new(graph(tasks));
        Self {
            core: Core::new(Arc::clone(&graph)),
            graph,
            cells: tasks
                .iter()
                .map(|task| (0..task.parts).map(|_| UnsafeCell::new(0)).collect())
                .collect(),
            tasks,
        }
    }

    /// How often each part of a task ran; the same for all of them.
    fn times(&self, task: usize) -> usize {
        let cells = self.cells[task].iter();
        // SAFETY: loom fails the test if anybody may write meanwhile.
        let times: Vec<usize> = cells.map(|cell| cell.with(|times| unsafe { *times })).collect();
        assert!(times.iter().all(|&other| other == times[0]), "parts of {task}: {times:?}");
        times[0]
    }
}

// SAFETY: loom's cells are shared between its threads, which take turns; it fails the test where the accesses
// are not in order.
unsafe impl<P: Primitives> Sync for ModelRun<P> {}

impl<P: Primitives> Program for ModelRun<P> {
    type Message = Token;
    type Primitives = P;

    const TAKES: bool = false;

    fn may_wait(&self) -> bool {
        false
    }

    fn core(&self) -> &Core<Token, P> {
        &self.core
    }

    fn fire(&self, ReadyPart { task, part }: ReadyPart, _at: &mut usize) -> Result<(), String> {
        let cell = &self.cells[task][part as usize];
        // SAFETY: as in `times`.
        let before = cell.with(|times| unsafe { *times });
        let slots = self.graph.tasks[task].slots().map(SlotIndex::new);
        for (slot, &sender) in slots.zip(self.tasks[task].waits_for) {
            let message = self.core.slot(slot);
            assert!(!message.is_empty(), "task {task} from {sender}: no message");
            let message = message.0.load(Ordering::Relaxed);
            assert_eq!(message, sender + 1, "task {task} from {sender}");
            assert_eq!(self.times(sender), before + 1, "task {task} from {sender}");
        }
        // SAFETY: as in `times`.
        cell.with_mut(|times| unsafe { *times += 1 });
        Ok(())
    }

    fn message(&self, edge: &Edge) -> Option<Token> {
        edge.value.map(|sender| Token(sender.index() + 1))
    }

    fn bytes(&self, _edge: &Edge) -> usize {
        0
    }

    fn failure(&self, task: TaskIndex, _at: usize, cause: &str, _late: bool) -> Failed {
        // The engine has caught what was asserted.
        panic!("task {task} failed: {cause}");
    }
}

/// A pool of model workers, driven as `Pool` drives its own.
struct Setting<P: Primitives> {
    tasks: &'static [Task],
    policy: fn() -> Box<dyn Policy>,
    workers: usize,
    /// No more of them are awake.
    cores: usize,
    steps: usize,
    spins: usize,
    delivery: Delivery,
    stalls: bool,
    primitives: PhantomData<fn() -> P>,
}

impl<P: Primitives> Setting<P> {
    fn new(tasks: &'static [Task]) -> Self {
        Self {
            tasks,
            policy: || policy("fifo").unwrap(),
            workers: 2,
            cores: 8,
            steps: 1,
            spins: 0,
            delivery: Delivery::Slots,
            stalls: false,
            primitives: PhantomData,
        }
    }

    fn run(&self) {
        let queue =
            Arc::new(Queue::<P>::new((self.policy)(), self.workers, self.cores, self.spins));
        let threads: Vec<_> = (1..self.workers)
            .map(|number| {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || {
                    assert!(matches!(Worker::new(number).work(&queue), Found::End));
                })
            })
            .collect();
        let run = Arc::new(ModelRun::<P>::new(self.tasks));
        let work: Arc<dyn super::work::Work<P>> = Arc::clone(&run) as _;
        let mut caller = Worker::new(0);
        for step in 1..=self.steps {
            work.begin(self.delivery, self.workers);
            caller.run = Some(Arc::clone(&work));
            queue.begin(&work);
            let end = caller.work(&queue);
            caller.run = None;
            queue.end();
            assert_eq!(matches!(end, Found::Stalled), self.stalls);
            if queue.is_supervised() {
                // A run is over for the policy when it is over for the caller.
                let policy = queue.with_policy(|policy| format!("{policy:?}")).unwrap();
                assert_eq!(policy, "Assigned { ready: [], running: [] }");
            }
            for task in (0..self.tasks.len()).filter(|_| !self.stalls) {
                assert_eq!(run.times(task), step, "task {task}");
            }
        }
        queue.stop();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    /// Tries schedules in which running threads are interrupted up to `preemptions` times, and as often more as
    /// `CAUDAL_MORE_PREEMPTIONS` says; gives their number.
    fn check(self, preemptions: usize) -> usize {
        let tried = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&tried);
        let more = std::env::var("CAUDAL_MORE_PREEMPTIONS").ok();
        let more = more.map_or(0, |more| more.parse::<usize>().expect("a number"));
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions + more);
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
    ready: Vec<ReadyPart>,
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
        self.ready.push(part);
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        let of = |part: &ReadyPart| (part.task.index() + part.part as usize) % 2;
        let own = self.ready.iter().position(|part| of(part) == worker)?;
        self.running.push(self.ready[own]);
        Some(self.ready.remove(own))
    }

    fn done(&mut self, part: ReadyPart, _worker: usize) {
        let ended = self.running.iter().position(|&other| other == part);
        self.running.remove(ended.expect("a part that runs ends"));
    }
}

/// A policy that loses every part of task 1.
#[derive(Debug, Default)]
struct Losing {
    ready: Vec<ReadyPart>,
}

impl Policy for Losing {
    fn name(&self) -> &'static str {
        "losing"
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        if part.task != TaskIndex::new(1) {
            self.ready.push(part);
        }
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.ready.pop()
    }
}

#[test]
fn every_part_runs_once_after_what_it_waits_for() {
    for (what, tasks, workers, steps, spins, preemptions) in [
        ("join", JOIN, 2, 1, 0, 4),
        ("join, two steps", JOIN, 2, 2, 0, 2),
        ("diamond", DIAMOND, 2, 1, 0, 3),
        ("diamond, spinning", DIAMOND, 2, 1, 1, 1),
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
fn workers_beyond_the_cores_sleep_and_nothing_is_lost() {
    for (what, tasks, workers, cores, steps, spins, preemptions) in [
        ("join, one of two awake", JOIN, 2, 1, 2, 0, 3),
        ("diamond, one of two awake, spinning", DIAMOND, 2, 1, 1, 1, 2),
        ("apart, two of three awake", APART, 3, 2, 1, 0, 2),
    ] {
        let setting = Setting::<Loom> { workers, cores, steps, spins, ..Setting::new(tasks) };
        let tried = setting.check(preemptions);
        eprintln!("{what}: {tried} schedules");
        assert!(tried > 20, "{what}: {tried}");
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
    for (workers, cores, preemptions) in [(2, 2, 3), (3, 3, 2), (2, 1, 3), (3, 1, 2)] {
        let setting =
            Setting::<Loom> { policy, workers, cores, stalls: true, ..Setting::new(JOIN) };
        let tried = setting.check(preemptions);
        eprintln!("stall: {tried} schedules");
        assert!(tried > 10, "{tried}");
    }
}

#[test]
fn messages_in_channels_come_before_who_receives_them() {
    for (what, tasks, steps, preemptions) in [("join", JOIN, 2, 3), ("diamond", DIAMOND, 1, 2)] {
        let delivery = Delivery::Channels;
        let setting = Setting::<Loom> { steps, delivery, ..Setting::new(tasks) };
        let tried = setting.check(preemptions);
        eprintln!("channels, {what}: {tried} schedules");
        assert!(tried > 100, "{what}: {tried}");
    }
}

#[test]
fn counting_before_the_message_is_laid_down_is_found() {
    for delivery in [Delivery::Slots, Delivery::Channels] {
        let fault = Setting::<CountingFirst> { delivery, ..Setting::new(JOIN) }.fault(2);
        assert!(fault.contains("task 2"), "{fault}");
    }
}

#[test]
fn counting_without_order_is_found() {
    let fault = Setting::<Unordered>::new(JOIN).fault(2);
    assert!(fault.contains("Causality violation") || fault.contains("task 2"), "{fault}");
}

#[test]
fn waking_nobody_is_found() {
    let fault = Setting::<Silent>::new(JOIN).fault(2);
    assert!(fault.contains("deadlock"), "{fault}");
}
