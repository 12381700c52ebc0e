//! The modules of the crate stand on floors: each uses those below it alone. `docs/design.md` has the
//! floors and the rule; these tests read them there.

mod imports;
mod planted;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use imports::{imports, root_uses};
use tokens::{shipping, tokens};

/// The floors, from the ground up, and where names at the crate's root are from.
struct Building {
    floors: Vec<Vec<String>>,
    /// By name, the module that defines it.
    root: BTreeMap<String, String>,
}

impl Building {
    /// Of the text of `docs/design.md` and of `src/lib.rs`.
    fn new(design: &str, library: &str) -> Self {
        let section = design.split("\n## Floors\n").nth(1).expect("a section `Floors`");
        let list = section.split("\n```").nth(1).expect("a fenced list in the section `Floors`");
        // The first line is what follows the fence.
        let floors = list.lines().skip(1).map(|line| {
            let names = line.split("  ").next().unwrap_or_default();
            names.split(',').map(|name| name.trim().to_owned()).collect()
        });
        let mut floors: Vec<Vec<String>> = floors.collect();
        floors.reverse();
        let mut root = BTreeMap::new();
        for path in root_uses(&shipping(&tokens(library)).tokens) {
            if let [module, .., name] = &path.names[..] {
                root.insert(path.alias.unwrap_or_else(|| name.clone()), module.clone());
            }
        }
        Self { floors, root }
    }

    fn floor(&self, module: &str) -> Option<usize> {
        self.floors.iter().position(|floor| floor.iter().any(|other| other == module))
    }

    /// What is wrong in the source of a module, which is given by its path from the root.
    fn violations(&self, file: &str, module: &[String], source: &str) -> BTreeSet<String> {
        // The root itself stands above all.
        let Some(own) = module.first() else { return BTreeSet::new() };
        let Some(own_floor) = self.floor(own) else {
            return BTreeSet::from([format!("{file}: `{own}` stands on no floor")]);
        };
        let paths = imports(&shipping(&tokens(source)).tokens, module);
        let wrong = paths.into_iter().filter_map(|path| {
            let at = format!("{file}:{}", path.line);
            let name = match path.names.first() {
                None => return Some(format!("{at} imports the root, which is above `{own}`")),
                Some(name) if name == "*" => {
                    return Some(format!("{at} imports all of the root, which is above `{own}`"));
                }
                Some(name) => self.root.get(name).unwrap_or(name),
            };
            if name == own {
                return None;
            }
            match self.floor(name) {
                None => Some(format!("{at} imports `{name}`, which stands on no floor")),
                Some(floor) if floor > own_floor => {
                    Some(format!("{at} imports `{name}`, which is above `{own}`"))
                }
                Some(floor) if floor == own_floor => {
                    Some(format!("{at} imports `{name}`, which is beside `{own}`"))
                }
                Some(_) => None,
            }
        });
        wrong.collect()
    }
}

/// The path of a file's module: none for the root, `["layers", "dense"]` for `layers/dense.rs`.
fn module_of(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        file.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
        names.pop();
    }
    names
}

/// All files of a folder and those below it whose names end in `.rs`.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn building() -> Building {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    Building::new(&read("docs/design.md"), &read("src/lib.rs"))
}

#[test]
fn every_module_uses_lower_floors_alone() {
    let building = building();
    let sources = root().join("src");
    let files: Vec<(Vec<String>, PathBuf, String)> = files_below(&sources)
        .into_iter()
        .map(|path| {
            let source = fs::read_to_string(&path).unwrap();
            (module_of(path.strip_prefix(&sources).unwrap()), path, source)
        })
        .collect();
    // Modules that are declared under `#[cfg(test)]`, wherever their files are.
    let for_tests: Vec<Vec<String>> = files
        .iter()
        .flat_map(|(module, _, source)| {
            let declared = shipping(&tokens(source)).test_modules;
            declared.into_iter().map(move |name| [&module[..], &[name]].concat())
        })
        .collect();
    let mut wrong = Vec::new();
    for (module, path, source) in &files {
        let named_tests = module.iter().any(|name| name == "tests");
        if !named_tests && !for_tests.iter().any(|exempt| module.starts_with(exempt)) {
            let file = path.strip_prefix(root()).unwrap().display().to_string();
            wrong.extend(building.violations(&file, module, source));
        }
    }
    assert!(wrong.is_empty(), "{} imports go up:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_module_stands_on_one_floor() {
    let listed: Vec<String> = building().floors.concat();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), unique.len(), "a module stands on two floors: {listed:?}");
    let there: BTreeSet<String> = root()
        .join("src")
        .read_dir()
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.contains('.') {
                name.strip_suffix(".rs").map(str::to_owned)
            } else {
                Some(name)
            }
        })
        .filter(|name| name != "lib" && name != "main")
        .collect();
    assert_eq!(unique, there, "on the left what docs/design.md lists, on the right what src has");
}
