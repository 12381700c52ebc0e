//! `caudal graph`: the network as a drawing, or as a model file.

use std::path::PathBuf;

use caudal::Result;
use caudal::model::Model;
use caudal::report::{dot, svg};
use clap::Args;

use super::Stop;
use super::output::{line, write_file};

/// Draws the network's graph, as a picture or for Graphviz, or writes it as a model file.
#[derive(Debug, Args)]
pub(super) struct Graph {
    /// A preset's name or a .toml file [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Where to write it: a file that ends in .svg, .dot or .toml, or - for .dot on standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Graph {
    pub(super) fn run(self) -> std::result::Result<(), Stop> {
        let to_output = self.out.as_os_str() == "-";
        let ending = self.out.extension().and_then(|ending| ending.to_str());
        let write: fn(&Model) -> Result<String> = match ending {
            _ if to_output => as_dot,
            Some("dot") => as_dot,
            Some("svg") => as_svg,
            Some("toml") => Model::to_toml,
            _ => {
                let problem = "graphs are written as .svg, .dot or .toml; name such a file, or - for \
                               .dot on standard output";
                return Err(Stop::Usage(format!("{}: {problem}", self.out.display())));
            }
        };
        let written = write(&Model::open(self.model.as_deref())?)?;
        if to_output { line(written.trim_end()) } else { write_file(&self.out, &written) }
    }
}

fn as_dot(model: &Model) -> Result<String> {
    Ok(dot(&model.graph, Some(model.training.optimizer.as_ref())))
}

fn as_svg(model: &Model) -> Result<String> {
    Ok(svg(&model.graph, Some(model.training.optimizer.as_ref())))
}
