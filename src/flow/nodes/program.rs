//! A flow as a program for the engine.

#![allow(clippy::inline_always)]

use std::any::type_name;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::body::Fire;
use super::ports::{Parcel, Value};
use super::run::Shape;
use crate::error::Failure;
use crate::flow::core::{Core, Delivery, Failed};
use crate::flow::graph::Edge;
use crate::flow::index::{EdgeIndex, TaskIndex, ValueIndex};
use crate::flow::policy::ReadyPart;
use crate::flow::program::Program;
use crate::flow::sync::Native;

/// What one task of a flow needs while it runs.
pub(super) struct Cell {
    pub(super) body: Box<dyn Fire>,
    /// Parts that have yet to end in this run.
    parts_left: AtomicU32,
    /// For actors: what it sends, with the number by which the edge carries it.
    outbox: Mutex<Vec<(Option<ValueIndex>, Value)>>,
}

impl Cell {
    pub(super) fn new(body: Box<dyn Fire>, parts: u32) -> Self {
        Self { body, parts_left: AtomicU32::new(parts), outbox: Mutex::new(Vec::new()) }
    }
}

/// A flow with the values of its runs.
pub(super) struct FlowProgram {
    pub(super) shape: Arc<Shape>,
    pub(super) core: Core<Value>,
    /// By task.
    pub(super) cells: Vec<Cell>,
    /// By run in flight and source: the value that it was fed, and what came back to it.
    pub(super) fed: Vec<Mutex<Option<Parcel>>>,
    pub(super) came_back: Vec<Mutex<Option<Parcel>>>,
    /// By run in flight and sink: the value that it got.
    pub(super) results: Vec<Mutex<Option<Parcel>>>,
}

/// A task that fires, as its body sees it.
pub struct Firing<'a> {
    program: &'a FlowProgram,
    task: TaskIndex,
    part: u32,
}

