//! Every block of the table: its gradients, its bits, its files, and what it refuses.

use std::collections::BTreeSet;

use caudal::Tensor;
use caudal::blocks::{self, BLOCKS, BlockSpec};
use caudal::context::Mode;
use caudal::graph::{Graph, GraphBuilder, NodeName, Role};
use caudal::layers::Sample;
use caudal::losses::MeanSquaredError;
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{sequential, table};
use crate::probe::{assert_close, borrowed};

const BATCH: usize = 3;

/// Two uses of a block on the same inputs, of which the second shares the parameters of the first, with
/// a loss on every output.
fn network_of(spec: &BlockSpec, sample: &Sample) -> Graph {
    let block = (spec.parse)(table(sample.attributes)).unwrap();
    let mut net = GraphBuilder::new("law");
    let input = |net: &mut GraphBuilder, (number, shape): (usize, &&[usize])| {
        net.input(format!("x{number}"), *shape)
    };
    let inputs: Vec<NodeName> =
        sample.inputs.iter().enumerate().map(|it| input(&mut net, it)).collect();
    let outputs = net.block("first", &block, &inputs);
    assert!(!outputs.is_empty(), "{}", spec.kind);
    let all = [outputs, net.shared_block("second", &block, &inputs, "first")].concat();
    for output in &all {
        net.output(output);
    }
    let shapes: Vec<_> = {
        let graph = net.clone().build().unwrap();
        all.iter().map(|name| graph.node(name.as_ref()).unwrap().shape.clone()).collect()
    };
    for (number, (output, shape)) in all.iter().zip(shapes).enumerate() {
        let y = net.target(format!("y{number}"), shape);
        net.weighted_loss(format!("loss{number}"), MeanSquaredError, 1.0, [output, &y]);
    }
    net.build().unwrap()
}

fn for_samples(mut law: impl FnMut(&str, Graph)) {
    for spec in BLOCKS {
        for sample in spec.samples {
            law(&format!("{} with {:?}", spec.kind, sample.attributes), network_of(spec, sample));
        }
    }
}

fn data(graph: &Graph) -> Vec<(String, Tensor)> {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let ends = graph.nodes().iter().filter(|node| matches!(node.role, Role::Input | Role::Target));
    ends.map(|node| {
        let shape = [&[BATCH], node.shape.as_slice()].concat();
        let values = (0..shape.iter().product()).map(|_| random.random_range(-1.0..1.0)).collect();
        (node.name.clone(), Tensor::from_shape_vec(shape, values).unwrap())
    })
    .collect()
}

#[test]
fn block_gradients_are_central_differences() {
    const STEP: f32 = 1e-2;
    for_samples(|what, graph| {
        let options = sequential(PlanOptions::gradients());
        let mut network = Network::new(graph, Sgd::default(), options).unwrap();
        let mut data = data(network.graph());
        let graph = network.graph().clone();
        if graph.parameters().is_empty() {
            return; // Steps of a sequence learn nothing; what they copy is seen by `slice`.
        }
        network.train_batch(&borrowed(&data)).unwrap();
        let run = network.run(Mode::Training, BATCH).unwrap();
        let inputs = graph.inputs().into_iter();
        let inputs: Vec<Vec<f32>> = inputs.map(|id| run.input_gradient(id).unwrap()).collect();
        let parameters: Vec<Tensor> = (0..graph.parameters().len())
            .map(|index| run.parameter_gradient(index).unwrap())
            .collect();
        for (number, gradient) in inputs.iter().enumerate() {
            let values = data[number].1.clone();
            let mut differences = Vec::new();
            for place in 0..values.len() {
                let mut loss = |shift: f32| {
                    data[number].1 = values.clone();
                    data[number].1.as_slice_mut().unwrap()[place] += shift;
                    network.evaluate_batch(&borrowed(&data)).unwrap().loss
                };
                differences.push((loss(STEP) - loss(-STEP)) / f64::from(2.0 * STEP));
            }
            data[number].1 = values;
            assert_close(&format!("{what}: input {number}"), gradient, &differences, 5e-3);
        }
        for (parameter, gradient) in graph.parameters().iter().zip(&parameters) {
            let values = network.weights(&parameter.name).unwrap();
            let mut differences = Vec::new();
            for place in 0..values.len() {
                let mut loss = |shift: f32| {
                    let mut moved = values.clone();
                    moved.as_slice_mut().unwrap()[place] += shift;
                    network.set_weights(&parameter.name, &moved).unwrap();
                    network.evaluate_batch(&borrowed(&data)).unwrap().loss
                };
                differences.push((loss(STEP) - loss(-STEP)) / f64::from(2.0 * STEP));
            }
            network.set_weights(&parameter.name, &values).unwrap();
            let gradient = gradient.as_slice().unwrap();
            assert_close(&format!("{what}: {}", parameter.name), gradient, &differences, 5e-3);
        }
    });
}

