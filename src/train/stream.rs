//! Predictions with several batches in flight.
//!
//! The stream takes batches from its source when it is asked for results, and hands each to a thread
//! that runs the whole plan in topological order. Every batch has a channel of its own for its result,
//! so that results come in the order of the batches, whichever is done first.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use super::batch::{bind, by_node, outputs, row_major};
use super::network::{MOST_RUNS, Network};
use crate::context::Mode;
use crate::error::{Error, Result};
use crate::flow::{CancelToken, Executor, Sequential};
use crate::graph::{Graph, NodeId};
use crate::optimizers::Optimizer;
use crate::plan::{Plan, PlanOptions};
use crate::run::{Parameters, Run};
use crate::tensor::Tensor;

/// Where batches come from: tensors by the name of their input, or what went wrong.
type Source<'a> = Box<dyn Iterator<Item = Result<Vec<(String, Tensor)>>> + 'a>;

/// The most threads of a stream.
const MOST_THREADS: usize = 4096;

/// The outputs of batch after batch, in order: see [`Network::predict_stream`].
pub struct PredictStream<'a> {
    source: Source<'a>,
    /// Whether the source may have more batches.
    open: bool,
    in_flight: usize,
    graph: Arc<Graph>,
    optimizer: Arc<dyn Optimizer>,
    options: PlanOptions,
    plans: HashMap<usize, Arc<Plan>>,
    /// The batches that are in flight, the earliest first.
    pending: VecDeque<Pending>,
    threads: Threads,
}

enum Pending {
    Refused(Error),
    AtWork(Receiver<Result<Vec<Tensor>>>),
}

/// A batch for a thread.
struct Job {
    plan: Arc<Plan>,
    inputs: Vec<(NodeId, Tensor)>,
    result: Sender<Result<Vec<Tensor>>>,
}

/// The threads that run batches; stopped when dropped.
struct Threads {
    jobs: Option<Sender<Job>>,
    handles: Vec<JoinHandle<()>>,
    stop: Arc<Stop>,
}

/// What stops all threads at their next task.
struct Stop {
    /// Whether to stop, and what stops the latest run of each thread.
    state: Mutex<(bool, Vec<CancelToken>)>,
}

impl Network {
    /// The outputs of batch after batch, in order, with `in_flight` batches at work at the same time,
    /// each on a thread of its own: for many batches, and above all for graphs that are a chain, this
    /// keeps more cores busy than one batch on the pool. The bits are those of [`Network::predict`].
    ///
    /// A batch holds one tensor, batch axis first, for each input node, by name; each item of the stream
    /// holds the outputs of one batch, in the order of [`Graph::outputs`]. Batches are taken from the
    /// source when a result is asked for, `in_flight` ahead at most, so that the stream holds no more
    /// than that many, each with activations of its own. An error is the item of its batch, and later
    /// batches go on. Dropping the stream stops what is in flight. The weights are those from when the
    /// stream was made: it has a copy. The network's executor, workers and policy play no part.
    ///
    /// ```
    /// use caudal::Tensor;
    /// use caudal::model::Model;
    /// use caudal::train::{Network, NetworkOptions};
    ///
    /// let Model { graph, training, .. } = Model::open(Some("digits"))?;
    /// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
    /// let image = |number: usize| Tensor::from_elem(vec![4, 8, 8, 1], number as f32);
    /// let batches = (0..6).map(|number| vec![("image".to_owned(), image(number))]);
    /// for (number, outputs) in network.predict_stream(batches, 2)?.enumerate() {
    ///     assert_eq!(outputs?, network.predict(&[("image", &image(number))])?);
    /// }
    /// # Ok::<(), caudal::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `in_flight` is 0, or if threads can't be started.
    pub fn predict_stream<'a, I>(&self, batches: I, in_flight: usize) -> Result<PredictStream<'a>>
    where
        I: IntoIterator<Item = Vec<(String, Tensor)>>,
        I::IntoIter: 'a,
    {
        PredictStream::new(self, Box::new(batches.into_iter().map(Ok)), in_flight)
    }
}

impl<'a> PredictStream<'a> {
    pub(super) fn new(network: &Network, source: Source<'a>, in_flight: usize) -> Result<Self> {
        Ok(Self {
            source,
            open: true,
            in_flight,
            graph: Arc::clone(network.graph()),
            optimizer: Arc::clone(network.optimizer()),
            options: network.options().plan,
            plans: HashMap::new(),
            pending: VecDeque::new(),
            threads: Threads::start(network, in_flight)?,
        })
    }

    /// Hands batches to threads until as many are in flight as may be.
    fn fill(&mut self) {
        while self.open && self.pending.len() < self.in_flight {
            let Some(batch) = self.source.next() else {
                self.open = false;
                return;
            };
            let sent = batch.and_then(|batch| self.send(&batch));
            self.pending.push_back(sent.map_or_else(Pending::Refused, Pending::AtWork));
        }
    }

