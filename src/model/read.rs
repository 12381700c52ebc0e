//! Reads model files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::blocks::{self, Content, Outputs};
use super::{CustomKinds, Model, TrainingConfig, kinds, manual};
use crate::context::{Convolution, Precision};
use crate::data::{Augmentation, DataConfig, NodeColumns, augmentation};
use crate::error::{self, Error, Result};
use crate::graph::{DraftRole, Graph, GraphBuilder, Role};
use crate::names::suggest;
use crate::optimizers::Optimizer;
use crate::tensor::describe_shape;

type Entry<'t> = Spanned<DeValue<'t>>;

/// A node, the columns that feed it, and the random changes of its items.
type NodeEntry<'t> = (blocks::Entry<'t>, Option<NodeColumns>, Option<Vec<Arc<dyn Augmentation>>>);

/// A text, where it is from, what kinds it may name beside those of the tables, and the network that it is about, if
/// another file has that.
struct Source<'t> {
    text: &'t str,
    origin: &'t str,
    custom: &'t CustomKinds,
    network: Option<&'t Graph>,
}

/// Reads a model, or what a file says of the training of a network that another file has.
pub(super) fn read(
    text: &str,
    origin: &str,
    custom: &CustomKinds,
    network: Option<&Graph>,
) -> Result<Model> {
    let source = Source { text, origin, custom, network };
    let document = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        source.refuse(start, error.message(), "write a model file in TOML")
    })?;
    let file = document.get_ref();
    let whole = document.span().start;
    let mut keys = manual::names(manual::FILE_KEYS);
    let mut builder = match (network, file.get("name")) {
        (Some(network), _) => {
            keys.retain(|key| !["name", "outputs"].contains(key));
            network.edit()
        }
        (None, Some(entry)) => GraphBuilder::new(source.string(entry, "`name`")?),
        (None, None) => GraphBuilder::new("model"),
    };
    let what = if network.is_some() { "a file beside a network" } else { "a model file" };
    source.only_keys(file, &keys, what)?;
    if let Some(convolution) = source.word(file, "convolution", Convolution::named)? {
        builder.convolution(convolution);
    }
    if let Some(precision) = source.word(file, "precision", Precision::named)? {
        builder.precision(precision);
    }
    let mut lines = HashMap::new();
    let mut data = DataConfig::default();
    let mut augment = BTreeMap::new();
    let nodes = match file.get("node").map(|entry| (entry, entry.get_ref().as_array())) {
        Some((_, Some(nodes))) => nodes.iter(),
        Some((entry, None)) => {
            return Err(source.refuse(
                entry.span().start,
                "`node` is not a list of tables",
                "begin every node with a line `[[node]]`",
            ));
        }
        None if network.is_some() => [].iter(),
        None => {
            let remedy = "begin every node with a line `[[node]]`";
            return Err(source.refuse(whole, "it has no nodes", remedy));
        }
    };
    let mut entries = Vec::new();
    for entry in nodes {
        let (node, columns, changes) = source.node(entry)?;
        lines.insert(node.name, node.place);
        augment.extend(changes.map(|changes| (node.name.to_owned(), changes)));
        data.nodes.extend(columns.map(|columns| (node.name.to_owned(), columns)));
        if !source.is_there(&node)? {
            entries.push(node);
        }
    }
    let outputs = Outputs::build(entries, &mut builder)
        .map_err(|(place, problem, remedy)| source.refuse(place, problem, remedy))?;
    if let Some(entry) = file.get("outputs") {
        for output in source.strings(entry, "`outputs`")? {
            let found = outputs.resolve(output).map_err(|(problem, remedy)| {
                source.refuse(entry.span().start, format!("`outputs`: {problem}"), remedy)
            })?;
            for node in &found {
                builder.output(node);
            }
        }
    }
    let training = match file.get("train") {
        Some(entry) => source.training(entry)?,
        None => TrainingConfig::default(),
    }
    .augment(augment);
    let graph = builder.build().map_err(|error| source.locate(error, &lines, file))?;
    // What has no loss is not trained.
    if !graph.losses().is_empty() {
        graph.parameter_settings(training.optimizer.as_ref()).map_err(|error| match error {
            Error::Training { problem, remedy } => {
                let train = file.get("train").and_then(|entry| entry.get_ref().as_table());
                let place = train.and_then(|table| table.get("optimizer"));
                source.refuse(place.map_or(whole, |entry| entry.span().start), problem, remedy)
            }
            other => other,
        })?;
    }
    Ok(Model { data, ..Model::new(graph, training) })
}

