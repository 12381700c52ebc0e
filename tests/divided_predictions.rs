//! Predictions of few items, whose layers are divided within each item.

use std::sync::Arc;

use caudal::Tensor;
use caudal::context::{Convolution, Mode};
use caudal::flow::{Actors, Executor, Pool, Sequential};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{AvgPool, BatchNorm, Conv2d, Dense, Flatten, Layer, MaxPool, Relu, Tanh};
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::run::{Parameters, Run};

/// A layer alone, and a batch normalisation and two functions of every number after it.
fn chain(layer: impl Layer + 'static, shape: &[usize]) -> Arc<Graph> {
    let mut net = GraphBuilder::new("chain");
    let x = net.input("x", shape.to_vec());
    let layer = net.layer("layer", layer, [&x]);
    let norm = net.layer("norm", BatchNorm::new(), [&layer]);
    let relu = net.layer("relu", Relu, [&norm]);
    let tanh = net.layer("tanh", Tanh, [&relu]);
    net.output(&tanh);
    Arc::new(net.build().unwrap())
}

fn plan(graph: &Arc<Graph>, batch: usize, options: PlanOptions) -> Arc<Plan> {
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
    Arc::new(Plan::compile(graph, Mode::Prediction, batch, &optimizer, options).unwrap())
}

/// The parts of the task that begins with `node`, and how many calls it has.
fn parts(plan: &Plan, node: &str) -> (usize, usize) {
    let mut tasks = (0..plan.task_count()).map(|task| plan.task(task));
    let task = tasks.find(|task| task.node == node).unwrap();
    (task.parts, task.calls.len())
}

/// The bits of the only output, twice.
fn predict(plan: &Arc<Plan>, executor: &mut dyn Executor) -> Vec<u32> {
    let graph = plan.graph();
    let parameters = Parameters::initialize(graph, &Sgd::new(0.1), 7).unwrap();
    let mut run = Run::new(Arc::clone(plan), Arc::new(parameters)).unwrap();
    let (input, output) = (graph.inputs()[0], graph.outputs()[0]);
    let floats = plan.batch() * graph.nodes()[input].shape.iter().product::<usize>();
    let numbers: Vec<f32> = (0..floats).map(|place| (place as f32 * 0.37).sin()).collect();
    run.bind(input, &numbers).unwrap();
    let mut bits = Vec::new();
    for _ in 0..2 {
        executor.execute(&mut run).unwrap();
        bits.extend(run.kept(output).unwrap().iter().map(|number| number.to_bits()));
    }
    bits
}

/// Holds a divided plan to the undivided one.
#[track_caller]
fn hold(graph: &Arc<Graph>, batch: usize) {
    let whole = plan(graph, batch, PlanOptions::default().parts(false));
    let divided = plan(graph, batch, PlanOptions::default().grain(1e-9));
    assert!(parts(&divided, "layer").0 > 1, "it is divided");
    let expected = predict(&whole, &mut Sequential::new());
    assert!(expected.iter().any(|&bits| f32::from_bits(bits) != 0.0), "it computes something");
    let pool = |workers| Pool::new(workers, "critical-path").unwrap();
    let mut executors: Vec<Box<dyn Executor>> = vec![
        Box::new(Sequential::new()),
        Box::new(pool(1)),
        Box::new(pool(2)),
        Box::new(pool(3)),
        Box::new(pool(2).with_channels()),
    ];
    for executor in &mut executors {
        let found = predict(&divided, executor.as_mut());
        assert!(found == expected, "{executor:?}, batch {batch}");
    }
    let unfused = plan(graph, batch, PlanOptions::default().grain(1e-9).fusion(false));
    assert!(predict(&unfused, &mut Actors::new()) == expected, "actors, batch {batch}");
}

