//! Layers accept the shapes that they announce, and refuse all others by name.

use std::collections::BTreeSet;
use std::sync::Arc;

use caudal::context::Mode;
use caudal::flow::Sequential;
use caudal::graph::{Graph, GraphBuilder, NodeName};
use caudal::layers::{Arity, LAYERS, Layer, Sample};
use caudal::losses::{LOSSES, LossSpec};
use caudal::metrics::{METRICS, MetricSpec};
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{Network, NetworkOptions};

use super::{BATCHES, parse_layer, table};
use crate::probe::{Specimen, Surroundings, borrowed, execute};

#[test]
fn outputs_have_the_shape_that_layers_announce() {
    for spec in LAYERS {
        for sample in spec.samples {
            let layer = parse_layer(spec, sample);
            let announced = layer.output_shape(sample.inputs).unwrap();
            for batch in BATCHES {
                let it = Specimen::new(&layer, sample.inputs, Surroundings::Alone, batch).unwrap();
                assert_eq!(it.graph.node("specimen").unwrap().shape, announced, "{}", spec.kind);
                let graph = Graph::clone(&it.graph);
                let mut network =
                    Network::new(graph, Sgd::default(), NetworkOptions::default()).unwrap();
                let outputs = network.predict(&borrowed(&it.data(1))).unwrap();
                assert_eq!(outputs[0].shape(), [&[batch], announced.as_slice()].concat());
                assert!(outputs[0].iter().all(|value| value.is_finite()), "{}", spec.kind);
                let nonzero = outputs[0].iter().any(|&value| value != 0.0);
                assert!(nonzero || spec.kind == "argmax", "{}", spec.kind);
            }
        }
    }
}

/// Shapes of all ranks, to be tried where others are expected.
const ODD_SHAPES: &[&[usize]] = &[
    &[],
    &[1],
    &[7],
    &[1, 1],
    &[2, 3],
    &[1, 1, 1],
    &[2, 4, 3],
    &[40, 1, 2],
    &[2, 2, 2, 2],
    &[1, 2, 1, 2, 1, 2],
    &[1; 12],
    &[1 << 39],
    &[1 << 20, 1 << 19],
    &[1 << 20, 1 << 20, 1],
];

/// Every list that comes of `fitting` by an odd shape in one place, or by one shape less or more.
fn odd_lists(fitting: &[&'static [usize]]) -> Vec<Vec<&'static [usize]>> {
    let mut lists = Vec::new();
    for place in 0..fitting.len() {
        for shape in ODD_SHAPES {
            let mut list = fitting.to_vec();
            list[place] = shape;
            lists.push(list);
        }
    }
    lists.push(fitting[1..].to_vec());
    lists.push([fitting, &[fitting[0]]].concat());
    lists.push([fitting, &[&[3, 9]]].concat());
    lists
}

fn arity_fits(arity: Arity, count: usize) -> bool {
    match arity {
        Arity::Exactly(number) => count == number,
        Arity::AtLeast(number) => count >= number,
        other => panic!("no law counts {other:?}"),
    }
}

#[test]
fn layers_refuse_what_does_not_fit_by_name_and_run_what_does() {
    let (mut refused, mut accepted) = (BTreeSet::new(), 0);
    for spec in LAYERS {
        for sample in spec.samples {
            let layer = parse_layer(spec, sample);
            for shapes in odd_lists(sample.inputs) {
                let mut net = GraphBuilder::new("law");
                let inputs: Vec<_> = (0..shapes.len().max(1))
                    .map(|number| {
                        let shape = shapes.get(number).copied().unwrap_or(&[3]);
                        net.input(format!("x{number}"), shape)
                    })
                    .collect();
                let node =
                    net.shared_layer("specimen", Arc::clone(&layer), &inputs[..shapes.len()]);
                net.output(&node);
                for input in &inputs {
                    net.output(input);
                }
                let fits =
                    arity_fits(layer.arity(), shapes.len()) && layer.output_shape(&shapes).is_ok();
                match net.build() {
                    Ok(graph) => {
                        assert!(fits, "{layer:?} took {shapes:?}");
                        let floats: usize =
                            graph.nodes().iter().map(|n| n.shape.iter().product::<usize>()).sum();
                        if floats + graph.parameter_count() < 1 << 16 {
                            runs(&layer, &shapes);
                            accepted += 1;
                        }
                    }
                    Err(error) => {
                        let error = error.to_string();
                        assert!(error.starts_with("node `specimen`: "), "{error}");
                        refused.insert(spec.kind);
                    }
                }
            }
        }
    }
    assert_eq!(refused.len(), LAYERS.len(), "all refuse something: {refused:?}");
    assert!(accepted > 100, "{accepted}");
}

/// A layer that accepts shapes computes something there, forward and backward.
fn runs(layer: &Arc<dyn Layer>, shapes: &[&[usize]]) {
    let specimen = Specimen::new(layer, shapes, Surroundings::Inside, 2).unwrap();
    let mut run = specimen.run(Mode::Training, PlanOptions::gradients());
    execute(&mut run, &mut Sequential::new(), &specimen.data(6));
    for id in specimen.graph.inputs() {
        let gradient = run.input_gradient(id).unwrap_or_default();
        assert!(gradient.iter().all(|value| value.is_finite()), "{layer:?} of {shapes:?}");
    }
}

#[test]
fn losses_and_metrics_refuse_what_does_not_fit_by_name() {
    fn refusals(
        kind: &str,
        samples: &[Sample],
        check: impl Fn(&[&[usize]]) -> bool,
        add: impl Fn(&mut GraphBuilder, &[NodeName]),
    ) {
        let mut refused = 0;
        for sample in samples {
            for shapes in odd_lists(sample.inputs) {
                let mut net = GraphBuilder::new("law");
                let inputs: Vec<_> = (0..shapes.len())
                    .map(|number| net.input(format!("x{number}"), shapes[number]))
                    .collect();
                add(&mut net, &inputs);
                net.output(&inputs[0]);
                let fits = check(&shapes);
                match net.build() {
                    Ok(_) => assert!(fits, "{kind} took {shapes:?}"),
                    Err(error) => {
                        assert!(!fits, "{kind} of {shapes:?}: {error}");
                        assert!(error.to_string().starts_with("node `measure`: "), "{error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(refused > ODD_SHAPES.len(), "{kind}");
    }
    for LossSpec { kind, parse, samples, .. } in LOSSES {
        let loss = parse(table(samples[0].attributes)).unwrap();
        refusals(
            kind,
            samples,
            |shapes| match shapes {
                // A loss may have the weights of items as third input.
                [_, _] | [_, _, []] => loss.check(&shapes[..2]).is_ok(),
                _ => false,
            },
            |net, inputs| {
                net.shared_loss("measure", Arc::clone(&loss), None, inputs);
            },
        );
    }
    for MetricSpec { kind, parse, samples, .. } in METRICS {
        let metric = parse(table(samples[0].attributes)).unwrap();
        refusals(
            kind,
            samples,
            |shapes| shapes.len() == 2 && metric.check(shapes).is_ok(),
            |net, inputs| {
                net.shared_metric("measure", Arc::clone(&metric), inputs);
            },
        );
    }
}
