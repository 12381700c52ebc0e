//! `caudal sweep`: many trainings, each in a folder of its own.

use std::path::Path;

use serde_json::{Value, json as object};

use super::command_line::{caudal, json, path, refused, told};

fn trials(told: &Value) -> &Vec<Value> {
    told["trials"].as_array().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_sweep_is_sorted_by_validation_and_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = path(&folder, "sweep");
    let arguments = [
        "sweep",
        "article-dag",
        "--folder",
        &sweep,
        "--set",
        "optimizer.learning_rate=0.001,0.1",
        "--set",
        "seed=0,1",
        "--watch",
        "accuracy",
        "--json",
        "--",
        "--max-steps",
        "30",
        "--validation",
        "0.2",
    ];
    let sweep_told = || -> Value {
        let told = told(&arguments);
        serde_json::from_str(told.lines().last().unwrap()).unwrap()
    };
    let first = sweep_told();
    let found = trials(&first);
    assert_eq!(found.len(), 4);
    let accuracy = |trial: &Value| trial["validation"]["accuracy"].as_f64().unwrap();
    assert!(found.windows(2).all(|two| accuracy(&two[0]) >= accuracy(&two[1])), "{first}");
    assert!(accuracy(&found[0]) > accuracy(&found[3]), "{first}");
    assert_eq!(found[0]["setting"]["optimizer.learning_rate"], "0.1");
    assert!(found.iter().all(|trial| trial["steps"] == 30), "{first}");
    // The training is that of `caudal train` with the same options.
    let number = found[0]["trial"].as_u64().unwrap();
    let saved = format!("{sweep}/{number:04}/model.safetensors");
    let alone = path(&folder, "alone.safetensors");
    let seed = found[0]["setting"]["seed"].as_str().unwrap();
    let train = ["train", "article-dag", "--learning-rate", "0.1", "--seed", seed, "--quiet"];
    let rest = ["--max-steps", "30", "--validation", "0.2", "--save", &alone];
    told(&[&train[..], &rest].concat());
    let hash =
        |file: &str| json(&["evaluate", file, "--part", "validation"])["weights_sha256"].clone();
    assert_eq!(hash(&saved), hash(&alone));
    // A trial without a result is trained again, to the same end; the others are passed over.
    let trial = format!("{sweep}/0002/trial.json");
    let mut kept: Value = serde_json::from_str(&read(&trial)).unwrap();
    let before = kept["result"]["values"].clone();
    kept["result"] = Value::Null;
    std::fs::write(&trial, kept.to_string()).unwrap();
    let others = read(&format!("{sweep}/0001/trial.json"));
    let output = caudal(&arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("3 of 4 trainings are done"), "{errors}");
    assert!(errors.contains("2/4  optimizer.learning_rate=0.001 seed=1  accuracy"), "{errors}");
    let after: Value = serde_json::from_str(&read(&trial)).unwrap();
    assert_eq!(after["result"]["values"], before);
    assert_eq!(read(&format!("{sweep}/0001/trial.json")), others);
    let table = read(&format!("{sweep}/sweep.csv"));
    assert!(table.starts_with("trial,optimizer.learning_rate,seed,loss,"), "{table}");
    assert_eq!(table.lines().count(), 5);
    // Another sweep does not mix with it.
    let other = ["sweep", "article-dag", "--folder", &sweep, "--set", "seed=0,1"];
    let (_, message) = refused(&other);
    assert!(message.contains("it is of another sweep") && message.contains("0001"), "{message}");
}

#[test]
fn sweeps_side_by_side_and_at_random_have_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, at_once: &str| {
        let sweep = path(&folder, name);
        let arguments = ["sweep", "chain:depth=2,width=8", "--folder", &sweep, "--random", "3"];
        let more = ["--set", "depth=1..9", "--set", "optimizer.learning_rate=log:1e-3..1e-1"];
        let end = ["--at-once", at_once, "--json", "--", "--data", "synthetic", "--max-steps", "4"];
        let told = told(&[&arguments[..], &more, &end].concat());
        let object: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        let of = |trial: &Value| object!([trial["setting"], trial["validation"]]);
        trials(&object).iter().map(of).collect::<Vec<_>>()
    };
    let (one, three) = (run("one", "1"), run("three", "3"));
    assert_eq!(one.len(), 3);
    assert_eq!(one, three);
}

#[test]
fn what_fails_by_its_numbers_comes_last_and_what_is_wrong_is_refused_before_the_first_training() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = path(&folder, "sweep");
    let arguments = ["sweep", "digits", "--folder", &sweep, "--set"];
    let rates = ["optimizer.learning_rate=1e30,0.05", "--json", "--", "--max-steps", "4"];
    let told = told(&[&arguments[..], &rates].concat());
    let object: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    let found = trials(&object);
    assert_eq!(found[0]["setting"]["optimizer.learning_rate"], "0.05");
    assert!(found[0]["error"].is_null());
    assert!(found[1]["error"].as_str().unwrap().contains("step"), "{object}");
    assert!(told.contains("the best: optimizer.learning_rate=0.05; `caudal evaluate "), "{told}");

    // What only the data can tell ends the sweep at its first training.
    let sweep = path(&folder, "nothing");
    let output = caudal(&[
        "sweep", "digits", "--folder", &sweep, "--set", "seed=1,2", "--", "--data", "no.csv",
    ]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("trial 1 (seed=1): no.csv: "), "{errors}");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));

    let sweep = path(&folder, "refused");
    let refuse = |more: &[&str]| {
        let (_, message) = refused(&[&["sweep", "digits", "--folder", &sweep], more].concat());
        assert!(!Path::new(&sweep).join("0001").exists(), "{message}");
        message
    };
    let message = refuse(&["--set", "logit.units=3"]);
    assert!(message.contains("no node `logit`"), "{message}");
    let message = refuse(&["--set", "stem.filter=3"]);
    assert!(message.contains("stem.filter=3") && message.contains("filters"), "{message}");
    let message = refuse(&["--set", "seed=1,2", "--watch", "acuracy"]);
    assert!(message.contains("did you mean `accuracy`"), "{message}");
    let message = refuse(&["--set", "seed=1,2", "--", "--save", "x.safetensors"]);
    assert!(message.contains("--save can't be given to every training"), "{message}");
    let message = refuse(&["--set", "seed=1,2", "--", "--epoch", "3"]);
    assert!(message.contains("--epoch"), "{message}");
    let message = refuse(&["--set", "seed=1..3"]);
    assert!(message.contains("--random N"), "{message}");
}
