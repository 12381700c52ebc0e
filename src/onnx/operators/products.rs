//! Products of matrices.

use std::sync::Arc;

use super::super::activation::Activation;
use super::super::broadcast::common_shape;
use super::super::call::{Call, Value};
use super::super::constant::Constant;
use super::super::external::External;
use super::one;
use crate::layers::{Add, Dense, MatMul, Misfit};
use crate::tensor::describe_shape;

/// The last axis of a value times a matrix of rows by columns, as the file has it or turned, plus a bias.
fn dense(
    call: &mut Call<'_>,
    value: &Activation,
    [matrix, source]: [&Constant; 2],
    bias: Option<(&Constant, f32)>,
) -> Result<Activation, Misfit> {
    let unfit = || {
        Misfit::new(
            format!(
                "its matrix of shape {:?} does not fit items of {}",
                source.shape,
                describe_shape(&value.shape())
            ),
            "export it again",
        )
    };
    let ([inner, units], Some(floats)) = (&matrix.shape[..], matrix.as_floats()) else {
        return Err(unfit());
    };
    let axis = value.axes.len().checked_sub(1).ok_or_else(unfit)?;
    if value.shape()[axis] != *inner || *units == 0 {
        return Err(unfit());
    }
    // The sum goes along the last axis.
    value.item_axis(-1)?;
    let (value, places) = call.axis_last(value, axis)?;
    let in_order = places.iter().enumerate().all(|(at, &place)| at == place);
    let weight = if in_order {
        floats
    } else {
        let rows = places.iter().flat_map(|&row| &floats[row * units..(row + 1) * units]);
        Arc::new(rows.copied().collect())
    };
    let biases = match bias {
        None => Arc::new(vec![0.0; *units]),
        Some((bias, factor)) => {
            let own = call.item_constant(bias, 1, 0)?;
            let whole = own.broadcast(&[*units]).and_then(|whole| whole.as_floats());
            let whole = whole.ok_or_else(|| {
                let problem =
                    format!("its bias of shape {:?} is not for {units} units", bias.shape);
                Misfit::new(problem, "export it again")
            })?;
            match factor {
                1.0 => whole,
                factor => Arc::new(whole.iter().map(|number| number * factor).collect()),
            }
        }
    };
    let parameters = vec![("weight", weight), ("bias", biases)];
    let sources: Vec<&Constant> = [source].into_iter().chain(bias.map(|(it, _)| it)).collect();
    let node =
        call.add_weighted(Dense::new(*units), &[value.node], parameters, &sources, &places)?;
    call.open_bias(node, bias.is_none());
    // The last atoms of memory were those of the last axis; one takes their place.
    let kept = value.order.len() - value.axes[axis];
    let mut output = Activation { node, ..value };
    output.order.truncate(kept);
    output.atoms.truncate(kept);
    output.axes[axis] = usize::from(*units > 1);
    if *units > 1 {
        output.order.push(kept);
        output.atoms.push(*units);
    }
    Ok(output)
}

/// The first matrix of a product with weights. Where it is the same for every item, as the first state of a recurrent
/// network, the weights learn all the same.
fn first_matrix(call: &mut Call<'_>) -> Result<Activation, Misfit> {
    let is_fed = call.network.drafts.first().is_some_and(|draft| draft.layer.is_none());
    match call.value(0)?.clone() {
        Value::Constant(constant) if is_fed && constant.shape.len() == 2 => {
            let own = call.item_constant(&constant, 1, 0)?;
            call.constant_value(&own, 0)
        }
        _ => call.activation(0),
    }
}

pub(super) fn gemm(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let (value, source) = (first_matrix(call)?, call.constant(1)?);
    if call.int("transA", 0)? != 0 {
        let problem = "it turns the first matrix, and so moves the batch";
        return Err(Misfit::new(problem, "keep the batch as first axis"));
    }
    if value.axes.len() != 1 || source.shape.len() != 2 {
        let problem = format!("an item of its first input has the shape {:?}", value.shape());
        return Err(Misfit::new(problem, "use MatMul for more axes"));
    }
    let matrix =
        if call.int("transB", 0)? != 0 { source.transposed(&[1, 0]) } else { source.clone() };
    let (alpha, beta) = (call.float("alpha", 1.0)?, call.float("beta", 1.0)?);
    let matrix = match (alpha, matrix.as_floats()) {
        (1.0, _) | (_, None) => matrix,
        (alpha, Some(floats)) => {
            let scaled = floats.iter().map(|number| number * alpha).collect();
            Constant::floats(matrix.shape, scaled)
        }
    };
    let third = if call.is_given(2) { Some(call.value(2)?.clone()) } else { None };
    match third {
        None => Ok(one(dense(call, &value, [&matrix, &source], None)?)),
        Some(Value::Constant(bias)) => {
            Ok(one(dense(call, &value, [&matrix, &source], Some((&bias, beta)))?))
        }
        Some(Value::Activation(addend)) if beta == 1.0 => {
            let product = dense(call, &value, [&matrix, &source], None)?;
            let [product, addend] = call.alike(&product, &addend)?;
            let node = call.add_beside("sum", Add, &[product.node, addend.node])?;
            Ok(one(Activation { node, ..product }))
        }
        Some(Value::Activation(_)) => {
            Err(Misfit::new("its bias depends on the items", "add it with Add"))
        }
    }
}

