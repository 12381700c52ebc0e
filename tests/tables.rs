//! Networks with several inputs and targets from one table, from the command line.

use std::fmt::Write;
use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::command_line::{as_json, caudal, json, path, refused, told};

/// Two inputs, a price and a class.
pub(crate) const FLATS: &str = include_str!("tables/flats.toml");

/// 120 flats with words, missing values and columns of unequal scales.
pub(crate) fn flats() -> String {
    let mut text = "id,area,rooms,year,city,heating,price,kind\n".to_owned();
    for id in 0..120u32 {
        let area = 25 + (id * 37) % 140;
        let rooms = 1 + area / 30;
        let year = 1900 + (id * 53) % 120;
        let city = ["Rome", "Paris", "Berlin", "Porto"][(id as usize * 7) % 4];
        let heating = ["gas", "oil", ""][(id as usize * 5) % 3];
        let price = area * 3000 + rooms * 10_000 + (year - 1900) * 500;
        let kind = if area > 100 {
            "house"
        } else if rooms > 2 {
            "flat"
        } else {
            "studio"
        };
        let year = if id % 11 == 3 { String::new() } else { year.to_string() };
        let _ = writeln!(text, "{id},{area},{rooms},{year},{city},{heating},{price},{kind}");
    }
    text
}

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The program, in a folder.
pub(crate) fn program(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    command.current_dir(folder.path());
    command
}

