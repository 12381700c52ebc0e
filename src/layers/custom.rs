//! Layers made of closures.

use std::fmt;
use std::sync::Arc;

use super::{Arity, Layer, Misfit};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::tensor::Shape;

type OutputShape = dyn Fn(&[&[usize]]) -> Result<Shape, Misfit> + Send + Sync;
type Forward = dyn Fn(&Context<'_>, MatrixMut<'_>) -> Result<(), String> + Send + Sync;
type InputGrad = dyn Fn(&Context<'_>, usize, MatrixMut<'_>) -> Result<(), String> + Send + Sync;

/// A layer without parameters, made of closures: what it computes, the gradient of its inputs, how many
/// inputs there are, and the shape of the output.
///
/// The closures are called as the methods of [`Layer`] of the same names, and keep the same rules: they
/// see the rows of some items of the batch, write all rows of the output that they are given, and give
/// the same bits however the items are split. What a layer of parameters, or one that may overwrite its
/// input, has to say is said by implementing [`Layer`].
///
/// Without a gradient, nothing behind it learns of it, as with an argmax.
///
/// A model file can hold such a layer if its kind is registered: see
/// [`CustomKinds`](crate::model::CustomKinds).
///
/// ```
/// use caudal::graph::GraphBuilder;
/// use caudal::layers::{Custom, Dense};
/// use caudal::losses::MeanSquaredError;
/// use caudal::optimizers::Sgd;
/// use caudal::train::{Network, NetworkOptions};
/// use caudal::Tensor;
///
/// // Rows are an item's numbers along its last axis; all sizes are those of the input.
/// let square = Custom::new("square", |context, mut output| {
///     let input = context.input(0);
///     for row in 0..output.rows() {
///         let numbers = output.row_mut(row).iter_mut().zip(input.row(row));
///         numbers.for_each(|(y, x)| *y = x * x);
///     }
///     Ok(())
/// })
/// .input_grad(|context, _input, mut gradient| {
///     let (input, output_grad) = (context.input(0), context.output_grad());
///     for row in 0..gradient.rows() {
///         let given = output_grad.row(row).iter().zip(input.row(row));
///         gradient.row_mut(row).iter_mut().zip(given).for_each(|(d, (g, x))| *d = 2.0 * x * g);
///     }
///     Ok(())
/// });
///
/// let mut net = GraphBuilder::new("parabola");
/// let x = net.input("x", [1]);
/// let y = net.target("y", [1]);
/// let line = net.layer("line", Dense::new(1), [&x]);
/// let square = net.layer("square", square, [&line]);
/// net.loss("loss", MeanSquaredError, [&square, &y]);
/// let mut network = Network::new(net.build()?, Sgd::new(0.02), NetworkOptions::default())?;
///
/// let column = |values: [f32; 4]| Tensor::from_shape_vec(vec![4, 1], values.to_vec()).unwrap();
/// let (x, y) = (column([-1.0, 0.0, 1.0, 2.0]), column([1.0, 0.0, 1.0, 4.0]));
/// network.set_weights("line.weight", &Tensor::from_elem(vec![1, 1], 0.5))?;
/// for _ in 0..100 {
///     network.train_batch(&[("x", &x), ("y", &y)])?;
/// }
/// assert!(network.evaluate_batch(&[("x", &x), ("y", &y)])?.loss < 1e-3);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone)]
pub struct Custom {
    kind: &'static str,
    attributes: toml::Table,
    arity: Arity,
    output_shape: Option<Arc<OutputShape>>,
    forward: Arc<Forward>,
    input_grad: Option<Arc<InputGrad>>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom")
            .field("kind", &self.kind)
            .field("attributes", &self.attributes)
            .field("arity", &self.arity)
            .finish_non_exhaustive()
    }
}

impl Custom {
    /// A layer of one input that calls `forward` to write the output, which has the input's shape.
    pub fn new(
        kind: &'static str,
        forward: impl Fn(&Context<'_>, MatrixMut<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            attributes: toml::Table::new(),
            arity: Arity::Exactly(1),
            output_shape: None,
            forward: Arc::new(forward),
            input_grad: None,
        }
    }

    /// Calls `input_grad` to write the gradient of the input of that number.
    #[must_use]
    pub fn input_grad(
        mut self,
        input_grad: impl Fn(&Context<'_>, usize, MatrixMut<'_>) -> Result<(), String>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.input_grad = Some(Arc::new(input_grad));
        self
    }

    /// Takes this many inputs.
    #[must_use]
    pub fn arity(mut self, arity: Arity) -> Self {
        self.arity = arity;
        self
    }

    /// Calls `output_shape` for the shape of an item of the output, given those of the inputs, or for
    /// why they do not fit. Without it the shape is that of the first input.
    #[must_use]
    pub fn output_shape(
        mut self,
        output_shape: impl Fn(&[&[usize]]) -> Result<Shape, Misfit> + Send + Sync + 'static,
    ) -> Self {
        self.output_shape = Some(Arc::new(output_shape));
        self
    }

    /// What a model file says of it beside its kind.
    #[must_use]
    pub fn attributes(mut self, attributes: toml::Table) -> Self {
        self.attributes = attributes;
        self
    }
}

impl Layer for Custom {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn attributes(&self) -> toml::Table {
        self.attributes.clone()
    }

    fn arity(&self) -> Arity {
        self.arity
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        match (&self.output_shape, inputs.first()) {
            (Some(output_shape), _) => output_shape(inputs),
            (None, Some(first)) => Ok(first.to_vec()),
            (None, None) => Err(Misfit::new("it has no input", "connect it to a node")),
        }
    }

    fn differentiable(&self, _input: usize) -> bool {
        self.input_grad.is_some()
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        (self.forward)(context, output)
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        match &self.input_grad {
            Some(input_grad) => input_grad(context, input, gradient),
            None => Err("it has no gradient".to_owned()),
        }
    }
}
