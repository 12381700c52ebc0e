//! Random graphs of closures of 10 to 10,000 nodes, what they give, and what can go wrong in them.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use caudal::flow::{CancelToken, Flow, FlowBuilder, Shared, Sink, Source};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::flow_api::{mix, piece};

/// What a node does beside mixing its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mix,
    /// In parts.
    Split(usize),
    /// It adds how often it has run.
    Counts,
    /// It takes its time.
    Slow,
    /// It cancels the run that it is in.
    Cancels,
    Fails,
    Panics,
    /// Two of its parts fail; the first of them is told.
    FailsInParts,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Nodes before it; one without any reads what is fed.
    inputs: Vec<usize>,
}

/// Messages that are alive.
static ALIVE: AtomicI64 = AtomicI64::new(0);

/// How many messages nobody has dropped yet.
pub(super) fn alive() -> i64 {
    ALIVE.load(Ordering::SeqCst)
}

/// A message that counts itself.
#[derive(Debug)]
pub(super) struct Message(pub(super) u64);

impl Message {
    pub(super) fn new(value: u64) -> Self {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Self(value)
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Most graphs are small, one in 200 is large.
pub(super) fn size(random: &mut ChaCha8Rng) -> usize {
    let (low, high) = if random.random_ratio(1, 200) { (300.0, 10_000.0) } else { (10.0, 300.0) };
    let size = f64::exp(random.random_range(f64::ln(low)..f64::ln(high)));
    size as usize
}

/// Chains, fans, layers and whatever lies between: each node reads some of the nodes within reach.
pub(super) fn nodes(random: &mut ChaCha8Rng, size: usize) -> Vec<Node> {
    let reach = [1, 3, 10, 60, size][random.random_range(0..5)];
    let most = random.random_range(1..=4);
    let mut nodes: Vec<Node> = Vec::with_capacity(size);
    for number in 0..size {
        let wide = random.random_ratio(1, 100);
        let count = random.random_range(0..=if wide { 40 } else { most });
        let first = number.saturating_sub(reach);
        let count = if number == 0 { 0 } else { count };
        let inputs = (0..count).map(|_| random.random_range(first..number)).collect();
        let kind = match random.random_range(0..20) {
            0 => Kind::Split(random.random_range(2..=5)),
            _ => Kind::Mix,
        };
        nodes.push(Node { kind, inputs });
    }
    nodes
}

/// The value of every node; none for those that fail, and for those behind them.
pub(super) fn evaluate(
    nodes: &[Node],
    fed: Option<u64>,
    armed: bool,
    counts: &mut [u64],
) -> Vec<Option<u64>> {
    let mut values: Vec<Option<u64>> = Vec::with_capacity(nodes.len());
    for (number, node) in nodes.iter().enumerate() {
        let inputs: Option<Vec<u64>> = if node.inputs.is_empty() {
            fed.map(|fed| vec![fed])
        } else {
            node.inputs.iter().map(|&it| values[it]).collect()
        };
        values.push(inputs.and_then(|inputs| {
            let mix = mix(number, inputs);
            match node.kind {
                Kind::Split(parts) => Some((0..parts).fold(0, |sum, it| sum ^ piece(mix, it))),
                Kind::FailsInParts => {
                    let sum = (0..PARTS_THAT_FAIL).fold(0, |sum, it| sum ^ piece(mix, it));
                    (!armed).then_some(sum)
                }
                Kind::Counts => {
                    counts[number] += 1;
                    Some(mix ^ counts[number])
                }
                Kind::Fails | Kind::Panics => (!armed).then_some(mix),
                Kind::Mix | Kind::Slow | Kind::Cancels => Some(mix),
            }
        }));
    }
    values
}

/// Whose failure the run must list: those that fail themselves, in the order of the nodes.
pub(super) fn failing(nodes: &[Node], values: &[Option<u64>]) -> Vec<String> {
    let fails = |(number, node): (usize, &Node)| {
        let has_inputs = node.inputs.iter().all(|&it| values[it].is_some());
        (has_inputs && values[number].is_none()).then(|| number.to_string())
    };
    nodes.iter().enumerate().filter_map(fails).collect()
}

const PARTS_THAT_FAIL: usize = 3;

/// What the closures of a flow look at while they run.
#[derive(Debug, Default)]
pub(super) struct Controls {
    /// Whether things go wrong.
    pub(super) armed: AtomicBool,
    pub(super) token: Mutex<Option<CancelToken>>,
}

impl Controls {
    fn is_armed(&self) -> bool {
        self.armed.load(Ordering::SeqCst)
    }

    fn cancel(&self) {
        if self.is_armed()
            && let Some(token) = &*self.token.lock().unwrap_or_else(PoisonError::into_inner)
        {
            token.cancel();
        }
    }
}

/// A flow with sinks at its ends and at some other nodes.
pub(super) struct Built {
    pub(super) flow: Flow,
    pub(super) source: Source<Message>,
    pub(super) sinks: Vec<(usize, Sink<Arc<Message>>)>,
}

type Read = Vec<Arc<Message>>;

fn mixed(number: usize, read: &Read) -> u64 {
    mix(number, read.iter().map(|it| it.0))
}

/// Builds the flow; some of its nodes do as the controls say.
pub(super) fn build(nodes: &[Node], controls: &Arc<Controls>) -> Built {
    let mut flow = FlowBuilder::new("random");
    let (source, fed) = flow.source::<Message>("fed");
    let fed = flow.share(fed);
    let mut outputs: Vec<Shared<Message>> = Vec::with_capacity(nodes.len());
    let mut is_read = vec![false; nodes.len()];
    for (number, node) in nodes.iter().enumerate() {
        node.inputs.iter().for_each(|&it| is_read[it] = true);
        let inputs: Vec<Shared<Message>> = if node.inputs.is_empty() {
            vec![fed]
        } else {
            node.inputs.iter().map(|&it| outputs[it]).collect()
        };
        let (name, controls) = (number.to_string(), Arc::clone(controls));
        let plain = move |read: &Read| Message::new(mixed(number, read));
        let join = |pieces: Vec<Message>| Message::new(pieces.iter().fold(0, |sum, it| sum ^ it.0));
        let output = match node.kind {
            Kind::Mix => flow.node(name, inputs, move |read| plain(&read)),
            Kind::Split(parts) => {
                let pieces = flow.split(name, parts, inputs, move |read: &Read, part| {
                    Message::new(piece(mixed(number, read), part.index))
                });
                flow.node(format!("{number} joined"), pieces, join)
            }
            Kind::FailsInParts => {
                let pieces =
                    flow.try_split(name, PARTS_THAT_FAIL, inputs, move |read: &Read, part| {
                        if controls.is_armed() && part.index > 0 {
                            return Err(format!("planned error in part {}", part.index));
                        }
                        Ok(Message::new(piece(mixed(number, read), part.index)))
                    });
                flow.node(format!("{number} joined"), pieces, join)
            }
            Kind::Counts => flow.stateful(name, inputs, 0, move |count: &mut u64, read: Read| {
                *count += 1;
                Message::new(mixed(number, &read) ^ *count)
            }),
            Kind::Slow => flow.node(name, inputs, move |read| {
                if controls.is_armed() {
                    std::thread::sleep(Duration::from_micros(30 + number as u64 % 150));
                }
                plain(&read)
            }),
            Kind::Cancels => flow.node(name, inputs, move |read| {
                controls.cancel();
                plain(&read)
            }),
            Kind::Fails => flow.try_node(name, inputs, move |read| {
                let message = plain(&read);
                if controls.is_armed() { Err("planned error") } else { Ok(message) }
            }),
            Kind::Panics => flow.node(name, inputs, move |read| {
                let message = plain(&read);
                assert!(!controls.is_armed(), "planned panic");
                message
            }),
        };
        outputs.push(flow.share(output));
    }
    let seen = (0..nodes.len()).filter(|&number| !is_read[number] || number % 7 == 0);
    let sinks = seen.map(|number| (number, flow.sink(format!("{number} seen"), outputs[number])));
    let sinks = sinks.collect();
    Built { flow: flow.build().unwrap(), source, sinks }
}
