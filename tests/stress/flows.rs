//! One run of a random graph of closures, with a fault or none, and the run after it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use caudal::Error;
use caudal::flow::{CancelToken, Executor, FlowRun, Observer, PartEvent};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::choice::Choice;
use super::mischief::{Plot, WAYS};
use super::random_flow::{Built, Controls, Kind, Message, Node, alive, build, evaluate, failing};
use super::random_flow::{nodes, size};
use super::{Executors, random};
use crate::faults::faulty::Quiet;
use crate::own_process::comes;

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    Error,
    Panic,
    ErrorInParts,
    Slow,
    /// The source has nothing to send.
    Withheld,
    CancelledBefore,
    CancelledByNode,
    CancelledAtAnyTime,
    Dropped,
    Policy,
    Observer,
}

const FAULTS: [Fault; 12] = [
    Fault::Nothing,
    Fault::Error,
    Fault::Panic,
    Fault::ErrorInParts,
    Fault::Slow,
    Fault::Withheld,
    Fault::CancelledBefore,
    Fault::CancelledByNode,
    Fault::CancelledAtAnyTime,
    Fault::Dropped,
    Fault::Policy,
    Fault::Observer,
];

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::ErrorInParts => "error in parts",
            Self::Slow => "slow node",
            Self::Withheld => "withheld message",
            Self::CancelledBefore => "cancelled before",
            Self::CancelledByNode => "cancelled by a node",
            Self::CancelledAtAnyTime => "cancelled at any time",
            Self::Dropped => "dropped handles",
            Self::Policy => "policy",
            Self::Observer => "observer",
        }
    }

    /// What some nodes are for it.
    fn kind(self) -> Option<Kind> {
        match self {
            Self::Error => Some(Kind::Fails),
            Self::Panic => Some(Kind::Panics),
            Self::ErrorInParts => Some(Kind::FailsInParts),
            Self::Slow => Some(Kind::Slow),
            Self::CancelledByNode => Some(Kind::Cancels),
            _ => None,
        }
    }

    /// Whether every node that can run does, however the run goes on, so that nodes may count their runs.
    fn runs_all(self) -> bool {
        matches!(self, Self::Nothing | Self::Error | Self::Panic | Self::Slow | Self::Dropped)
    }
}

/// A flow, its run, and what a plain evaluation says.
struct Trial {
    seed: u64,
    nodes: Vec<Node>,
    built: Built,
    controls: Arc<Controls>,
    run: FlowRun,
    flights: usize,
    counts: Vec<u64>,
}

impl Trial {
    fn feed(&mut self, fed: u64) {
        for flight in 0..self.flights {
            let message = Message::new(fed + flight as u64);
            self.run.feed_in(flight, &self.built.source, message).unwrap();
        }
    }

    /// The values of every flight.
    fn expected(&mut self, fed: Option<u64>, armed: bool) -> Vec<Vec<Option<u64>>> {
        let flights = 0..self.flights as u64;
        let (nodes, counts) = (&self.nodes, &mut self.counts);
        let values = |flight| evaluate(nodes, fed.map(|fed| fed + flight), armed, &mut counts[..]);
        flights.map(values).collect()
    }

    /// What came to the sinks is what was expected; where the run broke off, it may not have come.
    fn check(&mut self, expected: &[Vec<Option<u64>>], broke_off: bool) {
        for (flight, values) in expected.iter().enumerate() {
            for (number, sink) in &self.built.sinks {
                let came = self.run.take_from(flight, sink).ok().map(|message| message.0);
                if came.is_some() || !broke_off {
                    let what = "node, in its flight, of seed";
                    assert_eq!(came, values[*number], "{what}: {number} {flight} {}", self.seed);
                }
            }
        }
    }

    fn arm(&self, armed: bool) {
        self.controls.armed.store(armed, Ordering::SeqCst);
    }

    fn token(&self) -> CancelToken {
        let token = self.run.cancel_token();
        let mut held = self.controls.token.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(token.clone());
        token
    }
}

/// Panics after one part.
struct Panicking(AtomicUsize);

impl Observer for Panicking {
    fn part(&self, _: PartEvent) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) != 0, "planned panic");
    }
}

