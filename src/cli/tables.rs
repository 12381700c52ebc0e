//! `caudal models`, `layers`, `losses`, …: the library's tables, printed.

use caudal::blocks::BLOCKS;
use caudal::data::{AUGMENTATIONS, READERS};
use caudal::flow::EXECUTORS;
use caudal::flow::policy::POLICIES;
use caudal::graph::TRAINING_ATTRIBUTES;
use caudal::layers::LAYERS;
use caudal::losses::LOSSES;
use caudal::metrics::METRICS;
use caudal::optimizers::OPTIMIZERS;
use caudal::presets::{Argument, PRESETS};
use caudal::regularizers::REGULARIZERS;
use caudal::scheduling::STATIC_POLICIES;
use caudal::task_bench::PATTERNS;
use clap::Args;
use serde_json::{Value, json};

use super::Stop;
use super::output::line;

/// How a table is printed.
#[derive(Debug, Args)]
pub(super) struct List {
    /// One JSON object on one line
    #[arg(long)]
    json: bool,
}

/// A row of any of the tables.
struct Row {
    name: &'static str,
    summary: &'static str,
    attributes: Vec<(&'static str, String)>,
}

/// The rows of a table whose kinds have attributes.
macro_rules! kinds {
    ($table:expr) => {
        $table.iter().map(|spec| Row {
            name: spec.kind,
            summary: spec.summary,
            attributes: spec
                .attributes
                .iter()
                .map(|&(name, meaning)| (name, meaning.to_owned()))
                .collect(),
        })
    };
}

/// The rows of a table of mere names.
macro_rules! names {
    ($table:expr) => {
        $table.iter().map(|spec| Row {
            name: spec.name,
            summary: spec.summary,
            attributes: Vec::new(),
        })
    };
}

/// The rows of a table of families with arguments.
macro_rules! families {
    ($table:expr) => {
        $table.iter().map(|spec| Row {
            name: spec.name,
            summary: spec.summary,
            attributes: spec
                .arguments
                .iter()
                .map(|Argument { name, meaning, default, .. }| {
                    (*name, format!("{meaning}; default {default}"))
                })
                .collect(),
        })
    };
}

impl List {
    pub(super) fn models(&self) -> Result<(), Stop> {
        self.print("models", families!(PRESETS))
    }

    pub(super) fn patterns(&self) -> Result<(), Stop> {
        if !self.json {
            line(
                "The points of the step before that point i of step t waits for; W is the width:",
            )?;
        }
        self.print("patterns", families!(PATTERNS))
    }

    pub(super) fn layers(&self) -> Result<(), Stop> {
        self.print("layers", kinds!(LAYERS))?;
        if self.json {
            return Ok(());
        }
        line("every layer with parameters")?;
        let width = TRAINING_ATTRIBUTES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, meaning) in TRAINING_ATTRIBUTES {
            line(format!("    {name:width$}  {meaning}"))?;
        }
        Ok(())
    }

    pub(super) fn blocks(&self) -> Result<(), Stop> {
        self.print("blocks", kinds!(BLOCKS))
    }

    pub(super) fn losses(&self) -> Result<(), Stop> {
        self.print("losses", kinds!(LOSSES))
    }

    pub(super) fn metrics(&self) -> Result<(), Stop> {
        self.print("metrics", kinds!(METRICS))
    }

    pub(super) fn optimizers(&self) -> Result<(), Stop> {
        self.print("optimizers", kinds!(OPTIMIZERS))
    }

    pub(super) fn regularizers(&self) -> Result<(), Stop> {
        self.print("regularizers", kinds!(REGULARIZERS))
    }

    pub(super) fn augmentations(&self) -> Result<(), Stop> {
        self.print("augmentations", kinds!(AUGMENTATIONS))
    }

    pub(super) fn readers(&self) -> Result<(), Stop> {
        let rows = READERS.iter().map(|spec| Row {
            name: spec.name,
            summary: spec.summary,
            attributes: spec
                .options
                .iter()
                .map(|&(name, meaning)| (name, meaning.to_owned()))
                .collect(),
        });
        self.print("readers", rows)?;
        if self.json {
            return Ok(());
        }
        line("Options follow the data and a colon, as in --data points.csv:header=no.")
    }

    pub(super) fn policies(&self) -> Result<(), Stop> {
        let arguments = |arguments: &[(&'static str, &'static str)]| {
            arguments.iter().map(|&(name, meaning)| (name, meaning.to_owned())).collect()
        };
        let pool = POLICIES.iter().map(|spec| Row {
            name: spec.name,
            summary: spec.summary,
            attributes: arguments(spec.arguments),
        });
        let ahead = STATIC_POLICIES.iter().map(|spec| Row {
            name: spec.name,
            summary: spec.summary,
            attributes: arguments(spec.arguments),
        });
        if self.json {
            let [pool, ahead]: [Value; 2] =
                [pool.map(|row| row.json()).collect(), ahead.map(|row| row.json()).collect()];
            return line(json!({ "policies": pool, "static_policies": ahead }).to_string());
        }
        self.print("policies", pool)?;
        line("policies that plan ahead, for `caudal schedule`, which takes those above as well")?;
        self.print("static_policies", ahead)
    }

    pub(super) fn executors(&self) -> Result<(), Stop> {
        self.print("executors", names!(EXECUTORS))
    }

    fn print(&self, title: &str, rows: impl Iterator<Item = Row>) -> Result<(), Stop> {
        let rows: Vec<Row> = rows.collect();
        if self.json {
            let rows: Value = rows.iter().map(Row::json).collect();
            return line(json!({ title: rows }).to_string());
        }
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for row in &rows {
            line(format!("{:width$}  {}", row.name, row.summary))?;
            let inner = row.attributes.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            for (name, meaning) in &row.attributes {
                line(format!("{:width$}    {name:inner$}  {meaning}", ""))?;
            }
        }
        Ok(())
    }
}

impl Row {
    fn json(&self) -> Value {
        let attributes: Value = self
            .attributes
            .iter()
            .map(|(name, meaning)| json!({ "name": name, "meaning": meaning }))
            .collect();
        json!({ "name": self.name, "summary": self.summary, "attributes": attributes })
    }
}
