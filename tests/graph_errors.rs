//! What networks are refused for: messages name the nodes, the shapes and the remedy.

mod cycles;
mod large;

use std::sync::Arc;

use caudal::Tensor;
use caudal::context::Mode;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Concat, Conv2d, Dense, Flatten, GlobalAvgPool, MaxPool, Relu};
use caudal::losses::{MeanSquaredError, SoftmaxCrossEntropy};
use caudal::metrics::Accuracy;
use caudal::optimizers::{Optimizer, Sgd};
use caudal::plan::{Plan, PlanOptions};
use caudal::train::{Network, NetworkOptions};

/// No inputs.
const NONE: [&str; 0] = [];

/// Adds the nodes of a case.
type Build = fn(&mut GraphBuilder);

/// The message that a network is refused with.
fn refused(add: impl FnOnce(&mut GraphBuilder)) -> String {
    let mut net = GraphBuilder::new("net");
    add(&mut net);
    net.build().unwrap_err().to_string()
}

#[test]
fn unknown_inputs_are_refused_with_the_nearest_name() {
    let message = refused(|net| {
        net.input("image", [4]);
        net.layer("hidden", Relu, ["imgae"]);
        net.output("hidden");
    });
    assert_eq!(
        message,
        "node `hidden`: its input `imgae` is not a node of this graph; did you mean `image`?"
    );
    let message = refused(|net| {
        net.input("image", [4]);
        net.layer("hidden", Relu, ["something else"]);
        net.output("hidden");
    });
    assert_eq!(
        message,
        "node `hidden`: its input `something else` is not a node of this graph; \
         add it, or name another node"
    );
}

#[test]
fn unknown_outputs_are_refused_with_the_nearest_name() {
    let message = refused(|net| {
        net.input("image", [4]);
        net.layer("hidden", Relu, ["image"]);
        net.output("hiden");
    });
    assert!(message.contains("the declared output `hiden` is not a node"), "{message}");
    assert!(message.ends_with("did you mean `hidden`?"), "{message}");
}

#[test]
fn names_are_unique_and_printable() {
    let message = refused(|net| {
        net.input("x", [4]);
        net.layer("twice", Relu, ["x"]);
        net.layer("twice", Flatten, ["x"]);
        net.output("twice");
    });
    assert_eq!(
        message,
        "node `twice`: the name is taken twice, by nodes number 2 and 3; rename one of them"
    );
    for (name, shown) in [("", "``"), ("a\nb", "`a\\nb`"), ("bell\u{7}", "`bell\\u{7}`")] {
        let message = refused(|net| {
            net.input("x", [4]);
            net.layer(name, Relu, ["x"]);
            net.output(name);
        });
        assert!(message.contains(shown) && message.contains("node number 2"), "{message}");
        assert!(message.ends_with("give it a printable name"), "{message}");
    }
}

