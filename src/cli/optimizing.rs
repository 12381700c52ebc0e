//! Options for how weights move.

use std::sync::Arc;

use caudal::optimizers::{self, Optimizer};
use clap::Args;

use super::Stop;

/// What replaces the model's optimizer, or its learning rate.
#[derive(Debug, Args)]
pub(super) struct Optimizing {
    /// How weights move (see `caudal optimizers`): the name of an optimizer, which has its default
    /// settings if it is another than the model's, or all in TOML, as in
    /// `{ kind = "sgd", momentum = 0.9, clip_norm = 1.0 }`
    #[arg(long, value_name = "NAME|TOML")]
    optimizer: Option<String>,
    /// Keeps an exponential moving average of every weight, of which this share stays in each step, as in 0.999;
    /// validation, --best, tests and predictions use the averages. Replaces the optimizer's `ema_decay`
    #[arg(long, value_name = "X")]
    ema_decay: Option<f64>,
    /// Replaces the optimizer's learning rate
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
}

impl Optimizing {
    /// Replaces what the options ask to.
    pub(super) fn apply(&self, optimizer: &mut Arc<dyn Optimizer>) -> Result<(), Stop> {
        let settings = [self.learning_rate, self.ema_decay];
        if self.optimizer.is_some() || settings.iter().any(Option::is_some) {
            *optimizer = self.optimizer(optimizer)?;
        }
        Ok(())
    }

    fn optimizer(&self, before: &Arc<dyn Optimizer>) -> Result<Arc<dyn Optimizer>, Stop> {
        let asked = self.optimizer.as_deref().unwrap_or(before.kind());
        let (kind, mut attributes) = match asked.trim_start().starts_with('{') {
            true => optimizer_table(asked)?,
            false if asked == before.kind() => (asked.to_owned(), before.attributes()),
            false => (asked.to_owned(), toml::Table::new()),
        };
        let spec = optimizers::find(&kind)?;
        for (name, value) in [("learning_rate", self.learning_rate), ("ema_decay", self.ema_decay)]
        {
            if let Some(value) = value {
                attributes.insert(name.to_owned(), value.into());
            }
        }
        (spec.parse)(attributes)
            .map_err(|problem| Stop::Usage(format!("optimizer `{kind}`: {problem}")))
    }
}

/// The kind and the attributes of an optimizer written as an inline table.
fn optimizer_table(text: &str) -> Result<(String, toml::Table), Stop> {
    let refuse = |problem: &str| {
        let example = "write it as in { kind = \"sgd\", learning_rate = 0.01 }";
        Stop::Usage(format!("--optimizer: {problem}; {example}"))
    };
    let table = format!("optimizer = {text}").parse::<toml::Table>();
    let mut table = table.map_err(|error| refuse(error.message()))?;
    match table.remove("optimizer") {
        Some(toml::Value::Table(mut attributes)) if table.is_empty() => {
            match attributes.remove("kind") {
                Some(toml::Value::String(kind)) => Ok((kind, attributes)),
                _ => Err(refuse("the table has no `kind`")),
            }
        }
        _ => Err(refuse("it is not one table")),
    }
}
