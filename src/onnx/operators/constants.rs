//! What does not depend on the items: shapes, and what is computed of them.

use super::super::call::{Call, Value};
use super::super::constant::{Constant, Dim, Numbers, check_derived};
use super::super::external::External;
use super::arithmetic::Two;
use super::one;
use crate::layers::Misfit;

fn refuse(problem: &str) -> Misfit {
    Misfit::new(problem, "let onnxsim fold constants before")
}

pub(super) fn constant(
    call: &mut Call<'_>,
    external: &mut External<'_>,
) -> Result<Vec<Value>, Misfit> {
    if let Some(tensor) = call.tensor("value") {
        return Ok(one(Constant::read(tensor, external)?));
    }
    let number = call.int("value_int", i64::MIN)?;
    if number != i64::MIN {
        return Ok(one(Constant::dims([], vec![Dim::Number(number)])));
    }
    if let Some(numbers) = call.ints("value_ints")? {
        let numbers: Vec<Dim> = numbers.into_iter().map(Dim::Number).collect();
        return Ok(one(Constant::dims([numbers.len()], numbers)));
    }
    if let Some(numbers) = call.floats("value_floats") {
        return Ok(one(Constant::floats([numbers.len()], numbers)));
    }
    let number = call.float("value_float", f32::NAN)?;
    if number.is_nan() {
        return Err(Misfit::new("its value is no dense array of numbers", "store it as one"));
    }
    Ok(one(Constant::floats([], vec![number])))
}

pub(super) fn constant_of_shape(
    call: &mut Call<'_>,
    external: &mut External<'_>,
) -> Result<Vec<Value>, Misfit> {
    let shape = call.constant(0)?.as_dims().unwrap_or_default();
    // What is the same for every item needs no repeating.
    let sizes = shape.iter().map(|dim| match dim {
        Dim::Number(size) => usize::try_from(*size).ok(),
        Dim::Batch(times) => (*times == 1).then_some(1),
    });
    let shape = sizes.collect::<Option<Vec<usize>>>();
    let shape = shape.ok_or_else(|| refuse("its shape has negative sizes, or several batches"))?;
    let count = check_derived(&shape)?;
    let single = match call.tensor("value") {
        Some(tensor) => Constant::read(tensor, external)?,
        None => Constant::floats([1], vec![0.0]),
    };
    if single.count() != 1 {
        return Err(refuse("its value is not one number"));
    }
    Ok(one(single.gathered(shape, std::iter::repeat_n(0, count))))
}

pub(super) fn shape(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let number = |&size: &usize| Dim::Number(size as i64);
    let dims: Vec<Dim> = match call.value(0)? {
        Value::Activation(value) => {
            let mut dims: Vec<Dim> = value.shape().iter().map(number).collect();
            dims.insert(value.batch, Dim::Batch(1));
            dims
        }
        Value::Constant(constant) => constant.shape.iter().map(number).collect(),
    };
    let rank = dims.len() as i64;
    let place =
        |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let start = place(call.int("start", 0)?);
    let end = place(call.int("end", rank)?).max(start);
    Ok(one(Constant::dims([end - start], dims[start..end].to_vec())))
}

pub(super) fn range(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let mut numbers = [0; 3];
    for (input, number) in numbers.iter_mut().enumerate() {
        let given = call.constant_ints(input)?.and_then(|list| list.first().copied());
        *number = given.ok_or_else(|| refuse("it does not count in whole numbers"))?;
    }
    let [start, limit, step] = numbers;
    if step == 0 {
        return Err(refuse("its step is 0"));
    }
    let whole = i128::from(limit) - i128::from(start);
    let count = (whole / i128::from(step) + i128::from(whole % i128::from(step) != 0)).max(0);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    check_derived(&[count])?;
    let dims = (0..count)
        .map(|at| Dim::Number((i128::from(start) + at as i128 * i128::from(step)) as i64))
        .collect();
    Ok(one(Constant::dims([count], dims)))
}

/// Two constants in one shape.
fn pair(a: &Constant, b: &Constant) -> Result<[Constant; 2], Misfit> {
    let shape = super::super::broadcast::common_shape(&a.shape, &b.shape)?;
    check_derived(&shape)?;
    match (a.broadcast(&shape), b.broadcast(&shape)) {
        (Some(a), Some(b)) => Ok([a, b]),
        _ => Err(refuse("its constants do not fit each other")),
    }
}

