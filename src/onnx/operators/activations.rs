//! Functions of every number by itself, softmax and dropout.

use std::sync::Arc;

use super::super::activation::Activation;
use super::super::call::{Call, Value};
use super::super::external::External;
use super::one;
use crate::layers::{
    Add, Clip, Dropout, Elu, Gelu, LeakyRelu, Misfit, Multiply, Prelu, Relu, Scale, Sigmoid, Silu,
    Softmax, Softplus, Tanh,
};

/// Makes a function that puts one layer without attributes of its own.
macro_rules! plain {
    ($($name:ident: $layer:expr,)+) => {
        $(
            pub(super) fn $name(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
                let value = call.activation(0)?;
                Ok(one(call.each($layer, &value)?))
            }
        )+
    };
}

plain! {
    relu: Relu,
    sigmoid: Sigmoid,
    tanh: Tanh,
    softplus: Softplus,
}

pub(super) fn leaky_relu(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let (value, slope) = (call.activation(0)?, call.float("alpha", 0.01)?);
    Ok(one(call.each(LeakyRelu::new(slope), &value)?))
}

pub(super) fn elu(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let (value, alpha) = (call.activation(0)?, call.float("alpha", 1.0)?);
    Ok(one(call.each(Elu::new(alpha), &value)?))
}

pub(super) fn selu(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let (alpha, gamma) = (call.float("alpha", 1.673_263_2)?, call.float("gamma", 1.050_701)?);
    let inner = call.each_beside("elu", Elu::new(alpha), &value)?;
    Ok(one(call.each(Scale::new(gamma), &inner)?))
}

pub(super) fn celu(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let (value, alpha) = (call.activation(0)?, call.float("alpha", 1.0)?);
    let small = call.each_beside("inner", Scale::new(1.0 / alpha), &value)?;
    let inner = call.each_beside("elu", Elu::new(1.0), &small)?;
    Ok(one(call.each(Scale::new(alpha), &inner)?))
}

pub(super) fn gelu(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let form = call.text("approximate", "none")?;
    if form != "none" {
        return Err(Misfit::new(
            format!("it is the approximation `{form}`"),
            "export it with the exact form; the approximation by tanh differs by up to 0.0005",
        ));
    }
    Ok(one(call.each(Gelu, &value)?))
}

pub(super) fn swish(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let (value, alpha) = (call.activation(0)?, call.float("alpha", 1.0)?);
    if alpha == 1.0 {
        return Ok(one(call.each(Silu, &value)?));
    }
    let inner = call.each_beside("inner", Scale::new(alpha), &value)?;
    let gate = call.each_beside("sigmoid", Sigmoid, &inner)?;
    let node = call.add(Multiply, &[value.node, gate.node])?;
    Ok(one(Activation { node, ..value }))
}

pub(super) fn mish(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let inner = call.each_beside("softplus", Softplus, &value)?;
    let gate = call.each_beside("tanh", Tanh, &inner)?;
    let node = call.add(Multiply, &[value.node, gate.node])?;
    Ok(one(Activation { node, ..value }))
}

pub(super) fn abs(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let positive = call.each_beside("positive", Relu, &value)?;
    let turned = call.each_beside("turned", Scale::new(-1.0), &value)?;
    let negative = call.each_beside("negative", Relu, &turned)?;
    let node = call.add(Add, &[positive.node, negative.node])?;
    Ok(one(Activation { node, ..value }))
}

/// A bound, by an input or, in older versions, an attribute.
fn bound(call: &Call<'_>, input: usize, name: &str, default: f32) -> Result<f32, Misfit> {
    if call.is_given(input) {
        let floats = call.constant_floats(input)?;
        return floats.first().copied().ok_or_else(|| {
            Misfit::new(format!("its input {input} is empty"), "give it one number")
        });
    }
    call.float(name, default)
}

pub(super) fn clip(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let min = bound(call, 1, "min", f32::MIN)?.max(f32::MIN);
    let max = bound(call, 2, "max", f32::MAX)?.min(f32::MAX);
    Ok(one(clipped(call, &value, [min, max])?))
}

/// A value between two bounds.
pub(super) fn clipped(
    call: &mut Call<'_>,
    value: &Activation,
    [min, max]: [f32; 2],
) -> Result<Activation, Misfit> {
    if min == 0.0 && max == f32::MAX {
        return call.each(Relu, value);
    }
    // Where bounds are the wrong way round, ONNX gives the upper one everywhere.
    call.each(Clip::new(min.min(max), max), value)
}

