//! What the trainings of a sweep differ in.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use caudal::model::Model;
use caudal::presets;
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use toml::{Table, Value};

use crate::cli::Stop;

/// More trainings than this are no sweep.
const MOST_TRIALS: usize = 100_000;

/// One `--set KEY=VALUES`.
#[derive(Debug)]
struct Choice {
    key: String,
    values: Values,
}

#[derive(Debug)]
enum Values {
    List(Vec<Value>),
    /// From the lower number to the upper one.
    Range {
        low: f64,
        high: f64,
        whole: bool,
        logarithmic: bool,
    },
}

/// What one training of a sweep sets: keys and values.
pub(super) type Setting = Vec<(String, Value)>;

/// All settings of a sweep: every combination of the values, or `random` of them.
pub(super) fn settings(
    texts: &[String],
    random: Option<usize>,
    seed: u64,
) -> Result<Vec<Setting>, Stop> {
    let choices = texts.iter().map(|text| choice(text)).collect::<Result<Vec<_>, _>>()?;
    let mut keys = HashSet::new();
    if let Some(twice) = choices.iter().find(|choice| !keys.insert(choice.key.as_str())) {
        return Err(refuse(&twice.key, "it is set twice; give all its values at once"));
    }
    let lengths: Option<Vec<usize>> = choices
        .iter()
        .map(|choice| match &choice.values {
            Values::List(values) => Some(values.len()),
            Values::Range { .. } => None,
        })
        .collect();
    let (Some(lengths), None) = (&lengths, random) else {
        let Some(count) = random else {
            let problem = "a range has no end of values; give --random N, or a list of values";
            let range = choices.iter().find(|choice| matches!(choice.values, Values::Range { .. }));
            return Err(refuse(range.map_or("", |range| &range.key), problem));
        };
        return Ok(drawn(&choices, lengths.as_deref(), count, seed));
    };
    let all = lengths.iter().try_fold(1_usize, |all, &length| all.checked_mul(length));
    let Some(all) = all.filter(|&all| all <= MOST_TRIALS) else {
        let problem = format!("there are more than {MOST_TRIALS} combinations; give --random N");
        return Err(Stop::Usage(problem));
    };
    Ok((0..all).map(|number| combination(&choices, lengths, number)).collect())
}

/// Combination `number` of all values; the last key changes fastest.
fn combination(choices: &[Choice], lengths: &[usize], mut number: usize) -> Setting {
    let mut setting: Setting = Vec::with_capacity(choices.len());
    for (choice, &length) in choices.iter().zip(lengths).rev() {
        if let Values::List(values) = &choice.values {
            setting.push((choice.key.clone(), values[number % length].clone()));
        }
        number /= length;
    }
    setting.reverse();
    setting
}

/// Settings drawn at random, all different; fewer if there are no more.
fn drawn(choices: &[Choice], lengths: Option<&[usize]>, count: usize, seed: u64) -> Vec<Setting> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let all = lengths.and_then(|lengths| {
        lengths.iter().try_fold(1_usize, |all, &length| all.checked_mul(length))
    });
    if let (Some(lengths), Some(all)) = (lengths, all) {
        let chosen = sample(&mut random, all, count.min(all));
        return chosen.into_iter().map(|number| combination(choices, lengths, number)).collect();
    }
    let mut settings: Vec<Setting> = Vec::new();
    let mut seen = HashSet::new();
    // A range of few whole numbers may not have as many.
    for _ in 0..count.saturating_mul(20) {
        if settings.len() == count {
            break;
        }
        let draw = |choice: &Choice, random: &mut ChaCha8Rng| match &choice.values {
            Values::List(values) => values[random.random_range(0..values.len())].clone(),
            &Values::Range { low, high, whole, logarithmic } => {
                // The upper end of whole numbers is as likely as the others.
                let high = if whole { high + 1.0 } else { high };
                let share: f64 = random.random();
                let number = if logarithmic {
                    low * (high / low).powf(share)
                } else {
                    low + (high - low) * share
                };
                if whole { Value::Integer(number.floor() as i64) } else { rounded(number).into() }
            }
        };
        let setting: Setting =
            choices.iter().map(|choice| (choice.key.clone(), draw(choice, &mut random))).collect();
        if seen.insert(describe(&setting)) {
            settings.push(setting);
        }
    }
    settings
}

