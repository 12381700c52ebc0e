//! The pool in virtual time.
//!
//! Every moment at which the pool's workers do something that others can see is an event here, and
//! what they do then is what `flow/pool.rs` does: the names are the same.

mod event;
mod outcome;
mod queue;
mod worker;

use std::collections::BinaryHeap;

use event::{Event, Timed};
use worker::{State, Worker};

use super::buffers::Buffers;
use super::traffic::{Copies, Traffic};
use super::{Machine, PartCosts, Simulation};
use crate::error::Result;
use crate::flow::policy::{Policy, ReadyPart, Setting};
use crate::flow::{COMER_WAKES, PUBLISHER_WAKES, PartEvent, TaskGraph, TaskIndex};

/// The state of a simulated pool, from step to step.
pub(super) struct Engine<'a> {
    graph: &'a TaskGraph,
    machine: &'a Machine,
    costs: &'a PartCosts,
    traffic: &'a Traffic,
    copies: Copies,
    buffers: Buffers,
    clock: f64,
    began: f64,
    events: BinaryHeap<Timed>,
    planned: u64,
    workers: Vec<Worker>,
    /// Workers in [`State::Running`].
    running: Vec<usize>,
    /// Until when the queue is promised to those who asked for it, and who asked last.
    locked_until: f64,
    locked_by: usize,
    ready: usize,
    /// Counts what may change a policy's answer, and whether the policy supervises.
    changes: usize,
    supervised: bool,
    watches_clock: bool,
    setting: Setting,
    /// How many workers may be awake.
    active: usize,
    pending: Vec<u32>,
    parts_left: Vec<u32>,
    ready_at: Vec<f64>,
    sinks_left: u32,
    seconds: Vec<f64>,
    recorded: Vec<PartEvent>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        graph: &'a TaskGraph,
        machine: &'a Machine,
        costs: &'a PartCosts,
        traffic: &'a Traffic,
    ) -> Self {
        Self {
            graph,
            machine,
            costs,
            traffic,
            copies: traffic.copies(machine.workers()),
            buffers: Buffers::new(graph),
            clock: 0.0,
            began: 0.0,
            events: BinaryHeap::new(),
            planned: 0,
            workers: vec![Worker::asleep(); machine.workers()],
            running: Vec::new(),
            locked_until: 0.0,
            locked_by: 0,
            ready: 0,
            changes: 0,
            supervised: false,
            watches_clock: false,
            setting: Setting::with_speeds(&machine.speeds),
            active: machine.workers(),
            pending: Vec::new(),
            parts_left: Vec::new(),
            ready_at: vec![0.0; graph.task_count()],
            sinks_left: 0,
            seconds: Vec::new(),
            recorded: Vec::new(),
        }
    }

    /// One run of the plan with these seconds of every part.
    pub(super) fn step(
        &mut self,
        policy: &mut dyn Policy,
        seconds: Vec<f64>,
    ) -> Result<Simulation> {
        self.seconds = seconds;
        self.began = self.clock;
        self.recorded.clear();
        self.buffers.begin();
        self.pending = self.graph.tasks.iter().map(|task| task.in_degree).collect();
        self.parts_left = self.graph.tasks.iter().map(|task| task.parts).collect();
        self.sinks_left = self.graph.sinks;
        self.events.clear();
        for worker in &mut self.workers {
            (worker.busy, worker.scheduling) = (0.0, 0.0);
            worker.state = State::Idle;
        }
        policy.begin_on(self.graph, &self.setting)?;
        (self.supervised, self.watches_clock) = (policy.supervises(), policy.watches_clock());
        let workers = self.machine.workers();
        self.active = if self.supervised || self.machine.is_free() {
            workers
        } else {
            self.graph.useful_workers(workers)
        };
        let caller = &mut self.workers[0];
        caller.state = State::Scheduling;
        caller.scheduling_since = self.clock;
        caller.ready.clone_from(&self.graph.sources);
        self.graph.sources.iter().for_each(|&task| self.ready_at[task] = self.clock);
        self.lock(0, self.clock, Event::Begin);
        while self.sinks_left > 0 {
            if !self.advance(policy) {
                return Err(self.stalled());
            }
        }
        Ok(self.end())
    }

    /// Goes on to the next event. Says whether there was one.
    fn advance(&mut self, policy: &mut dyn Policy) -> bool {
        let planned = self.events.peek().map_or(f64::INFINITY, |timed| timed.time);
        let ends = self.next_end();
        // A part that ends at the moment of an event ends first.
        if let Some((end, worker)) = ends.filter(|(end, _)| *end <= planned) {
            self.pass(end);
            self.part_ended(worker);
            return true;
        }
        let Some(timed) = self.events.pop() else { return false };
        self.pass(timed.time);
        let worker = timed.worker;
        if self.watches_clock {
            policy.now(self.clock - self.began);
        }
        match timed.event {
            Event::Start => self.start(worker),
            Event::Complete(task) => self.complete(policy, worker, task),
            Event::Look => self.look(worker),
            Event::Woken => {
                self.workers[worker].idle_since = self.clock;
                self.lock(worker, self.clock, Event::Take);
            }
            Event::Ended => {
                self.lock(worker, self.clock, Event::Publish);
            }
            Event::Next => self.next(worker),
            Event::Publish => {
                if self.supervised {
                    policy.done(self.workers[worker].part, worker);
                }
                self.publish(policy, worker);
                let next = if self.workers[worker].taken.is_empty() {
                    self.take(policy, worker)
                } else {
                    None
                };
                let free = self.unlock_and_wake(worker, PUBLISHER_WAKES);
                match next {
                    Some(part) => self.start_at(worker, part, free),
                    None => self.plan_event(free, worker, Event::Next),
                }
            }
            Event::Begin => {
                self.publish(policy, worker);
                let free = self.unlock_and_wake(worker, PUBLISHER_WAKES);
                self.plan_event(free, worker, Event::Next);
            }
            Event::Take => match self.take(policy, worker) {
                Some(part) => {
                    let free = self.unlock_and_wake(worker, COMER_WAKES);
                    self.start_at(worker, part, free);
                }
                None => self.rest(worker),
            },
        }
        true
    }

    fn plan_event(&mut self, time: f64, worker: usize, event: Event) {
        self.planned += 1;
        self.events.push(Timed { time, number: self.planned, worker, event });
    }

    /// Seconds of a part that pass on a worker in one second.
    fn rate(&self, worker: usize) -> f64 {
        let beside_others = self.running.len() > 1;
        let slowed = if beside_others { 1.0 + self.machine.slowdown.shared } else { 1.0 };
        self.machine.speeds[worker] / slowed
    }

    /// Which running part ends first, and when.
    fn next_end(&self) -> Option<(f64, usize)> {
        let end =
            |&worker: &usize| (self.clock + self.workers[worker].left / self.rate(worker), worker);
        self.running.iter().map(end).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
    }

    /// Time goes on to `time`.
    fn pass(&mut self, time: f64) {
        let passed = time - self.clock;
        if passed > 0.0 {
            for number in 0..self.running.len() {
                let worker = self.running[number];
                let rate = self.rate(worker);
                let left = &mut self.workers[worker].left;
                *left = (*left - passed * rate).max(0.0);
            }
            self.clock = time;
        }
    }

    fn start_at(&mut self, worker: usize, part: ReadyPart, time: f64) {
        self.workers[worker].part = part;
        self.plan_event(time, worker, Event::Start);
    }

    fn start(&mut self, worker: usize) {
        let part = self.workers[worker].part;
        let task = part.task;
        self.buffers.acquire(self.graph, task, self.clock - self.began);
        let fetched = self.traffic.fetch(&mut self.copies, task, part.part, worker);
        let taken = self.traffic.write(&mut self.copies, task, part.part, worker);
        let slowdown = &self.machine.slowdown;
        let alone = self.seconds[self.costs.index(part.task, part.part)];
        let running = &mut self.workers[worker];
        running.scheduling += self.clock - running.scheduling_since;
        running.state = State::Running;
        running.started = self.clock;
        running.left = alone
            + fetched.parts * slowdown.fetch
            + fetched.values * slowdown.transfer
            + fetched.weights * slowdown.weights
            + taken * slowdown.take;
        self.running.push(worker);
    }

    fn part_ended(&mut self, worker: usize) {
        self.running.retain(|&other| other != worker);
        let ended = &mut self.workers[worker];
        ended.busy += self.clock - ended.started;
        ended.state = State::Scheduling;
        ended.scheduling_since = self.clock;
        let ReadyPart { task, part } = ended.part;
        let nanoseconds = |time: f64| ((time - self.began) * 1e9).round().max(0.0) as u64;
        self.recorded.push(PartEvent {
            task: task.index(),
            part: part as usize,
            worker,
            ready: nanoseconds(self.ready_at[task]),
            start: nanoseconds(ended.started),
            end: nanoseconds(self.clock),
        });
        let left = &mut self.parts_left[task];
        *left -= 1;
        let overhead = &self.machine.overhead;
        let speed = self.machine.speeds[worker];
        if *left > 0 {
            let (publishes, after) =
                (!ended.ready.is_empty() && ended.taken.is_empty(), overhead.part / speed);
            let event = if self.supervised { Event::Ended } else { Event::Next };
            if publishes && !self.supervised {
                self.lock(worker, self.clock + after, Event::Publish);
            } else {
                self.plan_event(self.clock + after, worker, event);
            }
        } else {
            let messages = self.graph.tasks[task].successors.len();
            let took = (overhead.part + messages as f64 * overhead.message) / speed;
            self.plan_event(self.clock + took, worker, Event::Complete(task));
        }
    }

    fn complete(&mut self, policy: &mut dyn Policy, worker: usize, task: TaskIndex) {
        self.buffers.release(self.graph, task, self.clock - self.began);
        let mut ready = std::mem::take(&mut self.workers[worker].ready);
        let edges = self.graph.edges_of(task);
        for edge in edges {
            let pending = &mut self.pending[edge.task];
            *pending -= 1;
            if *pending == 0 {
                self.ready_at[edge.task] = self.clock;
                ready.push(edge.task);
            }
        }
        self.sinks_left -= u32::from(edges.is_empty());
        let alone = match ready.as_slice() {
            &[task] if self.graph.tasks[task].parts == 1 => Some(task),
            _ => None,
        };
        let nothing = ready.is_empty();
        self.workers[worker].ready = ready;
        if self.sinks_left == 0 {
            if self.supervised {
                policy.done(self.workers[worker].part, worker);
            }
            return;
        }
        if !self.supervised {
            // A worker that is alone publishes what it made ready when it has run what it took.
            let holds = !self.workers[worker].taken.is_empty();
            if nothing || (holds && self.workers.len() == 1) {
                return self.next(worker);
            }
            if let Some(task) = alone
                && !holds
                && self.ready == 0
            {
                self.workers[worker].ready.clear();
                return self.start_at(worker, ReadyPart { task, part: 0 }, self.clock);
            }
        }
        self.lock(worker, self.clock, Event::Publish);
    }

    /// Goes on with what was taken before, or looks for work.
    fn next(&mut self, worker: usize) {
        if let Some(part) = self.workers[worker].taken.pop() {
            return self.start_at(worker, part, self.clock);
        }
        self.workers[worker].idle_since = self.clock;
        if self.is_too_many(worker) {
            return self.rest(worker);
        }
        if self.ready > 0 && self.workers[worker].refused_at != Some(self.changes) {
            self.workers[worker].state = State::Looking;
            self.lock(worker, self.clock, Event::Take);
        } else {
            self.rest(worker);
        }
    }

    fn rest(&mut self, worker: usize) {
        if self.is_too_many(worker) {
            // It sleeps at once.
            self.workers[worker].idle_since = f64::NEG_INFINITY;
        }
        let worker = &mut self.workers[worker];
        worker.scheduling += self.clock - worker.scheduling_since;
        worker.state = State::Idle;
    }
}
