//! A schedule after a warm-up, as an attribute of optimizers.

use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Constant, LearningRateSchedule, Plateau, SCHEDULES, find};

/// A schedule after a warm-up.
///
/// During the first `warm_up` steps the learning rate grows evenly: in step `s`, counted from 0, it
/// is multiplied by `(s + 1) / (warm_up + 1)`. The schedule's own steps count from the end of the
/// warm-up, so that step number `warm_up` is the first at the full rate, and a cosine over `steps`
/// steps ends after `warm_up + steps`.
///
/// In model files: `schedule = { kind = "cosine", steps = 1000, warm_up = 100 }`, or just the kind in
/// quotes if nothing else is to be said.
#[derive(Clone, Debug)]
pub struct Pace {
    schedule: Arc<dyn LearningRateSchedule>,
    warm_up: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self::from(Constant::default())
    }
}

impl<S: LearningRateSchedule + 'static> From<S> for Pace {
    fn from(schedule: S) -> Self {
        Self { schedule: Arc::new(schedule), warm_up: 0 }
    }
}

impl Pace {
    /// A schedule without a warm-up.
    pub fn new(schedule: impl LearningRateSchedule + 'static) -> Self {
        Self::from(schedule)
    }

    /// Lets the learning rate grow during the first `steps` steps.
    #[must_use]
    pub fn warm_up(mut self, steps: u64) -> Self {
        self.warm_up = steps;
        self
    }

    /// Whether every step has the same rate.
    pub(in crate::optimizers) fn is_constant(&self) -> bool {
        self.warm_up == 0 && self.schedule.kind() == super::constant::SPEC.kind
    }

    /// By what the optimizer's learning rate is multiplied in a step.
    pub fn factor(&self, step: u64) -> f64 {
        match step.checked_sub(self.warm_up) {
            Some(step) => self.schedule.factor(step),
            None => (step + 1) as f64 / (self.warm_up as f64 + 1.0) * self.schedule.factor(0),
        }
    }

    /// By which rule the schedule goes by what epochs show, if it does.
    pub fn plateau(&self) -> Option<&Plateau> {
        self.schedule.plateau()
    }

    /// Says why the settings can't work.
    pub(in crate::optimizers) fn check(&self) -> Result<(), String> {
        let explain = |problem| format!("`schedule` of kind `{}`: {problem}", self.schedule.kind());
        self.schedule.check().map_err(explain)
    }

    fn table(&self) -> toml::Table {
        let mut table = self.schedule.attributes();
        table.insert("kind".to_owned(), self.schedule.kind().into());
        if self.warm_up > 0 {
            // The format's largest integer stands for all beyond.
            let steps = i64::try_from(self.warm_up).unwrap_or(i64::MAX);
            table.insert("warm_up".to_owned(), steps.into());
        }
        table
    }

    fn read(value: toml::Value) -> Result<Self, String> {
        let mut table = match value {
            toml::Value::String(kind) => toml::Table::from_iter([("kind".to_owned(), kind.into())]),
            toml::Value::Table(table) => table,
            other => return Err(format!("it is {other}, not a table with a `kind`")),
        };
        let kind = match table.remove("kind") {
            Some(toml::Value::String(kind)) => kind,
            Some(other) => return Err(format!("its `kind` is {other}, not a string")),
            None => {
                let known: Vec<&str> = SCHEDULES.iter().map(|spec| spec.kind).collect();
                return Err(format!("it has no `kind`, one of {}", known.join(", ")));
            }
        };
        let warm_up = match table.remove("warm_up") {
            None => 0,
            Some(value) => value
                .as_integer()
                .and_then(|steps| u64::try_from(steps).ok())
                .ok_or_else(|| format!("its `warm_up` is {value}, not a number of steps"))?,
        };
        let spec = find(&kind).map_err(|error| error.to_string())?;
        let schedule = (spec.parse)(table).map_err(|problem| {
            let known =
                spec.attributes.iter().map(|(name, meaning)| format!("`{name}` ({meaning})"));
            let known: Vec<String> = known.chain(["`warm_up`".to_owned()]).collect();
            format!("{problem}; the attributes of `{kind}` are {}", known.join(", "))
        })?;
        Ok(Self { schedule, warm_up })
    }
}

impl Serialize for Pace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Pace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        Self::read(value).map_err(|problem| D::Error::custom(format!("`schedule`: {problem}")))
    }
}
