//! How the parameters of single nodes are trained: not at all, more slowly, or with a cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::builder::{Draft, DraftRole};
use super::{GraphBuilder, NodeId, Parameter};
use crate::error::{Error, Result};
use crate::layers::ParameterKind;
use crate::names::nearest;
use crate::regularizers::{self, Regularizer};

/// The attributes that layers with parameters have in model files beside those of their kind.
pub const TRAINING_ATTRIBUTES: &[(&str, &str)] = &[
    ("trainable", "whether training moves the parameters; default true"),
    (
        "learning_rate_factor",
        "above 0: by what the optimizer's learning rate is multiplied for the parameters; default 1",
    ),
    (
        "PARAMETER_regularizer",
        "for any parameter, as in `weight_regularizer = { kind = \"l2\", rate = 1e-4 }`: what its \
         size costs; default nothing",
    ),
];

const TRAINABLE: &str = "trainable";
const FACTOR: &str = "learning_rate_factor";
const REGULARIZER: &str = "_regularizer";

/// What a layer's author says about the training of its parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrainingSettings {
    trainable: Option<bool>,
    learning_rate_factor: Option<f32>,
    /// By the parameter's name within the node.
    regularizers: BTreeMap<String, Arc<dyn Regularizer>>,
}

/// One call of a builder's method, for the node of this name.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) node: String,
    value: SettingValue,
}

#[derive(Clone, Debug)]
enum SettingValue {
    Trainable(bool),
    LearningRateFactor(f32),
    Regularizer(String, Arc<dyn Regularizer>),
}

impl GraphBuilder {
    /// Says whether training moves the parameters of a layer, statistics that it keeps included. If not,
    /// no gradient of them is computed, nor any gradient above the node that only they would need.
    ///
    /// Nodes that share parameters have one setting: what is said of the node that owns them. Saying
    /// the same of the others is no error; saying something else is.
    ///
    /// ```
    /// use caudal::graph::GraphBuilder;
    /// use caudal::layers::Dense;
    /// use caudal::regularizers::L2;
    ///
    /// let mut net = GraphBuilder::new("tuned");
    /// let x = net.input("x", [8]);
    /// let base = net.layer("base", Dense::new(4), [&x]);
    /// let head = net.layer("head", Dense::new(2), [&base]);
    /// net.trainable(&base, false);
    /// net.learning_rate_factor(&head, 10.0).regularizer(&head, "weight", L2::new(1e-4));
    /// net.output(&head);
    /// let graph = net.build()?;
    /// assert!(graph.parameters()[0].name == "base.weight" && !graph.parameters()[0].trainable);
    /// assert_eq!(graph.parameters()[2].learning_rate_factor, 10.0);
    /// # Ok::<(), caudal::Error>(())
    /// ```
    pub fn trainable(&mut self, node: impl AsRef<str>, trainable: bool) -> &mut Self {
        self.set(node.as_ref(), SettingValue::Trainable(trainable))
    }

    /// Multiplies the optimizer's learning rate for the parameters of a layer. For shared parameters,
    /// as [`GraphBuilder::trainable`].
    pub fn learning_rate_factor(&mut self, node: impl AsRef<str>, factor: f32) -> &mut Self {
        self.set(node.as_ref(), SettingValue::LearningRateFactor(factor))
    }

    /// Adds a cost of the size of the parameter `name` of a layer, such as `weight`, to the loss: once,
    /// however many nodes share it. For shared parameters, as [`GraphBuilder::trainable`].
    pub fn regularizer(
        &mut self,
        node: impl AsRef<str>,
        name: impl Into<String>,
        regularizer: impl Regularizer + 'static,
    ) -> &mut Self {
        let value = SettingValue::Regularizer(name.into(), Arc::new(regularizer));
        self.set(node.as_ref(), value)
    }

    fn set(&mut self, node: &str, value: SettingValue) -> &mut Self {
        self.settings.push(Setting { node: node.to_owned(), value });
        self
    }
}