/// Four digits, as nobody wants to read more of what was drawn.
fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

/// `optimizer.learning_rate=0.1 dense1.units=32`.
pub(super) fn describe(setting: &Setting) -> String {
    let mut text = String::new();
    for (key, value) in setting {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a string can't fail.
        let _ = write!(text, "{space}{key}={}", shown(value));
    }
    text
}

/// A value as it was written.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn refuse(key: &str, problem: &str) -> Stop {
    Stop::Usage(format!("--set {}: {problem}", key.escape_debug()))
}

fn choice(text: &str) -> Result<Choice, Stop> {
    let Some((key, values)) = text.split_once('=') else {
        return Err(refuse(text, "it sets nothing; write KEY=VALUE,VALUE,..."));
    };
    let (key, values) = (key.trim(), values.trim());
    if key.is_empty() || values.is_empty() {
        return Err(refuse(text, "it lacks a key or values; write KEY=VALUE,VALUE,..."));
    }
    let values = match range(values) {
        Some(range) => range.map_err(|problem| refuse(text, problem))?,
        None => Values::List(list(values)),
    };
    if let Values::List(values) = &values {
        let mut seen = HashSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(value.to_string())) {
            return Err(refuse(key, &format!("{} stands there twice", shown(twice))));
        }
    }
    Ok(Choice { key: key.to_owned(), values })
}

/// `LOW..HIGH` or `log:LOW..HIGH`.
fn range(text: &str) -> Option<Result<Values, &'static str>> {
    let (logarithmic, numbers) = match text.strip_prefix("log:") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let ends = numbers.split_once("..");
    let parsed = ends.and_then(|(low, high)| {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|it| it.is_finite());
        let whole = [low, high].iter().all(|text| text.trim().parse::<i64>().is_ok());
        Some((number(low)?, number(high)?, whole))
    });
    let Some((low, high, whole)) = parsed else {
        return logarithmic.then_some(Err("expected log:LOW..HIGH with two numbers"));
    };
    if low >= high {
        return Some(Err("the lower end of a range comes first"));
    }
    if logarithmic && low <= 0.0 {
        return Some(Err("a logarithmic range lies above 0"));
    }
    Some(Ok(Values::Range { low, high, whole, logarithmic }))
}

/// Values of TOML between commas; what is none is a word.
fn list(text: &str) -> Vec<Value> {
    let parse = |text: &str| {
        let table = format!("values = [{text}]").parse::<Table>().ok()?;
        match table.into_iter().next() {
            Some((_, Value::Array(values))) if !values.is_empty() => Some(values),
            _ => None,
        }
    };
    parse(text).unwrap_or_else(|| {
        let word = |text: &str| Value::String(text.to_owned());
        let values = text.split(',').map(str::trim);
        values.flat_map(|one| parse(one).unwrap_or_else(|| vec![word(one)])).collect()
    })
}

/// The model that a sweep begins with.
pub(super) struct Base {
    name: String,
    /// The text of its file; nothing for a preset, whose arguments may be set too.
    text: Option<String>,
}

impl Base {
    pub(super) fn new(name: Option<&str>) -> Result<Self, Stop> {
        let name = name.unwrap_or(presets::DEFAULT).to_owned();
        let model = Model::open(Some(&name))?;
        let ends_in = |end: &str| {
            Path::new(&name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case(end))
        };
        let text = if ends_in("toml") {
            let read = std::fs::read_to_string(&name);
            Some(read.map_err(|error| Stop::Usage(format!("{name}: {error}")))?)
        } else if ends_in("safetensors") {
            Some(model.to_toml()?)
        } else {
            None
        };
        Ok(Self { name, text })
    }

