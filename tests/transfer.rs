//! Weights of another network, as far as they fit, and layers that keep theirs.

use caudal::data::digits;
use caudal::graph::{Graph, GraphBuilder};
use caudal::layers::{Dense, Flatten, Tanh};
use caudal::losses::SoftmaxCrossEntropy;
use caudal::model::{Model, TrainingConfig};
use caudal::optimizers::Sgd;
use caudal::train::{FitOptions, Network, NetworkOptions};

use crate::command_line::{caudal, json, path, refused};

fn graph(units: usize, base: &str) -> Graph {
    let mut net = GraphBuilder::new("classes");
    let (image, label) = (net.input("image", [8, 8, 1]), net.target("label", []));
    let flat = net.layer("flat", Flatten, [&image]);
    let first = net.layer(format!("{base}/first"), Dense::new(units), [&flat]);
    let first = net.layer(format!("{base}/tanh"), Tanh, [&first]);
    let second = net.layer(format!("{base}/second"), Dense::new(7), [&first]);
    let head = net.layer("head", Dense::new(10), [&second]);
    net.loss("loss", SoftmaxCrossEntropy, [&head, &label]);
    net.build().unwrap()
}

fn network(units: usize, base: &str, seed: u64) -> Network {
    let options = NetworkOptions::default().workers(1).seed(seed);
    Network::new(graph(units, base), Sgd::new(0.1), options).unwrap()
}

const ALL: &[&str] = &[];

#[test]
fn what_fits_is_taken_and_the_rest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("from.safetensors");
    let from = network(12, "base", 1);
    from.save(&file, &TrainingConfig::default()).unwrap();

    let mut same = network(12, "base", 2);
    let transfer = same.load_matching(&file, ALL).unwrap();
    assert_eq!((transfer.loaded.len(), transfer.lines().len()), (6, 1), "{transfer:?}");
    assert_eq!(same.weights_sha256(), from.weights_sha256());

    let mut wider = network(13, "base", 2);
    let before = wider.weights("base/first.weight").unwrap();
    let transfer = wider.load_matching(&file, ALL).unwrap();
    assert_eq!(transfer.loaded, ["base/second.bias", "head.weight", "head.bias"]);
    let misfits: Vec<_> = transfer.misfits.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(misfits, ["base/first.weight", "base/first.bias", "base/second.weight"]);
    assert_eq!(wider.weights("base/first.weight").unwrap(), before);
    assert_eq!(wider.weights("head.weight").unwrap(), from.weights("head.weight").unwrap());
    let line = &transfer.lines()[1];
    assert!(line.contains("`base/first.weight` (64 x 13, there 64 x 12)"), "{line}");

    let mut chosen = network(12, "base", 2);
    let transfer = chosen.load_matching(&file, &["base/*", "*.bias"]).unwrap();
    assert_eq!(transfer.left, ["head.weight"]);
    assert_eq!(transfer.loaded.len(), 5);

    let mut renamed = network(12, "stem", 2);
    let transfer = renamed.load_matching(&file, ALL).unwrap();
    assert_eq!((transfer.loaded.len(), transfer.missing.len(), transfer.unused.len()), (2, 4, 4));
    let before = renamed.weights_sha256();
    for (wanted, problem) in [
        ("stem/*", "no array in it fits a parameter that was asked for"),
        ("base/*", "`base/*` fits no parameter"),
        ("haed.*", "did you mean `head.*`?"),
    ] {
        let error = renamed.load_matching(&file, &[wanted]).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    assert_eq!(renamed.weights_sha256(), before);
}

#[test]
fn frozen_layers_keep_their_weights_and_stay_so_in_files() {
    let frozen = graph(12, "base").with_frozen(&["base/*"]).unwrap();
    let options = NetworkOptions::default().workers(2);
    let mut network = Network::new(frozen, Sgd::new(0.1), options).unwrap();
    let names = ["base/first.weight", "base/second.bias", "head.weight"];
    let before = names.map(|name| network.weights(name).unwrap());
    let (data, _) = digits().unwrap();
    network.fit(&data, &FitOptions::default().max_steps(3)).unwrap();
    let after = names.map(|name| network.weights(name).unwrap());
    assert_eq!([0, 1, 2].map(|at| before[at] == after[at]), [true, true, false]);
    let text =
        Model::new(Graph::clone(network.graph()), TrainingConfig::default()).to_toml().unwrap();
    assert_eq!(text.matches("trainable = false").count(), 2, "{text}");
    for (pattern, problem) in [("flat", "fits no layer"), ("base/frist", "`base/first`")] {
        let error = graph(12, "base").with_frozen(&[pattern]).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn the_program_says_what_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let saved = path(&folder, "saved.safetensors");
    let short = ["--quiet", "--max-steps", "2", "--workers", "1"];
    json(&[&["train", "article-dag", "--save", &saved, "--seed", "3"], &short[..]].concat());
    let (model, _) = caudal::train::checkpoint::open(&saved).unwrap();
    let head = model.graph.parameters().last().unwrap();
    let head = model.graph.nodes()[head.node].name.clone();
    let text = model.to_toml().unwrap().replace(&format!("\"{head}\""), "\"other\"");
    let renamed = path(&folder, "renamed.toml");
    std::fs::write(&renamed, text).unwrap();
    let start = ["train", renamed.as_str(), "--init", saved.as_str()];
    let output = caudal(&[&start[..], &short].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("since they are not there: `other.weight`, `other.bias`"), "{errors}");
    assert!(errors.contains(&format!("but not here: `{head}.bias`")), "{errors}");

    for (options, problem) in [
        (&["--init", &saved, "--init-only", "othr.*"][..], "did you mean `other.*`?"),
        (&["--init", &saved, "--init-only", "other.*"], "no array in it fits"),
        (&["--freeze", "othe"], "did you mean `other`?"),
        (&["--freeze", "*"], "trainable = false"),
    ] {
        let (code, line) = refused(&[&["train", &renamed], options, &short].concat());
        assert!(code == 2 && line.contains(problem), "{options:?}: {code} {line}");
    }
    let (code, line) = refused(&["train", "article-dag", "--init-only", "*"]);
    assert!(code == 2 && line.contains("--init"), "{line}");
}
