//! Values side by side, and parts of values.

use std::sync::Arc;

use super::super::activation::Activation;
use super::super::broadcast::common_shape;
use super::super::call::{Call, Value};
use super::super::constant::{Constant, Dim, Numbers, check_derived, count_of};
use super::super::external::External;
use super::one;
use crate::layers::{Concat, Embedding, Misfit, Slice};

pub(super) fn concat(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let axis = call.int("axis", 1)?;
    let values: Vec<Value> = call.inputs.iter().flatten().cloned().collect();
    let constants = values.iter().map(|value| match value {
        Value::Constant(constant) => Some(constant.clone()),
        Value::Activation(_) => None,
    });
    if let Some(constants) = constants.collect::<Option<Vec<_>>>() {
        return Ok(one(joined(&constants, axis)?));
    }
    let mut items = Vec::new();
    let first = values.iter().find_map(|value| match value {
        Value::Activation(value) => Some(value.clone()),
        Value::Constant(_) => None,
    });
    let Some(first) = first else { return Err(Misfit::new("it has no inputs", "export it again")) };
    let axis = first.item_axis(axis)?;
    for value in values {
        match value {
            Value::Activation(value) => items.push(value),
            Value::Constant(constant) => {
                let own = call.item_constant(&constant, first.axes.len(), first.batch)?;
                items.push(call.constant_value(&own, first.node)?.with_batch(first.batch));
            }
        }
    }
    let order = Call::axis_order(&first);
    let mut shape = first.shape();
    let mut whole = 0;
    let mut nodes = Vec::new();
    for item in &items {
        let own = item.shape();
        let fits = own.len() == shape.len()
            && item.batch == first.batch
            && own.iter().zip(&shape).enumerate().all(|(at, (a, b))| at == axis || a == b);
        if !fits {
            let problem = format!("its inputs have items of {shape:?} and {own:?}");
            return Err(Misfit::new(problem, "export it again"));
        }
        whole += own[axis];
        nodes.push(call.laid_out(item, &order)?);
    }
    shape[axis] = whole;
    let along = order.iter().position(|&other| other == axis).unwrap_or(0);
    let node = call.add(Concat::along(along as isize), &nodes)?;
    Ok(one(Activation::of_axes(node, &shape, &order).with_batch(first.batch)))
}

/// Constants side by side.
fn joined(constants: &[Constant], axis: i64) -> Result<Constant, Misfit> {
    let refuse = || Misfit::new("its constants do not fit each other", "export it again");
    let first = constants.first().ok_or_else(refuse)?;
    let rank = first.shape.len();
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    let axis = usize::try_from(axis).ok().filter(|&axis| axis < rank).ok_or_else(refuse)?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for constant in constants {
        let own = &constant.shape;
        let same = own.len() == rank && (0..rank).all(|at| at == axis || own[at] == shape[at]);
        if !same {
            return Err(refuse());
        }
        shape[axis] += own[axis];
    }
    count_of(&shape)?;
    let outer: usize = shape[..axis].iter().product();
    let chunk = |constant: &Constant| constant.shape[axis..].iter().product::<usize>();
    if constants.iter().all(|constant| matches!(constant.numbers, Numbers::Ints(_))) {
        let all: Vec<Arc<Vec<Dim>>> = constants.iter().filter_map(Constant::as_dims).collect();
        let mut dims = Vec::new();
        for row in 0..outer {
            for (constant, numbers) in constants.iter().zip(&all) {
                let size = chunk(constant);
                dims.extend(&numbers[row * size..(row + 1) * size]);
            }
        }
        return Ok(Constant::dims(shape, dims));
    }
    let all = constants.iter().map(Constant::as_floats).collect::<Option<Vec<_>>>();
    let all = all.ok_or_else(refuse)?;
    let mut floats = Vec::new();
    for row in 0..outer {
        for (constant, numbers) in constants.iter().zip(&all) {
            let size = chunk(constant);
            floats.extend(&numbers[row * size..(row + 1) * size]);
        }
    }
    let learned = constants.iter().any(|constant| constant.learned);
    Ok(Constant { learned, ..Constant::floats(shape, floats) })
}

/// A stretch of a value along an axis of its items.
pub(super) fn stretch(
    call: &mut Call<'_>,
    value: &Activation,
    axis: usize,
    [start, length]: [usize; 2],
) -> Result<Activation, Misfit> {
    let mut shape = value.shape();
    if start == 0 && length == shape[axis] {
        return Ok(value.clone());
    }
    let (node, order) = call.by_axes(value)?;
    let along = order.iter().position(|&other| other == axis).unwrap_or(0);
    let row = call.network.rows(node, shape[axis]).map(|rows| rows[start]);
    shape[axis] = length;
    let node = match row {
        // What was put together only to be taken apart.
        Some(row) if along == 0 && length == 1 => {
            let here: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
            call.reshape(row, &here)?
        }
        _ => call.add(Slice::new(along as isize, start, length), &[node])?,
    };
    Ok(Activation::of_axes(node, &shape, &order).with_batch(value.batch))
}

