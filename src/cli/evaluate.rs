//! `caudal evaluate`.

use std::path::PathBuf;

use caudal::data::{self, Part};
use caudal::report::Page;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::output::{line, notes};
use super::outputs::Outputs;
use super::report::Report;
use super::{Stop, conditions, options, results};

/// Tests a saved model: its loss and metrics on the test part of the data.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// A model that `caudal train --save` wrote, or an .onnx file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, value_name = "DATA", default_value = "digits",
        help = options::data_help("What to test with: the same part as after training, or every item of another table"))]
    data: String,
    /// Which part of the data that the model was trained on
    #[arg(long, value_name = "PART", value_enum, default_value = "test")]
    part: PartName,
    #[command(flatten)]
    run: options::Run,
    #[command(flatten)]
    report: Report,
    /// Makes the last line of standard output one JSON object
    #[arg(long)]
    json: bool,
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PartName {
    /// What it was trained on
    Train,
    /// What --patience and --best chose by
    Validation,
    /// What was tested in the end
    Test,
}

impl PartName {
    fn part(self) -> Part {
        match self {
            Self::Train => Part::Train,
            Self::Validation => Part::Validation,
            Self::Test => Part::Test,
        }
    }
}

impl Evaluate {
    pub(super) fn run(self) -> Result<(), Stop> {
        self.report.check()?;
        let files = Outputs::default().reads("FILE", Some(&self.file)).reads_data(&self.data);
        self.report.outputs(files).check()?;
        let (mut network, batch_size) = self.run.saved(&self.file)?;
        let graph = network.graph();
        if graph.losses().is_empty() && graph.metrics().is_empty() {
            return Err(Stop::Usage(format!(
                "{}: it has no loss and no metric, as frozen models have not; evaluate the model \
                 that it was made of, say with --loss and --metric what is measured, or predict with this one",
                self.file.display()
            )));
        }
        let part = self.part.part();
        let graph = network.graph();
        let (items, more) =
            data::load_to_evaluate(&self.data, graph, batch_size, network.data(), part)?;
        notes(&more);
        let report = network.evaluate(&items, batch_size)?;
        let mut lines = vec![results::tested(part.name(), &report)];
        lines.extend(results::details(&network, &report));
        for text in &lines {
            line(text)?;
        }
        if self.report.is_wanted() {
            let mut page = Page::new(format!("Test of {}", network.graph().name()));
            page.table("Losses and metrics", &lines);
            results::confusion_page(&mut page, &network, &report);
            let provenance = conditions::provenance().pinning(self.run.pinning());
            page.text("Where the figures are from", &conditions::origin(&provenance));
            self.report.write(&page)?;
        }
        if self.json {
            let mut object = results::fields(&network, &report);
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