    /// The text of a model file with a setting, and what is left of it for options of `caudal train`.
    ///
    /// Whatever the setting does not fit is refused with the setting.
    pub(super) fn with(&self, setting: &Setting) -> Result<(String, Vec<String>), Stop> {
        let mut options = Vec::new();
        let mut inside: Vec<(&str, &Value)> = Vec::new();
        let mut arguments = Vec::new();
        for (key, value) in setting {
            match key.split_once('.') {
                _ if key == "seed" => options.extend(["--seed".to_owned(), shown(value)]),
                None if key != "optimizer" && self.text.is_none() => {
                    arguments.push(format!("{key}={}", shown(value)));
                }
                _ => inside.push((key, value)),
            }
        }
        let text = match &self.text {
            Some(text) => text.clone(),
            None => preset(&self.name, &arguments)?,
        };
        if inside.is_empty() {
            return Ok((text, options));
        }
        let problem = |error: toml::de::Error| Stop::Usage(format!("{}: {error}", self.name));
        let mut table = text.parse::<Table>().map_err(problem)?;
        for (key, value) in inside {
            set(&mut table, key, value.clone()).map_err(|problem| refuse(key, &problem))?;
        }
        let text = toml::to_string(&table)
            .map_err(|error| Stop::Usage(format!("{}: {error}", self.name)))?;
        let origin = format!("{} with {}", self.name, describe(setting));
        Model::from_toml(&text, &origin)?;
        Ok((text, options))
    }
}

/// The text of a preset with arguments, some of which replace those that its name has.
fn preset(name: &str, arguments: &[String]) -> Result<String, Stop> {
    let named = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
    let (family, given) = name.split_once(':').unwrap_or((name, ""));
    let given = given.split(',').filter(|it| !it.is_empty());
    let kept = given.filter(|it| arguments.iter().all(|other| named(other) != named(it)));
    let all: Vec<&str> = kept.chain(arguments.iter().map(String::as_str)).collect();
    let colon = if all.is_empty() { "" } else { ":" };
    Ok(Model::open(Some(&format!("{family}{colon}{}", all.join(","))))?.to_toml()?)
}

