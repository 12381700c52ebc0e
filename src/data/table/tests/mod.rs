//! Tables from text to numbers.

mod reading;

use std::path::Path;

use super::read::parse;
use super::*;
use crate::error::Result;
use crate::model::Model;

fn read(text: &[u8]) -> Result<Table> {
    parse("t", Path::new("t.csv"), text, &TableOptions::default())
}

fn table(text: &str) -> Table {
    read(text.as_bytes()).unwrap()
}

fn refusal(text: &[u8]) -> String {
    read(text).unwrap_err().to_string()
}

fn rows(table: &Table) -> Vec<Vec<String>> {
    let row = |row| {
        (0..table.columns().len())
            .map(|column| table.field(row, column).unwrap().into_owned())
            .collect()
    };
    (0..table.len()).map(row).collect()
}

/// A model of one input and one target with these lines at their nodes; the target has three classes if
/// `classes`, or else `size` numbers.
fn model(input: &str, target: &str, classes: bool) -> Model {
    let (units, loss) =
        if classes { (3, "softmax_cross_entropy") } else { (1, "mean_squared_error") };
    let shape = if classes { "[]" } else { "[1]" };
    let text = format!(
        "[[node]]\nname = 'x'\nkind = 'input'\n{input}\n\
         [[node]]\nname = 'y'\nkind = 'target'\nshape = {shape}\n{target}\n\
         [[node]]\nname = 'o'\nkind = 'dense'\nunits = {units}\ninputs = ['x']\n\
         [[node]]\nname = 'loss'\nkind = '{loss}'\ninputs = ['o', 'y']\n"
    );
    Model::from_toml(&text, "test").unwrap()
}

fn fit(table: &Table, train: &[usize], model: &Model) -> Result<(Encoder, Vec<String>)> {
    Encoder::fit(table, train, &model.graph, &model.data, &[])
}

/// The input of all items after a fit to some.
fn input(text: &str, train: &[usize], lines: &str) -> Result<Vec<f32>> {
    let (table, model) = (table(text), model(lines, "columns = ['y']", false));
    let (encoder, _) = fit(&table, train, &model)?;
    let all: Vec<usize> = (0..table.len()).collect();
    let data = encoder.transform(&table, &all, true)?;
    Ok(data.inputs()[0].tensor().unwrap().iter().copied().collect())
}

fn misfit(text: &str, train: &[usize], lines: &str) -> String {
    input(text, train, lines).unwrap_err().to_string()
}

#[test]
fn numbers_are_scaled_by_the_training_items_alone() {
    let text = "a,y\n1,0\n3,0\n1000,0\n";
    let scaled = |lines: &str| input(text, &[0, 1], &format!("shape = [1]\n{lines}")).unwrap();
    assert_eq!(scaled(""), [1.0, 3.0, 1000.0]);
    assert_eq!(scaled("scale = 'standard'"), [-1.0, 1.0, 998.0]);
    assert_eq!(scaled("scale = 'min_max'"), [0.0, 1.0, 499.5]);
    let constant = input("a,y\n5,0\n5,0\n7,0\n", &[0, 1], "shape = [1]\nscale = 'standard'");
    assert_eq!(constant.unwrap(), [0.0, 0.0, 2.0]);
}

#[test]
fn missing_values_are_filled_in_as_told() {
    let text = "a,y\n1,0\n2,0\n6,0\n,0\nNA,0\n";
    let filled = |shape: usize, missing: &str| {
        let lines = format!("shape = [{shape}]\nmissing = {missing}");
        input(text, &[0, 1, 2, 3], &lines).unwrap()
    };
    assert_eq!(filled(1, "'mean'")[3..], [3.0, 3.0]);
    assert_eq!(filled(1, "'median'")[3..], [2.0, 2.0]);
    assert_eq!(filled(1, "{ constant = -1 }")[3..], [-1.0, -1.0]);
    assert_eq!(filled(2, "'indicator'"), [1., 0., 2., 0., 6., 0., 3., 1., 3., 1.]);
    let told = misfit(text, &[0, 1], "shape = [1]");
    assert!(told.contains("t.csv, line 5, column `a`, for node `x`"), "{told}");
    assert!(
        told.contains("found nothing, a missing value") && told.contains("`missing = "),
        "{told}"
    );
    let told = misfit("a,y\n,0\n,0\n", &[0, 1], "shape = [1]\nmissing = 'mean'");
    assert!(told.contains("no training item has a value"), "{told}");
    let told = misfit("a,y\n1,0\n", &[0], "shape = [1]\nmissing = { constant = 'w' }");
    assert!(told.contains("the word \"w\", for a column of numbers"), "{told}");
}

