//! Sums, products and the like, with broadcasting.

use std::sync::Arc;

use super::super::activation::Activation;
use super::super::call::{Call, Value};
use super::super::constant::Constant;
use super::super::external::External;
use super::activations::clipped;
use super::{constants, one};
use crate::layers::{Add, DepthwiseConv2d, Divide, Misfit, Multiply, Relu, Scale, Subtract};

/// What two numbers become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Two {
    Add,
    Subtract,
    Multiply,
    Divide,
}

pub(super) fn add(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    two(call, Two::Add)
}

pub(super) fn subtract(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    two(call, Two::Subtract)
}

pub(super) fn multiply(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    two(call, Two::Multiply)
}

pub(super) fn divide(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let is_whole = |value: &Value| match value {
        Value::Activation(value) => call.network.drafts[value.node].is_whole,
        Value::Constant(_) => false,
    };
    if call.inputs.iter().flatten().any(is_whole) {
        let problem = "it divides whole numbers, whose rests it drops";
        return Err(Misfit::new(problem, "export a network of 32-bit floats"));
    }
    two(call, Two::Divide)
}

fn two(call: &mut Call<'_>, what: Two) -> Result<Vec<Value>, Misfit> {
    let inputs = [call.value(0)?.clone(), call.value(1)?.clone()];
    let value = match inputs {
        [Value::Constant(a), Value::Constant(b)] => {
            return Ok(one(constants::of_two(what, &a, &b)?));
        }
        [Value::Activation(a), Value::Activation(b)] => {
            let [a, b] = call.alike(&a, &b)?;
            combined(call, what, &a, b.node)?
        }
        [Value::Activation(a), Value::Constant(b)] => with_constant(call, what, &a, &b, true, 0)?,
        [Value::Constant(a), Value::Activation(b)] => with_constant(call, what, &b, &a, false, 1)?,
    };
    Ok(one(value))
}

fn combined(
    call: &mut Call<'_>,
    what: Two,
    a: &Activation,
    b: usize,
) -> Result<Activation, Misfit> {
    let inputs = [a.node, b];
    let node = match what {
        Two::Add => call.add(Add, &inputs),
        Two::Subtract => call.add(Subtract, &inputs),
        Two::Multiply => call.add(Multiply, &inputs),
        Two::Divide => call.add(Divide, &inputs),
    }?;
    Ok(Activation { node, ..a.clone() })
}

/// A value and a constant; `value_first` says which is on the left, and `input` which input the value is.
fn with_constant(
    call: &mut Call<'_>,
    what: Two,
    value: &Activation,
    constant: &Constant,
    value_first: bool,
    input: usize,
) -> Result<Activation, Misfit> {
    let mut value = value.clone();
    // With more axes than a whole batch the constant adds some in front.
    let missing = constant.shape.len().saturating_sub(value.axes.len() + 1);
    value.axes.splice(0..0, std::iter::repeat_n(0, missing));
    value.batch += missing;
    let value = &value;
    let own = call.item_constant(constant, value.axes.len(), value.batch)?;
    let shape = super::super::broadcast::common_shape(&value.shape(), &own.shape)?;
    let mut padded = value.clone();
    padded.axes.splice(0..0, std::iter::repeat_n(0, shape.len() - value.axes.len()));
    let like = Call::axis_order(&padded);
    let value = &call.expanded(value, &shape, &like)?;
    if let Some(number) = own.only_number() {
        return with_number(call, what, value, number, value_first);
    }
    // What is taken away or divided by is added or multiplied.
    let turned = match what {
        Two::Subtract if value_first => map(&own, |number| -number),
        Two::Divide if value_first && !own.learned => map(&own, |number| 1.0 / number),
        _ => Some(own.clone()),
    };
    let is_simple = value_first || matches!(what, Two::Add | Two::Multiply);
    if let Some(turned) = turned.filter(|_| is_simple && !(what == Two::Divide && own.learned)) {
        let is_sum = matches!(what, Two::Add | Two::Subtract);
        let turned = Constant { learned: own.learned, ..turned };
        if let Some(done) = by_channel(call, is_sum, value, &turned, input)? {
            return Ok(done);
        }
        let table = call.constant_like(&turned, value)?;
        return combined(call, if is_sum { Two::Add } else { Two::Multiply }, value, table);
    }
    let table = call.constant_like(&own, value)?;
    if value_first {
        return combined(call, what, value, table);
    }
    combined(call, what, &Activation { node: table, ..value.clone() }, value.node)
}

