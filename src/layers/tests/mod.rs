//! What the laws over the whole table (`tests/laws.rs`) do not see, and a network around one layer.

mod behaviour;

use std::sync::Arc;

use super::{Add, Layer, Misfit, find};
use crate::context::{Context, Mode};
use crate::error::Result;
use crate::flow::{Executor, Sequential};
use crate::graph::{DraftRole, Graph, GraphBuilder, NodeId, Role};
use crate::kernels::MatrixMut;
use crate::losses::{Loss, TargetValues};
use crate::optimizers::{Optimizer, Sgd};
use crate::plan::{Plan, PlanOptions};
use crate::random;
use crate::run::{Parameters, Run};

/// The sum of an item's numbers, each times a number of the other input: its gradient is that number.
#[derive(Clone, Copy, Debug)]
struct WeightedSum;

impl Loss for WeightedSum {
    fn kind(&self) -> &'static str {
        "weighted_sum"
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> std::result::Result<(), Misfit> {
        assert_eq!(inputs[0], inputs[1]);
        Ok(())
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn forward(
        &self,
        context: &Context<'_>,
        mut losses: MatrixMut<'_>,
    ) -> std::result::Result<(), String> {
        let (values, factors) = (context.input(0), context.input(1));
        let rows = values.rows() / context.items();
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
    ) -> std::result::Result<(), String> {
        let factors = context.input(1);
        for row in 0..factors.rows() {
            let pairs = gradient.row_mut(row).iter_mut().zip(factors.row(row));
            pairs.for_each(|(gradient, factor)| *gradient = scale * factor);
        }
        Ok(())
    }
}

/// A layer between its inputs and a [`WeightedSum`], with numbers for all of them.
pub(super) struct Specimen {
    pub(super) graph: Arc<Graph>,
    batch: usize,
    /// By node, in order: inputs and targets.
    pub(super) data: Vec<(NodeId, Vec<f32>)>,
    pub(super) weights: Vec<Vec<f32>>,
    seed: u64,
}

/// What one run came to.
pub(super) struct Outcome {
    pub(super) losses: Vec<f32>,
    pub(super) input_gradients: Vec<Option<Vec<f32>>>,
    pub(super) parameter_gradients: Vec<Vec<f32>>,
}

/// Numbers whose magnitudes go from 0.5 to 2, all different, in random order and with random signs.
fn spread(count: usize, seed: u64) -> Vec<f32> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by_key(|&place| random::key(&[seed, place as u64]));
    let size = |place: usize| 0.5 + 1.5 * place as f32 / count as f32;
    let sign = |place: usize| {
        if random::key(&[place as u64, seed]).is_multiple_of(2) { 1.0 } else { -1.0 }
    };
    places.into_iter().map(|place| size(place) * sign(place)).collect()
}

/// The layer of a kind with these attributes.
pub(super) fn make(kind: &str, attributes: &str) -> Arc<dyn Layer> {
    (find(kind).unwrap().parse)(attributes.parse().unwrap()).unwrap()
}

impl Specimen {
    /// With `inside`, other layers stand before and after it, so that it may overwrite and be a view.
    pub(super) fn new(
        layer: &Arc<dyn Layer>,
        shapes: &[&[usize]],
        batch: usize,
        inside: bool,
    ) -> Result<Self> {
        let mut net = GraphBuilder::new("specimen");
        let mut inputs = Vec::new();
        for (number, &shape) in shapes.iter().enumerate() {
            let mut input = net.input(format!("x{number}"), shape);
            if inside {
                input = net.layer(format!("before{number}"), Add, [&input]);
            }
            inputs.push(input);
        }
        let mut last = net.add("layer", DraftRole::layer(Arc::clone(layer)), &inputs);
        let shape = layer.output_shape(shapes).unwrap_or_default();
        if inside {
            last = net.layer("after", Add, [&last]);
        }
        let factors = net.target("factors", shape);
        // The plan divides the weight by the batch, which leaves 1.
        net.weighted_loss("loss", WeightedSum, batch as f32, [&last, &factors]);
        let graph = Arc::new(net.build()?);
        let mut data = Vec::new();
        let mut inputs = 0;
        for (id, node) in graph.nodes().iter().enumerate() {
            let count = batch * node.shape.iter().product::<usize>();
            let seed = 1 + id as u64;
            match node.role {
                Role::Input => {
                    let values = match layer.indices(inputs) {
                        Some(indices) => {
                            let index = |at| random::key(&[at as u64]) % indices as u64;
                            (0..count).map(|at| index(at) as f32).collect()
                        }
                        None => spread(count, seed),
                    };
                    data.push((id, values));
                    inputs += 1;
                }
                Role::Target => data.push((id, spread(count, seed))),
                _ => {}
            }
        }
        let counts = graph.parameters().iter().enumerate();
        let weights = counts.map(|(id, it)| spread(it.spec.count(), 100 + id as u64)).collect();
        Ok(Self { graph, batch, data, weights, seed: 3 })
    }

    pub(super) fn run(&self, mode: Mode, options: PlanOptions) -> Run {
        let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
        let plan = Plan::compile(&self.graph, mode, self.batch, &optimizer, options).unwrap();
        let parameters = Parameters::initialize(&self.graph, optimizer.as_ref(), 7).unwrap();
        for (index, values) in self.weights.iter().enumerate() {
            let shape = self.graph.parameters()[index].spec.shape.clone();
            let values = crate::Tensor::from_shape_vec(shape, values.clone()).unwrap();
            parameters.set_weights(&self.graph, index, &values).unwrap();
        }
        Run::new(Arc::new(plan), Arc::new(parameters)).unwrap()
    }

    /// Runs one step.
    pub(super) fn outcome(&self, mode: Mode, options: PlanOptions) -> Result<Outcome> {
        let mut run = self.run(mode, options);
        self.execute(&mut run)?;
        let training = mode == Mode::Training;
        let gradients = self.graph.inputs().into_iter().map(|id| run.input_gradient(id));
        let parameters = 0..self.graph.parameters().len();
        let gradient = |index| run.parameter_gradient(index).unwrap().iter().copied().collect();
        Ok(Outcome {
            losses: run.kept(self.graph.id("loss").unwrap()).unwrap().to_vec(),
            input_gradients: gradients.collect(),
            parameter_gradients: parameters.filter(|_| training).map(gradient).collect(),
        })
    }

    fn execute(&self, run: &mut Run) -> Result<()> {
        let prediction = run.plan().mode() == Mode::Prediction;
        for (id, values) in &self.data {
            if prediction && matches!(self.graph.nodes()[*id].role, Role::Target) {
                continue;
            }
            run.bind(*id, values)?;
        }
        run.set_seed(self.seed);
        Sequential::new().execute(run)
    }

    /// What the layer, or what follows it, gives.
    pub(super) fn outputs(&self, mode: Mode) -> Vec<f32> {
        let mut run = self.run(mode, PlanOptions::default());
        self.execute(&mut run).unwrap();
        run.kept(self.graph.outputs()[0]).unwrap().to_vec()
    }
}

pub(super) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
