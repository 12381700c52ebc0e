//! The documents: every page is listed, and every link leads somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::command_line::told;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages in `docs`.
fn pages() -> Vec<PathBuf> {
    let entries = root().join("docs").read_dir().unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect()
}

/// The targets of a text's links to files and headings.
fn links(text: &str) -> Vec<&str> {
    let parts = text.split("](").skip(1);
    let targets = parts.filter_map(|part| part.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchors of a text's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let titles = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    titles.map(|title| title.chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut followed = 0;
    for page in
        pages().into_iter().chain([root().join("README.md"), root().join("CONTRIBUTING.md")])
    {
        let text = read(&page);
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !anchor.is_empty() {
                assert!(anchors(&read(&target)).contains(anchor), "{}: {link}", page.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed}");
}

#[test]
fn every_page_is_listed() {
    let list = read(&root().join("docs/README.md"));
    let listed = links(&list);
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || listed.contains(&name), "docs/README.md lacks {name}");
    }
    assert!(read(&root().join("README.md")).contains("docs/README.md"));
}

/// Every sum of the page about them is held by a test that there is.
#[test]
fn every_sum_has_its_test() {
    let page = read(&root().join("docs/numbers.md"));
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let mut held = 0;
    for row in rows {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap().trim().trim_matches('`');
        if ["test", "---"].contains(&cell) {
            continue;
        }
        let (file, test) =
            cell.split_once("::").map_or((cell, None), |(file, test)| (file, Some(test)));
        let text = read(&root().join(file));
        assert!(test.is_none_or(|test| text.contains(&format!("fn {test}("))), "{row}");
        held += 1;
    }
    assert!(held > 20, "{held}");
}

/// The charts of the course are what the program draws.
#[test]
fn charts_of_the_course_are_drawn_by_the_program() {
    let folder = tempfile::tempdir().unwrap();
    for (graph, machine, policy, name) in [
        ("article-dag", ["--workers", "2"], "critical-path", "article-dag"),
        ("binary-tree", ["--workers", "2"], "critical-path", "binary-tree"),
        ("chain:depth=4,width=128", ["--workers", "2"], "critical-path", "chain"),
        ("tests/task_graphs/graham.toml", ["--workers", "4"], "fifo", "graham"),
        ("tests/task_graphs/diamond.toml", ["--speeds", "1,2"], "heft", "diamond"),
    ] {
        let drawn = folder.path().join(name).with_extension("svg");
        let chart = drawn.to_str().unwrap();
        let drawn_by = ["--policies", policy, "--gantt", chart];
        told(&[&["schedule", graph][..], &machine, &drawn_by].concat());
        let stored = root().join("docs/pictures").join(format!("course-{name}.svg"));
        assert_eq!(read(&drawn), read(&stored), "draw {} again", stored.display());
    }
}
