//! `caudal graph`: the network as a drawing.

use std::path::PathBuf;

use caudal::model::Model;
use caudal::report::dot;
use clap::Args;

use super::Stop;
use super::output::{line, write_file};

/// Writes the network's graph for Graphviz.
#[derive(Debug, Args)]
pub(super) struct Graph {
    /// A preset's name or a .toml file [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Where to write it: a file that ends in .dot, or - for standard output
    #[arg(long, value_name = "FILE.dot")]
    out: PathBuf,
}

impl Graph {
    pub(super) fn run(self) -> Result<(), Stop> {
        let to_output = self.out.as_os_str() == "-";
        if !to_output && self.out.extension().is_none_or(|extension| extension != "dot") {
            let problem = "graphs are written as .dot; name such a file, or - for standard output";
            return Err(Stop::Usage(format!("{}: {problem}", self.out.display())));
        }
        let drawing = dot(&Model::open(self.model.as_deref())?.graph);
        if to_output { line(drawing.trim_end()) } else { write_file(&self.out, &drawing) }
    }
}
