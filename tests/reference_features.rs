//! Every name in `docs/reference-features.md` exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use caudal::blocks::BLOCKS;
use caudal::graph::TRAINING_ATTRIBUTES;
use caudal::initializers::INITIALIZERS;
use caudal::layers::LAYERS;
use caudal::losses::LOSSES;
use caudal::metrics::METRICS;
use caudal::optimizers::OPTIMIZERS;
use caudal::optimizers::schedules::SCHEDULES;
use caudal::regularizers::REGULARIZERS;

type Attributes = &'static [(&'static str, &'static str)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// By kind: its attributes. The same kind may stand in several tables.
fn kinds() -> BTreeMap<&'static str, Vec<Attributes>> {
    let mut kinds: BTreeMap<&str, Vec<Attributes>> = BTreeMap::new();
    let mut add = |kind, attributes| kinds.entry(kind).or_default().push(attributes);
    for kind in ["input", "target"] {
        add(kind, &[("shape", "")]);
    }
    for row in LAYERS {
        add(row.kind, row.attributes);
    }
    for row in BLOCKS {
        add(row.kind, row.attributes);
    }
    for row in LOSSES {
        add(row.kind, row.attributes);
    }
    for row in METRICS {
        add(row.kind, row.attributes);
    }
    for row in OPTIMIZERS {
        add(row.kind, row.attributes);
    }
    for row in INITIALIZERS {
        add(row.kind, row.attributes);
    }
    for row in SCHEDULES {
        add(row.kind, row.attributes);
    }
    for row in REGULARIZERS {
        add(row.kind, row.attributes);
    }
    kinds
}

/// All source files of a module: `a.rs`, or what lies in the folder `a`.
fn sources(module: &[&str]) -> Vec<PathBuf> {
    let place = module.iter().fold(root().join("src"), |path, name| path.join(name));
    let file = place.with_extension("rs");
    if file.is_file() {
        return vec![file];
    }
    let mut files = Vec::new();
    let mut folders = vec![place];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// Whether the text holds `words` as whole words.
fn holds(text: &str, words: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(words).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        !before.is_some_and(inner) && !after.is_some_and(inner)
    })
}

/// Why an item of the library is none, if it is none.
fn find_item(path: &str) -> Result<(), String> {
    let names: Vec<&str> = path.split("::").collect();
    let modules = names.iter().take_while(|name| {
        name.starts_with(char::is_lowercase) && **name != *names.last().unwrap()
    });
    let modules: Vec<&str> = modules.copied().collect();
    let files = sources(&modules);
    let texts: Vec<String> =
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let items = &names[modules.len()..];
    if texts.is_empty() || items.is_empty() {
        return Err(format!("`{path}`: there is no module {modules:?}"));
    }
    // The first item is public there: defined in the module's own file, or handed on by it.
    let own = modules.iter().fold(root().join("src"), |path, name| path.join(name));
    let own = if own.is_dir() { own.join("mod.rs") } else { own.with_extension("rs") };
    let own = std::fs::read_to_string(own).unwrap();
    let public = own.lines().any(|line| {
        let line = line.trim_start();
        (line.starts_with("pub ") || line.ends_with("};") || line.ends_with(','))
            && holds(line, items[0])
    });
    if !public {
        return Err(format!("`{path}`: {modules:?} has no public `{}`", items[0]));
    }
    for item in items {
        let forms = ["fn", "struct", "enum", "trait", "const", "type", "pub"];
        let defined = forms
            .iter()
            .any(|form| texts.iter().any(|text| holds(text, &format!("{form} {item}"))));
        // A variant stands at the start of its line.
        let variant = item.starts_with(char::is_uppercase)
            && texts.iter().flat_map(|text| text.lines()).any(|line| {
                let line = line.trim_start();
                line == format!("{item},") || line.starts_with(&format!("{item}("))
            });
        if !defined && !variant {
            return Err(format!("`{path}`: `{item}` is defined nowhere in {modules:?}"));
        }
    }
    Ok(())
}

/// The names in backquotes.
fn names(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_table_of_features_names_what_exists() {
    let text = std::fs::read_to_string(root().join("docs/reference-features.md")).unwrap();
    let kinds = kinds();
    let mut commands: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{line}");
        rows += 1;
        let here = names(cells[2]);
        if here.is_empty() {
            wrong.push(format!("nothing is named in: {line}"));
        }
        for name in here {
            if let Some(command) = name.strip_prefix("caudal ") {
                let mut words = command.split(' ').map(str::to_owned);
                let options = commands.entry(words.next().unwrap()).or_default();
                options.extend(words);
            } else if name.contains("::") {
                wrong.extend(find_item(name).err());
            } else if name.contains('/') {
                if !root().join(name).is_file() {
                    wrong.push(format!("`{name}` is no file"));
                }
            } else {
                let (kind, attribute) = name.split_once('.').unwrap_or((name, ""));
                let known = kinds.get(kind).is_some_and(|tables| {
                    attribute.is_empty()
                        || TRAINING_ATTRIBUTES.iter().any(|(known, _)| *known == attribute)
                        || tables.iter().any(|it| it.iter().any(|(known, _)| *known == attribute))
                });
                if !known {
                    wrong.push(format!("`{name}` is in no table"));
                }
            }
        }
    }
    for (command, options) in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_caudal"))
            .args([command.as_str(), "--help"])
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        if !output.status.success() {
            wrong.push(format!("there is no `caudal {command}`"));
        }
        let missing = options.iter().filter(|option| {
            let mut words = help.split(|c: char| !(c.is_alphanumeric() || c == '-'));
            !words.any(|word| word == option.as_str())
        });
        wrong.extend(missing.map(|option| format!("`caudal {command}` has no `{option}`")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows >= 40, "{rows}");
}

#[test]
fn names_that_do_not_exist_are_found_out() {
    for path in [
        "graph::GraphBuilder::nonsense",
        "graph::Nonsense",
        "nonsense::GraphBuilder",
        "data::Order::Nonsense",
        "train::FitOptions::nonsense",
        // Defined, but not public in that module.
        "graph::Draft",
    ] {
        assert!(find_item(path).is_err(), "{path}");
    }
    assert!(!holds("pub fn layers", "fn layer") && holds("pub fn layer(", "fn layer"));
}
