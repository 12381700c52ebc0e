//! Nodes under test, with what feeds them and what measures them.

use std::sync::Arc;

use caudal::context::MatrixMut;
use caudal::context::{Context, Mode};
use caudal::flow::Executor;
use caudal::graph::{Graph, GraphBuilder, NodeName, Role};
use caudal::layers::{Add, Layer, Misfit, ParameterKind, Pass};
use caudal::losses::{Loss, TargetValues};
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};
use caudal::{Shape, Tensor};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The sum of an item's numbers, each times a number of the other input. Its gradient is that number,
/// so it starts a backward phase from any gradient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightedSum;

impl Loss for WeightedSum {
    fn kind(&self) -> &'static str {
        "weighted_sum"
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        if inputs[0] == inputs[1] {
            return Ok(());
        }
        Err(Misfit::new("shapes differ", "give both inputs one shape"))
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn forward(&self, context: &Context<'_>, mut losses: MatrixMut<'_>) -> Result<(), String> {
        let (values, factors) = (context.input(0), context.input(1));
        let rows = values.rows() / context.items().max(1);
        for item in 0..context.items() {
            let products = (item * rows..(item + 1) * rows).flat_map(|row| {
                let pairs = values.row(row).iter().zip(factors.row(row));
                pairs.map(|(value, factor)| f64::from(*value) * f64::from(*factor))
            });
            losses.row_mut(item)[0] = products.sum::<f64>() as f32;
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        scale: f32,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let factors = context.input(1);
        for row in 0..factors.rows() {
            let pairs = gradient.row_mut(row).iter_mut().zip(factors.row(row));
            pairs.for_each(|(gradient, factor)| *gradient = scale * factor);
        }
        Ok(())
    }
}

/// What stands around a layer under test. Plans place values differently in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surroundings {
    /// Inputs of the network before it, a loss after it.
    Alone,
    /// A layer before every input, and one after it: whatever may lie inside or over something else
    /// does.
    Inside,
    /// Other nodes read its inputs and its output too, so that gradients are added.
    Shared,
    /// All its inputs are one node.
    Repeated,
}

impl Surroundings {
    pub(crate) const ALL: [Self; 4] = [Self::Alone, Self::Inside, Self::Shared, Self::Repeated];

    /// Whether a layer with inputs of these shapes can stand there.
    pub(crate) fn fits(self, shapes: &[&[usize]]) -> bool {
        self != Self::Repeated || shapes.len() > 1 && shapes.iter().all(|it| *it == shapes[0])
    }
}

/// A small network around one layer, called `specimen`. Every output has a [`WeightedSum`] over a
/// target of its own; the loss is the sum of all of them and of all items.
#[derive(Clone, Debug)]
pub(crate) struct Specimen {
    pub(crate) graph: Arc<Graph>,
    pub(crate) batch: usize,
}

impl Specimen {
    /// # Errors
    /// If the shapes do not fit.
    pub(crate) fn new(
        layer: &Arc<dyn Layer>,
        shapes: &[&[usize]],
        surroundings: Surroundings,
        batch: usize,
    ) -> caudal::Result<Self> {
        let mut net = GraphBuilder::new("law");
        let mut measured = Vec::new();
        let distinct = if surroundings == Surroundings::Repeated { 1 } else { shapes.len() };
        let mut inputs: Vec<(NodeName, Shape)> = (0..distinct)
            .map(|number| {
                (net.input(format!("x{number}"), shapes[number]), shapes[number].to_vec())
            })
            .collect();
        if matches!(surroundings, Surroundings::Inside | Surroundings::Shared) {
            for (number, (input, _)) in inputs.iter_mut().enumerate() {
                *input = net.layer(format!("before{number}"), Add, [&*input]);
            }
        }
        if surroundings == Surroundings::Shared {
            for (number, (input, shape)) in inputs.iter().enumerate() {
                let beside = net.layer(format!("beside{number}"), Add, [input, input]);
                measured.push((beside, shape.clone()));
            }
        }
        let names: Vec<&NodeName> =
            (0..shapes.len()).map(|number| &inputs[number % distinct].0).collect();
        let mut last = net.shared_layer("specimen", Arc::clone(layer), names);
        let shape = layer.output_shape(shapes).unwrap_or_default();
        if surroundings == Surroundings::Shared {
            measured.push((net.layer("twice", Add, [&last, &last]), shape.clone()));
        }
        if matches!(surroundings, Surroundings::Inside | Surroundings::Shared) {
            last = net.layer("after", Add, [&last]);
        }
        measured.push((last, shape));
        for (number, (node, shape)) in measured.iter().enumerate() {
            let factors = net.target(format!("factors{number}"), shape.clone());
            // The plan divides the weight by the batch, which leaves 1.
            let weight = batch as f32;
            net.weighted_loss(format!("sum{number}"), WeightedSum, weight, [node, &factors]);
        }
        Ok(Self { graph: Arc::new(net.build()?), batch })
    }