/// Runs the program in a folder: exit code, standard output and standard error.
pub(crate) fn within(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let output = program(folder).args(arguments).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// The last line of standard output, which is a JSON object.
pub(crate) fn object(folder: &TempDir, arguments: &[&str]) -> Value {
    let (code, told, errors) = within(folder, &[arguments, as_json(arguments)].concat());
    assert_eq!(code, 0, "{arguments:?}: {errors}");
    serde_json::from_str(told.lines().last().unwrap()).unwrap()
}

#[test]
fn a_table_for_two_inputs_and_two_targets_from_training_to_prediction() {
    let folder = folder_with(&[("flats.toml", FLATS), ("flats.csv", &flats())]);
    let train =
        ["train", "flats.toml", "--data", "flats.csv", "--epochs", "40", "--validation", "0.2"];
    let whole = object(&folder, &[&train[..], &["--quiet", "--workers", "1"]].concat());
    assert_eq!(whole["test_items"], 24);
    let two = object(&folder, &[&train[..], &["--quiet", "--workers", "2"]].concat());
    assert_eq!(two["weights_sha256"], whole["weights_sha256"], "by the number of workers");

    // What is printed of the words, once.
    let (_, _, notes) = within(&folder, &[&train[..], &["--quiet", "--max-steps", "1"]].concat());
    for note in [
        "note: column `city`, node `place`: one-hot words 0 = Berlin, 1 = Paris, 2 = Porto, 3 = Rome",
        "note: column `kind`, node `kind`: classes 0 = flat, 1 = house, 2 = studio",
        "note: flats.csv: column `id` is passed over, for no node takes it",
    ] {
        assert!(notes.contains(note), "{notes}\nlacks\n{note}");
    }

    // Half of it, saved; the other half, killed on its way; and again from what was saved.
    let half =
        [&train[..], &["--quiet", "--max-steps", "97", "--save", "half.safetensors"]].concat();
    object(&folder, &half);
    let mut child = Command::new(env!("CARGO_BIN_EXE_caudal"))
        .args([
            "train",
            "--resume",
            "half.safetensors",
            "--data",
            "flats.csv",
            "--epochs",
            "1000000",
        ])
        .args(["--save", "never.safetensors"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stderr.take().unwrap().read_exact(&mut [0; 200]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let resume = ["train", "--resume", "half.safetensors", "--data", "flats.csv", "--epochs", "40"];
    let save = ["--quiet", "--save", "flats.safetensors"];
    let resumed = object(&folder, &[&resume[..], &save].concat());
    for field in ["weights_sha256", "loss", "steps", "test_metrics", "test_losses"] {
        assert_eq!(resumed[field], whole[field], "{field}");
    }

    // The model file is not needed any more; the test part is the same, and so is the validation part.
    let tested = object(&folder, &["evaluate", "flats.safetensors", "--data", "flats.csv"]);
    assert_eq!((&tested["loss"], &tested["test_items"]), (&whole["loss"], &24.into()));
    let chosen = ["evaluate", "flats.safetensors", "--data", "flats.csv", "--part", "validation"];
    assert_ne!(object(&folder, &chosen)["loss"], tested["loss"]);

    // New flats, their columns in another order, one more column, and no targets.
    let new = "city;year;floor;rooms;area;heating\nPorto;1950;3;2;60;gas\nRome;;1;6;160;\n";
    std::fs::write(folder.path().join("new.csv"), new).unwrap();
    let (code, out, notes) =
        within(&folder, &["predict", "flats.safetensors", "--data", "new.csv"]);
    assert_eq!(code, 0, "{notes}");
    assert_eq!(notes, "note: new.csv: column `floor` is passed over, for no node takes it\n");
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0], ["item", "value.0", "sort.class", "sort.0", "sort.1", "sort.2"]);
    assert_eq!((lines.len(), lines[2][2]), (3, "house"));
    let prices: Vec<f64> = lines[1..].iter().map(|line| line[1].parse().unwrap()).collect();
    assert!((100_000.0..400_000.0).contains(&prices[0]), "{prices:?}");
    assert!((400_000.0..800_000.0).contains(&prices[1]), "{prices:?}");
    // The same items in the order of the training have the same predictions.
    let same = "area,rooms,year,city,heating\n60,2,1950,Porto,gas\n160,6,,Rome,\n";
    std::fs::write(folder.path().join("same.csv"), same).unwrap();
    assert_eq!(within(&folder, &["predict", "flats.safetensors", "--data", "same.csv"]).1, out);
    // So has a frozen model.
    within(&folder, &["freeze", "flats.safetensors", "--out", "frozen.safetensors"]);
    assert_eq!(within(&folder, &["predict", "frozen.safetensors", "--data", "new.csv"]).1, out);

    // What does not fit is refused by name or by line.
    for (name, text, problem) in [
        (
            "lacks.csv",
            "city,year,rooms,area\nPorto,1950,2,60\n",
            "lacks column `heating` of node `place`",
        ),
        (
            "word.csv",
            "city,year,rooms,area,heating\nPorto,1950,2,big,gas\n",
            "line 2, column `area`",
        ),
        (
            "town.csv",
            "city,year,rooms,area,heating\nOslo,1950,2,60,gas\n",
            "`Oslo` is none of the words",
        ),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
        let (code, _, told) = within(&folder, &["predict", "flats.safetensors", "--data", name]);
        assert!(code == 2 && told.contains(problem) && told.contains(name), "{told}");
    }
    // Other flats with targets are all tested.
    let other: String =
        flats().lines().take(31).fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(folder.path().join("other.csv"), other).unwrap();
    let all = object(&folder, &["evaluate", "flats.safetensors", "--data", "other.csv"]);
    assert_eq!(all["test_items"], 30);
    // A resumed training keeps its parts and its columns.
    for (option, problem) in [
        (["--validation", "0.3"], "--validation is not as when the model was saved"),
        (["--columns", "size=area"], "--columns is not as when the model was saved"),
    ] {
        let (code, _, told) = within(&folder, &[&resume[..], &option].concat());
        assert!(code == 2 && told.contains(problem), "{told}");
    }
}

#[test]
fn the_example_of_the_page_trains() {
    let page = include_str!("../docs/data.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = folder_with(&[("m.toml", example), ("d.csv", &flats())]);
    let told = object(&folder, &["train", "m.toml", "--data", "d.csv", "--quiet"]);
    assert_eq!(told["test_items"], 24);
    let page = page.split_once("What is read").unwrap().1.split_once("How a table").unwrap().0;
    let all = json(&["readers"]);
    for reader in all["readers"].as_array().unwrap() {
        for option in reader["attributes"].as_array().unwrap() {
            let name = option["name"].as_str().unwrap();
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}

const TWO: &str = include_str!("tables/two-features.toml");

/// A model of `features` of this length and as many classes.
fn classifier(features: usize, classes: usize) -> String {
    TWO.replace("shape = [2]", &format!("shape = [{features}]"))
        .replace("units = 2", &format!("units = {classes}"))
}

#[test]
fn the_index_of_pandas_is_no_feature() {
    let csv = include_str!("tables/pandas-index.csv");
    let folder = folder_with(&[("m.toml", TWO), ("three.toml", &classifier(3, 2)), ("d.csv", csv)]);
    let (code, out, notes) = within(&folder, &["train", "m.toml", "--data", "d.csv", "--quiet"]);
    assert!(code == 0 && out.contains("(2 items)"), "{out}{notes}");
    assert!(
        notes.contains("its first column has no name") && notes.contains("left out"),
        "{notes}"
    );
    let (code, _, told) = within(&folder, &["train", "three.toml", "--data", "d.csv", "--quiet"]);
    assert!(code == 2 && told.contains("its 2 columns give 2: `a`, `b`"), "{told}");
}

#[test]
fn names_that_are_numbers_are_no_item() {
    let csv = include_str!("tables/int-header.csv");
    let folder = folder_with(&[("m.toml", &classifier(2, 3)), ("d.csv", csv)]);
    let train = ["train", "m.toml", "--quiet", "--write-split", "split.csv", "--data"];
    let (code, out, notes) = within(&folder, &[&train[..], &["d.csv"]].concat());
    assert!(code == 0 && out.contains("(2 items)"), "{out}{notes}");
    assert!(notes.contains("line 1 counts up from 0") && notes.contains("header=no"), "{notes}");
    let split = std::fs::read_to_string(folder.path().join("split.csv")).unwrap();
    let lines: Vec<&str> = split.lines().collect();
    assert_eq!((lines.len(), lines[0]), (13, "item,line,part"));
    assert!(lines[1].starts_with("0,2,") && lines[12].starts_with("11,13,"), "{split}");
    assert_eq!(lines.iter().filter(|line| line.ends_with(",test")).count(), 2);
    within(&folder, &[&train[..], &["d.csv:header=no"]].concat());
    let split = std::fs::read_to_string(folder.path().join("split.csv")).unwrap();
    assert_eq!(split.lines().count(), 14);
}

#[test]
fn a_label_that_cannot_be_is_refused_before_training_with_its_line() {
    let mut csv = "a,b,label\n".to_owned();
    for item in 0..300 {
        let label = if item == 250 { 7 } else { item % 2 };
        let _ = writeln!(csv, "0.{item},0.5,{label}");
    }
    let folder = folder_with(&[("m.toml", TWO), ("late.csv", &csv)]);
    let (code, _, told) = within(&folder, &["train", "m.toml", "--data", "late.csv"]);
    assert_eq!((code, told.lines().count()), (2, 1), "{told}");
    assert!(told.contains("late.csv, line 252, column `label`, for node `label`"), "{told}");
    assert!(told.contains("expected a class below 2, found `7`"), "{told}");
}

#[test]
fn a_label_that_cannot_be_is_refused_in_other_data_with_its_item() {
    let nine = include_str!("../src/model/manual/example.toml").replace("units = 10", "units = 9");
    let folder = folder_with(&[("nine.toml", &nine)]);
    let (code, _, told) = within(&folder, &["train", "nine.toml", "--quiet"]);
    assert!(code == 2 && told.contains("data set `digits train`, item "), "{told}");
    assert!(told.contains("for node `label`: expected a class below 9, found 9"), "{told}");
}

#[test]
fn predictions_find_columns_by_name() {
    let csv = include_str!("tables/two-features.csv");
    let folder = folder_with(&[
        ("m.toml", TWO),
        ("d.csv", csv),
        ("in-order.csv", "a,b\n0.1,0.9\n"),
        ("swapped.csv", "b,a\n0.9,0.1\n"),
    ]);
    let save = ["--quiet", "--save", "m.safetensors"];
    object(&folder, &[&["train", "m.toml", "--data", "d.csv"], &save[..]].concat());
    let predict = |data| within(&folder, &["predict", "m.safetensors", "--data", data]);
    assert_eq!(predict("in-order.csv").0, 0);
    assert_eq!(predict("in-order.csv"), predict("swapped.csv"));
}

#[test]
fn two_numbers_are_a_target_by_default() {
    let csv = include_str!("tables/regression-two-targets.csv");
    let model = include_str!("tables/regression-two-targets.toml");
    let folder = folder_with(&[("m.toml", model), ("d.csv", csv)]);
    let train = ["train", "m.toml", "--data", "d.csv", "--quiet", "--epochs", "200", "--save", "m"];
    let told = object(&folder, &train);
    assert_eq!(told["test_items"], 4);
    assert!(told["train_loss"].as_f64().unwrap() < 0.3, "{told}");
    let (_, out, _) = within(&folder, &["predict", "m", "--data", "d.csv"]);
    assert_eq!(out.lines().next().unwrap(), "item,o.0,o.1");
}

#[test]
fn what_a_terminal_obeys_stays_in_the_file() {
    let hostile = "1,\u{1b}[31mX\u{1b}]0;title\u{7},0\n";
    let folder =
        folder_with(&[("m.toml", TWO), ("d.csv", hostile), ("two.csv", &hostile.repeat(2))]);
    for data in ["d.csv", "two.csv"] {
        let (code, _, told) = within(&folder, &["train", "m.toml", "--data", data, "--quiet"]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(data), "{told}");
        assert!(!told.trim_end().contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
    }
}

#[test]
fn parts_are_divided_as_asked_and_written_down() {
    let mut csv = "a,b,label,who,use,weight\n".to_owned();
    for item in 0..60 {
        let part = ["train", "test", "validation"][item % 3];
        let weight = item % 4;
        let _ = writeln!(csv, "{item},1,{},p{},{part},{weight}", item % 2, item / 6);
    }
    let folder = folder_with(&[("m.toml", TWO), ("d.csv", &csv)]);
    let train = ["train", "m.toml", "--quiet", "--data", "d.csv", "--write-split", "s.csv"];
    let columns = ["--columns", "features=a,b", "--columns", "label=label"];
    let parts = |more: &[&str]| -> Vec<String> {
        let (code, _, told) = within(&folder, &[&train[..], &columns, more].concat());
        assert_eq!(code, 0, "{more:?}: {told}");
        let split = std::fs::read_to_string(folder.path().join("s.csv")).unwrap();
        split.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
    };
    let count = |parts: &[String], part: &str| parts.iter().filter(|it| *it == part).count();

    let plain = parts(&["--validation", "0.25", "--test", "0.1"]);
    assert_eq!(
        [count(&plain, "train"), count(&plain, "validation"), count(&plain, "test")],
        [39, 15, 6]
    );
    let even = |part: &str| (0..60).filter(|&it| plain[it] == part && it % 2 == 0).count();
    assert_eq!((even("test"), even("validation").abs_diff(7) <= 1), (3, true));
    assert_eq!(plain, parts(&["--validation", "0.25", "--test", "0.1", "--seed", "9"]));
    assert_ne!(plain, parts(&["--validation", "0.25", "--test", "0.1", "--split-seed", "9"]));

    let by = parts(&["--split-by", "use"]);
    assert!((0..60).all(|item| by[item] == ["train", "test", "validation"][item % 3]));
    let grouped = parts(&["--group", "who", "--validation", "0.2"]);
    assert!((0..60).all(|item| grouped[item] == grouped[item / 6 * 6]), "{grouped:?}");
    assert!(count(&grouped, "test") == 12 && count(&grouped, "validation") == 12);
    assert_eq!(count(&parts(&["--test", "0"]), "test"), 0);
    // Something is to be chosen.
    assert_eq!(count(&parts(&["--patience", "3"]), "validation"), 6);

    // Weights belong to the items of the file, be they in a column or in another file.
    let weights: String = (0..60).fold(String::new(), |text, item| format!("{text}{}\n", item % 4));
    std::fs::write(folder.path().join("weights.txt"), weights).unwrap();
    let weighted = |weights: &str| {
        let more = ["--order", "weighted", "--item-weights", weights];
        object(&folder, &[&train[..], &columns, &more].concat())["weights_sha256"].clone()
    };
    assert_eq!(weighted("weight"), weighted("weights.txt"));

    for (more, problem) in [
        (&["--validation", "1.5"][..], "--validation can't be 1.5"),
        (&["--validation", "nowhere.csv"], "nowhere.csv"),
        (&["--split-by", "who"], "line 2, column `who`: expected `train`, `validation` or `test`"),
        (&["--split-by", "part"], "lacks column `part`"),
        (
            &["--columns", "feature=a"],
            "columns are given for `feature`, which is no input or target",
        ),
        (&["--columns", "features"], "names no node"),
        (
            &["--order", "weighted", "--item-weights", "who"],
            "line 2, column `who`: expected a weight",
        ),
        (&["--test", "0.999"], "none would be left to train on"),
    ] {
        let (code, _, told) = within(&folder, &[&train[..], &columns, more].concat());
        assert!(code == 2 && told.contains(problem), "{more:?}: {told}");
    }
    // The data bring their own test part.
    let (code, told) = refused(&["train", "--quiet", "--test", "0.1"]);
    assert!(code == 2 && told.contains("one of their own"), "{told}");
    let (code, told) = refused(&["train", "--quiet", "--group", "who"]);
    assert!(code == 2 && told.contains("the data are no table"), "{told}");
}

#[test]
fn parts_may_come_from_files_of_their_own() {
    let csv = include_str!("tables/two-features.csv");
    let folder = folder_with(&[
        ("m.toml", TWO),
        ("d.csv", csv),
        ("v.csv", "label,b,a\n0,0.1,0.2\n1,0.7,0.2\n1,0.8,0.1\n"),
    ]);
    let train = ["train", "m.toml", "--quiet", "--data", "d.csv", "--test", "v.csv"];
    let told =
        object(&folder, &[&train[..], &["--log", "log.csv", "--validation", "v.csv"]].concat());
    assert_eq!(told["test_items"], 3);
    let log = std::fs::read_to_string(folder.path().join("log.csv")).unwrap();
    assert!(log.lines().next().unwrap().contains("validation_loss"), "{log}");
    // A file of another part may be gone.
    let parts = ["--test", "v.csv", "--validation", "w.csv", "--save", "m.safetensors", "--quiet"];
    std::fs::copy(folder.path().join("v.csv"), folder.path().join("w.csv")).unwrap();
    object(&folder, &[&["train", "m.toml", "--data", "d.csv"], &parts[..]].concat());
    std::fs::remove_file(folder.path().join("w.csv")).unwrap();
    let evaluate = ["evaluate", "m.safetensors", "--data", "d.csv"];
    assert_eq!(object(&folder, &evaluate)["test_items"], 3);
    let (code, _, told) = within(&folder, &[&evaluate[..], &["--part", "validation"]].concat());
    assert!(code == 2 && told.contains("w.csv"), "{told}");
}

#[test]
fn nothing_is_chosen_by_the_test_part() {
    let folder = tempfile::tempdir().unwrap();
    let log = path(&folder, "log.csv");
    let output = caudal(&[
        "train",
        "article-dag",
        "--max-steps",
        "3",
        "--quiet",
        "--patience",
        "1",
        "--log",
        &log,
    ]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(
        notes.contains("note: digits: no validation part is given, so 0.1 of the items"),
        "{notes}"
    );
    // Without a choice there is no such part, and the test part is touched in the end alone.
    let log = path(&folder, "other.csv");
    told(&["train", "article-dag", "--max-steps", "3", "--quiet", "--log", &log]);
    let columns = std::fs::read_to_string(&log).unwrap();
    assert!(!columns.contains("validation_"), "{columns}");
}

#[test]
fn folds_give_mean_and_spread() {
    let folder = folder_with(&[("flats.toml", FLATS), ("flats.csv", &flats())]);
    let train =
        ["train", "flats.toml", "--data", "flats.csv", "--epochs", "3", "--folds", "4", "--quiet"];
    let told = object(&folder, &train);
    assert_eq!(told["folds"], 4);
    assert!(told["test"]["right_sorts"]["standard_deviation"].as_f64().unwrap() >= 0.0, "{told}");
    let (_, out, _) = within(&folder, &train);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 5 && lines[0].starts_with("fold 1/4  test loss "), "{out}");
    assert!(lines[4].starts_with("4 folds  ") && lines[4].contains(" ± "), "{out}");
    let again = json(&["train", "--folds", "2", "--max-steps", "2", "--quiet"]);
    assert_eq!(again["folds"], 2);
    let (code, told) = refused(&["train", "--folds", "2", "--save", "x"]);
    assert!(code == 2 && told.contains("cannot be used with"), "{told}");
}