impl Firing<'_> {
    pub(super) fn part(&self) -> usize {
        self.part as usize
    }

    /// Takes the message out of port number `port`.
    #[inline]
    fn receive(&self, port: usize) -> Result<Value, String> {
        let program = self.program;
        let slot = program.shape.graph.tasks[self.task].slot(port);
        let message = program.core.slot(slot).lock().take();
        // A task fires when all have come, so that this never happens; nor do the next two, for ports and outputs
        // have the same types.
        message.ok_or_else(|| format!("no message has come to port {port}"))
    }

    /// Takes the value out of port number `port`.
    #[inline]
    pub(super) fn take<M: 'static>(&self, port: usize) -> Result<M, String> {
        match self.receive(port)? {
            Value::Own(value) => match value.downcast::<M>() {
                Ok(value) => Ok(*value),
                Err(_) => Err(misfit::<M>(port)),
            },
            Value::Shared(_) => Err(misfit::<M>(port)),
        }
    }

    /// Takes the shared value out of port number `port`.
    #[inline]
    pub(super) fn take_shared<M: Send + Sync + 'static>(
        &self,
        port: usize,
    ) -> Result<Arc<M>, String> {
        match self.receive(port)? {
            Value::Shared(value) => value.downcast::<M>().map_err(|_| misfit::<M>(port)),
            Value::Own(_) => Err(misfit::<M>(port)),
        }
    }

    /// How many ports the task has.
    pub(super) fn ports(&self) -> usize {
        self.program.shape.graph.tasks[self.task].in_degree as usize
    }

    /// The edges that lead from an output of its node, in its own run.
    #[inline]
    pub(super) fn edges_from(&self, output: usize) -> &[EdgeIndex] {
        let shape = &self.program.shape;
        let span = shape.readers[shape.copy_of[self.task] * shape.outputs + output];
        span.of(&shape.reader_edges)
    }

    /// How many producers its node has.
    pub(super) fn producers(&self) -> usize {
        let shape = &self.program.shape;
        shape.back_of[self.task].len()
    }

    /// Sends a message along an edge.
    #[inline]
    pub(super) fn send(&self, edge: EdgeIndex, message: Value) {
        let core = &self.program.core;
        let edge = &self.program.shape.graph.edges[edge];
        if core.delivers(Delivery::Actors) {
            self.program.cells[self.task].outbox.lock().push((edge.value, message));
        } else {
            core.lay_down(edge, message);
        }
    }

    /// Sends a message back to producer number `input`, if that has a reverse.
    pub(super) fn send_back(&self, input: usize, message: Parcel) {
        let shape = &self.program.shape;
        let edges = shape.back_of[self.task].of(&shape.back_edges);
        if let Some(&Some(edge)) = edges.get(input) {
            self.send(edge, Value::Own(message));
        }
    }

    /// Sends what the reverse of its node will need.
    pub(super) fn keep(&self, kept: Parcel) {
        if let Some(edge) = self.program.shape.kept_edge[self.task] {
            self.send(edge, Value::Own(kept));
        }
    }

    /// Where in a list by run in flight something stands of which there are `each` in a run.
    fn place(&self, number: usize, each: usize) -> usize {
        self.program.shape.copy_of[self.task] * each + number
    }

    /// The value that a source was fed.
    pub(super) fn fed(&self, source: usize) -> Option<Parcel> {
        self.program.fed[self.place(source, self.program.shape.sources.len())].lock().take()
    }

    /// Keeps what came back to a source.
    pub(super) fn came_back(&self, source: usize, messages: Parcel) {
        let place = self.place(source, self.program.shape.sources.len());
        *self.program.came_back[place].lock() = Some(messages);
    }

    /// Keeps what came to a sink.
    pub(super) fn result(&self, sink: usize, value: Parcel) {
        let place = self.place(sink, self.program.shape.sinks.len());
        *self.program.results[place].lock() = Some(value);
    }

    /// Counts the end of a part of several; says whether it was the last.
    pub(super) fn is_last_part(&self) -> bool {
        let cell = &self.program.cells[self.task];
        // AcqRel: the last part sees the pieces of all others.
        cell.parts_left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

fn misfit<M>(port: usize) -> String {
    format!("the message at port {port} is no {}", type_name::<M>())
}

impl FlowProgram {
    /// What an actor has for one of its receivers.
    fn take_from_outbox(&self, edge: &Edge) -> Option<Value> {
        let sender = self.shape.sender_of[edge.value?];
        let mut outbox = self.cells[sender].outbox.lock();
        let place = outbox.iter().position(|(value, _)| *value == edge.value)?;
        Some(outbox.swap_remove(place).1)
    }

    /// Drops the pieces and messages that a task which failed has left: they are not for the next run.
    #[cold]
    fn forget_task(&self, task: TaskIndex) {
        self.cells[task].body.reset();
        self.cells[task].outbox.lock().clear();
    }
}

impl Program for FlowProgram {
    type Message = Value;
    type Primitives = Native;

    const TAKES: bool = true;

    fn may_wait(&self) -> bool {
        true
    }

    #[inline]
    fn core(&self) -> &Core<Value> {
        &self.core
    }

    #[inline]
    fn fire(&self, part: ReadyPart, _at: &mut usize) -> Result<(), String> {
        let firing = Firing { program: self, task: part.task, part: part.part };
        self.cells[part.task].body.fire(&firing)
    }

    #[inline(always)] // one call for every task of a run
    fn release(&self, task: TaskIndex, failed: bool) {
        let parts = self.shape.graph.tasks[task].parts;
        if parts > 1 {
            self.cells[task].parts_left.store(parts, Ordering::Relaxed);
        }
        if failed {
            self.forget_task(task);
        }
    }

    #[inline(always)] // one call for every message of a run
    fn message(&self, edge: &Edge) -> Option<Value> {
        if self.core.delivers(Delivery::Actors) { self.take_from_outbox(edge) } else { None }
    }

    fn bytes(&self, edge: &Edge) -> usize {
        edge.value.map_or(0, |value| self.shape.bytes[value] as usize)
    }

    fn failure(&self, task: TaskIndex, _at: usize, cause: &str, _late: bool) -> Failed {
        let cell = &self.cells[task];
        let info = self.shape.graph.task(task.index());
        let failure = Failure {
            node: info.node.to_owned(),
            phase: info.phase,
            shapes: cell.body.signature(),
            cause: cause.to_owned(),
        };
        Failed { node: self.shape.graph.node_of(task), phase: self.shape.phase(task), failure }
    }

    fn forget(&self) {
        for (cell, task) in self.cells.iter().zip(&self.shape.graph.tasks) {
            cell.body.reset();
            cell.outbox.lock().clear();
            cell.parts_left.store(task.parts, Ordering::Relaxed);
        }
    }
}
