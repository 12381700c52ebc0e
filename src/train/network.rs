//! A graph with its parameters, an optimizer and an executor.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;

use super::averages::Averages;
use super::batch::{bind, by_node, outputs, row_major};
use super::costs::CostMeasurement;
use super::options::NetworkOptions;
use super::plateau::RateState;
use super::report::{Report, Totals};
use crate::context::{Finite, Mode};
use crate::data::DataConfig;
use crate::error::{Error, Result};
use crate::flow::{Executor, pinned_executor};
use crate::graph::{Graph, NodeId};
use crate::optimizers::Optimizer;
use crate::plan::Plan;
use crate::run::{Parameters, Run};
use crate::tensor::Tensor;

/// Plans are kept for this many combinations of purpose and batch size.
pub(super) const MOST_RUNS: usize = 8;

/// A graph with its parameters, an optimizer and an executor.
///
/// ```
/// use caudal::data::digits;
/// use caudal::graph::GraphBuilder;
/// use caudal::layers::{Concat, Dense, Flatten, Relu};
/// use caudal::losses::SoftmaxCrossEntropy;
/// use caudal::metrics::Accuracy;
/// use caudal::optimizers::Sgd;
/// use caudal::train::{FitOptions, Network, NetworkOptions};
///
/// let mut net = GraphBuilder::new("two towers");
/// let image = net.input("image", [8, 8, 1]);
/// let label = net.target("label", []);
/// let pixels = net.layer("pixels", Flatten, [&image]);
/// let ends: Vec<_> = (0..2)
///     .map(|tower| {
///         let dense = net.layer(format!("dense{tower}"), Dense::new(32), [&pixels]);
///         net.layer(format!("relu{tower}"), Relu, [&dense])
///     })
///     .collect();
/// let both = net.layer("both", Concat::default(), &ends);
/// let logits = net.layer("logits", Dense::new(10), [&both]);
/// net.loss("loss", SoftmaxCrossEntropy, [&logits, &label]);
/// net.metric("accuracy", Accuracy, [&logits, &label]);
///
/// let (train, test) = digits()?;
/// let optimizer = Sgd::new(0.1).momentum(0.9);
/// let mut network = Network::new(net.build()?, optimizer, NetworkOptions::default())?;
/// network.fit(&train, &FitOptions::default().epochs(3).batch_size(32))?;
/// let report = network.evaluate(&test, 64)?;
/// assert!(report.metric("accuracy").unwrap() > 0.9);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Debug)]
pub struct Network {
    graph: Arc<Graph>,
    parameters: Arc<Parameters>,
    optimizer: Arc<dyn Optimizer>,
    executor: Box<dyn Executor>,
    options: NetworkOptions,
    runs: HashMap<(Mode, usize), MeasuredRun>,
    step: u64,
    /// How often weights or the optimizer's state were changed from outside.
    changes: u64,
    data: DataConfig,
    /// How closely training looks at its numbers.
    level: Finite,
    pub(super) rate: RateState,
    averages: Averages,
}

/// A run, and what is known of the costs of its tasks.
#[derive(Debug)]
struct MeasuredRun {
    run: Run,
    costs: CostMeasurement,
    /// The steps that were taken when it had taken its last one, or 0.
    steps: u64,
}

impl Network {
    /// Gives every parameter its first values.
    ///
    /// # Errors
    /// If the executor or the policy does not exist, if threads can't be started, if memory does not hold the
    /// parameters, or if the settings of the optimizer make no sense or name parameters that are not there.
    pub fn new(
        graph: Graph,
        optimizer: impl Optimizer + 'static,
        options: NetworkOptions,
    ) -> Result<Self> {
        Self::from_parts(Arc::new(graph), Arc::new(optimizer), options)
    }

