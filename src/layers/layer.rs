//! The [`Layer`] trait, and what layers say about themselves.

use std::fmt;
use std::ops::Range;

use super::{ParameterSpec, PreparedWeights, WholeBatch};
use crate::context::{Context, Numerics, Phase};
use crate::kernels::MatrixMut;
use crate::tensor::Shape;

/// How many inputs a node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arity {
    /// This many.
    Exactly(usize),
    /// This many or more.
    AtLeast(usize),
}

/// Why input shapes do not fit, before the node's name is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misfit {
    /// What is wrong.
    pub problem: String,
    /// What would mend it.
    pub remedy: String,
}

impl Misfit {
    /// A misfit with its remedy.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// What a gradient task reads beside the gradient of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reads {
    /// The activations of the inputs.
    pub inputs: bool,
    /// The activation of the node itself.
    pub output: bool,
}

impl Reads {
    /// Nothing.
    pub const NOTHING: Self = Self { inputs: false, output: false };
    /// The inputs.
    pub const INPUTS: Self = Self { inputs: true, output: false };
    /// The output.
    pub const OUTPUT: Self = Self { inputs: false, output: true };
    /// Inputs and output.
    pub const BOTH: Self = Self { inputs: true, output: true };
}

/// How a layer's output is made of its inputs without computing anything. Gradients go the same way
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum View {
    /// Not at all: it computes.
    Computed,
    /// The output is the only input's numbers in the same order, with other axes.
    Reshape,
    /// The output's columns (its last axis) are those of the inputs, side by side.
    Columns,
}

/// Along which axis the work of a task may be split into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Split {
    /// Not at all.
    Whole,
    /// Along the items of the batch.
    Items,
    /// Along the rows of each parameter; only for parameter gradients.
    Rows,
}

/// How the output of an item may be divided, in predictions of so few items that these can't be divided. The
/// output of an item is a matrix of (all leading axes) x (last axis).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemSplit {
    /// Not at all.
    Whole,
    /// Each number of the output is made of the number at the same place of each input, which have the output's
    /// shape: so it may be divided as whatever comes before. A part gets its rows and columns of the inputs.
    SamePlace,
    /// Into ranges of rows, of so many at least: [`Context::output_rows`] says which. A part gets whole inputs.
    Rows(usize),
    /// Into ranges of columns, of so many at least: [`Context::output_columns`] says which. A part gets whole
    /// inputs.
    Columns(usize),
}

/// The work of a node, for one item of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations; a multiplication and an addition count as two.
    pub flops: f64,
    /// Numbers read and written.
    pub floats: f64,
}

