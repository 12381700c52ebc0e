//! The arguments of presets and patterns: `chain:depth=64,width=32` sets two and leaves the others as they are.

use std::fmt;

use crate::error::{Error, Result};
use crate::names::suggest;

/// An argument of a preset.
#[derive(Debug)]
#[non_exhaustive]
pub struct Argument {
    /// What it is called.
    pub name: &'static str,
    /// What it sets, in a few words.
    pub meaning: &'static str,
    /// Its value where none is given.
    pub default: &'static str,
    /// What it may be.
    pub values: Values,
}

/// The values that an argument may have.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// Whole numbers from the first to the second.
    Count(usize, usize),
    /// Numbers from the first to the second.
    Number(f64, f64),
    /// One of these words.
    Word(&'static [&'static str]),
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Setting {
    Count(usize),
    Number(f64),
    Word(&'static str),
}

impl Values {
    fn parse(self, text: &str) -> Option<Setting> {
        match self {
            Self::Count(least, most) => {
                let count = text.parse().ok()?;
                (least..=most).contains(&count).then_some(Setting::Count(count))
            }
            Self::Number(least, most) => {
                let number = text.parse().ok()?;
                (least..=most).contains(&number).then_some(Setting::Number(number))
            }
            Self::Word(words) => {
                words.iter().find(|&&word| word == text).map(|&word| Setting::Word(word))
            }
        }
    }
}

/// The value of every argument of a preset, or of whatever else has arguments.
#[derive(Debug)]
pub struct ArgumentValues {
    /// What it is: `model` for presets.
    kind: &'static str,
    title: String,
    values: Vec<(&'static str, Setting)>,
}

impl ArgumentValues {
    /// Reads `given`, such as `depth=64,width=32`, for the preset or the like called `name`; what is not given has its
    /// default.
    pub(crate) fn parse(
        (kind, name): (&'static str, &str),
        arguments: &'static [Argument],
        given: &str,
    ) -> Result<Self> {
        let title = if given.is_empty() { name.to_owned() } else { format!("{name}:{given}") };
        let refuse = |problem: String, remedy: String| {
            let origin = format!("{kind} `{}`", title.escape_debug());
            Err(Error::Model { origin, problem, remedy })
        };
        let mut values: Vec<(&'static str, Setting)> = Vec::new();
        for setting in given.split(',').filter(|_| !given.is_empty()) {
            let shown = setting.escape_debug();
            let Some((key, value)) = setting.split_once('=') else {
                return refuse(format!("`{shown}` sets nothing"), "write NAME=VALUE".to_owned());
            };
            let Some(argument) = arguments.iter().find(|argument| argument.name == key) else {
                let names = arguments.iter().map(|argument| argument.name);
                let remedy = if arguments.is_empty() {
                    format!("`{name}` takes none")
                } else {
                    format!(
                        "{}; by default they are {}",
                        suggest(key, names, "arguments"),
                        defaults(arguments)
                    )
                };
                return refuse(format!("`{}` is no argument", key.escape_debug()), remedy);
            };
            let Some(value) = argument.values.parse(value) else {
                let Argument { default, values, meaning, .. } = argument;
                return refuse(
                    format!("`{shown}` can't be"),
                    format!("`{key}` ({meaning}) is {values}; its default is {default}"),
                );
            };
            if values.iter().any(|(other, _)| *other == key) {
                return refuse(format!("`{key}` is set twice"), "set it once".to_owned());
            }
            values.push((argument.name, value));
        }
        for argument in arguments {
            let given = values.iter().any(|(name, _)| *name == argument.name);
            if let Some(default) = argument.values.parse(argument.default).filter(|_| !given) {
                values.push((argument.name, default));
            }
        }
        Ok(Self { kind, title, values })
    }

    /// The preset as it was asked for.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// That the values of several arguments do not go together.
    pub(crate) fn refuse<T>(&self, problem: impl Into<String>, remedy: &str) -> Result<T> {
        Err(Error::Model {
            origin: format!("{} `{}`", self.kind, self.title.escape_debug()),
            problem: problem.into(),
            remedy: remedy.to_owned(),
        })
    }

    /// A preset asks only for arguments in its own row, whose defaults are values that they may
    /// have: a test reads all of them.
    fn get(&self, name: &str) -> Setting {
        let value = self.values.iter().find(|(other, _)| *other == name);
        value.unwrap_or_else(|| panic!("{} `{}` has no argument `{name}`", self.kind, self.title)).1
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        match self.get(name) {
            Setting::Count(count) => count,
            other => panic!("argument `{name}` is {other:?}"),
        }
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Setting::Number(number) => number,
            other => panic!("argument `{name}` is {other:?}"),
        }
    }

    pub(crate) fn word(&self, name: &str) -> &'static str {
        match self.get(name) {
            Setting::Word(word) => word,
            other => panic!("argument `{name}` is {other:?}"),
        }
    }
}

/// `depth=16,width=64`.
fn defaults(arguments: &[Argument]) -> String {
    let all = arguments.iter().map(|Argument { name, default, .. }| format!("{name}={default}"));
    all.collect::<Vec<_>>().join(",")
}

/// An argument that is a count.
pub(crate) const fn count(
    name: &'static str,
    meaning: &'static str,
    default: &'static str,
    (least, most): (usize, usize),
) -> Argument {
    Argument { name, meaning, default, values: Values::Count(least, most) }
}

/// An argument that is a number.
pub(crate) const fn number(
    name: &'static str,
    meaning: &'static str,
    default: &'static str,
    (least, most): (f64, f64),
) -> Argument {
    Argument { name, meaning, default, values: Values::Number(least, most) }
}

pub(super) const SEED: Argument = count("seed", "of the wiring", "1", (0, u32::MAX as usize));
pub(super) const SIDE: Argument =
    count("side", "rows and columns of the image that goes in", "8", (1, 1024));
pub(super) const BATCH: Argument = count("batch", "items in a batch", "32", (1, 65_536));

#[cfg(test)]
mod tests {
    use super::super::{PRESETS, open};
    use super::*;

    fn refusal(text: &str) -> String {
        open(text).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_values_and_come_one_at_a_time() {
        for spec in PRESETS {
            let parse = |given: &str| {
                ArgumentValues::parse(("model", spec.name), spec.arguments, given).unwrap()
            };
            let plain = parse("");
            assert_eq!(plain.values.len(), spec.arguments.len(), "{}", spec.name);
            let given = parse(&defaults(spec.arguments));
            assert_eq!(plain.values, given.values, "{}", spec.name);
            for argument in spec.arguments {
                assert!(!argument.meaning.is_empty() && !argument.meaning.contains('\n'));
            }
        }
    }

    #[test]
    fn settings_replace_defaults() {
        let model = open("chain:width=24,depth=5,batch=7").unwrap();
        assert_eq!(model.training.batch_size, 7);
        assert_eq!(model.graph.name(), "chain:width=24,depth=5,batch=7");
        let weights = 64 * 24 + 24 + 4 * (24 * 24 + 24) + 24 * 10 + 10;
        assert_eq!(model.graph.parameter_count(), weights);
    }

    #[test]
    fn what_can_not_be_is_refused_with_what_can() {
        let message = refusal("chain:dept=3");
        assert!(message.contains("`dept` is no argument; did you mean `depth`?"), "{message}");
        assert!(message.contains("depth=16,width=64"), "{message}");
        let message = refusal("chain:depth=0");
        assert!(message.contains("a whole number from 1 to"), "{message}");
        assert!(message.contains("its default is 16"), "{message}");
        assert!(refusal("chain:depth=3,depth=3").contains("`depth` is set twice"));
        assert!(refusal("chain:depth").contains("write NAME=VALUE"));
        assert!(refusal("chain:depth=3,").contains("`` sets nothing"));
        assert!(refusal("towers-small:depth=3").contains("`towers-small` takes none"));
        assert!(refusal("chain:cell=gpu").contains("one of dense, conv"));
        assert!(refusal("random-er:p=NaN").contains("a number from 0 to 1"));
        assert!(refusal("random-ws:p=-1").contains("a number from 0 to 1"));
        assert!(refusal("random-ws:k=3").contains("even"));
        assert!(refusal("random-ws:nodes=4,k=4").contains("nodes"));
        assert!(refusal("random-ba:nodes=3,m=3").contains("nodes"));
        assert!(refusal("chains:depth=3").contains("did you mean `chain`?"));
    }
}
