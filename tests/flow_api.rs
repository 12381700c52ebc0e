//! Random graphs of closures give what a plain evaluation gives, forward and reversed, whoever runs them.

use std::sync::Arc;

use caudal::Error;
use caudal::flow::policy::POLICIES;
use caudal::flow::{
    EXECUTORS, Executor, Flow, FlowBuilder, FlowRun, Output, Shared, Sink, Source, executor,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::watchdog::watch;

/// What a node computes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A mix of its inputs.
    Mix,
    /// The same, in parts.
    Split(usize),
    /// The same and how often it has run.
    Counts,
    /// Fails if its mix is a multiple of this.
    Fails(u64),
    /// The same, by a panic.
    Panics(u64),
}

/// A node of a random graph: what it computes, and the nodes that it reads.
#[derive(Debug)]
struct Node {
    kind: Kind,
    inputs: Vec<usize>,
}

/// Layers of nodes, each of which reads some of the layers before it; the first reads the source.
fn layers(seed: u64, kinds: &[Kind]) -> Vec<Node> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut nodes: Vec<Node> = Vec::new();
    let mut before = 0;
    for _ in 0..random.random_range(2..7) {
        let end = nodes.len();
        for _ in 0..random.random_range(1..7) {
            let kind = kinds[random.random_range(0..kinds.len())];
            let count = if end == 0 { 0 } else { random.random_range(0..5) };
            let near = |random: &mut ChaCha8Rng| {
                if random.random_bool(0.7) {
                    random.random_range(before..end)
                } else {
                    random.random_range(0..end)
                }
            };
            nodes.push(Node { kind, inputs: (0..count).map(|_| near(&mut random)).collect() });
        }
        before = end;
    }
    nodes
}

