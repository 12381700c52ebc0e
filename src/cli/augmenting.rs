//! Options of `caudal train` for random changes of the items that are trained on.

use std::collections::BTreeMap;
use std::sync::Arc;

use caudal::data::{Augmentation, parse_augmentations};
use caudal::model::TrainingConfig;
use clap::Args;

use super::Stop;
use super::resume::Settling;

/// What is changed at random in training batches.
#[derive(Debug, Args)]
pub(super) struct Augmenting {
    /// Random changes of an input's items in training (see `caudal augmentations`), once for every input, as in
    /// image=shift:pixels=2,flip:probability=0.3; or none. It replaces what the model says of that input
    #[arg(long, value_name = "NODE=KIND:NAME=VALUE,...")]
    augment: Vec<String>,
    /// Mixes every item of a training batch with another, inputs and targets alike, by a share of the beta
    /// distribution with this parameter, such as 0.2; 0 for no mixing [default: the model's]
    #[arg(long, value_name = "X")]
    mix_up: Option<f64>,
}

impl Augmenting {
    /// Replaces what the model says.
    pub(super) fn adjust(&self, training: &mut TrainingConfig) -> Result<(), Stop> {
        for text in &self.augment {
            let refused = |problem: String| Stop::Usage(format!("--augment: {problem}"));
            let Some((node, kinds)) = text.split_once('=').filter(|(node, _)| !node.is_empty())
            else {
                let shown = text.escape_debug();
                return Err(refused(format!("`{shown}` names no node; write NODE=KIND,...")));
            };
            training.augment.insert(node.to_owned(), parse_augmentations(kinds).map_err(refused)?);
        }
        if let Some(alpha) = self.mix_up {
            if !(0.0..=1.0).contains(&alpha) {
                return Err(Stop::Usage(format!(
                    "--mix-up can't be {alpha}; give a number from 0 to 1"
                )));
            }
            training.mix_up = Some(alpha).filter(|&alpha| alpha > 0.0);
        }
        Ok(())
    }

    /// Notes what is another than in the file that is resumed.
    pub(super) fn compare(settling: &mut Settling, own: &TrainingConfig, before: &TrainingConfig) {
        let [new, old] = [&own.augment, &before.augment].map(described);
        if new != old {
            settling.replaced("--augment", &new, &old);
        }
        if own.mix_up != before.mix_up {
            let [new, old] = [own.mix_up, before.mix_up].map(|alpha| alpha.unwrap_or(0.0));
            settling.replaced("--mix-up", &new, &old);
        }
    }
}

/// All augmentations in one line.
fn described(augment: &BTreeMap<String, Vec<Arc<dyn Augmentation>>>) -> String {
    let mut nodes = Vec::new();
    for (node, list) in augment.iter().filter(|(_, list)| !list.is_empty()) {
        let kinds = list.iter().map(|it| {
            let attributes = it.attributes();
            let settings = attributes.iter().map(|(name, value)| format!(":{name}={value}"));
            format!("{}{}", it.kind(), settings.collect::<String>())
        });
        nodes.push(format!("{node}={}", kinds.collect::<Vec<_>>().join(",")));
    }
    if nodes.is_empty() { "nothing".to_owned() } else { nodes.join(" ") }
}
