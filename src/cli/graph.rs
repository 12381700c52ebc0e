//! `caudal graph`: the network as a drawing, or as a model file.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use caudal::context::Mode;
use caudal::graph::Graph;
use caudal::model::Model;
use caudal::optimizers::Optimizer;
use caudal::plan::{Plan, PlanOptions};
use caudal::report::{dot, svg, tasks};
use caudal::scheduling::formats;
use caudal::train::{Network, NetworkOptions};
use clap::Args;

use super::Stop;
use super::options;
use super::output::{line, printable, write_file, write_or_rescue};
use super::outputs::Outputs;
use super::schedule::{pattern, step};

/// Draws a graph with its optimizer.
type Drawing = fn(&Graph, Option<&dyn Optimizer>) -> String;

/// Draws the network's graph, as a picture or for Graphviz, or writes it as a model file or, with its weights, as ONNX.
///
/// Or writes the tasks of one training step, with estimated costs and the bytes that they exchange, as a task graph that
/// others can read: a standard task graph (.stg), a WfCommons workflow (.json), and, with --tasks, a digraph with weights
/// (.dot) or Caudal's own format (.toml). `caudal schedule` reads them all. A pattern of Task Bench in place of the MODEL,
/// as in stencil:width=8,steps=10 (see `caudal patterns`), is written as its tasks.
#[derive(Debug, Args)]
pub(super) struct Draw {
    /// A preset's name, a .toml file, a saved .safetensors file or an .onnx file [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Where to write it: a file that ends in .svg, .dot, .toml or .onnx, or - for .dot on standard output; .stg and .json hold
    /// the tasks
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The tasks that one training step becomes, in place of the network: drawn as .svg, or written with their costs
    #[arg(long)]
    tasks: bool,
    /// Items in a batch of that step [default: the model's]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
}

impl Draw {
    pub(super) fn run(self) -> Result<(), Stop> {
        let to_output = self.out.as_os_str() == "-";
        let ending = self.out.extension().and_then(|ending| ending.to_str());
        let is_task_graph = match ending {
            Some("stg" | "json") => true,
            Some("dot" | "toml") => self.tasks,
            _ => false,
        };
        let drawing: Option<Drawing> = match ending {
            _ if to_output => Some(dot),
            _ if is_task_graph => None,
            Some("dot") => Some(dot),
            Some("svg") => Some(svg),
            Some("toml" | "onnx") => None,
            _ => {
                let problem = "graphs are written as .svg, .dot, .toml or .onnx, tasks as .svg, .stg, .json, .dot or .toml; \
                               name such a file, or - for .dot on standard output";
                return Err(Stop::Usage(format!("{}: {problem}", self.out.display())));
            }
        };
        let draws_tasks = self.tasks && ending == Some("svg");
        if self.tasks && !is_task_graph && !draws_tasks {
            let problem = "tasks are written as .svg, .stg, .json, .dot or .toml; name such a file";
            return Err(Stop::Usage(format!("{}: {problem}", self.out.display())));
        }
        if self.batch.is_some() && !is_task_graph && !draws_tasks {
            let problem = "--batch is for the tasks of a training step; add --tasks";
            return Err(Stop::Usage(problem.to_owned()));
        }
        let out = (!to_output).then_some(&self.out);
        let pattern = self.model.as_deref().map(pattern).transpose()?.flatten();
        if let Some(pattern) = &pattern
            && (!is_task_graph || self.batch.is_some())
        {
            let name = printable(pattern.title());
            let problem = format!("{name}: it is a pattern of tasks without batches and layers");
            let remedy = "write it as .stg, .json, or, with --tasks, .dot or .toml";
            return Err(Stop::Usage(format!("{problem}; {remedy}")));
        }
        let model = self.model.as_deref().map(Path::new);
        Outputs::default().reads("MODEL", model).writes("--out", out).check()?;
        if let Some(pattern) = pattern {
            return write_file(&self.out, &formats::write(&pattern.graph()?, &self.out)?);
        }
        if options::is_onnx(&self.out) {
            return self.write_onnx();
        }
        let model = options::open_model(self.model.as_deref())?;
        let batch = self.batch.map_or(model.training.batch_size, NonZeroUsize::get);
        if is_task_graph {
            let graph = step(&model.without_metrics()?, batch)?;
            return write_file(&self.out, &formats::write(&graph, &self.out)?);
        }
        if draws_tasks {
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

    /// Writes the network with its weights: those of its file, or its first ones.
    fn write_onnx(&self) -> Result<(), Stop> {
        let alone = NetworkOptions::default().executor("sequential");
        let name = self.model.as_deref().map(Path::new);
        let is_saved = |path: &&Path| {
            let saved = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("safetensors"));
            saved || options::is_onnx(path)
        };
        let network = if let Some(path) = name.filter(is_saved) {
            options::saved(path, alone, &options::Computing::default())?.0
        } else {
            let model = Model::open(self.model.as_deref())?;
            Network::from_parts(model.graph, model.training.optimizer, alone)?
        };
        write_or_rescue(&self.out, |path| caudal::onnx::write(path, &network))
    }
}
