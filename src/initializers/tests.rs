//! Moments of every initializer, orthogonality, and initializers as attributes.

use super::*;
use crate::layers;

const FANS: Fans = Fans { fan_in: 200, fan_out: 300 };
const COUNT: usize = 60_000;

fn values(initializer: &dyn Initializer, fans: Fans, count: usize) -> Vec<f32> {
    let mut values = vec![f32::NAN; count];
    initializer.fill(fans, &mut stream(3, "some.weight"), &mut values);
    values
}

/// Asserts mean, deviation and bounds; errors are within five of their own deviations.
fn assert_moments(
    initializer: &impl Initializer,
    [mean, deviation]: [f64; 2],
    [low, high]: [f64; 2],
) {
    let values = values(initializer, FANS, COUNT);
    let count = COUNT as f64;
    let numbers = || values.iter().map(|&value| f64::from(value));
    let found_mean = numbers().sum::<f64>() / count;
    let variance = numbers().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let bound = 5.0 * deviation / count.sqrt();
    assert!((found_mean - mean).abs() <= bound, "{initializer:?}: mean {found_mean}");
    // The variance of a normal variable's square is 2 deviation⁴, that of others here is less.
    let bound = 5.0 * (2.0 / count).sqrt() * deviation.powi(2);
    let error = (variance - deviation.powi(2)).abs();
    assert!(error <= bound, "{initializer:?}: variance {variance}");
    let slack = 1e-6;
    assert!(
        numbers().all(|value| (low - slack..=high + slack).contains(&value)),
        "{initializer:?}"
    );
}

#[test]
fn moments_are_those_of_the_formulas() {
    let all = [f64::NEG_INFINITY, f64::INFINITY];
    assert_moments(&Zeros::default(), [0.0, 0.0], [0.0, 0.0]);
    assert_moments(&Ones::default(), [1.0, 0.0], [1.0, 1.0]);
    assert_moments(&Constant::new(-0.5), [-0.5, 0.0], [-0.5, -0.5]);
    assert_moments(&Uniform::new(1.0, 4.0), [2.5, (9.0f64 / 12.0).sqrt()], [1.0, 4.0]);
    assert_moments(&Normal::new(1.0, 0.5), [1.0, 0.5], all);
    let truncated = 0.879_625_661_034_239_8 * 0.5;
    assert_moments(&TruncatedNormal::new(1.0, 0.5), [1.0, truncated], [0.0, 2.0]);
    let (fan_in, both) = (200.0f64, 500.0f64);
    assert_moments(&HeNormal::default(), [0.0, (2.0 / fan_in).sqrt()], all);
    assert_moments(&LecunNormal::default(), [0.0, (1.0 / fan_in).sqrt()], all);
    assert_moments(&GlorotNormal::default(), [0.0, (2.0 / both).sqrt()], all);
    let within = |limit: f64| [-limit, limit];
    let uniform = [(6.0 / fan_in).sqrt(), (3.0 / fan_in).sqrt(), (6.0 / both).sqrt()];
    let deviation = |limit: f64| [0.0, limit / 3.0f64.sqrt()];
    assert_moments(&HeUniform::default(), deviation(uniform[0]), within(uniform[0]));
    assert_moments(&LecunUniform::default(), deviation(uniform[1]), within(uniform[1]));
    assert_moments(&GlorotUniform::default(), deviation(uniform[2]), within(uniform[2]));
}

#[test]
fn uniform_values_reach_both_ends() {
    let values = values(&Uniform::new(-f32::MAX, f32::MAX), FANS, COUNT);
    assert!(values.iter().all(|value| value.is_finite()));
    let beyond = |bound: f32| values.iter().filter(|&&value| value > bound).count();
    assert!(beyond(0.99 * f32::MAX) > 0 && beyond(-0.99 * f32::MAX) < COUNT);
}

