//! Parameters with settings of their own, by pattern: what fits, what is refused, what is saved. That they move as
//! `PyTorch`'s groups do is in `clipping`.

use std::sync::Arc;

use caudal::data::digits;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{BatchNorm, Dense, Embedding, Flatten, Prelu};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::{AdamW, Decays, Optimizer, ParameterGroup, Sgd};
use caudal::report::parameter_groups;
use caudal::train::{FitOptions, Network, NetworkOptions, checkpoint};

fn graph() -> Graph {
    let mut net = GraphBuilder::new("groups");
    let (image, label) = (net.input("image", [8, 8, 1]), net.target("label", []));
    let flat = net.layer("flat", Flatten, [&image]);
    let first = net.layer("first", Dense::new(12), [&flat]);
    let norm = net.layer("norm", BatchNorm::default(), [&first]);
    let prelu = net.layer("prelu", Prelu::default(), [&norm]);
    let twice = net.layer("square", Dense::new(12), [&prelu]);
    let twice = net.layer_sharing("again", Dense::new(12), [&twice], "square");
    let last = net.layer("head", Dense::new(10), [&twice]);
    net.learning_rate_factor("head", 4.0);
    net.loss("loss", SoftmaxCrossEntropy, [&last, &label]);
    net.build().unwrap()
}

/// By name: the factor of the learning rate, and the decay.
fn settings(optimizer: &dyn Optimizer) -> Vec<(String, f32, Option<f64>)> {
    let graph = graph();
    let settings = graph.parameter_settings(optimizer).unwrap();
    let names = graph.parameters().iter().map(|parameter| parameter.name.clone());
    names.zip(settings).map(|(name, it)| (name, it.learning_rate_factor, it.weight_decay)).collect()
}

#[test]
fn decay_leaves_out_biases_norms_and_slopes_if_asked_to() {
    let decays = |optimizer: &dyn Optimizer, decay: f64| -> Vec<String> {
        let all = settings(optimizer).into_iter().filter(|it| it.2 == Some(decay));
        all.map(|it| it.0).filter(|name| !name.contains("running")).collect()
    };
    let all = AdamW::new(0.1).weight_decay(0.5);
    assert_eq!(decays(&all, 0.5).len(), 9, "{:?}", settings(&all));
    let weights = all.clone().decays(Decays::Weights);
    assert_eq!(decays(&weights, 0.5), ["first.weight", "square.weight", "head.weight"]);
    let but_head = weights.group(ParameterGroup::new("head.*").weight_decay(0.25));
    assert_eq!(decays(&but_head, 0.25), ["head.weight", "head.bias"]);
    assert_eq!(decays(&but_head, 0.5), ["first.weight", "square.weight"]);
    assert!(settings(&Sgd::new(0.1)).iter().all(|it| it.2.is_none()));
    let embedding = Embedding::new(7, 3);
    let mut net = GraphBuilder::new("words");
    let word = net.input("word", []);
    let rows = net.layer("rows", embedding, [&word]);
    net.output(&rows);
    let graph = net.build().unwrap();
    let decays = AdamW::new(0.1).decays(Decays::Weights);
    assert_eq!(graph.parameter_settings(&decays).unwrap()[0].weight_decay, Some(0.01));
}

#[test]
fn the_first_group_holds_and_factors_are_multiplied() {
    let optimizer = Sgd::new(0.1)
        .group(ParameterGroup::new("head.bias").learning_rate_factor(0.5))
        .group(ParameterGroup::new("*a*").learning_rate_factor(0.25));
    for (name, factor, _) in settings(&optimizer) {
        let own = if name.starts_with("head") { 4.0 } else { 1.0 };
        let group = match name.as_str() {
            "head.bias" => 0.5,
            // Statistics belong to no group.
            name if name.contains('a') && !name.contains("running") => 0.25,
            _ => 1.0,
        };
        assert_eq!(factor, own * group, "{name}");
    }
    let lines = parameter_groups(&graph(), &optimizer).unwrap();
    assert_eq!(lines[0], "group `head.bias`: 1 parameter of 10 numbers, 2 times the learning rate");
    assert!(lines.iter().skip(1).any(|line| line.starts_with("group `*a*`: ")), "{lines:?}");
    assert!(lines.last().unwrap().starts_with("no group: "), "{lines:?}");
}

