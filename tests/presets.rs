//! Every preset trains to the same bits on every executor.

use std::sync::Arc;

use caudal::data::synthetic_for;
use caudal::executor::policy::POLICIES;
use caudal::presets::PRESETS;
use caudal::train::{FitOptions, Network, NetworkOptions};

#[test]
fn every_preset_gives_the_same_bits_on_every_executor() {
    let mut executors = vec![("actors", 1, "fifo")];
    for policy in POLICIES {
        executors.extend([1, 2, 3, 4, 8].map(|workers| ("pool", workers, policy.name)));
    }
    for spec in PRESETS {
        let model = spec.model().unwrap();
        let data = synthetic_for(&model.graph, 60, 5).unwrap();
        let train = |executor: &str, workers, policy: &str| {
            let options = NetworkOptions {
                seed: 7,
                executor: executor.to_owned(),
                workers,
                policy: policy.to_owned(),
                ..NetworkOptions::default()
            };
            let (graph, optimizer) =
                (Arc::clone(&model.graph), Arc::clone(&model.training.optimizer));
            let mut network = Network::from_parts(graph, optimizer, options).unwrap();
            // Batches of 8, and of 4 at the end of an epoch.
            let options = FitOptions {
                epochs: 3,
                batch_size: 8,
                max_steps: Some(20),
                ..FitOptions::default()
            };
            let history = network.fit(&data, &options).unwrap();
            assert_eq!(history.steps, 20, "{}", spec.name);
            (network.weights_sha256(), history.train.last().map(|report| report.loss.to_bits()))
        };
        let expected = train("sequential", 1, "fifo");
        for &(executor, workers, policy) in &executors {
            let found = train(executor, workers, policy);
            assert_eq!(found, expected, "{}: {executor}, {workers}, {policy}", spec.name);
        }
    }
}