/// `clip(alpha * x + beta, 0, 1)`.
pub(super) fn hard(
    call: &mut Call<'_>,
    value: &Activation,
    alpha: f32,
    beta: f32,
) -> Result<Activation, Misfit> {
    let inner = call.each_beside("scaled", Scale::new(alpha), value)?;
    let number = call.filled(beta, inner.node)?;
    let node = call.add_beside("moved", Add, &[inner.node, number])?;
    call.each(Clip::new(0.0, 1.0), &Activation { node, ..value.clone() })
}

pub(super) fn hard_sigmoid(
    call: &mut Call<'_>,
    _: &mut External<'_>,
) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let (alpha, beta) = (call.float("alpha", 0.2)?, call.float("beta", 0.5)?);
    Ok(one(hard(call, &value, alpha, beta)?))
}

pub(super) fn hard_swish(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let gate = hard(call, &value, 1.0 / 6.0, 0.5)?;
    let node = call.add(Multiply, &[value.node, gate.node])?;
    Ok(one(Activation { node, ..value }))
}

pub(super) fn prelu(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let (value, slopes) = (call.activation(0)?, call.constant(1)?);
    let rank = value.axes.len();
    let of_item = call.item_constant(&slopes, rank, value.batch)?;
    let floats = call.constant_floats(1)?;
    if of_item.count() == 1 {
        let layer = Prelu::shared();
        let parameters = vec![("slope", floats)];
        let node = call.add_weighted(layer, &[value.node], parameters, &[&slopes], &[])?;
        return Ok(one(Activation { node, ..value }));
    }
    // Slopes stand along one axis of the item.
    let shape = value.shape();
    let missing = rank - of_item.shape.len();
    let along: Vec<usize> =
        (0..of_item.shape.len()).filter(|&axis| of_item.shape[axis] > 1).collect();
    let [axis] = along[..] else {
        let problem = format!("its slopes have the shape {:?}", slopes.shape);
        return Err(Misfit::new(problem, "give it one slope, or one a channel"));
    };
    if shape[axis + missing] != of_item.shape[axis] {
        let problem = format!("it has {} slopes", of_item.count());
        return Err(Misfit::new(problem, "give it one slope, or one a channel"));
    }
    let (value, places) = call.axis_last(&value, axis + missing)?;
    let slopes_here = Arc::new(places.iter().map(|&place| floats[place]).collect());
    let parameters = vec![("slope", slopes_here)];
    let layer = Prelu::default();
    let node = call.add_weighted(layer, &[value.node], parameters, &[&slopes], &places)?;
    Ok(one(Activation { node, ..value }))
}

pub(super) fn softmax(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let rank = value.axes.len();
    let default = if call.opset < 13 { 1 } else { -1 };
    let axis = value.item_axis(call.int("axis", default)?)?;
    if call.opset < 13 {
        value.check_batch_first()?;
    }
    if call.opset >= 13 || axis + 1 == rank {
        let (last, _) = call.axis_last(&value, axis)?;
        return Ok(one(call.each(Softmax, &last)?));
    }
    // Older versions take the sum over all axes from there on.
    let shape = value.shape();
    let (before, after) = (&shape[..axis], shape[axis..].iter().product());
    let joined: Vec<usize> = before.iter().copied().chain([after]).collect();
    let flat = super::shapes::reshaped(call, &value, &joined)?;
    let (last, _) = call.axis_last(&flat, axis)?;
    let output = call.each(Softmax, &last)?;
    Ok(one(super::shapes::reshaped(call, &output, &shape)?))
}

pub(super) fn dropout(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = match call.value(0)? {
        Value::Constant(constant) => return Ok(one(constant.clone())),
        Value::Activation(value) => value.clone(),
    };
    let ratio = if call.is_given(1) {
        call.constant_floats(1)?.first().copied().unwrap_or(0.5)
    } else {
        call.float("ratio", 0.5)?
    };
    if call.is_given(2) && call.constant_floats(2)?.first().is_some_and(|&training| training != 0.0)
    {
        let problem = "it was exported as it is in training, where it drops numbers";
        return Err(Misfit::new(problem, "export it for inference; Caudal trains it all the same"));
    }
    if ratio == 0.0 {
        return Ok(one(value));
    }
    if !(0.0..1.0).contains(&ratio) {
        let problem = format!("it drops a share of {ratio}");
        return Err(Misfit::new(problem, "use a ratio from 0 up to but not 1"));
    }
    Ok(one(call.each(Dropout::new(ratio), &value)?))
}
