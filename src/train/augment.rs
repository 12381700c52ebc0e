//! Batches of a training with random changes.

use std::sync::Arc;

use super::batch::Gathered;
use super::fit::FitOptions;
use crate::data::{Augmentation, Column, ItemRandom, check_mix_up, mix};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::random::hash;
use crate::tensor::Shape;

/// What is done to the batches of a training. How follows from the seed, the epoch and the place of an item in the
/// order of the epoch, so that it is the same wherever a batch is gathered, and again after a break.
#[derive(Clone, Debug)]
pub(super) struct Augmenter {
    /// By the places of the columns.
    columns: Vec<Changes>,
    mix_up: Option<f64>,
    seed: u64,
    /// A batch as it was before its items were mixed.
    before: Vec<f32>,
}

/// What is done to one column.
#[derive(Clone, Debug)]
struct Changes {
    node: u64,
    shape: Shape,
    augmentations: Vec<Arc<dyn Augmentation>>,
}

impl Augmenter {
    /// What the options say of these columns; nothing, if that is nothing.
    ///
    /// # Errors
    /// If there is no such input, or if an augmentation does not fit.
    pub(super) fn new(
        graph: &Graph,
        columns: &[(NodeId, Column)],
        options: &FitOptions<'_>,
    ) -> Result<Option<Self>> {
        let inputs = graph.inputs();
        for name in options.augment.keys() {
            if !inputs.iter().any(|&id| graph.nodes()[id].name == *name) {
                let inputs = inputs.iter().map(|&id| format!("`{}`", graph.nodes()[id].name));
                return Err(Error::Training {
                    problem: format!("augmentations are given for `{name}`, which is no input"),
                    remedy: format!("the inputs are {}", inputs.collect::<Vec<_>>().join(", ")),
                });
            }
        }
        if let Some(alpha) = options.mix_up {
            check_mix_up(graph, alpha)?;
        }
        let changes = columns.iter().map(|(id, _)| {
            let node = &graph.nodes()[*id];
            let augmentations = options.augment.get(&node.name).cloned().unwrap_or_default();
            for augmentation in &augmentations {
                augmentation
                    .check(&node.shape)
                    .map_err(|misfit| Error::node(&node.name, misfit.problem, misfit.remedy))?;
            }
            Ok(Changes { node: hash(&node.name), shape: node.shape.clone(), augmentations })
        });
        let columns: Vec<Changes> = changes.collect::<Result<_>>()?;
        let nothing = columns.iter().all(|changes| changes.augmentations.is_empty());
        if nothing && options.mix_up.is_none() {
            return Ok(None);
        }
        let (mix_up, seed) = (options.mix_up, options.seed);
        Ok(Some(Self { columns, mix_up, seed, before: Vec::new() }))
    }

    /// Changes a batch whose first item has the place `first` in the order of an epoch.
    pub(super) fn apply(&mut self, epoch: usize, first: usize, batch: &mut Gathered) {
        let items = batch.items();
        for (changes, numbers) in self.columns.iter().zip(batch.numbers_mut()) {
            let size = (numbers.len() / items.max(1)).max(1);
            for (item, numbers) in numbers.chunks_mut(size).enumerate() {
                let place = (first + item) as u64;
                for (number, augmentation) in changes.augmentations.iter().enumerate() {
                    let counters = [self.seed, epoch as u64, place, changes.node, number as u64];
                    let mut random = ItemRandom::new("augmentation", &counters);
                    if random.uniform() < augmentation.probability() {
                        augmentation.apply(numbers, &changes.shape, &mut random);
                    }
                }
            }
        }
        if let Some(alpha) = self.mix_up {
            let counters = [self.seed, epoch as u64];
            mix(batch.numbers_mut(), items, alpha, counters, first, &mut self.before);
        }
    }
}