#[test]
fn wrong_numbers_of_inputs_are_refused() {
    let cases: [(&str, Build); 9] = [
        ("`relu` takes 1 input, but it has 0; connect it to the nodes it computes from", |net| {
            net.layer("it", Relu, NONE);
        }),
        ("`relu` takes 1 input, but it has 2; correct its inputs", |net| {
            net.layer("it", Relu, ["x", "x"]);
        }),
        ("`dense` takes 1 input, but it has 3; correct its inputs", |net| {
            net.layer("it", Dense::new(2), ["x", "x", "x"]);
        }),
        ("`concat` takes at least 1 input, but it has 0; connect it to the nodes", |net| {
            net.layer("it", Concat::default(), NONE);
        }),
        ("`add` takes at least 1 input, but it has 0; connect it to the nodes", |net| {
            net.layer("it", Add, NONE);
        }),
        ("`mean_squared_error` takes 2 inputs, but it has 1; correct its inputs", |net| {
            net.loss("it", MeanSquaredError, ["x"]);
        }),
        ("`softmax_cross_entropy` takes 2 inputs, but it has 0; connect it to", |net| {
            net.loss("it", SoftmaxCrossEntropy, NONE);
        }),
        ("`mean_squared_error` takes 2 inputs, but it has 4; correct its inputs", |net| {
            net.loss("it", MeanSquaredError, ["x", "x", "x", "x"]);
        }),
        ("`accuracy` takes 2 inputs, but it has 1; correct its inputs", |net| {
            net.metric("it", Accuracy, ["x"]);
        }),
    ];
    for (expected, add) in cases {
        let message = refused(|net| {
            net.input("x", [4]);
            add(net);
            net.output("x");
        });
        let expected = format!("node `it`: a node of kind {expected}");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_by_every_layer() {
    const IMAGE: &[usize] = &[8, 6, 3];
    type Case<'a> = (&'a [&'a [usize]], Build, &'a [&'a str]);
    let cases: Vec<Case<'_>> = vec![
        (
            &[&[]],
            |net| _ = net.layer("it", Dense::new(2), ["x0"]),
            &["at least one axis, not scalar", "`x0` (scalar)", "connect it to a node"],
        ),
        (
            &[&[4]],
            |net| _ = net.layer("it", Dense::new(0), ["x0"]),
            &["it has no units", "`x0` (4)", "give `units` a value of at least 1"],
        ),
        (
            &[&[8, 6]],
            |net| _ = net.layer("it", Conv2d::new(2, 3), ["x0"]),
            &["height x width x channels, not 8 x 6", "`x0` (8 x 6)", "three axes"],
        ),
        (
            &[IMAGE],
            |net| _ = net.layer("it", Conv2d::new(0, 3), ["x0"]),
            &["it has no filters", "`x0` (8 x 6 x 3)", "give `filters` a value"],
        ),
        (
            &[IMAGE],
            |net| _ = net.layer("it", Conv2d::new(2, 7), ["x0"]),
            &["a window 7 long does not fit into axis 1 of 8 x 6 x 3", "padding \"same\""],
        ),
        (
            &[IMAGE],
            |net| _ = net.layer("it", Conv2d::new(2, 3).stride([1, 0]), ["x0"]),
            &["3 long with stride 0 along axis 1", "sizes and strides of at least 1"],
        ),
        (
            &[IMAGE],
            |net| _ = net.layer("it", MaxPool::new(9), ["x0"]),
            &["a window 9 long does not fit into axis 0 of 8 x 6 x 3", "a smaller window"],
        ),
        (
            &[IMAGE],
            |net| _ = net.layer("it", MaxPool::new(1 << 40).same(), ["x0"]),
            &["is absurdly large", "use a smaller window"],
        ),
        (
            &[&[5]],
            |net| _ = net.layer("it", GlobalAvgPool, ["x0"]),
            &["height x width x channels, not 5", "`x0` (5)", "three axes"],
        ),
        (
            &[&[5], &[4]],
            |net| _ = net.layer("it", Add, ["x0", "x1"]),
            &["inputs 1 and 2 differ in shape: 5 and 4", "`x0` (5), `x1` (4)", "same shape"],
        ),
        (
            &[&[2, 5], &[3, 4]],
            |net| _ = net.layer("it", Concat::default(), ["x0", "x1"]),
            &["inputs 1 and 2 differ beside axis 1: 2 x 5 and 3 x 4", "other axes agree"],
        ),
        (
            &[&[2, 5], &[2, 5]],
            |net| _ = net.layer("it", Concat::along(2), ["x0", "x1"]),
            &["axis 2 does not exist in 2 x 5", "use an axis from -2 to 1"],
        ),
        (
            &[&[]],
            |net| _ = net.layer("it", Concat::default(), ["x0"]),
            &["axis -1 does not exist in scalar"],
        ),
    ];
    for (shapes, add, expected) in cases {
        let message = refused(|net| {
            for (number, shape) in shapes.iter().enumerate() {
                net.input(format!("x{number}"), *shape);
            }
            add(net);
            net.output("it");
        });
        assert!(message.starts_with("node `it`: "), "{message}");
        for part in expected {
            assert!(message.contains(part), "{message}\n{part}");
        }
    }
}

#[test]
fn losses_and_metrics_over_other_shapes_are_refused() {
    let network = |add: &dyn Fn(&mut GraphBuilder)| {
        refused(|net| {
            net.input("x", [3, 4]);
            net.target("y", [4]);
            add(net);
            net.output("x");
        })
    };
    let message = network(&|net| _ = net.loss("loss", MeanSquaredError, ["x", "y"]));
    assert_eq!(
        message,
        "node `loss`: prediction and target differ in shape: 3 x 4 and 4; \
         its inputs are `x` (3 x 4), `y` (4); give both the same shape"
    );
    let message = network(&|net| _ = net.loss("loss", SoftmaxCrossEntropy, ["x", "y"]));
    assert!(message.starts_with("node `loss`: logits of shape 3 x 4 need class"), "{message}");
    assert!(message.contains("`x` (3 x 4), `y` (4); make the target one class"), "{message}");
    let message = network(&|net| _ = net.metric("right", Accuracy, ["x", "y"]));
    assert!(message.starts_with("node `right`: scores of shape 3 x 4 need class"), "{message}");
    assert!(message.contains("`x` (3 x 4), `y` (4); make the target one class"), "{message}");
}

#[test]
fn nobody_computes_with_losses_and_metrics() {
    let message = refused(|net| {
        net.input("x", [3]);
        net.target("y", [3]);
        net.loss("loss", MeanSquaredError, ["x", "y"]);
        net.layer("after", Relu, ["loss"]);
        net.output("after");
    });
    assert!(message.starts_with("node `after`: its input `loss` is a loss or a"), "{message}");
    assert!(message.ends_with("connect it to a layer"), "{message}");
    for name in ["loss", "y"] {
        let message = refused(|net| {
            net.input("x", [3]);
            net.target("y", [3]);
            net.loss("loss", MeanSquaredError, ["x", "y"]);
            net.output(name);
        });
        assert!(message.starts_with(&format!("node `{name}`: it is declared as an")), "{message}");
        assert!(message.ends_with("declare a layer"), "{message}");
    }
}

#[test]
fn weights_of_losses_are_finite() {
    for weight in [f32::NAN, f32::INFINITY] {
        let message = refused(|net| {
            net.input("x", [3]);
            net.target("y", [3]);
            net.weighted_loss("loss", MeanSquaredError, weight, ["x", "y"]);
        });
        assert_eq!(
            message,
            format!("node `loss`: its weight is {weight}; give it a finite weight")
        );
    }
}

#[test]
fn nodes_that_lead_nowhere_are_refused() {
    let cases: [(&str, Build); 4] = [
        ("idle", |net| _ = net.layer("idle", Relu, ["x"])),
        ("idle", |net| _ = net.input("idle", [2])),
        ("idle", |net| _ = net.target("idle", [2])),
        ("first", |net| {
            net.layer("first", Relu, ["x"]);
            net.layer("second", Relu, ["first"]);
        }),
    ];
    for (name, add) in cases {
        let message = refused(|net| {
            net.input("x", [3]);
            net.layer("out", Relu, ["x"]);
            net.output("out");
            add(net);
        });
        assert_eq!(
            message,
            format!(
                "node `{name}`: it leads to no output, loss or metric; \
                 declare it an output, connect it, or remove it"
            )
        );
    }
}

#[test]
fn networks_without_inputs_or_outputs_are_refused() {
    let message = refused(|_| {});
    assert_eq!(message, "graph `net`: it has no input node; add one with its shape");
    let message = refused(|net| {
        net.target("y", [3]);
        net.layer("out", Relu, ["y"]);
        net.output("out");
    });
    assert_eq!(message, "graph `net`: it has no input node; add one with its shape");
    let message = refused(|net| {
        net.input("x", [3]);
        net.layer("end", Relu, ["x"]);
    });
    assert!(message.starts_with("graph `net`: it has no output; declare an output"), "{message}");
}

#[test]
fn predictions_do_not_depend_on_targets() {
    for declared in [true, false] {
        let message = refused(|net| {
            net.input("x", [3]);
            net.target("y", [3]);
            net.layer("both", Add, ["x", "y"]);
            net.layer("out", Relu, ["both"]);
            net.loss("loss", MeanSquaredError, ["out", "y"]);
            if declared {
                net.output("out");
            }
        });
        assert!(message.starts_with("node `out`: it is an output"), "{message}");
        assert!(message.contains("target `y`"), "{message}");
        assert!(message.contains("make `y` an input"), "{message}");
    }
    let message = refused(|net| {
        net.input("x", [3]);
        net.target("y", [3]);
        net.loss("loss", MeanSquaredError, ["y", "x"]);
    });
    assert!(message.starts_with("node `y`: it is an output"), "{message}");

    // Beside the outputs, layers may use targets.
    let mut net = GraphBuilder::new("net");
    net.input("x", [3]);
    net.target("y", [3]);
    net.layer("out", Dense::new(3), ["x"]);
    net.layer("positive", Relu, ["y"]);
    net.loss("loss", MeanSquaredError, ["out", "positive"]);
    assert_eq!(net.build().unwrap().outputs().len(), 1);
}

#[test]
fn absurd_sizes_are_refused() {
    for shape in [vec![0], vec![3, 0, 2], vec![1 << 41], vec![usize::MAX, 2], vec![1 << 32; 3]] {
        let shown = caudal::describe_shape(&shape);
        let message = refused(|net| {
            net.input("x", shape);
            net.output("x");
        });
        assert!(message.starts_with(&format!("node `x`: its shape {shown} is empty")), "{message}");
        assert!(message.contains("give every axis a size of at least 1"), "{message}");
    }
    for units in [1 << 41, usize::MAX] {
        let message = refused(|net| {
            net.input("x", [3]);
            net.layer("wide", Dense::new(units), ["x"]);
            net.output("wide");
        });
        assert!(message.starts_with(&format!("node `wide`: its shape {units} is")), "{message}");
    }
    let message = refused(|net| {
        net.input("x", [1 << 21]);
        net.layer("wide", Dense::new(1 << 21), ["x"]);
        net.output("wide");
    });
    assert!(message.contains("`weight` of shape 2097152 x 2097152 is empty or"), "{message}");
    assert!(
        message.starts_with("node `wide`: ") && message.ends_with("smaller sizes"),
        "{message}"
    );
}

fn optimizer() -> Arc<dyn Optimizer> {
    Arc::new(Sgd::new(0.1))
}

fn compile_error(graph: &Arc<Graph>, batch: usize, options: PlanOptions) -> String {
    Plan::compile(graph, Mode::Training, batch, &optimizer(), options).unwrap_err().to_string()
}

#[test]
fn training_without_anything_to_train_is_refused() {
    let mut net = GraphBuilder::new("net");
    net.input("x", [3]);
    net.layer("out", Dense::new(3), ["x"]);
    net.output("out");
    let graph = Arc::new(net.build().unwrap());
    let message = compile_error(&graph, 4, PlanOptions::default());
    assert!(message.contains("graph `net`: it has no loss to train; add a loss"), "{message}");
    let message = compile_error(&graph, 0, PlanOptions::default());
    assert!(message.contains("graph `net`: the batch is empty; use at least one"), "{message}");
    let mut network = Network::from_parts(graph, optimizer(), NetworkOptions::default()).unwrap();
    let batch = Tensor::zeros(vec![4, 3]);
    let message = network.train_batch(&[("x", &batch)]).unwrap_err().to_string();
    assert!(message.contains("graph `net`: it has no loss to train; add a loss"), "{message}");
    assert_eq!(network.predict(&[("x", &batch)]).unwrap()[0].shape(), [4, 3]);

    let mut net = GraphBuilder::new("net");
    net.input("x", [3]);
    net.target("y", [3]);
    net.loss("loss", MeanSquaredError, ["x", "y"]);
    let graph = Arc::new(net.build().unwrap());
    let message = compile_error(&graph, 4, PlanOptions::default());
    assert!(message.contains("it has no parameter to train; add a layer with"), "{message}");
    assert!(
        Plan::compile(&graph, Mode::Training, 4, &optimizer(), PlanOptions::gradients()).is_ok()
    );
}

#[test]
fn training_parameters_that_lead_to_no_loss_is_refused() {
    let mut net = GraphBuilder::new("net");
    net.input("x", [3]);
    net.target("y", [3]);
    net.layer("out", Dense::new(3), ["x"]);
    net.output("out");
    net.loss("loss", MeanSquaredError, ["x", "y"]);
    let message = compile_error(&Arc::new(net.build().unwrap()), 4, PlanOptions::default());
    assert!(message.contains("graph `net`: no loss depends on a parameter"), "{message}");
}

#[test]
fn batches_that_no_memory_holds_are_refused() {
    let graph = |features| {
        let mut net = GraphBuilder::new("net");
        net.input("x", [features]);
        net.layer("out", Dense::new(1), ["x"]);
        net.target("y", [1]);
        net.loss("loss", MeanSquaredError, ["out", "y"]);
        Arc::new(net.build().unwrap())
    };
    for batch in [1 << 21, usize::MAX] {
        let message = compile_error(&graph(1 << 20), batch, PlanOptions::default());
        assert!(message.contains(&format!("a batch of {batch} does not fit")), "{message}");
        assert!(message.contains("`x`") && message.contains("smaller batches"), "{message}");
    }
    let message = compile_error(&graph(1), u32::MAX as usize, PlanOptions::default());
    assert!(message.contains("has more items than can be told apart; use smaller"), "{message}");
}
