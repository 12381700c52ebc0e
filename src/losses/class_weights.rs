//! How much each class counts, and targets that are less sure than they seem.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::targets::{Form, class_of};
use crate::context::Context;
use crate::layers::Misfit;

/// The attribute `label_smoothing` of losses of classes.
pub(super) const LABEL_SMOOTHING: (&str, &str) = (
    "label_smoothing",
    "the share of each target that is spread evenly over all classes, 0 <= label_smoothing < 1; default 0",
);

/// The attribute `class_weights`.
pub(super) const CLASS_WEIGHTS: (&str, &str) = (
    "class_weights",
    "how much each class counts: a number for every class, or \"balanced\", items / (classes · items of the class) in \
     the training data; default none",
);

/// How much each class counts in a loss.
///
/// An item's loss is multiplied by the weight of its class, and the loss of a batch is the mean over its items, as
/// elsewhere: the sum of the weighted losses over the number of items. (`PyTorch` divides by the sum of the weights of
/// the batch instead, so that its mean over several batches depends on how items are divided among them; multiplied by
/// one number for all classes, weights change nothing there, and scale the loss here.)
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClassWeights {
    /// Every class counts alike: items / (classes · items of the class), counted in the training data, as scikit-learn
    /// does. A training begins by putting numbers in place, [`Network::balance_classes`], which are then saved.
    ///
    /// [`Network::balance_classes`]: crate::train::Network::balance_classes
    Balanced,
    /// A number for every class, at least 0.
    Each(Vec<f32>),
}

impl From<Vec<f32>> for ClassWeights {
    fn from(weights: Vec<f32>) -> Self {
        Self::Each(weights)
    }
}

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Balanced => "balanced".serialize(serializer),
            Self::Each(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let refuse = || {
            D::Error::custom(format!(
                "`class_weights` is {value}, neither a list of numbers nor \"balanced\""
            ))
        };
        match &value {
            toml::Value::String(word) if word == "balanced" => Ok(Self::Balanced),
            toml::Value::Array(numbers) if !numbers.is_empty() => {
                let number = |it: &toml::Value| match it {
                    toml::Value::Float(number) => Some(*number as f32),
                    toml::Value::Integer(number) => Some(*number as f32),
                    _ => None,
                };
                let weights: Option<Vec<f32>> = numbers.iter().map(number).collect();
                weights.map(Self::Each).ok_or_else(refuse)
            }
            _ => Err(refuse()),
        }
    }
}

/// The settings of losses over classes.
#[derive(Clone, Copy)]
pub(super) struct ClassSettings<'a> {
    pub(super) label_smoothing: f32,
    pub(super) class_weights: Option<&'a ClassWeights>,
}

impl ClassSettings<'_> {
    /// Whether targets count as they are.
    pub(super) fn is_plain(self) -> bool {
        self.label_smoothing == 0.0 && self.class_weights.is_none()
    }

    /// Whether class weights have still to be counted.
    pub(super) fn is_unbalanced(self) -> bool {
        self.class_weights == Some(&ClassWeights::Balanced)
    }

    /// Says why the settings can't work, whatever the shapes.
    pub(super) fn check_numbers(self) -> Result<(), String> {
        check_smoothing(self.label_smoothing)?;
        let Some(ClassWeights::Each(weights)) = self.class_weights else { return Ok(()) };
        match weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
            Some(weight) => Err(format!("one of `class_weights` is {weight}, not a number >= 0")),
            None => Ok(()),
        }
    }

    /// Whether they fit scores of so many classes.
    pub(super) fn check(self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        self.check_numbers().map_err(|problem| Misfit::new(problem, "correct it"))?;
        let classes = inputs[0].last().copied().unwrap_or(1);
        match self.class_weights {
            Some(ClassWeights::Each(weights)) if weights.len() != classes => Err(Misfit::new(
                format!("`class_weights` has {} numbers for {classes} classes", weights.len()),
                "give a number for every class, in their order",
            )),
            _ => Ok(()),
        }
    }

    /// The weight of every class, if they have any.
    pub(super) fn weights(&self) -> Result<Option<&[f32]>, String> {
        match self.class_weights {
            None => Ok(None),
            Some(ClassWeights::Each(weights)) => Ok(Some(weights)),
            Some(ClassWeights::Balanced) => Err(
                "its `class_weights` are \"balanced\", but no training has counted the classes: train, or call \
                 `Network::balance_classes`"
                    .to_owned(),
            ),
        }
    }

    /// Writes for every row of the scores by how much each class counts in it, smoothed and weighted: class `k` by
    /// `weight[k] · (share[k] · (1 - smoothing) + smoothing / classes)`.
    pub(super) fn shares(self, context: &Context<'_>, shares: &mut [f32]) -> Result<(), String> {
        let (scores, target) = (context.input(0), context.input(1));
        let (classes, form, weights) = (scores.cols(), Form::in_run(context), self.weights()?);
        let smoothing = f64::from(self.label_smoothing);
        let (own, of_all) = (1.0 - smoothing, smoothing / classes.max(1) as f64);
        for (row, shares) in shares.chunks_mut(classes.max(1)).enumerate() {
            match form {
                Form::Indices => {
                    let label = target.row(row / target.cols())[row % target.cols()];
                    let class = class_of(label, row, classes)?;
                    shares.fill(of_all as f32);
                    shares[class] = (own + of_all) as f32;
                }
                Form::Shares => {
                    for (share, given) in shares.iter_mut().zip(target.row(row)) {
                        *share = (f64::from(*given) * own + of_all) as f32;
                    }
                }
            }
            for (share, weight) in shares.iter_mut().zip(weights.unwrap_or_default()) {
                *share *= weight;
            }
        }
        Ok(())
    }
}

/// Refuses what is not in 0..1.
pub(super) fn check_smoothing(smoothing: f32) -> Result<(), String> {
    if (0.0..1.0).contains(&smoothing) {
        return Ok(());
    }
    Err(format!("`label_smoothing` is {smoothing}, not in 0 <= label_smoothing < 1"))
}

/// Whether an attribute is left out of files.
#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
pub(super) fn is_zero(number: &f32) -> bool {
    *number == 0.0
}

/// The builder methods and the trait methods about class weights of a loss with the fields `label_smoothing` and
/// `class_weights`.
macro_rules! class_settings {
    ($loss:ident) => {
        impl $loss {
            /// Spreads this share of each target evenly over all classes (Szegedy et al. 2016, section 7).
            #[must_use]
            pub fn label_smoothing(mut self, share: f32) -> Self {
                self.label_smoothing = share;
                self
            }

            /// Lets classes count for more or less.
            #[must_use]
            pub fn class_weights(mut self, weights: impl Into<ClassWeights>) -> Self {
                self.class_weights = Some(weights.into());
                self
            }

            fn settings(&self) -> ClassSettings<'_> {
                ClassSettings {
                    label_smoothing: self.label_smoothing,
                    class_weights: self.class_weights.as_ref(),
                }
            }
        }
    };
}

pub(super) use class_settings;
