//! The packages that others wrote: their licences, sources and number, as `.deny.toml` and `docs/reliability.md` say.
//!
//! cargo-deny checks more of `.deny.toml`, where it is installed; this needs cargo alone, and no network.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What cargo prints; nothing if it lacks a package that it would have to fetch.
fn cargo(arguments: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("failed to download") {
        println!("not tried: {arguments:?}: {}", errors.trim());
        return None;
    }
    assert!(output.status.success(), "{arguments:?}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn read(file: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{file}")).unwrap()
}

/// Packages of this system, with what tests need.
fn packages() -> Option<Vec<Value>> {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let told = cargo(&["metadata", "--format-version", "1", "--filter-platform", &host])?;
    let mut metadata: Value = serde_json::from_str(&told).unwrap();
    let Value::Array(packages) = metadata["packages"].take() else { panic!("{told}") };
    Some(packages)
}

fn strings(list: &toml::Value) -> BTreeSet<String> {
    let name = |entry: &toml::Value| {
        let text = entry.as_str().or_else(|| entry.get("crate")?.as_str()).unwrap();
        text.to_owned()
    };
    list.as_array().unwrap().iter().map(name).collect()
}

/// Whether an expression of SPDX leaves a choice that is allowed. Older packages write `/` for `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let allows = any_of(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "{expression}");
    allows
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut any = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        any |= all_of(words, at, allowed);
    }
    any
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut all = one_of(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        all &= one_of(words, at, allowed);
    }
    all
}

fn one_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let word = *words.get(*at).expect("a licence ends an expression");
    *at += 1;
    if word == "(" {
        let any = any_of(words, at, allowed);
        assert_eq!(words.get(*at), Some(&")"));
        *at += 1;
        return any;
    }
    let mut licence = word.to_owned();
    if words.get(*at) == Some(&"WITH") {
        licence = format!("{word} WITH {}", words[*at + 1]);
        *at += 2;
    }
    allowed.contains(&licence)
}

#[test]
fn expressions_of_licences_are_understood() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "Unicode-3.0".to_owned()]);
    for (expression, allows) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(GPL-3.0 OR MIT) AND Unicode-3.0", true),
        ("GPL-3.0 OR MIT AND GPL-3.0", false),
        ("MIT WITH exception", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), allows, "{expression}");
    }
}

#[test]
fn packages_of_others_have_allowed_licences_and_one_source() {
    let Some(packages) = packages() else { return };
    let rules: toml::Table = toml::from_str(&read(".deny.toml")).unwrap();
    let allowed = strings(&rules["licenses"]["allow"]);
    let banned = strings(&rules["bans"]["deny"]);
    let skipped = strings(&rules["bans"]["skip"]);
    let (mut sources, mut versions) = (BTreeSet::new(), BTreeMap::<_, BTreeSet<_>>::new());
    let mut used = BTreeSet::new();
    for package in &packages {
        let text = |field: &str| package[field].as_str().unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        let licence = text("license");
        assert!(is_allowed(licence, &allowed), "{name} {version}: {licence}");
        for licence in &allowed {
            if licence_words(text("license")).contains(licence) {
                used.insert(licence.clone());
            }
        }
        assert!(!banned.contains(name), "{name} is banned");
        sources.insert(package["source"].as_str());
        versions.entry(name).or_default().insert(version);
    }
    // That of this package, and one registry.
    assert!(sources.len() == 2 && sources.contains(&None), "{sources:?}");
    assert!(sources.iter().flatten().all(|source| source.starts_with("registry+")), "{sources:?}");
    assert_eq!(used, allowed, "a licence that nobody has is not in the list");
    let several = versions.iter().filter(|(_, versions)| versions.len() > 1);
    let several: BTreeSet<&str> = several.map(|(&name, _)| name).collect();
    let skipped: BTreeSet<&str> = skipped.iter().map(|it| it.split('@').next().unwrap()).collect();
    assert_eq!(several, skipped, "packages of several versions, and those that may be");
}

/// The licences that an expression names.
fn licence_words(expression: &str) -> BTreeSet<String> {
    let spaced = expression.replace(['/', '(', ')'], " OR ").replace(" AND ", " OR ");
    spaced.split(" OR ").map(|word| word.trim().to_owned()).collect()
}

#[test]
fn as_many_packages_are_needed_as_the_document_says() {
    // Elsewhere there are others.
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return;
    }
    let document = read("docs/reliability.md");
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let features = manifest["features"].as_table().unwrap().keys().filter(|it| *it != "default");
    let rows = features.map(|feature| (format!("`{feature}`"), vec!["--features", feature]));
    let rows = rows.chain([("none".to_owned(), Vec::new())]);
    for (name, mut arguments) in rows {
        arguments.extend(["--no-default-features", "-e", "normal", "--prefix", "none"]);
        let Some(tree) = cargo(&[&["tree", "--no-dedupe"], &arguments[..]].concat()) else {
            continue;
        };
        // All but this one.
        let found = tree.lines().collect::<BTreeSet<_>>().len() - 1;
        let row = format!("| {name} | {found} |");
        assert!(document.contains(&row), "docs/reliability.md lacks the row {row}");
        let readme = match name.as_str() {
            "none" => format!("needs {found} other packages"),
            "`cli`" => format!("not {found}, macros"),
            _ => continue,
        };
        let own = read("README.md").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(own.contains(&readme), "README.md: {readme}");
    }
}
