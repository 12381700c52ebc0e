//! Nodes that run forward and reversed, and sinks where a graph turns around.

use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{FlowBuilder, text};
use crate::flow::nodes::reverse::{Kept, Reverse, Turn};
use crate::flow::nodes::{Inputs, Output, Sink};

impl FlowBuilder {
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
        self.try_reversible(
            name,
            inputs,
            move |values| Ok::<(R, K), String>(forward(values)),
            move |kept, messages| Ok(reverse(kept, messages)),
        )
    }

    /// The same with closures that may fail. Where `forward` does, the node is not reversed, and where `reverse` does,
    /// nothing goes back to its producers; what other nodes have sent arrives.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Sequential};
    /// // y = √x, and its derivative, which is infinite at 0.
    /// let mut flow = FlowBuilder::new("root");
    /// let (x, output) = flow.source::<f64>("x");
    /// let root = flow.try_reversible(
    ///     "root",
    ///     output,
    ///     |x: f64| if x < 0.0 { Err(format!("{x} has no root")) } else { Ok((x.sqrt(), x.sqrt())) },
    ///     |root, gradients: Vec<f64>| match root {
    ///         0.0 => Err("infinite gradient".to_owned()),
    ///         _ => Ok(gradients[0] / (2.0 * root)),
    ///     },
    /// );
    /// let y = flow.turn("y", root, |_y| 1.0);
    /// let mut run = flow.build()?.run();
    /// let mut root_of = |value| {
    ///     run.feed(&x, value)?;
    ///     let failure = Sequential::new().execute(&mut run).err().map(|error| error.to_string());
    ///     Ok::<_, caudal::Error>((failure.unwrap_or_default(), run.take(&y).ok(), run.take_back(&x).ok()))
    /// };
    /// assert_eq!(root_of(4.0)?, (String::new(), Some(2.0), Some(vec![0.25])));
    /// let (failure, y, gradient) = root_of(0.0)?;
    /// assert!(failure.contains("failed in reverse") && failure.ends_with("infinite gradient"));
    /// assert_eq!((y, gradient), (Some(0.0), None));
    /// let (failure, y, gradient) = root_of(-1.0)?;
    /// assert!(failure.contains("failed in forward") && failure.ends_with("-1 has no root"));
    /// assert_eq!((y, gradient), (None, None));
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn try_reversible<I, R, K, B, E>(
        &mut self,
        name: impl Into<String>,
        inputs: I,
        forward: impl Fn(I::Values) -> Result<(R, K), E> + Send + Sync + 'static,
        reverse: impl Fn(K, Vec<B>) -> Result<I::Back, E> + Send + Sync + 'static,
    ) -> Output<R, B>
    where
        I: Inputs,
        R: Send + 'static,
        K: Send + 'static,
        B: Send + 'static,
        E: Display,
    {
        let (emitter, output) = self.output();
        let ports = inputs.connect(self);
        let forward = move |values| forward(values).map_err(text);
        let reverse = move |kept, messages| reverse(kept, messages).map_err(text);
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
        self.try_turn(name, input, move |value| Ok::<B, String>(begin(value)))
    }

    /// The same with a closure that may fail; then the sink has no value, and nothing goes back from it.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Sequential};
    /// let mut flow = FlowBuilder::new("loss");
    /// let (x, output) = flow.source::<f64>("x");
    /// let loss = flow.try_turn("loss", output, |loss: &f64| match loss.is_finite() {
    ///     true => Ok(1.0),
    ///     false => Err(format!("the loss is {loss}")),
    /// });
    /// let mut run = flow.build()?.run();
    /// run.feed(&x, f64::NAN)?;
    /// let error = Sequential::new().execute(&mut run).unwrap_err().to_string();
    /// assert!(error.starts_with("node `loss`") && error.ends_with("the loss is NaN"), "{error}");
    /// assert!(run.take(&loss).is_err() && run.take_back(&x).is_err());
    /// run.feed(&x, 0.5)?;
    /// Sequential::new().execute(&mut run)?;
    /// assert_eq!((run.take(&loss)?, run.take_back(&x)?), (0.5, vec![1.0]));
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn try_turn<T, B, E>(
        &mut self,
        name: impl Into<String>,
        input: Output<T, B>,
        begin: impl Fn(&T) -> Result<B, E> + Send + Sync + 'static,
    ) -> Sink<T>
    where
        T: Send + 'static,
        B: Send + 'static,
        E: Display,
    {
        let (sink, ports) = (self.sinks.len(), input.connect(self));
        let name = name.into();
        self.sinks.push(name.clone());
        let begin = move |value: &T| begin(value).map_err(text);
        let body = Turn::<T, B, _>::new(sink, begin);
        let node = self.add(name, Arc::new(body), ports);
        self.nodes[node].turns = true;
        Sink { flow: self.id, index: sink, values: PhantomData }
    }
}
