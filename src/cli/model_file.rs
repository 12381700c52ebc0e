//! `caudal model-file`.

use caudal::model::{manual, manual_of};
use clap::Args;

use super::Stop;
use super::output::line;

/// Says how model files are written.
///
/// Prints the grammar of .toml files that hold models, an example, and every kind of layer, loss, metric,
/// optimizer, schedule, initializer and regularizer with the type, default and meaning of each attribute.
#[derive(Debug, Args)]
pub(super) struct ModelFile {
    /// Prints what there is to say of this kind alone, such as conv2d
    #[arg(value_name = "KIND")]
    kind: Option<String>,
}

impl ModelFile {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let text = match &self.kind {
            Some(kind) => manual_of(kind)?,
            None => manual(),
        };
        line(text.trim_end())
    }
}
