//! Every file of a table's folder is a row, and every row describes itself.

use std::collections::BTreeSet;
use std::path::Path;

use caudal::data::{AUGMENTATIONS, READERS, forms, reader};
use caudal::flow::policy::{POLICIES, policy};
use caudal::flow::{EXECUTORS, executor};
use caudal::initializers::{self, INITIALIZERS};
use caudal::layers::{self, LAYERS};
use caudal::losses::{self, LOSSES};
use caudal::metrics::{self, METRICS};
use caudal::optimizers::{self, OPTIMIZERS};
use caudal::regularizers::{self, REGULARIZERS};
use caudal::scheduling::STATIC_POLICIES;

use super::table;

/// The stems of the files in a folder of `src`, without those that are no rows.
fn files(folder: &str, shared: &[&str]) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let names = path.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let stems = names.filter_map(|name| name.to_str()?.strip_suffix(".rs").map(str::to_owned));
    stems.filter(|stem| stem != "mod" && !shared.contains(&stem.as_str())).collect()
}

/// Asserts that files and rows are the same, and that rows are unique and described.
pub(super) fn assert_table<'a>(
    folder: &str,
    shared: &[&str],
    rows: impl Iterator<Item = (&'a str, &'a str)>,
) {
    let mut kinds = BTreeSet::new();
    for (kind, summary) in rows {
        assert!(summary.len() > 10, "{folder}: `{kind}` has the summary {summary:?}");
        assert!(!summary.contains('\n'), "{folder}: the summary of `{kind}` has several lines");
        assert!(kinds.insert(kind.replace('-', "_")), "{folder}: `{kind}` stands there twice");
    }
    assert_eq!(files(folder, shared), kinds, "{folder}: files and rows");
}

#[test]
fn every_file_is_a_row() {
    assert_table(
        "layers",
        &[
            "checks",
            "convolution_choice",
            "custom",
            "layer",
            "pointwise",
            "prepared_weights",
            "whole_batch",
            "window",
            "tests",
        ],
        LAYERS.iter().map(|row| (row.kind, row.summary)),
    );
    assert_table(
        "losses",
        &["class_weights", "targets", "tests"],
        LOSSES.iter().map(|row| (row.kind, row.summary)),
    );
    assert_table(
        "metrics",
        &["by_class", "tests"],
        METRICS.iter().map(|row| (row.kind, row.summary)),
    );
    assert_table(
        "optimizers",
        &["parameter_group", "shared_attributes", "tests"],
        OPTIMIZERS.iter().map(|row| (row.kind, row.summary)),
    );
    assert_table(
        "initializers",
        &["choice", "tests"],
        INITIALIZERS.iter().map(|row| (row.kind, row.summary)),
    );
    assert_table(
        "regularizers",
        &["tests"],
        REGULARIZERS.iter().map(|row| (row.kind, row.summary)),
    );
    assert_table("data/readers", &["request"], READERS.iter().map(|row| (row.name, row.summary)));
    assert_table(
        "data/augmentations",
        &["mix_up", "random", "tests"],
        AUGMENTATIONS.iter().map(|row| (row.kind, row.summary)),
    );
    let policies = POLICIES.iter().map(|row| (row.name, row.summary));
    let shared = ["chunks", "gaps", "homes", "places", "ranges", "setting", "turns", "urgency"];
    assert_table("flow/policy", &shared, policies);
    assert_table(
        "scheduling/policies",
        &["candidates"],
        STATIC_POLICIES.iter().map(|row| (row.name, row.summary)),
    );
}

