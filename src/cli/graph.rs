//! `caudal graph`: the network as a drawing.

use std::path::PathBuf;

use caudal::model::Model;
use caudal::report::{dot, svg};
use clap::Args;

use super::Stop;
use super::output::{line, write_file};

/// Draws the network's graph, as a picture or for Graphviz.
#[derive(Debug, Args)]
pub(super) struct Graph {
    /// A preset's name or a .toml file [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Where to write it: a file that ends in .svg or .dot, or - for .dot on standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Graph {
    pub(super) fn run(self) -> Result<(), Stop> {
        let to_output = self.out.as_os_str() == "-";
        let ending = self.out.extension().and_then(|ending| ending.to_str());
        let draw = match ending {
            _ if to_output => dot,
            Some("dot") => dot,
            Some("svg") => svg,
            _ => {
                let problem = "graphs are written as .svg or .dot; name such a file, or - for .dot \
                               on standard output";
                return Err(Stop::Usage(format!("{}: {problem}", self.out.display())));
            }
        };
        let model = Model::open(self.model.as_deref())?;
        let drawing = draw(&model.graph, Some(model.training.optimizer.as_ref()));
        if to_output { line(drawing.trim_end()) } else { write_file(&self.out, &drawing) }
    }
}