pub(crate) fn mix(number: usize, inputs: impl IntoIterator<Item = u64>) -> u64 {
    inputs.into_iter().fold(number as u64 + 1, |mix, input| {
        (mix.rotate_left(7) ^ input).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

pub(crate) fn piece(mix: u64, part: usize) -> u64 {
    mix.wrapping_mul(part as u64 + 3)
}

/// The value of every node in a run, none for those that fail and those behind them.
fn evaluate(nodes: &[Node], fed: u64, counts: &mut [u64]) -> Vec<Option<u64>> {
    let mut values: Vec<Option<u64>> = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let inputs: Option<Vec<u64>> = node.inputs.iter().map(|&it| values[it]).collect();
        values.push(inputs.and_then(|inputs| {
            let mix = mix(number, inputs.into_iter().chain([fed]));
            match node.kind {
                Kind::Mix => Some(mix),
                Kind::Split(parts) => Some((0..parts).fold(0, |sum: u64, it| sum ^ piece(mix, it))),
                Kind::Counts => {
                    counts[number] += 1;
                    Some(mix ^ counts[number])
                }
                Kind::Fails(of) | Kind::Panics(of) => (!mix.is_multiple_of(of)).then_some(mix),
            }
        }));
    }
    values
}

/// What a node reads: values that are moved to it, and values that others read as well.
type Read = (Vec<u64>, Vec<Arc<u64>>, Arc<u64>);

/// The same graph as a flow, with a sink for every node.
struct Built {
    flow: Flow,
    source: Source<u64>,
    sinks: Vec<Sink<Arc<u64>>>,
}

/// How often each node is read.
fn readers(nodes: &[Node]) -> Vec<usize> {
    let mut readers = vec![0; nodes.len()];
    nodes.iter().flat_map(|node| &node.inputs).for_each(|&it| readers[it] += 1);
    readers
}

/// Every node gives its value twice: once to be moved to the first that reads it, once to be shared.
fn build(nodes: &[Node]) -> Built {
    let mut flow = FlowBuilder::new("random");
    let (source, fed) = flow.source::<u64>("fed");
    let fed = flow.share(fed);
    let mut moved: Vec<Option<Output<u64>>> = Vec::new();
    let mut shared: Vec<Shared<u64>> = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        // The first that reads a value gets it moved.
        let mut are_moved = Vec::new();
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for &input in &node.inputs {
            let output = moved[input].take();
            are_moved.push(output.is_some());
            match output {
                Some(output) => own.push(output),
                None => others.push(shared[input]),
            }
        }
        let own = flow.node(format!("{number} own"), own, |own: Vec<u64>| own);
        let others = flow.node(format!("{number} others"), others, |others: Vec<Arc<u64>>| others);
        let mixed = move |own: &[u64], others: &[Arc<u64>], fed: u64| {
            let (mut own, mut others) = (own.iter(), others.iter());
            let inputs = are_moved
                .iter()
                .map(|&moved| if moved { *own.next().unwrap() } else { **others.next().unwrap() });
            mix(number, inputs.chain([fed]))
        };
        let (name, inputs) = (number.to_string(), (own, others, fed));
        let output = match node.kind {
            Kind::Mix => {
                flow.node(name, inputs, move |(own, others, fed): Read| mixed(&own, &others, *fed))
            }
            Kind::Split(parts) => {
                let pieces = flow.split(name, parts, inputs, move |(own, others, fed), part| {
                    piece(mixed(own, others, **fed), part.index)
                });
                let name = format!("{number} joined");
                flow.node(name, pieces, |pieces| pieces.into_iter().fold(0, |sum, it| sum ^ it))
            }
            Kind::Counts => flow.stateful(name, inputs, 0, move |count, (own, others, fed)| {
                *count += 1;
                mixed(&own, &others, *fed) ^ *count
            }),
            Kind::Fails(of) => flow.try_node(name, inputs, move |(own, others, fed)| {
                let mix = mixed(&own, &others, *fed);
                if mix.is_multiple_of(of) { Err(format!("{of} divides it")) } else { Ok(mix) }
            }),
            Kind::Panics(of) => flow.node(name, inputs, move |(own, others, fed)| {
                let mix = mixed(&own, &others, *fed);
                assert!(!mix.is_multiple_of(of), "{of} divides it");
                mix
            }),
        };
        let twice = flow.node(format!("{number} twice"), output, |value| (value, value));
        let (to_move, to_share) = flow.unzip(twice);
        moved.push(Some(to_move));
        shared.push(flow.share(to_share));
    }
    let sinks = shared.iter().enumerate();
    let sinks = sinks.map(|(number, &it)| flow.sink(format!("{number} seen"), it)).collect();
    Built { flow: flow.build().unwrap(), source, sinks }
}

/// Every executor, with every policy where it has one.
fn executors() -> Vec<(String, Box<dyn Executor>)> {
    let mut all = Vec::new();
    for spec in EXECUTORS {
        for policy in POLICIES {
            let executor = executor(spec.name, 3, policy.name).unwrap();
            let has_policy = executor.policy().is_some();
            all.push((format!("{} {}", spec.name, policy.name), executor));
            if !has_policy {
                break;
            }
        }
    }
    all
}

fn seen(run: &mut FlowRun, number: usize, sinks: &[Sink<Arc<u64>>]) -> Vec<Option<u64>> {
    sinks.iter().map(|sink| run.take_from(number, sink).ok().map(|value| *value)).collect()
}

#[test]
fn random_graphs_of_closures_give_what_a_plain_evaluation_gives() {
    watch(|scenario| {
        let kinds = [Kind::Mix, Kind::Mix, Kind::Split(3), Kind::Counts];
        for seed in 0..30 {
            let nodes = layers(seed, &kinds);
            for (name, mut executor) in executors() {
                scenario.enter(format!("seed {seed}, {name}"));
                // States begin anew with the flow.
                let Built { flow, source, sinks } = build(&nodes);
                let mut counts = vec![0; nodes.len()];
                let mut run = flow.run();
                for fed in 0..3 {
                    run.feed(&source, fed).unwrap();
                    executor.execute(&mut run).unwrap();
                    let expected = evaluate(&nodes, fed, &mut counts);
                    assert_eq!(seen(&mut run, 0, &sinks), expected, "seed {seed}, {name}");
                }
                // The same states in runs that are in flight together.
                let mut runs = flow.in_flight(3);
                for run in 0..3 {
                    runs.feed_in(run, &source, 10 + run as u64).unwrap();
                }
                executor.execute(&mut runs).unwrap();
                for run in 0..3 {
                    let expected = evaluate(&nodes, 10 + run as u64, &mut counts);
                    assert_eq!(seen(&mut runs, run, &sinks), expected, "seed {seed}, {name}");
                }
            }
        }
    });
}

#[test]
fn nodes_that_fail_stop_those_behind_them_alone() {
    watch(|scenario| {
        let kinds = [Kind::Mix, Kind::Mix, Kind::Split(2), Kind::Fails(4), Kind::Panics(5)];
        let mut failed_runs = 0;
        for seed in 100..120 {
            let nodes = layers(seed, &kinds);
            let Built { flow, source, sinks } = build(&nodes);
            for (name, mut executor) in executors() {
                let mut run = flow.run();
                for fed in 0..4 {
                    scenario.enter(format!("seed {seed}, {name}, {fed}"));
                    run.feed(&source, fed).unwrap();
                    let result = executor.execute(&mut run);
                    let expected = evaluate(&nodes, fed, &mut []);
                    assert_eq!(seen(&mut run, 0, &sinks), expected, "seed {seed}, {name}");
                    let fails = |(number, node): (usize, &Node)| {
                        let runs = node.inputs.iter().all(|&it| expected[it].is_some());
                        (runs && expected[number].is_none()).then(|| number.to_string())
                    };
                    let fails: Vec<String> = nodes.iter().enumerate().filter_map(fails).collect();
                    let found = match result {
                        Ok(()) => Vec::new(),
                        Err(Error::Run(failures)) => {
                            assert!(failures.iter().all(|it| it.cause.contains("divides it")));
                            failures.into_iter().map(|it| it.node).collect()
                        }
                        Err(other) => panic!("{other}"),
                    };
                    assert_eq!(found, fails, "seed {seed}, {name}");
                    failed_runs += usize::from(!fails.is_empty());
                }
            }
        }
        assert!(failed_runs > 100, "{failed_runs}");
    });
}

/// The values of all nodes and, of the sum of those that nobody reads, the gradient with respect to what is fed:
/// each node is the sine of the sum of its inputs, each times its place.
fn tape(nodes: &[Node], fed: f64) -> (f64, f64) {
    let readers = readers(nodes);
    let mut sums: Vec<f64> = Vec::new();
    for node in nodes {
        let inputs = node.inputs.iter().zip(1..);
        sums.push(inputs.map(|(&it, place)| f64::from(place) * sums[it].sin()).sum::<f64>() + fed);
    }
    let is_end = |number: usize| readers[number] == 0;
    let ends = (0..nodes.len()).filter(|&number| is_end(number));
    let value = ends.map(|number| sums[number].sin()).sum();
    let mut gradients: Vec<f64> =
        (0..nodes.len()).map(|number| f64::from(u8::from(is_end(number)))).collect();
    let mut of_fed = 0.0;
    for (number, node) in nodes.iter().enumerate().rev() {
        let gradient = gradients[number] * sums[number].cos();
        of_fed += gradient;
        for (&input, place) in node.inputs.iter().zip(1..) {
            gradients[input] += f64::from(place) * gradient;
        }
    }
    (value, of_fed)
}

fn reversible(nodes: &[Node]) -> (Flow, Source<f64>, Sink<f64>) {
    let mut flow = FlowBuilder::new("reversible");
    let (source, fed) = flow.source::<f64>("fed");
    let fed = flow.share(fed);
    let mut outputs: Vec<Shared<f64>> = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let inputs: Vec<_> = node.inputs.iter().map(|&it| outputs[it]).chain([fed]).collect();
        let count = node.inputs.len();
        let output = flow.reversible(
            number.to_string(),
            inputs,
            move |inputs: Vec<Arc<f64>>| {
                let places = inputs[..count].iter().zip(1..);
                let sum: f64 = places.map(|(it, place)| f64::from(place) * **it).sum();
                let sum = sum + *inputs[count];
                (sum.sin(), sum)
            },
            move |sum, back: Vec<f64>| {
                let gradient = back.iter().sum::<f64>() * sum.cos();
                let places = (1..).take(count).map(f64::from).chain([1.0]);
                places.map(|place| place * gradient).collect()
            },
        );
        outputs.push(flow.share(output));
    }
    let readers = readers(nodes);
    let ends: Vec<_> =
        (0..nodes.len()).filter(|&it| readers[it] == 0).map(|it| outputs[it]).collect();
    let count = ends.len();
    let sum = flow.reversible(
        "sum",
        ends,
        |ends: Vec<Arc<f64>>| (ends.iter().map(|it| **it).sum::<f64>(), ()),
        move |(), back: Vec<f64>| vec![back[0]; count],
    );
    let end = flow.turn("end", sum, |_| 1.0);
    (flow.build().unwrap(), source, end)
}

