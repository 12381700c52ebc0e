//! Optimizers treat every number alike, and stand still when told to.

use std::sync::Arc;

use caudal::graph::GraphBuilder;
use caudal::layers::Dense;
use caudal::losses::MeanSquaredError;
use caudal::optimizers::{MOST_STATE, Moving, OPTIMIZERS, Optimizer, Sgd};
use caudal::train::{Network, NetworkOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use toml::Value;

use super::table;
use crate::probe::bits;

/// No multiple of a vector's length.
const COUNT: usize = 203;

fn numbers(seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..COUNT).map(|_| random.random_range(-1.0..1.0)).collect()
}

/// Weights and state after twenty steps, made over pieces that end at each of `ends`.
fn twenty_steps(optimizer: &dyn Optimizer, ends: &[usize]) -> (Vec<f32>, Vec<Vec<f32>>) {
    let mut weights = numbers(0);
    let mut state = vec![vec![0.0; COUNT]; optimizer.state().len()];
    for step in 0..20 {
        let gradient = numbers(1 + step);
        let mut start = 0;
        for &end in ends {
            let mut pieces: Vec<&mut [f32]> =
                state.iter_mut().map(|array| &mut array[start..end]).collect();
            let moving = Moving::new(&mut weights[start..end], &gradient[start..end], &mut pieces)
                .step(step);
            optimizer.update(moving).unwrap();
            start = end;
        }
        assert_eq!(start, COUNT);
    }
    (weights, state)
}

fn for_samples(mut law: impl FnMut(&str, &dyn Optimizer)) {
    for spec in OPTIMIZERS {
        for sample in spec.samples {
            let optimizer = (spec.parse)(table(sample)).unwrap();
            law(&format!("{} {sample:?}", spec.kind), optimizer.as_ref());
        }
    }
}

#[test]
fn updates_can_be_split_anywhere() {
    for_samples(|what, optimizer| {
        let (weights, state) = twenty_steps(optimizer, &[COUNT]);
        assert_ne!(bits(&weights), bits(&numbers(0)), "{what} moves nothing");
        let one_by_one: Vec<usize> = (1..=COUNT).collect();
        for ends in [&[1, COUNT][..], &[7, 8, 64, 130, COUNT], &[0, 100, 100, COUNT], &one_by_one] {
            let (split, split_state) = twenty_steps(optimizer, ends);
            assert_eq!(bits(&split), bits(&weights), "{what} in pieces to {ends:?}");
            for (name, (split, whole)) in
                optimizer.state().iter().zip(split_state.iter().zip(&state))
            {
                assert_eq!(bits(split), bits(whole), "{what}: {name} in pieces to {ends:?}");
            }
        }
    });
}

#[test]
fn state_is_named_and_used() {
    for_samples(|what, optimizer| {
        let names = optimizer.state();
        assert!(names.len() <= MOST_STATE, "{what}: {names:?}");
        let (_, state) = twenty_steps(optimizer, &[COUNT]);
        for (name, values) in names.iter().zip(&state) {
            assert!(!name.is_empty(), "{what}");
            assert!(values.iter().any(|&value| value != 0.0), "{what}: {name} stays empty");
        }
        let mut unique = names.to_vec();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{what}: {names:?}");
    });
}

#[test]
fn a_learning_rate_of_zero_moves_nothing() {
    for spec in OPTIMIZERS {
        for sample in spec.samples {
            let mut attributes = table(sample);
            attributes.insert("learning_rate".into(), Value::Float(0.0));
            let optimizer = (spec.parse)(attributes).unwrap();
            assert_eq!(optimizer.learning_rate(3).to_bits(), 0, "{}", spec.kind);
            let (weights, _) = twenty_steps(optimizer.as_ref(), &[COUNT]);
            assert_eq!(bits(&weights), bits(&numbers(0)), "{} {sample:?}", spec.kind);
        }
    }
}

#[test]
fn the_first_step_goes_against_the_gradient() {
    for_samples(|what, optimizer| {
        assert!(optimizer.learning_rate(0) > 0.0, "{what}");
        let gradient = numbers(1);
        let mut weights = vec![0.0; COUNT];
        let mut state = vec![vec![0.0; COUNT]; optimizer.state().len()];
        let mut state: Vec<&mut [f32]> = state.iter_mut().map(Vec::as_mut_slice).collect();
        let moving = Moving::new(&mut weights, &gradient, &mut state);
        optimizer.update(moving).unwrap();
        for (weight, gradient) in weights.iter().zip(&gradient) {
            assert!(weight * gradient < 0.0, "{what}: {gradient} gives {weight}");
        }
    });
}

#[test]
fn settings_that_can_not_work_are_refused_by_name() {
    for spec in OPTIMIZERS {
        for sample in spec.samples {
            for (name, _) in spec.attributes {
                for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -1e-3] {
                    let mut attributes = table(sample);
                    attributes.insert((*name).into(), Value::Float(value));
                    let error = (spec.parse)(attributes).unwrap_err();
                    assert!(error.contains(name), "{} of {name} = {value}: {error}", spec.kind);
                }
            }
        }
    }
    for momentum in [1.0, 1.5] {
        let error = Sgd::new(0.1).momentum(momentum).check().unwrap_err();
        assert!(error.contains("momentum"), "{error}");
    }
}

#[test]
fn networks_refuse_settings_that_can_not_work() {
    let mut net = GraphBuilder::new("line");
    let (x, y) = (net.input("x", [1]), net.target("y", [1]));
    let line = net.layer("line", Dense::new(1), [&x]);
    net.loss("loss", MeanSquaredError, [&line, &y]);
    let graph = Arc::new(net.build().unwrap());
    let refused = Arc::new(Sgd::new(f32::NAN));
    let error = Network::from_parts(graph, refused, NetworkOptions::default()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("`sgd`") && error.contains("learning_rate"), "{error}");
}
