//! Which operators layers become: one row a kind.

use toml::Value;

use super::Attr;
use super::call::Call;
use super::images::{batch_norm, conv2d, depthwise, transposed, upsample, zero_padding};

/// One row of the table of layers that [`write`](fn@super::write) writes.
#[derive(Debug)]
#[non_exhaustive]
pub struct LayerWriter {
    /// The kind of the layer.
    pub kind: &'static str,
    /// The operators that it becomes.
    pub becomes: &'static str,
    pub(super) write: fn(&mut Call<'_, '_>),
}

const fn row(
    kind: &'static str,
    write: fn(&mut Call<'_, '_>),
    becomes: &'static str,
) -> LayerWriter {
    LayerWriter { kind, becomes, write }
}

/// How every kind of layer is written, in the order of [`LAYERS`](crate::layers::LAYERS).
pub const WRITERS: &[LayerWriter] = &[
    row("dense", dense, "Gemm; MatMul and Add over items of several axes"),
    row("conv2d", conv2d, "Conv"),
    row("depthwise_conv2d", depthwise, "Conv with a group for each channel"),
    row("conv2d_transpose", transposed, "ConvTranspose"),
    row("embedding", embedding, "Cast and Gather"),
    row("maxpool", |it| it.pool("MaxPool"), "MaxPool"),
    row("avgpool", |it| it.pool("AveragePool"), "AveragePool, without the border"),
    row("global_max_pool", |it| it.global_pool("GlobalMaxPool"), "GlobalMaxPool and Flatten"),
    row(
        "global_avg_pool",
        |it| it.global_pool("GlobalAveragePool"),
        "GlobalAveragePool and Flatten",
    ),
    row("relu", |it| it.each("Relu", &[]), "Relu"),
    row(
        "leaky_relu",
        |it| {
            let slope = it.float("slope", 0.01);
            it.each("LeakyRelu", &[("alpha", Attr::Float(slope))]);
        },
        "LeakyRelu",
    ),
    row("prelu", prelu, "PRelu"),
    row(
        "elu",
        |it| {
            let alpha = it.float("alpha", 1.0);
            it.each("Elu", &[("alpha", Attr::Float(alpha))]);
        },
        "Elu",
    ),
    row("clip", clip, "Clip"),
    row("gelu", gelu, "Div, Erf, Add and two Mul"),
    row("silu", silu, "Sigmoid and Mul"),
    row("softplus", |it| it.each("Softplus", &[]), "Softplus"),
    row("tanh", |it| it.each("Tanh", &[]), "Tanh"),
    row("sigmoid", |it| it.each("Sigmoid", &[]), "Sigmoid"),
    row("softmax", softmax, "Softmax"),
    row("causal_softmax", causal_softmax, "Add of a mask, and Softmax"),
    row("concat", concat, "Concat"),
    row("add", |it| it.fold("Add"), "Add, once for each further input"),
    row("subtract", |it| it.fold("Sub"), "Sub, likewise"),
    row("multiply", |it| it.fold("Mul"), "Mul, likewise"),
    row("divide", |it| it.fold("Div"), "Div, likewise"),
    row("scale", scale, "Mul"),
    row("matmul", matmul, "MatMul, after a Transpose where the second matrix is turned"),
    row("transpose", transpose, "Transpose"),
    row("flatten", reshape, "Reshape"),
    row("reshape", reshape, "Reshape"),
    row("slice", slice, "Slice"),
    row("zero_padding", zero_padding, "Pad"),
    row("upsample", upsample, "Resize"),
    row("fill", fill, "Shape, Slice, Concat and Expand"),
    row("dropout", dropout, "Dropout, which does nothing outside of training"),
    row("batch_norm", batch_norm, "BatchNormalization"),
    row("layer_norm", layer_norm, "ReduceMean, Sub, Mul, ReduceMean, Add, Sqrt, Div, Mul and Add"),
    row("stop_gradient", |it| it.each("Identity", &[]), "Identity"),
    row("one_hot", one_hot, "Cast and OneHot"),
    row("argmax", argmax, "ArgMax and Cast"),
];