/// What Slice takes of an axis: the first place, the step, and how many.
fn taken([start, end, step]: [i64; 3], size: usize) -> Option<(usize, i64, usize)> {
    let size = size as i64;
    let place = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    if size == 0 {
        return None;
    }
    if step > 0 {
        let (start, end) = (place(start).clamp(0, size), place(end).clamp(0, size));
        let count = ((end - start).max(0) as u64).div_ceil(step.unsigned_abs());
        return Some((start as usize, step, count as usize));
    }
    if step == 0 {
        return None;
    }
    let (start, end) = (place(start).clamp(0, size - 1), place(end).clamp(-1, size - 1));
    let count = ((start - end).max(0) as u64).div_ceil(step.unsigned_abs());
    Some((start as usize, step, count as usize))
}

pub(super) fn slice(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let missing = || Misfit::new("it does not say what it takes", "export it again");
    let starts = call.list("starts", 1)?.ok_or_else(missing)?;
    let ends = call.list("ends", 2)?.ok_or_else(missing)?;
    let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.constant_ints(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&count| count != starts.len()) {
        return Err(missing());
    }
    let mut value = call.value(0)?.clone();
    for at in 0..starts.len() {
        let bounds = [starts[at], ends[at], steps[at]];
        value = match value {
            Value::Constant(constant) => part_of_constant(&constant, axes[at], bounds)?.into(),
            Value::Activation(item) => {
                let rank = item.axes.len();
                let batch = item.batch as i64;
                let is_batch = axes[at] == batch || axes[at] == batch - (rank as i64 + 1);
                // Exporters write slices that take all.
                if is_batch && starts[at] == 0 && ends[at] >= i64::from(i32::MAX) && steps[at] == 1
                {
                    item.into()
                } else {
                    let axis = item.item_axis(axes[at])?;
                    let (start, step, length) =
                        taken(bounds, item.shape()[axis]).ok_or_else(missing)?;
                    if step != 1 || length == 0 {
                        let problem = format!("it takes {length} places, {step} apart");
                        return Err(Misfit::new(
                            problem,
                            "take at least one, one by one, forwards",
                        ));
                    }
                    stretch(call, &item, axis, [start, length])?.into()
                }
            }
        };
    }
    Ok(vec![value])
}

fn part_of_constant(constant: &Constant, axis: i64, bounds: [i64; 3]) -> Result<Constant, Misfit> {
    let refuse = || Misfit::new("it takes what is not there", "export it again");
    let rank = constant.shape.len() as i64;
    let axis = if axis < 0 { axis.saturating_add(rank) } else { axis };
    let axis = usize::try_from(axis).ok().filter(|&it| (it as i64) < rank).ok_or_else(refuse)?;
    let size = constant.shape[axis];
    let (start, step, length) = taken(bounds, size).filter(|_| size > 0).ok_or_else(refuse)?;
    let picked: Vec<usize> =
        (0..length).map(|at| (start as i64 + at as i64 * step) as usize).collect();
    Ok(constant.picked(axis, &picked))
}

pub(super) fn split(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let axis = value.item_axis(call.int("axis", 0)?)?;
    let size = value.shape()[axis];
    let parts = if let Some(parts) = call.list("split", 1)? {
        parts
    } else {
        let count = call.int("num_outputs", call.node.outputs.len() as i64)?;
        let count = count.clamp(1, size as i64);
        let each = size.div_ceil(count as usize) as i64;
        (0..count).map(|at| each.min(size as i64 - at * each)).collect()
    };
    let lengths: Option<Vec<usize>> =
        parts.iter().map(|&part| usize::try_from(part).ok().filter(|&it| it > 0)).collect();
    let whole =
        |lengths: &Vec<usize>| lengths.iter().try_fold(0, |sum: usize, &it| sum.checked_add(it));
    let Some(lengths) = lengths.filter(|lengths| whole(lengths) == Some(size)) else {
        let problem = format!("it cuts {size} places into {parts:?}");
        return Err(Misfit::new(problem, "give it parts of at least 1 that make up the axis"));
    };
    let mut start = 0;
    let mut values = Vec::new();
    for length in lengths {
        values.push(stretch(call, &value, axis, [start, length])?.into());
        start += length;
    }
    Ok(values)
}

