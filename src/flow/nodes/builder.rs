//! Flows as their authors write them: node after node.

mod forward;
mod reverse;

use std::any::type_name;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::body::{Body, SinkBody, SourceBody};
use super::inputs::Inputs;
use super::ports::{Connection, Emitter, Output, Port, Shared, Signal};
use super::reverse::SourceBack;
use super::{Draft, Sender, Sink, Source};

/// Builds a [`Flow`](super::Flow): a graph of nodes that wait for one message on each of their ports, compute,
/// and send.
///
/// A node is a closure. What it returns is its [`Output`], which another node takes in: that node gets the value
/// itself, moved. An output that several nodes read is [shared](Self::share) first, and each of them gets an
/// [`Arc`] of the value. The types of ports are checked when the program is compiled.
///
/// A closure may panic, or, in the forms whose names begin with `try_`, return an error: either is a failure of its
/// node, which [`Executor::execute`](crate::flow::Executor::execute) returns by name. Nodes that do not depend on it
/// run all the same, and the run can be executed again.
///
/// A node made by [`reversible`](Self::reversible) also says what it sends back to its producers once a message
/// from each of its consumers has come. Such a graph runs forward and then reversed, as one graph of tasks.
pub struct FlowBuilder {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) nodes: Vec<Draft>,
    pub(super) connections: Vec<Connection>,
    /// By output: where its values come from.
    pub(super) senders: Vec<Sender>,
    /// Whether a port of another flow was connected.
    pub(super) connects_others: bool,
    pub(super) sources: Vec<String>,
    pub(super) sinks: Vec<String>,
}

impl std::fmt::Debug for FlowBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FlowBuilder({}, {} nodes)", self.name, self.nodes.len())
    }
}

/// Seconds that policies take a node to need if nobody says otherwise.
pub(super) const SECONDS: f64 = 20e-6;

/// The cause that a failure tells.
#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn text(error: impl Display) -> String {
    error.to_string()
}

