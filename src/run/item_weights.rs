//! The weights of items, which a loss node may have as its third input.

use crate::context::{Context, MatrixMut};

/// Multiplies what a loss has written of each item, a value or a gradient, by the item's weight; leaves all as it is
/// where there are none. What weighs nothing counts for nothing, be it finite or not.
pub(super) fn weigh<'a>(
    context: &Context<'_>,
    written: impl FnOnce() -> MatrixMut<'a>,
) -> Result<(), String> {
    if context.input_count() < 3 {
        return Ok(());
    }
    let (weights, mut written) = (context.input(2), written());
    let rows = written.rows() / context.items().max(1);
    for item in 0..context.items() {
        let weight = weights.row(item)[0];
        if !(weight.is_finite() && weight >= 0.0) {
            let item = context.first_item() + item;
            return Err(format!(
                "the weight of item {item} of the batch is {weight}, not a number >= 0"
            ));
        }
        for row in item * rows..(item + 1) * rows {
            for number in written.row_mut(row) {
                *number = if weight == 0.0 { 0.0 } else { *number * weight };
            }
        }
    }
    Ok(())
}