/// What two constants become.
pub(super) fn of_two(what: Two, a: &Constant, b: &Constant) -> Result<Constant, Misfit> {
    let [a, b] = pair(a, b)?;
    if let (Numbers::Ints(first), Numbers::Ints(second)) = (&a.numbers, &b.numbers) {
        let dims = first.iter().zip(second.iter()).map(|(&a, &b)| of_dims(what, a, b));
        return Ok(Constant::dims(a.shape.clone(), dims.collect::<Result<_, _>>()?));
    }
    let floats = [a.as_floats(), b.as_floats()];
    let [Some(first), Some(second)] = floats else {
        return Err(refuse("it computes with the batch size"));
    };
    let number = |(&a, &b): (&f32, &f32)| match what {
        Two::Add => a + b,
        Two::Subtract => a - b,
        Two::Multiply => a * b,
        Two::Divide => a / b,
    };
    let learned = a.learned || b.learned;
    let floats = first.iter().zip(second.iter()).map(number).collect();
    Ok(Constant { learned, ..Constant::floats(a.shape, floats) })
}

/// What two numbers of a shape become.
fn of_dims(what: Two, a: Dim, b: Dim) -> Result<Dim, Misfit> {
    let known = match (a, b) {
        (Dim::Number(a), Dim::Number(b)) => match what {
            Two::Add => a.checked_add(b),
            Two::Subtract => a.checked_sub(b),
            Two::Multiply => a.checked_mul(b),
            Two::Divide => a.checked_div(b),
        }
        .map(Dim::Number),
        (Dim::Batch(a), Dim::Batch(b)) => match what {
            Two::Add => a.checked_add(b).map(Dim::Batch),
            Two::Divide if b != 0 && a % b == 0 => Some(Dim::Number(a / b)),
            _ => None,
        },
        (Dim::Batch(a), Dim::Number(b)) => match what {
            Two::Multiply => a.checked_mul(b).map(Dim::Batch),
            Two::Divide if b != 0 && a % b == 0 => Some(Dim::Batch(a / b)),
            Two::Add | Two::Subtract if b == 0 => Some(Dim::Batch(a)),
            _ => None,
        },
        (Dim::Number(a), Dim::Batch(b)) => match what {
            Two::Multiply => b.checked_mul(a).map(Dim::Batch),
            Two::Add if a == 0 => Some(Dim::Batch(b)),
            _ => None,
        },
    };
    known.ok_or_else(|| refuse("it computes with the batch size, or with absurd sizes"))
}

pub(super) fn equal(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let [a, b] = pair(&call.constant(0)?, &call.constant(1)?)?;
    let (Some(first), Some(second)) = (a.as_dims(), b.as_dims()) else {
        return Err(refuse("it compares what are no whole numbers"));
    };
    let same = first.iter().zip(second.iter()).map(|(a, b)| Dim::Number((a == b).into()));
    Ok(one(Constant::dims(a.shape, same.collect())))
}

pub(super) fn choose(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let [which, first, second] = [call.constant(0)?, call.constant(1)?, call.constant(2)?];
    let [first, second] = pair(&first, &second)?;
    let [which, first] = pair(&which, &first)?;
    let [_, second] = pair(&which, &second)?;
    let Some(picked) = which.as_ints() else { return Err(refuse("it chooses by the batch size")) };
    match (&first.numbers, &second.numbers) {
        (Numbers::Ints(a), Numbers::Ints(b)) => {
            let pick = picked.iter().enumerate();
            let dims = pick.map(|(at, &it)| if it != 0 { a[at] } else { b[at] }).collect();
            Ok(one(Constant::dims(which.shape, dims)))
        }
        _ => match (first.as_floats(), second.as_floats()) {
            (Some(a), Some(b)) => {
                let pick = picked.iter().enumerate();
                let floats = pick.map(|(at, &it)| if it != 0 { a[at] } else { b[at] }).collect();
                Ok(one(Constant::floats(which.shape, floats)))
            }
            _ => Err(refuse("it chooses between batch sizes")),
        },
    }
}
