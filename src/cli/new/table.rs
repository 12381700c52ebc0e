//! The ends of a model for a table.

use std::collections::BTreeMap;

use caudal::data::{ColumnProfile, Table};

use super::Task;
use super::ends::{Input, Names, Sketch, Target, quoted};
use crate::cli::Stop;
use crate::cli::output::printable;

/// Words that come more seldom may be missing among the training items, and so have no place in a one-hot row.
const FEWEST_ITEMS: usize = 5;
/// More words make too wide a row.
const MOST_WORDS: usize = 32;
/// Whole numbers of more values are no classes.
const MOST_CLASSES: usize = 20;

pub(super) fn sketch(
    table: &Table,
    targets: &[String],
    task: Option<Task>,
) -> Result<Sketch, Stop> {
    let profiles = table.profiles()?;
    let last = profiles.last().map(|profile| profile.name.clone());
    let wanted: Vec<String> =
        if targets.is_empty() { last.into_iter().collect() } else { targets.to_vec() };
    let mut names = Names::default();
    let mut sketch = Sketch::default();
    for name in &wanted {
        let Some(profile) = profiles.iter().find(|profile| profile.name == *name) else {
            return Err(refuse(
                table,
                name,
                &format!("there is no such column; there are {}", list(table)),
            ));
        };
        if sketch.targets.iter().any(|target| target.name == *name) {
            return Err(refuse(table, name, "it is named twice"));
        }
        sketch.targets.push(target(table, profile, task, &mut names)?);
    }
    let mut numbers: Vec<&ColumnProfile> = Vec::new();
    let mut words: Vec<(&ColumnProfile, &BTreeMap<String, usize>)> = Vec::new();
    for profile in profiles.iter().filter(|profile| !wanted.contains(&profile.name)) {
        let left_out = if profile.numbers {
            let constant = profile.ends.is_some_and(|(least, largest)| least == largest);
            numbers.extend((!constant).then_some(profile));
            constant.then(|| "its numbers are all equal".to_owned())
        } else {
            match &profile.texts {
                Some(texts) if texts.len() + usize::from(profile.missing > 0) < 2 => {
                    Some("it holds no two different words".to_owned())
                }
                Some(texts) if texts.len() <= MOST_WORDS => {
                    let rare = texts.iter().find(|(_, count)| **count < FEWEST_ITEMS);
                    let too_rarely_missing = (1..FEWEST_ITEMS).contains(&profile.missing);
                    if rare.is_none() && !too_rarely_missing {
                        words.push((profile, texts));
                    }
                    match rare {
                        Some((word, count)) => Some(format!(
                            "`{}` comes {count} times, too seldom to learn from",
                            printable(word)
                        )),
                        None if too_rarely_missing => Some(format!(
                            "it is empty {} times, too seldom to learn from",
                            profile.missing
                        )),
                        None => None,
                    }
                }
                _ => Some(format!("it holds more than {MOST_WORDS} different words")),
            }
        };
        if let Some(why) = left_out {
            sketch.comments.push(format!("column {} is left out: {why}", printable(&profile.name)));
        }
    }
    if !numbers.is_empty() {
        sketch.inputs.push(number_input(&numbers, &mut names));
    }
    for (profile, texts) in words {
        sketch.inputs.push(word_input(profile, texts.len(), &mut names));
    }
    if sketch.inputs.is_empty() {
        let mut problem = "no column is left that an input could take".to_owned();
        for comment in &sketch.comments {
            problem = format!("{problem}; {comment}");
        }
        return Err(Stop::Usage(format!("{}: {problem}", table.name())));
    }
    Ok(sketch)
}

fn number_input(columns: &[&ColumnProfile], names: &mut Names) -> Input {
    let selector = |profile: &&ColumnProfile| {
        let name = quoted(&profile.name);
        if profile.missing > 0 {
            format!("{{ column = {name}, missing = \"indicator\" }}")
        } else {
            name
        }
    };
    let list: Vec<String> = columns.iter().map(selector).collect();
    let missing = columns.iter().filter(|profile| profile.missing > 0).count();
    let mut lines = vec![
        format!("columns = [{}]", list.join(", ")),
        "scale = \"standard\"                 # less the mean, over the standard deviation; or \"min_max\"".to_owned(),
    ];
    if missing > 0 {
        lines.push("# an \"indicator\" is one more number: 1 where a value is missing".to_owned());
    }
    Input { name: names.new_name("numbers"), shape: vec![columns.len() + missing], lines }
}

fn word_input(profile: &ColumnProfile, words: usize, names: &mut Names) -> Input {
    let mut lines = vec![
        format!("columns = [{}]", quoted(&profile.name)),
        "categories = \"one_hot\"             # a number for every word".to_owned(),
        "unknown = \"ignore\"                 # a word that the training part lacks becomes zeros"
            .to_owned(),
    ];
    let missing = profile.missing > 0;
    if missing {
        lines.push(
            "missing = \"indicator\"              # an empty field is a word of its own".to_owned(),
        );
    }
    let name = names.new_name(&profile.name);
    Input { name, shape: vec![words + usize::from(missing)], lines }
}

fn target(
    table: &Table,
    profile: &ColumnProfile,
    task: Option<Task>,
    names: &mut Names,
) -> Result<Target, Stop> {
    let name = &profile.name;
    if profile.missing > 0 {
        let times = profile.missing;
        let problem = format!(
            "it is missing {times} times, and a target can have nothing in place of what is missing; leave these \
             lines out"
        );
        return Err(refuse(table, name, &problem));
    }
    let values = profile.texts.as_ref().map(BTreeMap::len);
    let classes = match task {
        Some(Task::Regression) if profile.numbers => None,
        Some(Task::Classification) => Some(values),
        _ if !profile.numbers => Some(values),
        _ => {
            let few =
                values.is_some_and(|values| values <= MOST_CLASSES && 10 * values <= table.len());
            (profile.whole && few).then_some(values)
        }
    };
    let columns = format!("columns = [{}]", quoted(name));
    let node = names.new_name(name);
    match classes {
        Some(Some(classes)) if classes >= 2 => {
            let lines = vec![
                columns,
                "categories = \"index\"               # each value is a class".to_owned(),
            ];
            Ok(Target { name: node, classes: Some(classes), lines })
        }
        Some(Some(_)) => {
            Err(refuse(table, name, "all its values are equal, so that there is nothing to learn"))
        }
        Some(None) => {
            let problem = "it holds more than 256 different values, too many for classes";
            Err(refuse(table, name, problem))
        }
        None => {
            let lines = vec![
                columns,
                "scale = \"standard\"                 # predictions are turned back to the unit of the table".to_owned(),
            ];
            Ok(Target { name: node, classes: None, lines })
        }
    }
}

fn list(table: &Table) -> String {
    let names: Vec<String> = table.columns().iter().map(|name| printable(name)).collect();
    names.join(", ")
}

fn refuse(table: &Table, column: &str, problem: &str) -> Stop {
    Stop::Usage(format!("{}, column `{}`: {problem}", table.name(), printable(column)))
}
