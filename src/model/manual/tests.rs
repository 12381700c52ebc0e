//! The page is what the file holds, and what it shows can be read.

use super::{EXAMPLE, FILE_KEYS, NODE_KEYS, TRAIN_KEYS, manual, manual_of, names, sections};
use crate::graph::TRAINING_ATTRIBUTES;
use crate::model::{Model, kinds};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/model-file.md");

#[test]
fn the_file_holds_the_page() {
    let file = std::fs::read_to_string(PATH).unwrap();
    assert!(
        file == manual(),
        "docs/model-file.md is out of date; renew it with\n\
         cargo run --release -- model-file > docs/model-file.md"
    );
    assert!(!file.contains("{{"), "something was not filled in");
}

#[test]
fn every_example_is_a_model_that_goes_round() {
    let page = manual();
    let mut examples =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let first = examples.next().unwrap();
    assert_eq!(first, EXAMPLE);
    for example in [first].into_iter().chain(examples) {
        let model = Model::from_toml(example, "the example").unwrap();
        let text = model.to_toml().unwrap();
        assert_eq!(Model::from_toml(&text, "again").unwrap().to_toml().unwrap(), text);
    }
}

#[test]
fn the_example_says_all_that_can_be_said() {
    let example: toml::Table = EXAMPLE.parse().unwrap();
    assert!(names(FILE_KEYS).iter().all(|key| example.contains_key(*key)));
    let train = example["train"].as_table().unwrap();
    // Its classes are indices, which nothing can be mixed with.
    let mut keys = names(TRAIN_KEYS).into_iter().filter(|key| *key != "mix_up");
    assert!(keys.all(|key| train.contains_key(key)));
    let nodes = example["node"].as_array().unwrap();
    let has = |key: &str| nodes.iter().any(|node| node.get(key).is_some());
    assert!(names(NODE_KEYS).into_iter().all(has) && has("weight"));
    let training = TRAINING_ATTRIBUTES.iter().map(|(name, _)| name.replace("PARAMETER", "weight"));
    assert!(training.into_iter().all(|name| has(&name)));
    for kind in [kinds::INPUT, kinds::TARGET] {
        assert!(nodes.iter().any(|node| node["kind"].as_str() == Some(kind)), "{kind}");
    }
}

#[test]
fn kinds_as_attributes_are_shown_as_files_hold_them() {
    let mut read = 0;
    for section in sections() {
        for entry in &section.entries {
            let Some((_, shown)) = entry.text.split_once("For example, `") else { continue };
            let shown = shown.split('`').next().unwrap();
            let (of_layer, of_training) = match shown.split_once(" = {") {
                Some(("optimizer", _)) => (String::new(), shown.to_owned()),
                Some(("schedule", _)) => {
                    (String::new(), format!("optimizer = {{ kind = \"sgd\", {shown} }}"))
                }
                Some(_) => (shown.to_owned(), String::new()),
                None => continue,
            };
            let text = format!(
                "outputs = [\"y\"]\n[[node]]\nname = \"x\"\nkind = \"input\"\nshape = [3]\n\
                 [[node]]\nname = \"y\"\nkind = \"dense\"\ninputs = [\"x\"]\nunits = 2\n\
                 {of_layer}\n[train]\n{of_training}\n"
            );
            Model::from_toml(&text, entry.kind).unwrap();
            read += 1;
        }
    }
    assert!(read > 20, "{read}");
}

#[test]
fn every_attribute_has_a_type_a_default_and_a_meaning() {
    let page = manual();
    let mut lines = 0;
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{line}");
        lines += 1;
    }
    assert!(lines > 80, "{lines}");
}

#[test]
fn one_kind_is_what_the_page_says_of_it() {
    let page = manual();
    for section in sections() {
        for entry in &section.entries {
            assert!(page.contains(entry.text.trim_end()), "{}", entry.kind);
            assert!(manual_of(entry.kind).unwrap().contains(&entry.text), "{}", entry.kind);
        }
    }
    let refused = manual_of("conv").unwrap_err().to_string();
    assert!(refused.contains("did you mean `conv2d`?"), "{refused}");
}