/// Sets `optimizer`, `optimizer.ATTRIBUTE`, `train.ATTRIBUTE` or `NODE.ATTRIBUTE` of a model file.
fn set(model: &mut Table, key: &str, value: Value) -> Result<(), String> {
    if let Some((node, attribute)) = key.rsplit_once('.')
        && let Some(Value::Array(nodes)) = model.get_mut("node")
    {
        let tables = nodes.iter_mut().filter_map(Value::as_table_mut);
        let mut named = tables.filter(|it| it.get("name").and_then(Value::as_str) == Some(node));
        if let Some(table) = named.next() {
            table.insert(attribute.to_owned(), value);
            return Ok(());
        }
    }
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let train = match first {
        "train" | "optimizer" => model.entry("train").or_insert_with(|| Table::new().into()),
        _ => {
            return Err(format!(
                "the model has no node `{}`; write NODE.ATTRIBUTE, optimizer.ATTRIBUTE, train.ATTRIBUTE, optimizer, \
                 seed, or an argument of a preset",
                key.rsplit_once('.').map_or(key, |(node, _)| node).escape_debug()
            ));
        }
    };
    let Value::Table(train) = train else { return Err("`train` is no table".to_owned()) };
    let path: Vec<&str> = match (first, rest) {
        ("optimizer", "") => {
            // Another kind has its default settings.
            let kind = [("kind".to_owned(), value)].into_iter().collect::<Table>();
            train.insert("optimizer".to_owned(), kind.into());
            return Ok(());
        }
        ("optimizer", rest) => ["optimizer"].into_iter().chain(rest.split('.')).collect(),
        (_, rest) => rest.split('.').collect(),
    };
    let Some((last, tables)) = path.split_last() else { return Ok(()) };
    let mut table = train;
    for name in tables {
        let inner = table.entry(*name).or_insert_with(|| Table::new().into());
        let Value::Table(inner) = inner else { return Err(format!("`{name}` is no table")) };
        table = inner;
    }
    table.insert((*last).to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(texts: &[&str], random: Option<usize>, seed: u64) -> Vec<String> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        settings(&texts, random, seed).unwrap().iter().map(describe).collect()
    }

    fn told<T>(outcome: Result<T, Stop>) -> String {
        match outcome {
            Err(Stop::Usage(message)) => message,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it was taken"),
        }
    }

    #[test]
    fn every_combination_comes_once_and_words_need_no_quotes() {
        assert_eq!(
            all(&["a.rate=0.1,1e-2", "b.kind=relu,tanh", "c=[1, 2],[3]"], None, 0)[..3],
            [
                "a.rate=0.1 b.kind=relu c=[1, 2]",
                "a.rate=0.1 b.kind=relu c=[3]",
                "a.rate=0.1 b.kind=tanh c=[1, 2]"
            ]
        );
        assert_eq!(all(&["a.rate=0.1,1e-2", "b.kind=relu,tanh", "c=[1, 2],[3]"], None, 0).len(), 8);
        assert_eq!(all(&[], None, 0), [""]);
    }

    #[test]
    fn what_is_drawn_lies_in_its_range_and_follows_from_the_seed() {
        let texts = ["rate=log:1e-4..1e-1", "units=8..64", "kind=relu,tanh"];
        let drawn = all(&texts, Some(40), 3);
        assert_eq!(drawn.len(), 40);
        assert_eq!(drawn, all(&texts, Some(40), 3));
        assert_ne!(drawn, all(&texts, Some(40), 4));
        let mut below = 0;
        for setting in &drawn {
            let values: Vec<&str> =
                setting.split(' ').map(|part| part.split_once('=').unwrap().1).collect();
            let rate: f64 = values[0].parse().unwrap();
            assert!((1e-4..=1e-1).contains(&rate), "{setting}");
            assert!((8..=64).contains(&values[1].parse::<i64>().unwrap()), "{setting}");
            below += usize::from(rate < 3.16e-3);
        }
        assert!((10..=30).contains(&below), "half of a logarithmic range: {below} of 40");
        // Of a grid, no combination comes twice.
        let chosen = all(&["a=1,2,3", "b=1,2"], Some(5), 0);
        assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), 5);
        assert_eq!(all(&["a=1,2,3", "b=1,2"], Some(50), 0).len(), 6);
        assert_eq!(all(&["a=1..3"], Some(50), 0).len(), 3);
    }

    #[test]
    fn wrong_texts_are_refused_by_name() {
        let of = |text: &str| told(settings(&[text.to_owned()], None, 0));
        assert!(of("a").contains("--set a: it sets nothing"));
        assert!(of("=1").contains("lacks a key"));
        assert!(of("a=").contains("lacks a key"));
        assert!(of("a=1,1").contains("1 stands there twice"));
        assert!(of("a=1..2").contains("--random N"));
        assert!(of("a=2..1").contains("comes first"));
        assert!(of("a=log:0..1").contains("above 0"));
        assert!(of("a=log:1,2").contains("log:LOW..HIGH"));
        let twice = ["a=1".to_owned(), "a=2".to_owned()];
        assert!(told(settings(&twice, None, 0)).contains("set twice"));
        let many: Vec<String> = (0..6).map(|key| format!("{key}=1,2,3,4,5,6,7,8,9")).collect();
        assert!(told(settings(&many, None, 0)).contains("combinations"));
    }

    #[test]
    fn settings_reach_nodes_optimizers_trainings_and_arguments() {
        let base = Base::new(Some("chain:depth=2,width=4")).unwrap();
        let with = |text: &str| {
            let setting = settings(&[text.to_owned()], None, 0).unwrap().remove(0);
            base.with(&setting)
        };
        let nodes = |text: &str| Model::from_toml(text, "t").unwrap().graph.nodes().len();
        let (two, _) = with("width=4").unwrap();
        let (three, _) = with("depth=3").unwrap();
        assert!(nodes(&three) > nodes(&two), "the argument replaces the one that was given");
        let model = |text: &str| Model::from_toml(&with(text).unwrap().0, "t").unwrap().training;
        assert_eq!(model("train.batch_size=7").batch_size, 7);
        assert_eq!(model("optimizer.learning_rate=0.25").optimizer.learning_rate(0), 0.25);
        assert_eq!(model("optimizer=adam").optimizer.kind(), "adam");
        let schedule = "optimizer.schedule={ kind = \"exponential\", factor = 0.5 }";
        assert_eq!(model(schedule).optimizer.attributes()["schedule"]["factor"], 0.5.into());
        assert_eq!(with("seed=4").unwrap().1, ["--seed", "4"]);
        assert!(told(with("dens.units=3")).contains("no node `dens`"));
        assert!(told(with("optimizer.rate=3")).contains("optimizer.rate=3"));
        assert!(told(with("height=3")).contains("height"));
    }
}
