//! How a target names the class of every row of scores.

use super::TargetValues;
use crate::context::Context;
use crate::kernels::MatrixRef;
use crate::layers::Misfit;
use crate::tensor::describe_shape;

/// What the shape of a target says about it, for scores of shape `[…, classes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Shape `[…]`: one class index for every row of scores.
    Indices,
    /// Shape `[…, classes]`: one-hot rows, or a share for every class.
    Shares,
}

impl Form {
    /// The form of a target that fits the scores; `scores` is their name in the message otherwise.
    pub(crate) fn of(inputs: &[&[usize]], scores: &str) -> Result<Self, Misfit> {
        match inputs[0].split_last() {
            Some((_, rows)) if rows == inputs[1] => Ok(Self::Indices),
            Some(_) if inputs[0] == inputs[1] => Ok(Self::Shares),
            _ => Err(Misfit::new(
                format!(
                    "{scores} of shape {} need class indices of that shape without its last axis, \
                     or shares of that shape, not {}",
                    describe_shape(inputs[0]),
                    describe_shape(inputs[1])
                ),
                format!("make the target one class index, or one row, for every row of {scores}"),
            )),
        }
    }

    /// The form in a run, whose shapes have been checked.
    pub(crate) fn in_run(context: &Context<'_>) -> Self {
        if context.input_shape(0).len() == context.input_shape(1).len() {
            Self::Shares
        } else {
            Self::Indices
        }
    }
}

/// The first of the largest scores; none where a score is no number.
pub(crate) fn largest(scores: &[f32]) -> Option<usize> {
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    (0..scores.len()).reduce(|best, class| if scores[class] > scores[best] { class } else { best })
}

/// The class that a label names.
pub(crate) fn class_of(label: f32, row: usize, classes: usize) -> Result<usize, String> {
    if label >= 0.0 && label < classes as f32 && label.fract() == 0.0 {
        return Ok(label as usize);
    }
    Err(format!(
        "the label of row {row} is {label}, but classes are whole numbers from 0 to {}",
        classes.saturating_sub(1)
    ))
}

/// What such a target holds.
pub(super) fn values(inputs: &[&[usize]]) -> TargetValues {
    match inputs[0].last() {
        Some(&classes) if inputs[0].len() != inputs[1].len() => TargetValues::Classes(classes),
        _ => TargetValues::Numbers,
    }
}

/// The class indices of a part, every one of which must name a class.
pub(super) fn check_labels(labels: MatrixRef<'_>, classes: usize) -> Result<&[f32], String> {
    // Targets are whole tensors of one column or contiguous rows.
    let Some(labels) = labels.contiguous() else {
        return Err("class indices must be contiguous".to_owned());
    };
    for (row, &label) in labels.iter().enumerate() {
        class_of(label, row, classes)?;
    }
    Ok(labels)
}

/// Calls `each` with the item, the scores and the class of every row of a part: the class is the
/// index that the target holds, or where the target's row is largest. A target that names no class is refused.
pub(crate) fn each_row(
    context: &Context<'_>,
    mut each: impl FnMut(usize, &[f32], usize),
) -> Result<(), String> {
    let (scores, target) = (context.input(0), context.input(1));
    let rows = (scores.rows() / context.items().max(1)).max(1);
    let form = Form::in_run(context);
    let columns = target.cols();
    for row in 0..scores.rows() {
        let class = match form {
            Form::Shares => largest(target.row(row)).ok_or_else(|| {
                format!("the target of row {row} holds NaN, so that it names no class")
            })?,
            Form::Indices => {
                class_of(target.row(row / columns)[row % columns], row, scores.cols())?
            }
        };
        each(row / rows, scores.row(row), class);
    }
    Ok(())
}
