//! Every loss against its definition in 64 bits, and every gradient against its slope.

use super::*;
use crate::context::Mode;
use crate::flow::{Executor, Sequential};
use crate::graph::GraphBuilder;
use crate::optimizers::{Optimizer, Sgd};
use crate::plan::{Plan, PlanOptions};
use crate::run::{Parameters, Run};

const BATCH: usize = 5;
const WEIGHT: f32 = 0.75;

/// The loss of one row, or of one number, by its definition.
fn definition(kind: &str, attributes: &toml::Table, x: &[f64], t: &[f64]) -> f64 {
    let softmax = |class: usize| x[class].exp() / x.iter().map(|x| x.exp()).sum::<f64>();
    let every = |term: &dyn Fn(usize) -> f64| (0..x.len()).map(term).sum::<f64>();
    let number = |name: &str, default: f64| {
        attributes.get(name).map_or(default, |number| number.as_float().unwrap())
    };
    let (smoothing, gamma) = (number("label_smoothing", 0.0), number("gamma", 2.0));
    let weight = |class: usize| {
        let weights = attributes.get("class_weights").map(|weights| weights.as_array().unwrap());
        weights.map_or(1.0, |weights| weights[class].as_float().unwrap())
    };
    let share =
        |class: usize| weight(class) * (t[class] * (1.0 - smoothing) + smoothing / x.len() as f64);
    match kind {
        "softmax_cross_entropy" => every(&|class| -share(class) * softmax(class).ln()),
        "cross_entropy" => every(&|class| -share(class) * x[class].ln()),
        "softmax_focal" => every(&|class| {
            let p = softmax(class);
            -share(class) * (1.0 - p).powf(gamma) * p.ln()
        }),
        "binary_focal" => every(&|at| {
            let p = 1.0 / (1.0 + (-x[at]).exp());
            let q = p * t[at] + (1.0 - p) * (1.0 - t[at]);
            let alpha = attributes.get("alpha").map(|alpha| alpha.as_float().unwrap());
            let factor = alpha.map_or(1.0, |it| it * t[at] + (1.0 - it) * (1.0 - t[at]));
            -factor * (1.0 - q).powf(gamma) * (t[at] * p.ln() + (1.0 - t[at]) * (1.0 - p).ln())
        }),
        "kl_divergence" => every(&|class| t[class] * (t[class] / softmax(class)).ln()),
        "binary_cross_entropy" => every(&|at| {
            let p = 1.0 / (1.0 + (-x[at]).exp());
            let t = t[at] * (1.0 - smoothing) + smoothing / 2.0;
            -t * p.ln() - (1.0 - t) * (1.0 - p).ln()
        }),
        "hinge" => every(&|at| (1.0 - (2.0 * t[at] - 1.0) * x[at]).max(0.0)),
        "mean_squared_error" => every(&|at| (x[at] - t[at]).powi(2)),
        "huber" => every(&|at| {
            let delta = attributes.get("delta").map_or(1.0, |delta| delta.as_float().unwrap());
            let d = (x[at] - t[at]).abs();
            if d <= delta { 0.5 * d * d } else { delta * (d - 0.5 * delta) }
        }),
        other => panic!("no definition of {other}"),
    }
}

/// Whether a loss is a mean over numbers, rather than over rows.
fn by_number(kind: &str) -> bool {
    ["binary_cross_entropy", "binary_focal", "hinge", "mean_squared_error", "huber"].contains(&kind)
}