impl FlowBuilder {
    /// A flow called `name` without a node.
    pub fn new(name: impl Into<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: name.into(),
            nodes: Vec::new(),
            connections: Vec::new(),
            senders: Vec::new(),
            connects_others: false,
            sources: Vec::new(),
            sinks: Vec::new(),
        }
    }

    /// Adds a node without a reverse.
    pub(super) fn add(&mut self, name: String, body: Arc<dyn Body>, inputs: Vec<usize>) -> usize {
        self.nodes.push(Draft {
            name,
            body,
            reverse: None,
            turns: false,
            keeps_state: false,
            inputs,
            seconds: None,
        });
        self.nodes.len() - 1
    }

    /// A new output of the node that is added next.
    pub(super) fn output<T, B>(&mut self) -> (Arc<Emitter<T>>, Output<T, B>) {
        self.output_of(Sender::Node(self.nodes.len()))
    }

    pub(super) fn output_of<T, B>(&mut self, sender: Sender) -> (Arc<Emitter<T>>, Output<T, B>) {
        let emitter = Arc::new(Emitter::new(self.id, self.senders.len()));
        self.senders.push(sender);
        (Arc::clone(&emitter), Output::new(emitter))
    }

    /// Adds a source called `name`: every run sends the value that it is [fed](super::FlowRun::feed).
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Sequential};
    /// let mut flow = FlowBuilder::new("double");
    /// let (number, output) = flow.source::<f64>("number");
    /// let double = flow.node("double", output, |number| 2.0 * number);
    /// let result = flow.sink("result", double);
    /// let mut run = flow.build()?.run();
    /// for value in [1.0, 2.0] {
    ///     run.feed(&number, value)?;
    ///     Sequential::new().execute(&mut run)?;
    ///     assert_eq!(run.take(&result)?, 2.0 * value);
    /// }
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn source<T: Send + 'static>(&mut self, name: impl Into<String>) -> (Source<T>, Output<T>) {
        let name = name.into();
        let (emitter, output) = self.output();
        let index = self.sources.len();
        self.sources.push(name.clone());
        let body = SourceBody { source: index, emitter };
        let node = self.add(name, Arc::new(body), Vec::new());
        self.nodes[node].reverse = Some(Arc::new(SourceBack::<T>::new(index)));
        (Source { flow: self.id, index, values: PhantomData }, output)
    }

    /// Lets any number of nodes wait for a node without what it gives, which nobody gets.
    pub fn signal<T: Send + 'static, B>(&mut self, output: Output<T, B>) -> Signal {
        output.into_signal()
    }

    /// Adds a sink called `name`, from which the value of a run is [taken](super::FlowRun::take).
    pub fn sink<E: Inputs>(&mut self, name: impl Into<String>, input: E) -> Sink<E::Values> {
        let (sink, ports) = (self.sinks.len(), input.connect(self));
        let name = name.into();
        self.sinks.push(name.clone());
        let body = SinkBody::<E>::new(sink, ports.len());
        self.add(name, Arc::new(body), ports);
        Sink { flow: self.id, index: sink, values: PhantomData }
    }

    /// Lets any number of nodes read an output: each gets an [`Arc`] of the value, which is not copied.
    pub fn share<T, B>(&mut self, output: Output<T, B>) -> Shared<T, B>
    where
        T: Send + Sync + 'static,
    {
        output.share()
    }

    /// Takes a node's output of two values apart, so that each goes its own way.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Sequential};
    /// let mut flow = FlowBuilder::new("halves");
    /// let both = flow.node("both", (), |()| (7, "seven"));
    /// let (number, name) = flow.unzip(both);
    /// let (number, name) = (flow.sink("number", number), flow.sink("name", name));
    /// let mut run = flow.build()?.run();
    /// Sequential::new().execute(&mut run)?;
    /// assert_eq!((run.take(&number)?, run.take(&name)?), (7, "seven"));
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn unzip<T, U>(&mut self, output: Output<(T, U)>) -> (Output<T>, Output<U>)
    where
        T: Send + 'static,
        U: Send + 'static,
    {
        let sender = Sender::Outputs(vec![self.own(output.emitter.flow, output.emitter.output)]);
        let (first, first_output) = self.output_of(sender.clone());
        let (second, second_output) = self.output_of(sender);
        output.unzip(first, second);
        (first_output, second_output)
    }

    /// A port that is connected later, and what a node takes in as if it were an output. A port that nothing is
    /// connected to, or two outputs, is refused when the flow is built, and so is a cycle.
    ///
    /// ```
    /// # use caudal::flow::FlowBuilder;
    /// let mut flow = FlowBuilder::new("circle");
    /// let (port, later) = flow.port::<u32>();
    /// let one = flow.node("one", later, |number| number + 1);
    /// let two = flow.node("two", one, |number| number + 1);
    /// flow.connect(two, port);
    /// let error = flow.build().unwrap_err().to_string();
    /// assert!(error.contains("cycle: one -> two -> one"), "{error}");
    /// ```
    pub fn port<T: Send + 'static>(&mut self) -> (Port<T>, Output<T>) {
        let (emitter, output) = self.output_of(Sender::Outputs(Vec::new()));
        (Port { emitter }, output)
    }

    /// Connects an output to a port.
    #[allow(clippy::needless_pass_by_value)] // an output is used up
    pub fn connect<T: Send + 'static>(&mut self, output: Output<T>, port: Port<T>) {
        if port.emitter.flow != self.id {
            self.connects_others = true;
            return;
        }
        let from = self.own(output.emitter.flow, output.emitter.output);
        if let Sender::Outputs(outputs) = &mut self.senders[port.emitter.output] {
            outputs.push(from);
        }
        output.stand_in(port.emitter);
    }

    /// Says what a run of a node takes, in seconds, for policies that rank by it and for the pool, which takes
    /// short nodes together; policies take one that nobody speaks
    /// of to need 20 µs, and the pool as long as nodes took in the last run.
    ///
    /// # Errors
    /// If there is no node of that name, or if that is no number of seconds.
    pub fn cost(&mut self, node: &str, seconds: f64) -> crate::Result<()> {
        let Some(number) = self.nodes.iter().rposition(|draft| draft.name == node) else {
            let names = self.nodes.iter().map(|node| node.name.as_str()).take(50);
            return Err(crate::Error::unknown("node", node, names));
        };
        if !(seconds.is_finite() && seconds >= 0.0) {
            let problem = format!("it takes {seconds} seconds");
            return Err(crate::Error::node(node, problem, "give it 0 or more"));
        }
        self.nodes[number].seconds = Some(seconds);
        Ok(())
    }

    /// An output, if it is one of this flow.
    pub(super) fn own(&self, flow: u64, output: usize) -> Option<usize> {
        (flow == self.id).then_some(output)
    }

    /// A new connection that leads from an output.
    pub(super) fn lead_on<M: 'static>(&mut self, flow: u64, output: usize) -> usize {
        let output = self.own(flow, output);
        self.connections.push(Connection { output, bytes: size_of::<M>(), kind: type_name::<M>() });
        self.connections.len() - 1
    }
}
