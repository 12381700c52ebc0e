//! The same numbers with other axes.

use super::super::activation::Activation;
use super::super::call::{Call, Value};
use super::super::constant::{Constant, Dim, Numbers, count_of};
use super::super::external::External;
use super::one;
use crate::layers::Misfit;
use crate::tensor::describe_shape;

pub(super) fn identity(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    // Exporters store equal arrays once and give the others by Identity: these are no shared parameters.
    Ok(vec![match call.value(0)? {
        Value::Constant(constant) => {
            constant.gathered(constant.shape.clone(), 0..constant.count()).into()
        }
        Value::Activation(value) => value.clone().into(),
    }])
}

pub(super) fn cast(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let to = call.int("to", 1)?;
    let is_float = matches!(to, 1 | 11);
    match call.value(0)?.clone() {
        Value::Constant(constant) => match (&constant.numbers, is_float) {
            (Numbers::Ints(dims), true) if dims.iter().all(|dim| matches!(dim, Dim::Number(_))) => {
                let floats = constant.as_floats().unwrap_or_default();
                Ok(one(Constant::floats(constant.shape, floats.to_vec())))
            }
            (Numbers::Floats(floats), false) if matches!(to, 5 | 6 | 7 | 12 | 13) => {
                let dims = floats.iter().map(|&float| Dim::Number(float as i64)).collect();
                Ok(one(Constant::dims(constant.shape, dims)))
            }
            (Numbers::Floats(_), false) => Err(Misfit::new(
                format!("it makes numbers of type {to} of floats"),
                "keep 32-bit floats",
            )),
            _ => Ok(one(constant)),
        },
        // Indices are whole floats in Caudal; what is computed stays a float.
        Value::Activation(value) if is_float || call.network.kind(value.node) == "input" => {
            Ok(one(value))
        }
        Value::Activation(value)
            if matches!(to, 6 | 7) && call.network.kind(value.node) == "argmax" =>
        {
            Ok(one(value))
        }
        Value::Activation(_) => Err(Misfit::new(
            format!("it makes numbers of type {to} of what was computed"),
            "export a network of 32-bit floats",
        )),
    }
}

/// A value with other axes an item; the batch stays after as many.
pub(super) fn reshaped(
    call: &mut Call<'_>,
    value: &Activation,
    shape: &[usize],
) -> Result<Activation, Misfit> {
    if count_of(shape)? != value.count() {
        return Err(Misfit::new(
            format!(
                "it makes {} of an item of {}",
                describe_shape(shape),
                describe_shape(&value.shape())
            ),
            "keep the batch as first axis, and every item's numbers together",
        ));
    }
    if let Some(value) = value.reshaped(shape) {
        return Ok(value);
    }
    let order: Vec<usize> = (0..value.axes.len()).collect();
    let node = call.laid_out(value, &order)?;
    let node = call.reshape(node, shape)?;
    Ok(Activation::plain(node, shape).with_batch(value.batch))
}

pub(super) fn reshape(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let wanted = call
        .constant(1)?
        .as_dims()
        .ok_or_else(|| Misfit::new("its shape holds no whole numbers", "export it again"))?;
    let keeps_zero = call.int("allowzero", 0)? != 0;
    let refuse = |problem: String| {
        Err(Misfit::new(problem, "keep the batch as first axis, and every item's numbers together"))
    };
    match call.value(0)?.clone() {
        Value::Constant(constant) => {
            let count = constant.count();
            let shape = sizes(&wanted, &constant.shape, count, keeps_zero);
            match shape.filter(|shape| count_of(shape).is_ok_and(|it| it == count)) {
                Some(shape) => Ok(one(constant.reshaped(shape))),
                None => refuse(format!("it makes {wanted:?} of {:?}", constant.shape)),
            }
        }
        Value::Activation(value) => {
            // The batch stays where it is if it can, and moves no further than it must.
            let mut places: Vec<usize> = (0..wanted.len()).collect();
            places.sort_by_key(|place| place.abs_diff(value.batch));
            let whole = [call.batch.unwrap_or(-1), keeps_zero.into()];
            let found = places
                .into_iter()
                .find_map(|batch| Some((item_sizes(&wanted, &value, batch, whole)?, batch)));
            match found {
                Some((shape, batch)) => Ok(one(reshaped(call, &value, &shape)?.with_batch(batch))),
                None => refuse(format!(
                    "it makes {wanted:?} of items of {}, and so mixes them",
                    describe_shape(&value.shape())
                )),
            }
        }
    }
}

