//! Laws of every regularizer.

use super::*;
use crate::kernels::{InstructionSet, with_instruction_set};

const LEN: usize = 83;

fn numbers(seed: u64) -> Vec<f32> {
    let number = |at| (crate::random::key(&[seed, at]) >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
    (0..LEN as u64).map(number).collect()
}

fn all() -> impl Iterator<Item = (String, Arc<dyn Regularizer>)> {
    REGULARIZERS.iter().flat_map(|spec| {
        spec.samples.iter().map(|sample| {
            let regularizer = (spec.parse)(sample.parse().unwrap()).unwrap();
            (format!("{} {sample}", spec.kind), regularizer)
        })
    })
}

#[test]
fn gradients_are_central_differences_and_are_added() {
    for (name, regularizer) in all() {
        let weights = numbers(1);
        let mut gradient = vec![0.5; LEN];
        regularizer.add_gradient(&weights, &mut gradient);
        for (at, &weight) in weights.iter().enumerate() {
            let step = 0.25 * weight.abs();
            let (above, below) = (weight + step, weight - step);
            let difference = regularizer.cost(&[above]) - regularizer.cost(&[below]);
            let expected = 0.5 + difference / f64::from(above - below);
            let found = f64::from(gradient[at]);
            assert!((found - expected).abs() < 1e-5, "{name}: {weight}: {found} {expected}");
        }
    }
}

#[test]
fn costs_are_sums_and_zeros_cost_nothing() {
    for (name, regularizer) in all() {
        let weights = numbers(2);
        let one_by_one: f64 = weights.iter().map(|&weight| regularizer.cost(&[weight])).sum();
        let whole = regularizer.cost(&weights);
        assert!(whole > 0.0 && (whole - one_by_one).abs() < 1e-6 * whole, "{name}: {whole}");
        for zero in [0.0, -0.0] {
            let mut gradient = [3.0];
            regularizer.add_gradient(&[zero], &mut gradient);
            assert_eq!((regularizer.cost(&[zero]), gradient), (0.0, [3.0]), "{name}");
        }
        let mut gradient = [0.0];
        regularizer.add_gradient(&[f32::NAN], &mut gradient);
        assert!(gradient[0].is_nan() && regularizer.cost(&[f32::NAN]).is_nan(), "{name}");
    }
    let cost = |kind: &str, attributes: &str| {
        let regularizer = (find(kind).unwrap().parse)(attributes.parse().unwrap()).unwrap();
        let mut gradient = [0.0; 2];
        regularizer.add_gradient(&[3.0, -0.5], &mut gradient);
        (regularizer.cost(&[3.0, -0.5]), gradient)
    };
    assert_eq!(cost("l1", "rate = 0.5"), (1.75, [0.5, -0.5]));
    assert_eq!(cost("l2", "rate = 0.5"), (4.625, [3.0, -0.5]));
    assert_eq!(cost("l1_l2", "l1 = 1.0\nl2 = 0.5"), (8.125, [4.0, -1.5]));
}

#[test]
fn instruction_sets_do_not_matter() {
    for (name, regularizer) in all() {
        let outcomes = InstructionSet::ALL.into_iter().filter(|set| set.available()).map(|set| {
            let (mut cost, mut gradient) = (0.0, numbers(3));
            with_instruction_set(set, || {
                cost = regularizer.cost(&numbers(4));
                regularizer.add_gradient(&numbers(4), &mut gradient);
            });
            (cost.to_bits(), gradient)
        });
        let outcomes: Vec<_> = outcomes.collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
    }
}

#[test]
fn settings_that_can_not_work_are_refused_by_name() {
    for spec in REGULARIZERS {
        for sample in spec.samples {
            for (name, _) in spec.attributes {
                for value in [f64::NAN, f64::INFINITY, -0.1] {
                    let mut attributes: toml::Table = sample.parse().unwrap();
                    attributes.insert((*name).to_owned(), value.into());
                    let error = (spec.parse)(attributes).unwrap_err();
                    assert!(error.contains(&format!("`{name}`")), "{} {value}: {error}", spec.kind);
                }
            }
        }
    }
}

#[test]
fn values_of_attributes_go_round_or_are_refused() {
    for (name, regularizer) in all() {
        let value = to_value(regularizer.as_ref());
        let again = from_value(value.clone()).unwrap();
        assert_eq!(to_value(again.as_ref()), value, "{name}");
    }
    for (value, part) in [
        ("3", "not the name of a regularizer"),
        ("'l3'", "`l3`"),
        ("'l2'", "`rate`"),
        ("{ rate = 1.0 }", "no `kind`, one of l1, l2, l1_l2"),
        ("{ kind = 'l2', rate = -1.0 }", "of kind `l2`: `rate` is -1"),
    ] {
        let table: toml::Table = format!("value = {value}").parse().unwrap();
        let error = from_value(table["value"].clone()).unwrap_err();
        assert!(error.contains(part), "{value}: {error}");
    }
}
