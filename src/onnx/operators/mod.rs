//! The operators of ONNX that Caudal reads: one row each.
//!
//! To add an operator, write its function into the file that it belongs to, and its row here; `docs/onnx.md` and the
//! messages read the table.

mod activations;
mod arithmetic;
mod constants;
mod convolutions;
mod gate_weights;
mod gates;
mod joining;
mod normalizations;
mod pooling;
mod products;
mod recurrent;
mod reductions;
mod resize;
mod shapes;
mod windows;

use super::call::{Call, Value};
use super::external::External;
use crate::error::escaped;
use crate::layers::Misfit;
use crate::names::nearest;

/// In which layout an operator wants its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Channels last, as layers over images have them.
    ChannelsLast,
    /// Whatever comes; its output has the same.
    AnyLayout,
    /// One of its own.
    ItsOwn,
}

/// Makes nodes of an operator; gives its outputs.
type Convert = fn(&mut Call<'_>, &mut External<'_>) -> Result<Vec<Value>, Misfit>;

/// One row of the table of operators that [`open`](super::open) reads.
#[derive(Debug)]
#[non_exhaustive]
pub struct Operator {
    /// Its name in ONNX.
    pub name: &'static str,
    /// What becomes of it, and under which conditions.
    pub becomes: &'static str,
    pub(super) needs: Needs,
    /// Whether it takes values whose batch is not the first axis.
    pub(super) any_batch: bool,
    pub(super) convert: Convert,
}

pub(super) const EXTRA_OUTPUT: &str =
    "Caudal has no such output; export the network without what uses it";

const fn row(
    name: &'static str,
    needs: Needs,
    convert: Convert,
    becomes: &'static str,
) -> Operator {
    Operator { name, becomes, needs, any_batch: matches!(needs, AnyLayout), convert }
}

impl Operator {
    /// The same row of an operator that knows where the batch is.
    const fn with_any_batch(self) -> Self {
        Self { any_batch: true, ..self }
    }
}

use Needs::{AnyLayout, ChannelsLast, ItsOwn};