struct Case {
    kind: &'static str,
    attributes: toml::Table,
    shapes: [&'static [usize]; 2],
    values: [Vec<f32>; 2],
}

/// Numbers in 0..1 that depend on `seed` only.
fn random(count: usize, seed: u64) -> Vec<f32> {
    let number = |at| (crate::random::key(&[seed, at]) >> 40) as f32 / (1u32 << 24) as f32;
    (0..count as u64).map(number).collect()
}

impl Case {
    fn new(spec: &LossSpec, sample: &Sample) -> Self {
        let shapes = [sample.inputs[0], sample.inputs[1]];
        let counts = shapes.map(|shape| BATCH * shape.iter().product::<usize>());
        let classes = shapes[0].last().copied().unwrap_or(1);
        let mut prediction = random(counts[0], 1);
        let mut target = random(counts[1], 2);
        if shapes[0] != shapes[1] {
            for label in &mut target {
                *label = (*label * classes as f32).floor();
            }
        } else if ["kl_divergence", "cross_entropy"].contains(&spec.kind) {
            for row in target.chunks_mut(classes) {
                let sum: f32 = row.iter().sum();
                for share in row.iter_mut() {
                    *share /= sum;
                }
            }
        } else if spec.kind == "hinge" {
            for label in &mut target {
                *label = label.round();
            }
        }
        if spec.kind == "cross_entropy" {
            for p in &mut prediction {
                *p = 0.01 + 0.9 * *p;
            }
        } else {
            for x in &mut prediction {
                *x = 6.0 * *x - 3.0;
            }
        }
        let attributes = sample.attributes.parse().unwrap();
        Self { kind: spec.kind, attributes, shapes, values: [prediction, target] }
    }

    /// The losses of all items by definition.
    fn expected(&self, values: [&[f64]; 2]) -> Vec<f64> {
        let per_item = self.shapes[0].iter().product::<usize>();
        let columns = if by_number(self.kind) { 1 } else { *self.shapes[0].last().unwrap() };
        let rows = per_item / columns;
        let row = |row: usize| {
            let x = &values[0][row * columns..][..columns];
            let t = if self.shapes[0] == self.shapes[1] {
                values[1][row * columns..][..columns].to_vec()
            } else {
                (0..columns).map(|class| f64::from(values[1][row] == class as f64)).collect()
            };
            definition(self.kind, &self.attributes, x, &t)
        };
        let item = |item: usize| (item * rows..(item + 1) * rows).map(row).sum::<f64>();
        (0..BATCH).map(|it| item(it) / rows as f64).collect()
    }

    /// The losses of all items, and the gradient with respect to each input that has one.
    fn found(&self, grain: f64) -> (Vec<f32>, Vec<Vec<f32>>) {
        let loss = (find(self.kind).unwrap().parse)(self.attributes.clone()).unwrap();
        let values = [self.values[0].as_slice(), self.values[1].as_slice()];
        run(Handle(loss), self.shapes, values, grain).unwrap()
    }
}

/// A shared loss.
#[derive(Debug)]
struct Handle(Arc<dyn Loss>);

impl Loss for Handle {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }
    fn attributes(&self) -> toml::Table {
        self.0.attributes()
    }
    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        self.0.check(inputs)
    }
    fn target_values(&self, inputs: &[&[usize]]) -> TargetValues {
        self.0.target_values(inputs)
    }
    fn differentiable(&self, input: usize) -> bool {
        self.0.differentiable(input)
    }
    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        self.0.forward(context, losses)
    }
    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        self.0.input_grad(context, input, scale, gradient)
    }
}

fn run(
    loss: impl Loss + 'static,
    shapes: [&[usize]; 2],
    values: [&[f32]; 2],
    grain: f64,
) -> Result<(Vec<f32>, Vec<Vec<f32>>)> {
    let mut net = GraphBuilder::new("loss");
    let both = loss.differentiable(1);
    let prediction = net.input("prediction", shapes[0]);
    let target =
        if both { net.input("target", shapes[1]) } else { net.target("target", shapes[1]) };
    net.weighted_loss("loss", loss, WEIGHT, [&prediction, &target]);
    let graph = Arc::new(net.build()?);
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::default());
    let batch = values[0].len() / shapes[0].iter().product::<usize>();
    let options = PlanOptions::gradients().grain(grain);
    let plan = Plan::compile(&graph, Mode::Training, batch, &optimizer, options)?;
    let parameters = Parameters::initialize(&graph, optimizer.as_ref(), 0).unwrap();
    let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
    let ids = ["prediction", "target"].map(|name| graph.id(name).unwrap());
    for (id, values) in ids.into_iter().zip(values) {
        run.bind(id, values)?;
    }
    Sequential::new().execute(&mut run)?;
    let losses = run.kept(graph.id("loss").unwrap()).unwrap().to_vec();
    let gradients = ids[..=usize::from(both)].iter();
    Ok((losses, gradients.map(|&id| run.input_gradient(id).unwrap()).collect()))
}