/// The nodes whose failures a result lists.
fn failed(result: Result<(), Error>, cause: &str) -> Vec<String> {
    match result {
        Ok(()) => Vec::new(),
        Err(Error::Run(failures)) => {
            assert!(failures.iter().all(|it| it.cause.contains(cause)), "{failures:?}");
            failures.into_iter().map(|it| it.node).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

/// One run of a seed with a fault, and another without.
pub(super) fn run(seed: u64, executors: &mut Executors) -> &'static str {
    let _quiet = Quiet::new();
    let mut random = random(seed);
    let fault = *FAULTS.choose(&mut random).unwrap();
    let mut trial = trial(seed, fault, &mut random);
    let count = trial.nodes.len();
    if fault == Fault::Policy {
        let choice = Choice::with_policy(&mut random, count);
        let plot =
            Plot::new(*WAYS.choose(&mut random).unwrap(), random.random_range(0..2 + count / 2));
        let mut executor = choice.misbehaving(plot.clone());
        misbehaves(&mut trial, executor.as_mut(), &plot);
        works_again(&mut trial, executor.as_mut());
        all_are_dropped(trial, &mut random);
        return fault.name();
    }
    let choice = Choice::any(&mut random, count * trial.flights);
    let mut executor = executors.take(&choice, &mut random);
    if fault == Fault::Dropped {
        if !are_dropped(trial, executor.as_mut(), &mut random) {
            drop(executor);
            executor = choice.make();
        }
        executors.keep(choice, executor);
        assert_none_is_alive(seed);
        return fault.name();
    }
    goes_wrong(&mut trial, fault, executor.as_mut(), &mut random);
    works_again(&mut trial, executor.as_mut());
    executors.keep(choice, executor);
    all_are_dropped(trial, &mut random);
    fault.name()
}

fn trial(seed: u64, fault: Fault, random: &mut ChaCha8Rng) -> Trial {
    let size = size(random);
    let mut nodes = nodes(random, size);
    if let Some(kind) = fault.kind() {
        for _ in 0..random.random_range(1..=3) {
            nodes[random.random_range(0..size)].kind = kind;
        }
    } else if fault.runs_all() {
        for _ in 0..size / 10 {
            nodes[random.random_range(0..size)].kind = Kind::Counts;
        }
    }
    let several = matches!(fault, Fault::Nothing | Fault::Slow | Fault::Dropped) && size < 1000;
    let flights = if several { random.random_range(1..=3) } else { 1 };
    let controls = Arc::<Controls>::default();
    let built = build(&nodes, &controls);
    let run = if flights == 1 { built.flow.run() } else { built.flow.in_flight(flights) };
    let counts = vec![0; size];
    Trial { seed, nodes, built, controls, run, flights, counts }
}

/// The run in which something goes wrong, if anything does.
fn goes_wrong(
    trial: &mut Trial,
    fault: Fault,
    executor: &mut dyn Executor,
    random: &mut ChaCha8Rng,
) {
    let fed = random.random::<u64>() >> 1;
    if fault != Fault::Withheld {
        trial.feed(fed);
    }
    trial.arm(true);
    match fault {
        Fault::Nothing | Fault::Slow => {
            executor.execute(&mut trial.run).unwrap();
            let expected = trial.expected(Some(fed), true);
            trial.check(&expected, false);
        }
        Fault::Error | Fault::Panic | Fault::ErrorInParts => {
            let result = executor.execute(&mut trial.run);
            let expected = trial.expected(Some(fed), true);
            trial.check(&expected, false);
            let cause = match fault {
                Fault::ErrorInParts => "planned error in part 1",
                _ => "planned",
            };
            let seed = trial.seed;
            assert_eq!(failed(result, cause), failing(&trial.nodes, &expected[0]), "seed {seed}");
        }
        Fault::Withheld => {
            let failures = failed(executor.execute(&mut trial.run), "fed");
            assert_eq!(failures, ["fed"], "seed {}", trial.seed);
            let expected = trial.expected(None, true);
            trial.check(&expected, false);
        }
        Fault::CancelledBefore => {
            let token = trial.token();
            token.cancel();
            let result = executor.execute(&mut trial.run);
            assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
            let expected = trial.expected(Some(fed), true);
            trial.check(&expected, true);
            token.reset();
        }
        Fault::CancelledByNode | Fault::CancelledAtAnyTime => {
            let token = trial.token();
            let nanoseconds = random.random_range(0..400_000);
            let result = if fault == Fault::CancelledByNode {
                executor.execute(&mut trial.run)
            } else {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let began = Instant::now();
                        while began.elapsed() < Duration::from_nanos(nanoseconds) {
                            std::hint::spin_loop();
                        }
                        token.cancel();
                    });
                    executor.execute(&mut trial.run)
                })
            };
            let broke_off = match result {
                Ok(()) => false,
                Err(Error::Cancelled) => true,
                Err(other) => panic!("{other}"),
            };
            let expected = trial.expected(Some(fed), true);
            trial.check(&expected, broke_off);
            token.reset();
        }
        Fault::Observer => {
            let parts = trial.nodes.len() + trial.nodes.len() / 4;
            let observer = Panicking(AtomicUsize::new(random.random_range(0..parts)));
            trial.run.observe(Some(Arc::new(observer)));
            let failures =
                failed(executor.execute(&mut trial.run), "the observer panicked: planned panic");
            assert!(failures.len() < 2, "{failures:?}");
            let expected = trial.expected(Some(fed), true);
            trial.check(&expected, !failures.is_empty());
            trial.run.observe(None);
        }
        Fault::Dropped | Fault::Policy => unreachable!("these go other ways"),
    }
}

