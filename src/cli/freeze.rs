//! `caudal freeze`.

use std::path::PathBuf;

use caudal::model::TrainingConfig;
use caudal::train::NetworkOptions;
use clap::Args;

use super::output::{line, write_or_rescue};
use super::outputs::Outputs;
use super::{Stop, options};

/// Makes of a saved model one for prediction alone: a smaller file that predicts the same bits.
///
/// Targets, losses, metrics, the optimizer and its state are left out, and the nodes that only losses
/// and metrics use. What is written can be predicted with, but neither trained nor evaluated. A name that ends in .onnx
/// makes it an ONNX file, for other programs; `caudal freeze MODEL.onnx` makes a saved model of one.
#[derive(Debug, Args)]
pub(super) struct Freeze {
    /// A model that `caudal train --save` wrote, or an .onnx file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write it: a file that ends in .safetensors or .onnx
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Freeze {
    pub(super) fn run(self) -> Result<(), Stop> {
        let files = Outputs::default().reads("FILE", Some(&self.file));
        files.writes("--out", Some(&self.out)).check()?;
        let alone = NetworkOptions::default().executor("sequential");
        let (network, batch_size) =
            options::saved(&self.file, alone, &options::Computing::default())?;
        let frozen = network.freeze()?;
        let training = TrainingConfig::default().batch_size(batch_size);
        write_or_rescue(&self.out, |path| {
            if options::is_onnx(&self.out) {
                caudal::onnx::write(path, &frozen)
            } else {
                frozen.save(path, &training)
            }
        })?;
        let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |there| there.len());
        line(format!(
            "{} of {} nodes and {} of {} weights are left, in {} of {} bytes",
            frozen.graph().nodes().len(),
            network.graph().nodes().len(),
            frozen.graph().parameter_count(),
            network.graph().parameter_count(),
            bytes(&self.out),
            bytes(&self.file)
        ))
    }
}