/// The sizes of an item that Reshape gives a value, if the batch can be the axis `place` of what is wanted. `batch` is how
/// many items a batch has, or -1.
fn item_sizes(
    wanted: &[Dim],
    value: &Activation,
    place: usize,
    [batch, keeps_zero]: [i64; 2],
) -> Option<Vec<usize>> {
    let own = value.shape();
    let mut rest = wanted.to_vec();
    let is_open = match rest.remove(place) {
        Dim::Batch(1) => false,
        Dim::Number(-1) => true,
        Dim::Number(0) if keeps_zero == 0 && place == value.batch => false,
        Dim::Number(number) if number > 0 && number == batch => false,
        Dim::Batch(_) | Dim::Number(_) => return None,
    };
    // A size that is left open may be the batch or one of the item, but not both.
    if is_open && rest.contains(&Dim::Number(-1)) {
        return None;
    }
    // A 0 stands for the size at its own place, the batch counted.
    let whole = with_batch_size(value);
    let kept = (0..wanted.len()).filter(|&at| at != place);
    let kept: Vec<usize> = kept.map(|at| whole.get(at).copied().unwrap_or(0)).collect();
    let is_batch = |(dim, size): (&Dim, &usize)| *dim == Dim::Number(0) && *size == 0;
    if keeps_zero == 0 && rest.iter().zip(&kept).any(is_batch) {
        return None;
    }
    let count = value.count();
    let shape = sizes(&rest, &kept, count, keeps_zero != 0)?;
    let lead = |shape: &[usize], axes: usize| shape[..axes].iter().product::<usize>();
    // What stands before the batch must not become part of the items after it.
    let fits = count_of(&shape).is_ok_and(|it| it == count)
        && lead(&shape, place) == lead(&own, value.batch);
    fits.then_some(shape)
}

/// Sizes as Reshape has them: 0 stands for that of the input, -1 for what is left over.
fn sizes(wanted: &[Dim], own: &[usize], count: usize, keeps_zero: bool) -> Option<Vec<usize>> {
    let mut open = None;
    let mut shape = Vec::new();
    for (axis, dim) in wanted.iter().enumerate() {
        shape.push(match dim {
            Dim::Number(-1) if open.is_none() => {
                open = Some(axis);
                1
            }
            Dim::Number(0) if !keeps_zero => *own.get(axis)?,
            Dim::Number(size) => usize::try_from(*size).ok().filter(|&size| size > 0)?,
            Dim::Batch(_) => return None,
        });
    }
    if let Some(axis) = open {
        let known =
            count_of(&shape).ok().filter(|&known| known > 0 && count.is_multiple_of(known))?;
        shape[axis] = count / known;
    }
    Some(shape)
}

pub(super) fn flatten(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.activation(0)?;
    let axis = call.int("axis", 1)?;
    let rank = value.axes.len() as i64 + 1;
    if axis != 1 && axis.saturating_add(rank) != 1 {
        return Err(Misfit::new(
            format!("it flattens axes before and after axis {axis}, and so mixes items"),
            "flatten from axis 1 on",
        ));
    }
    let count = value.count();
    Ok(one(reshaped(call, &value, &[count])?))
}

/// The axes that Squeeze or Unsqueeze names, counted from the first, of `rank`.
fn listed_axes(list: &[i64], rank: usize) -> Result<Vec<usize>, Misfit> {
    let axis = |&axis: &i64| {
        let axis = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        usize::try_from(axis).ok().filter(|&axis| axis < rank).ok_or_else(|| {
            Misfit::new(format!("it names axis {axis} of {rank}"), "export it again")
        })
    };
    list.iter().map(axis).collect()
}

pub(super) fn squeeze(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let list = call.list("axes", 1)?;
    let value = call.value(0)?.clone();
    let own: Vec<usize> = match &value {
        Value::Activation(value) => with_batch_size(value),
        Value::Constant(constant) => constant.shape.clone(),
    };
    let dropped = match list {
        Some(list) => listed_axes(&list, own.len())?,
        None => (0..own.len()).filter(|&axis| own[axis] == 1).collect(),
    };
    if let Some(&axis) = dropped.iter().find(|&&axis| own[axis] != 1) {
        return Err(Misfit::new(
            format!("it drops axis {axis}, whose size is not 1, or which is the batch"),
            "drop axes of size 1 of items alone",
        ));
    }
    let kept = (0..own.len()).filter(|axis| !dropped.contains(axis)).map(|axis| own[axis]);
    with_shape(value, kept.collect())
}