/// Whatever the policy does, the run says so, or is right.
fn misbehaves(trial: &mut Trial, executor: &mut dyn Executor, plot: &Plot) {
    trial.feed(7);
    let result = executor.execute(&mut trial.run);
    let broke_off = match result {
        Ok(()) => false,
        Err(Error::Policy { policy, .. }) => {
            assert_eq!(policy, "mischief");
            true
        }
        Err(Error::Stalled(_)) if plot.loses() => true,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(broke_off, plot.has_happened(), "{plot:?}");
    plot.ends();
    let expected = trial.expected(Some(7), true);
    trial.check(&expected, broke_off);
}

/// The next run, in which nothing goes wrong.
fn works_again(trial: &mut Trial, executor: &mut dyn Executor) {
    trial.arm(false);
    trial.feed(3);
    executor.execute(&mut trial.run).unwrap_or_else(|error| panic!("seed {}: {error}", trial.seed));
    let expected = trial.expected(Some(3), false);
    trial.check(&expected, false);
}

/// Lets go of handles while others are in use; says whether the executor can go on to other runs.
fn are_dropped(mut trial: Trial, executor: &mut dyn Executor, random: &mut ChaCha8Rng) -> bool {
    trial.feed(5);
    match random.random_range(0..4) {
        // What was fed is never sent.
        0 => true,
        // What came is never taken.
        1 => {
            executor.execute(&mut trial.run).unwrap();
            true
        }
        // The flow goes first, and the run works without it.
        2 => {
            let expected = trial.expected(Some(5), false);
            let Trial { built: Built { flow, sinks, .. }, mut run, .. } = trial;
            drop(flow);
            executor.execute(&mut run).unwrap();
            for (flight, values) in expected.iter().enumerate() {
                for (number, sink) in &sinks {
                    assert_eq!(run.take_from(flight, sink).ok().map(|it| it.0), values[*number]);
                }
            }
            true
        }
        // The executor is asked to go while the run that it executed still holds messages.
        _ => {
            executor.execute(&mut trial.run).unwrap();
            false
        }
    }
}

/// Drops the flow and its run, in any order: no message and no closure is left.
fn all_are_dropped(trial: Trial, random: &mut ChaCha8Rng) {
    let Trial { seed, built, run, controls, .. } = trial;
    if random.random() {
        drop(built);
        drop(run);
    } else {
        drop(run);
        drop(built);
    }
    assert_none_is_alive(seed);
    assert!(comes(|| Arc::strong_count(&controls) == 1), "seed {seed}: closures are left");
}

fn assert_none_is_alive(seed: u64) {
    assert!(comes(|| alive() == 0), "seed {seed}: {} messages are left", alive());
}
