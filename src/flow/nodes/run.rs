//! Built flows, and their runs.

use std::any::type_name;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::build::shape;
use super::ports::Parcel;
use super::program::{Cell, FlowProgram};
use super::{Draft, Sink, Source};
use crate::error::{Error, Result, count};
use crate::flow::core::Core;
use crate::flow::graph::TaskGraph;
use crate::flow::index::{EdgeIndex, Span, TaskIndex};
use crate::flow::{CancelToken, Execute, Observer, Running, sealed};

/// How the tasks of a flow's runs hang together.
pub(super) struct Shape {
    pub(super) graph: Arc<TaskGraph>,
    /// By task: the run in flight that it belongs to.
    pub(super) copy_of: Vec<usize>,
    /// How many outputs the nodes of one run have.
    pub(super) outputs: usize,
    /// By run in flight and output: the edges that lead from it, in `reader_edges`.
    pub(super) readers: Vec<Span<EdgeIndex>>,
    pub(super) reader_edges: Vec<EdgeIndex>,
    /// By task: the edges by which it sends messages back, one for each producer, in `back_edges`; none to a
    /// producer without a reverse.
    pub(super) back_of: Vec<Span<Option<EdgeIndex>>>,
    pub(super) back_edges: Vec<Option<EdgeIndex>>,
    /// By task: the edge to its own reverse, or none.
    pub(super) kept_edge: Vec<Option<EdgeIndex>>,
    /// By what an edge carries, which is numbered as the edge: the task that sends, and the bytes of a message.
    pub(super) sender_of: Vec<TaskIndex>,
    pub(super) bytes: Vec<u32>,
    pub(super) sources: Arc<[String]>,
    pub(super) sinks: Arc<[String]>,
}

impl Shape {
    /// Whether a task belongs to the reversed phase, as a number.
    pub(super) fn phase(&self, task: TaskIndex) -> u8 {
        self.graph.first_work(task).phase
    }
}

/// What a flow is built of.
pub(super) struct Parts {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) nodes: Vec<Draft>,
    /// By connection: the sending output, the receiving node, and the bytes of a message.
    pub(super) wires: Vec<Wire>,
    /// By output: its node.
    pub(super) senders: Vec<usize>,
    /// Nodes in topological order.
    pub(super) order: Vec<usize>,
    pub(super) sources: Arc<[String]>,
    pub(super) sinks: Arc<[String]>,
}

/// A connection of a well-built flow.
#[derive(Clone, Copy)]
pub(super) struct Wire {
    pub(super) output: usize,
    pub(super) to: usize,
    pub(super) bytes: u32,
}

/// A graph of closures, checked and ready to run; immutable, shared by all its runs.
#[derive(Clone)]
pub struct Flow {
    parts: Arc<Parts>,
    shape: Arc<Shape>,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flow({}, {} nodes)", self.parts.name, self.parts.nodes.len())
    }
}

impl Flow {
    pub(super) fn new(parts: Parts) -> Self {
        let parts = Arc::new(parts);
        let shape = Arc::new(shape(&parts, 1));
        Self { parts, shape }
    }

    /// The tasks of one run, for policies, traces and the simulator.
    pub fn task_graph(&self) -> &Arc<TaskGraph> {
        &self.shape.graph
    }

    /// By message: the bytes that it hands on.
    pub(crate) fn message_bytes(&self) -> &[u32] {
        &self.shape.bytes
    }

    /// A run, which is used again for every execution.
    pub fn run(&self) -> FlowRun {
        FlowRun::new(self, 1, Arc::clone(&self.shape))
    }

    /// `runs` runs that are in flight together: one execution takes each of them once from its sources to its
    /// sinks, as far as there are workers at the same time. A node that keeps a state sees them in order.
    ///
    /// # Panics
    /// If all runs together have 2³² - 1 tasks, parts or messages, or more.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Pool};
    /// let mut flow = FlowBuilder::new("running sum");
    /// let (number, output) = flow.source::<u64>("number");
    /// let slow = flow.node("square", output, |number: u64| number * number);
    /// let sum = flow.stateful("sum", slow, 0, |sum, number: u64| {
    ///     *sum += number;
    ///     *sum
    /// });
    /// let sum = flow.sink("result", sum);
    /// let mut runs = flow.build()?.in_flight(3);
    /// for run in 0..3 {
    ///     runs.feed_in(run, &number, run as u64 + 1)?;
    /// }
    /// Pool::new(2, "critical-path")?.execute(&mut runs)?;
    /// let sums: Result<Vec<u64>, _> = (0..3).map(|run| runs.take_from(run, &sum)).collect();
    /// assert_eq!(sums?, [1, 5, 14]);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn in_flight(&self, runs: usize) -> FlowRun {
        let runs = runs.max(1);
        FlowRun::new(self, runs, Arc::new(shape(&self.parts, runs)))
    }
}

/// One run of a flow, or several that are in flight together; used again for every execution.
pub struct FlowRun {
    flow: u64,
    runs: usize,
    program: Arc<FlowProgram>,
}

impl std::fmt::Debug for FlowRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FlowRun({} of {})", count(self.runs, "run"), self.program.shape.graph.name())
    }
}

fn empty(count: usize) -> Vec<Mutex<Option<Parcel>>> {
    (0..count).map(|_| Mutex::new(None)).collect()
}