#[test]
fn gradients_of_random_graphs_are_those_of_a_tape() {
    watch(|scenario| {
        for seed in 200..230 {
            let nodes = layers(seed, &[Kind::Mix]);
            let (flow, source, end) = reversible(&nodes);
            let mut bits = None;
            for (name, mut executor) in executors() {
                scenario.enter(format!("seed {seed}, {name}"));
                let mut runs = flow.in_flight(2);
                for fed in [0.3, -1.1] {
                    runs.feed_in(0, &source, fed).unwrap();
                    runs.feed_in(1, &source, 0.5).unwrap();
                    executor.execute(&mut runs).unwrap();
                    for (run, fed) in [(0, fed), (1, 0.5)] {
                        let (value, gradient) = tape(&nodes, fed);
                        let found = runs.take_from(run, &end).unwrap();
                        let back = runs.take_back_from(run, &source).unwrap();
                        assert_eq!(back.len(), nodes.len());
                        let back: f64 = back.iter().sum();
                        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
                        assert!(near(found, value), "seed {seed}, {name}: {found}, {value}");
                        assert!(near(back, gradient), "seed {seed}, {name}: {back}, {gradient}");
                        if run == 1 {
                            let own = (found.to_bits(), back.to_bits());
                            assert_eq!(*bits.get_or_insert(own), own, "seed {seed}, {name}");
                        }
                    }
                }
            }
        }
    });
}
