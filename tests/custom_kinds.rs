//! Layers of a program's own: from closures and from the trait, alone and in files.

use std::sync::Arc;

use caudal::Tensor;
use caudal::context::Mode;
use caudal::flow::Sequential;
use caudal::graph::GraphBuilder;
use caudal::layers::{Arity, Custom, Dense, Layer, Misfit, Relu};
use caudal::losses::{Loss, MeanSquaredError};
use caudal::model::{CustomKinds, Model, TrainingConfig};
use caudal::optimizers::Sgd;
use caudal::plan::PlanOptions;
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};

use crate::probe::{Specimen, Surroundings, WeightedSum, assert_close, execute};

/// `factor * x * y` of two inputs, over which an item is summed along its last axis.
fn scaled_dot(factor: f64) -> Custom {
    let factor32 = factor as f32;
    Custom::new("scaled_dot", move |context, mut output| {
        let (x, y) = (context.input(0), context.input(1));
        for row in 0..x.rows() {
            let products = x.row(row).iter().zip(y.row(row)).map(|(x, y)| x * y);
            // An item's rows lie along the output's last axis, if it has one.
            let columns = output.cols();
            output.row_mut(row / columns)[row % columns] = factor32 * products.sum::<f32>();
        }
        Ok(())
    })
    .input_grad(move |context, input, mut gradient| {
        let (other, given) = (context.input(1 - input), context.output_grad());
        for row in 0..other.rows() {
            let columns = given.cols();
            let given = given.row(row / columns)[row % columns];
            let numbers = gradient.row_mut(row).iter_mut().zip(other.row(row));
            numbers.for_each(|(gradient, other)| *gradient = factor32 * given * other);
        }
        Ok(())
    })
    .arity(Arity::Exactly(2))
    .output_shape(|inputs| match (inputs[0] == inputs[1], inputs[0].split_last()) {
        (true, Some((_, leading))) => Ok(leading.to_vec()),
        _ => Err(Misfit::new("both need one shape with an axis", "connect other nodes")),
    })
    .attributes(toml::Table::from_iter([("factor".to_owned(), factor.into())]))
}

fn kinds() -> CustomKinds {
    let read = |mut attributes: toml::Table| {
        let factor = attributes.remove("factor").and_then(|factor| factor.as_float());
        let factor = factor.ok_or("`factor` is missing or no number")?;
        caudal::layers::no_attributes(&attributes)?;
        Ok(Arc::new(scaled_dot(factor)) as Arc<dyn Layer>)
    };
    let loss = |attributes: toml::Table| {
        caudal::layers::no_attributes(&attributes)?;
        Ok(Arc::new(WeightedSum) as Arc<dyn Loss>)
    };
    CustomKinds::new().layer("scaled_dot", read).unwrap().loss("weighted_sum", loss).unwrap()
}

fn model() -> Model {
    let mut net = GraphBuilder::new("own");
    let x = net.input("x", [4]);
    let y = net.target("y", []);
    let left = net.layer("left", Dense::new(3), [&x]);
    let right = net.layer("right", Dense::new(3), [&x]);
    let dot = net.layer("dot", scaled_dot(0.5), [&left, &right]);
    net.loss("loss", MeanSquaredError, [&dot, &y]);
    net.weighted_loss("sum", WeightedSum, 0.25, [&dot, &y]);
    Model::new(net.build().unwrap(), TrainingConfig::default())
}

#[test]
fn gradients_of_closures_agree_with_central_differences() {
    let layer: Arc<dyn Layer> = Arc::new(scaled_dot(1.5));
    for shape in [&[4][..], &[3, 2], &[1]] {
        for surroundings in Surroundings::ALL {
            let it = Specimen::new(&layer, &[shape, shape], surroundings, 3).unwrap();
            let mut data = it.data(5);
            let mut training = it.run(Mode::Training, PlanOptions::gradients());
            execute(&mut training, &mut Sequential::new(), &data);
            let mut evaluation = it.run(Mode::Evaluation, PlanOptions::default());
            let mut loss = |data: &[(String, Tensor)]| {
                execute(&mut evaluation, &mut Sequential::new(), data);
                let graph = &it.graph;
                let kept = graph.losses().into_iter().map(|id| evaluation.kept(id).unwrap());
                kept.flatten().map(|&value| f64::from(value)).sum::<f64>()
            };
            for id in it.graph.inputs() {
                let name = &it.graph.nodes()[id].name;
                let at = data.iter().position(|(other, _)| other == name).unwrap();
                let values = data[at].1.clone();
                let expected: Vec<f64> = (0..values.len())
                    .map(|place| {
                        let mut moved = |by: f32| {
                            data[at].1 = values.clone();
                            *data[at].1.iter_mut().nth(place).unwrap() += by;
                            loss(&data)
                        };
                        (moved(1e-2) - moved(-1e-2)) / 2e-2
                    })
                    .collect();
                data[at].1 = values;
                let found = training.input_gradient(id).unwrap();
                assert_close(&format!("{shape:?} {surroundings:?}"), &found, &expected, 2e-3);
            }
        }
    }
}

