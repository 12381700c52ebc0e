//! Laws that every row of the tables keeps, swept over all their samples.

mod attributes;
mod augmentations;
mod bits;
mod blocks;
mod comparison;
mod gradients;
mod measures;
mod optimizers;
mod regularizers;
mod shapes;
mod tables;

use std::sync::Arc;

use caudal::layers::{LAYERS, Layer, LayerSpec, Sample};
use caudal::plan::PlanOptions;
use caudal::train::NetworkOptions;

use crate::probe::{Specimen, Surroundings};

const BATCHES: [usize; 3] = [1, 2, 5];

fn table(attributes: &str) -> toml::Table {
    attributes.parse().unwrap()
}

fn parse_layer(spec: &LayerSpec, sample: &Sample) -> Arc<dyn Layer> {
    (spec.parse)(table(sample.attributes)).unwrap()
}

/// Calls `law` with every layer of every sample, in all surroundings that fit.
fn for_specimens(batches: &[usize], mut law: impl FnMut(&str, &Specimen)) {
    for spec in LAYERS {
        for sample in spec.samples {
            let layer = parse_layer(spec, sample);
            for surroundings in Surroundings::ALL.into_iter().filter(|it| it.fits(sample.inputs)) {
                let least = layer.whole_batch().map_or(1, |it| it.least_items(sample.inputs));
                for &batch in batches.iter().filter(|&&batch| batch >= least) {
                    let what =
                        format!("{layer:?} of {:?}, {surroundings:?}, {batch}", sample.inputs);
                    law(&what, &Specimen::new(&layer, sample.inputs, surroundings, batch).unwrap());
                }
            }
        }
    }
}

fn sequential(plan: PlanOptions) -> NetworkOptions {
    NetworkOptions::default().executor("sequential").plan(plan)
}