pub(super) fn unsqueeze(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let list = call.list("axes", 1)?.unwrap_or_default();
    let value = call.value(0)?.clone();
    let own: Vec<usize> = match &value {
        Value::Activation(value) => with_batch_size(value),
        Value::Constant(constant) => constant.shape.clone(),
    };
    let rank = own.len() + list.len();
    let added = listed_axes(&list, rank)?;
    let mut own = own.into_iter();
    let whole = (0..rank).map(|axis| if added.contains(&axis) { Some(1) } else { own.next() });
    let Some(whole) = whole.collect::<Option<Vec<usize>>>() else {
        return Err(Misfit::new(format!("it adds the axes {list:?}"), "export it again"));
    };
    with_shape(value, whole)
}

/// The sizes of a value's axes, that of the batch as 0.
fn with_batch_size(value: &Activation) -> Vec<usize> {
    let mut shape = value.shape();
    shape.insert(value.batch, 0);
    shape
}

/// A value with axes of size 1 more or fewer; of an activation the axis of size 0 is the batch.
fn with_shape(value: Value, whole: Vec<usize>) -> Result<Vec<Value>, Misfit> {
    match value {
        Value::Constant(constant) => Ok(one(constant.reshaped(whole))),
        Value::Activation(value) => {
            let batch = whole.iter().position(|&size| size == 0).unwrap_or(0);
            let mut item = whole;
            item.remove(batch);
            match value.reshaped(&item) {
                Some(value) => Ok(one(value.with_batch(batch))),
                None => Err(Misfit::new("its axes do not fit", "export it again")),
            }
        }
    }
}

pub(super) fn transpose(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let value = call.value(0)?.clone();
    let rank = match &value {
        Value::Activation(value) => value.axes.len() + 1,
        Value::Constant(constant) => constant.shape.len(),
    };
    let turned: Vec<i64> = (0..rank as i64).rev().collect();
    let order = call.ints("perm")?.unwrap_or(turned);
    let order = listed_axes(&order, rank)?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(Misfit::new(format!("its order of axes is {order:?}"), "export it again"));
    }
    match value {
        Value::Constant(constant) => Ok(one(constant.transposed(&order))),
        Value::Activation(value) => {
            let batch = order.iter().position(|&axis| axis == value.batch).unwrap_or(0);
            let axes = order.iter().filter(|&&axis| axis != value.batch);
            let axes: Vec<usize> =
                axes.map(|&axis| axis - usize::from(axis > value.batch)).collect();
            Ok(one(value.transposed(&axes).with_batch(batch)))
        }
    }
}

/// Channels that become blocks of pixels, or the other way.
fn blocks(call: &mut Call<'_>) -> Result<(Activation, usize, [usize; 3]), Misfit> {
    let value = call.activation(0)?;
    let size = usize::try_from(call.int("blocksize", 0)?).unwrap_or(0);
    match value.shape()[..] {
        [channels, rows, columns] if size > 0 && size < 1 << 16 => {
            Ok((value, size, [channels, rows, columns]))
        }
        _ => Err(Misfit::new(
            format!("its blocks of {size} do not fit items of {}", describe_shape(&value.shape())),
            "give it images and a block size of at least 1",
        )),
    }
}

pub(super) fn depth_to_space(
    call: &mut Call<'_>,
    _: &mut External<'_>,
) -> Result<Vec<Value>, Misfit> {
    let (value, size, [channels, rows, columns]) = blocks(call)?;
    let left = channels / (size * size);
    let (shape, order) = match call.text("mode", "DCR")?.as_str() {
        "DCR" => ([size, size, left, rows, columns], [2, 3, 0, 4, 1]),
        _ => ([left, size, size, rows, columns], [0, 3, 1, 4, 2]),
    };
    let value = reshaped(call, &value, &shape)?.transposed(&order);
    Ok(one(reshaped(call, &value, &[left, rows * size, columns * size])?))
}

pub(super) fn space_to_depth(
    call: &mut Call<'_>,
    _: &mut External<'_>,
) -> Result<Vec<Value>, Misfit> {
    let (value, size, [channels, rows, columns]) = blocks(call)?;
    let value = reshaped(call, &value, &[channels, rows / size, size, columns / size, size])?;
    let order = match call.text("mode", "DCR")?.as_str() {
        "DCR" => [2, 4, 0, 1, 3],
        _ => [0, 2, 4, 1, 3],
    };
    let value = value.transposed(&order);
    Ok(one(reshaped(call, &value, &[channels * size * size, rows / size, columns / size])?))
}
