//! A thread for every node, as the article draws it: each blocks on its channel, which is its inbox, until its
//! messages have come, computes, and sends the result on, forward and then reversed. For study: there are as
//! many threads as nodes. They live as long as the executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::core::Delivery;
use super::sync::Native;
use super::work::Work;
use super::{Execute, Executor, TaskGraph};
use crate::error::{Error, Result};

/// More threads than this are refused before any is started.
const MOST_NODES: usize = 8192;

/// Stack of an actor: kernels keep little there.
const STACK_BYTES: usize = 512 << 10;

/// One thread a node.
#[derive(Debug, Default)]
pub struct Actors {
    /// Those of the graphs that it has run, the latest last.
    crews: Vec<Crew>,
}

impl Actors {
    /// An executor that starts the threads of a graph when it first runs it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The threads of a graph, which stand last from then on.
    fn crew(&mut self, graph: &TaskGraph) -> Result<&Crew> {
        let known = self.crews.iter().position(|crew| crew.graph == graph.id);
        let crew = if let Some(known) = known {
            self.crews.remove(known)
        } else {
            let actors = graph.tasks_by_node().0.len();
            if actors > MOST_NODES {
                return Err(Error::Threads {
                    threads: actors,
                    problem: format!(
                        "the actors executor has a thread a node, at most {MOST_NODES}"
                    ),
                    remedy: "use the pool executor for graphs of this size",
                });
            }
            // Those that ran longest ago make room.
            while self.crews.iter().map(|crew| crew.begin.len()).sum::<usize>() + actors
                > MOST_NODES
            {
                self.crews.remove(0);
            }
            Crew::start(graph.id, actors)?
        };
        let last = self.crews.len();
        self.crews.push(crew);
        Ok(&self.crews[last])
    }
}

/// The threads of one graph.
#[derive(Debug)]
struct Crew {
    graph: u64,
    /// By actor: where it waits for the next run.
    begin: Vec<Sender<Begin>>,
    /// Told when the last actor is done with a run.
    done: Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

/// A run for an actor, and how many have yet to end it.
struct Begin {
    run: Arc<dyn Work<Native>>,
    left: Arc<AtomicUsize>,
}

impl Crew {
    fn start(graph: u64, actors: usize) -> Result<Self> {
        let (ended, done) = bounded(1);
        let mut crew = Self { graph, begin: Vec::new(), done, threads: Vec::new() };
        for actor in 0..actors {
            let (begin, orders) = bounded::<Begin>(1);
            let ended = ended.clone();
            let thread = std::thread::Builder::new()
                .name(format!("actor-{actor}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    for Begin { run, left } in orders {
                        run.act(actor);
                        // AcqRel: the last one sees all that the others did, and hands it on.
                        if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                            let _ = ended.send(());
                        }
                    }
                })
                .map_err(|error| Error::Threads {
                    threads: actors,
                    problem: error.to_string(),
                    remedy: "use the pool executor",
                })?;
            crew.begin.push(begin);
            crew.threads.push(thread);
        }
        Ok(crew)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.begin.clear();
        for thread in self.threads.drain(..) {
            // What an actor fires is caught, so that none has panicked.
            let _ = thread.join();
        }
    }
}

impl Executor for Actors {
    fn name(&self) -> &'static str {
        "actors"
    }

    /// The threads of the last run.
    fn workers(&self) -> usize {
        self.crews.last().map_or(0, |crew| crew.threads.len())
    }

    fn fuses(&self) -> bool {
        false
    }

    fn execute(&mut self, run: &mut dyn Execute) -> Result<()> {
        run.with(&mut |run| {
            let crew = self.crew(run.0.graph())?;
            run.0.begin(Delivery::Actors, crew.begin.len());
            let left = Arc::new(AtomicUsize::new(crew.begin.len()));
            for begin in &crew.begin {
                // Every actor lives as long as the crew, and waits for one run at a time.
                let _ = begin.send(Begin { run: Arc::clone(&run.0), left: Arc::clone(&left) });
            }
            if !crew.begin.is_empty() {
                let _ = crew.done.recv();
            }
            run.0.outcome()
        })
    }
}