#[test]
fn every_row_is_found_by_its_kind_and_makes_that_kind() {
    for row in LAYERS {
        assert!(!row.samples.is_empty(), "{}", row.kind);
        assert!(std::ptr::eq(*row, layers::find(row.kind).unwrap()));
        for sample in row.samples {
            assert_eq!((row.parse)(table(sample.attributes)).unwrap().kind(), row.kind);
        }
    }
    for row in LOSSES {
        assert!(!row.samples.is_empty(), "{}", row.kind);
        assert!(std::ptr::eq(*row, losses::find(row.kind).unwrap()));
        for sample in row.samples {
            assert_eq!((row.parse)(table(sample.attributes)).unwrap().kind(), row.kind);
        }
    }
    for row in METRICS {
        assert!(!row.samples.is_empty(), "{}", row.kind);
        assert!(std::ptr::eq(*row, metrics::find(row.kind).unwrap()));
        for sample in row.samples {
            assert_eq!((row.parse)(table(sample.attributes)).unwrap().kind(), row.kind);
        }
    }
    for row in OPTIMIZERS {
        assert!(!row.samples.is_empty(), "{}", row.kind);
        assert!(std::ptr::eq(*row, optimizers::find(row.kind).unwrap()));
        for sample in row.samples {
            assert_eq!((row.parse)(table(sample)).unwrap().kind(), row.kind);
        }
    }
    for row in INITIALIZERS {
        assert!(std::ptr::eq(*row, initializers::find(row.kind).unwrap()));
        assert_eq!((row.parse)(table("")).unwrap().kind(), row.kind);
    }
    for row in REGULARIZERS {
        assert!(!row.samples.is_empty(), "{}", row.kind);
        assert!(std::ptr::eq(*row, regularizers::find(row.kind).unwrap()));
        for sample in row.samples {
            assert_eq!((row.parse)(table(sample)).unwrap().kind(), row.kind);
        }
    }
    for row in AUGMENTATIONS {
        assert!(!row.samples.is_empty(), "{}", row.kind);
        for sample in row.samples {
            assert_eq!((row.parse)(table(sample)).unwrap().kind(), row.kind);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t10k-labels.idx1-ubyte.gz"), "").unwrap();
    let images = folder.path().to_str().unwrap();
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/images/rgb.png");
    let files =
        ["points.CSV.gz", "points.parquet", "points.npy", "points.Npz", "points.safetensors"];
    let files = files.map(|file| format!("no/such/{file}"));
    let mut named = vec!["digits", "synthetic", images, &files[0], &files[1], photo];
    named.extend(files[2..].iter().map(String::as_str));
    assert_eq!(named.len(), READERS.len(), "name something that each reader reads");
    for (row, named) in READERS.iter().zip(named) {
        assert!(std::ptr::eq(*row, reader(named).unwrap()), "{named}");
        let readers = READERS.iter().filter(|row| (row.recognizes)(named));
        assert_eq!(readers.count(), 1, "{named}");
        assert!(row.form.len() > 5 && forms().contains(row.form), "{}", row.name);
    }
    for row in POLICIES {
        assert_eq!(policy(row.name).unwrap().name(), row.name);
    }
    let mut names = BTreeSet::new();
    for row in EXECUTORS {
        assert!(row.summary.len() > 10 && names.insert(row.name), "{}", row.name);
        assert_eq!(executor(row.name, 1, "fifo").unwrap().name(), row.name);
    }
}

#[test]
fn unknown_kinds_are_refused_with_those_that_exist() {
    let refusals = [
        (layers::find("nonsense").unwrap_err(), LAYERS.iter().map(|row| row.kind).collect()),
        (losses::find("nonsense").unwrap_err(), LOSSES.iter().map(|row| row.kind).collect()),
        (metrics::find("nonsense").unwrap_err(), METRICS.iter().map(|row| row.kind).collect()),
        (optimizers::find("nonsense").unwrap_err(), OPTIMIZERS.iter().map(|r| r.kind).collect()),
        (
            initializers::find("nonsense").unwrap_err(),
            INITIALIZERS.iter().map(|r| r.kind).collect(),
        ),
        (
            regularizers::find("nonsense").unwrap_err(),
            REGULARIZERS.iter().map(|r| r.kind).collect(),
        ),
        (reader("`nonsense`").unwrap_err(), READERS.iter().map(|row| row.form).collect()),
        (policy("nonsense").unwrap_err(), POLICIES.iter().map(|row| row.name).collect()),
        (
            executor("nonsense", 1, "fifo").err().unwrap(),
            EXECUTORS.iter().map(|row| row.name).collect::<Vec<_>>(),
        ),
    ];
    for (error, kinds) in refusals {
        let error = error.to_string();
        assert!(error.contains("`nonsense`"), "{error}");
        assert!(kinds.iter().all(|kind| error.contains(kind)), "{error}");
    }
}

#[test]
fn attributes_are_described_once() {
    let tables = LAYERS.iter().map(|row| (row.kind, row.attributes));
    let tables = tables.chain(LOSSES.iter().map(|row| (row.kind, row.attributes)));
    let tables = tables.chain(METRICS.iter().map(|row| (row.kind, row.attributes)));
    let tables = tables.chain(OPTIMIZERS.iter().map(|row| (row.kind, row.attributes)));
    let tables = tables.chain(INITIALIZERS.iter().map(|row| (row.kind, row.attributes)));
    let tables = tables.chain(REGULARIZERS.iter().map(|row| (row.kind, row.attributes)));
    let tables = tables.chain(AUGMENTATIONS.iter().map(|row| (row.kind, row.attributes)));
    let tables = tables.chain(READERS.iter().map(|row| (row.name, row.options)));
    let mut described = 0;
    for (kind, attributes) in tables {
        let mut names = BTreeSet::new();
        for (name, description) in attributes {
            assert!(names.insert(name), "{kind}: `{name}` stands there twice");
            assert!(!description.is_empty(), "{kind}: {name}");
            described += 1;
        }
    }
    assert!(described >= 10, "{described}");
}
