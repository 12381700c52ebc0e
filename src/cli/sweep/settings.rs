//! What the trainings of a sweep differ in.

use std::collections::HashSet;
use std::fmt::Write;

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

pub(super) fn refuse(key: &str, problem: &str) -> Stop {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn all(texts: &[&str], random: Option<usize>, seed: u64) -> Vec<String> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        settings(&texts, random, seed).unwrap().iter().map(describe).collect()
    }

    pub(in crate::cli::sweep) fn told<T>(outcome: Result<T, Stop>) -> String {
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
}