/// What a node computes, forward and backward.
///
/// A task of a node may be split into parts. Each call sees the part's items only:
/// [`Context::input`] and the others give exactly those rows, and the given output holds exactly
/// those rows. Rows are the tensor seen as a matrix of (all leading axes) x (last axis).
///
/// Equal calls must give equal bits, however the items are split.
pub trait Layer: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them, such that the table's `parse` gives this layer.
    fn attributes(&self) -> toml::Table;

    /// How many inputs it takes.
    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    /// The shape of one item of its output, or why the inputs do not fit.
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit>;

    /// The parameters that it needs for inputs of these shapes.
    fn parameters(&self, _inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        Vec::new()
    }

    /// The work of the forward task for one item, as textbooks count it. The two gradients are taken to cost the same
    /// each.
    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let moved = inputs.iter().map(|shape| floats(shape)).sum::<f64>() + floats(output);
        Cost { flops: floats(output), floats: moved }
    }

    /// The work of a phase for one item, as it is done: forward, input gradient or parameter gradient. It is less than
    /// [`Layer::cost`] counts where the phase saves operations; plans go by it.
    fn work(
        &self,
        _phase: Phase,
        inputs: &[&[usize]],
        output: &[usize],
        _numerics: Numerics,
    ) -> Cost {
        self.cost(inputs, output)
    }

    /// How forward and input gradient may be split.
    fn split(&self) -> Split {
        Split::Items
    }

    /// How the output of an item may be divided in predictions, given the shapes of the inputs. Every number must
    /// have the same bits in whatever part it is computed.
    fn item_split(&self, _inputs: &[&[usize]], _numerics: Numerics) -> ItemSplit {
        ItemSplit::Whole
    }

    /// The fewest items that a part of forward or input gradient is worth: weights are read once a
    /// part.
    fn smallest_part(&self, _inputs: &[&[usize]]) -> usize {
        1
    }

    /// How the parameter gradient may be split: along the rows of each parameter, or along items,
    /// whose sums are then added in order.
    fn param_split(&self, _inputs: &[&[usize]]) -> Split {
        Split::Whole
    }

    /// How many numbers a part of the parameter gradient sums up beside the gradient itself, where it is split
    /// along items: a part must be worth them.
    fn param_grad_sums(&self, _inputs: &[&[usize]], _numerics: Numerics) -> usize {
        0
    }

    /// Whether [`Layer::param_grad`] can sum over several nodes that share parameters: over all [`Context::users`]. It must
    /// read its inputs, but not its output.
    fn sums_param_grads(&self, _inputs: &[&[usize]], _numerics: Numerics) -> bool {
        false
    }

    /// Whether the output has a gradient with respect to input number `input`.
    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    /// How many indices there are, if input number `input` holds indices: whole numbers from 0 to one
    /// less than that.
    fn indices(&self, _input: usize) -> Option<usize> {
        None
    }

    /// Whether every number of the output is 0 or one of the inputs' numbers, so that indices stay
    /// indices.
    fn rearranges(&self) -> bool {
        false
    }

    /// The axis of an item and the indices along it that the output takes from its only input, if it is such a part. Where
    /// several parts make up a whole without a gap, a plan copies their gradients side by side, and does not call
    /// [`Layer::input_grad`].
    fn part_of_input(&self, _input: &[usize]) -> Option<(usize, Range<usize>)> {
        None
    }

    /// Whether the output is a view of the inputs. A plan then computes nothing where it can place
    /// the inputs so; where it can't, it calls [`Layer::forward`] and [`Layer::input_grad`], which
    /// copy.
    fn view(&self, _inputs: &[&[usize]]) -> View {
        View::Computed
    }

    /// Whether [`Layer::forward`] may write over its first input, and [`Layer::input_grad`] over the
    /// gradient of the output: asked of [`Context::in_place`].
    fn in_place(&self) -> bool {
        false
    }

    /// Whether the gradient of every input is the gradient of the output, unchanged.
    fn passes_gradient(&self) -> bool {
        false
    }

    /// Whether a gradient of it can end in an error. Updates of parameters wait for every task that
    /// can fail, so that a failed step leaves the weights as they were.
    fn backward_can_fail(&self) -> bool {
        true
    }

    /// What the input gradient reads.
    fn input_grad_reads(&self) -> Reads {
        Reads::BOTH
    }

    /// What the parameter gradient reads.
    fn param_grad_reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// The forms of their own in which it reads its weights, if there are any.
    fn prepared_weights(&self) -> Option<&dyn PreparedWeights> {
        None
    }

    /// Whether the numbers of its inputs do not matter. Such a layer, and whatever is made of such layers alone, is
    /// computed once for all predictions between two changes of the weights.
    fn is_constant(&self) -> bool {
        false
    }

    /// What it must know about the whole batch, if it must know something.
    fn whole_batch(&self) -> Option<&dyn WholeBatch> {
        None
    }

    /// Computes the output rows of the part's items.
    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String>;

    /// Computes the gradient of input number `input` for the part's items.
    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String>;

    /// Computes the gradient of parameter number `parameter`: the given rows of it if the split is
    /// [`Split::Rows`], else all of it, summed over the part's items. `gradient` holds just those
    /// floats, in the parameter's layout, and everything in it must be written.
    fn param_grad(
        &self,
        _context: &Context<'_>,
        _parameter: usize,
        _rows: Range<usize>,
        _gradient: &mut [f32],
    ) -> Result<(), String> {
        Ok(())
    }
}
