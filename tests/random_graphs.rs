//! Random networks: every executor gives the same bits, and every plan keeps the laws of plans.

mod coverage;
mod plan_laws;

use std::mem;

use caudal::flow::policy::POLICIES;
use caudal::flow::{Actors, Executor, Pool, Sequential};
use caudal::graph::Graph;
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};

use crate::own_process::number;
use crate::support_graphs::{Batch, Family, Specimen, borrowed, specimen};
use crate::watchdog::watch;

const STEPS: usize = 20;

/// 0 to 149 are dense, 150 to 219 have images, the rest has all kinds of layers.
pub(crate) const SEEDS: u64 = 290;

pub(crate) fn family(seed: u64) -> Family {
    match seed {
        0..150 => Family::Dense,
        150..220 => Family::Images,
        _ => Family::Mixed,
    }
}

pub(crate) fn options(seed: u64) -> PlanOptions {
    let grain = [1e-7, 1e-6, 5e-6][seed as usize % 3];
    PlanOptions::default().grain(grain)
}

pub(crate) fn optimizer(seed: u64) -> Sgd {
    let sgd = Sgd::new(0.0005);
    let sgd = if seed.is_multiple_of(2) { sgd.momentum(0.9) } else { sgd };
    match seed % 3 {
        0 => sgd,
        1 => sgd.clip_norm(0.2),
        _ => sgd.clip_global_norm(0.5),
    }
}

/// What must agree to the last bit: every loss of every step, and all weights at the end.
#[derive(PartialEq)]
struct Trained {
    losses: Vec<Vec<u64>>,
    weights: Vec<(String, Vec<u32>)>,
}

/// Trains a network of its own on an executor that others use before and after it.
fn train(
    seed: u64,
    specimen: &Specimen,
    batches: &[Batch],
    plan: PlanOptions,
    executor: &mut Box<dyn Executor>,
) -> Trained {
    let options = NetworkOptions::default().seed(seed).executor("sequential").plan(plan);
    let mut network = Network::new(specimen.graph.clone(), optimizer(seed), options).unwrap();
    let before = network.set_executor(mem::replace(executor, Box::new(Sequential::new())));
    let losses = batches.iter().map(|batch| {
        let report = network.train_batch(&borrowed(batch)).unwrap();
        let values = report.losses.iter().chain(&report.regularization).chain(&report.metrics);
        let values = values.map(|named| named.value);
        values.chain([report.loss]).map(f64::to_bits).collect()
    });
    let losses = losses.collect();
    *executor = network.set_executor(before);
    let weights = specimen.graph.parameters().iter().map(|parameter| {
        let weights = network.weights(&parameter.name).unwrap();
        (parameter.name.clone(), weights.iter().map(|weight| weight.to_bits()).collect())
    });
    Trained { losses, weights: weights.collect() }
}

/// Says where two trainings part.
fn assert_same(trained: &Trained, expected: &Trained, what: &str) {
    for (step, (losses, expected)) in trained.losses.iter().zip(&expected.losses).enumerate() {
        assert_eq!(losses, expected, "{what}: losses and metrics of step {step}");
    }
    for (weights, expected) in trained.weights.iter().zip(&expected.weights) {
        assert!(weights == expected, "{what}: `{}` differs in bits", weights.0);
    }
    assert!(trained == expected, "{what}");
}

fn compare(seeds: std::ops::Range<u64>) {
    watch(move |scenario| {
        let mut sequential: Box<dyn Executor> = Box::new(Sequential::new());
        let mut executors: Vec<(String, Box<dyn Executor>)> =
            vec![("actors".to_owned(), Box::new(Actors::new()))];
        for policy in POLICIES {
            for workers in [1, 2, 3, 4, 8] {
                let pool = Pool::new(workers, policy.name).unwrap();
                executors.push((format!("{} x {workers}", policy.name), Box::new(pool)));
            }
            let channels = Pool::new(3, policy.name).unwrap().with_channels();
            executors.push((format!("{} over channels", policy.name), Box::new(channels)));
        }
        let apart = number("CAUDAL_EXECUTORS_APART", 7) as usize;
        for seed in seeds {
            let specimen = specimen(seed, family(seed));
            let batches = specimen.batches(seed, STEPS);
            let plan = options(seed);
            let run = |plan, executor: &mut Box<dyn Executor>| {
                train(seed, &specimen, &batches, plan, executor)
            };
            let expected = run(plan, &mut sequential);
            let finite = |bits: &u64| f64::from_bits(*bits).is_finite();
            assert!(expected.losses.iter().flatten().all(finite), "seed {seed} diverges");
            assert!(
                expected.losses.iter().any(|losses| *losses != expected.losses[0]),
                "seed {seed} learns nothing"
            );
            // Each network takes one of so many, beginning at another one, so that a few networks together take all.
            let own = executors.iter_mut().skip(seed as usize % apart).step_by(apart);
            for (name, executor) in own {
                let what = format!("seed {seed} with {name}");
                scenario.enter(&what);
                assert_same(&run(plan, executor), &expected, &what);
            }
            if seed % 4 > 0 {
                continue;
            }
            // Neither fusion nor placement changes any number; parts may, since they decide how
            // convolutions sum over items, but not between executors.
            let (_, pool) = &mut executors[2 + seed as usize % 9];
            let whole = plan.parts(false);
            let whole_expected = run(whole, &mut sequential);
            let number = divisible(&specimen.graph).then_some(3);
            let divided = plan.micro_batches(number);
            let divided_expected = run(divided, &mut sequential);
            for (name, plan, expected) in [
                ("no fusion", plan.fusion(false), &expected),
                ("not in place", plan.in_place(false), &expected),
                ("whole", whole, &whole_expected),
                ("plain", PlanOptions::plain(), &whole_expected),
                ("in micro-batches", divided, &divided_expected),
            ] {
                let what = format!("seed {seed}, {name}");
                scenario.enter(&what);
                assert_same(&run(plan, &mut sequential), expected, &what);
                assert_same(&run(plan, pool), expected, &what);
            }
        }
    });
}

/// Whether no layer looks at a batch as a whole.
fn divisible(graph: &Graph) -> bool {
    (0..graph.nodes().len())
        .all(|id| graph.nodes()[id].role.kind() != "batch_norm" || !graph.trains(id))
}

// Quarters, so that the test runner can spread them over cores.
#[test]
fn random_networks_train_alike_1() {
    compare(0..SEEDS / 4);
}

#[test]
fn random_networks_train_alike_2() {
    compare(SEEDS / 4..SEEDS / 2);
}

#[test]
fn random_networks_train_alike_3() {
    compare(SEEDS / 2..SEEDS * 3 / 4);
}

#[test]
fn random_networks_train_alike_4() {
    compare(SEEDS * 3 / 4..SEEDS);
}
