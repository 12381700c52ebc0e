//! Networks from ONNX files, and back.

mod commands;
mod documents;
mod hostile;
mod networks;
mod nodes;
mod recurrent;
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

/// The network of a file, with its weights.
fn network(imported: &Imported) -> Network {
    let graph = (*imported.model.graph).clone();
    let mut network =
        Network::new(graph, Sgd::default(), NetworkOptions::default().executor("sequential"))
            .unwrap();
    network.set_all_weights(&imported.weights).unwrap();
    network
}

/// A tensor with one of its axes at another place.
fn with_axis(tensor: &Tensor, from: usize, to: usize) -> Tensor {
    let mut order: Vec<usize> = (0..tensor.ndim()).collect();
    let axis = order.remove(from);
    order.insert(to, axis);
    let view = tensor.view().permuted_axes(order);
    Tensor::from_shape_vec(view.shape(), view.iter().copied().collect()).unwrap()
}

/// The outputs of a network, in ONNX's layout.
fn outputs(imported: &Imported, inputs: &[Array]) -> Result<Vec<Tensor>, caudal::Error> {
    let is_moved = |name: &str| imported.channels_last.iter().any(|other| other == name);
    let batch_axis = |name: &str| imported.batch_axes.get(name).copied().unwrap_or(0);
    let graph = &imported.model.graph;
    let known = inputs.iter().filter(|input| graph.node(&input.name).is_ok());
    let tensors: Vec<(&str, Tensor)> = known
        .map(|input| {
            let tensor = with_axis(&input.tensor(), batch_axis(&input.name), 0);
            let last = tensor.ndim() - 1;
            let tensor = if is_moved(&input.name) { with_axis(&tensor, 1, last) } else { tensor };
            (input.name.as_str(), tensor)
        })
        .collect();
    let batch: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, it)| (*name, it)).collect();
    let found = network(imported).predict(&batch)?;
    let names = graph.outputs().iter().map(|&id| graph.nodes()[id].name.as_str());
    let back = |(name, tensor): (&str, Tensor)| {
        let tensor = with_axis(&tensor, 0, batch_axis(name));
        if is_moved(name) { with_axis(&tensor, tensor.ndim() - 1, 1) } else { tensor }
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