#[test]
fn rows_of_an_image_give_the_bits_of_the_image() {
    for convolution in [
        Conv2d::new(5, 3),
        Conv2d::new(40, 3).same(),
        Conv2d::new(33, 1),
        Conv2d::new(4, [5, 2]).same(),
        Conv2d::new(6, 3).stride(2).same(),
        Conv2d::new(6, 2).stride([3, 1]),
        Conv2d::new(4, 3).dilation([4, 2]).same(),
        Conv2d::new(4, 3).dilation([3, 1]).stride([2, 1]),
        Conv2d::new(6, 3).groups(2).same(),
        // Most of its windows reach beyond the image.
        Conv2d::new(3, 11).same(),
    ] {
        for shape in [[13, 11, 4], [12, 4, 4]] {
            if convolution.output_shape(&[&shape]).is_ok() {
                hold(&chain(convolution.clone(), &shape), 1);
            }
        }
    }
    // In tiles of 2, 4 or 6 rows.
    for (kernel, filters, groups) in [(3, 24, 1), (3, 64, 1), (5, 32, 1), (3, 64, 2)] {
        for shape in [[13, 11, 32], [9, 6, 32], [18, 5, 32]] {
            let layer = Conv2d::new(filters, kernel).groups(groups);
            hold(&chain(layer.clone().same(), &shape), 1);
            hold(&chain(layer, &shape), 1);
        }
    }
    for shape in [[13, 11, 3], [24, 5, 20]] {
        hold(&chain(MaxPool::new(2), &shape), 1);
        hold(&chain(MaxPool::new(3).stride(1).same(), &shape), 1);
        hold(&chain(AvgPool::new(3).stride(1).same(), &shape), 1);
        hold(&chain(AvgPool::new([4, 3]).stride(2).same(), &shape), 1);
    }
}

#[test]
fn columns_of_a_product_give_the_bits_of_the_product() {
    for batch in [1, 2, 3, 5, 17] {
        for units in [64, 100, 17 + 32, 320] {
            hold(&chain(Dense::new(units), &[1000]), batch);
        }
        hold(&chain(Dense::new(72), &[3, 50]), batch);
    }
}

#[test]
fn what_follows_a_divided_layer_joins_it_where_it_has_the_same_places() {
    let graph = chain(Conv2d::new(32, 3), &[28, 28, 16]);
    let options = PlanOptions::default().convolution(Convolution::Direct);
    let divided = plan(&graph, 1, options);
    // 26 rows by two.
    assert_eq!(parts(&divided, "layer"), (8, 4), "{:?}", divided.task(0));
    assert_eq!(divided.task_count(), 2, "with the input");
    // Two images can be divided into images alone, and four keep four cores busy.
    assert_eq!(parts(&plan(&graph, 2, options), "layer").0, 2);
    assert_eq!(parts(&plan(&graph, 4, options), "layer").0, 4);

    let mut net = GraphBuilder::new("reshaped");
    let x = net.input("x", [28, 28, 16]);
    let layer = net.layer("layer", Conv2d::new(32, 3), [&x]);
    let flat = net.layer("flat", Flatten, [&layer]);
    let relu = net.layer("relu", Relu, [&flat]);
    let logits = net.layer("logits", Dense::new(128), [&relu]);
    net.output(&logits);
    let reshaped = Arc::new(net.build().unwrap());
    let divided = plan(&reshaped, 1, PlanOptions::default());
    assert_eq!(parts(&divided, "layer").1, 1, "the places of the flat image are others");
    assert_eq!(parts(&divided, "logits"), (4, 1));
    hold(&reshaped, 1);
}

#[test]
fn layers_beside_others_are_divided_only_where_they_are_long() {
    let towers = |units: usize| {
        let mut net = GraphBuilder::new("towers");
        let x = net.input("x", [512]);
        for tower in ["a", "b"] {
            let end = net.layer(tower, Dense::new(units), [&x]);
            net.output(&end);
        }
        plan(&Arc::new(net.build().unwrap()), 1, PlanOptions::default())
    };
    // 512 x 512 weights are a megabyte: 16 microseconds.
    assert_eq!(parts(&towers(512), "a").0, 1);
    assert_eq!(parts(&towers(8192), "a").0, 4);
    assert_eq!(
        parts(&plan(&chain(Dense::new(512), &[512]), 1, PlanOptions::default()), "layer").0,
        2
    );
}

