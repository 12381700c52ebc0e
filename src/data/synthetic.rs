//! Random data of given shapes, for timing and for tests.

use std::f64::consts::TAU;

use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::sampler::{below, generator};
use super::{Column, Dataset, MAX_CLASSES, MAX_VALUES, refuse};
use crate::{Error, Result, Shape, Tensor, describe_shape};

/// What a target column of [`synthetic`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Class indices below this number, all equally likely, of shape `[items]`.
    Classes(usize),
    /// Standard normal values of this item shape.
    Values(Shape),
}

/// Makes a data set of `items` random items. Every input is `[items, ...shape]` and standard
/// normal. The numbers of a column depend on `seed` and on its place among the inputs or targets.
/// Nothing relates the targets to the inputs.
///
/// ```
/// use caudal::data::{TargetKind, synthetic};
///
/// let inputs = [("image".to_owned(), vec![32, 32, 3])];
/// let targets = [("label".to_owned(), TargetKind::Classes(10))];
/// let data = synthetic("noise", &inputs, &targets, 8, 1)?;
/// assert_eq!(data.inputs()[0].values.shape(), [8, 32, 32, 3]);
/// assert_eq!(data.targets()[0].values.shape(), [8]);
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Data`] if there are no items, no inputs, no classes or more than 2^24 of them, if two
/// columns share a name, an axis is 0 long, or all columns together have more than 2^34 values or
/// do not fit in memory.
pub fn synthetic(
    name: &str,
    inputs: &[(String, Shape)],
    targets: &[(String, TargetKind)],
    items: usize,
    seed: u64,
) -> Result<Dataset> {
    let origin = format!("data set `{name}`");
    if items == 0 {
        return Err(refuse(origin, "0 items were asked for", "ask for at least one"));
    }
    let scalar = Shape::new();
    let shapes = inputs.iter().map(|(name, shape)| (name, shape)).chain(targets.iter().map(
        |(name, kind)| match kind {
            TargetKind::Classes(_) => (name, &scalar),
            TargetKind::Values(shape) => (name, shape),
        },
    ));
    let mut total = 0_usize;
    for (column, shape) in shapes {
        let size = shape.iter().try_fold(items, |size, &length| size.checked_mul(length));
        total = size
            .and_then(|size| total.checked_add(size))
            .filter(|&total| total <= MAX_VALUES)
            .ok_or_else(|| {
                let problem = format!(
                    "column `{column}`, {items} items of {}, takes it past {MAX_VALUES} values",
                    describe_shape(shape)
                );
                refuse(&origin, problem, "ask for fewer items or smaller shapes")
            })?;
    }

    let inputs = inputs.iter().zip(0..).map(|((column, shape), place)| {
        let values = normal(&origin, items, shape, &mut generator(*b"inputs  ", seed, place))?;
        Ok(Column::new(column, values))
    });
    let inputs = inputs.collect::<Result<_>>()?;
    let targets = targets.iter().zip(0..).map(|((column, kind), place)| {
        let generator = &mut generator(*b"targets ", seed, place);
        let values = match kind {
            TargetKind::Values(shape) => normal(&origin, items, shape, generator)?,
            TargetKind::Classes(classes) if (1..=MAX_CLASSES).contains(classes) => {
                let mut labels = room(&origin, items)?;
                labels.extend((0..items).map(|_| below(*classes, generator) as f32));
                tensor(&origin, vec![items], labels)?
            }
            TargetKind::Classes(classes) => {
                return Err(refuse(
                    &origin,
                    format!("target `{column}` was asked for with {classes} classes"),
                    format!("ask for 1 to {MAX_CLASSES}"),
                ));
            }
        };
        Ok(Column::new(column, values))
    });
    let targets = targets.collect::<Result<_>>()?;
    Dataset::new(name, inputs, targets)
}

/// Standard normal values by Box and Muller's method.
fn normal(origin: &str, items: usize, shape: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
    let shape = [&[items], shape].concat();
    let size = shape.iter().product();
    let mut values = room(origin, size)?;
    let scale = f64::from(u32::MAX) + 1.0;
    while values.len() < size {
        // Above 0, so that the logarithm is finite.
        let uniform = (f64::from(random.next_u32()) + 1.0) / scale;
        let radius = (-2.0 * uniform.ln()).sqrt();
        let (sine, cosine) = (TAU * f64::from(random.next_u32()) / scale).sin_cos();
        values.push((radius * cosine) as f32);
        if values.len() < size {
            values.push((radius * sine) as f32);
        }
    }
    tensor(origin, shape, values)
}

/// An empty vector with room for `size` values.
fn room(origin: &str, size: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(size).map_err(|error| too_large(origin, &error))?;
    Ok(values)
}

fn tensor(origin: &str, shape: Shape, values: Vec<f32>) -> Result<Tensor> {
    Tensor::from_shape_vec(shape, values).map_err(|error| too_large(origin, &error))
}

fn too_large(origin: &str, error: &dyn std::error::Error) -> Error {
    refuse(origin, error.to_string(), "ask for fewer items or smaller shapes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(shape: &[usize], kind: TargetKind, items: usize, seed: u64) -> Result<Dataset> {
        synthetic("s", &[("x".to_owned(), shape.to_vec())], &[("y".to_owned(), kind)], items, seed)
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let kind = || TargetKind::Values(vec![3]);
        let first = make(&[4], kind(), 5, 1).unwrap();
        assert_eq!(first, make(&[4], kind(), 5, 1).unwrap());
        assert_ne!(first, make(&[4], kind(), 5, 2).unwrap());
        assert_eq!(first.targets()[0].values.shape(), [5, 3]);
        let same_shape = make(&[3], kind(), 5, 1).unwrap();
        assert_ne!(same_shape.inputs()[0].values, same_shape.targets()[0].values);
    }

    #[test]
    fn inputs_are_standard_normal() {
        let set = make(&[7], TargetKind::Classes(4), 20_001, 3).unwrap();
        let values = &set.inputs()[0].values;
        let moment = |power| {
            values.iter().map(|&value| f64::from(value).powi(power)).sum::<f64>()
                / values.len() as f64
        };
        // Five standard errors of each moment over 140,007 values.
        for (power, expected, error) in
            [(1, 0.0, 0.014), (2, 1.0, 0.019), (3, 0.0, 0.052), (4, 3.0, 0.132)]
        {
            assert!((moment(power) - expected).abs() < error, "{power}: {}", moment(power));
        }
        assert!(values.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn classes_are_equally_likely() {
        let set = make(&[1], TargetKind::Classes(4), 4000, 3).unwrap();
        let labels = &set.targets()[0].values;
        for class in 0..4 {
            let number = labels.iter().filter(|&&label| label as usize == class).count();
            assert!((850..1150).contains(&number), "{class}: {number}");
        }
        assert_eq!(set.targets()[0].class_count(), Some(4));
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let classes = TargetKind::Classes;
        for (shape, kind, items, expected) in [
            (&[2][..], classes(2), 0, "0 items were asked for"),
            (&[2], classes(0), 1, "target `y` was asked for with 0 classes; ask for 1 to 16777216"),
            (&[2], classes(MAX_CLASSES + 1), 1, "with 16777217 classes"),
            (&[2, 0], classes(2), 3, "column `x` holds no items: its shape is 3 x 2 x 0"),
            (
                &[1 << 20, 1 << 10],
                classes(2),
                17,
                "data set `s`: column `x`, 17 items of 1048576 x 1024, takes it past 17179869184",
            ),
            (&[usize::MAX, 2], classes(2), 1, "takes it past 17179869184 values"),
            (
                &[1],
                TargetKind::Values(vec![1 << 33]),
                2,
                "column `y`, 2 items of 8589934592, takes",
            ),
        ] {
            let message = make(shape, kind, items, 0).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}\nlacks\n{expected}");
        }
        let message = synthetic("s", &[], &[], 1, 0).unwrap_err().to_string();
        assert!(message.contains("no input column"), "{message}");
    }
}
