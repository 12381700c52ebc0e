//! Layers against numbers that `PyTorch` computed: `tests/oracles/layers.json`.

use serde_json::Value;

use super::{Specimen, assert_close, make};
use crate::executor::{Mode, PlanOptions};
use crate::layers;

/// A tensor's shape, or its numbers.
fn numbers<T>(tensor: &Value, key: &str, read: fn(&Value) -> Option<T>) -> Vec<T> {
    tensor[key].as_array().unwrap().iter().map(|number| read(number).unwrap()).collect()
}

fn values(tensor: &Value) -> Vec<f64> {
    numbers(tensor, "values", Value::as_f64)
}

fn floats(tensor: &Value) -> Vec<f32> {
    values(tensor).into_iter().map(|value| value as f32).collect()
}

#[test]
fn layers_agree_with_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/layers.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut checked = 0;
    for case in &cases {
        let (name, kind) = (case["name"].as_str().unwrap(), case["kind"].as_str().unwrap());
        if layers::find(kind).is_err() {
            continue;
        }
        let layer = make(kind, case["attributes"].as_str().unwrap());
        let inputs = case["inputs"].as_array().unwrap();
        let shapes: Vec<Vec<usize>> = inputs
            .iter()
            .map(|input| numbers(input, "shape", |size| size.as_u64().map(|size| size as usize)))
            .collect();
        let batch = shapes[0][0];
        let shapes: Vec<&[usize]> = shapes.iter().map(|shape| &shape[1..]).collect();
        let mut it = Specimen::new(&layer, &shapes, batch, false).unwrap();
        for (input, given) in inputs.iter().enumerate() {
            it.data[input].1 = floats(given);
        }
        for (index, parameter) in it.graph.parameters().iter().enumerate() {
            it.weights[index] = floats(&case["parameters"][parameter.spec.name]);
        }
        assert_close(name, &it.outputs(Mode::Prediction), &values(&case["output"]), 2e-6);
        checked += 1;
        if case["output_grad"].is_null() {
            continue;
        }
        it.data[inputs.len()].1 = floats(&case["output_grad"]);
        let outcome = it.outcome(Mode::Training, PlanOptions::gradients()).unwrap();
        let found: Vec<Vec<f32>> = outcome.input_gradients.into_iter().flatten().collect();
        let expected = case["input_grads"].as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(expected) {
            assert_close(name, found, &values(expected), 5e-6);
        }
        for (parameter, found) in it.graph.parameters().iter().zip(&outcome.parameter_gradients) {
            let expected = &case["parameter_grads"][parameter.spec.name];
            assert_close(&parameter.name, found, &values(expected), 5e-6);
        }
    }
    assert!(checked >= 130, "{checked}");
}
