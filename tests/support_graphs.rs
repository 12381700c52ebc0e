//! Random networks and data for them, from a seed.

mod heads;
mod mixed;

use std::sync::Arc;

use caudal::Tensor;
use caudal::graph::{Graph, GraphBuilder, Node, NodeName, Role};
use caudal::layers::{
    Add, Concat, Conv2d, Dense, Flatten, GlobalAvgPool, Layer, MaxPool, Relu, Sigmoid, Tanh,
};
use caudal::regularizers::L2;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::faults::faulty::{Faulty, Switch};

/// What a node's data looks like.
#[derive(Clone, Debug)]
struct Feed {
    name: String,
    shape: Vec<usize>,
    /// Class indices below this number, or any numbers.
    classes: Option<usize>,
}

/// A network with what it takes to feed it.
#[derive(Clone, Debug)]
pub(crate) struct Specimen {
    pub(crate) graph: Graph,
    feeds: Vec<Feed>,
    pub(crate) items: usize,
}

/// Tensors by node name.
pub(crate) type Batch = Vec<(String, Tensor)>;

/// A batch as [`caudal::train::Network`] takes it.
pub(crate) fn borrowed(batch: &Batch) -> Vec<(&str, &Tensor)> {
    batch.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect()
}

impl Specimen {
    /// `count` batches of synthetic data.
    pub(crate) fn batches(&self, seed: u64, count: usize) -> Vec<Batch> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut tensor = |feed: &Feed| {
            let shape = [&[self.items], feed.shape.as_slice()].concat();
            let values = (0..shape.iter().product()).map(|_| match feed.classes {
                Some(classes) => random.random_range(0..classes) as f32,
                None => random.random_range(-1.0..1.0),
            });
            Tensor::from_shape_vec(shape, values.collect()).unwrap()
        };
        let mut batch =
            || self.feeds.iter().map(|feed| (feed.name.clone(), tensor(feed))).collect::<Batch>();
        (0..count).map(|_| batch()).collect()
    }

    /// Kinds and wiring: equal for equal structures only.
    pub(crate) fn signature(&self) -> String {
        let node =
            |node: &Node| format!("{} {:?} {:?}; ", node.role.kind(), node.inputs, node.shape);
        self.graph.nodes().iter().map(node).collect()
    }
}

/// A node that can still be used as an input.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    shape: Vec<usize>,
    uses: usize,
}

/// Which layers a network is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Dense,
    Images,
    /// Vectors and images, with the layers that the others do not have.
    Mixed,
}

struct Generator {
    random: ChaCha8Rng,
    net: GraphBuilder,
    family: Family,
    sources: Vec<Source>,
    feeds: Vec<Feed>,
    made: usize,
    /// A source that many others use.
    hub: Option<usize>,
    losses: usize,
    /// What makes layers fail, where they can.
    switch: Option<Arc<Switch>>,
    /// Dense layers whose parameters others may use: how many features they read.
    dense: Vec<(usize, String)>,
}

const MOST_FEATURES: usize = 160;

/// The network that follows from `seed`: 5 to about 60 nodes.
pub(crate) fn specimen(seed: u64, family: Family) -> Specimen {
    made(seed, family, None)
}

/// The same network, whose layers fail when the switch says so.
pub(crate) fn faulty_specimen(seed: u64, family: Family, switch: &Arc<Switch>) -> Specimen {
    made(seed, family, Some(Arc::clone(switch)))
}

fn made(seed: u64, family: Family, switch: Option<Arc<Switch>>) -> Specimen {
    let mut generator = Generator {
        random: ChaCha8Rng::seed_from_u64(seed),
        net: GraphBuilder::new(format!("random {seed}")),
        family,
        sources: Vec::new(),
        feeds: Vec::new(),
        made: 0,
        hub: None,
        losses: 0,
        switch,
        dense: Vec::new(),
    };
    generator.inputs();
    // Heads add some more.
    let layers = if seed.is_multiple_of(5) { 1 } else { generator.random.random_range(3..=44) };
    while generator.made < layers {
        generator.grow();
    }
    generator.heads();
    let items = match (family, generator.random.random_range(0..6)) {
        (Family::Dense, 0) => generator.random.random_range(64..=70),
        (_, 1) => 1,
        _ => generator.random.random_range(2..=9),
    };
    let graph = generator.net.build().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    Specimen { items: items.max(least_items(&graph)), graph, feeds: generator.feeds }
}