fn map(constant: &Constant, function: impl Fn(f32) -> f32) -> Option<Constant> {
    let floats = constant.as_floats()?.iter().map(|&number| function(number)).collect();
    Some(Constant::floats(constant.shape.clone(), floats))
}

fn with_number(
    call: &mut Call<'_>,
    what: Two,
    value: &Activation,
    number: f32,
    value_first: bool,
) -> Result<Activation, Misfit> {
    match (what, value_first) {
        (Two::Multiply, _) => call.each(Scale::new(number), value),
        (Two::Divide, true) if number != 0.0 => call.each(Scale::new(1.0 / number), value),
        (Two::Add, _) | (Two::Subtract, true) if number == 0.0 => Ok(value.clone()),
        _ => {
            let filled = call.filled(number, value.node)?;
            if value_first {
                return combined(call, what, value, filled);
            }
            combined(call, what, &Activation { node: filled, ..value.clone() }, value.node)
        }
    }
}

/// A number for every place of one axis, added or multiplied: the bias of the layer before, or a layer of its own. None
/// if the constant is of another shape.
fn by_channel(
    call: &mut Call<'_>,
    is_sum: bool,
    value: &Activation,
    constant: &Constant,
    input: usize,
) -> Result<Option<Activation>, Misfit> {
    let missing = value.axes.len() - constant.shape.len();
    let along: Vec<usize> =
        (0..constant.shape.len()).filter(|&axis| constant.shape[axis] > 1).collect();
    let [axis] = along[..] else { return Ok(None) };
    let (Some(floats), size) = (constant.as_floats(), constant.shape[axis]) else {
        return Ok(None);
    };
    if size == value.count() && value.axes.len() > 1 {
        return Ok(None);
    }
    let (value, places) = call.axis_last(value, axis + missing)?;
    let numbers: Vec<f32> = places.iter().map(|&place| floats[place]).collect();
    if is_sum && call.only_use.get(input) == Some(&true) {
        let node = value.node;
        let is_shared = call.network.drafts.iter().any(|draft| draft.shares == Some(node));
        let draft = &mut call.network.drafts[node];
        let made = call.node.inputs.get(input).copied();
        let is_open = draft.open_bias.is_some() && draft.open_bias.as_deref() == made;
        let bias = draft.parameters.iter_mut().find(|(name, _)| *name == "bias");
        if let Some((_, bias)) = bias.filter(|_| is_open && !is_shared)
            && bias.len() == numbers.len()
        {
            *bias = Arc::new(numbers);
            draft.open_bias = None;
            // Nobody else shares its parameters from now on.
            call.owners.retain(|_, owner| *owner != node);
            return Ok(Some(value));
        }
    }
    let here = call.network.drafts[value.node].shape.clone();
    let rows: usize = here[..here.len() - 1].iter().product();
    let image = call.reshape(value.node, &[rows, 1, size])?;
    let (weight, bias) =
        if is_sum { (vec![1.0; size], numbers) } else { (numbers, vec![0.0; size]) };
    let parameters = vec![("weight", Arc::new(weight)), ("bias", Arc::new(bias))];
    let node = call.network.add(&call.name, DepthwiseConv2d::new(1), &[image], parameters)?;
    call.network.drafts[node].trainable = constant.learned;
    let node = call.reshape(node, &here)?;
    Ok(Some(Activation { node, ..value }))
}

pub(super) fn negate(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    match call.value(0)?.clone() {
        Value::Activation(value) => Ok(one(call.each(Scale::new(-1.0), &value)?)),
        Value::Constant(constant) => {
            let minus = Constant::dims([], vec![super::super::constant::Dim::Number(-1)]);
            Ok(one(constants::of_two(Two::Multiply, &constant, &minus)?))
        }
    }
}