#[test]
fn training_and_evaluation_are_not_divided_so() {
    let graph = chain(Dense::new(512), &[512]);
    let optimizer: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
    let options = PlanOptions::default().grain(1e-9);
    let plan = Plan::compile(&graph, Mode::Evaluation, 1, &optimizer, options).unwrap();
    assert_eq!(parts(&plan, "layer").0, 1);
}

#[test]
fn a_network_predicts_the_same_bits_for_items_alone_and_together() {
    use caudal::model::Model;
    use caudal::train::{Network, NetworkOptions};

    for name in ["mnist-cnn", "chain-mlp", "inception", "digits"] {
        let Model { graph, training, .. } = Model::open(Some(name)).unwrap();
        let options = NetworkOptions::default().workers(3);
        let mut network = Network::from_parts(graph, training.optimizer, options).unwrap();
        let input = network.graph().inputs()[0];
        let node = &network.graph().nodes()[input];
        let (name, shape) = (node.name.clone(), node.shape.clone());
        let floats: usize = shape.iter().product();
        let batch = |items: std::ops::Range<usize>| {
            let numbers = items.start * floats..items.end * floats;
            let numbers = numbers.map(|place| (place as f32 * 0.11).cos()).collect();
            Tensor::from_shape_vec([&[items.len()], shape.as_slice()].concat(), numbers).unwrap()
        };
        let mut predict = |items| network.predict(&[(&name, &batch(items))]).unwrap().remove(0);
        let together = predict(0..3);
        for item in 0..3 {
            let alone = predict(item..item + 1);
            let bits = |numbers: &[f32]| numbers.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
            let outputs = alone.len();
            let expected = &together.as_slice().unwrap()[item * outputs..][..outputs];
            assert_eq!(bits(alone.as_slice().unwrap()), bits(expected), "{name}, item {item}");
        }
    }
}

/// Batch normalisation, which is not folded into the weights before it, and divided layers: a prediction has the bits
/// of an evaluation.
#[test]
fn a_prediction_has_the_bits_of_an_evaluation() {
    use caudal::data::synthetic_for;
    use caudal::losses::MeanSquaredError;
    use caudal::train::{FitOptions, Network, NetworkOptions};

    let mut net = GraphBuilder::new("normalised");
    let x = net.input("x", [20, 20, 8]);
    let y = net.target("y", [200]);
    let conv = net.layer("conv", Conv2d::new(64, 3).same(), [&x]);
    let norm = net.layer("conv.norm", BatchNorm::new(), [&conv]);
    let relu = net.layer("conv.relu", Relu, [&norm]);
    let pool = net.layer("pool", MaxPool::new(2), [&relu]);
    let flat = net.layer("flat", Flatten, [&pool]);
    let dense = net.layer("dense", Dense::new(200), [&flat]);
    let end = net.layer("dense.norm", BatchNorm::new(), [&dense]);
    net.loss("loss", MeanSquaredError, [&end, &y]);
    let graph = net.build().unwrap();
    let data = synthetic_for(&graph, 24, 3).unwrap();
    let options = NetworkOptions::default().workers(2);
    let mut network = Network::new(graph, Sgd::new(0.01), options).unwrap();
    network.fit(&data, &FitOptions::default().epochs(2).batch_size(8)).unwrap();
    for items in [1, 5] {
        let mut x = Tensor::zeros(vec![items, 20, 20, 8]);
        x.iter_mut().enumerate().for_each(|(place, number)| *number = (place as f32 * 0.7).sin());
        let predicted = network.predict(&[("x", &x)]).unwrap().remove(0);
        assert!(predicted.iter().any(|&number| number != 0.0));
        // Every number must be the same for this to be exactly zero.
        let report = network.evaluate_batch(&[("x", &x), ("y", &predicted)]).unwrap();
        assert_eq!(report.loss, 0.0, "{items} items");
        if items == 1 {
            let plan = network.run(Mode::Prediction, items).unwrap().plan();
            let (parts, calls) = parts(plan, "conv");
            assert!(parts > 1 && calls >= 3, "{parts} parts of {calls} calls");
        }
    }
}
