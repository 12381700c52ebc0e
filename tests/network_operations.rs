//! Networks that are changed, frozen, and go on.

use std::sync::Arc;

use caudal::Tensor;
use caudal::context::Mode;
use caudal::data::digits;
use caudal::flow::{Actors, Pool};
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Add, Concat, Dense, Dropout, Relu, Tanh};
use caudal::losses::{Huber, MeanSquaredError, SoftmaxCrossEntropy};
use caudal::metrics::{Accuracy, Mae};
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::{Adam, Optimizer, Sgd};
use caudal::plan::PlanOptions;
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};

fn sequential() -> NetworkOptions {
    NetworkOptions::default().executor("sequential").workers(1)
}

/// Two heads on one stem, of which one is only measured, and an auxiliary loss.
fn two_heads() -> Graph {
    let mut net = GraphBuilder::new("two heads");
    let x = net.input("x", [6]);
    let extra = net.input("extra", [2]);
    let label = net.target("label", []);
    let y = net.target("y", [2]);
    let stem = net.layer("stem", Dense::new(8), [&x]);
    let stem = net.layer("stem.relu", Relu, [&stem]);
    let stem = net.layer("stem.dropout", Dropout::new(0.25), [&stem]);
    let logits = net.layer("logits", Dense::new(3), [&stem]);
    let side = net.layer("side", Dense::new(2), [&extra]);
    // Uses the parameters of a node that prediction does without.
    let twin = net.layer_sharing("twin", Dense::new(2), [&extra], &side);
    let wide = net.layer("wide", Dense::new(3), [&twin]);
    let both = net.layer("both", Add, [&logits, &wide]);
    net.loss("loss", SoftmaxCrossEntropy, [&both, &label]);
    net.loss("side.loss", MeanSquaredError, [&side, &y]);
    net.metric("accuracy", Accuracy, [&both, &label]);
    net.metric("side.mae", Mae, [&side, &y]);
    net.output(&both);
    net.build().unwrap()
}

fn batch() -> Vec<(&'static str, Tensor)> {
    let numbers = |shape: &[usize], seed: usize| {
        let count = shape.iter().product();
        let values = (0..count).map(|at: usize| ((at * 7 + seed) % 11) as f32 / 5.0 - 1.0);
        Tensor::from_shape_vec(shape, values.collect()).unwrap()
    };
    let labels = Tensor::from_shape_vec(vec![4], vec![0.0, 2.0, 1.0, 2.0]).unwrap();
    vec![
        ("x", numbers(&[4, 6], 1)),
        ("extra", numbers(&[4, 2], 2)),
        ("label", labels),
        ("y", numbers(&[4, 2], 3)),
    ]
}

