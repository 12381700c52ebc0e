//! A rate that falls when a watched value no longer improves.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, check_share, parse};
use crate::attributes::to_attributes;
use crate::setters::setters;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "plateau",
    summary: "multiplied by factor after more than `patience` epochs in a row in which the watched value did not improve",
    attributes: &[
        (
            "watch",
            "a loss or metric, of the validation data or else of the training data; default \"loss\"",
        ),
        ("factor", "what is left of the rate, 0 to 1; default 0.1"),
        ("patience", "epochs without improvement that are waited for; default 10"),
        (
            "threshold",
            "the share of the best value by which a better one differs from it, at least 0; default 1e-4",
        ),
        ("cooldown", "epochs after a fall that do not count; default 0"),
        ("min", "the share of the rate below which it does not fall, 0 to 1; default 0"),
    ],
    parse: parse::<Plateau>,
    samples: &[
        "",
        "watch = \"accuracy\"\nfactor = 0.5\npatience = 2\nthreshold = 0.01\ncooldown = 1\nmin = 0.001",
    ],
};

/// Falls by what an epoch's end shows, as `PyTorch`'s `ReduceLROnPlateau` with its relative threshold: a value is
/// better than the best so far if it is below `best · (1 - threshold)`, or, where higher is better, above
/// `best · (1 + threshold)`. What is infinite or no number is not better. After more than `patience` epochs in a row
/// without a better one, the rate is multiplied by `factor`, and `cooldown` epochs do not count.
///
/// How far it has come is the network's, [`Network::plateau`], and saved with it. Only [`Network::fit`] has
/// epochs; [`Network::train_batch`] keeps the rate as it is.
///
/// [`Network::plateau`]: crate::train::Network::plateau
/// [`Network::fit`]: crate::train::Network::fit
/// [`Network::train_batch`]: crate::train::Network::train_batch
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Plateau {
    /// A loss or metric by its name; `loss` is the sum of all losses.
    #[serde(default = "default_watch")]
    pub watch: String,
    /// What is left of the rate after a fall.
    #[serde(default = "default_factor")]
    pub factor: f64,
    /// Epochs without improvement that are waited for.
    #[serde(default = "default_patience")]
    pub patience: u64,
    /// The share of the best value by which a better one differs from it.
    #[serde(default = "default_threshold")]
    pub threshold: f64,
    /// Epochs after a fall that do not count.
    #[serde(default)]
    pub cooldown: u64,
    /// The share of the rate below which it does not fall.
    #[serde(default)]
    pub min: f64,
}

fn default_watch() -> String {
    "loss".to_owned()
}

fn default_factor() -> f64 {
    0.1
}

fn default_patience() -> u64 {
    10
}

fn default_threshold() -> f64 {
    1e-4
}

impl Default for Plateau {
    fn default() -> Self {
        Self {
            watch: default_watch(),
            factor: default_factor(),
            patience: default_patience(),
            threshold: default_threshold(),
            cooldown: 0,
            min: 0.0,
        }
    }
}

impl Plateau {
    setters! {
        watch: impl Into<String>,
        factor: f64,
        patience: u64,
        threshold: f64,
        cooldown: u64,
        min: f64,
    }
}

/// How far a [`Plateau`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PlateauState {
    /// The best value so far.
    pub best: Option<f64>,
    /// Epochs since then that count.
    pub waited: u64,
    /// Epochs still to come that do not count.
    pub cooldown: u64,
    /// What is left of the rate.
    pub factor: f64,
}

impl Default for PlateauState {
    fn default() -> Self {
        Self { best: None, waited: 0, cooldown: 0, factor: 1.0 }
    }
}

impl PlateauState {
    /// An epoch has ended with this value: for a training loop of your own.
    pub fn observe(&mut self, plateau: &Plateau, value: f64, higher_is_better: bool) {
        let share =
            if higher_is_better { 1.0 + plateau.threshold } else { 1.0 - plateau.threshold };
        let better =
            |best: f64| if higher_is_better { value > best * share } else { value < best * share };
        if value.is_finite() && self.best.is_none_or(better) {
            self.best = Some(value);
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.waited = 0;
        }
        if self.waited > plateau.patience {
            self.factor = (self.factor * plateau.factor).max(plateau.min.min(self.factor));
            self.cooldown = plateau.cooldown;
            self.waited = 0;
        }
    }
}

impl LearningRateSchedule for Plateau {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_share("factor", self.factor)?;
        check_share("min", self.min)?;
        if self.threshold.is_finite() && self.threshold >= 0.0 {
            return Ok(());
        }
        Err(format!("`threshold` is {}, not a number >= 0", self.threshold))
    }

    /// Steps do not change it.
    fn factor(&self, _step: u64) -> f64 {
        1.0
    }

    fn plateau(&self) -> Option<&Plateau> {
        Some(self)
    }
}