#[test]
fn orthogonal_rows_or_columns_are_orthonormal() {
    for (rows, columns) in [(1, 1), (3, 7), (7, 3), (64, 64), (9 * 5, 16), (1, 50), (50, 1)] {
        let fans = Fans { fan_in: rows, fan_out: columns };
        let values = values(&Orthogonal::new(2.0), fans, rows * columns);
        let (count, len) = (rows.min(columns), rows.max(columns));
        let at = |vector: usize, place: usize| {
            let index =
                if rows <= columns { vector * columns + place } else { place * columns + vector };
            f64::from(values[index]) / 2.0
        };
        for a in 0..count {
            for b in 0..count {
                let product: f64 = (0..len).map(|place| at(a, place) * at(b, place)).sum();
                let expected = f64::from(u8::from(a == b));
                assert!((product - expected).abs() < 1e-5, "{rows} x {columns}: {product}");
            }
        }
    }
    // A bias, whose fans are those of its layer's weights.
    let bias = values(&Orthogonal::default(), Fans { fan_in: 5, fan_out: 7 }, 7);
    assert!((bias.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn every_sample_goes_round() {
    for spec in INITIALIZERS {
        for sample in spec.samples {
            let initializer = (spec.parse)(sample.parse().unwrap()).unwrap();
            assert_eq!(initializer.kind(), spec.kind);
            let again = (spec.parse)(initializer.attributes()).unwrap();
            let both = [initializer, again].map(|it| values(it.as_ref(), FANS, 100));
            assert_eq!(both[0], both[1], "{} {sample}", spec.kind);
        }
        assert!((spec.parse)(toml::toml! { nonsense = 1 }).is_err(), "{}", spec.kind);
    }
}

#[test]
fn settings_that_can_not_work_are_refused_by_name() {
    for (kind, attributes, name) in [
        ("constant", "value = nan", "`value`"),
        ("uniform", "low = 1.0", "`low`"),
        ("uniform", "high = inf", "`high`"),
        ("normal", "deviation = -1.0", "`deviation`"),
        ("truncated_normal", "deviation = nan", "`deviation`"),
        ("truncated_normal", "mean = inf", "`mean`"),
        ("orthogonal", "gain = nan", "`gain`"),
    ] {
        let error = (find(kind).unwrap().parse)(attributes.parse().unwrap()).unwrap_err();
        assert!(error.contains(name), "{kind} {attributes}: {error}");
    }
}

#[test]
fn layers_take_an_initializer_by_name_or_table() {
    for kind in ["dense", "conv2d"] {
        let spec = layers::find(kind).unwrap();
        let sizes = if kind == "dense" { "units = 3" } else { "filters = 3\nkernel = 1" };
        let parse = |initializer: &str| {
            let attributes = format!("{sizes}\n{initializer}").parse().unwrap();
            (spec.parse)(attributes)
        };
        let weight = |initializer: &str| {
            let layer = parse(initializer).unwrap();
            let again = (spec.parse)(layer.attributes()).unwrap();
            let [one, two] = [layer, again].map(|layer| {
                let parameters = layer.parameters(&[&[2, 2, 4]]);
                assert_eq!(parameters[1].initializer.kind(), "constant", "of the bias");
                Arc::clone(&parameters[0].initializer)
            });
            assert_eq!(
                [one.kind(), &one.attributes().to_string()],
                [two.kind(), &two.attributes().to_string()]
            );
            one
        };
        assert_eq!(weight("").kind(), "glorot_uniform");
        assert_eq!(weight("initializer = 'he_normal'").kind(), "he_normal");
        let normal = weight("initializer = { kind = 'normal', deviation = 0.5 }");
        assert_eq!(normal.attributes()["deviation"].as_float(), Some(0.5));
        for (wrong, problem) in [
            ("'he'", "he_normal"),
            ("3", "not the name"),
            ("{}", "no `kind`"),
            ("{ kind = 1 }", "not a string"),
            ("{ kind = 'normal', deviation = -1 }", "`deviation`"),
            ("{ kind = 'zeros', value = 1 }", "value"),
        ] {
            let error = parse(&format!("initializer = {wrong}")).unwrap_err();
            assert!(error.contains("`initializer`") && error.contains(problem), "{error}");
        }
    }
}