/// Adds what was said of nodes by their names to the nodes.
pub(super) fn apply(drafts: &mut [Draft], settings: Vec<Setting>) -> Result<()> {
    for Setting { node, value } in settings {
        let Some(at) = drafts.iter().position(|draft| draft.name == node) else {
            let remedy = match nearest(&node, drafts.iter().map(|draft| draft.name.as_str())) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "name a node of this graph".to_owned(),
            };
            return Err(Error::node(&node, "its training is set, but it is not a node", remedy));
        };
        let DraftRole::Layer(_, settings) = &mut drafts[at].role else {
            return Err(Error::node(
                &node,
                "its training is set, but it is not a layer",
                "set that of layers with parameters",
            ));
        };
        match value {
            SettingValue::Trainable(trainable) => settings.trainable = Some(trainable),
            SettingValue::LearningRateFactor(factor) => {
                settings.learning_rate_factor = Some(factor);
            }
            SettingValue::Regularizer(name, regularizer) => {
                settings.regularizers.insert(name, regularizer);
            }
        }
    }
    Ok(())
}

/// What is said of the training of a node's own parameters.
pub(super) fn said(draft: &Draft) -> TrainingSettings {
    match &draft.role {
        DraftRole::Layer(_, settings) => settings.clone(),
        _ => TrainingSettings::default(),
    }
}

/// Gives the parameters what is said of the nodes; `of_node` has the parameters that each node uses.
pub(super) fn settle(
    drafts: &[Draft],
    owners: &[NodeId],
    of_node: &[Vec<usize>],
    parameters: &mut [Parameter],
) -> Result<()> {
    // The owner of parameters may stand behind those who share them.
    let owners_first = (0..drafts.len()).filter(|&id| owners[id] == id);
    for id in owners_first.chain((0..drafts.len()).filter(|&id| owners[id] != id)) {
        let DraftRole::Layer(_, settings) = &drafts[id].role else { continue };
        let used = &of_node[owners[id]];
        let name = &drafts[id].name;
        settings.check(name, used, parameters)?;
        for &index in used {
            let parameter = &mut parameters[index];
            if owners[id] == id {
                settings.give(parameter);
            } else {
                settings.compare(name, &drafts[owners[id]].name, parameter)?;
            }
        }
    }
    Ok(())
}

impl TrainingSettings {
    fn is_empty(&self) -> bool {
        self.trainable.is_none()
            && self.learning_rate_factor.is_none()
            && self.regularizers.is_empty()
    }

    /// Takes its attributes out of those of a layer.
    pub(crate) fn take(attributes: &mut toml::Table) -> Result<Self, String> {
        let mut settings = Self::default();
        if let Some(value) = attributes.remove(TRAINABLE) {
            let trainable = value.as_bool();
            settings.trainable = Some(
                trainable
                    .ok_or_else(|| format!("its `{TRAINABLE}` is {value}, not true or false"))?,
            );
        }
        if let Some(value) = attributes.remove(FACTOR) {
            let factor = match value {
                toml::Value::Float(number) => number as f32,
                toml::Value::Integer(number) => number as f32,
                other => return Err(format!("its `{FACTOR}` is {other}, not a number")),
            };
            settings.learning_rate_factor = Some(factor);
        }
        let names: Vec<String> =
            attributes.keys().filter(|name| name.ends_with(REGULARIZER)).cloned().collect();
        for name in names {
            let Some(value) = attributes.remove(&name) else { continue };
            let regularizer = regularizers::from_value(value)
                .map_err(|problem| format!("its `{name}`: {problem}"))?;
            let parameter = name.strip_suffix(REGULARIZER).unwrap_or(&name);
            settings.regularizers.insert(parameter.to_owned(), regularizer);
        }
        Ok(settings)
    }

    /// The attributes as a model file holds them.
    pub(crate) fn attributes(&self) -> toml::Table {
        let mut attributes = toml::Table::new();
        if let Some(trainable) = self.trainable {
            attributes.insert(TRAINABLE.to_owned(), trainable.into());
        }
        if let Some(factor) = self.learning_rate_factor {
            attributes.insert(FACTOR.to_owned(), f64::from(factor).into());
        }
        for (name, regularizer) in &self.regularizers {
            let value = regularizers::to_value(regularizer.as_ref());
            attributes.insert(format!("{name}{REGULARIZER}"), value);
        }
        attributes
    }