    /// As [`Network::new`], for a graph and an optimizer that are shared already.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn from_parts(
        graph: Arc<Graph>,
        optimizer: Arc<dyn Optimizer>,
        options: NetworkOptions,
    ) -> Result<Self> {
        optimizer.check().map_err(|problem| Error::Training {
            problem: format!("optimizer `{}`: {problem}", optimizer.kind()),
            remedy: "correct its settings".to_owned(),
        })?;
        graph.parameter_settings(optimizer.as_ref())?;
        let parameters = Parameters::initialize(&graph, optimizer.as_ref(), options.seed)?;
        Ok(Self {
            parameters: Arc::new(parameters),
            executor: pinned_executor(
                &options.executor,
                options.workers,
                &options.policy,
                options.pinning,
            )?,
            options,
            runs: HashMap::new(),
            step: 0,
            changes: 0,
            data: DataConfig::default(),
            level: Finite::Watch,
            rate: RateState::default(),
            averages: Averages::default(),
            graph,
            optimizer,
        })
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Arc<dyn Optimizer> {
        &self.optimizer
    }

    /// What runs the plans.
    pub fn executor(&mut self) -> &mut dyn Executor {
        self.executor.as_mut()
    }

    /// Runs the plans with another executor from now on, and gives the one before, which another network may use:
    /// its threads go on living.
    ///
    /// ```
    /// # use caudal::flow::{Pool, Sequential};
    /// # use caudal::model::Model;
    /// # use caudal::train::{Network, NetworkOptions};
    /// # let network = |name| {
    /// #     let Model { graph, training, .. } = Model::open(Some(name))?;
    /// #     Network::from_parts(graph, training.optimizer, NetworkOptions::default())
    /// # };
    /// let (mut one, mut other) = (network("digits")?, network("towers-small")?);
    /// one.set_executor(Box::new(Pool::new(3, "fifo")?));
    /// // ... and after the training of `one`:
    /// let pool = one.set_executor(Box::new(Sequential::new()));
    /// other.set_executor(pool);
    /// assert_eq!(other.executor().workers(), 3);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn set_executor(&mut self, executor: Box<dyn Executor>) -> Box<dyn Executor> {
        if executor.fuses() != self.executor.fuses() {
            // Their plans have other tasks.
            self.runs.clear();
        }
        self.runs.values_mut().for_each(|it| it.costs = CostMeasurement::default());
        std::mem::replace(&mut self.executor, executor)
    }

    /// How it runs.
    pub fn options(&self) -> &NetworkOptions {
        &self.options
    }

    /// Training steps taken so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Which columns of tables feed it, and what training fitted to them. Saved files hold it.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// Says which columns of tables feed it, and what training fitted to them, as
    /// [`Loaded::config`](crate::data::Loaded::config) does.
    pub fn set_data(&mut self, data: DataConfig) {
        self.data = data;
    }

    /// Counts training steps from `step` on.
    pub fn set_step(&mut self, step: u64) {
        self.step = step;
    }

    /// The weights and the optimizer's state, by the parameter's number.
    pub(super) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The same, to share them with a run.
    pub(super) fn shared_parameters(&self) -> Arc<Parameters> {
        Arc::clone(&self.parameters)
    }

    /// Notes that weights or the optimizer's state were changed from outside.
    pub(super) fn note_change(&mut self) {
        self.changes += 1;
    }

    /// How often that was.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Averages for evaluation are to be copied anew.
    pub(super) fn forget_averages(&mut self) {
        self.averages.forget();
    }

    /// Goes on with a graph of the same parameters; plans are compiled anew.
    pub(super) fn replace_graph(&mut self, graph: Arc<Graph>) {
        self.runs.clear();
        self.graph = graph;
    }

    /// Goes on with another graph and its parameters; plans are compiled anew.
    pub(super) fn replace(&mut self, graph: Arc<Graph>, parameters: Parameters) {
        self.runs.clear();
        self.averages = Averages::default();
        self.note_change();
        self.parameters = Arc::new(parameters);
        self.graph = graph;
    }

    /// The run for batches of `batch` items, compiled at its first use.
    ///
    /// # Errors
    /// As [`Plan::compile`].
    pub fn run(&mut self, mode: Mode, batch: usize) -> Result<&mut Run> {
        Ok(&mut self.step_parts(mode, batch)?.0.run)
    }

    /// How many items the batch of the last step had, while its run is there and holds it.
    pub(super) fn last_items(&self) -> Option<usize> {
        let last = self.runs.iter().find(|(_, it)| it.steps > 0 && it.steps == self.step);
        last.map(|(&(_, items), _)| items)
    }

    /// The parameters for a purpose: averages, as they are now, where training keeps some.
    fn parameters_of(&mut self, mode: Mode) -> Arc<Parameters> {
        if mode == Mode::Training || self.optimizer.ema_decay().is_none() {
            return Arc::clone(&self.parameters);
        }
        self.averages.of(&self.parameters, [self.step, self.changes])
    }

    /// What a step takes: the run for batches of `batch` items, compiled at its first use, what
    /// executes it, and the count of steps.
    fn step_parts(
        &mut self,
        mode: Mode,
        batch: usize,
    ) -> Result<(&mut MeasuredRun, &mut dyn Executor, &mut u64)> {
        if self.runs.len() >= MOST_RUNS && !self.runs.contains_key(&(mode, batch)) {
            self.runs.clear();
        }
        let parameters = self.parameters_of(mode);
        let run = match self.runs.entry((mode, batch)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                // An executor with a thread for every node gets every node as it was written.
                let fusion = self.options.plan.fusion && self.executor.fuses();
                let options = self.options.plan.fusion(fusion);
                let plan = Plan::compile(&self.graph, mode, batch, &self.optimizer, options)?;
                let mut run = Run::new(Arc::new(plan), parameters)?;
                run.set_seed(self.options.seed);
                place.insert(MeasuredRun { run, costs: CostMeasurement::default(), steps: 0 })
            }
        };
        Ok((run, self.executor.as_mut(), &mut self.step))
    }

    /// Binds and executes a batch of `items` items: for each input and target node, the numbers of
    /// all items, row-major. The run that it gives has the results. After an error the weights are
    /// those from before.
    pub(super) fn execute<N: AsRef<[f32]>>(
        &mut self,
        mode: Mode,
        items: usize,
        batch: impl IntoIterator<Item = (NodeId, N)>,
    ) -> Result<&Run> {
        let moves = mode == Mode::Training && self.options.plan.updates;
        let measured = mode == Mode::Training && self.options.measured_costs;
        let can_fail = moves && self.optimizer.can_fail();
        let parameters = can_fail.then(|| Arc::clone(&self.parameters));
        let level = if moves && self.options.check_finite { self.level } else { Finite::Off };
        let factor = self.rate.factor();
        if moves {
            self.rate.last_factor = factor;
        }
        let (MeasuredRun { run, costs, steps }, executor, step) = self.step_parts(mode, items)?;
        bind(run, batch)?;
        run.set_step(*step);
        run.set_rate_factor(factor);
        run.set_finite(level);
        let before = parameters.map(|parameters| (parameters.snapshot(), parameters));
        let outcome = if measured { costs.execute(run, executor) } else { executor.execute(run) };
        let broken = run.take_broken();
        match before {
            Some((copy, parameters)) if broken || outcome.is_err() => parameters.restore(&copy),
            _ if moves && !broken && outcome.is_ok() => {
                *step += 1;
                *steps = *step;
            }
            _ => {}
        }
        if broken {
            return Err(self.search_not_finite(items));
        }
        outcome?;
        Ok(self.run(mode, items)?)
    }

    /// A training step that looks at every gradient.
    pub(super) fn execute_watching<N: AsRef<[f32]>>(
        &mut self,
        items: usize,
        batch: impl IntoIterator<Item = (NodeId, N)>,
    ) -> Result<()> {
        let before = std::mem::replace(&mut self.level, Finite::Watch);
        let outcome = self.execute(Mode::Training, items, batch).map(drop);
        self.level = before;
        outcome
    }

    /// Looks at losses alone in every step, or at every gradient as well.
    pub(super) fn look_at_losses_alone(&mut self, alone: bool) {
        self.level = if alone { Finite::Losses } else { Finite::Watch };
    }

    /// Binds a batch to the run that trains on so many items.
    pub(super) fn bind_training<N: AsRef<[f32]>>(
        &mut self,
        items: usize,
        batch: impl IntoIterator<Item = (NodeId, N)>,
    ) -> Result<()> {
        bind(self.run(Mode::Training, items)?, batch)
    }

    /// One training step: forward, backward and the updates. The report is from before the update.
    ///
    /// `batch` holds one tensor, batch axis first, for each input and target node, by name.
    ///
    /// # Errors
    /// If the data does not fit, or if a node fails; the weights are then those from before.
    pub fn train_batch(&mut self, batch: &[(&str, &Tensor)]) -> Result<Report> {
        self.batch(Mode::Training, batch)
    }

    /// Losses and metrics of one batch, be it of validation or of test data: layers act as in
    /// prediction, and nothing moves.
    ///
    /// # Errors
    /// If the network has neither, if the data does not fit, or if a node fails.
    pub fn evaluate_batch(&mut self, batch: &[(&str, &Tensor)]) -> Result<Report> {
        self.require_measures()?;
        self.batch(Mode::Evaluation, batch)
    }

    fn batch(&mut self, mode: Mode, batch: &[(&str, &Tensor)]) -> Result<Report> {
        let graph = Arc::clone(&self.graph);
        let mut totals = Totals::new(&graph);
        totals.add(self.execute_named(mode, batch)?)?;
        Ok(totals.report(&graph))
    }

    /// The outputs of one batch, in the order of [`Graph::outputs`].
    ///
    /// # Errors
    /// If the data does not fit, or if a node fails.
    pub fn predict(&mut self, batch: &[(&str, &Tensor)]) -> Result<Vec<Tensor>> {
        outputs(self.execute_named(Mode::Prediction, batch)?)
    }

    /// Executes a batch of tensors by the names of their nodes.
    fn execute_named(&mut self, mode: Mode, batch: &[(&str, &Tensor)]) -> Result<&Run> {
        let (items, tensors) = by_node(&self.graph, mode, batch)?;
        self.execute(mode, items, tensors.into_iter().map(|(id, tensor)| (id, row_major(tensor))))
    }
}
