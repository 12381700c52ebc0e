//! One number of many along axes.

use super::super::activation::Activation;
use super::super::call::{Call, Value};
use super::super::external::External;
use super::one;
use super::shapes::reshaped;
use crate::layers::{
    Argmax, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Misfit, OneHot, Scale,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Mean,
    Largest,
}

/// The mean or the largest number along the axes that the node names; and of how many numbers each is.
fn reduced(
    call: &mut Call<'_>,
    value: &Activation,
    what: What,
) -> Result<(Activation, usize), Misfit> {
    let shape = value.shape();
    let axes = call.list("axes", 1)?.unwrap_or_default();
    if axes.is_empty() {
        if call.int("noop_with_empty_axes", 0)? != 0 {
            return Ok((value.clone(), 1));
        }
        return Err(Misfit::new("it goes along the batch axis", "name the axes of an item"));
    }
    let axes: Vec<usize> =
        axes.iter().map(|&axis| value.item_axis(axis)).collect::<Result<_, Misfit>>()?;
    let mut order = Call::axis_order(value);
    let place = |axis: usize| order.iter().position(|&other| other == axis).unwrap_or(0);
    let mut places: Vec<usize> = axes.iter().map(|&axis| place(axis)).collect();
    places.sort_unstable();
    places.dedup();
    let (first, count) = (places[0], places.len());
    if places[count - 1] - first + 1 != count {
        order.retain(|axis| !axes.contains(axis));
        order.splice(0..0, places.iter().map(|&at| Call::axis_order(value)[at]));
        places = (0..count).collect();
    }
    let size = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>();
    let (start, end) = (places[0], places[0] + count);
    let (before, along, after) =
        (size(&order[..start]), size(&order[start..end]), size(&order[end..]));
    let node = call.laid_out(value, &order)?;
    let node = if before == 1 {
        let here = call.network.drafts[node].shape.clone();
        let is_image = here.len() == 3 && here[2] == after;
        let image = if is_image { node } else { call.reshape(node, &[along, 1, after])? };
        match what {
            What::Mean => call.add(GlobalAvgPool, &[image])?,
            What::Largest => call.add(GlobalMaxPool, &[image])?,
        }
    } else {
        let image = call.reshape(node, &[before, along, after])?;
        match what {
            What::Mean => call.add(AvgPool::new([1, along]), &[image])?,
            What::Largest => call.add(MaxPool::new([1, along]), &[image])?,
        }
    };
    let mut kept = shape.clone();
    for &axis in &axes {
        kept[axis] = 1;
    }
    let here: Vec<usize> = order.iter().map(|&axis| kept[axis]).collect();
    let node = if kept.iter().all(|&size| size == 1) || before == 1 {
        node
    } else {
        call.reshape(node, &here)?
    };
    let output = Activation::of_axes(node, &kept, &order).with_batch(value.batch);
    if call.int("keepdims", 1)? != 0 {
        return Ok((output, along));
    }
    let left: Vec<usize> =
        (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
    let before = (0..value.batch).filter(|axis| !axes.contains(axis)).count();
    Ok((reshaped(call, &output, &left)?.with_batch(before), along))
}

pub(super) fn mean(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    Ok(one(reduced(call, &value, What::Mean)?.0))
}

pub(super) fn sum(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let (mean, count) = reduced(call, &value, What::Mean)?;
    Ok(one(call.each_beside("sum", Scale::new(count as f32), &mean)?))
}

pub(super) fn max(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    Ok(one(reduced(call, &value, What::Largest)?.0))
}

pub(super) fn min(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let turned = call.each_beside("turned", Scale::new(-1.0), &value)?;
    let (largest, _) = reduced(call, &turned, What::Largest)?;
    Ok(one(call.each_beside("back", Scale::new(-1.0), &largest)?))
}

pub(super) fn arg_max(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let mut shape = value.shape();
    let axis = value.item_axis(call.int("axis", 0)?)?;
    if call.int("select_last_index", 0)? != 0 {
        return Err(Misfit::new("it takes the last of equal numbers", "take the first"));
    }
    let mut order = Call::axis_order(&value);
    order.retain(|&other| other != axis);
    order.push(axis);
    let node = call.laid_out(&value, &order)?;
    let node = call.add(Argmax, &[node])?;
    shape[axis] = 1;
    let output = Activation::of_axes(node, &shape, &order);
    if call.int("keepdims", 1)? != 0 {
        return Ok(one(output));
    }
    shape.remove(axis);
    Ok(one(reshaped(call, &output, &shape)?))
}

pub(super) fn one_hot(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let depth = call.constant_ints(1)?.and_then(|list| list.first().copied()).unwrap_or(0);
    let classes = usize::try_from(depth).unwrap_or(0);
    let mut shape = value.shape();
    let axis = call.int("axis", -1)?;
    if call.constant_floats(2)?[..] != [0.0, 1.0] || (axis != -1 && axis != shape.len() as i64 + 1)
    {
        let problem = "its numbers are not 0 and 1, or not along a last axis";
        return Err(Misfit::new(problem, "use 0 and 1 along a last axis"));
    }
    let (node, mut order) = call.by_axes(&value)?;
    let node = call.add(OneHot::new(classes), &[node])?;
    order.push(shape.len());
    shape.push(classes);
    Ok(one(Activation::of_axes(node, &shape, &order)))
}