impl FlowRun {
    fn new(flow: &Flow, runs: usize, shape: Arc<Shape>) -> Self {
        let parts = &flow.parts;
        let cells = shape.graph.indices().map(|task| {
            let node = &parts.nodes[shape.graph.node_of(task)];
            let body = match (&node.reverse, shape.phase(task)) {
                (Some(reverse), 1) => Arc::clone(reverse).instance(),
                _ => Arc::clone(&node.body).instance(),
            };
            Cell::new(body, shape.graph.tasks[task].parts)
        });
        let program = FlowProgram {
            cells: cells.collect(),
            core: Core::new(Arc::clone(&shape.graph)),
            fed: empty(runs * parts.sources.len()),
            came_back: empty(runs * parts.sources.len()),
            results: empty(runs * parts.sinks.len()),
            shape,
        };
        Self { flow: parts.id, runs, program: Arc::new(program) }
    }

    /// Its tasks.
    pub fn task_graph(&self) -> &Arc<TaskGraph> {
        &self.program.shape.graph
    }

    /// By message: the bytes that it hands on.
    pub(crate) fn message_bytes(&self) -> &[u32] {
        &self.program.shape.bytes
    }

    /// The value that a source sends in the next execution.
    ///
    /// # Errors
    /// If it is a source of another flow.
    pub fn feed<T: Send + 'static>(&mut self, source: &Source<T>, value: T) -> Result<()> {
        self.feed_in(0, source, value)
    }

    /// The value that a source sends in run number `run` of those in flight.
    ///
    /// # Errors
    /// If it is a source of another flow, or if there is no such run.
    pub fn feed_in<T: Send + 'static>(
        &mut self,
        run: usize,
        source: &Source<T>,
        value: T,
    ) -> Result<()> {
        let names = &self.program.shape.sources;
        let place = self.place(run, source.flow, source.index, names)?;
        *self.program.fed[place].lock() = Some(Box::new(value));
        Ok(())
    }

    /// Takes the value that a sink got in the last execution.
    ///
    /// # Errors
    /// If it is a sink of another flow, or if it has got none since the last time.
    pub fn take<T: Send + 'static>(&mut self, sink: &Sink<T>) -> Result<T> {
        self.take_from(0, sink)
    }

    /// Takes the value that a sink got in run number `run` of those in flight.
    ///
    /// # Errors
    /// If it is a sink of another flow, if there is no such run, or if it has got no value since the last time.
    pub fn take_from<T: Send + 'static>(&mut self, run: usize, sink: &Sink<T>) -> Result<T> {
        let names = &self.program.shape.sinks;
        let place = self.place(run, sink.flow, sink.index, names)?;
        let name = &names[sink.index];
        take(&self.program.results[place], name, "no value has come to it")
    }

    /// Takes the messages that came back to a source in the last execution, one from each of its consumers that
    /// has a reverse, in the order in which these were added.
    ///
    /// # Errors
    /// If it is a source of another flow, or if nothing has come back since the last time.
    pub fn take_back<T: Send + 'static>(&mut self, source: &Source<T>) -> Result<Vec<T>> {
        self.take_back_from(0, source)
    }

    /// The same for run number `run` of those in flight.
    ///
    /// # Errors
    /// As above, and if there is no such run.
    pub fn take_back_from<T: Send + 'static>(
        &mut self,
        run: usize,
        source: &Source<T>,
    ) -> Result<Vec<T>> {
        let names = &self.program.shape.sources;
        let place = self.place(run, source.flow, source.index, names)?;
        let name = &names[source.index];
        take(&self.program.came_back[place], name, "nothing has come back to it")
    }

    /// Reports what happens to `observer`, or to nobody.
    pub fn observe(&mut self, observer: Option<Arc<dyn Observer>>) {
        self.program.core.observe(observer);
    }

    /// What stops this run from another thread.
    pub fn cancel_token(&self) -> CancelToken {
        self.program.core.cancel_token()
    }

    /// Where something of a run stands.
    fn place(&self, run: usize, flow: u64, index: usize, names: &[String]) -> Result<usize> {
        let graph = self.program.shape.graph.name();
        if flow != self.flow {
            let problem = "this source or sink belongs to another flow";
            return Err(Error::node(
                graph,
                problem,
                "use those of the builder that made this flow",
            ));
        }
        if run >= self.runs {
            let problem = format!("there is no run {run}: {} in flight", count(self.runs, "run"));
            return Err(Error::node(&names[index], problem, "count from 0"));
        }
        Ok(run * names.len() + index)
    }
}

fn take<T: 'static>(place: &Mutex<Option<Parcel>>, name: &str, nothing: &str) -> Result<T> {
    let remedy = "execute the run first, and take a value once";
    let parcel = place.lock().take().ok_or_else(|| Error::node(name, nothing, remedy))?;
    // Handles have the types of their nodes, so that this always fits.
    let misfit = || Error::node(name, format!("its value is no {}", type_name::<T>()), remedy);
    parcel.downcast::<T>().map(|value| *value).map_err(|_| misfit())
}

impl sealed::Sealed for FlowRun {}

impl Execute for FlowRun {
    fn with(&mut self, execute: &mut dyn FnMut(&Running) -> Result<()>) -> Result<()> {
        // What an earlier execution has left is not this one's.
        for place in self.program.results.iter().chain(&self.program.came_back) {
            *place.lock() = None;
        }
        let began = Instant::now();
        execute(&Running::new(Arc::clone(&self.program)))?;
        self.program.shape.graph.note_run(began.elapsed().as_secs_f64());
        Ok(())
    }
}