    fn send(&mut self, batch: &[(String, Tensor)]) -> Result<Receiver<Result<Vec<Tensor>>>> {
        let named: Vec<(&str, &Tensor)> =
            batch.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let (items, inputs) = by_node(&self.graph, Mode::Prediction, &named)?;
        let plan = self.plan(items)?;
        let inputs = inputs.into_iter().map(|(id, tensor)| (id, tensor.clone())).collect();
        let (result, receiver) = bounded(1);
        if let Some(jobs) = &self.threads.jobs {
            // Where no thread is left, the result's sender is dropped, and the receiver tells.
            let _ = jobs.send(Job { plan, inputs, result });
        }
        Ok(receiver)
    }

    /// The plan for batches of `items` items, compiled at its first use.
    fn plan(&mut self, items: usize) -> Result<Arc<Plan>> {
        if let Some(plan) = self.plans.get(&items) {
            return Ok(Arc::clone(plan));
        }
        let (mode, options) = (Mode::Prediction, self.options);
        let plan = Arc::new(Plan::compile(&self.graph, mode, items, &self.optimizer, options)?);
        if self.plans.len() >= MOST_RUNS {
            self.plans.clear();
        }
        self.plans.insert(items, Arc::clone(&plan));
        Ok(plan)
    }
}

impl Iterator for PredictStream<'_> {
    type Item = Result<Vec<Tensor>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        let result = match self.pending.pop_front()? {
            Pending::Refused(error) => Err(error),
            Pending::AtWork(result) => result.recv().unwrap_or(Err(Error::Cancelled)),
        };
        // The thread that has become free works on while the caller looks at the result.
        self.fill();
        Some(result)
    }
}

impl std::iter::FusedIterator for PredictStream<'_> {}

impl fmt::Debug for PredictStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PredictStream")
            .field("graph", &self.graph.name())
            .field("in_flight", &self.in_flight)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl Threads {
    fn start(network: &Network, count: usize) -> Result<Self> {
        let refuse = |problem: String| Error::Threads {
            threads: count,
            problem,
            remedy: "ask for fewer batches in flight, and for at least one",
        };
        if count == 0 || count > MOST_THREADS {
            return Err(refuse(format!("a stream has 1 to {MOST_THREADS} batches in flight")));
        }
        let parameters = Arc::new(network.parameters().copy_for_prediction());
        let (seed, step) = (network.options().seed, network.step());
        // Each thread takes one batch at a time: none waits here while there are as many threads.
        let (jobs, waiting) = bounded(count);
        let stop = Stop { state: Mutex::new((false, vec![CancelToken::new(); count])) };
        let mut threads = Self { jobs: Some(jobs), handles: Vec::new(), stop: Arc::new(stop) };
        for number in 0..count {
            let mut runner = Runner {
                number,
                parameters: Arc::clone(&parameters),
                seed,
                step,
                runs: Vec::new(),
                stop: Arc::clone(&threads.stop),
            };
            let waiting: Receiver<Job> = waiting.clone();
            let work = move || {
                for job in waiting {
                    // The stream may have been dropped: then nobody wants the result.
                    let _ = job.result.send(runner.run(&job.plan, &job.inputs));
                }
            };
            let name = format!("caudal-stream-{number}");
            let handle = Builder::new().name(name).spawn(work);
            threads.handles.push(handle.map_err(|error| refuse(error.to_string()))?);
        }
        Ok(threads)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.jobs = None;
        self.stop.all();
        for handle in self.handles.drain(..) {
            // What a thread had to say went with the results.
            let _ = handle.join();
        }
    }
}

impl Stop {
    fn all(&self) {
        let mut state = self.state.lock();
        state.0 = true;
        state.1.iter().for_each(CancelToken::cancel);
    }

    /// Stops what `token` stops, now or later, as that which the thread is about to run.
    fn include(&self, thread: usize, token: CancelToken) {
        let mut state = self.state.lock();
        if state.0 {
            token.cancel();
        }
        state.1[thread] = token;
    }
}

/// What one thread keeps from batch to batch.
struct Runner {
    number: usize,
    parameters: Arc<Parameters>,
    seed: u64,
    step: u64,
    /// One for every plan that it has met lately.
    runs: Vec<Run>,
    stop: Arc<Stop>,
}

impl Runner {
    fn run(&mut self, plan: &Arc<Plan>, inputs: &[(NodeId, Tensor)]) -> Result<Vec<Tensor>> {
        let known = self.runs.iter().position(|run| Arc::ptr_eq(run.plan(), plan));
        let number = match known {
            Some(number) => number,
            None => self.add_run(plan)?,
        };
        let run = &mut self.runs[number];
        self.stop.include(self.number, run.cancel_token());
        bind(run, inputs.iter().map(|(id, tensor)| (*id, row_major(tensor))))?;
        Sequential::new().execute(run)?;
        outputs(run)
    }

    fn add_run(&mut self, plan: &Arc<Plan>) -> Result<usize> {
        if self.runs.len() >= MOST_RUNS {
            self.runs.clear();
        }
        let mut run = Run::new(Arc::clone(plan), Arc::clone(&self.parameters))?;
        run.set_seed(self.seed);
        run.set_step(self.step);
        self.runs.push(run);
        Ok(self.runs.len() - 1)
    }
}
