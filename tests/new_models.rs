//! `caudal new`: model files for the data at hand, which train as they are written.

use caudal::model::Model;

use super::command_line::{json, path, refused, told};
use super::images::{colour, put};

/// A table of flats: numbers, some missing, words, and what should be left out.
fn flats(items: usize) -> String {
    let row = |item: usize| {
        let area = 40 + 7 * item % 90;
        let year = if item.is_multiple_of(9) {
            String::new()
        } else {
            (1950 + 11 * item % 70).to_string()
        };
        let city = ["Rome", "Paris", "Oslo"][item % 3];
        let lift = if item.is_multiple_of(4) { "yes" } else { "no" };
        let price = 1000 * area + 20_000 * (item % 3) + 17 * item;
        let state = ["old", "new"][usize::from(area > 80)];
        format!("flat {item},{area},{year},{city},{lift},7,{price},{state}\n")
    };
    let head = "name,area,year,city,lift,country,price,state\n";
    (0..items).map(row).fold(head.to_owned(), |text, row| text + &row)
}

#[test]
fn the_model_for_a_table_trains_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let [table, model, saved] =
        ["flats.csv", "flats.toml", "m.safetensors"].map(|it| path(&folder, it));
    std::fs::write(&table, flats(200)).unwrap();
    told(&["new", "--data", &table, "--target", "price,state", "--out", &model]);
    let text = std::fs::read_to_string(&model).unwrap();
    assert!(
        text.contains("# column name is left out: it holds more than 32 different words"),
        "{text}"
    );
    assert!(text.contains("# column country is left out: its numbers are all equal"), "{text}");
    assert!(
        text.contains("columns = [\"area\", { column = \"year\", missing = \"indicator\" }]"),
        "{text}"
    );
    let graph = Model::open(Some(&model)).unwrap().graph;
    let shape = |name: &str| graph.node(name).unwrap().shape.clone();
    assert_eq!((shape("numbers"), shape("city"), shape("lift")), (vec![3], vec![3], vec![2]));
    assert_eq!((shape("price"), shape("state")), (vec![1], vec![]));
    let object =
        json(&["train", &model, "--data", &table, "--epochs", "40", "--quiet", "--save", &saved]);
    let metrics = &object["test_metrics"];
    assert!(metrics["price-r2"].as_f64().unwrap() > 0.8, "{object}");
    assert!(metrics["state-accuracy"].as_f64().unwrap() > 0.8, "{object}");
    let lines = told(&["predict", &saved, "--data", &table]);
    assert!(lines.starts_with("item,price-value.0,state-scores.class,"), "{lines}");
    // The last column is the target unless others are named, and `-` is standard output.
    let text = told(&["new", "--data", &table, "--out", "-"]);
    assert!(text.contains("name = \"state-scores\"") && !text.contains("price-value"), "{text}");
}

#[test]
fn whole_numbers_are_classes_if_they_are_few_or_if_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let table = path(&folder, "t.csv");
    let rows = (0..60).map(|item| format!("{}.5,{},{}\n", item, item % 3 + 4, item % 2 + item / 2));
    let text = rows.fold("x,grade,count\n".to_owned(), |text, row| text + &row);
    std::fs::write(&table, text).unwrap();
    let new = |target: &str, more: &[&str]| {
        told(&[&["new", "--data", &table, "--target", target, "--out", "-"], more].concat())
    };
    assert!(new("grade", &[]).contains("units = 3\n"));
    assert!(new("count", &[]).contains("\"mean_squared_error\""));
    assert!(new("grade", &["--task", "regression"]).contains("\"mean_squared_error\""));
    assert!(new("count", &["--task", "classification"]).contains("units = 31\n"));
}

#[test]
fn any_names_of_columns_make_a_model_that_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let [table, model] = ["odd.csv", "odd.toml"].map(|it| path(&folder, it));
    let head = "\"a \"\"b\"\"\",numbers,x..y,\"c\nd\",all,common,[train],größe,\"y\"\"\n";
    let head = head.replace("\"y\"\"\n", "\"y,\"\"z\"\n");
    let row = |item: usize| {
        let word = ["u", "v"][item % 2];
        format!("{item},{}.5,{item},{word},{word},{item},{item},{item},{}\n", item, item % 2)
    };
    let text = (0..60).map(row).fold(head, |text, row| text + &row);
    std::fs::write(&table, text).unwrap();
    told(&["new", "--data", &table, "--out", &model]);
    let object = json(&["train", &model, "--data", &table, "--max-steps", "3", "--quiet"]);
    assert_eq!(object["steps"], 3, "{object}");
}

#[test]
fn the_model_for_a_folder_of_images_trains_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let [photos, model] = ["photos", "photos.toml"].map(|it| path(&folder, it));
    for (class, name) in ["red", "green", "blue"].iter().enumerate() {
        for item in 0..8 {
            put(folder.path(), &format!("photos/{name}/{item}.png"), &colour(class, item));
        }
    }
    told(&["new", "--data", &photos, "--out", &model]);
    let graph = Model::open(Some(&model)).unwrap().graph;
    assert_eq!(graph.node("image").unwrap().shape, [8, 8, 3]);
    assert_eq!(graph.node("class-scores").unwrap().shape, [3]);
    let object = json(&["train", &model, "--data", &photos, "--max-steps", "3", "--quiet"]);
    assert_eq!(object["steps"], 3, "{object}");
    let (_, message) = refused(&["new", "--data", &photos, "--target", "file", "--out", "-"]);
    assert!(message.contains("the target of a folder of images is `class`"), "{message}");
}

#[test]
fn what_can_not_be_modelled_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let table = path(&folder, "t.csv");
    let refuse = |text: &str, more: &[&str]| {
        std::fs::write(&table, text).unwrap();
        refused(&[&["new", "--data", &table, "--out", "-"], more].concat()).1
    };
    let message = refuse("a,b\n1,2\n2,\n3,4\n", &[]);
    assert!(message.contains("column `b`: it is missing 1 times"), "{message}");
    let message = refuse("a,b\n1,2\n1,3\n1,4\n", &[]);
    assert!(message.contains("column a is left out: its numbers are all equal"), "{message}");
    let message = refuse("a,b\n1,2\n2,3\n", &["--target", "c"]);
    assert!(message.contains("no such column; there are a, b"), "{message}");
    let message = refuse("a,b\n1,x\n2,x\n", &[]);
    assert!(message.contains("all its values are equal"), "{message}");
    let (_, message) = refused(&["new", "--data", "digits", "--out", "-"]);
    assert!(message.contains("found arrays of numbers"), "{message}");
    let (_, message) = refused(&["new", "--data", &table, "--out", &path(&folder, "m.txt")]);
    assert!(message.contains("model files end in .toml"), "{message}");
}