#[test]
fn every_loss_is_its_definition() {
    for spec in LOSSES {
        for sample in spec.samples {
            let case = Case::new(spec, sample);
            let what = format!("{} {} {:?}", case.kind, sample.attributes, case.shapes);
            let (losses, gradients) = case.found(60e-6);
            let mut values = [0, 1].map(|side: usize| {
                case.values[side].iter().map(|&x| f64::from(x)).collect::<Vec<f64>>()
            });
            for (found, expected) in losses.iter().zip(case.expected([&values[0], &values[1]])) {
                let error = (f64::from(*found) - expected).abs();
                assert!(error < 3e-6 * expected.abs().max(1.0), "{what}: {found} {expected}");
            }
            for (input, gradient) in gradients.iter().enumerate() {
                for at in 0..gradient.len() {
                    let place = values[input][at];
                    let mut sum_at = |x: f64| {
                        values[input][at] = x;
                        case.expected([&values[0], &values[1]]).iter().sum::<f64>()
                    };
                    let slope = (sum_at(place + 1e-6) - sum_at(place - 1e-6)) / 2e-6;
                    values[input][at] = place;
                    let expected = slope * f64::from(WEIGHT) / BATCH as f64;
                    let error = (f64::from(gradient[at]) - expected).abs();
                    assert!(
                        error < 1e-5 * expected.abs().max(0.1),
                        "{what}: {} {expected}",
                        gradient[at]
                    );
                }
            }
            assert_eq!(case.found(1e-9), (losses, gradients), "{what}: split");
        }
    }
}

#[test]
fn extreme_numbers_stay_finite() {
    let far = [-200.0, 200.0, -80.0, 1e30];
    let (losses, gradients) =
        run(BinaryCrossEntropy, [&[], &[]], [&far, &[0.0, 0.0, 1.0, 1.0]], 60e-6).unwrap();
    assert_eq!(losses, [0.0, 200.0, 80.0, 0.0]);
    let quarter = WEIGHT / 4.0;
    assert_eq!(gradients[0], [0.0, quarter, -quarter, 0.0]);

    let probabilities = [0.0, 1.0, 1.0, 0.0];
    let (losses, gradients) =
        run(CrossEntropy, [&[2], &[]], [&probabilities, &[0.0, 0.0]], 60e-6).unwrap();
    assert!((losses[0] - 17.118).abs() < 1e-3 && losses[1] == 0.0, "{losses:?}");
    assert_eq!(gradients[0], [WEIGHT / 2.0 * -1e7, 0.0, WEIGHT / -2.0, 0.0]);

    let logits = [1000.0, -1000.0, f32::NEG_INFINITY, 3.0];
    let shares = [1.0, 0.0, 0.0, 1.0];
    for (losses, gradients) in [
        run(SoftmaxCrossEntropy, [&[2], &[2]], [&logits, &shares], 60e-6).unwrap(),
        run(KlDivergence, [&[2], &[2]], [&logits, &shares], 60e-6).unwrap(),
    ] {
        assert!(losses.iter().all(|loss| loss.abs() < 1e-30), "{losses:?}");
        assert!(gradients[0].iter().all(|slope| slope.abs() < 1e-30), "{gradients:?}");
    }
}

#[test]
fn what_is_no_number_stays_so() {
    let nothing = [f32::NAN, 1.0];
    for spec in LOSSES {
        let loss = (spec.parse)(toml::Table::new()).unwrap();
        let one = loss.check(&[&[2], &[2]]).map(|()| [1.0, 1.0]);
        let (losses, _) =
            run(Handle(loss), [&[2], &[2]], [&nothing, &one.unwrap()], 60e-6).unwrap();
        assert!(losses[0].is_nan(), "{}: {losses:?}", spec.kind);
    }
}