fn dense(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let weight = call.parameter(0, &[0, 1], &[]);
    let bias = call.parameter(1, &[0], &[]);
    if call.input_shape(0).len() == 1 {
        call.own_output("Gemm", &[&input, &weight, &bias], &[]);
    } else {
        let product = call.beside("product", "MatMul", &[&input, &weight], &[]);
        call.own_output("Add", &[&product, &bias], &[]);
    }
}

/// What convolutions have in common.
fn embedding(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let table = call.parameter(0, &[0, 1], &[]);
    let indices = call.beside("indices", "Cast", &[&input], &[("to", Attr::Int(7))]);
    call.own_output("Gather", &[&table, &indices], &[("axis", Attr::Int(0))]);
}

fn prelu(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let slope = call.parameter(0, &[0], &[]);
    call.own_output("PRelu", &[&input, &slope], &[]);
}

fn clip(call: &mut Call<'_, '_>) {
    let bounds = [call.float("min", 0.0), call.float("max", 6.0)];
    let min = call.constant("min", &[], &bounds[..1]);
    let max = call.constant("max", &[], &bounds[1..]);
    call.each_with("Clip", &[&min, &max], &[]);
}

fn gelu(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let root = call.constant("root", &[], &[std::f32::consts::SQRT_2]);
    let one = call.constant("one", &[], &[1.0]);
    let half = call.constant("half", &[], &[0.5]);
    let scaled = call.beside("scaled", "Div", &[&input, &root], &[]);
    let erf = call.beside("erf", "Erf", &[&scaled], &[]);
    let sum = call.beside("sum", "Add", &[&erf, &one], &[]);
    let product = call.beside("product", "Mul", &[&input, &sum], &[]);
    call.own_output("Mul", &[&product, &half], &[]);
}

fn silu(call: &mut Call<'_, '_>) {
    let is_first = call.stays_first();
    let input = if is_first { call.first_input(0) } else { call.own_input(0) };
    let gate = call.beside("gate", "Sigmoid", &[&input], &[]);
    if is_first {
        call.first_output("Mul", &[&input, &gate], &[]);
    } else {
        call.own_output("Mul", &[&input, &gate], &[]);
    }
}

fn softmax(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    call.own_output("Softmax", &[&input], &[("axis", Attr::Int(-1))]);
}

fn causal_softmax(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let shape = &call.node.shape;
    // A layer of this kind has two axes at least.
    let [rows, columns] = match shape[..] {
        [.., rows, columns] => [rows, columns],
        _ => [1, 1],
    };
    let place = |at: usize| if at % columns > at / columns { f32::MIN } else { 0.0 };
    let mask: Vec<f32> = (0..rows * columns).map(place).collect();
    let mask = call.constant("mask", &[rows, columns], &mask);
    let masked = call.beside("masked", "Add", &[&input, &mask], &[]);
    call.own_output("Softmax", &[&masked], &[("axis", Attr::Int(-1))]);
}

