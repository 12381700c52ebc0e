//! Five steps of training of three networks.

use std::collections::BTreeMap;

use caudal::Tensor;
use caudal::graph::{Graph, GraphBuilder, NodeName};
use caudal::optimizers::Sgd;
use caudal::plan::{Convolution, PlanOptions};
use caudal::train::{Network, NetworkOptions};
use serde::Deserialize;

use super::add_node;
use crate::probe::bits;

#[derive(Deserialize)]
struct File {
    generator: Vec<GeneratorRow>,
    networks: Vec<Oracle>,
}

#[derive(Deserialize)]
struct GeneratorRow {
    name: String,
    hash: String,
    z: Vec<String>,
    u: Vec<f32>,
}

#[derive(Deserialize)]
struct Oracle {
    name: String,
    batch: usize,
    learning_rate: f32,
    momentum: f32,
    nodes: Vec<NodeRow>,
    feeds: Vec<FeedRow>,
    steps: Vec<StepRow>,
    parameters: Vec<ParameterRow>,
}

#[derive(Deserialize)]
struct NodeRow {
    name: String,
    kind: String,
    inputs: Vec<String>,
    attributes: toml::Table,
}

#[derive(Deserialize)]
struct FeedRow {
    node: String,
    shape: Vec<usize>,
    classes: Option<u64>,
}

#[derive(Deserialize)]
struct StepRow {
    step: usize,
    loss: f64,
    losses: BTreeMap<String, f64>,
    feeds: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct ParameterRow {
    name: String,
    shape: Vec<usize>,
    initial_sum: f64,
    sum: f64,
    l2: f64,
    max_abs: f64,
    update_l2: f64,
    samples: Vec<Picked>,
    most_moved: Vec<Picked>,
}

#[derive(Deserialize)]
struct Picked {
    index: usize,
    value: f64,
}

fn read() -> File {
    serde_json::from_str(include_str!("training.json")).unwrap()
}

/// FNV-1a, 64 bits.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Number `index` of the stream called `name`: the finaliser of splitmix64.
fn draw(name: &str, index: usize) -> u64 {
    let z = hash(name).wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(name: &str, index: usize) -> f32 {
    (draw(name, index) >> 40) as f32 / (1 << 24) as f32
}

fn tensor(shape: &[usize], number: impl Fn(usize) -> f32) -> Tensor {
    let values = (0..shape.iter().product()).map(number).collect();
    Tensor::from_shape_vec(shape, values).unwrap()
}

fn sum(values: &Tensor) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum()
}

fn assert_near(what: &str, found: f64, expected: f64, absolute: f64, relative: f64) {
    let error = (found - expected).abs();
    assert!(error <= absolute + relative * expected.abs(), "{what}: {found}, not {expected}");
}

impl ParameterRow {
    fn initial(&self) -> Tensor {
        let scale = match self.shape.as_slice() {
            [_] => 0.1,
            [window @ .., from, to] => {
                let window: usize = window.iter().product();
                (6.0 / (window * (from + to)) as f64).sqrt() as f32
            }
            [] => unreachable!("a parameter without axes"),
        };
        tensor(&self.shape, |index| (2.0 * unit(&self.name, index) - 1.0) * scale)
    }

    /// Tolerances are as many times as wide as `slack` says.
    fn compare(&self, network: &str, trained: &Tensor, slack: f64) {
        let what = |aspect: &str| format!("{network}: {aspect} of {}", self.name);
        let values = trained.as_slice().unwrap();
        for (aspect, picks) in [("samples", &self.samples), ("most_moved", &self.most_moved)] {
            for Picked { index, value } in picks {
                let what = what(&format!("{aspect}[{index}]"));
                assert_near(&what, f64::from(values[*index]), *value, slack * 1e-6, slack * 1e-5);
            }
        }
        let numbers = || values.iter().map(|&value| f64::from(value));
        let l2 = numbers().map(|value| value * value).sum::<f64>().sqrt();
        let start = self.initial();
        let moved = numbers().zip(&start).map(|(value, &start)| value - f64::from(start));
        let moved = moved.map(|difference| difference * difference);
        let max_abs = numbers().map(f64::abs).fold(0.0, f64::max);
        assert_near(&what("sum"), numbers().sum(), self.sum, slack * 1e-5, slack * 1e-6);
        assert_near(&what("l2"), l2, self.l2, slack * 1e-6, slack * 1e-6);
        assert_near(&what("max_abs"), max_abs, self.max_abs, slack * 1e-6, slack * 1e-5);
        let moved = moved.sum::<f64>().sqrt();
        assert_near(&what("update_l2"), moved, self.update_l2, 0.0, slack * 1e-4);
    }
}

impl FeedRow {
    fn batch(&self, step: usize) -> Tensor {
        let name = format!("{}.{step}", self.node);
        tensor(&self.shape, |index| match self.classes {
            Some(classes) => (draw(&name, index) % classes) as f32,
            None => 2.0 * unit(&name, index) - 1.0,
        })
    }
}

impl Oracle {
    fn graph(&self) -> Graph {
        let mut net = GraphBuilder::new(self.name.as_str());
        let mut names: BTreeMap<&str, NodeName> = BTreeMap::new();
        for NodeRow { name, kind, inputs, attributes } in &self.nodes {
            let inputs: Vec<NodeName> =
                inputs.iter().map(|input| names[input.as_str()].clone()).collect();
            let node = match kind.as_str() {
                "input" | "target" => {
                    let shape = attributes["shape"].as_array().unwrap();
                    let shape: Vec<usize> =
                        shape.iter().map(|size| size.as_integer().unwrap() as usize).collect();
                    if kind == "input" { net.input(name, shape) } else { net.target(name, shape) }
                }
                _ => add_node(&mut net, name, kind, attributes.clone(), &inputs),
            };
            names.insert(name, node);
        }
        net.build().unwrap()
    }

