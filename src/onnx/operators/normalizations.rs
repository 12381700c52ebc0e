//! Normalisations.

use std::sync::Arc;

use super::super::call::{Call, Value};
use super::super::external::External;
use super::one;
use crate::layers::{BatchNorm, LayerNorm, Misfit};

pub(super) fn batch(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    if call.int("training_mode", 0)? != 0 {
        let problem = "it was exported as it is in training";
        return Err(Misfit::new(problem, "export it for inference; Caudal trains it all the same"));
    }
    if value.axes.is_empty() {
        return Err(Misfit::new("its items have no channels", "give it items with an axis"));
    }
    let (value, places) = call.axis_last(&value, 0)?;
    let mut parameters = Vec::new();
    let mut sources = Vec::new();
    let names = ["weight", "bias", "running_mean", "running_variance"];
    for (input, name) in (1..).zip(names) {
        let floats = call.constant_floats(input)?;
        if floats.len() != places.len() {
            let problem = format!("its input {input} has {} numbers", floats.len());
            return Err(Misfit::new(problem, "give it one number a channel"));
        }
        let here: Vec<f32> = places.iter().map(|&place| floats[place]).collect();
        parameters.push((name, Arc::new(here)));
        sources.push(call.constant(input)?);
    }
    // ONNX says how much of the old average stays, Caudal how much of the new one comes.
    let momentum = (1.0 - call.float("momentum", 0.9)?).clamp(0.0, 1.0);
    let layer = BatchNorm::new().momentum(momentum).epsilon(call.float("epsilon", 1e-5)?);
    let sources: Vec<_> = sources.iter().collect();
    let node = call.add_weighted(layer, &[value.node], parameters, &sources, &places)?;
    Ok(one(super::super::activation::Activation { node, ..value }))
}

pub(super) fn layer(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let shape = value.shape();
    let axis = value.item_axis(call.int("axis", -1)?)?;
    if axis < value.batch {
        return Err(Misfit::new(
            "it goes along the batch axis, which is among its last",
            "normalise axes of an item alone",
        ));
    }
    let size = shape[axis..].iter().product();
    let joined: Vec<usize> = shape[..axis].iter().copied().chain([size]).collect();
    let flat = super::shapes::reshaped(call, &value, &joined)?;
    let (flat, places) = call.axis_last(&flat, axis)?;
    let scale = call.constant(1)?;
    let bias = if call.is_given(2) { Some(call.constant(2)?) } else { None };
    let here = |constant: &super::super::constant::Constant| {
        let whole = constant.broadcast(&shape[axis..]).and_then(|whole| whole.as_floats());
        let floats = whole.ok_or_else(|| {
            let problem = format!("its scale or bias has the shape {:?}", constant.shape);
            Misfit::new(problem, "give it the shape of what is normalised")
        })?;
        Ok::<_, Misfit>(Arc::new(places.iter().map(|&place| floats[place]).collect::<Vec<f32>>()))
    };
    let weight = here(&scale)?;
    let zeros = Arc::new(vec![0.0; size]);
    let biases = bias.as_ref().map_or(Ok(zeros), here)?;
    let parameters = vec![("weight", weight), ("bias", biases)];
    let sources: Vec<_> = [Some(&scale), bias.as_ref()].into_iter().flatten().collect();
    let layer = LayerNorm::new(call.float("epsilon", 1e-5)?);
    let node = call.add_weighted(layer, &[flat.node], parameters, &sources, &places)?;
    let output = super::super::activation::Activation { node, ..flat };
    Ok(one(super::shapes::reshaped(call, &output, &shape)?))
}