fn concat(call: &mut Call<'_, '_>) {
    let rank = call.node.shape.len() as i64;
    let axis = call.int("axis", -1);
    let axis = if axis < 0 { axis + rank } else { axis };
    let is_first = call.stays_first();
    let count = call.node.inputs.len();
    let input = |call: &mut Call<'_, '_>, at| {
        if is_first { call.first_input(at) } else { call.own_input(at) }
    };
    let names: Vec<String> = (0..count).map(|at| input(call, at)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if is_first {
        let axis = if axis == rank - 1 { 1 } else { axis + 2 };
        call.first_output("Concat", &names, &[("axis", Attr::Int(axis))]);
    } else {
        call.own_output("Concat", &names, &[("axis", Attr::Int(axis + 1))]);
    }
}

fn scale(call: &mut Call<'_, '_>) {
    let factor = call.float("factor", 1.0);
    let factor = call.constant("factor", &[], &[factor]);
    call.each_with("Mul", &[&factor], &[]);
}

/// The order of axes that exchanges the last two.
fn exchanged(rank: usize) -> Vec<i64> {
    let rank = rank as i64;
    (0..rank - 1).chain([rank, rank - 1]).collect()
}

fn matmul(call: &mut Call<'_, '_>) {
    let [first, mut second] = [call.own_input(0), call.own_input(1)];
    if matches!(call.attributes.get("transpose_second"), Some(Value::Boolean(true))) {
        let order = exchanged(call.input_shape(1).len());
        second = call.beside("turned", "Transpose", &[&second], &[("perm", Attr::Ints(&order))]);
    }
    call.own_output("MatMul", &[&first, &second], &[]);
}

fn transpose(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let order = exchanged(call.node.shape.len());
    call.own_output("Transpose", &[&input], &[("perm", Attr::Ints(&order))]);
}

fn reshape(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let sizes: Vec<i64> =
        [0].into_iter().chain(call.node.shape.iter().map(|&size| size as i64)).collect();
    let sizes = call.sizes("shape", &sizes);
    call.own_output("Reshape", &[&input, &sizes], &[]);
}

fn slice(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let rank = call.node.shape.len() as i64;
    let (axis, start, length) = (call.int("axis", -1), call.int("start", 0), call.int("length", 1));
    let axis = if axis < 0 { axis + rank } else { axis };
    let starts = call.sizes("start", &[start]);
    let ends = call.sizes("end", &[start + length]);
    let axes = call.sizes("axis", &[axis + 1]);
    call.own_output("Slice", &[&input, &starts, &ends, &axes], &[]);
}

fn fill(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let item: Vec<i64> = call.node.shape.iter().map(|&size| size as i64).collect();
    let value = call.float("value", 0.0);
    let value = call.constant("value", &vec![1; item.len() + 1], &[value]);
    let [start, end, sizes] =
        [call.sizes("start", &[0]), call.sizes("end", &[1]), call.sizes("item", &item)];
    let shape = call.beside("shape", "Shape", &[&input], &[]);
    let batch = call.beside("batch", "Slice", &[&shape, &start, &end], &[]);
    let whole = call.beside("whole", "Concat", &[&batch, &sizes], &[("axis", Attr::Int(0))]);
    call.own_output("Expand", &[&value, &whole], &[]);
}

fn dropout(call: &mut Call<'_, '_>) {
    let ratio = call.float("drop", 0.0);
    let ratio = call.constant("ratio", &[], &[ratio]);
    call.each_with("Dropout", &[&ratio], &[]);
}

fn layer_norm(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let (weight, bias) = (call.parameter(0, &[0], &[]), call.parameter(1, &[0], &[]));
    let epsilon = call.float("epsilon", 1e-5);
    let epsilon = call.constant("epsilon", &[], &[epsilon]);
    let last = [("axes", Attr::Ints(&[-1]))];
    let mean = call.beside("mean", "ReduceMean", &[&input], &last);
    let centred = call.beside("centred", "Sub", &[&input, &mean], &[]);
    let squares = call.beside("squares", "Mul", &[&centred, &centred], &[]);
    let variance = call.beside("variance", "ReduceMean", &[&squares], &last);
    let sum = call.beside("sum", "Add", &[&variance, &epsilon], &[]);
    let deviation = call.beside("deviation", "Sqrt", &[&sum], &[]);
    let normal = call.beside("normal", "Div", &[&centred, &deviation], &[]);
    let scaled = call.beside("scaled", "Mul", &[&normal, &weight], &[]);
    call.own_output("Add", &[&scaled, &bias], &[]);
}

fn one_hot(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let classes = call.int("classes", 1);
    let depth = call.sizes("classes", &[classes]);
    let values = call.constant("values", &[2], &[0.0, 1.0]);
    let indices = call.beside("indices", "Cast", &[&input], &[("to", Attr::Int(7))]);
    call.own_output("OneHot", &[&indices, &depth, &values], &[("axis", Attr::Int(-1))]);
}

fn argmax(call: &mut Call<'_, '_>) {
    let input = call.own_input(0);
    let attributes = [("axis", Attr::Int(-1)), ("keepdims", Attr::Int(0))];
    let index = call.beside("index", "ArgMax", &[&input], &attributes);
    call.own_output("Cast", &[&index], &[("to", Attr::Int(1))]);
}