    /// Trains and compares; gives all weights.
    fn train(&self, options: NetworkOptions) -> Vec<(String, Vec<u32>)> {
        // Winograd's transforms round otherwise, some times as much.
        let slack = match options.plan.convolution {
            Convolution::Direct => 1.0,
            _ => 10.0,
        };
        let optimizer = Sgd::new(self.learning_rate).momentum(self.momentum);
        let mut network = Network::new(self.graph(), optimizer, options).unwrap();
        let known: Vec<&str> =
            network.graph().parameters().iter().map(|parameter| parameter.name.as_str()).collect();
        let expected: Vec<&str> = self.parameters.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(known, expected, "{}", self.name);
        for row in &self.parameters {
            let initial = row.initial();
            assert_near(&row.name, sum(&initial), row.initial_sum, 1e-9, 0.0);
            network.set_weights(&row.name, &initial).unwrap();
        }
        for row in &self.steps {
            let batches: Vec<(&str, Tensor)> =
                self.feeds.iter().map(|feed| (feed.node.as_str(), feed.batch(row.step))).collect();
            for (name, batch) in &batches {
                assert_near(name, sum(batch), row.feeds[*name], 1e-9, 0.0);
                assert_eq!(batch.shape()[0], self.batch);
            }
            let batches: Vec<(&str, &Tensor)> =
                batches.iter().map(|(name, batch)| (*name, batch)).collect();
            let report = network.train_batch(&batches).unwrap();
            let what = format!("{}, step {}", self.name, row.step);
            assert_near(&what, report.loss, row.loss, 0.0, slack * 1e-6);
            assert_eq!(report.losses.len(), row.losses.len(), "{what}");
            for loss in &report.losses {
                let what = format!("{what}, {}", loss.name);
                assert_near(&what, loss.value, row.losses[&loss.name], 0.0, slack * 1e-6);
            }
        }
        let mut weights = Vec::new();
        for row in &self.parameters {
            let trained = network.weights(&row.name).unwrap();
            row.compare(&self.name, &trained, slack);
            weights.push((row.name.clone(), bits(trained.as_slice().unwrap())));
        }
        weights
    }
}

#[test]
fn the_generator_makes_the_same_numbers() {
    let rows = read().generator;
    assert_eq!(rows.len(), 5);
    for row in &rows {
        assert_eq!(format!("{:016x}", hash(&row.name)), row.hash);
        assert_eq!(row.z.len(), 3);
        for (index, (z, u)) in row.z.iter().zip(&row.u).enumerate() {
            assert_eq!(&format!("{:016x}", draw(&row.name, index)), z);
            assert_eq!(unit(&row.name, index).to_bits(), u.to_bits());
        }
    }
}

/// Parts as they are, and tasks split as far as they can be.
const GRAINS: [f64; 2] = [60e-6, 1e-7];

/// Trains one network of the file sequentially and by a pool.
fn compare(name: &str, grains: &[f64]) {
    let networks = read().networks;
    let oracle = networks.iter().find(|oracle| oracle.name == name).unwrap();
    assert_eq!(oracle.steps.len(), 5);
    let ways = grains.iter().flat_map(|&grain| Convolution::ALL.map(|way| (grain, way)));
    for (grain, convolution) in ways {
        let options = |executor: &str| {
            NetworkOptions::default()
                .executor(executor)
                .workers(2)
                .plan(PlanOptions::default().grain(grain).convolution(convolution))
        };
        let sequential = oracle.train(options("sequential"));
        let pool = oracle.train(options("pool"));
        assert!(sequential == pool, "{name}: the executors differ");
    }
}

#[test]
fn inception_trains_as_in_pytorch() {
    compare("inception", &GRAINS[..1]);
}

#[test]
fn towers_train_as_in_pytorch() {
    compare("towers-small", &GRAINS);
}

#[test]
fn several_losses_train_as_in_pytorch() {
    compare("several-losses", &GRAINS);
}