#[test]
fn files_hold_registered_kinds_and_refuse_others() {
    let model = model();
    let error = model.to_toml().unwrap_err().to_string();
    for part in ["node `dot`", "there is no kind `scaled_dot`", "CustomKinds"] {
        assert!(error.contains(part), "{error}");
    }
    let kinds = kinds();
    let text = model.to_toml_with(&kinds).unwrap();
    assert!(text.contains("kind = \"scaled_dot\"") && text.contains("factor = 0.5"), "{text}");
    assert!(text.contains("kind = \"weighted_sum\"") && text.contains("weight = 0.25"), "{text}");
    let again = Model::from_toml_with(&text, "own.toml", &kinds).unwrap();
    assert_eq!(again.to_toml_with(&kinds).unwrap(), text);
    let error = Model::from_toml(&text, "own.toml").unwrap_err().to_string();
    assert!(error.contains("there is no kind `scaled_dot`"), "{error}");
    let wrong = text.replace("factor = 0.5", "factor = \"x\"");
    let error = Model::from_toml_with(&wrong, "own.toml", &kinds).unwrap_err().to_string();
    assert!(error.contains("node `dot`: `factor` is missing or no number"), "{error}");
    let near = text.replace("scaled_dot", "scaled_dott");
    let error = Model::from_toml_with(&near, "own.toml", &kinds).unwrap_err().to_string();
    assert!(error.contains("did you mean `scaled_dot`?"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.toml");
    std::fs::write(&path, &text).unwrap();
    assert!(Model::open(path.to_str()).is_err());
    assert_eq!(Model::open_with(path.to_str(), &kinds).unwrap().graph.name(), "own");
}

#[test]
fn saved_networks_hold_registered_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    let Model { graph, training, .. } = model();
    let options = NetworkOptions::default;
    let mut network = Network::from_parts(graph, training.optimizer.clone(), options()).unwrap();
    let data = caudal::data::synthetic_for(network.graph(), 20, 3).unwrap();
    network.fit(&data, &FitOptions::default().epochs(2)).unwrap();
    let error = network.save(&path, &training).unwrap_err().to_string();
    assert!(error.contains("node `dot`") && !path.exists(), "{error}");
    network.save_with(&path, &training, &kinds()).unwrap();
    assert!(checkpoint::open(&path).unwrap_err().to_string().contains("`scaled_dot`"));
    let (model, file) = checkpoint::open_with(&path, &kinds()).unwrap();
    let mut again = Network::from_parts(model.graph, model.training.optimizer, options()).unwrap();
    again.resume(&file).unwrap();
    assert_eq!(again.weights_sha256(), network.weights_sha256());
    assert_eq!(again.predict_data(&data, 7).unwrap(), network.predict_data(&data, 7).unwrap());
}

#[test]
fn a_kind_that_reads_back_as_another_is_refused() {
    let other = CustomKinds::new()
        .layer("scaled_dot", |_| Ok(Arc::new(scaled_dot(2.0)) as Arc<dyn Layer>))
        .unwrap();
    let error = model().to_toml_with(&other).unwrap_err().to_string();
    assert!(error.contains("read as another one"), "{error}");
}

#[test]
fn kinds_have_one_meaning() {
    let relu = |_| Ok(Arc::new(Relu) as Arc<dyn Layer>);
    let sgd = |_| Ok(Arc::new(Sgd::default()) as Arc<dyn caudal::optimizers::Optimizer>);
    for kind in ["relu", "input", "target", "accuracy", "huber", "scaled_dot", "weighted_sum"] {
        let error = kinds().layer(kind, relu).unwrap_err().to_string();
        assert!(error.contains(&format!("`{kind}` already")), "{error}");
    }
    assert!(CustomKinds::new().optimizer("adam", sgd).is_err());
    let kinds = CustomKinds::new().optimizer("own", sgd).unwrap();
    assert!(kinds.clone().optimizer("own", sgd).is_err());
    let text = "[[node]]\nname='x'\nkind='input'\nshape=[1]\n[train]\noptimizer={kind='own'}\n";
    let text = format!("outputs=['x']\n{text}");
    assert!(Model::from_toml(&text, "m").is_err());
    let model = Model::from_toml_with(&text, "m", &kinds).unwrap();
    assert_eq!(model.training.optimizer.kind(), "sgd");
}

#[test]
fn a_layer_without_a_gradient_stops_it() {
    let sign = Custom::new("sign", |context, mut output| {
        let input = context.input(0);
        for row in 0..output.rows() {
            let numbers = output.row_mut(row).iter_mut().zip(input.row(row));
            numbers.for_each(|(y, x)| *y = x.signum());
        }
        Ok(())
    });
    let mut net = GraphBuilder::new("sign");
    let x = net.input("x", [2]);
    let y = net.target("y", [2]);
    let dense = net.layer("dense", Dense::new(2), [&x]);
    let sign = net.layer("sign", sign, [&dense]);
    net.loss("loss", MeanSquaredError, [&sign, &y]);
    let mut network =
        Network::new(net.build().unwrap(), Sgd::new(0.1), NetworkOptions::default()).unwrap();
    let ones = Tensor::from_elem(vec![3, 2], 1.0);
    let error = network.train_batch(&[("x", &ones), ("y", &ones)]).unwrap_err().to_string();
    assert!(error.contains("no loss depends on a parameter"), "{error}");
    let loss = network.evaluate_batch(&[("x", &ones), ("y", &ones)]).unwrap().loss;
    assert!(loss.is_finite());
}
