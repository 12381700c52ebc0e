//! Three steps of a random network, the second of them twice: once with a fault, and once without.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use caudal::Error;
use caudal::context::Mode;
use caudal::flow::{Observer, PartEvent, Sequential};
use caudal::train::{Network, NetworkOptions};
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand_chacha::ChaCha8Rng;

use super::choice::Choice;
use super::mischief::{Plot, WAYS};
use super::{Executors, random};
use crate::faults::faulty::{At, Quiet, Switch, Way, lock};
use crate::random_graphs::{SEEDS, family, optimizer, options};
use crate::support_graphs::{Batch, Specimen, borrowed, faulty_specimen};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// Nodes fail, in one of these ways, or take their time.
    Nodes(Way),
    /// A number of the batch is NaN.
    NotANumber,
    /// A tensor of the batch is missing.
    Withheld,
    Cancelled,
    /// Another executor goes on, and the one before is gone.
    Dropped,
    Policy,
    Observer,
}

const FAULTS: [(Fault, &str); 10] = [
    (Fault::Nothing, "nothing"),
    (Fault::Nodes(Way::Error), "error"),
    (Fault::Nodes(Way::Panic), "panic"),
    (Fault::Nodes(Way::Late), "slow node"),
    (Fault::NotANumber, "NaN"),
    (Fault::Withheld, "withheld tensor"),
    (Fault::Cancelled, "cancelled"),
    (Fault::Dropped, "dropped executor"),
    (Fault::Policy, "policy"),
    (Fault::Observer, "observer"),
];

/// A network with a switch that makes its layers fail.
struct Subject {
    network: Network,
    switch: Arc<Switch>,
    specimen: Specimen,
}

/// The loss of a step, or its error, and the weights after it.
#[derive(Debug, PartialEq)]
struct Outcome {
    loss: Result<u64, String>,
    weights: String,
}

impl Subject {
    fn new(seed: u64, admits: bool) -> Self {
        let switch = Switch::new(admits);
        let structure = seed % SEEDS;
        let specimen = faulty_specimen(structure, family(structure), &switch);
        let options =
            NetworkOptions::default().seed(seed).executor("sequential").plan(options(seed));
        let network = Network::new(specimen.graph.clone(), optimizer(seed), options).unwrap();
        Self { network, switch, specimen }
    }

    fn try_step(&mut self, batch: &[(&str, &caudal::Tensor)]) -> Result<u64, Error> {
        self.network.train_batch(batch).map(|report| report.loss.to_bits())
    }

    fn outcome(&self, loss: Result<u64, Error>) -> Outcome {
        Outcome {
            loss: loss.map_err(|error| error.to_string()),
            weights: self.network.weights_sha256(),
        }
    }

    fn step(&mut self, batch: &Batch) -> Outcome {
        let loss = self.try_step(&borrowed(batch));
        self.outcome(loss)
    }

    /// A step in which these places fail.
    fn fail(&mut self, batch: &Batch, places: &[At], way: Way) -> Outcome {
        self.switch.arm(places, way);
        let outcome = self.step(batch);
        self.switch.disarm();
        outcome
    }
}

/// Panics after one part.
struct Panicking(AtomicUsize);

impl Observer for Panicking {
    fn part(&self, _: PartEvent) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) != 0, "planned panic");
    }
}

/// The places of a network that fail.
fn places(subject: &Subject, admits: bool, random: &mut ChaCha8Rng) -> Vec<At> {
    let called = lock(&subject.switch.called).clone();
    let can_fail = |at: &At| admits || matches!(at.1, "forward" | "prepare");
    let count = random.random_range(1..=3);
    called.into_iter().filter(can_fail).choose_multiple(random, count)
}

/// The batch with one number that is none.
fn spoilt(batch: &Batch, random: &mut ChaCha8Rng) -> Batch {
    let mut spoilt = batch.clone();
    let inputs = spoilt.iter().filter(|(name, _)| name.starts_with("input")).count();
    let (_, tensor) = &mut spoilt[random.random_range(0..inputs)];
    let place = random.random_range(0..tensor.len());
    if let Some(number) = tensor.iter_mut().nth(place) {
        *number = f32::NAN;
    }
    spoilt
}