fn borrowed<'a>(batch: &'a [(&'static str, Tensor)]) -> Vec<(&'static str, &'a Tensor)> {
    batch.iter().map(|(name, tensor)| (*name, tensor)).collect()
}

fn trained(steps: usize) -> Network {
    let mut network = Network::new(two_heads(), Adam::new(0.01), sequential()).unwrap();
    for _ in 0..steps {
        network.train_batch(&borrowed(&batch())).unwrap();
    }
    network
}

fn names(graph: &Graph) -> Vec<&str> {
    graph.nodes().iter().map(|node| node.name.as_str()).collect()
}

#[test]
fn a_frozen_network_predicts_the_same_bits_from_a_smaller_file() {
    let mut network = trained(3);
    let inputs = &batch()[..2];
    let expected = network.predict(&borrowed(inputs)).unwrap();
    let mut frozen = network.freeze().unwrap();
    assert_eq!(frozen.predict(&borrowed(inputs)).unwrap(), expected);
    let kept =
        ["x", "extra", "stem", "stem.relu", "stem.dropout", "logits", "twin", "wide", "both"];
    assert_eq!(names(frozen.graph()), kept);
    // `side`, after which the shared weights were named, is gone.
    assert_eq!(frozen.weights("twin.weight").unwrap(), network.weights("side.weight").unwrap());
    assert!(frozen.weights("side.weight").is_err());
    assert_eq!((frozen.step(), network.step()), (3, 3));
    let error = frozen.train_batch(&borrowed(&batch())).unwrap_err().to_string();
    assert!(error.contains("it has no loss to train"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let training = TrainingConfig::default().batch_size(4);
    network.save(path("whole"), &training).unwrap();
    frozen.save(path("frozen"), &training).unwrap();
    let size = |name: &str| std::fs::metadata(path(name)).unwrap().len();
    assert!(size("frozen") < size("whole") / 2, "{} of {}", size("frozen"), size("whole"));
    let (model, file) = checkpoint::open(path("frozen")).unwrap();
    assert!(file.tensors().all(|(name, _)| !name.starts_with("optimizer.")));
    let text = model.to_toml().unwrap();
    assert!(text.ends_with("[train]\nbatch_size = 4\n"), "{text}");
    let mut again =
        Network::from_parts(model.graph, model.training.optimizer, sequential()).unwrap();
    again.resume(&file).unwrap();
    assert_eq!(again.predict(&borrowed(inputs)).unwrap(), expected);
}

#[test]
fn recompiling_keeps_weights_and_forgets_the_optimizer() {
    let mut network = trained(3);
    let weights = network.weights_sha256();
    let graph = network.graph().clone();
    let carried = network.recompile(graph, Arc::new(Adam::new(0.5)), sequential()).unwrap();
    assert_eq!(carried.kept.len(), network.graph().parameters().len());
    assert!(carried.initialized.is_empty() && carried.dropped.is_empty());
    assert_eq!((network.weights_sha256(), network.step()), (weights.clone(), 0));
    let state = network.optimizer_state("stem.weight", network.optimizer().state()[0]).unwrap();
    assert!(state.iter().all(|&value| value == 0.0));

    // Other losses, another head.
    let mut net = network.graph().edit();
    net.remove("side.loss").unwrap().remove("accuracy").unwrap();
    net.loss("robust", Huber::default(), ["side", "y"]);
    net.set_layer("wide", Arc::new(Dense::new(3))).unwrap();
    net.layer("deeper", Dense::new(5), ["stem.dropout"]);
    net.output("deeper");
    let graph = Arc::new(net.build().unwrap());
    assert!(graph.losses().iter().all(|&id| match graph.nodes()[id].role {
        caudal::graph::Role::Loss { weight, .. } => weight == 0.5,
        _ => false,
    }));
    let stem = network.weights("stem.weight").unwrap();
    let carried = network.recompile(graph, Arc::new(Sgd::new(0.1)), sequential()).unwrap();
    assert_eq!(carried.initialized, ["deeper.weight", "deeper.bias"]);
    assert!(carried.dropped.is_empty());
    assert_eq!(network.weights("stem.weight").unwrap(), stem);
    network.train_batch(&borrowed(&batch())).unwrap();
    assert_eq!(network.step(), 1);

    // A failed one changes nothing.
    let before = network.weights_sha256();
    let options = NetworkOptions::default().policy("nonsense");
    let (graph, optimizer) = (network.graph().clone(), network.optimizer().clone());
    assert!(network.recompile(graph, optimizer, options).is_err());
    assert_eq!((network.weights_sha256(), network.step()), (before, 1));
}

#[test]
fn a_layer_can_be_replaced_where_shapes_stay() {
    let mut network = trained(3);
    let (stem, state) = (
        network.weights("stem.weight").unwrap(),
        network.optimizer_state("stem.weight", network.optimizer().state()[0]).unwrap(),
    );
    assert!(state.iter().any(|&value| value != 0.0));
    let inputs = &batch()[..2];
    let before = network.predict(&borrowed(inputs)).unwrap();
    let carried = network.set_layer("stem.relu", Tanh).unwrap();
    assert!(carried.initialized.is_empty() && carried.dropped.is_empty());
    assert_ne!(network.predict(&borrowed(inputs)).unwrap(), before);
    assert_eq!(network.weights("stem.weight").unwrap(), stem);
    let name = network.optimizer().state()[0];
    assert_eq!(network.optimizer_state("stem.weight", name).unwrap(), state);
    assert_eq!(network.step(), 3);

    // The same kind keeps its weights, another may not need them, or need new ones.
    let carried = network.set_layer("wide", Dense::new(3)).unwrap();
    assert!(carried.initialized.is_empty() && carried.dropped.is_empty());
    let error = network.set_layer("twin", Relu).unwrap_err().to_string();
    assert!(error.contains("`twin`: it shares the parameters of `side`"), "{error}");
    let error = network.set_layer("wide", Concat::along(7)).unwrap_err().to_string();
    assert!(error.contains("node `wide`"), "{error}");
    let carried = network.set_layer("stem.dropout", Dense::new(8)).unwrap();
    assert_eq!(carried.initialized, ["stem.dropout.weight", "stem.dropout.bias"]);
    let carried = network.set_layer("stem.dropout", Tanh).unwrap();
    assert_eq!(carried.dropped, ["stem.dropout.weight", "stem.dropout.bias"]);
    network.train_batch(&borrowed(&batch())).unwrap();

    for (node, problem) in [
        ("logits", "its output is 3, but as `dense` it would be 5"),
        ("twin", "its output is 2, but as `dense` it would be 5"),
        ("label", "it is no layer"),
        ("nonsense", "unknown node `nonsense`"),
    ] {
        let error = network.set_layer(node, Dense::new(5)).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    assert_eq!(network.step(), 4);
}

#[test]
fn pruning_says_what_it_drops_and_leaves_the_rest() {
    let mut net = GraphBuilder::new("pruned");
    let x = net.input("x", [3]);
    net.input("unused", [2]);
    let y = net.target("y", [2]);
    net.target("unused.target", []);
    let dead = net.layer("dead", Dense::new(2), [&x]);
    net.layer("dead.end", Relu, [&dead]);
    let first = net.layer_sharing("first", Dense::new(2), [&x], &dead);
    let second = net.layer_sharing("second", Dense::new(2), [&x], &dead);
    let third = net.layer_sharing("third", Dense::new(2), [&x], &second);
    let sum = net.layer("sum", Add, [&first, &second, &third]);
    net.loss("loss", MeanSquaredError, [&sum, &y]);
    assert!(net.clone().build().unwrap_err().to_string().contains("leads to no output"));
    assert_eq!(net.prune(), ["unused", "unused.target", "dead", "dead.end"]);
    assert!(net.prune().is_empty());
    let graph = net.build().unwrap();
    let first = graph.id("first").unwrap();
    assert_eq!(graph.shares(first), None);
    for name in ["second", "third"] {
        assert_eq!(graph.shares(graph.id(name).unwrap()), Some(first));
    }
    assert_eq!(graph.parameter_count(), 3 * 2 + 2);
    // What was not valid for other reasons still is not, and nothing is lost on the way.
    let mut net = GraphBuilder::new("nothing");
    net.input("x", [3]);
    assert!(net.prune().is_empty());
    let mut net = GraphBuilder::new("cycle");
    net.input("x", [3]);
    net.layer("a", Add, ["b", "x"]);
    net.layer("b", Add, ["a", "missing"]);
    net.output("b");
    assert!(net.prune().is_empty());
    assert!(net.build().unwrap_err().to_string().contains("`missing`"));
}

#[test]
fn removing_a_node_leaves_its_users_to_be_named() {
    let mut net = two_heads().edit();
    assert!(net.remove("nonsense").unwrap_err().to_string().contains("`nonsense`"));
    net.remove("stem.relu").unwrap();
    let error = net.build().unwrap_err().to_string();
    assert!(error.contains("`stem.dropout`: its input `stem.relu` is not a node"), "{error}");
}

#[test]
fn an_edit_without_changes_is_the_same_graph() {
    for name in ["digits", "inception", "towers-small"] {
        let model = Model::open(Some(name)).unwrap();
        let again = Model::new(model.graph.edit().build().unwrap(), model.training.clone());
        assert_eq!(again.to_toml().unwrap(), model.to_toml().unwrap());
    }
    let graph = two_heads();
    let again = Model::new(graph.edit().build().unwrap(), TrainingConfig::default());
    let model = Model::new(graph, TrainingConfig::default());
    assert_eq!(again.to_toml().unwrap(), model.to_toml().unwrap());
}

#[test]
fn epochs_and_validation_can_be_limited() {
    let (train, test) = digits().unwrap();
    let Model { graph, training, .. } = Model::open(Some("article-dag")).unwrap();
    let mut network = Network::from_parts(graph, training.optimizer, sequential()).unwrap();
    let options = FitOptions::default()
        .epochs(3)
        .batch_size(16)
        .max_batches(4)
        .validation(&test)
        .max_validation_batches(2);
    let history = network.fit(&train, &options).unwrap();
    assert_eq!((history.steps, history.train.len()), (12, 3));
    assert!(history.train.iter().all(|report| report.items == 4 * 16));
    assert!(history.validation.iter().all(|report| report.items == 2 * 16));
    let report = &history.validation[2];
    assert_eq!(report.value("loss").unwrap(), report.loss);
    assert_eq!(report.value("accuracy").unwrap(), report.metric("accuracy").unwrap());
    let error = report.value("acuracy").unwrap_err().to_string();
    assert!(error.contains("`acuracy`") && error.contains("accuracy"), "{error}");
}

#[test]
fn plan_options_can_change_with_a_recompile() {
    let mut network = trained(2);
    let (graph, optimizer) = (network.graph().clone(), network.optimizer().clone());
    let options = sequential().plan(PlanOptions::plain());
    let inputs = &batch()[..2];
    let expected = network.predict(&borrowed(inputs)).unwrap();
    network.recompile(graph, optimizer, options).unwrap();
    assert_eq!(network.predict(&borrowed(inputs)).unwrap(), expected);
}

#[test]
fn what_is_said_of_training_goes_with_shared_parameters_and_not_into_frozen_files() {
    let mut net = GraphBuilder::new("settings");
    let x = net.input("x", [3]);
    let y = net.target("y", [2]);
    let dead = net.layer("dead", Dense::new(2), [&x]);
    let first = net.layer_sharing("first", Dense::new(2), [&x], &dead);
    let second = net.layer_sharing("second", Dense::new(2), [&first.clone()], &dead);
    drop(second);
    let sum = net.layer("sum", Add, [&first]);
    net.loss("loss", MeanSquaredError, [&sum, &y]);
    net.regularizer(&dead, "weight", caudal::regularizers::L2::new(0.5));
    net.learning_rate_factor(&dead, 3.0);
    net.remove("second").unwrap();
    assert_eq!(net.prune(), ["dead"]);
    let graph = net.build().unwrap();
    let said = |graph: &Graph| {
        let parameter = &graph.parameters()[0];
        (parameter.name.clone(), parameter.learning_rate_factor, parameter.regularizer.is_some())
    };
    assert_eq!(said(&graph), ("first.weight".to_owned(), 3.0, true));
    assert_eq!(said(&graph.edit().build().unwrap()), said(&graph));
    let frozen = graph.for_prediction().unwrap();
    assert_eq!(said(&frozen), ("first.weight".to_owned(), 1.0, false));
}

/// On an executor with a thread for every node, no task does the work of two, whenever that executor comes.
#[test]
fn actors_get_every_node_as_it_was_written() {
    let graph = caudal::model::Model::open(Some("digits")).unwrap().graph;
    let fused = |network: &mut Network| {
        let plan = Arc::clone(network.run(Mode::Training, 4).unwrap().plan());
        (0..plan.task_count()).any(|task| {
            let calls = plan.task(task).calls;
            calls.iter().any(|(node, _)| *node != calls[0].0)
        })
    };
    let options = sequential().executor("pool");
    let sgd: Arc<dyn Optimizer> = Arc::new(Sgd::new(0.1));
    let mut network = Network::from_parts(graph, sgd, options).unwrap();
    assert!(fused(&mut network));
    network.set_executor(Box::new(Actors::new()));
    assert!(!fused(&mut network));
    network.set_executor(Box::new(Pool::new(2, "fifo").unwrap()));
    assert!(fused(&mut network));
}
