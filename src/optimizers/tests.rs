//! Laws of every optimizer; their values are compared with those of `PyTorch` in `tests/optimizers.rs`.

use super::*;
use crate::kernels::{InstructionSet, with_instruction_set};

/// More than a block that is written past the caches at once.
const LEN: usize = 1109;

fn numbers(seed: u64) -> Vec<f32> {
    let number = |at| (crate::random::key(&[seed, at]) >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
    (0..LEN as u64).map(number).collect()
}

/// Every sample of the table, with its name.
fn all() -> impl Iterator<Item = (String, Arc<dyn Optimizer>)> {
    OPTIMIZERS.iter().flat_map(|spec| {
        spec.samples.iter().map(|sample| {
            let optimizer = (spec.parse)(sample.parse().unwrap()).unwrap();
            (format!("{} {sample}", spec.kind), optimizer)
        })
    })
}

/// Weights and state after some steps; each update is split at these places.
fn train(optimizer: &dyn Optimizer, steps: u64, cuts: &[usize], store: Store) -> Vec<Vec<f32>> {
    let mut arrays = vec![numbers(0)];
    arrays.resize(1 + optimizer.state().len(), vec![0.0; LEN]);
    for step in 0..steps {
        let gradient = numbers(1 + step);
        let ends = cuts.iter().copied().chain([LEN]);
        let mut start = 0;
        for end in ends {
            let mut parts = arrays.iter_mut().map(|array| &mut array[start..end]);
            let weights = parts.next().unwrap();
            let mut state: Vec<&mut [f32]> = parts.collect();
            let gradient = &gradient[start..end];
            optimizer
                .update(Moving {
                    weights,
                    gradient,
                    state: &mut state,
                    step,
                    rate_factor: 1.0,
                    weight_decay: None,
                    store,
                })
                .unwrap();
            start = end;
        }
    }
    arrays
}

#[test]
fn updates_are_the_same_bits_however_they_are_split_and_written() {
    for (name, optimizer) in all() {
        for set in InstructionSet::ALL.into_iter().filter(|set| set.available()) {
            with_instruction_set(set, || {
                let train = |cuts: &[usize], store| train(optimizer.as_ref(), 5, cuts, store);
                let whole = train(&[], Store::Cached);
                for store in [Store::Cached, Store::PastCaches] {
                    for cuts in [&[][..], &[1, 16, 16, 37, 80, 700]] {
                        assert_eq!(whole, train(cuts, store), "{name}, {store:?}, {cuts:?}");
                    }
                }
            });
        }
    }
}

#[test]
fn attributes_go_round() {
    for (name, optimizer) in all() {
        let spec = find(optimizer.kind()).unwrap();
        let again = (spec.parse)(optimizer.attributes()).unwrap();
        assert_eq!(again.attributes(), optimizer.attributes(), "{name}");
        assert_eq!(
            train(again.as_ref(), 3, &[], Store::Cached),
            train(optimizer.as_ref(), 3, &[], Store::Cached),
            "{name}"
        );
        assert!(optimizer.state().len() <= MOST_STATE && !optimizer.can_fail(), "{name}");
    }
}

#[test]
fn every_attribute_is_known_and_described() {
    for spec in OPTIMIZERS {
        for (attribute, _) in spec.attributes {
            let wrong = toml::Table::from_iter([((*attribute).to_owned(), "wrong".into())]);
            let error = (spec.parse)(wrong).unwrap_err();
            assert!(!error.contains("unknown field"), "{} {attribute}: {error}", spec.kind);
        }
        let error = (spec.parse)(toml::toml! { nonsense = 1 }).unwrap_err();
        for (attribute, _) in spec.attributes {
            assert!(error.contains(&format!("`{attribute}`")), "{}: {error}", spec.kind);
        }
    }
}

#[test]
fn settings_that_can_not_work_are_refused_by_name() {
    let bad: &[(&str, &[&str])] = &[
        ("learning_rate", &["-0.1", "nan", "inf"]),
        ("clip_value", &["0.0", "-1.0", "nan", "inf"]),
        ("momentum", &["1.0", "-0.1", "nan"]),
        ("alpha", &["1.0", "-0.1", "nan"]),
        ("beta1", &["1.0", "-0.1", "nan"]),
        ("beta2", &["1.0", "-0.1", "nan"]),
        ("epsilon", &["-1e-8", "nan", "inf"]),
        ("weight_decay", &["-1e-8", "nan", "inf"]),
        ("schedule", &["'none'", "{ kind = 'step', every = 0 }"]),
        ("nesterov", &["true"]),
    ];
    for spec in OPTIMIZERS {
        for (name, values) in bad {
            if !spec.attributes.iter().any(|(attribute, _)| attribute == name) {
                continue;
            }
            for value in *values {
                let attributes = format!("{name} = {value}").parse().unwrap();
                let error = (spec.parse)(attributes).unwrap_err();
                assert!(error.contains(&format!("`{name}`")), "{} {value}: {error}", spec.kind);
            }
        }
    }
    assert!(Adam::new(f32::NAN).check().is_err() && Sgd::new(0.1).nesterov().check().is_err());
    assert!(Lion::new(0.1).clip_value(0.0).check().is_err());
}

#[test]
fn schedules_set_the_rate_of_every_optimizer() {
    for spec in OPTIMIZERS {
        let parse = |text: &str| (spec.parse)(text.parse().unwrap()).unwrap();
        let halved = parse(
            "learning_rate = 0.5\nschedule = { kind = 'step', every = 3, factor = 0.5, warm_up = 1 }",
        );
        let rates: Vec<f32> = (0..8).map(|step| halved.learning_rate(step)).collect();
        assert_eq!(rates, [0.25, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125], "{}", spec.kind);
        // A step at a rate moves as a step with that learning rate.
        let mut found = Vec::new();
        for optimizer in [halved, parse("learning_rate = 0.25")] {
            found.push(train(optimizer.as_ref(), 1, &[], Store::Cached));
        }
        assert_eq!(found[0], found[1], "{}", spec.kind);
    }
}

#[test]
fn clipping_bounds_the_gradient() {
    for spec in OPTIMIZERS {
        let step = |attributes: &str, gradient: [f32; 4]| {
            let optimizer = (spec.parse)(attributes.parse().unwrap()).unwrap();
            let mut arrays = vec![vec![1.0; 4]; 1 + optimizer.state().len()];
            let mut parts = arrays.iter_mut().map(Vec::as_mut_slice);
            let weights = parts.next().unwrap();
            let mut state: Vec<&mut [f32]> = parts.collect();
            let moving = Moving {
                weights,
                gradient: &gradient,
                state: &mut state,
                step: 0,
                rate_factor: 1.0,
                weight_decay: None,
                store: Store::Cached,
            };
            optimizer.update(moving).unwrap();
            arrays
        };
        let found = step("clip_value = 0.5", [3.0, -0.25, -f32::INFINITY, 0.5]);
        let expected = step("", [0.5, -0.25, -0.5, 0.5]);
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            // Without clipping, gradient descent rounds once less.
            assert!((found - expected).abs() < 1e-6, "{}: {found} {expected}", spec.kind);
        }
        let found = step("clip_value = 0.5", [f32::NAN; 4]);
        assert!(found[0][0].is_nan(), "{}: a gradient of NaN must show", spec.kind);
    }
}

