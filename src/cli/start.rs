//! Options for the weights with which a training, or the look for its learning rate, starts.

use std::path::PathBuf;
use std::sync::Arc;

use caudal::model::Model;
use caudal::train::Network;
use clap::Args;

use super::Stop;
use super::output::{note, printable};

/// With which weights a training starts, and which of them it keeps.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// Starts with the weights of a saved model, as far as they fit by name and shape; says which did not
    #[arg(long, value_name = "FILE")]
    pub(super) init: Option<PathBuf>,
    /// Takes from --init only parameters whose names fit, as in 'encoder/*' or '*.bias'; may be given several times
    #[arg(long, value_name = "PATTERN", requires = "init")]
    init_only: Vec<String>,
    /// Does not train the layers whose names fit, as `trainable = false` in the model file; may be given several
    /// times
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
}

impl Start {
    /// Freezes the layers of a model that are to be.
    pub(super) fn freeze(&self, model: Model) -> Result<Model, Stop> {
        if self.freeze.is_empty() {
            return Ok(model);
        }
        Ok(Model { graph: Arc::new(model.graph.with_frozen(&self.freeze)?), ..model })
    }

    /// Gives a network its first weights.
    pub(super) fn load(&self, network: &mut Network, quiet: bool) -> Result<(), Stop> {
        let Some(path) = &self.init else { return Ok(()) };
        let transfer = network.load_matching(path, &self.init_only)?;
        if transfer.loaded.len() < network.graph().parameters().len() || !transfer.unused.is_empty()
        {
            // What is missing is said even to those who want to hear little.
            for text in transfer.lines().iter().skip(usize::from(quiet)) {
                note(format_args!("--init: {}", printable(text)));
            }
        }
        Ok(())
    }
}