#[test]
fn blocks_give_the_same_bits_and_go_through_files() {
    for_samples(|what, graph| {
        if graph.parameters().is_empty() {
            return;
        }
        let model = Model::new(graph, TrainingConfig::default());
        let text = model.to_toml().unwrap();
        let again = Model::from_toml(&text, "m.toml").unwrap();
        assert_eq!(again.to_toml().unwrap(), text, "{what}");
        let mut weights = BTreeSet::new();
        for (model, executor, workers) in
            [(&model, "sequential", 1), (&again, "pool", 3), (&model, "actors", 1)]
        {
            let executor = executor.to_owned();
            let options = NetworkOptions::default().executor(executor).workers(workers);
            let sgd = std::sync::Arc::new(Sgd::new(0.1).momentum(0.9));
            let mut network = Network::from_parts(model.graph.clone(), sgd, options).unwrap();
            let data = data(network.graph());
            let first = network.train_batch(&borrowed(&data)).unwrap().loss;
            let mut last = first;
            for _ in 0..20 {
                last = network.train_batch(&borrowed(&data)).unwrap().loss;
            }
            assert!(last < first, "{what}: {first} to {last}");
            weights.insert(network.weights_sha256());
        }
        assert_eq!(weights.len(), 1, "{what}");
    });
}

#[test]
fn every_file_is_a_block() {
    let rows = BLOCKS.iter().map(|row| (row.kind, row.summary));
    super::tables::assert_table("blocks", &[], rows);
    for row in BLOCKS {
        assert!(!row.samples.is_empty(), "{}", row.kind);
        assert!(std::ptr::eq(*row, blocks::find(row.kind).unwrap()));
        for sample in row.samples {
            let block = (row.parse)(table(sample.attributes)).unwrap();
            assert_eq!(block.name(), row.kind);
            for (name, about) in row.attributes {
                let mut attributes = table(sample.attributes);
                attributes.remove(*name);
                match (row.parse)(attributes) {
                    Ok(_) => assert!(about.contains("default"), "{} `{name}`", row.kind),
                    Err(problem) => assert!(problem.contains(name), "{}: {problem}", row.kind),
                }
            }
            let mut attributes = table(sample.attributes);
            attributes.insert("nonsense".into(), 1.into());
            assert!((row.parse)(attributes).unwrap_err().contains("`nonsense`"), "{}", row.kind);
        }
    }
    let error = blocks::find("nonsense").unwrap_err().to_string();
    assert!(error.contains("`nonsense`") && error.contains("lstm"), "{error}");
}

#[test]
fn absurd_blocks_are_refused_by_name() {
    let refused = |kind: &str, attributes: &str, shapes: &[&[usize]]| {
        let block = (blocks::find(kind).unwrap().parse)(table(attributes)).unwrap();
        let mut net = GraphBuilder::new("absurd");
        let inputs: Vec<NodeName> = (0..shapes.len())
            .map(|number| net.input(format!("x{number}"), shapes[number]))
            .collect();
        let outputs = net.block("here", &block, &inputs);
        // Whoever indexes the outputs finds some.
        if let Some(output) = outputs.first() {
            net.output(output);
        }
        net.build().unwrap_err().to_string()
    };
    for (kind, attributes, shapes, expected) in [
        ("lstm_cell", "units = 3", &[&[2][..]][..], "`here`: block `lstm_cell` takes an input, a"),
        ("gru_cell", "units = 3", &[&[2], &[3], &[3]], "block `gru_cell` takes an input and a"),
        ("lstm", "units = 3", &[], "block `lstm` takes the steps of a sequence"),
        ("attention_head", "size = 2", &[&[2, 3], &[2, 3]], "`attention_head` takes one input"),
        ("lstm_cell", "units = 3", &[&[2], &[3], &[4]], "node `here/kept`: inputs 1 and 2 differ"),
        ("gru", "units = 0", &[&[2]], "node `here/"),
        ("steps", "length = 4", &[&[3, 2]], "node `here/slice3`"),
        (
            "multi_head_attention",
            "heads = 0\nsize = 1\nfeatures = 1",
            &[&[2, 2]],
            "node `here/heads`",
        ),
        (
            "multi_head_attention",
            "heads = 1\nsize = 0\nfeatures = 1",
            &[&[2, 2]],
            "node `here/head0/",
        ),
        ("attention_head", "size = 2", &[&[4, 3], &[5, 3], &[6, 3]], "node `here/mixed`"),
        ("attention_head", "size = 2\nmask = \"causal\"", &[&[3]], "node `here/products`"),
    ] {
        let error = refused(kind, attributes, shapes);
        assert!(error.contains(expected), "{kind}: {error}");
    }
}