/// Every operator that is read, in the order of the alphabet.
pub const OPERATORS: &[Operator] = &[
    row("Abs", AnyLayout, activations::abs, "two `relu` and an `add`"),
    row(
        "Add",
        AnyLayout,
        arithmetic::add,
        "`add`; a constant becomes the bias of the layer before, a `depthwise_conv2d` or a table of its own",
    ),
    row("ArgMax", ItsOwn, reductions::arg_max, "`argmax`; the first of equal numbers"),
    row("AveragePool", ChannelsLast, pooling::average, "`avgpool`; without dilation"),
    row("BatchNormalization", ChannelsLast, normalizations::batch, "`batch_norm`"),
    row(
        "Cast",
        AnyLayout,
        shapes::cast,
        "nothing: numbers stay 32-bit floats; only to a type that loses nothing of them",
    ),
    row("Celu", AnyLayout, activations::celu, "`scale` and `elu`"),
    row("Clip", AnyLayout, activations::clip, "`clip`, or `relu`"),
    row("Concat", AnyLayout, joining::concat, "`concat`; not along the batch"),
    row("Constant", ItsOwn, constants::constant, "a constant"),
    row("ConstantOfShape", ItsOwn, constants::constant_of_shape, "a constant"),
    row(
        "Conv",
        ChannelsLast,
        convolutions::conv,
        "`conv2d` or `depthwise_conv2d`; one or two dimensions",
    ),
    row(
        "ConvTranspose",
        ChannelsLast,
        convolutions::conv_transpose,
        "`conv2d_transpose`, and `concat` of one for each group; no dilation, one or two dimensions",
    ),
    row("DepthToSpace", ItsOwn, shapes::depth_to_space, "`transpose`"),
    row("Div", AnyLayout, arithmetic::divide, "`divide`, or `scale` for a number"),
    row("Dropout", AnyLayout, activations::dropout, "`dropout`; its mask can't be used"),
    row("Elu", AnyLayout, activations::elu, "`elu`"),
    row("Equal", ItsOwn, constants::equal, "a constant; of constants alone"),
    row("Expand", AnyLayout, joining::expand, "`upsample`"),
    row("Flatten", ItsOwn, shapes::flatten, "`reshape`; with axis 1"),
    row(
        "GRU",
        ItsOwn,
        recurrent::gru,
        "the nodes of the block `gru`, one set of parameters for all steps; no lengths of single items, no clip",
    )
    .with_any_batch(),
    row(
        "Gather",
        ItsOwn,
        joining::gather,
        "`embedding` where indices depend on the items, else `slice`",
    )
    .with_any_batch(),
    row("Gelu", AnyLayout, activations::gelu, "`gelu`; the exact form"),
    row("Gemm", ItsOwn, products::gemm, "`dense`; the second matrix is a constant"),
    row("GlobalAveragePool", ChannelsLast, pooling::global_average, "`global_avg_pool`"),
    row("GlobalMaxPool", ChannelsLast, pooling::global_max, "`global_max_pool`"),
    row("HardSigmoid", AnyLayout, activations::hard_sigmoid, "`scale`, `add` and `clip`"),
    row("HardSwish", AnyLayout, activations::hard_swish, "`scale`, `add`, `clip` and `multiply`"),
    row("Identity", AnyLayout, shapes::identity, "nothing"),
    row(
        "LSTM",
        ItsOwn,
        recurrent::lstm,
        "the nodes of the block `lstm`, one set of parameters for all steps; no lengths of single items, no peepholes, no clip",
    )
    .with_any_batch(),
    row(
        "LayerNormalization",
        ItsOwn,
        normalizations::layer,
        "`layer_norm`; its mean and deviation can't be used",
    )
    .with_any_batch(),
    row("LeakyRelu", AnyLayout, activations::leaky_relu, "`leaky_relu`; a slope of at least 0"),
    row(
        "MatMul",
        ItsOwn,
        products::mat_mul,
        "`dense` where the second matrix is a constant, else `matmul`",
    )
    .with_any_batch(),
    row("Max", AnyLayout, arithmetic::max, "`relu` and `add`, or `clip`"),
    row(
        "MaxPool",
        ChannelsLast,
        pooling::max,
        "`maxpool`; without dilation; its indices can't be used",
    ),
    row("Mean", AnyLayout, arithmetic::mean, "`add` and `scale`"),
    row("Min", AnyLayout, arithmetic::min, "`relu` and `subtract`, or `clip`"),
    row("Mish", AnyLayout, activations::mish, "`softplus`, `tanh` and `multiply`"),
    row(
        "Mul",
        AnyLayout,
        arithmetic::multiply,
        "`multiply`, `scale` for a number, or `depthwise_conv2d` for a number a channel",
    ),
    row("Neg", AnyLayout, arithmetic::negate, "`scale`"),
    row(
        "OneHot",
        ItsOwn,
        reductions::one_hot,
        "`one_hot`; 1 at the class and 0 elsewhere, along a last axis of its own",
    ),
    row("PRelu", AnyLayout, activations::prelu, "`prelu`; one slope, or one a channel"),
    row(
        "Pad",
        AnyLayout,
        windows::pad,
        "`zero_padding`, or the padding of the convolution after it; one number around axes of an item, but no batch",
    ),
    row("Pow", AnyLayout, arithmetic::power, "`multiply`; whole exponents from 1 to 8"),
    row(
        "RNN",
        ItsOwn,
        recurrent::rnn,
        "`concat`, `dense` and `tanh` or `relu` for every step, with one set of parameters; no lengths of single items, no clip",
    )
    .with_any_batch(),
    row("Range", ItsOwn, constants::range, "a constant; of constants alone"),
    row("Reciprocal", AnyLayout, arithmetic::reciprocal, "`divide`"),
    row(
        "ReduceMax",
        ItsOwn,
        reductions::max,
        "`maxpool` or `global_max_pool`; not along the batch",
    )
    .with_any_batch(),
    row(
        "ReduceMean",
        ItsOwn,
        reductions::mean,
        "`avgpool` or `global_avg_pool`; not along the batch",
    )
    .with_any_batch(),
    row("ReduceMin", ItsOwn, reductions::min, "`scale` and `maxpool`; not along the batch")
        .with_any_batch(),
    row("ReduceSum", ItsOwn, reductions::sum, "`avgpool` and `scale`; not along the batch")
        .with_any_batch(),
    row("Relu", AnyLayout, activations::relu, "`relu`"),
    row(
        "Reshape",
        ItsOwn,
        shapes::reshape,
        "`reshape`, or nothing; the numbers of an item stay together",
    )
    .with_any_batch(),
    row(
        "Resize",
        ChannelsLast,
        resize::resize,
        "`upsample` for pixels that repeat, else a `dense` of its own along each axis, which does not learn; no crop, no antialiasing",
    ),
    row("Selu", AnyLayout, activations::selu, "`elu` and `scale`"),
    row("Shape", ItsOwn, constants::shape, "a constant, in which the batch may be open")
        .with_any_batch(),
    row("Sigmoid", AnyLayout, activations::sigmoid, "`sigmoid`"),
    row("Slice", ItsOwn, joining::slice, "`slice`; forwards, one by one, not along the batch")
        .with_any_batch(),
    row("Softmax", ItsOwn, activations::softmax, "`softmax`").with_any_batch(),
    row("Softplus", AnyLayout, activations::softplus, "`softplus`"),
    row("SpaceToDepth", ItsOwn, shapes::space_to_depth, "`transpose`"),
    row("Split", ItsOwn, joining::split, "`slice`; not along the batch").with_any_batch(),
    row("Squeeze", ItsOwn, shapes::squeeze, "nothing, or `reshape`").with_any_batch(),
    row("Sub", AnyLayout, arithmetic::subtract, "`subtract`; constants as with Add"),
    row("Sum", AnyLayout, arithmetic::sum, "`add`"),
    row("Swish", AnyLayout, activations::swish, "`silu`"),
    row("Tanh", AnyLayout, activations::tanh, "`tanh`"),
    row(
        "Transpose",
        ItsOwn,
        shapes::transpose,
        "nothing, or `transpose` where a layer needs another order",
    )
    .with_any_batch(),
    row("Unsqueeze", ItsOwn, shapes::unsqueeze, "nothing, or `reshape`").with_any_batch(),
    row("Where", ItsOwn, constants::choose, "a constant; of constants alone"),
];

