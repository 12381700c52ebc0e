//! Networks from ONNX files, and back.

mod commands;
mod documents;
mod hostile;
mod networks;
mod nodes;
mod written;

use caudal::Tensor;
use caudal::onnx::Imported;
use caudal::optimizers::Sgd;
use caudal::train::{Network, NetworkOptions};
use serde::Deserialize;

/// An array in ONNX's layout.
#[derive(Deserialize)]
struct Array {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Array {
    fn tensor(&self) -> Tensor {
        Tensor::from_shape_vec(self.shape.as_slice(), self.values.clone()).unwrap()
    }
}

/// A tensor with its channels, which come first or last, at the other end.
fn moved(tensor: &Tensor, to_last: bool) -> Tensor {
    let rank = tensor.ndim();
    let mut order: Vec<usize> = (0..rank).collect();
    if to_last {
        order[1..].rotate_left(1);
    } else {
        order[1..].rotate_right(1);
    }
    let view = tensor.view().permuted_axes(order);
    Tensor::from_shape_vec(view.shape(), view.iter().copied().collect()).unwrap()
}

/// The network of a file, with its weights.
fn network(imported: &Imported) -> Network {
    let graph = (*imported.model.graph).clone();
    let mut network =
        Network::new(graph, Sgd::default(), NetworkOptions::default().executor("sequential"))
            .unwrap();
    network.set_all_weights(&imported.weights).unwrap();
    network
}

/// The outputs of a network, in ONNX's layout.
fn outputs(imported: &Imported, inputs: &[Array]) -> Result<Vec<Tensor>, caudal::Error> {
    let is_moved = |name: &str| imported.channels_last.iter().any(|other| other == name);
    let graph = &imported.model.graph;
    let known = inputs.iter().filter(|input| graph.node(&input.name).is_ok());
    let tensors: Vec<(&str, Tensor)> = known
        .map(|input| {
            let tensor = input.tensor();
            let tensor = if is_moved(&input.name) { moved(&tensor, true) } else { tensor };
            (input.name.as_str(), tensor)
        })
        .collect();
    let batch: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, it)| (*name, it)).collect();
    let found = network(imported).predict(&batch)?;
    let names = graph.outputs().iter().map(|&id| graph.nodes()[id].name.as_str());
    let back = |(name, tensor): (&str, Tensor)| {
        if is_moved(name) { moved(&tensor, false) } else { tensor }
    };
    Ok(names.zip(found).map(back).collect())
}

/// The largest difference of two arrays, in parts of the largest number of the second; infinite where shapes differ.
fn difference(found: &Tensor, expected: &Array) -> f64 {
    if found.shape() != expected.shape {
        return f64::INFINITY;
    }
    let largest = expected.values.iter().fold(1e-30, |max: f64, it| max.max(f64::from(it.abs())));
    let apart = found.iter().zip(&expected.values).map(|(a, b)| f64::from(a - b).abs());
    apart.fold(0.0, |max: f64, it| if it.is_nan() { f64::INFINITY } else { max.max(it) }) / largest
}
