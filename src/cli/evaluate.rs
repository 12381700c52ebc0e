//! `caudal evaluate`.

use std::path::PathBuf;

use caudal::data;
use clap::Args;
use serde_json::{Value, json};

use super::output::line;
use super::{Stop, options, summary};

/// Tests a saved model: its loss and metrics on the test part of the data.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// A model that `caudal train --save` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, value_name = "DATA", default_value = "digits",
        help = options::data_help("What to test with, the same part as after training"))]
    data: String,
    #[command(flatten)]
    run: options::Run,
    /// Makes the last line of standard output one JSON object
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub(super) fn run(self) -> Result<(), Stop> {
        let (mut network, batch_size) = self.run.saved(&self.file)?;
        let graph = network.graph();
        if graph.losses().is_empty() && graph.metrics().is_empty() {
            return Err(Stop::Usage(format!(
                "{}: it has no loss and no metric, as frozen models have not; evaluate the model \
                 that it was made of, or predict with this one",
                self.file.display()
            )));
        }
        let (_, test) = data::load(&self.data, network.graph(), batch_size)?;
        let report = network.evaluate(&test, batch_size)?;
        line(summary::tested(&report))?;
        for text in summary::details(&report) {
            line(text)?;
        }
        if self.json {
            let mut object = summary::fields(&network, &report);
            let more = json!({
                "model": network.graph().name(),
                "steps": network.step(),
                "parameters": network.graph().parameter_count(),
                "weights_sha256": network.weights_sha256(),
            });
            if let Value::Object(more) = more {
                object.extend(more);
            }
            line(Value::Object(object).to_string())?;
        }
        Ok(())
    }
}
