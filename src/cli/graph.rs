//! `caudal graph`: the network as a drawing, or as a model file.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use caudal::context::Mode;
use caudal::graph::Graph;
use caudal::model::Model;
use caudal::optimizers::Optimizer;
use caudal::plan::{Plan, PlanOptions};
use caudal::report::{dot, svg, tasks};
use clap::Args;

use super::Stop;
use super::output::{line, write_file};
use super::outputs::Outputs;

/// Draws a graph with its optimizer.
type Drawing = fn(&Graph, Option<&dyn Optimizer>) -> String;

/// Draws the network's graph, as a picture or for Graphviz, or writes it as a model file.
#[derive(Debug, Args)]
pub(super) struct Draw {
    /// A preset's name, a .toml file or a saved .safetensors file [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Where to write it: a file that ends in .svg, .dot or .toml, or - for .dot on standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Draw the tasks that one training step becomes, in place of the network; only as .svg
    #[arg(long)]
    tasks: bool,
    /// Items in a batch of that step [default: the model's]
    #[arg(long, value_name = "N", requires = "tasks")]
    batch: Option<NonZeroUsize>,
}

impl Draw {
    pub(super) fn run(self) -> Result<(), Stop> {
        let to_output = self.out.as_os_str() == "-";
        let ending = self.out.extension().and_then(|ending| ending.to_str());
        let drawing: Option<Drawing> = match ending {
            _ if to_output => Some(dot),
            Some("dot") => Some(dot),
            Some("svg") => Some(svg),
            Some("toml") => None,
            _ => {
                let problem = "graphs are written as .svg, .dot or .toml; name such a file, or - for \
                               .dot on standard output";
                return Err(Stop::Usage(format!("{}: {problem}", self.out.display())));
            }
        };
        if self.tasks && ending != Some("svg") {
            let problem = "tasks are drawn as .svg; name such a file";
            return Err(Stop::Usage(format!("{}: {problem}", self.out.display())));
        }
        let out = (!to_output).then_some(&self.out);
        let model = self.model.as_deref().map(Path::new);
        Outputs::default().reads("MODEL", model).writes("--out", out).check()?;
        let model = Model::open(self.model.as_deref())?;
        if self.tasks {
            let batch = self.batch.map_or(model.training.batch_size, NonZeroUsize::get);
            let optimizer = &model.training.optimizer;
            let options = PlanOptions::default();
            let plan = Plan::compile(&model.graph, Mode::Training, batch, optimizer, options)?;
            return write_file(&self.out, &tasks(&plan));
        }
        let written = match drawing {
            Some(draw) => draw(&model.graph, Some(model.training.optimizer.as_ref())),
            None => model.to_toml()?,
        };
        if to_output { line(written.trim_end()) } else { write_file(&self.out, &written) }
    }
}
