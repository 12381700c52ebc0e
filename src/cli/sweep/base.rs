//! The model of a sweep, with what each training sets in it.

use std::path::Path;
use std::sync::Arc;

use caudal::files;
use caudal::graph::Graph;
use caudal::model::Model;
use caudal::presets;
use toml::{Table, Value};

use super::settings::{Setting, describe, refuse, shown};
use crate::cli::Stop;

/// The model that a sweep begins with.
pub(super) struct Base {
    name: String,
    graph: Arc<Graph>,
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
        if ends_in("onnx") {
            return Err(Stop::Usage(format!(
                "{name}: a sweep changes model files; write one with `caudal graph {name} --out FILE.toml`, its weights with \
                 `caudal freeze {name} --out FILE.safetensors`, and sweep the first with --init of the second"
            )));
        }
        let text = if ends_in("toml") {
            Some(files::text_of(&name)?)
        } else if ends_in("safetensors") {
            Some(model.to_toml()?)
        } else {
            None
        };
        Ok(Self { name, graph: model.graph, text })
    }

    /// The network that it begins with.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
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
    use super::super::settings::settings;
    use super::super::settings::tests::told;
    use super::*;

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