    /// Numbers for every input and target, by node.
    pub(crate) fn data(&self, seed: u64) -> Vec<(String, Tensor)> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut data = Vec::new();
        for node in self.graph.nodes() {
            let shape = [&[self.batch], node.shape.as_slice()].concat();
            let count = shape.iter().product();
            let values = match node.role {
                Role::Input => match self.indices() {
                    Some(below) => {
                        (0..count).map(|_| random.random_range(0..below) as f32).collect()
                    }
                    None => spread(count, &mut random),
                },
                Role::Target => (0..count).map(|_| random.random_range(-1.0..1.0)).collect(),
                _ => continue,
            };
            data.push((node.name.clone(), Tensor::from_shape_vec(shape, values).unwrap()));
        }
        data
    }

    /// How many indices there are, if the layer under test takes indices.
    pub(crate) fn indices(&self) -> Option<usize> {
        match &self.graph.node("specimen").unwrap().role {
            Role::Layer(layer) => layer.indices(0),
            _ => None,
        }
    }

    /// Whether the layer under test computes something else in training, from the batch as a whole.
    pub(crate) fn looks_at_batches(&self) -> bool {
        let node = self.graph.node("specimen").unwrap();
        let shapes: Vec<&[usize]> =
            node.inputs.iter().map(|&input| self.graph.nodes()[input].shape.as_slice()).collect();
        match &node.role {
            Role::Layer(layer) => {
                let whole = layer.whole_batch();
                whole.is_some_and(|it| it.summary_floats(&shapes, Pass::Forward) > 0)
            }
            _ => false,
        }
    }

    /// Whether the layer under test has a gradient.
    pub(crate) fn has_gradient(&self) -> bool {
        match &self.graph.node("specimen").unwrap().role {
            Role::Layer(layer) => layer.differentiable(0),
            _ => false,
        }
    }

    /// Numbers for every parameter.
    pub(crate) fn weights(&self, seed: u64) -> Vec<(String, Tensor)> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let weights = self.graph.parameters().iter().map(|parameter| {
            // A variance is not negative.
            let least = match parameter.spec.kind {
                ParameterKind::Learned => -1.0,
                ParameterKind::Statistic => 0.5,
                other => panic!("no law draws {other:?}"),
            };
            let values = (0..parameter.spec.count()).map(|_| random.random_range(least..1.0));
            let values = Tensor::from_shape_vec(parameter.spec.shape.clone(), values.collect());
            (parameter.name.clone(), values.unwrap())
        });
        weights.collect()
    }

    /// Compiles it. The weights are those that the layer's initializers give.
    pub(crate) fn run(&self, mode: Mode, options: PlanOptions) -> Run {
        run(&self.graph, mode, self.batch, options)
    }
}

/// A run of a graph whose weights are those that its initializers give.
pub(crate) fn run(graph: &Arc<Graph>, mode: Mode, batch: usize, options: PlanOptions) -> Run {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
    let plan = Plan::compile(graph, mode, batch, &optimizer, options).unwrap();
    let parameters = Parameters::initialize(graph, optimizer.as_ref(), 7).unwrap();
    Run::new(Arc::new(plan), Arc::new(parameters)).unwrap()
}

/// Binds what a run takes of `data` and executes it.
pub(crate) fn execute(run: &mut Run, executor: &mut dyn Executor, data: &[(String, Tensor)]) {
    let graph = Arc::clone(run.plan().graph());
    for (name, values) in data {
        let id = graph.id(name).unwrap();
        if run.plan().mode() != Mode::Prediction || matches!(graph.nodes()[id].role, Role::Input) {
            run.bind(id, values.as_slice().unwrap()).unwrap();
        }
    }
    executor.execute(run).unwrap();
}

/// As [`caudal::train::Network`] wants batches.
pub(crate) fn borrowed(data: &[(String, Tensor)]) -> Vec<(&str, &Tensor)> {
    data.iter().map(|(name, values)| (name.as_str(), values)).collect()
}

/// The least distance between two of `count` numbers of [`spread`].
pub(crate) fn spacing(count: usize) -> f32 {
    1.5 / count as f32
}

/// Numbers from -2 to 2, none of them nearer to 0 than 0.5, their magnitudes as far from each other as
/// can be, in random order and with random signs: a quarter of the [`spacing`] is room for finite
/// differences beside all kinks, and quotients stay small.
fn spread(count: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    let mut values: Vec<f32> = (0..count)
        .map(|place| {
            let magnitude = 0.5 + (place as f32 + 0.5) * spacing(count);
            if random.random() { magnitude } else { -magnitude }
        })
        .collect();
    values.shuffle(random);
    values
}

/// The bits of numbers, which tell even zeros apart.
pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Asserts that no number is further from what is expected than `tolerance` times the largest
/// magnitude of the tensor.
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs())).max(1e-3);
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(
            error <= tolerance * scale,
            "{what}: number {index} is {found}, not {expected}; largest is {scale}"
        );
    }
}