/// The augmentations of an input.
fn augmentations(value: toml::Value) -> Result<Vec<Arc<dyn Augmentation>>, String> {
    match value {
        toml::Value::Array(list) => list.into_iter().map(augmentation).collect(),
        single => Ok(vec![augmentation(single)?]),
    }
    .map_err(|problem: String| format!("`{}`: {problem}", manual::AUGMENT.0))
}

impl Source<'_> {
    /// The line of a byte of the text.
    fn line(&self, byte: usize) -> usize {
        1 + self.text.bytes().take(byte).filter(|&byte| byte == b'\n').count()
    }

    fn refuse(&self, byte: usize, problem: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::Model {
            origin: format!("{}:{}", self.origin, self.line(byte)),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// Says where the node stands that a graph's error is about.
    fn locate(&self, error: Error, lines: &HashMap<&str, usize>, file: &DeTable<'_>) -> Error {
        match error {
            Error::Node { node, problem, remedy } => {
                // A node of a block stands where the block does.
                let mut within = std::iter::successors(Some(node.as_str()), |name| {
                    name.rsplit_once('/').map(|(block, _)| block)
                });
                let byte = within.find_map(|name| lines.get(name)).copied();
                let problem = format!("node `{node}`: {problem}");
                match byte {
                    Some(byte) => self.refuse(byte, problem, remedy),
                    None => Error::Model { origin: self.origin.to_owned(), problem, remedy },
                }
            }
            Error::Cycle { nodes } => self.refuse(
                nodes.first().and_then(|node| lines.get(node.as_str())).copied().unwrap_or(0),
                format!("the graph has a cycle: {}", error::cycle(&nodes)),
                "remove one of these edges, since a node can't wait for itself",
            ),
            Error::Graph { graph, problem, remedy } => match file.get("outputs") {
                Some(entry) if graph == "outputs" => {
                    self.refuse(entry.span().start, problem, remedy)
                }
                _ => Error::Model { origin: self.origin.to_owned(), problem, remedy },
            },
            other => other,
        }
    }

    /// Whether an input is one of the network that the file is about; of layers it has all.
    fn is_there(&self, node: &blocks::Entry<'_>) -> Result<bool> {
        let Some(network) = self.network else { return Ok(false) };
        let refuse = |problem: String, remedy: &str| {
            let problem = format!("node `{}`: {problem}", node.name.escape_debug());
            Err(self.refuse(node.place, problem, remedy))
        };
        let known = network.node(node.name).ok().filter(|it| matches!(it.role, Role::Input));
        match (&node.content, known) {
            (Content::Node(DraftRole::Input(shape)), Some(input)) if *shape == input.shape => {
                Ok(true)
            }
            (Content::Node(DraftRole::Input(shape)), Some(input)) => {
                let [own, there] = [shape, &input.shape].map(|shape| describe_shape(shape));
                let problem = format!("its shape is {own}, that of the network's input {there}");
                refuse(problem, "leave the shape out")
            }
            (Content::Node(DraftRole::Input(_)), None) => {
                let inputs = network.inputs();
                let names = inputs.iter().map(|&id| network.nodes()[id].name.as_str());
                let remedy = suggest(node.name, names, "inputs of the network");
                refuse("the network has no such input".to_owned(), &remedy)
            }
            (Content::Node(DraftRole::Layer(..)) | Content::Block(_), _) => refuse(
                "it is a layer, and the network stands in the other file".to_owned(),
                "leave it out; a model file of `caudal graph` holds a network that can be changed",
            ),
            _ => Ok(false),
        }
    }

    fn only_keys(&self, table: &DeTable<'_>, known: &[&str], what: &str) -> Result<()> {
        match table.keys().find(|key| !known.contains(&key.get_ref().as_ref())) {
            None => Ok(()),
            Some(key) => Err(self.refuse(
                key.span().start,
                format!("unknown key `{}` in {what}", key.get_ref()),
                suggest(key.get_ref(), known.iter().copied(), "keys here"),
            )),
        }
    }

    fn string<'e>(&self, entry: &'e Entry<'_>, what: &str) -> Result<&'e str> {
        entry.get_ref().as_str().ok_or_else(|| {
            let problem = format!("{what} is of type {}, not a string", entry.get_ref().type_str());
            self.refuse(entry.span().start, problem, "write it in quotes")
        })
    }

    /// What the word at the top of the file with this key stands for, if the key is there.
    fn word<T>(
        &self,
        file: &DeTable<'_>,
        key: &str,
        named: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>> {
        let Some(entry) = file.get(key) else { return Ok(None) };
        let word = self.string(entry, &format!("`{key}`"))?;
        let refuse = |expected| {
            let problem = format!("`{key}` is \"{}\"", word.escape_debug());
            self.refuse(entry.span().start, problem, expected)
        };
        named(word).map(Some).map_err(refuse)
    }

    fn strings<'e>(&self, entry: &'e Entry<'_>, what: &str) -> Result<Vec<&'e str>> {
        let Some(list) = entry.get_ref().as_array() else {
            let problem = format!("{what} is of type {}, not a list", entry.get_ref().type_str());
            let remedy = "write a list of nodes' names, as in [\"left\", \"right\"]";
            return Err(self.refuse(entry.span().start, problem, remedy));
        };
        list.iter().map(|item| self.string(item, &format!("an item of {what}"))).collect()
    }

    fn table<'e, 'i>(&self, entry: &'e Entry<'i>, what: &str) -> Result<&'e DeTable<'i>> {
        entry.get_ref().as_table().ok_or_else(|| {
            let problem = format!("{what} is of type {}, not a table", entry.get_ref().type_str());
            self.refuse(entry.span().start, problem, "write a table, as in { kind = \"sgd\" }")
        })
    }

    /// Every entry of a table but some, as kinds read them.
    fn attributes(&self, table: &DeTable<'_>, but: &[&str]) -> Result<toml::Table> {
        let others = table.iter().filter(|(key, _)| !but.contains(&key.get_ref().as_ref()));
        others
            .map(|(key, entry)| {
                let value = toml::Value::deserialize(ValueDeserializer::from(entry.clone()))
                    .map_err(|error| {
                        let problem = format!("`{}`: {}", key.get_ref(), error.message());
                        self.refuse(entry.span().start, problem, "correct the value")
                    })?;
                Ok((key.get_ref().to_string(), value))
            })
            .collect()
    }

    /// The byte of the key that a problem names, or `whole`.
    fn place(problem: &str, table: &DeTable<'_>, whole: usize) -> usize {
        let named = |key: &&Spanned<_>| problem.contains(&format!("`{}`", key.get_ref()));
        table.keys().find(named).map_or(whole, |key| key.span().start)
    }

    /// One node, and what it says of its data, if it does.
    fn node<'e>(&self, entry: &'e Entry<'_>) -> Result<NodeEntry<'e>> {
        let whole = entry.span().start;
        let table = self.table(entry, "a node")?;
        let Some(name) = table.get("name") else {
            let remedy = "give it one, as in `name = \"stem\"`";
            return Err(self.refuse(whole, "a node has no `name`", remedy));
        };
        let name = self.string(name, "the `name` of a node")?;
        let named = |what: &str| format!("node `{}`: {what}", name.escape_debug());
        let Some(kind) = table.get("kind") else {
            let remedy = "give it one, as in `kind = \"dense\"`";
            return Err(self.refuse(whole, named("it has no `kind`"), remedy));
        };
        let kind_place = kind.span().start;
        let kind = self.string(kind, &named("its `kind`"))?;
        let inputs = match table.get("inputs") {
            Some(entry) => self.strings(entry, &named("its `inputs`"))?,
            None => Vec::new(),
        };
        let shares = match table.get("shares") {
            Some(entry) => Some(self.string(entry, &named("its `shares`"))?),
            None => None,
        };
        let mut attributes = self.attributes(table, &manual::names(manual::NODE_KEYS))?;
        let refused = |problem: String| {
            let place = Self::place(&problem, table, whole);
            let remedy = format!("`caudal model-file {kind}` says what can be written there");
            self.refuse(place, named(&problem), remedy)
        };
        let changes = match attributes.remove(manual::AUGMENT.0).filter(|_| kind == kinds::INPUT) {
            Some(value) => Some(augmentations(value).map_err(refused)?),
            None => None,
        };
        if kind == kinds::INPUT
            && !attributes.contains_key("shape")
            && let Some(input) = self.network.and_then(|network| network.node(name).ok())
        {
            let sizes = input.shape.iter().map(|&size| kinds::integer(size)).collect();
            attributes.insert("shape".to_owned(), toml::Value::Array(sizes));
        }
        let columns = if [kinds::INPUT, kinds::TARGET].contains(&kind) {
            NodeColumns::take(&mut attributes).map_err(refused)?
        } else {
            None
        };
        let content =
            kinds::parse(self.custom, kind, attributes).map_err(|(problem, remedy)| {
                let otherwise =
                    if problem.starts_with("there is no kind") { kind_place } else { whole };
                let place = Self::place(&problem, table, otherwise);
                self.refuse(place, named(&problem), remedy)
            })?;
        Ok((blocks::Entry { name, place: whole, inputs, shares, content }, columns, changes))
    }

    fn training(&self, entry: &Entry<'_>) -> Result<TrainingConfig> {
        let table = self.table(entry, "`train`")?;
        self.only_keys(table, &manual::names(manual::TRAIN_KEYS), "`train`")?;
        let mut training = TrainingConfig::default();
        for (name, size) in
            [("batch_size", &mut training.batch_size), ("epochs", &mut training.epochs)]
        {
            let Some(entry) = table.get(name) else { continue };
            let value = toml::Value::deserialize(ValueDeserializer::from(entry.clone())).ok();
            let number = value.and_then(|value| value.as_integer());
            *size = number
                .and_then(|number| usize::try_from(number).ok())
                .filter(|&number| number > 0)
                .ok_or_else(|| {
                    let problem = format!("`{name}` is not a whole number of at least 1");
                    self.refuse(entry.span().start, problem, format!("write `{name} = 32`"))
                })?;
        }
        if let Some(entry) = table.get("mix_up") {
            let value = toml::Value::deserialize(ValueDeserializer::from(entry.clone())).ok();
            let number =
                value.and_then(|value| value.as_float().or(value.as_integer().map(|it| it as f64)));
            let number = number.filter(|&alpha| alpha > 0.0 && alpha <= 1.0);
            training.mix_up = Some(number.ok_or_else(|| {
                let problem = "`mix_up` is not a number above 0 and at most 1";
                self.refuse(entry.span().start, problem, "write `mix_up = 0.2`")
            })?);
        }
        if let Some(entry) = table.get("optimizer") {
            training.optimizer = self.optimizer(entry)?;
        }
        Ok(training)
    }

    fn optimizer(&self, entry: &Entry<'_>) -> Result<Arc<dyn Optimizer>> {
        let whole = entry.span().start;
        let table = self.table(entry, "`optimizer`")?;
        let Some(kind) = table.get("kind") else {
            let remedy = "write it as in { kind = \"sgd\", learning_rate = 0.01 }";
            return Err(self.refuse(whole, "the optimizer has no `kind`", remedy));
        };
        let kind = self.string(kind, "the `kind` of the optimizer")?;
        let attributes = self.attributes(table, &["kind"])?;
        kinds::parse_optimizer(self.custom, kind, attributes).map_err(|(problem, remedy)| {
            let place = Self::place(&problem, table, whole);
            self.refuse(place, format!("optimizer `{}`: {problem}", kind.escape_debug()), remedy)
        })
    }
}