#[test]
fn weights_without_gradients_stay_without_an_epsilon() {
    for (kind, attributes) in [
        ("adagrad", "epsilon = 0.0"),
        ("rmsprop", "epsilon = 0.0\ncentered = true"),
        ("adam", "epsilon = 0.0"),
        ("lion", ""),
    ] {
        let optimizer = (find(kind).unwrap().parse)(attributes.parse().unwrap()).unwrap();
        let mut arrays = vec![vec![0.0; 2]; optimizer.state().len()];
        let mut state: Vec<&mut [f32]> = arrays.iter_mut().map(Vec::as_mut_slice).collect();
        let mut weights = [1.0, 2.0];
        let moving = Moving {
            weights: &mut weights,
            gradient: &[0.0; 2],
            state: &mut state,
            step: 0,
            rate_factor: 1.0,
            weight_decay: None,
            store: Store::Cached,
        };
        optimizer.update(moving).unwrap();
        assert_eq!(weights, [1.0, 2.0], "{kind}");
    }
}

#[test]
fn optimizers_go_round_in_model_files() {
    let model = |optimizer: &str| {
        format!(
            "[[node]]\nname = 'x'\nkind = 'input'\nshape = [3]\n\
             [[node]]\nname = 't'\nkind = 'target'\nshape = [2]\n\
             [[node]]\nname = 'd'\nkind = 'dense'\ninputs = ['x']\nunits = 2\n\
             [[node]]\nname = 'l'\nkind = 'huber'\ninputs = ['d', 't']\ndelta = 0.3\n\
             [train]\noptimizer = {optimizer}\n"
        )
    };
    let optimizer = "{ kind = 'adam', learning_rate = 0.02, beta2 = 0.95, clip_value = 0.1, \
                     schedule = { kind = 'cosine', steps = 1000, end = 0.1, warm_up = 100 } }";
    let read = crate::model::Model::from_toml(&model(optimizer), "m.toml").unwrap();
    let text = read.to_toml().unwrap();
    for part in ["learning_rate = 0.02", "beta2 = 0.95", "clip_value = 0.1", "end = 0.1"] {
        assert!(text.contains(part), "{text}");
    }
    let again = crate::model::Model::from_toml(&text, "m.toml").unwrap();
    assert_eq!(again.training.optimizer.attributes(), read.training.optimizer.attributes());
    assert_eq!(again.to_toml().unwrap(), text);
    let wrong = model("{ kind = 'sgd', schedule = { kind = 'cosine', steps = 0 } }");
    let error = crate::model::Model::from_toml(&wrong, "m.toml").unwrap_err().to_string();
    assert!(error.contains("m.toml:") && error.contains("`steps` is 0"), "{error}");
}

