//! Parameters that move by settings of their own.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::patterns;

/// Settings of their own for the parameters whose names, such as `conv1.weight`, fit a pattern. In it `*` stands
/// for any characters and `?` for one: `*.bias` fits every bias, `encoder/*` all parameters of block `encoder`.
///
/// Of several groups, the first whose pattern fits a parameter holds for it, and no other. What a group does not
/// set is as the optimizer says.
///
/// ```
/// use caudal::graph::GraphBuilder;
/// use caudal::layers::Dense;
/// use caudal::optimizers::{AdamW, ParameterGroup};
///
/// let mut net = GraphBuilder::new("two layers");
/// let x = net.input("x", [8]);
/// let base = net.layer("base", Dense::new(4), [&x]);
/// let head = net.layer("head", Dense::new(2), [&base]);
/// net.output(&head);
/// let graph = net.build()?;
///
/// let optimizer = AdamW::new(0.001)
///     .weight_decay(0.1)
///     .group(ParameterGroup::new("*.bias").weight_decay(0.0))
///     .group(ParameterGroup::new("base.*").learning_rate_factor(0.1));
/// let settings = graph.parameter_settings(&optimizer)?;
/// let base_weight = &settings[0];
/// assert_eq!((base_weight.learning_rate_factor, base_weight.weight_decay), (0.1, Some(0.1)));
/// let base_bias = &settings[1];
/// assert_eq!((base_bias.learning_rate_factor, base_bias.weight_decay), (1.0, Some(0.0)));
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ParameterGroup {
    /// Which names belong to it.
    pub pattern: String,
    /// By what the learning rate is multiplied, beside the layer's own factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate_factor: Option<f32>,
    /// In place of the optimizer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

impl ParameterGroup {
    /// The parameters whose names fit `pattern`, with nothing set.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), learning_rate_factor: None, weight_decay: None }
    }

    /// Multiplies the optimizer's learning rate, and the factor of the layer where it has one.
    #[must_use]
    pub fn learning_rate_factor(mut self, factor: f32) -> Self {
        self.learning_rate_factor = Some(factor);
        self
    }

    /// Replaces the optimizer's weight decay.
    #[must_use]
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.weight_decay = Some(decay);
        self
    }

    /// Whether a parameter of this name belongs to it.
    pub fn fits(&self, name: &str) -> bool {
        patterns::matches(&self.pattern, name)
    }

    /// Says why its settings can't work; `decays` says whether the optimizer of this kind has a weight decay.
    fn check(&self, kind: &str, decays: bool) -> Result<(), String> {
        let refuse = |problem: String| {
            Err(format!("`group` of `{}`: {problem}", self.pattern.escape_debug()))
        };
        if let Some(factor) = self.learning_rate_factor
            && !(factor.is_finite() && factor > 0.0)
        {
            return refuse(format!("its `learning_rate_factor` is {factor}, not a number above 0"));
        }
        match self.weight_decay {
            Some(_) if !decays => refuse(format!(
                "it has a `weight_decay`, but `{kind}` knows none; use `adamw` or `lion`, or regularizers"
            )),
            Some(decay) if !(decay.is_finite() && decay >= 0.0) => {
                refuse(format!("its `weight_decay` is {decay}, not a number >= 0"))
            }
            None if self.learning_rate_factor.is_none() => {
                refuse("it sets neither `weight_decay` nor `learning_rate_factor`".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The groups of an optimizer.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct ParameterGroups(pub(super) Vec<ParameterGroup>);

impl ParameterGroups {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn check(&self, kind: &str, decays: bool) -> Result<(), String> {
        self.0.iter().try_for_each(|group| group.check(kind, decays))
    }
}

impl<'de> Deserialize<'de> for ParameterGroups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let refuse = |problem: String| {
            let example = "write it as in [{ pattern = \"*.bias\", weight_decay = 0.0 }]";
            D::Error::custom(format!("`group`: {problem}; {example}"))
        };
        let value = toml::Value::deserialize(deserializer)?;
        let groups: Vec<ParameterGroup> = value.try_into().map_err(|error: toml::de::Error| {
            refuse(error.to_string().trim().replace('\n', " "))
        })?;
        if groups.is_empty() {
            return Err(refuse("it is an empty list".to_owned()));
        }
        Ok(Self(groups))
    }
}

/// Which parameters decay, where no group says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Decays {
    /// All that the optimizer moves.
    #[default]
    All,
    /// Those with at least two axes: the weights of dense and convolutional layers and of embeddings. Biases, the
    /// parameters of normalisations and the slopes of `prelu` have one.
    Weights,
}

impl Decays {
    #[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
    pub(super) fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// The decay of a parameter with so many axes.
    pub(super) fn of(self, weight_decay: f64, axes: usize) -> f64 {
        if self == Self::Weights && axes < 2 { 0.0 } else { weight_decay }
    }
}
