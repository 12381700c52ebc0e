//! Nodes that compute forward: alone, with a state, and in parts.

use std::fmt::Display;
use std::sync::Arc;

use super::{FlowBuilder, text};
use crate::flow::nodes::body::{Forward, Split, Stateful};
use crate::flow::nodes::{Inputs, Output, Part, Signal};

impl FlowBuilder {
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

    /// The same with a closure that may fail.
    ///
    /// ```
    /// # use caudal::Error;
    /// # use caudal::flow::{Executor, FlowBuilder, Sequential};
    /// let mut flow = FlowBuilder::new("reader");
    /// let (text, output) = flow.source::<String>("text");
    /// let number = flow.try_node("number", output, |text: String| text.parse::<u32>());
    /// let number = flow.sink("result", number);
    /// let mut run = flow.build()?.run();
    /// run.feed(&text, "seven".to_owned())?;
    /// let Err(Error::Run(failures)) = Sequential::new().execute(&mut run) else { panic!() };
    /// assert_eq!(failures[0].node, "number");
    /// assert_eq!(failures[0].cause, "invalid digit found in string");
    /// run.feed(&text, "7".to_owned())?;
    /// Sequential::new().execute(&mut run)?;
    /// assert_eq!(run.take(&number)?, 7);
    /// # Ok::<(), caudal::Error>(())
    /// ```
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
        let compute = move |values| compute(values).map_err(text);
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

    /// Adds a node that keeps `state` from run to run. Of several runs
    /// [in flight](crate::flow::Flow::in_flight), an earlier one has the state before a later one; where it fails in
    /// an earlier one, the later ones do not reach it.
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
        self.try_stateful(name, inputs, state, move |state, values| {
            Ok::<R, String>(compute(state, values))
        })
    }

    /// The same with a closure that may fail. What it has done to the state by then stays done, so that a later run
    /// goes on from there; a closure that looks before it writes leaves the state as it was.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Sequential};
    /// let mut flow = FlowBuilder::new("account");
    /// let (amount, output) = flow.source::<i64>("amount");
    /// let balance = flow.try_stateful("balance", output, 10, |balance, amount: i64| {
    ///     let after = *balance + amount;
    ///     if after < 0 {
    ///         return Err(format!("{balance} is too little for {amount}"));
    ///     }
    ///     *balance = after;
    ///     Ok(after)
    /// });
    /// let balance = flow.sink("result", balance);
    /// let mut run = flow.build()?.run();
    /// run.feed(&amount, -20)?;
    /// let error = Sequential::new().execute(&mut run).unwrap_err().to_string();
    /// assert!(error.starts_with("node `balance`") && error.ends_with("10 is too little for -20"));
    /// run.feed(&amount, -4)?;
    /// Sequential::new().execute(&mut run)?;
    /// assert_eq!(run.take(&balance)?, 6);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn try_stateful<I, S, R, E>(
        &mut self,
        name: impl Into<String>,
        inputs: I,
        state: S,
        compute: impl Fn(&mut S, I::Values) -> Result<R, E> + Send + Sync + 'static,
    ) -> Output<R>
    where
        I: Inputs,
        S: Send + 'static,
        R: Send + 'static,
        E: Display,
    {
        let (emitter, output) = self.output();
        let ports = inputs.connect(self);
        let compute = move |state: &mut S, values| compute(state, values).map_err(text);
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
        self.try_split(name, parts, inputs, move |values, part| {
            Ok::<R, String>(compute(values, part))
        })
    }

    /// The same with a closure that may fail. The other parts run all the same; where several fail, the failure is
    /// that of the first of them, whatever their order in time.
    ///
    /// ```
    /// # use caudal::flow::{Executor, FlowBuilder, Pool};
    /// let mut flow = FlowBuilder::new("shares");
    /// let (numbers, output) = flow.source::<Vec<u32>>("numbers");
    /// let shares = flow.try_split("shares", 2, output, |numbers, part| {
    ///     let own = numbers[part.range(numbers.len())].iter();
    ///     own.map(|number| 12_u32.checked_div(*number).ok_or("division by zero")).sum::<Result<u32, _>>()
    /// });
    /// let shares = flow.sink("result", shares);
    /// let mut run = flow.build()?.run();
    /// run.feed(&numbers, vec![1, 2, 0, 4])?;
    /// let error = Pool::new(2, "fifo")?.execute(&mut run).unwrap_err().to_string();
    /// assert!(error.starts_with("node `shares`") && error.ends_with("division by zero"));
    /// run.feed(&numbers, vec![1, 2, 3, 4])?;
    /// Pool::new(2, "fifo")?.execute(&mut run)?;
    /// assert_eq!(run.take(&shares)?, [18, 7]);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn try_split<I, R, E>(
        &mut self,
        name: impl Into<String>,
        parts: usize,
        inputs: I,
        compute: impl Fn(&I::Values, Part) -> Result<R, E> + Send + Sync + 'static,
    ) -> Output<Vec<R>>
    where
        I: Inputs,
        I::Values: Sync,
        R: Send + 'static,
        E: Display,
    {
        let (emitter, output) = self.output();
        let ports = inputs.connect(self);
        let parts = parts.clamp(1, 1 << 16);
        let compute = move |values: &I::Values, part| compute(values, part).map_err(text);
        let body = Split::<I, R, _>::new(compute, emitter, ports.len(), parts);
        self.add(name.into(), Arc::new(body), ports);
        output
    }
}