#[test]
fn words_become_one_hot_rows_or_indices() {
    let text = "city,y\nRome,0\nParis,0\n,0\nBerlin,0\n";
    let words = |train: &[usize], lines: &str| input(text, train, lines);
    let one_hot = "categories = 'one_hot'\nmissing = { constant = 'Rome' }";
    let all = words(&[0, 1, 3], &format!("shape = [3]\n{one_hot}")).unwrap();
    assert_eq!(all, [0., 0., 1., 0., 1., 0., 0., 0., 1., 1., 0., 0.]);
    let index = "shape = [1]\ncategories = 'index'\nmissing = 'indicator'";
    assert_eq!(words(&[0, 1, 3], index).unwrap(), [2.0, 1.0, 3.0, 0.0]);
    let ignored = words(&[0, 1], &format!("shape = [2]\nunknown = 'ignore'\n{one_hot}")).unwrap();
    assert_eq!(ignored[6..], [0.0, 0.0]);
    let told = words(&[0, 1], &format!("shape = [2]\n{one_hot}")).unwrap_err().to_string();
    assert!(told.contains("line 5, column `city`") && told.contains("`Berlin` is none"), "{told}");
    assert!(told.contains("`Paris`, `Rome`"), "{told}");
    let told = misfit(text, &[0], "shape = [1]\ncategories = 'index'\nmissing = 'mean'");
    assert!(told.contains("words have no mean"), "{told}");
    let told = misfit(text, &[0], "shape = [1]\ncategories = 'index'\nunknown = 'ignore'");
    assert!(told.contains("is for one-hot words"), "{told}");
    let told = misfit(text, &[0, 1], "shape = [1]");
    assert!(told.contains("line 2") && told.contains("expected a number, found `Rome`"), "{told}");
    // Numbers that stand for categories are in their order.
    let numbers = input("a,y\n10,0\n9,0\n", &[0, 1], "shape = [1]\ncategories = 'index'");
    assert_eq!(numbers.unwrap(), [1.0, 0.0]);
}

#[test]
fn an_embedding_must_have_an_entry_for_every_word() {
    let text = "[[node]]\nname = 'x'\nkind = 'input'\nshape = [1]\ncategories = 'index'\n\
                [[node]]\nname = 'e'\nkind = 'embedding'\nentries = 2\nfeatures = 3\ninputs = ['x']\n";
    let model = Model::from_toml(&format!("outputs = ['e']\n{text}"), "test").unwrap();
    assert!(fit(&table("x\na\nb\n"), &[0, 1], &model).is_ok());
    let told = fit(&table("x\na\nb\nc\n"), &[0, 1, 2], &model).unwrap_err().to_string();
    assert!(told.contains("3 words are more than the 2 entries of node `e`"), "{told}");
}