#[test]
fn what_fits_nothing_or_can_not_be_is_refused() {
    let refused = |optimizer: Sgd| {
        let options = NetworkOptions::default().workers(1);
        Network::new(graph(), optimizer, options).unwrap_err().to_string()
    };
    let group = |pattern: &str| ParameterGroup::new(pattern).learning_rate_factor(0.5);
    for (pattern, remedy) in [
        ("*.biass", "did you mean `*.bias`?"),
        ("frist.*", "did you mean `first.*`?"),
        ("again.weight", "there are `first.weight`"),
        ("norm.running_*", "there are `first.weight`"),
    ] {
        let error = refused(Sgd::new(0.1).group(group(pattern)));
        let problem = format!("`group` of `{pattern}` fits no parameter");
        assert!(error.contains(&problem) && error.contains(remedy), "{error}");
    }
    let error = refused(Sgd::new(0.1).group(group("*")).group(group("head.*")));
    assert!(error.contains("`head.*` fits only parameters of groups before it"), "{error}");
    let error = refused(Sgd::new(0.1).group(ParameterGroup::new("*").weight_decay(0.1)));
    assert!(error.contains("`sgd` knows none"), "{error}");
    let error = refused(Sgd::new(0.1).group(ParameterGroup::new("*")));
    assert!(error.contains("sets neither"), "{error}");
    for factor in [0.0, -1.0, f32::NAN] {
        let error = refused(Sgd::new(0.1).group(group("*").learning_rate_factor(factor)));
        assert!(error.contains("`learning_rate_factor` is"), "{error}");
    }

    let text = |optimizer: &str| {
        format!(
            "[[node]]\nname = 'x'\nkind = 'input'\nshape = [4]\n\
             [[node]]\nname = 'y'\nkind = 'target'\nshape = [2]\n\
             [[node]]\nname = 'd'\nkind = 'dense'\ninputs = ['x']\nunits = 2\n\
             [[node]]\nname = 'loss'\nkind = 'mean_squared_error'\ninputs = ['d', 'y']\n\
             [train.optimizer]\nkind = 'adamw'\n{optimizer}"
        )
    };
    let good = text("[[train.optimizer.group]]\npattern = '*.bias'\nweight_decay = 0.0\n");
    let read = Model::from_toml(&good, "m.toml").unwrap();
    assert_eq!(read.training.optimizer.groups().len(), 1);
    assert!(
        read.to_toml().unwrap().contains("group = [{ pattern = \"*.bias\", weight_decay = 0.0 }]")
    );
    for (group, problem) in [
        ("group = [{ pattern = 'e.*', weight_decay = 0.0 }]", "did you mean `d.*`?"),
        ("group = [{ patern = 'd.*' }]", "`patern`"),
        ("group = [{ pattern = 'd.*', weight_decay = 'x' }]", "weight_decay"),
        ("group = []", "empty"),
        ("group = 3", "pattern"),
        ("decays = 'bias'", "`weights`"),
    ] {
        let error = Model::from_toml(&text(group), "m.toml").unwrap_err().to_string();
        assert!(error.starts_with("m.toml:") && error.contains(problem), "{group}: {error}");
    }
}

#[test]
fn a_training_with_groups_goes_on_to_the_same_bits() {
    let (data, _) = digits().unwrap();
    let optimizer = || {
        AdamW::new(0.01)
            .weight_decay(0.2)
            .decays(Decays::Weights)
            .group(ParameterGroup::new("first.*").learning_rate_factor(0.3).weight_decay(0.05))
    };
    let options = || NetworkOptions::default().workers(2);
    let network = || Network::new(graph(), optimizer(), options()).unwrap();
    let fit = FitOptions::default().max_steps(12);
    let mut whole = network();
    whole.fit(&data, &fit).unwrap();
    let mut plain = Network::new(graph(), AdamW::new(0.01).weight_decay(0.2), options()).unwrap();
    plain.fit(&data, &fit).unwrap();
    assert_ne!(whole.weights_sha256(), plain.weights_sha256());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("groups.safetensors");
    let mut first = network();
    first.fit(&data, &fit.clone().max_steps(5)).unwrap();
    first.save(&path, &TrainingConfig::default()).unwrap();
    let (model, saved) = checkpoint::open(&path).unwrap();
    assert_eq!(model.training.optimizer.attributes(), optimizer().attributes());
    let mut second =
        Network::from_parts(model.graph, Arc::clone(&model.training.optimizer), options()).unwrap();
    second.resume(&saved).unwrap();
    second.fit(&data, &fit.start(second.step())).unwrap();
    assert_eq!(second.weights_sha256(), whole.weights_sha256());
}
