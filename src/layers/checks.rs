//! What several layers check about shapes, settings and indices.

use super::Misfit;
use crate::context::Context;
use crate::tensor::{Shape, describe_shape};

/// Refuses an attribute that code, rather than a model file, has made anything but a number that
/// is finite and not negative.
pub(super) fn require_not_negative(name: &str, number: f32) -> Result<(), Misfit> {
    if number.is_finite() && number >= 0.0 {
        return Ok(());
    }
    Err(Misfit::new(
        format!("its {name} is {number}"),
        format!("give `{name}` a finite number of at least 0"),
    ))
}

/// The one shape of all inputs, or why there is none.
pub(super) fn equal_shapes(inputs: &[&[usize]]) -> Result<Shape, Misfit> {
    match inputs.iter().position(|shape| *shape != inputs[0]) {
        None => Ok(inputs[0].to_vec()),
        Some(other) => Err(Misfit::new(
            format!(
                "inputs 1 and {} differ in shape: {} and {}",
                other + 1,
                describe_shape(inputs[0]),
                describe_shape(inputs[other])
            ),
            "give all inputs the same shape",
        )),
    }
}

/// The size of the last axis, or that there is none.
pub(super) fn last_axis(shape: &[usize]) -> Result<usize, Misfit> {
    shape.last().copied().ok_or_else(|| {
        Misfit::new(
            "it needs an input with at least one axis, not a single number an item",
            "connect it to a node whose items have features",
        )
    })
}

/// Calls `with(place, index)` for every number of input 0, counted in row-major order within the part:
/// an index below `count`, or an error that names the number and its item.
pub(super) fn read_indices(
    context: &Context<'_>,
    count: usize,
    mut with: impl FnMut(usize, usize),
) -> Result<(), String> {
    let input = context.input(0);
    let of_item = input.rows() * input.cols() / context.items().max(1);
    let numbers = (0..input.rows()).flat_map(|row| input.row(row));
    for (place, &number) in numbers.enumerate() {
        // What is no such index is negative, NaN, or changes on the way; large floats become the
        // largest integer.
        let index = number as usize;
        if index as f32 != number || index >= count {
            return Err(format!(
                "number {} of item {} is {number}, but indices are whole numbers from 0 to {}",
                place % of_item,
                context.first_item() + place / of_item,
                count - 1
            ));
        }
        with(place, index);
    }
    Ok(())
}
