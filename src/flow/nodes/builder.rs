//! Flows as their authors write them: node after node.

use std::any::type_name;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::body::{Body, Forward, SinkBody, SourceBody, Split, Stateful};
use super::inputs::Inputs;
use super::ports::{Connection, Emitter, Output, Port, Shared, Signal};
use super::reverse::{Kept, Reverse, SourceBack, Turn};
use super::{Draft, Part, Sender, Sink, Source};

/// Builds a [`Flow`](super::Flow): a graph of nodes that wait for one message on each of their ports, compute,
/// and send.
///
/// A node is a closure. What it returns is its [`Output`], which another node takes in: that node gets the value
/// itself, moved. An output that several nodes read is [shared](Self::share) first, and each of them gets an
/// [`Arc`] of the value. The types of ports are checked when the program is compiled.
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

    /// Adds a node called `name` that computes its output from its inputs by `compute`.
    ///
    /// Inputs are nothing (`()`), one output, a tuple of up to eight outputs of different types, or a `Vec` or
    /// an array of outputs of one type; `compute` gets values of the same form.
    pub fn node<I, R>(
        &mut self,
        name: impl Into<String>,
        inputs: I,
        compute: impl Fn(I::Values) -> R + Send + Sync + 'static,
    ) -> Output<R>
    where
        I: Inputs,
        R: Send + 'static,
    {
        self.try_node(name, inputs, move |values| Ok::<R, String>(compute(values)))
    }

    /// The same with a closure that may fail. The error comes back as a failure of the node, from
    /// [`Executor::execute`](crate::flow::Executor::execute), and so does a panic; nodes that do not depend on it run
    /// all the same.
    pub fn try_node<I, R, E>(
        &mut self,
        name: impl Into<String>,
        inputs: I,
        compute: impl Fn(I::Values) -> Result<R, E> + Send + Sync + 'static,
    ) -> Output<R>
    where
        I: Inputs,
        R: Send + 'static,
        E: Display,
    {
        let (emitter, output) = self.output();
        let ports = inputs.connect(self);
        let compute = move |values| compute(values).map_err(|error| error.to_string());
        let body = Forward::<I, R, _>::new(compute, emitter, ports.len());
        self.add(name.into(), Arc::new(body), ports);
        output
    }

    /// Adds a node that runs after others and hands nothing on: for graphs in which order is all.
    ///
    /// ```
    /// # use std::sync::Mutex;
    /// # use std::sync::Arc;
    /// # use caudal::flow::{Executor, FlowBuilder, Pool};
    /// let said = Arc::new(Mutex::new(String::new()));
    /// let mut flow = FlowBuilder::new("greeting");
    /// let say = |word: &'static str| {
    ///     let said = Arc::clone(&said);
    ///     move || said.lock().unwrap().push_str(word)
    /// };
    /// let hello = flow.after("hello", &[], say("hello "));
    /// flow.after("world", &[hello], say("world"));
    /// Pool::new(2, "fifo")?.execute(&mut flow.build()?.run())?;
    /// assert_eq!(*said.lock().unwrap(), "hello world");
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn after(
        &mut self,
        name: impl Into<String>,
        before: &[Signal],
        run: impl Fn() + Send + Sync + 'static,
    ) -> Signal {
        let output = self.node(name, before.to_vec(), move |_: Vec<()>| run());
        self.signal(output)
    }

    /// Lets any number of nodes wait for a node without what it gives, which nobody gets.
    pub fn signal<T: Send + 'static, B>(&mut self, output: Output<T, B>) -> Signal {
        output.into_signal()
    }

    /// Adds a node that keeps `state` from run to run. Of several runs [in flight](super::Flow::in_flight), an earlier
    /// one has the state before a later one; where it fails in an earlier one, the later ones do not reach it.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Sequential};
    /// let mut flow = FlowBuilder::new("count");
    /// let count = flow.stateful("count", (), 0, |count, ()| {
    ///     *count += 1;
    ///     *count
    /// });
    /// let count = flow.sink("result", count);
    /// let mut run = flow.build()?.run();
    /// for expected in 1..4 {
    ///     Sequential::new().execute(&mut run)?;
    ///     assert_eq!(run.take(&count)?, expected);
    /// }
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn stateful<I, S, R>(
        &mut self,
        name: impl Into<String>,
        inputs: I,
        state: S,
        compute: impl Fn(&mut S, I::Values) -> R + Send + Sync + 'static,
    ) -> Output<R>
    where
        I: Inputs,
        S: Send + 'static,
        R: Send + 'static,
    {
        let (emitter, output) = self.output();
        let ports = inputs.connect(self);
        let body = Stateful::<I, S, R, _>::new(state, compute, emitter, ports.len());
        let node = self.add(name.into(), Arc::new(body), ports);
        self.nodes[node].keeps_state = true;
        output
    }

    /// Adds a node that is split into `parts`, which may run at the same time: each computes a piece from the
    /// same inputs, and the output is all pieces in order. There are 1 to 65,536 parts; any other number means the
    /// nearest of these.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Pool};
    /// let mut flow = FlowBuilder::new("sum of squares");
    /// let numbers = flow.node("numbers", (), |()| (0..1000).collect::<Vec<u64>>());
    /// let squares = flow.split("squares", 4, numbers, |numbers, part| {
    ///     numbers[part.range(numbers.len())].iter().map(|number| number * number).sum::<u64>()
    /// });
    /// let sum = flow.node("sum", squares, |squares: Vec<u64>| squares.into_iter().sum::<u64>());
    /// let sum = flow.sink("result", sum);
    /// let mut run = flow.build()?.run();
    /// Pool::new(2, "critical-path")?.execute(&mut run)?;
    /// assert_eq!(run.take(&sum)?, 332_833_500);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn split<I, R>(
        &mut self,
        name: impl Into<String>,
        parts: usize,
        inputs: I,
        compute: impl Fn(&I::Values, Part) -> R + Send + Sync + 'static,
    ) -> Output<Vec<R>>
    where
        I: Inputs,
        I::Values: Sync,
        R: Send + 'static,
    {
        let (emitter, output) = self.output();
        let ports = inputs.connect(self);
        let parts = parts.clamp(1, 1 << 16);
        let body = Split::<I, R, _>::new(compute, emitter, ports.len(), parts);
        self.add(name.into(), Arc::new(body), ports);
        output
    }

    /// Adds a node that runs forward and reversed. `forward` gives its output and what the reversed phase will
    /// need; `reverse` gets that, and the messages of all its consumers that have a reverse, in the order in
    /// which they were added, and gives a message for each of its producers, in the form of the inputs.
    ///
    /// Messages that go back along an output of `T` are of a type of their own, `B`, which `reverse` decides. A
    /// consumer without a reverse sends none; a node none of whose consumers does is not reversed.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Sequential};
    /// // y = x² at 3, and its derivative.
    /// let mut flow = FlowBuilder::new("square");
    /// let (x, output) = flow.source::<f64>("x");
    /// let square = flow.reversible(
    ///     "square",
    ///     output,
    ///     |x: f64| (x * x, x),
    ///     |x, gradients: Vec<f64>| 2.0 * x * gradients.iter().sum::<f64>(),
    /// );
    /// let y = flow.turn("y", square, |_y| 1.0);
    /// let mut run = flow.build()?.run();
    /// run.feed(&x, 3.0)?;
    /// Sequential::new().execute(&mut run)?;
    /// assert_eq!((run.take(&y)?, run.take_back(&x)?), (9.0, vec![6.0]));
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn reversible<I, R, K, B>(
        &mut self,
        name: impl Into<String>,
        inputs: I,
        forward: impl Fn(I::Values) -> (R, K) + Send + Sync + 'static,
        reverse: impl Fn(K, Vec<B>) -> I::Back + Send + Sync + 'static,
    ) -> Output<R, B>
    where
        I: Inputs,
        R: Send + 'static,
        K: Send + 'static,
        B: Send + 'static,
    {
        let (emitter, output) = self.output();
        let ports = inputs.connect(self);
        let body = Kept::<I, R, K, _>::new(forward, emitter, ports.len());
        let node = self.add(name.into(), Arc::new(body), ports);
        self.nodes[node].reverse = Some(Arc::new(Reverse::<I, K, B, _>::new(reverse)));
        output
    }

    /// Adds a sink where the graph turns around: the first message back is what `begin` makes of the value. A
    /// loss is such a node, and its message is the gradient of the loss with respect to itself.
    pub fn turn<T, B>(
        &mut self,
        name: impl Into<String>,
        input: Output<T, B>,
        begin: impl Fn(&T) -> B + Send + Sync + 'static,
    ) -> Sink<T>
    where
        T: Send + 'static,
        B: Send + 'static,
    {
        let (sink, ports) = (self.sinks.len(), input.connect(self));
        let name = name.into();
        self.sinks.push(name.clone());
        let body = Turn::<T, B, _>::new(sink, begin);
        let node = self.add(name, Arc::new(body), ports);
        self.nodes[node].turns = true;
        Sink { flow: self.id, index: sink, values: PhantomData }
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