#[test]
fn targets_are_classes_or_numbers_as_their_loss_wants() {
    let classes = |text: &str, train: &[usize], lines: &str| -> Result<Vec<f32>> {
        let (table, model) = (table(text), model("shape = [1]", lines, true));
        let (encoder, notes) = fit(&table, train, &model)?;
        let all: Vec<usize> = (0..table.len()).collect();
        let words = encoder.words("o").is_some();
        assert_eq!(words, notes.iter().any(|note| note.contains("classes 0 = ")), "{notes:?}");
        let data = encoder.transform(&table, &all, true)?;
        Ok(data.targets()[0].tensor().unwrap().iter().copied().collect())
    };
    assert_eq!(classes("a,b\n1,0\n2,2\n", &[0, 1], "").unwrap(), [0.0, 2.0]);
    // The words of a class are known, be they in the test part alone.
    let text = "a,b\n1,dog\n2,cat\n3,ant\n";
    assert_eq!(classes(text, &[0], "").unwrap(), [2.0, 1.0, 0.0]);
    let index = "categories = 'index'";
    assert_eq!(classes("a,b\n1,-1\n2,10\n3,9\n", &[0], index).unwrap(), [0.0, 2.0, 1.0]);
    let told = |text: &str, lines: &str| classes(text, &[0], lines).unwrap_err().to_string();
    let late = told("a,b\n1,0\n2,7\n", "");
    assert!(late.contains("t.csv, line 3, column `b`, for node `y`"), "{late}");
    assert!(late.contains("expected a class below 3, found `7`"), "{late}");
    assert!(told("a,b\n1,0.5\n", "").contains("expected a class index, found `0.5`"));
    assert!(told("a,b\n1,-1\n", "").contains("expected a class index, found `-1`"));
    assert!(told("a,b\n1,\n", "").contains("expected a class index, found nothing"));
    assert!(told("a,b\n1,x\n2,\n", "").contains("expected a word, found nothing"));
    assert!(told("a,b\n1,0\n", "missing = 'mean'").contains("a target can't have"));
    assert!(told("a,b\n1,0\n", "scale = 'standard'").contains("classes can't be scaled"));
    let many = told("a,b\n1,w\n2,x\n3,y\n4,z\n", "");
    assert!(many.contains("at most 3 classes, found 4: `w`, `x`, `y`, `z`"), "{many}");
}

#[test]
fn scaled_targets_are_turned_back() {
    let table = table("a,y\n1,100\n2,300\n");
    let model = model("shape = [1]", "scale = 'standard'", false);
    let (encoder, _) = fit(&table, &[0, 1], &model).unwrap();
    let data = encoder.transform(&table, &[0, 1], true).unwrap();
    assert_eq!(data.targets()[0].tensor().unwrap().as_slice().unwrap(), [-1.0, 1.0]);
    let mut numbers = [0.5];
    encoder.unscale("o", &mut numbers);
    assert_eq!(numbers, [250.0]);
    encoder.unscale("other", &mut numbers);
    assert_eq!(numbers, [250.0]);
}

#[test]
fn columns_are_bound_by_name_range_and_rest() {
    let table = table("id,px0,px1,px2,w,y\n1,2,3,4,5,6\n");
    let bound = |lines: &str, reserved: &[&str]| {
        let model = model(lines, "", false);
        Encoder::fit(&table, &[0], &model.graph, &model.data, reserved).map(|(encoder, _)| {
            let names = encoder.nodes[0].columns.iter().map(|it| it.column.clone());
            names.collect::<Vec<_>>().join(",")
        })
    };
    assert_eq!(bound("shape = [3]\ncolumns = ['px0..px2']", &[]).unwrap(), "px0,px1,px2");
    assert_eq!(bound("shape = [2]\ncolumns = ['w', 'id']", &[]).unwrap(), "w,id");
    assert_eq!(bound("shape = [5]", &[]).unwrap(), "id,px0,px1,px2,w");
    assert_eq!(bound("shape = [4]", &["id"]).unwrap(), "px0,px1,px2,w");
    assert_eq!(bound("shape = [5]\ncolumns = ['w', 'others']", &[]).unwrap(), "w,id,px0,px1,px2");
    let lines = "shape = [3]\ncolumns = ['id', { column = 'px0..px1', scale = 'standard' }]";
    assert_eq!(bound(lines, &[]).unwrap(), "id,px0,px1");
    for (lines, expected) in [
        (
            "shape = [1]\ncolumns = ['px9']",
            "it lacks column `px9` of node `x`; its columns are `id`",
        ),
        ("shape = [1]\ncolumns = ['px2..px0']", "ends before it begins"),
        ("shape = [1]\ncolumns = ['px2..q']", "it lacks column `q`"),
        ("shape = [7]", "node `x` has the shape 7, 7 numbers, but its 5 columns give 5"),
    ] {
        let told = bound(lines, &[]).unwrap_err().to_string();
        assert!(told.contains(expected), "{told}\nlacks\n{expected}");
    }
}