    fn check(&self, node: &str, used: &[usize], parameters: &[Parameter]) -> Result<()> {
        if used.is_empty() && !self.is_empty() {
            return Err(Error::node(
                node,
                "its training is set, but it has no parameters",
                "remove that, or set that of layers with parameters",
            ));
        }
        if let Some(factor) = self.learning_rate_factor
            && !(factor.is_finite() && factor > 0.0)
        {
            return Err(Error::node(
                node,
                format!("its `{FACTOR}` is {factor}, not a number above 0"),
                format!("give it a number above 0, or `{TRAINABLE} = false` to keep its weights"),
            ));
        }
        for (name, regularizer) in &self.regularizers {
            // The optimizer does not move statistics.
            let learned = used.iter().map(|&index| &parameters[index].spec);
            let learned = learned.filter(|spec| spec.kind == ParameterKind::Learned);
            let known = learned.map(|spec| spec.name);
            if known.clone().all(|known| known != name) {
                return Err(Error::node(
                    node,
                    format!(
                        "its parameter `{name}` has a regularizer, but it has no such parameter"
                    ),
                    if let Some(name) = nearest(name, known.clone()) {
                        format!("did you mean `{name}`?")
                    } else {
                        let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
                        format!("its parameters are {}", known.join(" and "))
                    },
                ));
            }
            let specs = used.iter().map(|&index| &parameters[index].spec);
            let mut statistics = specs.filter(|spec| spec.kind == ParameterKind::Statistic);
            if statistics.any(|spec| spec.name == name) {
                return Err(Error::node(
                    node,
                    format!("its parameter `{name}` has a regularizer, but is not learned"),
                    "give one to what it learns",
                ));
            }
            regularizer.check().map_err(|problem| {
                let what = format!("the `{}` of its parameter `{name}`", regularizer.kind());
                Error::node(node, format!("{what}: {problem}"), "correct its settings")
            })?;
        }
        Ok(())
    }

    /// Sets a parameter of the node that owns it.
    fn give(&self, parameter: &mut Parameter) {
        parameter.trainable = self.trainable.unwrap_or(true);
        parameter.learning_rate_factor = self.learning_rate_factor.unwrap_or(1.0);
        parameter.regularizer = self.regularizers.get(parameter.spec.name).cloned();
    }

    /// Refuses what differs from the settings of the owner.
    fn compare(&self, node: &str, owner: &str, parameter: &Parameter) -> Result<()> {
        let value = |regularizer: &Arc<dyn Regularizer>| {
            regularizers::to_value(regularizer.as_ref()).to_string()
        };
        let own = self.regularizers.get(parameter.spec.name).map(value);
        let differ = |what: &str, own: String, others: String| {
            Err(Error::node(
                node,
                format!(
                    "its {what} is {own}, but that of `{owner}`, whose parameters it shares, is \
                     {others}"
                ),
                format!("set the {what} of `{owner}` alone, or both alike"),
            ))
        };
        match (self.trainable, self.learning_rate_factor, own) {
            (Some(own), _, _) if own != parameter.trainable => {
                differ(&format!("`{TRAINABLE}`"), own.to_string(), parameter.trainable.to_string())
            }
            (_, Some(own), _) if own.to_bits() != parameter.learning_rate_factor.to_bits() => {
                let others = parameter.learning_rate_factor.to_string();
                differ(&format!("`{FACTOR}`"), own.to_string(), others)
            }
            (_, _, Some(own)) => {
                let others = parameter.regularizer.as_ref().map_or("none".to_owned(), value);
                if own == others {
                    return Ok(());
                }
                differ(&format!("`{}{REGULARIZER}`", parameter.spec.name), own, others)
            }
            _ => Ok(()),
        }
    }
}