pub(super) fn run(seed: u64, executors: &mut Executors) -> &'static str {
    let _quiet = Quiet::new();
    let mut random = random(seed);
    let (fault, name) = *FAULTS.choose(&mut random).unwrap();
    let admits = random.random();
    let (mut oracle, mut subject) = (Subject::new(seed, admits), Subject::new(seed, admits));
    let batches = oracle.specimen.batches(seed, 3);
    let first = oracle.step(&batches[0]);
    assert!(first.loss.is_ok(), "seed {seed}: {first:?}");
    let before = first.weights.clone();
    let nodes = subject.specimen.graph.nodes().len();
    let plot = Plot::new(*WAYS.choose(&mut random).unwrap(), random.random_range(0..2 + nodes * 2));
    let choice = match fault {
        Fault::Policy => Choice::with_policy(&mut random, nodes),
        _ => Choice::any(&mut random, nodes),
    };
    if fault == Fault::Policy {
        assert_eq!(subject.step(&batches[0]), first, "seed {seed}");
        subject.network.set_executor(choice.misbehaving(plot.clone()));
    } else {
        let executor = executors.take(&choice, &mut random);
        subject.network.set_executor(executor);
        assert_eq!(subject.step(&batches[0]), first, "seed {seed}");
    }
    let batch = &batches[1];
    match fault {
        Fault::Nothing => {}
        Fault::Nodes(way) => {
            let places = places(&oracle, admits, &mut random);
            let expected = oracle.fail(batch, &places, way);
            let found = subject.fail(batch, &places, way);
            assert_eq!(found, expected, "seed {seed}: {places:?}");
            if way == Way::Late {
                // The step took place, on both.
                let [expected, found] = [&mut oracle, &mut subject].map(|it| it.step(&batches[2]));
                assert_eq!(found, expected, "seed {seed}");
                finish(subject, executors, choice, fault);
                return name;
            }
            let told = found.loss.unwrap_err();
            let named = |(node, phase): &At| told.contains(&format!("`{node}` failed in {phase}"));
            assert!(places.iter().any(named), "seed {seed}: {places:?}: {told}");
            assert_eq!(found.weights, before, "seed {seed}");
        }
        Fault::NotANumber => {
            let spoilt = spoilt(batch, &mut random);
            let expected = oracle.step(&spoilt);
            assert_eq!(subject.step(&spoilt), expected, "seed {seed}");
            let Err(told) = expected.loss else {
                // Where no loss depends on it, nothing is wrong.
                let [expected, found] = [&mut oracle, &mut subject].map(|it| it.step(batch));
                assert_eq!(found, expected, "seed {seed}");
                finish(subject, executors, choice, fault);
                return name;
            };
            assert!(told.contains("node `"), "seed {seed}: {told}");
        }
        Fault::Withheld => {
            let (missing, _) = &batch[0];
            let error = subject.try_step(&borrowed(batch)[1..]).unwrap_err().to_string();
            assert!(error.contains(&format!("`{missing}`")), "seed {seed}: {error}");
            assert_eq!(subject.network.weights_sha256(), before);
        }
        Fault::Cancelled => {
            if cancelled(&mut subject, batch, &mut random) {
                assert_eq!(subject.network.weights_sha256(), before, "seed {seed}");
            } else {
                let expected = oracle.step(batch).weights;
                assert_eq!(subject.network.weights_sha256(), expected, "seed {seed}");
            }
        }
        Fault::Dropped => {
            let choice = Choice::any(&mut random, nodes);
            drop(subject.network.set_executor(choice.make()));
        }
        Fault::Policy => misbehaves(&mut oracle, &mut subject, batch, &plot),
        Fault::Observer => {
            let run = subject.network.run(Mode::Training, subject.specimen.items).unwrap();
            let parts = run.plan().part_count();
            let panicking = Panicking(AtomicUsize::new(random.random_range(0..=parts)));
            run.observe(Some(Arc::new(panicking)));
            let loss = subject.try_step(&borrowed(batch));
            let found = subject.outcome(loss);
            let run = subject.network.run(Mode::Training, subject.specimen.items).unwrap();
            run.observe(None);
            match &found.loss {
                Ok(_) => assert_eq!(found, oracle.step(batch), "seed {seed}"),
                Err(told) => {
                    assert!(told.contains("the observer panicked: planned panic"), "{told}");
                    assert_eq!(found.weights, before, "seed {seed}");
                }
            }
        }
    }
    for batch in &batches[1..] {
        let expected = oracle.step(batch);
        assert_eq!(subject.step(batch), expected, "seed {seed}");
    }
    finish(subject, executors, choice, fault);
    name
}

/// Lets go of the network, and keeps its executor for others if it is the one that was taken.
fn finish(mut subject: Subject, executors: &mut Executors, choice: Choice, fault: Fault) {
    let executor = subject.network.set_executor(Box::new(Sequential::new()));
    if !matches!(fault, Fault::Dropped | Fault::Policy) {
        executors.keep(choice, executor);
    }
}

/// Cancels a step at any time; says whether it broke off.
fn cancelled(subject: &mut Subject, batch: &Batch, random: &mut ChaCha8Rng) -> bool {
    let run = subject.network.run(Mode::Training, subject.specimen.items).unwrap();
    let token = run.cancel_token();
    let nanoseconds = random.random_range(0..600_000);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            while began.elapsed() < Duration::from_nanos(nanoseconds) {
                std::hint::spin_loop();
            }
            token.cancel();
        });
        subject.try_step(&borrowed(batch))
    });
    token.reset();
    match result {
        Ok(_) => false,
        Err(Error::Cancelled) => true,
        Err(other) => panic!("{other}"),
    }
}

/// A step under a policy that misbehaves: it ends with an error before anything has moved, or goes to its end, and the
/// next one says what was wrong before it begins.
fn misbehaves(oracle: &mut Subject, subject: &mut Subject, batch: &Batch, plot: &Plot) {
    let before = subject.network.weights_sha256();
    let result = subject.try_step(&borrowed(batch));
    if result.is_ok() {
        let found = subject.outcome(result);
        assert_eq!(found, oracle.step(batch), "{plot:?}");
        if !plot.has_happened() {
            plot.ends();
            return;
        }
        let after = subject.network.weights_sha256();
        let error = subject.try_step(&borrowed(batch)).unwrap_err();
        assert!(matches!(error, Error::Policy { .. }), "{plot:?}: {error}");
        assert_eq!(subject.network.weights_sha256(), after, "{plot:?}");
        return;
    }
    assert!(plot.has_happened(), "{result:?}");
    let is_told = match &result {
        Err(Error::Policy { .. }) => true,
        Err(Error::Stalled(_)) => plot.loses(),
        _ => false,
    };
    assert!(is_told, "{plot:?}: {result:?}");
    assert_eq!(subject.network.weights_sha256(), before, "{plot:?}");
}