#[test]
fn what_a_table_cannot_say_is_asked_for() {
    let two = Model::from_toml(
        "outputs = ['o']\n\
         [[node]]\nname = 'left'\nkind = 'input'\nshape = [2]\n\
         [[node]]\nname = 'right'\nkind = 'input'\nshape = [1]\n\
         [[node]]\nname = 'o'\nkind = 'concat'\ninputs = ['left', 'right']\n",
        "two",
    )
    .unwrap();
    let abc = table("a,b,c\n1,2,3\n");
    let told = fit(&abc, &[0], &two).unwrap_err().to_string();
    for words in ["node `left`", "input `right` (1)", "`a`, `b`, `c`", "`columns = [\"a\", \"b\"]`"]
    {
        assert!(told.contains(words), "{told}\nlacks\n{words}");
    }
    let mut said = two.clone();
    said.data.set_columns("right=c").unwrap();
    let (encoder, _) = fit(&abc, &[0], &said).unwrap();
    assert_eq!(encoder.nodes[0].columns.len(), 2);
    said.data.set_columns("up=c").unwrap();
    assert!(said.data.set_columns("c").unwrap_err().contains("names no node"));
    assert!(said.data.set_columns("x=c,").unwrap_err().contains("without a name"));
    // A column that is called like a node belongs to it.
    let named = table("right,b,c\n1,2,3\n");
    assert_eq!(fit(&named, &[0], &two).unwrap().0.nodes[1].columns[0].column, "right");
}

#[test]
fn another_table_may_have_its_columns_in_any_order_and_more() {
    let model =
        model("shape = [3]\ncolumns = ['a', { column = 'c', categories = 'one_hot' }]", "", false);
    let (encoder, _) = fit(&table("a,c,y\n1,u,0\n2,v,1\n"), &[0, 1], &model).unwrap();
    let other = table("z,c,a\n9,v,5\n");
    let data = encoder.transform(&other, &[0], false).unwrap();
    assert_eq!(data.inputs()[0].tensor().unwrap().as_slice().unwrap(), [5.0, 0.0, 1.0]);
    assert!(data.targets().is_empty());
    assert_eq!(encoder.unused(&other), ["z"]);
    let told = encoder.transform(&other, &[0], true).unwrap_err().to_string();
    assert!(told.contains("lacks column `y` of node `y`"), "{told}");
    let told = encoder.transform(&table("a\n1\n"), &[0], false).unwrap_err().to_string();
    assert!(told.contains("lacks column `c` of node `x`"), "{told}");
    let json = serde_json::to_string(&encoder).unwrap();
    assert_eq!(serde_json::from_str::<Encoder>(&json).unwrap(), encoder);
}

#[test]
fn what_model_files_say_of_columns_goes_round_and_mistakes_are_found() {
    let lines = "shape = [4]\ncolumns = ['a', { column = 'c', categories = 'one_hot', unknown = 'ignore' }]\n\
                 scale = 'min_max'\nmissing = { constant = 0.1 }";
    let said = model(lines, "categories = 'index'", true);
    let text = said.to_toml().unwrap();
    assert_eq!(Model::from_toml(&text, "again").unwrap().data, said.data);
    for (line, expected) in [
        (
            "scale = 'normal'",
            "test:4: node `x`: `scale` is \"normal\", not one of \"none\", \"standard\"",
        ),
        ("columns = []", "test:4: node `x`: `columns` is [], not a list"),
        ("columns = [1]", "`columns` holds 1, not a column's name"),
        ("columns = [{ scale = 'none' }]", "a table in `columns` has no name"),
        ("columns = [{ column = 'a', scael = 'none' }]", "did you mean `scale`?"),
        ("missing = {}", "without one `constant`"),
        ("missing = 'maen'", "`missing` is \"maen\""),
        (
            "mising = 'mean'",
            "test:4: node `x`: unknown attribute `mising`; did you mean `missing`?",
        ),
    ] {
        let text = format!("[[node]]\nname = 'x'\nkind = 'input'\n{line}\nshape = [1]\n");
        let told = Model::from_toml(&text, "test").unwrap_err().to_string();
        assert!(told.contains(expected), "{told}\nlacks\n{expected}");
    }
}