/// The row of an operator.
pub(super) fn find(name: &str) -> Option<&'static Operator> {
    OPERATORS.binary_search_by_key(&name, |row| row.name).ok().map(|at| &OPERATORS[at])
}

/// What can be done about operators that are met again and again.
const REMEDIES: &[(&str, &str)] = &[
    ("LogSoftmax", "end the network before it: the loss softmax_cross_entropy holds it"),
    ("Erf", "export it with opset 20 or newer, where gelu is one operator"),
    ("If", "export it with constant control flow, or fold it with onnxsim"),
    ("Loop", "export it unrolled"),
    ("Scan", "export it unrolled"),
    ("InstanceNormalization", "use batch or layer normalisation"),
    ("GroupNormalization", "use batch or layer normalisation"),
    ("QuantizeLinear", "export it before it is quantised"),
    ("DequantizeLinear", "export it before it is quantised"),
    (
        "NonMaxSuppression",
        "end the network before it, and do what follows in a program of your own",
    ),
];

/// Why an operator is refused that is not in the table.
pub(super) fn not_covered(name: &str, is_function: bool) -> Misfit {
    if is_function {
        let problem = "it is defined in the file itself, which Caudal does not read";
        return Misfit::new(
            problem,
            "inline functions, as with onnx.inliner.inline_local_functions",
        );
    }
    let known = REMEDIES.iter().find(|(operator, _)| *operator == name);
    let remedy = match (known, nearest(name, OPERATORS.iter().map(|row| row.name))) {
        (Some((_, remedy)), _) => (*remedy).to_owned(),
        (None, Some(near)) => format!(
            "did you mean `{near}`? Else write it with operators that `docs/onnx.md` lists, or end the network before it"
        ),
        (None, None) => {
            "write it with operators that `docs/onnx.md` lists, or end the network before it"
                .to_owned()
        }
    };
    Misfit::new(format!("Caudal does not cover the operator `{}`", escaped(name)), remedy)
}

/// One output.
fn one(value: impl Into<Value>) -> Vec<Value> {
    vec![value.into()]
}