#[test]
fn means_over_many_rows_are_those_of_64_bits() {
    const ROWS: usize = 200_000;
    let logits: Vec<f32> =
        (0..ROWS * 2).map(|at| 3.0 + (at * 7919 % 1009) as f32 / 100.0).collect();
    let labels: Vec<f32> = (0..ROWS).map(|row| (row % 2) as f32).collect();
    let shares: Vec<f32> =
        labels.iter().flat_map(|&label| [0.75 - label / 2.0, 0.25 + label / 2.0]).collect();
    let losses = |row: usize| {
        let [a, b] = [0, 1].map(|class| f64::from(logits[2 * row + class]));
        let all = a.max(b) + (-(a - b).abs()).exp().ln_1p();
        [all - a, all - b]
    };
    let mean = |of: &dyn Fn(usize) -> f64| (0..ROWS).map(of).sum::<f64>() / ROWS as f64;
    let close = |found: f32, exact: f64, kind: &str| {
        assert!((f64::from(found) - exact).abs() < 4e-7 * exact, "{kind}: {found} {exact}");
    };
    let indices = [&[ROWS, 2][..], &[ROWS]];
    let entropy = mean(&|row| losses(row)[row % 2]);
    for kind in ["softmax_cross_entropy", "softmax_focal"] {
        let settings = if kind == "softmax_focal" { "gamma = 0.0" } else { "" };
        let loss = (find(kind).unwrap().parse)(settings.parse().unwrap()).unwrap();
        let found = run(Handle(loss), indices, [&logits, &labels], 60e-6).unwrap().0[0];
        close(found, entropy, kind);
    }
    let found = run(KlDivergence, [&[ROWS, 2]; 2], [&logits, &shares], 60e-6).unwrap().0[0];
    let entropy_of_shares = 0.25 * 0.25f64.ln() + 0.75 * 0.75f64.ln();
    let divergence = mean(&|row| {
        let own = losses(row);
        0.75 * own[row % 2] + 0.25 * own[1 - row % 2] + entropy_of_shares
    });
    close(found, divergence, "kl_divergence");
}

#[test]
fn hinge_takes_both_kinds_of_labels() {
    let nothing = run(Hinge, [&[], &[]], [&[0.5, -2.0], &[f32::NAN, 1.0]], 60e-6).unwrap();
    assert!(nothing.0[0].is_nan() && nothing.0[1] == 3.0, "a target that is no number has no side");
    let scores = [0.5, -2.0, 3.0, 0.0];
    let losses = |targets: [f32; 4]| run(Hinge, [&[], &[]], [&scores, &targets], 60e-6).unwrap().0;
    assert_eq!(losses([1.0, -1.0, -1.0, 1.0]), [0.5, 0.0, 4.0, 1.0]);
    assert_eq!(losses([1.0, 0.0, 0.0, 1.0]), [0.5, 0.0, 4.0, 1.0]);
}

#[test]
fn the_divergence_of_equal_distributions_is_0() {
    let logits = [0.25f32.ln(), 0.75f32.ln()];
    let (losses, gradients) =
        run(KlDivergence, [&[2], &[2]], [&logits, &[0.25, 0.75]], 60e-6).unwrap();
    assert!(losses[0].abs() < 1e-6 && gradients[0].iter().all(|slope| slope.abs() < 1e-6));
}

#[test]
fn what_does_not_fit_is_refused() {
    for kind in ["softmax_cross_entropy", "cross_entropy"] {
        let loss = (find(kind).unwrap().parse)(toml::Table::new()).unwrap();
        for shapes in [[&[3][..], &[2]], [&[2, 3], &[3]], [&[], &[]]] {
            assert!(loss.check(&shapes).is_err(), "{kind} {shapes:?}");
        }
        let error = run(Handle(loss), [&[3], &[]], [&[0.1; 3], &[3.0]], 60e-6).unwrap_err();
        assert!(error.to_string().contains("whole numbers from 0 to 2"), "{error}");
    }
    for delta in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(Huber::new(delta).check(&[&[], &[]]).is_err());
        let attributes = toml::Table::from_iter([("delta".to_owned(), f64::from(delta).into())]);
        assert!((find("huber").unwrap().parse)(attributes).unwrap_err().contains("`delta`"));
    }
    assert!(KlDivergence.check(&[&[], &[]]).is_err());
}
