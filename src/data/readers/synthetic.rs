//! Random data of given shapes, for timing and for tests.

use std::f64::consts::TAU;

use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::{ReaderSpec, Request, Source};
use crate::data::sampler::{below, generator};
use crate::data::{
    Column, Dataset, MAX_CLASSES, MAX_VALUES, refuse, taker_of_indices, target_classes,
};
use crate::graph::{Graph, NodeId};
use crate::memory;
use crate::{Error, Result, Shape, Tensor, describe_shape};

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "synthetic",
    summary: "random numbers that fit the model, for timing: nothing can be learned from them",
    form: "`synthetic`",
    options: &[
        (
            "items",
            "items of the training part; default 1024, or a batch where that is more, and fewer where they are large",
        ),
        ("seed", "of the random numbers; default 0"),
    ],
    recognizes: |source| source == "synthetic",
    read,
};

/// Items for training and for testing, as long as they are small.
const ITEMS: (usize, usize) = (1024, 256);

/// Numbers that the inputs hold at most, unless one batch is larger.
const MOST_NUMBERS: usize = 1 << 26;

/// Batches of more numbers, 4 GiB, are taken for a mistake.
const LARGEST_BATCH: usize = 1 << 30;

/// Data for the network of the request.
fn read(request: &Request<'_>) -> Result<Source> {
    let Some((graph, batch)) = request.network else {
        return Err(refuse(
            "synthetic data",
            "no network was given that it could fit",
            "give one, or say with `synthetic` the function which columns to make",
        ));
    };
    let count = |id: NodeId| graph.nodes()[id].shape.iter().product::<usize>();
    let item: usize = graph.inputs().into_iter().map(count).sum();
    let most = (MOST_NUMBERS / item.max(1)).max(1);
    if item.saturating_mul(batch) > LARGEST_BATCH {
        return Err(refuse(
            "synthetic data",
            format!("a batch of {batch} has more than {LARGEST_BATCH} numbers"),
            "use a smaller batch",
        ));
    }
    let (train, test) = ITEMS;
    let asked = request.number("items", 1)?.map(|items| items as usize);
    let seed = request.number("seed", 0)?.unwrap_or(0).wrapping_mul(2);
    let train = synthetic_for(graph, asked.unwrap_or(train.min(most).max(batch)), seed)?;
    let test = synthetic_for(graph, test.min(most), seed.wrapping_add(1))?;
    let (train, test) = (train.renamed("synthetic train"), test.renamed("synthetic test"));
    Ok(Source::Parts { train, test })
}

/// What a target column of [`synthetic`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
/// assert_eq!(data.inputs()[0].shape(), [8, 32, 32, 3]);
/// assert_eq!(data.targets()[0].shape(), [8]);
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

    memory::check(total.saturating_mul(size_of::<f32>())).map_err(|room| {
        let bytes = memory::amount(total.saturating_mul(size_of::<f32>()));
        let problem = format!("memory does not hold {items} items: they take {bytes}, {room}");
        refuse(&origin, problem, "ask for fewer items or smaller shapes")
    })?;

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

/// Random data for every input and target of `graph`, by the names of the nodes: classes where a
/// loss wants classes, indices where a layer such as `embedding` takes them from an input, all equally
/// likely, and normal values elsewhere.
///
/// # Errors
/// As [`synthetic()`].
pub fn synthetic_for(graph: &Graph, items: usize, seed: u64) -> Result<Dataset> {
    let column = |id: NodeId| {
        let node = &graph.nodes()[id];
        (node.name.clone(), node.shape.clone())
    };
    let inputs: Vec<(String, Shape)> = graph.inputs().into_iter().map(column).collect();
    let mut targets = Vec::new();
    for (place, id) in graph.targets().into_iter().enumerate() {
        let (name, shape) = column(id);
        let kind = match target_classes(graph, id) {
            Some(classes) => TargetKind::Classes(classes),
            None => TargetKind::Values(shape.clone()),
        };
        let count = match kind {
            TargetKind::Classes(_) => items.saturating_mul(shape.iter().product()),
            TargetKind::Values(_) => items,
        };
        // Each target by itself, since one item may have several classes, and with a seed of its
        // own, since its place is always the first.
        let seed = seed.wrapping_add((place as u64) << 32);
        let one = [("one".to_owned(), vec![1])];
        let made = synthetic("synthetic", &one, &[(name.clone(), kind)], count, seed)?;
        let numbers = made.targets()[0].all()?.into_owned();
        let shape = [&[items], shape.as_slice()].concat();
        let values = Tensor::from_shape_vec(shape, numbers);
        let refuse = |error: ndarray::ShapeError| {
            crate::data::refuse("synthetic data", error.to_string(), "ask for fewer items")
        };
        targets.push(Column::new(name, values.map_err(refuse)?));
    }
    let made = synthetic("synthetic", &inputs, &[], items, seed)?;
    let inputs =
        graph.inputs().into_iter().zip(made.inputs()).zip(0..).map(|((id, made), place)| {
            let Some((_, indices)) = taker_of_indices(graph, id) else { return Ok(made.clone()) };
            let random = &mut generator(*b"inputs  ", seed, place);
            let count = made.shape().iter().product();
            let mut numbers = room("synthetic data", count)?;
            numbers.extend((0..count).map(|_| below(indices.min(MAX_CLASSES), random) as f32));
            Ok(Column::new(&made.name, tensor("synthetic data", made.shape().clone(), numbers)?))
        });
    Dataset::new("synthetic", inputs.collect::<Result<_>>()?, targets)
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
        assert_eq!(first.targets()[0].shape(), [5, 3]);
        let same_shape = make(&[3], kind(), 5, 1).unwrap();
        assert_ne!(same_shape.inputs()[0].tensor(), same_shape.targets()[0].tensor());
    }

    #[test]
    fn inputs_are_standard_normal() {
        let set = make(&[7], TargetKind::Classes(4), 20_001, 3).unwrap();
        let values = set.inputs()[0].tensor().unwrap();
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
        let labels = set.targets()[0].tensor().unwrap();
        for class in 0..4 {
            let number = labels.iter().filter(|&&label| label as usize == class).count();
            assert!((850..1150).contains(&number), "{class}: {number}");
        }
        assert_eq!(set.targets()[0].class_count().unwrap(), Some(4));
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
