//! The same numbers to the last bit, however a plan is cut and whoever runs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use caudal::Tensor;
use caudal::context::{Mode, Phase};
use caudal::flow::policy::POLICIES;
use caudal::flow::{Actors, Executor, Pool, Sequential};
use caudal::layers::{BatchNorm, Conv2d, Dense, Layer, ParameterKind};
use caudal::plan::PlanOptions;
use caudal::run::Run;

use super::for_specimens;
use crate::own_process::number;
use crate::probe::{Specimen, Surroundings, assert_close, bits, execute};

/// With enough items for layers that want many in a part.
const BATCHES: [usize; 4] = [1, 2, 5, 67];

/// Splits whatever can be split.
const FINEST: f64 = 1e-9;

/// The samples of all layers, a layer whose weights are large enough for parts of rows, and one whose
/// activations are large enough for chunks.
fn for_all(mut law: impl FnMut(&str, &Specimen)) {
    for_specimens(&BATCHES, &mut law);
    let layer: Arc<dyn Layer> = Arc::new(Dense::new(200));
    for batch in BATCHES {
        let specimen = Specimen::new(&layer, &[&[70]], Surroundings::Inside, batch).unwrap();
        law(&format!("dense 70 to 200, {batch}"), &specimen);
    }
    let layer: Arc<dyn Layer> = Arc::new(BatchNorm::new());
    let specimen = Specimen::new(&layer, &[&[20, 30, 19]], Surroundings::Inside, 33).unwrap();
    law("batch_norm in several blocks", &specimen);
    let layer: Arc<dyn Layer> = Arc::new(Conv2d::new(31, 3).same());
    let specimen = Specimen::new(&layer, &[&[32, 32, 2]], Surroundings::Shared, 53).unwrap();
    law("conv2d to 32 x 32 x 31, 53", &specimen);
}

/// What a step computes: values of every loss, gradients of every input and every parameter.
#[derive(PartialEq)]
struct Computed {
    losses: Vec<Vec<u32>>,
    inputs: Vec<Vec<u32>>,
    parameters: Vec<Vec<f32>>,
}

impl Computed {
    fn of(run: &Run) -> Self {
        let graph = run.plan().graph();
        let losses = graph.losses().into_iter().map(|id| bits(run.kept(id).unwrap()));
        // Inputs of layers without a gradient have none.
        let gradients = graph.inputs().into_iter().filter_map(|id| run.input_gradient(id));
        let inputs = gradients.map(|gradient| bits(&gradient));
        let learned =
            |&index: &usize| graph.parameters()[index].spec.kind == ParameterKind::Learned;
        let parameters = (0..graph.parameters().len())
            .filter(learned)
            .map(|index| run.parameter_gradient(index).unwrap().iter().copied().collect());
        Self {
            losses: losses.collect(),
            inputs: inputs.collect(),
            parameters: parameters.collect(),
        }
    }

    fn parameter_bits(&self) -> Vec<Vec<u32>> {
        self.parameters.iter().map(|values| bits(values)).collect()
    }

    fn assert_same(&self, other: &Self, what: &str) {
        assert!(self.losses == other.losses, "{what}: losses");
        assert!(self.inputs == other.inputs, "{what}: input gradients");
        assert!(self.parameter_bits() == other.parameter_bits(), "{what}: parameter gradients");
    }
}

fn train(specimen: &Specimen, options: PlanOptions, data: &[(String, Tensor)]) -> Computed {
    let mut run = specimen.run(Mode::Training, options);
    execute(&mut run, &mut Sequential::new(), data);
    Computed::of(&run)
}

fn predict(specimen: &Specimen, options: PlanOptions, data: &[(String, Tensor)]) -> Vec<Vec<u32>> {
    let mut run = specimen.run(Mode::Prediction, options);
    execute(&mut run, &mut Sequential::new(), data);
    specimen.graph.outputs().iter().map(|&id| bits(run.kept(id).unwrap())).collect()
}

/// A chunk that holds any batch.
const UNDIVIDED: usize = usize::MAX;

