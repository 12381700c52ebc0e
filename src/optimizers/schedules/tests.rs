//! Every schedule at some steps, and as an attribute.

use super::*;
use crate::attributes::to_attributes;
use crate::optimizers::{Optimizer, Sgd};

fn assert_factors(pace: impl Into<Pace>, expected: &[(u64, f64)]) {
    let pace = pace.into();
    for &(step, expected) in expected {
        let factor = pace.factor(step);
        assert!((factor - expected).abs() < 1e-12, "{pace:?} at {step}: {factor}");
    }
}

#[test]
fn schedules_follow_their_formulas() {
    assert_factors(Constant::default(), &[(0, 1.0), (u64::MAX, 1.0)]);
    assert_factors(InverseTime::new(0.1), &[(0, 1.0), (10, 0.5), (90, 0.1)]);
    assert_factors(Step::new(10, 0.5), &[(0, 1.0), (9, 1.0), (10, 0.5), (39, 0.125)]);
    assert_factors(Exponential::new(0.25, 10), &[(0, 1.0), (5, 0.5), (10, 0.25), (20, 0.0625)]);
    assert_factors(Cosine::new(100), &[(0, 1.0), (50, 0.5), (100, 0.0), (1000, 0.0)]);
    let third = 0.2 + 0.8 * 0.75;
    assert_factors(Cosine::new(3).end(0.2), &[(0, 1.0), (1, third), (3, 0.2), (4, 0.2)]);
}

#[test]
fn the_rate_grows_during_the_warm_up() {
    let pace = Pace::new(Cosine::new(10)).warm_up(4);
    assert_factors(pace, &[(0, 0.2), (1, 0.4), (3, 0.8), (4, 1.0), (9, 0.5), (14, 0.0)]);
    let pace = Pace::new(Step::new(1, 0.5)).warm_up(1);
    assert_factors(pace, &[(0, 0.5), (1, 1.0), (2, 0.5), (3, 0.25)]);
    assert_factors(Pace::default().warm_up(u64::MAX), &[(0, 0.0)]);
}

#[test]
fn every_sample_is_an_attribute_that_goes_round() {
    for spec in SCHEDULES {
        for (number, sample) in spec.samples.iter().enumerate() {
            let mut table: toml::Table = sample.parse().unwrap();
            table.insert("kind".to_owned(), spec.kind.into());
            if number == 0 {
                table.insert("warm_up".to_owned(), 7.into());
            }
            let attributes = toml::Table::from_iter([("schedule".to_owned(), table.into())]);
            let sgd = (crate::optimizers::find("sgd").unwrap().parse)(attributes).unwrap();
            let again = (crate::optimizers::find("sgd").unwrap().parse)(sgd.attributes()).unwrap();
            assert_eq!(sgd.attributes(), again.attributes());
            for step in [0, 1, 10, 1000] {
                assert_eq!(sgd.learning_rate(step), again.learning_rate(step), "{}", spec.kind);
            }
            assert_eq!(find(spec.kind).unwrap().summary, spec.summary);
        }
    }
}

#[test]
fn what_can_not_work_is_refused_by_name() {
    for (schedule, problem) in [
        ("3", "not a table"),
        ("{}", "no `kind`"),
        ("{ kind = 3 }", "not a string"),
        ("'cosin'", "cosine"),
        ("{ kind = 'cosine' }", "`steps`"),
        ("{ kind = 'cosine', steps = 0 }", "at least 1"),
        ("{ kind = 'cosine', steps = -5 }", "steps"),
        ("{ kind = 'cosine', steps = 5, end = 1.5 }", "`end`"),
        ("{ kind = 'cosine', steps = 5, warm_up = -1 }", "`warm_up`"),
        ("{ kind = 'constant', steps = 5 }", "steps"),
        ("{ kind = 'inverse_time', decay = nan }", "`decay`"),
        ("{ kind = 'step', every = 5, factor = -0.1 }", "`factor`"),
        ("{ kind = 'exponential', factor = 0.5, steps = 0 }", "`steps`"),
        ("{ kind = 'polynomial', steps = 5, power = 0.0 }", "`power`"),
        ("{ kind = 'cosine_restarts', steps = 5, growth = 0 }", "`growth`"),
        ("{ kind = 'one_cycle', steps = 5, rise = 1.5 }", "`rise`"),
        ("{ kind = 'plateau', factor = 2.0 }", "`factor`"),
        ("{ kind = 'plateau', threshold = -0.1 }", "`threshold`"),
        ("{ kind = 'plateau', patience = -1 }", "patience"),
    ] {
        let attributes: toml::Table = format!("schedule = {schedule}").parse().unwrap();
        let error = (crate::optimizers::find("sgd").unwrap().parse)(attributes).unwrap_err();
        assert!(error.contains("`schedule`") && error.contains(problem), "{schedule}: {error}");
    }
    let sgd = Sgd::new(0.1).schedule(Cosine::new(0));
    assert!(sgd.check().unwrap_err().contains("`steps` is 0"));
}

#[test]
fn a_constant_rate_is_not_written() {
    assert_eq!(to_attributes(&Sgd::new(0.5)).len(), 2, "{:?}", Sgd::new(0.5));
}
