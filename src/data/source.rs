//! Data by name: what a user writes after `--data`.

use std::path::Path;

use super::{Column, Dataset, LabelColumn, TargetKind, digits, is_csv, open, read_csv, synthetic};
use crate::error::Result;
use crate::graph::{Graph, NodeId, Role};
use crate::losses::TargetValues;
use crate::tensor::{Shape, Tensor};

/// Which items of a CSV file make the test part. It does not follow the seed of a training, so that
/// a saved model is evaluated on items that it has not seen.
const SPLIT_SEED: u64 = 0;

/// Items of synthetic data for training and for testing, as long as they are small.
const SYNTHETIC_ITEMS: (usize, usize) = (1024, 256);

/// Numbers that the inputs of synthetic data hold at most, unless one batch is larger.
const SYNTHETIC_VALUES: usize = 1 << 26;

/// Synthetic batches of more numbers, 4 GiB, are taken for a mistake.
const LARGEST_BATCH: usize = 1 << 30;

/// The data called `source` as (training part, test part): `digits` for the embedded ones,
/// `synthetic` for random data that fits `graph`, anything else is a path for [`open`]. Synthetic
/// data has at least `batch` items to train on.
///
/// # Errors
/// As [`open`] and [`synthetic_for`].
pub fn load(source: &str, graph: &Graph, batch: usize) -> Result<(Dataset, Dataset)> {
    match source {
        "digits" => digits(),
        "synthetic" => {
            let item: usize = graph
                .inputs()
                .into_iter()
                .map(|id| graph.nodes()[id].shape.iter().product::<usize>())
                .sum();
            let most = (SYNTHETIC_VALUES / item.max(1)).max(1);
            if item.saturating_mul(batch) > LARGEST_BATCH {
                return Err(super::refuse(
                    "synthetic data",
                    format!("a batch of {batch} has more than {LARGEST_BATCH} numbers"),
                    "use a smaller batch",
                ));
            }
            let (train, test) = SYNTHETIC_ITEMS;
            let train = synthetic_for(graph, train.min(most).max(batch), 0)?;
            let test = synthetic_for(graph, test.min(most), 1)?;
            Ok((train.renamed("synthetic train"), test.renamed("synthetic test")))
        }
        path => open(path, SPLIT_SEED),
    }
}

/// The items called `source` to predict for: the test part of what [`load`] gives, but every line of
/// a CSV file. If the columns of the file are as many as the input of `graph` is long, it has no
/// labels.
///
/// # Errors
/// As [`load`].
pub fn load_to_predict(source: &str, graph: &Graph, batch: usize) -> Result<Dataset> {
    let path = Path::new(source);
    if ["digits", "synthetic"].contains(&source) || !path.is_file() || !is_csv(path) {
        return Ok(load(source, graph, batch)?.1);
    }
    let unlabelled = read_csv(path, &LabelColumn::Absent)?;
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let columns = count(unlabelled.inputs()[0].item_shape());
    let fits = |id: NodeId| count(&graph.nodes()[id].shape) == columns;
    if graph.inputs().into_iter().any(fits) {
        return Ok(unlabelled);
    }
    read_csv(path, &LabelColumn::Last)
}

/// Random data for every input and target of `graph`, by the names of the nodes: classes where a
/// loss wants classes, normal values elsewhere.
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
        let kind = match classes(graph, id) {
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
        let values = made.targets()[0].values.clone();
        let shape = [&[items], shape.as_slice()].concat();
        let values = Tensor::from_shape_vec(shape, values.iter().copied().collect());
        let refuse = |error: ndarray::ShapeError| {
            super::refuse("synthetic data", error.to_string(), "ask for fewer items")
        };
        targets.push(Column::new(name, values.map_err(refuse)?));
    }
    let made = synthetic("synthetic", &inputs, &[], items, seed)?;
    Dataset::new("synthetic", made.inputs().to_vec(), targets)
}

/// How many classes a target has, if it has classes.
fn classes(graph: &Graph, target: NodeId) -> Option<usize> {
    let mut users = graph.consumers(target).iter();
    users.find_map(|&(user, input)| {
        let Role::Loss { loss, .. } = &graph.nodes()[user].role else { return None };
        let shapes =
            graph.nodes()[user].inputs.iter().map(|&id| graph.nodes()[id].shape.as_slice());
        match loss.target_values(&shapes.collect::<Vec<_>>()) {
            TargetValues::Classes(classes) if input == 1 => Some(classes),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::layers::Dense;
    use crate::losses::{MeanSquaredError, SoftmaxCrossEntropy};

    /// One input of two numbers, seven classes, and three numbers to come close to.
    fn graph() -> Graph {
        let mut net = GraphBuilder::new("two heads");
        let point = net.input("point", [2]);
        let (label, goal) = (net.target("label", []), net.target("goal", [3]));
        let logits = net.layer("logits", Dense::new(7), [&point]);
        let guess = net.layer("guess", Dense::new(3), [&point]);
        net.loss("class", SoftmaxCrossEntropy, [&logits, &label]);
        net.loss("distance", MeanSquaredError, [&guess, &goal]);
        net.build().unwrap()
    }

    #[test]
    fn synthetic_data_fits_every_input_and_target() {
        let data = synthetic_for(&graph(), 100, 1).unwrap();
        let shape = |name: &str| data.column(name).unwrap().values.shape().to_vec();
        assert_eq!(shape("point"), [100, 2]);
        assert_eq!(shape("goal"), [100, 3]);
        assert_eq!(data.column("label").unwrap().class_count(), Some(7));
        assert_eq!(data, synthetic_for(&graph(), 100, 1).unwrap());
        assert_ne!(data, synthetic_for(&graph(), 100, 2).unwrap());
    }

    #[test]
    fn synthetic_parts_differ_and_hold_a_batch() {
        let (train, test) = load("synthetic", &graph(), 5000).unwrap();
        assert_eq!((train.len(), test.len()), (5000, 256));
        assert_ne!(
            train.inputs()[0].values[[0, 0]].to_bits(),
            test.inputs()[0].values[[0, 0]].to_bits()
        );
        let message = load("synthetic", &graph(), 1 << 40).unwrap_err().to_string();
        assert!(message.contains("use a smaller batch"), "{message}");
    }

    #[test]
    fn predictions_take_every_line_with_or_without_labels() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("with.csv", "1,2,0\n3,4,1\n5,6,1\n"), ("without.csv", "1,2\n3,4\n5,6\n")]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let data = load_to_predict(path.to_str().unwrap(), &graph(), 1).unwrap();
            assert_eq!(data.inputs()[0].values.shape(), [3, 2], "{name}");
        }
        assert_eq!(load_to_predict("digits", &graph(), 1).unwrap().len(), 360);
    }
}