pub(super) fn reciprocal(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    Ok(one(with_number(call, Two::Divide, &value, 1.0, false)?))
}

pub(super) fn power(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let exponent = call.constant(1)?.only_number();
    let Some(times) = exponent.filter(|it| it.fract() == 0.0 && (1.0..=8.0).contains(it)) else {
        let shown = exponent.map_or("many numbers".to_owned(), |number| number.to_string());
        return Err(Misfit::new(
            format!("its exponent is {shown}, not a whole number from 1 to 8"),
            "write it with products, or end the network before it",
        ));
    };
    if times == 1.0 {
        return Ok(one(value));
    }
    let node = call.add(Multiply, &vec![value.node; times as usize])?;
    Ok(one(Activation { node, ..value }))
}

/// Combines all inputs one after the other.
fn fold(
    call: &mut Call<'_>,
    combine: fn(&mut Call<'_>, &Value, &Value) -> Result<Value, Misfit>,
) -> Result<Value, Misfit> {
    let mut all = call.value(0)?.clone();
    for input in 1..call.inputs.len() {
        let next = call.value(input)?.clone();
        all = combine(call, &all, &next)?;
    }
    Ok(all)
}

pub(super) fn sum(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let sum = |call: &mut Call<'_>, a: &Value, b: &Value| {
        // What is summed here is of no input, and so nobody's bias.
        call.only_use.clear();
        call.inputs.splice(0..2, [Some(a.clone()), Some(b.clone())]);
        Ok(two(call, Two::Add)?.remove(0))
    };
    let inputs = call.inputs.clone();
    let mut all = call.value(0)?.clone();
    for next in inputs.into_iter().skip(1).flatten() {
        call.inputs = vec![None, None];
        all = sum(call, &all, &next)?;
    }
    Ok(vec![all])
}

pub(super) fn mean(call: &mut Call<'_>, external: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let count = call.inputs.len();
    match sum(call, external)?.remove(0) {
        Value::Activation(sum) if count > 1 => {
            Ok(one(call.each(Scale::new(1.0 / count as f32), &sum)?))
        }
        other => Ok(vec![other]),
    }
}

/// The larger, or the smaller, of two values.
fn extreme(call: &mut Call<'_>, a: &Value, b: &Value, larger: bool) -> Result<Value, Misfit> {
    match (a, b) {
        (Value::Activation(a), Value::Activation(b)) => {
            let [a, b] = call.alike(a, b)?;
            // max(a, b) = a + relu(b - a), and min(a, b) = a - relu(a - b).
            let (first, second) = if larger { (b.node, a.node) } else { (a.node, b.node) };
            let apart = call.add_beside("difference", Subtract, &[first, second])?;
            let positive = call.add_beside("relu", Relu, &[apart])?;
            let inputs = [a.node, positive];
            let node = if larger { call.add(Add, &inputs)? } else { call.add(Subtract, &inputs)? };
            Ok(Activation { node, ..a }.into())
        }
        (Value::Activation(value), Value::Constant(bound))
        | (Value::Constant(bound), Value::Activation(value)) => {
            let own = call.item_constant(bound, value.axes.len(), value.batch)?;
            let Some(number) = own.only_number().filter(|_| own.count() == 1) else {
                let problem = "it compares with a constant of several numbers";
                return Err(Misfit::new(problem, "compare with one number"));
            };
            let bounds = if larger { [number, f32::MAX] } else { [f32::MIN, number] };
            Ok(clipped(call, value, bounds)?.into())
        }
        (Value::Constant(_), Value::Constant(_)) => {
            Err(Misfit::new("it compares constants", "let onnxsim fold constants before"))
        }
    }
}

pub(super) fn max(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    Ok(vec![fold(call, |call, a, b| extreme(call, a, b, true))?])
}

pub(super) fn min(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    Ok(vec![fold(call, |call, a, b| extreme(call, a, b, false))?])
}