pub(super) fn mat_mul(call: &mut Call<'_>, _: &mut External<'_>) -> Result<Vec<Value>, Misfit> {
    let first = match (call.value(0)?, call.value(1)?) {
        (Value::Constant(_), Value::Constant(source)) if source.learned => {
            first_matrix(call)?.into()
        }
        (first, _) => first.clone(),
    };
    match (first, call.value(1)?.clone()) {
        (Value::Activation(value), Value::Constant(source)) => {
            let lead = source.shape.len().saturating_sub(2);
            let matrix = match &source.shape[..] {
                [inner] => source.reshaped([*inner, 1]),
                shape if shape[..lead].iter().all(|&size| size == 1) => {
                    source.reshaped(&shape[lead..])
                }
                shape => {
                    let problem =
                        format!("it multiplies with several matrices, of shape {shape:?}");
                    return Err(Misfit::new(problem, "use a matrix for each branch"));
                }
            };
            // Patterns leave a bias with the product.
            let bias = if call.is_given(2) { Some(call.constant(2)?) } else { None };
            let bias = bias.as_ref().map(|bias| (bias, 1.0));
            let output = dense(call, &value, [&matrix, &source], bias)?;
            if source.shape.len() > 1 {
                return Ok(one(output));
            }
            let shape = output.shape();
            Ok(one(super::shapes::reshaped(call, &output, &shape[..shape.len() - 1])?))
        }
        (Value::Constant(source), Value::Activation(value)) => {
            let rank = value.axes.len();
            value.check_batch_first()?;
            if source.shape.len() != 2 || rank < 2 {
                let problem = format!("its first matrix is a constant of shape {:?}", source.shape);
                return Err(Misfit::new(
                    problem,
                    "multiply with one matrix, of items with two axes",
                ));
            }
            // A B is the transpose of B' A'.
            let turn: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
            let (turned, matrix) = (value.transposed(&turn), source.transposed(&[1, 0]));
            let output = dense(call, &turned, [&matrix, &source], None)?;
            Ok(one(output.transposed(&turn)))
        }
        (Value::Activation(a), Value::Activation(b)) => Ok(one(product(call, &a, &b)?)),
        (Value::Constant(_), Value::Constant(_)) => {
            Err(Misfit::new("it multiplies constants", "let onnxsim fold constants before"))
        }
    }
}

/// The product of two values over their last two axes.
fn product(call: &mut Call<'_>, a: &Activation, b: &Activation) -> Result<Activation, Misfit> {
    let (of_a, of_b) = (a.shape(), b.shape());
    a.check_batch_first()?;
    b.check_batch_first()?;
    let ([.., rows, inner], [.., other, columns]) = (&of_a[..], &of_b[..]) else {
        let problem = format!("its inputs have items of {of_a:?} and {of_b:?}");
        return Err(Misfit::new(problem, "multiply items with two axes or more each"));
    };
    if inner != other {
        let problem = format!("its inputs have items of {of_a:?} and {of_b:?}");
        return Err(Misfit::new(problem, "export it again"));
    }
    let lead = common_shape(&of_a[..of_a.len() - 2], &of_b[..of_b.len() - 2])?;
    let rank = lead.len() + 2;
    let straight: Vec<usize> = (0..rank).collect();
    let with = |last: [usize; 2]| lead.iter().copied().chain(last).collect::<Vec<usize>>();
    let a = call.expanded(a, &with([*rows, *inner]), &straight)?;
    let b = call.expanded(b, &with([*inner, *columns]), &straight)?;
    let first = call.laid_out(&a, &straight)?;
    let turn: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    let is_turned = b.order == b.atoms_of(&turn) && b.order != b.atoms_of(&straight);
    let layer = if is_turned { MatMul::new().transpose_second() } else { MatMul::new() };
    let second = call.laid_out(&b, if is_turned { &turn } else { &straight })?;
    let node = call.add(layer, &[first, second])?;
    Ok(Activation::plain(node, &with([*rows, *columns])))
}