#[test]
fn parts_chunks_fusion_and_places_do_not_matter() {
    let mut split = BTreeSet::new();
    for_all(|what, specimen| {
        let data = specimen.data(1);
        let plain = PlanOptions::plain().updates(false).keep_gradients(true);
        let finest = plain.parts(true).grain(FINEST);
        let whole = train(specimen, plain, &data);
        let outputs = predict(specimen, plain, &data);
        for (options, chunk_bytes) in
            [(plain, UNDIVIDED), (plain, 1), (finest, UNDIVIDED), (finest, 1)]
        {
            let options = options.chunk_bytes(chunk_bytes);
            let cut = train(specimen, options, &data);
            let what = format!("{what} with {options:?}");
            // Parameter gradients are sums over items, which are added in another order.
            for (found, expected) in cut.parameters.iter().zip(&whole.parameters) {
                let expected: Vec<f64> = expected.iter().map(|&value| f64::from(value)).collect();
                assert_close(&format!("{what}: parameters"), found, &expected, 1e-4);
            }
            assert!(cut.losses == whole.losses, "{what}: losses");
            assert!(cut.inputs == whole.inputs, "{what}: input gradients");
            assert!(predict(specimen, options, &data) == outputs, "{what}: outputs");
            for (fusion, in_place) in [(false, true), (true, false), (true, true)] {
                let options = options.fusion(fusion).in_place(in_place);
                let what = format!("{what} with {options:?}");
                train(specimen, options, &data).assert_same(&cut, &what);
                assert!(predict(specimen, options, &data) == outputs, "{what}: outputs");
            }
        }
        if !specimen.looks_at_batches() {
            micro_batches_do_not_matter(what, specimen, &data, &whole, finest);
        }
        let plan = Arc::clone(specimen.run(Mode::Training, finest).plan());
        let chunked = plain.chunk_bytes(1);
        if specimen.run(Mode::Training, chunked).plan().task_count()
            > specimen.run(Mode::Training, plain).plan().task_count()
        {
            split.insert("chunks".to_owned());
        }
        let kind = specimen.graph.node("specimen").unwrap().role.kind();
        split.extend((0..plan.task_count()).map(|task| plan.task(task)).filter_map(|task| {
            (task.node == "specimen" && task.parts > 1)
                .then(|| format!("{kind} {}", task.phase.name()))
        }));
    });
    for kind in caudal::layers::LAYERS.iter().map(|spec| spec.kind) {
        assert!(split.contains(&format!("{kind} {}", Phase::Forward.name())), "{kind}: {split:?}");
    }
    assert!(split.contains("chunks"), "{split:?}");
    for kind in ["dense", "conv2d"] {
        assert!(
            split.contains(&format!("{kind} {}", Phase::ParamGrad.name())),
            "{kind}: {split:?}"
        );
    }
}

/// Micro-batches give every item the same numbers; the sums over items are added in another order, which
/// is one whatever else a plan does.
fn micro_batches_do_not_matter(
    what: &str,
    specimen: &Specimen,
    data: &[(String, Tensor)],
    whole: &Computed,
    options: PlanOptions,
) {
    for number in [2, 3] {
        let options = options.micro_batches(number);
        let what = format!("{what} in {number} micro-batches");
        let divided = train(specimen, options, data);
        for (found, expected) in divided.parameters.iter().zip(&whole.parameters) {
            let expected: Vec<f64> = expected.iter().map(|&value| f64::from(value)).collect();
            assert_close(&format!("{what}: parameters"), found, &expected, 1e-4);
        }
        assert!(divided.losses == whole.losses, "{what}: losses");
        assert!(divided.inputs == whole.inputs, "{what}: input gradients");
        let options = options.fusion(true).in_place(true);
        train(specimen, options, data).assert_same(&divided, &what);
        let mut run = specimen.run(Mode::Training, options);
        execute(&mut run, &mut Pool::new(3, "steal").unwrap(), data);
        Computed::of(&run).assert_same(&divided, &format!("{what} on the pool"));
    }
}

#[test]
fn executors_do_not_matter() {
    let mut executors: Vec<(String, Box<dyn Executor>)> =
        vec![("actors".into(), Box::new(Actors::new()))];
    for policy in POLICIES {
        for workers in [1, 2, 4] {
            let pool = Pool::new(workers, policy.name).unwrap();
            executors.push((format!("{} with {workers}", policy.name), Box::new(pool)));
            let channels = Pool::new(workers, policy.name).unwrap().with_channels();
            executors
                .push((format!("{}, channels, with {workers}", policy.name), Box::new(channels)));
        }
    }
    // Each specimen takes one of so many, beginning at another one, so that the specimens together take all many times.
    let apart = number("CAUDAL_EXECUTORS_APART", 7) as usize;
    let mut turn = 0;
    for_all(|what, specimen| {
        let data = specimen.data(2);
        for grain in [FINEST, PlanOptions::default().grain] {
            turn += 1;
            let options = PlanOptions::gradients().grain(grain);
            let expected = train(specimen, options, &data);
            let mut run = specimen.run(Mode::Training, options);
            for (name, executor) in executors.iter_mut().skip(turn % apart).step_by(apart) {
                execute(&mut run, executor.as_mut(), &data);
                Computed::of(&run)
                    .assert_same(&expected, &format!("{what}, grain {grain}, {name}"));
            }
        }
    });
}

#[test]
fn a_run_leaves_nothing_behind() {
    for_all(|what, specimen| {
        if specimen.indices().is_some() {
            return; // It fails, as it should, where data are broken.
        }
        let data = specimen.data(3);
        let broken: Vec<_> = data
            .iter()
            .map(|(name, values)| (name.clone(), values.mapv(|_| f32::NAN).into()))
            .collect();
        let options = PlanOptions::gradients();
        let expected = train(specimen, options, &data);
        let mut run = specimen.run(Mode::Training, options);
        execute(&mut run, &mut Sequential::new(), &broken);
        execute(&mut run, &mut Sequential::new(), &data);
        Computed::of(&run).assert_same(&expected, what);
    });
}