/// Arrays of an optimizer after so many steps without any gradient, beginning from such numbers in all of them.
fn coast(optimizer: &dyn Optimizer, steps: u64, numbers: &[f32]) -> Vec<Vec<f32>> {
    let mut arrays = vec![numbers.to_vec(); 1 + optimizer.state().len()];
    for step in 0..steps {
        let mut parts = arrays.iter_mut().map(Vec::as_mut_slice);
        let weights = parts.next().unwrap();
        let mut state: Vec<&mut [f32]> = parts.collect();
        let moving = Moving {
            weights,
            gradient: &vec![0.0; numbers.len()],
            state: &mut state,
            step,
            rate_factor: 1.0,
            weight_decay: None,
            store: Store::Cached,
        };
        optimizer.update(moving).unwrap();
    }
    arrays
}

#[test]
fn state_that_fades_becomes_0_and_stays_no_subnormal_number() {
    // More than a vector of each instruction set, and not a multiple of one.
    let numbers: Vec<f32> =
        (0..21).map(|at| f32::MIN_POSITIVE * (1.0 + at as f32 / 16.0)).collect();
    for (name, optimizer) in all() {
        for set in InstructionSet::ALL.into_iter().filter(|set| set.available()) {
            with_instruction_set(set, || {
                for steps in [1, 50, 1500] {
                    let arrays = coast(optimizer.as_ref(), steps, &numbers);
                    for (array, state) in arrays[1..].iter().zip(optimizer.state()) {
                        assert!(
                            array.iter().all(|number| !number.is_subnormal()),
                            "{name}: {state} after {steps} steps: {array:?}"
                        );
                        if steps == 1500 && *state != "sum" {
                            assert_eq!(array, &[0.0; 21], "{name}: {state}");
                        }
                    }
                }
            });
        }
    }
}

#[test]
fn squares_that_no_epsilon_covers_are_kept_however_small() {
    for (kind, attributes) in [("adam", "epsilon = 0.0"), ("rmsprop", "epsilon = 1e-25")] {
        let optimizer = (find(kind).unwrap().parse)(attributes.parse().unwrap()).unwrap();
        let place = optimizer.state().iter().position(|state| *state == "square").unwrap();
        let arrays = coast(optimizer.as_ref(), 1, &[f32::MIN_POSITIVE]);
        assert!(arrays[1 + place][0].is_subnormal(), "{kind}: {arrays:?}");
    }
}