pub(super) fn gather(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let axis = call.int("axis", 0)?;
    match (call.value(0)?.clone(), call.value(1)?.clone()) {
        (Value::Constant(table), Value::Activation(indices)) => embed(call, &table, &indices, axis),
        (Value::Constant(constant), Value::Constant(indices)) => {
            let rank = constant.shape.len() as i64;
            let axis = if axis < 0 { axis.saturating_add(rank) } else { axis };
            let axis = usize::try_from(axis).ok().filter(|&it| (it as i64) < rank);
            let (Some(axis), Some(list)) = (axis, indices.as_ints()) else {
                return Err(Misfit::new("its axis or indices make no sense", "export it again"));
            };
            let picked = indices_of(&list, constant.shape[axis])?;
            let (before, after) = (&constant.shape[..axis], &constant.shape[axis + 1..]);
            let shape = [before, &indices.shape, after].concat();
            check_derived(&shape)?;
            Ok(one(constant.picked(axis, &picked).reshaped(shape)))
        }
        (Value::Activation(value), Value::Constant(indices)) => {
            let axis = value.item_axis(axis)?;
            let mut shape = value.shape();
            let list = indices.as_ints().unwrap_or_default();
            let picked = indices_of(&list, shape[axis])?;
            let mut parts = Vec::new();
            if picked.is_empty() || picked.len() > 4096 {
                let problem = format!("it takes {} places", picked.len());
                return Err(Misfit::new(problem, "take between 1 and 4096"));
            }
            for &place in &picked {
                parts.push(stretch(call, &value, axis, [place, 1])?);
            }
            let order = Call::axis_order(&value);
            let nodes = parts.iter().map(|part| call.laid_out(part, &order));
            let nodes = nodes.collect::<Result<Vec<usize>, Misfit>>()?;
            let node = if let [single] = nodes[..] {
                single
            } else {
                let along = order.iter().position(|&other| other == axis).unwrap_or(0);
                call.add(Concat::along(along as isize), &nodes)?
            };
            shape[axis] = picked.len();
            let whole = Activation::of_axes(node, &shape, &order);
            shape.splice(axis..=axis, indices.shape.iter().copied());
            let is_before = axis < value.batch;
            let batch = if is_before { value.batch - 1 + indices.shape.len() } else { value.batch };
            Ok(one(super::shapes::reshaped(call, &whole, &shape)?.with_batch(batch)))
        }
        (Value::Activation(_), Value::Activation(_)) => Err(Misfit::new(
            "it takes places that depend on the items of what depends on them too",
            "end the network before it",
        )),
    }
}

fn indices_of(list: &[i64], size: usize) -> Result<Vec<usize>, Misfit> {
    let place = |&index: &i64| {
        let place = if index < 0 { index.saturating_add(size as i64) } else { index };
        usize::try_from(place).ok().filter(|&place| place < size).ok_or_else(|| {
            Misfit::new(format!("it takes place {index} of {size}"), "export it again")
        })
    };
    list.iter().map(place).collect()
}

/// Rows of a table, by indices that are of the items.
fn embed(
    call: &mut Call<'_>,
    table: &Constant,
    indices: &Activation,
    axis: i64,
) -> Result<Vec<Value>, Misfit> {
    let ([entries, features], 0, Some(floats)) = (&table.shape[..], axis, table.as_floats()) else {
        return Err(Misfit::new(
            format!("it takes places along axis {axis} of a table of shape {:?}", table.shape),
            "take rows of a matrix",
        ));
    };
    let (node, order) = call.by_axes(indices)?;
    let layer = Embedding::new(*entries, *features);
    let node = call.add_weighted(layer, &[node], vec![("weight", floats)], &[table], &[])?;
    let shape: Vec<usize> = indices.shape().into_iter().chain([*features]).collect();
    let order: Vec<usize> = order.iter().copied().chain([order.len()]).collect();
    Ok(one(Activation::of_axes(node, &shape, &order).with_batch(indices.batch)))
}

pub(super) fn expand(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let wanted = call.constant(1)?.as_dims().unwrap_or_default();
    match call.value(0)?.clone() {
        Value::Constant(constant) => {
            // What is repeated for every item is the same for each, and needs no repeating.
            let sizes = wanted.iter().map(|dim| match dim {
                Dim::Number(size) => usize::try_from(*size).ok(),
                Dim::Batch(_) => Some(1),
            });
            let Some(sizes) = sizes.collect::<Option<Vec<usize>>>() else {
                return Err(Misfit::new("its shape has negative sizes", "export it again"));
            };
            let shape = common_shape(&constant.shape, &sizes)?;
            check_derived(&shape)?;
            let unfit = || Misfit::new("its shape does not fit", "export it again");
            Ok(one(constant.broadcast(&shape).ok_or_else(unfit)?))
        }
        Value::Activation(value) => {
            value.check_batch_first()?;
            let rank = value.axes.len();
            let (first, rest) = wanted.split_at(wanted.len().saturating_sub(rank));
            let batch = match first {
                [] | [Dim::Batch(1) | Dim::Number(1)] => true,
                [Dim::Number(number)] => call.batch == Some(*number),
                _ => false,
            };
            let sizes = rest.iter().map(|dim| match dim {
                Dim::Number(size) => usize::try_from(*size).ok().filter(|&size| size > 0),
                Dim::Batch(_) => None,
            });
            let Some(sizes) = sizes.collect::<Option<Vec<usize>>>().filter(|_| batch) else {
                let problem = format!("it repeats items to {wanted:?}");
                return Err(Misfit::new(problem, "repeat axes of an item alone"));
            };
            let shape = common_shape(&value.shape(), &sizes)?;
            let like = Call::axis_order(&value);
            Ok(one(call.expanded(&value, &shape, &like)?))
        }
    }
}
