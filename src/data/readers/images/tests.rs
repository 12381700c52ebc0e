//! What counts as an image of which class, and in which order.

use std::path::Path;

use super::*;
use crate::data::Part;
use crate::data::readers::reader;

const PIXEL: &[u8] = include_bytes!("../../../../tests/oracles/images/rgb.png");

/// A folder with these files, all the same image.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, PIXEL).unwrap();
    }
    folder
}

fn table(folder: &Path, options: &str) -> Result<Table> {
    let text = format!("{}{options}", folder.display());
    let graph = crate::model::Model::open(None).unwrap().graph;
    let config = crate::data::DataConfig::default();
    let (spec, request) = Request::parse(&text, (&graph, 1), &config, true)?;
    assert_eq!(spec.name, "images");
    match (spec.read)(&request)? {
        Source::Table(table) => Ok(table),
        other => panic!("{other:?}"),
    }
}

fn rows(table: &Table) -> Vec<String> {
    let columns = table.columns().len();
    let row =
        |row| (0..columns).map(|at| table.field(row, at).unwrap()).collect::<Vec<_>>().join(" ");
    (0..table.len()).map(row).collect()
}

#[test]
fn the_folder_of_an_image_is_its_class() {
    let files = [
        "b/2.png",
        "b/10.JPG",
        "a/deep/er/x.jpeg",
        "a/z.png",
        "a/.hidden.png",
        "a/Thumbs.db",
        ".git/x.png",
        "a/notes.txt",
        "c/only.webp",
        "__MACOSX/b/2.png",
    ];
    let folder = folder(&files);
    let table = table(folder.path(), "").unwrap();
    assert_eq!(table.columns(), ["file", "class"]);
    assert_eq!(
        rows(&table),
        ["a/z.png a", "a/deep/er/x.jpeg a", "b/10.JPG b", "b/2.png b"],
        "sorted by name"
    );
    assert!(table.own_parts().is_none());
    let notes = table.notes().join("\n");
    assert!(notes.contains("c: the folder holds no images, so it is no class"), "{notes}");
    assert!(notes.contains("2 files whose names do not end in .png"), "{notes}");
    assert!(notes.contains("such as") && notes.contains("a/notes.txt"), "{notes}");
}

#[test]
fn folders_of_parts_make_parts() {
    let folder = folder(&["test/a/1.png", "train/b/1.png", "train/a/1.png", "Val/a/1.png"]);
    let table = table(folder.path(), "").unwrap();
    assert_eq!(
        rows(&table),
        ["train/a/1.png a", "train/b/1.png b", "Val/a/1.png a", "test/a/1.png a"]
    );
    let parts = [Part::Train, Part::Train, Part::Validation, Part::Test];
    assert_eq!(table.own_parts(), Some(&parts[..]));
    // With another folder beside them, they are classes like that.
    std::fs::create_dir_all(folder.path().join("bus")).unwrap();
    std::fs::write(folder.path().join("bus/1.png"), PIXEL).unwrap();
    let table = super::tests::table(folder.path(), "").unwrap();
    assert_eq!((table.own_parts(), &*table.field(0, 1).unwrap()), (None, "Val"));
}

#[test]
fn images_to_predict_for_need_no_class() {
    let folder = folder(&["b.png", "a.jpg"]);
    let all = table(folder.path(), ":resize=crop").unwrap();
    assert_eq!(
        (all.columns(), rows(&all)),
        (&["file".to_owned()][..], vec!["a.jpg".into(), "b.png".into()])
    );
    let one = table(&folder.path().join("b.png"), "").unwrap();
    assert_eq!(rows(&one), ["b.png"]);
}

#[test]
fn folders_that_say_two_things_are_refused() {
    for (files, problem) in [
        (&["a.png", "cats/1.png"][..], "found `a.png` beside the folder `cats`"),
        (&["train/1.png", "test/1.png"], "expected folders of classes, found the image `1.png`"),
        (&["train/a/1.png", "test/1.png"], "expected folders of classes, found the image `1.png`"),
        (&["train/a/1.png", "1.png"], "expected folders of classes, found the image `1.png`"),
    ] {
        let message = table(folder(files).path(), "").unwrap_err().to_string();
        assert!(message.contains(problem), "{message}\nlacks\n{problem}");
    }
    let message = table(folder(&["a/1.png"]).path(), ":resize=big").unwrap_err().to_string();
    assert!(message.contains("option `resize` can't be `big`; write exact"), "{message}");
    let empty = folder(&["a/notes.txt"]);
    assert!(reader(empty.path().to_str().unwrap()).is_err());
}

#[cfg(unix)]
#[test]
fn links_that_lead_back_are_refused() {
    use std::os::unix::fs::symlink;

    let folder = folder(&["a/1.png", "b/2.png"]);
    // A link to images elsewhere is followed.
    symlink(folder.path().join("b"), folder.path().join("c")).unwrap();
    assert_eq!(rows(&table(folder.path(), "").unwrap()), ["a/1.png a", "b/2.png b", "c/2.png c"]);
    symlink(folder.path(), folder.path().join("a").join("back")).unwrap();
    let message = table(folder.path(), "").unwrap_err().to_string();
    assert!(message.contains("a/back: the folder lies within itself"), "{message}");
}