/// The fewest items that all layers can be trained on.
fn least_items(graph: &Graph) -> usize {
    let least = |node: &Node| {
        let Role::Layer(layer) = &node.role else { return 1 };
        let shapes = node.inputs.iter().map(|&input| graph.nodes()[input].shape.as_slice());
        layer.whole_batch().map_or(1, |it| it.least_items(&shapes.collect::<Vec<_>>()))
    };
    graph.nodes().iter().map(least).max().unwrap_or(1)
}

/// Adds a layer, with the parameters of another if it has an owner.
fn place(
    net: &mut GraphBuilder,
    name: &str,
    layer: impl Layer + 'static,
    inputs: &[String],
    owner: Option<String>,
) -> NodeName {
    match owner {
        None => net.layer(name, layer, inputs),
        Some(owner) => net.layer_sharing(name, layer, inputs, owner),
    }
}

impl Generator {
    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(&mut self.random).unwrap()
    }

    fn inputs(&mut self) {
        let count = self.pick(&[1, 1, 2, 3]);
        for number in 0..count {
            let images = match self.family {
                Family::Dense => false,
                Family::Images => true,
                Family::Mixed => self.chance(75),
            };
            let shape = if images {
                let side = self.pick(&[4, 5, 6]);
                vec![side, self.pick(&[4, 6]), self.pick(&[1, 2, 3])]
            } else {
                match self.random.random_range(0..8) {
                    0 => vec![3, 5],
                    1 => vec![2, 2, 4],
                    2 => vec![130],
                    _ => vec![self.pick(&[3, 4, 8, 16])],
                }
            };
            let name = format!("input{number}");
            self.feeds.push(Feed { name: name.clone(), shape: shape.clone(), classes: None });
            self.net.input(&name, shape.clone());
            self.sources.push(Source { name, shape, uses: 0 });
        }
        if self.chance(30) {
            self.hub = Some(self.random.random_range(0..count));
        }
    }

    fn target(&mut self, shape: &[usize], classes: Option<usize>) -> String {
        // A target that others compare with already, if one fits.
        let known = self.feeds.iter().find(|feed| {
            feed.name.starts_with("target") && feed.shape == shape && feed.classes == classes
        });
        if let Some(name) = known.map(|feed| feed.name.clone())
            && self.chance(50)
        {
            return name;
        }
        let name = format!("target{}", self.feeds.len());
        self.feeds.push(Feed { name: name.clone(), shape: shape.to_vec(), classes });
        self.net.target(&name, shape.to_vec());
        name
    }

    /// Adds a layer over sources; its shape comes from a graph of just that layer.
    fn layer(&mut self, layer: impl caudal::layers::Layer + 'static, inputs: &[usize]) -> usize {
        self.add(layer, inputs, None)
    }

    /// Adds a layer that uses the parameters of another.
    fn sharing(
        &mut self,
        layer: impl caudal::layers::Layer + 'static,
        from: usize,
        owner: String,
    ) -> usize {
        self.add(layer, &[from], Some(owner))
    }

    fn add(
        &mut self,
        layer: impl caudal::layers::Layer + 'static,
        inputs: &[usize],
        owner: Option<String>,
    ) -> usize {
        let shapes: Vec<&[usize]> =
            inputs.iter().map(|&input| self.sources[input].shape.as_slice()).collect();
        let shape = layer.output_shape(&shapes).unwrap();
        let name = format!("{}{}", layer.kind(), self.made);
        self.made += 1;
        let names: Vec<String> =
            inputs.iter().map(|&input| self.sources[input].name.clone()).collect();
        let own = owner.is_none();
        let net = &mut self.net;
        let node = match self.switch.clone() {
            None => place(net, &name, layer, &names, owner),
            Some(switch) => place(net, &name, Faulty::new(&name, layer, &switch), &names, owner),
        };
        let learns = ["dense", "conv", "batch_norm"].iter().any(|kind| name.starts_with(kind));
        if own && learns {
            match self.made % 5 {
                0 => _ = self.net.trainable(&node, false),
                1 => _ = self.net.regularizer(&node, "weight", L2::new(0.01)),
                2 => _ = self.net.learning_rate_factor(&node, 0.5),
                _ => {}
            }
        }
        for &input in inputs {
            self.sources[input].uses += 1;
        }
        self.sources.push(Source { name, shape, uses: 0 });
        let new = self.sources.len() - 1;
        if self.hub.is_some() && self.chance(5) {
            self.hub = Some(new);
        }
        new
    }

    fn source(&mut self) -> usize {
        let (to_hub, to_newest) = (self.chance(35), self.chance(45));
        match self.hub {
            Some(hub) if to_hub => hub,
            _ if to_newest => self.sources.len() - 1,
            _ => self.random.random_range(0..self.sources.len()),
        }
    }

    /// Sources that agree with `first` on all axes but `axis`, itself included.
    fn alike(&mut self, first: usize, axis: Option<usize>, most: usize) -> Vec<usize> {
        let shape = self.sources[first].shape.clone();
        let fits = |other: &Source| {
            other.shape.len() == shape.len()
                && (0..shape.len()).all(|at| Some(at) == axis || other.shape[at] == shape[at])
        };
        let all: Vec<usize> =
            (0..self.sources.len()).filter(|&other| fits(&self.sources[other])).collect();
        let count = self.random.random_range(1..=most);
        let mut inputs = vec![first];
        while inputs.len() < count {
            let other = if self.chance(20) { first } else { self.pick(&all) };
            inputs.push(other);
        }
        if let Some(axis) = axis {
            let mut size = 0;
            let rest = shape.iter().product::<usize>() / shape[axis];
            inputs.retain(|&input| {
                size += self.sources[input].shape[axis] * rest;
                input == first || size <= MOST_FEATURES
            });
        }
        inputs
    }

    fn in_place_chain(&mut self, from: usize) -> usize {
        let mut at = from;
        for _ in 0..self.random.random_range(1..=3) {
            at = match self.random.random_range(0..3) {
                0 => self.layer(Relu, &[at]),
                1 => self.layer(Tanh, &[at]),
                _ => self.layer(Sigmoid, &[at]),
            };
        }
        at
    }

    fn grow(&mut self) {
        let from = self.source();
        if self.family == Family::Mixed && self.chance(75) {
            return self.grow_mixed(from);
        }
        let shape = self.sources[from].shape.clone();
        let image = shape.len() == 3;
        let small = shape.iter().product::<usize>() <= MOST_FEATURES;
        match self.random.random_range(0..12) {
            0..=2 => {
                if image && self.chance(75) {
                    self.convolve(from);
                } else {
                    let units = self.pick(&[2, 4, 8, 8, 17]);
                    let dense = self.layer(Dense::new(units), &[from]);
                    if self.chance(50) {
                        self.in_place_chain(dense);
                    }
                }
            }
            3 | 4 => {
                self.in_place_chain(from);
            }
            5 | 6 => {
                let inputs = self.alike(from, None, 4);
                let sum = self.layer(Add, &inputs);
                if inputs.len() > 1 && self.chance(60) {
                    // Keeps sums of sums from growing without bound.
                    self.layer(Tanh, &[sum]);
                }
            }
            7 | 8 if small => {
                let inputs = self.alike(from, Some(shape.len() - 1), 5);
                self.layer(Concat::default(), &inputs);
            }
            9 if small && shape.len() > 1 => {
                let axis = self.random.random_range(0..shape.len() - 1);
                let inputs = self.alike(from, Some(axis), 3);
                self.layer(Concat::along(axis.cast_signed()), &inputs);
            }
            10 => {
                let flat = self.layer(Flatten, &[from]);
                if self.chance(30) {
                    self.layer(Flatten, &[flat]);
                }
            }
            11 if image => {
                if self.chance(50) {
                    self.layer(GlobalAvgPool, &[from]);
                } else {
                    self.layer(MaxPool::new(2).stride(1).same(), &[from]);
                }
            }
            _ => {
                self.layer(Dense::new(8), &[from]);
            }
        }
    }

    fn convolve(&mut self, from: usize) {
        let filters = self.pick(&[1, 3, 4, 8]);
        let kernel = self.pick(&[1, 2, 3]);
        let fits = self.sources[from].shape[..2].iter().all(|&side| side > kernel + 1);
        let conv = if fits && self.chance(25) {
            let stride = self.pick(&[1, 2]);
            Conv2d::new(filters, kernel).stride(stride)
        } else {
            Conv2d::new(filters, kernel).same()
        };
        let conv = self.layer(conv, &[from]);
        if self.chance(60) {
            self.in_place_chain(conv);
        }
    }
}
