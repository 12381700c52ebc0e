//! A thread for every node, as the article draws it: each blocks on its channel until its messages
//! have come, computes, and sends the result on, forward and then reversed. For study: threads are
//! started anew for every run, and there are as many as nodes.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::state::{Message, RunState};
use super::{Executor, Run};
use crate::error::{Error, Result};

/// More threads than this are refused before any is started.
const MOST_NODES: usize = 8192;

/// Stack of an actor: kernels keep little there.
const STACK_BYTES: usize = 512 << 10;

/// One thread a node.
#[derive(Debug, Default)]
pub struct Actors {
    threads: usize,
}

impl Actors {
    /// An executor that starts its threads when a run begins.
    pub fn new() -> Self {
        Self::default()
    }
}

/// What one node's thread owns.
struct Actor {
    worker: usize,
    tasks: Vec<usize>,
    inbox: Receiver<Message>,
}

impl Executor for Actors {
    fn name(&self) -> &'static str {
        "actors"
    }

    /// The threads of the last run.
    fn workers(&self) -> usize {
        self.threads
    }

    fn execute(&mut self, run: &mut Run) -> Result<()> {
        let state = &*run.state;
        let (actors, owner, channels) = actors(state);
        self.threads = actors.len();
        if actors.len() > MOST_NODES {
            return Err(Error::Threads {
                threads: actors.len(),
                problem: format!("the actors executor has a thread a node, at most {MOST_NODES}"),
                remedy: "use the pool executor for graphs of this size",
            });
        }
        let _parameters = state.begin(true);
        let started = std::thread::scope(|scope| {
            // Nobody begins before all threads exist: if one can't be started, dropping `begin` ends
            // the others.
            let (begin, wait) = bounded::<()>(0);
            for actor in actors {
                let (wait, channels, owner) = (wait.clone(), &channels, &owner);
                let spawned = std::thread::Builder::new()
                    .name(format!("actor-{}", actor.worker))
                    .stack_size(STACK_BYTES)
                    .spawn_scoped(scope, move || {
                        if wait.recv().is_ok() {
                            act(state, &actor, owner, channels);
                        }
                    });
                if let Err(error) = spawned {
                    return Err(Error::Threads {
                        threads: channels.len(),
                        problem: error.to_string(),
                        remedy: "use the pool executor",
                    });
                }
            }
            for _ in 0..channels.len() {
                // Every thread waits for one of these.
                let _ = begin.send(());
            }
            Ok(())
        });
        started?;
        state.outcome()
    }
}

/// One actor for every node that has tasks, the actor of each task, and the way to each actor.
fn actors(state: &RunState) -> (Vec<Actor>, Vec<usize>, Vec<Sender<Message>>) {
    let plan = &state.plan;
    let mut actor_of_node = vec![usize::MAX; plan.graph.nodes.len()];
    let mut tasks_of: Vec<Vec<usize>> = Vec::new();
    let mut owner = Vec::with_capacity(plan.tasks.len());
    for task in 0..plan.tasks.len() {
        let actor = &mut actor_of_node[plan.node_of(task)];
        if *actor == usize::MAX {
            *actor = tasks_of.len();
            tasks_of.push(Vec::new());
        }
        tasks_of[*actor].push(task);
        owner.push(*actor);
    }
    let mut channels = Vec::with_capacity(tasks_of.len());
    let actors = tasks_of.into_iter().enumerate().map(|(worker, tasks)| {
        // Room for all that will ever come: sending never blocks.
        let depth: u32 = tasks.iter().map(|&task| plan.tasks[task].in_degree).sum();
        let (send, inbox) = bounded(depth as usize);
        channels.push(send);
        Actor { worker, tasks, inbox }
    });
    let actors = actors.collect();
    (actors, owner, channels)
}

/// One node's life during a run.
fn act(state: &RunState, actor: &Actor, owner: &[usize], channels: &[Sender<Message>]) {
    let fire = |task: usize| {
        for part in 0..state.plan.tasks[task].parts {
            state.run_part(task, part, actor.worker);
            state.part_done(task);
        }
        state.complete(task, |message| {
            // The receiver lives until it has had all its messages.
            let _ = channels[owner[message.task as usize]].send(message);
        });
    };
    let sources = actor.tasks.iter().filter(|&&task| state.plan.tasks[task].in_degree == 0);
    let mut left = actor.tasks.len();
    for &task in sources {
        fire(task);
        left -= 1;
    }
    while left > 0 {
        let Ok(message) = actor.inbox.recv() else { return };
        if state.deliver(message, state.time()) {
            fire(message.task as usize);
            left -= 1;
        }
    }
}
